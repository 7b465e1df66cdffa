# SPDX-License-Identifier: Apache-2.0
"""nginx, haproxy and Apache as dist/frontends configures them, in front of a real daemon: certificates of clients are
passed on and verified here, what clients say in the names of the proxy is not believed, limits and faults are ours,
and no request is smuggled (attacks A05, A14, A15)."""
import base64
import functools
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jws  # noqa: E402
import mdm  # noqa: E402
import mdmlab  # noqa: E402
import proxies  # noqa: E402
import tap  # noqa: E402
from bulkca import BULK, Ca, DAY, PEM, TODAY  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from mdmlab import MdmLab, write_text  # noqa: E402

BULK_CA, FOREIGN = Ca(), Ca("Foreign CA")
STS = jws.Signer("sts-1")
FORMATS = {"nginx": "pem", "apache": "pem", "haproxy": "rfc"}
SPOOFED = ("Client-Cert", "Client_Cert", "X-SSL-Client-Escaped", "X_SSL_Client_Escaped", "x-ssl-client-escaped")
SMUGGLES = {
    "CL.TE": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "TE.CL": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nA\r\n0\r\n\r\n",
    "two lengths": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nAAAAA",
    "length list": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n",
    "signed length": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n",
    "space before colon": b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n",
    "folded coding": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"POST {path} HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
    "HEAD with a body": b"HEAD {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
    "GET with a body": b"GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
    "chunk extension": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
    "two codings": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "unknown coding": b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 chunked": b"POST {path} HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
LAB = PROXY = DEVICE = None


class ProxyLab(MdmLab):
    """A daemon with a unix listener for each way in which a certificate is handed over."""
    frontend = None

    def client_at(self, port, **kw):
        c = self.client(**kw)
        return mdm.Client("127.0.0.1", port, self.ca_file, c.user, c.password, c.policy_path, c.enroll_path, c.timeout)

    def sockets(self):
        return {name: os.path.join(self.dir, f"{name}.sock") for name in ("pem", "rfc")}


def configure(lab):
    os.chmod(lab.dir, 0o755)
    write_text(os.path.join(lab.etc, "bulk.pem"), BULK_CA.pem())
    write_text(os.path.join(lab.etc, "sts.json"), jws.jwks(STS))
    for name, value in {"kind": "custom", "keys-file": "sts.json", "issuer": f"[{jws.CUSTOM_ISSUER}]",
                        "audience": f"[{jws.CUSTOM_AUDIENCE}]"}.items():
        lab.set_option(("token-issuers", "sts", name), value)
    for name, path in lab.sockets().items():
        listener = ("listeners", name)
        lab.set_option(listener + ("unix",), path)
        lab.set_option(listener + ("peer-uids",), f"[{os.geteuid()}, 33]")
        lab.set_option(listener + ("client-cert-header",), "x-ssl-client-escaped" if name == "pem" else "client-cert")
        lab.set_option(listener + ("client-cert-format",), "escaped-pem" if name == "pem" else "rfc9440")
        lab.set_option(listener + ("source-header",), "x-real-ip")
        lab.set_option(listener + ("assertion-header",), "x-assertion")
        lab.set_option(listener + ("max-head",), "64KiB")
        lab.set_option(listener + ("public-url",), "https://127.0.0.1:1")
    for endpoint in ("mdm-policy", "mdm-enroll"):
        lab.set_option(("endpoints", endpoint, "listeners"), "[main, pem, rfc]")
        lab.set_option(("endpoints", endpoint, "credentials"), "[username, jwt, client-certificate]")
        lab.set_option(("endpoints", endpoint, "token-issuers"), "[sts]")
        lab.set_option(("endpoints", endpoint, "credential-ca"), "bulk.pem")
    lab.set_option(("templates", "device", "renew-require-tls"), "yes")
    lab.set_option(("templates", "device", "renew"), "yes")
    lab.set_option(("listeners", "main", "client-cert"), "optional")


def serve():
    LAB.start()
    for path in LAB.sockets().values():
        os.chmod(path, 0o666)  # peer-uids is what guards it


def client(**kw):
    return LAB.client_at(PROXY.port, **kw)


def with_certificate(c, certificate, key):
    """The same client with a certificate on its connections."""
    path = os.path.join(LAB.dir, "client.pem")
    write_text(path, certificate.public_bytes(PEM).decode() + key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
    c.tls.load_cert_chain(path)
    c.close()
    return c


def log_of(trace_id):
    """The line of net that ends this request."""
    for line in LAB.read_log().splitlines():
        if f"trace_id={trace_id}" in line and "net: request " in line:
            return line
    return ""


def name(text):
    return f"{PROXY.name}: {text}"


# ---- through the proxy

def enrolls():
    global DEVICE
    c = client()
    tap.equal(c.get_policies().status, 200, name("the policy is served"))
    DEVICE = mdm.Device(c)
    line = log_of(DEVICE.answer.trace_id or trace_of_last())
    tap.ok(DEVICE.der, name("a device is enrolled"))
    tap.ok("source=127.0.0.1" in line and "request_id=" in line, name("the log has the client's address and the proxy's id"), line)


def trace_of_last():
    lines = [text for text in LAB.read_log().splitlines() if "net: request " in text]
    return lines[-1].split("trace_id=")[1].split()[0] if lines else "none"


def renews():
    bare = DEVICE.renew(keep=True)
    tap.ok(bare.status == 500 and "renew-tls-missing" in log_of(bare.trace_id), name("no renewal without the certificate"), bare.describe())
    DEVICE.client = with_certificate(client(), x509.load_der_x509_certificate(DEVICE.der), DEVICE.key)
    good = DEVICE.renew()
    tap.ok(good.certificate(), name("with it the device renews: mTLS is passed on"), good.describe())


def credential(cert, key):
    """An enrollment whose credential is the certificate of the connection."""
    device = mdm.device_id()
    return with_certificate(client(), cert, key).enroll(mdm.new_csr(device), device, security="")


def certificates_are_verified_here():
    good = credential(*BULK_CA.issue())
    tap.ok(good.certificate(), name("a certificate of the bulk CA is a credential"), good.describe())
    for what, pair in (("expired", BULK_CA.issue(begin=TODAY - 20 * DAY, end=TODAY - 10 * DAY)), ("foreign", FOREIGN.issue()),
                       ("not yet valid", BULK_CA.issue(begin=TODAY + 10 * DAY, end=TODAY + 20 * DAY)),
                       ("a CA", (BULK_CA.certificate, BULK_CA.key))):
        try:
            a = credential(*pair)
        except OSError as e:  # Apache ends the handshake for what is not valid now: optional_no_ca is about CAs only
            tap.ok(PROXY.name == "apache" and what != "foreign", name(f"one that is {what}: no connection"), e)
            continue
        tap.ok(a.status == 500 and a.subcode == "s:Authentication", name(f"one that is {what}: our fault, not the proxy's"), a.describe())


def spoofed_fields():
    """What only the proxy may say, said by a client without a certificate."""
    cert = BULK_CA.issue()[0]
    pem = cert.public_bytes(PEM).decode()
    escaped = "".join(c if c.isalnum() or c in "-._" else f"%{ord(c):02X}" for c in pem)
    rfc = f":{base64.b64encode(cert.public_bytes(serialization.Encoding.DER)).decode()}:"
    for field in SPOOFED:
        for value in (escaped, rfc):
            device = mdm.device_id()
            a = client().enroll(mdm.new_csr(device), device, security="", headers={field: value})
            tap.ok(a.status != 200 and not a.certificate(), name(f"{field} of a client is not believed"), a.describe())
    device = mdm.device_id()
    a = client().enroll(mdm.new_csr(device), device, headers={"Connection": "close, X-SSL-Client-Escaped, Client-Cert, X-Real-IP"})
    tap.ok(a.status in (200, 400) and "source=8.8" not in log_of(a.trace_id), name("fields listed in Connection"), a.describe())
    a = client().get_policies(headers={"X-Real-IP": "8.8.8.8", "X_Real_IP": "8.8.4.4", "X-Forwarded-For": "8.8.8.8"})
    tap.ok(a.status == 200 and "8.8." not in LAB.read_log(), name("an address that a client names is not believed"), a.describe())


def limits_are_ours():
    c = client()
    device = mdm.device_id()
    pad = f"<!--{'x' * (200 << 10)}-->"
    a = c.request("POST", c.enroll_path, mdm.envelope(mdm.ACTION_RST, c.security(), mdm.rst_body(
        mdm.new_csr(device), mdm.default_items(device))).replace("</s:Envelope>", pad + "</s:Envelope>"))
    tap.ok(a.status in (200, 500) and a.body.startswith(b"<s:Envelope"), name("200 KiB reach the daemon"), a.describe())
    a = c.request("POST", c.enroll_path, b"x" * (300 << 10), fresh=True)
    tap.ok(a.status == 413 and b"Envelope" in a.body, name("300 KiB: the fault is ours"), f"{a.status} {a.body[:200]}")
    a = c.request("POST", c.policy_path, mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.get_policies_body()),
                  {"Authorization": "Negotiate " + "A" * (40 << 10)}, fresh=True)
    tap.equal(a.status, 200, name("an Authorization field of 40 KiB passes"))


def methods():
    for method in ("GET", "HEAD"):
        a = client().request(method, client().enroll_path)
        tap.ok(a.status == 405 and a.headers.get("Allow") == "POST", name(f"{method} is answered by the daemon"), a.status)


def http2():
    body = os.path.join(LAB.dir, "policies.xml")
    c = client()
    write_text(body, mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.get_policies_body()))
    command = [shutil.which("curl"), "-sS", "--http2", "--cacert", LAB.ca_file, "-H", f"Content-Type: {mdm.CONTENT_TYPE}", "--data-binary",
               f"@{body}", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"https://127.0.0.1:{PROXY.port}{c.policy_path}"]
    r = LAB.run(command)
    tap.equal(r.out.strip(), "2 200", name("HTTP/2 from the client"))


