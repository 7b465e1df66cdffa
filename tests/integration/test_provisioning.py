# SPDX-License-Identifier: Apache-2.0
"""A real daemon below an intermediate: the whole provisioning document from options and a fragment, bad fragments, and
the ContextItems as the operator sees them (MS-MDE2 checklist 36 to 38, 49, 50, 52, 53, 55 to 57)."""
import base64
import hashlib
import os
import sys
from urllib.parse import unquote

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402
from lab import find_daemon  # noqa: E402
from mdmlab import MdmLab, USER, read_text, write_text  # noqa: E402

SECTION = ("provisioning", "lab")
NASTY = "Corp & <Sons> \"x\" 'y' ]]> \u00e9\u4e2d"
SERVERS = ["https://a.lab.example/m", "https://b.lab.example/m?x=1&y=2"]
FRAGMENT = """<!-- what has no option -->
<characteristic type="DMClient"><characteristic type="Provider"><characteristic type="PkienrollLab">
  <characteristic type="FirstSyncStatus"><parm name="TimeOutUntilSyncFailure" value="60" datatype="integer"/></characteristic>
</characteristic></characteristic></characteristic>
<characteristic type="Policy"><parm name="greeting" value="&lt;&amp;&gt;" datatype="string"/></characteristic>
"""
LAB = None


def at(doc, *types):
    for t in types:
        doc = doc.find(f"./characteristic[@type='{t}']") if doc is not None else None
    return doc


def parms(node):
    return {p.get("name"): p.get("value") for p in node.findall("./parm")} if node is not None else {}


def enroll(kind="Full", **extra):
    device = mdm.device_id()
    items = mdm.default_items(device, kind, **{k: v for k, v in extra.items() if k == "name"})
    items += [(k, v) for k, v in extra.items() if k != "name"]
    return LAB.client().enroll(mdm.new_csr(device), device, kind, items=items), device


def fragment_path():
    return os.path.join(LAB.etc, "fragment.xml")


def whole_document():
    """Every option that is off by default is switched on, and lands where clients look for it."""
    options = {"display-name": "'" + NASTY.replace("'", "''") + "'", "protocol-version": '"1.2"',
               "network-access-point": "NAP1", "use-hardware-id": "yes", "require-message-signing": "yes",
               "sync-version": '"5.0"', "keep-alive": "yes", "aad-resource-id": "https://lab.example/",
               "management-servers": "[" + ", ".join(f'"{s}"' for s in SERVERS) + "]",
               "poll-all-users-on-first-login": "yes", "help-phone": '"+49 0"', "help-website": "https://help.lab.example",
               "help-email": "help@lab.example", "device-name": '"{device-name} of {user}"', "search-criteria": "yes",
               "renew-url": "https://lab.example/renew", "fragment-file": "fragment.xml"}
    write_text(fragment_path(), FRAGMENT)
    for name, value in options.items():
        LAB.set_option((*SECTION, name), value)
    LAB.ctl("reload", check=True)
    a, _ = enroll(name=NASTY)
    doc = a.provisioning()
    app, provider = at(doc, "APPLICATION"), at(doc, "DMClient", "Provider", "PkienrollLab")
    values = parms(app)
    tap.equal((values["NAME"], values["PROTOVER"], values["TO-NAPID"], values["USEHWDEVID"]), (NASTY, "1.2", "NAP1", None),
              "c52 c57 APPLICATION has what the options say")
    tap.ok("INIT" not in values and len(app.findall("./characteristic[@type='APPAUTH']")) == 2 and
           all(n == n.upper() for n in values), "c52 upper-case names, two APPAUTH, never INIT", values)
    values = parms(provider)
    want = {"UPN": USER, "EntDeviceName": f"{NASTY} of {USER}", "HelpPhoneNumber": "+49 0", "RequireMessageSigning": "true",
            "HelpWebsite": "https://help.lab.example", "HelpEmailAddress": "help@lab.example", "SyncApplicationVersion": "5.0",
            "EnableOmaDmKeepAliveMessage": "true", "AADResourceID": "https://lab.example/",
            "ManagementServerAddressList": "".join(f"<{s}>" for s in SERVERS)}
    tap.equal({k: values.get(k) for k in want}, want, "c53 c57 DMClient has what the options and the identity say")
    tap.equal(parms(at(provider, "Poll")).get("AllUsersPollOnFirstLogin"), "true", "c54 Poll")
    tap.equal(parms(at(provider, "FirstSyncStatus")).get("TimeOutUntilSyncFailure"), "60", "c56 the fragment joins DMClient")
    tap.ok(len(doc.findall("./characteristic[@type='DMClient']")) == 1 and values.get("EntDMID"), "c53 there is one DMClient")
    tap.equal(parms(at(doc, "Policy")).get("greeting"), "<&>", "c56 other providers follow, escaped once")
    tap.equal(parms(at(doc, "CertificateStore", "My", "WSTEP", "Renew")).get("ServerURL"), "https://lab.example/renew",
              "c51 ServerURL")


