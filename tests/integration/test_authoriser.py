# SPDX-License-Identifier: Apache-2.0
"""Whole enrollments whose template names a webhook (checklist 76, attacks A15): what it is told, what its answer does, and
that nothing but its own answer to this very question makes a certificate."""
import hashlib
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jsonschema  # noqa: E402
import mdm  # noqa: E402
import openmetrics  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from hookserver import HookServer  # noqa: E402
from mdmlab import MdmLab, USER, wait_gone, whole_fault  # noqa: E402

SCHEMAS = os.path.join(os.environ["top_srcdir"], "dist", "schema")
LAB = HOOK = None


def schema(name):
    with open(os.path.join(SCHEMAS, f"{name}.schema.json"), encoding="utf-8") as f:
        s = json.load(f)
    jsonschema.Draft202012Validator.check_schema(s)
    return jsonschema.Draft202012Validator(s, format_checker=jsonschema.FormatChecker())


def configure(hook, **options):
    """Ask @p hook from the next request on; options as the configuration names them, with _ for -."""
    question, answer = hook.secret_files()
    values = {"kind": "webhook", "url": hook.url(), "question-secret-file": question, "answer-secret-file": answer,
              "timeout": "1s", "unix": hook.unix, "tls-ca": hook.file("ca.pem") if hook.context else None,
              "tls-certificate": None, "tls-key": None, "peer-uids": None}
    values.update({k.replace("_", "-"): v for k, v in options.items()})
    for name, value in values.items():
        LAB.set_option(("authorisers", "mdm", name), value)
    LAB.set_option(("templates", "device", "authoriser"), "mdm")
    return LAB.ctl("reload")


def issue(how="answer", decide=None, **args):
    HOOK.decide = decide or (lambda question: {"decision": "allow"})
    HOOK.misbehave(how, **args)
    return LAB.issue()


def certificate(a):
    der = a.certificate()
    return x509.load_der_x509_certificate(der) if der else None


def refused_for_now(a, reason, name, signatures):
    """The client is told to come again, nothing was signed, and the record has the reason."""
    whole_fault(a, 500, "s:EnrollmentServer", None, name)
    record = LAB.request_show(a.trace_id) or {}
    tap.ok(reason in json.dumps(record), f"{name}: recorded as {reason}", record)
    tap.equal(LAB.signatures(), signatures, f"{name}: nothing is signed")


def c76_question():
    n = len(HOOK.requests)
    device = mdm.device_id()
    a = LAB.client().enroll(mdm.new_csr(device), device)
    tap.ok(certificate(a), "c76 allow: a certificate", a.describe())
    tap.equal(len(HOOK.requests), n + 1, "c76 one question for one request")
    q = HOOK.requests[-1]
    errors = [f"{list(e.path)}: {e.message}" for e in schema("question").iter_errors(q.json())]
    tap.equal(errors, [], "c76 the question is as its schema says")
    asked = q.json()
    tap.equal((q.method, q.headers.get("content-type"), q.id), ("POST", "application/json", asked["id"]), "c76 form of the question")
    tap.equal(asked["principal"]["name"], USER, "c76 the verified principal")
    tap.equal(asked["principal"]["credential"], "username", "c76 the kind of its credential")
    tap.equal(asked["device"]["id"], device, "c76 the device")
    names = [i["name"] for i in asked["context"]]
    tap.ok({"DeviceID", "EnrollmentType", "OSVersion", "HWDevID"} <= set(names), "c76 all ContextItems", names)
    key = certificate(a).public_key().public_bytes(mdm.serialization.Encoding.DER, mdm.serialization.PublicFormat.SubjectPublicKeyInfo) \
        if hasattr(mdm, "serialization") else None
    if key:
        tap.equal(asked["csr"]["spki_sha256"], hashlib.sha256(key).hexdigest(), "c76 the key of the CSR")
    tap.ok(LAB.password() not in q.body.decode(), "c76 no password")
    answer = json.loads(HOOK.answer_body(q))
    tap.equal([e.message for e in schema("answer").iter_errors(answer)], [], "c76 the receiver's answer is as its schema says")


def c76_deny():
    n = LAB.signatures()
    a = issue(decide=lambda q: {"decision": "deny", "fault": "DeviceCapReached"})
    tap.equal((a.status, a.error_type), (500, "DeviceCapReached"), "c76 deny with a fault")
    a = issue(decide=lambda q: {"decision": "deny", "text": "Ask the <helpdesk> & wait"})
    tap.ok("Ask the <helpdesk> & wait" in a.reason, "c76 deny with a text: the user reads it", a.describe())
    a = issue(decide=lambda q: {"decision": "deny"})
    tap.equal(a.subcode, "s:Authorization", "c76 deny without more")
    a = issue(decide=lambda q: {"decision": "pend", "text": "Somebody looks at it"})
    tap.ok(a.status == 500 and "Somebody looks at it" in a.reason, "c80 pend is a fault, never a pending answer", a.describe())
    tap.equal(LAB.signatures(), n, "c76 nothing is signed")
    tap.ok(certificate(issue()), "c76 the next one is allowed")


