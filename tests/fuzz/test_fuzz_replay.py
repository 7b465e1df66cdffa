# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target over its seeds; with --seconds N, each target N seconds of libFuzzer from there (`make fuzz`)."""
import argparse
import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("top_builddir") or os.getcwd()
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import tap  # noqa: E402 pylint: disable=wrong-import-position

os.environ["top_srcdir"] = TOP  # fuzz_tbs reads its CA below it
DATA = os.path.join(TOP, "tests", "data")


def write(folder, number, data):
    with open(os.path.join(folder, f"{number:03}"), "wb") as f:
        f.write(data)


def contexts(_, folder):
    """What stands in the AdditionalContext of the requests."""
    for i, path in enumerate(sorted(glob.glob(os.path.join(DATA, "mdm", "*rst-*.req.xml")))):
        with open(path, "rb") as f:
            found = re.search(rb"<ac:AdditionalContext[^>]*>(.*)</ac:AdditionalContext>", f.read(), re.S)
        if found:
            write(folder, i, found[1])


def to_be_signed(target, folder):
    """The first element of the certificates, good and bad; and what the floor lets through."""
    made(target, folder)
    for i, path in enumerate(sorted(glob.glob(os.path.join(DATA, "cert", "*.der")))):
        with open(path, "rb") as f:
            der = f.read()
        if der[:2] == b"\x30\x82" and der[4:6] == b"\x30\x82":
            write(folder, i, der[4:8 + int.from_bytes(der[6:8], "big")])


def attestations(_, folder):
    """Evidence of a TPM (tests/data/attest) as one input, and a payload of Azure Attestation about its key."""
    def part(name):
        with open(os.path.join(DATA, "attest", name), "rb") as f:
            data = f.read()
        return len(data).to_bytes(2, "big") + data

    number = 0
    for claim in sorted(glob.glob(os.path.join(DATA, "attest", "*.claim"))):
        for pub, cert in (("aik.bcrypt", "aik.der"), ("aik.tpm2b", "aik-sub.der"), ("ecc.tpm2b", "ecc.der"),
                          ("aik.spki", "pss.der")):
            write(folder, number, part(os.path.basename(claim)) + part(pub) + part(cert))
            number += 1
    bcrypt = part("aik.bcrypt")[2:]
    jwk = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(bcrypt[27:]).decode().rstrip("=")}
    write(folder, number, json.dumps({"iss": "https://lab.attest.example", "exp": 1782000600, "nbf": 1781999400,
                                      "iat": 1781999400, "x-ms-attestation-type": "tpm", "aikValidated": True,
                                      "x-ms-runtime": {"keys": [jwk]}, "cnf": {"jwk": jwk}}).encode())


def made(target, folder):
    subprocess.run([program("write_seeds"), target, folder], check=True)


SEEDS = {  # patterns below tests/, or the function that writes them into a folder
    "soap": ["data/mdm/*.xml"],
    "xcep": ["data/mdm/*getpolicies*.req.xml"],
    "wstep": ["data/mdm/*rst-*.req.xml"],
    "xmlsig": ["data/mdm/*certificate.req.xml", "data/mdm/*rst-issue*.req.xml"],
    "context": contexts,
    "csr": ["data/csr/*.csr", "data/csr-asked/*.csr", "data/probe/*.csr"],
    "tpmkey": ["data/tpmkey/*.tss2", "data/tpmkey/*.der"],
    "tbs": to_be_signed,
    "crl": made,
    "cms": ["data/cms/*.p7", "data/mdm/pki/*.p7.der"],
    "cert": ["data/cert/*.der", "data/mdm/pki/d*.der", "data/cms/*.der"],
    "conf": ["data/conf/*.yaml", "../dist/examples/*.yaml"],
    "http": made,
    "ipc": made,
    "assertion": made,
    "attest": attestations,
    "control": made,
    "userfile": made,
    "jws": made,
}
DICTIONARIES = {"soap": "xml", "xcep": "xml", "wstep": "xml", "xmlsig": "xml", "context": "xml", "http": "http", "control": "control",
                "userfile": "user"}
KEPT = os.path.join(DATA, "fuzz")  # TARGET-NAME: what no other test has, and what a target once failed on


def program(name):
    return os.path.join(BUILD, "tests", "fuzz", name)


def seeds(target, scratch):
    patterns = SEEDS[target]
    if callable(patterns):
        patterns(target, scratch)
        patterns = [os.path.join(scratch, "*")]
    else:
        patterns = [os.path.join(TOP, "tests", p) for p in patterns]
    found = [sorted(glob.glob(p)) for p in patterns]
    tap.ok(all(found), f"{target}: there are seeds", patterns)
    return sum(found, []) + sorted(glob.glob(os.path.join(KEPT, f"{target}-*")))


def replay(target):
    with tempfile.TemporaryDirectory() as scratch:
        files = seeds(target, scratch)
        done = subprocess.run([program(f"fuzz_{target}"), *files], capture_output=True, text=True, errors="replace",
                              cwd=scratch, timeout=300, check=False)
        ran = sum(line.startswith("Running: ") for line in done.stderr.splitlines())
        tap.ok(done.returncode == 0 and ran == len(files), f"{target}: {len(files)} seeds",
               f"status {done.returncode}, {ran} ran\n" + "\n".join(done.stderr.splitlines()[-30:]))


def kept_belong():
    wrong = [k for k in os.listdir(KEPT) if k.split("-")[0] not in SEEDS]
    tap.equal(wrong, [], "every kept input has its target")


def fuzz(target, seconds):
    """The corpus stays in the build folder and grows from run to run; so does what is found."""
    corpus = os.path.join(BUILD, "fuzz", target)
    os.makedirs(corpus, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={corpus}-"]
    if target in DICTIONARIES:
        options.append(f"-dict={os.path.join(TOP, 'tests', 'fuzz', DICTIONARIES[target])}.dict")
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as start:
        for i, path in enumerate(seeds(target, scratch)):
            shutil.copy(path, os.path.join(start, f"{i:04}"))
        status = subprocess.run([program(f"fuzz_{target}"), *options, corpus, start], check=False).returncode
    tap.ok(status == 0, f"{target}: {seconds} s of libFuzzer", f"see {corpus}-*")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, help="fuzz instead of replaying the seeds")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(SEEDS)}; all of them")
    args = parser.parse_args()
    tap.run(kept_belong, *[(lambda t=t: fuzz(t, args.seconds)) if args.seconds else (lambda t=t: replay(t))
                           for t in args.targets or SEEDS])


if __name__ == "__main__":
    main()
