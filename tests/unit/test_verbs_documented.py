#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verb table against what is written about it: the manual pages and doc/control-api.md name every command, path
and option, and nothing that does not exist."""
import os
import re
import subprocess
import sys
import tempfile

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
import tap  # noqa: E402

CTL = os.path.join(BUILD, "ctl/pkienrollctl")


def read(name):
    with open(os.path.join(SRC, name), encoding="utf-8") as f:
        return f.read()


def ctl(*args):
    return subprocess.run([CTL, *args], capture_output=True, text=True, check=False)


def table():
    done = ctl("--commands")
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_commands_in_the_manual_page():
    page = read("man/pkienrollctl.8")
    documented = re.findall(r"^\.It Ic ([a-z -]+?)(?: (?:Ar|Op) .*)?$", page, re.M)
    tap.equal(sorted(documented), sorted(row[0] for row in table()), "pkienrollctl.8 has exactly the commands")


def test_options_in_the_manual_page():
    page = read("man/pkienrollctl.8")
    missing = []
    for row in table():
        text = ctl(*row[0].split(), "--help").stdout
        for option in re.findall(r"^  (--[a-z-]+)", text, re.M):
            if f"Fl {option[1:]}" not in page:
                missing.append(option)
    tap.equal(sorted(set(missing)), [], "pkienrollctl.8 has every option of the help")


def test_paths_in_the_api_page():
    rows = re.findall(r"^\.It (GET|POST|DELETE) Ta (\S+) Ta (\w+) Ta", read("man/pkienroll-control.7"), re.M)
    tap.equal(sorted(rows), sorted((r[1], r[2], r[3]) for r in table()), "pkienroll-control.7 has exactly the paths")


def test_paths_in_the_document():
    rows = re.findall(r"^### `(GET|POST|DELETE) (\S+)` — (\w+)$", read("doc/control-api.md"), re.M)
    tap.equal(sorted(rows), sorted((r[1], r[2], r[3]) for r in table()), "control-api.md has exactly the paths")


def complete(*words, folder="."):
    """What the completion offers for the last of @p words."""
    script = ('PATH=$1:$PATH; source "$2"; cd "$3" || exit; shift 3; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pkienrollctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "-", os.path.dirname(os.path.abspath(CTL)),
                           os.path.abspath(os.path.join(SRC, "dist/completions/pkienrollctl")), folder, "pkienrollctl", *words],
                          capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split()


def test_completion():
    tap.equal(complete("cr"), ["crl"], "the first word of a command")
    tap.equal(complete("crl", ""), ["list", "publish", "show"], "its second")
    tap.equal(complete("cert", "revoke", "17", "--re"), ["--reason"], "an option of it, behind its argument")
    tap.equal(complete("cert", "revoke", "17", "--reason", "key"), ["keyCompromise"], "the value of an option")
    tap.equal(complete("device", "release", "x", "--revoke", "--rea"), ["--reason"], "behind a flag")
    tap.equal(complete("--json", "user", "revoke", "--dry-run", "ada", "--cou"), ["--count"], "a flag takes no word with it")
    tap.equal(complete("user", "revoke", "--comment", "user", "ada", "--cou"), ["--count"], "a value is no command")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pc.csr", "pc.pem"):
            with open(os.path.join(folder, name), "w", encoding="ascii"):
                pass
        tap.equal(complete("simulate", "pc.c", folder=folder), ["pc.csr"], "a file where a command takes one")
        tap.equal(complete("cert", "show", "pc", folder=folder), [], "and nowhere else")


def test_pages_are_clean():
    for page in ("man/pkienrollctl.8", "man/pkienroll-control.7"):
        try:
            done = subprocess.run(["mandoc", "-Tlint", os.path.join(SRC, page)], capture_output=True, text=True,
                                  check=False)
        except FileNotFoundError:
            tap.skip(f"mandoc -Tlint {page}", "mandoc is not installed")
            continue
        found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
        tap.equal(found, [], f"mandoc -Tlint {page}")


def test_exit_codes():
    tap.equal(ctl("no", "such").returncode, 2, "an unknown command exits 2")
    tap.equal(ctl("--help").returncode, 0, "help exits 0")
    done = ctl("--socket", "/nonexistent/control", "status")
    tap.equal(done.returncode, 69, "no daemon exits 69")
    tap.ok("/nonexistent/control" in done.stderr, "and says where", done.stderr)
    done = subprocess.run([CTL, "--socket", "/nonexistent/control", "user", "add", "u"], capture_output=True,
                          text=True, check=False, start_new_session=True, stdin=subprocess.DEVNULL)
    tap.equal(done.returncode, 2, "user add without a terminal and without --password-file exits 2")
    with open("/dev/full", "w", encoding="utf-8") as full:
        tap.equal(subprocess.run([CTL, "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode, 1,
                  "output that is lost is no success")


tap.run(test_completion, test_commands_in_the_manual_page, test_options_in_the_manual_page, test_paths_in_the_api_page,
        test_paths_in_the_document, test_pages_are_clean, test_exit_codes)
