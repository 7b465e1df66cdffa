# SPDX-License-Identifier: Apache-2.0
"""A CA certificate is made again for the same name and key: it stays the same issuer (RFC 5280 5), so its revocation list
goes on where it was, and renewals bring the new certificate to the devices."""
import datetime
import itertools
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from crllab import CrlLab, issuer_id, serial_of  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from lab import USER, find_daemon  # noqa: E402


class Ceremony:
    """A root of its own, that signs the lab's CA certificate again and again."""

    def __init__(self, lab):
        self.lab, self.key = lab, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Lab Root above")])
        lab.make_sub_ca()
        with open(lab.ca, "rb") as f:
            self.ca = x509.load_pem_x509_certificate(f.read())

    def certificate(self, subject, key, path_length, begins):
        """@p begins: seconds from now."""
        now, authority = datetime.datetime.utcnow(), self.key.public_key()
        b = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
             .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(seconds=begins))
             .not_valid_after(now + datetime.timedelta(days=3000)))
        for extension, critical in ((x509.BasicConstraints(True, path_length), True),
                                    (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True),
                                    (x509.SubjectKeyIdentifier.from_public_key(key), False),
                                    (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), False)):
            b = b.add_extension(extension, critical)
        return b.sign(self.key, hashes.SHA256())

    def hold(self, begins, subject=None, key=None):
        """The CA certificate anew; its DER."""
        ca = self.certificate(subject or self.ca.subject, key or self.ca.public_key(), 0, begins)
        root = self.certificate(self.name, self.key.public_key(), None, -40 * 86400)
        for path, cert in ((self.lab.root, root), (self.lab.ca, ca)):
            with open(path, "wb") as f:
                f.write(cert.public_bytes(serialization.Encoding.PEM))
        self.lab.write_bundle()
        return ca.public_bytes(serialization.Encoding.DER)


def verifies(lab, device, revoked):
    """openssl's judgment over the chain with the published list."""
    leaf = os.path.join(lab.dir, "leaf.pem")
    with open(leaf, "wb") as f:
        f.write(x509.load_der_x509_certificate(device.der).public_bytes(serialization.Encoding.PEM))
    r = lab.run(["openssl", "verify", "-crl_check", "-CAfile", lab.root, "-untrusted", lab.ca, "-CRLfile", lab.file("lab.crl.pem"),
                 leaf])
    return ("certificate revoked" in r.out + r.err) if revoked else r.status == 0


def same_key_again():
    with CrlLab({("issuers", "lab", "crl-delay"): "0s"}, start=False) as lab:
        ceremony = Ceremony(lab)
        first = ceremony.hold(-30 * 86400)
        lab.start()
        lab.add_user(USER)
        lab.wait_first()
        before, old, later, after_restart = (mdm.Device(lab.client()) for _ in range(4))
        lab.revoke(serial_of(before.der))
        lab.wait_crl(lab.has(serial_of(before.der)))
        lab.wait_show(lambda c: c["entries"] == 1 and c["error"] is None)
        number = lab.number()

        second = ceremony.hold(-1)
        lab.ctl("reload", check=True)
        shown = lab.ctl("--json", "issuer", "show", "lab", check=True).json()
        tap.equal(shown["id"], issuer_id(second).hex(), "the reload takes it, as the same issuer")
        tap.equal(issuer_id(first), issuer_id(second), "whose name and key are what they were")
        lab.revoke(serial_of(old.der))
        crl = lab.wait_crl(lab.has(serial_of(old.der)))
        tap.ok(crl is not None, "a certificate from before is revoked afterwards", lab.log_tail())
        tap.ok(crl is not None and lab.has(serial_of(before.der))(crl), "who was revoked before stays on the list")
        lab.wait_show(lambda c: c["entries"] == 2 and c["error"] is None)
        tap.equal(lab.number(), number + 1, "the numbers go on")
        tap.ok(lab.openssl_verify().status == 0, "openssl verifies the list under the new certificate", lab.openssl_verify())

        answer = later.renew()
        tap.equal(mdm.stores(answer).get("CA/System"), {second}, "a renewal brings the new CA certificate")
        answer = later.renew()
        tap.equal(sorted(mdm.stores(answer)), ["My/User"], "the next one need not")

        lab.restart()
        lab.revoke(serial_of(after_restart.der))
        crl = lab.wait_crl(lab.has(serial_of(after_restart.der)))
        tap.ok(crl is not None and len(crl) == 3, "after a restart, too", lab.log_tail())
        lab.wait_show(lambda c: c["entries"] == 3 and c["error"] is None)
        for device, revoked, name in ((before, True, "revoked before the new certificate"), (old, True, "revoked after it"),
                                      (after_restart, True, "revoked after the restart"), (later, False, "never revoked"),
                                      (mdm.Device(lab.client()), False, "issued since")):
            tap.ok(verifies(lab, device, revoked), f"openssl verify -crl_check of the one {name}")
        tap.equal(ledgerdb.rows(lab.ledger, "SELECT DISTINCT issuer_id FROM certificate"), [(issuer_id(second),)],
                  "one issuer in the ledger")


def another_key_is_another_issuer():
    """A reload that brings another name in the same section is no new certificate of this issuer."""
    with CrlLab(start=False) as lab:
        ceremony = Ceremony(lab)
        ceremony.hold(-86400)
        lab.start()
        lab.add_user(USER)
        mdm.Device(lab.client())
        ceremony.hold(-1, subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Somebody else")]))
        r = lab.ctl("reload")
        tap.ok(r.status != 0 and "certificates of it are valid until" in r.err, "another name is another issuer: refused", r)


def section(text, name):
    """The first block of a section of the configuration: its head, its name, its lines, what follows."""
    head, _, rest = text.partition(f"\n{name}:\n")
    title, _, rest = rest.partition("\n")
    lines = "".join(itertools.takewhile(lambda line: line.startswith("    "), rest.splitlines(True)))
    return f"{head}\n{name}:\n", title, lines, rest


def one_issuer_in_two_sections():
    with CrlLab(start=False) as lab:
        Ceremony(lab).hold(-86400)
        with open(lab.config, encoding="utf-8") as f:
            head, key, lines, rest = section(f.read(), "keys")
        head, title, lines, rest = section(f"{head}  twin-key:\n{lines}{key}\n{rest}", "issuers")
        twin = re.sub(r"( key:) .*", r"\1 twin-key", lines)
        with open(lab.config, "w", encoding="utf-8") as f:
            f.write(f"{head}  twin:\n{twin}{title}\n{rest}")
        r = lab.run([find_daemon(), "--config", lab.config, "--check-config"])
        tap.ok(r.status != 0 and "have the same subject and key" in r.err, "two sections are refused", r)


def another_naming():
    """A ledger of a development version, which named issuers by the SHA-1 of their certificate, is not served."""
    with CrlLab() as lab:
        lab.wait_first()
        mdm.Device(lab.client())
        lab.stop()
        with open(lab.ca, "rb") as f:
            sha1 = x509.load_pem_x509_certificate(f.read()).fingerprint(hashes.SHA1())
        db = sqlite3.connect(lab.ledger)
        for table in ("certificate", "revocation", "crl"):
            db.execute(f"UPDATE {table} SET issuer_id = ?", (sha1,))
        db.commit()
        db.close()
        lab.launch()
        status = lab.process.wait(60)
        tap.ok(status == 78 and "development version" in lab.log_tail(), "the start is refused, with the reason", f"{status}\n{lab.log_tail(8)}")


tap.run(another_naming, same_key_again, another_key_is_another_issuer, one_issuer_in_two_sections)
