# SPDX-License-Identifier: Apache-2.0
"""Revocation by an operator against a real daemon: by each name and selection, dry runs, hold and release, and what it
ends at once: renewals, credentials, replays, answers to requests under way (attacks A35, A41; users.md C7)."""
import json
import os
import signal
import sqlite3
import sys
import threading

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from mdmlab import MdmLab, USER, read_text, write_text  # noqa: E402
from p11double import P11Double  # noqa: E402

PEM = serialization.Encoding.PEM
KINDS = "[username, jwt, client-certificate]"
LAB = DOUBLE = None


def ctl(*words):
    """The answer as JSON; its error object when it was refused."""
    r = LAB.ctl("--json", *words)
    return r.json()["error"] if r.status else r.json()


def load(der):
    return x509.load_der_x509_certificate(der)


def serial(der):
    return f"{load(der).serial_number:x}"


def device(name=None, user=USER):
    return mdm.Device(LAB.client(user), device=name or mdm.device_id())


def states(name):
    """States of a device's certificates, newest first."""
    return [c["state"] for c in ctl("cert", "list", "--device", name)["items"]]


def told(answer):
    return (answer.get("revoked", answer.get("released")), answer.get("unchanged"), len(answer.get("items", [])),
            answer.get("next"))


def refused(answer, code, reason, name):
    tap.equal((answer.get("code"), answer.get("reason")), (code, reason), name) or tap.diag(answer)


def not_renewed(d, reason, name):
    a = d.renew(keep=True)
    text = json.dumps(LAB.request_show(a.trace_id))
    tap.ok(a.certificate() is None and a.error_type == "NotEligibleToRenew" and reason in text, name, f"{a.describe()}\n{text}")


def audited(event, d):
    return ledgerdb.rows(LAB.ledger, "SELECT actor, detail FROM audit WHERE event = ? AND serial = ?",
                         (event, bytes.fromhex(serial(d.der).zfill(len(serial(d.der)) + len(serial(d.der)) % 2))))


# ---- one certificate

