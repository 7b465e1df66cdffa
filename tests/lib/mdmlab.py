# SPDX-License-Identifier: Apache-2.0
"""A lab with an MDM client of tests/lib/mdm.py bound to it."""
import os
import random
import socket
import time
from urllib.parse import urlsplit

import lab as lab_module
import mdm
import tap

USER = lab_module.USER


class MdmLab(lab_module.Lab):
    """with MdmLab() as lab: lab.client() talks to the running daemon."""

    def password(self):
        with open(self.password_file, encoding="utf-8") as f:
            return f.read().strip()

    def client(self, user=USER, password=None, timeout=60):
        policy, enroll = urlsplit(self.policy_url), urlsplit(self.enroll_url)
        return mdm.Client(policy.hostname, policy.port, self.ca_file, user, password or self.password(),
                          policy.path, enroll.path, timeout)

    def request_show(self, trace_id):
        """`pkienrollctl request show`, as a dict; None when it is not found."""
        r = self.ctl("--json", "request", "show", trace_id or "none")
        return r.json() if r.status == 0 else None

    def signatures(self):
        """How many signatures the CA key made so far."""
        return sum(k["signatures"] for k in self.ctl("--json", "key", "list", check=True).json()["items"])

    def issue(self, client=None):
        """Enroll a new device."""
        device = mdm.device_id()
        return (client or self.client()).enroll(mdm.new_csr(device), device)

    def issues_again(self, name, timeout=30):
        """Check that a certificate is issued before @p timeout."""
        deadline = time.monotonic() + timeout
        a = self.issue()
        while a.status != 200 and time.monotonic() < deadline:
            a = self.issue()
        return tap.ok(a.certificate(), name, a.describe())

    # -- processes of the roles

    @property
    def ledger(self):
        return os.path.join(self.dir, "state", "ledger.db")

    def status(self):
        """`pkienrollctl status`, as a dict; None while nobody answers."""
        r = self.ctl("--json", "status")
        return r.json() if r.status == 0 else None

    def roles(self, role):
        """The processes of a role, as status lists them."""
        return [r for r in (self.status() or {"roles": []})["roles"] if r["role"] == role]

    def pids(self, role=None):
        return [r["pid"] for r in self.status()["roles"] if role in (None, r["role"]) and r["pid"]]

    def wait_status(self, condition, timeout=30):
        """Poll status until @p condition holds for it; that status, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return status
            time.sleep(0.02)
        return None

    def wait_key(self, state, timeout=30):
        """Poll `key list` until the first instance is in this state; its row, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            r = self.ctl("--json", "key", "list")
            row = r.json()["items"][0] if r.status == 0 else {}
            if row.get("state") == state:
                return row
            time.sleep(0.02)
        return None

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


def whole_fault(a, status, subcode, error_type, name):
    """Check a fault: status, words and framing as a Windows client needs them."""
    return tap.ok(a.status == status and a.subcode == subcode and a.error_type == error_type and a.body and
                  a.headers.get("Content-Length") == str(len(a.body)) and a.reason and a.trace_id, name, a.describe())


def read_text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write_text(path, text):
    """Replace a file, as a secret of mode 0600."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)


def free_port():
    """A TCP port that is free on loopback, outside of the range that the kernel gives to clients."""
    ports = list(range(20000, 32000))
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no free port")


def alive(pid):
    """Whether this process still runs; one that ended and was not collected yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pids, timeout=20):
    """Those of @p pids that still run after @p timeout."""
    deadline = time.monotonic() + timeout
    while any(alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [p for p in pids if alive(p)]
