# SPDX-License-Identifier: Apache-2.0
"""The sixteen named escalations of AD CS, each tried against a daemon that is configured as well as it goes, and, where
the mistake is one of configuration, against a configuration that would allow it. Of each: no certificate with the right, the exact
reason, a record in request and audit, and the CA key is not used."""
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import csrbuild  # noqa: E402
import lab as lab_module  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from mdmlab import MdmLab, USER, read_text, write_text  # noqa: E402

DOMAIN = "S-1-5-21-1004336348-1177238915-682003330"
SID, ADMIN_SID = DOMAIN + "-1104", DOMAIN + "-500"
BOB = "bob@lab.example"
KNOWN = {"principal": USER, "upn": "ada@corp.example", "dns": ["a.corp.example"], "email": ["ada.l@corp.example"], "sid": SID}
TEMPLATE = {"subject-full": '["CN={upn}"]', "san": '["upn:{upn}", "sid-uri:{sid}"]', "sid-extension": "require",
            "certificate-policies": "[1.2.3.4.5]", "application-policies": "[client-auth]"}
BOUNDS = {"upn-suffixes": "[corp.example]", "dns-suffixes": "[corp.example]", "email-suffixes": "[corp.example]",
          "sid-prefixes": f"[{DOMAIN}]", "allowed-policies": "[1.2.3.4.5]"}
CLIENT_AUTH, AGENT, ANY = "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.1", "2.5.29.37.0"
SAN, SID_EXTENSION, NOBODY = "2.5.29.17", csrbuild.SID, 65534
LAB = MAP = None


# ---- what is asked of each

def csr(extensions=(), subject=(("CN", "x"),), **kw):
    return csrbuild.csr(mdm.new_key(), subject, list(extensions), **kw)


def recorded(a, reason, name):
    shown = LAB.request_show(a.trace_id) or {}
    tap.equal((shown.get("state"), (shown.get("error") or {}).get("reason")), ("refused", reason), f"{name}: refused by its rule, recorded")
    audit = ledgerdb.rows(LAB.ledger, "SELECT event FROM audit WHERE request_id = ?", (a.trace_id,))
    tap.equal([e for e, in audit], ["refused"], f"{name}: in the audit chain")


def refused(request, reason, name, client=None):
    """Send it: no certificate, this reason, a record, the key unused."""
    before = LAB.signatures()
    a = (client or LAB.client()).enroll(request, mdm.device_id())
    tap.ok(a.status != 200 and a.certificate() is None, f"{name}: no certificate", a.describe())
    recorded(a, reason, name)
    tap.equal(LAB.signatures(), before, f"{name}: the key was not used")


def issued(request, name, **kw):
    """Send it: the certificate of the template for this identity, and nothing else in it."""
    a = LAB.client().enroll(request, mdm.device_id(), **kw)
    der = a.certificate()
    if not tap.ok(der is not None, f"{name}: a certificate", a.describe()):
        raise RuntimeError("nothing to look at")
    cert = x509.load_der_x509_certificate(der)
    tap.equal([n.value for n in cert.subject], ["ada@corp.example"], f"{name}: the subject is the identity's")
    tap.equal(raw(cert, SAN), csrbuild.general_names([("upn", "ada@corp.example"), ("uri", csrbuild.sid_uri(SID))]),
              f"{name}: so are the names")
    tap.equal(raw(cert, SID_EXTENSION), csrbuild.seq(csrbuild.other_name(csrbuild.SID_IN_OTHER, csrbuild.octets(SID.encode()))),
              f"{name}: and the account")
    tap.equal(raw(cert, "2.5.29.37"), csrbuild.seq(csrbuild.oid(CLIENT_AUTH)), f"{name}: for the template's purpose")
    return cert


def raw(cert, oid):
    return next((e.value.public_bytes() for e in cert.extensions if e.oid.dotted_string == oid), None)


