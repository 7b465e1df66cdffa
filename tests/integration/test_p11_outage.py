# SPDX-License-Identifier: Apache-2.0
"""A real daemon whose PKCS#11 module fails (doc/key-faults.md 16 to 30): tests/lib/p11double.c in front of SoftHSM. What a
token that goes, a process that stands still and a wrong PIN at the start lead to is in test_outage.py."""
import glob
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import tap  # noqa: E402
from mdmlab import MdmLab, free_port, read_text, whole_fault, write_text  # noqa: E402
from p11double import P11Double  # noqa: E402

KEY_DEADLINE = 3
LAB = HSM = None


def rows():
    return LAB.ctl("--json", "key", "list", check=True).json()["items"]


def restarts():
    return sum(r["restarts"] for r in LAB.roles("key"))


def fault(name):
    return whole_fault(LAB.issue(), 500, "s:EnrollmentServer", None, name)


def mended(name):
    """The fault is over: ready by itself, and certificates."""
    HSM.steer()
    tap.ok(LAB.wait_key("ready"), f"{name}: ready again by itself", LAB.ctl("key", "list"))
    LAB.issues_again(f"{name}: certificates are issued again")


def unlocked(name):
    """The fault is over and an operator says so."""
    HSM.steer()
    r = LAB.ctl("key", "unlock", "lab-ca")
    tap.ok(r.status == 0 and LAB.wait_key("ready"), f"{name}: ready after key unlock", r)
    LAB.issues_again(f"{name}: certificates are issued again")


# -- rows 23 and 29: what each class of codes leads to

def once_is_not_noticed():
    before = restarts()
    for code in (0xb3, 0xb0, 0x101, 0x82, 0x60, 0x90, 0x32, 0xe0, 0xe1, 0x3, 0x30, 0x5, 0x6, 0x190, 0x2, 0x31, 0xb1, 0x50):
        HSM.steer(f"C_Sign rv={code:#x} {HSM.marker()}")
        a = LAB.issue()
        tap.ok(a.certificate(), f"0x{code:x} once: the device gets its certificate all the same", a.describe())
    HSM.steer()
    tap.equal(restarts(), before, "and no process was restarted")


def for_ever_is_recovering():
    before = restarts()
    for code, name in ((0xb3, "session lost"), (0x30, "device error"), (0xb1, "no session left")):
        HSM.steer(f"C_SignInit rv={code:#x}")
        fault(f"{name} for ever: a whole s:EnrollmentServer")
        row = LAB.wait_key("recovering")
        tap.ok(row and row["reason"] and row["error"], f"{name} for ever: recovering, with the reason", LAB.ctl("key", "list"))
        tap.equal(LAB.client().get_policies().status, 200, f"{name} for ever: GetPolicies goes on")
        mended(name)
    tap.equal(restarts(), before, "no process was restarted")


def session_count():
    """The token is there and has no session for us: tried again later, at no cost."""
    HSM.steer("C_SignInit rv=0xb3", "C_OpenSession rv=0xb1")
    HSM.forget()
    fault("row 29: no session left: a whole s:EnrollmentServer")
    tap.ok(LAB.wait_key("recovering"), "row 29: recovering", LAB.ctl("key", "list"))
    tap.equal(HSM.calls("C_Login"), 0, "row 29: no PIN is shown without a session")
    mended("row 29")


def permanent_is_failed():
    for code, name in ((0x70, "mechanism invalid"), (0x68, "key may not sign")):
        HSM.steer(f"C_SignInit rv={code:#x}")
        HSM.forget()
        fault(f"{name}: a whole s:EnrollmentServer")
        row = LAB.wait_key("failed")
        tap.ok(row and row["raw"] == code, f"{name}: failed, with the code", row)
        fault(f"{name}: and again, at once")
        tap.equal((HSM.calls("C_SignInit"), HSM.calls("C_Login")), (1, 0), f"{name}: nothing is tried again")
        unlocked(name)


