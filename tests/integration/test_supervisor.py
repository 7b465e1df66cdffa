# SPDX-License-Identifier: Apache-2.0
"""main as supervisor: a reload and a stop that come while roles still start, roles that hang, ports that stay."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lablib  # noqa: E402
from lab import send_signal  # noqa: E402
import tap  # noqa: E402


def begin(lab):
    """Start the daemon and return when main has its signal handlers and starts the roles."""
    with open(lab.log, "ab") as log:
        lab.process = subprocess.Popen([lablib.find_daemon(), "--config", lab.config], env=lab.env, stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    while lab.process.poll() is None:
        if "starting" in lab.log_tail():
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


def role(lab, name, index=0):
    return next(r for r in lab.ctl("status", "--json", check=True).json()["roles"]
                if r["role"] == name and r["index"] == index)


def back(lab, name, before, timeout=60):
    """The role in its next life, ready; None when it does not come."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        now = role(lab, name)
        if now["pid"] not in (0, before["pid"]) and now["state"] == "ready":
            return now
        time.sleep(0.2)  # what is waited for has no event that a client sees
    return None


def hung_role_is_ended():
    """R14: an event loop that hangs is noticed, although the process lives."""
    with lablib.Lab() as lab:
        before = role(lab, "auth")
        send_signal(before["pid"], signal.SIGSTOP)
        tap.ok(back(lab, "auth", before), "a role that hangs is ended and started again", lab.log_tail())
        tap.equal(lab.probe().status, 0, "and a device enrolls")


def picked_port_stays():
    with lablib.Lab() as lab:
        before, url = role(lab, "net"), lab.enroll_url
        send_signal(before["pid"], signal.SIGKILL)
        tap.ok(back(lab, "net", before), "net comes back", lab.log_tail())
        status = lab.ctl("status", "--json", check=True).json()
        tap.equal(status["urls"]["mdm-enroll"], url, "with port 0 the picked port outlives the process")


tap.run(reload_while_starting, stop_while_starting, hung_role_is_ended, picked_port_stays)
