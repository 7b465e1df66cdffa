# SPDX-License-Identifier: Apache-2.0
"""Many revocations at once: one list has them all, certificates are issued meanwhile. CRL_ENTRIES=100000 gives the figures
of doc/performance.md."""
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from crllab import CrlLab, add_revoked, serial_of  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

ENTRIES = int(os.environ.get("CRL_ENTRIES", "3000"))


def memory(lab):
    """{role: MiB at most} of issuer and key."""
    found = {}
    for role in ("issuer", "key"):
        with open(f"/proc/{lab.pids(role)[0]}/status", encoding="ascii") as f:
            found[role] = round(int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) / 1024)
    return found


def many():
    with CrlLab({("issuers", "lab", "crl-delay"): "0s"}) as lab:
        lab.wait_first()
        device = mdm.Device(lab.client())
        before = memory(lab)
        lab.stop()
        with open(lab.ca, "rb") as f:
            ca = x509.load_pem_x509_certificate(f.read()).public_bytes(serialization.Encoding.DER)
        serials = add_revoked(lab.ledger, ca, ENTRIES)
        lab.start()
        crl = lab.wait_crl(lambda c: len(c) == ENTRIES, timeout=120)
        tap.ok(crl is not None, "the first list after the start has as many as were revoked", lab.log_tail())
        tap.ok(all(lab.has(s)(crl) for s in serials[:: max(1, ENTRIES // 50)]), "those that were revoked")
        start = time.monotonic()
        r = lab.openssl_verify()
        tap.ok("verify OK" in r.err + r.out, "openssl verifies it", r)
        tap.diag(f"openssl took {time.monotonic() - start:.2f} s")
        slowest, answers, ended = [0.0], [], threading.Event()

        def enroll():
            client = lab.client()
            while not ended.is_set():
                at = time.monotonic()
                answers.append(lab.issue(client).status)
                slowest[0] = max(slowest[0], time.monotonic() - at)

        thread = threading.Thread(target=enroll)
        thread.start()
        for _ in range(3):
            lab.ctl("crl", "publish", check=True)
        lab.revoke(serial_of(device.der))
        tap.ok(lab.wait_crl(lab.has(serial_of(device.der))) is not None, "one more is on the next list")
        ended.set()
        thread.join()
        tap.ok(answers and set(answers) == {200}, "certificates are issued while lists are made", answers[:20])
        tap.diag(f"{len(answers)} certificates meanwhile, the slowest in {slowest[0] * 1000:.0f} ms")
        for line in re.findall(r"CRL published (.*)", lab.read_log()):
            tap.diag(line)
        tap.diag(f"{os.path.getsize(lab.file('lab.crl'))} octets; memory in MiB: {before} before, {memory(lab)} at most")


tap.run(many)