def flipped():
    HSM.steer("C_Sign flip")
    before = LAB.signatures()
    fault("a turned bit: no certificate")
    row = LAB.wait_key("failed")
    tap.ok(row and row["reason"] == "key-integrity", "a turned bit: failed, key-integrity", row)
    tap.equal(LAB.signatures(), before, "a turned bit: nothing left the key")
    unlocked("a turned bit")


def pin_refused_while_running():
    """Row 19: the session is lost and the PIN is not the right one any more."""
    HSM.steer("C_SignInit rv=0x101", "C_Login rv=0xa0")
    HSM.forget()
    fault("row 19: a whole s:EnrollmentServer")
    row = LAB.wait_key("locked")
    tap.ok(row and row["raw"] == 0xa0, "row 19: locked, CKR_PIN_INCORRECT", row)
    fault("row 19: and again")
    LAB.ctl("key", "test", "lab-ca")
    LAB.ctl("reload", check=True)
    tap.equal(HSM.calls("C_Login"), 1, "row 19: exactly one login attempt")
    unlocked("row 19")
    tap.equal(HSM.calls("C_Login"), 2, "row 19: one more by the operator's word")


# -- row 24: hang and crash

def settled(before):
    return LAB.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["state"] == "ready" and
                                      r["restarts"] == before + 1])


def hang():
    before = restarts()
    HSM.steer(f"C_Sign hang {HSM.marker()}")
    start = time.monotonic()
    a = LAB.issue()
    tap.ok(a.status in (200, 500) and a.body, "row 24: a module that hangs: the device has a whole answer", a.describe())
    tap.ok(settled(before), "row 24: the process is killed and another one is ready", LAB.status())
    tap.ok(time.monotonic() - start >= KEY_DEADLINE - 0.1, "row 24: not before the key's deadline")
    mended("row 24 hang")


def crash():
    before = restarts()
    HSM.steer(f"C_Sign crash {HSM.marker()}")
    a = LAB.issue()
    tap.ok(a.status in (200, 500) and a.body, "row 24: a module that crashes: the device has a whole answer", a.describe())
    tap.ok(settled(before), "row 24: another process is ready", LAB.status())
    mended("row 24 crash")


def slow():
    HSM.steer("C_Sign delay=700")
    start = time.monotonic()
    a = LAB.issue()
    tap.ok(a.certificate() and time.monotonic() - start >= 0.7, "a slow token: the device waits and gets it", a.describe())
    HSM.steer()


def removed():
    before = restarts()
    HSM.steer("remove")
    HSM.forget()
    fault("row 16: the token is taken away: a whole s:EnrollmentServer")
    tap.ok(LAB.wait_key("recovering"), "row 16: recovering", LAB.ctl("key", "list"))
    tap.equal(HSM.calls("C_Login"), 0, "row 16: no PIN for an empty slot")
    mended("row 16")
    tap.equal(restarts(), before, "row 16: without a restart")


# -- logins

def wrong_new_pin():
    """A reload with a new PIN that is wrong does not take away the session that works."""
    pin = os.path.join(LAB.etc, "pin")
    right = read_text(pin)
    HSM.forget()
    write_text(pin, "not-the-pin\n")
    LAB.ctl("reload", check=True)
    a = LAB.issue()
    tap.ok(a.certificate(), "a wrong new PIN: certificates go on", a.describe())
    tap.equal((rows()[0]["state"], HSM.calls("C_Login")), ("ready", 0), "a wrong new PIN: ready, and it was not tried")
    HSM.steer(f"C_SignInit rv=0xb3 {HSM.marker()}")
    fault("a wrong new PIN: the next login finds out")
    tap.ok(LAB.wait_key("locked"), "a wrong new PIN: locked then", LAB.ctl("key", "list"))
    tap.equal(HSM.calls("C_Login"), 1, "a wrong new PIN: after one attempt")
    write_text(pin, right)
    LAB.ctl("reload", check=True)
    mended("the right PIN and a reload")
    tap.equal(glob.glob(os.path.join(LAB.dir, "state", "pin-latch-*")), [], "the latch is gone")


