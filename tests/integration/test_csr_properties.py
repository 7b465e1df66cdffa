# SPDX-License-Identifier: Apache-2.0
"""Goal: the certificate is template and identity, and of the CSR the key alone. Every field and attribute of a CSR is
changed, by a generator that always makes the same ones: the certificate stays the same but for key, serial, signature
and time, or the request is refused by a csr rule. `simulate` says the same as what happens."""
import base64
import json
import os
import random
import sys
import warnings

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import csrbuild  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from csrbuild import extension, general_names, integer, octets, oid, san, seq, tlv, utf8  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

SEED = 20240917
SID, OTHER_SID = "S-1-5-21-1004336348-1177238915-682003330-1104", "S-1-5-21-1004336348-1177238915-682003330-500"
TEMPLATE_OID = "1.3.6.1.4.1.311.21.8.1.2.3"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
KNOWN = {"principal": USER, "upn": "ada@corp.example", "dns": ["c.corp.example", "a.corp.example", "b.corp.example"],
         "email": ["ada.l@corp.example"], "uri": ["urn:person:1"], "sid": SID}
TEMPLATE = {
    "subject-full": '["CN={upn}", "OU=Users", "O=Corp"]', "san": '["upn:{upn}", "uri:urn:device:{device-id}", "sid-uri:{sid}"]',
    "sid-extension": "require", "certificate-policies": "[1.2.3.4.5]", "application-policies": "[client-auth]",
    "template-extension": "oid", "template-oid": TEMPLATE_OID, "key-types": "[rsa, p-256]",
}
BOUNDS = {"upn-suffixes": "[corp.example]", "dns-suffixes": "[corp.example]", "email-suffixes": "[corp.example]",
          "sid-prefixes": "[S-1-5-21-1004336348-1177238915-682003330]", "allowed-policies": "[1.2.3.4.5]",
          "crl-urls": '["http://pki.corp.example/lab.crl"]', "ca-issuers-urls": '["http://pki.corp.example/lab.crt"]'}
LAB = CLIENT = DEVICE = KEYS = CONTROL = None


class Mutation:
    """A CSR to be: name, what is in it, and what has to become of it where rights are not stripped ("": issued; None:
    either, so long as the rule is one about CSRs)."""

    def __init__(self, name, expect="", subject=(("CN", "x"),), extensions=(), attributes=(), ms=False, plain=True):
        self.name, self.expect, self.subject, self.attributes = name, expect, subject, list(attributes)
        self.request_oid = csrbuild.MS_EXTENSION_REQUEST if ms else csrbuild.EXTENSION_REQUEST
        self.extensions = list(extensions)
        if plain and csrbuild.eku([CLIENT_AUTH])[:7] not in [e[:7] for e in extensions]:
            self.extensions = [extension("1.3.6.1.4.1.311.66.1.0", DEVICE.encode() + b"\0")] + self.extensions

    def der(self, key, order=None):
        extensions = list(self.extensions)
        if order:
            order.shuffle(extensions)
        return csrbuild.csr(key, self.subject, extensions, self.attributes, request_oid=self.request_oid)


# ---- the generator

def subjects():
    """Each type of RDN, known or not, in each type of string."""
    strings = {"UTF8String": 0x0c, "PrintableString": 0x13, "TeletexString": 0x14, "IA5String": 0x16, "BMPString": 0x1e,
               "VisibleString": 0x1a, "UniversalString": 0x1c, "NumericString": 0x12, "OCTET STRING": 0x04}
    for kind in (*csrbuild.RDN, "2.5.4.42", "2.5.4.65", "1.2.3.4"):
        for name, tag in strings.items():
            text = "Administrator" if name != "NumericString" else "500"
            raw = text.encode({"BMPString": "utf-16-be", "UniversalString": "utf-32-be"}.get(name, "ascii"))
            yield Mutation(f"subject {kind} as {name}", subject=((kind, tlv(tag, raw)),))
    yield Mutation("no subject", subject=())
    yield Mutation("the template's own subject", subject=(("CN", "ada@corp.example"), ("OU", "Users"), ("O", "Corp")))
    yield Mutation("another's subject", subject=(("CN", "root@corp.example"), ("OU", "Domain Admins")))
    yield Mutation("a subject of thirty names", subject=tuple(("OU", f"u{i}") for i in range(30)))


