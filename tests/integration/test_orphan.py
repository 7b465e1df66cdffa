# SPDX-License-Identifier: Apache-2.0
"""A result that could not be recorded does not keep the device out: its intent is closed while the daemon runs."""
import os
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import MdmLab  # noqa: E402


def wait_until(check, timeout=20):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def intents(db):
    return db.execute("SELECT count(*) FROM request WHERE state = 'intent'").fetchone()[0]


def result_not_recorded():
    device = mdm.device_id()
    csr = mdm.new_csr(device)
    answers = []
    with MdmLab() as lab:
        roles = lab.ctl("--json", "status", check=True).json()["roles"]
        key = next(r["pid"] for r in roles if r["role"] == "key")
        path = lab.run(["find", lab.dir, "-name", "*.db"]).out.split()[0]
        db = sqlite3.connect(path, isolation_level=None)
        send_signal(key, signal.SIGSTOP)  # between the intent and the result
        thread = threading.Thread(target=lambda: answers.append(lab.client().enroll(csr, device)))
        thread.start()
        reached = wait_until(lambda: intents(db) == 1)
        db.execute("BEGIN IMMEDIATE")  # from now on the ledger cannot be written
        send_signal(key, signal.SIGCONT)
        thread.join(30)
        tap.ok(reached, "the intent is durable before the signature")
        a = answers[0]
        tap.ok(a.status == 500 and a.subcode == "s:EnrollmentServer", "a result that cannot be recorded is a fault",
               a.describe())
        tap.ok(a.certificate() is None, "and the certificate is not released", a.describe())
        db.execute("ROLLBACK")
        tap.ok(wait_until(lambda: intents(db) == 0), "its intent is closed when the ledger can be written again")
        shown = lab.request_show(a.trace_id)
        tap.ok(shown and shown["state"] == "failed", "request show says so", shown)
        again = lab.client().enroll(csr, device)
        tap.ok(again.certificate() is not None, "the same request is served then", again.describe())
        db.close()


tap.run(result_not_recorded)
