# SPDX-License-Identifier: Apache-2.0
"""Whom a certificate stands for, and what ends that, against a real daemon (attacks A14): two people of one subject; the
daemon's own certificates as credentials, judged by the ledger; CAs below CAs and their revocation; renewals over TLS."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import softhsm  # noqa: E402
import tap  # noqa: E402
import xmlsign as xs  # noqa: E402
from bulkca import BULK, Ca, CLIENT_AUTH, DAY, TODAY  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from mdmlab import MdmLab, USER, read_text  # noqa: E402

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
AUTHENTICATION = "s:Authentication"
KINDS = "[username, jwt, signed-header, client-certificate]"
CA = Ca()
SUB = Ca("Sub CA", above=CA)
LAB = None


def path(name):
    return os.path.join(LAB.etc, name)


def write(name, text):
    with open(path(name + ".new"), "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path(name + ".new"), path(name))


def endpoints(option, value, reload=True):
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, option), value)
    if reload:
        LAB.ctl("reload", check=True)


def configure():
    """Credentials are certificates of the test's CA and of the daemon's own."""
    write("credentials.pem", CA.pem() + read_text(LAB.ca))
    endpoints("credentials", KINDS, False)
    endpoints("credential-ca", "credentials.pem", False)
    lines = read_text(LAB.config).splitlines()
    name = lines[lines.index("listeners:") + 1].strip(" :")
    LAB.set_option(("listeners", name, "client-cert"), "optional")
    LAB.set_option(("listeners", name, "client-ca"), "credentials.pem")


def tls_client(certificate, key):
    client = LAB.client()
    write("client.pem", certificate.public_bytes(PEM).decode() + key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
    client.tls.load_cert_chain(path("client.pem"))
    return client


def by_header(credential, device=None, kind="Device"):
    """Enroll @p device, or a new one, by a signed request."""
    certificate, key = credential
    device = device or mdm.device_id()
    client = LAB.client()
    return client.request("POST", client.enroll_path, xs.rst(certificate.public_bytes(DER), key, mdm.new_csr(device),
                                                             mdm.default_items(device, kind)))


def by_tls(credential, device=None, kind="Device"):
    device = device or mdm.device_id()
    return tls_client(*credential).enroll(mdm.new_csr(device), device, kind, security=None)


WAYS = (("signed header", by_header), ("TLS", by_tls))


def refused(answer, subcode, reason, name):
    tap.equal((answer.status, answer.subcode), (500, subcode), f"{name}: {subcode}") or tap.diag(answer.describe())
    shown = LAB.request_show(answer.trace_id) or {}
    tap.equal((shown.get("error") or {}).get("reason"), reason, f"{name}: recorded as {reason}")
    tap.ok(ledgerdb.one(LAB.ledger, "SELECT count(*) FROM audit WHERE event = 'refused' AND request_id = ?", (answer.trace_id,)),
           f"{name}: audited")


def refused_both(credential, reason, name):
    before = LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))
    for way, enroll in WAYS:
        refused(enroll(credential), AUTHENTICATION, reason, f"{name}, {way}")
    tap.equal((LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))), before, f"{name}: no signature, no certificate")


def owner(device):
    """(principal, user_id) of a device's newest certificate."""
    return ledgerdb.rows(LAB.ledger, "SELECT principal, user_id FROM request WHERE device_id = ? AND state = 'issued' "
                         "ORDER BY rowid DESC LIMIT 1", (device,))


# -- the principal is part of the identity

def upn(name):
    raw = name.encode()
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c" + bytes([len(raw)]) + raw)


def equal_subjects():
    """Two people called the same are two people."""
    endpoints("certificate-principal", "san-upn")
    one, other = (CA.issue("John Smith", san=[upn(f"js{i}@lab.example")]) for i in (1, 2))
    mine = mdm.device_id()
    for way, enroll in WAYS:
        tap.equal(enroll(one, mine).status, 200, f"a14 san-upn, {way}: the first of the name enrolls")
        refused(enroll(other, mine), "s:Authorization", "device-of-another",
                f"a14 san-upn, {way}: the other of the name does not take over the device")
    tap.equal([p for p, _ in owner(mine)], ["js1@lab.example"], "a14 and it stays the first's")
    later = CA.issue("John Smith-Doe", san=[upn("js1@lab.example")])
    tap.equal(by_header(later, mine).status, 200, "san-upn: another subject of the same UPN is the same person")
    endpoints("certificate-principal", "san-email")
    mail = [CA.issue("John Smith", san=[x509.RFC822Name(f"js{i}@lab.example")]) for i in (1, 2)]
    mine = mdm.device_id()
    tap.equal(by_header(mail[0], mine).status, 200, "san-email: the first enrolls")
    refused(by_header(mail[1], mine), "s:Authorization", "device-of-another", "a14 san-email: the other does not take over")
    refused(by_header(later, mine), AUTHENTICATION, "certificate-principal", "san-email: none in it")
    endpoints("certificate-principal", None)
    mine = mdm.device_id()
    tap.equal(by_header(CA.issue(), mine).status, 200, "subject-cn: one of the name enrolls")
    tap.equal(by_header(CA.issue(), mine).status, 200, "subject-cn: with another key it is the same")
    refused(by_header(CA.issue(organization="Other"), mine), "s:Authorization", "device-of-another",
            "a14 subject-cn: the same name in another organization is another")


