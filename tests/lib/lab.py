# SPDX-License-Identifier: Apache-2.0
"""A private lab for integration tests: SoftHSM token, CA, TLS, configuration and a running pkienrolld, made by
scripts/lab-setup like the lab of ./quickstart, from the programs of the build tree. Parallel-safe: everything is in a
temporary folder, the port is picked by the daemon."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import tap

TOP = os.path.abspath(os.environ.get("top_srcdir") or os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("top_builddir") or os.path.join(TOP, "build"))

KEYTOOL = os.path.join(BUILD, "keytool", "pkienroll-keytool")
DAEMON = os.environ.get("PKIENROLLD") or os.path.join(BUILD, "pkienrolld")
CTL = os.path.join(BUILD, "ctl", "pkienrollctl")
PROBE = os.path.join(BUILD, "probe", "pkienroll-probe")

USER = "ada@lab.example"


def find_daemon():
    """Path of the daemon in the build tree."""
    for path in (DAEMON, os.path.join(BUILD, "daemon", "pkienrolld"),
                 os.path.join(BUILD, "daemon", "main", "pkienrolld")):
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"no pkienrolld in {BUILD}")


def missing():
    """What a lab cannot do without and is not here; "" when all is."""
    for program in ("softhsm2-util", "openssl"):
        if not shutil.which(program):
            return program
    return ""


def no_tpm():
    """Why there can be no lab with a TPM key; "" when there can."""
    return "" if shutil.which("swtpm") else "swtpm is not installed"


def send_signal(pid, number):
    """os.kill() for a pid that status told: 0 is a role that waits to be started, and would be our own process group."""
    if not isinstance(pid, int) or pid < 2:
        raise RuntimeError(f"the role has no process (pid {pid})")
    os.kill(pid, number)


class Result:
    """What a program said and how it ended."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def __str__(self):
        return f"status {self.status}\n{self.out}{self.err}"

    def json(self):
        return json.loads(self.out)


