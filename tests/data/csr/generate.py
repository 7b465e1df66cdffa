#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the certificate requests that the screening must tell apart, one file each, next to this script.

The files are committed, so that the tests are deterministic; a new run makes new keys of the same shapes, and with the
word "missing" only the files that are not there. Each request
is signed by its own key where that is possible, so that nothing but the defect can be the reason of a refusal.
windows-*.csr are not made here: they are the shapes that Windows sends (MS-MDE2).
"""
import hashlib
import math
import os
import random
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
# pylint: disable=wrong-import-position
from derlib import (CN, ECDSA_SHA256, RSA_SHA256, bits, ext, integer, name, octets, oid, printable, seq, set_, tlv,  # noqa: E402
                    utf8)

RSA = seq(oid("1.2.840.113549.1.1.1"), tlv(5))
E = 65537


def write(label, data):
    path = os.path.join(HERE, label + ".csr")
    if "missing" in sys.argv[1:] and os.path.exists(path):
        return
    with open(path, "wb") as f:
        f.write(data)


def rsa_spki(n, e, algorithm=RSA):
    return seq(algorithm, bits(seq(integer(n), integer(e))))


def csr(spki, signer, alg=RSA_SHA256, subject=None, attributes=b"", version=integer(0), tail=None):
    subject = name((CN, utf8("dev"))) if subject is None else subject
    tail = tlv(0xA0, attributes) if tail is None else tail
    info = seq(version, subject, spki, tail)
    return seq(info, alg, bits(signer(info)))


DIGEST_INFO = {
    "md5": "3020300c06082a864886f70d020505000410",
    "sha1": "3021300906052b0e03021a05000414",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}


def rsa_sign(n, d, digest="sha256"):
    def sign(message):
        k = (n.bit_length() + 7) // 8
        t = bytes.fromhex(DIGEST_INFO[digest]) + hashlib.new(digest, message).digest()
        padded = b"\0\1" + b"\xff" * (k - len(t) - 3) + b"\0" + t
        return pow(int.from_bytes(padded, "big") % n, d, n).to_bytes(k, "big")
    return sign


def is_prime(n):
    return all(n % p for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) and all(pow(a, n - 1, n) == 1 for a in (2, 3, 5))


def prime(size, e=E):
    while True:
        p = random.getrandbits(size) | 1 | 3 << (size - 2)
        if is_prime(p) and math.gcd(e, p - 1) == 1:
            return p


def make(size, e=E):
    p, q = prime(size // 2, e), prime(size // 2, e)
    return p * q, pow(e, -1, (p - 1) * (q - 1))


def private(p, q):
    return pow(E, -1, (p - 1) * (q - 1))


def roca_primorial():
    m, count, candidate = 1, 0, 2
    while count < 126:  # the first 126 primes: what the flawed library used for keys of 1984 to 3936 bits
        if all(candidate % i for i in range(2, int(candidate ** 0.5) + 1)):
            m, count = m * candidate, count + 1
        candidate += 1
    return m


def roca_prime(size, m):
    while True:
        c = random.getrandbits(size - m.bit_length()) * m + pow(65537, random.getrandbits(200), m)
        if c.bit_length() == size and c >> (size - 2) == 3 and is_prime(c) and math.gcd(E, c - 1) == 1:
            return c


def rsa_keys(n, d):
    sign = rsa_sign(n, d)
    write("good-rsa2048", csr(rsa_spki(n, E), sign))
    for size in (3072, 4096, 512, 1024, 1536, 2056):
        n1, d1 = make(size)
        write(f"rsa{size}", csr(rsa_spki(n1, E), rsa_sign(n1, d1)))
    write("rsa-e1", csr(rsa_spki(n, 1), rsa_sign(n, 1)))
    n3, d3 = make(2048, 3)
    write("rsa-e3", csr(rsa_spki(n3, 3), rsa_sign(n3, d3)))
    big = (1 << 63) + 29
    nb, db = make(2048, big)
    write("rsa-e64bit", csr(rsa_spki(nb, big), rsa_sign(nb, db)))
    huge = (1 << 64) + 13
    nh, dh = make(2048, huge)
    write("rsa-e65bit", csr(rsa_spki(nh, huge), rsa_sign(nh, dh)))
    write("rsa-e-even", csr(rsa_spki(n, 65538), rsa_sign(n, 1)))
    write("rsa-e-negative", csr(rsa_spki(n, -65537), sign))
    write("rsa-even-modulus", csr(rsa_spki(n + 1, E), rsa_sign(n + 1, 1)))
    pm = prime(2048)
    write("rsa-prime-modulus", csr(rsa_spki(pm, E), rsa_sign(pm, pow(E, -1, pm - 1))))
    write("rsa-negative-modulus", csr(rsa_spki(-n, E), sign))
    write("rsa-zero-modulus", csr(rsa_spki(0, E), lambda m: b"\0" * 256))
    write("rsa-no-null", csr(rsa_spki(n, E, seq(oid("1.2.840.113549.1.1.1"))), sign))
    write("rsa-nonminimal-modulus", csr(seq(RSA, bits(seq(tlv(2, b"\0\0" + n.to_bytes(256, "big")), integer(E)))), sign))
    write("rsa-three-integers", csr(seq(RSA, bits(seq(integer(n), integer(E), integer(1)))), sign))
    write("rsa-e-zero", csr(rsa_spki(n, 0), sign))
    for size, esize in ((65536, 17), (16400, 17), (16384, 64), (16384, 17), (8192, 64), (4096, 64), (3072, 3072), (2048, 2048)):
        modulus = random.getrandbits(size) | 1 | 1 << (size - 1)
        exponent = random.getrandbits(esize) | 1 | 1 << (esize - 1)
        write(f"cost-rsa{size}-e{esize}", csr(rsa_spki(modulus, exponent), lambda m, s=size: b"\x01" * (s // 8)))


def factorable_keys():
    p = prime(1024)
    q = p + 2
    while not is_prime(q) or math.gcd(E, q - 1) != 1:
        q += 2
    write("rsa-fermat", csr(rsa_spki(p * q, E), rsa_sign(p * q, private(p, q))))
    q = p + (1 << 516)  # found only after some tens of rounds, not by the first
    q |= 1
    while not is_prime(q) or math.gcd(E, q - 1) != 1:
        q += 2
    write("rsa-fermat-late", csr(rsa_spki(p * q, E), rsa_sign(p * q, private(p, q))))
    write("rsa-square", csr(rsa_spki(p * p, E), rsa_sign(p * p, pow(E, -1, p * (p - 1)))))
    m = roca_primorial()
    p, q = roca_prime(1024, m), roca_prime(1024, m)
    write("rsa-roca", csr(rsa_spki(p * q, E), rsa_sign(p * q, private(p, q))))
    for factor in (3, 751, 757, 65539):
        q = random.getrandbits(2046) | 1 << 2046 | 1
        q = (q << 1) // factor | 1  # so that factor * q has 2048 bits
        while not is_prime(q) or math.gcd(E, q - 1) != 1:
            q += 2
        n = factor * q
        d = pow(E, -1, (factor - 1) * (q - 1)) if math.gcd(E, factor - 1) == 1 else 1
        write(f"rsa-factor-{factor}", csr(rsa_spki(n, E), rsa_sign(n, d)))


def signatures(n, d):
    spki = rsa_spki(n, E)
    pkcs1 = "1.2.840.113549.1.1.%d"
    for digest, arc in (("md5", 4), ("sha1", 5), ("sha384", 12), ("sha512", 13)):
        write(f"sig-{digest}", csr(spki, rsa_sign(n, d, digest), alg=seq(oid(pkcs1 % arc), tlv(5))))
    write("sig-sha1-oiw", csr(spki, rsa_sign(n, d, "sha1"), alg=seq(oid("1.3.14.3.2.29"), tlv(5))))
    write("sig-no-null", csr(spki, rsa_sign(n, d), alg=seq(oid(pkcs1 % 11))))
    write("sig-wrong-type", csr(spki, rsa_sign(n, d), alg=ECDSA_SHA256))


def pss_signatures():
    key = rsa.generate_private_key(E, 2048)
    rk = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pkcs1, nist = "1.2.840.113549.1.1.%d", "2.16.840.1.101.3.4.2.%d"
    digests = {"sha1": (hashes.SHA1(), "1.3.14.3.2.26"), "sha256": (hashes.SHA256(), nist % 1),
               "sha384": (hashes.SHA384(), nist % 2), "sha512": (hashes.SHA512(), nist % 3),
               "sha224": (hashes.SHA224(), nist % 4)}

    def one(label, digest="sha256", mgf=None, salt=None, null=b"", tail=b"", raw_salt=None, params=None, spki=rk,
            break_it=False):
        mgf = mgf or digest
        algorithm, size = digests[digest][0], digests[digest][0].digest_size
        salt = size if salt is None else salt
        if params is None:
            params = seq(tlv(0xA0, seq(oid(digests[digest][1]), null)),
                         tlv(0xA1, seq(oid(pkcs1 % 8), seq(oid(digests[mgf][1]), null))),
                         tlv(0xA2, raw_salt or integer(salt)), tail)

        def sign(m):
            s = key.sign(m, padding.PSS(padding.MGF1(digests[mgf][0]), salt), algorithm)
            return s[:-1] + bytes([s[-1] ^ 1]) if break_it else s
        write("sig-pss-" + label, csr(spki, sign, alg=seq(oid(pkcs1 % 10), params)))

    one("salt0", salt=0)
    one("salt32")
    one("null", null=tlv(5))
    one("sha384", "sha384")
    one("sha512", "sha512", null=tlv(5))
    one("salt20", salt=20)
    one("salt33", salt=33)
    one("salt-longer", "sha512", salt=32)
    one("salt-negative", raw_salt=integer(-32))
    one("salt-long", raw_salt=tlv(2, b"\x01\0\0\0\x20"))
    one("mgf-other", mgf="sha512")
    one("mgf-sha1", mgf="sha1")
    one("sha1", "sha1")
    one("sha224", "sha224")
    one("defaults", "sha1", params=seq())
    one("trailer", tail=tlv(0xA3, integer(1)))
    one("bad", break_it=True)
    one("key", spki=seq(seq(oid(pkcs1 % 10)), *[bits(rk[-270:])]))


def encodings(n, d):
    spki, sign = rsa_spki(n, E), rsa_sign(n, d)
    good = csr(spki, sign)
    write("der-trailing", good + b"xx")
    write("der-indefinite", b"\x30\x80" + good[4:] + b"\0\0")
    write("der-long-length", b"\x30\x83\x00" + good[2:])
    write("der-empty", b"")
    write("der-empty-sequence", b"\x30\x00")
    write("der-deep-indefinite", b"\x30\x80" * 5000)
    deep = b""
    for _ in range(2000):
        deep = tlv(0x30, deep)
    write("der-deep", deep)
    write("der-length-overflow", b"\x30\x84\xff\xff\xff\xff" + b"A" * 100)
    write("der-truncated", good[:-20])
    write("badsig", good[:-1] + bytes([good[-1] ^ 1]))
    write("version-1", csr(spki, sign, version=integer(1)))
    write("version-nonminimal", csr(spki, sign, version=tlv(2, b"\0\0")))
    write("attributes-absent", csr(spki, sign, tail=b""))
    write("after-attributes", csr(spki, sign, tail=tlv(0xA0) + tlv(0xA1)))
    info = seq(integer(0), name((CN, utf8("dev"))), spki, tlv(0xA0))
    write("sig-unused-bits", seq(info, RSA_SHA256, bits(sign(info)[:-1] + b"\0", 1)))


def subjects(n, d):
    spki, sign = rsa_spki(n, E), rsa_sign(n, d)
    cn = oid(CN)
    for label, subject in (
            ("subject-empty", seq()),
            ("subject-nul-inside", name((CN, utf8(b"admin\0.x")))),
            ("subject-control", name((CN, utf8("a\r\nFORGED log line")))),
            ("subject-bidi", name((CN, utf8("\u202egro.live")))),
            ("subject-bad-utf8", name((CN, utf8(b"\xff\xfe")))),
            ("subject-bmp", name((CN, tlv(0x1E, "dev".encode("utf-16-be"))))),
            ("subject-long", name((CN, utf8("x" * 5000)))),
            ("subject-32-names", name(*[(CN, utf8("x"))] * 32)),
            ("subject-33-names", name(*[(CN, utf8("x"))] * 33)),
            ("limit-subject", name(*[(CN, utf8("x"))] * 1300)),
            ("limit-common-name", name((CN, utf8("x" * 16000)))),
            ("subject-multivalued", seq(set_(seq(cn, utf8("a")), seq(cn, utf8("b"))))),
            ("subject-big-arc", name(("2.25.340282366920938463463374607431768211455", utf8("x")))),
            ("subject-printable", name(("2.5.4.6", printable("DE")), (CN, printable("dev"))))):
        write(label, csr(spki, sign, subject=subject))


def extensions(n, d):
    spki, sign = rsa_spki(n, E), rsa_sign(n, d)
    pkcs9, ms = oid("1.2.840.113549.1.9.14"), oid("1.3.6.1.4.1.311.2.1.14")
    ca = ext("2.5.29.19", seq(tlv(1, b"\xff")), True)
    any_eku = ext("2.5.29.37", seq(oid("2.5.29.37.0")))

    def request(*exts, kind=pkcs9):
        return seq(kind, set_(seq(*exts)))

    def numbered(count):
        return request(*[ext(f"1.2.3.{i}", b"") for i in range(count)])

    for label, attributes in (
            ("ext-ca-and-any-eku", request(ca, any_eku)),
            ("ext-ms-request", request(any_eku, kind=ms)),
            ("ext-two-requests", request(any_eku) + request(ca)),
            ("ext-ms-and-pkcs9", request(any_eku, kind=ms) + request(ca)),
            ("ext-duplicate", request(any_eku, any_eku)),
            ("ext-two-values", seq(pkcs9, set_(seq(any_eku), seq(ca)))),
            ("ext-no-value", seq(pkcs9, set_())),
            ("ext-eku-empty", request(ext("2.5.29.37", seq()))),
            ("ext-eku-garbage", request(ext("2.5.29.37", b"garbage"))),
            ("ext-eku-foreign", request(ext("2.5.29.37", seq(integer(1))))),
            ("ext-default-false", request(ext("2.5.29.19", seq(), raw_critical=tlv(1, b"\0")))),
            ("ext-boolean-01", request(ext("2.5.29.19", seq(), raw_critical=tlv(1, b"\1")))),
            ("ext-not-der-value", request(ext("1.3.6.1.4.1.311.66.1.0", b"not DER\0"))),
            ("ext-64", numbered(64)),
            ("ext-65", numbered(65)),
            ("limit-extension", request(ext("1.2.3", b"\0" * 16000))),
            ("limit-extensions", numbered(1100)),
            ("limit-alternative-names", request(ext("2.5.29.17", seq(*[tlv(0x82, b"a.b")] * 3200)))),
            ("attribute-duplicate", seq(oid("1.2.3"), set_(integer(1))) * 2),
            ("attribute-17", b"".join(seq(oid(f"1.2.3.{i}"), set_(integer(1))) for i in range(17)))):
        write(label, csr(spki, sign, attributes=attributes))


def ec_spki(curve, point):
    return seq(seq(oid("1.2.840.10045.2.1"), curve), bits(point))


def explicit_p256(generator):
    p = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return seq(integer(1), seq(oid("1.2.840.10045.1.1"), integer(p)),
               seq(octets((p - 3).to_bytes(32, "big")), octets(b.to_bytes(32, "big"))), octets(generator),
               integer(order), integer(1))


def ec_keys():
    p256, p384 = oid("1.2.840.10045.3.1.7"), oid("1.3.132.0.34")
    base = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")

    def signer(key, digest=hashes.SHA256()):
        return lambda m: key.sign(m, ec.ECDSA(digest))

    def spki(key):
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    compressed = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    key384 = ec.generate_private_key(ec.SECP384R1())
    write("good-p256", csr(spki(key), signer(key), alg=ECDSA_SHA256))
    write("good-p384", csr(spki(key384), signer(key384, hashes.SHA384()), alg=seq(oid("1.2.840.10045.4.3.3"))))
    write("ec-sha1", csr(spki(key), signer(key, hashes.SHA1()), alg=seq(oid("1.2.840.10045.4.1"))))
    write("ec-sha512", csr(spki(key), signer(key, hashes.SHA512()), alg=seq(oid("1.2.840.10045.4.3.4"))))
    key521 = ec.generate_private_key(ec.SECP521R1())
    write("good-p521", csr(spki(key521), signer(key521, hashes.SHA512()), alg=seq(oid("1.2.840.10045.4.3.4"))))
    point521 = key521.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    p521 = oid("1.3.132.0.35")
    write("ec-sig-null", csr(spki(key), signer(key), alg=seq(oid("1.2.840.10045.4.3.2"), tlv(5))))
    for label, curve in (("ec-p192", ec.SECP192R1()), ("ec-secp256k1", ec.SECP256K1()), ("ec-p521", ec.SECP521R1())):
        other = ec.generate_private_key(curve)
        write(label, csr(spki(other), signer(other), alg=ECDSA_SHA256))
    tiny = seq(integer(1), seq(oid("1.2.840.10045.1.1"), integer(697)), seq(octets(b"\x02\x97"), octets(b"\x02\x97")),
               octets(b"\x03\x00\x17"), integer(701), integer(1))
    for label, curve, pt in (
            ("ec-off-curve", p256, b"\x04" + b"\x01" * 64),
            ("ec-off-curve-p384", p384, b"\x04" + b"\x01" * 96),
            ("ec-off-curve-p521", p521, point521[:-1] + bytes([point521[-1] ^ 1])),
            ("ec-short-p521", p521, b"\x04" + b"\x01" * 130),
            ("ec-infinity", p256, b"\x00"),
            ("ec-coordinate-over-prime", p256, b"\x04" + b"\xff" * 64),
            ("ec-wrong-curve", p384, point),
            ("ec-compressed", p256, compressed),
            ("ec-hybrid", p256, bytes([6 | (point[-1] & 1)]) + point[1:]),
            ("ec-explicit-p256", explicit_p256(base), point),
            ("ec-explicit-generator", explicit_p256(point), point),  # CVE-2020-0601
            ("ec-explicit-tiny", tiny, b"\x03\x00\x17")):  # CVE-2022-0778
        write(label, csr(ec_spki(curve, pt), signer(key), alg=ECDSA_SHA256))


def other_keys():
    def spki(key):
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    d = dsa.generate_private_key(2048)
    write("dsa2048", csr(spki(d), lambda m: d.sign(m, hashes.SHA256()), alg=seq(oid("2.16.840.1.101.3.4.3.2"))))
    ed = ed25519.Ed25519PrivateKey.generate()
    eddsa = seq(oid("1.3.101.112"))
    write("ed25519", csr(spki(ed), ed.sign, alg=eddsa))
    raw = ed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    write("ed25519-bad", csr(spki(ed), lambda m: ed.sign(m + b"x"), alg=eddsa))
    write("ed25519-null", csr(seq(seq(oid("1.3.101.112"), tlv(5)), bits(raw)), ed.sign, alg=eddsa))
    write("ed25519-short", csr(seq(eddsa, bits(raw[:-1])), ed.sign, alg=eddsa))
    write("ed25519-ecdsa", csr(spki(ed), ed.sign, alg=ECDSA_SHA256))
    # Points whose order divides 8: with them R = the base point, S = 1 is a signature of anything, once in order tries.
    small = {"identity": 1, "order2": 2 ** 255 - 20, "order4": 0,
             "order8": int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
                                      "little"),
             "order8b": int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
                                       "little"),
             "not-reduced": 2 ** 255 - 18}
    base = bytes([0x58]) + bytes([0x66]) * 31
    for label, y in small.items():
        for sign in (0, 1):
            point = (y | sign << 255).to_bytes(32, "little")
            write(f"ed25519-{label}{'-negative' if sign else ''}", csr(
                seq(eddsa, bits(point)), lambda m: base + (1).to_bytes(32, "little"), alg=eddsa))
    e4 = ed448.Ed448PrivateKey.generate()
    write("ed448", csr(spki(e4), e4.sign, alg=seq(oid("1.3.101.113"))))
    write("x448", csr(spki(x448.X448PrivateKey.generate()), lambda m: b"\0" * 114, alg=seq(oid("1.3.101.113"))))
    x = x25519.X25519PrivateKey.generate()
    write("x25519", csr(spki(x), lambda m: b"\0" * 64, alg=seq(oid("1.3.101.112"))))


def main():
    n, d = make(2048)
    rsa_keys(n, d)
    factorable_keys()
    signatures(n, d)
    pss_signatures()
    encodings(n, d)
    subjects(n, d)
    extensions(n, d)
    ec_keys()
    other_keys()


if __name__ == "__main__":
    main()
