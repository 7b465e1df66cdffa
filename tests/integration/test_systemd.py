# SPDX-License-Identifier: Apache-2.0
"""The daemon under a service manager, without one: units checked offline, the notification protocol, sockets that outlive
a restart, drain on SIGTERM, and the example configuration served as it is."""
import glob
import grp
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lab_module  # noqa: E402
from lab import send_signal  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

DIST = os.path.join(os.environ["top_srcdir"], "dist")
UNIT = os.path.join(lab_module.BUILD, "dist", "systemd", "pkienrolld.service")
MAX_EXPOSURE = 1.5


def run(*command):
    r = subprocess.run(command, capture_output=True, check=False, timeout=120, stdin=subprocess.DEVNULL)
    return r.returncode, (r.stdout + r.stderr).decode("utf-8", "replace")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


# -- units


def place(folder, extra="", drop_in=None):
    """The unit as it would be installed, with programs that exist; its path."""
    lines = []
    for line in read(UNIT).splitlines():
        if line.startswith("ExecStart="):
            line = f"ExecStart={lab_module.find_daemon()} " + line.split(" ", 1)[1]
        elif line.startswith("ExecReload="):
            line = f"ExecReload={lab_module.CTL} " + line.split(" ", 1)[1]
        lines.append(line)
        if line == "[Service]" and extra:
            lines.append(extra)
    shutil.copy(os.path.join(DIST, "systemd", "pkienrolld.socket"), folder)
    shutil.rmtree(os.path.join(folder, "pkienrolld.service.d"), ignore_errors=True)
    if drop_in:
        os.mkdir(os.path.join(folder, "pkienrolld.service.d"))
        shutil.copy(drop_in, os.path.join(folder, "pkienrolld.service.d"))
    return write(os.path.join(folder, "pkienrolld.service"), "\n".join(lines) + "\n")


def verify(folder, **kw):
    unit = place(folder, **kw)
    status, text = run("systemd-analyze", "verify", "--man=no", unit, os.path.join(folder, "pkienrolld.socket"))
    # what is wrong with other units of this machine is not our business
    return status, "".join(line for line in text.splitlines(True) if "pkienroll" in line or "[/" not in line)


def exposure(folder, **kw):
    """(0 when it is at most 1.5, the figure)"""
    status, text = run("systemd-analyze", "security", "--no-pager", "--offline=true",
                       f"--threshold={int(MAX_EXPOSURE * 10)}", place(folder, **kw))
    overall = [line for line in text.splitlines() if "Overall exposure level" in line]
    return status, float(overall[0].split(": ", 1)[1].split()[0]) if overall else text


def units_are_clean():
    if not shutil.which("systemd-analyze"):
        tap.skip("systemd-analyze", "not installed")
        return
    with tempfile.TemporaryDirectory(prefix="pke-units-") as folder:
        tap.equal(verify(folder), (0, ""), "systemd-analyze verify has nothing to say about the units")
        tap.ok(verify(folder, extra="ProtectEverything=yes")[1], "it would about an unknown setting")
        tap.ok(verify(folder, extra="ExecStartPre=/nonexistent/program")[0] != 0, "and about a program that is not there")
        status, figure = exposure(folder)
        tap.ok(status == 0 and figure <= MAX_EXPOSURE, f"exposure {figure} is at most {MAX_EXPOSURE}")
        for path in sorted(glob.glob(os.path.join(DIST, "systemd", "drop-ins", "*.conf"))):
            name = os.path.basename(path)
            tap.equal(verify(folder, drop_in=path), (0, ""), f"the drop-in {name} verifies")
            status, figure = exposure(folder, drop_in=path)
            tap.ok(figure <= 2.0, f"exposure with {name} is {figure}")
        write(os.path.join(folder, "open.conf"), "[Service]\nSystemCallFilter=\nNoNewPrivileges=no\nProtectSystem=no\n"
              "CapabilityBoundingSet=CAP_SYS_ADMIN\n")
        status, figure = exposure(folder, drop_in=os.path.join(folder, "open.conf"))
        tap.ok(status != 0 and figure > MAX_EXPOSURE, f"an open unit would fail, with {figure}")


