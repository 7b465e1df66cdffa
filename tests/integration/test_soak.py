# SPDX-License-Identifier: Apache-2.0
"""A short run of bench/soak-keystore and of bench/keystore: the long ones are made by hand (doc/reliability.md)."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
# pylint: disable=wrong-import-position
import lab as labs  # noqa: E402
import swtpm  # noqa: E402
import tap  # noqa: E402

BENCH = os.path.join(labs.TOP, "bench")


def run(name, *args, **env):
    return subprocess.run([sys.executable, "-B", os.path.join(BENCH, name), *args], capture_output=True, text=True, check=False,
                          timeout=600, env=dict(os.environ, **env))


def soak(*args, count=300):
    done = run("soak-keystore", "--count", str(count), *args)
    verdict = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    tap.ok(done.returncode == 0 and verdict.get("signed") == count and verdict["verified"] == count // 100 and
           verdict["fds"] == verdict["fds_first"] and not verdict["wrong"], f"{count} signatures: {' '.join(args)}",
           done.stdout + done.stderr)
    return verdict


def soak_pkcs11():
    soak("--backend", "pkcs11", count=1000)


def soak_tpm():
    if labs.no_tpm() or swtpm.missing():
        tap.skip("soak of a TPM", labs.no_tpm() or f"{swtpm.missing()} is not installed")
        return
    for session, count in (("password", 600), ("salted", 200)):
        verdict = soak("--backend", "tpm2", "--session", session, count=count)
        tap.ok(verdict.get("handles") and all(o <= 1 and 1 <= s <= 2 for o, s in verdict["handles"]),
               f"{session}: never more than one object and one session of ours in the TPM", verdict)


def soak_beside_an_idle_session():
    if labs.no_tpm() or not shutil.which("tpm2-abrmd") or not shutil.which("dbus-daemon"):
        tap.skip("soak beside an idle session", "needs swtpm, tpm2-abrmd and dbus")
        return
    soak("--backend", "tpm2", "--session", "salted", "--manager", "abrmd", count=100)


def bench_keystore():
    """Every way signs; figures of this build say nothing."""
    if labs.no_tpm():
        tap.skip("bench/keystore", labs.no_tpm())
        return
    with tempfile.TemporaryDirectory() as folder:
        svg = os.path.join(folder, "x.svg")
        done = run("keystore", "--rounds", "1", "--scale", "0.02", "--allow-sanitized", "--key", "RSA-2048", "--key", "P-256",
                   "--key", "RSA-2048 PSS", "--key", "Ed25519", "--svg", svg,
                   ASAN_OPTIONS="detect_leaks=0")  # SoftHSM loses the name of the curve with each Ed25519 signature
        rows = [line.split()[0] for line in done.stdout.splitlines()[1:]]
        tap.equal((done.returncode, rows.count("pkcs11"), rows.count("tpm2-password"), rows.count("tpm2-salted")), (0, 4, 3, 3),
                  "bench/keystore has a row for each kind of key") or tap.diag(done.stdout + done.stderr)
        tap.ok(os.path.exists(svg) and os.path.getsize(svg) > 1000, "and a plot")


def main():
    if labs.missing():
        print(f"1..0 # SKIP {labs.missing()} is not installed")
        return
    tap.run(soak_pkcs11, soak_tpm, soak_beside_an_idle_session, bench_keystore)


if __name__ == "__main__":
    main()
