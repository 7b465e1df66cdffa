# SPDX-License-Identifier: Apache-2.0
"""A proxy for the raw command stream of a TPM 2.0 (4 kB frames of TPM 2.0 part 1, 18) on UNIX sockets: it counts the
commands and puts faults in.

    tpmproxy.py serve FOLDER TPM-SOCKET     FOLDER/front: the program under test; FOLDER/side: everybody else, without
                                            faults and counts; FOLDER/steer: orders, one line of JSON each
    tpmproxy.py pipe FOLDER/side            the stream on stdin and stdout, for TCTI "cmd:"
    tpmproxy.py steer FOLDER/steer JSON     one order; prints the answer (for shells and tests in C)

Orders: {"do": "fault", "kind": K, "command": NAME, "value": V, "skip": N, "times": N}, {"do": "clear"} (no faults any more),
{"do": "log"} (every command on front as [name, response code or null, with authorisation]), {"do": "forget"} (an empty
log), {"do": "drop"} (end every connection on front).

A fault holds for one command name, or for "*"; times -1 is for ever; skip: that many go by first. Kinds:
  rc        the TPM is not asked, the response code is V
  delay     V seconds before the TPM is asked
  flip      byte V of the response has its bits flipped (negative: from the end)
  truncate  the response has V bytes less, and says so
  stall     V bytes of the response, and then nothing: the connection stays open
  cut       V bytes of the response, and then the connection ends
  oversize  the response says that it has V bytes, and V bytes come
  drop      the connection ends without the TPM having been asked
  hang      the TPM is not asked and nothing comes
  resign    RSA-PSS signature of V["key"] (PEM file) with V["salt"] bytes of salt instead of the TPM's: a chip which uses
            another length
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

NAMES = {0x120: "EvictControl", 0x12b: "Clear", 0x131: "CreatePrimary", 0x144: "Startup", 0x148: "Certify",
         0x14a: "CertifyCreation", 0x150: "ObjectChangeAuth", 0x153: "Create", 0x157: "Load", 0x15d: "Sign",
         0x165: "FlushContext", 0x173: "ReadPublic", 0x176: "StartAuthSession", 0x177: "VerifySignature",
         0x17a: "GetCapability", 0x17b: "GetRandom", 0x18a: "TestParms", 0x143: "SelfTest", 0x161: "ContextLoad",
         0x162: "ContextSave", 0x15e: "Quote", 0x139: "DictionaryAttackLockReset", 0x13a: "DictionaryAttackParameters",
         0x167: "LoadExternal", 0x156: "Import"}
CODES = {name: code for code, name in NAMES.items()}
FRAME_MAX = 4096
# In the response of TPM2_Sign: header 10, size of parameters 4, algorithm, hash, size of the signature or of r: 2 each.
SIGNATURE_AT = 25
KINDS = ("rc", "delay", "flip", "truncate", "stall", "cut", "oversize", "drop", "hang", "resign")


def command_code(command):
    return CODES[command] if isinstance(command, str) else command


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        if not piece:
            return None
        data += piece
    return data


def read_frame(sock):
    """One command or response; None at the end of the connection."""
    head = read_exactly(sock, 10)
    if head is None:
        return None
    size = struct.unpack(">I", head[2:6])[0]
    if not 10 <= size <= FRAME_MAX:
        return None
    rest = read_exactly(sock, size - 10)
    return None if rest is None else head + rest


class Upstream:
    """The one connection to the TPM; made when it is needed, made again when the TPM is another process."""

    def __init__(self, path):
        self.path, self.sock, self.lock = path, None, threading.Lock()

    def connect(self):
        """Whether there is a TPM."""
        with self.lock:
            return self._connect()

    def _connect(self):
        if self.sock and self._ended():
            self._close()
        if self.sock is None:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.path)
            except OSError:
                s.close()
                return False
            self.sock = s
        return True

    def _ended(self):
        try:
            return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _close(self):
        self.sock.close()
        self.sock = None

    def ask(self, frame):
        """The TPM's response; None when it is not there or went away."""
        with self.lock:
            if not self._connect():
                return None
            try:
                self.sock.sendall(frame)
                answer = read_frame(self.sock)
            except OSError:
                answer = None
            if answer is None:
                self._close()
            return answer


