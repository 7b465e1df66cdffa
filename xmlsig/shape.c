/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that XML-DSig can express and this protocol does not use is refused by not being on a list
 * (attacks A01-A05): other references, transforms, algorithms, Object, Manifest, and every other way to name
 * a key. */
#include "xmlsig/shape.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"

#define NS_SOAP "http://www.w3.org/2003/05/soap-envelope"
#define NS_WSSE "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define NS_WSU  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

#define C14N      "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
#define C14N_EXC  "http://www.w3.org/2001/10/xml-exc-c14n#"
#define ENVELOPED XMLSIG_NS "enveloped-signature"
#define DSIG_MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define XMLENC    "http://www.w3.org/2001/04/xmlenc#"

#define VALUE_MAX 1024 /* a signature of RSA-8192 */

static const struct {
    const char *uri;
    enum xmlsig_key key;
} methods[] = {
    {DSIG_MORE "rsa-sha256", XMLSIG_RSA},     {DSIG_MORE "rsa-sha384", XMLSIG_RSA},
    {DSIG_MORE "rsa-sha512", XMLSIG_RSA},     {DSIG_MORE "ecdsa-sha256", XMLSIG_ECDSA},
    {DSIG_MORE "ecdsa-sha384", XMLSIG_ECDSA},
};

static const struct {
    const char *uri, *name;
    size_t size;
} digests[] = {
    {XMLENC "sha256", "SHA256", 32}, {DSIG_MORE "sha384", "SHA384", 48}, {XMLENC "sha512", "SHA512", 64}};

static enum pke_err invalid(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_INVALID_SECURITY, reason, rule, "%s", text);
}

static bool is(const struct xml_node *n, const char *ns, const char *name)
{
    return n && strcmp(n->name, name) == 0 && strcmp(n->ns, ns) == 0;
}

/* Exactly the children @p names of XML-DSig, in this order. */
static bool has_only(const struct xml_node *n, const char *const *names)
{
    const struct xml_node *c = n->first;

    for (; *names; names++, c = c->next)
        if (!is(c, XMLSIG_NS, *names))
            return false;
    return c == NULL;
}

/* Attributes other than @p a, @p b (or NULL) and an Id change what a reader may make of an element. */
static bool has_only_attrs(const struct xml_node *n, const char *a, const char *b)
{
    for (const struct xml_attr *at = n->attrs; at; at = at->next) {
        bool known = (a && strcmp(at->name, a) == 0) || (b && strcmp(at->name, b) == 0);

        if ((!known || *at->ns) && (strcmp(at->name, "Id") != 0 || (*at->ns && strcmp(at->ns, NS_WSU) != 0)))
            return false;
    }
    return true;
}

/* The value of the one attribute @p name in no namespace; NULL. */
static const char *attr(const struct xml_node *n, const char *name)
{
    for (const struct xml_attr *at = n->attrs; at; at = at->next)
        if (strcmp(at->name, name) == 0 && !*at->ns)
            return at->value;
    return NULL;
}

/* An element that is nothing but <X Algorithm="..."/>; NULL when it is more. */
static const char *algorithm_of(const struct xml_node *n)
{
    return !n->first && xml_is_blank(n->text, n->text_len) && has_only_attrs(n, "Algorithm", NULL)
               ? attr(n, "Algorithm")
               : NULL;
}

static bool is_c14n(const struct xml_node *n)
{
    const char *uri = algorithm_of(n);

    return uri && (strcmp(uri, C14N) == 0 || strcmp(uri, C14N_EXC) == 0);
}

static bool read_value(const struct xml_node *n, struct pke_arena *arena, struct pke_bytes *ret)
{
    struct pke_buf raw;
    bool ok;

    pke_buf_init(&raw, VALUE_MAX);
    ok = !n->first && has_only_attrs(n, NULL, NULL) &&
         pke_base64_decode(PKE_BYTES(n->text, n->text_len), PKE_B64_WHITESPACE, &raw) == PKE_OK && raw.n > 0;
    if (ok)
        *ret = pke_arena_bytes(arena, pke_buf_bytes(&raw));
    pke_buf_done(&raw);
    return ok;
}

