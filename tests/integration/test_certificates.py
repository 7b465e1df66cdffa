# SPDX-License-Identifier: Apache-2.0
"""Certificates as credentials against a real daemon (MS-MDE2 checklist 23, 24; attacks A01-A05, A07, A14): signed headers and
TLS client certificates of a bulk-enrollment CA, on both stages, and every refusal with its fault, its record, without a
certificate and without a use of the key."""
import base64
import datetime
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
import xmlsign as xs  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: E402
from bulkca import BULK, Ca, DAY, TODAY  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
SECURITY, AUTHENTICATION = "a:InvalidSecurity", "s:Authentication"
ACCEPTED = ("signed-header", "client-certificate", "username")
LAB = None


UPN = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x0fupn@lab.example")
CA = Ca()
GOOD = CA.issue()


def path(name):
    return os.path.join(LAB.etc, name)


def write(name, text):
    """As administrators do: a new file, renamed to its place."""
    with open(path(name + ".new"), "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path(name + ".new"), path(name))


def configure():
    """Both endpoints take certificates of CA."""
    write("bulk-ca.pem", CA.pem())
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "credentials"), f"[{', '.join(ACCEPTED)}]")
        LAB.set_option(("endpoints", endpoint, "credential-ca"), "bulk-ca.pem")
        LAB.set_option(("endpoints", endpoint, "token-issuers"), None)
    name = listener()
    LAB.set_option(("listeners", name, "client-cert"), "optional")
    LAB.set_option(("listeners", name, "client-ca"), "bulk-ca.pem")


def listener():
    with open(LAB.config, encoding="utf-8") as f:
        lines = f.read().splitlines()
    at = lines.index("listeners:")
    return next(line.strip().rstrip(":") for line in lines[at + 1:] if line.startswith("  ") and line[2] not in " #")


def set_endpoints(option, value):
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, option), value)
    LAB.ctl("reload", check=True)


class Request:
    """A device's RST, signed or not; to be sent as often as wanted."""

    def __init__(self, kind="Device"):
        self.device, self.kind = mdm.device_id(), kind
        self.csr = mdm.new_csr(self.device)
        self.items = mdm.default_items(self.device, kind)

    def body(self):
        return mdm.rst_body(self.csr, self.items)

    def signed(self, credential=None, now=None, times=None, **kw):
        cert, key = credential or GOOD
        security = (xs.timestamp(now) if times is None else times) + xs.token(cert.public_bytes(DER))
        return xs.sign(mdm.envelope(mdm.ACTION_RST, security, self.body()), key, **kw)


def post(document, enroll=True, client=None):
    client = client or LAB.client()
    return client.request("POST", client.enroll_path if enroll else client.policy_path, document)


def policies(credential=None, **kw):
    cert, key = credential or GOOD
    return post(xs.get_policies(cert.public_bytes(DER), key, **kw), enroll=False)


def tls_client(credential=None):
    """A client that presents a certificate in TLS, whoever issued it."""
    cert, key = credential or GOOD
    client = LAB.client()
    with open(path("client.pem"), "wb") as f:
        f.write(cert.public_bytes(PEM))
        f.write(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    client.tls.load_cert_chain(path("client.pem"))
    return client


def issued(answer, request, name, principal=BULK):
    """A certificate that belongs to the principal, in the ledger and on the wire."""
    if not tap.ok(answer.status == 200 and answer.certificate(), f"{name}: issued", answer.describe()):
        return None
    der = answer.certificate()
    row = ledgerdb.rows(LAB.ledger, "SELECT principal FROM request WHERE device_id = ? AND state = 'issued'",
                        (request.device,))
    tap.equal(row, [(principal,)], f"{name}: recorded for {principal}")
    tap.equal(x509.load_der_x509_certificate(der).public_key().public_numbers(),
              x509.load_der_x509_csr(request.csr).public_key().public_numbers(), f"{name}: of the key in the CSR")
    return der


def refused(answer, subcode, reason, name):
    """The exact fault, and the rule behind its TraceId."""
    tap.equal((answer.status, answer.subcode), (500, subcode), f"{name}: {subcode}") or tap.diag(answer.describe())
    shown = LAB.request_show(answer.trace_id) or {}
    tap.equal((shown.get("error") or {}).get("reason"), reason, f"{name}: recorded as {reason}")
    audited = ledgerdb.one(LAB.ledger, "SELECT detail FROM audit WHERE event = 'refused' AND request_id = ?", (answer.trace_id,))
    tap.ok(f'"reason":"{reason}"' in (audited or ""), f"{name}: audited with that reason", audited)


class Untouched:
    """Nothing inside may use the key or make a certificate."""

    def __enter__(self):
        self.before = LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))

    def __exit__(self, *unused):
        tap.equal((LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))), self.before,
                  "no signature of the key, no certificate")