# ---- smuggling

def answers(data):
    """How many responses come to these bytes, with a marked request behind them."""
    c = client()
    with c.raw_socket() as s:
        s.settimeout(5)
        s.sendall(data)
        got = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    break
                got += part
        except (socket.timeout, TimeoutError, ConnectionError, OSError):
            pass
    return got


def smuggled():
    """Each vector hides a request for a path of its own: the daemon must never see it as one (it would log or answer it)."""
    hidden = "/EnrollmentServer/hidden-{}"
    path = client().enroll_path
    for i, (what, vector) in enumerate(SMUGGLES.items()):
        target = hidden.format(i)
        tail = f"GET {target} HTTP/1.1\r\nHost: smuggled\r\nConnection: close\r\n\r\n".encode()
        got = answers(vector.replace(b"{path}", path.encode()) + tail)
        # a pipelined request behind a good one is a request of its own, and is answered; inside another's body it is not
        first = got.split(b"\r\n", 1)[0]
        tap.ok(got.count(b"HTTP/1.1 ") + got.count(b"HTTP/1.0 ") <= 2, name(f"smuggling, {what}: no extra answer"), f"{first!r}: {len(got)}")
    c = client()
    tap.ok(mdm.Device(c).der, name("the next client gets its own answer"))


# ---- the listener itself