def alternative_names():
    """Each kind of GeneralName, of ours and of others, twice, critical, in odd encodings."""
    harmless = {"dns": "dc01.corp.example", "email": "root@corp.example", "ip": "192.0.2.1", "uri": "urn:person:0",
                "dn": (("CN", "Administrator"),), "rid": "1.2.3"}
    for critical in (False, True):
        for kind, value in harmless.items():
            yield Mutation(f"san {kind}, critical {critical}", extensions=[san([(kind, value)], critical)])
            yield Mutation(f"san {kind} twice, critical {critical}", extensions=[san([(kind, value)] * 2, critical)])
        yield Mutation(f"san upn, critical {critical}", "csr-asks-upn", extensions=[san([("upn", "root@corp.example")], critical)])
        yield Mutation(f"san sid URI, critical {critical}", "csr-asks-sid",
                       extensions=[san([("uri", csrbuild.sid_uri(OTHER_SID))], critical)])
        yield Mutation(f"san guid, critical {critical}", None,
                       extensions=[san([("guid", "12345678-90ab-cdef-1234-567890abcdef")], critical)])
    yield Mutation("san: one's own upn", extensions=[san([("upn", "ada@corp.example")])])
    yield Mutation("san: one's own sid URI", extensions=[san([("uri", csrbuild.sid_uri(SID))])])
    yield Mutation("san: sid URI in capitals", "csr-asks-sid", extensions=[san([("uri", csrbuild.sid_uri(OTHER_SID).upper())])])
    yield Mutation("san: a hundred names", extensions=[san([("dns", f"h{i}.corp.example") for i in range(90)])])
    yield Mutation("san: names of the map", extensions=[san([("dns", n) for n in KNOWN["dns"]] + [("email", "ada.l@corp.example")])])
    for tag in (0x0c, 0x13, 0x14, 0x16, 0x1e, 0x04, 0x30):
        raw = "root@corp.example".encode("utf-16-be" if tag == 0x1e else "ascii")
        yield Mutation(f"san: upn with tag {tag:02x}", None, extensions=[san([("raw", csrbuild.other_name(csrbuild.UPN, tlv(tag, raw)))])])
    for dotted in ("1.3.6.1.5.2.2", "1.3.6.1.5.5.7.8.7", "1.3.6.1.5.5.7.8.9", csrbuild.SID_IN_OTHER, "1.3.6.1.4.1.311.20.2.4"):
        yield Mutation(f"san: otherName {dotted}", None, extensions=[san([("raw", csrbuild.other_name(dotted, utf8("root")))])])
    for name, raw in (("NUL in a dns name", b"a\0.corp.example"), ("control characters", b"a\r\nb"), ("no dns name", b"*.*"), ("octets", b"\xff\xfe")):
        yield Mutation(f"san: {name}", None, extensions=[san([("dns", raw)])])
        yield Mutation(f"san: {name}, as URI", None, extensions=[san([("uri", raw)])])
    yield Mutation("san: x400Address", None, extensions=[san([("raw", tlv(0xa3, b""))])])
    yield Mutation("san: ediPartyName", None, extensions=[san([("raw", tlv(0xa5, tlv(0xa1, utf8("x"))))])])
    yield Mutation("san: ip of five octets", None, extensions=[san([("raw", tlv(0x87, b"12345"))])])
    yield Mutation("san: nothing in it", None, extensions=[san([])])
    yield Mutation("san: no names", None, extensions=[extension("2.5.29.17", b"\5\0")])


