# SPDX-License-Identifier: Apache-2.0
"""Tokens of a custom issuer and of Entra ID against a real daemon (MS-MDE2 checklist 14 to 19, attack A12): both stages,
every refusal with its rule behind the TraceId, keys that roll, break and come back."""
import base64
import json
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jws  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import MdmLab, whole_fault, write_text  # noqa: E402

VT_JWT = "urn:ietf:params:oauth:token-type:jwt"
OTHER_TENANT = "11111111-2222-3333-4444-555555555555"
REFUSED = "The credential was refused"  # whatever was wrong
LAB = None
STS, OTHER, ENTRA = jws.Signer("sts-1"), jws.Signer("sts-1"), jws.Signer("entra-1")
ONCE = jws.Signer("once-1")
SECRETS = []


def keys_file(name):
    return os.path.join(LAB.etc, name)


def replace_keys(name, text):
    """As a careful writer does."""
    write_text(keys_file(name) + ".new", text)
    os.rename(keys_file(name) + ".new", keys_file(name))


def make_lab():
    lab = MdmLab(start=False)
    for name, text in (("sts.json", jws.jwks(STS)), ("once.json", jws.jwks(ONCE)), ("entra.json", jws.jwks(ENTRA, {"kty": "oct-ish", "kid": "new"}))):
        write_text(os.path.join(lab.etc, name), text)
    for name, options in (("sts", {"kind": "custom", "keys-file": "sts.json", "issuer": f"[{jws.CUSTOM_ISSUER}]",
                                   "audience": f"[{jws.CUSTOM_AUDIENCE}]"}),
                          ("once", {"kind": "custom", "keys-file": "once.json", "issuer": f"[{jws.CUSTOM_ISSUER}]",
                                    "audience": f"[{jws.CUSTOM_AUDIENCE}]", "one-time": "yes"}),
                          ("entra", {"kind": "entra", "keys-file": "entra.json", "audience": f"[{jws.ENTRA_AUDIENCE}]",
                                     "tenants": f"[{jws.TENANT}]"})):
        for option, value in options.items():
            lab.set_option(("token-issuers", name, option), value)
    for endpoint in ("mdm-policy", "mdm-enroll"):
        lab.set_option(("endpoints", endpoint, "credentials"), "[one-time-token, jwt, entra-jwt]")
        lab.set_option(("endpoints", endpoint, "token-issuers"), "[sts, once, entra]")
    lab.set_option(("templates", "device", "allow"), f'["*@corp.example", "*@{jws.TENANT}"]')
    return lab


def security(token, entra=False, text=None):
    SECRETS.append(token)
    return mdm.device_token(token, VT_JWT if entra else mdm.VT_USER_TOKEN, text)


def enroll(token, entra=False, kind="Full", client=None, text=None, device=None, csr=None):
    device = device or mdm.device_id()
    return (client or LAB.client()).enroll(csr or mdm.new_csr(device), device, kind,
                                           security=security(token, entra, text))


def reason(answer):
    shown = LAB.request_show(answer.trace_id) or {}
    return (shown.get("error") or {}).get("reason")


def refused(token, want, name, entra=False, text=None):
    """At both stages: the fault, the rule behind it, no signature, and the same words whatever was wrong."""
    before = LAB.signatures()
    a = LAB.client().get_policies(security=security(token, entra, text))
    whole_fault(a, 500, "s:Authentication", None, f"{name}: GetPolicies is refused")
    a = enroll(token, entra, text=text, kind="Device")
    whole_fault(a, 500, "s:Authentication", None, f"{name}: RST is refused")
    tap.equal((reason(a), a.certificate()), (want, None), f"{name}: {want}")
    tap.equal(a.reason, REFUSED, f"{name}: the client learns nothing")
    tap.equal(LAB.signatures(), before, f"{name}: the key is not used")


def status_of(name):
    return (LAB.status() or {}).get("token_issuers", {}).get(name, {})


