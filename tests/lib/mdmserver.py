# SPDX-License-Identifier: Apache-2.0
"""A small MDM enrollment server for tests of the client side: GetPolicies, Issue, Renew and Recovery over TLS, with a CA
of its own. It keeps each request, and a test can change each answer. It believes everything that it is told."""
import base64
import datetime
import hashlib
import http.server
import os
import re
import ssl
import subprocess
import threading
import uuid
import xml.etree.ElementTree as ET

import mdm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NS = mdm.NS
PROVIDER = "TestMDM"
ENT_DMID = "9A51D698-40C7-499C-928E-EF7FD76E62C0"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def write(path, data, mode=0o600):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as f:
        f.write(data)
    return path


def key_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


class Authority:
    """A root that signs certificates right away."""

    def __init__(self, cn):
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name(cn)
        self.cert = self._finish(self._builder(self.name, self.key.public_key(), datetime.timedelta(days=3650))
                                 .add_extension(x509.BasicConstraints(True, None), True)
                                 .add_extension(_usage(keyCertSign=True, cRLSign=True), True))

    def _builder(self, subject, public_key, validity):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
                .not_valid_after(now + validity)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))

    def _finish(self, builder):
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, cn, public_key, usage=ExtendedKeyUsageOID.CLIENT_AUTH, san=(), days=365):
        builder = (self._builder(_name(cn), public_key, datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(False, None), True)
                   .add_extension(_usage(digitalSignature=True), True)
                   .add_extension(x509.ExtendedKeyUsage([usage]), False))
        return self._finish(builder.add_extension(x509.SubjectAlternativeName(list(san)), False) if san else builder)


def _usage(**on):
    names = {"digital_signature": "digitalSignature", "key_cert_sign": "keyCertSign", "crl_sign": "cRLSign"}
    off = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                         "decipher_only"), False)
    return x509.KeyUsage(**off, **{k: on.get(v, False) for k, v in names.items()})


def _stored(store, scope, cert, more=""):
    der = cert.public_bytes(DER)
    return (f'<characteristic type="{store}"><characteristic type="{scope}"><characteristic '
            f'type="{hashlib.sha1(der).hexdigest().upper()}"><parm name="EncodedCertificate" '
            f'value="{base64.b64encode(der).decode()}"/></characteristic>{more}</characteristic>'
            + ("" if store == "My" else "</characteristic>"))


def document(root, cert, scope, renewal):
    """wap-provisioningdoc of an enrollment, or of a renewal."""
    container = '<characteristic type="PrivateKeyContainer"/>'
    renew = ("" if renewal else
             '<characteristic type="WSTEP"><characteristic type="Renew"><parm name="ROBOSupport" value="true" '
             'datatype="boolean"/><parm name="RenewPeriod" value="42" datatype="integer"/><parm name="RetryInterval" '
             'value="4" datatype="integer"/></characteristic></characteristic>')
    auth = "".join(f'<characteristic type="APPAUTH"><parm name="AAUTHLEVEL" value="{level}"/><parm name="AAUTHTYPE" '
                   f'value="DIGEST"/>{name}<parm name="AAUTHSECRET" value="c2VjcmV0"/><parm name="AAUTHDATA" '
                   'value="bm9uY2U="/></characteristic>'
                   for level, name in (("CLIENT", ""), ("APPSRV", '<parm name="AAUTHNAME" value="a"/>')))
    account = f'<parm name="PROVIDER-ID" value="{PROVIDER}"/>'
    if not renewal:
        account = (f'<parm name="APPID" value="w7"/>{account}<parm name="NAME" value="Test"/>'
                   f'<parm name="ADDR" value="https://mdm.example/"/>{auth}')
    client = ("" if renewal else
              f'<characteristic type="DMClient"><characteristic type="Provider"><characteristic type="{PROVIDER}">'
              f'<parm name="EntDMID" value="{ENT_DMID}" datatype="string"/></characteristic></characteristic>'
              '</characteristic>')
    return ('<wap-provisioningdoc version="1.1"><characteristic type="CertificateStore">' +
            _stored("Root", "System", root) + _stored("My", scope, cert, container) + renew +
            f'</characteristic></characteristic><characteristic type="APPLICATION">{account}</characteristic>'
            f'{client}</wap-provisioningdoc>')


class Request:
    """What came: the message, and the certificate of the connection (DER, None without one)."""

    def __init__(self, path, body, peer):
        self.path, self.body, self.peer = path, body, peer
        self.root = ET.fromstring(body)

    def text(self, path):
        return self.root.findtext(path, None, NS)

    @property
    def kind(self):
        kind = self.text("s:Body/wst:RequestSecurityToken/wst:RequestType")
        return kind.rsplit("/", 1)[1] if kind else "GetPolicies"

    @property
    def token(self):
        """The token of the body, decoded once."""
        return base64.b64decode(self.text("s:Body/wst:RequestSecurityToken/wsse:BinarySecurityToken"))

    @property
    def value_type(self):
        return self.root.find("s:Body/wst:RequestSecurityToken/wsse:BinarySecurityToken", NS).get("ValueType")

    def items(self):
        """The context items as a list of (name, value)."""
        return [(i.get("Name"), i.findtext("ac:Value", None, NS)) for i in self.root.iter(f"{{{NS['ac']}}}ContextItem")]