def unit_times_fit():
    unit = dict(line.split("=", 1) for line in read(UNIT).splitlines() if "=" in line and not line.startswith("#"))
    tap.ok(int(unit["TimeoutStopSec"]) > 20, "TimeoutStopSec= is longer than the daemon's own patience of 20 s")
    tap.ok(int(unit["TimeoutStartSec"]) > 300, "TimeoutStartSec= is longer than its patience with a ledger, 300 s")
    tap.equal(unit["RestartPreventExitStatus"], "64 78", "usage and configuration errors are not started again")
    tap.ok("@" not in read(UNIT).replace("@system-service", "").split("SystemCallFilter=~", 1)[0],
           "every path of the unit is filled in")


def user_and_folders():
    if not shutil.which("systemd-sysusers") or os.geteuid() != 0:
        tap.skip("sysusers.d and tmpfiles.d", "needs systemd-sysusers and root")
        return
    with tempfile.TemporaryDirectory(prefix="pke-root-") as root:
        os.mkdir(os.path.join(root, "etc"))
        status, text = run("systemd-sysusers", f"--root={root}", os.path.join(DIST, "systemd/sysusers.d/pkienrolld.conf"))
        users, groups = (read(os.path.join(root, "etc", n)) if status == 0 else "" for n in ("passwd", "group"))
        tap.ok("pkienrolld:" in users and "/var/lib/pkienrolld:/usr/sbin/nologin" in users and
               "pkienrolld-admin:" in groups, "sysusers.d makes the user and the group of administrators",
               text + users + groups)
        status, text = run("systemd-tmpfiles", "--create", f"--root={root}",
                           os.path.join(DIST, "systemd/tmpfiles.d/pkienrolld.conf"))
        st = os.stat(os.path.join(root, "etc", "pkienrolld"))
        gid = int(next(line for line in groups.splitlines() if line.startswith("pkienrolld:")).split(":")[2])
        tap.equal((status, oct(st.st_mode & 0o7777), st.st_uid, st.st_gid), (0, "0o750", 0, gid),
                  f"tmpfiles.d makes the folder of the configuration {text}")


# -- notification