def wait_issuer(name, condition, what):
    found = LAB.wait_status(lambda s: condition(s.get("token_issuers", {}).get(name, {})))
    tap.ok(found, what, f"{status_of(name)}\n{LAB.log_tail()}")


# ---- custom


def c14_valid():
    token, client = STS.sign(jws.custom()), LAB.client()
    for i in range(2):
        a = client.get_policies(security=security(token))
        tap.equal(a.status, 200, f"c14 GetPolicies with the token, time {i + 1}") or tap.diag(a.describe())
    a = enroll(token, client=client)
    tap.equal(a.status, 200, "c14 RST with the same token") or tap.diag(a.describe())
    cert = x509.load_der_x509_certificate(a.certificate())
    tap.equal(cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, "ada@corp.example", "c14 names its user")
    listed = LAB.ctl("--json", "cert", "list", "--principal", "ada@corp.example", check=True).json()["items"]
    shown = LAB.request_show(listed[0]["request_id"])
    tap.equal((shown["principal"], shown["credential"]), ("ada@corp.example", "jwt"), "c14 recorded with its credential")
    # as clients break lines in base64
    wrapped = mdm.wrap64(STS.sign(jws.custom()).encode(), "&#xD;\n")
    a = enroll("", text=wrapped)
    tap.equal(a.status, 200, "c14 base64 in lines") or tap.diag(a.describe())


def c14_refused():
    past = jws.times(600, 3600)
    rows = [
        ("wrong signature", OTHER.sign(jws.custom()), "jws-signature"),
        ("expired", STS.sign(jws.custom(**past)), "claims-expired"),
        ("wrong aud", STS.sign(jws.custom(aud="somebody")), "claims-aud"),
        ("wrong iss", STS.sign(jws.custom(iss="https://evil.example")), "claims-iss"),
        ("alg none", STS.sign(jws.custom(), alg="none"), "jws-algorithm"),
        ("alg nOnE", STS.sign(jws.custom(), {"alg": "nOnE"}, alg="none"), "jws-algorithm"),
        ("HS256 with the public key", STS.sign(jws.custom(), alg="HS256"), "jws-algorithm"),
        ("unknown kid", STS.sign(jws.custom(), {"kid": "../sts-1"}), "jws-key-unknown"),
        ("jku", STS.sign(jws.custom(), {"jku": "https://evil.example/keys"}), "jws-header-member"),
        ("crit", STS.sign(jws.custom(), {"crit": ["exp"]}), "jws-header-member"),
        ("not yet", STS.sign(jws.custom(nbf=int(time.time()) + 300)), "claims-nbf"),
        ("no exp", STS.sign(jws.custom(exp=None)), "claims-exp"),
        ("lives too long", STS.sign(jws.custom(exp=int(time.time()) + 90000)), "claims-lifetime"),
        ("sub is a number", STS.sign(jws.custom(sub=7)), "claims-type"),
        ("upn is a list", STS.sign(jws.custom(upn=["ada@corp.example"])), "claims-type"),
        ("no sub", STS.sign(jws.custom(sub=None)), "token-principal"),
        ("upn twice", STS.sign(json.dumps(jws.custom())[:-1] + ', "upn": "admin@corp.example"}'), "claims-json"),
        ("alg twice", STS.sign(jws.custom(), alg="RS256", raw_head='{"alg":"none","alg":"RS256","kid":"sts-1"}'), "jws-header"),
    ]
    for name, token, want in rows:
        refused(token, want, f"c14 {name}")
    good = STS.sign(jws.custom())
    refused(good + "=", "token-encoding", "c14 padding is no JWS, and no one-time token is as long")
    refused(STS.sign(jws.custom(x="y" * 9000)), "token-encoding", "c14 oversize")
    refused(base64.b64encode(good.encode()).decode(), "token-encoding", "c14 base64 twice")
    refused(good, "jws-key-unknown", "c14 a custom token is no Entra token", entra=True)


