# SPDX-License-Identifier: Apache-2.0
"""A real daemon whose CA key is in a TPM that fails: items 1 to 15 of doc/key-faults.md as clients and operators see them.
What keystore/ alone makes of each is in tests/unit/test_tpm_faults.py."""
import glob
import os
import signal
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import swtpm  # noqa: E402
import tap  # noqa: E402
import tpmkey  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import read_text, whole_fault, write_text  # noqa: E402
from tpmca import TpmLab  # noqa: E402

KEY_DEADLINE = 3
STORM_WINDOW = 3  # seconds over which a storm would be seen
OPTIONS = {("keys", "lab-ca", "deadline"): f"{KEY_DEADLINE}s", ("keys", "lab-ca", "health-interval"): "0s",
           ("issuers", "lab", "crl-lifetime"): "0s"}  # signatures are counted
TPM = LAB = None


class Enroll(threading.Thread):
    """One enrollment beside the test; answer and seconds when it is done."""

    def __init__(self, timeout=60):
        super().__init__(daemon=True)
        self.device, self.client = mdm.device_id(), LAB.client(timeout=timeout)
        self.csr, self.answer, self.took = mdm.new_csr(self.device), None, None
        self.start()

    def run(self):
        start = time.monotonic()
        self.answer = self.client.enroll(self.csr, self.device)
        self.took = time.monotonic() - start

    def wait(self):
        self.join(90)
        return self.answer

    def serials(self):
        """Serials that the ledger ever gave to this device."""
        return ledgerdb.rows(LAB.ledger, "SELECT hex(c.serial), r.state FROM certificate c JOIN request r ON c.request = r.id "
                                         "WHERE r.device_id = ?", (self.device,))


def quiet():
    TPM.proxy.clear()
    TPM.proxy.forget()


def signs():
    """TPM2_Sign with authorisation that reached the TPM's side."""
    return sum(1 for name, _, authorised in TPM.proxy.log() if name == "Sign" and authorised)


def key_rows():
    return LAB.ctl("--json", "key", "list", check=True).json()["items"]


def restarts():
    return [r["restarts"] for r in LAB.roles("key")]


def down(name, state, client=None):
    """What everybody sees while the key is down."""
    row = LAB.wait_key(state)
    tap.ok(row and row["reason"] and row["error"], f"{name}: key list says {state}, and why", row or key_rows())
    client = client or LAB.client()
    tap.equal(client.get_policies().status, 200, f"{name}: GetPolicies goes on")
    whole_fault(LAB.issue(client), 500, "s:EnrollmentServer", None, f"{name}: Issue gives a whole s:EnrollmentServer fault")
    tap.ok(LAB.wait_status(lambda s: s["state"] == "degraded"), f"{name}: status says degraded", LAB.status())
    return row or {}


def up_again(name, same_processes=None):
    tap.ok(LAB.wait_key("ready"), f"{name}: the key is ready again without a restart by hand", key_rows())
    LAB.issues_again(f"{name}: certificates are issued again")
    if same_processes is not None:
        tap.equal(restarts(), same_processes, f"{name}: no process was restarted for it")
    tap.equal(ledgerdb.open_intents(LAB.ledger), [], f"{name}: no intent is left open")


def no_storm(name, at_most):
    """Commands to the TPM within a window, after the state has settled."""
    TPM.proxy.forget()
    end = time.monotonic() + STORM_WINDOW
    swtpm.wait_for(lambda: time.monotonic() > end or TPM.proxy.count() > at_most, STORM_WINDOW + 1, 0.1)
    tap.ok(TPM.proxy.count() <= at_most, f"{name}: no storm: at most {at_most} commands in {STORM_WINDOW} s", TPM.proxy.counts())


def f01_lost_mid_sign():
    before = restarts()
    for kind, value in (("drop", 0), ("cut", 20)):
        quiet()
        TPM.proxy.fault(kind, "Sign", value, times=1)
        e = Enroll()
        tap.ok(e.wait().certificate(), f"f01 connection lost within TPM2_Sign ({kind}): the client gets its certificate",
               e.answer.describe())
        tap.equal(signs(), 2, "f01 by a second TPM2_Sign")
        rows = e.serials()
        tap.ok(len(rows) == 1 and rows[0][1] == "issued", "f01 of the same serial", rows)
    tap.equal(restarts(), before, "f01 no process was restarted for it")


