# SPDX-License-Identifier: Apache-2.0
"""Attacks and hints that cross layers, against a real daemon: each attack ends in its exact fault, without a certificate, with
an audit record and the key unused (A08, A10, A11, A14, A19, A30, A35; MS-MDE2 checklist 64, 65, 69, 70, 71, 80). What is
known of Windows by hearsay only must hold either way."""
import base64
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from mdmlab import MdmLab, USER, read_text, write_text  # noqa: E402

DATA = os.path.join(os.environ["top_srcdir"], "tests", "data", "mdm")
BOB = "bob@lab.example"
FORMAT, AUTHENTICATION, SECURITY = "s:MessageFormat", "s:Authentication", "a:InvalidSecurity"
AUTHORIZATION, CSR, SERVER = "s:Authorization", "s:CertificateRequest", "s:EnrollmentServer"
SUBCODES = {FORMAT, AUTHENTICATION, AUTHORIZATION, CSR, SERVER, SECURITY}  # a:InternalServiceFault is a bug: test_net.c
ERROR_TYPES = {"DeviceCapReached", "DeviceNotSupported", "NotSupported", "NotEligibleToRenew", "InMaintenance",
               "UserLicense", "InvalidEnrollmentData", "CustomServerError"}
FAULTS = []  # every fault of this run
LAB = None


def refused(a, subcode, error_type, reason, name, status=500):
    """The exact fault, no certificate, the record with the rule behind its TraceId, and the audit row."""
    FAULTS.append(a)
    shown = LAB.request_show(a.trace_id) or {}
    audited = ledgerdb.rows(LAB.ledger, "SELECT event, detail FROM audit WHERE request_id = ?", (a.trace_id,))
    audited = [e for e, d in audited if e in ("refused", "pending") and f'"reason":"{reason}"' in (d or "")]
    got = (a.status, a.subcode, a.error_type, (shown.get("error") or {}).get("reason"))
    return tap.ok(got == (status, subcode, error_type, reason) and a.certificate() is None and audited, name,
                  f"got {got}, audited {audited}\n{a.describe()}")


def attack(function):
    """Run an attack: afterwards the key has not been used and there is no new certificate."""
    def run():
        before = LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))
        function()
        tap.equal((LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))), before,
                  f"{function.__name__}: the key was not used, there is no certificate")
    run.__name__ = function.__name__
    return run


def option(name, value):
    LAB.set_option(("templates", "device", name), value)
    LAB.ctl("reload", check=True)


def copy_of(d, **change):
    """The same device, with a memory of its own."""
    c = mdm.Device.__new__(mdm.Device)
    c.__dict__.update(d.__dict__, **change)
    return c


def common_names(der):
    return [n.value for n in x509.load_der_x509_certificate(der).subject]


def trace(a):
    return a.find("./s:Header/diag:ActivityId").text


# ---- A08: message types confused

@attack
def a08_types_of_requests():
    c, d = LAB.client(), VICTIM
    device = mdm.device_id()
    csr, cms = mdm.new_csr(device), d.cms()
    text = mdm.wrap64(cms)
    token = (FORMAT, None, "wstep-value-type")
    unknown = (FORMAT, None, "wstep-request-type")
    for name, a, want in (
            ("Renew with a PKCS10", c.enroll(csr, device, request_type="Renew"), token),
            ("Issue with a PKCS7", c.enroll(csr, device, csr_text=text, value_type=mdm.VT_P7), token),
            ("Recovery with a PKCS7", c.enroll(csr, device, csr_text=text, value_type=mdm.VT_P7_WSTEP, request_type="Recovery"),
             token),
            ("Issue with a CMS that is called PKCS10", c.enroll(csr, device, csr_text=text), (FORMAT, None, "csr-structure")),
            ("Renew with a CSR that is called PKCS7", c.renew(csr, device), (FORMAT, None, "cms-structure")),
            ("Query with a CSR", c.enroll(csr, device, request_type=mdm.NS["e"] + "/QueryTokenStatus"), unknown),
            ("Cancel", c.enroll(csr, device, request_type="Cancel"), unknown),
            ("Validate", c.enroll(csr, device, request_type="Validate"), unknown),
            ("key exchange", c.enroll(csr, device, request_type=mdm.NS["e"] + "/KET"), unknown),
            ("Renew in other letters", c.enroll(csr, d.id, csr_text=text, value_type=mdm.VT_P7, request_type="renew"), unknown),
            ("Recovery with a slash behind it", c.enroll(csr, device, request_type="Recovery/"), unknown),
            ("two requests in one renewal", c.renew(cms, d.id, order=("token", "type", "bst", "bst", "context")),
             (FORMAT, None, "wstep-child")),
            ("a renewal that is also an issue", c.renew(cms, d.id, order=("token", "type", "type", "bst", "context")),
             (FORMAT, None, "wstep-child")),
            ("no RequestType", c.renew(cms, d.id, order=("token", "bst", "context")), (FORMAT, None, "wstep-child"))):
        refused(a, *want, f"a08 {name}")
    empty = mdm.username_token(USER, "")
    for name, a, want in (
            ("Issue with the empty password of a renewal", c.enroll(csr, device, security=empty),
             (AUTHENTICATION, None, "password-empty")),
            ("Recovery where it is not offered", c.enroll(csr, d.id, request_type="Recovery"),
             (AUTHORIZATION, "NotSupported", "recovery-disabled")),
            ("enrollment on behalf of somebody (MS-MDE)", c.enroll(csr, device, token_type=mdm.TT_DEVICE.replace(
                "EnrollmentToken", "EnrollmentOnBehalfOfToken")), (AUTHORIZATION, "DeviceNotSupported", "wstep-mde-v1")),
            ("EnrollmentOnBehalfOfUser", c.enroll(csr, device, items=mdm.default_items(device, EnrollmentOnBehalfOfUser=BOB)),
             (AUTHORIZATION, "DeviceNotSupported", "wstep-mde-v1"))):
        refused(a, *want, f"a08 {name}")


