# SPDX-License-Identifier: Apache-2.0
"""What a unit's sandbox does to a program, without a service manager: its system call filter by libseccomp, its address
families, RestrictNamespaces=, MemoryDenyWriteExecute=, and NoExecPaths=/ with ExecPaths= in a mount namespace of its own.

    python3 sandbox.py UNIT [--exec PATH:PATH...] -- PROGRAM [ARGUMENT...]

Without --exec everything may be executed (the namespace needs root). Exit status 126 when the program is not allowed to
start. The filter is what systemd.exec(5) says: the names that are listed, less those after ~; others fail with EPERM."""
import ctypes
import errno
import os
import shutil
import socket
import subprocess
import sys

NO_EXEC, REMOUNT, BIND, REC, PRIVATE, NEWNS = 8, 32, 4096, 16384, 1 << 18, 0x20000
KEPT = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
ALLOW, MASKED_EQ, ERROR = 0x7FFF0000, 7, 0x00050000
NAMESPACES = 0x7E020080  # CLONE_NEW*


def missing():
    """What is needed and is not here; "" when all is."""
    if not shutil.which("systemd-analyze"):
        return "systemd-analyze"
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return "libseccomp"
    return ""


def settings(unit):
    """{name: [values]} of a unit file."""
    found = {}
    with open(unit, encoding="utf-8") as f:
        for line in f:
            if "=" in line and not line.startswith("#"):
                name, value = line.rstrip("\n").split("=", 1)
                found.setdefault(name, []).append(value)
    return found


def names_of(group):
    """The system calls behind a name or @group."""
    if not group.startswith("@"):
        return {group}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True,
                          check=True).stdout
    words = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(names_of(w) for w in words if w and not w.startswith("#")))


def allowed_calls(unit):
    """SystemCallFilter=, in its order. What a program needs to start and to end is always allowed."""
    calls = set()
    for value in settings(unit)["SystemCallFilter"]:
        some = set().union(*(names_of(w) for w in value.lstrip("~").split()))
        calls = calls - some if value.startswith("~") else calls | some
    return calls | names_of("@default")


class Compare(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    """libseccomp, as far as needed here. Load is final for this process and its children."""

    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.seccomp_init(ERROR | errno.EPERM))

    def allow(self, name, *compare, action=ALLOW):
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # not on this kind of machine
            return
        rules = (Compare * len(compare))(*compare) if compare else None
        if self.lib.seccomp_rule_add_array(self.context, action, number, len(compare), rules) != 0:
            raise OSError(f"seccomp: {name}")

    def load(self):
        if self.lib.seccomp_load(self.context) != 0:
            raise OSError("seccomp_load")


def load_filter(unit, calls):
    said, f = settings(unit), Filter()
    families = [getattr(socket, w, None) for w in said["RestrictAddressFamilies"][-1].split()]
    special = {"socket"}
    if said.get("MemoryDenyWriteExecute", [""])[-1] == "yes":
        special |= {"mmap", "mprotect", "pkey_mprotect", "shmat"}
        write, execute = 2, 4
        f.allow("mmap", Compare(2, MASKED_EQ, write, 0))
        f.allow("mmap", Compare(2, MASKED_EQ, write | execute, write))
        f.allow("mprotect", Compare(2, MASKED_EQ, execute, 0))
    if said.get("RestrictNamespaces", [""])[-1] == "yes":
        special |= {"unshare", "setns", "clone", "clone3"}
        f.allow("clone", Compare(0, MASKED_EQ, NAMESPACES, 0))
        f.allow("clone3", action=ERROR | errno.ENOSYS)  # its flags are in memory; libc then takes clone
    for family in families:
        f.allow("socket", Compare(0, MASKED_EQ, 0xFFFFFFFF, family))
    for name in calls - special:
        f.allow(name)
    f.load()


def mount(libc, source, target, flags):
    if libc.mount(source, target.encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), "mount", target)


def unescape(path):
    return path.encode().decode("unicode_escape")


def mounts_of_our_own():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount(libc, None, "/", REC | PRIVATE)
    return libc


def may_mount():
    """Root in a container or a changed root directory may not be able to."""
    return subprocess.run([sys.executable, "-B", os.path.abspath(__file__), "--try"], capture_output=True, check=False).returncode == 0


def only_execute(paths):
    """As NoExecPaths=/ and ExecPaths=."""
    libc = mounts_of_our_own()
    kept = []
    for path in map(os.path.realpath, filter(os.path.exists, paths)):
        mount(libc, path.encode(), path, BIND | REC)
        kept.append(path)
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        mounts = [line.split() for line in f]
    for words in mounts:
        path = unescape(words[4])
        if any(path == k or path.startswith(k + "/") for k in kept):
            continue
        mount(libc, None, path, REMOUNT | BIND | NO_EXEC | sum(KEPT.get(w, 0) for w in words[5].split(",") if w != "noexec"))


def main():
    if sys.argv[1:] == ["--try"]:
        mounts_of_our_own()
        return
    at = sys.argv.index("--")
    unit, program = sys.argv[1], sys.argv[at + 1:]
    calls = allowed_calls(unit)
    if sys.argv[2] == "--exec":
        only_execute(sys.argv[3].split(":"))
    load_filter(unit, calls)
    try:
        os.execv(program[0], program)
    except OSError as e:
        print(f"sandbox: {program[0]}: {e.strerror}", file=sys.stderr)
        sys.exit(126)


if __name__ == "__main__":
    main()
