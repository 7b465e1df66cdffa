# SPDX-License-Identifier: Apache-2.0
"""pkienroll-keytool attest and attest-verify on real software TPMs: what the proof must say, and that no octet of it can be
changed. The attestation key is compared with what tpm2-tools make of the same template."""
import base64
import hashlib
import json
import os
import re
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import device as devices  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

NONCE = "00112233445566778899aabbccddeeff"
A = B = None  # two TPMs


def both(r):
    return f"rc={r.returncode}\n{r.stdout}{r.stderr}"


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def make(d, *args, out="bundle", key="ca", nonce=NONCE):
    r = d.keytool("attest", "--nonce", nonce, "--out", d.path(out), *args, key=key)
    tap.ok(r.returncode == 0, f"attest to {out}", both(r))
    found = re.search(r"^   ak\s+([0-9a-f]{68})$", r.stdout, re.M)
    return found.group(1) if found else "00" * 34


def verify(bundle, ak, certificate=None, nonce=NONCE, command=("attest-verify",)):
    argv = [devices.KEYTOOL, *command, "--bundle", bundle, "--certificate", certificate or A.path("ca.pem"), "--nonce", nonce, "--ak",
            ak]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TPM2")}
    return subprocess.run(argv, capture_output=True, text=True, env=env, check=False)


def failed(r):
    return set(re.findall(r"^FAIL (.{24})", r.stdout, re.M))


def names(r):
    return {n.strip() for n in failed(r)}


def setup():
    for d in (A, B):
        for r in (d.init(), d.keytool("generate", "--algorithm", "p256", "--creation", d.path("creation")),
                  d.keytool("self-sign", "--subject", "CN=Attested", "--out", d.path("ca.pem")),
                  d.keytool("generate", "--algorithm", "rsa-2048", key="rsa"),
                  d.keytool("self-sign", "--subject", "CN=Attested", "--out", d.path("rsa.pem"), key="rsa")):
            if r.returncode:
                tap.ok(False, "setup", both(r))


def proof():
    ak = make(A, "--creation", A.path("creation"))
    r = verify(A.path("bundle"), ak)
    tap.ok(r.returncode == 0 and "cannot leave it" in r.stdout and not failed(r), "the proof holds", both(r))
    for line in ["attestation key kind", "attestation key name", "CA key attributes", "CA key and certificate",
                 "certified: signature", "certified: nonce", "certified: name", "certified: signer", "creation: signature",
                 "creation: name", "creation: data"]:
        tap.ok(re.search(rf"^ok\s+{line}", r.stdout, re.M), f"a verdict on {line}", r.stdout)
    r = verify(A.path("bundle"), ak, command=("attest", "verify"))
    tap.equal(r.returncode, 0, "attest verify in two words")
    tap.equal(make(A, out="again"), ak, "the same TPM has the same attestation key")
    r = verify(A.path("again"), ak)
    tap.ok(r.returncode == 0 and "not in the bundle" in r.stdout, "a proof without creation", both(r))
    owner = make(A, "--ak-hierarchy", "owner", out="owner")
    tap.ok(owner != ak and verify(A.path("owner"), owner).returncode == 0, "an attestation key of the owner hierarchy")
    tap.equal(verify(A.path("owner"), ak).returncode, 1, "which is another key")
    rsa = make(A, out="rsa-bundle", key="rsa")
    r = verify(A.path("rsa-bundle"), rsa, A.path("rsa.pem"))
    tap.ok(r.returncode == 0, "an RSA key", both(r))
    tap.equal(A.tpm.assert_empty(), {}, "nothing was left in the TPM")


def tools_agree():
    """The attestation key that tpm2-tools make of the documented template has the same name."""
    ak = make(A, out="tools")
    A.tpm.tools("createprimary", "-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-c", "ak.ctx", "-a",
                "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign")
    out = A.tpm.tools("readpublic", "-c", "ak.ctx", "-f", "pem", "-o", "ak.pem").stdout
    name = re.search(r"name: ([0-9a-f]+)", out)
    tap.equal(name and name.group(1), ak, "tpm2_createprimary makes the same attestation key")


