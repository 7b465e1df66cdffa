# SPDX-License-Identifier: Apache-2.0
"""What pkienroll-probe sends for JWT, client certificates, signed headers, Renew and Recovery, checked with openssl, xmlsec1
and xmllint; and how it judges the answers of a server that is told to answer badly."""
import base64
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab as labs  # noqa: E402
import mdmserver  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: E402

VT_USER = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken"
RST = "s:Body/wst:RequestSecurityToken/"
BST = "s:Header/wsse:Security/wsse:BinarySecurityToken"
PASSWORD = "s:Header/wsse:Security/wsse:UsernameToken/wsse:Password"
SERVER = DIR = None
RUNS = 0


def probe(*args, out=None, data=b"", urls=True, ca=True, env=None):
    """Run the probe; the result has .folder and .verdict."""
    global RUNS
    RUNS += 1
    folder = os.path.join(DIR, out or f"run-{RUNS}")
    where = ["--policy-url", SERVER.policy_url, "--enroll-url", SERVER.enroll_url] if urls else []
    trust = ["--ca-file", SERVER.ca_file] if ca else []
    result = labs.Result(subprocess.run([labs.PROBE, *args, *where, *trust, "--out", folder], input=data, timeout=120,
                                        capture_output=True, check=False, env=env))
    result.folder, result.verdict = folder, None
    try:
        with open(os.path.join(folder, "verdict.json"), encoding="utf-8") as f:
            result.verdict = json.load(f)
    except FileNotFoundError:
        pass
    return result


def password():
    return ["--user", "ada@lab.example", "--password-file", "-"]


def enroll(*args, out=None):
    result = probe(*args, *password(), out=out, data=b"secret\n")
    tap.equal(result.status, 0, "enrolls") or tap.diag(result)
    return result


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def cert_of(folder, name="certificate.pem"):
    return x509.load_pem_x509_certificate(read(folder, name))


def failed(result):
    return [c["check"] for c in (result.verdict or {"checks": []})["checks"] if not c["ok"]]


def tool(*command, data=None):
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    return done.returncode, done.stdout, (done.stdout + done.stderr).decode("utf-8", "replace")


def client_pair(name, key, cn="bulk@lab.example"):
    cert = SERVER.authority.issue(cn, key.public_key())
    files = (mdmserver.write(os.path.join(DIR, name + ".pem"), cert.public_bytes(Encoding.PEM)),
             mdmserver.write(os.path.join(DIR, name + ".key"), mdmserver.key_pem(key)))
    return cert, ["--cert", files[0], "--key", files[1]]


# -- credentials


def test_jwt():
    jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ." + "A" * 3000
    path = mdmserver.write(os.path.join(DIR, "token.jwt"), jwt.encode() + b"\n")
    for kind, value_type in ((None, VT_USER), ("custom", VT_USER), ("entra", "urn:ietf:params:oauth:token-type:jwt")):
        SERVER.requests.clear()
        result = probe("--jwt", path, *(["--jwt-kind", kind] if kind else []))
        tap.equal(result.status, 0, f"--jwt with kind {kind}") or tap.diag(result)
        tap.equal([r.kind for r in SERVER.requests], ["GetPolicies", "Issue"], "at both stages")
        for request in SERVER.requests:
            tap.equal(base64.b64decode(request.text(BST)).decode(), jwt, f"{request.kind}: base64 of the compact JWT")
            tap.equal(request.root.find(BST, mdmserver.NS).get("ValueType"), value_type, "its ValueType")
            tap.equal(request.text(PASSWORD), None, "and no password")
        kept = b"".join(read(result.folder, n) for n in os.listdir(result.folder))
        tap.ok(jwt.encode() not in kept and base64.b64encode(jwt.encode())[:60] not in kept, "the JWT is in no artefact")
    os.chmod(path, 0o644)
    tap.equal(probe("--jwt", path).status, 2, "a JWT file that others can read is refused")


