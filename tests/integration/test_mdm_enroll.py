# SPDX-License-Identifier: Apache-2.0
"""Whole requests against a real daemon: credentials, GetPolicies, RST Issue, certificates and the provisioning document
(MS-MDE2 checklist 20 to 22, 25 to 45, 46, 47, 48 to 53, 57, 67)."""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

DATA = os.path.join(os.environ["top_srcdir"], "tests", "data", "mdm")
XSD = os.path.join(os.environ["top_srcdir"], "tests", "data", "xsd", "all.xsd")
LAB = None


def data(name, mode="rb"):
    with open(os.path.join(DATA, name), mode) as f:
        return f.read()


def issue(client=None, kind="Full", device=None, key=None, **kw):
    device = device or mdm.device_id()
    csr = mdm.new_csr(device, key)
    return (client or LAB.client()).enroll(csr, device, kind, **kw), device, csr


def cert_of(a):
    der = a.certificate()
    return x509.load_der_x509_certificate(der) if der else None


def parms(node):
    return {p.get("name"): p.get("value") for p in node.findall("./parm")}


def at(doc, *types):
    """The characteristic at this path; '*' takes the first child."""
    node = doc
    for t in types:
        node = node.find("./characteristic" if t == "*" else f"./characteristic[@type='{t}']")
        if node is None:
            return None
    return node


# ---- credentials

def c20_password_type_forms():
    c = LAB.client()
    for form in ("wsse:Type", "Type", "u:Type", None):
        a = c.get_policies(security=c.security(type_attr=form))
        tap.equal(a.status, 200, f"c20 Password Type as {form}")


def c20_password_is_nowhere():
    secret = LAB.password()
    LAB.client().get_policies(security=mdm.username_token(USER, secret + "-wrong-canary"))
    places = [LAB.log]
    for top, _, files in os.walk(os.path.join(LAB.dir, "state")):
        places += [os.path.join(top, f) for f in files]
    found = [p for p in places if secret.encode() in open(p, "rb").read()]
    tap.equal(found, [], "c20 the password is in no log, ledger or state file")
    dump = LAB.ctl("--json", "request", "list", "--limit", "500").out
    tap.ok(secret not in dump, "c20 the password is in no control-socket answer")


def c21_empty_password():
    a, _, _ = issue(security=mdm.username_token(USER, ""))
    tap.equal(a.subcode, "s:Authentication", "c21 empty password for Issue")


def c22_wrong_passwords():
    before = LAB.signatures()
    texts = set()
    for user, password in ((USER, "wrong"), ("nobody@lab.example", "wrong"), ("nobody2@lab.example", "x" * 500),
                           ("zo\u00eb@lab.example", "p\u00e4ss")):
        a, _, _ = issue(security=mdm.username_token(user, password))
        tap.ok(a.status == 500 and a.subcode == "s:Authentication", f"c22 {user} refused", a.describe())
        texts.add(a.reason)
    tap.equal(len(texts), 1, "c22 one text for unknown user and wrong password")
    tap.equal(LAB.signatures(), before, "c67 no signature without authentication")


def c25_c26_other_credentials():
    c = LAB.client()
    cases = {
        "c25 no Security header": (None, "a:InvalidSecurity"),
        "c25 empty Security header": ("", "s:Authentication"),
        "c25 custom token is not enabled": (
            f'<wsse:BinarySecurityToken ValueType="{mdm.TT_DEVICE.replace("DeviceEnrollmentToken", "DeviceEnrollmentUserToken")}" '
            f'EncodingType="{mdm.ENC}">ZnJvbnRlbmQ=</wsse:BinarySecurityToken>', "s:Authentication"),
        "c25 JWT is not enabled": (
            f'<wsse:BinarySecurityToken ValueType="urn:ietf:params:oauth:token-type:jwt" '
            f'EncodingType="{mdm.ENC}">ZXlKLmUuZQ==</wsse:BinarySecurityToken>', "s:Authentication"),
    }
    for name, (security, subcode) in cases.items():
        a, _, _ = issue(c, security=security)
        tap.ok(a.status == 500 and a.subcode == subcode, name, a.describe())
        a = c.get_policies(security=security)
        tap.ok(a.status == 500 and a.subcode == subcode, name + ", policy stage", a.describe())


