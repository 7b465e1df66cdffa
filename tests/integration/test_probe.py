# SPDX-License-Identifier: Apache-2.0
"""pkienroll-probe against the real daemon: both enrollment types, a refusal, and what the probe leaves behind."""
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import lab as labs  # noqa: E402
import tap  # noqa: E402

ARTEFACTS = ["device-id", "key.pem", "request.csr", "getpolicies.request.xml", "getpolicies.response.xml",
             "rst.request.xml", "rst.response.xml", "provisioning.xml", "certificate.pem", "chain.pem", "verdict.json"]
LAB = None


def read(result, name):
    with open(os.path.join(result.folder, name), "rb") as f:
        return f.read()


def failed_checks(verdict):
    return [c for c in verdict["checks"] if not c["ok"]]


def check_artefacts(result, kind):
    for name in ARTEFACTS:
        path = os.path.join(result.folder, name)
        if tap.ok(os.path.isfile(path) and os.path.getsize(path) > 0, f"{kind}: artefact {name}"):
            tap.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"{kind}: {name} is for its owner alone")
    with open(LAB.password_file, "rb") as f:
        password = f.read().strip()
    everything = b"".join(read(result, name) for name in ARTEFACTS)
    tap.ok(password not in everything, f"{kind}: the password is in no artefact")


def check_openssl(result, kind):
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-auth_level", "2", "-purpose", "sslclient", "-CAfile",
                           LAB.ca, os.path.join(result.folder, "certificate.pem")], capture_output=True, check=False)
    tap.ok(done.returncode == 0, f"{kind}: openssl verify -x509_strict -auth_level 2 -purpose sslclient",
           (done.stdout + done.stderr).decode())


def enroll(kind, store, subject):
    result = LAB.probe("--type", kind, out=kind)
    tap.equal(result.status, 0, f"{kind}: enrolls") or tap.diag(result)
    if not tap.ok(result.verdict and result.verdict["ok"], f"{kind}: the verdict is good"):
        tap.diag(LAB.log_tail())
        return
    tap.equal(failed_checks(result.verdict), [], f"{kind}: no check failed")
    facts = result.verdict["facts"]
    for name in ("template", "ca-address", "certificate-serial", "certificate-not-after", "management-address",
                 "provider-id", "ent-dmid", "poll", "renew"):
        tap.ok(facts.get(name), f"{kind}: the verdict tells {name}")
    tap.equal(facts.get("certificate-store"), store, f"{kind}: certificate store")
    wanted = subject or f"CN={facts['device-id']}"
    tap.equal(facts.get("certificate-subject"), wanted, f"{kind}: subject from the identity")
    check_artefacts(result, kind)
    check_openssl(result, kind)


def test_full():
    enroll("full", "My/User", f"CN={labs.USER}")


def test_device():
    enroll("device", "My/System", None)


def test_csr_shapes():
    for shape in ("utf8", "printable", "nul"):
        result = LAB.probe("--csr-shape", shape)
        tap.equal(result.status, 0, f"CSR shape {shape} is accepted") or tap.diag(result)


def test_wrong_password():
    result = LAB.probe("--json", password="not the password")
    tap.equal(result.status, 1, "a wrong password ends with status 1")
    said = result.json()
    tap.equal(said, result.verdict, "--json prints what verdict.json has")
    fault = said.get("fault", {})
    tap.equal(fault.get("subcode"), "s:Authentication", "a wrong password is s:Authentication")
    tap.equal(fault.get("hresult"), "0x80180002", "which Windows shows as 0x80180002")
    tap.equal(fault.get("symbol"), "MENROLL_E_DEVICE_AUTHENTICATION_ERROR", "and names")
    tap.equal(fault.get("step"), "policy", "at GetPolicies")
    tap.ok(fault.get("trace_id"), "the fault has a TraceId")
    tap.equal([c["check"] for c in failed_checks(said)], ["accepted"], "the fault itself is well made")


def test_without_policy():
    result = LAB.probe(policy=False)
    tap.equal(result.status, 0, "RST without a GetPolicies before it") or tap.diag(result)


def test_repeat():
    first = LAB.probe()
    again = LAB.probe("--repeat-csr", os.path.join(first.folder, "request.csr"), "--key",
                      os.path.join(first.folder, "key.pem"))
    tap.equal(again.status, 0, "the same CSR again is answered") or tap.diag(again)
    tap.equal(read(again, "certificate.pem"), read(first, "certificate.pem"), "with the same certificate")
    tap.equal(read(again, "request.csr"), read(first, "request.csr"), "and was sent byte for byte")


def test_trust():
    done = LAB.run([labs.PROBE, "--policy-url", LAB.policy_url, "--enroll-url", LAB.enroll_url, "--user", labs.USER,
                    "--password-file", LAB.password_file, "--ca-file", LAB.ca, "--out",
                    os.path.join(LAB.dir, "untrusted")])
    tap.equal(done.status, 1, "a TLS certificate of another root is refused")
    tap.ok("FAIL tls" in done.out, "and said to be the reason", done)


def test_unreachable():
    url, free = LAB.policy_url, "https://127.0.0.1:1/"
    done = LAB.run([labs.PROBE, "--policy-url", free, "--enroll-url", url, "--user", labs.USER, "--password-file",
                    LAB.password_file, "--out", os.path.join(LAB.dir, "unreachable")])
    tap.equal(done.status, 69, "an unreachable server ends with status 69")


def test_usage():
    for args in ([], ["--policy-url", "http://x/", "--enroll-url", "https://x/", "--user", "a", "--password", "b"],
                 ["--nonsense"], ["--type", "lite"], ["--device-id", "12"]):
        done = LAB.run([labs.PROBE, *args])
        tap.equal(done.status, 2, f"wrong usage ends with status 2: {' '.join(args)}")


def test_stop():
    tap.equal(LAB.stop(), 0, "the daemon ends with status 0 on SIGTERM") or tap.diag(LAB.log_tail())


def main():
    global LAB
    if labs.missing():
        tap.skip("probe", f"{labs.missing()} is not installed")
        tap.run()
    with labs.Lab() as LAB:
        tap.run(test_full, test_device, test_csr_shapes, test_wrong_password, test_without_policy, test_repeat,
                test_trust, test_unreachable, test_usage, test_stop)


if __name__ == "__main__":
    main()
