# SPDX-License-Identifier: Apache-2.0
"""Taking over an estate (doc/takeover.md): certificates of another CA program are recorded, twice without harm, and renewed onto
the issuer here; what is wrong is refused line by line; the revocation list of the old CA goes on."""
import base64
import csv
import datetime
import hashlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from bulkca import Ca  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from lab import KEYTOOL  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

DER = serialization.Encoding.DER
NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
KEY = mdm.new_key()  # one for all: an estate of thousands is not waited for


def old_certificate(ca, device, key=None, end=None, cn=None, san=None):
    return ca.issue(cn or f"{device}", key=key or KEY, begin=NOW - 300 * DAY, end=end or NOW + 20 * DAY, san=san)[0]


def record(cert, device, **more):
    return {"certificate": base64.b64encode(cert.public_bytes(DER)).decode(), "principal": USER, "device_id": device, **more}


class TakeoverLab(MdmLab):
    """A lab with the CA of another program as legacy issuer."""

    def __init__(self):
        super().__init__(start=False)
        self.old = Ca("Old MDM CA")
        write_text(os.path.join(self.etc, "old.pem"), self.old.pem())
        self.set_option(("issuers", "old", "certificate"), "old.pem")
        self.start()
        self.add_user(USER)

    def load(self, records, *options, name="list.jsonl"):
        path = os.path.join(self.dir, name)
        write_text(path, "".join(json.dumps(r) + "\n" for r in records))
        return self.ctl("--json", "cert", "import", "device", path, *options)


def legacy_issuer(lab):
    rows = {i["name"]: i for i in lab.ctl("--json", "issuer", "list", check=True).json()["items"]}
    tap.equal((rows["old"]["state"], rows["old"]["key"], rows["old"]["key_state"]), ("legacy", None, "none"), "a legacy issuer has no key and signs nothing")
    r = lab.ctl("issuer", "schedule", "lab", "old")
    tap.ok(r.status == 1 and "legacy" in r.err, "it follows nobody", r)
    lab.set_option(("templates", "device", "issuer"), "old")
    r = lab.ctl("reload")
    tap.ok(r.status == 1 and "legacy issuer" in r.err, "no template is signed by it", r)
    lab.set_option(("templates", "device", "issuer"), "lab")


def import_and_renew(lab):
    """From the old CA's certificate to one of the new issuer, by the device's own signature."""
    device, key = mdm.device_id(), mdm.new_key()
    cert = old_certificate(lab.old, device, key)
    one = record(cert, device, ent_dmid="7d1b0a34-1111-4222-8333-0123456789ab", user_id="id-of-ada", device_name="OLD-PC", type="full")
    r = lab.load([one], "--dry-run")
    tap.equal((r.status, r.json()["imported"], r.json()["dry_run"]), (0, 1, True), "a dry run says what would be imported") or tap.diag(r)
    tap.equal(lab.ctl("cert", "show", hashlib.sha1(cert.public_bytes(DER)).hexdigest()).status, 1, "and imports nothing")
    r = lab.load([one])
    tap.equal((r.status, r.json()["imported"], r.json()["refused"]), (0, 1, 0), "imported") or tap.diag(r)
    r = lab.load([one])
    tap.equal((r.status, r.json()["imported"], r.json()["present"]), (0, 0, 1), "once more: it is there already") or tap.diag(r)
    shown = lab.ctl("--json", "cert", "show", hashlib.sha256(cert.public_bytes(DER)).hexdigest(), check=True).json()
    tap.equal((shown["device_id"], shown["principal"], shown["ent_dmid"], shown["template"]), (device, USER, one["ent_dmid"], "device"), "the record says whose it is")
    d = mdm.Device.__new__(mdm.Device)
    d.client, d.kind, d.id, d.key, d.der = lab.client(), "Full", device, key, cert.public_bytes(DER)
    a = d.renew()
    der = a.certificate()
    tap.ok(der, "its device renews", a.describe())
    if not der:
        return
    new = x509.load_der_x509_certificate(der)
    with open(lab.ca, "rb") as f:
        lab_ca = x509.load_pem_x509_certificate(f.read())
    tap.equal((new.issuer, new.subject), (lab_ca.subject, cert.subject), "onto the new issuer, with the names that it had")
    stores = mdm.stores(a)
    tap.ok(lab_ca.public_bytes(DER) in stores.get("Root/System", set()), "and the answer brings the new root", list(stores))
    events = lab.ctl("--json", "events", "--kind", "imported", check=True).json()["items"]
    tap.equal([e["request"]["device_id"] for e in events], [device], "the import is an event of its own kind")
    renewed = lab.ctl("--json", "events", "--kind", "renewed", check=True).json()["items"]
    tap.equal([e["renews"] for e in renewed], [shown["request_id"]], "and the renewal names what it follows")


