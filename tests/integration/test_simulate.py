# SPDX-License-Identifier: Apache-2.0
"""pkienrollctl simulate against what really happens: the same CSR, the same fields or the same refusal; nothing changes
but the audit chain; no key is used or needed. And the explanation of a request that was really refused."""
import base64
import json
import os
import sys
import warnings
from datetime import datetime

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import csrbuild  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

LAB = None
SID = "S-1-5-21-1004336348-1177238915-682003330-1105"
MEMBERS = {"step", "outcome", "rule", "value", "source"}
OUTCOMES = {"passed", "refused", "taken", "dropped", "noted"}


# ---- asking

def simulate(csr, device=None, *options, who=USER, kind="full"):
    """(exit status, answer) of a simulation; @p csr: DER."""
    path = os.path.join(LAB.dir, "simulated.csr")
    with open(path, "wb") as f:
        f.write(csr)
    more = ["--device-id", device, "--type", kind] if device else []
    r = LAB.ctl("--json", "simulate", who, path, "--upn", who, *more, *options)
    return r.status, (r.json() if r.out.startswith("{") else {"raw": str(r)})


def user_id():
    """The id that the user file gave to the user of the lab, as the ledger has it."""
    return ledgerdb.one(LAB.ledger, "SELECT user_id FROM request WHERE principal = ? AND user_id IS NOT NULL", (USER,))


def steps(answer, outcome, step=None):
    return [s for s in answer["explanation"] or [] if s["outcome"] == outcome and step in (None, s["step"])]


def well_formed(explanation, name):
    """Steps have known members, known outcomes, and a refusal only at the end."""
    good = bool(explanation)
    for i, s in enumerate(explanation or []):
        good = good and {"step", "outcome"} <= set(s) <= MEMBERS and s["outcome"] in OUTCOMES
        good = good and all(isinstance(v, str) and v for v in s.values())
        good = good and (s["outcome"] != "refused" or i + 1 == len(explanation))
    tap.ok(good, name, json.dumps(explanation, indent=1))


