# SPDX-License-Identifier: Apache-2.0
"""Keys while nobody asks for a signature: outages that are seen before a client meets one, hung and crashing devices,
and what operators do with a key: test, unlock, pause, resume."""
import glob
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
from p11double import P11Double  # noqa: E402
import tap  # noqa: E402
from lab import USER, send_signal  # noqa: E402
from mdmlab import MdmLab, free_port, read_text, whole_fault, write_text  # noqa: E402

KEY = ("keys", "lab-ca")


def options(**more):
    """The lab's configuration with these options of the key; no CRLs, whose signatures would be counted."""
    return {("listeners", "main", "port"): free_port(), ("issuers", "lab", "crl-lifetime"): "0s",
            **{(*KEY, name.replace("_", "-")): value for name, value in more.items()}}


def rows(lab):
    return lab.ctl("--json", "key", "list", check=True).json()["items"]


def wait_for(check, timeout=30):
    """Poll until @p check gives something true; what it gave last."""
    deadline = time.monotonic() + timeout
    got = check()
    while not got and time.monotonic() < deadline:
        time.sleep(0.02)
        got = check()
    return got


def wait_row(lab, check, timeout=30):
    return wait_for(lambda: next((r for r in rows(lab)[:1] if check(r)), None), timeout)


def maintenance(lab, name):
    client = lab.client()
    tap.equal(client.get_policies().status, 200, f"{name}: GetPolicies goes on")
    whole_fault(lab.issue(client), 503, "s:EnrollmentServer", "InMaintenance", f"{name}: Issue gives InMaintenance")


def unavailable(lab, name):
    client = lab.client()
    tap.equal(client.get_policies().status, 200, f"{name}: GetPolicies goes on")
    whole_fault(lab.issue(client), 500, "s:EnrollmentServer", None, f"{name}: Issue gives s:EnrollmentServer")


def audited(lab, verb):
    """Results of the audit rows of this verb."""
    found = [json.loads(d) for d, in ledgerdb.rows(lab.ledger, "SELECT detail FROM audit WHERE event = 'control' ORDER BY seq")]
    return [r["result"] for r in found if r["verb"] == verb]


# -- while nobody asks


def seen_while_idle():
    """An outage and its end are seen without any client."""
    with MdmLab(options(health_interval="300ms")) as lab:
        tokens, away = os.path.join(lab.dir, "tokens"), os.path.join(lab.dir, "tokens-away")
        row = wait_row(lab, lambda r: r["health_checks"] >= 2)
        tap.ok(row and row["signatures"] == 0 and row["last_good_at"], "an idle key signs and verifies by itself", rows(lab))
        os.rename(tokens, away)
        row = lab.wait_key("recovering")
        tap.ok(row, "token gone: the key is recovering, nobody asked for a signature", rows(lab))
        tap.ok(row and re.match(r"0x[0-9a-f]{8} CKR_[A-Z_]+$", row["raw_text"] or ""), "the raw code with its name", row)
        tap.ok(row and row["last_error"] and row["last_error"]["at"] and row["last_error"]["text"], "and when it was", row)
        tap.ok(lab.wait_status(lambda s: s["state"] == "degraded"), "status says degraded", lab.status())
        unavailable(lab, "recovering")
        os.rename(away, tokens)
        row = lab.wait_key("ready")
        tap.ok(row and row["recoveries"] >= 1 and row["error"] is None, "token back: ready without a restart", rows(lab))
        tap.ok(row and row["last_error"] and row["raw_text"] is None, "what happened is still told", row)
        tap.equal([r["restarts"] for r in lab.roles("key")], [0], "by the same process")
        lab.issues_again("and certificates are issued")


