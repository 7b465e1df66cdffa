# SPDX-License-Identifier: Apache-2.0
"""Three tenants of one daemon (mdm.md 14; attacks A14, A15): host and path only select, the credential must be the
tenant's; the same device, user and CSR in two tenants are two; every verb of the control API against another tenant's
objects, by a frontend and by an operator."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import openmetrics  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from hookserver import HookServer  # noqa: E402
from lab import CTL, USER  # noqa: E402
from mdmlab import write_text  # noqa: E402
from tenantlab import HOSTS, TENANTS, TenantLab  # noqa: E402

LAB = None
BLUE_USER, OTHER_USER = "zoe@lab.example", "yan@lab.example"  # of blue only; the other never tries elsewhere
DEVICES = {}  # tenant -> mdm.Device


def items(tenant, *words):
    return LAB.ctl("--json", "--tenant", tenant, *words, check=True).json()["items"]


def row_of(answer):
    return LAB.request_show(answer.trace_id) or {}


def refused(answer, reason, name, tenant="blue", subcode="s:Authentication"):
    """The fault, and in the record of the tenant that was asked nothing of the one whose credential it was."""
    row = row_of(answer)
    tap.equal((answer.status, answer.subcode, answer.certificate()), (500, subcode, None), f"{name}: refused") or \
        tap.diag(answer.describe())
    tap.equal(((row.get("error") or {}).get("reason"), row.get("tenant")), (reason, tenant), f"{name}: recorded as {reason}")
    return row


# ---- what selects


def host_selects():
    client = LAB.at("red", password="pw of red")
    for tenant in TENANTS:
        a = LAB.at(tenant, password=f"pw of {tenant}").get_policies()
        tap.equal(a.status, 200, f"GetPolicies at {tenant}") or tap.diag(a.describe())
    for name, host, status in (("an unknown host", "evil.example", 421), ("the address", f"127.0.0.1:{client.port}", 421),
                               ("no host", "", 421), ("a name below", "x.red.example", 421),
                               ("upper case and a port", "RED.example:8443", 200)):
        a = client.get_policies(headers={"Host": host})
        tap.equal(a.status, status, f"{name} reaches {'red' if status == 200 else 'nobody'}")
    green = LAB.at("green", password="pw of green")
    tap.equal(green.get_policies(headers={"Host": HOSTS["red"]}).status, 421, "by red's host nothing of green is reached")
    tap.equal(green.get_policies(headers={"Host": "any.example"}).status, 200, "the prefix alone leads to green")
    a = client.request("POST", "/red/EnrollmentServer/Policy.svc", b"x")
    tap.equal(a.status, 404, "a prefix that nobody has")
    urls = LAB.status()["urls"]
    tap.equal([urls[n].split("/", 3)[2].split(":")[0] + "/" + urls[n].split("/", 3)[3].split("/")[0]
               for n in ("mdm-policy", "blue-mdm-policy", "green-mdm-policy")],
              ["red.example/EnrollmentServer", "blue.example/EnrollmentServer", "127.0.0.1/green"], "the URLs that are told")


def same_names_are_two():
    """One device id, user, key and CSR in two tenants: two of each, and no replay."""
    device, key = mdm.device_id(), mdm.new_key()
    csr = mdm.new_csr(device, key)
    answers = {t: LAB.at(t, password=f"pw of {t}").enroll(csr, device, "Full") for t in ("red", "blue")}
    ders = {t: a.certificate() for t, a in answers.items()}
    if not tap.ok(all(ders.values()), "the same CSR is issued in both", "\n".join(a.describe() for a in answers.values())):
        return
    tap.ok(ders["red"] != ders["blue"], "and the second is no replay of the first")
    again = LAB.at("red", password="pw of red").enroll(csr, device, "Full").certificate()
    tap.equal(again, ders["red"], "which it would be in the same tenant")
    for tenant, der in ders.items():
        d = DEVICES[tenant] = mdm.Device.__new__(mdm.Device)
        d.client, d.kind, d.id, d.key, d.der = LAB.at(tenant), "Full", device, key, der
        shown = LAB.ctl("--json", "--tenant", tenant, "device", "show", device, check=True).json()
        tap.equal((shown["tenant"], shown["principal"], shown["live"]), (tenant, USER, True), f"the device of {tenant}")
        serials = [r["serial"] for r in items(tenant, "cert", "list", "--device", device)]
        tap.equal(serials, [f"{x509.load_der_x509_certificate(der).serial_number:x}"], f"its certificate of {tenant}")
    r = LAB.ctl("--json", "device", "show", device)
    tap.ok(r.status == 1 and "device-ambiguous" in r.out + r.err or "several tenants" in r.out + r.err,
           "without a tenant the device is ambiguous", r)
    LAB.ctl("--tenant", "red", "device", "block", device, check=True)
    tap.equal(LAB.at("blue", password="pw of blue").enroll(mdm.new_csr(device), device, "Full").status, 200,
              "a block in red is none in blue")
    LAB.ctl("--tenant", "red", "device", "unblock", device, check=True)
    r = LAB.ctl("device", "block", device)
    tap.ok(r.status != 0 and "say which one" in r.err, "a change needs its tenant", r)


# ---- A14: the credential of one tenant at another


def a14_password():
    device = mdm.device_id()
    a = LAB.at("blue", password="pw of red").enroll(mdm.new_csr(device), device)
    refused(a, "credential", "a14 red's password of the same user at blue")
    a = LAB.at("blue", BLUE_USER, "pw of blue").enroll(mdm.new_csr(device), device)
    tap.equal(a.status, 200, "a14 a user of blue enrolls there") or tap.diag(a.describe())
    a = LAB.at("red", BLUE_USER, "pw of blue").enroll(mdm.new_csr(device), device)
    refused(a, "credential", "a14 a user of blue at red", "red")


def a14_one_time_token():
    token = LAB.ctl("--json", "--tenant", "red", "token", "mint", USER, check=True).json()
    device = mdm.device_id()
    csr = mdm.new_csr(device)
    for stage in ("policy", "enroll"):
        client, security = LAB.at("blue"), mdm.device_token(token["token"])
        a = client.get_policies(security=security) if stage == "policy" else client.enroll(csr, device, security=security)
        row = refused(a, "token-unknown", f"a14 red's one-time token at blue, {stage}")
        tap.ok(USER not in json.dumps(row), f"a14 and blue does not learn whose it is, {stage}", row)
    tap.equal([t["used"] for t in items("red", "token", "list") if t["id"] == token["id"]], [0], "a14 it is not used up")
    tap.equal([t for t in items("blue", "token", "list") if t["id"] == token["id"]], [], "a14 nor listed at blue")
    a = LAB.at("red").enroll(csr, device, security=mdm.device_token(token["token"]))
    tap.equal(a.status, 200, "a14 it is good at red") or tap.diag(a.describe())
    r = LAB.ctl("token", "mint", USER)
    tap.ok(r.status != 0 and "say which one" in r.err, "a14 a token is never of whichever tenant", r)


def a14_jwt():
    for aud, at, good in (("red", "red", True), ("red", "blue", False), ("blue", "green", False)):
        device = mdm.device_id()
        a = LAB.at(at).enroll(mdm.new_csr(device), device, security=mdm.device_token(LAB.jwt(aud)))
        if good:
            tap.equal(a.status, 200, f"a14 a token for {aud} at {at}") or tap.diag(a.describe())
        else:
            refused(a, "claims-aud", f"a14 a token for {aud} at {at}", at)


def a14_shared_audience():
    """An aud of two tenants is refused where it stands."""
    path = ("token-issuers", "blue-frontend", "audience")
    LAB.set_option(path, '["https://red.example"]')
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and re.search(r":\d+:\d+: token-issuers.*: the audience https://red.example is the tenant", str(r)),
           "a14 an audience of two tenants is refused with its line", r)
    LAB.set_option(path, '["https://blue.example"]')
    LAB.ctl("reload", check=True)


def a14_renewal():
    d = DEVICES["red"]
    a = LAB.at("blue").renew(d.cms(), d.id, d.kind)
    row = refused(a, "renew-unknown", "a14 red's device renews at blue", subcode="s:CertificateRequest")
    tap.equal((row.get("principal"), row.get("user_id"), row.get("renews")), (None, None, None),
              "a14 and blue does not learn whose it was")
    a = LAB.at("red").renew(d.cms(), d.id, d.kind)
    tap.ok(a.certificate(), "a14 it renews at red", a.describe())


def pem_of(d):
    path = os.path.join(LAB.etc, "client.pem")
    write_text(path, x509.load_der_x509_certificate(d.der).public_bytes(serialization.Encoding.PEM).decode() +
               d.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                   serialization.NoEncryption()).decode())
    return path


def a14_client_certificate():
    d = DEVICES["red"]
    device = mdm.device_id()
    a = LAB.at("blue", pem=pem_of(d)).enroll(mdm.new_csr(device), device, "Device", security=None)
    refused(a, "certificate-not-issued", "a14 a certificate of red's device at blue")
    a = LAB.at("blue", pem=pem_of(d)).get_policies(security=mdm.username_token(USER, ""))
    refused(a, "renew-unknown", "a14 and the policy for its renewal")
    a = LAB.at("red", pem=pem_of(d)).enroll(mdm.new_csr(device), device, "Device", security=None)
    tap.equal(a.status, 200, "a14 it is a credential at red") or tap.diag(a.describe())


def a14_back_off():
    """Who is locked out at red is not at blue."""
    for _ in range(5):
        for i in range(6):
            LAB.at("red", password=f"wrong {i}").get_policies()
        locked = LAB.at("red", password="pw of red").get_policies().status
        if locked != 200:
            break
    tap.equal(locked, 500, "a14 after wrong passwords the user is locked out at red")
    tap.equal(LAB.at("blue", password="pw of blue").get_policies().status, 200, "a14 and not at blue")


# ---- every verb


class Objects:
    """What a caller names: blue's, or what does not exist."""

    def __init__(self, **names):
        self.__dict__.update(names)

    def hide(self, text):
        for name in sorted(self.__dict__.values(), key=len, reverse=True):
            text = text.replace(name, "*")
        return text


