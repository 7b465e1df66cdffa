# SPDX-License-Identifier: Apache-2.0
"""Credentials that only the frontend knows: an opaque token of its sign-in page, or a user's password. It is asked at both
stages; what it says makes the identity, and nothing but its own answer to this very question does (attack A15)."""
import base64
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jsonschema  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from hookserver import HookServer  # noqa: E402
from mdmlab import MdmLab, whole_fault  # noqa: E402

SCHEMAS = os.path.join(os.environ["top_srcdir"], "dist", "schema")
TOKEN, USER, PASSWORD = "opaque/token of the sign-in page", "eve@frontend.example", "pässword <of> the frontend"
ENDPOINTS = ("mdm-policy", "mdm-enroll")
WHO = {"name": USER, "user_id": "4711", "claims": {"upn": USER, "name": "Eve", "department": "7"}}
LAB = HOOK = None


def schema(name):
    with open(os.path.join(SCHEMAS, f"{name}.schema.json"), encoding="utf-8") as f:
        s = json.load(f)
    jsonschema.Draft202012Validator.check_schema(s)
    return jsonschema.Draft202012Validator(s)


def problems(name, value):
    return [f"{list(e.path)}: {e.message}" for e in schema(name).iter_errors(value)]


def knows(question):
    """The frontend: one token, one user."""
    c = question.json()["credential"]
    good = base64.b64decode(c["token"]) == TOKEN.encode() if c["kind"] == "frontend-token" else \
        (c["username"], c["password"]) == (USER, PASSWORD)
    return {"decision": "allow", "principal": WHO} if good else {"decision": "deny"}


def behave(how="answer", decide=knows, **args):
    HOOK.decide = decide
    HOOK.misbehave(how, **args)


def enroll(security, device=None, key=None):
    device = device or mdm.device_id()
    key = key or mdm.new_key()
    return LAB.client().enroll(mdm.new_csr(device, key), device, security=security)


def policies(security):
    return LAB.client().get_policies(security=security)


def newest():
    """The record of what was issued last."""
    request = LAB.ctl("--json", "request", "list", "--limit", "1", check=True).json()["items"][0]
    return LAB.ctl("--json", "request", "show", request["request_id"], check=True).json()


def by_token():
    behave()
    n = len(HOOK.requests)
    a = policies(mdm.device_token(TOKEN))
    tap.equal(a.status, 200, "the policy for a token of the frontend")
    a = enroll(mdm.device_token(TOKEN))
    tap.ok(a.certificate(), "and a certificate", a.describe())
    tap.equal(len(HOOK.requests), n + 2, "one question at each stage")
    policy, rst = (q.json() for q in HOOK.requests[n:])
    tap.equal(problems("authenticate-question", policy) + problems("authenticate-question", rst), [], "both as the schema says")
    tap.equal((policy["stage"], policy["request_sha256"], rst["stage"], len(rst["request_sha256"])), ("policy", None, "enroll", 64),
              "the question is about this request")
    answer = json.loads(HOOK.answer_body(HOOK.requests[-1]))
    tap.equal(problems("authenticate-answer", answer), [], "the answer as the schema says")
    record = newest()
    tap.equal((record["principal"], record["user_id"], record["credential"]), (USER, "mdm:4711", "frontend-token"), "whose it is")
    attributes = {x["name"]: x["value"] for x in record["attributes"]}
    tap.equal((attributes.get("department"), attributes.get("authenticator")), ("7", "mdm"), "its claims are recorded")
    tap.ok(TOKEN not in LAB.read_log() and base64.b64encode(TOKEN.encode()).decode() not in LAB.read_log(), "the token is in no log")
    whole_fault(enroll(mdm.device_token("another")), 500, "s:Authentication", None, "a token that it does not know")
    jws = mdm.device_token("aaaa.bbbb.cccc")
    had = len(HOOK.requests)
    whole_fault(enroll(jws), 500, "s:Authentication", None, "a token in the form of a JWT is the frontend's, too")
    tap.equal(len(HOOK.requests), had + 1, "where the endpoint takes no JWT")


def by_password():
    behave()
    a = enroll(mdm.username_token(USER, PASSWORD))
    tap.ok(a.certificate(), "a password that the frontend knows", a.describe())
    tap.equal(newest()["credential"], "frontend-password", "by its kind")
    tap.ok(PASSWORD not in LAB.read_log(), "the password is in no log")
    n = len(HOOK.requests)
    for _ in range(40):
        a = enroll(mdm.username_token("mallory@frontend.example", "guess"))
    whole_fault(a, 500, "s:Authentication", None, "guessing")
    tap.ok(len(HOOK.requests) - n < 40, "back-off: the frontend is spared", len(HOOK.requests) - n)


def denied():
    for answer, subcode, error in (({"decision": "deny"}, "s:Authentication", None),
                                   ({"decision": "deny", "fault": "Authorization"}, "s:Authorization", None),
                                   ({"decision": "deny", "fault": "UserLicense"}, None, "UserLicense")):
        behave(decide=lambda q, answer=answer: answer)
        a = enroll(mdm.device_token(TOKEN))
        tap.ok(a.status == 500 and (subcode is None or a.subcode == subcode) and (error is None or a.error_type == error),
               f"denied: {answer}", a.describe())
    behave(decide=lambda q: {"decision": "deny", "text": "Your <account> is locked"})
    a = enroll(mdm.device_token(TOKEN))
    tap.ok("Your <account> is locked" in a.reason, "with a text that the user reads", a.describe())


