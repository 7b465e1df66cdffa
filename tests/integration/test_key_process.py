# SPDX-License-Identifier: Apache-2.0
"""The process of a key that dies, cannot be started, whose token or disk is not as it was, and what is in flight
meanwhile (doc/key-faults.md, 31 to 40)."""
import os
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lablib  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import openmetrics  # noqa: E402
from p11double import P11Double  # noqa: E402
import tap  # noqa: E402
from lab import USER, send_signal  # noqa: E402
from mdmlab import MdmLab, free_port, read_text, wait_gone, whole_fault, write_text  # noqa: E402

QUEUED = 50
PATIENT = {("request-deadline",): "60s", ("keys", "lab-ca", "deadline"): "60s", ("keys", "lab-ca", "health-interval"): "0s"}


def wait_for(check, timeout=40):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def stop_key(lab):
    pid = lab.roles("key")[0]["pid"]
    send_signal(pid, signal.SIGSTOP)
    return pid


class Ask(threading.Thread):
    """One enrollment of a device of its own, from a thread: its answer may take."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.device, self.client, self.answers = mdm.device_id(), lab.client(timeout=90), []
        self.csr = mdm.new_csr(self.device)

    def run(self):
        self.answers.append(self.client.enroll(self.csr, self.device))

    def again(self):
        return self.client.enroll(self.csr, self.device)


def states(lab, asks):
    return [ledgerdb.one(lab.ledger, "SELECT state FROM request WHERE device_id = ? ORDER BY id DESC LIMIT 1", (a.device,))
            for a in asks]


def killed_with_fifty_queued():
    """31: each of them is answered, once, and gets its certificate when it asks again."""
    with MdmLab(PATIENT) as lab:
        key = stop_key(lab)
        asks = [Ask(lab) for _ in range(QUEUED)]
        for a in asks:
            a.start()

        def queued():
            m = openmetrics.parse(lab.ctl("metrics", check=True).out)
            return m["pkienrolld_key_queue"].value(key="lab-ca") == QUEUED - 1

        tap.ok(wait_for(queued), f"one is being signed, {QUEUED - 1} wait", lab.ctl("metrics").out)
        send_signal(key, signal.SIGKILL)
        for a in asks:
            a.join(60)
        tap.equal([len(a.answers) for a in asks], [1] * QUEUED, "each has one answer")
        tap.ok(all(a.answers[0].certificate() or a.answers[0].subcode == "s:EnrollmentServer" for a in asks),
               "a certificate or s:EnrollmentServer", [a.answers[0].subcode for a in asks])
        tap.equal(ledgerdb.open_intents(lab.ledger), [], "no intent is open")
        lab.wait_key("ready")
        answers = [a.again() for a in asks]
        tap.equal([a.status for a in answers], [200] * QUEUED, "all of them are served by the next process, on the same connection")
        tap.equal(ledgerdb.problems(lab.ledger), [], "no serial twice, the audit chain whole")


def program_gone():
    """32: the program was removed or cannot be executed."""
    with MdmLab({("listeners", "main", "port"): free_port()}, start=False) as lab:
        copy = os.path.join(lab.dir, "pkienrolld")
        shutil.copy(lablib.find_daemon(), copy)
        was, lablib.DAEMON = lablib.DAEMON, copy
        try:
            lab.start()
        finally:
            lablib.DAEMON = was
        lab.add_user(USER)
        os.chmod(copy, 0o600)
        send_signal(lab.roles("key")[0]["pid"], signal.SIGKILL)
        tap.ok(lab.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["restarts"] >= 3]),
               "a program that cannot be executed is tried again", lab.status())
        client = lab.client()
        tap.equal(client.get_policies().status, 200, "GetPolicies goes on")
        whole_fault(lab.issue(client), 500, "s:EnrollmentServer", None, "Issue gives s:EnrollmentServer")
        os.chmod(copy, 0o700)
        tap.ok(lab.wait_key("ready", 45), "and started when it can be", lab.status())
        os.unlink(copy)
        before = lab.roles("key")[0]
        send_signal(before["pid"], signal.SIGKILL)
        tap.ok(lab.wait_status(lambda s: [r for r in s["roles"] if r["role"] == "key" and r["state"] == "ready"
                                          and r["pid"] not in (0, before["pid"])], 45),
               "a program that was removed starts all the same", lab.status())
        lab.issues_again("certificates are issued")


def main_gone():
    """33: no key process outlives main, the stopped one neither."""
    with MdmLab({("keys", "lab-ca", "instances"): "2"}) as lab:
        stop_key(lab)
        pids = lab.pids("key")
        lab.process.kill()
        lab.process.wait()
        tap.ok(len(pids) == 2 and wait_gone(pids) == [], "both end with main", pids)


def client_gone_while_signing():
    """35: who asked goes away in the middle of a signature; it is recorded, and the next try gets that certificate."""
    with MdmLab(PATIENT) as lab:
        key = stop_key(lab)
        device = mdm.device_id()
        csr = mdm.new_csr(device)
        client = lab.client()
        body = mdm.envelope(mdm.ACTION_RST, client.security(), mdm.rst_body(csr, mdm.default_items(device))).encode()
        raw = client.raw_socket()
        raw.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" %
                    (client.enroll_path.encode(), mdm.CONTENT_TYPE.encode(), len(body)) + body)
        tap.ok(ledgerdb.request_of(lab.ledger, device, "intent"), "the signature is being made")
        raw.close()
        send_signal(key, signal.SIGCONT)
        tap.ok(ledgerdb.request_of(lab.ledger, device, "issued"), "its result is recorded without anybody to tell")
        made = lab.signatures()
        a = client.enroll(csr, device)
        tap.ok(a.certificate(), "the next try gets a certificate", a.describe())
        tap.equal(lab.signatures(), made, "the same: no second signature")


def token_read_only():
    """39: SoftHSM's token in a file system that cannot be written."""
    with MdmLab(start=False) as lab:
        tokens = os.path.join(lab.dir, "tokens")
        lab.launcher = ["unshare", "-m", "bash", "-c", f'mount --bind "{tokens}" "{tokens}" && '
                        f'mount -o remount,bind,ro "{tokens}" && exec "$@"', "bash"]
        if lab.run([*lab.launcher, "true"]).status != 0:
            tap.skip("a read-only token", "mounts are not allowed here")
            return
        lab.start()
        lab.add_user(USER)
        tap.ok(lab.issue().certificate(), "a key in a read-only token signs")