class Recorder:
    """The service manager's end of NOTIFY_SOCKET: every message with the time it came."""

    def __init__(self, lab):
        path = os.path.join(lab.dir, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.messages, self.state_when_ready = [], None
        self.lab = lab
        self.changed = threading.Condition()
        lab.env["NOTIFY_SOCKET"] = path
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            text = self.socket.recv(65536).decode()
            if text == "READY=1" and self.state_when_ready is None:
                self.state_when_ready = self.lab.ctl("--json", "status").json().get("state")
            with self.changed:
                self.messages.append((time.monotonic(), text))
                self.changed.notify_all()

    def texts(self):
        return [text for _, text in self.messages]

    def wait_for(self, text, count=1, timeout=60):
        with self.changed:
            return self.changed.wait_for(lambda: self.texts().count(text) >= count, timeout)


def notification():
    with MdmLab(start=False) as lab:
        recorder = Recorder(lab)
        lab.env["WATCHDOG_USEC"] = "400000"
        lab.start()
        lab.env.pop("WATCHDOG_USEC")
        tap.ok(recorder.wait_for("READY=1"), "READY=1 comes", recorder.texts())
        tap.equal(recorder.state_when_ready, "ready", "status is ready when READY=1 comes")
        before = recorder.texts()[:recorder.texts().index("READY=1")]
        tap.ok(any(t.startswith("STATUS=starting") for t in before) and before[-1] == "STATUS=ready; key lab-ca is ready",
               "STATUS= is starting, then ready, and says each key's state", before)
        tap.ok(recorder.wait_for("WATCHDOG=1", 5), "WATCHDOG=1 comes again and again", recorder.texts())
        beats = [t for t, text in recorder.messages if text == "WATCHDOG=1"]
        pause = min(b - a for a, b in zip(beats, beats[1:]))
        tap.ok(pause <= 0.4, f"at least one in each WATCHDOG_USEC, here after {pause:.2f} s")
        tap.equal(lab.ctl("reload").status, 0, "reload")
        tap.ok(recorder.wait_for("READY=1", 2) and "RELOADING=1" in recorder.texts(),
               "a reload is RELOADING=1, then READY=1", recorder.texts())
        tap.equal(lab.stop(), 0, "SIGTERM: exit status 0")
        tap.ok(recorder.wait_for("STOPPING=1", timeout=10), "STOPPING=1 comes", recorder.texts())
        tap.equal(recorder.texts().count("READY=1"), 2, "READY=1 came once for each of start and reload")


def notification_of_trouble():
    with MdmLab(start=False) as lab:
        recorder = Recorder(lab)
        write(os.path.join(lab.etc, "pin"), "not-the-pin\n")
        lab.launch()
        want = "STATUS=degraded; key lab-ca is locked: C_Login returned CKR_PIN_INCORRECT (0xa0)"
        tap.ok(recorder.wait_for("READY=1") and want in recorder.texts(),
               "a key that is locked has settled: READY=1, and STATUS= says so", recorder.texts())
        lab.stop()
    with MdmLab(start=False) as lab:
        recorder = Recorder(lab)
        with_socket(lab)
        lab.launcher, lab.pass_fds = [], ()  # but the service manager passes none
        lab.launch()
        tap.equal(lab.process.wait(60), 78, "a socket that is not passed is an error of the configuration")
        tap.ok("READY=1" not in recorder.texts() and "no socket named public" in lab.log_tail(),
               "which is said, and READY=1 is not", lab.log_tail())


# -- sockets


def with_socket(lab, name="public", listening=True):
    """A listening socket that this test keeps as the service manager does; the lab's listener uses it."""
    s = socket.create_server(("127.0.0.1", 0), backlog=512) if listening else socket.socket()
    lab.set_option(("listeners", "main", "address"), None)
    lab.set_option(("listeners", "main", "port"), None)
    lab.set_option(("listeners", "main", "socket"), "public")
    port = s.getsockname()[1] if listening else 1
    lab.set_option(("listeners", "main", "public-url"), f"https://127.0.0.1:{port}")
    lab.launcher = ["bash", "-c", f'exec 3<&{s.fileno()}; '
                    f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name} exec "$@"', "bash"]
    lab.pass_fds = (s.fileno(),)
    return s


class Load:
    """Clients that ask for the policy over a new connection each time, and never try again."""

    def __init__(self, lab, clients=3):
        self.body = mdm.envelope(mdm.ACTION_XCEP, lab.client().security(), mdm.get_policies_body())
        self.lab, self.going = lab, True
        self.good, self.maintenance, self.refused, self.broken = 0, 0, [], []
        self.lock = threading.Condition()
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(clients)]
        for t in self.threads:
            t.start()

    def client(self):
        while self.going:
            c = self.lab.client()
            try:
                c.open().connect()
            except ConnectionError as e:
                self.refused.append(repr(e))
                return
            try:
                c.connection.request("POST", c.policy_path, self.body.encode(), {"Content-Type": mdm.CONTENT_TYPE})
                r = c.connection.getresponse()
                body = r.read()
                answer = mdm.Answer(r.status, r.headers, body)
                with self.lock:
                    if r.status == 200 and body.rstrip().endswith(b"Envelope>"):
                        self.good += 1
                    elif answer.subcode == "s:InMaintenance" or b"InMaintenance" in body:
                        self.maintenance += 1
                    else:
                        self.broken.append(answer.describe())
                    self.lock.notify_all()
            except (OSError, http.client.HTTPException) as e:
                self.broken.append(repr(e))
                return
            finally:
                c.close()

    def more(self, n=10, timeout=60):
        """Wait for @p n more good answers."""
        with self.lock:
            want = self.good + n
            return self.lock.wait_for(lambda: self.good >= want or self.broken or self.refused, timeout) and \
                self.good >= want

    def end(self):
        self.going = False
        for t in self.threads:
            t.join(90)

    def __str__(self):
        return f"{self.good} answers, {self.maintenance} in maintenance, refused {self.refused}, broken {self.broken}"


