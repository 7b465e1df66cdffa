# SPDX-License-Identifier: Apache-2.0
"""./quickstart without its build: the command line, and that --stop ends the lab's daemon and nothing else. The whole way
is walked on a bare system, where it takes a build of its own."""
import os
import subprocess
import sys
import tempfile

TOP = os.environ["top_srcdir"]
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import tap  # noqa: E402 pylint: disable=wrong-import-position


def quickstart(*args, cwd=None):
    done = subprocess.run([os.path.join(TOP, "quickstart"), *args], cwd=cwd, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout + done.stderr


def test_help():
    status, text = quickstart("--help")
    tap.equal(status, 0, "--help")
    for option in ("--state DIR", "--port N", "--keep", "--stop"):
        tap.ok(option in text, f"--help names {option}", text)


def test_usage_errors():
    with tempfile.TemporaryDirectory() as folder:
        for args in (["--bogus"], ["extra"], ["--port"], ["--port", "x"], ["--port="], ["--port=-1"], ["--port=65536"],
                     ["--port=100000"], ["--state"], ["--state="], ["--state", "has space"], ["--state", "quo'te"]):
            status, text = quickstart(*args, cwd=folder)
            tap.ok(status == 2 and text.startswith("quickstart: "), f"refused: {args}", f"{status} {text}")


def test_nothing_to_stop():
    with tempfile.TemporaryDirectory() as folder:
        for state in (folder, os.path.join(folder, "absent")):
            tap.equal(quickstart("--state", state, "--stop"), (0, "quickstart: nothing is running\n"), "nothing to stop")
        tap.equal(os.listdir(folder), [], "--stop makes nothing")


def test_stop_ends_only_its_own():
    """The number of the daemon that ran is another process's by now."""
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "60"]) as other:
        try:
            env = os.path.join(folder, "env")
            for content in (f"PKE_PID='{other.pid}'\n", "PKE_PID='1'\n", "PKE_PID=''\n", "PKE_PID='-1'\n", ""):
                with open(env, "w", encoding="utf-8") as f:
                    f.write(content)
                tap.equal(quickstart("--state", folder, "--stop"), (0, "quickstart: nothing is running\n"),
                          f"not the daemon: {content.strip()}")
                tap.ok(not os.path.exists(env), "the stale file is gone")
            tap.equal(other.poll(), None, "the other process lives")
        finally:
            other.kill()


if __name__ == "__main__":
    tap.run(test_help, test_usage_errors, test_nothing_to_stop, test_stop_ends_only_its_own)
