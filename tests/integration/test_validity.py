# SPDX-License-Identifier: Apache-2.0
"""Attacks A33 with a real daemon: no certificate begins before its CA or outlives it, whatever the template says."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
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


def main():
    if lab_module.missing():
        tap.skip("validity", f"{lab_module.missing()} is not installed")
        return
    a33_not_older_and_not_longer_than_the_ca()


tap.run(main)