# ---- GetPolicies

def c27_to_c30_policy():
    a = LAB.client().get_policies()
    with tempfile.NamedTemporaryFile(suffix=".xml") as f:
        f.write(a.body)
        f.flush()
        r = subprocess.run(["xmllint", "--nonet", "--noout", "--schema", XSD, f.name], capture_output=True, check=False)
    tap.ok(a.status == 200 and r.returncode == 0, "c27 validates against the published schemas", r.stderr.decode())
    base = "./s:Body/x:GetPoliciesResponse/"
    tap.equal(len(a.root.findall(base + "x:response/x:policies/x:policy", mdm.NS)), 1, "c27 exactly one policy")
    attrs = a.find(base + "x:response/x:policies/x:policy/x:attributes")
    tap.equal(attrs.find("x:policySchema", mdm.NS).text, "3", "c27 policySchema 3")
    oids = a.root.findall(base + "x:oIDs/x:oID", mdm.NS)
    tap.ok(len(oids) == 1 and oids[0].find("x:value", mdm.NS).text == "2.16.840.1.101.3.4.2.1" and
           oids[0].find("x:group", mdm.NS).text == "1" and oids[0].find("x:oIDReferenceID", mdm.NS).text ==
           attrs.find("x:hashAlgorithmOIDReference", mdm.NS).text, "c28 the first and only oID is SHA-256", a.describe())
    providers = [p.text for p in attrs.findall("x:privateKeyAttributes/x:cryptoProviders/x:provider", mdm.NS)]
    tap.equal(providers, ["Microsoft Platform Crypto Provider", "Microsoft Software Key Storage Provider"],
              "c29 providers inside cryptoProviders")
    texts = [n.text for n in a.root.find("./s:Body", mdm.NS).iter()
             if n.text and not n.tag.endswith("}provider") and len(n) == 0]
    tap.ok(texts and not any(any(ch.isspace() for ch in t) for t in texts), "c30 no white space in any scalar", texts)
    ca = a.find(base + "x:cAs/x:cA")
    tap.equal(ca.find("x:uris/x:cAURI/x:uri", mdm.NS).text, LAB.enroll_url, "the CA is advertised with its URL")
    tap.equal(ca.find("x:enrollPermission", mdm.NS).text, "true", "the CA is advertised with enrollPermission")
    with open(LAB.ca, "rb") as f:
        want = x509.load_pem_x509_certificate(f.read())
    tap.ok(base64.b64decode(ca.find("x:certificate", mdm.NS).text) ==
           want.public_bytes(mdm.serialization.Encoding.DER), "the CA is advertised with its certificate")
    tap.equal(a.find(base + "x:response/x:policies/x:policy/x:cAs/x:cAReference").text,
              ca.find("x:cAReferenceID", mdm.NS).text, "the policy refers to the CA")


def c32_examples_of_get_policies():
    c = LAB.client()
    for name in ("02-getpolicies-onprem.req.xml", "04-getpolicies-win11-extra-client-children.req.xml"):
        text = data(name, "r")
        a = c.request("POST", c.policy_path, text)
        if "UsernameToken" in text:
            tap.equal(a.subcode, "s:Authentication", f"c32 {name}: decoded, its user is not ours")
            text = text.replace("ada@corp.example", USER).replace("correct horse", c.password)
            a = c.request("POST", c.policy_path, text)
            tap.equal(a.status, 200, f"c32 {name} with a user of ours")
        else:
            tap.equal(a.subcode, "s:Authentication", f"c32 {name}: token kinds are not enabled, not malformed")


# ---- RST