def disk_full():
    """39: a refused PIN that cannot be remembered on disk is not tried again by that process all the same."""
    with MdmLab(start=False) as lab:
        double, state = P11Double(lab), os.path.join(lab.dir, "state")
        pin = os.path.join(lab.etc, "pin")
        lab.launcher = ["unshare", "-m", "bash", "-c", f'mount -t tmpfs -o size=16m,mode=0700 pke "{state}" && exec "$@"',
                        "bash"]
        if lab.run([*lab.launcher, "true"]).status != 0:
            tap.skip("a full disk", "mounts are not allowed here")
            return
        lab.start()
        inside = f"/proc/{lab.process.pid}/root{state}"
        right = read_text(pin)
        write_text(pin, "not-the-pin\n")
        with open(os.path.join(inside, "filler"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 4096)
            except OSError:
                pass
        before = double.calls("C_Login")
        send_signal(lab.roles("key")[0]["pid"], signal.SIGKILL)
        tap.ok(lab.wait_key("locked"), "the PIN is refused", lab.ctl("key", "list"))
        lab.ctl("key", "test", "lab-ca")
        lab.ctl("reload", check=True)
        tap.equal(double.calls("C_Login"), before + 1, "after one attempt, and neither a test nor a reload makes another")
        os.unlink(os.path.join(inside, "filler"))
        write_text(pin, right)
        tap.equal(lab.ctl("key", "unlock", "lab-ca").status, 0, "space and the right PIN: unlock works")


def reload_while_signing():
    """40: a reload waits for nobody and cuts nothing off; what began before it is finished."""
    with MdmLab(PATIENT) as lab:
        key = stop_key(lab)
        asks = [Ask(lab) for _ in range(3)]
        for a in asks:
            a.start()
        tap.ok(wait_for(lambda: states(lab, asks) == ["intent"] * 3), "three are at the key or wait for it", states(lab, asks))
        lab.set_option(("templates", "device", "validity"), "100d")
        done = []
        reload_ = threading.Thread(target=lambda: done.append(lab.ctl("reload")), daemon=True)
        reload_.start()
        tap.equal(states(lab, asks), ["intent"] * 3, "a reload begins")
        send_signal(key, signal.SIGCONT)
        reload_.join(60)
        for a in asks:
            a.join(60)
        tap.ok(done and done[0].status == 0, "and is done", done and done[0])
        tap.equal([a.answers[0].status for a in asks], [200] * 3, "each of them has its certificate")
        tap.equal(lab.ctl("--json", "template", "show", "device").json()["validity"], "100d", "the new configuration is in force")
        tap.equal([r["restarts"] for r in lab.status()["roles"]], [0] * len(lab.status()["roles"]), "nobody was restarted")


tap.run(killed_with_fifty_queued, program_gone, main_gone, client_gone_while_signing, token_read_only, disk_full,
        reload_while_signing)
