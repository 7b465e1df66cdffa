# SPDX-License-Identifier: Apache-2.0
"""pkienroll-jwks against a local HTTPS server: a good set replaces the file, anything else leaves it byte by byte as it
was; its units, checked offline."""
import datetime
import http.server
import ipaddress
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jws  # noqa: E402
import lab  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

PROGRAM = os.path.join(lab.BUILD, "jwks", "pkienroll-jwks")
MAX_EXPOSURE = 2.0
DIR = tempfile.mkdtemp(prefix="pke-jwks-")
FILE = os.path.join(DIR, "keys.json")
KEY = jws.Signer("k1")
OTHER = jws.Signer("k1")
ODD_KEYS = (jws.weak_jwk("legacy"), KEY.jwk(kid="k" * 129), KEY.jwk(kid="two"), OTHER.jwk(kid="two"), KEY, KEY)
ODD = jws.jwks(*ODD_KEYS)
GOOD = jws.jwks(KEY, {"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB"})
OLD = '{"keys": "before"}'
ANSWERS = {  # path: status, body, header
    "/good": (200, GOOD, {}),
    "/redirect": (302, GOOD, {"Location": "/good"}),
    "/permanent": (301, "", {"Location": "/good"}),
    "/missing": (404, GOOD, {}),
    "/error": (500, GOOD, {}),
    "/nocontent": (204, "", {}),
    "/empty": (200, "", {}),
    "/html": (200, "<html>sign in</html>", {}),
    "/broken": (200, GOOD[:-3], {}),
    "/nokeys": (200, '{"keys": []}', {}),
    "/encryption": (200, jws.jwks({"kty": "RSA", "use": "enc"}), {}),
    "/private": (200, jws.jwks(KEY.jwk(d="AQ")), {}),
    "/secret": (200, jws.jwks(KEY, {"kty": "oct", "k": "AQ"}), {}),
    "/twice": (200, jws.jwks(KEY, OTHER), {}),
    "/odd": (200, ODD, {}),
    "/odd-private": (200, jws.jwks(*ODD_KEYS, OTHER.jwk(kid="p", d="AQ")), {}),
    "/big": (200, GOOD + " " * 300000, {}),
    "/cut": (200, GOOD, {"Content-Length": str(len(GOOD) + 10)}),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        status, body, headers = ANSWERS[self.path]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body.encode())
        except OSError:
            pass  # the client had enough
        self.close_connection = True

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def certificate(name, host):
    """A self-signed server certificate and its key; the path of the former."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    cn = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    cert = (x509.CertificateBuilder().subject_name(cn).issuer_name(cn).public_key(key.public_key()).serial_number(7)
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False)
            .sign(key, hashes.SHA256()))
    path = os.path.join(DIR, name)
    with open(path + ".pem", "wb") as f:
        f.write(cert.public_bytes(serialization.Encoding.PEM))
    with open(path + ".key", "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    return path


def serve(path):
    """An HTTPS server with that certificate; its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path + ".pem", path + ".key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # a client that refuses the certificate is what is tested
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://127.0.0.1:{server.server_address[1]}"


def fetch(*args):
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return lab.Result(subprocess.run([PROGRAM, *args], capture_output=True, check=False, timeout=60, env=env,
                                     stdin=subprocess.DEVNULL))


def content():
    with open(FILE, encoding="utf-8") as f:
        return f.read()


def before():
    with open(FILE, "w", encoding="utf-8") as f:
        f.write(OLD)


def kept(name, want, *args):
    """Refused with a sentence, and the file and its folder are as they were."""
    before()
    had, r = sorted(os.listdir(DIR)), fetch(*args)
    tap.ok(r.status == 1 and want in r.err and r.err.count("\n") == 1 and not r.out, f"{name} is refused: {want}", str(r))
    tap.equal((content(), sorted(os.listdir(DIR))), (OLD, had), f"{name}: the file is kept")


