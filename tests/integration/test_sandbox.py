# SPDX-License-Identifier: Apache-2.0
"""A46: the sandbox of the unit. What it says, read by systemd-analyze; and what the daemon can do and cannot do below it:
the same filter and the same mounts around a running lab, with enrollments of both kinds of CA key."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
# pylint: disable=wrong-import-position
import lab as labs  # noqa: E402
import sandbox  # noqa: E402
import swtpm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

UNIT = os.path.join(labs.BUILD, "dist", "systemd", "pkienrolld.service")
SANDBOX = os.path.join(labs.TOP, "tests", "lib", "sandbox.py")
# Not set, each for a reason: files of the host are needed, clients come by TCP, groups of callers are (PrivateUsers=);
# DevicePolicy=closed leaves /dev/null and its like.
OPEN = {"RootDirectory=/RootImage=", "PrivateUsers=", "PrivateNetwork=", "RestrictAddressFamilies=~AF_(INET|INET6)",
        "RestrictAddressFamilies=~AF_UNIX", "IPAddressDeny=",
        "SupplementaryGroups=", "DeviceAllow="}


def analyze(unit):
    r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--json=short", "--no-pager", unit],
                       capture_output=True, text=True, check=False)
    return {row["name"]: row["set"] for row in json.loads(r.stdout)}


def a46_what_the_unit_says():
    if not shutil.which("systemd-analyze"):
        tap.skip("the unit", "systemd-analyze is not installed")
        return
    found = analyze(UNIT)
    tap.equal({name for name, closed in found.items() if not closed} - OPEN, set(),
              "everything is closed that systemd-analyze knows, but for what the daemon lives from")
    said = sandbox.settings(UNIT)
    tap.equal((said["IPAddressDeny"], said["IPAddressAllow"]), (["any"], ["localhost"]), "no network but this host's")
    tap.equal(said["NoExecPaths"], ["/"], "nothing is executed")
    programs = [p for p in said["ExecPaths"][-1].split() if not p.lstrip("-").endswith(("lib", "lib64"))]
    tap.equal([os.path.basename(p) for p in programs], ["pkienrolld", "pkienrollctl"], "but the daemon and its reload")
    tap.equal(said["LimitCORE"], ["0"], "no core")


def a46_what_the_drop_ins_open():
    if not shutil.which("systemd-analyze"):
        tap.skip("the drop-ins", "systemd-analyze is not installed")
        return
    before = analyze(UNIT)
    want = {"tpm.conf": {"PrivateDevices="}, "tpm2-pkcs11.conf": {"PrivateDevices="},
            "encrypted-pin.conf": set(), "softhsm.conf": set(), "usb-hsm.conf": set(), "network-hsm.conf": set(), "authoriser.conf": set(),
            "own-listener.conf": {"CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)", "AmbientCapabilities="}}
    folder = os.path.join(labs.TOP, "dist", "systemd", "drop-ins")
    tap.equal(set(os.listdir(folder)), set(want), "each drop-in is looked at")
    for name, more in want.items():
        with tempfile.TemporaryDirectory() as d:
            unit = os.path.join(d, "pkienrolld.service")
            shutil.copy(UNIT, unit)
            os.mkdir(unit + ".d")
            shutil.copy(os.path.join(folder, name), unit + ".d")
            after = analyze(unit)
        tap.equal({n for n, closed in before.items() if closed and not after[n]} - OPEN, more, f"{name} opens no more than it says")
    for name in ("tpm.conf", "tpm2-pkcs11.conf"):
        said = sandbox.settings(os.path.join(folder, name))
        tap.equal((said["DeviceAllow"], said["SupplementaryGroups"]), (["/dev/tpmrm0 rw"], ["tss"]),
                  f"{name}: the kernel's resource manager and nothing else")


def boxed(unit=UNIT, execute=None):
    return [sys.executable, "-B", SANDBOX, unit, *(["--exec", ":".join(execute)] if execute else []), "--"]


def exec_paths():
    """ExecPaths= of the unit, with the programs of the build tree."""
    said = sandbox.settings(UNIT)["ExecPaths"][-1].split()
    here = {"pkienrolld": labs.find_daemon(), "pkienrollctl": labs.CTL}
    return [here.get(os.path.basename(p), p.lstrip("-")) for p in said]


def in_the_box(what, tcti=None):
    execute = exec_paths() if sandbox.may_mount() else None
    with MdmLab(start=False, tcti=tcti) as lab:
        lab.launcher = boxed(execute=execute)
        lab.env["ASAN_OPTIONS"] = "detect_leaks=0"  # which is done by ptrace
        lab.start()
        lab.add_user(labs.USER)
        r = lab.probe()
        tap.equal(r.status, 0, f"{what}: a device enrolls with a daemon below the filter") or tap.diag(r)
        tap.equal(lab.ctl("reload").status, 0, f"{what}: reload")
        key = lab.pids("key")[0]
        labs.send_signal(key, 9)
        tap.ok(lab.wait_status(lambda s: s["state"] == "ready" and key not in [r["pid"] for r in s["roles"]]),
               f"{what}: a key role that died is started again")
        tap.ok(lab.issues_again(f"{what}: and signs"), f"{what}: after it")
        tap.equal(lab.stop(), 0, f"{what}: SIGTERM: exit status 0")


def a46_the_daemon_in_its_box():
    if sandbox.missing():
        tap.skip("the daemon below the filter of its unit", f"{sandbox.missing()} is not installed")
        return
    in_the_box("pkcs11")
    if labs.no_tpm():
        tap.skip("the same with a TPM", labs.no_tpm())
        return
    with swtpm.Swtpm() as tpm:
        in_the_box("tpm2", f"unix:{tpm.socket}")


DEEDS = {
    "ptrace": "ptrace(16, os.getppid(), 0, 0)",
    "mount": "mount(b'x', b'/', b'tmpfs', 0, 0)",
    "a namespace": "unshare(0x10000000)",
    "swap": "swapoff(b'/nonexistent')",
    "raw packets": "socket(17, 3, 0)",
    "netlink": "socket(16, 3, 0)",
    "code in writable memory": "mmap(0, 4096, 7, 0x22, -1, 0) in (-1, 2**64 - 1) and -1",
    "the clock": "clock_settime(0, ctypes.byref((ctypes.c_long * 2)()))",
    "ports of the machine": "iopl(3)" if os.uname().machine == "x86_64" else "reboot(0)",
}


def a46_what_the_box_refuses():
    if sandbox.missing():
        tap.skip("what the filter refuses", f"{sandbox.missing()} is not installed")
        return
    for name, deed in DEEDS.items():
        code = f"import ctypes, os; c = ctypes.CDLL(None, use_errno=True); c.mmap.restype = ctypes.c_uint64\n" \
               f"r = c.{deed}; print(r, ctypes.get_errno())"
        said = subprocess.run([*boxed(), sys.executable, "-c", code], capture_output=True, text=True, check=False)
        tap.equal(said.stdout.strip(), "-1 1", f"not permitted: {name}") or tap.diag(said.stderr)
    if not sandbox.may_mount():
        tap.skip("what it executes", "mounts are not allowed here")
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(labs.find_daemon(), folder)
        for program, want in ((labs.find_daemon(), 0), (labs.CTL, 0), (copy, 126), ("/bin/true", 126), ("/bin/sh", 126),
                              (labs.KEYTOOL, 126)):
            said = subprocess.run([*boxed(execute=exec_paths()), program, "--help"], capture_output=True, text=True, check=False,
                                  env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
            tap.equal(said.returncode, want, f"{'executed' if want == 0 else 'not executed'}: {os.path.basename(program)}") or \
                tap.diag(said.stderr)


def main():
    if labs.missing():
        print(f"1..0 # SKIP {labs.missing()} is not installed")
        return
    tap.run(a46_what_the_unit_says, a46_what_the_drop_ins_open, a46_what_the_box_refuses, a46_the_daemon_in_its_box)


if __name__ == "__main__":
    main()
