# SPDX-License-Identifier: Apache-2.0
"""Certificates of a real daemon before the verifiers of others: OpenSSL (strict), GnuTLS, NSS (both engines), Java's
CertPathValidator, python3-cryptography. Every template that is shipped, and one that uses everything, with every type of key that
a subject may have, below each kind of CA: RSA-2048, ECDSA P-256 and P-384, and an issuing CA below a root. Each verifier must
refuse a certificate with one bit changed, too."""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.environ["top_srcdir"]
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
import yaml  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

VERIFY_JAVA = os.path.join(TOP, "tests", "data", "java", "Verify.java")
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
CLIENT_AUTH, SMART_CARD = "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"
DOMAIN, SID, POLICY = "lab.example", "S-1-5-21-1004336348-1177238915-682003330", "1.3.6.1.4.1.99999.7"
CAS = (("RSA-2048", {}), ("P-256", {"algorithm": "p256"}), ("P-384", {"algorithm": "p384"}), ("sub-CA", {"sub_ca": True}))

# What a subject's key may be, and how the template offers all of it. One of each kind for each template: a key belongs to
# one device.
KEYS = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "p-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
ALL_KEYS = {"key-types": ["rsa", "p-256", "p-384", "p-521", "ed25519"], "rsa-max-bits": 4096}

# Bounds of the lab's CA: whatever a shipped template may ask for.
ISSUER = {"allowed-ekus": [CLIENT_AUTH, SMART_CARD], "allowed-policies": [POLICY], "upn-suffixes": [DOMAIN],
          "dns-suffixes": [DOMAIN], "email-suffixes": [DOMAIN], "sid-prefixes": [SID], "allow-guid": "yes",
          "crl-urls": ["http://pki.lab.example/lab.crl", "http://pki2.lab.example/lab.crl"],
          "ca-issuers-urls": ["http://pki.lab.example/lab.cer"]}
EVERYTHING = {
    "common-name": "LabEverything", "validity": "180d", "renewal-period": "30d",
    "subject-full": ["C=DE", "ST=Berlin", "L=Berlin", "O=Lab", "OU=Devices", "OU=Field", "UID={principal}", "CN={upn}"],
    "subject-device": ["DC=example", "DC=lab", "serialNumber={ent-dmid}", "CN={device-id}"],
    "san": ["dns:{dns}", "email:{email}", "upn:{upn}", "guid:{guid}", "uri:urn:x:{device-id}", "sid-uri:{sid}"],
    "sid-extension": "require", "ekus": [CLIENT_AUTH, SMART_CARD], "application-policies": [CLIENT_AUTH],
    "key-usage": ["digital-signature", "non-repudiation", "key-encipherment"], "certificate-policies": [POLICY],
    "cps-uri": "https://pki.lab.example/cps", "template-extension": "oid",
    "template-oid": "1.3.6.1.4.1.311.21.8.1004336348.1177238915.1.2", "major-revision": 100, "minor-revision": 4}
EXTENSIONS = ["2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.14", "2.5.29.35", "2.5.29.17", "1.3.6.1.4.1.311.25.2", "2.5.29.32",
              "2.5.29.31", "1.3.6.1.5.5.7.1.1", "1.3.6.1.4.1.311.21.7", "1.3.6.1.4.1.311.21.10"]
IDENTITY = {"principal": USER, "upn": USER, "dns": ["ada.lab.example", "ada-2.lab.example"], "email": ["ada.l@lab.example"],
            "guid": "6f1c1dd0-5a0b-4b7b-9b3c-0a4f5d7e2c11", "sid": SID + "-1105"}


def shipped():
    """{name: options} of every template in dist/examples. What depends on the deployment is left out: who may enroll, with how
    many devices of which version, which issuer, files, URLs of providers."""
    found = {}
    for path in sorted(glob.glob(os.path.join(TOP, "dist", "examples", "*.yaml*"))):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^ *@\w+@$", "", f.read(), flags=re.M)
        if path.endswith(".in"):
            text = re.sub(r"@(\w+)@", r"\1", text)
        for name, options in (yaml.safe_load(text).get("templates") or {}).items():
            found[f"{os.path.basename(path).split('.')[0]}-{name}"] = {
                k: v for k, v in options.items()
                if k not in ("issuer", "allow", "approval", "max-devices", "os-min-version") and not k.startswith(("attestation", "maa-"))}
    return found


