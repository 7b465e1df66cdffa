# SPDX-License-Identifier: Apache-2.0
"""A ceremony on both kinds of devices: every command of pkienroll-keytool, and what it must refuse. openssl is the judge."""
import base64
import datetime
import json
import os
import re
import stat
import subprocess
import sys
import traceback

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import device as devices  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

from cryptography import x509  # noqa: E402  pylint: disable=wrong-import-position
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402  pylint: disable=wrong-import-position
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402  pylint: disable=wrong-import-position
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402  pylint: disable=wrong-import-position

D = None  # the device of this round


def both(r):
    return f"rc={r.returncode}\n{r.stdout}{r.stderr}"


def good(r, name):
    return tap.ok(r.returncode == 0, f"{D.kind}: {name}", both(r))


def refused(r, reason, name, made=None):
    return tap.ok(r.returncode == 1 and reason in r.stderr and (made is None or not os.path.exists(made)),
                  f"{D.kind}: {name}: refused ({reason})", both(r))


def usage(r, name):
    return tap.ok(r.returncode == 2 and r.stderr, f"{D.kind}: {name}: wrong usage", both(r))


def openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def text_of(pem):
    return openssl("x509", "-in", pem, "-noout", "-text").stdout


def ski_of(pem):
    with open(pem, "rb") as f:
        x = x509.load_pem_x509_certificate(f.read())
    return x.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def flip(path, where, to):
    """A copy of the PEM file with one octet of its DER changed."""
    with open(path, encoding="ascii") as f:
        lines = f.read().strip().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[where] ^= 1
    body = base64.b64encode(bytes(der)).decode()
    with open(to, "w", encoding="ascii") as f:
        f.write("\n".join([lines[0], *[body[i:i + 64] for i in range(0, len(body), 64)], lines[-1], ""]))
    return to