def c33_c34_example_12():
    c = LAB.client()
    text = data("12-rst-issue-onprem.req.xml", "r")
    text = text.replace("ada@corp.example", USER).replace("correct horse", c.password)
    a = c.request("POST", c.enroll_path, text)
    tap.ok(a.status == 200 and a.provisioning() is not None, "c33 c34 example 12 without GetPolicies", a.describe())
    bsts = a.root.findall(".//wsse:BinarySecurityToken", mdm.NS)
    tap.ok(len(bsts) == 1 and bsts[0].get("ValueType") == mdm.VT_PROVDOC, "c34 exactly one BinarySecurityToken")
    tap.equal(a.relates_to, "urn:uuid:3a8b9d4c-b292-5153-b160-70f43a18999e", "c05 RelatesTo of example 12")


def c35_types():
    c, device = LAB.client(), mdm.device_id()
    csr = mdm.new_csr(device)
    cases = {
        "TokenType of another protocol": dict(token_type="http://docs.oasis-open.org/wss/2004/01/x#X509v3"),
        "unknown RequestType": dict(request_type="Cancel"),
        "RequestType in other case": dict(request_type="issue"),
        "PKCS10 with Renew": dict(request_type="Renew"),
        "PKCS7 with Issue": dict(value_type=mdm.VT_P7),
        "unknown ValueType": dict(value_type="urn:x"),
        "no RequestType": dict(order=("token", "bst", "context")),
        "two RequestTypes": dict(order=("token", "type", "type", "bst", "context")),
        "two CSRs": dict(order=("token", "type", "bst", "bst", "context")),
        "no CSR": dict(order=("token", "type", "context")),
    }
    for name, kw in cases.items():
        a = c.enroll(csr, device, **kw)
        tap.ok(a.status == 500 and a.subcode == "s:MessageFormat", f"c35 A08 {name}", a.describe())
    a = c.enroll(csr, device, request_type="Recovery")
    tap.equal(a.error_type, "NotSupported", "c66 Recovery is not offered")
    env = mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.rst_body(csr, mdm.default_items(device)))
    tap.equal(c.request("POST", c.enroll_path, env).subcode, "s:MessageFormat", "A08 Action of the other stage")
    env = mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.get_policies_body())
    tap.equal(c.request("POST", c.enroll_path, env).subcode, "s:MessageFormat", "A08 GetPolicies on the enroll path")


def c36_c37_c38_context():
    c = LAB.client()
    for missing in ("DeviceID", "EnrollmentType"):
        device = mdm.device_id()
        items = [i for i in mdm.default_items(device) if i[0] != missing]
        a = c.enroll(mdm.new_csr(device), device, items=items)
        tap.ok(a.error_type == "InvalidEnrollmentData", f"c36 without {missing}", a.describe())
    device = mdm.device_id()
    a = c.enroll(mdm.new_csr(device), device, items=[("DeviceID", device), ("EnrollmentType", "Full")])
    tap.ok(a.status == 200, "c36 the two mandatory items are enough", a.describe())
    device = mdm.device_id()
    items = mdm.default_items(device) + [("DeviceName", "SECOND"), ("IMEI", "1"), ("IMEI", "2"),
                                         ("ExternalMgmtAgentHint", "a:b"), ("ExternalMgmtAgentHint", "c:d"),
                                         ("plugANDforget", "TRUE")]
    a = c.enroll(mdm.new_csr(device), device, items=items)
    row = LAB.request_show(a.find("./s:Header/diag:ActivityId").text)
    context = [(i["name"], i["value"]) if isinstance(i, dict) else tuple(i) for i in (row or {}).get("context", [])]
    tap.ok(context.count(("MAC", "A2-19-7D-41-B3-9C")) == 1 and ("MAC", "A2-19-7D-41-B3-9D") in context and
           ("IMEI", "2") in context and ("ExternalMgmtAgentHint", "c:d") in context, "c37 repeatable items are kept",
           context)
    tap.ok([v for n, v in context if n == "DeviceName"] == ["DESKTOP-LAB0001"], "c37 other duplicates do not overwrite")
    tap.ok(any(n.lower() == "plugandforget" for n, _ in context), "c38 PlugAndForget in any spelling", context)


def c39_order_and_context():
    c, device = LAB.client(), mdm.device_id()
    a = c.enroll(mdm.new_csr(device), device, order=("context", "bst", "type", "token"), context="ctx-<1>&")
    node = a.find("./s:Body/wst:RequestSecurityTokenResponseCollection/wst:RequestSecurityTokenResponse")
    tap.ok(node is not None and node.get("Context") == "ctx-<1>&", "c39 any order; Context is echoed", a.describe())


