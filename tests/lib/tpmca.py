# SPDX-License-Identifier: Apache-2.0
"""A lab whose CA key is in a software TPM behind the proxy of tests/lib/tpmproxy.py.

    with swtpm.Tpm() as tpm, tpmca.TpmLab(tpm) as lab:
        tpm.proxy.fault("rc", "Sign", 0x922)
        lab.issue()
"""
import os
import secrets

import lab as lab_module
import mdmlab

AUTH_FILE, KEY_FILE = "tpm-auth", "ca.tss2"


class TpmLab(mdmlab.MdmLab):
    """@p handle: a persistent key at this handle, instead of a key file. The rest is Lab's. Attributes: tpm, uri,
    auth_file, key_options (the options of every pkienroll-keytool command for this key)."""

    def __init__(self, tpm, options=None, start=True, algorithm="p256", handle=None, session="password"):
        self.tpm, self.session, self.key_algorithm, self.handle = tpm, session, algorithm, handle
        super().__init__(options, start)

    def make_key(self):
        """CA key and certificate by pkienroll-keytool, and the configuration that uses them."""
        self.uri = f"tpm2:handle={self.handle:#x}" if self.handle else f"tpm2:file={os.path.join(self.etc, KEY_FILE)}"
        self.auth_file = os.path.join(self.etc, AUTH_FILE)
        mdmlab.write_text(self.auth_file, secrets.token_hex(32) + "\n")
        device = ["--backend", "tpm2", "--tcti", self.tpm.tcti, "--session", self.session]
        self.key_options = [*device, "--uri", self.uri, "--pin-file", self.auth_file]
        self.run([lab_module.KEYTOOL, "init-token", *device], check=True)
        self.keytool("generate", "--algorithm", self.key_algorithm)
        self.make_certificate()
        for name, value in (("backend", "tpm2"), ("module", None), ("tcti", self.tpm.tcti), ("session", self.session),
                            ("uri", f"'{self.uri}'"), ("pin-file", AUTH_FILE)):
            self.set_option(("keys", "lab-ca", name), value)

    def make_certificate(self):
        os.unlink(self.ca)
        self.keytool("self-sign", "--subject", "CN=pkienrolld TPM Lab Root", "--days", "3650", "--out", self.ca)
        os.chmod(self.ca, 0o644)
        self.write_bundle()

    def keytool(self, command, *args, check=True):
        """One command of pkienroll-keytool for the key of this lab."""
        return self.run([lab_module.KEYTOOL, command, *self.key_options, *args], check=check)