def test_client_certificate():
    cert, pair = client_pair("client", rsa.generate_private_key(65537, 2048))
    SERVER.requests.clear()
    result = probe(*pair)
    tap.equal(result.status, 0, "--cert without another credential") or tap.diag(result)
    tap.ok([r.peer for r in SERVER.requests] == [cert.public_bytes(Encoding.DER)] * 2, "presents it at both stages")
    tap.equal(result.verdict["facts"]["connection-reused"], "yes", "over one connection")
    for request in SERVER.requests:
        tap.ok(request.text("s:Header/wsse:Security/{%s}Timestamp/{%s}Created" % (mdmserver.NS["u"], mdmserver.NS["u"]))
               and request.text(PASSWORD) is None and request.text(BST) is None, "the header has a Timestamp alone")
    SERVER.requests.clear()
    tap.equal(probe(*pair, *password(), data=b"x\n").status, 0, "--cert with a password")
    tap.equal([(bool(r.peer), r.text(PASSWORD)) for r in SERVER.requests], [(True, "x")] * 2, "carries both")
    other = client_pair("other", ec.generate_private_key(ec.SECP256R1()))[1]
    wrong = probe(pair[0], pair[1], "--key", other[3])
    tap.equal((wrong.status, failed(wrong)), (1, ["client-key"]), "a key of another certificate is found")


def verify_signature(folder, name, cert_file):
    return tool("xmlsec1", "--verify", "--pubkey-cert-pem", cert_file, os.path.join(folder, name))


def test_signed_header():
    if not shutil.which("xmlsec1"):
        tap.skip("signed header", "xmlsec1 is not installed")
        return
    for kind, key in (("rsa", rsa.generate_private_key(65537, 2048)), ("ecdsa", ec.generate_private_key(ec.SECP256R1())),
                      ("ecdsa", ec.generate_private_key(ec.SECP384R1()))):
        cert, pair = client_pair("sign", key)
        SERVER.requests.clear()
        result = probe(*pair, "--sign", "--context", "EnrollmentData=a <b> & \u00e9\t\u20ac")
        tap.equal(result.status, 0, f"--sign with {kind}") or tap.diag(result)
        tap.equal([r.peer for r in SERVER.requests], [None, None], "the connection has no certificate")
        for request, name in zip(SERVER.requests, ("getpolicies.request.xml", "rst.request.xml")):
            sent = os.path.join(result.folder, name)
            tap.equal(request.body, read(result.folder, name), f"{name} is what was sent")
            status, _, said = verify_signature(result.folder, name, pair[1])
            tap.equal(status, 0, f"{kind}: xmlsec1 verifies {name}") or tap.diag(said)
            tap.equal(base64.b64decode(request.text(BST)), cert.public_bytes(Encoding.DER), "the token is the certificate")
            for path, want in (("//*[local-name()='SignatureMethod']/@Algorithm", f"xmldsig-more#{kind}-sha256"),
                               ("//*[local-name()='CanonicalizationMethod']/@Algorithm", "xml-exc-c14n#"),
                               ("//*[local-name()='Transform']/@Algorithm", "#enveloped-signature"),
                               ("//*[local-name()='DigestMethod']/@Algorithm", "xmlenc#sha256")):
                tap.ok(want in tool("xmllint", "--xpath", path, sent)[2], f"{want}")
            tap.ok(b'URI=""' in request.body, "the whole document is referred to")
            mdmserver.write(os.path.join(DIR, "changed.xml"),
                            request.body.replace(b"anonymous", b"anonymouS", 1))
            tap.ok(verify_signature(DIR, "changed.xml", pair[1])[0] != 0, "xmlsec1 refuses a changed message")
    SERVER.requests.clear()
    tap.equal(probe(*pair, "--sign", "--tls").status, 0, "--sign --tls")
    tap.equal([bool(r.peer) for r in SERVER.requests], [True] * 2, "presents the certificate on the connection too")


def test_context():
    path = mdmserver.write(os.path.join(DIR, "claim"), b"QUJD" * 5000 + b"\n")
    result = enroll("--context", f"AIKAttestationClaim=@{path}", "--context", "OSEdition=4", "--context", "IMEI=1",
                    "--context", "IMEI=2", "--context", "DomainName=")
    items = SERVER.requests[-1].items()
    tap.equal([v for n, v in items if n == "AIKAttestationClaim"], ["QUJD" * 5000], "--context NAME=@FILE")
    tap.equal([v for n, v in items if n == "OSEdition"], ["4"], "--context in the place of a usual item")
    tap.equal([v for n, v in items if n == "IMEI"], ["1", "2"], "--context twice for one name")
    tap.equal([v or "" for n, v in items if n == "DomainName"], [""], "--context with an empty value")
    for bad in ("Name", "=x", "A=@/nonexistent", 'A"B=x', "A=\x01"):
        tap.equal(probe("--context", bad, *password(), data=b"x\n").status, 2, f"--context {bad!r} is refused")
    tap.ok(result.verdict["facts"]["device-id"], "and the usual DeviceID is there")


# -- renewal