def main():
    right, wrong, named = certificate("right", "127.0.0.1"), certificate("wrong", "127.0.0.1"), certificate("other", "127.0.0.9")
    url = serve(right)

    def at(path, *more):
        return ("--url", url + path, "--file", FILE, "--ca-file", right + ".pem", *more)

    def replaced():
        before()
        inode = os.stat(FILE).st_ino
        r = fetch(*at("/good"))
        tap.ok(r.status == 0 and "1 keys" in r.out and not r.err, "a good set", str(r))
        st = os.stat(FILE)
        tap.equal((content(), st.st_mode & 0o7777), (GOOD, 0o644), "replaces the file, which others may read")
        tap.ok(st.st_ino != inode, "by a new one")
        os.unlink(FILE)
        tap.equal((fetch(*at("/good")).status, content()), (0, GOOD), "a file that was not there is made")
        with open(FILE + ".new", "w", encoding="utf-8") as f:
            f.write("half")
        tap.equal((fetch(*at("/good")).status, os.path.exists(FILE + ".new")), (0, False), "what a killed run left goes")
        tap.equal(fetch(*at("/good", "--algorithm", "RS256", "--algorithm", "ES256")).status, 0, "an algorithm that is there")

    def odd_keys():
        before()
        r = fetch(*at("/odd"))
        tap.ok(r.status == 0 and "1 keys" in r.out, "a good key among odd ones", str(r))
        tap.ok("4 keys are passed over" in r.err and "1024 bits" in r.err and r.err.count("\n") == 1, "and they are told", str(r))
        tap.equal(content(), ODD, "the file is replaced")

    def refused():
        for path, want in (("/redirect", "redirect"), ("/permanent", "redirect"), ("/missing", "status 404"),
                           ("/error", "status 500"), ("/nocontent", "status 204"), ("/empty", "neither a JWKS"),
                           ("/html", "neither a JWKS"), ("/broken", "not JSON"), ("/nokeys", "no key that can be used"),
                           ("/encryption", "no key that can be used"), ("/private", "private"), ("/odd-private", "private"), ("/secret", "private"),
                           ("/twice", "same kid"), ("/big", "larger than 256 KiB"), ("/cut", "jwks-fetch")):
            kept(path, want, *at(path))
        kept("an algorithm that is not there", "no key", *at("/good", "--algorithm", "ES384"))

    def transport():
        kept("another CA", "certificate", "--url", url + "/good", "--file", FILE, "--ca-file", wrong + ".pem")
        kept("the system's CAs", "certificate", "--url", url + "/good", "--file", FILE)
        kept("a certificate for another host", "127.0.0.1", "--url", serve(named) + "/good", "--file", FILE, "--ca-file",
             named + ".pem")
        kept("nobody there", "jwks-fetch", "--url", "https://127.0.0.1:1/", "--file", FILE)
        r = fetch("--url", url + "/good", "--file", os.path.join(DIR, "no", "f"), "--ca-file", right + ".pem")
        tap.ok(r.status == 1 and "cannot be written" in r.err, "a folder that is not there", str(r))

    def usage():
        for args in ((), ("--url", url), ("--file", FILE), ("--url", "http://127.0.0.1/", "--file", FILE),
                     ("--url", "file:///etc/passwd", "--file", FILE), (*at("/good"), "x"), (*at("/good"), "--timeout", "0"),
                     (*at("/good"), "--algorithm", "HS256"), ("--nonsense",)):
            before()
            r = fetch(*args)
            tap.ok(r.status == 2 and r.err and content() == OLD, f"usage: {' '.join(args)[-40:]}", str(r))
        r = fetch("--help")
        with open(os.path.join(lab.TOP, "man", "pkienroll-jwks.8"), encoding="utf-8") as f:
            page = f.read()
        missing = [o for o in ("url", "file", "algorithm", "ca-file", "timeout") if f"--{o}" not in r.out or
                   f"Fl Fl {o}" not in page]
        tap.equal((r.status, missing), (0, []), "--help and the manual page tell every option")

    tap.run(replaced, odd_keys, refused, transport, usage, units)


def units():
    if not shutil.which("systemd-analyze"):
        tap.skip("systemd-analyze", "not installed")
        return
    folder = os.path.join(DIR, "units")
    os.mkdir(folder)
    with open(os.path.join(lab.BUILD, "dist", "systemd", "pkienroll-jwks@.service"), encoding="utf-8") as f:
        text = f.read()
    tap.ok("@bindir@" not in text and "/pkienroll-jwks --url" in text, "the unit's path is filled in")
    lines = [f"ExecStart={PROGRAM} " + line.split(" ", 1)[1] if line.startswith("ExecStart=") else line
             for line in text.splitlines()]
    service = os.path.join(folder, "pkienroll-jwks@entra.service")
    with open(service, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    timer = os.path.join(folder, "pkienroll-jwks@entra.timer")
    shutil.copy(os.path.join(lab.TOP, "dist", "systemd", "pkienroll-jwks@.timer"), timer)
    r = lab.Result(subprocess.run(["systemd-analyze", "verify", "--man=no", service, timer], capture_output=True, check=False))
    said = [line for line in (r.out + r.err).splitlines() if "pkienroll" in line]
    tap.equal((r.status, said), (0, []), "systemd-analyze verify has nothing to say about the units")
    r = lab.Result(subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true",
                                   f"--threshold={int(MAX_EXPOSURE * 10)}", service], capture_output=True, check=False))
    tap.equal(r.status, 0, f"exposure is at most {MAX_EXPOSURE}") or tap.diag(r.out[-400:])
    sysusers = os.path.join(lab.TOP, "dist", "systemd", "sysusers.d", "pkienroll-jwks.conf")
    with open(sysusers, encoding="utf-8") as f:
        tap.ok("u pkienroll-jwks " in f.read() and "User=pkienroll-jwks" in text, "the unit's user is one that is made")


try:
    main()
finally:
    shutil.rmtree(DIR, ignore_errors=True)