# -- what works

def c23_signed_stages():
    a = policies()
    tap.ok(a.status == 200 and a.find(".//x:policies"), "c23 signed GetPolicies", a.describe())
    for name, credential in (("RSA", GOOD), ("ECDSA", CA.issue(key=ec.generate_private_key(ec.SECP256R1())))):
        request = Request()
        issued(post(request.signed(credential)), request, f"c23 signed RST, {name}")


def c23_value_type_of_the_samples():
    """The RST sample calls the certificate a DeviceEnrollmentUserToken (mdm.md 4.4)."""
    cert, key = CA.issue(san=[UPN])
    request = Request("Full")
    security = xs.timestamp() + xs.token(cert.public_bytes(DER), mdm.VT_USER_TOKEN)
    der = issued(post(xs.sign(mdm.envelope(mdm.ACTION_RST, security, request.body()), key)), request, "c23 ValueType of the sample")
    tap.ok(der and b"upn@lab.example" in der, "c23 EnrollmentType Full: the user is the certificate's UPN")


def c34_examples_03_and_13():
    """The published messages, signed anew with a certificate of ours and times of today."""
    for name, enroll in (("03-getpolicies-certificate.req.xml", False), ("13-rst-issue-certificate.req.xml", True)):
        with open(os.path.join(os.environ["top_srcdir"], "tests", "data", "mdm", name), encoding="utf-8") as f:
            text = f.read()
        refused(post(text, enroll), SECURITY, "sig-timestamp-expired", f"c23 {name} as it is")
        info = re.search(r"<KeyInfo>.*?</KeyInfo>", text, re.S)[0]
        text = re.sub(r"<Signature .*?</Signature>", "", text, flags=re.S)
        text = re.sub(r"<u:Timestamp.*?</u:Timestamp>", xs.timestamp(), text, flags=re.S)
        mine = base64.b64encode(GOOD[0].public_bytes(DER)).decode()
        text = re.sub(r"(<wsse:BinarySecurityToken [^>]*>)[^<]*(?=</wsse:BinarySecurityToken>)", lambda m: m[1] + mine, text, 1)
        a = post(xs.sign(text, GOOD[1], info=info), enroll)
        if not enroll:
            tap.ok(a.status == 200 and a.find(".//x:policies"), f"c23 {name}, signed anew", a.describe())
            continue
        tokens = a.root.findall("./s:Body/wst:RequestSecurityTokenResponseCollection//wsse:BinarySecurityToken", mdm.NS)
        tap.ok(a.certificate() and [t.get("ValueType") for t in tokens] == [mdm.VT_PROVDOC], f"c34 {name}, signed anew",
               a.describe())


def c24_key_references():
    for uri in (xs.TOKEN_ID, "#" + xs.TOKEN_ID, xs.TOKEN_ID.replace("uuid-", "")):
        a = post(xs.get_policies(GOOD[0].public_bytes(DER), GOOD[1], info=xs.key_info(uri)), enroll=False)
        tap.equal(a.status, 200, f"c24 KeyInfo URI {uri}") or tap.diag(a.describe())


def tls_certificate():
    """No Security header, or one without a token: the connection's certificate is the credential."""
    client = tls_client()
    a = client.get_policies(security=None)
    tap.equal(a.status, 200, "TLS client certificate: GetPolicies") or tap.diag(a.describe())
    for name, header in (("without a Security header", None), ("with a Timestamp only", xs.timestamp())):
        r = Request()
        a = client.enroll(r.csr, r.device, "Device", security=header, items=r.items)
        issued(a, r, f"TLS client certificate, {name}")
    a = client.get_policies()
    tap.equal(a.status, 200, "TLS client certificate and password: the header decides") or tap.diag(a.describe())
    r = Request()
    issued(client.enroll(r.csr, r.device, "Device", items=r.items), r, "TLS client certificate and password", USER)