def one_time_tokens_still_work():
    LAB.add_user("bob@corp.example")
    made = LAB.mint("bob@corp.example")
    a = enroll(made["token"])
    tap.equal(a.status, 200, "a one-time token beside JWTs") or tap.diag(a.describe())


# ---- single use (checklist 15): as one-time tokens, by the jti


def once(jti, **more):
    return ONCE.sign(jws.custom(jti=jti, **more))


def certificates(device):
    return ledgerdb.rows(LAB.ledger, "SELECT r.request_id FROM request r JOIN certificate c ON c.request = r.id"
                         " WHERE r.device_id = ? AND c.der IS NOT NULL", (device,))


def used(a, name):
    whole_fault(a, 500, "s:Authentication", None, f"{name}: refused")
    tap.equal((reason(a), a.certificate()), ("token-used", None), f"{name}: token-used")


class Attempt:
    """One device with its CSR, sent as often as wanted."""

    def __init__(self, **csr):
        self.device = mdm.device_id()
        self.csr = mdm.new_csr(self.device, **csr)
        self.items = mdm.default_items(self.device, "Full")

    def send(self, token, client=None):
        return (client or LAB.client()).enroll(self.csr, self.device, security=security(token), items=self.items)


def c15_one_certificate():
    token, first = once("one"), Attempt()
    refused(once(None), "token-jti", "c15 without jti")
    for i in range(2):
        a = LAB.client().get_policies(security=security(token))
        tap.equal(a.status, 200, f"c15 GetPolicies does not use it up, time {i + 1}") or tap.diag(a.describe())
    a = first.send(token)
    tap.ok(a.certificate(), "c15 the first RST", a.describe())
    before = LAB.signatures()
    again = first.send(token)
    tap.ok(a.certificate() and again.certificate() == a.certificate(), "c15 the same RST: the same certificate",
           again.describe())
    used(Attempt().send(token), "c15 another RST with the same token")
    used(Attempt().send(once("one", name="renewed")), "c15 another token with the same jti")
    tap.equal(LAB.signatures(), before, "c15 without a signature")
    tap.equal(LAB.client().get_policies(security=security(token)).status, 200, "c15 GetPolicies asks no ledger")
    a = Attempt().send(STS.sign(jws.custom(jti="one")))
    tap.ok(a.certificate(), "c15 a jti of another issuer is another one", a.describe())
    found = ledgerdb.one(LAB.ledger, "SELECT expires_at FROM jti_use WHERE tenant = 'default' AND issuer = 'once'"
                         " AND jti = 'one'")
    tap.ok(found and found > time.time() + 600, "c15 recorded until nobody accepts it, leeway included", found)


def c15_refusals_use_nothing():
    token = once("weak")
    a = Attempt(key=mdm.new_key(1024)).send(token)
    tap.ok(a.certificate() is None and a.subcode, "c15 a weak key is refused", a.describe())
    tap.ok(Attempt().send(token).certificate(), "c15 and the token is good for the next")


def c15_renewal_uses_nothing():
    """A renewal has the recorded attributes of the old certificate, its jti among them."""
    device = mdm.Device(LAB.client(), security=security(once("renewed")))
    a = device.renew()
    tap.ok(a.certificate(), "c15 a certificate that came with a single-use token is renewed", a.describe())


def together(attempts, token):
    answers = [None] * len(attempts)

    def one(i):
        answers[i] = attempts[i].send(token)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(attempts))]
    for t in threads:
        t.start()
    return threads, answers