def c76_parameters():
    n = LAB.signatures()
    a = issue(decide=lambda q: {"decision": "allow", "parameters": {"validity": 7200}})
    refused_for_now(a, "authoriser", "c76 a parameter that the template does not let it set", n)
    LAB.set_option(("templates", "device", "authoriser-may"), "[validity]")
    tap.equal(LAB.ctl("reload").status, 0, "c76 authoriser-may")
    cert = certificate(issue(decide=lambda q: {"decision": "allow", "parameters": {"validity": 7200}}))
    life = (cert.not_valid_after_utc if hasattr(cert, "not_valid_after_utc") else cert.not_valid_after) - \
        (cert.not_valid_before_utc if hasattr(cert, "not_valid_before_utc") else cert.not_valid_before) if cert else None
    tap.ok(life and life.total_seconds() < 2 * 86400, "c76 a shorter validity", life)
    n = LAB.signatures()
    a = issue(decide=lambda q: {"decision": "allow", "parameters": {"validity": 40 * 365 * 86400}})
    refused_for_now(a, "authoriser", "c76 a longer validity than the template's", n)
    LAB.set_option(("templates", "device", "authoriser-may"), None)
    tap.equal(LAB.ctl("reload").status, 0, "c76 authoriser-may taken away")


def a15_misbehaviour():
    """Nothing of these is an allow, and none is a refusal for good."""
    rows = (("late", {"seconds": 3}, "callout-late"), ("hang", {}, "callout-late"), ("drip", {}, "callout-late"),
            ("redirect", {}, "authoriser-redirect"), ("redirect", {"to": "file:///etc/passwd"}, "authoriser-redirect"),
            ("big", {}, "callout-too-long"), ("big_header", {}, "callout-too-long"), ("close", {}, "callout-down"),
            ("half", {}, "callout-down"), ("no_http", {}, "callout-malformed"), ("status", {"status": 500}, "authoriser-status"),
            ("status", {"status": 204}, "authoriser-status"), ("status", {"status": 401}, "authoriser-status"),
            ("text", {}, "authoriser-type"), ("unsigned", {}, "authoriser-unsigned"), ("two_signatures", {}, "callout-malformed"),
            ("trailer", {}, "authoriser-unsigned"), ("bad_signature", {}, "signature"), ("other_body", {}, "signature"),
            ("other_id", {}, "signature"), ("raw", {"body": b""}, "authoriser-type"), ("raw", {"body": b"{"}, "authoriser-malformed"),
            ("raw", {"body": b"[" * 20000}, "authoriser-malformed"), ("raw", {"body": b'{"decision":"allow"}'}, "authoriser-malformed"),
            ("raw", {"body": b'{"version":1,"id":"x","decision":"allow"}'}, "authoriser-malformed"))
    n = LAB.signatures()
    for how, args, reason in rows:
        refused_for_now(issue(how, **args), reason, f"a15 {how} {str(args)[:40]}", n)
    over = ({"decision": "maybe"}, {"decision": ["allow"]}, {"decision": "allow", "fault": "Authorization"},
            {"decision": "deny", "fault": "NoSuchFault"}, {"decision": "allow", "version": 2}, {"decision": "allow", "more": 1},
            {"decision": "deny", "text": "two\nlines"}, {"decision": "allow", "parameters": {"ca": "true"}})
    validator = schema("answer")
    for answer in over:
        a = issue(decide=lambda q, answer=answer: answer)
        refused_for_now(a, "authoriser-malformed", f"a15 answer {json.dumps(answer)}", n)
        tap.ok(not validator.is_valid({"version": 1, "id": "x", **answer}), f"a15 the schema refuses it, too: {json.dumps(answer)}")
    for _ in range(2):
        tap.ok(certificate(issue("twice")), "a15 a second answer on the connection is nobody's")
    tap.ok(certificate(issue("503_then_ok")), "a15 503, then an answer: allowed at the second attempt")
    tap.ok(certificate(issue("close_then_ok")), "a15 a connection that breaks, then an answer")
    tap.ok(certificate(issue()), "a15 and it goes on")


def a15_answer_of_another():
    """Two requests at a time, each gets the other's answer: neither is allowed."""
    n = LAB.signatures()
    seen, barrier = [], threading.Barrier(2, timeout=10)

    def swapped(s, q):
        seen.append(q)
        barrier.wait()
        other = next(o for o in seen if o.id != q.id)
        body = HOOK.answer_body(other)
        return HOOK._reply(s, 200, body, [f"X-Pkienroll-Signature: {HOOK.signature(other, body)}"])  # pylint: disable=protected-access

    HOOK._do_swapped = swapped  # pylint: disable=protected-access
    HOOK.decide = lambda q: {"decision": "allow"}
    HOOK.misbehave("swapped")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(LAB.issue())) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal([a.subcode for a in answers], ["s:EnrollmentServer"] * 2, "a15 the answer to another question is none")
    tap.equal(LAB.signatures(), n, "a15 and nothing is signed")


