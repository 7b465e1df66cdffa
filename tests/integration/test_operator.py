# SPDX-License-Identifier: Apache-2.0
"""A real daemon and its operator: broken and changed configurations, reload, drain, stop; and what every fault has in
common (MS-MDE2 checklist 70, 72, 73, 74)."""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from lab import find_daemon, send_signal  # noqa: E402
from load import Load  # noqa: E402
from mdmlab import MdmLab, USER, free_port, read_text, whole_fault, write_text  # noqa: E402

DISPATCHER = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"
WORDS = ("NotEligibleToRenew", "DeviceCapReached", "DeviceNotSupported", "InMaintenance", "NotSupported",
         "InvalidEnrollmentData", "CustomServerError")
LAB = None


# ---- configuration

def validity_days():
    cert = x509.load_der_x509_certificate(LAB.issue().certificate())
    return (cert.not_valid_after - cert.not_valid_before).days


def reload_by_ctl():
    good, generation = read_text(LAB.config), LAB.status()["generation"]
    write_text(LAB.config, good.replace("validity: 365d", "validity: 90d\n    no-such-option: 1\n    issuer: other"))
    r = LAB.ctl("reload")
    tap.equal(r.status, 1, "reload of a broken file exits 1")
    where = re.findall(rf"{re.escape(LAB.config)}:(\d+):(\d+): ", r.err)
    lines = read_text(LAB.config).splitlines()
    tap.ok(where and "no-such-option" in r.err and any("no-such-option" in lines[int(n) - 1] for n, _ in where),
           "it names file:line:col of the error", r)
    tap.ok(LAB.status()["generation"] == generation and validity_days() == 365, "the old configuration serves on")
    write_text(LAB.config, good.replace("validity: 365d", "validity: 90d"))
    r = LAB.ctl("--json", "reload", check=True)
    tap.ok(r.json()["generation"] == LAB.status()["generation"] != generation, "reload changes the generation", r)
    tap.equal(validity_days(), 90, "the new validity is in force")
    write_text(LAB.config, good.replace("auth-workers", "x").replace("user-file:", "auth-workers: 3\nuser-file:"))
    r = LAB.ctl("reload")
    tap.ok(r.status == 1 and "auth-workers" in r.err, "an option that needs a restart is refused by name", r)
    write_text(LAB.config, good)


def reload_by_sighup():
    generation, good = LAB.status()["generation"], read_text(LAB.config)
    write_text(LAB.config, good.replace("validity: 365d", "validity: 60d"))
    LAB.process.send_signal(signal.SIGHUP)
    tap.ok(LAB.wait_status(lambda s: s["generation"] != generation), "SIGHUP reloads")
    tap.equal(validity_days(), 60, "and the new validity is in force")
    generation = LAB.status()["generation"]
    write_text(LAB.config, "nonsense: [\n")
    LAB.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while "reload refused" not in LAB.read_log() and time.monotonic() < deadline:
        time.sleep(0.02)
    tap.ok("reload refused" in LAB.read_log(), "SIGHUP with a broken file: the log says that it was refused")
    tap.ok(LAB.status()["generation"] == generation and LAB.issue().certificate(), "the old configuration serves on")
    write_text(LAB.config, good)
    LAB.ctl("reload", check=True)


def reload_under_load():
    """Each request sees one configuration or the other, never a fault for the switch."""
    good = read_text(LAB.config)
    with Load(LAB, workers=2, devices=2) as load:
        for days in ("100d", "200d", "365d"):
            load.wait_for(4)
            write_text(LAB.config, good.replace("validity: 365d", f"validity: {days}"))
            LAB.ctl("reload", check=True)
        load.wait_for(4)
    tap.ok(not load.wrong and not load.lost and not load.faults, "reloads under load are seen by no client",
           (load.wrong + load.lost + [f.describe() for f in load.faults])[:3])


def configuration_errors():
    bad, daemon = os.path.join(LAB.etc, "bad.yaml"), find_daemon()
    text = read_text(LAB.config).replace("backend: pkcs11", "backend: floppy").replace("validity: 365d", "validity: 365")
    write_text(bad, text.replace("stage: policy", "stage: policy\n    no-such-option: yes"))
    lines = read_text(bad).splitlines()
    for name, args in (("--check-config", ["--check-config"]), ("a start", [])):
        r = LAB.run([daemon, "--config", bad, *args])
        found = re.findall(rf"^{re.escape(bad)}:(\d+):(\d+): (.*)$", r.err, re.M)
        tap.equal(r.status, 78, f"{name} with a bad file exits 78")
        named = " ".join(lines[int(n) - 1] for n, _, _ in found)
        tap.ok(len(found) >= 3 and all(w in named for w in ("backend", "validity", "no-such-option")),
               f"{name} reports every error at once, each with file:line:col", r)
    r = LAB.run([daemon, "--config", os.path.join(LAB.etc, "no-such-file.yaml"), "--check-config"])
    tap.ok(r.status == 78 and "no-such-file.yaml" in r.err, "a missing file exits 78 and is named", r)
    r = LAB.run([daemon, "--config", LAB.config, "--check-config"])
    tap.ok(r.status == 0 and LAB.status()["generation"] in r.out, "the good file exits 0 with its generation", r)


# ---- faults