/* enveloped-signature, and the canonicalisation that is the default or one that is named. */
static bool transforms_fit(const struct xml_node *transforms)
{
    const struct xml_node *first = transforms->first, *second = first ? first->next : NULL;
    const char *uri;

    if (!has_only_attrs(transforms, NULL, NULL) || !is(first, XMLSIG_NS, "Transform"))
        return false;
    uri = algorithm_of(first);
    if (!uri || strcmp(uri, ENVELOPED) != 0)
        return false;
    return !second || (is(second, XMLSIG_NS, "Transform") && is_c14n(second) && !second->next);
}

static enum pke_err read_reference(const struct xml_node *reference, struct pke_arena *arena,
                                   struct xmlsig_shape *ret, struct pke_fail *fail)
{
    static const char *const children[] = {"Transforms", "DigestMethod", "DigestValue", NULL};
    const char *uri = attr(reference, "URI"), *method;

    if (!has_only_attrs(reference, "URI", NULL) || !uri || *uri)
        return invalid(fail, "sig-reference", "MS-MDE2 3.4.4.1.1.1.2 Reference URI",
                       "The signature is not over the whole request");
    if (!has_only(reference, children) || !transforms_fit(reference->first))
        return invalid(fail, "sig-transform", "MS-MDE2 3.4.4.1.1.1.2 Transforms",
                       "The signature has other transforms than enveloped-signature");
    method = algorithm_of(reference->first->next);
    for (size_t i = 0; method && i < PKE_LEN(digests); i++) {
        if (strcmp(method, digests[i].uri) != 0)
            continue;
        ret->digest_name = digests[i].name;
        if (read_value(reference->last, arena, &ret->digest) && ret->digest.n == digests[i].size)
            return PKE_OK;
        return invalid(fail, "sig-digest-value", "XML-DSig 4.4.3.6",
                       "The DigestValue is not a digest of its method");
    }
    return invalid(fail, "sig-digest-method", "MS-MDE2 3.4.4.1.1.1.2 DigestMethod",
                   "The digest method is not one of SHA-2");
}

static enum pke_err read_signed_info(const struct xml_node *info, struct pke_arena *arena,
                                     struct xmlsig_shape *ret, struct pke_fail *fail)
{
    static const char *const children[] = {"CanonicalizationMethod", "SignatureMethod", "Reference", NULL};
    const char *method;

    if (!has_only(info, children) || !has_only_attrs(info, NULL, NULL))
        return invalid(fail, "sig-signed-info", "XML-DSig 4.4",
                       "The SignedInfo has not exactly one Reference");
    if (!is_c14n(info->first))
        return invalid(fail, "sig-c14n", "MS-MDE2 3.4.4.1.1.1.2 CanonicalizationMethod",
                       "The canonicalization is not permitted");
    method = algorithm_of(info->first->next);
    for (size_t i = 0; method && i < PKE_LEN(methods); i++)
        if (strcmp(method, methods[i].uri) == 0) {
            ret->key = methods[i].key;
            return read_reference(info->last, arena, ret, fail);
        }
    return invalid(fail, "sig-method", "MS-MDE2 3.4.4.1.1.1.2 SignatureMethod",
                   "The signature method is not permitted");
}

static const struct xml_node *next_in_document(const struct xml_node *n)
{
    if (n->first)
        return n->first;
    while (n && !n->next)
        n = n->parent;
    return n ? n->next : NULL;
}

static bool names_another(const struct xml_node *envelope, const struct xml_node *token, const char *id)
{
    for (const struct xml_node *n = envelope; n; n = next_in_document(n))
        for (const struct xml_attr *a = n->attrs; a && n != token; a = a->next)
            if (strcasecmp(a->name, "Id") == 0 && strcmp(a->value, id) == 0)
                return true;
    return false;
}

/* Samples write the token's Id without "#", without "uuid-", or with both (checklist 24). There is one token,
 * so it is meant, unless the reference leads elsewhere. */
static bool means_token(const struct xml_node *envelope, const struct xml_node *token, const char *uri)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    uri += *uri == '#';
    return *uri && !uri[strspn(uri, plain)] && !names_another(envelope, token, uri);
}