class Server:
    """with Server(folder) as server: https at server.policy_url and server.enroll_url, trusted by server.ca_file.

    server.requests: all that came. server.edit: called with the provisioning document, returns the one to send.
    server.fault: body of a fault to answer with instead. server.same: whether the same CMS gets the same certificate.
    """

    def __init__(self, folder, policy):
        self.folder, self.requests = folder, []
        self.edit, self.fault, self.same, self.days, self.usage = None, None, True, 365, ExtendedKeyUsageOID.CLIENT_AUTH
        self.subject = self.san = None
        self._policy, self._answers, self._devices = policy, {}, {}
        self.tls_root, self.authority = Authority("Test TLS Root"), Authority("Test Device Root")
        self.ca_file = write(os.path.join(folder, "tls-root.pem"), self.tls_root.cert.public_bytes(PEM))
        self.root_file = write(os.path.join(folder, "device-root.pem"), self.authority.cert.public_bytes(PEM))

    def __enter__(self):
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self.tls_root.issue("localhost", key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH,
                                   [x509.DNSName("localhost")])
        pem = write(os.path.join(self.folder, "tls.pem"), cert.public_bytes(PEM) + key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.load_verify_locations(self.root_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, body, self.connection.getpeercert(True))
                server.requests.append(request)
                status, answer = server.answer(request)
                self.send_response(status)
                self.send_header("Content-Type", mdm.CONTENT_TYPE)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *unused):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        url = f"https://localhost:{self._http.server_address[1]}/EnrollmentServer"
        self.policy_url, self.enroll_url = url + "/Policy.svc", url + "/Enrollment.svc"
        return self

    def __exit__(self, *unused):
        self._http.shutdown()
        self._http.server_close()

    # -- answers

    def answer(self, request):
        activity = uuid.uuid4()
        if request.kind == "GetPolicies":
            body = re.search(r"<s:Body.*</s:Body>", self._policy, re.S).group()
            action = mdm.ACTION_XCEP + "Response"
        else:
            body, action = self.fault or self._token(request), NS["e"] + "/RSTRC/wstep"
        status = 500 if "<s:Fault>" in body else 200
        relates = request.text("s:Header/a:MessageID")
        return status, (f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}"><s:Header><a:Action s:mustUnderstand="1">'
                        f'{action}</a:Action><ActivityId CorrelationId="{activity}" xmlns="{NS["diag"]}">{activity}'
                        f'</ActivityId><a:RelatesTo>{relates}</a:RelatesTo></s:Header>{body}</s:Envelope>').encode()

    def _token(self, request):
        renewal = request.kind == "Renew"
        scope = "User" if ("EnrollmentType", "Full") in request.items() else "System"
        text = document(self.authority.cert, self._certificate(request), scope, renewal)
        if self.edit:
            text = self.edit(text)
        return (f'<s:Body><RequestSecurityTokenResponseCollection xmlns="{NS["wst"]}"><RequestSecurityTokenResponse>'
                f'<TokenType>{mdm.TT_DEVICE}</TokenType><RequestedSecurityToken><BinarySecurityToken '
                f'xmlns="{NS["wsse"]}" ValueType="{mdm.VT_PROVDOC}" EncodingType="{mdm.ENC}">'
                f'{base64.b64encode(text.encode()).decode()}</BinarySecurityToken></RequestedSecurityToken>'
                f'<RequestID xmlns="{NS["e"]}">0</RequestID></RequestSecurityTokenResponse>'
                '</RequestSecurityTokenResponseCollection></s:Body>')

    def _certificate(self, request):
        token = request.token
        if token in self._answers and self.same:
            return self._answers[token]
        device = dict(request.items())["DeviceID"]
        csr = token if request.kind != "Renew" else content_of(token)
        public_key = x509.load_der_x509_csr(csr).public_key()
        cert = self.authority.issue(self.subject or device, public_key, self.usage,
                                    [x509.RFC822Name(self.san or "ada@lab.example")], self.days)
        self._answers[token] = cert
        return cert


def content_of(token):
    """The PKCS#10 inside of a CMS in DER, or in base64."""
    if not token.startswith(b"\x30"):
        token = base64.b64decode(token)
    done = subprocess.run(["openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "DER"], input=token,
                          capture_output=True, check=True)
    return done.stdout
