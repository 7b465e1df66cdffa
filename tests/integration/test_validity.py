# SPDX-License-Identifier: Apache-2.0
"""Attacks A33 with a real daemon: no certificate begins before its CA or outlives it, whatever the template says, and a CA that is over
certifies nothing."""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from mdmlab import MdmLab  # noqa: E402


def load(path):
    with open(path, "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


def a33_not_older_and_not_longer_than_the_ca():
    """A CA of this minute that ends in 30 days, a template for 365 with ten minutes back."""
    with MdmLab(start=False) as lab:
        lab.make_sub_ca(days=30)
        lab.start()
        lab.add_user(lab_module.USER)
        ca, a = load(lab.ca), lab.issue()
        if not tap.ok(a.certificate(), "a33 a CA that ends before the template says still issues", a.describe()):
            return
        cert = x509.load_der_x509_certificate(a.certificate())
        tap.equal(cert.not_valid_after, ca.not_valid_after, "a33 cut at the CA's end, to the second")
        tap.equal(cert.not_valid_before, ca.not_valid_before, "a33 and begun where the CA begins")


def ended_ca(lab):
    """The CA certificate of the lab once more, by the same name for the same key, over since yesterday."""
    lab.make_sub_ca()
    old, root_key, now = load(lab.ca), ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Lab Root above")])

    def make(subject, key, path_length, start, end):
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(key).serial_number(x509.random_serial_number())
        b = b.not_valid_before(now + datetime.timedelta(days=start)).not_valid_after(now + datetime.timedelta(days=end))
        b = b.add_extension(x509.BasicConstraints(True, path_length), True)
        b = b.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        return b.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    for path, pem in ((lab.root, make(name, root_key.public_key(), None, -40, 4000)),
                      (lab.ca, make(old.subject, old.public_key(), 0, -30, -1))):
        with open(path, "wb") as f:
            f.write(pem)
    lab.write_bundle()


def a33_a_ca_that_is_over():
    with MdmLab(start=False) as lab:
        ended_ca(lab)
        lab.start()
        lab.add_user(lab_module.USER)
        a, row = lab.issue(), {}
        if a.trace_id:
            row = lab.request_show(a.trace_id)
        tap.ok(a.status == 500 and a.certificate() is None, "a33 a CA that is over issues nothing", a.describe())
        tap.equal(((row or {}).get("error") or {}).get("reason"), "tbs-validity", "a33 and the record says why")


def main():
    if lab_module.missing():
        tap.skip("validity", f"{lab_module.missing()} is not installed")
        return
    a33_not_older_and_not_longer_than_the_ca()
    a33_a_ca_that_is_over()


tap.run(main)