def f01_killed_mid_sign():
    quiet()
    before = restarts()
    TPM.proxy.fault("delay", "Sign", 0.5)
    e = Enroll()
    tap.ok(swtpm.wait_for(lambda: signs() == 1), "f01 TPM2_Sign is on its way")
    TPM.kill()
    whole_fault(e.wait(), 500, "s:EnrollmentServer", None, "f01 swtpm is killed then: a whole fault")
    tap.ok(e.took < KEY_DEADLINE, "f01 at once", e.took)
    TPM.proxy.clear()
    row = down("f01 no TPM", "recovering")
    tap.ok(row.get("raw"), "f01 with the raw code", row)
    TPM.start()
    up_again("f01 TPM is back", before)
    tap.equal([s for _, s in e.serials()], ["failed"], "f01 the serial of the lost one stays taken")


def f02_frozen():
    """Whoever is first, the TPM's own deadline or main with SIGKILL: nobody waits longer than that."""
    quiet()
    TPM.freeze()
    e = Enroll()
    answer = e.wait()
    whole_fault(answer, 500, "s:EnrollmentServer", None, "f02 the TPM stands still: a whole fault")
    tap.ok(e.took < KEY_DEADLINE + 3, "f02 by the key's deadline", e.took)
    tap.equal(LAB.client().get_policies().status, 200, "f02 GetPolicies goes on")
    tap.ok(swtpm.wait_for(lambda: key_rows()[0]["state"] != "ready", 30), "f02 the key is not ready", key_rows())
    TPM.thaw()
    up_again("f02 it goes on")


def f02_key_process_stuck():
    """A key process that the device holds: ended by main, and another takes its place."""
    before = LAB.roles("key")[0]
    quiet()
    send_signal(before["pid"], signal.SIGSTOP)
    e = Enroll()
    whole_fault(e.wait(), 500, "s:EnrollmentServer", None, "f02 the key process stands still: a whole fault")
    status = LAB.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["pid"] not in (0, before["pid"]) and
                                        r["state"] == "ready"])
    tap.ok(status, "f02 deadline, SIGKILL, a new process that is ready", LAB.status())
    up_again("f02 a new process")


def f03_reset():
    quiet()
    before = restarts()
    TPM.reset()
    e = Enroll()
    tap.ok(e.wait().certificate(), "f03 TPM reset: TPM2_Startup, loaded again, and the client gets its certificate",
           e.answer.describe())
    tap.equal(TPM.proxy.count("Startup"), 1, "f03 one TPM2_Startup")
    tap.equal([s for _, s in e.serials()], ["issued"], "f03 one serial")
    tap.equal(restarts(), before, "f03 no process was restarted for it")


def f05_stale_objects():
    LAB.stop()
    for make in (TPM.create_primary, TPM.start_session):
        for _ in range(3):
            make()
    LAB.start()
    LAB.issues_again("f05 three stale objects and three stale sessions at the start: certificates all the same")


def f06_sessions_taken():
    warning("f06 TPM_RC_SESSION_MEMORY", 0x903, "StartAuthSession")


def f07_context_gap():
    warning("f07 TPM_RC_CONTEXT_GAP", 0x901, "StartAuthSession")
    use_session("password")


def f08_warnings():
    for name, code in (("RETRY", 0x922), ("TESTING", 0x90a), ("YIELDED", 0x908), ("NV_RATE", 0x920)):
        quiet()
        TPM.proxy.fault("rc", "Sign", code, times=1)
        tap.ok(LAB.issue().certificate(), f"f08 TPM_RC_{name} once: the client does not notice")
    warning("f08 TPM_RC_RETRY", 0x922, "Sign")


def use_session(kind):
    LAB.set_option(("keys", "lab-ca", "session"), kind)
    LAB.restart()


def warning(name, code, command):
    """A response code that stays for a while: recovering, and ready when it goes."""
    before = restarts()
    if command == "StartAuthSession":
        use_session("salted")
        before = restarts()
        LAB.issues_again(f"{name}: a certificate in a salted session")
        tap.ok(swtpm.wait_for(lambda: not TPM.handles("loaded-session")), f"{name}: idle, no session is kept")
    quiet()
    TPM.proxy.fault("rc", command, code, times=1)
    tap.ok(LAB.issue().certificate(), f"{name} once: the client gets its certificate", TPM.proxy.counts())
    if command == "StartAuthSession":
        tap.ok(swtpm.wait_for(lambda: not TPM.handles("loaded-session")), f"{name}: idle again")
    quiet()
    TPM.proxy.fault("rc", command, code)
    LAB.issue()
    row = down(f"{name} for ever", "recovering")
    tap.equal(row.get("raw"), code, f"{name}: the raw code in key list")
    no_storm(name, 200)
    TPM.proxy.clear()
    up_again(f"{name} is over", before)