def c15_two_at_once():
    token, attempts, issuer = once("race"), [Attempt() for _ in range(4)], LAB.pids("issuer")[0]
    send_signal(issuer, signal.SIGSTOP)
    try:
        threads, answers = together(attempts, token)
        tap.equal(LAB.client().get_policies(security=security(token)).status, 200, "c15 at once: net and auth work on")
    finally:
        send_signal(issuer, signal.SIGCONT)
    for t in threads:
        t.join()
    issued = [a for a in answers if a and a.certificate()]
    tap.equal(len(issued), 1, "c15 at once: one certificate")
    tap.equal(sum(len(certificates(a.device)) for a in attempts), 1, "c15 at once: and no more in the ledger")
    for a in answers:
        if a not in issued:
            used(a, "c15 at once")


def c15_crash_releases():
    """The intent is durable and holds the jti, the key does not answer, and issuer dies."""
    token, attempt = once("crash"), Attempt()
    key, issuer = LAB.pids("key")[0], LAB.pids("issuer")[0]
    send_signal(key, signal.SIGSTOP)
    try:
        threads, answers = together([attempt], token)
        tap.ok(ledgerdb.request_of(LAB.ledger, attempt.device, "intent"), "c15 crash: an intent is recorded")
        used(Attempt().send(token), "c15 crash: meanwhile another RST")
        send_signal(issuer, signal.SIGKILL)
        tap.ok(LAB.wait_status(lambda s: any(r["role"] == "issuer" and r["pid"] not in (0, issuer) for r in s["roles"])),
               "c15 crash: issuer is started again")
    finally:
        try:
            send_signal(key, signal.SIGCONT)
        except ProcessLookupError:
            pass
    threads[0].join()
    tap.ok(not answers[0] or answers[0].certificate() is None, "c15 crash: no certificate", answers[0])
    tap.ok(LAB.wait_status(lambda s: s["state"] == "ready" and all(r["state"] == "ready" for r in s["roles"])) and
           LAB.wait_key("ready"), "c15 crash: the daemon is ready again", LAB.log_tail())
    tap.ok(ledgerdb.request_of(LAB.ledger, attempt.device, "abandoned"), "c15 crash: the request is abandoned")
    a = attempt.send(token)
    tap.ok(a.certificate(), "c15 crash: the client's retry gets its certificate", a.describe())
    tap.equal(len(certificates(attempt.device)), 1, "c15 crash: one")
    used(Attempt().send(token), "c15 crash: another RST")


# ---- Entra ID


def c16_valid():
    token = ENTRA.sign(jws.entra())
    a = LAB.client().get_policies(security=security(token, True))
    tap.equal(a.status, 200, "c16 GetPolicies") or tap.diag(a.describe())
    a = enroll(token, True)
    tap.equal(a.status, 200, "c16 RST, Full") or tap.diag(a.describe())
    cert = x509.load_der_x509_certificate(a.certificate())
    tap.equal(cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, "ada@corp.example", "c16 the UPN is shown")
    principal = f"{jws.OBJECT}@{jws.TENANT}"
    rows = LAB.ctl("--json", "cert", "list", "--principal", principal, check=True).json()["items"]
    tap.equal(len(rows), 1, "c16 and oid@tid is who it belongs to")
    refused(token, "token-encoding", "c16 a bare JWT", True, text=token)
    refused(base64.b64encode(token.encode()).decode(), "jws-form", "c16 base64 twice", True)


