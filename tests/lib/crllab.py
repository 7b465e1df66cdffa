# SPDX-License-Identifier: Apache-2.0
"""A lab for revocation lists: what is published, read by openssl and python3-cryptography, and many revocations at once
in its ledger."""
import hashlib
import os
import sqlite3
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from mdmlab import MdmLab

REASON = x509.ReasonFlags


class CrlLab(MdmLab):
    """lab.crl() is the published full list, lab.crl("delta") its delta."""

    @property
    def publish(self):
        return os.path.join(self.dir, "state", "publish")

    def file(self, name):
        return os.path.join(self.publish, name)

    def crl(self, kind=""):
        """The published list, parsed; None when there is none."""
        try:
            with open(self.file("lab-delta.crl" if kind else "lab.crl"), "rb") as f:
                return x509.load_der_x509_crl(f.read())
        except FileNotFoundError:
            return None

    def number(self, kind=""):
        crl = self.crl(kind)
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number if crl is not None else 0

    def wait_crl(self, condition, kind="", timeout=40):
        """Poll until the published list fits @p condition; it, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            crl = self.crl(kind)
            if crl is not None and condition(crl):
                return crl
            time.sleep(0.02)
        return None

    def has(self, serial, kind=""):
        """A condition: this serial is on the list."""
        return lambda crl: crl.get_revoked_certificate_by_serial_number(serial) is not None

    def wait_show(self, condition, timeout=40):
        """Poll `crl show lab` until it fits; it, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            r = self.ctl("--json", "crl", "show", "lab")
            if r.status == 0 and condition(r.json()):
                return r.json()
            time.sleep(0.02)
        return None

    def openssl_verify(self, name="lab.crl.pem"):
        """What openssl says of a published PEM list under the CA certificate."""
        return self.run(["openssl", "crl", "-in", self.file(name), "-noout", "-CAfile", self.ca])

    def revoke(self, serial, *how):
        return self.ctl("--json", "cert", "revoke", f"{serial:x}", *how, check=True)

    def kill(self):
        """The whole daemon at once, as a power cut does it."""
        self.stop(how=9)

    def wait_first(self, timeout=40):
        """Until the first list is in the folder: its DER comes last."""
        deadline = time.monotonic() + timeout
        while not os.path.exists(self.file("lab.crl")) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.crl() is not None and self.wait_show(lambda c: c["number"] > 0)


def serial_of(der):
    return x509.load_der_x509_certificate(der).serial_number


def issuer_id(issuer_der):
    """As the ledger names an issuer: by subject and key, whatever the certificate."""
    ca = x509.load_der_x509_certificate(issuer_der)
    key = ca.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(ca.subject.public_bytes() + key).digest()[:20]


def add_revoked(ledger, issuer_der, count, reason=1):
    """Put @p count revoked certificates into the ledger of a daemon that does not run, without the certificates."""
    issuer, now = issuer_id(issuer_der), int(time.time())
    db = sqlite3.connect(ledger)
    try:
        first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM request").fetchone()[0]
        change = db.execute("SELECT coalesce(max(change), 0) + 1 FROM revocation").fetchone()[0]
        # the tables' triggers count; only what a revocation list needs is filled in with care
        db.executemany("INSERT INTO request (id, request_id, state, tenant, principal, received_at, finished_at, idempotency_key)"
                       " VALUES (?, ?, 'issued', 'default', 'bulk@lab.example', ?, ?, ?)",
                       ((i, f"bulk-{i}", now * 1000, now * 1000, hashlib.sha256(b"%d" % i).digest())
                        for i in range(first, first + count)))
        serials = [b"\x40" + hashlib.sha256(b"serial %d" % i).digest()[:15] for i in range(first, first + count)]
        db.executemany("INSERT INTO certificate (request, issuer_id, serial, tbs, spki_sha256, subject, not_before, not_after,"
                       " tenant, principal, revoked_at) VALUES (?, ?, ?, x'3000', ?, 'CN=bulk', ?, ?, 'default',"
                       " 'bulk@lab.example', ?)",
                       ((first + k, issuer, s, hashlib.sha256(s).digest(), now, now + 86400 * 365, now * 1000)
                        for k, s in enumerate(serials)))
        db.executemany("INSERT INTO revocation (request, issuer_id, serial, not_after, change, reason, revoked_at, revoked_by,"
                       " changed_at, audit) VALUES (?, ?, ?, ?, ?, ?, ?, 'bulk', ?, 1)",
                       ((first + k, issuer, s, now + 86400 * 365, change + k, reason, now * 1000, now * 1000)
                        for k, s in enumerate(serials)))
        db.commit()
    finally:
        db.close()
    return [int.from_bytes(s, "big") for s in serials]
