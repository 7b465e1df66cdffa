# SPDX-License-Identifier: Apache-2.0
"""XML signatures for tests, made without any library that the daemon verifies them with: canonical XML 1.0, inclusive
and exclusive, over expat, and signing with python3-cryptography. Every part can be made wrong."""
import base64
import datetime
import hashlib
import xml.parsers.expat

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

import mdm

DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
ENC = "http://www.w3.org/2001/04/xmlenc#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DSIG + "enveloped-signature"
X509V3 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
X509_REF = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509"
TOKEN_ID = "uuid-29801C2F-F26B-46AD-984B-AFAEFB545FF8"

DIGESTS = {ENC + "sha256": "sha256", MORE + "sha384": "sha384", ENC + "sha512": "sha512", DSIG + "sha1": "sha1",
           MORE + "md5": "md5"}
HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512,
          "md5": hashes.MD5}


class Node:
    """An element as it is written: prefixes, declarations, attributes, texts and children in order."""

    def __init__(self, tag, attrs, parent):
        self.tag, self.parent, self.content = tag, parent, []
        self.declared = {k[6:]: v for k, v in attrs if k.startswith("xmlns:")}
        self.declared.update({"": v for k, v in attrs if k == "xmlns"})
        self.attrs = [(k, v) for k, v in attrs if k != "xmlns" and not k.startswith("xmlns:")]

    def scope(self):
        found = dict(self.parent.scope()) if self.parent else {"xml": "http://www.w3.org/XML/1998/namespace"}
        found.update(self.declared)
        return found

    @property
    def name(self):
        """(namespace, local name)"""
        prefix, _, local = self.tag.rpartition(":")
        return self.scope().get(prefix, ""), local

    def find_all(self, name):
        found = [self] if self.name == name else []
        for c in self.content:
            if isinstance(c, Node):
                found += c.find_all(name)
        return found


def parse(text):
    """Comments are left out: a signature to "" does not cover them (XML-DSig 4.4.3.3)."""
    parser = xml.parsers.expat.ParserCreate()
    parser.ordered_attributes = True
    parser.buffer_text = True
    at, roots = [None], []

    def start(tag, flat):
        node = Node(tag, list(zip(flat[::2], flat[1::2])), at[0])
        (at[0].content if at[0] else roots).append(node)
        at[0] = node

    def end(_):
        at[0] = at[0].parent

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda data: at[0].content.append(data)
    parser.Parse(text, True)
    return roots[0]


def escape_text(s):
    return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def escape_attr(s):
    return (s.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\t", "&#x9;")
            .replace("\n", "&#xA;").replace("\r", "&#xD;"))


def c14n(node, method=INCLUSIVE, skip=None, rendered=None):
    """Canonical XML 1.0 of @p node without the element @p skip."""
    if node is skip:
        return ""
    rendered = dict(rendered or {})
    scope = node.scope()
    prefixes = [node.tag.rpartition(":")[0]] + [k.rpartition(":")[0] for k, _ in node.attrs if ":" in k]
    names = []
    for p in sorted(set(prefixes) if method == EXCLUSIVE else scope):
        uri = scope.get(p, "")
        if p != "xml" and rendered.get(p, "") != uri:
            names.append((p, uri))
            rendered[p] = uri
    out = f"<{node.tag}"
    for p, uri in names:
        out += f' xmlns{":" + p if p else ""}="{escape_attr(uri)}"'
    for k, v in sorted(node.attrs, key=lambda a: (scope[a[0].split(":")[0]] if ":" in a[0] else "", a[0].split(":")[-1])):
        out += f' {k}="{escape_attr(v)}"'
    out += ">"
    for c in node.content:
        out += c14n(c, method, skip, rendered) if isinstance(c, Node) else escape_text(c)
    return f"{out}</{node.tag}>"


def raw_signature(key, method, data):
    """The value that SignatureMethod @p method asks for, computed as it says."""
    kind, _, digest = method.rsplit("#", 1)[1].partition("-")
    if kind == "hmac":
        secret = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        import hmac  # pylint: disable=import-outside-toplevel
        return hmac.new(secret, data, digest).digest()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(HASHES[digest]())))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(data, padding.PKCS1v15(), HASHES[digest]())