def c40_c41_windows_shapes():
    c = LAB.client()
    device = "8090C8B484A0E24EB5C56E806CB4EE5B"  # the three requests are of one device and carry one key
    for name in ("device.csr.der", "device-printable-bang.csr.der", "device-printable-nul.csr.der"):
        a = c.enroll(data("pki/" + name), device, "Device")
        cert = cert_of(a)
        if tap.ok(cert is not None and [x.value for x in cert.subject] == [device],
                  f"c40 {name}: subject from policy", a.describe()):
            check_profile(cert, f"c41 {name}")
    a = c.enroll(data("pki/device.csr.der"), mdm.device_id(), "Device")
    tap.equal(a.subcode, "s:CertificateRequest", "c42 a key that is bound to another device is refused")


def check_profile(cert, name):
    oids = {e.oid.dotted_string for e in cert.extensions}
    tap.equal(oids, {"2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.14", "2.5.29.35"}, name + " no requested extension")
    ku = cert.extensions.get_extension_for_class(x509.KeyUsage)
    tap.ok(ku.critical and ku.value.digital_signature and not ku.value.key_encipherment and
           not ku.value.key_cert_sign, name + " keyUsage digitalSignature only")
    eku = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    tap.equal(list(eku), [ExtendedKeyUsageOID.CLIENT_AUTH], name + " EKU clientAuth only")
    tap.ok(not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, name + " CA:FALSE")


def c41_hostile_extensions():
    """S4: what the CSR asks for changes nothing but the key (A20, A26, A27, A28, A31, A32)."""
    device, key = mdm.device_id(), mdm.new_key()
    wanted = [
        (x509.SubjectAlternativeName([x509.DNSName("dc01.corp.example"), x509.UniformResourceIdentifier(
            "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500")]), False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2"), b"\x30\x00"), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.21.10"), b"\x30\x00"), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.21.7"), b"\x30\x00"), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True),
    ]
    csr = mdm.new_csr(device, key, cn="CN=Administrator", extensions=wanted)
    before = LAB.signatures()
    a = LAB.client().enroll(csr, device)
    row = LAB.request_show(a.trace_id) or {}
    tap.equal((a.subcode, (row.get("error") or {}).get("reason")), ("s:CertificateRequest", "csr-asks-ca"),
              "c41 a greedy CSR is refused")
    tap.equal(LAB.signatures(), before, "c41 the key was not used")
    LAB.set_option(("templates", "device", "csr-disallowed"), "strip")
    LAB.ctl("reload", check=True)
    a = LAB.client().enroll(csr, device)
    LAB.set_option(("templates", "device", "csr-disallowed"), None)
    LAB.ctl("reload", check=True)
    cert = cert_of(a)
    if tap.ok(cert is not None, "c41 with csr-disallowed: strip it gets the template's certificate", a.describe()):
        check_profile(cert, "c41 greedy CSR:")
        tap.equal([x.value for x in cert.subject], [USER], "c41 greedy CSR: subject is the principal")


def c42_bad_csrs():
    c = LAB.client()
    before = LAB.signatures()

    def refused(name, csr, subcode="s:CertificateRequest"):
        device = mdm.device_id()
        a = c.enroll(csr, device)
        ok = tap.ok(a.status == 500 and a.subcode == subcode, f"c42 {name}", a.describe())
        if ok:
            row = LAB.request_show(a.trace_id)
            tap.ok(row and row.get("state") == "refused", f"c71 {name}: request show says why", row)

    good = mdm.new_csr(mdm.device_id())
    refused("RSA-1024", mdm.new_csr("D", mdm.new_key(1024)))
    refused("bad self-signature", good[:-1] + bytes([good[-1] ^ 1]))
    refused("SHA-1 signature", mdm.new_csr("D", digest=hashes.SHA1()))
    refused("P-256 where the template wants RSA", x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])).sign(
            ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(mdm.serialization.Encoding.DER))
    device = mdm.device_id()
    for name, csr in (("trailing garbage", good + b"\0\0"), ("not DER", b"hello"), ("truncated", good[:-5])):
        a = c.enroll(csr, device)
        tap.ok(a.status == 500 and a.subcode in ("s:CertificateRequest", "s:MessageFormat"), f"c42 {name}", a.describe())
    tap.equal(LAB.signatures(), before, "c42 the CA key was not used")


