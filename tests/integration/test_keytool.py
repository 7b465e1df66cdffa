# SPDX-License-Identifier: Apache-2.0
"""pkienroll-keytool as an administrator uses it: real program, real SoftHSM, openssl and pkcs11-tool as judges."""
import os
import re
import shutil
import stat
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import softhsm  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

TOOL = os.path.abspath(os.path.join(BUILD, "keytool", "pkienroll-keytool"))
HSM = None


def tool(command, *args, key="ca", pin_file=None, env=None, uri=None):
    argv = [TOOL, command, "--module", HSM.module, "--uri", uri or HSM.uri(key)]
    argv += ["--pin-file", pin_file or HSM.pin_file] if pin_file != "" else []
    return subprocess.run(argv + list(args), env=env or HSM.env, capture_output=True, text=True, check=False,
                          timeout=120)


def openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)


def out(name):
    return os.path.join(HSM.folder, name)


def both(r):
    return f"rc={r.returncode}\n{r.stdout}{r.stderr}"


def usage():
    tap.equal(subprocess.run([TOOL, "--help"], capture_output=True, check=False).returncode, 0, "--help: exit 0")
    for name, argv in {
            "no command": [],
            "unknown command": ["frobnicate"],
            "no module": ["show", "--uri", HSM.uri("ca")],
            "unknown option": ["show", "--pin", "1234"],
            "option of another command": ["show", "--module", HSM.module, "--uri", HSM.uri("ca"), "--days", "3"],
            "days out of range": ["self-sign", "--module", HSM.module, "--uri", HSM.uri("ca"), "--days", "0"],
            "argument too many": ["show", "--module", HSM.module, "--uri", HSM.uri("ca"), "x"],
            "URI with a PIN": ["show", "--module", HSM.module, "--uri", HSM.uri("ca") + "?pin-value=731905"],
            "URI without a key": ["show", "--module", HSM.module, "--uri", "pkcs11:token=a"],
    }.items():
        r = subprocess.run([TOOL, *argv], capture_output=True, text=True, check=False)
        tap.ok(r.returncode == 2 and r.stderr and HSM.pin not in r.stderr, f"{name}: exit 2", both(r))
    for name, args in {"generate without --algorithm": ["generate"],
                       "unknown algorithm": ["generate", "--algorithm", "rsa-1024"],
                       "self-sign without --subject": ["self-sign", "--out", out("x.pem")],
                       "check without --certificate": ["check"]}.items():
        tap.equal(tool(*args).returncode, 2, f"{name}: exit 2")
    for dn in ["", "CN", "CN=", "Lab Root", "NOSUCH=x", "CN=a,", "CN=a+O=b", 'CN="a"', "CN=a\\", "CN=a\nb", "C=toolong"]:
        r = tool("self-sign", "--subject", dn, "--out", out("x.pem"))
        tap.ok(r.returncode == 2 and not os.path.exists(out("x.pem")), f"subject {dn!r} refused", both(r))


def generate():
    r = tool("generate", "--algorithm", "rsa-2048")
    tap.ok(r.returncode == 0 and "generated RSA-2048" in r.stdout, "generate an RSA-2048 key", both(r))
    for name, value in {"CKA_SENSITIVE": "true", "CKA_ALWAYS_SENSITIVE": "true", "CKA_EXTRACTABLE": "false",
                        "CKA_NEVER_EXTRACTABLE": "true", "CKA_LOCAL": "true", "CKA_SIGN": "true",
                        "CKA_DECRYPT": "false", "CKA_UNWRAP": "false", "CKA_DERIVE": "false",
                        "CKA_PRIVATE": "true", "CKA_KEY_GEN_MECHANISM": "true"}.items():
        tap.ok(re.search(rf"^ok\s+{name}\s+{value}$", r.stdout, re.M), f"read back: {name} {value}", r.stdout)
    listing = HSM.pkcs11_tool("--list-objects", "--type", "privkey").stdout
    tap.ok("Usage:      sign\n" in listing and "never extractable" in listing and "local" in listing,
           "pkcs11-tool sees a sign-only, never extractable key", listing)
    tap.ok(re.search(r"ID:\s+[0-9a-f]{32}$", listing, re.M), "CKA_ID of 16 octets", listing)
    r = tool("generate", "--algorithm", "p256")
    tap.ok(r.returncode == 1 and "already holds" in r.stderr and "key-exists" in r.stderr,
           "a second key of that label is refused", both(r))
    tap.equal(HSM.pkcs11_tool("--list-objects", "--type", "privkey").stdout, listing, "and nothing was made")
    for algorithm, name in {"p256": "P-256", "p384": "P-384", "rsa-3072": "RSA-3072"}.items():
        r = tool("generate", "--algorithm", algorithm, key=algorithm)
        tap.ok(r.returncode == 0 and f"generated {name}" in r.stdout, f"generate {algorithm}", both(r))