# -- our own certificates

class Own:
    """A device that enrolled by password, and its certificate as a credential."""

    def __init__(self):
        self.device = mdm.Device(LAB.client())
        self.id = self.device.id

    @property
    def credential(self):
        return x509.load_der_x509_certificate(self.device.der), self.device.key


def own_acts_for_its_owner():
    own = Own()
    want = owner(own.id)
    tap.ok(want[0][0] == USER and want[0][1], "a device of the user", want)
    for way, enroll in WAYS:
        mine = mdm.device_id()
        a = enroll(own.credential, mine, "Full")
        tap.equal(a.status, 200, f"on-device certificate, {way}: enrolls another device") or tap.diag(a.describe())
        tap.equal(owner(mine), want, f"on-device certificate, {way}: for the user it was issued to")
        tap.equal(enroll(own.credential, own.id, "Full").status, 200, f"on-device certificate, {way}: enrolls its own device again")
        tap.equal(LAB.client().enroll(mdm.new_csr(mine), mine).status, 200, "and his password enrolls the same device")


def own_blocked():
    own = Own()
    tap.equal(by_header(own.credential).status, 200, "a14 not blocked yet")
    LAB.ctl("device", "block", own.id, check=True)
    refused_both(own.credential, "certificate-device-blocked", "a14 certificate of a blocked device")
    LAB.ctl("device", "unblock", own.id, check=True)
    for way, enroll in WAYS:
        tap.equal(enroll(own.credential).status, 200, f"unblocked, {way}")


def own_released():
    own = Own()
    LAB.ctl("device", "release", own.id, check=True)
    refused_both(own.credential, "certificate-superseded", "a14 certificate of a released device")


def own_taken_over():
    """The device went to another user; its first certificate is not superseded before the second was seen in use."""
    own = Own()
    LAB.set_option(("templates", "device", "device-conflict"), "supersede")
    LAB.ctl("reload", check=True)
    a = by_header(CA.issue(), own.id)
    tap.equal((a.status, owner(own.id)[0][0]), (200, BULK), "a device is taken over where the template lets it")
    LAB.set_option(("templates", "device", "device-conflict"), None)
    LAB.ctl("reload", check=True)
    refused_both(own.credential, "certificate-device-of-another", "a14 certificate of a device that is another user's now")


def own_superseded():
    own = Own()
    old = own.credential
    tap.equal(own.device.renew().status, 200, "renewed")
    tap.equal(by_header(old).status, 200, "the old certificate is good until the new one was seen in use")
    number = x509.load_der_x509_certificate(own.device.der).serial_number
    LAB.ctl("cert", "confirm", f"{number:x}", check=True)
    refused_both(old, "certificate-superseded", "a14 superseded certificate")
    tap.equal(by_header(own.credential).status, 200, "the new one is a credential")


def own_look_alike():
    """Signed with the CA's very key, but not by the daemon: the ledger has never heard of it."""
    ca = x509.load_pem_x509_certificate(read_text(LAB.ca).encode())
    key = mdm.new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, BULK)])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(ca.subject).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(TODAY - DAY).not_valid_after(TODAY + DAY)
               .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
               .add_extension(x509.ExtendedKeyUsage([CLIENT_AUTH]), False))
    draft = builder.sign(mdm.new_key(), hashes.SHA256())  # signed again by the CA's key below
    digest = hashes.Hash(hashes.SHA256())
    digest.update(draft.tbs_certificate_bytes)
    with open(path("tbs"), "wb") as f:  # DigestInfo of PKCS#1: the key does nothing but CKM_RSA_PKCS
        f.write(bytes.fromhex("3031300d060960864801650304020105000420") + digest.finalize())
    LAB.run(["pkcs11-tool", "--module", softhsm.find_module(), "--token-label", "pkienroll-lab", "--login", "--pin",
             read_text(path("pin")).strip(), "--sign", "--label", "lab-ca", "--mechanism", "RSA-PKCS", "--input-file",
             path("tbs"), "--output-file", path("signature")], check=True)
    with open(path("signature"), "rb") as f:
        signature = f.read()
    der = draft.public_bytes(DER)
    tap.equal(len(signature), len(draft.signature), "both signatures are of RSA-2048")
    certificate = x509.load_der_x509_certificate(der[:-len(signature)] + signature)
    write("look-alike.pem", certificate.public_bytes(PEM).decode())
    tap.equal(LAB.run(["openssl", "verify", "-CAfile", LAB.ca, path("look-alike.pem")]).status, 0,
              "a14 the look-alike is a certificate of our CA")
    refused_both((certificate, key), "certificate-not-issued", "a14 certificate of our CA that is not in the ledger")


