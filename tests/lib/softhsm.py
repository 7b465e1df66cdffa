# SPDX-License-Identifier: Apache-2.0
"""A private SoftHSM for one test: token directory, softhsm2.conf, one initialised token, PIN file.

    with softhsm.Token() as hsm:
        subprocess.run([program, "--module", hsm.module, "--uri", hsm.uri("ca")], env=hsm.env)

Never share a token directory between tests that run at the same time: SoftHSM has a start-up race.
"""
import os
import shutil
import subprocess
import tempfile

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"]


def find_module():
    """Path of SoftHSM's PKCS#11 module; None when it is not installed."""
    return next((m for m in MODULES if os.access(m, os.R_OK)), None)


class Token:
    """Attributes: module, label, pin, pin_file, so_pin, folder, conf, tokendir, env (os.environ + SOFTHSM2_CONF)."""

    def __init__(self, label="pke-test", pin="731905", folder=None):
        self.module = find_module()
        if self.module is None or shutil.which("softhsm2-util") is None:
            raise FileNotFoundError("softhsm2 is not installed")
        self.label, self.pin, self.so_pin = label, pin, "94857261"
        self._own = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="pke-softhsm-")
        self.tokendir = os.path.join(self.folder, "tokens")
        self.conf = os.path.join(self.folder, "softhsm2.conf")
        self.pin_file = os.path.join(self.folder, "pin")
        os.makedirs(self.tokendir, mode=0o700, exist_ok=True)
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"directories.tokendir = {self.tokendir}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.write_secret("pin", pin + "\n")
        self.env = dict(os.environ, SOFTHSM2_CONF=self.conf)
        self.init_token(label)

    def write_secret(self, name, text, mode=0o600):
        """Write a secret file into the folder; returns its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def init_token(self, label):
        """Initialise one more token; every token has the same PINs."""
        subprocess.run(["softhsm2-util", "--module", self.module, "--init-token", "--free", "--label", label,
                        "--so-pin", self.so_pin, "--pin", self.pin], env=self.env, check=True, capture_output=True)

    def uri(self, key):
        """PKCS#11 URI of the key labelled @key."""
        return f"pkcs11:token={self.label};object={key}"

    def pkcs11_tool(self, *args):
        """Run OpenSC's pkcs11-tool, logged in; returns the finished process."""
        return subprocess.run(["pkcs11-tool", "--module", self.module, "--token-label", self.label, "--login", "--pin",
                               self.pin, *args], env=self.env, capture_output=True, text=True, check=False)

    def close(self):
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
