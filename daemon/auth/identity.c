/* SPDX-License-Identifier: Apache-2.0 */
/* From a trusted certificate to a principal. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/auth/certificate.h"
#include "daemon/auth/userfile.h"
#include "daemon/common/assertion.h"

#define UPN_OID "1.3.6.1.4.1.311.20.2.3"

/* The text of an ASN.1 string as it stands, without NUL and controls: "admin\0.example" is nobody. */
static const char *text_of(const ASN1_STRING *s, struct pke_arena *arena)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, s);
    struct pke_bytes b = PKE_BYTES(utf8, n > 0 ? (size_t)n : 0);
    const char *text = NULL;

    if (n > 0 && !memchr(utf8, 0, b.n) && pke_utf8_valid(b)) {
        text = pke_arena_str(arena, b);
        if (!userfile_name_valid(text))
            text = NULL;
    }
    OPENSSL_free(utf8);
    return text;
}

static const char *common_name(const X509 *x, struct pke_arena *arena)
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return NULL;
    return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), arena);
}

/* What a GeneralName holds, when it is a UPN or a mail address as asked; NULL. */
static const ASN1_STRING *name_value(const GENERAL_NAME *g, bool upn, const ASN1_OBJECT *oid)
{
    if (!upn)
        return g->type == GEN_EMAIL ? g->d.rfc822Name : NULL;
    if (g->type != GEN_OTHERNAME || OBJ_cmp(g->d.otherName->type_id, oid) != 0 ||
        g->d.otherName->value->type != V_ASN1_UTF8STRING)
        return NULL;
    return g->d.otherName->value->value.utf8string;
}

/* The only name of its kind: of two, nobody could say which is meant. */
static const char *alternative_name(X509 *x, bool upn, struct pke_arena *arena)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    ASN1_OBJECT *oid = OBJ_txt2obj(UPN_OID, 1);
    const ASN1_STRING *found = NULL;
    const char *text = NULL;
    int count = 0;

    if (!oid)
        pke_oom();
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const ASN1_STRING *s = name_value(sk_GENERAL_NAME_value(names, i), upn, oid);

        if (s) {
            found = s;
            count++;
        }
    }
    if (count == 1)
        text = text_of(found, arena);
    ASN1_OBJECT_free(oid);
    GENERAL_NAMES_free(names);
    return text;
}

static void add_name(struct pke_buf *out, const X509_NAME *name)
{
    const unsigned char *der;
    size_t n;

    if (X509_NAME_get0_der(name, &der, &n) != 1)
        pke_oom();
    pke_buf_add(out, der, n);
}

static const char *hash_text(const char *prefix, struct pke_bytes b, struct pke_arena *arena)
{
    uint8_t hash[32];
    char hex[65];

    if (EVP_Digest(b.p, b.n, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    pke_hex(PKE_BYTES(hash, sizeof hash), false, hex);
    return pke_arena_printf(arena, "%s%s", prefix, hex);
}

/* As the configuration spells them: they are in ids that the ledger keeps. */
static const char *const kinds[] = {[CONF_PRINCIPAL_CN] = "subject-cn",
                                    [CONF_PRINCIPAL_UPN] = "san-upn",
                                    [CONF_PRINCIPAL_EMAIL] = "san-email",
                                    [CONF_PRINCIPAL_SHA256] = "sha256"};

/* Unambiguous: names are self-delimiting DER, and no text has a NUL. Where the principal is not of the
 * subject, people of one subject are told apart by it, and the subject may change. */
static const char *id_of(const X509 *x, int kind, const char *principal, struct pke_arena *arena)
{
    struct pke_buf b;
    const char *id;

    pke_buf_init(&b, 1u << 20); /* the certificate's own bound */
    add_name(&b, X509_get_issuer_name(x));
    pke_buf_add(&b, kinds[kind], strlen(kinds[kind]) + 1);
    pke_buf_add(&b, principal, strlen(principal) + 1);
    if (kind == CONF_PRINCIPAL_CN)
        add_name(&b, X509_get_subject_name(x));
    id = hash_text("x509:", pke_buf_bytes(&b), arena);
    pke_buf_done(&b);
    return id;
}

static const char *principal_of(X509 *x, int kind, const char *hash, struct pke_arena *arena)
{
    switch (kind) {
    case CONF_PRINCIPAL_CN:
        return common_name(x, arena);
    case CONF_PRINCIPAL_UPN:
        return alternative_name(x, true, arena);
    case CONF_PRINCIPAL_EMAIL:
        return alternative_name(x, false, arena);
    default:
        return hash;
    }
}

static void add_attributes(X509 *x, const char *hash, const struct certificate_issuer *issuer,
                           struct pke_arena *arena, struct pke_pairs *ret)
{
    const char *upn = alternative_name(x, true, arena);
    char hex[65];

    pke_pairs_add(ret, arena, ASSERTION_CERTIFICATE_SHA256, hash);
    if (issuer->known) {
        pke_hex(PKE_BYTES(issuer->spki_sha256, sizeof issuer->spki_sha256), false, hex);
        pke_pairs_add(ret, arena, ASSERTION_ISSUER_SHA256, hex);
    }
    if (upn)
        pke_pairs_add(ret, arena, "upn", upn);
}

enum pke_err certificate_identity(const struct conf_endpoint *endpoint, struct pke_bytes der,
                                  const struct certificate_issuer *issuer, struct pke_arena *arena,
                                  struct auth_identity *ret, struct pke_fail *fail)
{
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    int kind = endpoint->certificate_principal;
    const char *hash = hash_text("", der, arena);

    if (x)
        ret->principal = principal_of(x, kind, hash, arena);
    if (ret->principal) {
        ret->user_id = id_of(x, kind, ret->principal, arena);
        add_attributes(x, hash, issuer, arena, &ret->attributes);
    }
    X509_free(x);
    ERR_clear_error();
    if (!ret->principal)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "certificate-principal",
                            "pkienrolld.conf(5) certificate-principal",
                            "the certificate has not exactly one usable name of the configured kind");
    return PKE_OK;
}
