# SPDX-License-Identifier: Apache-2.0
"""A real daemon whose keys fail: token gone, PIN wrong, key process stuck (MS-MDE2 checklist 74)."""
import glob
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import tap  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import MdmLab, free_port, read_text, whole_fault, write_text  # noqa: E402

KEY_DEADLINE = 3
SPY = glob.glob("/usr/lib/*/pkcs11-spy.so") + glob.glob("/usr/lib*/pkcs11-spy.so") + glob.glob("/usr/lib*/*/pkcs11-spy.so")
LAB = None


def c74_token_gone():
    tokens, away = os.path.join(LAB.dir, "tokens"), os.path.join(LAB.dir, "tokens-away")
    client = LAB.client()
    tap.ok(LAB.issue(client).certificate(), "the token is there: a certificate")
    os.rename(tokens, away)
    LAB.ctl("key", "test", "lab-ca")
    whole_fault(LAB.issue(client), 500, "s:EnrollmentServer", None, "c74 token gone: Issue gives a whole s:EnrollmentServer fault")
    whole_fault(LAB.issue(client), 500, "s:EnrollmentServer", None, "c74 and again, at once")
    tap.equal(client.get_policies().status, 200, "GetPolicies goes on without the token")
    row = LAB.wait_key("recovering")
    tap.ok(row and row["reason"] and row["error"] and row["raw"] != 0, "key list says why, with the raw error", row)
    status = LAB.status()
    tap.equal(status["state"], "degraded", "status says degraded")
    os.rename(away, tokens)
    tap.ok(LAB.wait_key("ready"), "token back: the key recovers", LAB.ctl("key", "list"))
    LAB.issues_again("certificates are issued again without a restart")
    tap.ok(all(r["restarts"] == 0 for r in LAB.status()["roles"]), "no role was restarted for it", LAB.status())
    tap.ok(LAB.wait_status(lambda s: s["state"] == "ready"), "status says ready again", LAB.status())


def stuck_key():
    """The device hangs: the client's answer does not wait for it, and only SIGKILL ends it."""
    LAB.set_option(("request-deadline",), "1s")
    LAB.ctl("reload", check=True)
    client, before = LAB.client(), LAB.roles("key")[0]
    client.get_policies()
    send_signal(before["pid"], signal.SIGSTOP)
    start = time.monotonic()
    a = LAB.issue(client)
    took = time.monotonic() - start
    whole_fault(a, 500, "s:EnrollmentServer", None, "c74 key process stands still: s:EnrollmentServer")
    tap.ok(1.0 <= took < KEY_DEADLINE, "by the request's deadline, not the device's", took)
    status = LAB.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["pid"] not in (0, before["pid"])
                                        and r["state"] == "ready" and r["restarts"] == before["restarts"] + 1])
    tap.ok(status and time.monotonic() - start >= KEY_DEADLINE, "main kills and restarts it after the key's deadline",
           LAB.status())
    tap.equal(ledgerdb.open_intents(LAB.ledger), [], "no intent is left open")
    tap.equal((LAB.request_show(a.trace_id) or {}).get("state"), "failed", "the request is recorded as failed")
    LAB.set_option(("request-deadline",), None)
    LAB.ctl("reload", check=True)
    LAB.issues_again("certificates are issued again")


def logins(spy_log):
    return len(re.findall(r"^\d+: C_Login$", read_text(spy_log), re.M)) if os.path.exists(spy_log) else 0


def latches():
    return glob.glob(os.path.join(LAB.dir, "state", "pin-latch-*"))


def start_notified(state):
    """Start into this state; whether the service manager was told READY=1."""
    path = os.path.join(LAB.dir, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(30)
        LAB.env["NOTIFY_SOCKET"] = path
        try:
            LAB.start(state=state)
            while True:
                if b"READY=1" in s.recv(4096):
                    return True
        except socket.timeout:
            return False
        finally:
            os.unlink(path)
            del LAB.env["NOTIFY_SOCKET"]


def has_systemd():
    with open(os.path.join(os.environ["top_builddir"], "config.h"), encoding="ascii") as f:
        return "#define HAVE_SYSTEMD 1" in f.read()


def wrong_pin():
    pin, spy_log = os.path.join(LAB.etc, "pin"), os.path.join(LAB.dir, "spy.log")
    right = read_text(pin)
    module = re.search(r"module: (.*)", read_text(LAB.config)).group(1)
    LAB.stop()
    write_text(pin, "not-the-pin\n")
    LAB.set_option(("keys", "lab-ca", "instances"), "2")
    if SPY:  # counts what really reaches the token
        LAB.env.update(PKCS11SPY=module.strip("'\""), PKCS11SPY_OUTPUT=spy_log)
        write_text(os.path.join(LAB.dir, "leaks"), "leak:pkcs11-spy.so\n")  # 16 bytes of its own
        LAB.env["LSAN_OPTIONS"] = f"suppressions={LAB.dir}/leaks:print_suppressions=0"
        LAB.set_option(("keys", "lab-ca", "module"), SPY[0])
    started = start_notified("degraded") if has_systemd() else LAB.start(state="degraded") is None
    tap.ok(started, "wrong PIN: the daemon is READY all the same")
    status = LAB.wait_status(lambda s: s["state"] == "degraded")
    tap.ok(status, "status says degraded", LAB.status())
    rows = LAB.ctl("--json", "key", "list", check=True).json()["items"]
    tap.equal([r["state"] for r in rows], ["locked", "locked"], "both instances of the key are locked")
    tap.ok(any(r["raw"] == 0xa0 for r in rows), "one was told CKR_PIN_INCORRECT", rows)
    tap.ok(any(r["reason"] == "key-latched" for r in rows), "the other did not try", rows)
    tap.equal(len(latches()), 1, "the latch is a file in the state directory")
    client = LAB.client()
    tap.equal(client.get_policies().status, 200, "GetPolicies works with a locked key")
    whole_fault(LAB.issue(client), 500, "s:EnrollmentServer", None, "c74 Issue with a locked key: s:EnrollmentServer")
    if SPY:
        tap.equal(logins(spy_log), 1, "exactly one login attempt")
    LAB.restart("degraded")
    tap.ok(LAB.status()["state"] == "degraded", "restart with the same PIN: still READY, degraded")
    rows = LAB.ctl("--json", "key", "list", check=True).json()["items"]
    tap.equal([(r["state"], r["reason"]) for r in rows], [("locked", "key-latched")] * 2, "nobody tried again, says why")
    LAB.ctl("reload", check=True)
    tap.equal([r["state"] for r in LAB.ctl("--json", "key", "list", check=True).json()["items"]], ["locked"] * 2,
              "a reload with the same PIN changes nothing")
    if SPY:
        tap.equal(logins(spy_log), 1, "still exactly one login attempt")
    else:
        tap.skip("login attempts are counted", "opensc's pkcs11-spy.so is not installed")
    write_text(pin, right)
    LAB.ctl("reload", check=True)
    tap.ok(LAB.wait_key("ready"), "the right PIN and a reload: the key is ready", LAB.ctl("key", "list"))
    tap.equal(latches(), [], "the latch is gone")
    LAB.issues_again("certificates are issued again")
    tap.ok(LAB.wait_status(lambda s: s["state"] == "ready"), "status says ready", LAB.status())


OPTIONS = {("keys", "lab-ca", "deadline"): f"{KEY_DEADLINE}s", ("listeners", "main", "port"): free_port()}
with MdmLab(OPTIONS) as LAB:
    tap.run(c74_token_gone, stuck_key, wrong_pin)