def by_each_name():
    for name, of in (("serial", lambda d: serial(d.der)), ("SERIAL", lambda d: serial(d.der).upper()),
                     ("serial with colons", lambda d: ":".join(f"{b:02x}" for b in load(d.der).serial_number.to_bytes(
                         (load(d.der).serial_number.bit_length() + 7) // 8, "big"))),
                     ("serial with leading zeros", lambda d: "0000" + serial(d.der)),
                     ("decimal serial", lambda d: f"decimal:{load(d.der).serial_number}"),
                     ("SHA-256", lambda d: ctl("cert", "show", serial(d.der))["sha256"]),
                     ("SHA-1", lambda d: ctl("cert", "show", serial(d.der))["sha1"]),
                     ("request id", lambda d: ctl("cert", "show", serial(d.der))["request_id"])):
        d = device()
        a = ctl("cert", "revoke", of(d), "--reason", "keyCompromise", "--comment", "lost at the airport")
        tap.equal(told(a), (1, 0, 1, None), f"cert revoke by {name}") or tap.diag(a)
        shown = ctl("cert", "show", serial(d.der))
        v = shown["revocation"] or {}
        tap.ok(shown["state"] == "revoked" and shown["revoked_at"] == v["since"] and v["reason"] == "keyCompromise" and
               v["comment"] == "lost at the airport" and "uid=" in v["by"], "cert show says since when, why and who", shown)
        rows = audited("revoked", d)
        tap.ok(len(rows) == 1 and "uid=" in rows[0][0] and json.loads(rows[0][1])["reason"] == "keyCompromise", "audited", rows)


def no_other_certificate_is_meant():
    """A41: decimal for hex, reversed bytes, a digit more or less: nothing is revoked that was not named."""
    d = device()
    number = load(d.der).serial_number
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    before = ctl("status")["ledger"]["revoked"]
    for name, key in (("reversed bytes", raw[::-1].hex()), ("decimal as hex", str(number)),
                      ("hex as decimal", f"decimal:{raw.hex()}"), ("a digit less", raw.hex()[:-1]), ("a digit more", raw.hex() + "0"),
                      ("0x", "0x" + raw.hex()), ("unknown", "1234"), ("a device", d.id)):
        refused(ctl("cert", "revoke", key), "not-found", "not-in-ledger", f"a41 {name} is no certificate")
    tap.equal((states(d.id), ctl("status")["ledger"]["revoked"]), (["unconfirmed"], before), "a41 and nothing was revoked")


def once_and_for_good():
    d = device()
    tap.equal(told(ctl("cert", "revoke", serial(d.der))), (1, 0, 1, None), "revoked")
    a = ctl("cert", "revoke", serial(d.der))
    tap.equal((told(a), a["items"][0]["result"]), ((0, 1, 1, None), "unchanged"), "the same again changes nothing")
    refused(ctl("cert", "revoke", serial(d.der), "--reason", "superseded"), "exists", "already-revoked", "another reason")
    refused(ctl("cert", "revoke", serial(d.der), "--hold"), "exists", "already-revoked", "a hold")
    refused(ctl("cert", "release", serial(d.der)), "exists", "already-revoked", "a release")
    refused(ctl("cert", "revoke", serial(d.der), "--reason", "removeFromCRL"), "malformed", "reason", "no reason of an operator")
    refused(ctl("cert", "revoke", serial(d.der), "--hold", "--reason", "superseded"), "malformed", "reason",
            "a hold has a reason of its own")
    tap.equal(len(audited("revoked", d)), 1, "one audit row")
    tap.equal(LAB.ctl("cert", "revoke", serial(d.der)).status, 0, "a script that repeats itself succeeds")


def dry_run():
    d = device()
    a = ctl("cert", "revoke", serial(d.der), "--dry-run")
    tap.equal((told(a), a["dry_run"], a["items"][0]["result"]), ((1, 0, 1, None), True, "revoked"), "a dry run says what would be")
    tap.equal((states(d.id), audited("revoked", d)), (["unconfirmed"], []), "and changes nothing")
    tap.equal(d.renew().status, 200, "the certificate renews")


# ---- what it ends at once

def no_renewal():
    d = device()
    tap.equal(d.renew().status, 200, "it renews")
    old = d.cms()
    ctl("cert", "revoke", serial(d.der))
    before = LAB.signatures()
    not_renewed(d, "renew-revoked", "a35 revoked: not at the next attempt")
    a = d.renew(old, keep=True)
    tap.ok(a.certificate() is None, "a35 nor with what was signed before", a.describe())
    tap.equal(LAB.signatures(), before, "a35 the key was not used")


def hold_and_release():
    d = device()
    a = ctl("cert", "revoke", serial(d.der), "--hold")
    tap.equal((a["reason"], a["items"][0]["result"], states(d.id)), ("certificateHold", "held", ["held"]), "held")
    not_renewed(d, "renew-revoked", "a35 while on hold")
    tap.equal([c["device_id"] for c in ctl("cert", "list", "--state", "held")["items"]], [d.id], "cert list --state held")
    tap.equal(ctl("status")["ledger"]["held"], 1, "status counts it")
    a = ctl("cert", "release", serial(d.der), "--comment", "found again")
    tap.equal((told(a), a["items"][0]["result"]), ((1, 0, 1, None), "released"), "released")
    tap.equal((states(d.id), ctl("status")["ledger"]["held"]), (["unconfirmed"], 0), "it is what it was")
    tap.equal(told(ctl("cert", "release", serial(d.der))), (0, 1, 1, None), "released twice: nothing to do")
    shown = ctl("cert", "show", serial(d.der))["revocation"]
    tap.ok(shown["released_at"] and "uid=" in shown["released_by"], "cert show keeps that it was on hold", shown)
    tap.equal(d.renew().status, 200, "and it renews")
    ctl("cert", "revoke", serial(d.der), "--hold")
    since = ctl("cert", "show", serial(d.der))["revoked_at"]
    ctl("cert", "revoke", serial(d.der), "--reason", "cessationOfOperation")
    shown = ctl("cert", "show", serial(d.der))
    tap.equal((shown["state"], shown["revoked_at"]), ("revoked", since), "a hold that becomes final keeps its date")


def tls_client(d):
    client = LAB.client()
    path = os.path.join(LAB.etc, "client.pem")
    write_text(path, load(d.der).public_bytes(PEM).decode() + d.key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
    client.tls.load_cert_chain(path)
    return client


def no_credential():
    d = device()

    def enroll():
        mine = mdm.device_id()
        return tls_client(d).enroll(mdm.new_csr(mine), mine, security=None)

    tap.equal(enroll().status, 200, "the certificate is a credential over TLS")
    for words, back in ((("--hold",), True), (("--reason", "privilegeWithdrawn"), False)):
        ctl("cert", "revoke", serial(d.der), *words)
        a = enroll()
        reason = ((LAB.request_show(a.trace_id) or {}).get("error") or {}).get("reason")
        tap.equal((a.subcode, reason), ("s:Authentication", "certificate-revoked"), f"a14 not any more: {words[0]}")
        if back:
            ctl("cert", "release", serial(d.der))
            tap.equal(enroll().status, 200, "released, it is one again")


def no_replay():
    c, mine = LAB.client(), mdm.device_id()
    csr = mdm.new_csr(mine)
    first = c.enroll(csr, mine).certificate()
    tap.equal(c.enroll(csr, mine).certificate(), first, "a retry has the same answer")
    ctl("cert", "revoke", serial(first))
    before = LAB.signatures()
    a = c.enroll(csr, mine)
    tap.ok(a.certificate() is None, "a revoked certificate is not given out again", a.describe())
    tap.equal(LAB.signatures(), before, "and its key gets no other")


def not_while_it_is_signed():
    """The operator is faster than the key: what comes from it is given to nobody."""
    d = device()
    DOUBLE.steer("C_Sign delay=3000")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(d.renew(keep=True)))
    thread.start()
    row = ledgerdb.request_of(LAB.ledger, d.id, "intent")
    ctl("cert", "revoke", serial(d.der), "--reason", "keyCompromise")
    thread.join()
    DOUBLE.steer()
    a = answers[0]
    tap.ok(row and a.certificate() is None and a.error_type == "NotEligibleToRenew", "a35 revoked between T1 and T2: no certificate",
           a.describe())
    shown = LAB.request_show(row[0])
    tap.equal((shown["state"], shown["error"]["reason"]), ("failed", "renew-revoked"), "recorded so")
    tap.equal(len(ledgerdb.rows(LAB.ledger, "SELECT 1 FROM certificate WHERE device_id = ? AND der IS NOT NULL", (d.id,))), 1,
              "and there is no other certificate of the device")


def under_way_is_told_apart():
    mine = mdm.device_id()
    DOUBLE.steer("C_Sign delay=3000")
    thread = threading.Thread(target=lambda: LAB.client().enroll(mdm.new_csr(mine), mine))
    thread.start()
    row = ledgerdb.request_of(LAB.ledger, mine, "intent")
    refused(ctl("cert", "revoke", row[0]), "exists", "not-issued-yet", "a certificate that is on its way")
    a = ctl("device", "revoke", mine)
    tap.equal((told(a), a["in_flight"]), ((0, 0, 0, None), 1), "device revoke tells that one is on its way")
    thread.join()
    DOUBLE.steer()
    tap.equal(told(ctl("device", "revoke", mine)), (1, 0, 1, None), "asked again it is revoked")


# ---- many

def a_device():
    d = device()
    old = d.der
    tap.equal(d.renew().status, 200, "a device with two certificates")
    a = ctl("device", "revoke", d.id, "--dry-run")
    tap.equal((told(a), a["dry_run"]), ((2, 0, 2, None), True), "device revoke --dry-run")
    tap.equal(told(ctl("device", "revoke", d.id, "--provider", "-")), (0, 0, 0, None), "of no other provider")
    tap.equal(told(ctl("device", "revoke", d.id, "--hold")), (2, 0, 2, None), "both on hold")
    tap.equal(states(d.id), ["held", "held"], "held")
    tap.equal(told(ctl("device", "revoke", d.id, "--hold")), (0, 0, 0, None), "again: nothing is left")
    tap.equal(told(ctl("device", "release-hold", d.id)), (2, 0, 2, None), "device release-hold")
    tap.ok("held" not in states(d.id), "both are back", states(d.id))
    tap.equal(told(ctl("device", "revoke", d.id.upper(), "--reason", "superseded")), (2, 0, 2, None), "for good, id in any case")
    not_renewed(d, "renew-revoked", "it does not renew")
    tap.equal({ctl("cert", "show", serial(x))["revocation"]["reason"] for x in (old, d.der)}, {"superseded"}, "with this reason")
    tap.equal(told(ctl("device", "revoke", d.id)), (0, 0, 0, None), "a known device whose certificates are all revoked: no error")
    unknown("device", "no-such-device")


def unknown(what, name):
    """A slip of the pen is no success, with whatever option."""
    for verb, *options in (["revoke"], ["revoke", "--dry-run"], ["revoke", "--count", "1"], ["release-hold"],
                           ["release-hold", "--dry-run"]):
        refused(ctl(what, verb, name, *options), "not-found", "not-in-ledger", f"{what} {verb} {' '.join(options)} of an unknown one")


def a_principal():
    """More than a few only for who says how many they are."""
    user = "carol@lab.example"
    LAB.add_user(user)
    mine = [device(user=user) for _ in range(12)]
    other = device()
    refused(ctl("user", "revoke", user), "exists", "count-needed", "12 certificates without --count")
    refused(ctl("user", "revoke", user, "--count", "11"), "exists", "count-differs", "a wrong count")
    refused(ctl("user", "revoke", user, "--count", "13"), "exists", "count-differs", "another wrong count")
    tap.equal({s for d in mine for s in states(d.id)}, {"unconfirmed"}, "nothing was revoked")
    a = ctl("user", "revoke", user, "--dry-run")
    tap.equal(told(a), (12, 0, 12, None), "a dry run needs no count, and tells it")
    tap.equal(told(ctl("user", "revoke", user, "--user-id", "nobody")), (0, 0, 0, None), "none of another user id")
    a = ctl("user", "revoke", user.upper(), "--count", "12", "--reason", "affiliationChanged")
    tap.equal(told(a), (12, 0, 12, None), "with the count")
    tap.equal({s for d in mine for s in states(d.id)}, {"revoked"}, "all of them")
    tap.equal(states(other.id), ["unconfirmed"], "nobody else's")
    for d in mine[:2]:
        not_renewed(d, "renew-revoked", "none renews")
    tap.equal(told(ctl("user", "revoke", user, "--count", "12"))[:1] + (ctl("user", "revoke", user, "--count", "12").get("reason"),),
              (None, "count-differs"), "again with the old count: they are none now")
    tap.equal(told(ctl("user", "revoke", user)), (0, 0, 0, None), "without one: nothing to do, and no error")
    unknown("user", "nobody@lab.example")


def pages():
    """One call does a page; pkienrollctl goes on by itself."""
    global LAB  # pylint: disable=global-statement
    n = 230
    with MdmLab() as LAB:
        d = device()
        clone(d, n - 1)
        a = ctl("user", "revoke", USER, "--dry-run")
        tap.equal((told(a), len({i["sha256"] for i in a["items"]})), ((n, 0, n, None), n), "a dry run over pages has each once")
        tap.equal(told(ctl("user", "revoke", USER, "--count", str(n))), (n, 0, n, None), "all are revoked, page by page")
        changes = [r[0] for r in ledgerdb.rows(LAB.ledger, "SELECT change FROM revocation ORDER BY change")]
        tap.equal(changes, list(range(1, n + 1)), "each has a change number of its own")
        listed = LAB.ctl("--jsonl", "cert", "list", "--state", "revoked", "--all", check=True).out.splitlines()
        tap.equal(len(listed), n, "cert list --state revoked has them all")


def clone(d, n):
    """Certificates by the hundred without a key: copies of this device's rows, written while the daemon is stopped. Nothing
    here looks at their bytes."""
    LAB.stop()
    db = sqlite3.connect(LAB.ledger)
    base = db.execute("SELECT request FROM certificate WHERE device_id = ? AND der IS NOT NULL", (d.id,)).fetchone()[0]
    top = db.execute("SELECT max(id) FROM request").fetchone()[0]
    change = {"id": f"{top} + i", "request": f"{top} + i", "request_id": "'clone-' || i", "idempotency_key": "randomblob(32)",
              "serial": "CAST('A' || hex(randomblob(7)) AS BLOB)", "sha256": "randomblob(32)", "sha1": "randomblob(20)",
              "received_at": "received_at + i / 3"}
    for table, key in (("request", "id"), ("certificate", "request")):
        columns = [r[1] for r in db.execute(f"PRAGMA table_info({table})")]
        taken = change if table == "certificate" else {k: v for k, v in change.items() if k != "request"}
        db.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) INSERT INTO {table} "
                   f"({', '.join(columns)}) SELECT {', '.join(taken.get(c, c) for c in columns)} FROM {table}, n "
                   f"WHERE {key} = {base}")
    db.commit()
    db.close()
    LAB.start()


def device_release_and_block():
    d = device()
    a = ctl("device", "release", d.id, "--revoke", "--reason", "cessationOfOperation")
    tap.equal((a.get("state"), told(a)), ("released", (1, 0, 1, None)), "device release --revoke")
    tap.equal(states(d.id), ["revoked"], "its certificate is revoked")
    e = device()
    a = ctl("device", "block", e.id, "--revoke", "--reason", "keyCompromise")
    tap.equal((a.get("state"), told(a)), ("blocked", (1, 0, 1, None)), "device block --revoke")
    tap.equal(ctl("cert", "show", serial(e.der))["revocation"]["reason"], "keyCompromise", "for this reason")
    f = device()
    refused(ctl("device", "release", f.id, "--reason", "superseded"), "malformed", "reason", "a reason without --revoke")
    tap.equal(states(f.id), ["unconfirmed"], "and nothing happened")
    tap.equal(ctl("device", "release", f.id)["state"], "released", "device release alone")
    tap.equal((states(f.id), told(ctl("device", "revoke", f.id))), (["superseded"], (1, 0, 1, None)),
              "a certificate of a released device is revoked by device revoke")


def two_operators():
    """They race: each certificate is revoked once, and each call tells what it did."""
    d = [device() for _ in range(4)]
    answers = []

    def one(reason):
        for x in d:
            answers.append(ctl("cert", "revoke", serial(x.der), "--reason", reason))

    threads = [threading.Thread(target=one, args=(r,)) for r in ("keyCompromise", "superseded")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal((sum(a.get("revoked", 0) for a in answers), sum(a.get("reason") == "already-revoked" for a in answers)), (4, 4),
              "each certificate by one of them")
    tap.equal([len(audited("revoked", x)) for x in d], [1] * 4, "one audit row each")


def killed_at_once():
    d = device()
    a = ctl("cert", "revoke", serial(d.der), "--reason", "keyCompromise")
    os.kill(LAB.pids("issuer")[0], signal.SIGKILL)
    tap.equal(told(a), (1, 0, 1, None), "revoked, and the issuer is killed at once")
    LAB.wait_status(lambda s: s["state"] == "ready")
    tap.equal(states(d.id), ["revoked"], "an acknowledged revocation is there afterwards")
    not_renewed(d, "renew-revoked", "and in force")


def metrics_and_audit():
    text = LAB.ctl("metrics", check=True).out
    counted = ctl("status")["ledger"]
    tap.ok(f"pkienrolld_certificates_revoked {counted['revoked']}\n" in text and
           f"pkienrolld_certificates_held {counted['held']}\n" in text, "metrics count them", counted)
    tap.equal(counted["revoked"], ledgerdb.one(LAB.ledger, "SELECT count(*) FROM revocation WHERE released_at = 0 AND reason <> 6"),
              "as the ledger does")


def prepare():
    """The daemon's own certificates are credentials, and the key can be slow."""
    global DOUBLE  # pylint: disable=global-statement
    DOUBLE = P11Double(LAB)
    lines = read_text(LAB.config).splitlines()
    listener = lines[lines.index("listeners:") + 1].strip(" :")
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "credentials"), KINDS)
        LAB.set_option(("endpoints", endpoint, "credential-ca"), "ca.pem")
    LAB.set_option(("listeners", listener, "client-cert"), "optional")
    LAB.set_option(("listeners", listener, "client-ca"), "ca.pem")
    LAB.start()
    LAB.add_user(USER)


def whole_ledger():
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger is whole")


def main():
    global LAB  # pylint: disable=global-statement
    # no lists (test_crl.py has them): here the key is slow on purpose, and would sign them in between
    with MdmLab({("issuers", "lab", "crl-lifetime"): "0s"}, start=False) as LAB:
        prepare()
        tap.run(by_each_name, no_other_certificate_is_meant, once_and_for_good, dry_run, no_renewal, hold_and_release, no_credential,
                no_replay, not_while_it_is_signed, under_way_is_told_apart, a_device, a_principal, device_release_and_block,
                two_operators, killed_at_once, metrics_and_audit, whole_ledger, pages)


if __name__ == "__main__":
    main()