def latches():
    return glob.glob(os.path.join(LAB.dir, "state", "pin-latch-*"))


def f09_wrong_auth():
    right, counter = read_text(LAB.auth_file), TPM.lockout_counter()
    LAB.stop()
    write_text(LAB.auth_file, "not-the-auth-value-of-this-key\n")
    quiet()
    LAB.start(state="degraded")
    LAB.issue()
    row = down("f09 wrong auth value", "locked")
    tap.equal(row.get("raw", 0) & 0xfff, 0x9a2, "f09 TPM_RC_BAD_AUTH in key list")
    tap.equal(signs(), 1, "f09 exactly one TPM2_Sign with authorisation")
    tap.equal(len(latches()), 1, "f09 the latch is a file")
    LAB.restart("degraded")
    LAB.issue()
    tap.equal([(r["state"], r["reason"]) for r in key_rows()], [("locked", "key-latched")], "f09 restart: latched, says why")
    LAB.ctl("reload", check=True)
    LAB.issue()
    tap.equal([r["state"] for r in key_rows()], ["locked"], "f09 a reload with the same value changes nothing")
    tap.equal(signs(), 1, "f09 still exactly one TPM2_Sign with authorisation")
    tap.equal(TPM.lockout_counter(), counter, "f09 the TPM has counted nothing against a dictionary attack")
    tap.ok("not-the-auth-value" not in LAB.read_log() and right.strip() not in LAB.read_log(), "f09 no value is in the log")
    write_text(LAB.auth_file, right)
    LAB.ctl("reload", check=True)
    up_again("f09 the right value and a reload", restarts())
    tap.equal(latches(), [], "f09 the latch is gone")


def f10_lockout():
    quiet()
    TPM.proxy.fault("rc", "Sign", 0x921)
    LAB.issue()
    row = down("f10 TPM_RC_LOCKOUT", "locked")
    tap.equal(row.get("raw"), 0x921, "f10 the raw code in key list")
    tap.equal(signs(), 1, "f10 one TPM2_Sign")
    no_storm("f10", 4)  # what was loaded is given back
    tap.equal((signs(), len(latches())), (0, 1), "f10 nobody tries again, and the latch is a file")
    LAB.restart("degraded")
    tap.equal((key_rows()[0]["state"], signs()), ("locked", 0), "f10 a restart does not try")
    TPM.proxy.clear()
    LAB.ctl("key", "unlock", "lab-ca", check=True)
    up_again("f10 the lockout is lifted, and an operator unlocks")


def f11_flipped_signature():
    quiet()
    n = len(ledgerdb.certificates(LAB.ledger))
    TPM.proxy.fault("flip", "Sign", swtpm.tpmproxy.SIGNATURE_AT)
    e = Enroll()
    whole_fault(e.wait(), 500, "s:EnrollmentServer", None, "f11 a flipped byte in the signature: a whole fault")
    tap.equal(len(ledgerdb.certificates(LAB.ledger)), n, "f11 no certificate of it anywhere")
    row = down("f11 wrong signature", "failed")
    tap.equal(row.get("reason"), "key-integrity", "f11 key list says key-integrity")
    no_storm("f11", 4)
    tap.equal(signs(), 0, "f11 nobody tries again")
    TPM.proxy.clear()
    LAB.restart()
    up_again("f11 after a restart")
    use_session("salted")
    quiet()
    TPM.proxy.fault("flip", "Sign", swtpm.tpmproxy.SIGNATURE_AT)
    whole_fault(LAB.issue(), 500, "s:EnrollmentServer", None, "f11 salted session: a whole fault")
    row = down("f11 altered between the TPM and here", "recovering")
    tap.equal(row.get("reason"), "key-tpm-forged", "f11 key list says what happened")
    no_storm("f11 salted", 200)
    TPM.proxy.clear()
    up_again("f11 nobody alters it any more")
    use_session("password")


def f12_spoilt_responses():
    for kind, value in (("truncate", 9), ("oversize", 65536), ("stall", 12), ("flip", 4)):
        quiet()
        TPM.proxy.fault(kind, "Sign", value, times=1)
        e = Enroll()
        a = e.wait()
        tap.ok(a.certificate() or a.subcode == "s:EnrollmentServer", f"f12 {kind}: a certificate or a whole fault", a.describe())
        TPM.proxy.clear()
        up_again(f"f12 {kind}")