def soft_request(name, key=None, extensions=(), ca=True):
    """A certificate request of another CA, made in software."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    b = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Foreign CA")] if name != "nameless" else []))
    if ca is not None:
        b = b.add_extension(x509.BasicConstraints(ca, 0 if ca else None), True)
        b = b.add_extension(x509.KeyUsage(False, False, False, False, False, ca, ca, False, False), True)
    for e, critical in extensions:
        b = b.add_extension(e, critical)
    path = D.path(name + ".csr")
    with open(path, "wb") as f:
        f.write(b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def init():
    good(D.init(), "init-token")
    if D.kind == "pkcs11":
        refused(D.init(), "token-label", "init-token with a label that is there")
        r = D.keytool("init-token", "--label", "x", "--so-pin-file", D.pin_file, key=None)
        refused(r, "token-pins", "one PIN for two people")
        listing = D.pkcs11_tool("--list-token-slots").stdout
        serial = re.search(r"serial num\s+:\s+(\S+)", listing).group(1)
        r = D.keytool("init-token", "--label", "other", "--serial", serial, "--so-pin-file", D.so_pin_file, key=None)
        refused(r, "token-initialised", "an initialised token named by its serial number")
        loose = D.secret("loose-so", "94857261", 0o644)
        r = D.keytool("init-token", "--label", "other", "--so-pin-file", loose, key=None)
        refused(r, "secret-mode", "a SO PIN file that others can read")
        usage(D.keytool("init-token", "--so-pin-file", D.so_pin_file, key=None), "no label")
    else:
        good(D.init(), "init-token again keeps the storage root key")
        tap.equal(D.tpm.handles("persistent"), [0x81000001], "tpm2: it is at 0x81000001 and alone")
        usage(D.keytool("init-token", "--label", "x", key=None), "a label for a TPM")


def generate():
    log = D.path("transcript")
    r = D.keytool("generate", "--algorithm", "p256", "--transcript", log, key="root")
    good(r, "generate a root key")
    for name in ("fixedTPM", "sensitiveDataOrigin") if D.kind == "tpm2" else ("CKA_NEVER_EXTRACTABLE", "CKA_LOCAL"):
        tap.ok(re.search(rf"^ok\s+{name}\s+true$", r.stdout, re.M), f"{D.kind}: read back: {name}", r.stdout)
    fingerprint = re.search(r"public-key-sha256\s+([0-9a-f]{64})", r.stdout).group(1)
    r = D.keytool("show", "--json", key="root")
    shown = json.loads(r.stdout)
    tap.ok(r.returncode == 0 and shown["public-key-sha256"] == fingerprint and shown["algorithm"] == "P-256" and shown["ok"] and
           all(c["ok"] for c in shown["checks"]), f"{D.kind}: show --json", both(r))
    refused(D.keytool("generate", "--algorithm", "p256", key="root"), "key-exists", "a key that is there")
    r = D.keytool("show", "--json", key="root")
    tap.equal(json.loads(r.stdout)["public-key-sha256"], fingerprint, f"{D.kind}: and it is still the same")
    for key, algorithm in {"sub": "p384", "next": "rsa-2048"}.items():
        good(D.keytool("generate", "--algorithm", algorithm, "--transcript", log, key=key), f"generate {algorithm}")
    if D.kind == "tpm2":
        refused(D.keytool("generate", "--algorithm", "rsa-4096", key="big"), "key-tpm-parameters", "RSA-4096", D.path("big.tss2"))
        refused(D.keytool("generate", "--algorithm", "p256", key="open", pin_file=""), "key-pin-missing",
                "a key without an auth value", D.path("open.tss2"))
        handle = "tpm2:handle=0x81200001"
        good(D.keytool("generate", "--algorithm", "p256", uri=handle), "generate at a persistent handle")
        refused(D.keytool("generate", "--algorithm", "p256", uri=handle), "key-exists", "an occupied handle")
        good(D.keytool("show", uri=handle), "show the key at the handle")
    else:
        usage(D.keytool("generate", "--algorithm", "p256", "--creation", D.path("c"), key="c"), "--creation for a token")
        good(D.keytool("generate", "--algorithm", "ed25519", key="ed"), "generate ed25519")


def root():
    pem = D.path("root.pem")
    r = D.keytool("self-sign", "--subject", "CN=Root,O=Lab", "--path-len", "1", "--days", "1000", "--out", pem, "--transcript",
                  D.path("transcript"), key="root")
    good(r, "self-sign")
    good(D.keytool("check", "--certificate", pem, key="root"), "check")
    r = D.keytool("check", "--json", "--certificate", pem, key="sub")
    failed = {c["name"] for c in json.loads(r.stdout)["checks"] if not c["ok"]}
    tap.ok(r.returncode == 1 and failed == {"public half", "test signature"}, f"{D.kind}: check of another key's certificate",
           both(r))
    r = openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", pem, pem)
    tap.ok(r.returncode == 0, f"{D.kind}: openssl verify", both(r))
    r = D.keytool("self-sign", "--subject", "CN=Other", "--out", pem, key="root")
    refused(r, "output-exists", "a file that is there")


def sub_ca():
    csr, pem, placed = D.path("sub.csr"), D.path("sub.pem"), D.path("placed.pem")
    good(D.keytool("csr", "--subject", "CN=Issuing 1,O=Lab", "--path-len", "0", "--out", csr, key="sub"), "csr")
    text = openssl("req", "-in", csr, "-noout", "-text", "-verify")
    tap.ok(text.returncode == 0 and "CA:TRUE, pathlen:0" in text.stdout and "Certificate Sign, CRL Sign" in text.stdout and
           "ecdsa-with-SHA384" in text.stdout, f"{D.kind}: openssl reads the request", both(text))
    r = D.keytool("cross-sign", "--issuer", D.path("root.pem"), "--csr", csr, "--days", "500", "--name-constraints",
                  "permitted;DNS:corp.example", "--out", pem, "--transcript", D.path("transcript"), key="root")
    good(r, "cross-sign")
    text = text_of(pem)
    for what in [r"Issuer: O = Lab, CN = Root", r"Subject: O = Lab, CN = Issuing 1", r"CA:TRUE, pathlen:0",
                 r"Name Constraints: critical\s+Permitted:\s+DNS:corp.example", r"Signature Algorithm: ecdsa-with-SHA256"]:
        tap.ok(re.search(what, text), f"{D.kind}: certificate has {what}", text)
    r = openssl("verify", "-x509_strict", "-CAfile", D.path("root.pem"), pem)
    tap.ok(r.returncode == 0, f"{D.kind}: openssl verify of the chain", both(r))
    r = D.keytool("import-cert", "--certificate", pem, "--root", D.path("root.pem"), "--out", placed, key="sub")
    good(r, "import-cert")
    tap.ok(stat.S_IMODE(os.stat(placed).st_mode) == 0o644 and read(placed) == read(pem),
           f"{D.kind}: it is in place, mode 0644")
    good(D.keytool("check", "--certificate", placed, key="sub"), "check of the sub-CA")


def weakly_signed():
    """A certificate for the key "sub" by another CA that still signs with SHA-1."""
    root, pem, csr, conf = D.path("weak-root.pem"), D.path("weakly.pem"), D.path("sub.csr"), D.path("weakly.cnf")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", D.path("weak-root.key"), "-out", root, "-subj", "/CN=weak",
            "-days", "9", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    with open(conf, "w", encoding="ascii") as f:
        f.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
                "authorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-sha1", "-in", csr, "-CA", root, "-CAkey", D.path("weak-root.key"), "-set_serial", "77", "-days", "5",
            "-extfile", conf, "-out", pem)
    return pem


def import_refusals():
    pem, to = D.path("sub.pem"), D.path("no.pem")
    r = D.keytool("import-cert", "--certificate", pem, "--out", to, key="next")
    refused(r, "certificate-unfit", "import-cert for another key", to)
    D.keytool("self-sign", "--subject", "CN=Root,O=Lab", "--out", D.path("stranger.pem"), key="next")
    r = D.keytool("import-cert", "--certificate", pem, "--root", D.path("stranger.pem"), "--out", to, key="sub")
    refused(r, "certificate-unfit", "import-cert with a root that did not sign it", to)
    tap.ok(re.search(r"^FAIL chain", r.stdout, re.M), f"{D.kind}: the chain is what failed", r.stdout)
    r = D.keytool("import-cert", "--certificate", weakly_signed(), "--root", D.path("weak-root.pem"), "--out", to, key="sub")
    refused(r, "certificate-unfit", "import-cert of a certificate signed with SHA-1", to)
    tap.ok(re.search(r"^FAIL chain", r.stdout, re.M), f"{D.kind}: the weak signature is what failed", r.stdout)
    r = D.keytool("import-cert", "--certificate", D.path("sub.csr"), "--out", to, key="sub")
    refused(r, "input-pem", "import-cert of a request", to)
    refused(D.keytool("import-cert", "--certificate", pem, "--out", D.path("placed.pem"), key="sub"), "output-exists",
            "import-cert over a file that is there")
    if D.kind == "tpm2":
        usage(D.keytool("import-cert", "--store", "--certificate", pem, "--out", to, key="sub"), "--store in a TPM")
        return
    good(D.keytool("import-cert", "--store", "--certificate", pem, "--out", to, key="sub"), "import-cert --store")
    listing = D.pkcs11_tool("--list-objects").stdout
    ids = re.findall(r"(\w[\w ]+) Object.*?label:\s+sub\n.*?ID:\s+(\w+)", listing, re.S)
    tap.ok(len({i for _, i in ids}) == 1 and "Certificate Object" in listing, "pkcs11: the token has it under the key's id",
           listing)
    r = D.keytool("import-cert", "--store", "--certificate", pem, "--out", D.path("no2.pem"), key="sub")
    refused(r, "certificate-exists", "a second certificate object")
    r = D.keytool("import-cert", "--store", "--force", "--certificate", pem, "--out", to, key="sub")
    good(r, "import-cert --store --force")
    tap.equal(D.pkcs11_tool("--list-objects", "--type", "cert").stdout.count("Certificate Object"), 1,
              "pkcs11: one is there, the new one")


def cross_refusals():
    to = D.path("refused.pem")

    def sign(*args, issuer="root.pem", key="root"):
        return D.keytool("cross-sign", "--issuer", D.path(issuer), "--out", to, *args, key=key)

    csr = soft_request("fine", extensions=[(x509.SubjectKeyIdentifier(b"0123456789"), False)])
    refused(sign("--csr", flip(csr, -3, D.path("badsig.csr"))), "csr-signature", "a request with a bad signature", to)
    openssl("req", "-new", "-sha1", "-newkey", "rsa:2048", "-nodes", "-keyout", D.path("sha1.key"), "-out", D.path("sha1.csr"),
            "-subj", "/CN=old", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    refused(sign("--csr", D.path("sha1.csr")), "csr-signature", "a request signed with SHA-1", to)
    refused(sign("--csr", soft_request("small", rsa.generate_private_key(65537, 1024))), "csr-key-bits", "a weak key", to)
    refused(sign("--csr", soft_request("curve", ec.generate_private_key(ec.SECP256K1()))), "csr-key", "an odd curve", to)
    refused(sign("--csr", soft_request("leaf", ca=False)), "subject-not-ca", "a request of no CA", to)
    refused(sign("--csr", soft_request("bare", ca=None)), "subject-not-ca", "a request without extensions", to)
    eku = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    refused(sign("--csr", soft_request("eku", extensions=[(eku, False)])), "subject-extension", "an extension beyond policy", to)
    refused(sign("--csr", soft_request("nameless")), "subject-empty", "a request without a subject", to)
    root_ski = x509.SubjectKeyIdentifier(ski_of(D.path("root.pem")))
    refused(sign("--csr", soft_request("ski", extensions=[(root_ski, False)])), "subject-key-id", "the issuer's key id", to)
    refused(sign("--csr", D.path("root.pem")), "input-pem", "a certificate for a request", to)
    refused(sign("--csr", csr, "--days", "1001"), "issuer-outlived", "a certificate that outlives its issuer", to)
    refused(sign("--csr", csr, "--path-len", "1"), "issuer-path-len", "a longer path than the issuer's", to)
    refused(sign("--csr", csr, key="sub", issuer="sub.pem"), "issuer-path-len", "a CA below one with path length 0", to)
    refused(sign("--csr", csr, key="sub"), "key-mismatch", "an issuer certificate of another key", to)
    refused(sign("--csr", csr, "--name-constraints", "rubbish"), "name-constraints", "unreadable constraints", to)
    refused(sign("--csr", csr, "--name-constraints", "permitted;dirName:corp"), "name-constraints",
            "constraints in a section that is nowhere", to)
    refused(sign("--csr", csr, "--name-constraints", "DER:3000"), "name-constraints", "empty constraints", to)
    refused(sign("--certificate", D.path("root.pem")), "subject-own-key", "its own certificate", to)
    refused(sign("--certificate", D.path("sub.pem")), "certificate-signature", "a certificate that is not self-signed", to)
    usage(sign(), "neither request nor certificate")
    usage(sign("--csr", csr, "--certificate", D.path("root.pem")), "both request and certificate")
    good(sign("--csr", csr, "--path-len", "0", "--subject", "CN=Renamed"), "the good request, with another name")
    tap.ok("Subject: CN = Renamed\n" in text_of(to) and ski_of(to) == b"0123456789", f"{D.kind}: name and key id", text_of(to))
    end = openssl("x509", "-in", to, "-noout", "-enddate").stdout
    tap.equal(end, openssl("x509", "-in", D.path("root.pem"), "-noout", "-enddate").stdout,
              f"{D.kind}: without --days it ends with its issuer")


def rollover():
    """The root gets a new key: new with old and old with new, so that either root verifies everything."""
    csr, new, new_with_old, old_with_new = (D.path(n) for n in ("roll.csr", "new.pem", "new-old.pem", "old-new.pem"))
    good(D.keytool("issuer-csr", "--certificate", D.path("root.pem"), "--out", csr, key="next"), "issuer-csr with a new key")
    text = openssl("req", "-in", csr, "-noout", "-text", "-verify")
    tap.ok(text.returncode == 0 and "Subject: O = Lab, CN = Root\n" in text.stdout and "CA:TRUE, pathlen:1" in text.stdout and
           "Subject Key Identifier" not in text.stdout, f"{D.kind}: same subject, same extensions, no old key id", both(text))
    good(D.keytool("self-sign", "--subject", "CN=Root,O=Lab", "--path-len", "1", "--out", new, key="next"), "the new root")
    same = ["--subject", "CN=Root,O=Lab"]
    r = D.keytool("cross-sign", "--issuer", D.path("root.pem"), "--csr", csr, "--out", new_with_old, key="root")
    refused(r, "subject-own-name", "a request for the name of the signing CA that nobody spoke of", new_with_old)
    good(D.keytool("cross-sign", "--issuer", D.path("root.pem"), "--csr", csr, *same, "--out", new_with_old, key="root"),
         "new with old")
    r = D.keytool("cross-sign", "--issuer", new, "--certificate", D.path("root.pem"), *same, "--days", "300", "--out",
                  old_with_new, key="next")
    good(r, "old with new")
    tap.equal(ski_of(old_with_new), ski_of(D.path("root.pem")), f"{D.kind}: the old key keeps its key id")
    r = openssl("verify", "-x509_strict", "-CAfile", new, "-untrusted", old_with_new, D.path("sub.pem"))
    tap.ok(r.returncode == 0, f"{D.kind}: the old sub-CA under the new root", both(r))
    r = openssl("verify", "-x509_strict", "-CAfile", D.path("root.pem"), new_with_old)
    tap.ok(r.returncode == 0, f"{D.kind}: the new key under the old root", both(r))
    again = D.path("again.csr")
    good(D.keytool("issuer-csr", "--certificate", D.path("sub.pem"), "--out", again, key="sub"), "issuer-csr with the old key")
    text = openssl("req", "-in", again, "-noout", "-text").stdout
    tap.ok("Subject Key Identifier" in text and "corp.example" in text and "Authority Key" not in text,
           f"{D.kind}: key id and constraints, too, but nothing that is the issuer's", text)
    renewed = D.path("renewed.pem")
    good(D.keytool("cross-sign", "--issuer", D.path("root.pem"), "--csr", again, "--out", renewed, key="root"), "sign it again")
    tap.ok("corp.example" in text_of(renewed) and ski_of(renewed) == ski_of(D.path("sub.pem")),
           f"{D.kind}: a renewed certificate keeps constraints and key id")
    leaf = soft_leaf()
    refused(D.keytool("issuer-csr", "--certificate", leaf, "--out", D.path("x.csr"), key="sub"), "issuer-not-ca",
            "issuer-csr for no CA", D.path("x.csr"))
    refused(D.keytool("cross-sign", "--issuer", without_usage(D.path("root.pem")), "--csr", again, "--out", D.path("x.pem"), key="root"),
            "issuer-not-ca", "cross-sign by a certificate that does not say keyCertSign", D.path("x.pem"))


def without_usage(pem):
    """A certificate for the key of @p pem that is a CA's and says nothing of its usage."""
    with open(pem, "rb") as f:
        like = x509.load_pem_x509_certificate(f.read())
    x = x509.CertificateBuilder().subject_name(like.subject).issuer_name(like.issuer).public_key(like.public_key()).serial_number(7)
    x = x.not_valid_before(like.not_valid_before).not_valid_after(like.not_valid_after)
    x = x.add_extension(x509.BasicConstraints(True, None), True)
    x = x.add_extension(x509.SubjectKeyIdentifier.from_public_key(like.public_key()), False)
    path = D.path("without-usage.pem")
    with open(path, "wb") as f:
        f.write(x.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def soft_leaf():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    now = datetime.datetime.now(datetime.timezone.utc)
    x = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(99)
    x = x.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=3))
    with open(D.path("leaf.pem"), "wb") as f:
        f.write(x.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return D.path("leaf.pem")


def schemes():
    keys = {"pss": ["--signature", "rsa-pss"]}
    good(D.keytool("generate", "--algorithm", "rsa-2048", *keys["pss"], key="pss"), "generate a key for RSA-PSS")
    if D.kind == "pkcs11":
        keys["ed"] = ["--signature", "ed25519"]
        refused(D.keytool("self-sign", "--subject", "CN=Ed", "--out", D.path("no-ed.pem"), key="ed"), "key-signature",
                "an Ed25519 key nobody asked for", D.path("no-ed.pem"))
    for key, option in keys.items():
        own, csr, signed = D.path(f"{key}.pem"), D.path(f"{key}.csr"), D.path(f"{key}-signed.pem")
        good(D.keytool("self-sign", "--subject", "CN=Own", "--out", own, *option, key=key), f"self-sign, {key}")
        tap.ok(re.search("Signature Algorithm: (rsassaPss|ED25519)", text_of(own)), f"{D.kind}: {key}: the algorithm")
        good(D.keytool("check", "--certificate", own, *option, key=key), f"check, {key}")
        good(D.keytool("csr", "--subject", "CN=P", "--path-len", "0", "--out", csr, *option, key=key), f"csr, {key}")
        good(D.keytool("cross-sign", "--issuer", D.path("root.pem"), "--csr", csr, "--out", signed, key="root"),
             f"cross-sign such a request, {key}")
        for root, leaf in ((own, own), (D.path("root.pem"), signed)):
            r = openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", root, leaf)
            tap.ok(r.returncode == 0, f"{D.kind}: openssl verify {os.path.basename(leaf)}", both(r))


def secrets():
    refused(D.keytool("show", pin_file=D.secret("loose", D.pin, 0o640), key="root"), "secret-mode",
            "a secret file that others can read")
    before = D.tpm.lockout_counter() if D.kind == "tpm2" else 0
    wrong = D.secret("wrong", "000000-wrong")
    r = D.keytool("self-sign", "--subject", "CN=x", "--out", D.path("w.pem"), pin_file=wrong, key="root")
    tap.ok(r.returncode == 1 and not os.path.exists(D.path("w.pem")) and "000000-wrong" not in both(r),
           f"{D.kind}: a wrong PIN or auth value", both(r))
    tap.ok(("0xa0" if D.kind == "pkcs11" else "0x9a2") in r.stderr, f"{D.kind}: the raw code is told", both(r))
    if D.kind == "tpm2":
        tap.equal(D.tpm.lockout_counter(), before, "tpm2: no attempt was counted against a dictionary attack")
    usage(D.keytool("show", uri=D.uri("root") + "?pin-value=" + D.pin), "a URI with pin-value")


def change_auth():
    old, new = D.pin_file, D.secret("new-pin", "8421-1937-new\n")
    loose = D.secret("new-loose", "8421-1937-new", 0o644)
    refused(D.keytool("change-auth", "--new-pin-file", loose, key="root"), "secret-mode", "a new secret that others can read")
    refused(D.keytool("change-auth", "--new-pin-file", old, key="root"), "auth-same", "the same secret again")
    r = D.keytool("change-auth", "--new-pin-file", new, pin_file=D.secret("wrong", "000000-wrong"), key="root")
    tap.equal(r.returncode, 1, f"{D.kind}: change-auth with a wrong old one")
    good(D.keytool("show", key="root"), "the old one is still valid")
    good(D.keytool("change-auth", "--new-pin-file", new, "--transcript", D.path("transcript"), key="root"), "change-auth")
    tap.equal(D.keytool("show", key="root").returncode, 1, f"{D.kind}: the old one opens nothing any more")
    r = D.keytool("self-sign", "--subject", "CN=x", "--out", D.path("o.pem"), key="root")
    tap.ok(r.returncode == 1 and not os.path.exists(D.path("o.pem")), f"{D.kind}: the old one signs nothing any more", both(r))
    good(D.keytool("check", "--certificate", D.path("root.pem"), pin_file=new, key="root"), "check with the new one")


def transcript():
    log = D.path("transcript")
    with open(log, encoding="utf-8") as f:
        text = f.read()
    tap.equal(stat.S_IMODE(os.stat(log).st_mode), 0o644, f"{D.kind}: the transcript has mode 0644")
    for what in [r"^== \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ pkienroll-keytool generate$", r"^   --algorithm p256$",
                 r"^   public-key-sha256\s+[0-9a-f]{64}$", r"^   certificate-sha256\s+[0-9a-f]{64}$",
                 r"^-- \S+Z done, exit 0$", r"^== \S+ pkienroll-keytool change-auth$", r"^   --new-pin-file /",
                 r"^ok\s+fixedParent\s+true$" if D.kind == "tpm2" else r"^ok\s+CKA_EXTRACTABLE\s+false$"]:
        tap.ok(re.search(what, text, re.M), f"{D.kind}: transcript has {what}", text)
    D.keytool("show", "--transcript", log, key="nobody")
    with open(log, encoding="utf-8") as f:
        after = f.read()
    tap.ok(after.startswith(text) and re.search(r"^refused: .*\n-- \S+ REFUSED OR FAILED, exit 1$", after[len(text):], re.M),
           f"{D.kind}: a refusal is recorded behind what was there", after[len(text):])
    link = D.path("link")
    os.symlink(log, link)
    csr = D.path("unrecorded.csr")
    for path, why in ((link, "a symbolic link"), (D.folder, "a folder"), (D.path("no/such"), "no folder")):
        refused(D.keytool("csr", "--subject", "CN=x", "--out", csr, "--transcript", path, key="sub"), "transcript",
                f"transcript is {why}", csr)


def no_secret_anywhere():
    told = [D.pin, "8421-1937-new", "94857261-so", "000000-wrong"]
    with open(D.path("transcript"), encoding="utf-8") as f:
        logs = f.read()
    tap.ok(not any(s in logs for s in told), f"{D.kind}: no secret in the transcript")
    leaks = [argv for argv, r in D.calls if any(s in r.stdout + r.stderr for s in told)]
    tap.equal(leaks, [], f"{D.kind}: no secret in the output of {len(D.calls)} commands")
    if D.kind == "tpm2":
        tap.equal(D.tpm.assert_empty(), {}, "tpm2: no object and no session was left in the TPM")


def weak():
    if D.kind == "pkcs11":
        r = D.pkcs11_tool("--keypairgen", "--key-type", "EC:prime256v1", "--usage-sign", "--label", "weak", "--id", "0bad",
                          "--extractable")
        uri = D.uri("weak")
    else:
        D.tpm.tools("create", "-C", "0x81000001", "-G", "ecc", "-p", D.pin, "-a",
                    "sensitivedataorigin|userwithauth|sign|decrypt", "-u", "weak.pub", "-r", "weak.priv")
        D.tpm.tools("load", "-C", "0x81000001", "-u", "weak.pub", "-r", "weak.priv", "-c", "weak.ctx")
        r = D.tpm.tools("evictcontrol", "-C", "o", "-c", "weak.ctx", "0x81200002")
        uri = "tpm2:handle=0x81200002"
    tap.equal(r.returncode, 0, f"{D.kind}: others make a weak key")
    r = D.keytool("show", uri=uri)
    tap.ok(r.returncode == 1 and re.search(r"^FAIL (fixedTPM\s+false, must be true|CKA_EXTRACTABLE\s+true, must be false)$",
                                           r.stdout, re.M), f"{D.kind}: show tells it", both(r))
    for command in (["self-sign", "--subject", "CN=w"], ["csr", "--subject", "CN=w"],
                    ["issuer-csr", "--certificate", D.path("root.pem")],
                    ["cross-sign", "--issuer", D.path("root.pem"), "--csr", D.path("sub.csr")]):
        r = D.keytool(*command, "--out", D.path("weak.out"), uri=uri)
        refused(r, "key-attributes", f"{command[0]} with a weak key", D.path("weak.out"))


def complete(*words):
    script = ('PATH=$1:$PATH; source "$2"; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pkienroll_keytool; '
              'echo "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "-", os.path.dirname(devices.KEYTOOL),
                           os.path.join(SRC, "dist", "completions", "pkienroll-keytool"), "pkienroll-keytool", *words],
                          capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split()


def completion():
    tap.equal(complete("at"), ["attest", "attest-verify"], "completion of the command")
    tap.equal(complete("attest", "--no"), ["--nonce"], "of an option that belongs to it")
    tap.equal(complete("show", "--no"), [], "of none that does not")
    tap.equal(complete("generate", "--algorithm", "p"), ["p256", "p384"], "and of a value")


def main():
    global D  # pylint: disable=global-statement
    if devices.missing():
        print(f"1..0 # SKIP {devices.missing()} is not installed")
        return

    def rounds():
        global D  # pylint: disable=global-statement
        for d in devices.both():
            with d:
                D = d
                for step in (init, generate, root, sub_ca, import_refusals, cross_refusals, rollover, schemes, secrets, weak,
                             change_auth, transcript, no_secret_anywhere):
                    try:
                        step()
                    except Exception:  # pylint: disable=broad-except
                        tap.ok(False, f"{d.kind}: {step.__name__}", traceback.format_exc())

    tap.run(rounds, completion)


main()
