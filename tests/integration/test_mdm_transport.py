# SPDX-License-Identifier: Apache-2.0
"""Whole requests against a real daemon: HTTP, SOAP and WS-Addressing (MS-MDE2 checklist 1 to 13)."""
import os
import re
import socket
import sys
import uuid

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab, USER  # noqa: E402

LAB = None
CSR_DEVICE = mdm.device_id()
CSR = mdm.new_csr(CSR_DEVICE)


def well_formed(a, name):
    """Checklist 1, 2: what holds for every answer of either stage."""
    return tap.ok(a.headers.get("Content-Length") == str(len(a.body)) and "Transfer-Encoding" not in a.headers and
                  a.headers.get("Content-Type") == mdm.CONTENT_TYPE and len(a.body) > 0, name, a.describe())


def issued(a):
    return a.status == 200 and a.certificate() is not None


def c01_c02_every_answer_has_length_and_type():
    c = LAB.client()
    for i in range(3):
        well_formed(c.get_policies(), f"c01 c02 GetPolicies, keep-alive {i}")
    well_formed(c.enroll(CSR, CSR_DEVICE), "c01 c02 RST on the same connection")
    well_formed(c.request("POST", c.enroll_path, "not xml"), "c01 c02 fault")


def c03_user_agent_does_not_matter():
    c = LAB.client()
    for agent in (None, "Windows Phone 8 Enrollment Client", "curl/8"):
        a = c.get_policies(headers={"User-Agent": agent})
        tap.equal(a.status, 200, f"c03 User-Agent {agent}")


def c04_to_is_not_compared():
    c = LAB.client()
    for to in ("https://LOCALHOST:443/EnrollmentServer/Policy.svc", "https://other.example/x", "urn:x"):
        tap.equal(c.get_policies(to=to).status, 200, f"c04 To {to}")


def c05_relates_to_is_verbatim():
    c = LAB.client()
    for mid in (f"urn:uuid:{uuid.uuid4()}", "  urn:uuid:AbC \n", "plain-id"):
        a = c.get_policies(message_id=mid)
        tap.equal(a.relates_to, mid.strip(), f"c05 MessageID {mid.strip()!r}")
    a = c.get_policies(message_id="")
    tap.ok(a.status == 200 and a.relates_to is None, "c05 no MessageID, no RelatesTo", a.describe())
    a = c.get_policies(message_id="x" * 5000)
    tap.ok(a.status == 500 and a.subcode == "s:MessageFormat", "c05 A10 a MessageID of 5000 bytes is refused",
           a.describe())
    a = c.get_policies(message_id="a&lt;b&gt;&quot;]]&gt;")
    tap.equal(a.relates_to, 'a<b>"]]>', "A10 markup in MessageID comes back escaped")


def c06_actions_and_activity():
    c = LAB.client()
    for a, action in ((c.get_policies(), mdm.NS["x"] + "/IPolicy/GetPoliciesResponse"),
                      (c.enroll(CSR, CSR_DEVICE), mdm.NS["e"] + "/RSTRC/wstep")):
        node = a.find("./s:Header/diag:ActivityId")
        tap.equal(a.action, action, "c06 action")
        tap.ok(node is not None and node.text == node.get("CorrelationId") and uuid.UUID(node.text),
               "c06 ActivityId equals CorrelationId", a.describe())


def rename_prefixes(env):
    for old, new in (("s", "soapy"), ("a", "addr"), ("wsse", "o"), ("wst", "T"), ("ac", "zz"), ("u", "util")):
        env = re.sub(rf"(</?|xmlns:| ){old}(:|=)", rf"\g<1>{new}\g<2>", env)
    return env


def c07_prefixes_do_not_matter():
    c = LAB.client()
    env = mdm.envelope(mdm.ACTION_RST, c.security(), mdm.rst_body(CSR, mdm.default_items(CSR_DEVICE)))
    first = c.request("POST", c.enroll_path, env)
    second = c.request("POST", c.enroll_path, rename_prefixes(env))
    tap.ok(issued(first) and first.certificate() == second.certificate(), "c07 all prefixes renamed", second.describe())
    defaults = (f'<Envelope xmlns="{mdm.NS["s"]}"><Header><Action xmlns="{mdm.NS["a"]}">{mdm.ACTION_XCEP}</Action>'
                f'<Security xmlns="{mdm.NS["wsse"]}"><UsernameToken><Username>{USER}</Username><Password>'
                f'{mdm.escape(c.password)}</Password></UsernameToken></Security></Header><Body>'
                f'{mdm.get_policies_body()}</Body></Envelope>')
    tap.equal(c.request("POST", c.policy_path, defaults).status, 200, "c07 default namespaces")