def raw_unix(kind, data, uid=None):
    """One request straight to the socket, as another user would send it."""
    script = ("import socket,sys,os\n"
              "s=socket.socket(socket.AF_UNIX);s.settimeout(10);s.connect(sys.argv[1])\n"
              "s.sendall(sys.stdin.buffer.read())\n"
              "out=b''\n"
              "try:\n"
              " while True:\n"
              "  p=s.recv(65536)\n"
              "  if not p: break\n"
              "  out+=p\n"
              "except OSError: pass\n"
              "sys.stdout.buffer.write(out)\n")
    command = [sys.executable, "-c", script, LAB.sockets()[kind]]
    if uid is not None:
        command = ["setpriv", f"--reuid={uid}", "--clear-groups", *command]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False).stdout


def request_bytes(fields, body=b""):
    head = f"POST {client_path()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {mdm.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return (head + "".join(f"{k}: {v}\r\n" for k, v in fields) + "\r\n").encode() + body


def client_path():
    return LAB.client().policy_path


def peers_and_fields():
    body = mdm.envelope(mdm.ACTION_XCEP, LAB.client().security(), mdm.get_policies_body()).encode()
    good = raw_unix("rfc", request_bytes([], body))
    tap.ok(good.startswith(b"HTTP/1.1 200"), "the unix listener serves its own user", good[:200])
    if os.geteuid() == 0:
        tap.equal(raw_unix("rfc", request_bytes([], body), uid=12345), b"", "a user that is not in peer-uids gets nothing")
    for what, fields in (("twice", [("Client-Cert", ":MAo=:"), ("Client-Cert", ":MAo=:")]), ("no certificate", [("Client-Cert", ":MAo=:")]),
                         ("two addresses", [("X-Real-IP", "192.0.2.1, 192.0.2.2")]),
                         ("listed in Connection", [("Connection", "client-cert")])):
        got = raw_unix("rfc", request_bytes(fields, body))
        tap.ok(got.startswith(b"HTTP/1.1 400"), f"a forwarded field that is wrong ({what}) is 400", got[:200])


