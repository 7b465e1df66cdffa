# SPDX-License-Identifier: Apache-2.0
"""What operators do to devices, approvals and certificates, against a real daemon; and a ledger that an older program
left behind."""
import os
import shutil
import signal
import sys

SRC = os.environ["top_srcdir"]
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

LAB = None


def ctl(*words):
    """The answer as JSON; its error object when it was refused."""
    r = LAB.ctl("--json", *words)
    return r.json()["error"] if r.status else r.json()


def cert(device):
    """States of a device's certificates, newest first."""
    return [c["state"] for c in ctl("cert", "list", "--device", device)["items"]]


def serial(der):
    return f"{mdm.x509.load_der_x509_certificate(der).serial_number:x}"


def refused(answer, code, reason, name):
    tap.equal((answer.get("code"), answer.get("reason")), (code, reason), name)


def confirm_supersedes():
    c, mine = LAB.client(), mdm.device_id()
    csrs = [mdm.new_csr(mine) for _ in range(2)]
    first = c.enroll(csrs[0], mine).certificate()
    tap.equal(c.enroll(csrs[0], mine).certificate(), first, "c46 a retry is answered with the same certificate")
    second = c.enroll(csrs[1], mine).certificate()
    tap.equal(cert(mine), ["unconfirmed", "unconfirmed"], "c47 the first stays until the second was seen in use")
    number = serial(second)
    colons = ":".join(number[max(i - 2, 0):i] for i in range(len(number), 0, -2)[::-1])
    for key in (colons, number.upper()):
        tap.equal(ctl("cert", "confirm", key).get("state"), "confirmed", f"cert confirm {key}")
    tap.equal(cert(mine), ["active", "superseded"], "c47 confirmed, it supersedes the first")
    shown = ctl("cert", "show", serial(first))
    tap.ok(shown["superseded_at"] and not shown["confirmed_at"] and shown["state"] == "superseded", "cert show says when",
           shown)
    again = c.enroll(csrs[0], mine)
    tap.ok(again.certificate() != first, "a superseded certificate is not replayed", again.describe())
    tap.equal([len(ctl("cert", "list", "--device", mine, "--state", s)["items"]) for s in ("active", "superseded")], [1, 1],
              "cert list --state")
    refused(ctl("cert", "confirm", mine), "not-found", "not-in-ledger", "a device is no name of a certificate here")


def a_renewal_is_linked():
    d = mdm.Device(LAB.client())
    old = serial(d.der)
    tap.equal(d.renew().status, 200, "renewed")
    shown = ctl("cert", "show", serial(d.der))
    tap.equal(shown["renews"], ctl("cert", "show", old)["request_id"], "cert show names what it renews")
    device = ctl("device", "show", d.id)
    tap.equal((device["principal"], device["live"], device["state"]), (USER, True, "live"), "and the owner is as before")


def mistakes_are_told():
    mine = mdm.device_id()
    for verb in ("block", "unblock", "release", "allow-recovery", "allow-renewal", "show"):
        refused(ctl("device", verb, mine), "not-found", "device-unknown", f"device {verb} of an unknown device")
    mdm.Device(LAB.client(), device=mine)
    refused(ctl("device", "unblock", mine), "exists", "device-not-blocked", "unblock what is not blocked")
    tap.equal(ctl("device", "block", mine.lower())["state"], "blocked", "a device id in any case")
    refused(ctl("device", "block", mine), "exists", "device-blocked", "block twice")
    refused(ctl("device", "allow-recovery", mine, "--hours", "8761"), "malformed", "hours", "more than a year")
    refused(ctl("device", "block", mine, "--provider", "Other"), "not-found", "provider-unknown", "a provider that nobody serves")
    tap.equal(ctl("device", "release", mine)["state"], "released", "a blocked device can be released")
    refused(ctl("device", "release", mine), "exists", "device-released", "release twice")
    refused(ctl("device", "allow-renewal", mine), "exists", "device-released", "nothing to renew")
    shown = ctl("device", "show", mine)
    tap.equal((shown["state"], shown["principal"], shown["ent_dmid"]), ("blocked", None, None), "blocked, nobody's")
    for verb in ("approve", "deny"):
        refused(ctl("request", verb, "no-such-request"), "not-found", "admission-unknown", f"request {verb} of nothing")


def changes_survive_a_crash():
    """What was answered is durable: the issuer is killed at once."""
    mine = mdm.device_id()
    d = mdm.Device(LAB.client(), device=mine)
    tap.equal(ctl("device", "allow-recovery", mine, "--hours", "2")["state"], "recovery-allowed", "allowed")
    tap.equal(ctl("device", "block", mine)["state"], "blocked", "blocked")
    pid = LAB.pids("issuer")[0]
    os.kill(pid, signal.SIGKILL)
    LAB.wait_status(lambda s: s["state"] == "ready" and pid not in [r["pid"] for r in s["roles"]])
    shown = ctl("device", "show", mine)
    tap.ok(shown["state"] == "blocked" and shown["blocked_by"] and shown["recovery_until"], "both are there afterwards", shown)
    a = d.renew()
    tap.ok(a.certificate() is None, "and the device does not renew", a.describe())


def an_old_ledger_is_converted():
    """tests/data/ledger/schema1.db was written by the last program of schema 1."""
    global LAB  # pylint: disable=global-statement
    with MdmLab(start=False) as LAB:
        os.makedirs(os.path.dirname(LAB.ledger), exist_ok=True)
        shutil.copyfile(os.path.join(SRC, "tests/data/ledger/schema1.db"), LAB.ledger)
        os.chmod(LAB.ledger, 0o600)
        LAB.start()
        rows = {d["device_id"]: (d["principal"], d["provider"]) for d in ctl("device", "list")["items"]}
        tap.equal(rows, {"DEV-a": ("eve@corp.example", ""), "dev-B": ("bob@corp.example", "")}, "devices of its certificates")
        states = {r["request_id"][:8]: r["state"] for r in ctl("request", "list")["items"]}
        tap.equal([states[k] for k in ("00000001", "00000014", "00000015", "00000016", "00000018")],
                  ["issued", "failed", "refused", "abandoned", "abandoned"], "its requests; what was under way is closed")
        tap.equal(ctl("device", "block", "dev-b", "--provider", "-")["state"], "blocked", "and it is written to")


def main():
    global LAB  # pylint: disable=global-statement
    with MdmLab() as LAB:
        tap.run(confirm_supersedes, a_renewal_is_linked, mistakes_are_told, changes_survive_a_crash,
                an_old_ledger_is_converted)


if __name__ == "__main__":
    main()
