# SPDX-License-Identifier: Apache-2.0
"""doc/ceremony.md, literally: its blocks run in their order in an empty folder, with a SoftHSM and two software TPMs."""
import os
import re
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import device as devices  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

DOC = os.path.join(SRC, "doc", "ceremony.md")
COMMANDS = {"init-token", "generate", "show", "check", "self-sign", "csr", "issuer-csr", "cross-sign", "import-cert", "attest",
            "attest-verify", "change-auth"}


def blocks():
    with open(DOC, encoding="utf-8") as f:
        return re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S)


def openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)


def complete():
    used = set(re.findall(r"^pkienroll-keytool ([a-z-]+)", "".join(blocks()), re.M))
    tap.equal(used, COMMANDS, "the page runs every command of pkienroll-keytool")


def literally(hsm, one, two):
    work = hsm.path("work")
    os.mkdir(work)
    env = dict(hsm.env, MODULE=hsm.module, TCTI1=one.tpm.tcti, TCTI2=two.tpm.tcti,
               PATH=os.path.dirname(devices.KEYTOOL) + os.pathsep + os.environ["PATH"])
    # one shell for all, as variables and umask live on; a marker after each block tells where it ended
    script = "set -euo pipefail\n" + "".join(f"{b}echo '#done {i}'\n" for i, b in enumerate(blocks()))
    r = subprocess.run(["bash", "-c", script], cwd=work, env=env, capture_output=True, text=True, timeout=500, check=False)
    for i, block in enumerate(blocks()):
        tap.ok(f"#done {i}\n" in r.stdout, f"block {i}: {block.splitlines()[0]}", block + r.stdout[-1500:] + r.stderr[-1500:])
    tap.ok(r.returncode == 0 and "FAIL" not in r.stdout, "all of the page", r.stderr)
    return work


def judge(work):
    at = lambda name: os.path.join(work, name)  # noqa: E731
    for leaf in ("node1/ca.pem", "node2/ca.pem", "node1/next.pem", "root/issuing-3.pem", "root/new-with-old.pem"):
        r = openssl("verify", "-x509_strict", "-CAfile", at("root/root.pem"), at(leaf))
        tap.ok(r.returncode == 0, f"openssl verify {leaf}", r.stdout + r.stderr)
    text = openssl("x509", "-in", at("node2/ca.pem"), "-noout", "-text").stdout
    tap.ok("DNS:corp.example" in text and "CA:TRUE, pathlen:0" in text, "node 2 is constrained", text)
    secrets = []
    for name in ("root/so-pin", "root/pin", "node1/auth", "node1/next-auth", "node2/auth"):
        with open(at(name), encoding="ascii") as f:
            secrets.append(f.read().strip())
    for name in ("root", "node1", "node2", "auditor"):
        with open(at(f"{name}/transcript.txt"), encoding="utf-8") as f:
            log = f.read()
        begun, done = len(re.findall("^== ", log, re.M)), len(re.findall(r"^-- \S+ done, exit 0$", log, re.M))
        tap.ok(begun > 0 and begun == done and not any(s in log for s in secrets), f"transcript of {name}: all done, no secret", log)


def main():
    if devices.missing():
        print(f"1..0 # SKIP {devices.missing()} is not installed")
        return

    def whole_page():
        with devices.Hsm() as hsm, devices.Tpm() as one, devices.Tpm() as two:
            judge(literally(hsm, one, two))
            for tpm in (one, two):
                tap.equal(tpm.tpm.assert_empty(), {}, "nothing was left in the TPM")

    tap.run(complete, whole_page)


main()