def a15_down():
    n = LAB.signatures()
    HOOK.close()
    refused_for_now(LAB.issue(), "callout-down", "a15 nobody there", n)
    os.unlink(HOOK.unix)
    refused_for_now(LAB.issue(), "callout-down", "a15 no socket", n)


def a15_peer():
    """The kernel's word instead of a signature; whoever takes the path is told nothing."""
    global HOOK
    HOOK = HookServer(HOOK.folder, unix=HOOK.unix)
    tap.equal(configure(HOOK, peer_uids=f"[{os.geteuid()}]", answer_secret_file=None).status, 0, "a15 peer-uids")
    tap.ok(certificate(issue("unsigned")), "a15 an unsigned answer of the right user")
    n, had = LAB.signatures(), len(HOOK.requests)
    tap.equal(configure(HOOK, peer_uids="[4242]", answer_secret_file=None).status, 0, "a15 peer-uids of somebody else")
    refused_for_now(issue(), "callout-peer", "a15 somebody else listens", n)
    tap.equal(len(HOOK.requests) + len(HOOK.bad), had, "a15 and is told nothing")
    HOOK.close()


def a15_tls():
    """https with a certificate of ours; the receiver has to be the one that tls-ca says."""
    global HOOK
    HOOK = HookServer(LAB.dir, tls=True, client_certificate=True)
    own = {"tls_certificate": HOOK.file("client.pem"), "tls_key": HOOK.file("client.key")}
    tap.equal(configure(HOOK, **own).status, 0, "a15 mTLS")
    tap.ok(certificate(issue()), "a15 allowed over mTLS")
    n, had = LAB.signatures(), len(HOOK.requests)
    configure(HOOK, **own, tls_ca=HOOK.file("other-ca.pem"))
    refused_for_now(issue(), "callout-tls", "a15 a server certificate of another CA", n)
    configure(HOOK)
    a = issue()
    tap.equal(a.subcode, "s:EnrollmentServer", "a15 without our certificate")
    configure(HOOK, tls_certificate=HOOK.file("stranger.pem"), tls_key=HOOK.file("stranger.key"))
    a = issue()
    tap.equal(a.subcode, "s:EnrollmentServer", "a15 with a certificate that it does not know")
    tap.equal((len(HOOK.requests), LAB.signatures()), (had, n), "a15 it was asked nothing, and nothing was signed")
    configure(HOOK, **own)
    tap.ok(certificate(issue()), "a15 and again with the right one")


def a15_configuration():
    """Mistakes that would send questions or believe answers where nobody meant to."""
    rows = (({"url": "http://localhost:1/hook"}, "https"), ({"url": "https://user:word@localhost/"}, "url"),
            ({"answer_secret_file": None}, "answer-secret-file"), ({"question_secret_file": "/nonexistent"}, "nonexistent"))
    for options, words in rows:
        r = configure(HOOK, **options)
        tap.ok(r.status != 0 and words in str(r), f"a15 refused: {options}", r)
    tap.ok(certificate(issue()), "a15 the configuration before goes on")


def counts():
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        families = openmetrics.parse(LAB.ctl("metrics", check=True).out)
        f = families.get("pkienrolld_callouts")
        if f and f.value("_total", section="authorisers", name="mdm", result="late"):
            break
        time.sleep(0.1)
    tap.ok(f and f.value("_total", section="authorisers", name="mdm", result="answered") > 0, "metrics: answered")
    tap.ok(f and f.value("_total", section="authorisers", name="mdm", result="late") >= 3, "metrics: late")
    whole = LAB.wait_status(lambda s: s["callouts"]["authorisers"]["mdm"]["in_flight"] == 0)
    tap.ok(whole and whole["callouts"]["authorisers"]["mdm"]["retries"] > 0, "status tells the same", LAB.status())
    log = LAB.read_log()
    tap.ok("callout failed" in log and '"decision"' not in log and '"csr"' not in log, "no question and no answer is in the log")
    for secret in (HOOK.question_secret, HOOK.answer_secret):
        tap.ok(secret.decode() not in log, "no secret in the log")


def stop_meanwhile():
    """A stop waits for the answer, and the client gets its certificate."""
    HOOK.decide = lambda q: {"decision": "allow"}
    HOOK.misbehave("late", seconds=0.5)
    had, answers = len(HOOK.requests), []
    t = threading.Thread(target=lambda: answers.append(LAB.issue()))
    t.start()
    tap.ok(HOOK.wait_requests(had + 1), "the authoriser is asked")
    tap.equal(LAB.stop(), 0, "the daemon stops")
    t.join()
    tap.ok(answers and certificate(answers[0]), "and answers what it began", answers and answers[0].describe())


def main():
    global LAB, HOOK
    with MdmLab() as LAB:
        HOOK = HookServer(LAB.dir, unix=True)
        r = configure(HOOK)
        tap.equal(r.status, 0, f"a template with a webhook {r}")
        tap.run(c76_question, c76_deny, c76_parameters, a15_misbehaviour, a15_answer_of_another, a15_down, a15_peer, a15_tls,
                a15_configuration, counts, stop_meanwhile)


if __name__ == "__main__":
    main()