def identity_belongs_to_the_connection():
    """c13: the certificate is of its connection, the password of its request."""
    client = tls_client()
    tap.equal(client.get_policies().status, 200, "c13 a password request on a connection with a certificate")
    tap.equal(client.get_policies(security=None).status, 200, "c13 then one with the certificate")
    refused(client.get_policies(security=mdm.username_token(USER, "wrong")), AUTHENTICATION, "credential",
            "c13 then a wrong password: the certificate does not help")
    refused(LAB.client().get_policies(security=None), SECURITY, "security-missing", "c13 another connection has no certificate")


def optional_breaks_nobody():
    """client-cert optional: any certificate, also of a CA that nobody knows, leaves password users alone."""
    strange = Ca("Somebody else")
    for name, credential in (("of another CA", strange.issue()), ("expired", CA.issue(end=TODAY - datetime.timedelta(hours=1))),
                             ("self-signed CA", (strange.certificate, strange.key))):
        r = Request()
        client = tls_client(credential)
        issued(client.enroll(r.csr, r.device, "Device", items=r.items), r, f"password over TLS with a certificate {name}", USER)


# -- idempotency and replay (A07)

def a07_repetition():
    request = Request()
    document = request.signed()
    first = issued(post(document), request, "a07 first")
    with Untouched():
        for i in range(3):
            tap.equal(post(document).certificate(), first, f"a07 the same bytes again, {i + 1}: the same certificate")
        for i in range(2):
            refused(post(document), SECURITY, "sig-replayed", f"a07 the same bytes, time {i + 5}")
        # another envelope around the same CSR is a retry of the device
        tap.equal(post(request.signed()).certificate(), first, "a07 signed again: the same certificate")


def a07_retry_window():
    """Where the issuer no longer recognises a repetition, it is refused."""
    LAB.set_option(("retry-window",), "0")
    LAB.ctl("reload", check=True)
    request = Request()
    document = request.signed()
    issued(post(document), request, "a07 retry-window 0")
    with Untouched():
        refused(post(document), SECURITY, "sig-replayed", "a07 retry-window 0: the same bytes again")
    LAB.set_option(("retry-window",), None)
    LAB.ctl("reload", check=True)


def a07_timestamps():
    def at(created, expires):
        form = "%Y-%m-%dT%H:%M:%SZ"
        now = datetime.datetime.utcnow()
        return xs.timestamp(created=(now + datetime.timedelta(seconds=created)).strftime(form),
                            expires=(now + datetime.timedelta(seconds=expires)).strftime(form))
    with Untouched():
        for name, times, reason in (("expired", at(-1000, -700), "sig-timestamp-expired"),
                                    ("of the future", at(700, 1000), "sig-timestamp-future"),
                                    ("too long", at(0, 700), "sig-timestamp-life"), ("absent", "", "sig-timestamp")):
            refused(post(Request().signed(times=times)), SECURITY, reason, f"a07 Timestamp {name}")
    r = Request()
    issued(post(r.signed(times=at(-590, -280))), r, "a07 a clock that is slow")


# -- what does not (A01-A05, A14)

def a01_wrapping():
    request, evil = Request(), Request()
    good = request.signed()
    begin, end = good.index("<s:Body>"), good.index("</s:Body>") + len("</s:Body>")
    body, decoy = good[begin:end], evil.body()
    swapped = good[:begin] + f"<s:Body>{decoy}</s:Body>" + good[end:]
    with Untouched():
        for name, document, subcode, reason in (
                ("before Body", good[:begin] + decoy + good[begin:], "s:MessageFormat", "soap-body"),
                ("in Header", good.replace("</s:Header>", decoy + "</s:Header>"), "s:MessageFormat", "soap-misplaced"),
                ("in Security", good.replace("</wsse:Security>", decoy + "</wsse:Security>"), "s:MessageFormat",
                 "soap-misplaced"),
                ("second in Body", good.replace("</s:Body>", decoy + "</s:Body>"), "s:MessageFormat", "soap-body-children"),
                ("Body moved aside", swapped.replace("</s:Header>", f"<w>{body}</w></s:Header>"), "s:MessageFormat",
                 "soap-misplaced"),
                ("Body replaced", swapped, SECURITY, "sig-invalid"),
                ("two Bodies", good.replace("<s:Body>", f"<s:Body>{decoy}</s:Body><s:Body>"), "s:MessageFormat", "soap-body"),
                ("one character of the DeviceID", good.replace(request.device, evil.device), SECURITY, "sig-invalid")):
            refused(post(document), subcode, reason, f"a01 {name}")
        signed_policies = xs.get_policies(GOOD[0].public_bytes(DER), GOOD[1])
        refused(post(signed_policies), "s:MessageFormat", "wrong-stage", "a01 signed GetPolicies at the other endpoint")


