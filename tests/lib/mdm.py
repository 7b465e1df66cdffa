# SPDX-License-Identifier: Apache-2.0
"""A Windows MDM enrollment client for tests: builds the messages of MS-MDE2 by hand and shows the raw answers."""
import base64
import hashlib
import http.client
import socket
import ssl
import uuid
import xml.etree.ElementTree as ET

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://www.w3.org/2005/08/addressing",
    "u": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wst": "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
    "ac": "http://schemas.xmlsoap.org/ws/2006/12/authorization",
    "x": "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy",
    "e": "http://schemas.microsoft.com/windows/pki/2009/01/enrollment",
    "diag": "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics",
}
TT_DEVICE = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"
VT_PROVDOC = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc"
VT_USER_TOKEN = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken"
VT_P10 = NS["e"] + "#PKCS10"
VT_P7 = NS["wsse"] + "#PKCS7"
VT_P7_WSTEP = NS["e"] + "#PKCS7"
ENC = NS["wsse"] + "#base64binary"
PW_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
RT = NS["wst"] + "/"
ACTION_XCEP = NS["x"] + "/IPolicy/GetPolicies"
ACTION_RST = NS["e"] + "/RST/wstep"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"


def escape(text):
    return (str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"))


def device_id():
    return uuid.uuid4().hex.upper()


def new_key(bits=2048):
    return rsa.generate_private_key(65537, bits)


def new_csr(device, key=None, cn=None, digest=None, extensions=()):
    """A PKCS#10 as Windows makes it: CN = 30 characters of a GUID, '!', the device id; EKU; the non-DER extension."""
    key = key or new_key()
    cn = cn or (str(uuid.uuid4()).upper()[:30] + "!" + device)
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")]), False)
    builder = builder.add_extension(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.66.1.0"), device.encode() + b"\0"), False)
    for ext, critical in extensions:
        builder = builder.add_extension(ext, critical)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.DER)


def new_cms(csr, certificate, key, digest=None, options=()):
    """The body of a renewal: SignedData over the new CSR, by the certificate to be renewed (DER) and its key."""
    signer = x509.load_der_x509_certificate(certificate)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(csr).add_signer(signer, key, digest or hashes.SHA256())
    return builder.sign(serialization.Encoding.DER,
                        [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities, *options])


def username_token(user, password, type_attr="wsse:Type"):
    attr = f' {type_attr}="{PW_TEXT}"' if type_attr else ""
    return (f'<wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4"><wsse:Username>{escape(user)}'
            f"</wsse:Username><wsse:Password{attr}>{escape(password)}</wsse:Password></wsse:UsernameToken>")


def device_token(token, value_type=VT_USER_TOKEN, text=None):
    """Content of the Security header of a client that signed in on a web page; @p text instead of the base64."""
    text = base64.b64encode(token.encode()).decode() if text is None else text
    return f'<wsse:BinarySecurityToken ValueType="{value_type}" EncodingType="{ENC}">{text}</wsse:BinarySecurityToken>'


def envelope(action, security, body, message_id=None, to="https://enroll.example:443/x", extra_header=""):
    """One request envelope; security None leaves the header out, message_id "" leaves MessageID out."""
    mid = f"urn:uuid:{uuid.uuid4()}" if message_id is None else message_id
    head = f'<a:Action s:mustUnderstand="1">{action}</a:Action>' if action else ""
    if mid:
        head += f"<a:MessageID>{mid}</a:MessageID>"
    head += f'<a:ReplyTo><a:Address>{NS["a"]}/anonymous</a:Address></a:ReplyTo>'
    head += f'<a:To s:mustUnderstand="1">{to}</a:To>' + extra_header
    if security is not None:
        head += f'<wsse:Security s:mustUnderstand="1">{security}</wsse:Security>'
    names = " ".join(f'xmlns:{p}="{NS[p]}"' for p in ("s", "a", "u", "wsse", "wst", "ac"))
    return f"<s:Envelope {names}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>"


def get_policies_body(client_extra=""):
    return (f'<GetPolicies xmlns="{NS["x"]}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><client>'
            f'<lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"/>{client_extra}</client>'
            f'<requestFilter xsi:nil="true"/></GetPolicies>')


def context_items(items):
    return "".join(f'<ac:ContextItem Name="{escape(n)}"><ac:Value>{escape(v)}</ac:Value></ac:ContextItem>'
                   for n, v in items)


def wrap64(der, newline="\n"):
    text = base64.b64encode(der).decode()
    return newline.join(text[i:i + 64] for i in range(0, len(text), 64)) + newline


def rst_body(csr, items, request_type="Issue", token_type=TT_DEVICE, value_type=VT_P10, csr_text=None, context=None,
             order=None):
    attr = f' Context="{escape(context)}"' if context else ""
    parts = {
        "token": f"<wst:TokenType>{token_type}</wst:TokenType>",
        "type": f"<wst:RequestType>{request_type if '://' in request_type else RT + request_type}</wst:RequestType>",
        "bst": f'<wsse:BinarySecurityToken ValueType="{value_type}" EncodingType="{ENC}">'
               f"{csr_text if csr_text is not None else wrap64(csr)}</wsse:BinarySecurityToken>",
        "context": f'<ac:AdditionalContext xmlns="{NS["ac"]}">{context_items(items)}</ac:AdditionalContext>',
    }
    return (f"<wst:RequestSecurityToken{attr}>" + "".join(parts[k] for k in order or parts) +
            "</wst:RequestSecurityToken>")


def default_items(device, kind="Full", name="DESKTOP-LAB0001", **extra):
    items = [("UXInitiated", "true"), ("HWDevID", hashlib.sha256(device.encode()).hexdigest().upper()),
             ("Locale", "en-US"), ("TargetedUserLoggedIn", "true"), ("OSEdition", "48"), ("DeviceName", name),
             ("MAC", "A2-19-7D-41-B3-9C"), ("MAC", "A2-19-7D-41-B3-9D"), ("DeviceID", device),
             ("EnrollmentType", kind), ("DeviceType", "CIMClient_Windows"), ("OSVersion", "10.0.22631.3235"),
             ("ApplicationVersion", "10.0.22631.3235"), ("NotInOobe", "true")]
    return items + list(extra.items())


class Answer:
    """One HTTP answer and what a Windows client reads from it."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        try:
            self.root = ET.fromstring(body) if body else None
        except ET.ParseError:
            self.root = None

    def find(self, path):
        return self.root.find(path, NS) if self.root is not None else None

    def text(self, path):
        node = self.find(path)
        return node.text if node is not None else None

    @property
    def subcode(self):
        return self.text(".//s:Fault/s:Code/s:Subcode/s:Value")

    @property
    def error_type(self):
        return self.text(".//s:Fault/s:Detail/e:DeviceEnrollmentServiceError/e:ErrorType")

    @property
    def trace_id(self):
        return self.text(".//s:Fault/s:Detail/e:DeviceEnrollmentServiceError/e:TraceId")

    @property
    def reason(self):
        return self.text(".//s:Fault/s:Reason/s:Text")

    @property
    def relates_to(self):
        return self.text("./s:Header/a:RelatesTo")

    @property
    def action(self):
        return self.text("./s:Header/a:Action")

    def provisioning(self):
        """The provisioning document as an element tree, None when this is no successful RSTRC."""
        node = self.find("./s:Body/wst:RequestSecurityTokenResponseCollection/wst:RequestSecurityTokenResponse/"
                         "wst:RequestedSecurityToken/wsse:BinarySecurityToken")
        if node is None or node.get("ValueType") != VT_PROVDOC:
            return None
        return ET.fromstring(base64.b64decode(node.text, validate=True))

    def certificate(self):
        """DER of the device certificate."""
        doc = self.provisioning()
        if doc is None:
            return None
        for store in doc.findall("./characteristic[@type='CertificateStore']/characteristic[@type='My']/characteristic"):
            for node in store:
                parm = node.find("./parm[@name='EncodedCertificate']")
                if parm is not None:
                    return base64.b64decode(parm.get("value"), validate=True)
        return None

    def describe(self):
        return f"HTTP {self.status} {dict(self.headers)}\n{self.body[:3000]!r}"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Talks to one daemon; a connection is kept alive between requests as Windows does."""

    def __init__(self, host, port, ca_file, user=None, password=None, policy_path="/EnrollmentServer/Policy.svc",
                 enroll_path="/EnrollmentServer/Enrollment.svc", timeout=30):
        self.host, self.port, self.timeout = host, port, timeout
        self.user, self.password = user, password
        self.policy_path, self.enroll_path = policy_path, enroll_path
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.connection = None

    def open(self):
        self.close()
        self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        return self.connection

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def raw_socket(self):
        """A TLS socket of its own, for requests that no client library would send."""
        sock = socket.create_connection((self.host, self.port), timeout=self.timeout)
        return self.tls.wrap_socket(sock, server_hostname=self.host)

    def request(self, method, path, body=None, headers=None, fresh=False):
        if fresh or not self.connection:
            self.open()
        send = {"Content-Type": CONTENT_TYPE, "User-Agent": "ENROLLClient"}
        send.update(headers or {})
        send = {k: v for k, v in send.items() if v is not None}
        if isinstance(body, str):
            body = body.encode()
        try:
            self.connection.request(method, path, body=body, headers=send)
            r = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.open()  # the daemon may have closed an idle connection
            self.connection.request(method, path, body=body, headers=send)
            r = self.connection.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        if r.will_close:
            self.close()
        return answer

    def security(self, **kw):
        return username_token(self.user, self.password, **kw)

    def get_policies(self, security=..., client_extra="", message_id=None, headers=None, **kw):
        sec = self.security() if security is ... else security
        env = envelope(ACTION_XCEP, sec, get_policies_body(client_extra), message_id, **kw)
        return self.request("POST", self.policy_path, env, headers)

    def enroll(self, csr, device, kind="Full", security=..., items=None, message_id=None, headers=None, **kw):
        sec = self.security() if security is ... else security
        body = rst_body(csr, items if items is not None else default_items(device, kind), **kw)
        return self.request("POST", self.enroll_path, envelope(ACTION_RST, sec, body, message_id), headers)

    def renew(self, cms, device, kind="Full", security=..., layers=1, items=None, **kw):
        """RST Renew. ROBO: an empty password, one layer of base64; a manual renewal has a credential and two."""
        text = wrap64(cms)
        for _ in range(layers - 1):
            text = wrap64(text.encode())
        kw.setdefault("value_type", VT_P7)
        sec = username_token(self.user, "") if security is ... else security
        return self.enroll(None, device, kind, sec, items, request_type="Renew", csr_text=text, **kw)


def stores(answer):
    """CertificateStore of a provisioning document: {"Root/System": {DER}, "CA/System": {DER}, ...}"""
    found = {}
    for store in answer.provisioning().findall("./characteristic[@type='CertificateStore']/characteristic"):
        for place in store:
            found[f"{store.get('type')}/{place.get('type')}"] = {
                base64.b64decode(p.get("value")) for p in place.iter("parm") if p.get("name") == "EncodedCertificate"}
    return found


class Device:
    """One enrolled device: its key and certificate, and renewals with them."""

    def __init__(self, client, kind="Full", device=None, items=None, **kw):
        self.client, self.kind, self.id = client, kind, device or device_id()
        self.key = new_key()
        self.answer = client.enroll(new_csr(self.id, self.key), self.id, kind, items=items, **kw)
        self.der = self.answer.certificate()
        if self.der is None:
            raise RuntimeError(self.answer.describe())

    def cms(self, key=None, csr=None, **kw):
        """A new key (or @p key), its CSR, and the CMS around it; .new_key is what it was made with."""
        self.new_key = key or new_key()
        return new_cms(csr or new_csr(self.id, self.new_key), self.der, self.key, **kw)

    def renew(self, cms=None, **kw):
        """Send a renewal; on success the new certificate is this device's. @p keep: it stays with the old one."""
        keep = kw.pop("keep", False)
        a = self.client.renew(cms or self.cms(), self.id, self.kind, **kw)
        der = a.certificate()
        if der and not keep:
            self.der, self.key = der, self.new_key
        return a
