# SPDX-License-Identifier: Apache-2.0
"""The two kinds of devices that pkienroll-keytool works with, alike to a test: a SoftHSM token, a software TPM.

    for device in device.both():
        with device:
            device.keytool("generate", "--algorithm", "p256", key="ca")
"""
import os
import shutil
import subprocess
import tempfile

import softhsm
import swtpm

BUILD = os.environ.get("top_builddir", ".")
KEYTOOL = os.path.abspath(os.path.join(BUILD, "keytool", "pkienroll-keytool"))


def missing():
    """What is needed and is not here; "" when all is."""
    if softhsm.find_module() is None or not shutil.which("pkcs11-tool"):
        return "softhsm2 or opensc"
    return swtpm.missing()


class Device:
    """Attributes: kind, folder, env, pin (the PIN or auth value), pin_file."""

    kind = ""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pke-kt-")
        self.env = dict(os.environ)
        self.pin = "7319-0577-auth"
        self.pin_file = self.secret("pin", self.pin + "\n")
        self.calls = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def secret(self, name, text, mode=0o600):
        """A file with a secret in it; its path."""
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def arguments(self):
        raise NotImplementedError

    def uri(self, key):
        raise NotImplementedError

    def keytool(self, command, *args, key="ca", pin_file=None, uri=None):
        """One command for @p key (None: no URI). @p pin_file "": none."""
        argv = [KEYTOOL, command, *self.arguments()]
        argv += ["--uri", uri or self.uri(key)] if uri or key else []
        argv += ["--pin-file", pin_file or self.pin_file] if pin_file != "" else []
        done = subprocess.run(argv + list(args), env=self.env, capture_output=True, text=True, timeout=300, check=False)
        self.calls.append((argv + list(args), done))
        return done

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Hsm(Device):
    """SoftHSM with one token that is not initialised (SoftHSM always has one)."""

    kind = "pkcs11"

    def __init__(self):
        super().__init__()
        self.module = softhsm.find_module()
        self.so_pin_file = self.secret("so-pin", "94857261-so")
        os.mkdir(self.path("tokens"), 0o700)
        with open(self.path("softhsm2.conf"), "w", encoding="ascii") as f:
            f.write(f"directories.tokendir = {self.path('tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env["SOFTHSM2_CONF"] = self.path("softhsm2.conf")

    def arguments(self):
        return ["--module", self.module]

    def uri(self, key):
        return f"pkcs11:token=pki;object={key}"

    def init(self):
        return self.keytool("init-token", "--label", "pki", "--so-pin-file", self.so_pin_file, key=None)

    def pkcs11_tool(self, *args):
        return subprocess.run(["pkcs11-tool", "--module", self.module, "--token-label", "pki", "--login", "--pin", self.pin,
                               *args], env=self.env, capture_output=True, text=True, check=False)


class Tpm(Device):
    """swtpm behind the proxy. Keys are key files in the folder."""

    kind = "tpm2"

    def __init__(self):
        super().__init__()
        self.tpm = swtpm.Tpm()

    def arguments(self):
        return ["--tcti", self.tpm.tcti, "--session", "password"]

    def uri(self, key):
        return f"tpm2:file={self.path(key)}.tss2"

    def init(self):
        return self.keytool("init-token", key=None, pin_file="")

    def close(self):
        self.tpm.close()
        super().close()


def both():
    return [Hsm(), Tpm()]