def a02_to_a05_documents():
    request = Request()
    good = request.signed()
    signature = good[good.index("<Signature "):good.index("</Signature>") + 12]
    cert, key = GOOD
    other = Ca("Other").issue()
    xpath = ('<Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><XPath>false()</XPath></Transform>'
             f'<Transform Algorithm="{xs.ENVELOPED}"/>')
    two = mdm.envelope(mdm.ACTION_RST, xs.timestamp() + xs.token(cert.public_bytes(DER)) +
                       xs.token(other[0].public_bytes(DER), token_id="b"), request.body())
    with Untouched():
        for name, document, subcode, reason in (
                ("a02 doubled Id", good.replace("<wst:RequestSecurityToken>", f'<wst:RequestSecurityToken Id="{xs.TOKEN_ID}">'),
                 "s:MessageFormat", "soap-doubled-id"),
                ("a03 XPath", request.signed(transforms_xml=xpath), SECURITY, "sig-transform"),
                ("a03 no enveloped-signature", request.signed(transforms_xml=False), SECURITY, "sig-transform"),
                ("a03 file:", request.signed(uri="file:///etc/passwd"), SECURITY, "sig-reference"),
                ("a03 http:", request.signed(uri="http://127.0.0.1:9/"), SECURITY, "sig-reference"),
                ("a03 #id", request.signed(uri="#x"), SECURITY, "sig-reference"),
                ("a04 two tokens", xs.sign(two, key), SECURITY, "wsse-doubled"),
                ("a04 two signatures", good.replace(signature, signature * 2), SECURITY, "wsse-doubled"),
                ("a04 HMAC with the public key", request.signed(method=xs.MORE + "hmac-sha256"), SECURITY, "sig-method"),
                ("a04 SHA-1", request.signed(method=xs.DSIG + "rsa-sha1"), SECURITY, "sig-method"),
                ("a04 another key", request.signed((cert, other[1])), SECURITY, "sig-invalid"),
                ("a04 value zero", request.signed(value=b"\0" * 256), SECURITY, "sig-invalid"),
                ("a04 no SignedInfo", request.signed(signed_info="", value=b"1"), SECURITY, "sig-children"),
                ("a05 default namespace", good.replace("<s:Body>", '<s:Body xmlns="urn:x">'), SECURITY, "sig-invalid"),
                ("a05 comment in a value", good.replace("/Issue<", "/<!-- x -->Issue<"), "s:MessageFormat",
                 "xml-comment-in-value")):
            refused(post(document), subcode, reason, name)


def bad_credentials():
    """(name, credential, reason): what no endpoint may take."""
    look_alike = Ca("Bulk Enrollment CA")  # the same names, another key
    cert, _ = look_alike.issue()
    victim = (x509.CertificateBuilder().subject_name(GOOD[0].subject).issuer_name(GOOD[0].issuer)
              .serial_number(GOOD[0].serial_number).not_valid_before(GOOD[0].not_valid_before)
              .not_valid_after(GOOD[0].not_valid_after))
    key = rsa.generate_private_key(65537, 2048)
    for ext in GOOD[0].extensions:
        victim = victim.add_extension(ext.value, ext.critical)
    own = victim.public_key(key.public_key()).sign(key, hashes.SHA256())
    return [
        ("self-signed with the names and serial of a good one", (own, key), "certificate-untrusted"),
        ("of a CA with the same name", look_alike.issue(), "certificate-untrusted"),
        ("of another CA", Ca("Other").issue(), "certificate-untrusted"),
        ("expired", CA.issue(begin=TODAY - 3 * DAY, end=TODAY - DAY), "certificate-expired"),
        ("not valid yet", CA.issue(begin=TODAY + DAY, end=TODAY + 3 * DAY), "certificate-not-yet-valid"),
        ("for servers", CA.issue(ekus=(ExtendedKeyUsageOID.SERVER_AUTH,)), "certificate-usage"),
        ("without extended key usage", CA.issue(ekus=()), "certificate-usage"),
        ("not for signatures", CA.issue(signs=False), "certificate-usage"),
        ("a CA", CA.issue(ca=True), "certificate-is-ca"),
        ("the CA itself", (CA.certificate, CA.key), "certificate-usage"),
        ("with two names", CA.issue(names=[BULK, "admin@lab.example"]), "certificate-principal"),
        ("with NUL in its name", CA.issue("admin\0.evil"), "certificate-principal"),
        ("of a small key", CA.issue(key=rsa.generate_private_key(65537, 1024)), "certificate-untrusted"),
    ]


