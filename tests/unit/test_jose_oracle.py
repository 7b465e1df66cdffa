#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""jose/ against the jose command: what either makes or accepts, the other does too, but for the differences that are
wanted and named here; and the vectors of RFC 7515 and RFC 8037."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import tempfile

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir") or os.getcwd()
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import tap  # noqa: E402

OURS = os.path.join(BUILD, "tests", "unit", "jose_verify")
CLAIMS = json.dumps({"iss": "https://mdm.corp.example/sts", "sub": "ada"})
DIR = tempfile.mkdtemp(prefix="pke-jose-")


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jose(*args, data=""):
    return subprocess.run(["jose", *args], input=data.encode(), capture_output=True, check=False)


def path(name, text=None):
    full = os.path.join(DIR, name)
    if text is not None:
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
    return full


def ours(keys, token, *algorithm):
    done = subprocess.run([OURS, keys, *algorithm], input=token.encode(), capture_output=True, check=False)
    if done.stderr:
        tap.diag(done.stderr.decode(errors="replace"))
    return done.stdout.decode().strip()


def theirs(keys, token):
    done = jose("jws", "ver", "-i", "-", "-k", keys, "-O", "-", data=token)
    return "ok" if done.returncode == 0 else "refused"


class Key:
    """A key pair that jose made, its JWKS, and the jose command's signature by it."""

    def __init__(self, alg):
        self.alg = alg
        self.private = path(f"{alg}.jwk")
        with open(self.private, "w", encoding="utf-8") as f:
            subprocess.run(["jose", "jwk", "gen", "-i", json.dumps({"alg": alg, "kid": f"k-{alg}"})], stdout=f, check=True)
        public = json.loads(subprocess.run(["jose", "jwk", "pub", "-i", self.private], capture_output=True, check=True).stdout)
        public.pop("key_ops", None)
        self.public = public
        self.jwks = path(f"{alg}.jwks", json.dumps({"keys": [public]}))
        self.thumbprint = jose("jwk", "thp", "-i", self.private, "-a", "S256").stdout.decode().strip()

    def sign(self, header=None, claims=CLAIMS):
        template = json.dumps({"protected": {"alg": self.alg, "kid": f"k-{self.alg}", **(header or {})}})
        done = jose("jws", "sig", "-I", "-", "-s", template, "-k", self.private, "-c", "-o", "-", data=claims)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout.decode().strip()


def made_by_jose():
    for alg in ("RS256", "PS256", "ES256", "ES384"):
        key = Key(alg)
        token = key.sign()
        tap.equal(ours(key.jwks, token), "ok " + CLAIMS, f"{alg}: a token of jose")
        tap.equal(theirs(key.jwks, token), "ok", f"{alg}: jose's own word")
        other = Key(alg)
        tap.equal(ours(other.jwks, token), "jws-signature", f"{alg}: another key of that kid")
        head, body, signature = token.split(".")
        changed = f"{head}.{b64(CLAIMS.replace('ada', 'eve').encode())}.{signature}"
        tap.equal((ours(key.jwks, changed), theirs(key.jwks, changed)), ("jws-signature", "refused"), f"{alg}: another payload")
        for i in range(0, len(signature) - 2, 9):
            flipped = f"{head}.{body}.{signature[:i]}{'A' if signature[i] != 'A' else 'B'}{signature[i + 1:]}"
            if (ours(key.jwks, flipped), theirs(key.jwks, flipped)) != ("jws-signature", "refused"):
                tap.ok(False, f"{alg}: character {i} of the signature")
        keys = subprocess.run([OURS, key.jwks, "-"], capture_output=True, check=True).stdout.decode().split()
        tap.equal(keys[:2], [f"k-{alg}", alg], f"{alg}: the key set")


def table():
    """The table of measured verifiers (libjwt, cjose, jose): what ours says, and where jose differs."""
    key = Key("RS256")
    good = key.sign()
    head, body, signature = good.split(".")
    pem = subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-outform", "PEM"], input=spki(key), check=True,
                         capture_output=True).stdout

    def forged(header, secret=None, claims=CLAIMS):
        text = b64(json.dumps(header).encode() if isinstance(header, dict) else header.encode()) + "." + b64(claims.encode())
        if secret is None:
            return text + "."
        return text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())

    crit = key.sign({"crit": ["b64"]})
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    altered = signature[:-1] + last[last.index(signature[-1]) ^ 1]
    standard = signature.replace("-", "+").replace("_", "/")
    rows = [  # name, token, what we say, what jose 11 says
        ("RS256", good, "ok " + CLAIMS, "ok"),
        ("alg none", forged({"alg": "none", "kid": "k-RS256"}), "jws-algorithm", "refused"),
        ("alg nOnE", forged({"alg": "nOnE", "kid": "k-RS256"}), "jws-algorithm", "refused"),
        ("HS256 with the public key", forged({"alg": "HS256", "kid": "k-RS256"}, pem), "jws-algorithm", "refused"),
        ("HS256 said to be RS256", forged({"alg": "RS256", "kid": "k-RS256"}, pem), "jws-signature", "refused"),
        ("crit", crit, "jws-header-member", "ok"),
        ("alg twice", forged('{"alg":"none","alg":"RS256","kid":"k-RS256"}', pem), "jws-header", "refused"),
        ("padding", good + "==", "jws-base64", "refused"),
        ("unused bits", f"{head}.{body}.{altered}", "jws-base64", "refused"),
        ("standard alphabet", f"{head}.{body}.{standard}", "jws-base64", "refused"),
    ]
    for name, token, want, jose_says in rows:
        tap.equal(ours(key.jwks, token), want, f"{name}: ours")
        tap.equal(theirs(key.jwks, token), jose_says, f"{name}: jose")


def spki(key):
    """SubjectPublicKeyInfo of an RSA JWK, by python-cryptography."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    n, e = (int.from_bytes(base64.urlsafe_b64decode(key.public[m] + "=="), "big") for m in ("n", "e"))
    return rsa.RSAPublicNumbers(e, n).public_key().public_bytes(serialization.Encoding.DER,
                                                                serialization.PublicFormat.SubjectPublicKeyInfo)


def thumbprints():
    """A PEM key's kid is RFC 7638's, as jose and the RFC have it."""
    key = Key("RS256")
    pem = subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER"], input=spki(key), capture_output=True, check=True)
    keys = subprocess.run([OURS, path("rsa.pem", pem.stdout.decode()), "-"], capture_output=True, check=True)
    tap.equal(keys.stdout.decode().split(), [key.thumbprint, "RS256", "RSA-2048"], "the thumbprint of an RSA key")


def rfc_vectors():
    es256 = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
             "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
    token = ("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp"
             "0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
    tap.ok(ours(path("a3", json.dumps({"keys": [es256]})), token).startswith("ok {"), "RFC 7515 A.3: ES256")
    ed = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    token = ("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR"
             "4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    keys = path("a4", json.dumps({"keys": [ed]}))
    tap.equal(ours(keys, token), "ok Example of Ed25519 signing", "RFC 8037 A.4: EdDSA")
    tap.equal(ours(keys, token[:-1] + "h"), "jws-base64", "and with unused bits set")


if not shutil.which("jose"):
    tap.skip("jose", "the jose command is not installed")
    tap.run(rfc_vectors)
try:
    tap.run(made_by_jose, table, thumbprints, rfc_vectors)
finally:
    shutil.rmtree(DIR, ignore_errors=True)
