# SPDX-License-Identifier: Apache-2.0
"""Event sinks (checklist 77): what happened arrives, at least once, in the order of each request, whoever dies in between;
what a receiver does not take holds up nobody else and is given up with an alarm; events --follow sees the same."""
import base64
import collections
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jsonschema  # noqa: E402
import lab as lab_module  # noqa: E402
import mdm  # noqa: E402
import openmetrics  # noqa: E402
import tap  # noqa: E402
from hookserver import HookServer  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

SCHEMA = os.path.join(os.environ["top_srcdir"], "dist", "schema", "event.schema.json")
LAB = HOOK = None
TAKEN, LOOKUPS = [], []


def wait(condition, timeout=60):
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def sink(name="crm", hook=None, **options):
    hook = hook or HOOK
    values = {"url": hook.url(), "unix": hook.unix, "secret-file": hook.secret_files()[0], "timeout": "3s", "tls-ca": None}
    values.update({k.replace("_", "-"): v for k, v in options.items()})
    for option, value in values.items():
        LAB.set_option(("event-sinks", name, option), value)
    return LAB.ctl("reload")


def enroll(device=None):
    """A new device: its id, its certificate and the id of its request."""
    device = device or mdm.device_id()
    a = LAB.client().enroll(mdm.new_csr(device), device)
    der = a.certificate()
    tap.ok(der, "enrolled", a.describe())
    return device, der, LAB.ctl("--json", "cert", "show", hashlib.sha1(der).hexdigest(), check=True).json()


def events(hook=None, kind=None):
    found = [q.json() for q in list((hook or HOOK).requests)]
    return [e for e in found if kind in (None, e["kind"])]


def of(thumbprint, hook=None):
    """Events about a certificate, in the order in which they came."""
    return [e for e in events(hook) if e["certificate"] and e["certificate"]["sha1"].lower() == thumbprint]


def sha1(der):
    return hashlib.sha1(der).hexdigest()


def arrives(der, kind="issued", hook=None, timeout=60):
    return wait(lambda: [e for e in of(sha1(der), hook) if e["kind"] == kind], timeout)


def sink_status(name="crm"):
    return LAB.status()["event_sinks"][name]