@attack
def a08_actions_and_bodies():
    c, d = LAB.client(), VICTIM
    device = mdm.device_id()
    empty = mdm.username_token(USER, "")
    rst = mdm.rst_body(mdm.new_csr(device), mdm.default_items(device))
    renewal = mdm.rst_body(None, mdm.default_items(d.id), request_type="Renew", value_type=mdm.VT_P7,
                           csr_text=mdm.wrap64(d.cms()))
    behalf = rst.replace("wst:RequestSecurityToken>", "wst:RequestSecurityTokenOnBehalfOf>")
    for name, path, action, security, body, reason in (
            ("RST where policies are asked", c.policy_path, mdm.ACTION_RST, c.security(), rst, "wrong-stage"),
            ("a renewal where policies are asked", c.policy_path, mdm.ACTION_RST, empty, renewal, "wrong-stage"),
            ("GetPolicies where certificates are", c.enroll_path, mdm.ACTION_XCEP, c.security(), mdm.get_policies_body(),
             "wrong-stage"),
            ("Action of the other stage", c.enroll_path, mdm.ACTION_XCEP, c.security(), rst, "wsa-action"),
            ("a renewal with it", c.enroll_path, mdm.ACTION_XCEP, empty, renewal, "wsa-action"),
            ("Action of an answer", c.enroll_path, mdm.NS["e"] + "/RSTRC/wstep", c.security(), rst, "wsa-action"),
            ("RequestSecurityTokenOnBehalfOf", c.enroll_path, mdm.ACTION_RST, c.security(), behalf, "soap-body-unknown"),
            ("Issue and Renew in one Body", c.enroll_path, mdm.ACTION_RST, c.security(), rst + renewal,
             "soap-body-children")):
        refused(c.request("POST", path, mdm.envelope(action, security, body)), FORMAT, None, reason, f"a08 {name}")


# ---- A10: reflected text

def a10_reflected_text():
    c, d = LAB.client(), mdm.Device(LAB.client())
    nasty = "a\"'<b>&]]>\u00e9"
    a = d.renew(message_id=mdm.escape(nasty), context=nasty)
    node = a.find("./s:Body/wst:RequestSecurityTokenResponseCollection/wst:RequestSecurityTokenResponse")
    tap.ok(a.certificate() and a.relates_to == nasty and node.get("Context") == nasty,
           "a10 a renewal: MessageID and Context come back as they were, escaped", a.describe())
    before = LAB.signatures()
    canary = "REFLECTED<x/>&"
    items = mdm.default_items("x" + canary, canary, canary) + [(canary, canary)]
    for name, a, want in (
            ("in a renewal's items", d.renew(items=items, message_id="m-1", keep=True),
             (AUTHORIZATION, "InvalidEnrollmentData", "wstep-enrollment-type")),
            ("in a renewal's DeviceID", d.renew(items=[("DeviceID", "REFLECTED<x/>")], message_id="m-2", keep=True),
             (CSR, "NotEligibleToRenew", "renew-device")),
            ("in a user's name", d.renew(security=mdm.username_token(canary, "x"), message_id="m-3", keep=True),
             (AUTHENTICATION, None, "credential")),
            ("in the CSR", c.enroll(mdm.new_csr("x", mdm.new_key(1024), cn=canary), d.id, message_id="m-4"),
             (CSR, None, "csr-key-bits")),
            ("in RequestType", c.enroll(mdm.new_csr("x"), d.id, request_type=mdm.escape(canary), message_id="m-5"),
             (FORMAT, None, "wstep-request-type")),
            ("in Action", c.request("POST", c.enroll_path, mdm.envelope(mdm.escape(canary), c.security(), mdm.rst_body(
                b"0", []), "m-6")), (FORMAT, None, "wsa-action"))):
        refused(a, *want, f"a10 {name}: refused")
        tap.ok(b"REFLECTED" not in a.body and a.relates_to, f"a10 {name}: no word of it comes back", a.describe())
    for mid, reason in (("x" * 257, "wsa-message-id"), ("y" * 200000, "xml-text")):
        a = d.renew(message_id=mid, keep=True)
        refused(a, FORMAT, None, reason, f"a10 a MessageID of {len(mid)}")
        tap.ok(a.relates_to is None and len(a.body) < 4096, "a10 is not sent back", len(a.body))
    tap.equal(LAB.signatures(), before, "a10 the key was not used")


