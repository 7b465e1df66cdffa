# SPDX-License-Identifier: Apache-2.0
"""One-time enrollment tokens against a real daemon (MS-MDE2 checklist 15): GetPolicies and RST with one token, what
consumes it and what does not, every refusal with its rule, requests side by side, a crash between the two commits."""
import base64
import hashlib
import os
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

PATIENCE = 60
LAB = None
SECRETS = []  # the text of every token of this run


def mint(user=USER, **options):
    made = LAB.mint(user, **options)
    SECRETS.append(made["token"])
    return made


class Request:
    """One device with its CSR, to be sent as often as wanted."""

    def __init__(self, kind="Full", **csr):
        self.kind, self.device = kind, mdm.device_id()
        self.csr = mdm.new_csr(self.device, **csr)
        self.items = mdm.default_items(self.device, kind)

    def send(self, token, client=None):
        return self.send_header(mdm.device_token(token), client)

    def send_header(self, security, client=None):
        return (client or LAB.client()).enroll(self.csr, self.device, self.kind, security=security, items=self.items)


def policies(token):
    return LAB.client().get_policies(security=mdm.device_token(token))


def listed(made):
    rows = LAB.ctl("--json", "token", "list", "--all", check=True).json()["items"]
    return next(r for r in rows if r["id"] == made["id"])


def usage(made):
    row = listed(made)
    return row["state"], row["used"]


def certificates(user):
    rows = LAB.ctl("--json", "cert", "list", "--principal", user, "--all", check=True).json()["items"]
    return len(rows)


def refused(answer, subcode, reason, name, rule="one-time token"):
    """The fault on the wire, and the exact rule behind its TraceId."""
    tap.equal(answer.subcode, subcode, f"{name}: {subcode}") or tap.diag(answer.describe())
    shown = LAB.request_show(answer.trace_id)
    error = (shown or {}).get("error") or {}
    tap.equal((error.get("reason"), error.get("rule")), (reason, rule), f"{name}: request show tells the rule")


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{what}\n{LAB.log_tail()}")


def role_pid(role):
    """Its process now; 0 while it waits to be started."""
    roles = LAB.ctl("--json", "status", check=True).json()["roles"]
    return next(r["pid"] for r in roles if r["role"] == role)


def running(role):
    """Its process, once there is one."""
    wait_for(lambda: role_pid(role) > 0, f"{role} was not started")
    return role_pid(role)


def reconfigure(option, value):
    LAB.set_option(option, value)
    LAB.ctl("reload", check=True)


# ---- one token, from the policy to the certificate


def one_enrollment():
    token, r = mint(), Request()
    client = LAB.client()
    header = mdm.device_token(token["token"])
    tap.equal(token["user"], USER, "mint: the answer names the user")
    tap.ok(token["token"].startswith("pket_") and len(token["token"]) > 45, "mint: 256 random bits in base64url")
    for i in range(2):
        a = client.get_policies(security=header)
        tap.equal(a.status, 200, f"c15 GetPolicies with the token, time {i + 1}") or tap.diag(a.describe())
        tap.equal(usage(token), ("usable", 0), "c15 the policy does not consume it")
    first = r.send(token["token"], client)
    tap.equal(first.status, 200, "c15 RST with the same token") or tap.diag(first.describe())
    tap.ok(first.certificate(), "c15 gives a certificate")
    tap.equal(usage(token), ("used", 1), "c15 which consumes the token")
    cert = LAB.ctl("--json", "cert", "show", r.device, check=True).json()
    shown = LAB.request_show(cert["request_id"])
    tap.equal((shown["principal"], shown["credential"]), (USER, "one-time-token"), "c15 recorded with its credential")
    before = LAB.signatures()
    again = r.send(token["token"], client)
    tap.ok(first.certificate() and again.certificate() == first.certificate(), "the identical RST: same certificate",
           again.describe())
    tap.equal(LAB.signatures(), before, "the identical RST: no second signature")
    refused(Request().send(token["token"], client), "s:Authentication", "token-used", "another CSR with a used token")
    refused(policies(token["token"]), "s:Authentication", "token-used", "GetPolicies with a used token")
    tap.equal(usage(token), ("used", 1), "refusals change nothing")


def wrapped_base64():
    """Windows breaks base64 at 64 columns; a header of two credentials is read as the token."""
    token = mint()
    text = mdm.wrap64(token["token"].encode(), "\r\n")
    a = Request().send_header(mdm.device_token("", text=text))
    tap.equal(a.status, 200, "a token with line breaks in its base64") or tap.diag(a.describe())