def rights():
    """Every extension of policy/asked.c."""
    distribution = seq(seq(tlv(0xa0, tlv(0xa0, tlv(0x86, b"http://evil.example/x.crl")))))
    access = seq(seq(oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, b"http://evil.example/")))
    yield "2.5.29.14", octets(b"\1" * 20), ""
    yield "2.5.29.35", seq(tlv(0x80, b"\2" * 20)), "csr-asks-issuer"
    yield "2.5.29.31", distribution, "csr-asks-issuer"
    yield "2.5.29.46", distribution, "csr-asks-issuer"
    yield "1.3.6.1.5.5.7.1.1", access, "csr-asks-issuer"
    yield "1.3.6.1.5.5.7.1.11", access, "csr-asks-issuer"
    yield "2.5.29.18", general_names([("dns", "ca.evil.example")]), "csr-asks-issuer"
    yield "2.5.29.30", seq(tlv(0xa0, seq(tlv(0x82, b"evil.example")))), "csr-asks-constraint"
    yield "2.5.29.33", seq(seq(oid("1.2.3"), oid("1.2.4"))), "csr-asks-constraint"
    yield "2.5.29.36", seq(tlv(0x80, b"\0")), "csr-asks-constraint"
    yield "2.5.29.54", integer(0), "csr-asks-constraint"
    yield "1.3.6.1.4.1.311.21.11", seq(seq(oid("1.2.3"), oid("1.2.4"))), "csr-asks-constraint"
    yield "1.3.6.1.4.1.311.21.12", seq(tlv(0x80, b"\0")), "csr-asks-constraint"
    yield "2.5.29.32", seq(seq(oid("2.5.29.32.0"))), "csr-asks-policy"
    yield "2.5.29.32", seq(seq(oid("1.2.3.4.5"))), ""
    yield csrbuild.APPLICATION_POLICIES, seq(seq(oid("1.3.6.1.4.1.311.20.2.1"))), "csr-asks-application-policy"
    yield csrbuild.APPLICATION_POLICIES, seq(seq(oid(CLIENT_AUTH))), ""
    yield csrbuild.TEMPLATE_NAME, csrbuild.bmp("DomainController"), "csr-asks-template"
    yield csrbuild.TEMPLATE_NAME, csrbuild.bmp("device"), ""
    yield csrbuild.TEMPLATE, seq(oid("1.3.6.1.4.1.311.21.8.9.9"), integer(1)), "csr-asks-template"
    yield csrbuild.TEMPLATE, seq(oid(TEMPLATE_OID), integer(200), integer(7)), ""
    yield csrbuild.SID, seq(csrbuild.other_name(csrbuild.SID_IN_OTHER, octets(OTHER_SID.encode()))), "csr-asks-sid"
    yield csrbuild.SID, seq(csrbuild.other_name(csrbuild.SID_IN_OTHER, octets(SID.encode()))), ""
    yield "2.5.29.19", seq(), ""
    yield "2.5.29.19", seq(tlv(1, b"\xff")), "csr-asks-ca"
    yield "2.5.29.19", seq(tlv(1, b"\xff"), integer(3)), "csr-asks-ca"
    yield "2.5.29.19", seq(integer(0)), "csr-asks-ca"
    yield "1.2.3.4.5.6", b"\5\0", "unknown"
    yield "1.3.6.1.5.5.7.1.3", seq(seq(oid("0.4.0.1862.1.1"))), "unknown"
    yield "1.3.6.1.5.5.7.1.24", seq(integer(5)), "unknown"
    yield "2.16.840.1.113730.1.1", tlv(3, b"\0\xff"), "unknown"


def extensions():
    for dotted, value, expect in rights():
        for critical in (False, True):
            want = ("csr-asks-critical" if critical else "") if expect == "unknown" else expect
            yield Mutation(f"extension {dotted} {value.hex()[:16]} critical {critical}", want, extensions=[extension(dotted, value, critical)])
        for name, bad in (("not its shape", b"\5\0"), ("no DER", b"\x30\x80\0\0"), ("empty", b"")):
            yield Mutation(f"extension {dotted} {name}", None, extensions=[extension(dotted, bad)])
    for bit in range(8):
        yield Mutation(f"key usage bit {bit}", "csr-asks-ca" if bit in (5, 6) else "", extensions=[csrbuild.key_usage(0x80 >> bit)])
    yield Mutation("key usage decipherOnly", extensions=[extension("2.5.29.15", tlv(3, b"\7\0\x80"), True)])
    yield Mutation("key usage, all", "csr-asks-ca", extensions=[csrbuild.key_usage(0xff, 0)])
    yield Mutation("key usage, hidden in unused bits", None, extensions=[csrbuild.key_usage(0x84, 3)])
    for usage in ("1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.20.2.1", "1.3.6.1.4.1.311.20.2.2", "2.5.29.37.0", "1.3.6.1.4.1.311.10.12.1", "1.2.3"):
        for more in ([], [CLIENT_AUTH]):
            for critical in (False, True):
                yield Mutation(f"EKU {usage} with {more} critical {critical}", "csr-eku", extensions=[csrbuild.eku(more + [usage], critical)])
    yield Mutation("EKU of the template", extensions=[csrbuild.eku([CLIENT_AUTH])])
    yield Mutation("EKU of the template, critical", extensions=[csrbuild.eku([CLIENT_AUTH], True)])


