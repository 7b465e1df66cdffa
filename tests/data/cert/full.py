# SPDX-License-Identifier: Apache-2.0
"""Certificates of a template that uses everything that there is; each of the bad ones differs from ok_full in one thing."""
from certlib import BC_LEAF, CLIENT_AUTH, START, aki, dns, eku, key_usage, san, ski, spki
from derlib import CN, bits, ext, integer, name, octets, oid, printable, raw_integer, seq, tlv, utc, utf8

UPN, GUID, SID_TYPE = "1.3.6.1.4.1.311.20.2.3", "1.3.6.1.4.1.311.25.1", "1.3.6.1.4.1.311.25.2.1"
SID = b"S-1-5-21-1-2-3-1105"


def other(kind, value):
    return tlv(0xA0, oid(kind), tlv(0xA0, value))


def sid_extension(sid, kind=SID_TYPE, tag=4, critical=False):
    return ext("1.3.6.1.4.1.311.25.2", seq(other(kind, tlv(tag, sid))), critical)


def policies(extension, *oids, qualifier=b"", critical=False):
    return ext(extension, seq(*[seq(oid(o), qualifier) for o in oids]), critical)


def cps(uri):
    return seq(seq(oid("1.3.6.1.5.5.7.2.1"), tlv(0x16, uri)))


def points(extension, *uris, more=b""):
    """One DistributionPoint with all of them."""
    return ext(extension, seq(seq(tlv(0xA0, tlv(0xA0, *[tlv(0x86, u) for u in uris])), more)))


def aia(*uris, method="1.3.6.1.5.5.7.48.2"):
    return ext("1.3.6.1.5.5.7.1.1", seq(*[seq(oid(method), tlv(0x86, u)) for u in uris]))


