# SPDX-License-Identifier: Apache-2.0
"""Rules between identities and devices against a real daemon: owners that outlive their names, conflicts, blocks and
releases, quota, operating systems, licences, approval (MS-MDE2 checklist 47, 69, 71, 75, 80; attacks A30, A37)."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

BOB = "bob@lab.example"
LAB = None


def enroll(client, device, kind="Device", items=None, **kw):
    return client.enroll(mdm.new_csr(device), device, kind, items=items, **kw)


def refused(a, reason, name, subcode="s:Authorization", error_type=None):
    """The exact fault, no certificate, and the record that says which rule it was."""
    text = json.dumps(LAB.request_show(a.trace_id) or {})
    return tap.ok(a.status == 500 and a.certificate() is None and a.subcode == subcode and a.error_type == error_type and
                  reason in text, name, f"{a.describe()}\n{text}")


def option(name, value):
    LAB.set_option(("templates", "device", name), value)
    LAB.ctl("reload", check=True)


def device(verb, name, *words):
    return LAB.ctl("device", verb, name, *words, check=True)


def c47_one_owner():
    ada, bob, mine = LAB.client(), LAB.client(BOB), mdm.device_id()
    tap.equal(enroll(ada, mine).status, 200, "c47 the first user enrolls the device")
    refused(enroll(bob, mine), "device-of-another", "c47 A30 another user's request for it")
    refused(enroll(bob, mine.lower()), "device-of-another", "c47 A30 in other letters")
    a = enroll(ada, mine)
    tap.equal(a.status, 200, "c47 the same user enrolls it again")
    option("device-conflict", "supersede")
    tap.equal(enroll(bob, mine).status, 200, "c47 where the template says so another user takes it over")
    option("device-conflict", "refuse")
    refused(enroll(ada, mine), "device-of-another", "c47 from then on it is his")


def a_name_is_no_identity():
    """A user that was removed and a new one of the same name are two."""
    LAB.add_user("eve@lab.example")
    eve, mine = LAB.client("eve@lab.example"), mdm.device_id()
    d = mdm.Device(eve, device=mine)
    LAB.ctl("user", "remove", "eve@lab.example", check=True)
    LAB.add_user("eve@lab.example")
    refused(enroll(eve, mine), "device-of-another", "A30 the new user of an old name does not get the old one's device")
    refused(d.renew(security=eve.security(), keep=True), "renew-identity",
            "A35 nor renew its certificate", "s:CertificateRequest", "NotEligibleToRenew")


def a_squatter_does_not_lock_the_owner_out():
    ada, bob, mine = LAB.client(), LAB.client(BOB), mdm.device_id()
    squatter = mdm.Device(bob, device=mine)
    refused(enroll(ada, mine), "device-of-another", "the owner is refused while somebody else has her DeviceID")
    device("release", mine)
    tap.equal(enroll(ada, mine).status, 200, "released, the owner enrolls")
    refused(squatter.renew(), "renew-", "the squatter's certificate renews no more", "s:CertificateRequest",
            "NotEligibleToRenew")
    refused(enroll(bob, mine), "device-of-another", "and he does not get it back")


def blocked():
    ada, mine = LAB.client(), mdm.device_id()
    d = mdm.Device(ada, device=mine)
    device("block", mine)
    before = LAB.signatures()
    refused(enroll(ada, mine), "device-blocked", "a blocked device does not enroll")
    refused(d.renew(), "renew-blocked", "nor renew", "s:CertificateRequest", "NotEligibleToRenew")
    tap.equal(LAB.signatures(), before, "the key was not used")
    device("unblock", mine)
    tap.equal(enroll(ada, mine).status, 200, "until it is unblocked")


def quota():
    LAB.add_user("max@lab.example")
    c = LAB.client("max@lab.example")
    option("max-devices", "2")
    mine = [mdm.device_id() for _ in range(3)]
    for d in mine[:2]:
        tap.equal(enroll(c, d).status, 200, "a device below the cap")
    refused(enroll(c, mine[2]), "device-quota", "c69 A37 one more", error_type="DeviceCapReached")
    tap.equal(enroll(c, mine[0]).status, 200, "a device that counts already may come again")
    device("release", mine[1])
    tap.equal(enroll(c, mine[2]).status, 200, "a released device counts no more")
    LAB.add_user("side@lab.example")
    answers = []

    def one():
        answers.append(enroll(LAB.client("side@lab.example"), mdm.device_id()))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    good = [a for a in answers if a.status == 200]
    rest = {(a.subcode, a.error_type) for a in answers if a.status != 200}
    tap.ok(len(good) == 2 and rest == {("s:Authorization", "DeviceCapReached")}, "A37 side by side no more pass",
           [a.describe()[:300] for a in answers])
    option("max-devices", "0")


def platform():
    c = LAB.client()

    def with_item(name, value):
        d = mdm.device_id()
        items = [(n, value if n == name else v) for n, v in mdm.default_items(d, "Device") if n != name or value is not None]
        return enroll(c, d, items=items)

    option("os-min-version", "10.0.19045.0")
    for value, fine in (("10.0.19045.0", True), ("10.0.22631", True), ("10.0.19044.9999", False), ("6.3.9600.0", False),
                        ("garbage", False), (None, False)):
        a = with_item("OSVersion", value)
        if fine:
            tap.equal(a.status, 200, f"OSVersion {value}")
        else:
            refused(a, "os-version", f"c69 OSVersion {value}", error_type="DeviceNotSupported")
    option("os-min-version", None)
    option("os-editions", '["48", "4"]')
    tap.equal(with_item("OSEdition", "4").status, 200, "OSEdition 4")
    refused(with_item("OSEdition", "101"), "os-edition", "c69 OSEdition 101 (Home)", error_type="DeviceNotSupported")
    option("os-editions", None)
    option("device-types", "[CIMClient_Windows]")
    refused(with_item("DeviceType", "WindowsPhone"), "device-type", "c69 WindowsPhone", error_type="DeviceNotSupported")
    option("device-types", None)


def licence():
    option("unlicensed", f"[{BOB}]")
    c = LAB.client(BOB)
    refused(enroll(c, mdm.device_id()), "principal-unlicensed", "c69 a user without a licence", error_type="UserLicense")
    a = c.get_policies()
    tap.equal(a.error_type, "UserLicense", "at the policy stage, too")
    option("unlicensed", None)


def approval():
    c, mine, before = LAB.client(), mdm.device_id(), LAB.signatures()
    option("approval", "operator")
    first = enroll(c, mine)
    refused(first, "approval-pending", "c80 the first attempt waits", "s:EnrollmentServer", "CustomServerError")
    tap.ok("approval" in (first.reason or ""), "and says so", first.reason)
    again = enroll(c, mine)
    tap.equal(again.trace_id, first.trace_id, "c71 another attempt is counted with it: one row, one TraceId")
    rows = LAB.ctl("--json", "request", "list", "--state", "pending").json()["items"]
    mine_rows = [r for r in rows if mine in json.dumps(r)]
    tap.ok(len(mine_rows) == 1 and "2" in json.dumps(mine_rows), "one pending row with two attempts", mine_rows)
    LAB.ctl("request", "approve", first.trace_id, check=True)
    bob = enroll(LAB.client(BOB), mine)
    refused(bob, "approval-pending", "the approval is not another user's", "s:EnrollmentServer", "CustomServerError")
    other = enroll(c, mdm.device_id())
    refused(other, "approval-pending", "nor another device's", "s:EnrollmentServer", "CustomServerError")
    tap.equal(LAB.signatures(), before, "the key was not used until now")
    tap.equal(enroll(c, mine).status, 200, "approved, the next attempt enrolls with a new key")
    tap.equal(enroll(c, mine).status, 200, "an enrolled device needs none again")
    device("release", mine)
    refused(enroll(c, mine), "approval-pending", "once", "s:EnrollmentServer", "CustomServerError")
    LAB.ctl("request", "deny", other.trace_id, check=True)
    row = LAB.request_show(other.trace_id) or {}
    option("denial-text", '"Call <help> & ask for \\"MDM\\" at 5\u00b75"')
    denied = enroll(c, row["device_id"])
    tap.equal((denied.trace_id, denied.reason, denied.text(".//e:Message")),
              (other.trace_id, 'Call <help> & ask for "MDM" at 5\u00b75', denied.reason),
              "c75 denied: the administrator's text in Reason and Message, escaped; counted with the first attempt")
    option("denial-text", None)
    denied = enroll(c, row["device_id"])
    tap.ok(denied.error_type == "CustomServerError" and "refused" in denied.reason, "denied: told so", denied.describe())
    tap.ok(LAB.ctl("request", "approve", other.trace_id).status != 0, "a decision is made once")
    option("approval", "none")


def approval_is_of_the_template():
    """A certificate of a template that asks nobody does not spare the question of one that does."""
    for name, value in {"issuer": "lab", "common-name": "Guarded", "allow": '["*@lab.example"]', "validity": "90d",
                        "approval": "operator", "recovery": "yes"}.items():
        LAB.set_option(("templates", "guarded", name), value)
    for name, value in {"listeners": "[main]", "path": "/Guarded/Enrollment.svc", "stage": "enroll", "template": "guarded",
                        "provisioning": "lab"}.items():
        LAB.set_option(("endpoints", "guarded-enroll", name), value)
    LAB.ctl("reload", check=True)
    c, mine = LAB.client(), mdm.device_id()
    tap.equal(enroll(c, mine).status, 200, "a device of the template that asks nobody")
    guarded = mdm.Client(c.host, c.port, LAB.ca_file, c.user, c.password, enroll_path="/Guarded/Enrollment.svc")
    refused(enroll(guarded, mine), "approval-pending", "the other template asks all the same", "s:EnrollmentServer",
            "CustomServerError")
    refused(enroll(guarded, mine, request_type="Recovery"), "approval-pending", "in Recovery, too", "s:EnrollmentServer",
            "CustomServerError")
    LAB.add_user("eager@lab.example")
    eager = mdm.Client(c.host, c.port, LAB.ca_file, "eager@lab.example", c.password,
                       enroll_path="/Guarded/Enrollment.svc")
    answers = [enroll(eager, mdm.device_id()) for _ in range(21)]
    tap.equal([a.error_type for a in answers], ["CustomServerError"] * 20 + ["DeviceCapReached"],
              "a user has twenty questions open at a time")


def blocked_while_the_key_works():
    """A block that an operator got acknowledged counts, also for the certificate that is being signed."""
    d, mine = mdm.Device(LAB.client()), []
    key = LAB.pids("key")[0]
    os.kill(key, signal.SIGSTOP)
    try:
        t = threading.Thread(target=lambda: mine.append(d.renew(keep=True)))
        t.start()
        while t.is_alive() and not ledgerdb.open_intents(LAB.ledger):
            time.sleep(0.02)
        tap.ok(t.is_alive(), "the renewal waits for the key")
        device("block", d.id)
    finally:
        os.kill(key, signal.SIGCONT)
    t.join()
    tap.ok(mine[0].certificate() is None, "no certificate leaves for a device that was blocked meanwhile", mine[0].describe())
    device("unblock", d.id)
    tap.equal(d.renew().status, 200, "unblocked, it renews")


def block_before_enrollment():
    mine = mdm.device_id()
    tap.ok(LAB.ctl("device", "block", mine).status != 0, "an unknown device is blocked with its provider alone")
    LAB.ctl("device", "block", mine, "--provider", "PkienrollLab", check=True)
    refused(enroll(LAB.client(), mine), "device-blocked", "a stolen device that was never enrolled")


def listing():
    mine = mdm.device_id()
    mdm.Device(LAB.client(), device=mine)
    shown = LAB.ctl("--json", "device", "show", mine).json()
    tap.ok(shown.get("principal") == USER and mine in json.dumps(shown), "device show", shown)
    listed = LAB.ctl("--json", "device", "list", "--principal", USER).json()["items"]
    tap.ok(any(mine in json.dumps(d) for d in listed), "device list --principal")
    tap.ok(LAB.ctl("device", "show", "NOSUCHDEVICE").status != 0, "device show of an unknown one")


def main():
    global LAB  # pylint: disable=global-statement
    with MdmLab() as LAB:
        LAB.add_user(BOB)
        tap.run(c47_one_owner, a_name_is_no_identity, a_squatter_does_not_lock_the_owner_out, blocked, quota, platform,
                licence, approval, approval_is_of_the_template,
                blocked_while_the_key_works, block_before_enrollment, listing)


if __name__ == "__main__":
    main()
