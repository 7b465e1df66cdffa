# SPDX-License-Identifier: Apache-2.0
"""pkienroll-probe renews and recovers at the real daemon, as a device does in its life: automatic and by hand, a repetition,
a refusal, and twenty renewals in a row of a certificate that lives ten minutes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab as labs  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402

SHORT = {("templates", "device", "validity"): "10m", ("templates", "device", "renewal-period"): "5m",
         ("templates", "device", "backdate"): "1m", ("provisioning", "lab", "renew-period"): "0",
         ("templates", "device", "recovery"): "yes"}
RENEWALS = 20
LAB = None


def again(command, folder, *args, credential=False, out=None):
    """A command that needs an earlier run; only the folder is told, and the credential when there is to be one."""
    who = ["--user", labs.USER, "--password-file", LAB.password_file] if credential else []
    result = LAB.run([labs.PROBE, command, "--in", folder, *who, "--out", out or folder, "--json", *args])
    result.folder = out or folder
    result.verdict = result.json() if result.out else None
    return result


def cert_of(result):
    with open(os.path.join(result.folder, "certificate.pem"), "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


def failed(result):
    return [c["check"] for c in (result.verdict or {"checks": []})["checks"] if not c["ok"]]


def enrolled(*args):
    result = LAB.probe(*args)
    if not tap.equal((result.status, failed(result)), (0, []), f"enrolls {' '.join(args)}"):
        tap.diag(f"{result}\n{LAB.log_tail()}")
    return result


def good(result, name):
    if not tap.equal((result.status, failed(result)), (0, []), name):
        tap.diag(f"{result}\n{LAB.log_tail()}")
    return result


def shown(cert):
    """The ledger's row of a certificate."""
    serial = format(cert.serial_number, "x")
    return LAB.ctl("--json", "cert", "show", serial, check=True).json()


def test_renew():
    for kind in ("full", "device"):
        first = enrolled("--type", kind)
        old = cert_of(first)
        second = good(again("renew", first.folder), f"{kind}: an automatic renewal")
        new = cert_of(second)
        tap.ok(new.serial_number != old.serial_number and new.subject == old.subject, f"{kind}: another certificate")
        tap.equal((shown(old).get("state"), shown(new).get("state")), ("active", "unconfirmed"),
                  f"{kind}: both are valid until the new one is used")
        good(again("renew", second.folder, "--value-type", "enrollment"), f"{kind}: renewed once more, #PKCS7 of MS-WSTEP")


def test_manual():
    first = enrolled("--csr-shape", "nul")
    good(again("renew", first.folder, "--manual", credential=True), "a renewal by hand, with a credential")


def test_repeat():
    first = enrolled()
    good(again("renew", first.folder, "--repeat"), "the same CMS again gets the same certificate")


def test_refused():
    first = enrolled()
    before = cert_of(first)
    result = again("renew", first.folder, "--same-key")
    tap.equal(result.status, 1, "a renewal with the same key is refused")
    tap.ok(result.verdict.get("fault", {}).get("hresult"), "with a fault that Windows reads", result)
    tap.equal(failed(result), ["accepted"], "the fault itself is well made")
    other = again("renew", first.folder, "--context", "DeviceID=" + "0" * 32)
    tap.equal(other.verdict["fault"]["error_type"], "NotEligibleToRenew", "another DeviceID is not eligible")
    tap.equal(cert_of(first), before, "the folder has the certificate as before")
    good(again("renew", first.folder), "which can still be renewed")


def test_recover():
    first = enrolled("--type", "device")
    result = good(again("recover", first.folder, credential=True), "recovery of a device")
    good(again("renew", result.folder), "the recovered certificate can be renewed")


def test_soak():
    folder = os.path.join(LAB.dir, "soak")
    result = LAB.probe("soak", "--count", str(RENEWALS), "--json", out="soak")
    if not tap.equal((result.status, failed(result)), (0, []), f"soak --count {RENEWALS}"):
        tap.diag(f"{result}\n{LAB.log_tail()}")
    soak = result.verdict["soak"]
    tap.equal((soak["count"], soak["done"], soak["failed"]), (RENEWALS, RENEWALS, 0), "all renewals are good")
    tap.ok(0 < soak["median_ms"] <= soak["p95_ms"], "and timed")
    ends = LAB.run(["openssl", "x509", "-in", os.path.join(folder, "certificate.pem"), "-noout", "-checkend", "3600"])
    tap.equal(ends.status, 1, "of a certificate that lives minutes")
    good(again("soak", folder, "--count", "3"), "and three more from where it ended")


def test_tls():
    """renew-require-tls: the expiring certificate must be that of the connection."""
    first, other = enrolled(), enrolled()
    LAB.set_option(("listeners", "main", "client-cert"), "optional")
    LAB.set_option(("listeners", "main", "client-ca"), "ca.pem")
    LAB.set_option(("templates", "device", "renew-require-tls"), "yes")
    LAB.restart()
    for result in (first, other):
        result.urls = ["--policy-url", LAB.policy_url, "--enroll-url", LAB.enroll_url]  # the port is another now
    plain = again("renew", first.folder, *first.urls)
    tap.equal(plain.status, 1, "a renewal without a certificate on the connection is refused")
    tap.equal(plain.verdict.get("fault", {}).get("error_type"), "NotEligibleToRenew", "as not eligible") or tap.diag(plain)
    pair = ["--cert", os.path.join(other.folder, "certificate.pem"), "--key", os.path.join(other.folder, "key.pem")]
    wrong = again("renew", first.folder, *first.urls, *pair)
    tap.equal(wrong.verdict.get("fault", {}).get("error_type"), "NotEligibleToRenew", "another device's is not either")
    good(again("renew", first.folder, *first.urls, "--tls"), "renew --tls is accepted")
    good(again("soak", first.folder, *first.urls, "--tls", "--count", "3"), "and so are three in a row")


def test_stop():
    tap.equal(LAB.stop(), 0, "the daemon ends with status 0 on SIGTERM") or tap.diag(LAB.log_tail())


def main():
    global LAB
    if labs.missing():
        tap.skip("probe renewals", f"{labs.missing()} is not installed")
        tap.run()
    with labs.Lab(SHORT) as LAB:
        tap.run(test_renew, test_manual, test_repeat, test_refused, test_recover, test_soak, test_tls, test_stop)


if __name__ == "__main__":
    main()
