# SPDX-License-Identifier: Apache-2.0
"""Key files of the form TSS2 PRIVATE KEY, taken apart and put together, so that a test can spoil one; and the keystore on a
line of orders (tests/unit/ks_drive.c) that opens them."""
import base64
import os
import re
import select
import subprocess
import textwrap

from asn1crypto import core
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

BUILD = os.path.abspath(os.environ.get("top_builddir") or "build")
DRIVE = os.path.join(BUILD, "tests", "unit", "ks_drive")
LOADABLE, IMPORTABLE = "2.23.133.10.1.3", "2.23.133.10.1.4"
TEXT = "to-be-signed"
PATIENCE = 60


class Policy(core.Sequence):
    """One command of a policy."""
    _fields = [("code", core.Integer, {"explicit": 0}), ("policy", core.OctetString, {"explicit": 1})]


class Policies(core.SequenceOf):
    _child_spec = Policy


class TpmKey(core.Sequence):
    """TPMKey of the draft "ASN.1 Specification for TPM 2.0 Key Files"."""
    _fields = [("type", core.ObjectIdentifier), ("emptyAuth", core.Boolean, {"explicit": 0, "optional": True}),
               ("policy", Policies, {"explicit": 1, "optional": True}),
               ("secret", core.OctetString, {"explicit": 2, "optional": True}),
               ("parent", core.Integer), ("pubkey", core.OctetString), ("privkey", core.OctetString)]


def read_pem(path):
    """DER of a key file."""
    with open(path, encoding="ascii") as f:
        text = re.search(r"-----BEGIN TSS2 PRIVATE KEY-----\n(.*?)-----END TSS2 PRIVATE KEY-----", f.read(), re.S).group(1)
    return base64.b64decode(text)


def write_pem(path, der):
    """A key file of mode 0600 with these bytes; the path."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
        f.write(f"-----BEGIN TSS2 PRIVATE KEY-----\n{lines}\n-----END TSS2 PRIVATE KEY-----\n")
    return path


def changed(path, **fields):
    """DER of the key file @p path with other fields; None takes one out."""
    native = TpmKey.load(read_pem(path), strict=True)
    values = {name: native[name].native for name in ("type", "emptyAuth", "parent", "pubkey", "privkey")}
    values.update(fields)
    return TpmKey({k: v for k, v in values.items() if v is not None}).dump()


def make(parent, public, private, empty_auth=False):
    """DER of a key file from TPM2B_PUBLIC and TPM2B_PRIVATE."""
    return TpmKey({"type": LOADABLE, "emptyAuth": empty_auth, "parent": parent, "pubkey": public, "privkey": private}).dump()


class Answer:
    """What keystore/ said: ok and result, or class, reason, raw code and text."""

    def __init__(self, line):
        word = line.rstrip("\n").split("\t")
        self.line, self.ok = line, word[0] == "ok"
        self.result = word[1] if self.ok else None
        self.cls, self.reason, raw, self.text = word[1:5] if len(word) == 5 else ("", "", "0", line)
        self.raw = int(raw, 16)

    def __bool__(self):
        return self.ok

    def __str__(self):
        return self.line


class Drive:
    """with Drive(backend="tpm2", tcti=tpm.tcti, ...) as drive: drive("open"), drive.sign()."""

    def __init__(self, env=None, **settings):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([DRIVE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pss = settings.get("signature") == "rsa-pss"
        for name, value in settings.items():
            if not self("set", name, str(value)):
                raise ValueError(f"{name}={value}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def end(self):
        """Close the key and end; the exit status tells of leaks and memory errors when the build looks for them."""
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        status = self.process.wait(60)
        if status != 0:
            raise RuntimeError(f"ks_drive ended with {status}")

    def send(self, *words):
        """An order without waiting for its answer: answer()."""
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise TimeoutError("ks_drive does not answer")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"ks_drive ended with {self.process.wait(60)}")
        return Answer(line)

    def __call__(self, *words):
        self.send(*words)
        return self.answer()

    def sign(self):
        """A signature that is verified here, by another library than keystore's own check."""
        self.send("sign", TEXT)
        return self.verified(self.answer())

    def verified(self, a):
        if not a:
            return a
        public = serialization.load_der_public_key(bytes.fromhex(self("spki").result))
        signature, data = bytes.fromhex(a.result), TEXT.encode()
        try:
            if isinstance(public, ec.EllipticCurvePublicKey):
                strong = hashes.SHA384() if public.curve.key_size == 384 else hashes.SHA256()
                public.verify(signature, data, ec.ECDSA(strong))
            elif self.pss:
                public.verify(signature, data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
            else:
                public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as e:
            raise AssertionError("a signature that does not verify was let go") from e
        return a

    def climb(self):
        """What the key role does with a signature that failed: one climb, one more try."""
        a = self("recover")
        return self.sign() if a else a
