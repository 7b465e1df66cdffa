# SPDX-License-Identifier: Apache-2.0
"""main as supervisor: a reload and a stop that come while roles still start."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lablib  # noqa: E402
import tap  # noqa: E402


def begin(lab):
    """Start the daemon and return when main has its signal handlers and starts the roles."""
    lab.process = subprocess.Popen([lablib.find_daemon(), "--config", lab.config], env=lab.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
    for line in lab.process.stderr:  # a handful of lines follow: they fit the pipe
        if b"starting" in line:
            return
    raise RuntimeError("pkienrolld ended before it started")


def settled(lab, timeout=60):
    deadline = time.monotonic() + timeout
    status = None
    while time.monotonic() < deadline:
        status = lab.ctl("--wait", "1s", "status", "--json")
        if status.status == 0 and status.json()["state"] == "ready":
            return status.json()
    raise RuntimeError(f"not ready: {status}")


def reload_while_starting():
    """Who was started with the old configuration comes up with the new one."""
    with lablib.Lab(start=False) as lab:
        begin(lab)
        lab.set_option(("templates", "device", "validity"), "100d")
        lab.process.send_signal(signal.SIGHUP)
        status = settled(lab)
        want = lab.run([lablib.find_daemon(), "--config", lab.config, "--check-config"], check=True)
        tap.ok(status["generation"] in want.out, "main has the new generation", f"{status['generation']}\n{want.out}")
        shown = lab.ctl("template", "show", "device", "--json").json()
        tap.equal(shown.get("validity"), "100d", "control has it")
        roles = lab.ctl("status", "--json").json()["roles"]
        tap.ok(all(r["restarts"] == 0 for r in roles), "no role was restarted for it", roles)
        lab.policy_url = status["urls"]["mdm-policy"]
        lab.enroll_url = status["urls"]["mdm-enroll"]
        lab.add_user(lablib.USER)
        result = lab.probe()
        tap.equal(result.status, 0, "net and issuer agree on it: a device enrolls")
        tap.ok(lab.stop() == 0, "and it stops")


def stop_while_starting():
    with lablib.Lab(start=False) as lab:
        begin(lab)
        before = time.monotonic()
        tap.equal(lab.stop(), 0, "a stop while the roles start ends well")
        tap.ok(time.monotonic() - before < 15, "and does not wait for its timeout")


tap.run(reload_while_starting, stop_while_starting)