# ---- A11: passwords

class From(mdm.Client):
    """A client at another address of this machine."""

    address = "127.0.0.1"

    def open(self):
        super().open().source_address = (self.address, 0)
        return self.connection


def client_from(address, user, password=None):
    c = LAB.client(user, password)
    c.__class__ = From
    c.address = address
    return c


@attack
def a11_odd_passwords():
    LAB.add_user("zo\u00eb@lab.example", "p\u00e4ss \u4e2d")
    c = client_from("127.0.0.2", "zo\u00eb@lab.example", "p\u00e4ss \u4e2d")
    tap.equal(c.get_policies().status, 200, "a11 letters that are not ASCII are no reason for a fault")
    words = set()
    wrong = (AUTHENTICATION, None, "credential")
    for name, user, password, want in (
            ("the password in other code points", c.user, "pa\u0308ss \u4e2d", wrong),
            ("the name in other code points", "zoe\u0308@lab.example", c.password, wrong),
            ("unknown, not ASCII", "\u4e2d\u6587@lab.example", "\u00e9" * 200, wrong),
            ("a known user", USER, "wrong", wrong),
            ("an unknown user", "nobody@lab.example", "wrong", wrong),
            ("a name that is a path", "../../etc/passwd", "x", wrong),
            ("a space behind the password", BOB, LAB.password() + " ", wrong),
            ("empty", BOB, "", (AUTHENTICATION, None, "password-empty"))):
        device = mdm.device_id()
        a = client_from("127.0.0.2", user).enroll(mdm.new_csr(device), device, security=mdm.username_token(user, password))
        refused(a, *want, f"a11 {name}")
        words.add(a.reason)
    tap.equal(len(words), 1, "a11 the words are the same whatever was wrong")
    for name, text, reason in (
            ("PasswordDigest", c.security().replace("#PasswordText", "#PasswordDigest"), "wsse-password-type"),
            ("two passwords", c.security().replace("</wsse:Password>", "</wsse:Password><wsse:Password>x</wsse:Password>"),
             "wsse-doubled"),
            ("a name with a line break", mdm.username_token("eve\nFORGED", "x"), "wsse-username")):
        refused(c.get_policies(security=text), SECURITY, None, reason, f"a11 {name}")


@attack
def a11_guessing():
    """The fifth wrong password of a user, the twentieth of an address: even the right one has to wait."""
    LAB.add_user("guessed@lab.example", "the right one")
    right = client_from("127.0.0.3", "guessed@lab.example", "the right one")
    for _ in range(5):
        refused(right.get_policies(security=mdm.username_token(right.user, "wrong")), AUTHENTICATION, None, "credential",
                "a11 a wrong guess")
    a = right.get_policies()
    tap.ok(a.status == 500 and a.subcode == AUTHENTICATION and a.reason == FAULTS[-1].reason,
           "a11 the right password at once after five wrong ones: the same fault", a.describe())
    end = time.monotonic() + 30
    while right.get_policies().status != 200 and time.monotonic() < end:
        time.sleep(0.1)
    tap.equal(right.get_policies().status, 200, "a11 it is accepted a moment later")
    other = client_from("127.0.0.4", BOB)
    for i in range(20):
        a = other.get_policies(security=mdm.username_token(f"guess{i}@lab.example", "wrong"))
    a = other.get_policies()
    tap.equal((a.status, a.subcode), (500, AUTHENTICATION), "a11 twenty users from one address: that address waits")
    tap.equal(client_from("127.0.0.5", BOB).get_policies().status, 200, "a11 another address does not")


def a11_passwords_are_nowhere():
    log = LAB.read_log()
    text = read_text(LAB.password_file).strip()
    found = [w for w in (text, base64.b64encode(text.encode()).decode(), "the right one", "p\u00e4ss") if w in log]
    tap.equal(found, [], "a11 no password is in the log")
    shown = LAB.ctl("--json", "request", "list", "--all").out
    tap.ok(text not in shown and "the right one" not in shown, "a11 nor in a record")


# ---- A14 and checklist 64: certificates of devices

def on_tls(der, key):
    """A client whose connections present this certificate."""
    c = LAB.client()
    path = os.path.join(LAB.dir, "client.pem")
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_text(path, pem.decode())
    c.tls.load_cert_chain(path)
    return c


def look_alike(der):
    c, key = x509.load_der_x509_certificate(der), mdm.new_key()
    b = (x509.CertificateBuilder().subject_name(c.subject).issuer_name(c.issuer).serial_number(c.serial_number)
         .not_valid_before(c.not_valid_before).not_valid_after(c.not_valid_after).public_key(key.public_key()))
    for e in c.extensions:
        b = b.add_extension(e.value, e.critical)
    return b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER), key