def not_loaded(path, value, words, name):
    """This option is refused when it is loaded; what was in force stays."""
    before, signatures, generation = read_text(LAB.config), LAB.signatures(), LAB.status()["generation"]
    LAB.set_option(path, value)
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and words in r.out + r.err, f"{name}: refused at load", r)
    check = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
    tap.ok(check.status == 78, f"{name}: refused by --check-config", check)
    tap.equal((LAB.status()["generation"], LAB.signatures()), (generation, signatures), f"{name}: nothing changed, no use of the key")
    write_text(LAB.config, before)


def template(**options):
    for name, value in options.items():
        LAB.set_option(("templates", "device", name.replace("_", "-")), value)
    LAB.ctl("reload", check=True)


# ---- one by one

def esc01_the_enrollee_supplies_the_name():
    upn = csr([csrbuild.san([("upn", "administrator@corp.example")])])
    refused(upn, "csr-asks-upn", "ESC1 a UPN")
    template(from_csr="[upn, dns, email]")
    refused(upn, "csr-asks-upn", "ESC1 a UPN, where the request may choose of the identity's")
    template(from_csr=None)
    issued(csr([csrbuild.san([("dns", "dc01.corp.example")])]), "ESC1 a host name")


def esc02_any_purpose():
    for name, usages in (("any purpose", [ANY]), ("any purpose beside a good one", [CLIENT_AUTH, ANY])):
        refused(csr([csrbuild.eku(usages)]), "csr-eku", f"ESC2 {name}")
    not_loaded(("templates", "device", "ekus"), "[]", "ekus", "ESC2 a template without a purpose")
    not_loaded(("templates", "device", "ekus"), f"[{ANY}]", "ekus", "ESC2 a template for any purpose")
    issued(csr(), "ESC2 no EKU asked for")


def esc03_an_enrollment_agent():
    refused(csr([csrbuild.eku([AGENT])]), "csr-eku", "ESC3 to be an agent")
    refused(csr([csrbuild.application_policies([AGENT])]), "csr-asks-application-policy", "ESC3 to be one by application policy")
    agent = mdm.Device(LAB.client())  # its certificate signs a request on behalf of another
    before = LAB.signatures()
    for kind, name, reason in ((mdm.VT_P7, "PKCS7", "wstep-value-type"), (mdm.VT_P10, "PKCS10", "csr-structure")):
        cms = mdm.new_cms(csr(subject=(("CN", "administrator"),)), agent.der, agent.key)
        a = LAB.client().enroll(cms, mdm.device_id(), value_type=kind)
        tap.ok(a.status != 200 and a.certificate() is None, f"ESC3 a signed request on behalf of another, as {name}", a.describe())
        recorded(a, reason, f"ESC3 as {name}")
    a = agent.renew(mdm.new_cms(csr(), agent.der, agent.key), items=mdm.default_items(mdm.device_id()), keep=True)
    tap.ok(a.certificate() is None, "ESC3 a renewal on behalf of another device", a.describe())
    recorded(a, "renew-device", "ESC3 a renewal on behalf of another device")
    tap.equal(LAB.signatures(), before, "ESC3 the key was not used")


def esc04_who_may_write_templates():
    for mode in (0o666, 0o620, 0o602):
        os.chmod(LAB.config, mode)
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and "may be written" in r.out + r.err, f"ESC4 configuration of mode {mode:04o}: not loaded", r)
        check = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
        tap.equal(check.status, 78, f"ESC4 mode {mode:04o}: nor started with")
    os.chmod(LAB.config, 0o600)
    issued(csr(), "ESC4 the last good one is in force")


