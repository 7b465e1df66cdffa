/* SPDX-License-Identifier: Apache-2.0 */
/* The signature of a header that a certificate stands for (MS-MDE2 3.3.4.1.1.1, AuthPolicy Certificate). */
#include "config.h"

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/security.h"

#define XMLDSIG "http://www.w3.org/2000/09/xmldsig#"

PKE_DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
PKE_DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free);

/* Canonical form of a whole document of ours, without comments. */
static void canonicalize(struct pke_bytes text, int mode, struct pke_buf *out)
{
    xmlChar *canonical = NULL;
    xmlDoc *doc = xmlReadMemory((const char *)text.p, (int)text.n, NULL, NULL, XML_PARSE_NONET);
    int n = doc ? xmlC14NDocDumpMemory(doc, NULL, mode, NULL, 0, &canonical) : -1;
    if (n < 0)
        pke_oom(); /* the text is ours: anything else would be a mistake of the program */
    pke_buf_add(out, canonical, (size_t)n);
    xmlFree(canonical);
    xmlFreeDoc(doc);
}

static void add_digest(struct pke_bytes message, struct pke_buf *out)
{
    struct pke_buf canonical PKE_CLEANUP(pke_buf_done);
    uint8_t hash[32];
    pke_buf_init(&canonical, 2 * MESSAGE_MAX);
    canonicalize(message, XML_C14N_1_0, &canonical);
    if (EVP_Digest(canonical.p, canonical.n, hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    pke_base64_encode(PKE_BYTES(hash, sizeof hash), PKE_B64_STRICT, out);
}

static void add_signed_info(struct pke_bytes message, bool ec, struct pke_buf *out)
{
    pke_buf_printf(out,
                   "<SignedInfo xmlns=\"" XMLDSIG "\"><CanonicalizationMethod "
                   "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><SignatureMethod "
                   "Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#%s-sha256\"/><Reference URI=\"\">"
                   "<Transforms><Transform Algorithm=\"" XMLDSIG "enveloped-signature\"/></Transforms>"
                   "<DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue>",
                   ec ? "ecdsa" : "rsa");
    add_digest(message, out);
    pke_buf_add_str(out, "</DigestValue></Reference></SignedInfo>");
}

/* RFC 6931 2.3.6: r and s of the size of the group order one after the other, in the place of their DER. */
static bool add_ecdsa_value(const EVP_PKEY *key, struct pke_bytes der, struct pke_buf *out)
{
    uint8_t raw[2 * 66];
    const unsigned char *at = der.p;
    ECDSA_SIG *sig PKE_CLEANUP(ECDSA_SIG_free_p) = d2i_ECDSA_SIG(NULL, &at, (long)der.n);
    int half = (EVP_PKEY_get_bits(key) + 7) / 8;
    if (!sig || half > 66 || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half) != half)
        return false;
    return pke_base64_encode(PKE_BYTES(raw, 2 * (size_t)half), PKE_B64_STRICT, out) == PKE_OK;
}

static bool add_value(const struct probe *p, struct pke_bytes signed_info, bool ec, struct pke_buf *out)
{
    struct pke_buf canonical PKE_CLEANUP(pke_buf_done);
    EVP_MD_CTX *ctx PKE_CLEANUP(EVP_MD_CTX_free_p) = EVP_MD_CTX_new();
    uint8_t value[1024];
    size_t n = sizeof value;
    pke_buf_init(&canonical, 16u << 10);
    canonicalize(signed_info, XML_C14N_EXCLUSIVE_1_0, &canonical);
    if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, p->client_key) != 1 ||
        EVP_DigestSign(ctx, value, &n, canonical.p, canonical.n) != 1)
        return false;
    if (ec)
        return add_ecdsa_value(p->client_key, PKE_BYTES(value, n), out);
    return pke_base64_encode(PKE_BYTES(value, n), PKE_B64_STRICT, out) == PKE_OK;
}

/* The samples refer to the token without "#" and without the start of its name. */
static bool add_signature(const struct probe *p, struct pke_bytes message, struct pke_buf *out)
{
    struct pke_buf signed_info PKE_CLEANUP(pke_buf_done);
    bool ec = EVP_PKEY_is_a(p->client_key, "EC");
    pke_buf_init(&signed_info, 16u << 10);
    add_signed_info(message, ec, &signed_info);
    pke_buf_add_str(out, "<Signature xmlns=\"" XMLDSIG "\">");
    pke_buf_add_bytes(out, pke_buf_bytes(&signed_info));
    pke_buf_add_str(out, "<SignatureValue>");
    if (!add_value(p, pke_buf_bytes(&signed_info), ec, out))
        return false;
    pke_buf_add_str(out, "</SignatureValue><KeyInfo><wsse:SecurityTokenReference><wsse:Reference "
                         "URI=\"29801C2F-F26B-46AD-984B-AFAEFB545FF8\" ValueType=\"" WSS_X509 "#X509\"/>"
                         "</wsse:SecurityTokenReference></KeyInfo></Signature>");
    return true;
}

bool signature_insert(const struct probe *p, struct pke_buf *message)
{
    static const char end[] = "</wsse:Security>";
    struct pke_buf whole;
    const uint8_t *at =
        memmem(message->p, message->n, end, sizeof end - 1); /* what is before it is escaped */
    if (!at)
        return false;
    pke_buf_init(&whole, message->max);
    pke_buf_add(&whole, message->p, (size_t)(at - message->p));
    bool good = add_signature(p, pke_buf_bytes(message), &whole);
    pke_buf_add(&whole, at, message->n - (size_t)(at - message->p));
    pke_buf_done(message);
    *message = whole;
    return good;
}
