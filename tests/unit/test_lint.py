#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates with one defect each against ca_lint() and ca_release_check(): which rule refuses which stands in
tests/data/cert/lint-expected.txt. And doc/lint.md against the rules that run."""
import glob
import os
import re
import subprocess
import sys

SRC, BUILD = os.environ.get("top_srcdir", "."), os.environ.get("top_builddir", "build")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
import tap  # noqa: E402

VERDICT = os.path.join(BUILD, "tests/unit/lint_verdict")
CERTS = os.path.join(SRC, "tests/data/cert")
# The decoder is strict enough that nothing of other octets gets as far as this check of the decoder itself.
NOT_BY_BYTES = {"der-round-trip"}
# What stands around the linted bytes: these a CA that puts certificates together by itself cannot produce, and releases as
# little.
AROUND = {"bad_badsig", "bad_ber_indef", "bad_long_len", "bad_sigalg_mismatch", "bad_trailing_bytes"}


def verdict(*arguments):
    done = subprocess.run([VERDICT, *arguments], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        tap.ok(False, "lint_verdict", done.stderr)
    return done.stdout.splitlines()


def rules():
    return [tuple(line.split("\t")) for line in verdict("rules")]


def table():
    with open(os.path.join(CERTS, "lint-expected.txt"), encoding="ascii") as f:
        return [line.split() for line in f if line.strip() and not line.startswith("#")]


def path(label):
    return os.path.join(CERTS, label + ".der")


def test_each_defect_has_its_rule():
    rows = table()
    for profile, good in sorted({(row[1], row[2]) for row in rows}):
        group = [row for row in rows if row[1:3] == [profile, good]]
        ca = "ica-constrained.pem" if profile == "constrained" else "ica.pem"
        said = verdict(profile, os.path.join(CERTS, ca), path(good), *[path(row[0]) for row in group])
        tap.equal(len(said), len(group), f"a verdict of each, {profile} {good}")
        for row, got in zip(group, said):
            tap.equal(got, row[3], f"{row[0]} as {profile}: {row[3]}")


def test_table_is_whole():
    rows = table()
    here = {os.path.basename(p)[:-4] for p in glob.glob(os.path.join(CERTS, "*.der"))}
    leaves = {label for label in here if label.startswith(("ok", "bad_"))}
    tap.equal(sorted(leaves - {r[0] for r in rows}), [], "every certificate is in the table")
    tap.equal(sorted({r[0] for r in rows} - leaves), [], "everything in the table is there")
    tap.equal(sorted({r[0] for r in rows if r[3] == "ok"}), ["ok", "ok_ec", "ok_full"], "the good ones pass, no other")
    by_release = {r[0] for r in rows if r[3].startswith("release-")}
    tap.equal(by_release, AROUND, "lint alone refuses all that have their defect inside of what is signed")
    broken = {r[3] for r in rows}
    tap.equal([name for name, _ in rules() if name not in broken | NOT_BY_BYTES], [], "each rule refuses something")


def test_page():
    with open(os.path.join(SRC, "doc/lint.md"), encoding="utf-8") as f:
        page = f.read().split("\n## Rules\n", 1)[1]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")][2:]
    tap.equal([(r[0].strip("`"), r[1]) for r in rows], rules(), "doc/lint.md has the rules that run, in their order")
    tap.equal([r[0] for r in rows if len(r) != 4 or not all(r)], [], "each with what it catches and whose mistake it is")
    wrong = [r[0] for r in rows if not re.match(r"(?:code|template|issuer)\b", r[3])]
    tap.equal(wrong, [], "a mistake is of the code, of a template or of an issuer")


tap.run(test_each_defect_has_its_rule, test_table_is_whole, test_page)