def esc05_who_may_write_what_decides():
    """Identity map and user file decide who is whom: as good as the template."""
    users = os.path.join(LAB.etc, "users")
    users = users if os.path.exists(users) else next(os.path.join(d, f) for d, _, fs in os.walk(LAB.dir) for f in fs if f.startswith("users"))
    for path in (MAP, users):
        mode = os.stat(path).st_mode & 0o777
        os.chmod(path, 0o666)
        r = LAB.ctl("reload")
        check = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
        tap.ok(r.status != 0 or check.status != 0, f"ESC5 {os.path.basename(path)} that others may write", f"{r}\n{check}")
        os.chmod(path, mode)
    write_text(MAP, json.dumps(KNOWN) + "\n" + json.dumps(dict(KNOWN, upn="administrator@corp.example")) + "\n")
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and ":2:" in str(r), "ESC5 a second line for the same principal", r)
    write_text(MAP, json.dumps(KNOWN) + "\n")
    LAB.ctl("reload", check=True)
    issued(csr(), "ESC5 the last good map is in force")


def esc06_names_as_attributes_of_the_request():
    pair = csrbuild.seq(csrbuild.bmp("SAN"), csrbuild.bmp("upn=administrator@corp.example&dns=dc01.corp.example"))
    issued(csr(attributes=[csrbuild.attribute("1.3.6.1.4.1.311.13.2.1", pair)]), "ESC6 SAN: as enrollment attribute")
    device = mdm.device_id()
    items = mdm.default_items(device) + [("SAN", "upn=administrator@corp.example"), ("CertificateAttributes", "SAN:upn=administrator@corp.example")]
    issued(csr(), "ESC6 SAN: as ContextItem", items=items)
    not_loaded(("templates", "device", "attribute-subject-alt-name"), "yes", "attribute-subject-alt-name", "ESC6 there is no such switch")


def as_nobody(*args):
    done = subprocess.run([lab_module.CTL, "--socket", LAB.socket, *args], user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, text=True, timeout=60, check=False)
    return lab_module.Result(subprocess.CompletedProcess(done.args, done.returncode, done.stdout.encode(), done.stderr.encode()))


def esc07_who_may_manage_the_ca():
    if os.getuid() != 0:
        tap.skip("ESC7", "needs root to be somebody else")
        return
    path = os.path.dirname(LAB.socket)
    while path.startswith(LAB.dir) or path == LAB.dir:  # the folders are no obstacle, the roles are
        os.chmod(path, 0o755)
        path = os.path.dirname(path)
    os.chmod(LAB.socket, 0o666)
    serial = ledgerdb.rows(LAB.ledger, "SELECT serial FROM certificate LIMIT 1")[0][0]
    serial = serial.hex() if isinstance(serial, bytes) else serial
    verbs = (("reload",), ("user", "list"), ("token", "mint", USER),
             ("cert", "revoke", serial), ("device", "release", "x"), ("request", "approve", "x"), ("key", "list"), ("status",))
    before = len(ledgerdb.rows(LAB.ledger, "SELECT 1 FROM audit WHERE event IN ('revoked', 'user-added', 'token-minted')"))
    for verb in verbs:
        r = as_nobody(*verb)
        tap.ok(r.status != 0 and not r.out.strip() and "control-nobody" in r.err, f"ESC7 {' '.join(verb[:2])} without a role", r)
    tap.equal(len(ledgerdb.rows(LAB.ledger, "SELECT 1 FROM audit WHERE event IN ('revoked', 'user-added', 'token-minted')")), before,
              "ESC7 nothing was done")


def spoken_to(data):
    """What the listener answers to octets that are no TLS; b"" when it ends the connection."""
    client = LAB.client()
    with socket.create_connection((client.host, client.port), timeout=20) as s:
        try:
            s.sendall(data)
            return s.recv(4096)
        except ConnectionError:
            return b""


def no_ntlm(name):
    client = LAB.client()
    for scheme in ("NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==", "Negotiate YIIB"):
        a = client.enroll(csr(), mdm.device_id(), security=None, headers={"Authorization": scheme})
        tap.ok(a.status != 200 and a.certificate() is None and "WWW-Authenticate" not in a.headers,
               f"{name} {scheme.split()[0]} is no credential", a.describe())


