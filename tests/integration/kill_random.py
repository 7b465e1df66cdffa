#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 at random under load: every role and main, again and again, while clients enroll and repeat each failed request
with the same bytes; then the ledger is compared with everything that was ever told (doc/reliability.md).

    top_builddir=$PWD/build tests/integration/kill_random.py --kills 2000 --seed 7

The seed fixes who is killed and after which pause; the moments themselves depend on the machine."""
import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

import ledgerdb  # noqa: E402
import mdm  # noqa: E402
from load import Load, Request  # noqa: E402
from mdmlab import MdmLab, free_port, wait_gone  # noqa: E402

MAIN, NET = ("main", 0), ("net", 0)
# (role, index): weight. issuer, key and net hold requests in flight; the others merely have to come back.
WEIGHTS = {("issuer", 0): 5, NET: 4, ("key", 0): 4, ("auth", 0): 2, ("auth", 1): 2, ("control", 0): 1, MAIN: 1}
PER_LIFE = 3  # kills of one process between two starts of main: its circuit breaker opens at the sixth start in a minute
WAIT = 30     # nothing that is to happen may take longer


def plan(kills, seed):
    """[(victim, pause in seconds, wait until all is well before)]; a life of main ends by its weight, or when each role had its
    share. The last one is main: requests are on their way when everything stops."""
    rng, steps, left = random.Random(seed), [], {}
    while len(steps) < kills - 1:
        if not left:
            left = {who: PER_LIFE for who in WEIGHTS if who != MAIN}
        victims = [who for who in WEIGHTS if left.get(who) or who == MAIN]
        who = rng.choices(victims, [WEIGHTS[v] for v in victims])[0]
        steps.append((who, rng.uniform(0, 0.08), rng.random() < 0.7))
        if who == MAIN:
            left = {}
        else:
            left[who] -= 1
    return steps + [(MAIN, rng.uniform(0, 0.08), True)]


class KillLoad(Load):
    """Every request is of a device of its own with a key of its own, and is sent until it is answered."""

    def __init__(self, lab, workers, pace, keep_every):
        super().__init__(lab, workers, devices=0, timeout=WAIT)
        self.pace, self.keep_every = pace, keep_every
        self.attempts = self.fault_count = 0
        self.answered = set()  # message ids
        self.last_sent = {}  # message id: wall clock in ms of the attempt that was first answered, where that was no first attempt
        self.kept = []       # requests whose bytes are kept to be sent once more at the end

    def _run(self, worker, identities):
        client, number = self.lab.client(timeout=self.timeout), 0
        while not self.stopping:
            request = Request(worker, number, mdm.device_id(), ec.generate_private_key(ec.SECP256R1()), self.password)
            der = self._persist(client, request)
            with self.changed:
                if der is None:
                    self.pending.append(request)
                elif number % self.keep_every == 0:
                    self.kept.append((request, der))
                else:
                    request.body = None
            number += 1
            time.sleep(self.pace)
        client.close()

    def exchange(self, client, request):
        sent, before = time.time() * 1000, getattr(request, "attempts", 0)
        request.attempts = before + 1
        der = super().exchange(client, request)
        with self.changed:
            self.attempts += 1
            if der is not None and before and request.message_id not in self.answered:
                self.last_sent[request.message_id] = sent
            if der is not None:
                self.answered.add(request.message_id)
        return der

    def _note(self, where, what):
        if where is self.faults:
            with self.changed:
                self.fault_count += 1
                del self.faults[:-3]  # a sample; a long run has tens of thousands
        super()._note(where, what)


class Watch:
    """Polls status in a thread of its own, and notes when what was killed is back."""

    def __init__(self, lab):
        self.lab = lab
        self.changed = threading.Condition()
        self.rows = {}      # (role, index): row of status; empty while nobody answers
        self.down = {}      # (role, index): (time of the kill, its pid)
        self.back = []      # ((role, index), killed, back)
        self.seen = {}      # (role, index): (pid, when) it was last seen ready
        self.unasked = []   # ((role, index), last seen, back): ended by somebody else than us
        self.restarting = False
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _ask(self):
        connection = mdm.UnixConnection(self.lab.socket, timeout=5)
        try:
            connection.request("GET", "/v1/status")
            r = connection.getresponse()
            return json.loads(r.read()) if r.status == 200 else None
        except (OSError, ValueError, mdm.http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _run(self):
        while not self.ended:
            asked, status = time.monotonic(), self._ask() or {"roles": []}
            now = time.monotonic()
            with self.changed:
                self.rows = {(r["role"], r["index"]): r for r in status["roles"]}
                for who, (at, pid) in list(self.down.items()):
                    row = self.rows.get(who)
                    if row and row["pid"] not in (0, pid) and row["state"] == "ready":
                        del self.down[who]
                        self.back.append((who, at, now))
                        self.seen.pop(who, None)
                for who, row in (() if self.restarting else self.rows.items()):
                    if row["state"] == "ready" and who not in self.down:
                        pid, at = self.seen.get(who, (row["pid"], asked))
                        if pid != row["pid"]:
                            self.unasked.append((who, at, now))
                        self.seen[who] = (row["pid"], asked)
                self.changed.notify_all()
            time.sleep(0.01)

    def pids(self):
        with self.changed:
            return [r["pid"] for r in self.rows.values() if r["pid"]]

    def wait(self, condition):
        """Wait until @p condition(self) holds; whether it did."""
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), WAIT)

    def end(self):
        self.ended = True
        self.thread.join()


class Campaign:
    """One run over a lab: campaign.problems is empty when every promise was kept, campaign.figures says what happened."""

    def __init__(self, lab, kills, seed, workers=4, pace=0.03, keep_every=50, say=lambda text: None):
        self.lab, self.steps, self.say = lab, plan(kills, seed), say
        self.load = KillLoad(lab, workers, pace, keep_every)
        self.problems, self.main_back, self.killed = [], [], {}
        self.net_gone = []  # (killed, back) where main died before net was back
        self.figures = {"seed": seed, "kills": kills}

    def run(self):
        begun, self.watch = time.monotonic(), Watch(self.lab)
        with self.load:
            try:
                for done, (who, pause, calm) in enumerate(self.steps, 1):
                    self._step(who, pause, calm, last=done == len(self.steps))
                    if done % 100 == 0:
                        self.say(f"{done} kills, {self.load.counts()}, {len(self.problems)} problems")
            finally:
                self.load.stopping = True
                self.watch.end()
        self.figures["seconds"] = round(time.monotonic() - begun)
        self._settle()
        self._judge()

    # -- killing

    def _step(self, who, pause, calm, last):
        """Kill one process: in calm, when everybody is back and certificates flow; else into what is broken already."""
        if calm and not (self.watch.wait(lambda w: not w.down) and self.load.wait_for(2, WAIT)):
            self.problems.append(f"before {who}: still down {self.watch.down}, {self.load.counts()}")
        time.sleep(pause)
        if who == MAIN:
            self._kill_main(last)
        elif not self._kill_role(who):
            self.problems.append(f"{who} never came back: {self.watch.rows.get(who)}")
            return
        self.killed[who[0]] = self.killed.get(who[0], 0) + 1

    def _kill_role(self, who):
        """Whether there was somebody to kill; what was killed before has to be back first."""
        while self.watch.wait(lambda w: who not in w.down and w.rows.get(who, {}).get("pid")):
            with self.watch.changed:
                pid, at = self.watch.rows[who]["pid"], time.monotonic()
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.watch.down[who] = (at, pid)
                    return True
                except ProcessLookupError:
                    del self.watch.rows[who]  # ended by itself since status was asked
        return False

    def _kill_main(self, last):
        """main dies and takes everybody along; a service manager starts it again, except the last time."""
        self.watch.wait(lambda w: w.rows)
        pids, at = self.watch.pids(), time.monotonic()
        with self.watch.changed:
            if NET in self.watch.seen:
                self.net_gone.append((self.watch.seen[NET][1], at))
            self.watch.seen.clear()
            self.watch.restarting = True
        self.lab.process.kill()
        self.lab.process.wait()
        left = wait_gone(pids)
        if left or not pids:
            self.problems.append(f"main's death did not end {left or 'anybody known'}")
        self.lab.stop()
        if last:
            self.load.stop()
        self.lab.start()
        with self.watch.changed:
            self.net_gone += [(a, time.monotonic()) for who, (a, _) in self.watch.down.items() if who[0] == "net"]
            self.watch.down.clear()
            self.watch.rows, self.watch.restarting = {}, False
            self.main_back.append((at, time.monotonic()))

    # -- what must hold

    def _settle(self):
        """Stop, start, and send what is still without an answer, and some that had one, once more."""
        self.load.stop()
        before = set(ledgerdb.certificates(self.lab.ledger))
        self.figures["committed, never acknowledged before the end"] = len(before - self.load.sha256s())
        self.lab.restart()
        if set(ledgerdb.certificates(self.lab.ledger)) != before:
            self.problems.append("an orderly restart changed the certificates")
        client = self.lab.client(timeout=WAIT)
        self.figures["unanswered at the end, sent again"] = len(self.load.pending)
        for request in self.load.pending:
            if self.load.exchange(client, request) is None:
                self.problems.append(f"{request.message_id}: no certificate after the restart")
        self.figures["answered requests sent again"] = len(self.load.kept)
        for request, der in self.load.kept:
            if self.load.exchange(client, request) != der:
                self.problems.append(f"{request.message_id}: another certificate for the same bytes")
        client.close()
        self.lab.stop()

    def _judge(self):
        load, ledger = self.load, self.lab.ledger
        recorded, told = ledgerdb.certificates(ledger), {hashlib.sha256(der).digest(): (r, der) for r, der in load.acknowledged}
        lost = [h.hex() for h, (_, der) in told.items() if recorded.get(h) != der]
        owners = {bytes(h): (device, at) for h, device, at in ledgerdb.rows(
            ledger, "SELECT c.sha256, r.device_id, r.finished_at FROM certificate c JOIN request r ON r.id = c.request "
            "WHERE c.der IS NOT NULL")}
        strangers = [h.hex() for h, (r, _) in told.items() if owners.get(h, ("",))[0] != r.device]
        twice = ledgerdb.rows(ledger, "SELECT hex(spki_sha256) FROM certificate WHERE der IS NOT NULL GROUP BY spki_sha256 "
                              "HAVING count(*) > 1")
        for text, found in (("acknowledged and not in the ledger", lost), ("another device's certificate", strangers),
                            ("in the ledger and never told, though every request was answered", sorted(recorded.keys() - told)),
                            ("two certificates for one key", twice), ("same bytes, two certificates", load.contradictions()),
                            ("an answer that no client should see", load.wrong),
                            ("intents left open", ledgerdb.open_intents(ledger)), ("ledger", ledgerdb.problems(ledger)),
                            ("a connection died though neither net nor main did", self._lost_for_no_reason())):
            if found:
                self.problems.append(f"{text}: {len(found)}, as {found[:3]}")
        states = dict(ledgerdb.rows(ledger, "SELECT state, count(*) FROM request GROUP BY state"))
        self.figures.update({
            "killed": dict(sorted(self.killed.items())), "requests acknowledged": len({r.message_id for r, _ in load.acknowledged}),
            "attempts": load.attempts, "faults": load.fault_count, "connections lost": len(load.lost),
            "requests sent more than once": len(load.last_sent), "certificates in the ledger": len(recorded),
            "acknowledged and lost": len(lost), "duplicates": len(twice) + len(load.contradictions()),
            "committed, reply lost, answered by a retry": sum(
                load.last_sent.get(r.message_id, 0) > owners.get(h, ("", 1e18))[1] for h, (r, _) in told.items()),
            "intents given up": states.get("abandoned", 0), "requests failed": states.get("failed", 0),
            "processes that main ended itself": len(self.watch.unasked), "back (s)": self._times()})

    def _lost_for_no_reason(self):
        """Lost connections whose life, from its opening to the loss, touches no time when net was gone."""
        gone = [(a, b) for who, a, b in self.watch.back + self.watch.unasked if who == NET] + self.main_back + self.net_gone
        return [(repr(e), lost - opened) for opened, lost, e in self.load.lost
                if not any(a <= lost and opened <= b for a, b in gone)]

    def _times(self):
        """{role: [median, largest]} from the kill until status says ready."""
        times = {"main": [b - a for a, b in self.main_back]}
        for who, a, b in self.watch.back:
            times.setdefault(who[0], []).append(b - a)
        return {role: [round(statistics.median(t), 2), round(max(t), 2)] for role, t in sorted(times.items()) if t}


def campaign_lab():
    """A port of its own, because one that the daemon picks is another one after net died; EC keys, because making RSA keys
    would be most of the load."""
    return MdmLab({("listeners", "main", "port"): free_port(), ("templates", "device", "key-types"): "[rsa, p-256]"})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=150)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument("--workers", type=int, default=4, help="clients at once")
    p.add_argument("--pace", type=float, default=0.03, help="seconds that a client rests between two requests")
    o = p.parse_args()
    print(f"seed {o.seed}", flush=True)
    with campaign_lab() as lab:
        campaign = Campaign(lab, o.kills, o.seed, o.workers, o.pace, say=lambda text: print(text, flush=True))
        campaign.run()
    print(json.dumps(campaign.figures, indent=2))
    for problem in campaign.problems:
        print("PROBLEM", problem)
    sys.exit(1 if campaign.problems else 0)


if __name__ == "__main__":
    main()