def sign_pss(command, answer, value):
    """The response of TPM2_Sign with a signature of the same digest by a key in a file."""
    from cryptography.hazmat.primitives import hashes, serialization  # pylint: disable=import-outside-toplevel
    from cryptography.hazmat.primitives.asymmetric import padding, utils  # pylint: disable=import-outside-toplevel
    area = struct.unpack(">I", command[14:18])[0]
    n = struct.unpack(">H", command[18 + area:20 + area])[0]
    digest = command[20 + area:20 + area + n]
    algorithm = {32: hashes.SHA256(), 48: hashes.SHA384()}[n]
    with open(value["key"], "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    signature = key.sign(digest, padding.PSS(padding.MGF1(algorithm), value["salt"]), utils.Prehashed(algorithm))
    return answer[:20] + signature + answer[20 + len(signature):]


class Server:
    """The proxy itself."""

    def __init__(self, folder, tpm):
        self.upstream = Upstream(tpm)
        self.lock = threading.Lock()
        self.faults, self.log, self.clients = [], [], set()
        for name, serve in (("front", self.front), ("side", self.side), ("steer", self.steer)):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(os.path.join(folder, name))
            listener.listen(64)
            threading.Thread(target=self.accept, args=(listener, serve), daemon=True).start()

    @staticmethod
    def accept(listener, serve):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=Server.one, args=(serve, client), daemon=True).start()

    @staticmethod
    def one(serve, client):
        try:
            serve(client)
        except OSError:
            pass
        finally:
            client.close()

    def side(self, client):
        while True:
            frame = read_frame(client)
            answer = self.upstream.ask(frame) if frame else None
            if answer is None:
                return
            client.sendall(answer)

    def front(self, client):
        if not self.upstream.connect():
            return
        with self.lock:
            self.clients.add(client)
        try:
            while True:
                frame = read_frame(client)
                if frame is None or not self.answer(client, frame):
                    return
        finally:
            with self.lock:
                self.clients.discard(client)

    def take_fault(self, name):
        """The fault that is due for this command; with the lock held."""
        for fault in self.faults:
            if fault["command"] not in ("*", name) or fault["times"] == 0:
                continue
            if fault["skip"] > 0:
                fault["skip"] -= 1
                continue
            fault["times"] -= 1 if fault["times"] > 0 else 0
            return fault
        return None

    def answer(self, client, frame):
        """Whether the connection goes on."""
        tag, _, code = struct.unpack(">HII", frame[:10])
        entry = [NAMES.get(code, hex(code)), None, tag == 0x8002]
        with self.lock:
            fault = self.take_fault(entry[0]) or {"kind": "", "value": 0}
            self.log.append(entry)
        kind, value = fault["kind"], fault["value"]
        if kind in ("drop", "hang"):
            return self.silence(client) if kind == "hang" else False
        if kind == "delay":
            time.sleep(value)
        answer = struct.pack(">HII", 0x8001, 10, value) if kind == "rc" else self.upstream.ask(frame)
        if answer is None:
            return False
        entry[1] = struct.unpack(">I", answer[6:10])[0]
        return self.spoil(client, frame, answer, kind, value)

    def spoil(self, client, frame, answer, kind, value):
        whole = answer
        if kind == "flip":
            at = value % len(answer)
            answer = answer[:at] + bytes([answer[at] ^ 0xff]) + answer[at + 1:]
        elif kind == "truncate":
            answer = answer[:2] + struct.pack(">I", len(answer) - value) + answer[6:len(answer) - value]
        elif kind == "oversize":
            answer = (answer[:2] + struct.pack(">I", value) + answer[6:]).ljust(value, b"\0")
        elif kind in ("stall", "cut"):
            answer = answer[:value]
        elif kind == "resign":
            answer = sign_pss(frame, whole, value)
        client.sendall(answer)
        return self.silence(client) if kind == "stall" else kind != "cut"

    @staticmethod
    def silence(client):
        """Nothing more comes; whoever waits has to go himself."""
        while client.recv(FRAME_MAX):
            pass
        return False

    def steer(self, client):
        with client.makefile("rw") as f:
            for line in f:
                f.write(json.dumps(self.order(json.loads(line))) + "\n")
                f.flush()

    def order(self, order):
        with self.lock:
            if order["do"] == "fault":
                if order["kind"] not in KINDS or (order["command"] != "*" and order["command"] not in CODES):
                    return {"error": f"unknown kind or command: {order}"}
                self.faults.append({"skip": 0, "times": -1, "value": 0, **order})
            elif order["do"] == "clear":
                self.faults = []
            elif order["do"] == "forget":
                self.log = []
            elif order["do"] == "drop":
                for client in self.clients:
                    client.shutdown(socket.SHUT_RDWR)
            elif order["do"] != "log":
                return {"error": f"unknown order: {order}"}
            return {"log": self.log if order["do"] == "log" else [], "error": None}