def c64_certificate_of_the_connection():
    for require in ("no", "yes"):
        option("renew-require-tls", require)
        d, other = mdm.Device(LAB.client()), mdm.Device(LAB.client())
        name = f"c64 renew-require-tls {require}:"
        before = LAB.signatures()
        mine = copy_of(d, client=on_tls(other.der, other.key))
        refused(mine.renew(), CSR, "NotEligibleToRenew", "renew-tls-other", f"{name} another device's certificate")
        mine = copy_of(d, client=on_tls(*look_alike(d.der)))
        refused(mine.renew(), CSR, "NotEligibleToRenew", "renew-tls-other", f"{name} A14 a look-alike")
        if require == "yes":
            refused(copy_of(d).renew(), CSR, "NotEligibleToRenew", "renew-tls-missing", f"{name} none")
            pem = x509.load_der_x509_certificate(d.der).public_bytes(serialization.Encoding.PEM).decode()
            for header in ("X-SSL-Cert", "X-Client-Cert", "X-ARR-ClientCert", "ssl-client-cert"):
                a = copy_of(d).renew(headers={header: pem.replace("\n", "%0A")})
                refused(a, CSR, "NotEligibleToRenew", "renew-tls-missing", f"{name} A14 {header} of a client")
        tap.equal(LAB.signatures(), before, f"{name} the key was not used")
        d.client = on_tls(d.der, d.key)
        a = d.renew()
        tap.ok(a.certificate(), f"{name} the same certificate", a.describe())
    option("renew-require-tls", "no")


@attack
def a14_device_certificate_enrolls_nobody():
    """The certificate of a device is for its renewal; it is no credential where none is configured."""
    c, device = on_tls(VICTIM.der, VICTIM.key), mdm.device_id()
    csr = mdm.new_csr(device)
    for kind in ("Issue", "Recovery"):
        option("recovery", "yes")
        a = c.enroll(csr, device, "Device", security=None, request_type=kind)
        refused(a, SECURITY, None, "security-missing", f"a14 {kind} with a device's certificate on the connection")
    option("recovery", "no")
    refused(c.get_policies(security=None), SECURITY, None, "security-missing", "a14 GetPolicies with it")


# ---- A19: names

def a19_names():
    c, device = LAB.client(), mdm.device_id()
    refused(c.enroll(mdm.new_csr(device, cn="admin\0.lab.example"), device), CSR, None, "csr-subject-nul",
            "a19 a NUL that cuts a name")
    for cn in ("x\nFORGED level=info", "CN=admin,O=x", "\u202egnp.exe"):
        a = c.enroll(mdm.new_csr(device, cn=cn), device)
        tap.equal(a.certificate() and common_names(a.certificate()), [USER], f"a19 CN {cn!r}: the subject is the principal")
    before = LAB.signatures()
    for name, reason in (("DEV\nFORGED level=info", "wstep-device-id"), ("DEV\r\nFORGED", "wstep-device-id"),
                         ("DEV FORGED", "wstep-device-id"), ("", "wstep-device-id"), ("x" * 129, "wstep-device-id"),
                         ("\u00e9", "wstep-device-id"), ("dc01$", "device-id"), (BOB, "device-id")):
        a = c.enroll(mdm.new_csr("x"), name, items=[("DeviceID", name), ("EnrollmentType", "Device")])
        refused(a, AUTHORIZATION, "InvalidEnrollmentData", reason, f"a19 a30 DeviceID {name[:30]!r} is refused")
    tap.equal(LAB.signatures(), before, "a19 the key was not used for them")
    nasty = "PC\nFORGED level=info \u009b31m\u202e"
    a = c.enroll(mdm.new_csr(device), device, items=mdm.default_items(device, name=nasty) + [(nasty, nasty)])
    tap.ok(a.certificate(), "a19 a hostile DeviceName is data", a.describe())
    log = LAB.read_log()
    tap.equal([line for line in log.splitlines() if line.lstrip().startswith("FORGED")], [], "a19 no line of the log is forged")
    shown = LAB.ctl("request", "show", trace(a)).out + LAB.ctl("request", "list").out + log
    tap.ok(not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown), "a19 no control reaches a terminal")


# ---- A30: who claims to be whom

def a30_claims_decide_nothing():
    c, bob = LAB.client(), LAB.client(BOB)
    victim = mdm.Device(bob)
    before = LAB.signatures()
    for kind in ("Full", "Device"):
        for claimed in (victim.id, victim.id.lower()):
            a = c.enroll(mdm.new_csr(claimed), claimed, kind)
            refused(a, AUTHORIZATION, None, "device-of-another", f"a30 {kind}: the DeviceID of another user's device")
    csr = x509.load_der_x509_csr(mdm.new_csr(victim.id, victim.key)).public_bytes(serialization.Encoding.DER)
    device = mdm.device_id()
    refused(c.enroll(csr, device), CSR, None, "csr-key-reused", "a30 the key of another user's device")
    tap.equal(LAB.signatures(), before, "a30 the key was not used")
    claims = {"UPN": BOB, "UserName": BOB, "EntDMID": "x", "DomainName": "lab.example", "EmmDeviceId": ent_dmid(victim.answer)}
    extensions = [(x509.SubjectAlternativeName([x509.DNSName("dc01.lab.example"), x509.RFC822Name(BOB)]), False)]
    a = c.enroll(mdm.new_csr(device, cn=BOB, extensions=extensions), device, items=mdm.default_items(device, **claims))
    cert = x509.load_der_x509_certificate(a.certificate())
    tap.equal(([n.value for n in cert.subject], [e.oid for e in cert.extensions if "subjectAlt" in e.oid._name]), ([USER], []),
              "a30 what a request claims of names is not certified")
    tap.ok(ent_dmid(a) and ent_dmid(a) != ent_dmid(victim.answer), "a30 nor does EmmDeviceId take over another's EntDMID")
    shown = LAB.ctl("--json", "device", "show", victim.id, check=True).json()
    tap.equal(shown["principal"], BOB, "a30 the victim's device is his as before")