# ---- refusals


def no_such_token():
    r = Request()
    for name, header, reason, rule in (
            ("unknown", mdm.device_token("pket_" + "A" * 43), "token-unknown", "one-time token"),
            ("a password as token", mdm.device_token(LAB.password()), "token-unknown", "one-time token"),
            ("garbage base64", mdm.device_token("", text="!!not base64!!"), "token-encoding", "MS-MDE2 3.4.4.1.1.1"),
            ("unpadded base64", mdm.device_token("", text="YWI"), "token-encoding", "MS-MDE2 3.4.4.1.1.1"),
            ("empty", mdm.device_token(""), "token-encoding", "MS-MDE2 3.4.4.1.1.1"),
            ("too long", mdm.device_token("x" * 513), "token-encoding", "MS-MDE2 3.4.4.1.1.1")):
        refused(r.send_header(header), "s:Authentication", reason, f"{name} token, RST", rule)
        refused(LAB.client().get_policies(security=header), "s:Authentication", reason, f"{name} token, GetPolicies",
                rule)


def a_neighbour_of_a_token():
    """A token that differs in its last character, its case, or has something after it is unknown."""
    text = mint()["token"]
    for name, other in (("last character", text[:-1] + ("A" if text[-1] != "A" else "B")), ("case", text.swapcase()),
                        ("a NUL after it", text + "\0"), ("a space after it", text + " ")):
        refused(policies(other), "s:Authentication", "token-unknown", f"not quite the token: {name}")


def expired_and_revoked():
    short, gone = mint(lifetime="1s"), mint()
    LAB.ctl("token", "revoke", gone["id"], check=True)
    tap.equal(usage(gone), ("revoked", 0), "token list: revoked")
    refused(Request().send(gone["token"]), "s:Authentication", "token-revoked", "revoked token, RST")
    refused(policies(gone["token"]), "s:Authentication", "token-revoked", "revoked token, GetPolicies")
    wait_for(lambda: usage(short) == ("expired", 0), "the token does not expire")
    refused(Request().send(short["token"]), "s:Authentication", "token-expired", "expired token, RST")
    refused(policies(short["token"]), "s:Authentication", "token-expired", "expired token, GetPolicies")


def revoked_when_used():
    """Revoking ends the replay too: who was locked out gets nothing more."""
    token, r = mint(), Request()
    tap.equal(r.send(token["token"]).status, 200, "a token is used")
    LAB.ctl("token", "revoke", token["id"], check=True)
    refused(r.send(token["token"]), "s:Authentication", "token-revoked", "the identical RST after the revocation")


def type_restriction():
    token = mint(type="device")
    refused(Request("Full").send(token["token"]), "s:Authorization", "token-type", "a device token for Full")
    tap.equal(usage(token), ("usable", 0), "the wrong type costs no use")
    tap.ok(Request("Device").send(token["token"]).certificate(), "a device token for Device")


def allow_list():
    token = mint("eve@elsewhere.example")
    a = Request().send(token["token"])
    tap.equal(a.subcode, "s:Authorization", "a token of somebody outside the allow list") or tap.diag(a.describe())
    shown = LAB.request_show(a.trace_id)
    tap.equal((shown["principal"], shown["state"]), ("eve@elsewhere.example", "refused"), "it is recorded for whom")
    a = policies(token["token"])
    tap.equal(a.subcode, "s:Authorization", "nor is the policy shown") or tap.diag(a.describe())
    tap.equal(usage(token), ("usable", 0), "the refusals cost no use")


def not_enabled():
    token = mint()
    try:
        for endpoint in ("mdm-policy", "mdm-enroll"):
            LAB.set_option(("endpoints", endpoint, "token-issuers"), None)
            reconfigure(("endpoints", endpoint, "credentials"), "[username]")
        refused(Request().send(token["token"]), "s:Authentication", "credential-disabled", "tokens not enabled, RST",
                "pkienrolld.conf endpoints credentials")
        refused(policies(token["token"]), "s:Authentication", "credential-disabled", "tokens not enabled, GetPolicies",
                "pkienrolld.conf endpoints credentials")
        tap.equal(LAB.client().get_policies().status, 200, "passwords still are")
        reconfigure(("endpoints", "mdm-enroll", "credentials"), "[one-time-token]")
        a = LAB.client().enroll(Request().csr, mdm.device_id())
        tap.equal(a.subcode, "s:Authentication", "tokens alone enabled: a password is refused")
    finally:
        reconfigure(("endpoints", "mdm-enroll", "credentials"), "[username, one-time-token]")
        reconfigure(("endpoints", "mdm-policy", "credentials"), "[username, one-time-token]")
    tap.ok(Request().send(token["token"]).certificate(), "enabled again, the token works")