def assertions():
    """reliability 11 (e): the frontend's signed word, bound to the key of the CSR."""
    key, device = mdm.new_key(), mdm.device_id()
    csr = mdm.new_csr(device, key)
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    bound = jws.b64(hashlib.sha256(spki).digest())
    for what, cnf, sent, good in (("bound to the key", {"spki#S256": bound}, csr, True),
                                  ("bound to another key", {"spki#S256": bound}, mdm.new_csr(device), False),
                                  ("bound to something else", {"jkt": bound}, csr, False), ("not bound", None, mdm.new_csr(device), True)):
        token = STS.sign({"iss": jws.CUSTOM_ISSUER, "aud": jws.CUSTOM_AUDIENCE, "sub": "ada@lab.example", "jti": what, **jws.times(),
                          **({"cnf": cnf} if cnf else {})})
        body = mdm.envelope(mdm.ACTION_RST, "", mdm.rst_body(sent, mdm.default_items(device))).encode()
        raw = request_bytes([("X-Assertion", token)], body).replace(client_path().encode(), LAB.client().enroll_path.encode(), 1)
        got = raw_unix("rfc", raw)
        tap.equal(got.startswith(b"HTTP/1.1 200"), good, f"an assertion {what}")
        shown = LAB.request_show(trace_of_last()) or {}
        if good:
            tap.equal((shown.get("principal"), shown.get("credential")), ("ada@lab.example", "jwt"), f"an assertion {what}: recorded")


# ---- PROXY protocol

def proxy_header(source):
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + b"\x30\x39\x01\xbb")


def proxy_protocol():
    port = proxies.free_port()
    LAB.stop()
    for option, value in (("address", "127.0.0.1"), ("port", str(port)), ("tls-certificate", "tls.pem"), ("tls-key", "tls.key"),
                          ("proxy-protocol", "yes"), ("proxy-from", "[127.0.0.0/8]")):
        LAB.set_option(("listeners", "passed", option), value)
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "listeners"), "[main, pem, rfc, passed]")
    serve()
    c = LAB.client_at(port)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        header = proxy_header("203.0.113.77")
        for i in range(len(header)):  # byte by byte
            raw.sendall(header[i:i + 1])
        with c.tls.wrap_socket(raw, server_hostname="127.0.0.1") as s:
            body = mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.get_policies_body()).encode()
            s.sendall(request_bytes([], body))
            got = s.recv(65536)
    tap.ok(got.startswith(b"HTTP/1.1 200"), "PROXY header, then TLS", got[:100])
    tap.ok("source=203.0.113.77" in LAB.read_log(), "the log has the address of the header")
    for what, begin in (("no header", b""), ("version 1", b"PROXY TCP4 203.0.113.78 127.0.0.1 1 2\r\n")):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
                raw.sendall(begin)
                with c.tls.wrap_socket(raw, server_hostname="127.0.0.1") as s:
                    s.sendall(b"x")
                    got = s.recv(1)
        except OSError:
            got = b""
        tap.equal(got, b"", f"{what}: closed")
    LAB.set_option(("listeners", "passed", "proxy-from"), "[192.0.2.0/24]")
    r = LAB.ctl("reload")
    tap.equal(r.status, 0, "reload with another proxy-from")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        try:
            raw.sendall(proxy_header("203.0.113.79"))
            got = raw.recv(1)
        except OSError:
            got = b""
    tap.ok(got == b"" and "203.0.113.79" not in LAB.read_log(), "who is not in proxy-from is not asked")


def bad_configuration():
    def refused(option, value, words, listener="rfc"):
        LAB.set_option(("listeners", listener, option), value)
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and words in str(r), f"{option} {value}: {words}", str(r))

    refused("peer-uids", None, "anybody could send it")
    LAB.set_option(("listeners", "rfc", "peer-uids"), f"[{os.geteuid()}]")
    refused("client-cert-header", "connection", "does not frame")
    LAB.set_option(("listeners", "rfc", "client-cert-header"), "client-cert")
    refused("client-cert-header", "client-cert", "only for frontend listeners", "main")
    LAB.set_option(("listeners", "main", "client-cert-header"), None)
    refused("peer-uids", "[no-such-user-here]", "no such user")
    LAB.set_option(("listeners", "rfc", "peer-uids"), f"[{os.geteuid()}]")
    tap.equal(LAB.ctl("reload").status, 0, "and the good one again")


def through(kind):
    global PROXY
    LAB.frontend = LAB.sockets()[FORMATS[kind.name]]
    with kind(LAB) as PROXY:
        for test in (enrolls, renews, certificates_are_verified_here, spoofed_fields, limits_are_ours, methods, http2, smuggled):
            try:
                test()
            except Exception:  # pylint: disable=broad-except
                tap.ok(False, name(test.__name__), traceback.format_exc())


def main():
    global LAB
    tests = []
    with ProxyLab(start=False) as LAB:
        configure(LAB)
        serve()
        LAB.add_user(mdmlab.USER)
        for kind in proxies.ALL:
            tests.append(functools.partial(through, kind))
        tap.run(*tests, peers_and_fields, assertions, bad_configuration, proxy_protocol)


main()