def c08_white_space_is_trimmed():
    c = LAB.client()
    env = mdm.envelope(f"\n  {mdm.ACTION_RST}\t", c.security(),
                       mdm.rst_body(CSR, [(n, f"\n {v} ") for n, v in mdm.default_items(CSR_DEVICE)],
                                    token_type=f" {mdm.TT_DEVICE}\n", request_type=f"\n{mdm.RT}Issue ",
                                    value_type=f" {mdm.VT_P10} "))
    a = c.request("POST", c.enroll_path, env)
    tap.ok(issued(a), "c08 white space around every value", a.describe())


def c09_base64_forms_are_equal():
    c = LAB.client()
    want = c.enroll(CSR, CSR_DEVICE).certificate()
    for name, text in (("LF", mdm.wrap64(CSR)), ("CRLF", mdm.wrap64(CSR, "\r\n")),
                       ("&#xD;", mdm.wrap64(CSR, "&#xD;\n")), ("one line", mdm.wrap64(CSR, ""))):
        a = c.enroll(CSR, CSR_DEVICE, csr_text=text)
        tap.ok(want is not None and a.certificate() == want, f"c09 {name}", a.describe())
    a = c.enroll(CSR, CSR_DEVICE, csr_text="!" + mdm.wrap64(CSR))
    tap.equal(a.subcode, "s:MessageFormat", "c09 foreign character in base64")


def c10_hostile_documents():
    c = LAB.client()
    good = mdm.envelope(mdm.ACTION_XCEP, c.security(), mdm.get_policies_body())
    laughs = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    cases = {
        "DOCTYPE": "<!DOCTYPE x>" + good,
        "billion laughs": laughs + good.replace("anonymous", "&b;"),
        "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + good.replace("anonymous", "&e;"),
        "depth": good.replace("<client>", "<client>" + "<d>" * 200 + "</d>" * 200),
        "attributes": good.replace("<client>", "<client " + " ".join(f'a{i}="1"' for i in range(20000)) + ">"),
        "trailing junk": good + "<x/>",
        "bad UTF-8": good.encode().replace(b"anonymous", b"\xff\xfe"),
        "NUL": good.replace("anonymous", "a\0b"),
        "UTF-16": good.encode("utf-16"),
        "XML 1.1": '<?xml version="1.1"?>' + good,
    }
    for name, body in cases.items():
        a = c.request("POST", c.policy_path, body)
        tap.ok(a.status == 500 and a.subcode == "s:MessageFormat" and b"root:" not in a.body, f"c10 {name}",
               a.describe())
    a = c.request("POST", c.policy_path, good + " " * 300000, fresh=True)
    tap.ok(a.status == 413 and a.subcode == "s:MessageFormat", "c10 413 with a fault body above 256 KiB", a.describe())
    tap.equal(c.get_policies().status, 200, "c10 still serving")


def c11_methods_and_empty_bodies():
    c = LAB.client()
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        a = c.request(method, c.policy_path, headers={"Content-Type": None}, fresh=True)
        tap.ok(a.status == 405 and a.headers.get("Content-Length"), f"c11 {method} gets 405", a.describe())
    tap.equal(c.request("POST", "/nothing/here", "x").status, 404, "c11 unknown path gets 404")
    for name, body in (("empty", b""), ("not XML", b"hello"), ("other root", b"<a/>"),
                       ("no Body", f'<s:Envelope xmlns:s="{mdm.NS["s"]}"/>'.encode()),
                       ("other Body", mdm.envelope(mdm.ACTION_XCEP, c.security(), "<x/>").encode())):
        a = c.request("POST", c.enroll_path, body)
        tap.ok(a.status == 500 and a.subcode == "s:MessageFormat", f"c11 {name} gets s:MessageFormat", a.describe())
    a = c.request("POST", c.enroll_path + "?client-request-id=1&x=%00", mdm.envelope(
        mdm.ACTION_RST, c.security(), mdm.rst_body(CSR, mdm.default_items(CSR_DEVICE))))
    tap.ok(issued(a), "a query string is carried along, never refused", a.describe())