def ent_dmid(a):
    for p in a.provisioning().iter("parm"):
        if p.get("name") == "EntDMID":
            return p.get("value")
    return None


# ---- A07, A35, checklist 65: a captured renewal

def c65_captured_renewal():
    """The same certificate as long as that is good, then nothing, whatever the template leaves open to its signer."""
    option("renew-overlap", "1h")
    d = mdm.Device(LAB.client())
    first = d.cms()
    second = d.renew(first).certificate()
    later = d.cms()
    third = d.renew(later).certificate()  # signed with the second, which is confirmed by it
    tap.ok(second and third and second != third, "c65 renewed twice")
    before = LAB.signatures()
    tap.equal(d.renew(first, keep=True).certificate(), second, "c65 a07 captured, after the new one was used: the same one")
    tap.equal(d.renew(later, keep=True).certificate(), third, "c65 a07 the later one as well")
    tap.equal(LAB.signatures(), before, "c65 a07 without a signature")
    LAB.ctl("cert", "confirm", f"{x509.load_der_x509_certificate(third).serial_number:x}", check=True)
    for overlap in ("1h", "0s"):
        option("renew-overlap", overlap)
        refused(d.renew(first, keep=True), CSR, "NotEligibleToRenew", "renew-answered",
                f"c65 a35 once its certificate is superseded it brings none, renew-overlap {overlap}")
    tap.equal(d.renew(later, keep=True).certificate(), third, "c65 what is in use can still be asked for again")
    LAB.ctl("device", "block", d.id, check=True)
    refused(d.renew(later, keep=True), CSR, "NotEligibleToRenew", "renew-blocked", "c65 c79 not for a blocked device")
    LAB.ctl("device", "release", d.id, check=True)
    LAB.ctl("device", "unblock", d.id, check=True)
    refused(d.renew(later, keep=True), CSR, "NotEligibleToRenew", "renew-released", "c65 nor for a released one")
    tap.equal(LAB.signatures(), before, "c65 the key was not used")