def content():
    """Every table of the ledger but the audit chain, and how long that is."""
    tables = [r[0] for r in ledgerdb.rows(LAB.ledger, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rest = {t: ledgerdb.rows(LAB.ledger, f'SELECT * FROM "{t}"') for t in tables if t not in ("audit", "meta")}
    rest["meta"] = ledgerdb.rows(LAB.ledger, "SELECT * FROM meta WHERE name NOT LIKE 'audit%'")
    rest["counter"] = [c for c in rest["counter"] if c[0] != "audit"]
    return rest, ledgerdb.rows(LAB.ledger, "SELECT event, detail FROM audit ORDER BY seq")


def same(before, after, name):
    tap.ok(before == after, name, [(t, before[t], after[t]) for t in before if before[t] != after[t]])


def when(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def same_certificate(proposed, der, name):
    """The fields that simulate told against the certificate that was issued; the key of both is the CSR's."""
    cert = x509.load_der_x509_certificate(der)
    issued = {e.oid.dotted_string: (e.critical, e.value.public_bytes().hex()) for e in cert.extensions}
    told = {e["oid"]: (e["critical"], e["value"]) for e in proposed["extensions"]}
    if "ent_dmid" in proposed["examples"]:  # drawn anew: only its place can be compared
        issued.pop("2.5.29.17", None)
        told.pop("2.5.29.17", None)
    tap.equal(told, issued, f"{name}: the extensions are those of the certificate")
    tap.equal(sorted(n["value"] for n in proposed["subject"]), sorted(a.value for a in cert.subject), f"{name}: so is the subject")
    told = when(proposed["not_after"]) - when(proposed["not_before"])
    with warnings.catch_warnings():  # the names that replace these two are not in Debian 12's version
        warnings.simplefilter("ignore")
        tap.equal(told, cert.not_valid_after - cert.not_valid_before, f"{name}: so is the validity")
    tap.ok(int(proposed["serial"], 16) != cert.serial_number, f"{name}: the serial was an example")


def windows_csr(device, key=None, **kw):
    extensions = csrbuild.windows_extensions(device) + list(kw.pop("extensions", ()))
    subject = kw.pop("subject", (("CN", "B034A9BA-18AA-45A4-AD1D-D1287E!" + device),))
    return csrbuild.csr(key or mdm.new_key(), subject, extensions, **kw)


# ---- equal to reality

def test_issue_equals_reality():
    device = mdm.device_id()
    csr = windows_csr(device)
    signatures = LAB.signatures()
    before = content()
    status, answer = simulate(csr, device)
    tap.ok(status == 0 and answer["result"] == "issue" and answer["error"] is None, "it would be issued: exit 0", answer)
    well_formed(answer["explanation"], "the steps are well formed")
    after = content()
    same(before[0], after[0], "no row of any table but the audit chain changed")
    added = after[1][len(before[1]):]
    tap.ok(len(added) == 1 and added[0][0] == "control" and "simulate" in added[0][1] and "sha256:" in added[0][1],
           "one audit row: the call, with the hash of the CSR", added)
    tap.equal(LAB.signatures(), signatures, "no key was used")
    tap.ok(steps(answer, "dropped", "subject CN"), "what Windows writes into the subject is said to be dropped", answer)
    tap.ok(steps(answer, "taken", "subject CN")[0]["rule"] == "template: subject-full", "the subject's rule is named")
    tap.ok("tbs" not in answer and "PRIVATE" not in json.dumps(answer) and "signature" not in answer["certificate"],
           "nothing signed is in the answer")
    real = LAB.client().enroll(csr, device)
    same_certificate(answer["certificate"], real.certificate(), "a new device")


def test_renewal_equals_reality():
    device = mdm.Device(LAB.client())
    serial = f"{x509.load_der_x509_certificate(device.der).serial_number:x}"
    key = mdm.new_key()
    csr = mdm.new_csr(device.id, key)
    before = content()[0]
    status, answer = simulate(csr, None, "--renews", serial)
    tap.ok(status == 0 and answer["operation"] == "renew", "a renewal would be issued", answer)
    tap.equal(answer["device_id"], device.id, "device and type are the recorded ones")
    tap.ok("ent_dmid" not in answer["certificate"]["examples"], "and the EntDMID is no example")
    same(before, content()[0], "no row changed")
    real = device.renew(device.cms(key=key, csr=csr))
    same_certificate(answer["certificate"], real.certificate(), "a renewal")
    status, answer = simulate(csr, None, "--renews", serial, who="bob@lab.example")
    tap.ok(status == 1 and "simulate-principal" in json.dumps(answer), "another principal's certificate is no argument", answer)


def refusals():
    device, key = mdm.device_id(), mdm.new_key()
    yield "a security identifier", device, windows_csr(device, key, extensions=[csrbuild.sid_extension(SID)]), "csr-asks-sid"
    yield "a UPN", device, windows_csr(device, key, extensions=[csrbuild.san([("upn", "root@lab.example")])]), "csr-asks-upn"
    yield ("to be a CA", device, windows_csr(device, key, extensions=[csrbuild.basic_constraints(True)]), "csr-asks-ca")
    yield ("an unknown critical extension", device,
           windows_csr(device, key, extensions=[csrbuild.extension("1.2.3.4", b"\5\0", True)]), "csr-asks-critical")
    yield "a key of 1024 bits", device, windows_csr(device, mdm.new_key(1024)), None
    yield "a curve that the template has not", device, windows_csr(device, ec.generate_private_key(ec.SECP521R1())), None
    csr = bytearray(windows_csr(device, key))
    csr[-1] ^= 1
    yield "a signature of another key", device, bytes(csr), "csr-signature"
    yield "no CSR at all", device, b"\x30\x03\x02\x01\x00", "csr-structure"


def test_refusals_equal_reality():
    """Reason, rule and every step: what the record keeps is what simulate said."""
    LAB.issue()
    for name, device, csr, reason in refusals():
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.ok(status == 3 and answer["result"] == "refuse" and answer["certificate"] is None,
               f"{name}: refused, exit 3", answer)
        if reason:
            tap.equal(answer["error"]["reason"], reason, f"{name}: by its rule")
        real = LAB.client().enroll(csr, device)
        record = LAB.request_show(real.trace_id)
        tap.equal(record["error"], answer["error"], f"{name}: so is the real one, with the same words")
        tap.equal(record["explanation"], answer["explanation"], f"{name}: by the same steps")
        well_formed(record["explanation"], f"{name}: which are well formed")


def test_every_type_of_key():
    """Also those that the template has to name first."""
    LAB.set_option(("templates", "device", "key-types"), "[rsa, p-256, p-384, p-521, ed25519]")
    LAB.ctl("reload", check=True)
    try:
        for name, key in (("rsa 3072", mdm.new_key(3072)), ("p-256", ec.generate_private_key(ec.SECP256R1())),
                          ("p-384", ec.generate_private_key(ec.SECP384R1())),
                          ("p-521", ec.generate_private_key(ec.SECP521R1())),
                          ("ed25519", ed25519.Ed25519PrivateKey.generate())):
            device = mdm.device_id()
            csr = windows_csr(device, key)
            status, answer = simulate(csr, device, "--user-id", user_id())
            tap.ok(status == 0 and steps(answer, "noted", "key")[0]["value"] == name, f"{name}: would be issued", answer)
            same_certificate(answer["certificate"], LAB.client().enroll(csr, device).certificate(), name)
    finally:
        LAB.set_option(("templates", "device", "key-types"), None)
        LAB.ctl("reload", check=True)


def test_owner_and_policy():
    status, answer = simulate(windows_csr("D1"), "D1", who="eve@evil.example")
    tap.ok(status == 3 and answer["error"]["reason"] == "principal-not-allowed", "a principal of nobody", answer)
    status, answer = simulate(windows_csr("D1"), "D1", "--credential", "one-time-token")
    tap.ok(answer["error"] and answer["error"]["reason"] == "credential-kind" or status == 0,
           "the kind of credential is a rule of the endpoint", answer)
    key = mdm.new_key()
    device = mdm.device_id()
    LAB.client().enroll(mdm.new_csr(device, key), device)
    status, answer = simulate(windows_csr("OTHER", key), "OTHER", "--user-id", user_id())
    tap.ok(status == 3 and answer["error"]["reason"] == "csr-key-reused", "a key that is another device's", answer)
    LAB.ctl("device", "block", device, check=True)
    status, answer = simulate(windows_csr(device), device, "--user-id", user_id())
    tap.ok(status == 3 and answer["error"]["reason"] == "device-blocked", "a blocked device", answer)


# ---- hostile text

def test_hostile_csr():
    """What is in the CSR comes back as data: in JSON, in the record, on the terminal."""
    device = mdm.device_id()
    evil = "\u202e\u2066\"},{\"step\":\"forged\",\"outcome\":\"passed\"}\x1b[2J\r\n" + "A" * 20
    csr = windows_csr(device, subject=(("CN", evil), ("OU", "ok")),
                      extensions=[csrbuild.san([("dns", "a\x1b[31m.example")] + [("uri", f"urn:x:{'y' * 200}{i}") for i in range(90)]),
                                  csrbuild.sid_extension(SID)])
    _, answer = simulate(csr, device, "--user-id", user_id())
    real = LAB.client().enroll(csr, device)
    record = LAB.request_show(real.trace_id)
    well_formed(record["explanation"], "the record's steps are well formed")
    raw = ledgerdb.one(LAB.ledger, "SELECT explanation FROM request WHERE request_id = ?", (real.trace_id,))
    tap.ok(len(raw) <= 16384 and raw.isascii() and json.loads(raw) == record["explanation"],
           "what is recorded is ASCII, bounded, and valid JSON", len(raw))
    tap.ok("forged" not in [s["step"] for s in record["explanation"] + answer["explanation"]], "no step was forged")
    tap.equal(record["explanation"][-1]["outcome"], "refused", "the last step is there")
    path = os.path.join(LAB.dir, "hostile.csr")
    with open(path, "wb") as f:
        f.write(csr)
    for r in (LAB.ctl("simulate", USER, path), LAB.ctl("request", "show", real.trace_id)):
        tap.ok("\x1b" not in r.out and "\u202e" not in r.out and "\r" not in r.out, "nothing of it reaches the terminal raw", r)


def test_log_names_what_was_dropped():
    device = mdm.device_id()
    csr = windows_csr(device, extensions=[csrbuild.san([("dns", "host.lab.example")]), csrbuild.sid_extension(SID)])
    real = LAB.client().enroll(csr, device)
    lines = [line for line in LAB.read_log().splitlines() if real.trace_id in line and "request refused" in line]
    tap.ok(len(lines) == 1 and len(lines[0]) < 1500, "a refusal is one line of the log", lines)
    tap.ok('san dns host.lab.example"' in lines[0] and " dropped=" in lines[0], "which names what was dropped before it", lines)


# ---- arguments

def test_arguments():
    device = mdm.device_id()
    der = windows_csr(device)
    pem = ("-----BEGIN NEW CERTIFICATE REQUEST-----\n" + base64.encodebytes(der).decode() +
           "-----END NEW CERTIFICATE REQUEST-----\n").encode()
    r = LAB.ctl("--json", "simulate", USER, "-", data=pem)
    tap.ok(r.status == 0 and r.json()["result"] == "issue", "PEM on standard input", r)
    tap.equal(r.json()["device_id"], "SIMULATED", "the device id is one of nobody")
    for name, data, options, status in (("an empty file", b"", (), 2), ("too long a file", b"x" * 30000, (), 2),
                                        ("PEM of a certificate", pem.replace(b"REQUEST", b"X"), (), 1),
                                        ("text", b"hello", (), 1), ("an unknown endpoint", der, ("--endpoint", "nope"), 1),
                                        ("an unknown template", der, ("--template", "nope"), 1),
                                        ("an unknown certificate", der, ("--renews", "00aa"), 1),
                                        ("another type", der, ("--type", "half"), 1)):
        r = LAB.ctl("simulate", USER, "-", *options, data=data)
        tap.equal(r.status, status, f"{name}: exit {status}")
    r = LAB.ctl("simulate", USER, "/nonexistent.csr")
    tap.ok(r.status == 2 and "/nonexistent.csr" in r.err, "a file that is not there: exit 2", r)
    r = LAB.ctl("simulate", USER, "-", "--template", "device", data=der)
    tap.ok(r.status == 0 and "STEP" in r.out and "OUTCOME" in r.out and "template: validity" in r.out, "a table for people", r)


# ---- waits and floor

def test_approval():
    LAB.set_option(("templates", "device", "approval"), "operator")
    LAB.ctl("reload", check=True)
    try:
        device = mdm.device_id()
        csr = windows_csr(device)
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.ok(status == 4 and answer["result"] == "wait" and answer["error"]["reason"] == "approval-pending",
               "a template with approval: it would wait, exit 4", answer)
        tap.equal(ledgerdb.one(LAB.ledger, "SELECT count(*) FROM admission"), 0, "and no operator was asked")
        real = LAB.request_show(LAB.client().enroll(csr, device).trace_id)
        tap.equal(real["error"], answer["error"], "as the real one")
        tap.equal(real["explanation"], answer["explanation"], "by the same steps")
        LAB.ctl("request", "approve", real["request_id"], check=True)
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.ok(status == 0 and steps(answer, "passed", "approval"), "once approved it would be issued", answer)
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.equal(status, 0, "and the approval was not used up")
    finally:
        LAB.set_option(("templates", "device", "approval"), None)
        LAB.ctl("reload", check=True)


def test_floor():
    """Names outside the bounds of the issuer's key are refused by the same rule that the key role has."""
    LAB.set_option(("templates", "device", "san"), '["upn:{upn}"]')
    LAB.set_option(("issuers", "lab", "upn-suffixes"), "[other.example]")
    LAB.ctl("reload", check=True)
    try:
        device = mdm.device_id()
        csr = windows_csr(device)
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.ok(status == 3 and answer["error"]["reason"] == "floor-upn", "a UPN outside the bounds of the key", answer)
        tap.ok(" is not within upn-suffixes of issuer " in answer["error"]["text"] and "@" in answer["error"]["text"],
               "which one, by which option and of which issuer", answer["error"])
        real = LAB.request_show(LAB.client().enroll(csr, device).trace_id)
        tap.equal(real["error"], answer["error"], "it is refused with the same words")
        tap.equal(real["explanation"], answer["explanation"], "and the steps are the same")
        tap.equal((real["state"], real["serial"]), ("refused", None), "before a serial was spent on it")
        LAB.set_option(("issuers", "lab", "upn-suffixes"), "[lab.example]")
        LAB.ctl("reload", check=True)
        status, answer = simulate(windows_csr(device), device, "--user-id", user_id())
        tap.ok(status == 0 and answer["certificate"]["san"] == [{"kind": "upn", "value": USER}], "within them it is issued", answer)
    finally:
        LAB.set_option(("templates", "device", "san"), None)
        LAB.set_option(("issuers", "lab", "upn-suffixes"), None)
        LAB.ctl("reload", check=True)


def test_identity_map():
    path = os.path.join(LAB.etc, "identities.jsonl")
    write_text(path, json.dumps({"principal": USER, "dns": ["pc1.lab.example"], "sid": SID}) + "\n")
    LAB.set_option(("identity-map",), "identities.jsonl")
    LAB.set_option(("templates", "device", "san"), '["dns:{dns}"]')
    LAB.set_option(("issuers", "lab", "dns-suffixes"), "[lab.example]")
    LAB.set_option(("issuers", "lab", "sid-prefixes"), f'["{SID}"]')
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps({"principal": "eve@lab.example", "sid": "S-1-x"}) + "\n")
    r = LAB.ctl("reload")
    tap.ok(r.status == 1 and 'identities.jsonl:2: "S-1-x" is no sid' in r.err, "a bad value is told with file and line", r)
    write_text(path, json.dumps({"principal": USER, "dns": ["pc1.lab.example"], "sid": SID}) + "\n")
    LAB.ctl("reload", check=True)
    detail = ledgerdb.one(LAB.ledger, "SELECT detail FROM audit WHERE event = 'configuration' ORDER BY seq DESC LIMIT 1")
    tap.equal(json.loads(detail)["identities"], 1, "the audit has how many identities were read")
    try:
        device = mdm.device_id()
        csr = windows_csr(device)
        status, answer = simulate(csr, device, "--user-id", user_id())
        tap.ok(status == 0 and answer["certificate"]["sid"] == SID, "the SID of the identity map", answer)
        tap.ok(steps(answer, "taken", "san dns") and "identity map" in steps(answer, "taken", "san dns")[0]["source"],
               "a name says that it is from the identity map", answer["explanation"])
        real = LAB.client().enroll(csr, device)
        same_certificate(answer["certificate"], real.certificate(), "names of the identity map")
    finally:
        for option in (("identity-map",), ("templates", "device", "san"), ("issuers", "lab", "dns-suffixes"),
                       ("issuers", "lab", "sid-prefixes")):
            LAB.set_option(option, None)
        LAB.ctl("reload", check=True)


def test_without_a_key():
    """Last but one: the key is paused, then its role's device is gone from under it."""
    name = LAB.ctl("--json", "key", "list", check=True).json()["items"][0]["name"]
    LAB.ctl("key", "pause", name, check=True)
    device = mdm.device_id()
    csr = windows_csr(device)
    status, answer = simulate(csr, device, "--user-id", user_id())
    tap.ok(status == 4 and answer["result"] == "wait" and answer["error"]["reason"] == "key-paused",
           "while the key is paused: exit 4", answer)
    tap.ok(answer["certificate"] and answer["certificate"]["extensions"], "and the certificate is told all the same")
    status, answer = simulate(b"\x30\x03\x02\x01\x00", device)
    tap.equal(status, 3, "a bad request is refused all the same")
    LAB.ctl("key", "resume", name, check=True)
    LAB.wait_key("ready")
    status, _ = simulate(csr, device, "--user-id", user_id())
    tap.equal(status, 0, "with the key back it would be issued")


def test_roles():
    r = LAB.ctl("simulate", "--help")
    tap.ok("role: officer" in r.out, "simulate takes an officer")
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger is whole")


def main():
    global LAB
    with MdmLab() as LAB:
        tap.run(test_issue_equals_reality, test_renewal_equals_reality, test_refusals_equal_reality, test_every_type_of_key,
                test_owner_and_policy,
                test_hostile_csr, test_log_names_what_was_dropped, test_arguments, test_approval, test_floor,
                test_identity_map, test_without_a_key, test_roles)


main()