def attributes():
    """Attributes of a request that Windows' tools send, one of them AD CS's san: of old."""
    pair = seq(csrbuild.bmp("SAN"), csrbuild.bmp("upn=root@corp.example&dns=dc01.corp.example"))
    template = seq(csrbuild.bmp("CertificateTemplate"), csrbuild.bmp("DomainController"))
    provider = seq(integer(1), csrbuild.bmp("Microsoft Software Key Storage Provider"), tlv(3, b"\0"))
    client = seq(integer(9), utf8("host"), utf8("CORP\\root"), utf8("certreq.exe"))
    known = {"SAN pair": ("1.3.6.1.4.1.311.13.2.1", pair), "template pair": ("1.3.6.1.4.1.311.13.2.1", template),
             "provider": ("1.3.6.1.4.1.311.13.2.2", provider), "OS version": ("1.3.6.1.4.1.311.13.2.3", tlv(0x16, b"10.0.22631.2")),
             "client info": ("1.3.6.1.4.1.311.21.20", client), "challengePassword": ("1.2.840.113549.1.9.7", utf8("secret")),
             "unstructuredName": ("1.2.840.113549.1.9.2", utf8("dc01.corp.example")),
             "renewal certificate": ("1.3.6.1.4.1.311.13.1", seq()), "archived key": ("1.3.6.1.4.1.311.21.13", seq()),
             "unknown": ("1.2.3.4", tlv(5))}
    for name, (dotted, value) in known.items():
        for ms in (False, True):
            yield Mutation(f"attribute {name}, ms {ms}", attributes=[csrbuild.attribute(dotted, value)], ms=ms)
    yield Mutation("all attributes", attributes=[csrbuild.attribute(d, v) for d, v in dict(known.values()).items()])
    yield Mutation("SAN as an attribute of its own", attributes=[csrbuild.attribute("2.5.29.17", general_names([("upn", "root@corp.example")]))])
    yield Mutation("both extension requests", None, extensions=[san([("dns", "a.corp.example")])],
                   attributes=[csrbuild.extension_request([csrbuild.sid_extension(OTHER_SID)], csrbuild.MS_EXTENSION_REQUEST)])


def combinations(r, n=40):
    """Wishes of all kinds together, drawn by a generator with a seed."""
    pool = list(rights())
    for i in range(n):
        chosen, seen = [], {"2.5.29.17"}
        for dotted, value, _ in r.sample(pool, r.randint(2, 6)):
            if dotted not in seen:
                chosen.append(extension(dotted, value, r.random() < 0.2))
                seen.add(dotted)
        names = [r.choice((("dns", f"h{r.randint(1, 9)}.corp.example"), ("upn", "root@corp.example"), ("email", "e@corp.example"),
                           ("uri", csrbuild.sid_uri(OTHER_SID)), ("ip", "192.0.2.9"))) for _ in range(r.randint(1, 6))]
        yield Mutation(f"combination {i}", None, subject=(("CN", f"c{i}"), ("O", "evil")), extensions=chosen + [san(names)],
                       ms=r.random() < 0.5)


def mutations():
    return [*subjects(), *alternative_names(), *extensions(), *attributes(), *combinations(random.Random(SEED))]


# ---- what became of it

def view(der):
    """All of a certificate that must not change: a dict; the times as seconds."""
    cert = x509.load_der_x509_certificate(der)
    with warnings.catch_warnings():  # the names that replace these two are not in Debian 12's version
        warnings.simplefilter("ignore")
        begin, end = cert.not_valid_before, cert.not_valid_after
    return {"version": cert.version, "issuer": cert.issuer.public_bytes(), "subject": cert.subject.public_bytes(),
            "algorithm": cert.signature_algorithm_oid.dotted_string, "length": (end - begin).total_seconds(),
            "extensions": [(e.oid.dotted_string, e.critical, e.value.public_bytes()) for e in cert.extensions
                           if e.oid.dotted_string != "2.5.29.14"]}, begin


def enroll(der):
    """(view or None, reason, begin)"""
    a = CLIENT.enroll(der, DEVICE)
    cert = a.certificate()
    if cert:
        seen, begin = view(cert)
        return seen, None, begin
    error = (LAB.request_show(a.trace_id) or {}).get("error") or {}
    return None, error.get("reason", a.describe()), None