def c17_refused():
    now = int(time.time())
    rows = [
        ("unknown kid", ENTRA.sign(jws.entra(), {"kid": "entra-2"}), "jws-key-unknown"),
        ("wrong aud", ENTRA.sign(jws.entra(aud="https://graph.microsoft.com")), "claims-aud"),
        ("iss of another tenant", ENTRA.sign(jws.entra(iss=f"https://sts.windows.net/{OTHER_TENANT}/")), "claims-iss"),
        ("another tenant", ENTRA.sign(jws.entra(tid=OTHER_TENANT)), "token-tenant"),
        ("no tid", ENTRA.sign(jws.patched(jws.entra(), {"tid": None})), "token-tid"),
        ("nbf in the future", ENTRA.sign(jws.entra(nbf=now + 400)), "claims-nbf"),
        ("expired for long", ENTRA.sign(jws.entra(**jws.times(600, 1000))), "claims-expired"),
        ("another scope", ENTRA.sign(jws.entra(scp="User.Read")), "token-scope"),
        ("no scope", ENTRA.sign(jws.entra(scp=None)), "token-app-only"),
        ("app-only", ENTRA.sign(jws.entra(idtyp="app")), "token-app-only"),
        ("scp is a list", ENTRA.sign(jws.entra(scp=["mdm_delegation"])), "claims-type"),
        ("no oid", ENTRA.sign(jws.entra(oid=None)), "token-oid"),
        ("HS256 with the public key", ENTRA.sign(jws.entra(), alg="HS256"), "jws-algorithm"),
        ("signed by the custom issuer", STS.sign(jws.entra(), {"kid": "entra-1"}), "jws-signature"),
    ]
    for name, token, want in rows:
        refused(token, want, f"c17 {name}", True)
    for name, patch in (("4 minutes ahead", {"nbf": now + 240, "iat": now + 240}), ("4 minutes over", jws.times(600, 840))):
        a = enroll(ENTRA.sign(jws.entra(**patch)), True)
        tap.equal(a.status, 200, f"c17 a clock {name} is tolerated") or tap.diag(a.describe())


def c19_upn():
    token = ENTRA.sign(jws.entra(upn=None, unique_name=None, oid="3c0a5d6e-95e0-4a4f-8f0b-3b0f6a2c77ab"))
    a = enroll(token, True, "Device")
    tap.equal(a.status, 200, "c19 without upn, Device") or tap.diag(a.describe())
    package = ENTRA.sign(jws.entra(upn=f"package_3c0a5d6e-95e0-4a4f-8f0b-3b0f6a2c77ab@{jws.TENANT}",
                                   oid="3c0a5d6e-95e0-4a4f-8f0b-3b0f6a2c77ac"))
    tap.equal(enroll(package, True, "Device").status, 200, "c19 mdm.md 4.2: nor need it be a person's, Device")
    before = LAB.signatures()
    a = enroll(token, True, "Full")
    tap.ok(a.status == 500 and a.certificate() is None, "c19 without upn, Full is refused", a.describe())
    tap.equal(reason(a), "upn-missing", "c19 for that reason")
    tap.equal(LAB.signatures(), before, "c19 and the key is not used")


EXAMPLE_DEVICE = "8090C8B484A0E24EB5C56E806CB4EE5B"


