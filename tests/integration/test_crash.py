# SPDX-License-Identifier: Apache-2.0
"""Every role is killed once under load, and main last: nothing acknowledged is lost, no answer is ever empty or
malformed, everything comes back by itself (MS-MDE2 checklist 74; the promises of the ledger)."""
import hashlib
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from load import Load, Request  # noqa: E402
from mdmlab import MdmLab, free_port, wait_gone  # noqa: E402

LAB = None
LOAD = None


def restarted(role, before):
    """A test of status: each process of the role was started once more than before, and all is well."""
    def condition(status):
        rows = [r for r in status["roles"] if r["role"] == role]
        return (status["state"] == "ready" and len(rows) == len(before) and
                all(r["state"] == "ready" and r["restarts"] == b["restarts"] + 1 for r, b in zip(rows, before)))
    return condition


def kill_under_load(role):
    before, counts = LAB.roles(role), LOAD.counts()
    others = {r["pid"] for r in LAB.status()["roles"] if r["role"] != role}
    tap.ok(LOAD.wait_for(8), f"{role}: certificates are issued before", LOAD.counts())
    for row in before:
        os.kill(row["pid"], signal.SIGKILL)
    status = LAB.wait_status(restarted(role, before))
    tap.ok(status, f"{role}: comes back by itself, once", LAB.status())
    tap.ok(status and {r["pid"] for r in status["roles"] if r["role"] != role} == others,
           f"{role}: no other role was pulled along", status)
    tap.ok(LOAD.wait_for(8), f"{role}: certificates are issued again", LOAD.counts())
    after = LOAD.counts()
    tap.equal(LOAD.wrong, [], f"{role}: every answer was a certificate or a whole s:EnrollmentServer fault")
    if role != "net":
        tap.equal(LOAD.lost[counts["lost"]:][:3], [], f"{role}: no connection was lost")
    tap.diag(f"{role}: {after}")


def c74_roles_die_under_load():
    for role in ("issuer", "net", "auth", "key", "control"):
        kill_under_load(role)
    tap.ok(LOAD.lost and LOAD.faults, "the crashes were felt: lost connections of net, faults of others", LOAD.counts())


def main_dies_under_load():
    pids = LAB.pids()
    tap.ok(len(pids) >= 6, "every role has a process of its own", pids)
    LOAD.wait_for(4)
    LAB.process.kill()
    LAB.process.wait()
    tap.equal(wait_gone(pids), [], "main's death ends every role")
    LOAD.stop()
    acknowledged, pending = LOAD.sha256s(), list(LOAD.pending)
    LAB.stop()
    LAB.start()
    tap.equal(acknowledged - set(ledgerdb.certificates(LAB.ledger)), set(), "after the restart nothing acknowledged is lost")
    tap.equal(ledgerdb.open_intents(LAB.ledger), [], "no intent is left open")
    tap.ok(pending, "requests were on their way when main died")
    client = LAB.client()
    for request in pending:
        tap.ok(LOAD.exchange(client, request), f"{request.message_id}: the same bytes are answered after the restart",
               LOAD.faults[-1:] or LOAD.lost[-1:])
    client.close()


def the_record():
    tap.ok(len(LOAD.acknowledged) >= 80, "a load worth the name", LOAD.counts())
    tap.equal(LOAD.sha256s() - set(ledgerdb.certificates(LAB.ledger)), set(), "every acknowledged certificate is recorded")
    tap.equal(LOAD.contradictions(), [], "the same bytes always gave the same certificate")
    tap.equal(LOAD.wrong, [], "no answer was ever empty or malformed")
    tap.equal(ledgerdb.problems(LAB.ledger), [], "serials unique, one certificate per request, audit chain whole")
    for _, der in LOAD.acknowledged[::25]:
        sha256 = hashlib.sha256(der).hexdigest()
        r = LAB.ctl("--json", "cert", "show", sha256)
        tap.ok(r.status == 0 and r.json()["sha256"].lower() == sha256, "cert show finds it", r)


# ---- a crash at one exact point: the key process stands still while its neighbours die

class Single:
    """One request from a thread of its own, because its answer takes until the key goes on."""

    def __init__(self, number):
        self.request = Request(0xffff, number, mdm.device_id(), mdm.new_key(), LAB.password())
        self.client = LAB.client(timeout=30)
        self.der = None
        self.thread = threading.Thread(target=self.send, daemon=True)

    def send(self):
        self.der = LOAD.exchange(self.client, self.request)

    def until_intent(self):
        """Send, with the key standing still: the request comes as far as its first durable step."""
        self.thread.start()
        return ledgerdb.request_of(LAB.ledger, self.request.device, "intent")

    def retry(self):
        """The same bytes until there is a certificate."""
        deadline = time.monotonic() + 30
        self.thread.join(30)
        while self.der is None and time.monotonic() < deadline:
            self.send()
        return self.der