def simulate(der):
    """(result, reason, certificate) as the officer's tool would tell it."""
    body = json.dumps({"principal": USER, "csr": base64.b64encode(der).decode(), "device_id": DEVICE, "type": "full",
                       "upn": USER, "user_id": user_id()})
    CONTROL.request("POST", "/v1/simulate", body, {"Content-Type": "application/json"})
    r = CONTROL.getresponse()
    answer = json.loads(r.read())
    c = answer.get("certificate")
    told = c and (c["subject"], c["san"], c["sid"], c["issuer"], [(e["oid"], e["critical"], e["value"]) for e in c["extensions"]
                                                                  if e["oid"] != "2.5.29.14"])
    return answer.get("result", answer), (answer.get("error") or {}).get("reason"), told


_USER_ID = []


def user_id():
    if not _USER_ID:
        _USER_ID.append(ledgerdb.one(LAB.ledger, "SELECT user_id FROM request WHERE principal = ? AND user_id IS NOT NULL", (USER,)))
    return _USER_ID[0]


def disallowed(value):
    LAB.set_option(("templates", "device", "csr-disallowed"), value)
    LAB.ctl("reload", check=True)


def reference():
    plain = Mutation("plain").der(KEYS[0])
    seen, _, begin = enroll(plain)
    assert seen, "a plain request is issued"
    return seen, begin, simulate(plain)[2]


def judge(m, got, why, want, strip):
    """What is wrong with what became of a mutation; "" for nothing."""
    if got is not None:
        if got != want:
            return f"another certificate: {got}"
        return "" if strip or not m.expect else f"issued, not refused with {m.expect}"
    if not why.startswith("csr-"):
        return f"refused by {why}"
    if m.expect == "" or strip and m.expect is not None:
        return f"refused by {why}, not issued"
    return "" if m.expect in (None, why) else f"refused by {why}, not {m.expect}"


def run_all(value, every):
    """Each mutation simulated, one of @p every enrolled as well; both must agree."""
    disallowed(value)
    KEYS[:] = [mdm.new_key() for _ in range(3)]  # a request that was sent before would get its certificate again
    seen, first, told = reference()
    strip, real, count = value == "strip", 0, {"issue": 0, "refuse": 0}
    wrong = []
    for i, m in enumerate(mutations()):
        der = m.der(KEYS[i % len(KEYS)])
        result, reason, names = simulate(der)
        count[result] = count.get(result, 0) + 1
        problem = judge(m, None if result != "issue" else names, reason or "", told, strip)
        if problem:
            wrong.append(f"{m.name}: simulated: {problem}")
        if i % every and not (m.expect is None and strip):
            continue
        real += 1
        got, why, begin = enroll(der)
        problem = judge(m, got, why or "", seen, strip)
        if problem:
            wrong.append(f"{m.name}: {problem}")
        elif (got is None) != (result != "issue") or why != reason:
            wrong.append(f"{m.name}: simulate says {result} {reason}, what happened is {why}")
        elif begin and not 0 <= (begin - first).total_seconds() < 600:
            wrong.append(f"{m.name}: begins at {begin}")
    tap.ok(not wrong, f"{value}: {sum(count.values())} mutations, {count}, {real} of them enrolled", "\n".join(wrong))
    tap.ok(sum(count.values()) >= 200 and real >= 60 and count["issue"] > 50, f"{value}: enough of them", (count, real))
    return count


def s4_nothing_but_the_key_is_the_requests():
    before = LAB.signatures()
    count = run_all("strip", 4)
    tap.ok(LAB.signatures() > before, "signatures were made")
    tap.ok(count["issue"] > 200, "stripped: nearly all are issued, and the same", count)


def s4_a_wish_for_rights_is_refused_by_its_rule():
    count = run_all("deny", 4)
    tap.ok(count["refuse"] > 60, "denied: wishes for rights are refused", count)


def s4_a_refusal_uses_no_key():
    disallowed("deny")
    before, n = LAB.signatures(), 0
    for m in mutations():
        if m.expect and n < 20:
            n += 1
            enroll(m.der(KEYS[0]))
    tap.equal((n, LAB.signatures()), (20, before), "twenty refusals, no signature")


