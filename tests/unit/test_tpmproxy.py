#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The double that fails TPMs (tests/lib/tpmproxy.py) does what its head says, seen by a client of raw commands: a fault
that is not put in would let tests of it pass for nothing."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

SRC = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import swtpm  # noqa: E402
import tap  # noqa: E402
import tpmproxy  # noqa: E402

GET_RANDOM = struct.pack(">HIIH", 0x8001, 12, 0x17b, 8)
TPM = None


class Client:
    """A program that talks to the TPM through the proxy."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(TPM.proxy.front)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def ask(self, command=GET_RANDOM):
        self.sock.sendall(command)
        return tpmproxy.read_frame(self.sock)

    def code(self):
        answer = self.ask()
        return struct.unpack(">I", answer[6:10])[0]


def ended(sock):
    """Nothing comes but the end; a peer that had not read everything ends with a reset."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def with_fault(kind, value=0, **options):
    TPM.proxy.clear()
    TPM.proxy.forget()
    TPM.proxy.fault(kind, "GetRandom", value, **options)


def counts_and_codes():
    with_fault("rc", 0x922, skip=1, times=2)
    with Client() as c:
        tap.equal([c.code() for _ in range(4)], [0, 0x922, 0x922, 0], "a response code after one command, twice")
    tap.equal(TPM.proxy.log(), [["GetRandom", 0, False], ["GetRandom", 0x922, False], ["GetRandom", 0x922, False],
                                ["GetRandom", 0, False]], "every command is counted, with its response")
    tap.equal(TPM.proxy.counts(), {"GetRandom": 4}, "and by name")
    TPM.raw("GetRandom", parameters=struct.pack(">H", 8))
    tap.equal(TPM.proxy.count(), 4, "what comes by the side is not counted and meets no fault")


def spoilt_responses():
    with_fault("flip", -1, times=1)
    with Client() as c:
        tap.equal(len(c.ask()), 20, "a flipped byte leaves the length")
        with_fault("truncate", 3)
        answer = c.ask()
        tap.equal((len(answer), struct.unpack(">I", answer[2:6])[0]), (17, 17), "truncated, and says so")
        with_fault("oversize", 5000)
        c.sock.sendall(GET_RANDOM)
        answer = tpmproxy.read_exactly(c.sock, 5000)
        tap.equal(struct.unpack(">I", answer[2:6])[0], 5000, "a response of 5,000 bytes")
        TPM.proxy.clear()
        tap.equal(c.code(), 0, "the stream is in order after it")
    with_fault("cut", 12)
    with Client() as c:
        c.sock.sendall(GET_RANDOM)
        tap.equal([len(tpmproxy.read_exactly(c.sock, 12)), ended(c.sock)], [12, True], "cut: twelve bytes and the end")
    for kind in ("stall", "hang"):
        with_fault(kind, 12)
        with Client() as c:
            c.sock.sendall(GET_RANDOM)
            if kind == "stall":
                tap.ok(tpmproxy.read_exactly(c.sock, 12), "stall: twelve bytes")
            c.sock.settimeout(0.2)
            try:
                tap.ok(c.sock.recv(1) and False, f"{kind}: nothing more comes, not even the end")
            except socket.timeout:
                tap.ok(True, f"{kind}: nothing more comes, not even the end")
    with_fault("drop")
    with Client() as c:
        c.sock.sendall(GET_RANDOM)
        tap.equal(ended(c.sock), True, "drop: the end")
    TPM.proxy.clear()
    with Client() as c:
        tap.equal(c.code(), 0, "no fault: all is well")
        TPM.proxy.drop()
        tap.equal(ended(c.sock), True, "every connection ended by order")


def the_tpm_goes_and_comes():
    TPM.proxy.clear()
    with Client() as c:
        TPM.freeze()
        c.sock.sendall(GET_RANDOM)
        TPM.kill()
        tap.equal(ended(c.sock), True, "the TPM dies in a command: the connection ends")
    with Client() as c:
        tap.equal(ended(c.sock), True, "no TPM: the connection ends at once")
    TPM.start()
    with Client() as c:
        tap.equal(c.code(), 0, "the TPM is back")
        TPM.reset()
        tap.equal(c.code(), 0x100, "reset: TPM_RC_INITIALIZE")
        TPM.raw("Startup", parameters=b"\0\0")
        tap.equal(c.code(), 0, "until TPM2_Startup")


def tools_beside():
    with Client() as c:
        tap.equal(c.code(), 0, "somebody holds the connection")
        tap.ok("TPM2_PT_FAMILY_INDICATOR" in TPM.tools("getcap", "properties-fixed").stdout, "tpm2-tools work beside it")
        TPM.tools("createprimary", "-C", "o", "-c", "srk.ctx")
        TPM.tools("evictcontrol", "-c", "srk.ctx", hex(swtpm.SRK))
        tap.equal(TPM.handles("persistent"), [swtpm.SRK], "a persistent key")
        tap.equal(TPM.assert_empty(), {}, "and nothing is left loaded")
    primary, session = TPM.create_primary(), TPM.start_session()
    tap.equal(TPM.assert_empty(), {"transient": [hex(primary)], "loaded-session": [hex(session)]}, "what is left is told")
    TPM.restart()
    tap.equal((TPM.assert_empty(), TPM.handles("persistent")), ({}, [swtpm.SRK]), "restart: persistent keys stay")
    TPM.restart(clear=True)
    tap.equal(TPM.handles("persistent"), [], "with an empty state they are gone")


def steered_by_a_program():
    """What a test in C does: the same program, orders by its command line."""
    order = '{"do": "fault", "kind": "rc", "command": "GetRandom", "value": 257, "times": 1}'
    r = subprocess.run([sys.executable, "-B", os.path.join(SRC, "tests", "lib", "tpmproxy.py"), "steer", TPM.proxy.path, order],
                       capture_output=True, check=False)
    with Client() as c:
        tap.equal((r.returncode, c.code()), (0, 0x101), "an order on the command line")
    for wrong in ({"do": "fault", "kind": "x", "command": "Sign"}, {"do": "fault", "kind": "rc", "command": "Sing"}, {"do": "x"}):
        try:
            tap.ok(tpmproxy.ask(TPM.proxy.path, wrong) and False, f"refused: {wrong}")
        except ValueError:
            tap.ok(True, f"refused: {wrong}")


def ends_with_its_test():
    pids, folder = [TPM.pid, TPM.proxy.process.pid], TPM.folder
    TPM.close()
    left = []
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
            left.append(pid)
        except ProcessLookupError:
            pass
    tap.equal((left, os.path.exists(folder)), ([], False), "nothing is left of it")


if swtpm.missing() or not shutil.which("tpm2_getcap"):
    tap.skip("proxy of TPM commands", f"{swtpm.missing()} is not installed")
    tap.run()
TPM = swtpm.Tpm()
tap.run(counts_and_codes, spoilt_responses, the_tpm_goes_and_comes, tools_beside, steered_by_a_program, ends_with_its_test)