def net_pid(lab):
    return next(r["pid"] for r in lab.ctl("--json", "status", check=True).json()["roles"] if r["role"] == "net")


def sockets_outlive_restarts():
    with MdmLab(start=False) as lab, with_socket(lab):
        lab.start()
        lab.add_user(lab_module.USER)
        load = Load(lab)
        tap.ok(load.more(), "the daemon serves the socket that it was given", load)
        for i in range(2):
            tap.equal(lab.stop(), 0, f"stop {i} under load: exit status 0")
            lab.start()
            tap.ok(load.more(), f"start {i}: those who waited are served", load)
        tap.ok(not load.refused and not load.broken and not load.maintenance,
               "no connection refused, no reply cut off, no request turned away over the restarts", load)
        tap.equal(lab.ctl("reload").status, 0, "reload")
        tap.ok(load.more(), "the same socket after a reload", load)
        load.end()
        tap.ok(not load.refused and not load.broken, "nothing lost by the reload", load)
        old = net_pid(lab)
        send_signal(old, signal.SIGKILL)
        a = lab.client().get_policies()  # waits in the queue until there is a new one
        tap.ok(a.status == 200 and net_pid(lab) != old, "a new net gets the socket again", a.describe())


def sockets_of_the_wrong_kind():
    for name, kw, want in (("another-name", {}, "no socket named public"),
                           ("public", {"listening": False}, "not a listening stream socket")):
        with MdmLab(start=False) as lab, with_socket(lab, name, **kw):
            lab.launch()
            tap.equal(lab.process.wait(60), 78, f"{want}: exit status 78")
            tap.ok(want in lab.log_tail(), f"{want}: the log says it", lab.log_tail())
    with MdmLab(start=False) as lab, with_socket(lab):
        for option in ("tls-certificate", "tls-key", "client-cert", "client-ca"):
            lab.set_option(("listeners", "main", option), None)
        lab.set_option(("listeners", "main", "frontend"), "yes")
        lab.start()
        tap.ok("socket:public" in lab.ctl("--json", "status").out, "without TLS for a frontend on loopback")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def systemd_socket_activate():
    if not shutil.which("systemd-socket-activate"):
        tap.skip("systemd-socket-activate", "not installed")
        return
    with MdmLab(start=False) as lab:
        with_socket(lab).close()
        port = free_port()
        lab.pass_fds = ()
        lab.set_option(("listeners", "main", "public-url"), f"https://127.0.0.1:{port}")
        keep = [f"--setenv={k}={lab.env[k]}" for k in ("SOFTHSM2_CONF", "ASAN_OPTIONS") if k in lab.env]
        lab.launcher = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=public", *keep]
        lab.launch()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and lab.process.poll() is None:
            try:
                waiting = socket.create_connection(("127.0.0.1", port), timeout=60)  # it is what starts the daemon
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        with waiting:
            tap.ok(lab.ctl("--wait", "60s", "status").status == 0, "systemd-socket-activate starts the daemon",
                   lab.log_tail())
        lab.add_user(lab_module.USER)
        c = mdm.Client("127.0.0.1", port, lab.ca_file, lab_module.USER, lab.password())
        device = mdm.device_id()
        a = c.enroll(mdm.new_csr(device), device)
        tap.ok(a.status == 200 and a.certificate(), "an enrollment through it", a.describe())
        c.close()
        tap.equal(lab.stop(), 0, "SIGTERM: exit status 0")


# -- drain


def drain():
    with MdmLab() as lab:
        load = Load(lab, 4)
        tap.ok(load.more(), "load is running", load)
        began = time.monotonic()
        tap.equal(lab.stop(), 0, "SIGTERM under load: exit status 0")
        took = time.monotonic() - began
        load.end()
        refused = [b for b in load.broken if "ConnectionReset" in b]  # was in the queue of the socket that closed
        tap.ok(len(refused) == len(load.broken), f"no reply is cut off (stopped after {took:.1f} s; {load.good} answers)", load)
        tap.ok(took < 20, "the stop does not need the patience of 20 s", took)


# -- the example


