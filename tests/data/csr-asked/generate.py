#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the requests of tests/unit/test_csr_asked.c: what each asks for stands there."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
import csrbuild as c  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

KEY = ec.generate_private_key(ec.SECP256R1())
SID = "S-1-5-21-1-2-3-500"
CSRS = {
    "all": c.csr(KEY, [("CN", "ada"), ("O", "Corp"), ("C", "DE"), ("title", "queen")], [
        c.san([("dns", "a.corp.example"), ("email", "ada@corp.example"), ("upn", "ada@corp.example"),
               ("guid", "12345678-1234-abcd-1234-123456789abc"), ("uri", "urn:corp:42"),
               ("uri", "TAG" + c.sid_uri(SID)[3:]), ("ip", "10.0.0.1"), ("ip", "2001:db8::1"),
               ("dn", [("CN", "x")]), ("rid", "1.2.3")]),
        c.sid_extension(SID), c.eku(["1.3.6.1.5.5.7.3.2"]), c.key_usage(0x86), c.basic_constraints(True, 0),
        c.application_policies(["1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.1"]), c.policies(["1.2.3.4"]),
        c.template("1.3.6.1.4.1.311.21.8.1.2", 100, 5), c.template_name("User"),
        c.extension("1.2.3.4.5", b"\x05\x00", True)], [c.attribute("1.3.6.1.4.1.311.13.2.3", c.tlv(0x16, b"10.0"))]),
    "nothing": c.csr(KEY, []),
    "unreadable": c.csr(KEY, [("CN", c.utf8(b"ada\xe2\x80\xaebob")), ("O", c.bmp("Corp")), ("OU", c.utf8(b"it\0"))], [
        c.extension("2.5.29.17", b"junk"), c.extension("2.5.29.15", b"\x04\x00"), c.extension("2.5.29.19", b"\x30"),
        c.extension(c.SID, b"\x30\x00"), c.extension(c.APPLICATION_POLICIES, b"\x30\x00"),
        c.extension(c.TEMPLATE_NAME, c.bmp("\u202eUser")), c.extension(c.TEMPLATE, c.seq(c.integer(1))),
        c.extension("1.3.6.1.4.1.311.66.1.0", b"not DER\0")]),
    "san-nul": c.csr(KEY, [("CN", "x")], [c.san([
        ("dns", b"a.corp.example\0.evil"), ("upn", "eve\nadmin@corp.example"),
        ("raw", c.other_name(c.UPN, c.tlv(0x16, b"ia5@corp.example"))),
        ("raw", c.other_name("1.3.6.1.5.2.2", c.utf8("a"))), ("raw", c.tlv(0xa0, c.tlv(0x05))),
        ("raw", c.other_name(c.NTDS_GUID, c.octets(b"\1\2\3\4"))), ("uri", c.sid_uri(SID).encode() + b"\0A"),
        ("raw", c.tlv(0x87, b"\x0a\0\0")), ("raw", c.tlv(0x88, b"\x80")), ("raw", c.tlv(0xa3, c.tlv(0x05)))])]),
    "san-trailing": c.csr(KEY, [], [c.extension("2.5.29.17", c.general_names([("dns", "a.example")]) + c.tlv(0x05))]),
    "long": c.csr(KEY, [("CN", "x" * 73), ("O", "y" * 512)], [c.san([("upn", "z" * 505 + "@example")])]),
    "decipher-only": c.csr(KEY, [], [c.extension("2.5.29.15", c.bits(b"\x08\x80", 7), True)]),
    "ca-false": c.csr(KEY, [("CN", "x")], [c.basic_constraints(False), c.key_usage(0x80)]),
    "san-101": c.csr(KEY, [("CN", "x")], [c.san([("dns", f"h{i}.corp.example") for i in range(101)])]),
    "san-100": c.csr(KEY, [("CN", "x")], [c.san([("dns", f"h{i}.corp.example") for i in range(100)])]),
}

for name, der in CSRS.items():
    with open(os.path.join(HERE, name + ".csr"), "wb") as f:
        f.write(der)