def nonce_and_strangers():
    ak = make(A, "--creation", A.path("creation"), "--force")
    r = verify(A.path("bundle"), ak, nonce="ff" + NONCE[2:])
    tap.equal(names(r), {"certified: nonce", "creation: nonce"}, "another nonce: exactly these two checks fail")
    other = make(B)
    r = verify(B.path("bundle"), ak, B.path("ca.pem"))
    tap.equal((r.returncode, names(r)), (1, {"attestation key name"}), "another TPM's proof: not that attestation key")
    r = verify(B.path("bundle"), ak)
    tap.equal(names(r), {"attestation key name", "CA key and certificate"}, "another TPM's proof for our certificate")
    r = verify(A.path("bundle"), ak, A.path("rsa.pem"))
    tap.equal(names(r), {"CA key and certificate"}, "a certificate of another key")
    tap.ok(other != ak, "two TPMs, two attestation keys")
    for what, args in {"nonce too short": dict(nonce="001122"), "nonce not hex": dict(nonce="zz" * 8)}.items():
        tap.equal(verify(A.path("bundle"), ak, **args).returncode, 2, f"{what}: wrong usage")
    tap.equal(verify(A.path("bundle"), ak[:-2]).returncode, 2, "an --ak that is too short: wrong usage")
    r = A.keytool("attest", "--nonce", NONCE, "--out", A.path("bundle"))
    tap.ok(r.returncode == 1 and "output-exists" in r.stderr, "a bundle that is there is kept", both(r))
    r = A.keytool("attest", "--nonce", NONCE, "--creation", B.path("creation"), "--out", A.path("foreign"))
    tap.ok(r.returncode == 1 and "CertifyCreation" in r.stderr and not os.path.exists(A.path("foreign")),
           "the creation data of another TPM", both(r))
    r = A.keytool("attest", "--nonce", NONCE, "--creation", A.path("ca.pem"), "--out", A.path("foreign"))
    tap.ok(r.returncode == 1 and "attest-creation" in r.stderr, "creation data that are none", both(r))


def blocks(text):
    return re.findall(r"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END", text, re.S)


def join(parts):
    out = ""
    for name, der in parts:
        body = base64.b64encode(der).decode()
        out += f"-----BEGIN {name}-----\n" + "".join(body[i:i + 64] + "\n" for i in range(0, len(body), 64)) + \
            f"-----END {name}-----\n"
    return out


