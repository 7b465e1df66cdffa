# SPDX-License-Identifier: Apache-2.0
"""Parts of certificates for generate.py and full.py, beside those of tests/lib/derlib.py."""
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from derlib import bits, ext, integer, octets, oid, seq, tlv, utc  # noqa: E402  pylint: disable=wrong-import-position

V3 = b"\xa0\x03\x02\x01\x02"
START, END = "261101000000Z", "271101000000Z"
ROOT_VALIDITY = seq(utc("250101000000Z"), utc("450101000000Z"))
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key):
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


def key_usage(octet, unused):
    return ext("2.5.29.15", bits(octet, unused), True)


def eku(*oids):
    return ext("2.5.29.37", seq(*[oid(x) for x in oids]))


def ski(key):
    return ext("2.5.29.14", octets(key_id(key)))


def aki(key):
    return ext("2.5.29.35", seq(tlv(0x80, key_id(key))))


def basic(ca, pathlen=None):
    return seq(*([tlv(1, b"\xff")] if ca else []), *([integer(pathlen)] if pathlen is not None else []))


BC_LEAF = ext("2.5.29.19", seq(), True)
URI = tlv(0x86, b"urn:uuid:4d5c8f46-6a4f-4d63-8a4f-0f8ec1a2b3c4")


def san(*names, critical=False):
    return ext("2.5.29.17", seq(*names), critical)


def dns(b):
    return tlv(0x82, b)