def example_10():
    """The published messages of a custom token, theirs and one of today: both stages, extra children, attestation items."""
    folder = os.path.join(os.environ["top_srcdir"], "tests", "data", "mdm")
    c = LAB.client()
    LAB.ctl("device", "release", EXAMPLE_DEVICE, check=True)  # of example 11, another user's
    LAB.set_option(("token-issuers", "sts", "principal-claim"), "upn")
    LAB.ctl("reload", check=True)
    for name, path in (("01-getpolicies-federated-custom.req.xml", c.policy_path),
                       ("04-getpolicies-win11-extra-client-children.req.xml", c.policy_path),
                       ("10-rst-issue-federated-custom.req.xml", c.enroll_path),
                       ("14-rst-issue-v5-attestation-items.req.xml", c.enroll_path)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text = f.read()
        csr = re.search(r'#PKCS10"[^>]*>([^<]+)<', text)  # all examples have one key: here each has its own
        text = text.replace(csr[1], mdm.wrap64(mdm.new_csr(EXAMPLE_DEVICE))) if csr else text
        old = re.search(r'DeviceEnrollmentUserToken"[^>]*>([^<]+)<', text)[1]
        body = json.loads(base64.urlsafe_b64decode(base64.b64decode(old).decode().split(".")[1] + "=="))
        a = c.request("POST", path, text)
        tap.equal((a.subcode, reason(a)), ("s:Authentication", "jws-key-unknown"), f"{name}: its key is not known")
        fresh = STS.sign({**body, "iss": jws.CUSTOM_ISSUER, "aud": jws.CUSTOM_AUDIENCE, **jws.times()})
        SECRETS.append(fresh)
        a = c.request("POST", path, text.replace(old, base64.b64encode(fresh.encode()).decode()))
        if path == c.policy_path:
            tap.equal(a.status, 200, f"{name} with a fresh token") or tap.diag(a.describe())
        else:
            tokens = a.root.findall("./s:Body/wst:RequestSecurityTokenResponseCollection//wsse:BinarySecurityToken", mdm.NS)
            tap.ok(a.certificate() and [t.get("ValueType") for t in tokens] == [mdm.VT_PROVDOC],
                   f"c34 {name} with a fresh token", a.describe())
    LAB.set_option(("token-issuers", "sts", "principal-claim"), None)
    LAB.ctl("reload", check=True)


def example_11():
    """The published example with a token of today: its own has expired."""
    with open(os.path.join(os.environ["top_srcdir"], "tests", "data", "mdm", "11-rst-issue-entra-jwt-device.req.xml"),
              encoding="utf-8") as f:
        text = f.read()
    old = re.search(r'token-type:jwt"[^>]*>([^<]+)<', text)[1]
    head, body = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in base64.b64decode(old).decode().split(".")[:2])
    tap.equal((head["alg"], body["tid"]), ("RS256", jws.TENANT), "example 11 is of our tenant")
    a = LAB.client().request("POST", LAB.client().enroll_path, text)
    tap.equal((a.subcode, reason(a)), ("s:Authentication", "jws-key-unknown"), "example 11 as it is: its key is not known")
    fresh = ENTRA.sign({**body, **jws.times(3600)}, {"x5t": "AA"})
    SECRETS.append(fresh)
    fresh = base64.b64encode(fresh.encode()).decode()
    a = LAB.client().request("POST", LAB.client().enroll_path, text.replace(old, fresh))
    tap.ok(a.certificate(), "example 11 with a fresh token", a.describe())
    stores = [n.get("type") for n in a.provisioning().findall(".//characteristic[@type='My']/characteristic")]
    tap.equal(stores[:1], ["System"], "example 11: a device's certificate")


# ---- keys


def c18_keys():
    rolled = jws.Signer("entra-2")
    token = rolled.sign(jws.entra())
    pids = LAB.pids("auth")
    unknown = status_of("entra").get("unknown_kids", 0)
    refused(token, "jws-key-unknown", "c18 a new key", True)
    wait_issuer("entra", lambda s: s.get("unknown_kids", 0) >= unknown + 2, "c18 status counts unknown kids")
    tap.ok("does not have" in LAB.read_log() and "entra-2" in LAB.read_log(), "c18 and the log names it")
    replace_keys("entra.json", jws.jwks(ENTRA, rolled))
    a = enroll(token, True)
    tap.equal(a.status, 200, "c18 accepted as soon as the file has the key") or tap.diag(a.describe())
    wait_issuer("entra", lambda s: s.get("keys") == 2 and not s.get("error"), "c18 status tells two keys")
    for broken in ("", '{"keys":[', json.dumps({"keys": []}), json.dumps({"keys": [ENTRA.jwk(d="AQ")]})):
        replace_keys("entra.json", broken)
        a = LAB.client().get_policies(security=security(token, True))
        tap.equal(a.status, 200, f"c18 the last good keys stay, file {broken[:12]!r}") or tap.diag(a.describe())
    wait_issuer("entra", lambda s: s.get("error") and s.get("keys") == 2, "c18 status tells the error")
    shown = LAB.ctl("status").out
    tap.ok(re.search(r"entra.*", shown) and "private" in shown, "c18 pkienrollctl status tells it", shown)
    tap.ok(LAB.ctl("reload").status == 0, "c18 a reload keeps them too")
    a = LAB.client().get_policies(security=security(token, True))
    tap.equal(a.status, 200, "c18 after the reload") or tap.diag(a.describe())
    replace_keys("entra.json", jws.jwks(rolled))
    refused(ENTRA.sign(jws.entra()), "jws-key-unknown", "c18 a key that was taken out", True)
    wait_issuer("entra", lambda s: s.get("keys") == 1 and not s.get("error"), "c18 status is well again")
    tap.equal(LAB.pids("auth"), pids, "c18 without a restart")


