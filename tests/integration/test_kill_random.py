# SPDX-License-Identifier: Apache-2.0
"""150 kill -9 at random under load, over all roles and main (kill_random.py): what was acknowledged is there, once.
PKE_KILLS and PKE_SEED repeat a run that failed."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "integration"))
import tap  # noqa: E402
from kill_random import Campaign, WEIGHTS, campaign_lab, plan  # noqa: E402

KILLS = int(os.environ.get("PKE_KILLS") or 150)
SEED = int(os.environ.get("PKE_SEED") or random.SystemRandom().randrange(1 << 32))


def the_plan():
    tap.equal(plan(KILLS, SEED), plan(KILLS, SEED), "a seed always gives the same plan")
    tap.ok(KILLS < 100 or {who for who, _, _ in plan(KILLS, SEED)} == set(WEIGHTS), "and everybody has a turn")


def kills_lose_nothing():
    tap.diag(f"seed {SEED}")
    with campaign_lab() as lab:
        campaign = Campaign(lab, KILLS, SEED)
        campaign.run()
    figures = campaign.figures
    for name, value in figures.items():
        tap.diag(f"{name}: {value}")
    tap.equal(campaign.problems, [], "nothing acknowledged is lost, nothing is issued twice, every answer was whole")
    tap.equal(figures["processes that main ended itself"], 0, "and main ended none that was healthy")
    tap.equal(sum(figures["killed"].values()), KILLS, "every planned kill was done")
    tap.ok(figures["requests acknowledged"] >= KILLS, "under a load worth the name", figures)
    tap.ok(figures["faults"] and figures["connections lost"], "and the clients felt it", figures)
    tap.ok(KILLS < 100 or figures["intents given up"], "some died between intent and certificate", figures)


tap.run(the_plan, kills_lose_nothing)