class Lab:
    """with Lab() as lab: the daemon runs inside, lab.policy_url and lab.enroll_url are its addresses.

    @p options: {("templates", "device", "validity"): "30d", ("retry-window",): "1m"} over the lab's configuration.
    @p algorithm: of the CA key. @p sub_ca: the issuing CA is below a root of its own, lab.root. @p tcti: the CA key is in
    the TPM behind it, which the caller keeps running.
    lab.launcher and lab.pass_fds: what start() puts before the daemon's command, descriptors that it passes on.
    """

    def __init__(self, options=None, start=True, algorithm=None, sub_ca=False, tcti=None):
        self.dir = tempfile.mkdtemp(prefix="pkelab-")
        self.etc = os.path.join(self.dir, "etc")
        self.config = os.path.join(self.etc, "pkienrolld.yaml")
        self.ca_file = os.path.join(self.dir, "ca-bundle.pem")
        self.ca = os.path.join(self.etc, "ca.pem")
        self.password_file = os.path.join(self.etc, "password")
        self.log = os.path.join(self.dir, "log", "pkienrolld.log")
        self.env = dict(os.environ, KEYTOOL=KEYTOOL, PORT="0", SOFTHSM2_CONF=os.path.join(self.etc, "softhsm2.conf"))
        self.env.pop("SOCKET", None)
        if algorithm:
            self.env["CA_ALGORITHM"] = algorithm
        if tcti:
            self.env.update(CA_BACKEND="tpm2", TCTI=tcti)
        self.root = None
        self.launcher, self.pass_fds = [], ()
        self.process = None
        self.policy_url = self.enroll_url = None
        self._runs = self._checked = 0
        try:
            for part in ("token", "certs", "config"):
                self.run([os.path.join(TOP, "scripts", "lab-setup"), self.dir, part], check=True)
            with open(os.path.join(self.etc, "socket"), encoding="utf-8") as f:
                self.socket = f.read().strip()
            self.make_key()
            if sub_ca:
                self.make_sub_ca()
            for path, value in (options or {}).items():
                self.set_option(path, value)
            if start:
                self.start()
                self.add_user(USER)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def run(self, command, check=False, data=None, timeout=120):
        """Run a program with the lab's environment."""
        result = Result(subprocess.run(command, env=self.env, input=data or b"", capture_output=True, timeout=timeout,
                                       check=False))
        if check and result.status != 0:
            raise RuntimeError(f"{' '.join(command)}: {result}")
        return result

    def make_key(self):
        """For a lab whose CA key is not the one in SoftHSM: see tpmca.py."""

    def write_bundle(self):
        """What a client has to trust, again, after a change of the CA certificate."""
        with open(self.ca_file, "w", encoding="ascii") as out:
            for path in filter(None, (os.path.join(self.etc, "tls-root.pem"), self.ca, self.root)):
                with open(path, encoding="ascii") as f:
                    out.write(f.read())

    def make_sub_ca(self, extensions="", days=3000):
        """The CA certificate again, for the same key, by a root that is thrown away; with more lines of extensions, good for
        @p days from now."""
        work = os.path.join(self.dir, "root")
        self.root = os.path.join(self.etc, "root.pem")
        os.mkdir(work)
        key, pub, ext = (os.path.join(work, n) for n in ("root.key", "pub.pem", "ext"))
        with open(ext, "w", encoding="ascii") as f:
            f.write("basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
                    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n" + extensions)
        with open(pub, "w", encoding="ascii") as f:
            f.write(self.run(["openssl", "x509", "-in", self.ca, "-noout", "-pubkey"], check=True).out)
        self.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                  key, "-out", self.root, "-days", "3650", "-subj", "/O=Lab/CN=Lab Root above", "-addext",
                  "keyUsage=critical,keyCertSign,cRLSign"], check=True)
        self.run(["openssl", "x509", "-new", "-force_pubkey", pub, "-subj", "/O=Lab/CN=Lab Issuing CA", "-CA", self.root,
                  "-CAkey", key, "-set_serial", "0x5a17", "-days", str(days), "-sha256", "-extfile", ext, "-out", self.ca],
                 check=True)
        os.chmod(self.root, 0o644)
        shutil.rmtree(work)
        self.set_option(("issuers", "lab", "root"), "root.pem")
        self.write_bundle()

    # -- configuration

    def set_option(self, path, value):
        """Set one option of the configuration, ("section", "name", "option") or ("option",); takes effect at start or
        reload. @p value is YAML; None removes the option."""
        with open(self.config, encoding="utf-8") as f:
            lines = f.read().splitlines()
        begin, end = 0, len(lines)
        for depth, name in enumerate(path[:-1]):
            begin, end = self._block(lines, begin, end, depth, name)
        indent = "  " * (len(path) - 1)
        new = [] if value is None else [f"{indent}{path[-1]}: {value}"]
        pattern = re.compile(rf"{indent}{re.escape(path[-1])}:")
        at = next((i for i in range(begin, end) if pattern.match(lines[i])), None)
        if at is None:
            lines[begin:begin] = new
        else:
            last = at + 1
            while last < end and lines[last].startswith(indent + " "):
                last += 1
            lines[at:last] = new
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    @staticmethod
    def _block(lines, begin, end, depth, name):
        """First and last+1 line of the mapping @p name at this depth; appended when it is not there."""
        head = "  " * depth + name + ":"
        for i in range(begin, end):
            if lines[i].rstrip() == head:
                last = i + 1
                while last < end and (not lines[last].strip() or lines[last].startswith("  " * (depth + 1))):
                    last += 1
                return i + 1, last
        lines.insert(end, head)
        return end + 1, end + 1

    # -- daemon

    def launch(self):
        """Start pkienrolld and do not wait."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.launcher, find_daemon(), "--config", self.config], env=self.env,
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                            pass_fds=self.pass_fds)

    def start(self, timeout=60, state="ready"):
        """Start pkienrolld and wait until it is ready, or in another settled @p state ("degraded": a key is down)."""
        self.launch()
        deadline = time.monotonic() + timeout
        status = None
        while time.monotonic() < deadline and self.process.poll() is None:
            status = self.ctl(*(["--wait", "1s"] if state == "ready" else []), "status", "--json")
            found = status.json() if status.status == 0 else {}
            urls = found.get("urls", {})
            if found.get("state") == state and "mdm-policy" in urls and "mdm-enroll" in urls:
                self.policy_url, self.enroll_url = urls["mdm-policy"], urls["mdm-enroll"]
                return
        raise RuntimeError(f"pkienrolld did not become ready: {status}\n{self.log_tail()}")

    def stop(self, how=signal.SIGTERM, timeout=30):
        """End the daemon; its exit status. Whatever is left of its processes is killed."""
        process, self.process = self.process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            tap.diag(f"pkienrolld did not end within {timeout} s\n{self.log_tail()}")
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            self._check_log()

    def _check_log(self):
        """A sanitizer's report of any role fails the test: main's exit status does not tell of it."""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            f.seek(self._checked)
            text = f.read()
            self._checked = f.tell()
        at = re.search(r"ERROR: \w+Sanitizer|runtime error:", text)
        if at:
            tap.ok(False, "a sanitizer's report in the daemon's log", text[at.start():])

    def restart(self, state="ready"):
        self.stop()
        self.start(state=state)

    def log_tail(self, lines=40):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return ""

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        if not self.__dict__.get("socket", self.dir).startswith(self.dir):
            shutil.rmtree(os.path.dirname(self.socket), ignore_errors=True)

    # -- programs

    def ctl(self, *args, check=False, data=None):
        return self.run([CTL, "--socket", self.socket, *args], check=check, data=data)

    def add_user(self, name, password=None):
        """A user with the lab's password, or another."""
        if password is None:
            return self.ctl("user", "add", name, "--password-file", self.password_file, check=True)
        return self.ctl("user", "add", name, "--password-file", "-", data=password.encode() + b"\n", check=True)

    def mint(self, user=USER, **options):
        """A one-time token: the answer of `token mint`; options as type="device", lifetime="1h", count=3."""
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        return self.ctl("--json", "token", "mint", user, *words, check=True).json()

    def probe(self, *args, out=None, user=USER, password=None, policy=True, token=None):
        """Run pkienroll-probe; the result has .folder with the artefacts and .verdict. @p out is a name below the lab
        (the default is a new one). @p token: enroll with it, instead of user and password."""
        self._runs += 1
        folder = os.path.join(self.dir, out or f"probe-{self._runs}")
        where = ["--policy-url", self.policy_url] if policy else ["--skip-policy"]
        who = ["--user", user, "--password-file", self.password_file if password is None else "-"]
        if token is not None:
            who, password = ["--token-file", "-"], token
        data = None if password is None else password.encode() + b"\n"
        result = self.run([PROBE, *where, "--enroll-url", self.enroll_url, *who, "--ca-file", self.ca_file,
                           "--out", folder, *args], data=data)
        result.folder = folder
        try:
            with open(os.path.join(folder, "verdict.json"), encoding="utf-8") as f:
                result.verdict = json.load(f)
        except FileNotFoundError:
            result.verdict = None
        return result
