# SPDX-License-Identifier: Apache-2.0
"""HTTP for the other files: a request, an answer, a table of routes, and two listeners (TLS for devices and browsers, a
unix socket for the daemon). Every answer has a Content-Length, without which Windows' enrollment client fails."""
import base64
import binascii
import html
import http.server
import os
import socket
import socketserver
import ssl
import stat
import sys
from urllib.parse import parse_qs, urlsplit

MAX_BODY = 256 * 1024
SECONDS = 20  # that a client may stay silent


class Refused(Exception):
    """Ends a request with this status and one line of text."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Request:
    """What was asked. @p headers is case-insensitive."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.path, self.headers, self.body = method, parts.path, headers, body
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}

    def form(self):
        """The fields of a posted form."""
        try:
            return {name: values[0] for name, values in parse_qs(self.body.decode(), max_num_fields=20).items()}
        except ValueError as e:
            raise Refused(400, "not a form") from e

    def basic_credentials(self):
        """(name, password) of the Authorization field, or None."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return (name, password) if kind.lower() == "basic" and colon else None


class Answer:
    """What is answered. @p body is text or bytes."""

    def __init__(self, body="", status=200, content_type="text/plain; charset=utf-8", headers=None):
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.content_type, self.headers = status, content_type, headers or {}


def page(title, body, policy="", status=200, head="", headers=None):
    """An HTML page. @p policy: what its Content-Security-Policy allows beyond nothing; the caller escapes @p body."""
    text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>{head}</head>\n'
            f"<body>{body}</body></html>\n")
    policy = f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; {policy or 'form-action ' + chr(39) + 'none' + chr(39)}"
    return Answer(text, status, "text/html; charset=utf-8", {"Content-Security-Policy": policy, **(headers or {})})


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "example-frontend", ""
    timeout = SECONDS

    def setup(self):
        self.request.settimeout(SECONDS)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()  # here, in the thread of this connection, and not where all are accepted
        super().setup()

    def _body(self):
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "a Content-Length is needed")
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise Refused(413, "too long")
        return self.rfile.read(int(length))

    def _serve(self):
        try:
            request = Request(self.command, self.path, self.headers, self._body())
            methods = self.server.routes.get(request.path)
            if methods is None:
                raise Refused(404, "there is nothing here")
            function = methods.get("GET" if self.command == "HEAD" else self.command)
            if function is None:
                raise Refused(405, "not this method")
            answer = function(request)
        except Refused as e:
            answer = Answer(f"{e}\n", e.status)
            self.close_connection = True  # a body may be left unread
        except OSError:
            raise
        except Exception as e:  # pylint: disable=broad-except
            self.log_message("%s", f"{self.path.partition('?')[0]}: {type(e).__name__}: {e}")
            answer = Answer("something went wrong\n", 500)
        self._send(answer)

    do_GET = do_HEAD = do_POST = _serve

    def _send(self, answer):
        self.send_response(answer.status)
        fields = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), "Cache-Control": "no-store",
                  "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", **answer.headers}
        for name, value in fields.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_request(self, code="-", size="-"):
        # without the query, in which a browser passes on what it was given
        self.log_message("%s", f"{self.command} {self.path.partition('?')[0]} {code}")

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        who = self.client_address[0] if self.client_address else "unix"
        print(f"frontend: {who} {format % args}".encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)


class _Quiet:
    """A client that goes away, or speaks no TLS, is no error of ours."""
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class TlsServer(_Quiet, http.server.ThreadingHTTPServer):
    """HTTPS on @p address (host, port); port 0 takes a free one."""

    def __init__(self, address, certificate, key, routes):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(certificate, key)
        self.routes = routes
        super().__init__(address, _Handler)

    def get_request(self):
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


class UnixServer(_Quiet, socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """HTTP on a unix socket, which takes the place of one that a killed process has left."""
    request_queue_size = 64

    def __init__(self, path, routes):
        self.routes = routes
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(path) == 0:
                    raise OSError(f"{path}: another process listens there")
            os.unlink(path)
        super().__init__(path, _Handler)