def run(*command):
    r = subprocess.run(command, capture_output=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    return r.returncode, (r.stdout + r.stderr).decode("utf-8", "replace")


class Case:
    """One leaf with the certificates above it, as files; .bad is the same leaf with one bit of its signature changed,
    .other the same with another year of notAfter."""

    def __init__(self, folder, name, leaf, cas, tampered):
        self.name, self.cas, self.tampered = name, cas, tampered
        self.folder = os.path.join(folder, name.replace(" ", "-"))
        os.mkdir(self.folder)
        self.der = leaf
        self.leaf = self.save("leaf", leaf)
        if not tampered:
            return
        self.bad = self.save("bad", leaf[:-1] + bytes([leaf[-1] ^ 1]))
        end = x509.load_der_x509_certificate(leaf).not_valid_after.strftime("%y%m%d%H%M%SZ").encode()
        year = leaf.index(end) + 1
        self.other = self.save("other", leaf[:year] + bytes([leaf[year] ^ 1]) + leaf[year + 1:])

    def save(self, name, der):
        return save(os.path.join(self.folder, name), der)

    def leaves(self):
        """(what was changed, file); None: nothing, the certificate as it was issued."""
        changed = [("its signature", self.bad), ("its validity", self.other)] if self.tampered else []
        return [(None, self.leaf)] + changed


def save(path, der):
    with open(path + ".der", "wb") as f:
        f.write(der)
    with open(path + ".pem", "w", encoding="ascii") as f:
        f.write(mdm.base64.encodebytes(der).decode().join(
            ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n")))
    return path


def joined(out, paths):
    with open(out, "w", encoding="ascii") as f:
        for path in paths:
            with open(path + ".pem", encoding="ascii") as part:
                f.write(part.read())
    return out


def openssl(case, leaf):
    untrusted = ["-untrusted", joined(leaf + "-untrusted.pem", case.cas[1:])] if case.cas[1:] else []
    return run("openssl", "verify", "-x509_strict", "-auth_level", "2", "-purpose", "sslclient", "-CAfile",
               case.cas[0] + ".pem", "-no-CApath", "-no-CAstore", *untrusted, leaf + ".pem")


def gnutls(case, leaf):
    status, text = run("certtool", "--verify", "--load-ca-certificate", case.cas[0] + ".pem", "--infile",
                       joined(leaf + "-gnutls.pem", [leaf] + case.cas[:0:-1]))
    return (status or int("Not verified" in text or "Chain verification output: Verified" not in text)), text


def nss_database(cas):
    """One for each CA, beside its certificate."""
    db = os.path.join(os.path.dirname(cas[0]), "nss")
    os.mkdir(db)
    subprocess.run(["certutil", "-N", "-d", "sql:" + db, "--empty-password"], check=True, capture_output=True)
    for i, path in enumerate(cas):
        subprocess.run(["certutil", "-A", "-d", "sql:" + db, "-n", f"ca{i}", "-t", ",," if i else "CT,CT,", "-i", path + ".der"],
                       check=True, capture_output=True)


def nss(*options):
    def verify(case, leaf):
        db = "sql:" + os.path.join(os.path.dirname(case.cas[0]), "nss")
        return run("vfychain", "-d", db, *options, "-u", "0", leaf + ".der")
    return verify


def java(cases):
    """One virtual machine for all: {path of leaf: (status, text)}."""
    leaves = [(case, leaf) for case in cases for _, leaf in case.leaves()]
    status, text = run("java", VERIFY_JAVA, *(":".join(p + ".der" for p in [*case.cas, leaf]) for case, leaf in leaves))
    lines = [line for line in text.splitlines() if line.startswith(("ok", "refused"))]
    if status != 0 or len(lines) != len(leaves):
        return {leaf: (1, text) for _, leaf in leaves}
    return {leaf: (int(line != "ok"), line) for (_, leaf), line in zip(leaves, lines)}


def check(cases, name, verify):
    """All leaves, on two processors; what is changed must be refused."""
    todo = [(case, what, leaf) for case in cases for what, leaf in case.leaves()]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda t: verify(t[0], t[2]), todo))
    for (case, what, _), (status, text) in zip(todo, answers):
        if what is None and status != 0 and " ed25519 " in case.name and name == "NSS PKIX" and "-8049" in text:
            tap.skip(f"{case.name}: {name} verifies it", "libpkix of this NSS knows no Ed25519 keys")
        elif what is None:
            tap.ok(status == 0, f"{case.name}: {name} verifies it", text)
        else:
            tap.ok(status != 0, f"{case.name}: {name} refuses it with one bit of {what} changed", text)


def python_parse(case):
    c = x509.load_der_x509_certificate(case.der)
    seen = [c.subject.rfc4514_string(), c.issuer.rfc4514_string(), c.serial_number, c.not_valid_after, c.version,
            c.signature_hash_algorithm.name, c.public_key()] + [(e.oid, e.critical, e.value) for e in c.extensions]
    tap.ok(len(seen) > 10, f"{case.name}: python3-cryptography reads every part", seen)
    tap.equal(c.public_bytes(DER), case.der, f"{case.name}: python3-cryptography writes the same DER")
    if " everything " in case.name:
        tap.equal([e.oid.dotted_string for e in c.extensions], EXTENSIONS, f"{case.name}: everything is in it")


def openssl_writes(case):
    r = subprocess.run(["openssl", "x509", "-inform", "DER", "-outform", "DER"], input=case.der, capture_output=True, check=False)
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


def configure(lab, templates):
    """All templates in one configuration; the first is in force."""
    for option, value in ISSUER.items():
        lab.set_option(("issuers", "lab", option), json.dumps(value))
    path = os.path.join(lab.etc, "identities.jsonl")
    write_text(path, json.dumps(IDENTITY) + "\n")
    lab.set_option(("identity-map",), path)
    for name, options in templates.items():
        for option, value in {**options, **ALL_KEYS, "issuer": "lab", "allow": ["*"]}.items():
            value = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            lab.set_option(("templates", name, option), json.dumps(value) if not isinstance(value, str) else f"'{value}'")


def use(lab, name):
    for endpoint in ("mdm-policy", "mdm-enroll"):
        lab.set_option(("endpoints", endpoint, "template"), name)
    lab.ctl("reload", check=True)


def kinds(options):
    return [kind for kind in ("Full", "Device") if options.get("allow-" + kind.lower(), True)]


def issue(lab, label, folder, keys, templates):
    """Each template with each type of key, Full and Device in turn where it takes both; the first two are tampered with, too."""
    folder = os.path.join(folder, label)
    os.mkdir(folder)
    cases, cas = [], []
    for name in keys:
        use(lab, name)
        for i, (key_type, key) in enumerate(keys[name].items()):
            offered, device = kinds(templates[name]), mdm.device_id()
            kind = offered[i % len(offered)]
            a = lab.client().enroll(mdm.new_csr(device, key), device, kind)
            what = f"{label} {name} {key_type} {kind}"
            if not tap.ok(a.status == 200 and a.certificate(), f"{what}: issued", a.describe()):
                continue
            if not cas:
                cas = [save(os.path.join(folder, f"ca{n}"), c) for n, c in enumerate(chain_of(lab, a, label))]
            cases.append(Case(folder, what, a.certificate(), cas, len(cases) < 2))
    if shutil.which("certutil"):
        nss_database(cas)
    return cases


def has_jdk():
    return shutil.which("java") and shutil.which("javac")


def verifiers():
    yield "OpenSSL", "openssl", openssl
    yield "GnuTLS", "certtool", gnutls
    yield "NSS", "vfychain", nss()
    yield "NSS PKIX", "vfychain", nss("-p", "-p")


def main():
    cases, templates = [], {**shipped(), "everything": EVERYTHING}
    tap.ok(len(templates) > 2, "there are shipped templates", templates)
    keys = {name: {kind: make() for kind, make in KEYS.items()} for name in templates}
    with tempfile.TemporaryDirectory(prefix="pke-verify-") as folder:
        for label, how in CAS:
            with MdmLab(start=False, **how) as lab:
                configure(lab, templates)
                lab.start()
                lab.add_user(USER)
                cases += issue(lab, label, folder, keys, templates)
        tap.equal(len(cases), len(CAS) * len(templates) * len(KEYS), "one certificate of each")
        for name, program, verify in verifiers():
            if shutil.which(program):
                check(cases, name, verify)
            else:
                tap.skip(name, f"{program} is not installed")
        if has_jdk():
            answers = java(cases)
            check(cases, "Java", lambda _, leaf: answers[leaf])
        else:
            tap.skip("Java", "no JDK is installed")
        for case in cases:
            python_parse(case)
            openssl_writes(case)


tap.run(main)