def s4_order_never_matters():
    """Names and extensions in any order: the same verdict, the same certificate."""
    r = random.Random(SEED + 1)
    wrong = []
    for value in ("deny", "strip"):
        disallowed(value)
        for m in [x for x in mutations() if len(x.extensions) > 2][:25]:
            results = [simulate(m.der(KEYS[0], random.Random(r.random()) if i else None)) for i in range(4)]
            if len({x[0] for x in results}) > 1 or len({json.dumps(x[2]) for x in results}) > 1:
                wrong.append(f"{value} {m.name}: {[x[:2] for x in results]}")
        names = [("dns", "x.corp.example"), ("email", "e@corp.example"), ("uri", "urn:x:1"), ("ip", "192.0.2.1"), ("dn", (("CN", "x"),))]
        for bad in (None, ("upn", "root@corp.example"), ("uri", csrbuild.sid_uri(OTHER_SID))):
            seen = set()
            for _ in range(8):
                chosen = names + ([bad] if bad else [])
                r.shuffle(chosen)
                seen.add(json.dumps(simulate(Mutation("", extensions=[san(chosen)]).der(KEYS[0]))))
            if len(seen) > 1:
                wrong.append(f"{value} SAN with {bad}: {seen}")
    tap.ok(not wrong, "the order of extensions and names changes nothing", "\n".join(wrong))


def s4_from_csr_gives_names_of_the_map_alone():
    """With from-csr: of any names asked for, those of the map are certified, as the map spells and orders them."""
    LAB.set_option(("templates", "device", "from-csr"), "[dns, email]")
    disallowed("strip")
    r, wrong, some = random.Random(SEED + 2), [], 0
    pool = [("dns", n) for n in KNOWN["dns"]] + [("dns", "C.CORP.example"), ("dns", "evil.example"), ("dns", "a.corp.example.evil.example"),
                                               ("dns", "xa.corp.example"), ("dns", "*.corp.example"), ("email", "ada.l@corp.example"),
                                               ("email", "root@corp.example"), ("uri", "urn:person:1"), ("upn", "root@corp.example"),
                                               ("ip", "192.0.2.1")]
    for i in range(40):
        asked = r.sample(pool, r.randint(1, len(pool)))
        lower = {(k, v.lower()) for k, v in asked}
        want = [{"kind": k, "value": v} for k in ("dns", "email") for v in KNOWN[k] if (k, v) in lower]
        shuffled = list(asked)
        r.shuffle(shuffled)
        both = [simulate(Mutation("", extensions=[san(n)]).der(KEYS[0])) for n in (asked, shuffled)]
        got = [n for n in both[0][2][1] if n["kind"] in ("dns", "email")] if both[0][2] else None
        some += bool(want)
        if both[0] != both[1] or got is None or sorted(map(str, got)) != sorted(map(str, want)):
            wrong.append(f"{asked}: {both[0][:2]} {got}, want {want}; in another order {both[1][2] and both[1][2][1]}")
        if i % 8 == 0:
            cert = enroll(Mutation("", extensions=[san(asked)]).der(KEYS[0]))[0]
            told = bytes.fromhex(dict((o, v) for o, _, v in both[0][2][4])["2.5.29.17"])
            if not cert or told not in [v for o, _, v in cert["extensions"] if o == "2.5.29.17"]:
                wrong.append(f"{asked}: the certificate has other names than simulate told")
    tap.ok(not wrong and some > 20, "names of the map, in its order and spelling, whatever is asked for", "\n".join(wrong))
    LAB.set_option(("templates", "device", "from-csr"), None)
    disallowed("deny")


def main():
    global LAB, CLIENT, DEVICE, KEYS, CONTROL
    DEVICE, KEYS = mdm.device_id(), [mdm.new_key() for _ in range(3)]
    options = {("issuers", "lab", k): v for k, v in BOUNDS.items()}
    options.update({("templates", "device", k): v for k, v in TEMPLATE.items()})
    with MdmLab(options, start=False) as LAB:
        write_text(os.path.join(LAB.dir, "identities.jsonl"), json.dumps(KNOWN) + "\n")
        LAB.set_option(("identity-map",), os.path.join(LAB.dir, "identities.jsonl"))
        LAB.start()
        LAB.add_user(USER)
        CLIENT, CONTROL = LAB.client(), mdm.UnixConnection(LAB.socket)
        reference()
        tap.run(s4_nothing_but_the_key_is_the_requests, s4_a_wish_for_rights_is_refused_by_its_rule, s4_a_refusal_uses_no_key,
                s4_order_never_matters, s4_from_csr_gives_names_of_the_map_alone)


if __name__ == "__main__":
    main()
