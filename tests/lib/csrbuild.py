# SPDX-License-Identifier: Apache-2.0
"""Certificate requests with anything in them, signed by a good key: written octet by octet, so that the builder's
library has no say in what is possible."""
import ipaddress
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from derlib import bits, bmp, boolean, ext as extension, integer, octets, oid, seq, tlv, utf8

EXTENSION_REQUEST, MS_EXTENSION_REQUEST = "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"
UPN, NTDS_GUID, SID, SID_IN_OTHER = ("1.3.6.1.4.1.311.20.2.3", "1.3.6.1.4.1.311.25.1", "1.3.6.1.4.1.311.25.2",
                                     "1.3.6.1.4.1.311.25.2.1")
APPLICATION_POLICIES, TEMPLATE_NAME, TEMPLATE = "1.3.6.1.4.1.311.21.10", "1.3.6.1.4.1.311.20.2", "1.3.6.1.4.1.311.21.7"
RDN = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11", "L": "2.5.4.7", "ST": "2.5.4.8", "C": "2.5.4.6",
       "serialNumber": "2.5.4.5", "DC": "0.9.2342.19200300.100.1.25", "UID": "0.9.2342.19200300.100.1.1",
       "emailAddress": "1.2.840.113549.1.9.1", "title": "2.5.4.12"}
_DIGESTS = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512,
            "md5": hashes.MD5}
_ALGORITHMS = {("rsa", "sha1"): "1.2.840.113549.1.1.5", ("rsa", "sha256"): "1.2.840.113549.1.1.11",
               ("rsa", "sha384"): "1.2.840.113549.1.1.12", ("rsa", "sha512"): "1.2.840.113549.1.1.13",
               ("rsa", "md5"): "1.2.840.113549.1.1.4", ("ec", "sha256"): "1.2.840.10045.4.3.2",
               ("ec", "sha384"): "1.2.840.10045.4.3.3", ("ec", "sha512"): "1.2.840.10045.4.3.4",
               ("ec", "sha1"): "1.2.840.10045.4.1"}


def name(rdns):
    """Name of (type, value) pairs; a value may be DER already (bytes)."""
    out = []
    for kind, value in rdns:
        der = value if isinstance(value, bytes) else tlv(0x13, value.encode()) if kind in ("C", "serialNumber") else \
            tlv(0x16, value.encode()) if kind in ("DC", "emailAddress") else utf8(value)
        out.append(tlv(0x31, seq(oid(RDN.get(kind, kind)), der)))
    return seq(*out)


def other_name(type_oid, der):
    return tlv(0xa0, oid(type_oid), tlv(0xa0, der))


def general_names(names):
    """GeneralNames of (kind, value): dns email uri ip upn guid dn rid, or "raw" with the DER of a GeneralName."""
    def one(kind, value):
        if kind == "raw":
            return value
        if kind in ("email", "dns", "uri"):
            return tlv({"email": 0x81, "dns": 0x82, "uri": 0x86}[kind],
                       value if isinstance(value, bytes) else value.encode())
        if kind == "ip":
            return tlv(0x87, ipaddress.ip_address(value).packed)
        if kind == "upn":
            return other_name(UPN, utf8(value))
        if kind == "guid":
            return other_name(NTDS_GUID, octets(uuid.UUID(value).bytes_le))
        if kind == "dn":
            return tlv(0xa4, name(value))
        if kind == "rid":
            return tlv(0x88, oid(value)[2:])
        raise ValueError(kind)
    return seq(*[one(k, v) for k, v in names])


def san(names, critical=False):
    return extension("2.5.29.17", general_names(names), critical)


def sid_extension(sid, critical=False):
    return extension(SID, seq(other_name(SID_IN_OTHER, octets(sid.encode()))), critical)


def sid_uri(sid):
    return "tag:microsoft.com,2022-09-14:sid:" + sid


def eku(oids, critical=False):
    return extension("2.5.29.37", seq(*[oid(o) for o in oids]), critical)


def key_usage(first_octet, unused=None, critical=True):
    low = (first_octet & -first_octet).bit_length() - 1 if first_octet else 0
    return extension("2.5.29.15", bits(bytes([first_octet]), low if unused is None else unused), critical)


def basic_constraints(ca, path_len=None, critical=True):
    return extension("2.5.29.19", seq(boolean(True) if ca else b"", b"" if path_len is None else integer(path_len)),
                     critical)


def policies(oids, extension_oid="2.5.29.32", critical=False):
    return extension(extension_oid, seq(*[seq(oid(o)) for o in oids]), critical)


def application_policies(oids, critical=False):
    return policies(oids, APPLICATION_POLICIES, critical)


def template_name(text, critical=False):
    return extension(TEMPLATE_NAME, bmp(text), critical)


def template(template_oid, major=None, minor=None, critical=False):
    return extension(TEMPLATE, seq(oid(template_oid), b"" if major is None else integer(major),
                                   b"" if minor is None else integer(minor)), critical)


def attribute(dotted, *values):
    return seq(oid(dotted), tlv(0x31, *values))


def extension_request(extensions, dotted=EXTENSION_REQUEST):
    return attribute(dotted, seq(*extensions))


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign(key, info, digest="sha256"):
    """AlgorithmIdentifier and signature over @p info."""
    if isinstance(key, rsa.RSAPrivateKey):
        return (seq(oid(_ALGORITHMS["rsa", digest]), tlv(0x05)), key.sign(info, padding.PKCS1v15(), _DIGESTS[digest]()))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return seq(oid(_ALGORITHMS["ec", digest])), key.sign(info, ec.ECDSA(_DIGESTS[digest]()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return seq(oid("1.3.101.112")), key.sign(info)
    raise TypeError(type(key))


def csr(key, subject=(("CN", "x"),), extensions=(), attributes=(), version=0, request_oid=EXTENSION_REQUEST, spki=None,
        digest="sha256", with_attributes=True):
    """DER of a PKCS#10. @p subject: pairs, or DER. @p extensions: DER of each; @p attributes: more of those."""
    subject = subject if isinstance(subject, bytes) else name(subject)
    all_attributes = list(attributes) + ([extension_request(extensions, request_oid)] if extensions else [])
    info = seq(integer(version), subject, spki or spki_of(key),
               tlv(0xa0, *sorted(all_attributes)) if with_attributes else b"")
    algorithm, signature = sign(key, info, digest)
    return seq(info, algorithm, bits(signature))


def windows_extensions(device):
    """What Windows' MDM client puts into its requests."""
    return [eku(["1.3.6.1.5.5.7.3.2"]), extension("1.3.6.1.4.1.311.66.1.0", device.encode() + b"\0")]