def c12_unknown_elements_are_ignored():
    c = LAB.client()
    a = c.get_policies(client_extra="<TPMManufacturer>INTC</TPMManufacturer><New x='1'><Inner/></New>",
                       extra_header='<n:Thing xmlns:n="urn:new"><n:a/></n:Thing>')
    tap.equal(a.status, 200, "c12 c32 unknown header block and client children")
    items = mdm.default_items(CSR_DEVICE) + [("BrandNewItem", "1")]
    body = mdm.rst_body(CSR, items).replace("<wst:TokenType>", '<n:Other xmlns:n="urn:n" a="b"/><wst:TokenType n="1">')
    a = c.request("POST", c.enroll_path, mdm.envelope(mdm.ACTION_RST, c.security(), body))
    tap.ok(issued(a), "c12 unknown elements, attributes and ContextItems in the RST", a.describe())


def c13_requests_never_share_identity():
    LAB.add_user("bob@lab.example", "another secret")
    ada, bob = LAB.client(), LAB.client("bob@lab.example", "another secret")
    bob.connection = ada.open()
    subjects = []
    for who, client in (("ada", ada), ("bob", bob), ("ada", ada)):
        device = mdm.device_id()
        a = client.enroll(mdm.new_csr(device), device)
        text = mdm.x509.load_der_x509_certificate(a.certificate()).subject.rfc4514_string() if issued(a) else a.body
        subjects.append((who, who in str(text)))
    tap.ok(all(match for _, match in subjects), "c13 keep-alive: each certificate names its own user", subjects)
    a = ada.get_policies(security="")
    tap.equal(a.subcode, "s:Authentication", "c13 an authenticated connection authenticates nothing later")


def head(client, path, body):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {mdm.CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def c13_pipelined():
    c = LAB.client()
    with c.raw_socket() as s:
        bodies = [mdm.envelope(mdm.ACTION_XCEP, sec, mdm.get_policies_body(), message_id=f"id-{i}").encode()
                  for i, sec in enumerate((c.security(), mdm.username_token(USER, "wrong"), c.security()))]
        s.sendall(b"".join(head(c, c.policy_path, b) for b in bodies))
        s.settimeout(30)
        got = b""
        while got.count(b"HTTP/1.1 ") < 3 or not got.rstrip().endswith(b"</s:Envelope>"):
            chunk = s.recv(65536)
            if not chunk:
                break
            got += chunk
    order = [(m.group(1).decode(), m.group(2).decode()) for m in
             re.finditer(rb"HTTP/1\.1 (\d+).*?RelatesTo>(id-\d)<", got, re.S)]
    tap.equal(order, [("200", "id-0"), ("500", "id-1"), ("200", "id-2")], "c13 pipelined requests answer in order")


def tls_rules():
    c = LAB.client()
    for version in ("TLSv1", "TLSv1_1"):
        ctx = mdm.ssl.SSLContext(mdm.ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname, ctx.verify_mode = False, mdm.ssl.CERT_NONE
        try:
            ctx.minimum_version = ctx.maximum_version = getattr(mdm.ssl.TLSVersion, version)
            with socket.create_connection((c.host, c.port), timeout=10) as raw, ctx.wrap_socket(raw):
                ok = False
        except (mdm.ssl.SSLError, OSError, ValueError):
            ok = True
        tap.ok(ok, f"TLS: {version} is refused")
    for protocol, want in ((["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")):
        ctx = mdm.ssl.create_default_context(cafile=LAB.ca_file)
        ctx.set_alpn_protocols(protocol)
        with socket.create_connection((c.host, c.port), timeout=10) as raw, \
                ctx.wrap_socket(raw, server_hostname=c.host) as s:
            tap.equal(s.selected_alpn_protocol(), want, f"TLS: ALPN {protocol}")


with MdmLab() as LAB:
    tests = [c01_c02_every_answer_has_length_and_type, c03_user_agent_does_not_matter, c04_to_is_not_compared,
             c05_relates_to_is_verbatim, c06_actions_and_activity, c07_prefixes_do_not_matter,
             c08_white_space_is_trimmed, c09_base64_forms_are_equal, c10_hostile_documents,
             c11_methods_and_empty_bodies, c12_unknown_elements_are_ignored, c13_requests_never_share_identity,
             c13_pipelined, tls_rules]
    tap.run(*tests)