def a14_certificates():
    with Untouched():
        for name, credential, reason in bad_credentials():
            refused(post(Request().signed(credential)), AUTHENTICATION, reason, f"a14 signed by a certificate {name}")
            refused(policies(credential), AUTHENTICATION, reason, f"a14 GetPolicies by a certificate {name}")
            r = Request()
            try:
                a = tls_client(credential).enroll(r.csr, r.device, "Device", security=None, items=r.items)
            except OSError as e:
                tap.equal(reason, "certificate-untrusted", f"a14 TLS with a certificate {name}: no connection ({e})")
                continue
            refused(a, AUTHENTICATION, reason, f"a14 TLS with a certificate {name}")


def a14_nobody_allowed():
    """A trusted certificate is not yet permission: that is the template's."""
    stranger = CA.issue("stranger@elsewhere.example")
    with Untouched():
        refused(post(Request().signed(stranger)), "s:Authorization", "principal-not-allowed", "a14 signed by a stranger")
        refused(policies(stranger), "s:Authorization", "principal-not-allowed", "a14 GetPolicies by a stranger")


def a14_header_certificates():
    """What a proxy would say in HTTP is nothing here."""
    pem = GOOD[0].public_bytes(PEM).decode().replace("\n", "%0A")
    r = Request()
    with Untouched():
        for header in ("X-SSL-Cert", "X-Client-Cert", "ssl-client-cert"):
            a = LAB.client().enroll(r.csr, r.device, "Device", security=None, items=r.items, headers={header: pem})
            refused(a, SECURITY, "security-missing", f"a14 {header} of a client")


def a14_revocation():
    bad = CA.issue()
    CA.revoked.append(bad[0].serial_number)
    write("bulk-crl.pem", CA.crl())
    set_endpoints("credential-crl", "bulk-crl.pem")
    with Untouched():
        refused(post(Request().signed(bad)), AUTHENTICATION, "certificate-revoked", "a14 revoked")
        refused(tls_client(bad).get_policies(security=None), AUTHENTICATION, "certificate-revoked", "a14 revoked, TLS")
    tap.equal(policies().status, 200, "a14 another one of the same CA")
    late = CA.issue()
    tap.equal(policies(late).status, 200, "a14 not revoked yet")
    CA.revoked.append(late[0].serial_number)
    write("bulk-crl.pem", CA.crl())
    refused(policies(late), AUTHENTICATION, "certificate-revoked", "a14 revoked by a new list, without a reload")
    write("bulk-crl.pem", "nothing\n")
    refused(policies(late), AUTHENTICATION, "certificate-revoked", "a14 a broken list: the old one stays")
    tap.equal(policies().status, 200, "a14 for the others, too")
    write("bulk-crl.pem", CA.crl(end=TODAY - datetime.timedelta(hours=1)))
    a = policies()
    tap.equal((a.status, a.subcode), (500, "s:EnrollmentServer"), "a14 an expired list: nobody") or tap.diag(a.describe())
    set_endpoints("credential-crl", None)


# -- the rest of the configuration

def principals():
    both = CA.issue("cn@lab.example", san=[UPN, x509.RFC822Name("mail@lab.example")])
    plain = CA.issue("cn@lab.example")
    for option, principal in (("subject-cn", "cn@lab.example"), ("san-upn", "upn@lab.example"),
                              ("san-email", "mail@lab.example")):
        set_endpoints("certificate-principal", option)
        r = Request()
        issued(post(r.signed(both)), r, f"certificate-principal {option}", principal)
        if option != "subject-cn":
            refused(policies(plain), AUTHENTICATION, "certificate-principal", f"certificate-principal {option} without one")
    LAB.set_option(("templates", template(), "allow"), "['*']")
    set_endpoints("certificate-principal", "sha256")
    r = Request()
    issued(post(r.signed(both)), r, "certificate-principal sha256", both[0].fingerprint(hashes.SHA256()).hex())
    set_endpoints("certificate-principal", None)