def check_cms(request, old, layers):
    """The CMS of a renewal, by openssl: signer, content, its PKCS#10. Returns the CSR."""
    der = request.token
    for _ in range(layers - 1):
        der = base64.b64decode(der, validate=True)
    signer = os.path.join(DIR, "signer.pem")
    status, content, said = tool("openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-signer", signer,
                                 data=der)
    tap.equal(status, 0, "openssl cms -verify") or tap.diag(said)
    tap.equal(x509.load_pem_x509_certificate(read(DIR, "signer.pem")), old, "signed with the expiring certificate")
    shown = tool("openssl", "cms", "-cmsout", "-print", "-inform", "DER", data=der)[2]
    tap.equal(len(re.findall(r"signatureAlgorithm:", shown.split("signerInfos:")[1])), 1, "one signer")
    tap.ok("eContentType: pkcs7-data" in shown and "algorithm: sha256" in shown, "id-data, SHA-256")
    content = content[content.index(b"\x30"):]
    status, _, said = tool("openssl", "req", "-inform", "DER", "-verify", "-noout", data=content)
    tap.equal(status, 0, "openssl req -verify of the content") or tap.diag(said)
    return x509.load_der_x509_csr(content)


def test_renew():
    first = enroll("--type", "device", "--device-name", "DESKTOP-ODD")
    old, before = cert_of(first.folder), read(first.folder, "device-id")
    SERVER.requests.clear()
    result = probe("renew", "--in", first.folder, urls=False, ca=False)
    tap.equal(result.status, 0, "renew needs nothing but the folder") or tap.diag(result)
    tap.equal(failed(result), [], "and no check failed")
    tap.equal([r.kind for r in SERVER.requests], ["Renew"], "one request, of type Renew")
    request = SERVER.requests[0]
    csr = check_cms(request, old, 1)
    tap.ok(csr.public_key().public_numbers() != old.public_key().public_numbers(), "for a new key")
    tap.equal(request.value_type, mdmserver.NS["wsse"] + "#PKCS7", "ValueType of MS-MDE2")
    tap.equal(request.root.find(PASSWORD, mdmserver.NS).text, None, "an empty password")
    tap.equal(request.text("s:Header/wsse:Security/wsse:UsernameToken/wsse:Username"), "ada@lab.example", "the user")
    tap.ok(request.root.find(f"s:Header/wsse:Security/{{{mdmserver.NS['u']}}}Timestamp", mdmserver.NS) is not None,
           "a Timestamp")
    items = dict(request.items())
    tap.equal((items["DeviceID"], items["EnrollmentType"], items["DeviceName"]),
              (before.decode().strip(), "Device", "DESKTOP-ODD"), "the device as it was enrolled")
    tap.ok("UXInitiated" not in items and "TargetedUserLoggedIn" not in items, "and nothing that a renewal does not say")
    tap.equal(request.peer, None, "no certificate on the connection")
    tap.equal(cert_of(result.folder).public_key().public_numbers(), csr.public_key().public_numbers(),
              "the new certificate is kept")
    tap.equal(read(result.folder, "renew.request.p7"), request.token, "and the CMS")
    again = probe("renew", "--in", result.folder, "--value-type", "enrollment", "--tls", urls=False)
    tap.equal(again.status, 0, "the next renewal works from it") or tap.diag(again)
    tap.equal(SERVER.requests[-1].value_type, mdmserver.NS["e"] + "#PKCS7", "--value-type enrollment")
    tap.equal(SERVER.requests[-1].peer, cert_of(result.folder).public_bytes(Encoding.DER), "--tls: the old certificate")
    check_cms(SERVER.requests[-1], cert_of(result.folder), 1)


def test_renew_manual():
    first = enroll()
    SERVER.requests.clear()
    result = probe("renew", "--in", first.folder, "--manual", *password(), urls=False, data=b"secret\n")
    tap.equal(result.status, 0, "renew --manual") or tap.diag(result)
    request = SERVER.requests[0]
    check_cms(request, cert_of(first.folder), 2)
    tap.ok(request.token[:1] != b"\x30", "base64 in base64")
    tap.equal(request.text(PASSWORD), "secret", "with the password")
    tap.ok(b"secret" not in read(result.folder, "renew.request.xml"), "which is not kept")
    tap.equal(probe("renew", "--in", first.folder, *password(), data=b"x\n").status, 2, "a credential needs --manual")
    tap.equal(probe("renew", "--in", first.folder, "--manual").status, 2, "--manual needs a credential")