def stores_and_criteria():
    a, _ = enroll("Device")
    doc = a.provisioning()
    for name, path in (("Root", LAB.root), ("CA", LAB.ca)):
        der = x509.load_pem_x509_certificate(read_text(path).encode()).public_bytes(Encoding.DER)
        nodes = at(doc, "CertificateStore", name, "System").findall("./characteristic")
        tap.ok(len(nodes) == 1 and nodes[0].get("type") == hashlib.sha1(der).hexdigest().upper() and
               base64.b64decode(parms(nodes[0])["EncodedCertificate"], validate=True) == der, f"c49 c50 {name}/System")
    criteria = parms(at(doc, "APPLICATION"))["SSLCLIENTCERTSEARCHCRITERIA"]
    subject = x509.load_der_x509_certificate(a.certificate()).subject.rfc4514_string()
    tap.equal([unquote(p) for p in criteria.split("&")], [f"Subject={subject}", "Stores=My\\System"],
              "c55 the criteria name the issued subject and its store")


def bad_fragments():
    cases = [("<characteristic type='CertificateStore'><characteristic type='My'/></characteristic>", 1, "CertificateStore"),
             ("\n\n<characteristic type='WiFi'/>", 3, "configuration service provider"),
             ("<characteristic type='Policy'>\n", 2, "well-formed"),
             ("<!DOCTYPE x []><characteristic type='Policy'/>", 1, "document type"),
             ("<characteristic type='Policy'>\n<init/></characteristic>", 2, "characteristic and parm"),
             ("x" * 70000, 1, "larger than")]
    used = LAB.signatures()
    generation = LAB.status()["generation"]
    for text, line, word in cases:
        write_text(fragment_path(), text)
        for name, r in (("--check-config", LAB.run([find_daemon(), "--config", LAB.config, "--check-config"])),
                        ("reload", LAB.ctl("reload"))):
            tap.ok(r.status == (78 if name == "--check-config" else 1) and f"{fragment_path()}:{line}: " in r.err and
                   "provisioning.lab.fragment-file" in r.err and word in r.err, f"c56 {name}: {text[:40]!r} is refused", r)
    tap.equal((LAB.signatures(), LAB.status()["generation"]), (used, generation), "c56 and nothing was signed for it")
    a, _ = enroll()
    tap.equal(parms(at(a.provisioning(), "Policy")).get("greeting"), "<&>", "c56 the fragment that was read serves on")
    write_text(fragment_path(), FRAGMENT.replace("&lt;&amp;&gt;", "hello"))
    LAB.ctl("reload", check=True)
    a, _ = enroll()
    tap.equal(parms(at(a.provisioning(), "Policy")).get("greeting"), "hello", "c56 a reload reads a changed fragment")
    LAB.set_option((*SECTION, "fragment-file"), None)
    LAB.ctl("reload", check=True)
    a, _ = enroll()
    tap.ok(at(a.provisioning(), "Policy") is None, "c56 without the option there is none")


def context_is_shown():
    secret = "opaque terms of use " * 3
    a, _ = enroll(EnrollmentData=secret, PlugAndForget="TRUE", BulkAADJ="1", OSVersion="ignored",
                  ZeroTouchProvisioning="{9A51D698-40C7-499C-928E-EF7FD76E62C0}", Invented="e\tf" + "\u0085" + "g",
                  AIKPub=base64.b64encode(b"abc").decode(), DomainName="x" * 5000)
    trace = a.find("./s:Header/diag:ActivityId").text
    row = LAB.request_show(trace)
    items = {i["name"]: i for i in row["context"]}
    tap.equal((items["OSVersion"]["type"], items["OSVersion"]["fits"], items["OSVersion"]["value"]),
              ("version", True, "10.0.22631.3235"), "c37 the first OSVersion counts, with its type")
    tap.equal((items["PlugandForget"]["value"], items["PlugandForget"]["fits"]), ("TRUE", True), "c38 either spelling")
    tap.equal((items["BulkAADJ"]["value"], items["BulkAADJ"]["fits"]), ("1", False), "c38 a wrong form is kept and marked")
    tap.ok(items["ZeroTouchProvisioning"]["fits"] and items["UXInitiated"]["type"] == "bool", "the forms of others")
    tap.equal((items["Invented"]["type"], items["Invented"]["value"]), (None, "efg"), "unknown names are kept, controls left out")
    digest = hashlib.sha256(secret.strip().encode()).hexdigest()[:16]
    tap.equal(items["EnrollmentData"]["value"], f"{len(secret.strip())} bytes, SHA-256 {digest}", "EnrollmentData by its digest")
    tap.ok(items["DomainName"]["digest"] and items["DomainName"]["value"].startswith("5000 bytes, SHA-256 "),
           "long values by their digest", items["DomainName"])
    tap.equal((items["AIKPub"]["value"], items["AIKPub"]["digest"], items["AIKPub"]["fits"]),
              ("sha256:" + hashlib.sha256(b"abc").hexdigest(), True, None), "evidence by the hash that was recorded")
    r = LAB.ctl("request", "show", trace, check=True)
    tap.ok("Context" in r.out and "OSVersion" in r.out and digest in r.out and "terms of use" not in r.out,
           "pkienrollctl shows the same as a table", r)
    enroll(invented="x")
    log = LAB.read_log()
    tap.ok("terms of use" not in log, "and the log has nothing of it")
    tap.ok(log.count("unknown ContextItem") == 1 and "name=Invented" in log.replace('"', ""),
           "the log tells an unknown name once")


with MdmLab(sub_ca=True) as LAB:
    tap.run(whole_document, stores_and_criteria, bad_fragments, context_is_shown)
