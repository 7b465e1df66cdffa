#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make defective leaf certificates, each with one defect that a verifier should see, and good ones, next to this script.

The files are committed; tests extract the TBSCertificate and ask lint and floor. The good certificates have the profile of the
project, so that nothing but the defect can be the reason of a refusal. A new run makes new keys of the same shapes.
"""
import base64
import os
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "lib")]
# pylint: disable=wrong-import-position
from certlib import (BC_LEAF, CLIENT_AUTH, END, ROOT_VALIDITY, START, URI, V3, aki, basic, dns, eku, key_id,  # noqa: E402
                     key_usage, san, ski, spki)
from derlib import (CN, ECDSA_SHA256, bits, ext, generalized, integer, name, octets, oid, printable,  # noqa: E402
                    raw_integer, seq, tlv, utc, utf8)
from full import Full  # noqa: E402

def write(label, data, pem=False):
    with open(os.path.join(HERE, label + ".der"), "wb") as f:
        f.write(data)
    if pem:
        with open(os.path.join(HERE, label + ".pem"), "w", encoding="ascii") as f:
            f.write("-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data).decode() +
                    "-----END CERTIFICATE-----\n")


class Lab:
    def __init__(self):
        self.serial = self.new_serial()  # of every leaf without a defect in it: the one that was recorded
        self.root = ec.generate_private_key(ec.SECP256R1())
        self.ica = ec.generate_private_key(ec.SECP256R1())
        self.leaf = rsa.generate_private_key(65537, 2048)
        self.leaf_ec = ec.generate_private_key(ec.SECP256R1())
        self.other_leaf = rsa.generate_private_key(65537, 2048)
        self.rsa1024 = rsa.generate_private_key(65537, 1024)
        self.root_name = name((CN, utf8("Test Root")))
        self.issuer = name((CN, utf8("Test Issuing")))

    @staticmethod
    def new_serial():
        return integer(int.from_bytes(b"\x01" + os.urandom(15), "big"))

    def cert(self, exts, **k):
        """One certificate; every field can be replaced by raw DER."""
        alg = k.get("alg", ECDSA_SHA256)
        serial = k.get("serial", self.serial)
        validity = k.get("validity", seq(utc(START), utc(END)))
        extensions = k.get("extraw", b"" if exts is None else tlv(0xA3, seq(*exts)))
        tbs = seq(k.get("version", V3), serial, alg, k.get("issuer", self.issuer), validity,
                  k.get("subject", name((CN, utf8("dev-1")))), k.get("spki", spki(self.leaf)), k.get("uid", b""),
                  extensions)
        key = k.get("key", self.ica)
        return seq(tbs, k.get("outer", alg), bits(key.sign(tbs, ec.ECDSA(k.get("digest", hashes.SHA256())))))

    def good(self, sans=(URI,)):
        return [key_usage(b"\xa0", 5), eku(CLIENT_AUTH), BC_LEAF, ski(self.leaf), aki(self.ica), san(*sans)]

    def authorities(self):
        write("root", self.cert([ext("2.5.29.19", basic(True), True), key_usage(b"\x06", 1), ski(self.root)],
                                key=self.root, issuer=self.root_name, subject=self.root_name, spki=spki(self.root),
                                validity=ROOT_VALIDITY, serial=self.new_serial()), pem=True)
        ica = [ext("2.5.29.19", basic(True, 0), True), key_usage(b"\x06", 1), ski(self.ica), aki(self.root)]
        fields = {"key": self.root, "issuer": self.root_name, "subject": self.issuer, "spki": spki(self.ica),
                  "validity": ROOT_VALIDITY, "serial": self.new_serial()}
        write("ica", self.cert(ica, **fields), pem=True)
        constraints = ext("2.5.29.30", seq(tlv(0xA0, seq(dns(b"example.org")))), True)
        write("ica-constrained", self.cert(ica + [constraints], **fields), pem=True)
        write("ica-not-ca", self.cert([BC_LEAF] + ica[1:], **fields), pem=True)
        write("ica-no-certsign", self.cert([ica[0], key_usage(b"\x80", 7)] + ica[2:], **fields), pem=True)
        write("ica-no-ski", self.cert([ica[0], ica[1], ica[3]], **fields), pem=True)
        write("ica-other-root", self.cert(ica, **dict(fields, key=self.leaf_ec)), pem=True)

    def fields(self):
        good, cert = self.good(), self.cert
        return {
            "serial_neg": cert(good, serial=raw_integer(b"\xff\x01\x02\x03\x04\x05\x06\x07\x08")),
            "serial_zero": cert(good, serial=integer(0)),
            "serial_small": cert(good, serial=integer(2)),
            "serial_63bit": cert(good, serial=integer((1 << 63) - 1)),
            "serial_15_octets": cert(good, serial=raw_integer(b"\x11" * 15)),
            "serial_21": cert(good, serial=raw_integer(b"\x11" * 21)),
            "serial_nonmin": cert(good, serial=raw_integer(b"\x00\x11" + b"\x22" * 8)),
            "v1_with_ext": cert(good, version=b""),
            "v2_ver": cert(good, version=b"\xa0\x03\x02\x01\x01"),
            "ver_explicit_v1": cert(None, version=b"\xa0\x03\x02\x01\x00"),
            "inverted_validity": cert(good, validity=seq(utc(END), utc(START))),
            "expired": cert(good, validity=seq(utc("250201000000Z"), utc("260101000000Z"))),
            "postdated": cert(good, validity=seq(utc("261201000000Z"), utc("270101000000Z"))),
            "too_long": cert(good, validity=seq(utc(START), utc("281101000000Z"))),
            "gt_before_2050": cert(good, validity=seq(generalized("20261101000000Z"), generalized("20271101000000Z"))),
            "utc_no_seconds": cert(good, validity=seq(utc("2611010000Z"), utc("2711010000Z"))),
            "utc_offset": cert(good, validity=seq(utc("261101000000+0100"), utc("271101000000+0100"))),
            "gt_fraction": cert(good, validity=seq(utc(START), generalized("20510101000000.5Z"))),
            "outlives_issuer": cert(good, validity=seq(utc(START), utc("490101000000Z"))),
            "issuer_printable": cert(good, issuer=name((CN, printable("Test Issuing")))),
            "issuer_case": cert(good, issuer=name((CN, utf8("test issuing")))),
            "issuer_empty": cert(good, issuer=seq()),
            "sigalg_mismatch": cert(good, outer=seq(oid("1.2.840.10045.4.3.3"))),
            "ecdsa_with_null": cert(good, alg=seq(oid("1.2.840.10045.4.3.2"), tlv(5))),
            "sha1": cert(good, alg=seq(oid("1.2.840.10045.4.1")), digest=hashes.SHA1()),
            "rsa1024": cert([key_usage(b"\xa0", 5), eku(CLIENT_AUTH), BC_LEAF, ski(self.rsa1024), aki(self.ica)],
                            spki=spki(self.rsa1024)),
            "own_key": cert([key_usage(b"\x80", 7), eku(CLIENT_AUTH), BC_LEAF, ski(self.ica), aki(self.ica)],
                            spki=spki(self.ica)),
            "uid_present": cert(good, uid=tlv(0x81, b"\x00\xaa")),
            "trailing_bytes": cert(good) + b"\x00\x00",
            "ber_indef": b"\x30\x80" + cert(good)[4:] + b"\x00\x00",
            "long_len": b"\x30\x83\x00" + cert(good)[2:],
            "badsig": cert(good)[:-4] + b"\x00\x00\x00\x00",
        }

    def subjects(self):
        good, cert = self.good(), self.cert
        plain = {
            "cn_nul": utf8(b"good.com\x00.evil.com"),
            "cn_65": utf8("x" * 65),
            "cn_empty": utf8(""),
            "cn_bidi": utf8("\u202egro.live"),
            "cn_control": utf8("a\nb"),
            "cn_badutf8": utf8(b"\xff\xfe"),
            "cn_bmp": tlv(0x1E, "dev".encode("utf-16-be")),
            "cn_t61": tlv(0x14, b"dev\xe9"),
            "prn_star": printable("*@dev"),
        }
        out = {label: cert(good, subject=name((CN, value))) for label, value in plain.items()}
        out["country_3"] = cert(good, subject=name(("2.5.4.6", printable("USA")), (CN, utf8("d"))))
        out["subject_is_issuer"] = cert(good, subject=self.issuer)
        out["empty_subj_san_noncrit"] = cert(good, subject=seq())
        out["empty_subj_no_san"] = cert(good[:5], subject=seq())
        return out

    def extensions(self):
        good, cert = self.good(), self.cert
        ku, usage, bc, sk, ak = good[:5]
        return {
            "dup_ext": cert(good + [key_usage(b"\x80", 7)]),
            "unknown_crit": cert(good + [ext("1.2.3.4.5", tlv(5), True)]),
            "unknown_noncrit": cert(good + [ext("1.2.3.4.5", tlv(5))]),
            "san_critical": cert(good[:5] + [san(URI, critical=True)]),
            "san_empty": cert(good[:5] + [san()]),
            "eku_empty": cert([ku, ext("2.5.29.37", seq()), bc, sk, ak]),
            "eku_none": cert([ku, bc, sk, ak]),
            "eku_any": cert([ku, eku(CLIENT_AUTH, "2.5.29.37.0"), bc, sk, ak]),
            "eku_foreign": cert([ku, eku(CLIENT_AUTH, "1.3.6.1.5.5.7.3.1"), bc, sk, ak]),
            "ku_none": cert([usage, bc, sk, ak]),
            "ku_noncrit": cert([ext("2.5.29.15", bits(b"\xa0", 5)), usage, bc, sk, ak]),
            "ku_empty": cert([key_usage(b"", 0), usage, bc, sk, ak]),
            "ku_trailing0": cert([key_usage(b"\xa0", 0), usage, bc, sk, ak]),
            "ku_key_agreement": cert([key_usage(b"\x88", 3), usage, bc, sk, ak]),
            "ku_encipherment_on_ec": cert([key_usage(b"\xa0", 5), usage, bc, ski(self.leaf_ec), ak],
                                          spki=spki(self.leaf_ec)),
            "ku_certsign_noCA": cert([key_usage(b"\x06", 1), usage, bc, sk, ak]),
            "bc_none": cert([ku, usage, sk, ak]),
            "bc_noncrit": cert([ku, usage, ext("2.5.29.19", seq()), sk, ak]),
            "bc_default_false": cert([ku, usage, ext("2.5.29.19", seq(tlv(1, b"\x00")), True), sk, ak]),
            "bool_01": cert([ext("2.5.29.15", bits(b"\xa0", 5), raw_critical=tlv(1, b"\x01"))] + good[1:]),
            "crit_false_encoded": cert([ku, ext("2.5.29.37", seq(oid(CLIENT_AUTH)), raw_critical=tlv(1, b"\x00")),
                                        bc, sk, ak]),
            "leaf_is_CA": cert([ku, usage, ext("2.5.29.19", basic(True), True), sk, ak]),
            "sub_ca": cert([ext("2.5.29.19", basic(True), True), key_usage(b"\x06", 1), sk, ak]),
            "pathlen_nonCA": cert([ku, usage, ext("2.5.29.19", seq(integer(3)), True), sk, ak]),
            "aki_mismatch": cert([ku, usage, bc, sk, ext("2.5.29.35", seq(tlv(0x80, b"\x01" * 20)))]),
            "no_aki": cert([ku, usage, bc, sk]),
            "no_ski": cert([ku, usage, bc, ak]),
            "ski_wrong": cert([ku, usage, bc, ext("2.5.29.14", octets(b"\x01" * 20)), ak]),
            "ski_crit": cert([ku, usage, bc, ext("2.5.29.14", octets(key_id(self.leaf)), True), ak]),
            "sid_garbage": cert(good + [ext("1.3.6.1.4.1.311.25.2", b"garbage")]),
            "ext_value_not_der": cert([ku, usage, bc, sk, ak, ext("2.5.29.17", b"\x30\x80\x00\x00")]),
            "ext_empty_seq": cert(None, extraw=tlv(0xA3, seq())),
            "crldp_empty": cert(good[:5] + [ext("2.5.29.31", seq())]),
        }

    def names(self):
        upn = tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, utf8("admin@example.com")))
        sans = {
            "dns_nul": dns(b"a\x00b.com"),
            "dns_underscore": dns(b"a_b.com"),
            "dns_space": dns(b"a b.com"),
            "dns_8bit": dns(b"\xc3\xa9.com"),
            "ip_5bytes": tlv(0x87, b"\x01\x02\x03\x04\x05"),
            "rfc822_bad": tlv(0x81, b"not an email"),
            "uri_rel": tlv(0x86, b"relative/path"),
            "uri_space": tlv(0x86, b"urn:a b"),
            "san_upn": upn,
        }
        return {label: self.cert(self.good((value,))) for label, value in sans.items()}


def main():
    lab = Lab()
    lab.authorities()
    write("ok", lab.cert(lab.good()))
    write("ok_ec", lab.cert([key_usage(b"\x80", 7), eku(CLIENT_AUTH), BC_LEAF, ski(lab.leaf_ec), aki(lab.ica), san(URI)],
                            spki=spki(lab.leaf_ec)))
    full = Full(lab)
    write("ok_full", full.full())
    for group in (lab.fields(), lab.subjects(), lab.extensions(), lab.names(), full.full_subjects(), full.full_names(),
                  full.full_extensions()):
        for label, data in group.items():
            write("bad_" + label, data)


if __name__ == "__main__":
    main()
