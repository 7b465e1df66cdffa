# SPDX-License-Identifier: Apache-2.0
"""The control API over TLS: frontends by the fingerprint of their certificate, what they may and nothing else; nobody else."""
import base64
import datetime
import json
import os
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from mdmlab import MdmLab, USER, free_port, write_text  # noqa: E402

LAB = PORT = None
NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


def client(name, begin=-1, end=30):
    """A self-signed certificate: (file of both, fingerprint)"""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    cert = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key()).serial_number(x509.random_serial_number()) \
        .not_valid_before(NOW + begin * DAY).not_valid_after(NOW + end * DAY).sign(key, hashes.SHA256())
    path = os.path.join(LAB.dir, f"{name}.pem")
    write_text(path, (cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())).decode())
    return path, cert.fingerprint(hashes.SHA256()).hex()


def curl(path, cert=None, body=None, *more):
    words = ["curl", "-sS", "--cacert", LAB.ca_file, "-o", "-", "-w", "\n%{http_code}", f"https://localhost:{PORT}{path}", *more]
    if cert:
        words += ["--cert", cert]
    if body is not None:
        words += ["--data-binary", json.dumps(body), "-H", "Content-Type: application/json"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status or 0), json.loads(text) if text.strip() else done.stderr.decode()


def frontend():
    mine, pin = client("mine")
    LAB.set_option(("frontends", "mdm", "certificates"), f"[{pin}]")
    LAB.set_option(("frontends", "mdm", "templates"), "[device]")
    LAB.set_option(("frontends", "mdm", "upn-suffixes"), "[lab.example]")
    for option, value in {"address": f"127.0.0.1:{PORT}", "certificate": "tls.pem", "key": "tls.key"}.items():
        LAB.set_option((f"control-tls-{option}",), value)
    r = LAB.ctl("reload")
    tap.equal(r.status, 0, "control-tls-address") or tap.diag(r)
    tap.equal(curl("/v1/version", mine)[0], 200, "a frontend by its certificate")
    device = mdm.device_id()
    status, a = curl("/v1/sign", mine, {"template": "device", "principal": USER, "device_id": device, "csr": base64.b64encode(mdm.new_csr(device)).decode()})
    tap.equal(status, 200, "signs") or tap.diag(a)
    actor = ledgerdb.wait(LAB.ledger, "SELECT actor FROM audit WHERE event = 'control' AND detail LIKE '%\"sign\"%' ORDER BY seq DESC LIMIT 1")
    tap.equal(actor, (f"tls={pin[:32]} role=frontend frontend=mdm",), "the audit row has its fingerprint")
    status, a = curl("/v1/sign", mine, {"template": "device", "principal": "ceo@corp.example", "device_id": "X", "csr": base64.b64encode(mdm.new_csr("X")).decode()})
    tap.equal(status, 403, "within its bounds") or tap.diag(a)
    for path, body in (("/v1/status", None), ("/v1/keys", None), ("/v1/reload", {}), ("/v1/users", None), ("/v1/metrics", None), ("/v1/issuers", None)):
        tap.equal(curl(path, mine, body)[0], 403, f"{path} is not for frontends")
    return mine, pin


def others():
    stranger, _ = client("stranger")
    tap.equal(curl("/v1/version", stranger)[0], 403, "a certificate of nobody: 403")
    tap.equal(curl("/v1/nothing", stranger)[0], 403, "whatever the path")
    status, why = curl("/v1/version")
    tap.ok(status == 0 and why, "no certificate: no connection", why)
    old, pin = client("expired", -30, -1)
    young, other = client("not-yet", 1, 30)
    mine, _ = client("renewed")
    with open(mine, "rb") as f:
        third = x509.load_pem_x509_certificate(f.read()).fingerprint(hashes.SHA256()).hex()
    LAB.set_option(("frontends", "mdm", "certificates"), f"[{pin}, {other}, {third}]")
    tap.equal(LAB.ctl("reload").status, 0, "other certificates")
    tap.equal((curl("/v1/version", old)[0], curl("/v1/version", young)[0]), (403, 403), "out of their time they are nobody's")
    tap.equal(curl("/v1/version", mine)[0], 200, "the new one is taken at once")
    tap.equal(curl("/v1/version", os.path.join(LAB.dir, "mine.pem"))[0], 403, "and the old one no more")
    return mine


def transport(mine):
    for name, least, most in (("TLS 1.1", ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1), ("TLS 1.2", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
                              ("TLS 1.3", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)):
        context = ssl.create_default_context(cafile=LAB.ca_file)
        try:
            context.minimum_version, context.maximum_version = least, most
            context.load_cert_chain(mine)
            with socket.create_connection(("localhost", PORT), 10) as raw, context.wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                good = s.recv(100).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, OSError, ValueError):
            good = False
        tap.equal(good, name != "TLS 1.1", name)
    idle = [socket.create_connection(("127.0.0.1", PORT), 10) for _ in range(40)]
    tap.equal(LAB.ctl("status").status, 0, "forty connections without a handshake: operators are served")
    for s in idle:
        s.close()
    with socket.create_connection(("127.0.0.1", PORT), 10) as s:
        s.sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            got = s.recv(100)
        except ConnectionResetError:
            got = b""
        tap.ok(b"200" not in got, "no TLS: nothing")
    end = [curl("/v1/version", mine)[0] for _ in range(3)]
    tap.equal(end, [200] * 3, "and it goes on")


def configuration():
    for change, words in (({("control-tls-certificate",): None}, "control-tls-certificate"), ({("control-tls-address",): "localhost"}, "IP address and a port"),
                          ({("control-tls-key",): "absent.key"}, "absent.key"), ({("frontends", "mdm", "certificates"): "[abc]"}, "certificates"),
                          ({("frontends", "mdm", "certificates"): f"[{'A' * 64}]"}, "lower-case")):
        with open(LAB.config, encoding="utf-8") as f:
            before = f.read()
        for path, value in change.items():
            LAB.set_option(path, value)
        r = LAB.ctl("reload")
        tap.ok(r.status == 1 and words in r.err, f"refused: {list(change.items())[0]}", r)
        write_text(LAB.config, before)
    tap.equal(LAB.ctl("reload").status, 0, "and right again")


def off(mine):
    for option in ("address", "certificate", "key"):
        LAB.set_option((f"control-tls-{option}",), None)
    tap.equal(LAB.ctl("reload").status, 0, "taken out of the configuration")
    try:
        socket.create_connection(("127.0.0.1", PORT), 5).close()
        closed = False
    except ConnectionRefusedError:
        closed = True
    tap.ok(closed, "nobody listens there any more")
    tap.equal(curl("/v1/version", mine)[0], 0, "nor answers")


def main():
    global LAB, PORT
    with MdmLab(options={("endpoints", "mdm-enroll", "credentials"): "[username, one-time-token, jwt, frontend]"}) as LAB:
        PORT = free_port()
        found = []
        tap.run(lambda: found.append(frontend()), lambda: found.append(others()), lambda: transport(found[-1]), configuration, lambda: off(found[-1]))


if __name__ == "__main__":
    main()