static enum pke_err read_key_info(const struct xml_node *envelope, const struct xml_node *info,
                                  const struct xmlsig_shape *shape, struct pke_fail *fail)
{
    const struct xml_node *str = info->first, *ref = str ? str->first : NULL;
    const char *uri;

    if (!has_only_attrs(info, NULL, NULL) || !is(str, NS_WSSE, "SecurityTokenReference") || str->next ||
        !has_only_attrs(str, NULL, NULL) || !is(ref, NS_WSSE, "Reference") || ref->next || ref->first ||
        !has_only_attrs(ref, "URI", "ValueType"))
        return invalid(fail, "sig-key-info", "MS-MDE2 3.4.4.1.1.1.2 KeyInfo",
                       "The KeyInfo is not one reference to a token");
    uri = attr(ref, "URI");
    if (!uri || !means_token(envelope, shape->token, uri))
        return invalid(fail, "sig-key-reference", "MS-MDE2 3.4.4.1.1.1.2 KeyInfo",
                       "The KeyInfo does not lead to the token of the header");
    return PKE_OK;
}

/* The one leaf @p name of the Timestamp. */
static bool read_time(const struct xml_node *timestamp, const char *name, struct pke_arena *arena,
                      int64_t *ret)
{
    const struct xml_node *n = xml_child(timestamp, NS_WSU, name);

    return n && !xml_next_same(n) && !n->first && pke_time_parse(xml_text_trimmed(n, arena), ret);
}

static enum pke_err read_timestamp(const struct xml_node *security, struct pke_arena *arena,
                                   struct xmlsig_shape *ret, struct pke_fail *fail)
{
    const struct xml_node *n = xml_child(security, NS_WSU, "Timestamp");

    if (!n || xml_next_same(n) || !read_time(n, "Created", arena, &ret->created) ||
        !read_time(n, "Expires", arena, &ret->expires))
        return invalid(fail, "sig-timestamp", "WSS SOAP Message Security 1.0 10",
                       "The header has not one Timestamp with Created and Expires");
    return PKE_OK;
}

static unsigned count_signatures(const struct xml_node *envelope)
{
    unsigned n = 0;

    for (const struct xml_node *e = envelope; e; e = next_in_document(e))
        n += is(e, XMLSIG_NS, "Signature");
    return n;
}

enum pke_err xmlsig_shape_read(const struct xml_node *envelope, struct pke_arena *arena,
                               struct xmlsig_shape *ret, struct pke_fail *fail)
{
    static const char *const children[] = {"SignedInfo", "SignatureValue", "KeyInfo", NULL};
    const struct xml_node *header = xml_child(envelope, NS_SOAP, "Header");
    const struct xml_node *security = header ? xml_child(header, NS_WSSE, "Security") : NULL;
    const struct xml_node *signature = security ? xml_child(security, XMLSIG_NS, "Signature") : NULL;
    enum pke_err err;

    if (!signature || count_signatures(envelope) != 1)
        return invalid(fail, "sig-count", "MS-MDE2 3.4.4.1.1.1.2 Signature",
                       "The request has not exactly one signature in its header");
    if (!has_only(signature, children) || !has_only_attrs(signature, NULL, NULL))
        return invalid(fail, "sig-children", "XML-DSig 4.2",
                       "The signature is not SignedInfo, SignatureValue and KeyInfo");
    ret->token = xml_child(security, NS_WSSE, "BinarySecurityToken");
    if (!ret->token || xml_next_same(ret->token))
        return invalid(fail, "sig-token", "MS-MDE2 3.4.4.1.1.1.2 BinarySecurityToken",
                       "The header has not exactly one token");
    err = read_timestamp(security, arena, ret, fail);
    if (err == PKE_OK)
        err = read_signed_info(signature->first, arena, ret, fail);
    if (err == PKE_OK && !read_value(signature->first->next, arena, &ret->signature))
        err =
            invalid(fail, "sig-value", "XML-DSig 4.3", "The SignatureValue is not the base64 of a signature");
    if (err == PKE_OK)
        err = read_key_info(envelope, signature->last, ret, fail);
    return err;
}
