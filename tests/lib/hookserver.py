# SPDX-License-Identifier: Apache-2.0
"""What an administrator's authoriser or event sink looks like from the daemon: an HTTPS or unix-socket receiver that
verifies the signature of each question, answers as a test says, and misbehaves on demand.

    with HookServer(folder, unix=True) as hook:
        hook.decide = lambda question: {"decision": "deny", "text": "no"}
        hook.misbehave("late", seconds=2)

As a program it is the other end of tests/unit/test_callout.c: the last part of the path says how it behaves."""
import hashlib
import hmac
import json
import os
import socket
import ssl
import sys
import threading
import time

import mdmserver
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

QUESTION_SECRET = b"question-secret-of-the-lab-0123456789"
ANSWER_SECRET = b"answer-secret-of-the-lab-9876543210"


class Question:
    """One request as it was received."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.id = headers.get("x-pkienroll-id", "")
        self.at = time.time()

    def json(self):
        return json.loads(self.body)


class HookServer:
    """One listener; each connection has a thread. @p requests are those with a good signature, @p bad all others."""

    def __init__(self, folder, unix=None, tls=False, client_certificate=False, name="localhost"):
        self.folder, self.name = folder, name
        self.requests, self.bad, self.connections = [], [], 0
        self.question_secret, self.answer_secret = QUESTION_SECRET, ANSWER_SECRET
        self.decide = lambda question: {"decision": "allow"}
        self._how, self._how_args, self._counts = "answer", {}, {}
        self._lock, self._open, self._stop = threading.Lock(), set(), threading.Event()
        self.unix = os.path.join(folder, "hook.sock") if unix is True else unix
        self.context = self._tls(client_certificate) if tls else None
        self.listener = socket.socket(socket.AF_UNIX if self.unix else socket.AF_INET)
        if self.unix:
            if os.path.exists(self.unix):
                os.unlink(self.unix)
            self.listener.bind(self.unix)
        else:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", 0))
        self.port = None if self.unix else self.listener.getsockname()[1]
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    # -- what the daemon is configured with

    def url(self, path="/hook"):
        if self.unix:
            return f"http://frontend{path}"
        return f"{'https' if self.context else 'http'}://{self.name}:{self.port}{path}"

    def file(self, name):
        return os.path.join(self.folder, name)

    def secret_files(self):
        """Paths of the two secrets, as files of mode 0600."""
        return (mdmserver.write(self.file("question.secret"), self.question_secret),
                mdmserver.write(self.file("answer.secret"), self.answer_secret))

    def _tls(self, client_certificate):
        authority, strangers = mdmserver.Authority("Frontend Root"), mdmserver.Authority("Other Root")
        for who, root in (("ca", authority), ("other-ca", strangers)):
            mdmserver.write(self.file(f"{who}.pem"), root.cert.public_bytes(mdmserver.PEM))
        roles = (("server", self.name, ExtendedKeyUsageOID.SERVER_AUTH, authority), ("client", "pkienrolld", ExtendedKeyUsageOID.CLIENT_AUTH, authority),
                 ("stranger", "pkienrolld", ExtendedKeyUsageOID.CLIENT_AUTH, strangers))
        for file, cn, usage, root in roles:
            key = ec.generate_private_key(ec.SECP256R1())
            cert = root.issue(cn, key.public_key(), usage, san=[x509.DNSName(cn)])
            mdmserver.write(self.file(f"{file}.pem"), cert.public_bytes(mdmserver.PEM))
            mdmserver.write(self.file(f"{file}.key"), mdmserver.key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem"), self.file("server.key"))
        if client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file("ca.pem"))
        return context

    # -- how it behaves

    def misbehave(self, how="answer", **args):
        """From the next request on; see the methods _do_*."""
        self._how, self._how_args = how, args

    def wait_requests(self, n, timeout=10):
        end = time.monotonic() + timeout
        while len(self.requests) < n and time.monotonic() < end:
            time.sleep(0.01)
        return len(self.requests) >= n

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """As if the process were killed: its connections break, new ones are refused."""
        self._stop.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self._lock:
            for s in self._open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.thread.join(5)

    # -- the connection

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, raw):
        s = raw
        with self._lock:
            self.connections += 1
            self._open.add(raw)
        try:
            if self.context:
                s = self.context.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._open.discard(raw)
                    self._open.add(s)
            with s, s.makefile("rb") as f:
                while not self._stop.is_set() and self._one(s, f):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(raw)
                self._open.discard(s)
            raw.close()

    def _one(self, s, f):
        """Read one request and answer it; False ends the connection."""
        line = f.readline().decode("ascii").split()
        if len(line) != 3:
            return False
        headers = {}
        for h in iter(f.readline, b"\r\n"):
            name, _, value = h.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        q = Question(line[0], line[1], headers, f.read(int(headers.get("content-length", 0))))
        if not self.is_signed(q):
            self.bad.append(q)
            self._reply(s, 401, b"")
            return True
        self.requests.append(q)
        how, args = self._how, self._how_args
        if how == "by-path":
            how, args = q.path.rsplit("/", 1)[-1], {}
        return getattr(self, "_do_" + how.replace("-", "_"))(s, q, **args)

    def is_signed(self, q, purposes=("question", "event")):
        if self.question_secret is None:
            return True
        at = q.headers.get("x-pkienroll-timestamp", "")
        if not at.isdigit() or abs(time.time() - int(at)) > 300:
            return False
        return any(hmac.compare_digest(q.headers.get("x-pkienroll-signature", ""), "v1=" + hmac.new(
            self.question_secret, f"pkienroll-{p}-v1\n{q.id}\n{at}\n".encode() + q.body, hashlib.sha256).hexdigest()) for p in purposes)

    def signature(self, q, body, id_=None, question=None):
        digest = hashlib.sha256(q.body if question is None else question).hexdigest()
        return "v1=" + hmac.new(self.answer_secret, f"pkienroll-answer-v1\n{id_ or q.id}\n{digest}\n".encode() + body, hashlib.sha256).hexdigest()

    def answer_body(self, q, **over):
        return json.dumps({"version": 1, "id": q.id, **self.decide(q), **over}).encode()

    @staticmethod
    def _reply(s, status, body, headers=(), length=None, type_="application/json"):
        head = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {type_}", f"Content-Length: {len(body) if length is None else length}", *headers]
        s.sendall(("\r\n".join(head) + "\r\n\r\n").encode() + body)
        return True

    def _signed(self, s, q, body, **kw):
        return self._reply(s, 200, body, [f"X-Pkienroll-Signature: {self.signature(q, body)}"], **kw)

    # -- behaviours

    def _do_answer(self, s, q):
        return self._signed(s, q, self.answer_body(q))

    def _do_raw(self, s, q, body=b""):
        """These bytes, properly signed."""
        return self._signed(s, q, body)

    def _do_status(self, s, q, status=500):
        return self._reply(s, status, self.answer_body(q), [f"X-Pkienroll-Signature: {self.signature(q, self.answer_body(q))}"])

    def _do_late(self, s, q, seconds=5):
        self._stop.wait(seconds)
        return self._do_answer(s, q)

    def _do_hang(self, s, q):
        self._stop.wait(60)
        return False

    def _do_twice(self, s, q, second="deny"):
        """Two answers to one question, the second one unasked for on the same connection."""
        self._do_answer(s, q)
        body = self.answer_body(q, decision=second)
        return self._signed(s, q, body)

    def _do_redirect(self, s, q, to=None):
        return self._reply(s, 307, b"", [f"Location: {to or self.url('/elsewhere')}"])

    def _do_big(self, s, q, size=10 << 20):
        body = self.answer_body(q, text="x" * size)
        try:
            self._signed(s, q, body)
        except OSError:
            pass
        return False

    def _do_big_header(self, s, q, size=1 << 20):
        return self._reply(s, 200, self.answer_body(q), [f"X-Padding: {'x' * 1000}"] * (size // 1000))

    def _do_drip(self, s, q, pause=0.2):
        """One byte at a time."""
        body = self.answer_body(q)
        s.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                  f"X-Pkienroll-Signature: {self.signature(q, body)}\r\n\r\n".encode())
        for i in range(len(body)):
            if self._stop.wait(pause):
                break
            s.sendall(body[i:i + 1])
        return True

    def _do_close(self, s, q):
        return False

    def _do_half(self, s, q):
        """Breaks off in the middle of the body."""
        body = self.answer_body(q)
        self._reply(s, 200, body[:len(body) // 2], [f"X-Pkienroll-Signature: {self.signature(q, body)}"], length=len(body))
        return False

    def _first(self, q, how):
        with self._lock:
            self._counts[(how, q.id)] = self._counts.get((how, q.id), 0) + 1
            return self._counts[(how, q.id)] == 1

    def _do_503_then_ok(self, s, q, status=503):
        return self._reply(s, status, b"{}") if self._first(q, "503") else self._do_answer(s, q)

    def _do_close_then_ok(self, s, q):
        return not self._first(q, "close") and self._do_answer(s, q)

    def _do_no_http(self, s, q):
        s.sendall(b"220 smtp.example ESMTP\r\n")
        return False

    def _do_unsigned(self, s, q):
        return self._reply(s, 200, self.answer_body(q))

    def _do_two_signatures(self, s, q):
        body = self.answer_body(q)
        return self._reply(s, 200, body, ["X-Pkienroll-Signature: v1=" + "0" * 64, f"X-Pkienroll-Signature: {self.signature(q, body)}"])

    def _do_trailer(self, s, q):
        """The signature behind the body."""
        body = self.answer_body(q)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Pkienroll-Signature\r\n\r\n" +
                  b"%x\r\n%s\r\n0\r\nX-Pkienroll-Signature: %s\r\n\r\n" % (len(body), body, self.signature(q, body).encode()))
        return True

    def _do_text(self, s, q):
        """Right in all but its type."""
        return self._signed(s, q, self.answer_body(q), type_="text/html")

    def _do_other_id(self, s, q, id_="00000000-0000-4000-8000-000000000000"):
        """The answer to another question, signed for that one."""
        body = self.answer_body(q, id=id_)
        return self._reply(s, 200, body, [f"X-Pkienroll-Signature: {self.signature(q, body, id_)}"])

    def _do_other_body(self, s, q):
        """Right id, signed for a question of another content."""
        body = self.answer_body(q)
        return self._reply(s, 200, body, [f"X-Pkienroll-Signature: {self.signature(q, body, question=q.body + b' ')}"])

    def _do_bad_signature(self, s, q):
        body = self.answer_body(q)
        sig = self.signature(q, body)
        return self._reply(s, 200, body, ["X-Pkienroll-Signature: " + sig[:-1] + ("0" if sig[-1] != "0" else "1")])


def main():
    """FOLDER unix|https|mtls: serve by path until stdin closes; prints the URL without its path."""
    folder, kind = sys.argv[1:3]
    with HookServer(folder, unix=kind == "unix", tls=kind != "unix", client_certificate=kind == "mtls") as hook:
        hook.secret_files()
        hook.misbehave("by-path")
        print(hook.url(""), flush=True)
        for line in sys.stdin:  # "count": how many requests it has had
            if line.strip() == "count":
                print(len(hook.requests), len(hook.bad), hook.connections, flush=True)


if __name__ == "__main__":
    main()