def example_with_a_tpm():
    """The lines of the example for a key in the TPM, in place of those for a token: the whole is valid."""
    text = read(os.path.join(DIST, "examples", "pkienrolld.yaml"))
    lines = [line for line in text.splitlines() if not line.startswith(("    backend: pkcs11", "    module:", "    uri: pkcs11:"))]
    text = "\n".join(line.replace("    #", "    ", 1) if line.startswith(("    #backend: tpm2", "    #tcti:", "    #uri: tpm2:"))
                     else line for line in lines) + "\n"
    tap.equal([text.count(w) for w in ("    backend: tpm2\n", "    tcti: device:/dev/tpmrm0\n", "    uri: tpm2:file=", "pkcs11")],
              [1, 1, 1, 0], "the example has lines for a TPM")
    with tempfile.TemporaryDirectory() as folder:
        path = write(os.path.join(folder, "pkienrolld.yaml"), text)
        status, said = run(lab_module.find_daemon(), "--config", path, "--check-config")
        tap.ok(status == 78 and "keys." not in said, "nothing is wrong with the key but that files are not there", said)


def example_configuration():
    with MdmLab(start=False, sub_ca=True) as lab, with_socket(lab) as s:
        text = read(os.path.join(DIST, "examples", "pkienrolld.yaml"))
        options = dict(line.split(": ", 1) for line in
                       (part.split("#")[0].strip() for part in read(lab.config).splitlines()) if ": " in line)
        for old, new in (("/var/lib/pkienrolld/users", lab.dir + "/state/users"), ("/var/lib/pkienrolld", lab.dir + "/state"),
                         ("/run/pkienrolld/control", lab.socket), ("/usr/lib/softhsm/libsofthsm2.so", options["module"]),
                         ("pkcs11:token=pkienrolld;object=issuing-ca", options["uri"]),
                         ("*@corp.example", "*@lab.example"),
                         ("file: dm-client-secret", "file: client-secret"),
                         ("file: dm-server-secret", "file: server-secret"),
                         ("[pkienrolld-admin]", f"[{grp.getgrgid(os.getgid()).gr_name}]"),
                         ("https://enroll.corp.example", f"https://127.0.0.1:{s.getsockname()[1]}")):
            tap.ok(old in text, f"the example says {old}")
            text = text.replace(old, new)
        text, offered = re.subn(r"^( *)#((?:identity-map|blocked-keys|publish-directory|crl-urls|ca-issuers-urls): )", r"\1\2", text, flags=re.M)
        tap.equal(offered, 5, "what it offers in comments is in force, too")
        write(os.path.join(lab.etc, "identities.jsonl"), json.dumps({"principal": lab_module.USER, "upn": lab_module.USER}) + "\n")
        write(os.path.join(lab.etc, "blocked-keys.txt"), "0" * 64 + "  # nobody's\n")
        write(lab.config, text)
        shutil.copy(lab.ca, os.path.join(lab.etc, "issuing-ca.pem"))
        credentials = os.path.join(lab.dir, "credentials")
        os.mkdir(credentials)
        shutil.copy(os.path.join(lab.etc, "pin"), os.path.join(credentials, "ca-pin"))
        os.chmod(os.path.join(credentials, "ca-pin"), 0o440 if os.geteuid() == 0 else 0o400)
        check = lab.run([lab_module.find_daemon(), "--config", lab.config, "--check-config"])
        tap.equal((check.status, check.err), (0, ""), "--check-config accepts it")
        lab.env["CREDENTIALS_DIRECTORY"] = credentials
        lab.start()
        lab.add_user(lab_module.USER)
        tap.equal(lab.ctl("--json", "status").json()["state"], "ready", "it is served: the PIN is a credential")
        r = lab.probe()
        tap.equal(r.status, 0, f"pkienroll-probe is content with it {r if r.status else ''}")
        tap.ok(os.path.isfile(os.path.join(lab.dir, "state", "publish", "issuing-ca.crl")), "and the list is where crl-urls says it")


tap.run(units_are_clean, unit_times_fit, user_and_folders, notification, notification_of_trouble,
        sockets_outlive_restarts, sockets_of_the_wrong_kind, systemd_socket_activate, drain, example_configuration, example_with_a_tpm)
