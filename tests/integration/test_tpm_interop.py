#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keys in a TPM with the programs that others use: tpm2-openssl signs with our key file and we refuse its keys as weak
(and sign with them when told to), tpm2-tools read and use our persistent key."""
import glob
import os
import shutil
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
import swtpm  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("top_builddir", ".")
KEYTOOL = os.path.join(BUILD, "keytool/pkienroll-keytool")
PIN = "correct-horse-battery"


def run(*args, env=None, check=True, stdin=None):
    r = subprocess.run(args, capture_output=True, text=True, timeout=120, check=False, env=env, input=stdin)
    if check and r.returncode:
        raise RuntimeError(f"{args}: {r.returncode} {r.stdout} {r.stderr}")
    return r


def keytool(tpm, verb, uri, *args, check=True, pin=True):
    credential = ["--pin-file", tpm.path("pin")] if pin else []
    return run(KEYTOOL, verb, "--tcti", tpm.tcti, "--session", "password", "--uri", uri, *credential, *args, check=check)


def init_token(tpm):
    run(KEYTOOL, "init-token", "--backend", "tpm2", "--tcti", tpm.tcti, "--session", "password")


def self_sign(tpm, uri, name, *args, check=True, pin=True):
    """A certificate that the key signs: our signature, openssl's opinion."""
    return keytool(tpm, "self-sign", uri, "--subject", f"CN={name}", "--out", tpm.path(f"{name}.pem"), *args, check=check,
                   pin=pin)


def certificate_verifies(tpm, name):
    pem = tpm.path(f"{name}.pem")
    return run("openssl", "verify", "-check_ss_sig", "-CAfile", pem, pem, check=False).returncode == 0


def public_of(tpm, name):
    path = tpm.path(f"{name}.pub")
    with open(path, "w", encoding="ascii") as f:
        f.write(run("openssl", "x509", "-in", tpm.path(f"{name}.pem"), "-noout", "-pubkey").stdout)
    return path


def verifies(tpm, public, signature, message="message"):
    r = run("openssl", "dgst", "-sha256", "-verify", public, "-signature", tpm.path(signature), tpm.path(message), check=False)
    return r.returncode == 0


def provider(tpm, other, *args, check=True):
    """openssl with the provider of tpm2-openssl; it leaves objects in the TPM, which has no resource manager here."""
    r = run("openssl", args[0], "-provider", "tpm2", "-provider", other, *args[1:], env=tpm.env, check=check)
    tpm.tools("flushcontext", "-t", check=False)
    return r


def ours_with_theirs(tpm, algorithm, provisioned):
    name = f"ours-{algorithm}-{provisioned}"
    key = tpm.path(f"{name}.tss2")
    keytool(tpm, "generate", f"tpm2:file={key}", "--algorithm", algorithm)
    self_sign(tpm, f"tpm2:file={key}", name)
    tap.ok(certificate_verifies(tpm, name), f"{name}: our certificate verifies")
    r = provider(tpm, "base", "pkeyutl", "-sign", "-inkey", key, "-passin", f"file:{tpm.path('pin')}", "-rawin", "-in",
                 tpm.path("message"), "-digest", "sha256", "-out", tpm.path(f"{name}.sig"), check=False)
    tap.ok(r.returncode == 0 and verifies(tpm, public_of(tpm, name), f"{name}.sig"), f"{name}: tpm2-openssl signs with it", r)


def theirs_with_us(tpm, kind, *options):
    name = f"theirs-{kind}"
    key = tpm.path(f"{name}.tss2")
    provider(tpm, "default", "genpkey", "-algorithm", *options, "-out", key)
    os.chmod(key, 0o600)
    r = self_sign(tpm, f"tpm2:file={key}", name, check=False, pin=False)
    tap.ok(r.returncode == 1 and "weaker than required" in r.stderr + r.stdout and not os.path.exists(tpm.path(f"{name}.pem")),
           f"{name}: refused, it is under dictionary attack protection and may decrypt", r)
    r = self_sign(tpm, f"tpm2:file={key}", name, "--allow-weak", check=False, pin=False)
    tap.ok(r.returncode == 0 and certificate_verifies(tpm, name), f"{name}: signs when told to go on", r)


def test_key_files():
    with swtpm.Tpm() as tpm:
        tpm.write("pin", PIN)
        tpm.write("message", "to be signed")
        for algorithm in ("p256", "rsa-2048"):
            ours_with_theirs(tpm, algorithm, "primary")
        theirs_with_us(tpm, "p256", "EC", "-pkeyopt", "group:P-256")
        theirs_with_us(tpm, "rsa", "RSA", "-pkeyopt", "bits:2048")
        init_token(tpm)
        for algorithm in ("p256", "p384"):
            ours_with_theirs(tpm, algorithm, "srk")


def test_tools():
    with swtpm.Tpm() as tpm:
        tpm.write("pin", PIN)
        tpm.write("message", "to be signed")
        uri = "tpm2:handle=0x81200001"
        init_token(tpm)
        keytool(tpm, "generate", uri, "--algorithm", "p256")
        self_sign(tpm, uri, "handle")
        text = tpm.tools("readpublic", "-c", "0x81200001", "-f", "pem", "-o", "tools.pub").stdout
        attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"
        tap.ok(f"value: {attributes}\n" in text, "tpm2_readpublic sees the attributes that were asked for", text)
        with open(tpm.path("tools.pub"), encoding="ascii") as f, open(public_of(tpm, "handle"), encoding="ascii") as g:
            tap.equal(f.read(), g.read(), "and the public key of the certificate")
        tpm.tools("sign", "-c", "0x81200001", "-p", f"file:{tpm.path('pin')}", "-g", "sha256", "-f", "plain", "-o", "tools.sig",
                  "message")
        tap.ok(verifies(tpm, tpm.path("tools.pub"), "tools.sig"), "tpm2_sign signs with it")
        tap.equal(tpm.tools("getcap", "handles-transient").stdout.strip(), "", "nothing is left in the TPM")


def main():
    lacking = swtpm.missing() or next((p for p in ("tpm2_sign",) if not shutil.which(p)), "")
    if not lacking and not glob.glob("/usr/lib/*/ossl-modules/tpm2.so"):
        lacking = "tpm2-openssl"
    if lacking:
        print(f"1..0 # SKIP {lacking} is not installed")
        return
    tap.run(test_key_files, test_tools)


main()
