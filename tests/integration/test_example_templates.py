# SPDX-License-Identifier: Apache-2.0
"""dist/examples/templates.yaml: each template alone with the limits that the file gives its issuer is a configuration without a
mistake, and issues what its comment says; each limit is needed. (test_verifiers.py has them before the verifiers of others.)"""
import json
import os
import re
import sys

TOP = os.environ["top_srcdir"]
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import lab as lab_module  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
import yaml  # noqa: E402
from cryptography import x509  # noqa: E402
from mdmlab import MdmLab, USER, read_text, write_text  # noqa: E402

FILE = os.path.join(TOP, "dist", "examples", "templates.yaml")
UPN, SID_EXTENSION = "1.3.6.1.4.1.311.20.2.3", "1.3.6.1.4.1.311.25.2"
CLIENT_AUTH, SMART_CARD = "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"
LAB = None


def example():
    """The text for the lab: its domain, its issuer, and yes and no as they are written."""
    text = read_text(FILE).replace("corp.example", "lab.example")
    return text, yaml.load(text, yaml.BaseLoader)


def identity(text):
    """The line of the identity map in the comment, for the user of the lab."""
    line = " ".join(part.lstrip("# ") for part in re.search(r"^# +\{.*?\}$", text, re.M | re.S).group(0).splitlines())
    return {**json.loads(line), "principal": USER}


def configure(name, options, bounds):
    for option, value in bounds.items():
        LAB.set_option(("issuers", "lab", option), value)
    for option, value in {**options, "issuer": "lab"}.items():
        LAB.set_option(("templates", name, option), value if isinstance(value, str) else json.dumps(value))
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "template"), name)


def check():
    return LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])


def needed_by(name):
    """Limits of the issuer that the comments give to this template."""
    text = read_text(FILE)
    limits = {re.match(r" *([a-z-]+): ", line).group(1) for line in text.splitlines() if re.match(rf"    [a-z-]+: .*#.*\b{name}\b", line)}
    return limits | ({"allowed-ekus"} if re.search(rf"^ +- [0-9.]+ .*#.*\b{name}\b", text, re.M) else set())


def without_a_limit(name, options, bounds):
    for limit in sorted(bounds):
        before = read_text(LAB.config)
        configure(name, options, {k: v for k, v in bounds.items() if k != limit})
        r = check()
        needed = limit in needed_by(name)
        tap.equal(r.status, 78 if needed else 0, f"{name}: {limit} is {'' if needed else 'not '}needed") or tap.diag(str(r))
        write_text(LAB.config, before)


def san(cert, kind):
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    if kind is not x509.OtherName:
        return [n.value for n in names if isinstance(n, kind)]
    return [n.value[2:].decode() for n in names if isinstance(n, kind) and n.type_id.dotted_string == UPN]


def has_sid(cert, sid):
    return [e.value.value.endswith(sid.encode()) for e in cert.extensions if e.oid.dotted_string == SID_EXTENSION]


def enroll(name, kind):
    """By the second attempt where an operator has to approve."""
    device = mdm.device_id()
    csr = mdm.new_csr(device)
    a = LAB.client().enroll(csr, device, kind)
    if a.status != 200 and name == "domain-user":
        LAB.ctl("request", "approve", a.trace_id, check=True)
        a = LAB.client().enroll(csr, device, kind)
    tap.equal(a.status, 200, f"{name}: {kind} is issued") or tap.diag(a.describe())
    return device, a.certificate() and x509.load_der_x509_certificate(a.certificate())


def says(name, cert, device, who):
    """What the comment of the template says."""
    usages = [o.dotted_string for o in cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
    tap.equal(usages, [CLIENT_AUTH, SMART_CARD] if name == "domain-user" else [CLIENT_AUTH], f"{name}: its purposes")
    subject = {"mdm-user": "CN=" + USER, "wifi-user": f"CN={USER},O=Corp", "domain-user": "CN=" + who["upn"]}.get(name, "CN=" + device)
    tap.equal(cert.subject.rfc4514_string(), subject, f"{name}: its subject")
    tap.equal(san(cert, x509.OtherName), [who["upn"]] if name in ("wifi-user", "domain-user") else [], f"{name}: its UPN")
    tap.equal(san(cert, x509.DNSName), who["dns"] if name == "device-dns" else [], f"{name}: its host names")
    tap.equal(san(cert, x509.RFC822Name), who["email"] if name == "wifi-user" else [], f"{name}: its addresses")
    tap.equal([u[:9] for u in san(cert, x509.UniformResourceIdentifier)], ["urn:uuid:"] if name == "mdm-device" else [], f"{name}: its URI")
    tap.equal(has_sid(cert, who["sid"]), [True] if name == "domain-user" else [], f"{name}: its security identifier")


def main():
    global LAB  # pylint: disable=global-statement
    if lab_module.missing():
        tap.skip("templates of the examples", f"{lab_module.missing()} is not installed")
        return
    text, example_file = example()
    who, bounds, templates = identity(text), example_file["issuers"]["issuing-ca"], example_file["templates"]
    bounds = {k: json.dumps(v) for k, v in bounds.items()}
    tap.equal(sorted(templates), ["device-dns", "domain-user", "mdm-device", "mdm-user", "wifi-user"], "the templates")
    with MdmLab(start=False) as lab:
        LAB = lab
        path = os.path.join(lab.etc, "identities.jsonl")
        write_text(path, json.dumps(who) + "\n")
        lab.set_option(("identity-map",), path)
        bare = read_text(lab.config)
        for name, options in templates.items():
            configure(name, options, bounds)
            r = check()
            tap.equal((r.status, r.err), (0, ""), f"{name}: --check-config accepts it")
            write_text(lab.config, bare)
            without_a_limit(name, options, bounds)
        for name, options in templates.items():
            configure(name, options, bounds)
        lab.start()
        lab.add_user(USER)
        for name, options in templates.items():
            configure(name, options, bounds)
            lab.ctl("reload", check=True)
            device, cert = enroll(name, "Device" if options.get("allow-full") == "no" else "Full")
            if cert:
                says(name, cert, device, who)


tap.run(main)