def esc08_a_relayed_logon_over_http():
    before = LAB.signatures()
    no_ntlm("ESC8")
    for url in (LAB.policy_url, LAB.enroll_url):
        tap.ok(url.startswith("https://"), "ESC8 endpoints have TLS", url)
    answer = spoken_to(b"POST /EnrollmentServer/Enrollment.svc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    tap.ok(b"HTTP/1.1 2" not in answer and b"Envelope" not in answer, "ESC8 plain HTTP is not answered", answer)
    config = read_text(LAB.config)
    LAB.set_option(("listeners", "main", "tls-certificate"), None)
    LAB.set_option(("listeners", "main", "tls-key"), None)
    r = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
    tap.ok(r.status == 78 and "tls-certificate" in r.err, "ESC8 a listener without TLS is refused at load", r)
    write_text(LAB.config, config)
    tap.equal(LAB.signatures(), before, "ESC8 the key was not used")


def esc09_no_security_extension():
    issued(csr(), "ESC9 a request without a word of it")
    LAB.add_user(BOB, "bobs secret")
    template(san="[]", subject_full='["CN={principal}"]')
    refused(csr(), "sid-missing", "ESC9 an identity without an account", LAB.client(BOB, "bobs secret"))
    refused(csr([csrbuild.sid_extension(ADMIN_SID)]), "csr-asks-sid", "ESC9 the extension of another")
    template(**{k.replace("-", "_"): TEMPLATE[k] for k in ("san", "subject-full")})


def esc10_a_weak_mapping_of_names():
    """What a domain controller maps by name alone is the identity's own; the account stands in the certificate twice."""
    for name, kind, value, reason in (("a UPN", "upn", "dc01$@corp.example", "csr-asks-upn"),
                                      ("the account as URI", "uri", csrbuild.sid_uri(ADMIN_SID), "csr-asks-sid")):
        refused(csr([csrbuild.san([(kind, value)])]), reason, f"ESC10 {name}")
    issued(csr([csrbuild.san([("dns", "dc01.corp.example")])]), "ESC10 the host name of a domain controller")


def esc11_a_relayed_logon_over_rpc():
    """There is no RPC; what is relayed is no credential, and nothing that was captured is good for another key."""
    before = LAB.signatures()
    no_ntlm("ESC11")
    bind = bytes.fromhex("05000b0310000000480000000100000000100010000000000100000000000100")  # DCE/RPC
    tap.ok(spoken_to(bind)[:2] != b"\x05\x00", "ESC11 an RPC bind gets no answer of RPC")
    tap.equal(LAB.signatures(), before, "ESC11 the key was not used")


def esc12_a_shell_on_the_machine():
    pin = read_text(os.path.join(LAB.etc, "pin")).strip().encode()
    places = 0
    for pid in [LAB.process.pid, *LAB.pids()]:
        for what in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{what}", "rb") as f:
                    places += 1
                    tap.ok(pin not in f.read(), f"ESC12 no PIN in {what} of {pid}")
            except PermissionError:
                pass
    tap.ok(places > 0, "ESC12 there was something to look at")
    tap.ok(pin.decode() not in LAB.read_log() + read_text(LAB.config), "ESC12 nor in log and configuration")
    os.chmod(os.path.join(LAB.etc, "pin"), 0o644)
    r = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
    tap.ok(r.status == 78 and "accessible by group or others" in r.err, "ESC12 a PIN file that others may read", r)
    os.chmod(os.path.join(LAB.etc, "pin"), 0o600)


def esc13_a_policy_that_is_a_group():
    refused(csr([csrbuild.policies(["1.3.6.1.4.1.311.21.8.7.7.402"])]), "csr-asks-policy", "ESC13 a policy")
    refused(csr([csrbuild.policies(["1.2.3.4.5", "2.5.29.32.0"])]), "csr-asks-policy", "ESC13 any policy beside a good one")
    not_loaded(("templates", "device", "certificate-policies"), "[1.3.6.1.4.1.311.21.8.7.7.402]", "polic",
               "ESC13 a template with a policy that the issuer has not")
    cert = issued(csr([csrbuild.policies(["1.2.3.4.5"])]), "ESC13 the template's own policy")
    tap.equal(raw(cert, "2.5.29.32"), csrbuild.seq(csrbuild.seq(csrbuild.oid("1.2.3.4.5"))), "ESC13 and that alone")


def esc14_the_names_of_another():
    """altSecurityIdentities: subject, e-mail, issuer and serial. None of them can be another's."""
    other = (("CN", "administrator@corp.example"), ("OU", "Domain Admins"), ("emailAddress", "administrator@corp.example"))
    certs = [issued(csr([csrbuild.san([("email", "administrator@corp.example"), ("dn", other)])], other), "ESC14 another's subject and e-mail")
             for _ in range(2)]
    tap.ok(certs[0].serial_number != certs[1].serial_number, "ESC14 issuer and serial are of one certificate")
    ski = csrbuild.extension("2.5.29.14", csrbuild.octets(b"\1" * 20))
    cert = issued(csr([ski]), "ESC14 the key identifier of another")
    tap.ok(raw(cert, "2.5.29.14") != csrbuild.octets(b"\1" * 20), "ESC14 the identifier is that of the key")


def esc15_application_policies():
    for usage in (AGENT, "1.3.6.1.4.1.311.10.3.4", ANY):
        refused(csr([csrbuild.application_policies([CLIENT_AUTH, usage])]), "csr-asks-application-policy", f"ESC15 {usage}")
    not_loaded(("templates", "device", "application-policies"), f"[client-auth, {AGENT}]", "application-policies",
               "ESC15 a template with one beyond its EKUs")
    template(csr_disallowed="strip")
    cert = issued(csr([csrbuild.application_policies([AGENT])]), "ESC15 where wishes are stripped")
    tap.equal(raw(cert, csrbuild.APPLICATION_POLICIES), csrbuild.seq(csrbuild.seq(csrbuild.oid(CLIENT_AUTH))), "ESC15 the template's alone")
    template(csr_disallowed=None)


def esc16_the_security_extension_switched_off():
    template(sid_extension=None)
    issued(csr(), "ESC16 it is there by default")
    for option in ("disable-extension-list", "disabled-extensions"):
        not_loaded(("issuers", "lab", option), "[1.3.6.1.4.1.311.25.2]", option, "ESC16 there is no switch of the CA")
    template(sid_extension=TEMPLATE["sid-extension"])


def the_record_is_whole():
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger and its chain are whole")


def main():
    global LAB, MAP
    options = {("issuers", "lab", k): v for k, v in BOUNDS.items()}
    options.update({("templates", "device", k): v for k, v in TEMPLATE.items()})
    with MdmLab(options, start=False) as LAB:
        MAP = os.path.join(LAB.dir, "identities.jsonl")
        write_text(MAP, json.dumps(KNOWN) + "\n")
        LAB.set_option(("identity-map",), MAP)
        LAB.start()
        LAB.add_user(USER)
        tap.run(esc01_the_enrollee_supplies_the_name, esc02_any_purpose, esc03_an_enrollment_agent, esc04_who_may_write_templates,
                esc05_who_may_write_what_decides, esc06_names_as_attributes_of_the_request, esc07_who_may_manage_the_ca,
                esc08_a_relayed_logon_over_http, esc09_no_security_extension, esc10_a_weak_mapping_of_names,
                esc11_a_relayed_logon_over_rpc, esc12_a_shell_on_the_machine, esc13_a_policy_that_is_a_group,
                esc14_the_names_of_another, esc15_application_policies, esc16_the_security_extension_switched_off,
                the_record_is_whole)


if __name__ == "__main__":
    main()