def c43_validity():
    cert = cert_of(issue()[0])
    now = time.time()
    start, end = cert.not_valid_before.timestamp() - time.timezone, cert.not_valid_after.timestamp() - time.timezone
    tap.ok(now - 3600 <= start <= now + 5, "c43 notBefore is at most one hour old", f"{start} {now}")
    tap.ok(abs(end - start - 365 * 86400) <= 1, "c43 validity as configured", end - start)


def c44_c45_enrollment_types():
    for kind, store in (("Full", "User"), ("Device", "System")):
        a, device, _ = issue(kind=kind)
        my = at(a.provisioning(), "CertificateStore", "My")
        stores = [n.get("type") for n in my.findall("./characteristic") if n.get("type") in ("User", "System")]
        tap.equal(stores, [store], f"c44 {kind} goes to My/{store}")
        subject = [x.value for x in cert_of(a).subject]
        tap.equal(subject, [USER if kind == "Full" else device], f"c44 subject of {kind}")
    a, _, _ = issue(kind="AppManagement")
    tap.equal(a.error_type, "NotSupported", "c45 AppManagement")


def c46_idempotent():
    c, device, key = LAB.client(), mdm.device_id(), mdm.new_key()
    csr = mdm.new_csr(device, key)
    before = LAB.signatures()
    first, second = c.enroll(csr, device), c.enroll(csr, device)
    tap.ok(first.certificate() is not None and first.certificate() == second.certificate(),
           "c46 the identical RST gives the identical certificate", second.describe())
    tap.equal(LAB.signatures(), before + 1, "c46 one signature for both")
    third = c.enroll(mdm.new_csr(device, key, cn="other"), device)
    tap.ok(third.certificate() not in (None, first.certificate()), "other bytes are a new request", third.describe())


def c47_other_user():
    LAB.add_user("eve@lab.example", "eves secret")
    _, device, _ = issue()
    eve = LAB.client("eve@lab.example", "eves secret")
    a = eve.enroll(mdm.new_csr(device), device)
    tap.equal(a.subcode, "s:Authorization", "c47 another user's DeviceID is refused")
    LAB.add_user("mallory@elsewhere.example", "m secret")
    a, _, _ = issue(LAB.client("mallory@elsewhere.example", "m secret"))
    tap.equal(a.subcode, "s:Authorization", "a user outside the template's list is refused")


# ---- provisioning document

