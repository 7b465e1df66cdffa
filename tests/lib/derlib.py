# SPDX-License-Identifier: Apache-2.0
"""A DER writer that can also write what no library would: csrbuild.py and the generators of the test corpora are built on it."""


def length(n):
    if n < 128:
        return bytes([n])
    b = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(b)]) + b


def tlv(tag, *content):
    value = b"".join(content)
    return bytes([tag]) + length(len(value)) + value


def seq(*c):
    return tlv(0x30, *c)


def set_(*c):
    return tlv(0x31, *c)


def oid(dotted):
    arcs = [int(a) for a in dotted.split(".")]
    out = b""
    for a in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        septets = [a & 127]
        while a > 127:
            a >>= 7
            septets.append(128 | a & 127)
        out += bytes(reversed(septets))
    return tlv(6, out)


def integer(n):
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def raw_integer(octets):
    return tlv(2, octets)


def utf8(s):
    return tlv(0x0C, s.encode() if isinstance(s, str) else s)


def bmp(s):
    return tlv(0x1E, s.encode("utf-16-be"))


def boolean(value):
    return tlv(1, b"\xff" if value else b"\0")


def printable(s):
    return tlv(0x13, s.encode())


def utc(s):
    return tlv(0x17, s.encode())


def generalized(s):
    return tlv(0x18, s.encode())


def bits(b, unused=0):
    return tlv(3, bytes([unused]) + b)


def octets(b):
    return tlv(4, b)


CN = "2.5.4.3"


def name(*rdns):
    return seq(*[set_(seq(oid(o), v)) for o, v in rdns])


def ext(o, value, critical=False, raw_critical=None):
    flag = raw_critical if raw_critical is not None else (boolean(True) if critical else b"")
    return seq(oid(o), flag, octets(value))


ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))
RSA_SHA256 = seq(oid("1.2.840.113549.1.1.11"), tlv(5))
