# SPDX-License-Identifier: Apache-2.0
"""Evidence of a software TPM: keys, real TPM2_Certify, the containers that Windows puts around it, AIK certificates of a
root of our own. Used by tests/data/attest/generate.py and by the integration test, which makes everything anew."""
import datetime
import hashlib
import os
import shutil
import struct
import subprocess

from asn1crypto import core, csr as asn1_csr, keys as asn1_keys, x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

import swtpm

AIK_EKU = x509.ObjectIdentifier("2.23.133.8.3")
KEY_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
SHA256 = hashes.SHA256()
DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def missing():
    """What is needed and is not here; "" when all is."""
    return swtpm.missing() or ("" if shutil.which("tpm2_certify") else "tpm2_certify")


class Tpm(swtpm.Swtpm):
    """with Tpm() as tpm: a TPM 2.0 of its own, in a folder of its own, with an owner's primary key and an EK."""

    def __init__(self):
        super().__init__()
        self.env = dict(os.environ, TPM2TOOLS_TCTI=f"swtpm:path={self.socket}")
        self.count = 0
        try:
            self.run("createprimary", "-C", "o", "-c", "owner.ctx")
            self.run("createek", "-c", "ek.ctx", "-G", "rsa", "-u", "ek.pub")
        except BaseException:
            self.close()
            raise

    def run(self, tool, *args):
        """One tpm2_ tool; what it left loaded is flushed, since nobody manages the TPM's few places."""
        for command in ((f"tpm2_{tool}", "-Q", *args), ("tpm2_flushcontext", "-t")):
            done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, timeout=120, check=False)
            if done.returncode:
                raise RuntimeError(f"{command}: {done.stderr.decode('utf-8', 'replace')}")

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()

    def name(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    def aik(self, algorithm="rsa", scheme="rsassa"):
        """A restricted signing key below the endorsement key."""
        key = Key(self, self.name("aik"), algorithm, scheme)
        self.run("createak", "-C", "ek.ctx", "-c", key.ctx, "-G", algorithm, "-g", "sha256", "-s", scheme, "-u",
                 key.id + ".pub", "-r", key.id + ".priv", "-n", key.id + ".name")
        self.run("readpublic", "-c", key.ctx, "-f", "der", "-o", key.id + ".spki")
        return key

    def key(self, algorithm="rsa2048", name_algorithm="sha256", attributes=KEY_ATTRIBUTES):
        """A signing key below the owner's primary key."""
        key = Key(self, self.name("key"), algorithm[:3])
        self.run("create", "-C", "owner.ctx", "-G", algorithm, "-g", name_algorithm, "-a", attributes, "-u",
                 key.id + ".pub", "-r", key.id + ".priv")
        self._load(key)
        return key

    def imported(self):
        """A key that existed outside of the TPM."""
        key = Key(self, self.name("key"), "rsa")
        own = rsa.generate_private_key(65537, 2048)
        with open(os.path.join(self.folder, key.id + ".pem"), "wb") as f:
            f.write(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                      serialization.NoEncryption()))
        self.run("import", "-C", "owner.ctx", "-G", "rsa", "-i", key.id + ".pem", "-u", key.id + ".pub", "-r",
                 key.id + ".priv")
        self._load(key)
        return key

    def _load(self, key):
        self.run("load", "-C", "owner.ctx", "-u", key.id + ".pub", "-r", key.id + ".priv", "-c", key.ctx)
        self.run("readpublic", "-c", key.ctx, "-f", "der", "-o", key.id + ".spki")