# Each verb of the table: the words that name an object o. A verb without a line here fails the test.
MATRIX = {
    "status": ("status",), "version": ("version",), "metrics": ("metrics",), "reload": ("reload",), "drain": ("drain",),
    "resume": ("resume",), "issuer-list": ("issuer", "list"), "issuer-show": ("issuer", "show", "lab"),
    "issuer-schedule": ("issuer", "schedule", "lab", "lab"), "issuer-acknowledge": ("issuer", "acknowledge", "lab"),
    "issuer-switch": ("issuer", "switch", "lab"), "issuer-cancel": ("issuer", "cancel", "lab"),
    "template-list": ("template", "list"), "template-show": ("template", "show", "{template}"),
    "key-list": ("key", "list"), "key-show": ("key", "show", "lab-ca"), "key-test": ("key", "test", "lab-ca"),
    "key-unlock": ("key", "unlock", "lab-ca"), "key-pause": ("key", "pause", "lab-ca"), "key-resume": ("key", "resume", "lab-ca"),
    "request-list": ("request", "list"), "request-show": ("request", "show", "{request}"),
    "request-approve": ("request", "approve", "{pending}"), "request-deny": ("request", "deny", "{pending}"),
    "cert-list": ("cert", "list", "--device", "{device}"), "cert-show": ("cert", "show", "{serial}"),
    "cert-confirm": ("cert", "confirm", "{serial}"), "cert-revoke": ("cert", "revoke", "{sha256}"),
    "cert-release": ("cert", "release", "{request}"),
    "crl-list": ("crl", "list"), "crl-show": ("crl", "show", "lab"), "crl-publish": ("crl", "publish"),
    "device-list": ("device", "list", "--principal", "{user}"), "device-show": ("device", "show", "{device}"),
    "device-release": ("device", "release", "{device}"), "device-block": ("device", "block", "{device}"),
    "device-unblock": ("device", "unblock", "{device}"), "device-allow-recovery": ("device", "allow-recovery", "{device}"),
    "device-allow-renewal": ("device", "allow-renewal", "{device}"), "device-revoke": ("device", "revoke", "{device}"),
    "device-release-hold": ("device", "release-hold", "{device}"),
    "user-list": ("user", "list"), "user-add": ("user", "add", "{user}", "--password-file", "-"),
    "user-remove": ("user", "remove", "{user}"), "user-revoke": ("user", "revoke", "{user}"),
    "user-release-hold": ("user", "release-hold", "{user}"),
    "token-mint": ("token", "mint", "{user}"), "token-list": ("token", "list"), "token-revoke": ("token", "revoke", "{token}"),
    "events": ("events", "--kind", "issued"), "events-dead": ("events", "dead", "{sink}"),
    "events-retry": ("events", "retry", "{sink}", "event-1"),
    "cert-import": ("cert", "import", "{template}", "{list}"), "openapi": ("openapi",), "template-issuer": ("template", "issuer", "{template}"),
    "sign": ("sign", "{template}", "{user}", "{device}", "{csr}"), "renew": ("renew", "{template}", "{csr}"),
    "sign-batch": ("sign", "batch", '[{{"template": "{template}", "principal": "{user}", "device_id": "{device}", "csr": "MAA="}}]'),
    "token-check": ("token", "check", "--token-file", "-"),
    "simulate": ("simulate", "{user}", "{csr}", "--template", "{template}"),
}
ABOUT_THE_API = {"version", "openapi"}
MAKES = {"user-add", "token-mint"}  # they name nothing that is there