def hostile_words():
    """Requests that carry Windows' words where a careless server would show them again."""
    client, word, device = LAB.client(), "NotEligibleToRenew", mdm.device_id()
    csr = mdm.new_csr(device)
    items = [i for i in mdm.default_items(device) if i[0] not in ("DeviceID", "EnrollmentType")]
    yield client.enroll(csr, device, security=mdm.username_token(word + "@lab.example", word))
    yield client.enroll(csr, device, items=items + [("DeviceID", device), ("EnrollmentType", word)])
    yield client.enroll(csr, device, items=items + [("DeviceID", "\u00e9" + word), ("EnrollmentType", "Full")])
    yield client.enroll(csr, device, token_type="urn:" + word)
    yield client.enroll(csr, device, request_type=word)
    yield client.enroll(csr, device, value_type=word)
    yield client.enroll(csr, device, csr_text=word + "!")
    yield client.enroll(mdm.new_csr(device, mdm.new_key(1024), cn=word), device)
    yield client.request("POST", client.enroll_path, mdm.envelope(word, client.security(), f"<{word}/>"))
    yield client.request("POST", client.enroll_path, f"<{word}>")


def c70_c73_faults():
    faults = list(hostile_words())
    leaks = [a.describe() for a in faults if "NotEligibleToRenew" in (a.text(".//s:Reason/s:Text") or "") or
             a.error_type == "NotEligibleToRenew" or b"NotEligibleToRenew" in a.body]
    tap.equal(leaks, [], "c70 NotEligibleToRenew comes back in no fault")
    client = LAB.client()
    faults += [client.enroll(b"", mdm.device_id(), request_type="Recovery"),
               client.get_policies(security=mdm.username_token(USER, "wrong")), LAB.issue(LAB.client("nobody@x", "y"))]
    bad = [a.describe() for a in faults if not (a.status == 500 and a.subcode and a.reason and
                                                a.headers.get("Content-Length") == str(len(a.body)) and
                                                a.headers.get("Content-Type") == mdm.CONTENT_TYPE)]
    tap.equal(bad, [], "c73 every fault is a 500 with body and Content-Length")
    shown = [a.describe() for a in faults if any(w in a.reason for w in WORDS)]
    tap.equal(shown, [], "c70 no ErrorType word in any Reason")


def c72_dispatcher_prefix():
    client, device = LAB.client(), mdm.device_id()
    a = client.enroll(mdm.new_csr(device), device, security=None)
    whole_fault(a, 500, "a:InvalidSecurity", None, "c73 no Security header")
    tap.ok(re.search(rb"<s:Value xmlns:a=\"" + DISPATCHER.encode() + rb"\">a:InvalidSecurity</s:Value>", a.body),
           "c72 the prefix is bound to the dispatcher namespace on that element", a.describe())


# ---- drain and stop

def sigterm_under_load():
    with Load(LAB, workers=4, devices=2) as load:
        load.wait_for(8)
        load.maintenance = True
        status = LAB.stop(signal.SIGTERM)
    tap.equal(status, 0, "SIGTERM under load: exit 0")
    tap.equal(load.sha256s() - set(ledgerdb.certificates(LAB.ledger)), set(), "everything acknowledged is in the ledger")
    tap.equal(load.wrong, [], "no answer was empty or malformed")
    tap.equal(ledgerdb.open_intents(LAB.ledger), [], "no intent is left open")
    tap.equal(ledgerdb.one(LAB.ledger, "SELECT event FROM audit ORDER BY seq DESC LIMIT 1"), "stop", "the stop is audited last")
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger is whole")
    LAB.start()


def c73_c74_drain():
    client = LAB.client()
    tap.ok(LAB.issue(client).certificate(), "before the drain: a certificate")
    r = LAB.ctl("drain")
    tap.equal(r.status, 0, "pkienrollctl drain")
    a = LAB.issue(client)
    whole_fault(a, 503, "s:EnrollmentServer", "InMaintenance", "c73 c74 draining: InMaintenance, 503 with a body")
    whole_fault(client.get_policies(), 503, "s:EnrollmentServer", "InMaintenance", "c74 GetPolicies, too")
    tap.equal((LAB.request_show(a.trace_id) or {}).get("state"), "refused", "c71 request show finds it")
    tap.equal(LAB.status()["state"], "draining", "status says draining")
    net = LAB.roles("net")[0]
    send_signal(net["pid"], signal.SIGKILL)
    tap.ok(LAB.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "net" and r["pid"] not in (0, net["pid"]) and
                                      r["state"] not in ("waiting", "starting")]), "net comes back", LAB.status())
    whole_fault(LAB.issue(), 503, "s:EnrollmentServer", "InMaintenance", "a restarted net still drains")
    tap.equal(LAB.ctl("resume").status, 0, "pkienrollctl resume")
    tap.ok(LAB.issue().certificate(), "after that it enrolls again")
    tap.equal(LAB.status()["state"], "ready", "and status says so")
    tap.equal(LAB.ctl("drain").status, 0, "drained again")
    tap.equal(LAB.stop(), 0, "a drained daemon stops with exit 0")


# a port of its own: one that the daemon picks is another one after net died
with MdmLab({("listeners", "main", "port"): free_port()}) as LAB:
    tap.run(reload_by_ctl, reload_by_sighup, reload_under_load, configuration_errors, c70_c73_faults,
            c72_dispatcher_prefix, sigterm_under_load, c73_c74_drain)
