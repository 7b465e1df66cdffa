/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "xmlsig/dsig.h"
#include "xmlsig/xmlsig.h"

#define CERTIFICATE_MAX (16u << 10)
#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    8192 /* beyond, one request costs as much as hundreds */

struct xmlsig {
    struct soap_parser *parser;
};

struct xmlsig *xmlsig_new(void)
{
    struct xmlsig *x = pke_calloc(1, sizeof *x);

    xmlsig_dsig_init();
    x->parser = soap_parser_new();
    return x;
}

void xmlsig_free(struct xmlsig *x)
{
    if (!x)
        return;
    soap_parser_free(x->parser);
    free(x);
}

static enum pke_err invalid(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_INVALID_SECURITY, reason, rule, "%s", text);
}

static enum pke_err check_time(const struct xmlsig_shape *s, int64_t now, const struct xmlsig_rules *rules,
                               struct pke_fail *fail)
{
    static const char rule[] = "WSS SOAP Message Security 1.0 10";

    if (s->expires <= s->created || s->expires - s->created > rules->life_seconds)
        return invalid(fail, "sig-timestamp-life", rule,
                       "The Timestamp lasts longer than permitted, or not at all");
    if (s->created - rules->skew_seconds > now)
        return invalid(fail, "sig-timestamp-future", rule, "The Timestamp begins in the future");
    if (s->expires + rules->skew_seconds < now)
        return invalid(fail, "sig-timestamp-expired", rule, "The Timestamp has expired");
    return PKE_OK;
}

static enum pke_err read_certificate(struct pke_bytes text, struct pke_arena *arena, struct pke_bytes *ret,
                                     struct pke_fail *fail)
{
    struct pke_buf der;
    bool ok;

    pke_buf_init(&der, CERTIFICATE_MAX);
    ok = pke_base64_decode(text, PKE_B64_STRICT, &der) == PKE_OK && der.n > 0;
    if (ok)
        *ret = pke_arena_bytes(arena, pke_buf_bytes(&der));
    pke_buf_done(&der);
    return ok ? PKE_OK
              : invalid(fail, "sig-certificate", "MS-MDE2 3.4.4.1.1.1.2 BinarySecurityToken",
                        "The token is not the base64 of a certificate");
}

/* A curve of NIST, the sizes that the signature methods are meant for. */
static size_t curve_bytes(const EVP_PKEY *key)
{
    char name[64];
    size_t n;

    if (!EVP_PKEY_get_group_name(key, name, sizeof name, &n))
        return 0;
    return strcmp(name, "prime256v1") == 0 ? 32 : strcmp(name, "secp384r1") == 0 ? 48 : 0;
}

/* The key fits the method, and the value has the one length that a signature of both has. */
static bool key_fits(const EVP_PKEY *key, const struct xmlsig_shape *s)
{
    int bits = EVP_PKEY_get_bits(key);

    if (s->key == XMLSIG_RSA)
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
               s->signature.n == (size_t)EVP_PKEY_get_size(key);
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && curve_bytes(key) > 0 &&
           s->signature.n == 2 * curve_bytes(key);
}

static enum pke_err check_signature(struct pke_bytes document, const struct xmlsig_shape *s,
                                    struct pke_bytes der, struct pke_fail *fail)
{
    const unsigned char *p = der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)der.n);
    EVP_PKEY *key = cert && p == der.p + der.n ? X509_get_pubkey(cert) : NULL;
    enum pke_err err;

    if (!key)
        err = invalid(fail, "sig-certificate", "MS-MDE2 3.4.4.1.1.1.2 BinarySecurityToken",
                      "The token is not a certificate with a key");
    else if (!key_fits(key, s))
        err = invalid(fail, "sig-key", "MS-MDE2 3.4.4.1.1.1.2 SignatureMethod",
                      "The signature is not one of the certificate's key");
    else
        err = xmlsig_dsig_check(document, s, key, fail);
    EVP_PKEY_free(key);
    X509_free(cert);
    ERR_clear_error();
    return err;
}

/* Method and digest, so that the digests of two methods are never taken for one another. */
static void name_document(const struct xmlsig_shape *s, uint8_t out[32])
{
    struct pke_buf text;

    pke_buf_init(&text, 512);
    pke_buf_add(&text, s->digest_name, strlen(s->digest_name) + 1);
    pke_buf_add_bytes(&text, s->digest);
    if (text.overflow || EVP_Digest(text.p, text.n, out, NULL, EVP_sha256(), NULL) != 1)
        abort();
    pke_buf_done(&text);
}

static enum pke_err verify(struct pke_bytes document, int64_t now, const struct xmlsig_rules *rules,
                           struct pke_arena *arena, struct xmlsig_result *r, struct pke_fail *fail)
{
    struct xmlsig_shape shape = {.token = NULL};
    enum pke_err err;

    if (r->request.credential.kind != SOAP_CRED_CERTIFICATE)
        return invalid(fail, "sig-count", "MS-MDE2 3.4.4.1.1.1.2 Signature", "The header has no signature");
    /* GetPolicies or RequestSecurityToken < Body < Envelope, by proto's rules */
    err = xmlsig_shape_read(r->request.body->parent->parent, arena, &shape, fail);
    if (err == PKE_OK)
        err = check_time(&shape, now, rules, fail);
    if (err == PKE_OK)
        err = read_certificate(r->request.credential.token, arena, &r->certificate, fail);
    if (err == PKE_OK && rules->trust)
        err = rules->trust(rules->arg, r->certificate, fail);
    if (err == PKE_OK)
        err = check_signature(document, &shape, r->certificate, fail);
    if (err != PKE_OK)
        return err;
    r->created = shape.created;
    r->expires = shape.expires;
    name_document(&shape, r->digest);
    return PKE_OK;
}

enum pke_err xmlsig_verify(struct xmlsig *x, struct pke_bytes document, int64_t now,
                           const struct xmlsig_rules *rules, struct pke_arena *arena,
                           struct xmlsig_result *ret, struct pke_fail *fail)
{
    struct xmlsig_result r = {.created = 0};
    enum pke_err err = soap_request_parse(x->parser, document, arena, &r.request, fail);

    *ret = (struct xmlsig_result){.created = 0};
    if (err == PKE_OK)
        err = verify(document, now, rules, arena, &r, fail);
    soap_request_wipe(x->parser);
    r.request.credential.password = r.request.credential.token = PKE_BYTES(NULL, 0);
    if (err == PKE_OK)
        *ret = r;
    return err;
}
