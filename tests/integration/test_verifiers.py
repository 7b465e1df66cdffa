# SPDX-License-Identifier: Apache-2.0
"""Certificates of a real daemon before the verifiers of others: OpenSSL (strict), GnuTLS, NSS (both engines), Java's
CertPathValidator, python3-cryptography. For each kind of CA: RSA-2048, ECDSA P-256, and an issuing CA below a root. Each
verifier must refuse a certificate with one bit changed, too."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

VERIFY_JAVA = os.path.join(os.environ["top_srcdir"], "tests", "data", "java", "Verify.java")
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def run(*command):
    r = subprocess.run(command, capture_output=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    return r.returncode, (r.stdout + r.stderr).decode("utf-8", "replace")


class Case:
    """One leaf with the certificates above it, as files; .bad is the same leaf with one bit of its signature changed,
    .other the same with another year of notAfter."""

    def __init__(self, folder, name, leaf, chain):
        self.name, self.chain = name, chain
        self.folder = os.path.join(folder, name.replace(" ", "-"))
        os.mkdir(self.folder)
        self.der = leaf
        self.leaf = self.save("leaf", leaf)
        self.bad = self.save("bad", leaf[:-1] + bytes([leaf[-1] ^ 1]))
        end = x509.load_der_x509_certificate(leaf).not_valid_after.strftime("%y%m%d%H%M%SZ").encode()
        year = leaf.index(end) + 1
        self.other = self.save("other", leaf[:year] + bytes([leaf[year] ^ 1]) + leaf[year + 1:])
        self.cas = [self.save(f"ca{i}", c) for i, c in enumerate(chain)]  # the root first

    def save(self, name, der):
        path = os.path.join(self.folder, name)
        with open(path + ".der", "wb") as f:
            f.write(der)
        with open(path + ".pem", "w", encoding="ascii") as f:
            f.write(subprocess.run(["openssl", "base64"], input=der, capture_output=True, check=True).stdout.decode().join(
                ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n")))
        return path

    def joined(self, name, paths):
        out = os.path.join(self.folder, name + ".pem")
        with open(out, "w", encoding="ascii") as f:
            for path in paths:
                with open(path + ".pem", encoding="ascii") as part:
                    f.write(part.read())
        return out


def openssl(case, leaf):
    untrusted = ["-untrusted", case.joined("untrusted", case.cas[1:])] if case.cas[1:] else []
    return run("openssl", "verify", "-x509_strict", "-auth_level", "2", "-purpose", "sslclient", "-CAfile",
               case.cas[0] + ".pem", "-no-CApath", "-no-CAstore", *untrusted, leaf + ".pem")


def gnutls(case, leaf):
    status, text = run("certtool", "--verify", "--load-ca-certificate", case.cas[0] + ".pem", "--infile",
                       case.joined("gnutls", [leaf] + case.cas[:0:-1]))
    return (status or int("Not verified" in text or "Chain verification output: Verified" not in text)), text


def nss(*options):
    def verify(case, leaf):
        db = "sql:" + os.path.join(case.folder, "nss")
        if not os.path.isdir(db[4:]):
            os.mkdir(db[4:])
            subprocess.run(["certutil", "-N", "-d", db, "--empty-password"], check=True, capture_output=True)
            for i, path in enumerate(case.cas):
                subprocess.run(["certutil", "-A", "-d", db, "-n", f"ca{i}", "-t", ",," if i else "CT,CT,", "-i",
                                path + ".der"], check=True, capture_output=True)
        return run("vfychain", "-d", db, *options, "-u", "0", leaf + ".der")
    return verify


def java(cases):
    """One virtual machine for all: {path of leaf: (status, text)}."""
    leaves = [(case, leaf) for case in cases for leaf in (case.leaf, case.bad, case.other)]
    status, text = run("java", VERIFY_JAVA, *(":".join(p + ".der" for p in [*case.cas, leaf]) for case, leaf in leaves))
    lines = [line for line in text.splitlines() if line.startswith(("ok", "refused"))]
    if status != 0 or len(lines) != len(leaves):
        return {leaf: (1, text) for _, leaf in leaves}
    return {leaf: (int(line != "ok"), line) for (_, leaf), line in zip(leaves, lines)}


def check(case, name, verify):
    status, text = verify(case, case.leaf)
    tap.ok(status == 0, f"{case.name}: {name} verifies it", text)
    for what, leaf in (("its signature", case.bad), ("its validity", case.other)):
        status, text = verify(case, leaf)
        tap.ok(status != 0, f"{case.name}: {name} refuses it with one bit of {what} changed", text)


def python_parse(case):
    c = x509.load_der_x509_certificate(case.der)
    seen = [c.subject.rfc4514_string(), c.issuer.rfc4514_string(), c.serial_number, c.not_valid_after, c.version,
            c.signature_hash_algorithm.name, c.public_key().key_size] + [(e.oid, e.critical, e.value) for e in c.extensions]
    tap.ok(len(seen) > 10, f"{case.name}: python3-cryptography reads every part", seen)
    tap.equal(c.public_bytes(DER), case.der, f"{case.name}: python3-cryptography writes the same DER")
    r = subprocess.run(["openssl", "x509", "-inform", "DER", "-outform", "DER"], input=case.der, capture_output=True,
                       check=False)
    tap.equal(r.stdout, case.der, f"{case.name}: OpenSSL writes the same DER")


def stores(answer):
    """Certificates of the provisioning document: {path of the store: [DER]}."""
    found = {}
    for store in answer.provisioning().findall("./characteristic[@type='CertificateStore']/characteristic"):
        for level in store.findall("./characteristic"):
            for node in level:
                parm = node.find("./parm[@name='EncodedCertificate']")
                if parm is not None:
                    found.setdefault(store.get("type") + "/" + level.get("type"), []).append(
                        mdm.base64.b64decode(parm.get("value")))
    return found


def chain_of(lab, answer, label):
    """The chain as a device has it: from the document, compared with the files of the lab."""
    def load(path):
        with open(path, "rb") as f:
            return x509.load_pem_x509_certificate(f.read()).public_bytes(DER)
    found = stores(answer)
    if lab.root:
        tap.equal(found.get("Root/System"), [load(lab.root)], f"{label}: Root/System has the root")
        tap.equal(found.get("CA/System"), [load(lab.ca)], f"{label}: CA/System has the issuing CA")
        return [load(lab.root), load(lab.ca)]
    tap.equal(found.get("Root/System"), [load(lab.ca)], f"{label}: Root/System has the CA")
    tap.equal(found.get("CA/System"), None, f"{label}: CA/System is not there")
    return [load(lab.ca)]


def issue(lab, label, folder):
    cases = []
    for kind in ("Full", "Device"):
        device = mdm.device_id()
        a = lab.client().enroll(mdm.new_csr(device), device, kind)
        if tap.ok(a.status == 200 and a.certificate(), f"{label} {kind}: issued", a.describe()):
            cases.append(Case(folder, f"{label} {kind}", a.certificate(), chain_of(lab, a, f"{label} {kind}")))
    return cases


def has_jdk():
    return shutil.which("java") and shutil.which("javac")


def verifiers():
    yield "OpenSSL", "openssl", openssl
    yield "GnuTLS", "certtool", gnutls
    yield "NSS", "vfychain", nss()
    yield "NSS PKIX", "vfychain", nss("-p", "-p")


def main():
    cases = []
    with tempfile.TemporaryDirectory(prefix="pke-verify-") as folder:
        for label, how in (("RSA-2048", {}), ("P-256", {"algorithm": "p256"}), ("sub-CA", {"sub_ca": True})):
            with MdmLab(**how) as lab:
                cases += issue(lab, label, folder)
        tap.equal(len(cases), 6, "two certificates of each of three CAs")
        for name, program, verify in verifiers():
            if not shutil.which(program):
                tap.skip(name, f"{program} is not installed")
                continue
            for case in cases:
                check(case, name, verify)
        if has_jdk():
            answers = java(cases)
            for case in cases:
                check(case, "Java", lambda _, leaf: answers[leaf])
        else:
            tap.skip("Java", "no JDK is installed")
        for case in cases:
            python_parse(case)


tap.run(main)