def c77_issued():
    seen = []

    def lookup(question):
        event = question.json()
        thumb = event["certificate"]["sha1"] if event["certificate"] else None
        seen.append((thumb, LAB.ctl("--json", "cert", "show", thumb).status if thumb else 0))
        return {}

    HOOK.decide = lookup
    device, der, shown = enroll()
    e = arrives(der)
    tap.ok(e and len(e) == 1, "c77 issued: told once", e)
    e = e[0]
    with open(SCHEMA, encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    tap.equal([f"{list(x.path)}: {x.message}" for x in validator.iter_errors(e)], [], "c77 as its schema says")
    tap.equal(base64.b64decode(e["certificate"]["der"]), der, "c77 the certificate")
    tap.equal((e["request"]["device_id"], e["request"]["principal"], e["request"]["credential"]), (device, USER, "username"), "c77 whose it is")
    tap.equal((e["certificate"]["serial"].lower(), e["request"]["id"]), (shown["serial"].lower(), shown["request_id"]), "c77 as the ledger has it")
    tap.equal(e["certificate"]["issuer"], "lab", "c77 the issuer by its name")
    q = HOOK.requests[-1]
    tap.equal((q.method, q.headers.get("content-type"), q.id), ("POST", "application/json", e["id"]), "c77 form of the call")
    tap.equal(HOOK.bad, [], "c77 each one is signed for its purpose")
    tap.ok(wait(lambda: seen) and all(status == 0 for _, status in seen), "c77 look-up by thumbprint works when the event is there", seen)
    HOOK.decide = lambda question: {}


def c77_kinds():
    """Revoked, released, failed, renewed: each in the order of its request."""
    _, der, _ = enroll()
    for words in (("cert", "revoke", sha1(der), "--hold"), ("cert", "release", sha1(der)), ("cert", "revoke", sha1(der), "--reason", "keyCompromise")):
        r = LAB.ctl(*words)
        tap.equal(r.status, 0, f"{' '.join(words[:2])} {r}")
    tap.ok(wait(lambda: len(of(sha1(der))) >= 4), "c77 four events of one certificate", of(sha1(der)))
    mine = of(sha1(der))
    tap.equal([e["kind"] for e in mine], ["issued", "revoked", "released", "revoked"], "c77 in their order")
    tap.ok("keyCompromise" in json.dumps(mine[-1]["detail"]), "c77 the reason of a revocation", mine[-1])
    LAB.set_option(("templates", "device", "key-types"), "[p-384]")
    tap.equal(LAB.ctl("reload").status, 0, "only other keys")
    n = len(HOOK.requests)
    a = LAB.issue()
    tap.ok(a.status == 500, "a refused request", a.describe())
    LAB.set_option(("templates", "device", "key-types"), None)
    tap.equal(LAB.ctl("reload").status, 0, "and back")
    refused = LAB.ctl("--json", "events", "--kind", "refused", check=True).json()["items"]
    tap.equal([e["request"]["id"] for e in refused], [a.trace_id], "c77 refused: events lists it")
    tap.ok(refused and refused[0]["failure"]["reason"] and refused[0]["failure"]["rule"], "c77 refused: why", refused)
    _, der, _ = enroll()
    tap.ok(arrives(der), "told")
    tap.equal([e for e in events()[n:] if e["kind"] == "refused"], [], "c77 refused: a sink that did not ask for them gets none")


def c77_receiver_dies():
    """Nothing is lost and nobody waits while it is away."""
    global HOOK
    HOOK.close()
    ders = [enroll()[1] for _ in range(5)]
    s = LAB.wait_status(lambda s: s["event_sinks"]["crm"]["state"] == "down")
    tap.ok(s, "c77 status: the sink is down", LAB.status()["event_sinks"])
    tap.equal(s and s["state"], "ready", "c77 which is no fault of the daemon")
    f = openmetrics.parse(LAB.ctl("metrics", check=True).out)
    tap.equal(f["pkienrolld_event_sink_state"].value("", event_sink="crm", state="down"), 1, "c77 metrics: down")
    old = HOOK
    HOOK = HookServer(LAB.dir, unix=old.unix)
    tap.ok(all(arrives(d) for d in ders), "c77 all arrive when it is back", events())
    order = [e["seq"] for e in events(kind="issued")]
    tap.equal(sorted(order), sorted(set(order)), "c77 each once")
    tap.ok(LAB.wait_status(lambda s: s["event_sinks"]["crm"]["state"] == "ready"), "c77 status: ready again", LAB.status()["event_sinks"])


def c77_daemon_dies():
    """SIGKILL of everything between the issue and the delivery; then of net and of issuer in the midst of one."""
    HOOK.misbehave("hang")
    _, der, _ = enroll()
    tap.ok(wait(lambda: of(sha1(der))), "c77 the receiver has it, and does not answer")
    first = of(sha1(der))[0]["id"]
    LAB.stop(signal.SIGKILL)
    HOOK.misbehave()
    n = len(HOOK.requests)
    LAB.start()
    tap.ok(wait(lambda: [e for e in events()[n:] if e["id"] == first]), "c77 after SIGKILL it comes again, with the same id")
    for role in ("net", "issuer"):
        HOOK.misbehave("late", seconds=0.5)
        _, der, _ = enroll()
        tap.ok(wait(lambda d=der: of(sha1(d))), f"c77 {role}: a delivery is under way")
        os.kill(LAB.roles(role)[0]["pid"], signal.SIGKILL)
        HOOK.misbehave()
        LAB.wait_status(lambda s: s["state"] == "ready")
        _, after, _ = enroll()
        tap.ok(arrives(after), f"c77 {role} was killed: events go on")
        tap.ok(wait(lambda d=der: sink_status()["oldest"] is None), f"c77 {role}: nothing is left", sink_status())
        tap.equal(len({e["id"] for e in of(sha1(der))}), 1, f"c77 {role}: one event, under one id")


def c77_stop_sends_nothing_twice():
    _, der, _ = enroll()
    tap.ok(arrives(der), "told")
    tap.ok(wait(lambda: sink_status()["oldest"] is None), "taken", sink_status())
    n = len(HOOK.requests)
    LAB.restart()
    _, der, _ = enroll()
    tap.ok(arrives(der), "c77 events go on after a restart")
    tap.equal(len(events()[n:]), 1, "c77 and none of before comes again")


def c77_poison():
    """A refused event: others pass it, but those of its request; given up, alarm, tried again by hand."""
    device, der, shown = enroll()
    tap.ok(arrives(der), "told")
    LAB.ctl("cert", "revoke", sha1(der), "--hold", check=True)
    wait(lambda: len(of(sha1(der))) == 2)
    bad = {"seq": None}

    def refuse(s, q):
        e = q.json()
        if e["request"] and e["request"]["device_id"] == device:
            return HOOK._reply(s, 422, b"{}")  # pylint: disable=protected-access
        return HOOK._reply(s, 204, b"")  # pylint: disable=protected-access

    HOOK._do_refuse = refuse  # pylint: disable=protected-access
    HOOK.misbehave("refuse")
    n = len(HOOK.requests)
    LAB.ctl("cert", "release", sha1(der), check=True)
    LAB.ctl("cert", "revoke", sha1(der), check=True)
    bad["seq"] = wait(lambda: [e["seq"] for e in events()[n:] if e["kind"] == "released"])
    _, other, _ = enroll()
    tap.ok(arrives(other), "c77 another request's event passes the refused one")
    tap.equal([e for e in events()[n:] if e["kind"] == "revoked"], [], "c77 what follows in its own request waits")
    tap.ok(LAB.wait_status(lambda s: s["event_sinks"]["crm"]["late"] == 2), "c77 status: late", LAB.status()["event_sinks"])
    s = LAB.wait_status(lambda s: s["event_sinks"]["crm"]["dead"] >= 1, 60)
    tap.ok(s and s["state"] == "degraded", "c77 given up after max-attempts: the daemon is degraded", LAB.status())
    tap.ok("event given up" in LAB.read_log(), "c77 and the log says so")
    wait(lambda: sink_status()["dead"] == 2, 60)
    dead = LAB.ctl("--json", "events", "dead", "crm", check=True).json()["items"]
    tap.equal([(d["id"], d["attempts"], d["request_id"]) for d in dead][:1], [(f"event-{bad['seq'][0]}", 2, shown["request_id"])], "c77 events dead names it")
    f = openmetrics.parse(LAB.ctl("metrics", check=True).out)
    tap.equal(f["pkienrolld_event_sink_dead"].value("", event_sink="crm"), 2, "c77 metrics: dead")
    LAB.restart(state="degraded")
    tap.equal(sink_status()["dead"], 2, "c77 that survives a restart")
    HOOK.misbehave()
    n = len(HOOK.requests)
    for d in dead:
        r = LAB.ctl("events", "retry", "crm", d["id"])
        tap.equal(r.status, 0, f"c77 events retry {r}")
    tap.ok(wait(lambda: len(events()[n:]) == 2), "c77 both arrive", events()[n:])
    tap.equal([e["kind"] for e in events()[n:]], ["released", "revoked"], "c77 in their order")
    tap.ok(LAB.wait_status(lambda s: s["event_sinks"]["crm"]["dead"] == 0 and s["state"] == "ready"), "c77 the alarm ends", LAB.status())
    r = LAB.ctl("events", "retry", "crm", dead[0]["id"])
    tap.ok(r.status == 1 and "dead" in r.err, "c77 a second retry finds nothing", r)


def c77_breaker():
    """An event at which the receiver dies each time does not hold up the others for ever."""
    device = mdm.device_id()

    def breaks(s, q):
        e = q.json()
        return False if e["request"] and e["request"]["device_id"] == device else HOOK._reply(s, 200, b"")  # pylint: disable=protected-access

    HOOK._do_breaks = breaks  # pylint: disable=protected-access
    HOOK.misbehave("breaks")
    enroll(device)
    others = [enroll()[1] for _ in range(3)]
    tap.ok(all(arrives(d) for d in others), "c77 the others arrive")
    tap.ok(LAB.wait_status(lambda s: s["event_sinks"]["crm"]["late"] == 1 and s["event_sinks"]["crm"]["state"] != "down"),
           "c77 the one that breaks it is put aside", LAB.status()["event_sinks"])
    HOOK.misbehave()
    tap.ok(LAB.wait_status(lambda s: s["event_sinks"]["crm"]["late"] == 0), "c77 and taken once it is mended", LAB.status()["event_sinks"])
    tap.equal(sink_status()["dead"], 0, "c77 nothing was given up")


def c77_order():
    """A receiver that fails at random: at least once, and in the order of each request."""
    count = collections.Counter()

    def flaky(s, q):
        count[q.id] += 1
        ok = (int(q.id.split("-")[1]) + count[q.id]) % 3 == 0
        return HOOK._reply(s, 200 if ok else 503, b"")  # pylint: disable=protected-access

    HOOK._do_flaky = flaky  # pylint: disable=protected-access
    HOOK.misbehave("flaky")
    ders = [enroll()[1] for _ in range(4)]
    for d in ders:
        LAB.ctl("cert", "revoke", sha1(d), "--hold", check=True)
        LAB.ctl("cert", "release", sha1(d), check=True)
    HOOK.misbehave("flaky")
    tap.ok(wait(lambda: LAB.status()["event_sinks"]["crm"]["oldest"] is None and all(arrives(d, "released", timeout=0.1) for d in ders), 120),
           "c77 all arrive", sink_status())
    HOOK.misbehave()
    for d in ders:
        first = list(dict.fromkeys(e["kind"] for e in of(sha1(d))))
        tap.equal(first, ["issued", "revoked", "released"], "c77 in the order of their request")


def c77_second_sink():
    """A slow one holds up no other; it begins with what happens from now on; one that is told of a kind hears no other."""
    folder = os.path.join(LAB.dir, "second")
    os.makedirs(folder)
    with HookServer(folder, tls=True) as slow:
        slow.misbehave("late", seconds=2)
        tap.equal(sink("slow", slow, tls_ca=slow.file("ca.pem"), kinds="[revoked]", max_in_flight=1).status, 0, "c77 a second sink, https")
        _, der, _ = enroll()
        LAB.ctl("cert", "revoke", sha1(der), check=True)
        tap.ok(arrives(der, "revoked"), "c77 the first one is told")
        tap.ok(arrives(der, "revoked", slow), "c77 and so is the second")
        tap.equal({e["kind"] for e in events(slow)}, {"revoked"}, "c77 of that kind alone")
        tap.equal(len(events(slow)), 1, "c77 and of nothing that was before")
    LAB.set_option(("event-sinks", "slow"), None)
    r = LAB.ctl("reload")
    tap.equal(r.status, 0, f"c77 a sink is taken away {r}")
    tap.ok(LAB.wait_status(lambda s: "slow" not in s["event_sinks"]), "c77 and is gone from status", LAB.status()["event_sinks"])
    _, der, _ = enroll()
    tap.ok(arrives(der), "c77 the first one goes on")


class Follower:
    """`pkienrollctl events --follow` as a process; .events as they came."""

    def __init__(self, *args):
        self.path = os.path.join(LAB.dir, f"follow-{time.monotonic_ns()}.jsonl")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([lab_module.CTL, "--socket", LAB.socket, "--jsonl", "events", "--follow", *args], stdout=out,
                                            stderr=subprocess.DEVNULL, env=LAB.env)

    def events(self):
        with open(self.path, encoding="utf-8") as f:
            text = f.read()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def has(self, der):
        return any(e["certificate"] and e["certificate"]["sha1"].lower() == sha1(der) for e in self.events())

    def kill(self):
        self.process.kill()
        self.process.wait()


def c77_follow():
    """The consumer over a restart of the daemon, and over its own."""
    _, before, _ = enroll()
    known = LAB.ctl("--json", "events", "--all", check=True).json()["items"]
    tap.ok(known and known[-1]["certificate"]["sha1"].lower() == sha1(before), "c77 events lists the newest last")
    tap.equal([e["seq"] for e in known], sorted({e["seq"] for e in known}), "c77 in order, each once")
    told = {e["id"] for e in events(HOOK)}
    tap.ok(told <= {e["id"] for e in known}, "c77 the same events as the sink's", told)
    f = Follower("--since", known[-1]["id"])
    _, a, _ = enroll()
    tap.ok(wait(lambda: f.has(a)), "c77 follow: as it happens")
    tap.ok(not f.has(before), "c77 follow: not what was before --since")
    LAB.stop(signal.SIGKILL)
    LAB.start()
    _, b, _ = enroll()
    tap.ok(wait(lambda: f.has(b)), "c77 follow: over a restart of the daemon")
    f.kill()
    last = f.events()[-1]["id"]
    _, c, _ = enroll()
    g = Follower("--since", last)
    tap.ok(wait(lambda: g.has(c)), "c77 follow: over its own")
    seqs = [e["seq"] for e in f.events() + g.events()]
    tap.equal(seqs, sorted(set(seqs)), "c77 follow: nothing twice, nothing out of order")
    want = [e["seq"] for e in LAB.ctl("--json", "events", "--all", "--since", known[-1]["id"], check=True).json()["items"]]
    tap.equal(seqs, want, "c77 follow: nothing is missing")
    g.kill()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    tap.equal(LAB.ctl("--json", "events", "--since", now, check=True).json()["items"], [], "c77 --since a time to come")
    tap.ok(len(LAB.ctl("--json", "events", "--all", "--since", "2020-01-01T00:00:00Z", check=True).json()["items"]) >= len(known), "c77 --since long ago")
    kinds = {e["kind"] for e in LAB.ctl("--json", "events", "--all", "--kind", "revoked", check=True).json()["items"]}
    tap.equal(kinds, {"revoked"}, "c77 --kind")
    for words in (("--since", "yesterday"), ("--kind", "nonsense"), ("--cursor", "x")):
        tap.equal(LAB.ctl("events", *words).status, 1, f"c77 refused: {' '.join(words)}")
    pages, cursor = [], None
    while True:
        page = LAB.ctl("--json", "events", "--limit", "3", *(["--cursor", cursor] if cursor else []), check=True).json()
        pages += [e["seq"] for e in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    tap.equal(pages, [e["seq"] for e in LAB.ctl("--json", "events", "--all", check=True).json()["items"]], "c77 pages are the whole")


def c77_stop_with_a_follower():
    """Who waits for something to happen does not hold up the stop."""
    f = Follower()
    _, der, _ = enroll()
    tap.ok(wait(lambda: f.has(der)), "a follower from now on")
    tap.equal(LAB.stop(), 0, "c77 the daemon stops")
    tap.ok("did not finish in time" not in LAB.log_tail(20), "c77 and waits for no follower")
    LAB.start()
    _, der, _ = enroll()
    tap.ok(wait(lambda: f.has(der)), "c77 the follower goes on")
    f.kill()


def c77_expiring():
    LAB.set_option(("expiring-notice",), "400d")
    n = len(HOOK.requests)
    tap.equal(LAB.ctl("reload").status, 0, "expiring-notice")
    live = {c["sha1"].lower() for c in LAB.ctl("--json", "cert", "list", "--all", check=True).json()["items"] if c["state"] in ("unconfirmed", "active")}
    found = wait(lambda: {e["certificate"]["sha1"].lower() for e in events()[n:] if e["kind"] == "expiring"} >= live)
    got = [e["certificate"]["sha1"].lower() for e in events()[n:] if e["kind"] == "expiring"]
    tap.ok(found and live, "c77 expiring: each live certificate", (len(got), len(live)))
    tap.equal(len(got), len(set(got)), "c77 expiring: once")
    revoked = {c["sha1"].lower() for c in LAB.ctl("--json", "cert", "list", "--all", "--state", "revoked", check=True).json()["items"]}
    tap.equal(set(got) & revoked, set(), "c77 expiring: none that is revoked")
    LAB.ctl("reload", check=True)
    _, der, _ = enroll()
    tap.ok(arrives(der), "told")
    tap.equal(len([e for e in events()[n:] if e["kind"] == "expiring" and e["certificate"]["sha1"].lower() in live]), len(got), "c77 expiring: not again")


def configuration():
    rows = (({"url": "http://localhost:1/hook", "unix": None}, "https"), ({"secret_file": None}, "secret-file"), ({"kinds": "[nonsense]"}, "nonsense"),
            ({"max_in_flight": 17}, "max-in-flight"))
    for options, words in rows:
        r = sink(**options)
        tap.ok(r.status != 0 and words in str(r), f"refused: {options}", r)
        for option in options:
            LAB.set_option(("event-sinks", "crm", option.replace("_", "-")), None)
    tap.equal(sink(max_attempts=2).status, 0, "and right again")


def quiet():
    log = LAB.read_log()
    tap.ok(HOOK.question_secret.decode() not in log, "no secret in the log")
    tap.equal(HOOK.bad, [], "every delivery was signed")


def main():
    global LAB, HOOK
    with MdmLab() as LAB:
        HOOK = HookServer(LAB.dir, unix=True)
        r = sink(max_attempts=2)
        tap.equal(r.status, 0, f"an event sink {r}")
        tap.run(c77_issued, c77_kinds, c77_receiver_dies, c77_daemon_dies, c77_stop_sends_nothing_twice, c77_poison, c77_breaker, c77_order,
                c77_second_sink, c77_follow, c77_stop_with_a_follower, c77_expiring, configuration, quiet)


if __name__ == "__main__":
    main()