class Key:
    """A key in the TPM: files of its public parts in the TPM's folder."""

    def __init__(self, tpm, key_id, kind, scheme=None):
        self.tpm, self.id, self.kind, self.ctx, self.scheme = tpm, key_id, kind, key_id + ".ctx", scheme

    @property
    def public(self):
        """TPM2B_PUBLIC"""
        return self.tpm.read(self.id + ".pub")

    @property
    def private(self):
        """TPM2B_PRIVATE, encrypted by the TPM"""
        return self.tpm.read(self.id + ".priv")

    @property
    def spki(self):
        return self.tpm.read(self.id + ".spki")

    def certify(self, aik, form="plain"):
        """TPM2_Certify of this key by @p aik: TPMS_ATTEST and the signature, "plain" or as TPMT_SIGNATURE ("tss")."""
        self.tpm.run("certify", "-c", self.ctx, "-C", aik.ctx, "-g", "sha256", "-o", "attest.out", "-s", "sig.out", "-f",
                     form, "--scheme", aik.scheme)
        return self.tpm.read("attest.out"), self.tpm.read("sig.out")

    def sign(self, data):
        """PKCS#1 or DER ECDSA with SHA-256 by the TPM."""
        with open(os.path.join(self.tpm.folder, "digest.in"), "wb") as f:
            f.write(hashlib.sha256(data).digest())
        self.tpm.run("sign", "-c", self.ctx, "-g", "sha256", "-d", "-f", "plain", "-o", "sig.out", "digest.in")
        return self.tpm.read("sig.out")

    def csr(self, common_name):
        """A PKCS#10 signed in the TPM."""
        info = asn1_csr.CertificationRequestInfo({
            "version": 0, "subject": asn1_x509.Name.build({"common_name": common_name}),
            "subject_pk_info": asn1_keys.PublicKeyInfo.load(self.spki), "attributes": []})
        algorithm = {"algorithm": "sha256_rsa", "parameters": core.Null()} if self.kind == "rsa" else \
            {"algorithm": "sha256_ecdsa"}
        return asn1_csr.CertificationRequest({
            "certification_request_info": info, "signature_algorithm": algorithm,
            "signature": core.OctetBitString(self.sign(info.dump()))}).dump()


# ---- what Windows makes of it

def claim(attest, signature, blob):
    """The container of NCryptCreateClaim."""
    return struct.pack("<6I", 0x5344414B, 2, 24, len(attest), len(signature), len(blob)) + attest + signature + blob


def pcp_blob(public, private):
    """The key blob of the Platform Crypto Provider: PCP_20_KEY_BLOB."""
    return struct.pack("<13IHH", 0x4D504350, 56, 2, 0, len(public), len(private), 0, 0, 0, 0, 0, 0, 0, 0x0B,
                       0) + public + private


def bcrypt_rsa(spki):
    """BCRYPT_RSAPUBLIC_BLOB"""
    n = serialization.load_der_public_key(spki).public_numbers()
    e, m = n.e.to_bytes(3, "big"), n.n.to_bytes((n.n.bit_length() + 7) // 8, "big")
    return b"RSA1" + struct.pack("<5I", 8 * len(m), len(e), len(m), 0, 0) + e + m


def raw_ecdsa(tpmt):
    """r and s of a TPMT_SIGNATURE of P-256, 32 bytes each."""
    at, out = 4, b""
    for _ in range(2):
        n = int.from_bytes(tpmt[at:at + 2], "big")
        out += tpmt[at + 2:at + 2 + n].rjust(32, b"\0")
        at += 2 + n
    return out


def ecdsa_der(raw):
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


# ---- who says that it is a TPM's

class Authority:
    """A root, and certificates of AIKs below it. @p start: when all begins."""

    def __init__(self, start, name="Lab TPM Root", parent=None):
        self.start, self.parent = start, parent
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._builder(self.name, self.key.public_key(), (parent or self).name, 36500).add_extension(
            x509.BasicConstraints(True, None), True).add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False), True).sign(
                    (parent or self).key, SHA256)

    def _builder(self, subject, public, issuer, days):
        return x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public).serial_number(
            x509.random_serial_number()).not_valid_before(self.start).not_valid_after(
                self.start + datetime.timedelta(days=days))

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(DER)

    def certify(self, spki, days=3650, eku=AIK_EKU, ca=False):
        """An AIK certificate, as Microsoft's: no name of its own."""
        builder = self._builder(x509.Name([]), serialization.load_der_public_key(spki), self.name, days)
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
        if eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage([eku]), False)
        return builder.sign(self.key, SHA256).public_bytes(DER)