def table():
    """(token, words, takes --tenant, open to frontends) of every verb, as the program has them."""
    out = []
    for line in LAB.run([CTL, "--commands"], check=True).out.splitlines():
        words, _, _, _, token, options, _ = line.split("\t")
        shown = LAB.run([CTL, *words.split(), "--help"], check=True).out
        out.append((token, words, "--tenant" in options.split(), "or a frontend" in shown))
    return out


def all_verbs_are_in_the_matrix():
    rows = table()
    tap.equal(sorted(r[0] for r in rows), sorted(MATRIX), "every verb has its line in this test")
    for token, words, tenant, frontend in rows:
        tap.ok(MATRIX[token][:len(words.split())] == tuple(words.split()), f"{token}: the line is of this verb")
        if frontend and token not in ABOUT_THE_API:
            tap.ok(tenant, f"{token}: open to frontends, so it names a tenant")


def make_objects():
    """Something of everything at blue that red has not, and names that nobody has."""
    device = mdm.device_id()
    a = LAB.at("blue", OTHER_USER, "pw of blue").enroll(mdm.new_csr(device), device)
    cert = items("blue", "cert", "list", "--device", device)[0]
    token = LAB.ctl("--json", "--tenant", "blue", "token", "mint", OTHER_USER, check=True).json()
    waiting = mdm.device_id()
    LAB.set_option(("templates", "blue-device", "approval"), "operator")
    LAB.ctl("reload", check=True)
    pending = LAB.at("blue", "waiting@lab.example", "pw of blue").enroll(mdm.new_csr(waiting), waiting)
    LAB.set_option(("templates", "blue-device", "approval"), None)
    LAB.ctl("reload", check=True)
    tap.equal((a.status, row_of(pending).get("state")), (200, "pending"), "what blue has") or tap.diag(pending.describe())
    csr = os.path.join(os.path.dirname(LAB.socket), "any.csr")  # where every user can read it
    with open(csr, "wb") as f:
        f.write(mdm.new_csr(mdm.device_id()))
    os.chmod(csr, 0o644)
    blue = Objects(device=device, user=OTHER_USER, serial=cert["serial"], sha256=cert["sha256"], request=cert["request_id"],
                   token=token["id"], template="blue-device", pending=pending.trace_id, sink="blue-sink")
    none = Objects(device=mdm.device_id(), user="nobody-at-all@lab.example", serial="7e" + "0f" * 8, sha256="ab" * 32,
                   request="00000000-0000-4000-8000-000000000001", token="00" * 8, template="no-device",
                   pending="00000000-0000-4000-8000-000000000002", sink="no-sink")
    blue.csr = none.csr = csr
    blue.list = none.list = csr + ".jsonl"
    with open(blue.list, "w", encoding="ascii") as f:
        f.write('{"certificate": "AAAA", "principal": "x", "device_id": "y"}\n')
    os.chmod(blue.list, 0o644)
    blue.secret, none.secret = token["token"], token["token"][:-6] + "AAAAAA"
    return blue, none