def no_answer():
    """For now, not for good, and never a certificate."""
    n = LAB.signatures()
    cases = [(how, knows, {}) for how in
             ("unsigned", "bad_signature", "redirect", "no_http", "close", "half", "text", "big", "other_id", "other_body", "two_signatures")]
    bad = [{"decision": "allow"}, {"decision": "pend"}, {"decision": "deny", "principal": WHO},
           {"decision": "allow", "principal": {**WHO, "claims": {"key-sha256": "00"}}},
           {"decision": "allow", "principal": {**WHO, "claims": {"certificate-sha256": "00"}}},
           {"decision": "allow", "principal": {**WHO, "claims": {"upn": ["a@b"]}}},
           {"decision": "allow", "principal": {"user_id": "1"}}, {"decision": "allow", "principal": {**WHO, "name": ""}},
           {"decision": "allow", "principal": {**WHO, "admin": True}}, {"decision": "allow", "principal": WHO, "text": "x"},
           {"decision": "allow", "principal": WHO, "parameters": {}},
           {"decision": "allow", "principal": WHO, "id": "5f9c3a3e-0000-4000-8000-000000000001"}]
    cases += [("answer", lambda q, answer=answer: answer, {}) for answer in bad]
    for how, decide, args in cases:
        behave(how, decide, **args)
        a = enroll(mdm.device_token(TOKEN))
        whole_fault(a, 500, "s:EnrollmentServer", None, f"no answer: {how} {str(decide(HOOK.requests[-1]))[:60] if how == 'answer' else ''}")
    for answer in bad[:-1]:
        tap.ok(problems("authenticate-answer", {"version": 1, "id": "x", **answer}), f"the schema refuses it, too: {str(answer)[:60]}")
    behave(decide=lambda q: {"decision": "allow", "principal": {"name": "0b0e1f6c-91c1-4d0a-b7a2-0d9c0e7a8f11@6f0d7c1e-3f0b-4d0c-9a53-1d7f5f1f9a10"}})
    whole_fault(enroll(mdm.device_token(TOKEN)), 500, "s:Authentication", None, "a principal of Entra is not the frontend's to name")
    tap.equal(LAB.signatures(), n, "nothing was signed")
    behave()
    tap.ok(enroll(mdm.device_token(TOKEN)).certificate(), "and it goes on")


def of_another_question():
    """The honest yes to one attempt is none for the next: the signature names the question."""
    first = []

    def remember(q):
        first.append(q)
        return knows(q)

    behave(decide=remember)
    tap.ok(enroll(mdm.device_token(TOKEN)).certificate(), "a first attempt")
    before = HOOK.signature

    def of_the_first(q, body, id_=None, question=None):
        return before(q, body, first[0].id, first[0].body)

    HOOK.signature = of_the_first
    whole_fault(enroll(mdm.device_token(TOKEN)), 500, "s:EnrollmentServer", None, "a signature for the first is none for the second")
    HOOK.signature = before


def down():
    global HOOK
    HOOK.close()
    whole_fault(enroll(mdm.device_token(TOKEN)), 500, "s:EnrollmentServer", None, "nobody there")
    whole_fault(policies(mdm.device_token(TOKEN)), 500, "s:EnrollmentServer", None, "nor for the policy")
    HOOK = HookServer(LAB.dir, unix=True)
    behave()
    tap.ok(enroll(mdm.device_token(TOKEN)).certificate(), "it is back")


def renewal_needs_nobody():
    behave()
    device = mdm.Device(LAB.client(), security=mdm.device_token(TOKEN))
    n = len(HOOK.requests)
    tap.ok(device.renew().certificate(), "a renewal is told by its certificate")
    tap.equal(len(HOOK.requests), n, "and the frontend is not asked who it is")


def configuration():
    for options, words in (({"credentials": "[frontend-token, one-time-token]"}, "cannot be told apart"),
                           ({"credentials": "[frontend-password, username]"}, "cannot be told apart"),
                           ({"authenticator": None}, "is needed for frontend-token"),
                           ({"credentials": "[username]"}, "has no effect"),
                           ({"authenticator": "nobody"}, "there is no authoriser nobody")):
        for option, value in options.items():
            LAB.set_option(("endpoints", "mdm-enroll", option), value)
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and words in str(r), f"refused: {options}", r)
        LAB.set_option(("endpoints", "mdm-enroll", "credentials"), "[frontend-token, frontend-password]")
        LAB.set_option(("endpoints", "mdm-enroll", "authenticator"), "mdm")
    tap.equal(LAB.ctl("reload").status, 0, "and the good one is taken")


def the_record_is_whole():
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger and its chain are whole")
    with open(LAB.ledger, "rb") as f:
        data = f.read()
    for secret in (TOKEN, PASSWORD):
        tap.ok(secret.encode() not in data and base64.b64encode(secret.encode()) not in data and
               hashlib.sha256(secret.encode()).digest() not in data, "no credential in the ledger")


def main():
    global LAB, HOOK
    with MdmLab(start=False) as LAB:
        HOOK = HookServer(LAB.dir, unix=True)
        question, answer = HOOK.secret_files()
        for name, value in {"kind": "webhook", "url": HOOK.url(), "unix": HOOK.unix, "question-secret-file": question,
                            "answer-secret-file": answer, "timeout": "1s"}.items():
            LAB.set_option(("authorisers", "mdm", name), value)
        for endpoint in ENDPOINTS:
            LAB.set_option(("endpoints", endpoint, "credentials"), "[frontend-token, frontend-password]")
            LAB.set_option(("endpoints", endpoint, "authenticator"), "mdm")
            LAB.set_option(("endpoints", endpoint, "token-issuers"), None)
        LAB.set_option(("templates", "device", "allow"), '["*@frontend.example"]')
        LAB.start()
        tap.run(by_token, by_password, denied, no_answer, of_another_question, down, renewal_needs_nobody, configuration,
                the_record_is_whole)


if __name__ == "__main__":
    main()