# ---- the whole set

def write_set(folder):
    """Everything that tests/unit/test_attest.c looks at, into @p folder."""
    start = datetime.datetime(2026, 1, 1)
    root, other_root = Authority(start), Authority(start, "Another Root")
    sub = Authority(start, "Lab TPM CA", root)
    out = {}
    with Tpm() as tpm:
        aik, other, pss, ecc = tpm.aik(), tpm.aik(), tpm.aik(scheme="rsapss"), tpm.aik("ecc", "ecdsa")
        key, key2 = tpm.key(), tpm.key()
        strong, point, moved = tpm.key(name_algorithm="sha384"), tpm.key("ecc256"), tpm.imported()
        weak, free = tpm.key(name_algorithm="sha1"), tpm.key(attributes=KEY_ATTRIBUTES.replace("fixedparent|", "").
                                                             replace("fixedtpm|", ""))
        attest, sig = key.certify(aik)
        blob = pcp_blob(key.public, key.private)
        out["rsa.claim"] = claim(attest, sig, blob)
        out["rsa-public.claim"] = claim(attest, sig, key.public)
        out["rsa-area.claim"] = claim(attest, sig, key.public[2:])
        out["rsa-tss.claim"] = claim(*key.certify(aik, "tss"), key.public)
        out["pss-tss.claim"] = claim(*key.certify(pss, "tss"), key.public)
        a, s = key.certify(ecc, "tss")
        out["ecc-tss.claim"] = claim(a, s, key.public)
        out["ecc-raw.claim"] = claim(a, raw_ecdsa(s), key.public)
        out["other-aik.claim"] = claim(*key.certify(other), blob)
        out["key2.claim"] = claim(*key2.certify(aik), pcp_blob(key2.public, key2.private))
        out["mixed.claim"] = claim(attest, sig, pcp_blob(key2.public, key2.private))
        out["sha384.claim"] = claim(*strong.certify(aik), strong.public)
        out["point.claim"] = claim(*point.certify(aik), pcp_blob(point.public, point.private))
        out["imported.claim"] = claim(*moved.certify(aik), pcp_blob(moved.public, moved.private))
        out["movable.claim"] = claim(*free.certify(aik), pcp_blob(free.public, free.private))
        out["sha1-name.claim"] = claim(*weak.certify(aik), weak.public)
        # A statement of the same AIK about something else: a quote of the PCRs.
        tpm.run("quote", "-c", aik.ctx, "-l", "sha256:0", "-g", "sha256", "-m", "attest.out", "-s", "sig.out", "-f", "plain")
        out["quote.claim"] = claim(tpm.read("attest.out"), tpm.read("sig.out"), blob)
        for name, k in (("rsa", key), ("key2", key2), ("sha384", strong), ("point", point), ("imported", moved),
                        ("movable", free), ("sha1-name", weak)):
            out[name + ".spki"] = k.spki
        out["aik.bcrypt"], out["aik.spki"], out["aik.tpm2b"] = bcrypt_rsa(aik.spki), aik.spki, aik.public
        out["other.bcrypt"], out["ecc.tpm2b"] = bcrypt_rsa(other.spki), ecc.public
        out["aik.der"] = root.certify(aik.spki)
        out["other.der"], out["pss.der"] = root.certify(other.spki), root.certify(pss.spki)
        out["ecc.der"] = root.certify(ecc.spki)
        out["aik-short.der"] = root.certify(aik.spki, days=30)
        out["aik-foreign.der"] = other_root.certify(aik.spki)
        out["aik-no-eku.der"] = root.certify(aik.spki, eku=None)
        out["aik-ca.der"] = root.certify(aik.spki, ca=True)
        out["aik-sub.der"] = sub.certify(aik.spki)
    out["roots.pem"], out["roots-sub.pem"], out["other.pem"] = root.pem, root.pem + sub.pem, other_root.pem
    out["sub.pem"], out["sub.der"] = sub.pem, sub.der
    for name, content in out.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content)
    return out