# -- renewals: the CMS is the credential

def renewal_by_cms():
    """g: neither credential-ca nor the list of credentials is asked about a renewal without a token."""
    write("credentials.pem", CA.pem())
    other = Own()
    for kinds in (KINDS, "[username, jwt, signed-header]"):
        endpoints("credentials", kinds)
        own = Own()
        own.device.client = tls_client(*own.credential)
        for header in (None, ""):
            old = own.credential
            a = own.device.renew(security=header)
            tap.equal(a.status, 200, f"renewal over TLS with {kinds}, header {header!r}") or tap.diag(a.describe())
            own.device.client = tls_client(*own.credential)
        own.device.client = tls_client(*other.credential)
        refused(own.device.renew(security=None), "s:CertificateRequest", "renew-tls-other",
                f"a35 renewal with {kinds}, another's certificate on the connection")
        own.device.client = tls_client(*old)
        refused(own.device.client.enroll(mdm.new_csr(own.id), own.id, security=None),
                *((AUTHENTICATION, "certificate-untrusted") if kinds == KINDS else ("a:InvalidSecurity", "security-missing")),
                f"no renewal with {kinds}: the certificate is judged")
    endpoints("credentials", KINDS)


# -- CAs below CAs

def a14_sub_ca():
    leaf = SUB.issue()
    write("credentials.pem", CA.pem() + SUB.pem())
    write("crl.pem", CA.crl() + SUB.crl())
    LAB.ctl("reload", check=True)
    tap.equal(by_header(leaf).status, 200, "a CA below a self-signed one")
    endpoints("credential-crl", "crl.pem")
    tap.equal(by_header(leaf).status, 200, "with revocation lists of both")
    CA.revoked.append(SUB.certificate.serial_number)
    write("crl.pem", CA.crl() + SUB.crl())
    refused_both(leaf, "certificate-revoked", "a14 certificate of a revoked CA")
    tap.equal(by_header(CA.issue()).status, 200, "those of the CA above are not concerned")
    CA.revoked.clear()
    write("crl.pem", SUB.crl())
    a = by_header(leaf)
    tap.equal((a.status, a.subcode), (500, "s:EnrollmentServer"), "a14 no list for the CA's own issuer: nobody")
    # nothing self-signed: what is in the file is trusted as such
    write("credentials.pem", SUB.pem())
    LAB.ctl("reload", check=True)
    tap.equal(by_header(leaf).status, 200, "a file without a self-signed CA: each is an anchor")
    write("credentials.pem", Ca("Unrelated").pem() + SUB.pem())
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and "certificate 2" in r.out + r.err, "a CA whose issuer is missing is refused", str(r))


def crl_alone():
    """A new revocation list does not bring CAs that nobody loaded."""
    other = Ca("Other CA")
    write("credentials.pem", CA.pem())
    write("crl.pem", CA.crl())
    LAB.ctl("reload", check=True)
    tap.equal(by_header(CA.issue()).status, 200, "with a list")
    write("credentials.pem", other.pem())
    write("crl.pem", CA.crl() + other.crl())
    refused_both(other.issue(), "certificate-untrusted", "a14 a CA that was put into the file without a reload")
    tap.equal(by_header(CA.issue()).status, 200, "the CA in force stays")
    LAB.ctl("reload", check=True)
    tap.equal(by_header(other.issue()).status, 200, "a reload changes it")
    refused_both(CA.issue(), "certificate-untrusted", "a14 the CA that went")
    endpoints("credential-crl", None)


def main():
    global LAB  # pylint: disable=global-statement
    with MdmLab(start=False) as LAB:
        configure()
        LAB.start()
        LAB.add_user(USER)
        for f in (equal_subjects, own_acts_for_its_owner, own_blocked, own_released, own_taken_over, own_superseded,
                  own_look_alike, renewal_by_cms, a14_sub_ca, crl_alone):
            f()


tap.run(main)