def every_part():
    """Each part, several octets of it, each changed alone: always refused, and by a check, not by a crash."""
    ak = make(A, "--creation", A.path("creation"), out="flip")
    parts = [(n, base64.b64decode(b)) for n, b in blocks(read(A.path("flip")))]
    tap.equal([n for n, _ in parts], ["TPM ATTESTATION KEY", "TPM CA KEY", "TPM CERTIFY ATTEST", "TPM CERTIFY SIGNATURE",
                                      "TPM CREATION DATA", "TPM CREATION ATTEST", "TPM CREATION SIGNATURE"], "the parts")
    tap.equal(join(parts), read(A.path("flip")), "the file can be rebuilt octet by octet")
    changed = A.path("changed")
    for at, (name, der) in enumerate(parts):
        accepted = []
        crashed = []
        for i in sorted({0, 1, 2, 3, 4, 5, 6, 7, len(der) // 3, len(der) // 2, len(der) - 2, len(der) - 1}):
            bad = bytearray(der)
            bad[i] ^= 1
            with open(changed, "w", encoding="ascii") as f:
                f.write(join(parts[:at] + [(name, bytes(bad))] + parts[at + 1:]))
            r = verify(changed, ak)
            accepted += [i] if r.returncode == 0 else []
            crashed += [i] if r.returncode not in (0, 1) or r.stderr and "bundle" not in r.stderr else []
        tap.ok(not accepted and not crashed, f"{name}: every changed octet is refused", f"accepted {accepted} crashed {crashed}")
        for what, value in {"truncated": der[:-1], "longer": der + b"\0"}.items():
            with open(changed, "w", encoding="ascii") as f:
                f.write(join(parts[:at] + [(name, value)] + parts[at + 1:]))
            tap.equal(verify(changed, ak).returncode, 1, f"{name}: {what} is refused")
        with open(changed, "w", encoding="ascii") as f:
            f.write(join(parts[:at] + parts[at + 1:]))
        tap.equal(verify(changed, ak).returncode, 1, f"{name}: without it: refused")
    swapped = [(n, dict(parts)["TPM CREATION ATTEST" if n == "TPM CERTIFY ATTEST" else n]) for n, _ in parts]
    swapped = [(n, dict(parts)["TPM CREATION SIGNATURE"] if n == "TPM CERTIFY SIGNATURE" else d) for n, d in swapped]
    with open(changed, "w", encoding="ascii") as f:
        f.write(join(swapped))
    tap.ok("certified: form" in names(verify(changed, ak)), "a creation statement is no certification")


def edited_text():
    ak = make(A, out="text")
    text = read(A.path("text"))
    edits = {"a comment in front": "Dear auditor\n" + text, "nothing": "", "a part twice": text + text,
             "a line that is cut": text.replace("\n-----END TPM CERTIFY SIG", "-----END TPM CERTIFY SIG"),
             "no last newline": text[:-1], "carriage returns": text.replace("\n", "\r\n"), "another end": text + "x",
             "an unknown part": text.replace("TPM CA KEY", "TPM XX KEY")}
    for what, value in edits.items():
        with open(A.path("edited"), "w", encoding="ascii", newline="") as f:
            f.write(value)
        r = verify(A.path("edited"), ak)
        tap.ok(r.returncode == 1 and "bundle" in r.stderr, f"edited bundle: {what}", both(r))


def software_key():
    """A key of ours that a witness made in software vouches for: all is consistent but the name of the witness."""
    ak = make(A, out="soft")
    parts = dict((n, base64.b64decode(b)) for n, b in blocks(read(A.path("soft"))))
    area = bytearray(parts["TPM ATTESTATION KEY"])
    area[4:8] = (int.from_bytes(area[4:8], "big") & ~(1 << 16)).to_bytes(4, "big")  # TPMA_OBJECT restricted
    parts["TPM ATTESTATION KEY"] = bytes(area)
    with open(A.path("soft2"), "w", encoding="ascii") as f:
        f.write(join(list(parts.items())))
    own = "000b" + hashlib.sha256(bytes(area)).hexdigest()
    r = verify(A.path("soft2"), own)
    tap.ok(r.returncode == 1 and "attestation key kind" in names(r), "an attestation key that is not restricted is no witness",
           both(r))
    tap.equal(verify(A.path("soft"), ak).returncode, 0, "the original still holds")


def ek_certificate():
    """A certificate in NV, as manufacturers put one there, comes along."""
    with open(A.tpm.path("ek.der"), "wb") as f:
        body = read(A.path("ca.pem")).strip().splitlines()[1:-1]
        der = base64.b64decode("".join(body))
        f.write(der)
    A.tpm.tools("nvdefine", "0x01c0000a", "-C", "o", "-s", str(len(der)), "-a", "ownerwrite|ownerread|authread")
    A.tpm.tools("nvwrite", "0x01c0000a", "-C", "o", "-i", "ek.der")
    ak = make(A, out="ek")
    argv = [devices.KEYTOOL, "attest-verify", "--json", "--bundle", A.path("ek"), "--certificate", A.path("ca.pem"), "--nonce", NONCE,
            "--ak", ak]
    r = subprocess.run(argv, capture_output=True, text=True, check=False)
    got = json.loads(r.stdout)
    tap.ok(r.returncode == 0 and got["ek-issuer"] == "CN=Attested" and got["ok"] and len(got["checks"]) > 8,
           "the EK certificate is in the bundle, and the JSON", both(r))


def main():
    global A, B  # pylint: disable=global-statement
    if devices.missing():
        print(f"1..0 # SKIP {devices.missing()} is not installed")
        return
    with devices.Tpm() as a, devices.Tpm() as b:
        A, B = a, b
        tap.run(setup, proof, tools_agree, nonce_and_strangers, every_part, edited_text, software_key, ek_certificate)


main()
