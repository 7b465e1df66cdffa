# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target over its seeds; with --seconds N, each target N seconds of libFuzzer from there (`make fuzz`)."""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("top_builddir") or os.getcwd()
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import tap  # noqa: E402 pylint: disable=wrong-import-position

SEEDS = {  # patterns below tests/, or None: write_seeds makes them
    "soap": ["data/mdm/*.xml"],
    "csr": ["data/csr/*.csr", "data/probe/*.csr"],
    "conf": ["data/conf/*.yaml", "../dist/examples/*.yaml"],
    "http": None,
    "ipc": None,
}


def program(name):
    return os.path.join(BUILD, "tests", "fuzz", name)


def seeds(target, scratch):
    if SEEDS[target] is None:
        subprocess.run([program("write_seeds"), target, scratch], check=True)
        patterns = [os.path.join(scratch, "*")]
    else:
        patterns = [os.path.join(TOP, "tests", p) for p in SEEDS[target]]
    found = [sorted(glob.glob(p)) for p in patterns]
    tap.ok(all(found), f"{target}: there are seeds", patterns)
    return sum(found, [])


def replay(target):
    with tempfile.TemporaryDirectory() as scratch:
        files = seeds(target, scratch)
        done = subprocess.run([program(f"fuzz_{target}"), *files], capture_output=True, text=True, errors="replace",
                              cwd=scratch, timeout=300, check=False)
        ran = sum(line.startswith("Running: ") for line in done.stderr.splitlines())
        tap.ok(done.returncode == 0 and ran == len(files), f"{target}: {len(files)} seeds",
               f"status {done.returncode}, {ran} ran\n" + "\n".join(done.stderr.splitlines()[-30:]))


def fuzz(target, seconds):
    """The corpus stays in the build folder and grows from run to run; so does what is found."""
    corpus = os.path.join(BUILD, "fuzz", target)
    os.makedirs(corpus, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = sorted({os.path.dirname(f) for f in seeds(target, scratch)})
        status = subprocess.run([program(f"fuzz_{target}"), f"-max_total_time={seconds}", "-print_final_stats=1",
                                 f"-artifact_prefix={corpus}-", corpus, *folders], check=False).returncode
    tap.ok(status == 0, f"{target}: {seconds} s of libFuzzer", f"see {corpus}-*")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int)
    seconds = parser.parse_args().seconds
    tap.run(*[(lambda t=t: fuzz(t, seconds)) if seconds else (lambda t=t: replay(t)) for t in SEEDS])


if __name__ == "__main__":
    main()