def words_of(token, o):
    names = dict(o.__dict__, user="made@lab.example") if token in MAKES else o.__dict__
    return [w.format(**names) for w in MATRIX[token]]


def secret_of(token, o):
    return {"user-add": b"a password\n", "token-check": o.secret.encode() + b"\n"}.get(token)


def outcome(r, o):
    """What was told, without what the caller said himself."""
    text = o.hide(r.out + r.err)
    text = re.sub(r'"trace_id": "[^"]*"|trace: \S+|"(not_after|expires_at|until|position|request_id)": "[^"]*"', "", text)
    return r.status, text


def snapshot(tenant):
    """Everything that operators see of a tenant."""
    seen = {v: items(tenant, *v.split()) for v in ("cert list", "request list", "device list", "token list", "user list",
                                                   "template list")}
    seen["device"] = [LAB.ctl("--json", "--tenant", tenant, "device", "show", d["device_id"], check=True).json()
                      for d in seen["device list"]]
    return seen


def tells_of_blue(text, blue):
    return [n for n in (blue.device, blue.user, blue.serial, blue.sha256, blue.request, blue.token, "blue") if n in text]


def ask_all(call, who, blue, none, frontends_only):
    """Each verb, for blue's objects and for none: the same is told, and nothing changes."""
    before = snapshot("blue")
    for token, _, tenant, frontend in table():
        if not tenant or (frontends_only and not frontend):
            continue
        foreign = call(*words_of(token, blue), data=secret_of(token, blue))
        absent = call(*words_of(token, none), data=secret_of(token, none))
        if token in MAKES:
            tap.ok(foreign.status in (0, 1) and "blue" not in blue.hide(foreign.out), f"{who}: {token} makes it in red", foreign)
        else:
            tap.equal(outcome(foreign, blue), outcome(absent, none), f"{who}: {token} of blue's is as of nobody's")
        if token.endswith("-list"):
            tap.equal(tells_of_blue(foreign.out, blue), [], f"{who}: {token} tells nothing of blue")
    tap.equal(snapshot("blue"), before, f"{who}: nothing of blue changed")


