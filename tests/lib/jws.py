# SPDX-License-Identifier: Apache-2.0
"""Mint JSON Web Tokens, right and wrong, and the key files that verify them."""
import base64
import datetime
import hashlib
import hmac
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TENANT = "6f0d7c1e-3f0b-4d0c-9a53-1d7f5f1f9a10"
OBJECT = "2b0a5d6e-95e0-4a4f-8f0b-3b0f6a2c77aa"
CUSTOM_ISSUER = "https://mdm.corp.example/sts"
CUSTOM_AUDIENCE = "pkienrolld"
ENTRA_AUDIENCE = "https://mdm.corp.example"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Signer:
    """An RSA key with a kid; @p pem: not a new key but this one."""

    def __init__(self, kid, pem=None):
        self.kid = kid
        self.key = serialization.load_pem_private_key(pem, None) if pem else rsa.generate_private_key(65537, 2048)

    def jwk(self, **more):
        n = self.key.public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "kid": self.kid, "n": b64(n.n.to_bytes(256, "big")), "e": b64(b"\1\0\1"), **more}

    def certificate(self, key=None):
        """A certificate of its own (DER); @p key: of that one instead."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab signer")])
        start = datetime.datetime(2020, 1, 1)
        return x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
            (key or self.key).public_key()).serial_number(1).not_valid_before(start).not_valid_after(
                start + datetime.timedelta(days=1)).sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def x5c(self, key=None):
        """The key as Azure Attestation publishes it: a certificate and no numbers. It expired long ago."""
        return {"kty": "RSA", "kid": self.kid, "x5c": [base64.b64encode(self.certificate(key)).decode()]}

    def pem(self):
        return self.key.public_key().public_bytes(serialization.Encoding.PEM,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims, header=None, alg="RS256", raw_head=None):
        """A compact token; @p alg is how it is signed: RS256, HS256 with the public key for a secret, none.
        @p claims and @p raw_head: as text, where it is to be no JSON that a library would write."""
        head = raw_head or json.dumps({"typ": "JWT", "alg": alg, "kid": self.kid, **(header or {})})
        text = b64(head.encode()) + "." + b64((claims if isinstance(claims, str) else json.dumps(claims)).encode())
        signature = b""
        if alg == "RS256":
            signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif alg == "HS256":
            signature = hmac.new(self.pem(), text.encode(), hashlib.sha256).digest()
        return text + "." + b64(signature)


def weak_jwk(kid):
    """An RSA key that is too short to be used."""
    n = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    return {"kty": "RSA", "use": "sig", "kid": kid, "n": b64(n.to_bytes(128, "big")), "e": b64(b"\1\0\1")}


def jwks(*keys):
    return json.dumps({"keys": [k.jwk() if isinstance(k, Signer) else k for k in keys]})


def times(life=600, ago=0):
    now = int(time.time()) - ago
    return {"iat": now, "nbf": now, "exp": now + life}


def patched(claims, patch):
    """The claims with some of them changed; those that are None in @p patch are left out."""
    return {k: v for k, v in {**claims, **patch}.items() if v is not None}


def custom(**patch):
    return patched({"iss": CUSTOM_ISSUER, "aud": CUSTOM_AUDIENCE, "sub": "ada@corp.example", "upn": "ada@corp.example",
                    **times()}, patch)


def entra(**patch):
    tid = patch.get("tid") or TENANT
    return patched({"aud": ENTRA_AUDIENCE, "iss": f"https://sts.windows.net/{tid}/", **times(3600), "tid": tid,
                    "oid": OBJECT, "upn": "ada@corp.example", "unique_name": "ada@corp.example",
                    "deviceid": "db7ab579-3759-4492-a03f-655ca7f52ae1", "scp": "mdm_delegation", "ver": "1.0"}, patch)