def c18_odd_keys():
    """What an issuer publishes besides does not keep its new key out; what a key is not for it does not sign."""
    new, twin, consumers = jws.Signer("entra-3"), jws.Signer("legacy"), jws.Signer("consumers")
    v2 = "https://login.microsoftonline.com/{}/v2.0"
    replace_keys("entra.json", jws.jwks(
        jws.weak_jwk("weak"), new.jwk(kid="k" * 129), twin, new.jwk(kid="legacy"), new.jwk(issuer=v2.format("{tenantid}")),
        consumers.jwk(issuer=v2.format("9188040d-6c67-4c5b-b112-36a304b66dad"))))
    a = enroll(new.sign(jws.entra()), True)
    tap.equal(a.status, 200, "c18 a new key among odd ones") or tap.diag(a.describe())
    wait_issuer("entra", lambda s: (s.get("keys"), s.get("unfit_keys"), s.get("error")) == (2, 4, None), "c18 status counts them")
    tap.ok("passed over" in LAB.read_log() and "1024 bits" in LAB.read_log(), "c18 and the log tells why")
    refused(twin.sign(jws.entra()), "jws-key-unknown", "c18 a kid of two keys", True)
    wait_issuer("entra", lambda s: s.get("unknown_kid") == "legacy" and s.get("unknown_kid_time"), "c18 status names the kid")
    refused(consumers.sign(jws.entra()), "token-key-issuer", "a key of another tenant", True)
    refused(STS.sign(jws.custom(sub=f"{jws.OBJECT}@{jws.TENANT}")), "token-principal", "a custom token of an Entra principal")


def broken_at_start():
    """A broken key file does not take the daemon down, only its tokens."""
    for name in ("sts.json", "once.json"):
        replace_keys(name, "broken")
    LAB.restart()
    a = enroll(STS.sign(jws.custom()))
    whole_fault(a, 500, "s:EnrollmentServer", None, "no keys at start: the server's fault, not the token's")
    replace_keys("sts.json", jws.jwks(STS))
    a = enroll(STS.sign(jws.custom()))
    tap.equal(a.status, 200, "and the keys come without a restart") or tap.diag(a.describe())
    good = open(LAB.config, encoding="utf-8").read()
    LAB.set_option(("token-issuers", "sts", "keys-file"), "nothing.json")
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and "nothing.json" in r.err, "a reload that names a file that is not there is refused", str(r))
    write_text(LAB.config, good)


def nothing_leaks():
    """A12: no part of a token that was shown to the daemon is in its log."""
    log = LAB.read_log()
    parts = [p for t in SECRETS for p in t.split(".")[1:] if len(p) > 40]
    tap.ok(len(parts) > 50 and "authentication refused" in log, "there are tokens to look for")
    found = [p[:20] for p in parts if p[:40] in log]
    tap.equal(found, [], "no token is in the log")


def main():
    global LAB
    with make_lab() as LAB:
        LAB.start()
        tap.run(c14_valid, c14_refused, one_time_tokens_still_work, c15_one_certificate, c15_refusals_use_nothing,
                c15_renewal_uses_nothing, c15_two_at_once, c15_crash_releases, c16_valid, c17_refused, c19_upn, example_11, example_10,
                c18_keys, c18_odd_keys, broken_at_start, nothing_leaks)


main()