def self_sign():
    pem = out("ca.pem")
    r = tool("self-sign", "--subject", "CN=Lab Root\\, one,O=Größe,C=DE", "--days", "3650", "--out", pem, "--path-len",
             "0")
    if not tap.ok(r.returncode == 0 and os.path.exists(pem), "self-sign", both(r)):
        return
    tap.equal(stat.S_IMODE(os.stat(pem).st_mode), 0o644, "mode 0644")
    tap.equal([n for n in os.listdir(HSM.folder) if n.startswith("ca.pem")], ["ca.pem"], "no temporary file is left")
    text = openssl("x509", "-in", pem, "-noout", "-text", "-nameopt", "RFC2253,utf8,-esc_msb").stdout
    for what in [r"Version: 3 \(0x2\)", r"Signature Algorithm: sha256WithRSAEncryption",
                 r"Subject: CN=Lab Root\\, one,O=Größe,C=DE", r"Issuer: CN=Lab Root\\, one,O=Größe,C=DE",
                 r"Basic Constraints: critical\s+CA:TRUE, pathlen:0\n", r"Key Usage: critical\s+Certificate Sign, CRL Sign\n",
                 r"Subject Key Identifier: \s+([0-9A-F]{2}:){19}[0-9A-F]{2}\n",
                 r"Authority Key Identifier: \s+([0-9A-F]{2}:){19}[0-9A-F]{2}\n"]:
        tap.ok(re.search(what, text), f"certificate has {what}", text)
    ids = re.findall(r"Key Identifier: \s+(\S+)", text)
    tap.ok(len(ids) == 2 and ids[0] == ids[1], "AKI is the SKI", ids)
    serial = openssl("x509", "-in", pem, "-noout", "-serial").stdout.strip().split("=")[1]
    tap.ok(len(serial) == 32 and serial[0] in "4567", "positive serial of 16 octets", serial)
    tap.equal(openssl("x509", "-in", pem, "-noout", "-checkend", str(3649 * 86400)).returncode, 0, "valid for 3649 days")
    tap.equal(openssl("x509", "-in", pem, "-noout", "-checkend", str(3650 * 86400)).returncode, 1, "not for 3650 more")
    r = openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", pem, pem)
    tap.ok(r.returncode == 0, "openssl verify -x509_strict", both(r))
    before = open(pem, "rb").read()
    r = tool("self-sign", "--subject", "CN=Other", "--out", pem)
    tap.ok(r.returncode == 1 and "--force" in r.stderr and open(pem, "rb").read() == before,
           "an existing file is kept without --force", both(r))
    r = tool("self-sign", "--subject", "CN=Lab Root", "--out", pem, "--force")
    tap.ok(r.returncode == 0 and open(pem, "rb").read() != before, "--force replaces it", both(r))
    r = tool("self-sign", "--subject", "CN=x", "--out", out("no/such/folder.pem"))
    tap.ok(r.returncode == 1 and "cannot write" in r.stderr, "an unwritable place is refused", both(r))


def self_sign_ec():
    for key, algorithm in {"p256": "ecdsa-with-SHA256", "p384": "ecdsa-with-SHA384"}.items():
        pem = out(f"{key}.pem")
        r = tool("self-sign", "--subject", f"CN={key}", "--out", pem, key=key)
        text = openssl("x509", "-in", pem, "-noout", "-text").stdout
        tap.ok(r.returncode == 0 and f"Signature Algorithm: {algorithm}" in text, f"{key}: {algorithm}", both(r) + text)
        tap.ok("CA:TRUE\n" in text, f"{key}: no path length unless asked for", text)
        r = openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", pem, pem)
        tap.ok(r.returncode == 0, f"{key}: openssl verify", both(r))
        r = tool("check", "--certificate", pem, key=key)
        tap.ok(r.returncode == 0, f"{key}: check", both(r))
    # About one in 256 signatures ends in zero octets and one in two in zero bits: none of them may be stripped.
    bad = 0
    for i in range(24):
        pem = out("repeat.pem")
        tool("self-sign", "--subject", f"CN={i}", "--out", pem, "--force", key="p256")
        bad += openssl("verify", "-check_ss_sig", "-CAfile", pem, pem).returncode != 0
    tap.equal(bad, 0, "24 certificates in a row verify (BIT STRING keeps its zero bits)")