# ---- uses


def several_uses():
    user = "trio@lab.example"
    token = mint(user, count=3)
    for n in range(1, 4):
        a = Request("Device").send(token["token"])
        tap.ok(a.certificate(), f"count 3: certificate {n}", a.describe())
        tap.equal(usage(token), ("used" if n == 3 else "usable", n), f"count 3: {n} used")
    refused(Request("Device").send(token["token"]), "s:Authentication", "token-used", "count 3: the fourth")
    tap.equal(certificates(user), 3, "count 3: exactly 3 certificates")


def tell_when_sent(connection, sent):
    """Release @p sent when the whole request is on its way."""
    receive = connection.getresponse

    def told():
        sent.release()
        return receive()

    connection.getresponse = told


def side_by_side(n, uses=1):
    """All requests wait for issuer, which then reads them in one go: every one of them finds the token unused."""
    user = f"race{n}-{uses}@lab.example"
    token = mint(user, count=uses)
    requests, clients = [Request("Device") for _ in range(n)], [LAB.client() for _ in range(n)]
    answers = [None] * n
    sent = threading.Semaphore(0)
    for c in clients:
        tell_when_sent(c.open(), sent)

    def one(i):
        answers[i] = requests[i].send(token["token"], clients[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    issuer = running("issuer")
    send_signal(issuer, signal.SIGSTOP)
    try:
        for t in threads:
            t.start()
        tap.ok(all(sent.acquire(timeout=PATIENCE) for _ in range(n)), f"{n} at once: all are sent")
        # net serves this one, which needs no issuer, after those that came before
        tap.equal(LAB.client().get_policies().status, 200, f"{n} at once: and read by net")
    finally:
        send_signal(issuer, signal.SIGCONT)
    for t in threads:
        t.join()
    issued = [a for a in answers if a and a.certificate()]
    tap.equal(len(issued), uses, f"{n} at once with {uses} use(s): as many certificates")
    tap.equal(certificates(user), uses, f"{n} at once: and no more in the ledger")
    others = [a for a in answers if a not in issued]
    tap.equal([a and a.subcode for a in others], ["s:Authentication"] * (n - uses), f"{n} at once: others refused")
    refused(others[0], "s:Authentication", "token-used", f"{n} at once: the first of the others")
    tap.equal(usage(token), ("used", uses), f"{n} at once: the token is used")


def two_at_once():
    side_by_side(2)


def ten_at_once():
    side_by_side(10)
    side_by_side(10, 4)


# ---- what does not consume


def weak_key():
    token = mint()
    a = Request(key=mdm.new_key(1024)).send(token["token"])
    tap.ok(a.certificate() is None and a.subcode, "a weak key is refused", a.describe())
    tap.equal(usage(token), ("usable", 0), "a refused CSR costs no use")
    tap.ok(Request().send(token["token"]).certificate(), "and the token is good for the next")


def in_the_background(request, token):
    """Send without waiting; what comes is in the list."""
    answers = []

    def one():
        try:
            answers.append(request.send(token["token"]))
        except OSError as e:
            answers.append(e)

    thread = threading.Thread(target=one)
    thread.start()
    return thread, answers


def intents():
    return LAB.ctl("--json", "request", "list", "--state", "intent", check=True).json()["items"]


def ready():
    status = LAB.ctl("--json", "status")
    if status.status != 0:
        return False
    s = status.json()
    return s["state"] == "ready" and all(r["state"] == "ready" for r in s["roles"])


def key_ready():
    done = LAB.ctl("--json", "key", "list")
    return done.status == 0 and all(k["state"] == "ready" for k in done.json()["items"])


def crash_between_commits():
    """The intent is durable and reserves the use, the key does not answer, and issuer dies."""
    user = "crash@lab.example"
    token, r = mint(user), Request("Device")
    key, issuer = running("key"), running("issuer")
    send_signal(key, signal.SIGSTOP)
    try:
        thread, answers = in_the_background(r, token)
        wait_for(intents, "no intent was recorded")
        tap.equal(usage(token), ("used", 1), "crash: the intent reserves the use")
        refused(Request("Device").send(token["token"]), "s:Authentication", "token-used", "crash: meanwhile another CSR")
        send_signal(issuer, signal.SIGKILL)
        wait_for(lambda: role_pid("issuer") not in (issuer, 0, None), "issuer was not started again")
    finally:
        try:
            send_signal(key, signal.SIGCONT)
        except ProcessLookupError:
            pass
    thread.join()
    tap.ok(not isinstance(answers[0], mdm.Answer) or answers[0].certificate() is None,
           "crash: the client got no certificate", answers[0])
    wait_for(ready, "the daemon does not become ready again")
    wait_for(key_ready, "the key does not become ready again")
    tap.equal(usage(token), ("usable", 0), "crash: the use is free again")
    tap.equal(certificates(user), 0, "crash: no certificate in the ledger")
    states = [x["state"] for x in LAB.ctl("--json", "request", "list", "--principal", user, check=True).json()["items"]]
    tap.equal(sorted(states), ["abandoned", "refused"], "crash: the request is recorded as abandoned")
    tap.equal(policies(token["token"]).status, 200, "crash: GetPolicies with the token works")
    a = r.send(token["token"])
    tap.ok(a.certificate(), "crash: the client's retry gets a certificate", a.describe())
    tap.equal((certificates(user), usage(token)), (1, ("used", 1)), "crash: one certificate, one use")
    refused(Request("Device").send(token["token"]), "s:Authentication", "token-used", "crash: another CSR")


def key_down():
    """The token directory is away and the key process dead: nothing can be signed."""
    user = "keydown@lab.example"
    token, r = mint(user), Request("Device")
    tokens = os.path.join(LAB.dir, "tokens")
    os.rename(tokens, tokens + ".away")
    try:
        send_signal(running("key"), signal.SIGKILL)
        wait_for(lambda: not key_ready(), "the key stays ready")
        a = r.send(token["token"])
        tap.ok(a.certificate() is None and a.status >= 500, "key down: no certificate", a.describe())
        tap.equal(usage(token), ("usable", 0), "key down: no use is consumed")
    finally:
        os.rename(tokens + ".away", tokens)
    wait_for(key_ready, "the key does not become ready again")
    a = r.send(token["token"])
    tap.ok(a.certificate(), "key back: the same request gets its certificate", a.describe())
    tap.equal((certificates(user), usage(token)), (1, ("used", 1)), "key back: one certificate, one use")


def key_dies_at_work():
    """The intent is durable, then its key process dies: the request fails and gives the use back."""
    user = "keydies@lab.example"
    token, r = mint(user), Request("Device")
    key = running("key")
    send_signal(key, signal.SIGSTOP)
    try:
        thread, answers = in_the_background(r, token)
        wait_for(intents, "no intent was recorded")
        tap.equal(usage(token), ("used", 1), "key dies: the intent reserves the use")
    finally:
        send_signal(key, signal.SIGKILL)
    thread.join()
    wait_for(key_ready, "the key does not become ready again")
    if isinstance(answers[0], mdm.Answer) and answers[0].certificate():
        tap.equal((certificates(user), usage(token)), (1, ("used", 1)), "key dies: signed by its successor, one use")
        return
    wait_for(lambda: not intents(), "the intent is left open")
    tap.equal(usage(token), ("usable", 0), "key dies: the use is free again")
    tap.ok(r.send(token["token"]).certificate(), "key dies: the client's retry gets a certificate")
    tap.equal((certificates(user), usage(token)), (1, ("used", 1)), "key dies: one certificate, one use")


# ---- administration


def listing():
    user = "lists@lab.example"
    made = [mint(user, type="full", lifetime="2h", count=7), mint(user)]
    rows = LAB.ctl("--json", "token", "list", "--user", user, check=True).json()["items"]
    tap.equal([r["id"] for r in rows], [m["id"] for m in reversed(made)], "list --user: newest first")
    first = rows[1]
    tap.equal({k: first[k] for k in ("user", "tenant", "type", "count", "used", "state", "revoked_at", "expires_at")},
              {"user": user, "tenant": "default", "type": "Full", "count": 7, "used": 0, "state": "usable",
               "revoked_at": None, "expires_at": made[0]["expires_at"]}, "list: what was asked for")
    tap.ok(first["created_by"].startswith(f"uid={os.getuid()} "), "list: who made it")
    text = LAB.ctl("token", "list", "--user", user, check=True).out
    tap.ok(text.startswith("CREATED") and made[1]["id"] in text, "list: a table for people", text)
    page = LAB.ctl("--json", "token", "list", "--user", user, "--limit", "1", check=True).json()
    rest = LAB.ctl("--json", "token", "list", "--user", user, "--cursor", page["next"], check=True).json()
    tap.equal([r["id"] for r in page["items"] + rest["items"]], [r["id"] for r in rows], "list: pages")
    people = LAB.ctl("token", "mint", user, check=True)
    SECRETS.append(people.out.split("pket_")[1].split()[0])
    tap.ok("not shown again" in people.err and "not shown again" not in people.out, "mint: the hint is on stderr")


def wrong_arguments():
    for words, status in ((("mint",), 2), (("mint", USER, "--count", "0"), 2), (("mint", USER, "--count", "x"), 2),
                          (("mint", USER, "--count", "100001"), 1), (("mint", USER, "--lifetime", "1"), 2),
                          (("mint", USER, "--lifetime", "91d"), 1), (("mint", USER, "--lifetime", "999ms"), 1),
                          (("mint", USER, "--type", "both"), 1), (("mint", USER, "--tenant", "other"), 1),
                          (("mint", USER, "--user", USER), 2), (("revoke",), 2), (("revoke", "0123"), 1),
                          (("list", "--count", "1"), 2)):
        tap.equal(LAB.ctl("token", *words).status, status, f"token {' '.join(words)}")
    text = mint()["token"]
    done = LAB.ctl("token", "revoke", text)
    tap.equal(done.status, 2, "the text of a token is no id")
    tap.ok(text not in done.err, "and is not repeated")
    a = mdm.UnixConnection(LAB.socket)
    a.request("DELETE", f"/v1/tokens/{text}")
    tap.equal(a.getresponse().status, 400, "nor does the control API take it")
    before = len(LAB.ctl("--json", "token", "list", "--all", check=True).json()["items"])
    LAB.ctl("token", "mint", USER, "--type", "both")
    tap.equal(len(LAB.ctl("--json", "token", "list", "--all", check=True).json()["items"]), before,
              "a refused mint makes nothing")


def probe():
    token = mint()
    done = LAB.probe("--type", "device", token=token["token"])
    tap.equal(done.status, 0, "probe --token-file enrolls") or tap.diag(done)
    everything = done.out + done.err
    for name in os.listdir(done.folder):
        with open(os.path.join(done.folder, name), encoding="latin-1") as f:
            everything += f.read()
    raw = token["token"]
    tap.ok(raw not in everything and base64.b64encode(raw.encode()).decode() not in everything,
           "probe: the token is in no artefact")
    tap.ok("DeviceEnrollmentUserToken" in everything, "probe: the header is")
    again = LAB.probe("--json", token=raw)
    tap.equal((again.status, again.json().get("fault", {}).get("subcode")), (1, "s:Authentication"),
              "probe: a used token is refused")


def nowhere():
    """Last: neither text nor base64 of any token is in a file or an answer of the daemon; the hashes are."""
    haystack = []
    for place in ("state", "log"):
        for top, _, files in os.walk(os.path.join(LAB.dir, place)):
            haystack += [os.path.join(top, f) for f in files]
    data = b"".join(open(p, "rb").read() for p in haystack)
    texts = [s.encode() for s in SECRETS]
    found = [t for t in texts if t in data or t[5:] in data or base64.b64encode(t).rstrip(b"=")[:-1] in data]
    tap.ok(len(texts) > 20, f"nowhere: {len(texts)} tokens to look for in {len(haystack)} files")
    tap.equal(found, [], "nowhere: no text of a token in ledger, log or state")
    tap.ok(hashlib.sha256(texts[0]).digest() in data, "nowhere: its hash is in the ledger")
    db = sqlite3.connect(f"file:{os.path.join(LAB.dir, 'state', 'ledger.db')}?mode=ro", uri=True)
    try:
        rows = repr([db.execute(f"SELECT * FROM {t}").fetchall() for (t,) in
                     db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()])
    finally:
        db.close()
    tap.ok("token-minted" in rows and "token-revoked" in rows, "nowhere: the audit has mint and revocation")
    tap.equal([s for s in SECRETS if s in rows], [], "nowhere: no text of a token in any row")
    answers = "".join(LAB.ctl("--json", *words, "--all", check=True).out
                      for words in (("token", "list"), ("request", "list"), ("cert", "list")))
    tap.equal([s for s in SECRETS if s in answers], [], "nowhere: nor in a listing")


if __name__ == "__main__":
    with MdmLab() as LAB:
        tap.run(one_enrollment, wrapped_base64, no_such_token, a_neighbour_of_a_token, expired_and_revoked,
                revoked_when_used, type_restriction, allow_list, not_enabled, several_uses, two_at_once, ten_at_once,
                weak_key, crash_between_commits, key_down, key_dies_at_work, listing, wrong_arguments, probe, nowhere)