def test_renew_same_key():
    first = enroll()
    result = probe("renew", "--in", first.folder, "--same-key", urls=False)
    tap.equal(result.status, 0, "renew --same-key") or tap.diag(result)
    csr = check_cms(SERVER.requests[-1], cert_of(first.folder), 1)
    tap.equal(csr.public_key().public_numbers(), cert_of(first.folder).public_key().public_numbers(), "for the same key")


def test_renew_repeat():
    first = enroll()
    SERVER.requests.clear()
    result = probe("renew", "--in", first.folder, "--repeat", urls=False)
    tap.equal(result.status, 0, "renew --repeat") or tap.diag(result)
    tap.equal(len({r.token for r in SERVER.requests}), 1, "sends one CMS")
    tap.equal(len({r.text("s:Header/{%s}MessageID" % mdmserver.NS["a"]) for r in SERVER.requests}), 2, "in two messages")
    SERVER.same = False
    result = probe("renew", "--in", first.folder, "--repeat", urls=False)
    SERVER.same = True
    tap.equal((result.status, failed(result)), (1, ["repeated"]), "another certificate for it is found")
    tap.equal(probe("renew", "--in", result.folder, urls=False).status, 0, "and can be renewed")


FAULT = ('<s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>s:CertificateRequest</s:Value>'
         '</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">no</s:Text></s:Reason><s:Detail>'
         f'<DeviceEnrollmentServiceError xmlns="{mdmserver.NS["e"]}"><ErrorType>NotEligibleToRenew</ErrorType><Message>no'
         '</Message><TraceId>t</TraceId></DeviceEnrollmentServiceError></s:Detail></s:Fault></s:Body>')


def test_refused_in_place():
    first = enroll()
    names = ("certificate.pem", "key.pem", "chain.pem", "state", "device-id")
    before = [read(first.folder, n) for n in names]
    SERVER.fault = FAULT
    for command in (["renew"], ["recover", *password()]):
        result = probe(*command, "--in", first.folder, urls=False, out=os.path.basename(first.folder), data=b"secret\n")
        tap.equal(result.status, 1, f"{command[0]} that is refused ends with status 1")
        tap.equal(result.verdict["fault"]["hresult"], "0x80180016", "told as Windows tells it")
        tap.equal([read(first.folder, n) for n in names], before, "and leaves the device as it was")
    SERVER.fault = None
    result = probe("renew", "--in", first.folder, urls=False, out=os.path.basename(first.folder))
    tap.equal(result.status, 0, "renewed in its own folder") or tap.diag(result)
    tap.ok(read(first.folder, "certificate.pem") != before[0] and read(first.folder, "key.pem") != before[1],
           "certificate and key are the new ones")
    tap.equal(tool("openssl", "x509", "-in", os.path.join(first.folder, "certificate.pem"), "-noout", "-pubkey")[1],
              tool("openssl", "pkey", "-in", os.path.join(first.folder, "key.pem"), "-pubout")[1], "and fit")


def bad_answer(folder, check, edit=None, **attributes):
    """A renewal whose answer is wrong in one way must fail this check."""
    kept = {name: getattr(SERVER, name) for name in attributes}
    for name, value in attributes.items():
        setattr(SERVER, name, value)
    SERVER.edit = edit
    result = probe("renew", "--in", folder, urls=False)
    SERVER.edit = None
    for name, value in kept.items():
        setattr(SERVER, name, value)
    tap.ok(result.status == 1 and check in failed(result), f"found by {check}", result)


def put(at, what):
    return lambda text: text.replace(at, what + at, 1)


