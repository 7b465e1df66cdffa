#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the renewals (CMS SignedData over a PKCS#10) that the reader must tell apart, one file each, next to this script.

The files are committed, so that the tests are deterministic; a new run makes new keys of the same shapes. Each message is signed
by its own key where that is possible, so that nothing but its defect can be the reason of a refusal. openssl-*.p7 are made by
`openssl cms -sign`; every good-*.p7 and openssl-*.p7 is given back to `openssl cms -verify`, which must find the same content.
request.csr is that content, genuine.der the certificate of most of them, lookalike.der the one of a forger.
"""
import hashlib
import os
import random
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "csr"), os.path.join(HERE, "..", "..", "lib")]
# pylint: disable=wrong-import-position
from derlib import (CN, ECDSA_SHA256, RSA_SHA256, bits, ext, integer, name, octets, oid, seq, set_, tlv, utc,  # noqa: E402
                    utf8)
import generate as csrs  # noqa: E402 tests/data/csr/generate.py

DATA, SIGNED_DATA, PKI_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.3.6.1.5.5.7.12.2"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = ("1.2.840.113549.1.9.%d" % n for n in (3, 4, 5))
COUNTERSIGNATURE = "1.2.840.113549.1.9.6"
NAME_VALUE_PAIR = "1.3.6.1.4.1.311.13.2.1"
NULL = tlv(5)
DIGEST_OID = {"md5": "1.2.840.113549.2.5", "sha1": "1.3.14.3.2.26", "sha224": "2.16.840.1.101.3.4.2.4",
              "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2",
              "sha512": "2.16.840.1.101.3.4.2.3"}
RSA = seq(oid("1.2.840.113549.1.1.1"), NULL)
ISSUER = name(("2.5.4.10", utf8("Lab")), (CN, utf8("Lab Issuing CA")))
SUBJECT = name((CN, utf8("8090C8B484A0E24EB5C56E806CB4EE5B")))
SERIAL = 0x17a1b2c3d4e5f60718293a4b5c6d7e8f


def write(label, data, suffix=".p7"):
    path = os.path.join(HERE, label + suffix)
    if "missing" in sys.argv[1:] and os.path.exists(path):  # the others keep their keys
        return
    with open(path, "wb") as f:
        f.write(data)


def spki_of(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(spki):
    return hashlib.sha1(spki[-65:]).digest()


CA_KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(spki, serial=SERIAL, subject=SUBJECT, issuer=ISSUER, identifier=None, more=b"", by=CA_KEY, signed=None):
    """identifier None: the usual one; b"" for no subjectKeyIdentifier."""
    identifier = key_id(spki) if identifier is None else identifier
    ski = ext("2.5.29.14", octets(identifier)) if identifier else b""
    exts = seq(ext("2.5.29.15", bits(b"\x80", 7), True), ext("2.5.29.37", seq(oid("1.3.6.1.5.5.7.3.2"))),
               ext("2.5.29.19", seq(), True), ski, more)
    algorithm, sign = signed or (ECDSA_SHA256, lambda m: by.sign(m, ec.ECDSA(hashes.SHA256())))
    tbs = seq(tlv(0xA0, integer(2)), integer(serial), algorithm, issuer, seq(utc("260301120000Z"), utc("270301120000Z")),
              subject, spki, tlv(0xA3, exts))
    return seq(tbs, algorithm, bits(sign(tbs)))


class Device:
    """A key that signs, and its certificate."""

    def __init__(self, spki, sign, algorithm=RSA, **how):
        self.spki, self.sign, self.algorithm = spki, sign, algorithm
        self.cert = certificate(spki, **how)


def rsa_device(n, d, e=65537, digest="sha256", **how):
    return Device(csrs.rsa_spki(n, e), csrs.rsa_sign(n, d, digest), **how)


def ec_device(key, digest=hashes.SHA256, arc=2, **how):
    return Device(spki_of(key), lambda m: key.sign(m, ec.ECDSA(digest())), seq(oid(f"1.2.840.10045.4.3.{arc}")), **how)


def attribute(kind, *values):
    return seq(oid(kind), set_(*values))


def attributes(content, digest="sha256"):
    return [attribute(CONTENT_TYPE, oid(DATA)), attribute(SIGNING_TIME, utc("260301120000Z")),
            attribute(MESSAGE_DIGEST, octets(hashlib.new(digest, content).digest()))]


def signer(device, content, digest="sha256", attrs=None, **how):
    """A SignerInfo. attrs None: the usual ones; [] for none. "order": keep the order given."""
    attrs = attributes(content, digest) if attrs is None else attrs
    body = b"".join(attrs if how.get("order") else sorted(attrs))
    signed = how.get("signed", tlv(how.get("signed_tag", 0x31), body) if attrs else content)
    sid = how.get("sid", seq(ISSUER, integer(SERIAL)))
    alg = how.get("digest_alg", seq(oid(DIGEST_OID[digest]), NULL))
    return seq(integer(how.get("version", 1)), sid, alg, tlv(0xA0, body) if attrs else b"",
               how.get("algorithm", device.algorithm), octets(device.sign(signed)), how.get("rest", b""))


def message(certs, signers, content, **how):
    kind, version = how.get("kind", DATA), how.get("version", 1)
    inner = how.get("inner", tlv(0xA0, octets(content)))
    digests = how.get("digests", [seq(oid(DIGEST_OID["sha256"]), NULL)])
    body = seq(integer(version), set_(*digests), seq(oid(kind), inner), tlv(0xA0, *certs) if certs else b"",
               how.get("crls", b""), set_(*signers))
    return seq(oid(how.get("outer", SIGNED_DATA)), tlv(0xA0, body))


class Maker:
    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        numbers = self.key.private_numbers()
        self.n, self.d = numbers.public_numbers.n, numbers.d
        self.dev = rsa_device(self.n, self.d)
        new = ec.generate_private_key(ec.SECP256R1())
        self.csr = csrs.csr(spki_of(new), lambda m: new.sign(m, ec.ECDSA(hashes.SHA256())), alg=ECDSA_SHA256)
        write("request", self.csr, ".csr")
        write("genuine", self.dev.cert, ".der")
        sha1 = (seq(oid("1.2.840.113549.1.1.5"), NULL), csrs.rsa_sign(self.n, self.d, "sha1"))
        write("self-signed-sha1", certificate(self.dev.spki, issuer=SUBJECT, signed=sha1), ".der")
        write("issuer", spki_of(CA_KEY), ".spki")

    def one(self, label, device=None, certs=None, digest="sha256", whole=None, **how):
        """A message with one signer: the device, or the one given."""
        device = device or self.dev
        whole = dict(whole or {})
        whole.setdefault("digests", [how.get("digest_alg", seq(oid(DIGEST_OID[digest]), NULL))])
        data = message([device.cert] if certs is None else certs, [signer(device, self.csr, digest, **how)], self.csr, **whole)
        write(label, data)
        return data

    def by_openssl(self):
        with tempfile.TemporaryDirectory() as scratch:
            def path(label):
                return os.path.join(scratch, label)

            def put(label, data):
                with open(path(label), "wb") as f:
                    f.write(data)

            def pem(label, key, cert):
                put(label + ".der", cert)
                put(label + ".key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
                subprocess.run(["openssl", "x509", "-inform", "der", "-in", path(label + ".der"), "-out", path(label + ".pem")],
                               check=True)

            keys = {"rsa": self.key, "p256": ec.generate_private_key(ec.SECP256R1()),
                    "p384": ec.generate_private_key(ec.SECP384R1())}
            for label, key in keys.items():
                pem(label, key, self.dev.cert if label == "rsa" else certificate(spki_of(key)))
            pem("chain", CA_KEY, certificate(spki_of(CA_KEY), serial=1, subject=ISSUER))
            put("csr", self.csr)
            for label, key, options in (
                    ("rsa", "rsa", []), ("rsa-keyid", "rsa", ["-keyid"]), ("rsa-noattr", "rsa", ["-noattr"]),
                    ("rsa-chain", "rsa", ["-certfile", path("chain.pem")]), ("rsa-sha384", "rsa", ["-md", "sha384"]),
                    ("rsa-sha512", "rsa", ["-md", "sha512"]), ("rsa-sha1", "rsa", ["-md", "sha1"]), ("p256", "p256", []),
                    ("p384", "p384", ["-md", "sha384"]), ("p256-noattr", "p256", ["-noattr"]), ("nocerts", "rsa", ["-nocerts"]),
                    ("pss", "rsa", ["-keyopt", "rsa_padding_mode:pss"]), ("indefinite", "rsa", ["-stream"])):
                md = [] if "-md" in options else ["-md", "sha256"]
                made = subprocess.run(
                    ["openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", *md, "-in", path("csr"), "-signer",
                     path(key + ".pem"), "-inkey", path(key + ".key"), *options, "-outform", "der"], check=True,
                    stdout=subprocess.PIPE).stdout
                write("openssl-" + label, made)

    def good(self):
        dev, one = self.dev, self.one
        one("good-rsa")
        one("good-no-attributes", attrs=[])
        one("good-keyid", sid=tlv(0x80, key_id(dev.spki)), version=3, whole={"version": 3})
        one("good-version-3", whole={"version": 3})
        one("good-digest-no-null", digest_alg=seq(oid(DIGEST_OID["sha256"])))
        one("good-sha256-with-rsa", algorithm=RSA_SHA256)
        others = [certificate(dev.spki, serial=s) for s in range(1, 9)]
        one("good-8-certificates", certs=others[:7] + [dev.cert])
        crl_info = seq(integer(1), ECDSA_SHA256, ISSUER, utc("260301120000Z"))
        one("good-crl", whole={"crls": tlv(0xA1, seq(crl_info, ECDSA_SHA256, bits(b"\0" * 70)))})
        more = [attribute(NAME_VALUE_PAIR, seq(utf8(n), utf8("v"))) for n in "ab"]
        one("good-other-attributes", attrs=attributes(self.csr) + more)
        counter = attribute(COUNTERSIGNATURE, signer(dev, b"whatever"))
        one("good-countersigned", rest=tlv(0xA1, counter))
        key = ec.generate_private_key(ec.SECP256R1())
        one("good-p256-sha384", ec_device(key, hashes.SHA384, 3), digest="sha384")
        nb, db = csrs.make(2048, (1 << 63) + 29)
        one("good-rsa-e64bit", rsa_device(nb, db, (1 << 63) + 29))

    def who(self):
        """Signers and certificates."""
        dev, one = self.dev, self.one
        other = rsa.generate_private_key(65537, 2048).private_numbers()
        forger = rsa_device(other.public_numbers.n, other.d, identifier=key_id(dev.spki), by=ec.generate_private_key(ec.SECP256R1()))
        write("lookalike", forger.cert, ".der")
        one("lookalike", forger)
        one("lookalike-keyid", forger, sid=tlv(0x80, key_id(dev.spki)), version=3)
        one("lookalike-beside", forger, certs=[dev.cert, forger.cert])
        one("lookalike-before", dev, certs=[forger.cert, dev.cert])
        one("lookalike-keyid-beside", forger, certs=[forger.cert, dev.cert], sid=tlv(0x80, key_id(dev.spki)), version=3)
        one("genuine-certificate-other-key", forger, certs=[dev.cert])
        one("certificate-twice", certs=[dev.cert, dev.cert])
        one("certificate-none", certs=[])
        one("certificate-of-another-serial", certs=[certificate(dev.spki, serial=SERIAL + 1)])
        one("certificate-of-another-issuer", certs=[certificate(dev.spki, issuer=name((CN, utf8("Lab Issuing CA"))))])
        one("certificate-of-another-keyid", sid=tlv(0x80, b"\1" * 20), version=3)
        one("certificate-without-keyid", certs=[certificate(dev.spki, identifier=b"")], sid=tlv(0x80, b""), version=3)
        one("certificate-9", certs=[dev.cert] + [certificate(dev.spki, serial=s) for s in range(1, 9)])
        one("certificate-of-attributes", certs=[dev.cert, tlv(0xA2, b"")])
        one("certificate-duplicate-extension", certs=[certificate(dev.spki, more=ext("2.5.29.19", seq(), True))])
        one("certificate-trailing-field", certs=[seq(dev.cert[4:], NULL)])
        info = signer(dev, self.csr)
        write("signer-none", message([dev.cert], [], self.csr))
        write("signer-two", message([dev.cert], [info, signer(dev, self.csr, attrs=[])], self.csr))
        write("signer-twice", message([dev.cert], [info, info], self.csr))
        one("signer-version-3-by-serial", version=3)
        one("signer-version-1-by-keyid", sid=tlv(0x80, key_id(dev.spki)))
        one("signer-keyid-constructed", sid=tlv(0xA0, octets(key_id(dev.spki))), version=3)
        one("signer-trailing", rest=NULL)

    def what(self):
        """Message and content."""
        dev, one, csr = self.dev, self.one, self.csr
        one("not-signed-data", whole={"outer": "1.2.840.113549.1.7.3"})
        one("version-2", whole={"version": 2})
        one("content-pki-data", whole={"kind": PKI_DATA})
        one("content-detached", whole={"inner": b""})
        one("content-constructed", whole={"inner": tlv(0xA0, tlv(0x24, octets(csr[:100]), octets(csr[100:])))})
        one("content-bare", whole={"inner": tlv(0xA0, csr)})
        one("content-two-strings", whole={"inner": tlv(0xA0, octets(csr), octets(csr))})
        for label, content in (("empty", b""), ("two", csr + csr), ("set", tlv(0x31, *sorted(attributes(csr))))):
            # the last one is a genuine signature over attributes, moved to where they are the content
            write("content-" + label, message([dev.cert], [signer(dev, content, attrs=[])], content))
        one("content-changed", whole={"inner": tlv(0xA0, octets(csr[:-1] + bytes([csr[-1] ^ 1])))})
        one("digests-empty", whole={"digests": []})
        one("digests-of-another", whole={"digests": [seq(oid(DIGEST_OID["sha512"]), NULL)]})
        one("digests-twice", whole={"digests": [seq(oid(DIGEST_OID["sha256"]), NULL)] * 2})
        one("digests-more", whole={"digests": [seq(oid(DIGEST_OID[d]), NULL) for d in ("sha256", "sha512")]})
        one("crl-malformed", whole={"crls": tlv(0xA1, seq(seq(), seq()))})
        one("crl-other", whole={"crls": tlv(0xA1, tlv(0xA1, oid(DATA), NULL))})
        good = message([dev.cert], [signer(dev, csr)], csr)
        write("der-trailing", good + b"\0")
        write("der-indefinite", b"\x30\x80" + good[4:] + b"\0\0")
        write("der-long-length", b"\x30\x83\x00" + good[2:])
        write("der-truncated", good[:-1])
        write("der-empty", b"")
        write("der-second-content", seq(good[4:], NULL))
        write("der-request", csr)

    def attribute_lists(self):
        one, csr = self.one, self.csr
        kind, when, digest = attributes(csr)
        one("attributes-order", attrs=[digest, kind, when], order=True)
        one("attributes-no-content-type", attrs=[when, digest])
        one("attributes-no-message-digest", attrs=[kind, when])
        one("attributes-content-type-twice", attrs=[kind, kind, digest])
        one("attributes-content-type-two-values", attrs=[attribute(CONTENT_TYPE, oid(DATA), oid(DATA)), digest])
        one("attributes-content-type-pki-data", attrs=[attribute(CONTENT_TYPE, oid(PKI_DATA)), digest])
        one("attributes-message-digest-twice", attrs=[kind, digest, digest])
        two = octets(hashlib.sha256(csr).digest())
        one("attributes-message-digest-two-values", attrs=[kind, attribute(MESSAGE_DIGEST, two, two)])
        one("attributes-message-digest-not-octets", attrs=[kind, attribute(MESSAGE_DIGEST, utf8(b"a" * 32))])
        one("attributes-message-digest-other", attrs=attributes(csr + b"x"))
        one("attributes-message-digest-short", attrs=[kind, attribute(MESSAGE_DIGEST, octets(hashlib.sha256(csr).digest()[:31]))])
        one("attributes-message-digest-of-sha512", attrs=attributes(csr, "sha512"))
        one("attributes-value-none", attrs=[kind, digest, seq(oid(SIGNING_TIME), set_())])
        one("attributes-foreign", attrs=[kind, digest, NULL])
        one("attributes-33", attrs=[kind, digest] + [attribute(f"1.2.3.{i}", NULL) for i in range(31)])
        one("attributes-signed-as-context", signed_tag=0xA0)
        one("attributes-not-signed", signed=csr)
        body = tlv(0x31, *sorted(attributes(csr)))
        one("attributes-stripped", attrs=[], signed=body)
        one("unsigned-empty", rest=tlv(0xA1))
        one("unsigned-foreign", rest=tlv(0xA1, NULL))
        one("unsigned-33", rest=tlv(0xA1, *[attribute(f"1.2.3.{i}", NULL) for i in range(33)]))
        one("unsigned-before-signature", algorithm=tlv(0xA1, attribute("1.2.3", NULL)) + RSA)

    def algorithms(self):
        one, n, d = self.one, self.n, self.d
        for digest in ("md5", "sha1"):
            one(digest, rsa_device(n, d, digest=digest), digest=digest)
        one("sha1-oiw", rsa_device(n, d, digest="sha1", algorithm=seq(oid("1.3.14.3.2.29"), NULL)), digest="sha1")
        one("sha224", digest="sha224")
        one("sha1-signature-sha256-digest", rsa_device(n, d, digest="sha1"))
        one("digest-parameters", digest_alg=seq(oid(DIGEST_OID["sha256"]), octets(b"x")))
        one("algorithm-of-another-digest", algorithm=seq(oid("1.2.840.113549.1.1.12"), NULL))
        one("algorithm-no-null", algorithm=seq(oid("1.2.840.113549.1.1.1")))
        one("algorithm-of-another-key", algorithm=ECDSA_SHA256)
        sha256 = seq(oid(DIGEST_OID["sha256"]))
        for salt in (0, 32):
            def pss(m, s=salt):
                return self.key.sign(m, padding.PSS(padding.MGF1(hashes.SHA256()), s), hashes.SHA256())
            params = seq(tlv(0xA0, sha256), tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), sha256)), tlv(0xA2, integer(salt)))
            one(f"pss-salt{salt}", Device(self.dev.spki, pss, seq(oid("1.2.840.113549.1.1.10"), params)), certs=[self.dev.cert])
        key = ec.generate_private_key(ec.SECP256R1())
        one("ec-sha512", ec_device(key, hashes.SHA512, 4), digest="sha512")
        one("ec-algorithm-rsa", Device(spki_of(key), lambda m: key.sign(m, ec.ECDSA(hashes.SHA256())), RSA))
        one("ec-raw-signature", Device(spki_of(key), lambda m: b"\1" * 64, ECDSA_SHA256))
        one("ec-zero-signature", Device(spki_of(key), lambda m: seq(integer(0), integer(0)), ECDSA_SHA256))
        one("ec-p521", ec_device(ec.generate_private_key(ec.SECP521R1())))
        one("ec-off-curve", Device(csrs.ec_spki(oid("1.2.840.10045.3.1.7"), b"\x04" + b"\x01" * 64),
                                   lambda m: key.sign(m, ec.ECDSA(hashes.SHA256())), ECDSA_SHA256))
        ed = ed25519.Ed25519PrivateKey.generate()
        eddsa = Device(spki_of(ed), ed.sign, seq(oid("1.3.101.112")))
        one("ed25519", eddsa)  # with SHA-256: RFC 8419 3.1 wants SHA-512
        one("ed25519-sha512", eddsa, digest="sha512")
        one("ed25519-no-attributes", eddsa, digest="sha512", attrs=[])
        one("ed25519-bad", Device(eddsa.spki, lambda m: ed.sign(m + b"x"), eddsa.algorithm), digest="sha512")
        one("ed25519-identity", Device(seq(seq(oid("1.3.101.112")), bits(b"\1" + bytes(31))),
                                       lambda m: b"\x58" + b"\x66" * 31 + b"\1" + bytes(31), eddsa.algorithm), digest="sha512")
        one("ed25519-algorithm-ecdsa", Device(eddsa.spki, ed.sign, ECDSA_SHA256))
        one("ec-p521-sha512", ec_device(ec.generate_private_key(ec.SECP521R1()), hashes.SHA512, 4), digest="sha512")
        one("signature-bad", Device(self.dev.spki, lambda m: self.dev.sign(m)[:-1] + b"\0"), certs=[self.dev.cert])
        one("signature-longer", Device(self.dev.spki, lambda m: b"\0" + self.dev.sign(m)), certs=[self.dev.cert])
        one("signature-plus-modulus", Device(
            self.dev.spki, lambda m: (int.from_bytes(self.dev.sign(m), "big") + n).to_bytes(257, "big")), certs=[self.dev.cert])
        one("signature-empty", Device(self.dev.spki, lambda m: b""), certs=[self.dev.cert])

    def keys(self):
        one, n = self.one, self.n
        one("rsa-e1", rsa_device(n, 1, 1))
        n3, d3 = csrs.make(2048, 3)
        one("rsa-e3", rsa_device(n3, d3, 3))
        huge = (1 << 64) + 13
        nh, dh = csrs.make(2048, huge)
        one("rsa-e65bit", rsa_device(nh, dh, huge))
        one("rsa-e-even", rsa_device(n, 1, 65538))
        for size in (1024, 1536, 2056):
            n1, d1 = csrs.make(size)
            one(f"rsa{size}", rsa_device(n1, d1))
        n1 = random.getrandbits(16384) | 1 | 1 << 16383  # nobody has this key, and nobody must find that out at its cost
        one("rsa16384", Device(csrs.rsa_spki(n1, 65537), lambda m: b"\1" * 2048))
        one("rsa-even-modulus", rsa_device(n + 1, 1))
        n4, d4 = csrs.make(4096)
        one("rsa4096", rsa_device(n4, d4))


def check_good():
    """Differential: OpenSSL finds the same content in all that are good."""
    with open(os.path.join(HERE, "request.csr"), "rb") as f:
        want = f.read()
    for label in sorted(os.listdir(HERE)):
        if label.startswith(("good-", "openssl-")) and "nocerts" not in label:
            got = subprocess.run(["openssl", "cms", "-verify", "-binary", "-noverify", "-inform", "der", "-in",
                                  os.path.join(HERE, label)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert got.stdout == want, label


def main():
    maker = Maker()
    for make in (maker.by_openssl, maker.good, maker.who, maker.what, maker.attribute_lists, maker.algorithms, maker.keys):
        make()
    check_good()


if __name__ == "__main__":
    main()