def verbs_by_an_operator():
    blue, none = make_objects()

    def call(*words, data=None):
        return LAB.ctl("--json", "--tenant", "red", *words, data=data)

    ask_all(call, "an operator, tenant red", blue, none, False)
    LAB.ctl("--tenant", "red", "user", "remove", "made@lab.example")


def verbs_by_a_frontend():
    if os.getuid() != 0:
        tap.skip("every verb by a frontend", "needs root to be somebody else")
        return
    LAB.open_socket()
    blue, none = make_objects()

    def call(*words, data=None):
        return LAB.as_frontend("red", *words, data=data)

    r = call("version")
    tap.equal(r.status, 0, "a frontend may ask for the version") or tap.diag(r)
    ask_all(call, "frontend red", blue, none, True)
    before = snapshot("blue")
    for token, _, _, frontend in table():
        words, data = words_of(token, blue), secret_of(token, blue)
        if not frontend:
            r = call(*words, data=data)
            tap.ok(r.status == 1 and '"code": "denied"' in r.out + r.err, f"frontend red: {token} is not for frontends", r)
        elif token not in ABOUT_THE_API:
            told = [outcome(call(*words, "--tenant", t, data=data), blue) for t in ("blue", "nobody")]
            tap.ok(told[0] == told[1] and told[0][0] == 1 and "there is no such tenant" in told[0][1],
                   f"frontend red: {token} of tenant blue is as of a tenant that is not there", told)
    tap.equal(snapshot("blue"), before, "frontend red: by the tenant's name nothing changes either")
    own = LAB.as_frontend("blue", "cert", "show", blue.serial)
    tap.equal((own.status, own.status or own.json()["tenant"]), (0, "blue"), "frontend blue sees its own") or tap.diag(own)
    own = LAB.as_frontend("blue", "device", "block", blue.device)
    tap.equal(own.status, 0, "frontend blue changes its own") or tap.diag(own)
    row = ledgerdb.rows(LAB.ledger, "SELECT actor, detail FROM audit WHERE event = 'control' ORDER BY seq DESC LIMIT 50")
    mine = [(a, d) for a, d in row if "frontend=blue" in a and "device-block" in d]
    tap.ok(mine and "blue" in json.loads(json.loads(mine[0][1])["arguments"])["tenant"],
           "the audit row says which frontend, for which tenant", row[:5])