def check():
    pem = out("ca.pem")
    r = tool("check", "--certificate", pem)
    tap.ok(r.returncode == 0 and "fit for use" in r.stdout and "FAIL" not in r.stdout, "check: all good", both(r))
    for line in ["public half", "test signature", "basic constraints", "key usage", "validity", "CKA_EXTRACTABLE"]:
        tap.ok(re.search(rf"^ok\s+{line}", r.stdout, re.M), f"check has a verdict on {line}", r.stdout)
    r = tool("check", "--certificate", out("p256.pem"))
    tap.ok(r.returncode == 1 and re.search(r"^FAIL public half", r.stdout, re.M) and
           re.search(r"^FAIL test signature", r.stdout, re.M), "a foreign certificate fails", both(r))
    key = out("leaf.key")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
            out("leaf.pem"), "-subj", "/CN=leaf", "-addext", "basicConstraints=critical,CA:FALSE")
    r = tool("check", "--certificate", out("leaf.pem"))
    tap.ok(r.returncode == 1 and re.search(r"^FAIL basic constraints", r.stdout, re.M) and
           re.search(r"^FAIL key usage", r.stdout, re.M), "a leaf certificate fails", both(r))
    r = tool("check", "--certificate", HSM.conf)
    tap.ok(r.returncode == 1 and re.search(r"^FAIL certificate", r.stdout, re.M), "no certificate in the file", both(r))
    r = tool("check", "--certificate", pem, key="nobody")
    tap.ok(r.returncode == 1 and "0 private keys match" in r.stdout, "a missing key fails, with the count", both(r))


def weak_key():
    r = HSM.pkcs11_tool("--keypairgen", "--key-type", "rsa:2048", "--usage-sign", "--label", "weak", "--id", "0badc0de",
                        "--extractable")
    if not tap.ok(r.returncode == 0, "pkcs11-tool makes an extractable key", both(r)):
        return
    r = tool("show", key="weak")
    tap.ok(r.returncode == 1 and re.search(r"^FAIL CKA_EXTRACTABLE\s+true, must be false", r.stdout, re.M),
           "show: extractable key", both(r))
    r = tool("self-sign", "--subject", "CN=weak", "--out", out("weak.pem"), key="weak")
    tap.ok(r.returncode == 1 and "key-attributes" in r.stderr and not os.path.exists(out("weak.pem")),
           "self-sign refuses a weak key", both(r))
    r = tool("self-sign", "--subject", "CN=weak", "--out", out("weak.pem"), "--allow-weak", key="weak")
    tap.equal(r.returncode, 0, "--allow-weak goes on")
    r = tool("check", "--certificate", out("weak.pem"), key="weak")
    tap.ok(r.returncode == 1 and re.search(r"^FAIL CKA_EXTRACTABLE", r.stdout, re.M), "check: weak key fails", both(r))


def pins():
    loose = HSM.write_secret("loose", HSM.pin, 0o640)
    r = tool("show", pin_file=loose)
    tap.ok(r.returncode == 1 and "secret-mode" in r.stderr, "a PIN file that others can read is refused", both(r))
    wrong = HSM.write_secret("wrong", "000000")
    r = tool("show", pin_file=wrong)
    tap.ok(r.returncode == 1 and "CKR_PIN_INCORRECT (0xa0)" in r.stderr and "000000" not in both(r),
           "the wrong PIN: exit 1 and the code", both(r))
    link = out("link")
    os.symlink(HSM.pin_file, link)
    tap.equal(tool("show", pin_file=link).returncode, 1, "a symbolic link is refused")
    r = tool("show", pin_file="")
    tap.ok(r.returncode == 1 and "key-pin-missing" in r.stderr, "no PIN at all", both(r))
    env = dict(HSM.env, CREDENTIALS_DIRECTORY=HSM.folder)
    r = tool("show", "--pin-credential", "pin", pin_file="", env=env)
    tap.ok(r.returncode == 0, "PIN from a credential", both(r))
    r = tool("show", "--pin-credential", "../pin", pin_file="", env=env)
    tap.equal(r.returncode, 1, "a credential name with a slash is refused")
    r = tool("show", uri="pkcs11:token=nowhere;object=ca")
    tap.ok(r.returncode == 1 and "0 tokens match" in r.stderr, "no such token, with the count", both(r))


def main():
    global HSM  # pylint: disable=global-statement
    if softhsm.find_module() is None or not shutil.which("pkcs11-tool"):
        print("1..0 # SKIP softhsm2 or opensc is not installed")
        return
    with softhsm.Token(label="pke-keytool") as hsm:
        HSM = hsm
        tap.run(usage, generate, self_sign, self_sign_ec, check, weak_key, pins)


main()