def timestamp(now=None, life=300, created=None, expires=None):
    now = now or datetime.datetime.utcnow()
    form = "%Y-%m-%dT%H:%M:%SZ"
    created = now.strftime(form) if created is None else created
    expires = (now + datetime.timedelta(seconds=life)).strftime(form) if expires is None else expires
    return f"<u:Timestamp><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp>"


def token(certificate, value_type=X509V3, token_id=TOKEN_ID):
    """@p certificate: DER"""
    return (f'<wsse:BinarySecurityToken ValueType="{value_type}" EncodingType="{mdm.ENC}" Id="{token_id}">'
            f"{base64.b64encode(certificate).decode()}</wsse:BinarySecurityToken>")


def key_info(uri=TOKEN_ID.replace("uuid-", "")):
    return (f'<KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="{uri}" ValueType="{X509_REF}"/>'
            f"</wsse:SecurityTokenReference></KeyInfo>")


def default_method(key):
    return MORE + ("ecdsa-sha256" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa-sha256")


def sign(document, key, method=None, c14n_method=EXCLUSIVE, digest=ENC + "sha256", transforms=(ENVELOPED,), uri="",
         info=None, transforms_xml=None, cover=None, value=None, c14n_over=None, after="</wsse:BinarySecurityToken>",
         reference_more="", extra="", prefix="", signed_info=None):
    """@p document with a signature behind the first @p after, or at the mark {signature}. The digest is of the whole
    document without the signature (as @p c14n_over canonicalises it), or of the bytes @p cover."""
    method = method or default_method(key)
    p = prefix + ":" if prefix else ""
    names = f'xmlns{":" + prefix if prefix else ""}="{DSIG}"'
    if "{signature}" not in document:
        at = document.index(after) + len(after)
        document = document[:at] + "{signature}" + document[at:]
    listed = transforms_xml if transforms_xml is not None else "".join(
        f'<{p}Transform Algorithm="{t}"/>' for t in transforms)
    listed = f"<{p}Transforms>{listed}</{p}Transforms>" if listed is not False else ""
    over = c14n_over or (transforms[-1] if transforms and transforms[-1] in (INCLUSIVE, EXCLUSIVE) else INCLUSIVE)
    content = cover if cover is not None else c14n(parse(document.replace("{signature}", "")), over).encode()
    digest_value = base64.b64encode(hashlib.new(DIGESTS[digest], content).digest()).decode()
    uri_attr = "" if uri is None else f' URI="{uri}"'
    if signed_info is None:
        signed_info = (f'<{p}SignedInfo><{p}CanonicalizationMethod Algorithm="{c14n_method}"/>'
                       f'<{p}SignatureMethod Algorithm="{method}"/>'
                       f"<{p}Reference{uri_attr}>{listed}"
                       f'<{p}DigestMethod Algorithm="{digest}"/><{p}DigestValue>{digest_value}</{p}DigestValue>'
                       f"</{p}Reference>{reference_more}</{p}SignedInfo>")
    info = key_info() if info is None else info
    if prefix:
        info = info.replace("<KeyInfo", f"<{p}KeyInfo").replace("</KeyInfo", f"</{p}KeyInfo")
    shell = (f"<{p}Signature {names}>{signed_info}<{p}SignatureValue>{{value}}</{p}SignatureValue>{info}{extra}"
             f"</{p}Signature>")
    whole = parse(document.replace("{signature}", shell.replace("{value}", "")))
    nodes = whole.find_all((DSIG, "SignedInfo"))
    if value is None:
        value = raw_signature(key, method, c14n(nodes[-1], c14n_method if c14n_method in (INCLUSIVE, EXCLUSIVE)
                                                else EXCLUSIVE).encode())
    return document.replace("{signature}", shell.replace("{value}", base64.b64encode(value).decode()))


def security(certificate, now=None, **kw):
    """Content of the Security header, to be signed."""
    return timestamp(now, **kw) + token(certificate)


def get_policies(certificate, key, now=None, **kw):
    """A signed GetPolicies request."""
    return sign(mdm.envelope(mdm.ACTION_XCEP, security(certificate, now), mdm.get_policies_body()), key, **kw)


def rst(certificate, key, csr, items, now=None, **kw):
    """A signed RequestSecurityToken."""
    return sign(mdm.envelope(mdm.ACTION_RST, security(certificate, now), mdm.rst_body(csr, items)), key, **kw)