def named_by_an_operator():
    """A thumbprint names one certificate: an operator says no tenant, for a revocation as for everything else."""
    device = mdm.device_id()
    a = LAB.at("blue", OTHER_USER, "pw of blue").enroll(mdm.new_csr(device), device)
    sha1 = x509.load_der_x509_certificate(a.certificate()).fingerprint(hashes.SHA1()).hex()
    for words in (("show", sha1), ("revoke", sha1, "--hold"), ("release", sha1), ("revoke", sha1)):
        r = LAB.ctl("cert", *words)
        tap.equal(r.status, 0, f"cert {' '.join(words).replace(sha1, 'SHA1')} without a tenant") or tap.diag(r)
    r = LAB.ctl("--tenant", "red", "cert", "revoke", sha1)
    tap.equal(r.status, 1, "with another tenant it is not found") or tap.diag(r)


def webhook_of_a_tenant():
    """An authoriser where there are tenants: it is asked, and told whose request it is."""
    with HookServer(LAB.dir, unix=True) as hook:
        question, answer = hook.secret_files()
        for name, value in {"tenant": "blue", "kind": "webhook", "url": hook.url(), "unix": hook.unix, "question-secret-file": question,
                            "answer-secret-file": answer}.items():
            LAB.set_option(("authorisers", "blue-hook", name), value)
        LAB.set_option(("templates", "blue-device", "authoriser"), "blue-hook")
        LAB.ctl("reload", check=True)
        pids = LAB.pids("issuer")
        device = mdm.device_id()
        a = LAB.at("blue", OTHER_USER, "pw of blue").enroll(mdm.new_csr(device), device)
        tap.equal((a.status, len(hook.requests)), (200, 1), "the authoriser of a tenant is asked") or tap.diag(a.describe())
        tap.equal([q.json()["tenant"] for q in hook.requests], ["blue"], "and told whose request it is")
        tap.equal(LAB.pids("issuer"), pids, "issuer is the same process")
        LAB.set_option(("templates", "blue-device", "authoriser"), None)
        LAB.ctl("reload", check=True)


