/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_leaf.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define YEAR (366 * 86400)

static char client_auth[] = "1.3.6.1.5.5.7.3.2", *client_auths[] = {client_auth};
static const struct pke_strings ekus = {client_auths, 1};

/* Bounds in which there is something of every kind. */
static char domain[] = "corp.example", *domain_list[] = {domain};
static char sid[] = "S-1-5-21-1-2-3", *sid_list[] = {sid};
static char urn[] = "urn:", *uri_list[] = {urn};
static char policy[] = "1.3.6.1.4.1.99999.1", *policy_list[] = {policy};
static const struct pke_strings domains = {domain_list, 1}, sids = {sid_list, 1}, uris = {uri_list, 1},
                                policies = {policy_list, 1};
static const struct ca_floor_template templates[] = {
    {.key_usage = 0xf8, .cps_uri = "http://corp.example/cps"},
    {.name = "WindowsMDM", .key_usage = 0x80},
    {.oid = "1.3.6.1.4.1.99999.2", .major = 100, .minor = 3, .key_usage = 0x80},
};

struct ca_floor *fuzz_floor(void)
{
    static char pem[4096];
    static size_t n;
    const struct ca_floor_limits limits = {.issuer = "test",
                                           .max_validity = YEAR,
                                           .max_backdate = 3600,
                                           .allowed_ekus = ekus,
                                           .allowed_policies = policies,
                                           .upn_suffixes = domains,
                                           .email_suffixes = domains,
                                           .dns_suffixes = domains,
                                           .sid_prefixes = sids,
                                           .uri_prefixes = uris,
                                           .allow_guid = true,
                                           .templates = templates,
                                           .n_templates = 3};
    const char *top = getenv("top_srcdir");
    struct ca_floor *floor;

    if (!n) {
        char path[4096];
        FILE *f;
        snprintf(path, sizeof path, "%s/tests/data/cert/ica.pem", top ? top : ".");
        f = fopen(path, "r");
        FUZZ_MUST(f);
        n = fread(pem, 1, sizeof pem, f);
        fclose(f);
    }
    FUZZ_MUST(ca_floor_new(PKE_BYTES(pem, n), &limits, &floor, NULL) == PKE_OK);
    return floor;
}

const struct ca_lint_context *fuzz_lint_context(const struct ca_floor *floor, struct pke_bytes der,
                                                struct pke_arena *arena)
{
    static const struct ca_profile_spec profile = {.ekus = &ekus, .key_usage = 0xa0};
    static struct ca_lint_context context;
    struct ca_lint_decision *d = pke_arena_alloc(arena, sizeof *d);
    struct ca_names *names = pke_arena_alloc(arena, sizeof *names);
    struct ca_tbs *tbs = pke_arena_alloc(arena, sizeof *tbs);

    *d = (struct ca_lint_decision){.sid = NULL};
    if (ca_tbs_decode(der, tbs, NULL) == PKE_OK) {
        bool read = ca_names_decode(tbs, arena, names, NULL) == PKE_OK;
        *d = (struct ca_lint_decision){.subject = read ? &names->subject : NULL,
                                       .san = read ? &names->san : NULL,
                                       .sid = read ? names->sid : NULL,
                                       .not_before = tbs->not_before,
                                       .not_after = tbs->not_after,
                                       .spki = tbs->spki,
                                       .serial = tbs->serial};
    }
    context = (struct ca_lint_context){ca_floor_issuer(floor), &profile, YEAR, d, FUZZ_NOW};
    return &context;
}

void fuzz_tbs_again(const struct ca_tbs *tbs, struct pke_bytes der)
{
    struct pke_buf again;

    pke_buf_init(&again, SIZE_MAX);
    FUZZ_MUST(ca_tbs_encode(tbs, &again) == PKE_OK && pke_bytes_eq(pke_buf_bytes(&again), der));
    pke_buf_done(&again);
}

static void add_header(struct pke_buf *out, size_t content)
{
    FUZZ_MUST(content > 0xff && content <= 0xffff);
    (void)pke_buf_add(out, "\x30\x82", 2);
    (void)pke_buf_add_u16(out, (uint16_t)content);
}

/* The certificate around it, with an empty signature; NULL when OpenSSL cannot read it. */
static X509 *certificate_of(struct pke_bytes tbs, struct pke_bytes algorithm)
{
    static const char signature[] = "\x03\x02\x00\x00";
    struct pke_buf der;
    const uint8_t *p;
    X509 *x;

    pke_buf_init(&der, SIZE_MAX);
    add_header(&der, tbs.n + algorithm.n + sizeof signature - 1);
    (void)pke_buf_add_bytes(&der, tbs);
    (void)pke_buf_add_bytes(&der, algorithm);
    (void)pke_buf_add(&der, signature, sizeof signature - 1);
    p = der.p;
    x = d2i_X509(NULL, &p, (long)der.n);
    FUZZ_MUST(!x || p == der.p + der.n);
    pke_buf_done(&der);
    return x;
}

/* Read one by one: of a certificate with any extension that it cannot read OpenSSL's summary says nothing. */
static void check_usage(const X509 *x)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    EXTENDED_KEY_USAGE *extended = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);

    FUZZ_MUST(basic && !basic->ca && !basic->pathlen);
    FUZZ_MUST(usage && !ASN1_BIT_STRING_get_bit(usage, 5) && !ASN1_BIT_STRING_get_bit(usage, 6));
    FUZZ_MUST(extended && sk_ASN1_OBJECT_num(extended) > 0);
    for (int i = 0; i < sk_ASN1_OBJECT_num(extended); i++)
        FUZZ_MUST(OBJ_obj2nid(sk_ASN1_OBJECT_value(extended, i)) == NID_client_auth);
    BASIC_CONSTRAINTS_free(basic);
    ASN1_BIT_STRING_free(usage);
    EXTENDED_KEY_USAGE_free(extended);
}

bool fuzz_leaf_check(struct pke_bytes tbs, const struct ca_floor *floor)
{
    X509 *x = certificate_of(tbs, ca_issuer_algorithm(ca_floor_issuer(floor)));
    uint8_t *issuer = NULL;
    bool whole;
    int n;

    if (!x)
        return false;
    n = i2d_X509_NAME(X509_get_issuer_name(x), &issuer);
    FUZZ_MUST(n > 0 && pke_bytes_eq(PKE_BYTES(issuer, (size_t)n), ca_issuer_subject(ca_floor_issuer(floor))));
    FUZZ_MUST(X509_get_version(x) == X509_VERSION_3 && X509_check_ca(x) == 0);
    check_usage(x);
    whole = !(X509_get_extension_flags(x) & (EXFLAG_INVALID | EXFLAG_CRITICAL));
    OPENSSL_free(issuer);
    X509_free(x);
    return whole;
}