def f13_slow():
    """2 s a signature and 5 s for a request: some are signed, the others refused at once, and the event loop lives."""
    LAB.set_option(("request-deadline",), "5s")
    LAB.set_option(("keys", "lab-ca", "deadline"), "10s")
    LAB.restart()
    quiet()
    TPM.proxy.fault("delay", "Sign", 0.12)
    tap.ok(LAB.issue().certificate(), "f13 120 ms a signature: a certificate")
    TPM.proxy.clear()
    TPM.proxy.fault("delay", "Sign", 2)
    tap.ok(LAB.issue().certificate(), "f13 2 s a signature: a certificate")
    for _ in range(6):  # what is measured is an average over some
        LAB.issue()
    client, gaps = LAB.client(), []
    client.get_policies()
    TPM.proxy.forget()
    enrollments = [Enroll() for _ in range(8)]
    tap.ok(swtpm.wait_for(lambda: signs() > 0), "f13 the TPM works")
    while any(e.is_alive() for e in enrollments) or not gaps:
        start = time.monotonic()
        status = client.get_policies().status
        gaps.append(time.monotonic() - start if status == 200 else 60)
    tap.diag(f"GetPolicies beside it: {len(gaps)}, median {statistics.median(gaps) * 1000:.1f} ms, max {max(gaps) * 1000:.1f} ms")
    tap.ok(statistics.median(gaps) < 0.2 and max(gaps) < 1.5, "f13 GetPolicies does not wait for the TPM", max(gaps))
    issued = [e for e in enrollments if e.answer.certificate()]
    busy = [e for e in enrollments if not e.answer.certificate()]
    tap.ok(issued and busy, "f13 some are signed, the others are not", [e.took for e in enrollments])
    tap.ok(all(e.answer.subcode == "s:EnrollmentServer" for e in busy), "f13 who is not gets a whole fault")
    tap.ok(any(e.took < 2 for e in busy), "f13 most of them at once", [e.took for e in busy])
    tap.ok(all(e.took < 6 for e in enrollments), "f13 nobody waits beyond the request's deadline",
           [(round(e.took, 1), e.answer.reason) for e in enrollments])
    TPM.proxy.clear()
    LAB.set_option(("request-deadline",), None)
    LAB.set_option(("keys", "lab-ca", "deadline"), f"{KEY_DEADLINE}s")
    LAB.restart()
    up_again("f13 it is fast again")


def f15_key_file():
    """The key file is damaged, or another key's: FAILED, and nothing is asked of the TPM for ever."""
    path = LAB.uri.removeprefix("tpm2:file=")
    content = read_text(path)
    private = tpmkey.TpmKey.load(tpmkey.read_pem(path))["privkey"].native
    for name, der in (("truncated", tpmkey.read_pem(path)[:-9]),
                      ("of another TPM", tpmkey.changed(path, privkey=private[:-1] + bytes([private[-1] ^ 1])))):
        LAB.stop()
        tpmkey.write_pem(path, der)
        quiet()
        LAB.start(state="degraded")
        down(f"f15 key file {name}", "failed")
        tap.equal(signs(), 0, f"f15 {name}: nothing was signed")
        no_storm(f"f15 {name}", 20)
    LAB.stop()
    write_text(path, content)
    LAB.start()
    up_again("f15 the right key file")


def f04_cleared():
    """The last one: the key does not come back."""
    quiet()
    before = restarts()
    TPM.restart(clear=True)
    LAB.issue()
    row = down("f04 TPM cleared", "failed")
    tap.ok("key" in row.get("reason", "") and row.get("error"), "f04 key list says that the key is missing", row)
    no_storm("f04", 40)
    tap.equal(restarts(), before, "f04 no process was restarted for it")
    LAB.restart("degraded")
    down("f04 after a restart", "failed")
    no_storm("f04 after a restart", 40)


FUNCTIONS = [f01_lost_mid_sign, f01_killed_mid_sign, f02_frozen, f02_key_process_stuck, f03_reset, f05_stale_objects,
             f08_warnings, f06_sessions_taken, f07_context_gap, f09_wrong_auth, f10_lockout, f11_flipped_signature,
             f12_spoilt_responses, f13_slow, f15_key_file, f04_cleared]
if swtpm.missing():
    tap.skip("outages of a TPM", f"{swtpm.missing()} is not installed")
    tap.run()
with swtpm.Tpm() as TPM, TpmLab(TPM, OPTIONS) as LAB:
    tap.run(*(f for f in FUNCTIONS if len(sys.argv) < 2 or f.__name__ in sys.argv))  # by hand: only these