def a35_renewal_widens_nothing():
    d = mdm.Device(LAB.client())
    old = x509.load_der_x509_certificate(d.der)
    wanted = [(x509.SubjectAlternativeName([x509.DNSName("dc.lab.example")]), False), (x509.BasicConstraints(True, 9), True),
              (x509.KeyUsage(True, True, True, True, False, True, True, False, False), True),
              (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2"), b"\x1e\x04\0C\0A"), False)]
    items = mdm.default_items(d.id, UPN=BOB, ValidityPeriod="10 years", Template="phone")
    key = mdm.new_key()
    greedy = mdm.new_csr(d.id, key, cn=BOB, extensions=wanted)
    before = LAB.signatures()
    refused(d.renew(d.cms(key, greedy), items=items, keep=True), CSR, None, "csr-asks-ca", "a35 a renewal that asks to be a CA")
    tap.equal(LAB.signatures(), before, "a35 the key was not used")
    option("csr-disallowed", "strip")
    a = d.renew(d.cms(key, greedy), items=items)
    option("csr-disallowed", None)
    new = x509.load_der_x509_certificate(a.certificate())

    def profile(c):
        return (c.subject, c.issuer, c.not_valid_after - c.not_valid_before,
                [(e.oid, e.critical, e.value) for e in c.extensions if "KeyIdentifier" not in e.oid._name or
                 "authority" in e.oid._name])
    tap.equal(profile(new), profile(old), "a35 subject, validity, usages and constraints are those of before")
    asked = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")])
    b = x509.CertificateSigningRequestBuilder().subject_name(old.subject).add_extension(asked, False)
    csr = b.sign(key := mdm.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    before = LAB.signatures()
    refused(d.renew(d.cms(key, csr), keep=True), CSR, None, "csr-eku", "a35 any purpose")
    tap.equal(LAB.signatures(), before, "a35 the key was not used")


# ---- hints: what may be so or otherwise

def examples_of_renewal():
    """The published messages with a CMS of ours: theirs is of another CA."""
    c = LAB.client()
    d = mdm.Device(c, "Device")
    for name, layers in (("20-rst-renew-robo.req.xml", 1), ("21-rst-renew-manual-double-base64.req.xml", 2)):
        text = read_text(os.path.join(DATA, name))
        refused(c.request("POST", c.enroll_path, with_credential(text)), CSR, "NotEligibleToRenew", "renew-unknown",
                f"c59 {name} as it is: its certificate is not ours")
        der = d.cms()
        for _ in range(layers):
            der = base64.b64encode(der)
        mine = re.sub(r'(#PKCS7"[^>]*>)[^<]+<', lambda m: m[1] + der.decode() + "<", with_credential(text))
        a = c.request("POST", c.enroll_path, mine.replace("8090C8B484A0E24EB5C56E806CB4EE5B", d.id))
        if tap.ok(a.certificate(), f"c58 {name}", a.describe()):
            d.der, d.key = a.certificate(), d.new_key
    text = with_credential(read_text(os.path.join(DATA, "22-rst-recovery.req.xml")))
    refused(c.request("POST", c.enroll_path, text), AUTHORIZATION, "NotSupported", "recovery-disabled", "c66 example 22")


def with_credential(text):
    """An example with our user in place of its own, who may have an empty password or a token."""
    text = text.replace("ada@corp.example", USER)
    return re.sub(r"<wsse:BinarySecurityToken.*?</wsse:BinarySecurityToken>(?=</wsse:Security>)",
                  lambda _: LAB.client().security(), text, flags=re.S).replace("correct horse", LAB.password())


def hint_old_clients_sign_with_sha1():
    d = mdm.Device(LAB.client())
    refused(d.renew(mdm.new_cms(mdm.new_csr(d.id), d.der, d.key, hashes.SHA1()), keep=True), CSR, None, "cms-digest",
            "mdm.md 10.2 a CMS with SHA-1 is refused")
    option("csr-digests", "[sha256, sha1]")
    key = mdm.new_key()
    d.new_key = key
    a = d.renew(mdm.new_cms(mdm.new_csr(d.id, key), d.der, d.key, hashes.SHA1()))
    tap.ok(a.certificate(), "mdm.md 10.2 unless the template allows it", a.describe())
    option("csr-digests", None)


def hint_context_items():
    """mdm.md 6.2: what versions of Windows add, leave out or write in another way."""
    c = LAB.client()
    base = dict(mdm.default_items("x"))
    for name, change in (
            ("AIKAlgorithm and AzVMIAMExtensionJoin", {"AIKAlgorithm": "RSA", "AzVMIAMExtensionJoin": "true"}),
            ("Manufacturer, Model, SerialNumber", {"Manufacturer": "x", "Model": "y", "SerialNumber": "z"}),
            ("RequestVersion 4.0", {"RequestVersion": "4.0"}), ("RequestVersion 9.0", {"RequestVersion": "9.0"}),
            ("MAC with colons", {"MAC": "FF:FF:FF:FF:FF:FF"}), ("MAC without a value", {"MAC": ""}),
            ("EnrollmentType Device for a user", {"EnrollmentType": "Device"}),
            ("ApplicationVersion 8.0.0.0", {"ApplicationVersion": "8.0.0.0"}),
            ("OSEdition unknown", {"OSEdition": "99999"}), ("Locale unknown", {"Locale": "xx-YY"}),
            ("AttestationStatus", {"AttestationStatus": "Status=1;AttestationErrorMsg=", "AttestationStatusHResult": "0x0"}),
            ("no HWDevID", {"HWDevID": None}), ("no TargetedUserLoggedIn", {"TargetedUserLoggedIn": None}),
            ("no DeviceType, OSEdition and OSVersion", {"DeviceType": None, "OSEdition": None, "OSVersion": None})):
        device = mdm.device_id()
        items = {**base, "DeviceID": device, **change}
        a = c.enroll(mdm.new_csr(device), device, items=[(n, v) for n, v in items.items() if v is not None])
        tap.ok(a.certificate(), f"mdm.md 6.2 {name}", a.describe())
        seen = {i["name"]: i["value"] for i in (LAB.request_show(trace(a)) or {}).get("context", [])}
        tap.equal({n: seen.get(n) for n, v in change.items() if v}, {n: v for n, v in change.items() if v},
                  f"mdm.md 6.2 {name}: is recorded")


def hint_envelopes():
    """mdm.md 2, 3, 6.1: what clients, proxies and samples do in one way or another."""
    c, device = LAB.client(), mdm.device_id()
    csr = mdm.new_csr(device)
    env = mdm.envelope(mdm.ACTION_RST, c.security(), mdm.rst_body(csr, mdm.default_items(device)))
    want = c.request("POST", c.enroll_path, env).certificate()
    stale = ('<u:Timestamp u:Id="_0"><u:Created>2018-01-01T00:00:00Z</u:Created><u:Expires>2018-01-01T00:05:00Z</u:Expires>'
             "</u:Timestamp>")
    security = '<wsse:Security s:mustUnderstand="1">'
    for name, document in (
            ("EncodingType #Base64Binary", env.replace("#base64binary", "#Base64Binary")),
            ("no EncodingType", env.replace(f' EncodingType="{mdm.ENC}"', "")),
            ("an unsigned Timestamp of long ago", env.replace(security, security + stale)),
            ("ReplyTo elsewhere", env.replace("/anonymous<", "/elsewhere<")),
            ("no ReplyTo", re.sub(r"<a:ReplyTo>.*?</a:ReplyTo>", "", env)),
            ("no To", re.sub(r"<a:To .*?</a:To>", "", env)),
            ("no Action", re.sub(r"<a:Action .*?</a:Action>", "", env)),
            ("no mustUnderstand", env.replace(' s:mustUnderstand="1"', "")),
            ("a ContextItem without a Value", env.replace("</ac:AdditionalContext>", '<ac:ContextItem Name="IMEI"/>'
                                                          "</ac:AdditionalContext>")),
            ("the password without its Type", re.sub(r' wsse:Type="[^"]*"', "", env)),
            ("an XML declaration", '<?xml version="1.0" encoding="utf-8"?>' + env),
            ("a byte order mark", "\ufeff" + env)):
        a = c.request("POST", c.enroll_path, document)
        tap.ok(want and a.certificate() == want, f"mdm.md 3: {name}", a.describe())
    for content_type in ("text/xml; charset=utf-8", "application/soap+xml", None, "application/octet-stream"):
        a = c.request("POST", c.enroll_path, env, headers={"Content-Type": content_type})
        tap.equal(a.certificate(), want, f"mdm.md 2: Content-Type {content_type}")


def hint_one_answer():
    """mdm.md 5.3, 8: whichever way the client looks, it finds one thing."""
    a = LAB.client().get_policies()
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    node = a.find(".//x:privateKeyAttributes/x:algorithmOIDReference")
    tap.ok(node is not None and node.get(nil) == "true", "mdm.md 5.3 algorithmOIDReference is nil: the client's default")
    tap.equal(a.text(".//x:privateKeyAttributes/x:minimalKeyLength"), "2048", "mdm.md 5.3 minimalKeyLength is told")
    tap.equal(len(a.root.findall(".//x:provider", mdm.NS)), len(a.root.findall(".//x:cryptoProviders/x:provider", mdm.NS)),
              "mdm.md 5.3 no provider outside of cryptoProviders")
    a = mdm.Device(LAB.client()).answer
    tap.equal(len(a.root.findall(".//wsse:BinarySecurityToken", mdm.NS)), 1, "mdm.md 8: one BinarySecurityToken")
    tap.equal((a.text(".//e:DispositionMessage"), a.text(".//e:RequestID")), (None, "0"), "c80 nothing of a pending request")
    tap.ok(b"QueryTokenStatus" not in a.body and b"ending" not in a.body, "c80 no word of it")


def hint_policy_before_a_renewal():
    """mdm.md 17: whether Windows asks for the policy before an automatic renewal is not known; then it has no password."""
    d, before = mdm.Device(LAB.client()), len(ledgerdb.certificates(LAB.ledger))
    for name, user in (("the owner", USER), ("anybody", "nobody@elsewhere.example"), ("no name", "")):
        for client in (LAB.client(), on_tls(d.der, d.key)):
            a = client.get_policies(security=mdm.username_token(user, ""))
            tap.equal(a.status, 200, f"the policy before a renewal, {name}") or tap.diag(a.describe())
    secrets = [read_text(os.path.join(LAB.etc, n)).strip() for n in ("client-secret", "server-secret", "password")]
    tap.ok(not any(s.encode() in a.body for s in secrets), "it holds no secret")
    tap.ok(d.renew().certificate(), "and the renewal after it")
    option("renew", "no")
    refused(LAB.client().get_policies(security=mdm.username_token(USER, "")), AUTHENTICATION, None, "password-empty",
            "without renewal there is no reason for an empty password")
    option("renew", "yes")
    tap.equal(len(ledgerdb.certificates(LAB.ledger)), before + 1, "one certificate was made by all that")


def hint_linked_enrollment():
    """mdm.md 10.8: one device, two management servers, two certificates that know nothing of each other."""
    c, bob = LAB.client(), LAB.client(BOB)
    for client in (c, bob):
        client.other = mdm.Client(client.host, client.port, LAB.ca_file, client.user, client.password,
                                  enroll_path="/Other/Enrollment.svc")
    d = mdm.Device(c)
    linked = mdm.Device(bob.other, device=d.id)
    tap.ok(linked.der != d.der, "the same DeviceID at another management server is another enrollment")
    tap.equal(sorted(x["state"] for x in LAB.ctl("--json", "cert", "list", "--device", d.id, check=True).json()["items"]),
              ["unconfirmed", "unconfirmed"], "both are live")
    before = LAB.signatures()
    stray = copy_of(d, client=c.other)
    refused(stray.renew(), CSR, "NotEligibleToRenew", "renew-place", "a35 a certificate renews only where it was issued")
    tap.equal(LAB.signatures(), before, "the key was not used")
    tap.ok(d.renew().certificate() and linked.renew().certificate(), "each renews at its own")


# ---- checklist 69 to 71: the words

def c69_every_word():
    """What the attacks did not reach; InMaintenance is last."""
    c = LAB.client()

    def enroll(client=c, kind="Device"):
        device = mdm.device_id()
        return client.enroll(mdm.new_csr(device), device, kind)

    before = LAB.signatures()
    refused(enroll(kind="AppManagement"), AUTHORIZATION, "NotSupported", "wstep-app-management", "c45 c69 AppManagement")
    for name, value, client, want in (
            ("max-devices", "1", c, (AUTHORIZATION, "DeviceCapReached", "device-quota")),
            ("os-min-version", "99.0.0.0", c, (AUTHORIZATION, "DeviceNotSupported", "os-version")),
            ("unlicensed", f"[{BOB}]", LAB.client(BOB), (AUTHORIZATION, "UserLicense", "principal-unlicensed")),
            ("approval", "operator", c, (SERVER, "CustomServerError", "approval-pending"))):
        option(name, value)
        refused(enroll(client), *want, f"c69 {want[1]}")
        if name == "approval":
            LAB.ctl("request", "deny", FAULTS[-1].trace_id, check=True)
        option(name, None)
    option("approval", "operator")
    option("approval-text", '"NotEligibleToRenew, ask <us>"')
    refused(enroll(), SERVER, "CustomServerError", "approval-pending", "c70 an administrator who writes Windows' word")
    option("approval-text", '"ask <us> & wait"')
    a = enroll()
    refused(a, SERVER, "CustomServerError", "approval-pending", "c75 an administrator's own text")
    tap.equal(a.reason, "ask <us> & wait", "c75 is shown, escaped")
    for name in ("approval-text", "approval"):
        option(name, None)
    tap.equal(LAB.signatures(), before, "c69 the key was not used")
    LAB.ctl("drain", check=True)
    a = enroll()
    FAULTS.append(a)
    tap.equal((a.status, a.subcode, a.error_type), (503, SERVER, "InMaintenance"), "c69 c74 InMaintenance")


def c70_all_faults():
    """Over every fault of this run."""
    tap.ok(len(FAULTS) > 90, f"c70 {len(FAULTS)} faults to look at")
    tap.equal({a.subcode for a in FAULTS}, SUBCODES, "c69 each subcode that is not a bug, exactly")
    tap.equal({a.error_type for a in FAULTS} - {None}, ERROR_TYPES, "c69 each ErrorType, exactly")
    words = ERROR_TYPES | {s.split(":")[1] for s in SUBCODES}
    tap.equal([a.reason for a in FAULTS if any(w in a.reason for w in words)], [], "c70 none of these words in a Reason")
    tap.equal([a.describe() for a in FAULTS if a.text(".//e:DeviceEnrollmentServiceError/e:Message") != a.reason], [],
              "c75 Message and Reason are one text")
    tap.equal([a.describe() for a in FAULTS if b"NotEligibleToRenew" in a.body and a.error_type != "NotEligibleToRenew"], [],
              "c70 NotEligibleToRenew is in no other fault")
    actions = {mdm.NS["x"] + "/IPolicy/GetPoliciesResponse", mdm.NS["e"] + "/RSTRC/wstep"}
    tap.equal([a.describe() for a in FAULTS if a.action not in actions or "WWW-Authenticate" in a.headers], [],
              "mdm.md 2, 3: the response action of the stage, no question of HTTP for a password")
    ids = [a.trace_id for a in FAULTS]
    tap.equal(ids, [trace(a) for a in FAULTS], "c71 TraceId is the ActivityId")
    tap.equal(ledgerdb.audit_problem(LAB.ledger), "", "the audit chain is whole")
    tap.ok("TraceId" in json.dumps([a.body.decode() for a in FAULTS[:1]]), "c71 spelled TraceId")


def main():
    global LAB, VICTIM  # pylint: disable=global-statement
    other = {(("provisioning", "other", n)): v for n, v in (
        ("provider-id", "OtherLab"), ("display-name", "other"), ("management-url", "https://other.lab.example/m"),
        ("client-secret-file", "client-secret"), ("client-nonce", "bm9uY2Uxbm9uY2Uy"), ("server-name", "other"),
        ("server-secret-file", "server-secret"), ("server-nonce", "bm9uY2Uxbm9uY2Uy"))}
    endpoint = {(("endpoints", "other-enroll", n)): v for n, v in (
        ("listeners", "[main]"), ("path", "/Other/Enrollment.svc"), ("flavour", "mdm"), ("stage", "enroll"),
        ("credentials", "[username]"), ("template", "device"), ("provisioning", "other"))}
    tls = {("listeners", "main", "client-cert"): "optional", ("listeners", "main", "client-ca"): "ca.pem"}
    with MdmLab({**other, **endpoint, **tls}) as LAB:
        LAB.add_user(BOB)
        VICTIM = mdm.Device(LAB.client())
        tap.run(a08_types_of_requests, a08_actions_and_bodies, a10_reflected_text, c64_certificate_of_the_connection,
                a14_device_certificate_enrolls_nobody, a19_names, a30_claims_decide_nothing, c65_captured_renewal,
                a35_renewal_widens_nothing, examples_of_renewal, hint_old_clients_sign_with_sha1, hint_context_items,
                hint_envelopes, hint_one_answer,
                hint_policy_before_a_renewal, hint_linked_enrollment, a11_odd_passwords, a11_guessing,
                a11_passwords_are_nowhere, c69_every_word, c70_all_faults)


VICTIM = None

if __name__ == "__main__":
    main()