def c48_to_c53_provisioning_document():
    a, device, _ = issue(kind="Device")
    doc = a.provisioning()
    tap.ok(doc.tag == "wap-provisioningdoc" and doc.get("version") == "1.1", "c48 root without namespace, version 1.1")
    stores = at(doc, "CertificateStore")
    bad = []
    for node in stores.iter("characteristic"):
        value = parms(node).get("EncodedCertificate")
        if value is not None:
            der = base64.b64decode(value, validate=True)
            if node.get("type") != hashlib.sha1(der).hexdigest().upper():
                bad.append(node.get("type"))
    tap.equal(bad, [], "c49 node names are upper-case SHA-1 of the certificate")
    tap.equal(len(at(stores, "Root", "System").findall("./characteristic")), 1, "c50 one root")
    tap.ok(at(stores, "CA") is None, "c50 no intermediate for a self-signed issuer")
    tap.ok(at(stores, "My", "System", "PrivateKeyContainer") is not None, "c50 PrivateKeyContainer beside the certificate")
    renew = at(stores, "My", "WSTEP", "Renew")
    types = {p.get("name"): (p.get("value"), p.get("datatype")) for p in renew.findall("./parm")}
    tap.ok(types["ROBOSupport"] == ("true", "boolean") and types["RenewPeriod"][1] == "integer" and
           1 <= int(types["RetryInterval"][0]) <= int(types["RenewPeriod"][0]) <= 1000, "c51 WSTEP/Renew", types)
    app = at(doc, "APPLICATION")
    values = parms(app)
    tap.ok(values["APPID"] == "w7" and values["PROVIDER-ID"] == "PkienrollLab" and values["ADDR"].startswith("https://")
           and "INIT" not in values and all(n == n.upper() for n in values), "c52 APPLICATION", values)
    auth = {parms(n)["AAUTHLEVEL"]: parms(n) for n in app.findall("./characteristic[@type='APPAUTH']")}
    tap.ok(set(auth) == {"CLIENT", "APPSRV"} and auth["CLIENT"]["AAUTHTYPE"] == "DIGEST", "c52 two APPAUTH", auth)
    provider = at(doc, "DMClient", "Provider", "*")
    values = parms(provider)
    tap.ok(provider.get("type") == "PkienrollLab" and values.get("EntDMID"), "c53 DMClient provider and EntDMID", values)
    again, _, _ = issue(kind="Device", device=device)
    tap.equal(parms(at(again.provisioning(), "DMClient", "Provider", "*")).get("EntDMID"), values["EntDMID"],
              "c53 the device keeps its EntDMID")


def c57_special_characters():
    name = 'PC <&> "quoted" \u00e9\u4e2d ]]>'
    device = mdm.device_id()
    a = LAB.client().enroll(mdm.new_csr(device), device, items=mdm.default_items(device, name=name))
    values = parms(at(a.provisioning(), "DMClient", "Provider", "*"))
    tap.equal(values.get("EntDeviceName"), name, "c57 device name round-trips")


def chain_verifies():
    a, _, _ = issue()
    with tempfile.TemporaryDirectory() as d:
        leaf = os.path.join(d, "leaf.pem")
        with open(leaf, "wb") as f:
            f.write(cert_of(a).public_bytes(mdm.serialization.Encoding.PEM))
        r = subprocess.run(["openssl", "verify", "-x509_strict", "-auth_level", "2", "-purpose", "sslclient", "-CAfile",
                            LAB.ca, leaf], capture_output=True, check=False)
    tap.ok(r.returncode == 0, "openssl verify -x509_strict -auth_level 2 -purpose sslclient", r.stderr.decode())


def lookups():
    a, device, _ = issue()
    der = a.certificate()
    cert = x509.load_der_x509_certificate(der)
    serial = f"{cert.serial_number:x}".rjust(32, "0")
    for name, key in (("serial", serial), ("serial in capitals", serial.upper()), ("SHA-1", hashlib.sha1(der).hexdigest()),
                      ("SHA-256", hashlib.sha256(der).hexdigest().upper()), ("device", device)):
        r = LAB.ctl("--json", "cert", "show", key)
        got = json.loads(r.out) if r.status == 0 else {}
        tap.ok(got.get("serial") == serial, f"cert show by {name}", r)
    with open(LAB.ca, "rb") as f:
        ca = x509.load_pem_x509_certificate(f.read())
    got = LAB.ctl("--json", "issuer", "list", check=True).json()["items"]
    tap.equal([i["serial"] for i in got], [f"{ca.serial_number:x}".rjust(32, "0")], "issuer list tells the CA's serial")
    r = LAB.ctl("cert", "show", "00ff00ff")
    tap.equal(r.status, 1, "cert show of an unknown serial exits 1")


with MdmLab() as LAB:
    tap.run(c20_password_type_forms, c20_password_is_nowhere, c21_empty_password, c22_wrong_passwords,
            c25_c26_other_credentials, c27_to_c30_policy, c32_examples_of_get_policies, c33_c34_example_12, c35_types,
            c36_c37_c38_context, c39_order_and_context, c40_c41_windows_shapes, c41_hostile_extensions, c42_bad_csrs,
            c43_validity, c44_c45_enrollment_types, c46_idempotent, c47_other_user, c48_to_c53_provisioning_document,
            c57_special_characters, chain_verifies, lookups)