def revoked_before(lab):
    device, key = mdm.device_id(), mdm.new_key()
    cert = old_certificate(lab.old, device, key)
    r = lab.load([record(cert, device, revoked_at="2026-01-02T03:04:05Z", reason="keyCompromise")])
    tap.equal(r.status, 0, "a revoked one is imported") or tap.diag(r)
    shown = lab.ctl("--json", "cert", "show", hashlib.sha1(cert.public_bytes(DER)).hexdigest(), check=True).json()
    tap.equal(shown["state"], "revoked", "as revoked")
    d = mdm.Device.__new__(mdm.Device)
    d.client, d.kind, d.id, d.key, d.der = lab.client(), "Full", device, key, cert.public_bytes(DER)
    a = d.renew()
    tap.equal((a.certificate(), a.error_type), (None, "NotEligibleToRenew"), "and its device does not renew")


def refusals(lab):
    stranger = Ca("Somebody else's CA")
    good = old_certificate(lab.old, "GOOD")
    rows = [(record(old_certificate(stranger, "S"), "S"), "import-issuer"), ({"principal": USER, "device_id": "X", "certificate": "AAAA"}, None),
            ({"principal": USER, "certificate": record(good, "G")["certificate"]}, "import-member"), (record(good, "GOOD", colour="red"), "import-member"),
            (record(good, "GOOD", type="both"), "import-type"), (record(good, "GOOD", ent_dmid="x"), "import-ent-dmid"),
            (record(good, "GOOD", revoked_at="yesterday"), "import-revoked"), (record(good, "GOOD", reason="keyCompromise"), "import-revoked"),
            (record(lab.old.certificate, "CA"), "import-ca"), (record(good, "GOOD"), "imported")]
    r = lab.load([row for row, _ in rows])
    tap.equal((r.status, r.json()["imported"], r.json()["refused"]), (1, 1, len(rows) - 1), "what is wrong is refused, what is right imported") or tap.diag(r)
    for i, (_, reason) in enumerate(rows):
        if reason != "imported":
            told = [line for line in r.err.splitlines() if line.startswith(f"line {i + 1}: ")]
            tap.ok(told and (reason is None or f"({reason})" in told[0]), f"line {i + 1}: {reason}", r.err)
    r = lab.load([record(good, "ANOTHER")])
    tap.ok(r.status == 1 and "(import-differs)" in r.err, "the same certificate as another device's is refused", r)
    wild = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "ada@lab.example")])) \
        .issuer_name(lab.old.name).public_key(KEY.public_key()).serial_number(4711).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY) \
        .sign(lab.old.key, hashes.SHA256())
    r = lab.load([record(wild, "WILD")])
    tap.ok(r.status == 1 and "(import-names)" in r.err, "names that cannot be kept are not dropped silently", r)
    r = lab.load([record(wild, "WILD")], "--names", "principal")
    tap.equal(r.status, 0, "but the principal can take their place") or tap.diag(r)
    for words, code in ((("device", "/nonexistent"), 2), (("nothing", os.path.join(lab.dir, "list.jsonl")), 1)):
        tap.equal(lab.ctl("cert", "import", *words).status, code, f"cert import {words[0]}: exit {code}")
    write_text(os.path.join(lab.dir, "broken.jsonl"), "{\n")
    tap.ok("line 1" in lab.ctl("cert", "import", "device", os.path.join(lab.dir, "broken.jsonl")).err, "a broken list is told with its line")


def from_csv(lab):
    """A list as a spreadsheet writes it, certificates in files beside it, as PEM and DER."""
    folder = os.path.join(lab.dir, "csv")
    os.makedirs(folder)
    path = os.path.join(folder, "estate.csv")
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f)
        w.writerow(["file", "device_id", "principal", "device_name", "type"])
        for i, encoding in enumerate((DER, serialization.Encoding.PEM)):
            cert = old_certificate(lab.old, f"CSV-{i}")
            with open(os.path.join(folder, f"{i}.crt"), "wb") as out:
                out.write(cert.public_bytes(encoding))
            w.writerow([f"{i}.crt", f"CSV-{i}", USER, 'Ada\'s "old", PC', ""])
        w.writerow(["absent.crt", "CSV-9", USER, "", "full"])
    r = lab.ctl("--json", "cert", "import", "device", path)
    tap.equal((r.status, r.json()["imported"], r.json()["refused"]), (1, 2, 1), "CSV with files") or tap.diag(r)
    tap.ok("absent.crt" in r.err and "line 4" in r.err, "a file that is not there is told", r.err)
    name = ledgerdb.rows(lab.ledger, "SELECT device_name FROM request WHERE device_id = 'CSV-0'")
    tap.equal(name, [('Ada\'s "old", PC',)], "quotes and commas arrive")