def hung_while_idle():
    """A device that hangs in a health check is given up soon after the key's deadline."""
    with MdmLab(options(health_interval="200ms", deadline="1s"), start=False) as lab:
        double = P11Double(lab)
        lab.start()
        before = lab.roles("key")[0]
        double.steer(f"C_Sign hang times=1 marker={lab.dir}/hung")
        hung = wait_for(lambda: os.path.exists(os.path.join(lab.dir, "hung")))
        begin = time.monotonic()
        tap.ok(hung, "the device hangs while nobody asks", double.lines()[-5:])
        now = lab.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["restarts"] == 1
                                         and r["pid"] not in (0, before["pid"]) and r["state"] == "ready"])
        took = time.monotonic() - begin
        tap.ok(now and took < 20, f"its process is ended and another is ready, after {took:.1f} s", lab.status())
        tap.ok("how=\"signal 14\"" in lab.read_log(), "by its own alarm", lab.log_tail())


def session_that_ends_itself():
    """keep-alive looks at the session and climbs the ladder before a client needs it."""
    with MdmLab(options(health_interval="0s", keep_alive="200ms"), start=False) as lab:
        double = P11Double(lab)
        lab.start()
        tap.ok(wait_for(lambda: double.calls("C_GetSessionInfo") >= 3), "the session is looked at again and again",
               double.lines()[-5:])
        tap.equal(double.calls("C_Sign"), 0, "without a signature")
        double.steer("C_GetSessionInfo rv=0xb3 times=1")
        row = wait_row(lab, lambda r: r["recoveries"] >= 1)
        tap.ok(row and row["state"] == "ready" and row["last_error"]["raw"] == "0x000000b3 CKR_SESSION_HANDLE_INVALID",
               "a lost session is opened again", rows(lab))


# -- processes that die


def crashing_device():
    """A module that crashes at every start: back-off, then one try every 30 s; everything else goes on."""
    with MdmLab(options(), start=False) as lab:
        double = P11Double(lab)
        lab.start()
        lab.add_user(USER)
        double.steer("C_Initialize crash")
        send_signal(lab.roles("key")[0]["pid"], signal.SIGKILL)
        tap.ok(lab.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["restarts"] >= 6]),
               "started again and again", lab.status())
        died = time.monotonic()
        unavailable(lab, "crash loop")
        tap.equal(lab.status()["state"], "degraded", "status says degraded")
        double.steer()
        back = lab.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["state"] == "ready"], 45)
        waited = time.monotonic() - died
        tap.ok(back and 25 <= waited <= 40, f"after five starts in a minute the next comes after 30 s ({waited:.1f})",
               lab.status())
        tap.ok(all(r["restarts"] <= 8 for r in lab.roles("key")), "not more starts than that", lab.roles("key"))
        tap.ok(all(r["restarts"] == 0 for r in lab.status()["roles"] if r["role"] != "key"), "no other role restarted")
        lab.issues_again("certificates are issued again")


# -- operators


def paused():
    """No signature until it is resumed, whoever restarts; clients are told of maintenance."""
    with MdmLab(options(health_interval="200ms", instances="2")) as lab:
        tap.ok(lab.issue().certificate(), "before: a certificate")
        r = lab.ctl("--json", "key", "pause", "lab-ca")
        tap.ok(r.status == 0 and r.json()["state"] == "paused" and r.json()["error"] is None, "key pause", r)
        tap.equal([x["state"] for x in rows(lab)], ["paused"] * 2, "both instances are paused")
        made = [(x["signatures"], x["health_checks"]) for x in rows(lab)]
        maintenance(lab, "paused")
        tap.equal(lab.ctl("key", "test", "lab-ca").status, 1, "key test makes no signature either")
        tap.equal([x["state"] for x in rows(lab)], ["paused"] * 2, "and changes nothing")
        tap.equal([(x["signatures"], x["health_checks"]) for x in rows(lab)], made, "no signature, no health check")
        before = lab.roles("key")[0]
        send_signal(before["pid"], signal.SIGKILL)
        tap.ok(lab.wait_status(lambda s: all(r["state"] == "paused" and r["pid"] not in (0, before["pid"])
                                             for r in s["roles"] if r["role"] == "key" and r["index"] == 0)),
               "a new process of the key is paused", lab.status())
        lab.ctl("reload", check=True)
        tap.equal([x["state"] for x in rows(lab)], ["paused"] * 2, "a reload changes nothing")
        lab.restart("degraded")
        tap.equal([x["state"] for x in rows(lab)], ["paused"] * 2, "nor does a restart of the daemon")
        maintenance(lab, "paused, after a restart")
        r = lab.ctl("key", "unlock", "lab-ca")
        tap.ok(r.status == 1 and "resume" in r.err, "unlock is not resume", r)
        r = lab.ctl("--json", "key", "resume", "lab-ca")
        tap.ok(r.status == 0 and r.json()["state"] == "ready", "key resume", r)
        tap.equal([x["state"] for x in rows(lab)], ["ready"] * 2, "both instances are ready")
        tap.ok(lab.issue().certificate(), "and a certificate is issued")
        tap.equal(glob.glob(os.path.join(lab.dir, "state", "key-paused-*")), [], "nothing is left of it")
        tap.equal(audited(lab, "key-pause"), ["ok"], "the pause is in the audit chain")
        tap.equal(audited(lab, "key-unlock"), ["maintenance"], "and what was refused")