def several_instances():
    LAB.stop()
    LAB.set_option(("keys", "lab-ca", "instances"), "4")
    HSM.forget()
    LAB.start()
    tap.equal([r["state"] for r in rows()], ["ready"] * 4, "four instances are ready")
    first, end = {}, {}
    for at, (function, _, process) in enumerate(HSM.lines()):
        first.setdefault(process, at)
        if function == "C_FindObjectsFinal":
            end.setdefault(process, at)
    spans = sorted((first[p], end[p]) for p in end)
    tap.ok(len(spans) == 4 and all(a[1] < b[0] for a, b in zip(spans, spans[1:])),
           "row 28: they start one after another", spans)
    tap.equal(HSM.calls("C_Login"), 4, "each logged in once")
    HSM.steer(f"C_Sign crash {HSM.marker()}")
    for _ in range(8):
        LAB.issue()
    tap.ok(LAB.wait_status(lambda s: [r["state"] for r in s["roles"] if r["role"] == "key"] == ["ready"] * 4),
           "one crashes: all four are ready again", LAB.status())
    LAB.issues_again("and sign")
    LAB.stop()
    LAB.set_option(("keys", "lab-ca", "instances"), "1")
    HSM.steer()
    LAB.start()


def always_authenticate():
    """Row 30."""
    pin = read_text(os.path.join(LAB.etc, "pin")).strip()
    LAB.stop()
    HSM.steer(f"always-authenticate {pin}")
    LAB.start()
    HSM.forget()
    for _ in range(3):
        a = LAB.issue()
        tap.ok(a.certificate(), "row 30: a key that wants its PIN each time signs", a.describe())
    tap.ok(HSM.calls("C_Login(context)") == HSM.calls("C_Sign") >= 3 and HSM.calls("C_Login") == 0,
           "row 30: one login for each signature", HSM.lines())
    HSM.steer("always-authenticate 000000")
    HSM.forget()
    fault("row 30: a refused PIN: a whole s:EnrollmentServer")
    tap.ok(LAB.wait_key("locked"), "row 30: locked", LAB.ctl("key", "list"))
    fault("row 30: and again")
    tap.equal(HSM.calls("C_Login(context)"), 1, "row 30: after one attempt")
    unlocked("row 30")


def keypad():
    pin, pin_file = read_text(os.path.join(LAB.etc, "pin")).strip(), ("keys", "lab-ca", "pin-file")
    LAB.stop()
    LAB.set_option(pin_file, None)
    LAB.set_option(("keys", "lab-ca", "login"), "protected-path")
    HSM.steer(f"protected-path {pin}")
    HSM.forget()
    LAB.start()
    a = LAB.issue()
    tap.ok(a.certificate(), "a PIN on the token's keypad: certificates", a.describe())
    tap.equal(HSM.calls("C_Login"), 1, "one login")
    HSM.steer("protected-path 000000", f"C_SignInit rv=0xb3 {HSM.marker()}")
    fault("a wrong PIN on the keypad: a whole s:EnrollmentServer")
    tap.ok(LAB.wait_key("locked"), "locked: nobody is asked again by itself", LAB.ctl("key", "list"))
    LAB.restart("degraded")
    tap.equal((rows()[0]["reason"], HSM.calls("C_Login")), ("key-latched", 2), "nor by a restart")
    HSM.steer(f"protected-path {pin}")
    r = LAB.ctl("key", "unlock", "lab-ca")
    tap.ok(r.status == 0 and LAB.wait_key("ready"), "key unlock asks again", r)
    LAB.stop()
    LAB.set_option(("keys", "lab-ca", "login"), "none")
    HSM.steer(f"no-login {pin}")
    HSM.forget()
    LAB.start()
    a = LAB.issue()
    tap.ok(a.certificate() and HSM.calls("C_Login") == 0, "a token without login: certificates, no login", a.describe())
    LAB.stop()
    LAB.set_option(("keys", "lab-ca", "login"), None)
    LAB.set_option(pin_file, "pin")
    HSM.steer()
    LAB.start()


