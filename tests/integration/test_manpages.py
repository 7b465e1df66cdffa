# SPDX-License-Identifier: Apache-2.0
"""Every manual page is clean for mandoc's linter, and those of pkienroll-probe and pkienroll-keytool tell
every option of the program."""
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
        # whether a page that we name is installed on this machine is not the page's fault
        found = [line for line in (done.stdout + done.stderr).decode().splitlines()
                 if "referenced manual not found" not in line and "mandoc.db" not in line]
        tap.ok(not found, f"mandoc -Tlint {os.path.basename(page)}",
               done.stdout.decode() + done.stderr.decode())


def test_probe_options():
    done = subprocess.run([labs.PROBE, "--help"], capture_output=True, check=False)
    tap.equal(done.returncode, 0, "pkienroll-probe --help")
    options = set(re.findall(r"--([a-z-]+)", done.stdout.decode()))
    with open(os.path.join(labs.TOP, "man", "pkienroll-probe.8"), encoding="utf-8") as f:
        told = set(re.findall(r"Fl -([a-z-]+)", f.read()))
    tap.equal(options - told, set(), "every option is in pkienroll-probe(8)")
    tap.equal(told - options, set(), "and every option there exists")


def test_keytool_options():
    done = subprocess.run([labs.KEYTOOL, "--help"], capture_output=True, check=False)
    tap.equal(done.returncode, 0, "pkienroll-keytool --help")
    options = set(re.findall(r"^  --([a-z-]+)", done.stdout.decode(), re.M))
    commands = set(re.findall(r"^  ([a-z][a-z-]+) ", done.stdout.decode(), re.M))
    with open(os.path.join(labs.TOP, "man", "pkienroll-keytool.8"), encoding="utf-8") as f:
        page = f.read()
    told = set(re.findall(r"^\.It Fl Fl ([a-z-]+)", page, re.M))
    tap.equal(options, told, "pkienroll-keytool(8) tells the options of the program, each")
    tap.equal(commands, set(re.findall(r"^\.It Cm ([a-z-]+)", page, re.M)), "and its commands")
    for command in sorted(commands):
        one = subprocess.run([labs.KEYTOOL, command, "--help"], capture_output=True, check=False)
        taken = set(re.findall(r"^  --([a-z-]+)", one.stdout.decode(), re.M))
        tap.ok(one.returncode == 0 and taken and taken <= options, f"pkienroll-keytool {command} --help", one.stdout.decode())


tap.run(test_lint, test_probe_options, test_keytool_options)
