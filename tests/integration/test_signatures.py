# SPDX-License-Identifier: Apache-2.0
"""RSASSA-PSS and Ed25519 from the key in SoftHSM to the certificate of a device: off until they are asked for, and then
what OpenSSL (strict), GnuTLS and python3-cryptography verify."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.exceptions import InvalidSignature  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

EX_CONFIG = 78
# DER of the AlgorithmIdentifier, in the TBS and behind it (RFC 4055 3.1, RFC 8410 3)
PSS = bytes.fromhex("304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06"
                    "096086480165030402010500a203020120")
ED25519 = bytes.fromhex("300506032b6570")


def run(*command):
    r = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return r.returncode, r.stdout + r.stderr


class SchemeLab(MdmLab):
    """A lab whose keytool is told the scheme; the configuration is not, yet."""

    def __init__(self, scheme, algorithm):
        self.tools = tempfile.mkdtemp(prefix="pke-keytool-")
        wrapper, real = os.path.join(self.tools, "keytool"), lab_module.KEYTOOL
        with open(wrapper, "w", encoding="ascii") as f:
            f.write(f'#!/bin/sh\nexec "{real}" "$@" --signature {scheme}\n')
        os.chmod(wrapper, 0o755)
        lab_module.KEYTOOL = wrapper
        try:
            super().__init__(algorithm=algorithm, start=False)
        finally:
            lab_module.KEYTOOL = real

    def close(self):
        super().close()
        shutil.rmtree(self.tools, ignore_errors=True)


def is_refused(lab, what, reason):
    """The daemon does not sign: it ends with the status of a bad configuration, or the key is FAILED, and says why."""
    lab.launch()
    status = lab.wait_status(lambda s: lab.process.poll() is not None or s["state"] in ("ready", "degraded"), 30) \
        if lab.process.poll() is None else None
    code = lab.process.poll()
    log = lab.read_log()
    tap.ok((code == EX_CONFIG or (code is None and status and status["state"] == "degraded")) and reason in log, what,
           f"exit {code}, {status}\n{lab.log_tail()}")
    lab.stop()


def verifies(issuer, certificate, pss):
    key = issuer.public_key()
    try:
        if pss:
            md = hashes.SHA256()  # what RSA-2048 signs with; cryptography of Debian 12 does not read it from the certificate
            key.verify(certificate.signature, certificate.tbs_certificate_bytes,
                       padding.PSS(mgf=padding.MGF1(md), salt_length=md.digest_size), md)
        else:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes)
    except InvalidSignature:
        return False
    return True


def check_certificate(lab, der, scheme, algorithm):
    leaf, bad = os.path.join(lab.dir, "leaf.pem"), os.path.join(lab.dir, "bad.pem")
    certificate = x509.load_der_x509_certificate(der)
    for path, data in ((leaf, der), (bad, der[:-1] + bytes([der[-1] ^ 1]))):
        with open(path, "wb") as f:
            f.write(x509.load_der_x509_certificate(data).public_bytes(Encoding.PEM))
    tap.equal(der.count(algorithm), 2, f"{scheme}: the AlgorithmIdentifier, octet for octet, inside and outside of the TBS")
    strict = ("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", lab.ca, "-no-CApath", "-no-CAstore")
    status, text = run(*strict, leaf)
    tap.ok(status == 0, f"{scheme}: openssl verify -x509_strict", text)
    tap.ok(run(*strict, bad)[0] != 0, f"{scheme}: and refuses one bit changed")
    with open(lab.ca, "rb") as f:
        issuer = x509.load_pem_x509_certificate(f.read())
    tap.ok(verifies(issuer, certificate, scheme == "rsa-pss"), f"{scheme}: python3-cryptography verifies it")
    tap.ok(verifies(issuer, issuer, scheme == "rsa-pss"), f"{scheme}: the CA signed itself so, too")
    if not shutil.which("certtool"):
        tap.skip(f"{scheme}: GnuTLS", "certtool is not installed")
        return
    for path, good in ((leaf, True), (bad, False)):
        status, text = run("certtool", "--verify", "--load-ca-certificate", lab.ca, "--infile", path)
        tap.ok((status == 0 and "Not verified" not in text) == good, f"{scheme}: GnuTLS {'verifies' if good else 'refuses'} it",
               text)


def scheme_end_to_end(scheme, algorithm, identifier, without):
    with SchemeLab(scheme, algorithm) as lab:
        is_refused(lab, f"{scheme}: without the option the daemon does not sign with that key", without)
        other = "ed25519" if scheme == "rsa-pss" else "rsa-pss"
        lab.set_option(("keys", "lab-ca", "signature"), other)
        is_refused(lab, f"{scheme}: nor with another one", "issuer-key-type")
        lab.set_option(("keys", "lab-ca", "signature"), scheme)
        if scheme == "ed25519":  # SoftHSM 2.6.1 loses 37 octets for each such signature
            lab.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        lab.start()
        lab.add_user(lab_module.USER)
        row = lab.ctl("--json", "key", "list", check=True).json()["items"][0]
        tap.equal(row["state"], "ready", f"{scheme}: with it the key is ready")
        for _ in range(3):
            a = lab.issue()
            if tap.ok(a.certificate(), f"{scheme}: a device gets its certificate", a.describe()):
                check_certificate(lab, a.certificate(), scheme, identifier)
        r = lab.probe()
        tap.ok(r.status == 0 and r.verdict, f"{scheme}: the probe finds the certificate in order", r)
        r = lab.ctl("key", "test", "lab-ca")
        tap.equal(r.status, 0, f"{scheme}: key test") or tap.diag(r)
        tap.equal(lab.stop(), 0, f"{scheme}: ends in order")


def rsa_pss():
    scheme_end_to_end("rsa-pss", "rsa-2048", PSS, "key-signature")


def ed25519():
    scheme_end_to_end("ed25519", "ed25519", ED25519, "issuer-key-type")


tap.run(rsa_pss, ed25519)