def unlocked():
    """A refused PIN is tried once by anybody; key unlock reads it again and tries once more."""
    with MdmLab(options(instances="2"), start=False) as lab:
        double = P11Double(lab)
        pin = os.path.join(lab.etc, "pin")
        right = read_text(pin)
        write_text(pin, "not-the-pin\n")
        lab.start(state="degraded")
        lab.add_user(USER)
        tap.equal([x["state"] for x in rows(lab)], ["locked"] * 2, "both instances are locked")
        tap.equal(double.calls("C_Login"), 1, "after one C_Login")
        unavailable(lab, "locked")
        tap.equal(lab.ctl("key", "test", "lab-ca").status, 1, "key test does not try it again")
        lab.ctl("reload", check=True)
        tap.equal([x["restarts"] for x in lab.roles("key")], [0, 0], "no process is started again for it")
        lab.restart("degraded")
        tap.equal(double.calls("C_Login"), 1, "nor does a reload, nor a restart")
        r = lab.ctl("key", "unlock", "lab-ca")
        tap.ok(r.status == 1 and "CKR_PIN_INCORRECT" in r.err, "unlock with the same PIN is refused by the token", r)
        tap.equal(double.calls("C_Login"), 2, "after one more C_Login, of one instance")
        tap.equal([x["state"] for x in rows(lab)], ["locked"] * 2, "still locked")
        os.chmod(pin, 0o644)
        r = lab.ctl("key", "unlock", "lab-ca")
        tap.ok(r.status == 1 and double.calls("C_Login") == 2, "a PIN file that others can read is not used", r)
        write_text(pin, right)
        os.chmod(pin, 0o600)
        r = lab.ctl("--json", "key", "unlock", "lab-ca")
        tap.ok(r.status == 0 and r.json()["state"] == "ready", "unlock with the right PIN", r)
        tap.equal([x["state"] for x in rows(lab)], ["ready"] * 2, "both instances are ready, without a reload")
        tap.equal(double.calls("C_Login"), 4, "one C_Login each")
        lab.issues_again("certificates are issued")
        tap.equal(glob.glob(os.path.join(lab.dir, "state", "pin-latch-*")), [], "the latch is gone")
        before = double.calls("C_Login")
        tap.equal(lab.ctl("key", "unlock", "lab-ca").status, 0, "unlock of a ready key")
        tap.equal(double.calls("C_Login"), before, "does not touch its session")


def one_attempt_of_all():
    """The PIN changes while both instances run, and both lose their session at once."""
    with MdmLab(options(instances="2", health_interval="200ms"), start=False) as lab:
        double = P11Double(lab)
        lab.start()
        wait_for(lambda: all(r["health_checks"] for r in rows(lab)))
        before = double.calls("C_Login")
        double.steer("C_SignInit lose", "C_Login rv=0xa0", "C_Login delay=300")
        tap.ok(wait_for(lambda: [x["state"] for x in rows(lab)] == ["locked"] * 2), "both are locked", rows(lab))
        tap.equal(double.calls("C_Login"), before + 1, "and one of them tried")


tap.run(seen_while_idle, hung_while_idle, session_that_ends_itself, paused, unlocked, one_attempt_of_all, crashing_device)
