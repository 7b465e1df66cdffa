# SPDX-License-Identifier: Apache-2.0
"""More devices at once than a slow key can serve: all get their certificates, in an orderly way (reliability: admission)."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import storm  # noqa: E402
import tap  # noqa: E402
from softhsm import find_module  # noqa: E402

DEVICES, RATE, DEADLINE = 60, 20, 2


def sixty_devices_at_twenty_a_second():
    with storm.slow_lab(RATE, options={("request-deadline",): f"{DEADLINE}s"}) as lab:
        lab.issue()  # the latency is known from here on
        before = lab.signatures()
        run = storm.Storm(lab, DEVICES, spread=0.1, attempts=20, limit=60).run()
        tap.equal(len(run.curve()), DEVICES, "every device has its certificate")
        busy = "busy, with a hint: 500 s:EnrollmentServer"
        tap.equal(sorted(set(run.answers()) - {"certificate"}), [busy], "who had to come again was told so, and when")
        tap.equal(lab.signatures() - before, DEVICES, "no device cost more than one signature")
        tap.equal(ledgerdb.rows(lab.ledger, "SELECT state, count(*) FROM request WHERE state NOT IN ('issued', 'refused') "
                                            "GROUP BY state"), [], "nobody was let in and then served in vain")
        slowest = max(run.latencies("certificate") + run.latencies("busy"))
        tap.ok(slowest < DEADLINE + 1, "every answer came within the request's deadline", slowest)
        refused = run.latencies("busy")
        tap.ok(refused and storm.quantile(refused, 0.5) < DEADLINE / 2, "and a refusal at once", refused)
        tap.ok(run.attempts()[-1] <= 8, "nobody starves: few attempts for everybody", run.attempts())
        tap.equal(ledgerdb.problems(lab.ledger), [], "the ledger is whole")


def main():
    if not find_module() or not os.path.exists(storm.DOUBLE):
        tap.skip("storm", "needs SoftHSM and the PKCS#11 double")
        tap.run()
    tap.run(sixty_devices_at_twenty_a_second)


main()