def resumed(lab, n=400):
    """Killed in the middle and started again: each is there once, and the figures say so."""
    certs = [(old_certificate(lab.old, f"R-{i}"), f"R-{i}") for i in range(n)]
    path = os.path.join(lab.dir, "many.jsonl")
    write_text(path, "".join(json.dumps(record(c, d)) + "\n" for c, d in certs[:n // 2]) + '{"broken\n' + "".join(json.dumps(record(c, d)) + "\n" for c, d in certs))
    r = lab.ctl("--json", "cert", "import", "device", path)
    tap.ok(r.status == 2 and f"line {n // 2 + 1}" in r.err, "it stops at a broken line", r.err)
    done = r.json()["imported"]
    lab.restart()
    write_text(path, "".join(json.dumps(record(c, d)) + "\n" for c, d in certs))
    start = time.monotonic()
    r = lab.ctl("--json", "cert", "import", "device", path)
    tap.equal((r.status, r.json()["imported"] + r.json()["present"], r.json()["present"]), (0, n, done), "and goes on where it was") or tap.diag(r)
    tap.diag(f"{n - done} certificates in {time.monotonic() - start:.1f} s")
    rows = ledgerdb.rows(lab.ledger, "SELECT count(*), count(DISTINCT sha256) FROM certificate WHERE device_id LIKE 'R-%'")
    tap.equal(rows, [(n, n)], "each is there once")
    tap.equal(lab.ctl("status").status, 0, "the daemon is well")


def old_crl(ca, number, serials):
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.name).last_update(NOW - DAY).next_update(NOW + 6 * DAY) \
        .add_extension(x509.CRLNumber(number), False) \
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), False)
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 5 * DAY)
                                                  .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False).build())
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(DER)


def key_comes_along():
    """The old CA's key in the token, said to be not made there; its revocation list goes on with the next number."""
    for kind in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        with MdmLab(start=False) as lab:
            ca = Ca("Old MDM CA")
            ca.key = kind
            ca.certificate = ca._sign(ca.name, ca.key.public_key(), [  # pylint: disable=protected-access
                (x509.BasicConstraints(True, None), True), (x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key()), False),
                (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)], NOW - 900 * DAY, NOW + 900 * DAY)
            write_text(os.path.join(lab.etc, "old.pem"), ca.pem())
            key = os.path.join(lab.dir, "old.key")
            write_text(key, ca.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
            with open(lab.config, encoding="utf-8") as f:
                module = next(line.split(":", 1)[1].strip().strip("'") for line in f if "module:" in line)
            uri = "pkcs11:token=pkienroll-lab;object=old-ca"
            common = ["--module", module, "--uri", uri, "--pin-file", os.path.join(lab.etc, "pin")]
            r = lab.run([KEYTOOL, "import-key", *common, "--in", key])
            tap.ok(r.status == 1 and "CKA_LOCAL" in r.out + r.err, "the token says that the key was not made there", r)
            r = lab.run([KEYTOOL, "import-key", *common, "--allow-weak", "--in", key])
            tap.ok(r.status == 1 and "already holds" in r.err, "the same name twice is refused", r)
            r = lab.run([KEYTOOL, "check", *common, "--allow-weak", "--certificate", os.path.join(lab.etc, "old.pem")])
            tap.equal(r.status, 0, f"the imported {type(kind).__name__} signs what the certificate verifies") or tap.diag(r)
            publish = os.path.join(lab.dir, "state", "publish")
            os.makedirs(publish, exist_ok=True)
            with open(os.path.join(publish, "old.crl"), "wb") as f:
                f.write(old_crl(ca, 41, [4711, 4712]))
            for option, value in {"backend": "pkcs11", "module": module, "uri": f"'{uri}'", "pin-file": "pin", "allow-weak-key": "yes"}.items():
                lab.set_option(("keys", "old-ca", option), value)
            lab.set_option(("issuers", "old", "certificate"), "old.pem")
            lab.set_option(("issuers", "old", "key"), "old-ca")
            lab.set_option(("templates", "device", "issuer"), "old")
            lab.start()
            lab.add_user(USER)
            with open(os.path.join(publish, "old.crl"), "rb") as f:
                end, crl = time.monotonic() + 30, x509.load_der_x509_crl(f.read())
            while crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number <= 41 and time.monotonic() < end:
                time.sleep(0.05)
                with open(os.path.join(publish, "old.crl"), "rb") as f:
                    crl = x509.load_der_x509_crl(f.read())
            tap.equal(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number, 42, "the revocation list goes on with the next number")
            kept = {r.serial_number: r.extensions.get_extension_for_class(x509.CRLReason).value.reason for r in crl}
            tap.equal(kept, {4711: x509.ReasonFlags.key_compromise, 4712: x509.ReasonFlags.key_compromise}, "what was revoked stays revoked, and why")
            tap.ok(crl.is_signature_valid(ca.key.public_key()), "signed by the key in the token")
            a = lab.issue()
            cert = x509.load_der_x509_certificate(a.certificate()) if a.certificate() else None
            tap.ok(cert and cert.issuer == ca.name, "and it issues", a.describe())


def main():
    with TakeoverLab() as lab:
        tap.run(*[lambda f=f: f(lab) for f in (legacy_issuer, import_and_renew, revoked_before, refusals, from_csv, resumed)], key_comes_along)


if __name__ == "__main__":
    main()
