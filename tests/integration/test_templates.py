# SPDX-License-Identifier: Apache-2.0
"""Templates in full, with a real daemon: names of every kind from the identity map, field by field in the certificate that
was issued; what a CSR may choose and what it may not; renewals; mistakes of the identity map."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import csrbuild  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

SID = "S-1-5-21-1004336348-1177238915-682003330-1104"
GUID = "12345678-90ab-cdef-1234-567890abcdef"
KNOWN = {"principal": USER.upper(), "upn": "ada@corp.example", "dns": ["c.corp.example", "a.corp.example", "b.corp.example"],
         "email": ["ada.l@corp.example"], "uri": ["urn:person:1"], "guid": GUID, "sid": SID}
TEMPLATE = {
    "subject-full": '["CN={upn}", "OU=Users", "O=Corp & Sons", "C=DE", "UID?={user-id}"]',
    "san": '["dns:{dns}", "email:{email}", "upn:{upn}", "guid:{guid}", "uri:{uri}", "uri:urn:device:{device-id}:{ent-dmid}",'
           ' "sid-uri:{sid}"]',
    "sid-extension": "require", "key-usage": "[digital-signature, key-encipherment]", "certificate-policies": "[1.2.3.4.5]",
    "application-policies": "[client-auth]", "template-extension": "oid", "template-oid": "1.3.6.1.4.1.311.21.8.1.2.3",
}
BOUNDS = {"upn-suffixes": "[corp.example]", "dns-suffixes": "[corp.example]", "email-suffixes": "[corp.example]",
          "allow-guid": "yes", "sid-prefixes": "[S-1-5-21-1004336348-1177238915-682003330]", "allowed-policies": "[1.2.3.4.5]",
          "crl-urls": '["http://pki.corp.example/lab.crl"]', "ca-issuers-urls": '["http://pki.corp.example/lab.crt"]'}
LAB = None


def template(options):
    for name, value in options.items():
        LAB.set_option(("templates", "device", name), value)


def reload(good=True):
    r = LAB.ctl("reload")
    return tap.ok((r.status == 0) == good, f"reload {'succeeds' if good else 'is refused'}", str(r)) and r


def write_map(*entries):
    write_text(os.path.join(LAB.dir, "identities.jsonl"), "".join(e if isinstance(e, str) else json.dumps(e) + "\n" for e in entries))


def enroll(extensions=(), kind="Full", key=None):
    device = mdm.device_id()
    csr = csrbuild.csr(key or mdm.new_key(), [("CN", "whoever")], csrbuild.windows_extensions(device)[1:] + list(extensions))
    return LAB.client().enroll(csr, device, kind), device


def cert_of(a):
    der = a.certificate()
    return x509.load_der_x509_certificate(der) if der else None


def reason(a):
    return ((LAB.request_show(a.trace_id) or {}).get("error") or {}).get("reason")


def value(cert, oid):
    return cert.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value


def issued_field_by_field():
    a, device = enroll()
    cert = cert_of(a)
    if not tap.ok(cert is not None, "a certificate with names of every kind", a.describe()):
        return None
    subject = [(n.oid.dotted_string, n.value) for n in cert.subject]
    tap.equal(subject[:4], [("2.5.4.3", "ada@corp.example"), ("2.5.4.11", "Users"), ("2.5.4.10", "Corp & Sons"), ("2.5.4.6", "DE")],
              "the subject in the order of the template")
    san = value(cert, "2.5.29.17")
    tap.equal(san.get_values_for_type(x509.DNSName), KNOWN["dns"], "three DNS names")
    tap.equal(san.get_values_for_type(x509.RFC822Name), KNOWN["email"], "the e-mail address")
    uris = san.get_values_for_type(x509.UniformResourceIdentifier)
    tap.ok(uris[0] == "urn:person:1" and uris[1].startswith(f"urn:device:{device}:") and
           uris[2] == csrbuild.sid_uri(SID), "the URIs", uris)
    other = {o.type_id.dotted_string: o.value for o in san.get_values_for_type(x509.OtherName)}
    tap.equal(other.get(csrbuild.UPN), csrbuild.utf8("ada@corp.example"), "the UPN is a UTF8String")
    tap.equal(other.get(csrbuild.NTDS_GUID), csrbuild.octets(bytes.fromhex("78563412ab90efcd1234567890abcdef")),
              "the GUID in Windows' order")
    sid = value(cert, csrbuild.SID).value
    tap.equal(sid, csrbuild.seq(csrbuild.other_name(csrbuild.SID_IN_OTHER, csrbuild.octets(SID.encode()))), "the SID extension")
    ku = value(cert, "2.5.29.15")
    tap.ok(ku.digital_signature and ku.key_encipherment and not ku.key_agreement, "key usage")
    tap.equal([p.policy_identifier.dotted_string for p in value(cert, "2.5.29.32")], ["1.2.3.4.5"], "certificate policies")
    tap.equal(value(cert, csrbuild.APPLICATION_POLICIES).value, csrbuild.seq(csrbuild.seq(csrbuild.oid("1.3.6.1.5.5.7.3.2"))),
              "application policies")
    tap.equal(value(cert, csrbuild.TEMPLATE).value, csrbuild.seq(
        csrbuild.oid(TEMPLATE["template-oid"]), csrbuild.integer(100), csrbuild.integer(0)), "the template extension")
    tap.equal(value(cert, "2.5.29.31")[0].full_name[0].value, "http://pki.corp.example/lab.crl", "the CRL's address")
    tap.equal(value(cert, "1.3.6.1.5.5.7.1.1")[0].access_location.value, "http://pki.corp.example/lab.crt", "the issuer's address")
    shown = LAB.ctl("--json", "cert", "show", f"{cert.serial_number:032x}", check=True).json()
    names = [(n["name"], n["value"]) for n in shown["names"]]
    tap.ok(("CN", "ada@corp.example") in names and ("dns", "b.corp.example") in names and ("sid", SID) in names,
           "cert show tells all names", names)
    return a


def the_csr_chooses_among_the_maps_names():
    template({"san": '["upn:{upn}"]', "from-csr": "[dns, email]"})
    reload()
    wanted = [csrbuild.san([("dns", "B.corp.example"), ("dns", "evil.example"), ("email", "eve@corp.example"),
                            ("dns", "c.corp.example")])]
    a, _ = enroll(wanted)
    san = value(cert_of(a), "2.5.29.17") if cert_of(a) else None
    if tap.ok(san is not None, "names of the CSR: a certificate", a.describe()):
        tap.equal(san.get_values_for_type(x509.DNSName), ["c.corp.example", "b.corp.example"],
                  "those that the map has, as the map spells them, in its order")
        tap.equal(san.get_values_for_type(x509.RFC822Name), [], "no address that it has not")
    template({"from-csr": None})
    reload()
    a, _ = enroll(wanted)
    san = value(cert_of(a), "2.5.29.17") if cert_of(a) else None
    tap.ok(san is not None and san.get_values_for_type(x509.DNSName) == [], "without from-csr nothing is chosen", a.describe())


def an_identity_without_what_is_needed():
    LAB.add_user("bob@lab.example", "bobs secret")
    bob = LAB.client("bob@lab.example", "bobs secret")
    device = mdm.device_id()
    before = LAB.signatures()
    template({"san": '["email:{email}"]'})
    reload()
    a = bob.enroll(mdm.new_csr(device), device)
    tap.equal((a.status, reason(a)), (500, "san-value"), "who has no address in the map is refused")
    template({"san": "[]", "sid-extension": "require"})
    reload()
    a = bob.enroll(mdm.new_csr(device), device)
    tap.equal((a.status, reason(a)), (500, "sid-missing"), "who has no SID is refused where it is required")
    tap.equal(LAB.signatures(), before, "the key was not used")


def names_outside_the_issuers_bounds():
    template({"san": '["dns:{dns}"]', "sid-extension": "no"})
    LAB.set_option(("issuers", "lab", "dns-suffixes"), "[other.example]")
    r = LAB.ctl("reload")
    before = LAB.signatures()
    a, _ = enroll()
    tap.ok(a.certificate() is None, "a name outside the issuer's bounds is not certified", f"{r}\n{a.describe()}")
    tap.equal(LAB.signatures(), before, "the key was not used")
    LAB.set_option(("issuers", "lab", "dns-suffixes"), BOUNDS["dns-suffixes"])
    reload()


def mistakes_of_the_map():
    good = json.dumps(KNOWN) + "\n"
    cases = {
        "no JSON": ("{\n", ":2:"), "not an object": ("[]\n", ":2:"), "no principal": ('{"upn": "a@b.c"}\n', ":2:"),
        "unknown kind": ('{"principal": "x", "role": "admin"}\n', ":2:"),
        "bad SID": ('{"principal": "x", "sid": "S-1"}\n', ":2:"), "two SIDs": (json.dumps(
            {"principal": "x", "sid": [SID, SID + "1"]}) + "\n", ":2:"),
        "bad name": ('{"principal": "x", "dns": ["a b"]}\n', ":2:"), "NUL": ('{"principal": "x", "dns": "a\\u0000.b"}\n', ":2:"),
        "a member twice": ('{"principal": "x", "sid": "S-1-5-21-1", "sid": "S-1-5-21-2"}\n', ":2:"),
        "the same principal": (json.dumps(dict(KNOWN, principal=USER)) + "\n", ":2:"),
    }
    for name, (line, where) in cases.items():
        write_map(good + line)
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and "identities.jsonl" + where in str(r), f"identity map, {name}: refused with its line",
               str(r))
    write_map(KNOWN)
    os.chmod(os.path.join(LAB.dir, "identities.jsonl"), 0o666)
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and "may be written" in str(r), "identity map that others may write", str(r))
    os.chmod(os.path.join(LAB.dir, "identities.jsonl"), 0o600)
    template({"san": '["dns:{dns}"]'})
    reload()
    a, _ = enroll()
    tap.ok(a.certificate() is not None, "after all of it the last good one is in force", a.describe())


def main():
    global LAB
    options = {("issuers", "lab", k): v for k, v in BOUNDS.items()}
    options.update({("templates", "device", k): v for k, v in TEMPLATE.items()})
    with MdmLab(options, start=False) as LAB:
        write_map({"principal": "nobody@lab.example", "dns": "n.corp.example"}, KNOWN)
        LAB.set_option(("identity-map",), os.path.join(LAB.dir, "identities.jsonl"))
        LAB.start()
        LAB.add_user(USER)
        tap.run(issued_field_by_field, the_csr_chooses_among_the_maps_names, an_identity_without_what_is_needed,
                names_outside_the_issuers_bounds, mistakes_of_the_map)


if __name__ == "__main__":
    main()