def ask(path, order):
    """One order to a running proxy."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        with s.makefile("rw") as f:
            f.write(json.dumps(order) + "\n")
            f.flush()
            answer = json.loads(f.readline())
    if answer["error"]:
        raise ValueError(answer["error"])
    return answer


class Proxy:
    """A proxy as a process of its own in front of the TPM at @p tpm. Attributes: front, side (paths of sockets)."""

    def __init__(self, folder, tpm):
        self.folder = tempfile.mkdtemp(prefix="p-", dir=folder)
        self.front, self.side, self.path = (os.path.join(self.folder, n) for n in ("front", "side", "steer"))
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([*guard, sys.executable, "-B", os.path.abspath(__file__), "serve", self.folder, tpm],
                                        stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                ask(self.path, {"do": "log"})
                return
            except (OSError, ValueError):
                time.sleep(0.02)
        self.close()
        raise RuntimeError("the proxy did not start")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fault(self, kind, command="Sign", value=0, times=-1, skip=0):
        """See the head of this file."""
        ask(self.path, {"do": "fault", "kind": kind, "command": command, "value": value, "times": times, "skip": skip})

    def clear(self):
        """No faults any more."""
        ask(self.path, {"do": "clear"})

    def forget(self):
        """Count from here on."""
        ask(self.path, {"do": "forget"})

    def drop(self):
        """End every connection of the program under test."""
        ask(self.path, {"do": "drop"})

    def log(self):
        """Commands since forget(): [name, response code (None: none came yet), with authorisation]."""
        return ask(self.path, {"do": "log"})["log"]

    def count(self, command=None):
        """How many of these commands came."""
        return sum(1 for entry in self.log() if command in (None, entry[0]))

    def counts(self):
        """How many came, by name."""
        found = {}
        for name, _, _ in self.log():
            found[name] = found.get(name, 0) + 1
        return found


def pipe(path):
    """The stream of commands on stdin and stdout."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        while True:
            head = os.read(0, FRAME_MAX)
            if not head:
                return 0
            s.sendall(head)
            while len(head) < 10 or len(head) < struct.unpack(">I", head[2:6])[0]:
                more = os.read(0, FRAME_MAX)
                if not more:
                    return 1
                s.sendall(more)
                head += more
            answer = read_frame(s)
            if answer is None:
                return 1
            os.write(1, answer)


def main(argv):
    if len(argv) == 4 and argv[1] == "serve":
        Server(argv[2], argv[3])
        threading.Event().wait()
    if len(argv) == 3 and argv[1] == "pipe":
        return pipe(argv[2])
    if len(argv) == 4 and argv[1] == "steer":
        print(json.dumps(ask(argv[2], json.loads(argv[3]))))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