# ---- limits, counts, records


def quotas():
    def limit(**options):
        for name, value in options.items():
            LAB.set_option(("tenants", "green", name.replace("_", "-")), value)
        LAB.ctl("reload", check=True)

    def enroll(device=None):
        device = device or mdm.device_id()
        return LAB.at("green", password="pw of green").enroll(mdm.new_csr(device), device)

    first = mdm.device_id()
    tap.equal(enroll(first).status, 200, "green enrolls a device")
    limit(max_devices=1)
    refused(enroll(), "tenant-devices", "a second device of green", "green", "s:Authorization")
    a = enroll(first)
    tap.equal(a.status, 200, "the first enrolls again") or tap.diag(a.describe())
    limit(max_devices=None, max_certificates=1)
    refused(enroll(first), "tenant-certificates", "another certificate of green", "green", "s:Authorization")
    device = mdm.device_id()
    tap.equal(LAB.at("blue", password="pw of blue").enroll(mdm.new_csr(device), device).status, 200, "blue is not concerned")
    limit(max_certificates=None, requests_per_minute=5)
    got = [LAB.at("green", password="pw of green").get_policies() for _ in range(8)]
    tap.ok(got[0].status == 200 and got[-1].subcode == "s:EnrollmentServer" and int(got[-1].headers["Retry-After"]) > 0,
           "too many requests of green are refused with a hint", [(a.status, a.subcode) for a in got])
    tap.equal(LAB.at("blue", password="pw of blue").get_policies().status, 200, "those of blue are not")
    limit(requests_per_minute=None)


def metrics():
    """What is counted for each tenant is what the ledger has since this process began."""
    families = openmetrics.parse(LAB.ctl("metrics", check=True).out)
    samples = families["pkienrolld_tenant_requests"].samples
    counted = {labels["tenant"]: int(value) for _, labels, value in samples if labels["result"] == "issued"}
    for tenant in TENANTS:
        issued = ledgerdb.one(LAB.ledger, "SELECT count(*) FROM request WHERE tenant = ? AND state = 'issued'", (tenant,))
        tap.equal(counted.get(tenant), issued, f"certificates of {tenant} in the metrics")


def audit_rows():
    """Each audit row of a request says whose it is."""
    rows = ledgerdb.rows(LAB.ledger, "SELECT a.event, a.detail, r.tenant FROM audit a JOIN request r ON r.request_id = "
                         "a.request_id WHERE a.event IN ('intent', 'issued', 'refused')")
    wrong = [(e, d, t) for e, d, t in rows if json.loads(d or "{}").get("tenant") != t]
    tap.ok(rows and not wrong, "audit rows carry the tenant", wrong[:5])


def main():
    global LAB  # pylint: disable=global-statement
    with TenantLab() as LAB:
        sink = {"tenant": "blue", "url": "https://localhost:9/hook", "secret-file": write_text(os.path.join(LAB.etc, "sink.secret"), "s" * 32) or "sink.secret"}
        for option, value in sink.items():
            LAB.set_option(("event-sinks", "blue-sink", option), value)
        LAB.start()
        for tenant in TENANTS:
            LAB.user(tenant, USER, f"pw of {tenant}")
        for name in (BLUE_USER, OTHER_USER, "waiting@lab.example"):
            LAB.user("blue", name, "pw of blue")
        tap.run(all_verbs_are_in_the_matrix, host_selects, same_names_are_two, a14_password, a14_one_time_token, a14_jwt,
                a14_shared_audience, a14_renewal, a14_client_certificate, a14_back_off, verbs_by_an_operator,
                verbs_by_a_frontend, named_by_an_operator, webhook_of_a_tenant, quotas, metrics, audit_rows)


if __name__ == "__main__":
    main()