# -- rows 21, 25 to 27: what the daemon finds when it starts

def found_at_start(state, reason, name, logins):
    LAB.stop()
    HSM.forget()
    LAB.start(state="degraded")
    row = LAB.wait_key(state)
    tap.ok(row and row["reason"] == reason, f"{name}: {state}, {reason}", LAB.ctl("key", "list"))
    fault(f"{name}: a whole s:EnrollmentServer")
    tap.equal(LAB.client().get_policies().status, 200, f"{name}: GetPolicies goes on")
    tap.equal((HSM.calls("C_Login"), HSM.calls("C_SignInit"), restarts()), (logins, 0, 0),
              f"{name}: {logins} logins, no signature, no restart")


def refused_at_start():
    HSM.steer("pin-locked")
    found_at_start("locked", "key-pin-refused", "row 21: a locked PIN", 0)
    unlocked("row 21")
    HSM.steer("twin")
    found_at_start("failed", "key-token-count", "row 25: two tokens of one name", 0)
    HSM.steer("hide 0x162")  # CKA_EXTRACTABLE
    found_at_start("failed", "key-attributes", "row 26: who knows whether it can be extracted", 1)
    HSM.steer()
    mine, other = read_text(LAB.ca), os.path.join(LAB.dir, "other.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-out", other, "-days",
                    "3650", "-subj", "/CN=pkienrolld Lab Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign"], check=True,
                   capture_output=True)
    write_text(LAB.ca, read_text(other))
    found_at_start("failed", "key-mismatch", "row 27: a certificate of another key", 1)
    LAB.stop()
    write_text(LAB.ca, mine)
    LAB.start()
    LAB.issues_again("put right: certificates are issued")


# -- last: the key is gone for good

def initialised_again():
    """Rows 17 and 18: the token is there, the PIN is right, the key is not there."""
    with open(os.path.join(LAB.etc, "so-pin"), encoding="ascii") as f:
        so_pin = f.read().strip()
    pin = read_text(os.path.join(LAB.etc, "pin")).strip()
    subprocess.run(["softhsm2-util", "--init-token", "--token", "pkienroll-lab", "--label", "pkienroll-lab", "--so-pin", so_pin,
                    "--pin", pin], env=LAB.env, check=True, capture_output=True)
    HSM.forget()
    fault("row 17: a whole s:EnrollmentServer")
    row = LAB.wait_key("failed")
    tap.ok(row and row["reason"] == "key-count", "row 17: failed, the key is missing", row)
    tap.equal(LAB.client().get_policies().status, 200, "row 17: GetPolicies goes on")
    fault("row 17: and again")
    tap.ok(HSM.calls("C_Login") <= 2, "row 17: no storm of logins", HSM.lines())


def main():
    global LAB, HSM
    options = {("keys", "lab-ca", "deadline"): f"{KEY_DEADLINE}s", ("keys", "lab-ca", "health-interval"): "0s",
               ("listeners", "main", "port"): free_port()}
    with MdmLab(options, start=False) as LAB:
        HSM = P11Double(LAB)
        LAB.start()
        LAB.add_user("ada@lab.example")
        for f in (once_is_not_noticed, for_ever_is_recovering, session_count, permanent_is_failed, flipped,
                  pin_refused_while_running, hang, crash, slow, removed, wrong_new_pin, several_instances,
                  always_authenticate, keypad, refused_at_start, initialised_again):
            f()


tap.run(main)
