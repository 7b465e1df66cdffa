# SPDX-License-Identifier: Apache-2.0
"""A software TPM over UNIX sockets in a folder of its own, with the proxy of tests/lib/tpmproxy.py in front.

    with swtpm.Tpm() as tpm:
        tpm.tcti                      for the program under test: faults can be put in, commands are counted
        tpm.tools("getcap", "handles-transient")
        tpm.proxy.fault("rc", command="Sign", value=0x922, times=1)

swtpm takes one client at a time, and the program under test holds its connection. So the proxy is that client, and others
(tpm2-tools, raw commands of a test) come to it by a second socket where nothing is counted and no fault is put in."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import tpmproxy

PATH_MAX = 107
SRK = 0x81000001
RH_OWNER, RH_NULL, RS_PW = 0x40000001, 0x40000007, 0x40000009
HANDLES = {"transient": 0x80000000, "loaded-session": 0x02000000, "saved-session": 0x03000000, "persistent": 0x81000000}
PT_LOCKOUT_COUNTER, PT_MAX_AUTH_FAIL = 0x20e, 0x20f


def missing():
    """What is needed and is not here; "" when all is."""
    for program in ("swtpm", "swtpm_ioctl", "tpm2_getcap", "openssl"):
        if not shutil.which(program):
            return program
    return ""


def wait_for(condition, timeout=20, step=0.01):
    """Poll until @p condition() is true; what it returned last."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


class TpmError(Exception):
    """The TPM answered with this response code."""

    def __init__(self, code):
        super().__init__(f"TPM response code {code:#x}")
        self.code = code


class Swtpm:
    """The process swtpm. Attributes: folder, socket (raw commands), control, pid."""

    def __init__(self, folder=None):
        self._own = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="pketpm-")
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.folder, "sock")
        self.control = self.socket + ".ctrl"
        self.process = None
        if len(self.control) > PATH_MAX:
            raise OSError(f"{self.control}: too long for a socket")
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Start it with the state that is there, and wait until it answers."""
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        for path in (self.socket, self.control):  # after a kill they are still there, and nobody listens
            if os.path.exists(path):
                os.unlink(path)
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [*guard, "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--server",
             f"type=unixio,path={self.socket}", "--ctrl", f"type=unixio,path={self.control}", "--flags",
             "not-need-init,startup-clear"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(lambda: self.process.poll() is not None or (self._answers(self.control) and
                                                                    self._answers(self.socket))) or \
                self.process.poll() is not None:
            raise RuntimeError("swtpm did not start")

    @staticmethod
    def _answers(path):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(path)
                return True
            except OSError:
                return False

    def _ioctl(self, *args):
        subprocess.run(["swtpm_ioctl", "--unix", self.control, *args], check=True, capture_output=True, timeout=30)

    def reset(self):
        """As the reset line of the chip: it lives, forgot what was loaded, and wants TPM2_Startup."""
        self._ioctl("-i")

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        """SIGKILL: power goes while it works."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def restart(self, clear=False):
        """End it hard and start it again; @p clear: with an empty state, as another chip or one that was cleared."""
        self.kill()
        if clear:
            shutil.rmtree(self.state)
        self.start()

    def close(self):
        self.kill()
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Tpm(Swtpm):
    """swtpm with the proxy in front. tcti: where the program under test shall connect."""

    def __init__(self, folder=None):
        self.proxy = None
        super().__init__(folder)
        try:
            self.proxy = tpmproxy.Proxy(self.folder, self.socket)
        except BaseException:
            self.close()
            raise
        self.tcti = f"unix:{self.proxy.front}"
        pipe = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tpmproxy.py")
        self.env = dict(os.environ, TPM2TOOLS_TCTI=f"cmd:{sys.executable} -B {pipe} pipe {self.proxy.side}",
                        TPM2OPENSSL_TCTI=f"cmd:{sys.executable} -B {pipe} pipe {self.proxy.side}", TSS2_LOG="all+none")

    def close(self):
        if self.proxy:
            self.proxy.close()
        super().close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        """A file of mode 0600 in the TPM's folder; its path."""
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def tools(self, tool, *args, check=True):
        """One tool of tpm2-tools in the TPM's folder, by the side socket; it leaves nothing loaded."""
        done = None
        for command in ((f"tpm2_{tool}", *args), ("tpm2_flushcontext", "-t")):
            r = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False)
            if r.returncode and check:
                raise RuntimeError(f"{command}: {r.stderr}")
            done = done or r
        return done

    # -- raw commands by the side socket

    def raw(self, command, handles=(), parameters=b"", auth=None):
        """One command: (handles or parameters that follow the header, as bytes). @p auth: password for each handle."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.proxy.side)
            body = b"".join(struct.pack(">I", h) for h in handles)
            if auth is not None:
                area = b"".join(struct.pack(">IHBH", RS_PW, 0, 0, len(a)) + a for a in auth)
                body += struct.pack(">I", len(area)) + area
            body += parameters
            code = tpmproxy.command_code(command)
            s.sendall(struct.pack(">HII", 0x8001 if auth is None else 0x8002, 10 + len(body), code) + body)
            answer = tpmproxy.read_frame(s)
        if answer is None:
            raise ConnectionError("no TPM behind the proxy")
        result = struct.unpack(">I", answer[6:10])[0]
        if result:
            raise TpmError(result)
        return answer[10:]

    def handles(self, kind):
        """Handles of this kind: "transient", "loaded-session", "saved-session" or "persistent"."""
        answer = self.raw("GetCapability", parameters=struct.pack(">III", 1, HANDLES[kind], 100))
        n = struct.unpack(">I", answer[5:9])[0]
        return list(struct.unpack(f">{n}I", answer[9:9 + 4 * n]))

    def property(self, tag):
        """One of TPM_PT_*."""
        answer = self.raw("GetCapability", parameters=struct.pack(">III", 6, tag, 1))
        found, value = struct.unpack(">II", answer[9:17])
        if found != tag:
            raise KeyError(tag)
        return value

    def lockout_counter(self):
        """Authorisations that failed and that the TPM counts against a dictionary attack."""
        return self.property(PT_LOCKOUT_COUNTER)

    def start_session(self):
        """A session that stays loaded, as another program's."""
        answer = self.raw("StartAuthSession", (RH_NULL, RH_NULL),
                          struct.pack(">H", 16) + os.urandom(16) + struct.pack(">HBHH", 0, 0, 0x10, 0x0b))
        return struct.unpack(">I", answer[:4])[0]

    def create_primary(self):
        """A storage key that stays loaded, as another program's (TCG template ECC P-256)."""
        public = struct.pack(">HHIH", 0x23, 0x0b, 0x00030472, 0) + struct.pack(">HHH", 6, 128, 0x43) + \
            struct.pack(">HHH", 0x10, 3, 0x10) + struct.pack(">HH", 0, 0)
        parameters = struct.pack(">HHH", 4, 0, 0) + struct.pack(">H", len(public)) + public + struct.pack(">HI", 0, 0)
        return struct.unpack(">I", self.raw("CreatePrimary", (RH_OWNER,), parameters, auth=[b""])[:4])[0]

    def flush(self, handle):
        self.raw("FlushContext", parameters=struct.pack(">I", handle))

    def assert_empty(self):
        """What is loaded and should not be: {} when nothing was left."""
        found = {kind: self.handles(kind) for kind in ("transient", "loaded-session", "saved-session")}
        return {kind: [hex(h) for h in handles] for kind, handles in found.items() if handles}

