# SPDX-License-Identifier: Apache-2.0
"""Reloads that change crl-urls and ca-issuers-urls while clients enroll with a slow key: what was built before and waits
for the key is signed after, and nobody is refused."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "lib"))
import load as load_module  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from mdmlab import MdmLab, free_port  # noqa: E402
from p11double import P11Double  # noqa: E402

ROUNDS = 4
LAB = None


def place(n):
    return f"http://pki-{n}.lab.example/lab"


def configure(n):
    LAB.set_option(("issuers", "lab", "crl-urls"), f"['{place(n)}.crl']")
    LAB.set_option(("issuers", "lab", "ca-issuers-urls"), f"['{place(n)}.crt']")


def addresses(der):
    ext = x509.load_der_x509_certificate(der).extensions
    cdp = ext.get_extension_for_class(x509.CRLDistributionPoints).value
    aia = ext.get_extension_for_class(x509.AuthorityInformationAccess).value
    return [n.value for p in cdp for n in p.full_name] + [d.access_location.value for d in aia]


def reloads_under_load():
    with load_module.Load(LAB, workers=6) as load:
        tap.ok(load.wait_for(6), "clients enroll")
        for n in range(1, ROUNDS + 1):
            configure(n)
            LAB.ctl("reload", check=True)
            tap.ok(load.wait_for(12), f"and after reload {n}")
    bad = [str(e) for e in load.lost] + [a.describe() for a in load.faults] + load.wrong
    tap.ok(not bad, "nobody was refused, nobody waited in vain", (len(bad), bad[:2]))
    found = [addresses(der) for _, der in load.acknowledged]
    known = [[f"{place(n)}.crl", f"{place(n)}.crt"] for n in range(ROUNDS + 1)]
    tap.ok(all(f in known for f in found), "each certificate has the addresses of one configuration", found[:3])
    tap.equal(found[-1:], known[ROUNDS:], "the last one those of the last")
    tap.ok("refused to sign" not in LAB.read_log(), "the key refused nothing")


def main():
    global LAB  # pylint: disable=global-statement
    with MdmLab({("listeners", "main", "port"): free_port(), ("issuers", "lab", "crl-lifetime"): "0s"}, start=False) as LAB:
        configure(0)
        hsm = P11Double(LAB)
        LAB.start()
        LAB.add_user("ada@lab.example")
        hsm.steer("C_Sign delay=60")
        reloads_under_load()


tap.run(main)