def template():
    with open(LAB.config, encoding="utf-8") as f:
        lines = f.read().splitlines()
    at = lines.index("templates:")
    return next(line.strip().rstrip(":") for line in lines[at + 1:] if line.startswith("  ") and line[2] not in " #")


def c25_disabled():
    set_endpoints("credentials", "[client-certificate]")
    with Untouched():
        refused(post(Request().signed()), AUTHENTICATION, "credential-disabled", "c25 signed header, not enabled")
    set_endpoints("credentials", "[signed-header]")
    with Untouched():
        refused(tls_client().get_policies(security=None), SECURITY, "security-missing", "c25 TLS certificate, not enabled")
    set_endpoints("credentials", f"[{', '.join(ACCEPTED)}]")


def required():
    """client-cert require: nobody connects without one of client-ca."""
    LAB.set_option(("listeners", listener(), "client-cert"), "require")
    LAB.ctl("reload", check=True)
    tap.equal(tls_client().get_policies(security=None).status, 200, "client-cert require: with one")
    for name, client in (("none", LAB.client()), ("one of another CA", tls_client(Ca("Other").issue()))):
        try:
            a = client.get_policies()
            tap.ok(False, f"client-cert require: with {name}", a.describe())
        except OSError as e:
            tap.ok(True, f"client-cert require: with {name}: {e}")
    LAB.set_option(("listeners", listener(), "client-cert"), "optional")
    LAB.ctl("reload", check=True)


def configuration_is_checked():
    for options, error in (
            ({("endpoints", "mdm-enroll", "credential-ca"): None}, "credential-ca: is needed"),
            ({("endpoints", "mdm-enroll", "credential-ca"): "missing.pem"}, "missing.pem"),
            ({("listeners", listener(), "client-cert"): None, ("listeners", listener(), "client-ca"): None},
             "client-certificate needs a listener"),
            ({("endpoints", "mdm-enroll", "credentials"): "[username]"}, "credential-ca: has no effect")):
        with open(LAB.config, encoding="utf-8") as f:
            before = f.read()
        for option, value in options.items():
            LAB.set_option(option, value)
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and error in r.out + r.err, f"reload refuses: {error}", str(r))
        with open(LAB.config, "w", encoding="utf-8") as f:
            f.write(before)
    for name, text in (("bulk-ca.pem", "garbage\n"), ("bulk-ca.pem", "")):
        write(name, text)
        r = LAB.ctl("reload")
        # auth and net both read it; whoever is first says so
        tap.ok(r.status != 0 and ("credential-ca" in r.out + r.err or "client-ca" in r.out + r.err),
               "reload refuses a CA file without a certificate", str(r))
        write(name, CA.pem())
    tap.equal(policies().status, 200, "and what was in force goes on")


def nothing_leaks():
    """The bulk certificate is public, its requests are not: no whole document in the log."""
    log = LAB.read_log()
    token = base64.b64encode(GOOD[0].public_bytes(DER)).decode()
    tap.ok("<Signature" not in log and "<wsse:" not in log and token[200:260] not in log, "no document in the log")
    audit = subprocess.run(["ls", "-l", os.path.join(LAB.dir, "state", "auth-replay")], capture_output=True, text=True, check=True)
    tap.ok(audit.stdout.startswith("-rw-------"), "the replay table is private", audit.stdout)


def main():
    global LAB
    with MdmLab(start=False) as lab:
        LAB = lab
        configure()
        lab.start()
        lab.add_user(USER)
        for f in (c23_signed_stages, c23_value_type_of_the_samples, c34_examples_03_and_13,
                  c24_key_references, tls_certificate,
                  identity_belongs_to_the_connection, optional_breaks_nobody, a07_repetition, a07_retry_window,
                  a07_timestamps, a01_wrapping, a02_to_a05_documents, a14_certificates, a14_nobody_allowed,
                  a14_header_certificates, a14_revocation, principals, c25_disabled, required, configuration_is_checked,
                  nothing_leaks):
            f()


tap.run(main)