def test_bad_renewals():
    folder = enroll().folder
    app = '<parm name="PROVIDER-ID" value="TestMDM"/>'
    bad_answer(folder, "renewal-application", put(app, '<parm name="APPID" value="w7"/>'))
    bad_answer(folder, "renewal-no-appauth", put(app, '<characteristic type="APPAUTH"/>'))
    bad_answer(folder, "renewal-provider", lambda t: t.replace("TestMDM", "OtherMDM"))
    bad_answer(folder, "renewal-no-dmclient", put("</wap-provisioningdoc>", '<characteristic type="DMClient"/>'))
    bad_answer(folder, "renewal-parts", put("</wap-provisioningdoc>", '<characteristic type="Policy"/>'))
    bad_answer(folder, "renewal-no-wstep", lambda t: t.replace(
        '<characteristic type="PrivateKeyContainer"/></characteristic>',
        '<characteristic type="PrivateKeyContainer"/></characteristic><characteristic type="WSTEP"/>'))
    bad_answer(folder, "certificate-store", lambda t: t.replace('type="User"', 'type="System"'))
    bad_answer(folder, "same-subject", subject="eve@lab.example")
    bad_answer(folder, "same-san", san="eve@lab.example")
    bad_answer(folder, "same-usage", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    old = cert_of(folder)
    bad_answer(folder, "renewed", lambda t: mdmserver.document(SERVER.authority.cert, old, "User", True))
    bad_answer(folder, "public-key", lambda t: mdmserver.document(SERVER.authority.cert, old, "User", True))
    tap.equal(probe("renew", "--in", folder, urls=False).status, 0, "the device can still renew")


def test_without_root():
    """A renewal may leave out the root that the device has."""
    folder = enroll().folder
    SERVER.edit = lambda t: re.sub(r'<characteristic type="Root">.*?</characteristic></characteristic></characteristic>',
                                   "", t)
    first = probe("renew", "--in", folder, urls=False)
    second = probe("renew", "--in", first.folder, urls=False)
    SERVER.edit = None
    tap.equal((first.status, second.status), (0, 0), "two renewals without a root") or tap.diag(str(first) + str(second))


def test_broken_state():
    folder = enroll().folder
    for name, content in (("certificate.pem", b"x"), ("key.pem", mdmserver.key_pem(rsa.generate_private_key(65537, 2048))),
                          ("device-id", b"12\n"), ("state", None)):
        copy = os.path.join(DIR, "broken-" + name)
        shutil.copytree(folder, copy)
        os.unlink(os.path.join(copy, name))
        if content:
            mdmserver.write(os.path.join(copy, name), content)
        result = probe("renew", "--in", copy, urls=False)
        tap.ok(result.status == 2 and name in result.err, f"a folder with a broken {name} is named", result)


# -- recovery, soak


def test_recover():
    first = enroll("--type", "device")
    SERVER.requests.clear()
    result = probe("recover", "--in", first.folder, *password(), urls=False, data=b"secret\n")
    tap.equal(result.status, 0, "recover") or tap.diag(result)
    tap.equal([r.kind for r in SERVER.requests], ["GetPolicies", "Recovery"], "asks for the policy and recovers")
    request = SERVER.requests[1]
    items = dict(request.items())
    tap.equal(request.value_type, mdmserver.NS["e"] + "#PKCS10", "with a PKCS#10")
    tap.equal(request.text(PASSWORD), "secret", "and the credential")
    tap.equal((items["DeviceID"], items["EmmDeviceId"]), (read(first.folder, "device-id").decode().strip(),
                                                          mdmserver.ENT_DMID), "DeviceID and EmmDeviceId")
    tap.equal(tool("openssl", "req", "-inform", "DER", "-verify", "-noout", data=request.token)[0], 0, "openssl req -verify")
    tap.ok(cert_of(result.folder) != cert_of(first.folder), "the new certificate is kept")
    tap.equal(probe("renew", "--in", result.folder, urls=False).status, 0, "and can be renewed")
    SERVER.edit = lambda t: mdmserver.document(SERVER.authority.cert, certificate_in(t), "System", True)
    tap.equal(probe("recover", "--in", first.folder, *password(), urls=False, data=b"secret\n").status, 0,
              "the short document is an answer too")
    SERVER.edit = None
    SERVER.subject = "eve"
    bad = probe("recover", "--in", first.folder, *password(), urls=False, data=b"secret\n")
    SERVER.subject = None
    tap.ok("same-subject" in failed(bad), "another subject is found", bad)


def certificate_in(text):
    values = re.findall(r'name="EncodedCertificate" value="([^"]*)"', text)
    return x509.load_der_x509_certificate(base64.b64decode(values[-1]))


def test_soak():
    SERVER.requests.clear()
    result = probe("soak", "--count", "6", *password(), data=b"secret\n")
    tap.equal(result.status, 0, "soak --count 6") or tap.diag(result)
    renewals = [r for r in SERVER.requests if r.kind == "Renew"]
    tap.equal((len(renewals), len({r.token for r in renewals})), (6, 6), "six renewals, each its own")
    signers = []
    for request in renewals:
        tool("openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-signer", os.path.join(DIR, "s.pem"),
             data=request.token)
        signers.append(cert_of(DIR, "s.pem").serial_number)
    tap.equal(len(set(signers)), 6, "each signed with the certificate of the one before")
    soak = result.verdict["soak"]
    tap.equal((soak["count"], soak["done"], soak["failed"]), (6, 6, 0), "the summary in JSON")
    tap.ok(0 < soak["median_ms"] <= soak["p95_ms"] <= soak["max_ms"], "with times")
    tap.ok("6 renewals, 0 failed" in result.out, "and for people", result)
    try:
        main_end, end = pty.openpty()
    except OSError as e:  # no devpts, as in some containers
        tap.skip("progress on a terminal", e)
        return
    done = subprocess.run([labs.PROBE, "soak", "--count", "2", "--in", result.folder, "--out", result.folder], stdout=end,
                          stderr=end, check=False, env=dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8"))
    os.close(end)
    shown = os.read(main_end, 65536)
    os.close(main_end)
    tap.ok(done.returncode == 0 and b"\r  2 of 2, 0 failed" in shown, "a line of progress on a terminal", shown)
    gone = probe("soak", "--count", "5", "--in", result.folder, "--enroll-url", "https://127.0.0.1:1/", "--json",
                 urls=False)
    tap.equal((gone.status, gone.verdict["soak"]["done"]), (69, 1), "a server that is not there ends it")
    seen = []
    SERVER.edit = lambda t: (seen.append(t), t.replace("TestMDM", "OtherMDM") if len(seen) == 2 else t)[1]
    result = probe("soak", "--count", "3", "--in", result.folder, "--tls", "--json", urls=False)
    SERVER.edit = None
    for request in SERVER.requests[-3:]:
        tool("openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-signer", os.path.join(DIR, "s.pem"),
             data=request.token)
        tap.equal(request.peer, cert_of(DIR, "s.pem").public_bytes(Encoding.DER), "--tls follows the renewals")
    tap.equal(result.status, 1, "soak with one bad answer ends with status 1") or tap.diag(result)
    said = json.loads(result.out)
    tap.equal((said["soak"]["done"], said["soak"]["failed"]), (3, 1), "and counts it")
    bad = [c for c in said["checks"] if not c["ok"]]
    tap.equal([c["check"] for c in bad], ["renewal-provider", "soak"], "and tells what was wrong")
    tap.ok(bad[0]["text"].startswith("renewal 2: "), "and with which")


def test_usage():
    folder = enroll().folder
    for args in (["frobnicate"], ["soak", *password()], ["renew", "--in", "/nonexistent"], ["--sign", *password()],
                 ["--cert", "x"], ["--tls", *password()], ["--manual", *password()], ["--count", "2", *password()],
                 ["renew", "--in", folder, "--same-key", "--request-key", "x"],
                 ["recover", "--in", folder], ["--jwt-kind", "saml"], ["renew", "--value-type", "x"],
                 ["soak", "--count", "0", *password()], ["--in", folder, *password()]):
        tap.equal(probe(*args, data=b"x\n").status, 2, "wrong usage: " + " ".join(args).replace(folder, "DIR"))


def complete(*words):
    script = ('PATH=$1:$PATH; source "$2"; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pkienroll_probe; '
              'echo "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "-", os.path.dirname(labs.PROBE),
                           os.path.join(labs.TOP, "dist", "completions", "pkienroll-probe"), "pkienroll-probe", *words],
                          capture_output=True, check=False)
    return (done.stdout + done.stderr).decode().split()


def test_completion():
    tap.equal(complete("re"), ["renew", "recover"], "completion of the command")
    tap.equal(complete("renew", "--repeat"), ["--repeat", "--repeat-csr"], "of an option")
    tap.equal(complete("--jwt-kind", "e"), ["entra"], "and of a value")


def main():
    global SERVER, DIR
    if not shutil.which("openssl") or not shutil.which("xmllint"):
        tap.skip("probe messages", "openssl or xmllint is not installed")
        tap.run()
    DIR = tempfile.mkdtemp(prefix="pkeprobe-")
    with open(os.path.join(labs.TOP, "tests", "data", "mdm", "51-getpolicies-nil-providers.resp.xml"),
              encoding="utf-8") as f:
        policy = f.read()
    tap.at_end(lambda: shutil.rmtree(DIR))
    with mdmserver.Server(DIR, policy) as SERVER:
        tap.run(test_jwt, test_client_certificate, test_signed_header, test_context, test_renew, test_renew_manual,
                test_renew_same_key, test_renew_repeat, test_refused_in_place, test_bad_renewals, test_without_root,
                test_broken_state, test_recover, test_soak, test_usage, test_completion)


if __name__ == "__main__":
    main()
