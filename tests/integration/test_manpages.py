# SPDX-License-Identifier: Apache-2.0
"""Every manual page is clean for mandoc's linter, and pkienroll-probe(8) tells every option of the program."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab as labs  # noqa: E402
import tap  # noqa: E402

PAGES = sorted(glob.glob(os.path.join(labs.TOP, "man", "*.[1-8]")))


def test_lint():
    tap.ok(PAGES, "there are manual pages")
    for page in PAGES:
        if not shutil.which("mandoc"):
            tap.skip(f"mandoc -Tlint {os.path.basename(page)}", "mandoc is not installed")
            continue
        done = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, check=False)
        tap.ok(done.returncode == 0 and not done.stdout + done.stderr, f"mandoc -Tlint {os.path.basename(page)}",
               done.stdout.decode() + done.stderr.decode())


def test_probe_options():
    done = subprocess.run([labs.PROBE, "--help"], capture_output=True, check=False)
    tap.equal(done.returncode, 0, "pkienroll-probe --help")
    options = set(re.findall(r"--([a-z-]+)", done.stdout.decode()))
    with open(os.path.join(labs.TOP, "man", "pkienroll-probe.8"), encoding="utf-8") as f:
        told = set(re.findall(r"Fl -([a-z-]+)", f.read()))
    tap.equal(options - told, set(), "every option is in pkienroll-probe(8)")
    tap.equal(told - options, set(), "and every option there exists")


tap.run(test_lint, test_probe_options)
