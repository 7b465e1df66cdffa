# SPDX-License-Identifier: Apache-2.0
"""A bulk-enrollment CA whose key the test holds, its credentials and revocation lists."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
BULK = "bulk@lab.example"
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
TODAY = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


class Ca:
    """A CA whose key the test holds."""

    def __init__(self, name="Bulk Enrollment CA", above=None):
        """Self-signed, or below the CA @p above."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (above or self)._sign(self.name, self.key.public_key(), [
            (x509.BasicConstraints(True, None), True),
            (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)], TODAY - 30 * DAY,
            TODAY + 300 * DAY)
        self.revoked = []

    def _sign(self, subject, public, extensions, begin, end):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end))
        for ext, critical in extensions:
            builder = builder.add_extension(ext, critical)
        return builder.sign(self.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(PEM).decode()

    def issue(self, cn=BULK, key=None, ekus=(CLIENT_AUTH,), ca=False, begin=None, end=None, san=None, signs=True, names=None,
              organization=None):
        """A credential: (certificate, key)"""
        key = key or rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n) for n in (names or [cn])] +
                            ([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []))
        ext = [(x509.BasicConstraints(ca, None), True),
               (x509.KeyUsage(signs, False, not signs, False, False, ca, False, False, False), True)]
        if ekus:
            ext.append((x509.ExtendedKeyUsage(list(ekus)), False))
        if san:
            ext.append((x509.SubjectAlternativeName(san), False))
        return self._sign(subject, key.public_key(), ext, begin or TODAY - DAY, end or TODAY + 30 * DAY), key

    def crl(self, end=None):
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(TODAY - DAY)
                   .next_update(end or TODAY + DAY))
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(TODAY - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()