class Full:
    def __init__(self, lab):
        self.lab = lab

    SUBJECT = (("2.5.4.6", printable("DE")), ("2.5.4.8", utf8("Berlin")), ("2.5.4.7", utf8("Berlin")),
               ("2.5.4.10", utf8("Corp")), ("2.5.4.11", utf8("Devices")), ("2.5.4.11", utf8("Field")),
               ("0.9.2342.19200300.100.1.25", tlv(0x16, b"example")), ("0.9.2342.19200300.100.1.25", tlv(0x16, b"com")),
               ("0.9.2342.19200300.100.1.1", utf8("ada")), ("2.5.4.5", printable("SN-1")), (CN, utf8("dev-1")))
    SANS = {"dns": dns(b"dev-1.example.com"), "email": tlv(0x81, b"ada@example.com"),
            "upn": other(UPN, utf8("ada@example.com")), "uri": tlv(0x86, b"tag:microsoft.com,2022-09-14:sid:" + SID),
            "guid": other(GUID, octets(bytes(range(16))))}

    def full(self, subject=None, san_critical=False, drop=(), sans=None, swap=None, **k):
        """Of the full profile; @p sans replace names by kind, @p swap extensions by theirs, @p drop leaves some out."""
        names = dict(self.SANS, **(sans or {}))
        exts = {"ku": key_usage(b"\xa0", 5), "eku": eku(CLIENT_AUTH, "1.3.6.1.4.1.311.20.2.2"), "bc": BC_LEAF,
                "ski": ski(self.lab.leaf), "aki": aki(self.lab.ica), "crl": points("2.5.29.31", b"http://pki.example/a.crl",
                                                                         b"http://pki.example/b.crl"),
                "aia": aia(b"http://pki.example/a.cer"),
                "app": policies("1.3.6.1.4.1.311.21.10", CLIENT_AUTH), "policy": policies(
                    "2.5.29.32", "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", qualifier=cps(b"https://pki.example/cps")),
                "v1": ext("1.3.6.1.4.1.311.20.2", tlv(0x1E, "Ger\u00e4t".encode("utf-16-be"))),
                "v2": ext("1.3.6.1.4.1.311.21.7", seq(oid("1.3.6.1.4.1.311.21.8.1.2.3"), integer(100), integer(1))),
                "san": san(*names.values(), critical=san_critical), "sid": sid_extension(SID)}
        exts.update(swap or {})
        subject = name(*self.SUBJECT) if subject is None else subject
        return self.lab.cert([e for label, e in exts.items() if label not in drop], subject=subject, **k)

    def full_subjects(self):
        def with_(attribute, value):
            got = [(o, value if o == attribute else v) for o, v in self.SUBJECT]
            return self.full(subject=name(*got))
        ava = [seq(oid(o), v) for o, v in self.SUBJECT]
        two = seq(*[tlv(0x31, a) for a in ava[:-2]], tlv(0x31, *sorted(ava[-2:])))
        extra = lambda *a: self.full(subject=name(*self.SUBJECT, *a))  # noqa: E731
        return {
            "full_rdn_two_attributes": self.full(subject=two),
            "full_rdn_empty": self.full(subject=seq(tlv(0x31))),
            "full_rdn_no_value": self.full(subject=seq(tlv(0x31, seq(oid(CN))))),
            "full_unknown_attribute": extra(("2.5.4.12", utf8("title"))),
            "full_email_in_subject": extra(("1.2.840.113549.1.9.1", tlv(0x16, b"ada@example.com"))),
            "full_c_utf8": with_("2.5.4.6", utf8("DE")),
            "full_c_small": with_("2.5.4.6", printable("de")),
            "full_c_one": with_("2.5.4.6", printable("D")),
            "full_c_three": with_("2.5.4.6", printable("DEU")),
            "full_o_65": with_("2.5.4.10", utf8("\u00fc" * 65)),
            "full_o_bmp": with_("2.5.4.10", tlv(0x1E, b"\0C\0o")),
            "full_o_t61": with_("2.5.4.10", tlv(0x14, b"Co")),
            "full_o_printable": with_("2.5.4.10", printable("Corp")),
            "full_o_rlo": with_("2.5.4.10", utf8("Corp\u202e")),
            "full_uid_257": with_("0.9.2342.19200300.100.1.1", utf8("x" * 257)),
            "full_serial_star": with_("2.5.4.5", printable("SN*1")),
            "full_serial_empty": with_("2.5.4.5", printable("")),
            "full_dc_underscore": with_("0.9.2342.19200300.100.1.25", tlv(0x16, b"a_b")),
            "full_dc_dotted": with_("0.9.2342.19200300.100.1.25", tlv(0x16, b"example.com")),
            "full_cn_twice": extra((CN, utf8("dev-2"))),
            "full_ou_twice": extra(("2.5.4.11", utf8("Field"))),
            "full_cn_other": with_(CN, utf8("dev-2")),
            "full_cn_case": with_(CN, utf8("Dev-1")),
            "full_rdn_order": self.full(subject=name(*reversed(self.SUBJECT))),
            "full_rdn_more": extra(("2.5.4.11", utf8("Admins"))),
            "full_rdn_less": self.full(subject=name(*self.SUBJECT[1:])),
            "full_subject_empty": self.full(subject=seq(), san_critical=True),
            "full_subject_empty_noncrit": self.full(subject=seq()),
            "full_san_critical": self.full(san_critical=True),
        }

    def full_names(self):
        def one(kind, value):
            return self.full(sans={kind: value})
        out = {
            "dns_nul": one("dns", dns(b"dev-1\0.example.com")), "dns_space": one("dns", dns(b"dev 1.example.com")),
            "dns_underscore": one("dns", dns(b"dev_1.example.com")), "dns_8bit": one("dns", dns(b"d\xc3\xa9v.example.com")),
            "dns_wildcard": one("dns", dns(b"*.example.com")), "dns_dot_end": one("dns", dns(b"dev-1.example.com.")),
            "dns_dash": one("dns", dns(b"-dev.example.com")), "dns_dash_end": one("dns", dns(b"dev-.example.com")),
            "dns_label_64": one("dns", dns(b"x" * 64 + b".example.com")), "dns_254": one("dns", dns(b"x" + b".x" * 127)),
            "dns_address": one("dns", dns(b"192.0.2.1")), "dns_empty": one("dns", dns(b"")),
            "email_word": one("email", tlv(0x81, b"not an email")), "email_two_at": one("email", tlv(0x81, b"a@b@example.com")),
            "email_dots": one("email", tlv(0x81, b"a..b@example.com")), "email_dot_first": one("email", tlv(0x81, b".a@example.com")),
            "email_name": one("email", tlv(0x81, b"Ada <ada@example.com>")), "email_local_65": one("email", tlv(
                0x81, b"x" * 65 + b"@example.com")), "email_nul": one("email", tlv(0x81, b"ada\0@example.com")),
            "email_host": one("email", tlv(0x81, b"ada@exa_mple.com")),
            "uri_rel": one("uri", tlv(0x86, b"relative/path")), "uri_8bit": one("uri", tlv(0x86, b"urn:\xc3\xa9")),
            "uri_sid_garbage": one("uri", tlv(0x86, b"tag:microsoft.com,2022-09-14:sid:S-1")),
            "uri_sid_case": one("uri", tlv(0x86, b"TAG:microsoft.com,2022-09-14:sid:" + SID)),
            "upn_ia5": one("upn", other(UPN, tlv(0x16, b"ada@example.com"))),
            "upn_bmp": one("upn", other(UPN, tlv(0x1E, "ada@example.com".encode("utf-16-be")))),
            "upn_no_at": one("upn", other(UPN, utf8("ada"))), "upn_two_at": one("upn", other(UPN, utf8("a@b@example.com"))),
            "upn_nul": one("upn", other(UPN, utf8(b"ada\0@example.com"))), "upn_bidi": one("upn", other(UPN, utf8("a\u202e@example.com"))),
            "upn_badutf8": one("upn", other(UPN, utf8(b"\xff@example.com"))), "upn_no_host": one("upn", other(UPN, utf8("ada@"))),
            "guid_15": one("guid", other(GUID, octets(b"x" * 15))), "guid_text": one("guid", other(GUID, utf8("x" * 16))),
            "other_type": one("guid", other("1.3.6.1.4.1.311.25.9", octets(b"x" * 16))),
            "other_no_value": one("guid", tlv(0xA0, oid(GUID))), "other_two_values": one("guid", tlv(
                0xA0, oid(GUID), tlv(0xA0, octets(b"x" * 16), octets(b"x" * 16)))),
            "ip": one("dns", tlv(0x87, b"\xc0\0\2\1")), "directory_name": one("dns", tlv(0xA4, name((CN, utf8("x"))))),
            "registered_id": one("dns", tlv(0x88, b"\x2a\3")), "not_a_name": one("dns", utf8("x")),
            "dns_twice": one("email", dns(b"DEV-1.example.com")),
            "dns_other": one("dns", dns(b"dev-2.example.com")), "dns_case": one("dns", dns(b"Dev-1.example.com")),
            "upn_other": one("upn", other(UPN, utf8("root@example.com"))), "guid_other": one("guid", other(GUID, octets(b"x" * 16))),
            "email_other": one("email", tlv(0x81, b"root@example.com")),
            "sid_uri_other": one("uri", tlv(0x86, b"tag:microsoft.com,2022-09-14:sid:" + SID[:-1])),
        }
        out = {"full_" + label: der for label, der in out.items()}
        out["full_san_more"] = self.full(sans={"more": dns(b"dev-2.example.com")})
        out["full_san_none"] = self.full(drop=("san",))
        out["full_san_sequence"] = self.full(swap={"san": ext("2.5.29.17", octets(b"xx"))})
        return out

    def full_extensions(self):
        def swap(label, extension):
            return self.full(swap={label: extension})
        app, policy, cps_uri = "1.3.6.1.4.1.311.21.10", "2.5.29.32", cps(b"https://pki.example/cps")
        one, two = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"
        http = b"http://pki.example/"
        template = "1.3.6.1.4.1.311.21.8.1.2.3"
        v2 = lambda *parts: ext("1.3.6.1.4.1.311.21.7", seq(*parts))  # noqa: E731
        out = {
            "sid_garbage": swap("sid", ext("1.3.6.1.4.1.311.25.2", b"garbage")), "sid_no_dash": swap("sid", sid_extension(b"S15")),
            "sid_name": swap("sid", sid_extension(b"administrator")), "sid_short": swap("sid", sid_extension(b"S-1-5")),
            "sid_zero": swap("sid", sid_extension(b"S-1-5-021-1")), "sid_space": swap("sid", sid_extension(SID + b" ")),
            "sid_long": swap("sid", sid_extension(b"S-1-5" + b"-1" * 16)), "sid_type": swap("sid", sid_extension(SID, "1.3.6.1.4.1.311.25.2")),
            "sid_utf8": swap("sid", sid_extension(SID, tag=0x0C)), "sid_critical": swap("sid", sid_extension(SID, critical=True)),
            "sid_other": self.full(swap={"sid": sid_extension(SID[:-1])}, sans={"uri": tlv(
                0x86, b"tag:microsoft.com,2022-09-14:sid:" + SID[:-1])}),
            "sid_two_accounts": swap("sid", sid_extension(SID[:-1])), "sid_none": self.full(drop=("sid",)),
            "sid_two_names": swap("sid", ext("1.3.6.1.4.1.311.25.2", seq(*[other(SID_TYPE, octets(SID))] * 2))),
            "eku_more": swap("eku", eku(CLIENT_AUTH, "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.5.7.3.1")),
            "eku_less": swap("eku", eku(CLIENT_AUTH)), "eku_agent": swap("eku", eku(CLIENT_AUTH, "1.3.6.1.4.1.311.20.2.1")),
            "eku_critical": swap("eku", ext("2.5.29.37", seq(oid(CLIENT_AUTH)), True)),
            "ku_less": swap("ku", key_usage(b"\x80", 7)), "ku_more": swap("ku", key_usage(b"\xe0", 5)),
            "ku_agree_rsa": swap("ku", key_usage(b"\xa8", 3)), "ku_decipher_only": swap("ku", key_usage(b"\xa0\x80", 7)),
            "app_none": self.full(drop=("app",)), "app_more": swap("app", policies(app, CLIENT_AUTH, "1.3.6.1.4.1.311.20.2.1")),
            "app_other": swap("app", policies(app, "1.3.6.1.4.1.311.20.2.1")), "app_critical": swap("app", policies(
                app, CLIENT_AUTH, critical=True)), "app_empty": swap("app", ext(app, seq())),
            "policy_none": self.full(drop=("policy",)), "policy_any": swap("policy", policies(policy, "2.5.29.32.0")),
            "policy_twice": swap("policy", policies(policy, one, one, qualifier=cps_uri)),
            "policy_other": swap("policy", policies(policy, one, "1.3.6.1.4.1.99999.3", qualifier=cps_uri)),
            "policy_no_cps": swap("policy", policies(policy, one, two)),
            "policy_cps_other": swap("policy", policies(policy, one, two, qualifier=cps(b"https://other.example/"))),
            "policy_notice": swap("policy", policies(policy, one, two, qualifier=seq(seq(oid("1.3.6.1.5.5.7.2.2"), seq())))),
            "policy_critical": swap("policy", policies(policy, one, two, qualifier=cps_uri, critical=True)),
            "policy_empty": swap("policy", ext(policy, seq())),
            "policy_constraints": self.full(swap={"more": ext("2.5.29.36", seq(tlv(0x80, b"\0")), True)}),
            "policy_mappings": self.full(swap={"more": ext("2.5.29.33", seq(seq(oid(one), oid(two))), True)}),
            "name_constraints": self.full(swap={"more": ext("2.5.29.30", seq(tlv(0xA0, seq(dns(b"example.com")))), True)}),
            "crl_none": self.full(drop=("crl",)), "crl_other": swap("crl", points("2.5.29.31", b"http://evil.example/a.crl")),
            "crl_less": swap("crl", points("2.5.29.31", http + b"a.crl")), "crl_order": swap("crl", points(
                "2.5.29.31", http + b"b.crl", http + b"a.crl")), "crl_empty": swap("crl", ext("2.5.29.31", seq())),
            "crl_point_empty": swap("crl", ext("2.5.29.31", seq(seq()))),
            "crl_reasons": swap("crl", points("2.5.29.31", http + b"a.crl", http + b"b.crl", more=tlv(0x81, b"\6\x40"))),
            "crl_relative": swap("crl", points("2.5.29.31", b"a.crl", b"b.crl")),
            "crl_two_points": swap("crl", ext("2.5.29.31", seq(*[seq(tlv(0xA0, tlv(0xA0, *[tlv(0x86, http + u) for u in urls])))
                                                                  for urls in ((b"a.crl", b"b.crl"), (b"c.crl",))]))),
            "freshest_crl": swap("more", points("2.5.29.46", http + b"d.crl")),
            "aia_none": self.full(drop=("aia",)), "aia_other": swap("aia", aia(http + b"b.cer")),
            "aia_ocsp": swap("aia", aia(http + b"a.cer", method="1.3.6.1.5.5.7.48.1")), "aia_empty": swap(
                "aia", ext("1.3.6.1.5.5.7.1.1", seq())),
            "v1_none": self.full(drop=("v1",)), "v1_other": swap("v1", ext("1.3.6.1.4.1.311.20.2", tlv(0x1E, "DC".encode("utf-16-be")))),
            "v1_utf8": swap("v1", ext("1.3.6.1.4.1.311.20.2", utf8("Ger\u00e4t"))),
            "v1_half": swap("v1", ext("1.3.6.1.4.1.311.20.2", tlv(0x1E, "Ger\u00e4t".encode("utf-16-be") + b"\0"))),
            "v2_none": self.full(drop=("v2",)), "v2_other": swap("v2", v2(oid(template + ".4"), integer(100), integer(1))),
            "v2_major": swap("v2", v2(oid(template), integer(101), integer(1))), "v2_minor": swap("v2", v2(
                oid(template), integer(100), integer(2))), "v2_negative": swap("v2", v2(oid(template), raw_integer(b"\x80"), integer(1))),
            "v2_no_minor": swap("v2", v2(oid(template), integer(100))),
            "other_key": self.full(spki=spki(self.lab.other_leaf), swap={"ski": ski(self.lab.other_leaf)}),
            "other_serial": self.full(serial=self.lab.new_serial()),
            "p192": self.full(spki=seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.1")), bits(b"\x04" + b"\1" * 48))),
            "8k": self.full(subject=name(*[("2.5.4.11", utf8(f"{i:060}")) for i in range(120)])),
            "longer": self.full(validity=seq(utc(START), utc("271031000000Z"))),
        }
        return {"full_" + label: der for label, der in out.items()}
