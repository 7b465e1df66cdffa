# SPDX-License-Identifier: Apache-2.0
"""A46 and A29: where the PIN of the CA key goes and where it does not. A running daemon, pkienroll-keytool at work, and
what the kernel tells of them: command lines, environments, memory, descriptors, limits."""
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
# pylint: disable=wrong-import-position
import lab as labs  # noqa: E402
import softhsm  # noqa: E402
import swtpm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab, read_text, write_text  # noqa: E402

SANITIZED = "#define PKE_SANITIZED" in read_text(os.path.join(labs.BUILD, "config.h"))
ROLES = {"main", "net", "auth", "issuer", "key", "control"}
# What a process without privileges is to the kernel: root alone would see everything anyway.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []


def proc(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as f:
        return f.read()


def processes(lab):
    """{pid: role} of the whole daemon."""
    found = {r["pid"]: r["role"] for r in lab.status()["roles"] if r["pid"]}
    found[lab.process.pid] = "main"
    return found


def mappings(pid):
    """(first, behind the last, name, VmFlags) of every mapping that can be read."""
    out = []
    for line in proc(pid, "smaps").decode().splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        if m:
            out.append([int(m[1], 16), int(m[2], 16), m[4], m[3]])
        elif line.startswith("VmFlags:"):
            out[-1].append(line.split()[1:])
    return [(a, b, name, flags) for a, b, name, access, flags in out if access[0] == "r"]


def copies(pid, secret):
    """The mappings of a process that hold these bytes: [(name, VmFlags)]. PermissionError: only root may look."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        for begin, end, name, flags in mappings(pid):
            last = b""
            while begin < end:
                try:
                    f.seek(begin)
                    part = f.read(min(1 << 22, end - begin))
                except (OSError, ValueError, OverflowError):
                    break  # device memory, the guard of a stack, what a sanitizer keeps for itself
                if not part:
                    break
                if secret in last + part:
                    found.append((name, flags))
                    break
                last = part[-len(secret):]
                begin += len(part)
                if "ShadowMemory" in name or end - begin > 1 << 30:
                    break
    return found


def may_look(pid):
    """Whether an ordinary process of the same user reads the memory of this one: the kernel asks the same question for
    ptrace, gcore and /proc/PID/environ."""
    return subprocess.run([*UNPRIVILEGED, "cat", f"/proc/{pid}/environ"], capture_output=True, check=False).returncode == 0


def limits(pid):
    return re.search(r"^Max core file size +(\S+) +(\S+)", proc(pid, "limits").decode(), re.M).groups()


def inet_sockets(pid):
    """[(kind, listening, local port)] of the internet sockets that a process has."""
    inodes = {}
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        try:
            lines = proc(pid, f"net/{kind}").decode().splitlines()[1:]
        except FileNotFoundError:
            continue
        for words in map(str.split, lines):
            inodes[words[9]] = (kind, words[3] == "0A", int(words[1].rsplit(":", 1)[1], 16))
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            m = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
        if m and m[1] in inodes:
            found.append(inodes[m[1]])
    return found


def wrote(folder, secret, besides=()):
    """Files below a folder that hold these bytes."""
    found = []
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, n) for n in names):
            if path not in besides and os.path.isfile(path):
                with open(path, "rb") as f:
                    if secret in f.read():
                        found.append(path)
    return found


class TpmLab(MdmLab):
    """A lab whose CA key is in a TPM of its own."""

    def __init__(self, **kw):
        self.tpm = swtpm.Swtpm()
        try:
            super().__init__(tcti=f"unix:{self.tpm.socket}", **kw)
        except BaseException:
            self.tpm.close()
            raise

    def close(self):
        super().close()
        self.tpm.close()


# ---- the daemon

def look_at(pid, role, pin, what):
    """Everything about one process of the daemon."""
    for name in ("cmdline", "environ"):
        try:
            tap.ok(pin not in proc(pid, name), f"{what}: {role}: not in its {name}")
        except PermissionError:
            tap.skip(f"{what}: {role}: {name}", "only root may look, which is right")
    tap.equal(limits(pid), ("0", "0"), f"{what}: {role}: no core file")
    tap.ok(not may_look(pid), f"{what}: {role}: no process of its user looks into it")
    try:
        where = copies(pid, pin)
    except PermissionError:
        tap.skip(f"{what}: {role}: memory", "only root may look, which is right")
        return
    if role != "key":
        tap.equal(where, [], f"{what}: {role}: the PIN is not in its memory")
        return
    own = [flags for name, flags in where if "dd" in flags]
    tap.ok(own, f"{what}: key: the PIN is in its memory, and in pages that no dump takes", where)
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] not in range(65536) and not SANITIZED:  # where mlock() does nothing
        tap.ok(any("lo" in flags for flags in own), f"{what}: key: which are never swapped", where)
    if what == "pkcs11":  # ESAPI keeps the auth value in memory of its own
        tap.equal([name for name, flags in where if "dd" not in flags], [], f"{what}: key: and nowhere else")


def pin_of(lab):
    return read_text(os.path.join(lab.etc, "pin")).strip().encode()


def secrets_of_the_daemon(what, make):
    with make(start=False) as lab:
        lab.launcher = UNPRIVILEGED
        lab.start()
        lab.add_user(labs.USER)
        tap.equal(lab.probe().status, 0, f"{what}: a device enrolls")
        pin, found = pin_of(lab), processes(lab)
        tap.equal(set(found.values()), ROLES, f"{what}: every role runs")
        for pid, role in sorted(found.items()):
            look_at(pid, role, pin, what)
        only_net_has_network(lab, found, what)
        said = b"".join(lab.ctl("--json", *words).out.encode() for words in (("status",), ("key", "list"), ("audit", "list")))
        tap.ok(pin not in said, f"{what}: pkienrollctl does not say it")
        key = next(pid for pid, role in found.items() if role == "key")
        no_core_of(lab, key, what)
        lab.stop()
        tap.equal(wrote(lab.dir, pin, {os.path.join(lab.etc, "pin")}), [], f"{what}: no file but the PIN file holds it")
        wrong_pin(lab, what)


def only_net_has_network(lab, found, what):
    port = int(re.search(r":(\d+)/", lab.policy_url)[1])
    for pid, role in sorted(found.items()):
        try:
            sockets = inet_sockets(pid)
        except PermissionError:
            tap.skip(f"{what}: {role}: sockets", "only root may look, which is right")
            continue
        if role == "net":
            tap.equal([s for s in sockets if s[1]], [("tcp", True, port)], f"{what}: net listens on its listener alone")
            tap.equal([s for s in sockets if s[2] != port], [], f"{what}: net has no connection of its own")
        else:
            tap.equal(sockets, [], f"{what}: {role} has no internet socket")


def no_core_of(lab, pid, what):
    """A process that crashes leaves nothing, not even where the limit was raised behind its back."""
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except PermissionError:  # needs CAP_SYS_RESOURCE, which root in a container may lack
        tap.diag("the limit stays as it is")
    cwd = os.getcwd()
    before = set(os.listdir(cwd))
    labs.send_signal(pid, signal.SIGABRT)
    tap.ok(lab.wait_status(lambda s: s["state"] == "ready" and any(r["role"] == "key" and r["pid"] != pid
                                                                   for r in s["roles"])), f"{what}: a key role that crashed is back")
    tap.equal([n for n in set(os.listdir(cwd)) - before if "core" in n], [], f"{what}: and left no core")


def wrong_pin(lab, what):
    """What refuses a PIN says so without it."""
    path = os.path.join(lab.etc, "pin")
    right, wrong = read_text(path), "a-pin-that-was-never-right"
    write_text(path, wrong + "\n")
    lab.start(state="degraded")
    row = lab.wait_key("locked")
    tap.ok(row, f"{what}: a wrong PIN locks the key", lab.log_tail())
    said = str(row) + lab.ctl("--json", "status").out + lab.ctl("key", "test", "lab-ca").err
    lab.stop()
    tap.ok(wrong not in said and wrong not in lab.read_log(), f"{what}: nobody repeats the wrong PIN")
    tap.equal(wrote(lab.dir, wrong.encode(), {path}), [], f"{what}: it stands in no file")
    write_text(path, right)


def a46_daemon_pkcs11():
    secrets_of_the_daemon("pkcs11", MdmLab)


def a46_daemon_tpm():
    if labs.no_tpm():
        tap.skip("the daemon with a TPM key", labs.no_tpm())
        return
    secrets_of_the_daemon("tpm2", TpmLab)


def a46_the_search_finds():
    """Each of these tests would fail if there was something to find."""
    secret = os.urandom(16).hex()
    with subprocess.Popen([*UNPRIVILEGED, sys.executable, "-c", "import sys, time; print(1, flush=True); time.sleep(600)",
                           secret], env=dict(os.environ, SECRET=secret), stdout=subprocess.PIPE) as child:
        try:
            child.stdout.readline()
            tap.ok(secret.encode() in proc(child.pid, "cmdline") and secret.encode() in proc(child.pid, "environ") and
                   copies(child.pid, secret.encode()), "a secret in argv, environment and memory is seen")
            tap.ok(may_look(child.pid), "a process that is not closed can be looked into")
            with socket.create_server(("127.0.0.1", 0)) as s:
                tap.ok(("tcp", True, s.getsockname()[1]) in inet_sockets("self"), "a listening socket is seen")
        finally:
            child.kill()
    with tempfile.TemporaryDirectory() as folder:
        path = write_text(os.path.join(folder, "x"), f"a{secret}b") or os.path.join(folder, "x")
        tap.equal(wrote(folder, secret.encode()), [path], "a secret in a file is seen")


# ---- pkienroll-keytool

def caught(command, env, pin, ready):
    """Run a program and stop it as soon as the PIN is in its memory and ready(pid) holds; its pid, or None when it was
    faster. The caller lets it go on."""
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # pylint: disable=R1732
    while child.poll() is None:
        try:
            if ready(child.pid):
                child.send_signal(signal.SIGSTOP)
                if copies(child.pid, pin):
                    return child
                child.send_signal(signal.SIGCONT)
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.002)
    child.communicate()
    return None


def has_socket(pid):
    """Whether it talks to the TPM already."""
    return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{pid}/fd"))


def look_at_keytool(child, pin, what):
    pid = child.pid
    for name in ("cmdline", "environ"):
        tap.ok(pin not in proc(pid, name), f"{what}: not in its {name}")
    tap.equal(limits(pid), ("0", "0"), f"{what}: no core file")
    tap.ok(not may_look(pid), f"{what}: no process of its user looks into it")
    tap.ok(any("dd" in flags for _, flags in copies(pid, pin)), f"{what}: the PIN is in pages that no dump takes")
    tap.equal(inet_sockets(pid), [], f"{what}: no internet socket")
    child.send_signal(signal.SIGCONT)
    said = child.communicate(timeout=300)[0]
    tap.ok(child.returncode == 0 and pin not in said, f"{what}: it ends well and does not say the PIN", said)


def a46_keytool_pkcs11():
    if os.geteuid() != 0:
        tap.skip("pkienroll-keytool at work", "only root may look, which is right")
        return
    with softhsm.Token(label="pke-secrets") as hsm:
        pin = hsm.pin.encode()
        for i in range(20):  # the key may be made faster than it is caught
            child = caught([*UNPRIVILEGED, labs.KEYTOOL, "generate", "--module", hsm.module, "--uri", hsm.uri(f"ca{i}"),
                            "--pin-file", hsm.pin_file, "--algorithm", "rsa-4096"], hsm.env, pin,
                           lambda pid: b"softhsm" in proc(pid, "maps"))
            if child:
                break
        if tap.ok(child, "pkienroll-keytool is caught with the PIN in its memory"):
            look_at_keytool(child, pin, "keytool, pkcs11")
        tap.equal([p for p in wrote(hsm.folder, pin) if p != hsm.pin_file], [], "keytool, pkcs11: no other file holds it")


def a46_keytool_tpm():
    if os.geteuid() != 0 or labs.no_tpm():
        tap.skip("pkienroll-keytool at work on a TPM", labs.no_tpm() or "only root may look, which is right")
        return
    with swtpm.Swtpm() as tpm:
        pin, pin_file = b"3f9c2e7754d0a1b8", os.path.join(tpm.folder, "pin")
        write_text(pin_file, pin.decode() + "\n")
        where = ["--backend", "tpm2", "--tcti", f"unix:{tpm.socket}"]
        done = subprocess.run([labs.KEYTOOL, "init-token", *where], capture_output=True, check=False)
        if not tap.equal(done.returncode, 0, "init-token"):
            tap.diag(done.stderr.decode())
            return
        for i in range(20):
            child = caught([*UNPRIVILEGED, labs.KEYTOOL, "generate", *where, "--uri", f"tpm2:file={tpm.folder}/ca{i}.tss2",
                            "--pin-file", pin_file, "--algorithm", "rsa-3072"], os.environ, pin, has_socket)
            if child:
                break
        if tap.ok(child, "pkienroll-keytool is caught with the auth value in its memory"):
            look_at_keytool(child, pin, "keytool, tpm2")
        tap.equal([p for p in wrote(tpm.folder, pin) if p != pin_file], [], "keytool, tpm2: no other file holds it")
        for path in (p for p in os.listdir(tpm.folder) if p.endswith(".tss2")):
            tap.equal(os.stat(os.path.join(tpm.folder, path)).st_mode & 0o777, 0o600, "A29: a key file is its owner's alone")


# ---- the PIN file

def a29_pin_file_modes():
    """Whoever else could read the PIN: the daemon does not start, pkienroll-keytool does not begin."""
    with MdmLab(start=False) as lab:
        path, config = os.path.join(lab.etc, "pin"), [labs.find_daemon(), "--config", lab.config]
        pin = read_text(path)
        keytool = [labs.KEYTOOL, "show", "--module", softhsm.find_module(), "--uri", "pkcs11:token=pkienroll-lab;object=lab-ca",
                   "--pin-file", path]

        def refused(name, words):
            for who, command, status in (("--check-config", [*config, "--check-config"], 78), ("pkienrolld", config, 78),
                                         ("pkienroll-keytool", keytool, 1)):
                r = lab.run(command)
                tap.ok(r.status == status and path in r.err and words in r.err, f"{name}: {who} refuses", r)
                tap.ok(pin.strip() not in r.out + r.err, f"{name}: {who} does not say the PIN")

        for mode in (0o640, 0o604, 0o620, 0o610, 0o660, 0o644, 0o666, 0o606):
            os.chmod(path, mode)
            refused(f"mode {mode:04o}", "accessible by group or others")
        os.chmod(path, 0o600)
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
        refused("a symbolic link", "cannot open")
        os.unlink(path)
        os.mkfifo(path, 0o600)
        refused("a FIFO", "not a regular file")
        os.unlink(path)
        os.mkdir(path, 0o700)
        refused("a folder", "not a regular file")
        os.rmdir(path)
        refused("no file", "cannot open")
        for content, name, words in (("", "an empty file", "must hold"), ("\n", "nothing but a line break", "is empty"),
                                     ("x" * 256, "256 octets", "too long"), ("x" * 300, "300 octets", "must hold")):
            write_text(path, content)
            refused(name, words)
        os.unlink(path)
        os.rename(path + ".real", path)
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
            refused("somebody else's file", "belongs to uid")
            os.chown(path, 0, -1)
        os.chmod(path, 0o400)
        lab.start()
        tap.equal(lab.wait_key("ready")["state"], "ready", "mode 0400 is good")
        os.chmod(path, 0o644)
        r = lab.ctl("reload")
        tap.ok(r.status != 0 and "accessible by group" in r.out + r.err, "a reload with a PIN that others read is refused", r)
        tap.equal(lab.wait_key("ready")["state"], "ready", "and changes nothing")


def main():
    if labs.missing():
        print(f"1..0 # SKIP {labs.missing()} is not installed")
        return
    tap.run(a46_the_search_finds, a46_daemon_pkcs11, a46_daemon_tpm, a46_keytool_pkcs11, a46_keytool_tpm, a29_pin_file_modes)


if __name__ == "__main__":
    main()