def stop_key():
    pid = LAB.pids("key")[0]
    os.kill(pid, signal.SIGSTOP)
    return pid


def kill_role(role):
    before = LAB.roles(role)
    for row in before:
        os.kill(row["pid"], signal.SIGKILL)
    return before


def reply_lost():
    """net dies between the commit of the certificate and the reply: the retry gets that very certificate."""
    key, single = stop_key(), Single(1)
    row = single.until_intent()
    net = LAB.roles("net")
    os.kill(net[0]["pid"], signal.SIGSTOP)
    os.kill(key, signal.SIGCONT)
    issued = ledgerdb.wait(LAB.ledger, "SELECT sha256 FROM certificate c, request r WHERE r.id = c.request AND "
                           "r.request_id = ? AND r.state = 'issued'", (row[0],))
    os.kill(net[0]["pid"], signal.SIGKILL)
    lost = len(LOAD.lost)
    tap.ok(issued, "the certificate was committed while net stood still")
    LAB.wait_status(restarted("net", net))
    signatures = LAB.signatures()
    der = single.retry()
    tap.ok(len(LOAD.lost) > lost, "the client saw its connection die", LOAD.counts())
    tap.ok(der and issued and hashlib.sha256(der).digest() == bytes(issued[0]),
           "the same bytes give the certificate whose reply was lost")
    tap.equal(LAB.signatures(), signatures, "and no second signature")


def intent_lost():
    """issuer dies between intent and signature: a whole fault, the intent is closed, the retry gets a new serial."""
    key, single = stop_key(), Single(2)
    row = single.until_intent()
    faults, before = len(LOAD.faults), kill_role("issuer")
    single.thread.join(30)
    os.kill(key, signal.SIGCONT)
    tap.ok(single.der is None and len(LOAD.faults) == faults + 1, "c74 the request in flight got its fault at once",
           LOAD.counts())
    LAB.wait_status(restarted("issuer", before))
    state = ledgerdb.one(LAB.ledger, "SELECT state FROM request WHERE request_id = ?", (row[0],))
    tap.equal(state, "abandoned", "the intent without a result is closed as abandoned")
    der = single.retry()
    tap.ok(der, "the retry is issued")
    found = ledgerdb.rows(LAB.ledger, "SELECT c.serial, c.der IS NOT NULL FROM certificate c, request r WHERE "
                          "r.id = c.request AND r.idempotency_key = ? ORDER BY r.id", (row[1],))
    tap.ok([f[1] for f in found] == [0, 1] and found[0][0] != found[1][0],
           "one serial given up, one certificate released", found)


def signature_lost():
    """The key process dies in the middle of a signature: a fault, and the request is closed as failed."""
    stop_key()
    single = Single(3)
    row = single.until_intent()
    before = kill_role("key")
    single.thread.join(30)
    fault = LOAD.faults[-1]
    tap.ok(single.der is None and fault.subcode == "s:EnrollmentServer", "c74 the signature's request got its fault")
    shown = LAB.request_show(fault.trace_id) or {}
    tap.ok(shown.get("request_id") == row[0] and shown.get("state") == "failed", "c71 request show finds it", shown)
    LAB.wait_status(restarted("key", before))
    tap.ok(single.retry(), "the retry is issued")


def main_lost():
    """main dies while a signature is out: a stopped process dies, too, and the restart closes the intent."""
    key, single = stop_key(), Single(4)
    row = single.until_intent()
    pids = LAB.pids()
    LAB.process.kill()
    LAB.process.wait()
    tap.ok(key in pids and wait_gone(pids) == [], "no process survives, the stopped one neither", pids)
    single.thread.join(30)
    LAB.stop()
    LAB.start()
    state = ledgerdb.one(LAB.ledger, "SELECT state FROM request WHERE request_id = ?", (row[0],))
    tap.equal(state, "abandoned", "the restart closed the intent")
    single.client = LAB.client(timeout=30)
    tap.ok(single.retry(), "the same bytes are issued after the restart")


def run_load():
    with LOAD:
        c74_roles_die_under_load()
        main_dies_under_load()


# a port of its own: one that the daemon picks is another one after net died
with MdmLab({("listeners", "main", "port"): free_port()}) as LAB:
    LOAD = Load(LAB)
    tap.run(run_load, reply_lost, intent_lost, signature_lost, main_lost, the_record)
