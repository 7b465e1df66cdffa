/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A malicious issuer before a real key process: everything that it may not have, asked for over the link on
 * which certificates are asked for. The bytes are a certificate that is signed but for one difference, and
 * that one is signed at the end of each test.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/floor.h"
#include "ca/tbs.h"
#include "daemon/common/file.h"
#include "tests/scenario/stage.h"

#define DAY      86400
#define UPN      "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:"
#define SID      "S-1-5-21-1-2-3-1104"
#define SID_URI  PKE_SID_URI_PREFIX
#define POLICY   "1.3.6.1.4.1.99999.1"
#define TEMPLATE "1.3.6.1.4.1.99999.2"
#define CRL      "http://pki.corp.example/corp.crl"
#define CRL_LDAP "ldap:///CN=Corp%20CA,CN=CDP,DC=corp,DC=example?certificateRevocationList?base"
#define AIA      "http://pki.corp.example/corp.crt"
#define CPS      "http://pki.corp.example/cps"

#define EKU_OID         "2.5.29.37"
#define SAN_OID         "2.5.29.17"
#define KEY_USAGE_OID   "2.5.29.15"
#define BASIC_OID       "2.5.29.19"
#define SKI_OID         "2.5.29.14"
#define AKI_OID         "2.5.29.35"
#define POLICIES_OID    "2.5.29.32"
#define CDP_OID         "2.5.29.31"
#define AIA_OID         "1.3.6.1.5.5.7.1.1"
#define APP_OID         "1.3.6.1.4.1.311.21.10"
#define TEMPLATE_OID    "1.3.6.1.4.1.311.21.7"
#define TEMPLATE_NAME   "1.3.6.1.4.1.311.20.2"
#define SID_OID         "1.3.6.1.4.1.311.25.2"
#define CONSTRAINTS_OID "2.5.29.30"

static const char issuer_options[] =
    "    upn-suffixes: [corp.example, .corp.example]\n"
    "    dns-suffixes: [corp.example]\n"
    "    email-suffixes: [corp.example]\n"
    "    sid-prefixes: [S-1-5-21-1-2-3]\n"
    "    uri-prefixes: [\"urn:corp:\", \"https://mdm.corp.example/a/\", \"x:\"]\n"
    "    allowed-policies: [" POLICY "]\n"
    "    crl-urls: [\"" CRL "\", \"" CRL_LDAP "\"]\n"
    "    ca-issuers-urls: [\"" AIA "\"]\n";
static const char template_options[] = "    key-usage: [digital-signature, key-encipherment]\n"
                                       "    application-policies: [client-auth]\n"
                                       "    certificate-policies: [" POLICY "]\n"
                                       "    cps-uri: " CPS "\n"
                                       "    template-extension: oid\n"
                                       "    template-oid: " TEMPLATE "\n";

static char client_auth[] = "1.3.6.1.5.5.7.3.2", policy[] = POLICY, crl[] = CRL, crl_ldap[] = CRL_LDAP,
            aia[] = AIA;
static char *ekus[] = {client_auth}, *policies[] = {policy}, *crls[] = {crl, crl_ldap}, *aias[] = {aia};
static const struct pke_strings eku_list = {ekus, 1}, policy_list = {policies, 1}, crl_list = {crls, 2},
                                aia_list = {aias, 1};

static struct pke_pair subject_pairs[] = {{PKE_RDN_O, "Corp"}, {PKE_RDN_CN, "ada@corp.example"}};
static struct pke_pair san_pairs[] = {
    {PKE_SAN_DNS, "pc-1.corp.example"},
    {PKE_SAN_EMAIL, "ada@corp.example"},
    {PKE_SAN_URI, "urn:corp:device:1"},
    {PKE_SAN_UPN, "ada@corp.example"},
    {PKE_SAN_UPN, "ada@eu.corp.example"},
    {PKE_SAN_URI, SID_URI SID},
    {PKE_SAN_URI, "https://mdm.corp.example/a/1"},
};
static const struct pke_pairs subject = {subject_pairs, 2}, san = {san_pairs, PKE_LEN(san_pairs)};

static int set_up(void **state)
{
    struct stage *s = stage_new(NULL);

    s->issuer_extra = issuer_options;
    s->template_extra = template_options;
    stage_key(s);
    assert_string_equal(s->key.state, "ready");
    stage_play_issuer(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    stage_free(*state);
    return 0;
}

static struct pke_bytes fresh_spki(struct stage *s, const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    struct pke_bytes ret = pke_arena_bytes(s->arena, PKE_BYTES(der, (size_t)n));

    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return ret;
}

static struct pke_bytes build_as(struct stage *s, const struct ca_profile_spec *profile_spec,
                                 const struct pke_pairs *names, const struct pke_pairs *others,
                                 const char *sid)
{
    int64_t now = time(NULL);
    struct ca_cert_spec spec = {.subject = names,
                                .san = others,
                                .sid = sid,
                                .not_before = now - 600,
                                .not_after = now + 30 * DAY,
                                .spki = fresh_spki(s, "P-256")};
    struct ca_issuer *ca = stage_ca(s);
    struct ca_profile *profile = NULL;
    struct pke_fail fail = {0};
    struct pke_bytes ret;
    struct pke_buf b;

    ca_serial_new(1, spec.serial);
    assert_int_equal(ca_profile_new(ca, profile_spec, &profile, &fail), PKE_OK);
    pke_buf_init(&b, CA_TBS_MAX);
    if (ca_tbs_build(ca, profile, &spec, &b, &fail) != PKE_OK)
        fail_msg("%s: %s", fail.reason, fail.text);
    ret = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    ca_profile_free(profile);
    ca_issuer_free(ca);
    return ret;
}

static struct pke_bytes build(struct stage *s, const struct pke_pairs *names, const struct pke_pairs *others)
{
    const struct ca_profile_spec profile_spec = {.ekus = &eku_list,
                                                 .key_usage = CA_USAGE_DIGITAL_SIGNATURE,
                                                 .application_policies = &eku_list,
                                                 .policies = &policy_list,
                                                 .cps_uri = CPS,
                                                 .template_oid = TEMPLATE,
                                                 .template_major = 100,
                                                 .crl_urls = &crl_list,
                                                 .ca_issuers_urls = &aia_list};

    return build_as(s, &profile_spec, names, others, SID);
}

static struct pke_bytes good(struct stage *s)
{
    return build(s, &subject, &san);
}

static struct pke_bytes encode(struct stage *s, const struct ca_tbs *tbs)
{
    struct pke_bytes ret;
    struct pke_buf b;

    pke_buf_init(&b, 65536);
    assert_int_equal(ca_tbs_encode(tbs, &b), PKE_OK);
    ret = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return ret;
}

static struct pke_bytes hex(struct stage *s, const char *digits)
{
    size_t n = strlen(digits) / 2;
    uint8_t *raw = pke_arena_alloc(s->arena, n + 1);

    assert_true(pke_hex_decode(pke_bytes_str(digits), raw, &n));
    return PKE_BYTES(raw, n);
}

static struct pke_bytes uri_value(struct stage *s, const char *uri)
{
    size_t n = strlen(uri);
    char digits[256];

    pke_hex(pke_bytes_str(uri), false, digits);
    return hex(s, pke_arena_printf(s->arena, "30%02zx86%02zx%s", n + 2, n, digits));
}

/* Value of an extension as OpenSSL's configuration writes it; "hex:..." as it is,
 * "uri:..." a SAN with a comma in it. */
static struct pke_bytes value_of(struct stage *s, const char *oid, const char *text)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    X509_EXTENSION *e;
    const ASN1_OCTET_STRING *value;
    struct pke_bytes ret;
    char name[128];
    X509V3_CTX ctx;

    if (strncmp(text, "hex:", 4) == 0) {
        ASN1_OBJECT_free(object);
        return hex(s, text + 4);
    }
    if (strncmp(text, "uri:", 4) == 0) {
        ASN1_OBJECT_free(object);
        return uri_value(s, text + 4);
    }
    X509V3_set_ctx_nodb(&ctx);
    if (OBJ_obj2nid(object) == NID_undef || strncmp(text, "ASN1:", 5) == 0)
        snprintf(name, sizeof name, "%s", oid);
    else
        snprintf(name, sizeof name, "%s", OBJ_nid2sn(OBJ_obj2nid(object)));
    e = X509V3_EXT_conf(NULL, &ctx, name, text);
    if (!e)
        fail_msg("%s = %s", name, text);
    value = X509_EXTENSION_get_data(e);
    ret =
        pke_arena_bytes(s->arena, PKE_BYTES(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)));
    X509_EXTENSION_free(e);
    ASN1_OBJECT_free(object);
    return ret;
}

static struct ca_tbs_extension *find(struct ca_tbs *tbs, const char *oid)
{
    return (struct ca_tbs_extension *)ca_tbs_find(tbs, oid);
}

static void drop(struct ca_tbs *tbs, const char *oid)
{
    struct ca_tbs_extension *e = find(tbs, oid);

    if (!e)
        return;
    memmove(e, e + 1, (size_t)(tbs->ext + tbs->n_ext - (e + 1)) * sizeof *e);
    tbs->n_ext--;
}

static void set(struct ca_tbs *tbs, const char *oid, bool critical, struct pke_bytes value)
{
    struct ca_tbs_extension *e = find(tbs, oid);

    if (!e) {
        assert_true(tbs->n_ext < CA_TBS_MAX_EXTENSIONS);
        e = &tbs->ext[tbs->n_ext++];
        memset(e, 0, sizeof *e);
        strcpy(e->oid, oid);
    }
    e->critical = critical;
    e->value = value;
}

static struct msg_key_state ask_state(struct stage *s)
{
    const struct answer *a;

    chan_send(s->keyside, MSG_KEY_TEST, ++s->next_id, PKE_BYTES(NULL, 0));
    a = stage_answer(s, s->next_id);
    assert_int_equal(a->kind, MSG_KEY_STATE);
    assert_string_equal(a->state.state, "ready");
    return a->state;
}

static void must_be_signed(struct stage *s, struct pke_bytes tbs)
{
    struct ca_issuer *ca = stage_ca(s);
    const struct answer *a = stage_answer(s, stage_sign(s, "certificate", tbs));

    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_SIGNED);
    assert_true(ca_cert_verify(ca, tbs, a->sign.signature));
    ca_issuer_free(ca);
}

/* No signature, and the reason that was expected: @p what says which of the rows it was. */
static void must_be_refused(struct stage *s, struct pke_bytes tbs, const char *reason, const char *what)
{
    struct msg_key_state before = ask_state(s), after;
    const struct answer *a = stage_answer(s, stage_sign(s, "certificate", tbs));

    if (a->kind != MSG_FAILED || strcmp(a->failed.fail.reason, reason) != 0)
        fail_msg("%s: %s instead of %s", what, a->kind == MSG_FAILED ? a->failed.fail.reason : "a signature",
                 reason);
    assert_int_equal(a->failed.fail.err, PKE_POLICY);
    after = ask_state(s);
    assert_int_equal(after.signatures, before.signatures);
    assert_int_equal(after.failures, before.failures + 1);
}

struct row {
    const char *oid;
    bool critical;
    const char *value, *reason; /* value NULL: without the extension; reason NULL: signed */
};

/* Each row is the good certificate with one extension replaced, added, or left out. */
static void try_rows(struct stage *s, const struct row *rows, size_t n)
{
    struct pke_bytes der = good(s);

    for (size_t i = 0; i < n; i++) {
        struct ca_tbs tbs;
        char *what = pke_asprintf("row %zu: %s = %s", i, rows[i].oid, rows[i].value ? rows[i].value : "none");

        assert_int_equal(ca_tbs_decode(rows[i].reason ? der : good(s), &tbs, NULL), PKE_OK);
        if (rows[i].value)
            set(&tbs, rows[i].oid, rows[i].critical, value_of(s, rows[i].oid, rows[i].value));
        else
            drop(&tbs, rows[i].oid);
        if (rows[i].reason)
            must_be_refused(s, encode(s, &tbs), rows[i].reason, what);
        else
            must_be_signed(s, encode(s, &tbs));
        free(what);
    }
    must_be_signed(s, der);
}

static void no_authority_over_others(void **state)
{
    static const struct row rows[] = {
        {BASIC_OID, true, "CA:TRUE", "floor-basic-constraints"},
        {BASIC_OID, true, "CA:TRUE,pathlen:0", "floor-basic-constraints"},
        {BASIC_OID, true, "hex:3003020100", "floor-basic-constraints"}, /* a path length alone */
        {BASIC_OID, true, "hex:3003010100", "floor-basic-constraints"}, /* FALSE, written out */
        {BASIC_OID, true, NULL, "floor-basic-constraints"},
        {BASIC_OID, false, "CA:FALSE", "floor-extension"},
        {KEY_USAGE_OID, true, "digitalSignature,keyCertSign", "floor-key-usage"},
        {KEY_USAGE_OID, true, "digitalSignature,cRLSign", "floor-key-usage"},
        {KEY_USAGE_OID, true, "keyCertSign", "floor-key-usage"},
        {KEY_USAGE_OID, true, "digitalSignature,decipherOnly", "floor-key-usage"},
        {KEY_USAGE_OID, true, "digitalSignature,keyEncipherment", "floor-key-usage"}, /* not with this key */
        {KEY_USAGE_OID, true, "digitalSignature,keyAgreement", "floor-key-usage"},    /* of no template */
        {KEY_USAGE_OID, true, "nonRepudiation", "floor-key-usage"},
        {KEY_USAGE_OID, true, "hex:030100", "floor-key-usage"},
        {KEY_USAGE_OID, true, NULL, "floor-key-usage"},
        {KEY_USAGE_OID, false, "digitalSignature", "floor-extension"},
        {CONSTRAINTS_OID, true, "permitted;DNS:corp.example", "floor-extension"},
        {"2.5.29.36", true, "requireExplicitPolicy:0", "floor-extension"},
        {"2.5.29.33", true, "hex:3000", "floor-extension"}, /* policyMappings */
        {"2.5.29.54", true, "0", "floor-extension"},        /* inhibitAnyPolicy */
        {"2.5.29.46", false, "URI:http://evil.example/d.crl", "floor-extension"},
        {"1.2.3.4.5", false, "hex:0500", "floor-extension"},
        {"1.2.3.4.5", true, "hex:0500", "floor-extension"},
        {"1.3.6.1.5.5.7.1.24", false, "hex:3003020105", "floor-extension"}, /* must-staple */
        {"1.3.6.1.5.5.7.48.1.5", false, "hex:0500", "floor-extension"},     /* no OCSP check */
    };

    try_rows(*state, rows, PKE_LEN(rows));
}

static void no_purpose_beyond_the_list(void **state)
{
    static const struct row rows[] = {
        {EKU_OID, false, "codeSigning", "floor-eku"},
        {EKU_OID, false, "clientAuth,codeSigning", "floor-eku"},
        {EKU_OID, false, "anyExtendedKeyUsage", "floor-eku"},
        {EKU_OID, false, "clientAuth,anyExtendedKeyUsage", "floor-eku"},
        {EKU_OID, false, "1.3.6.1.4.1.311.20.2.1", "floor-eku"}, /* enrollment agent */
        {EKU_OID, false, "1.3.6.1.4.1.311.20.2.2", "floor-eku"}, /* smart card logon */
        {EKU_OID, false, "1.3.6.1.5.2.3.4", "floor-eku"},        /* PKINIT client */
        {EKU_OID, false, "serverAuth", "floor-eku"},
        {EKU_OID, false, "OCSPSigning", "floor-eku"},
        {EKU_OID, false, "hex:3000", "floor-eku"},
        {EKU_OID, false, NULL, "floor-eku"},
        {EKU_OID, true, "clientAuth", "floor-extension"},
        {APP_OID, false, "hex:300e300c060a2b060104018237140201",
         "floor-application-policy"},                                             /* enrollment agent */
        {APP_OID, false, "hex:300830060604551d2500", "floor-application-policy"}, /* any purpose */
        {APP_OID, false, "hex:3000", "floor-application-policy"},
        {APP_OID, false, "hex:0500", "floor-application-policy"},
        {APP_OID, true, "hex:300c300a06082b06010505070302", "floor-extension"},
        {POLICIES_OID, false, "hex:300d300b06092b06010401868d1f09", "floor-policy"},
        {POLICIES_OID, false, "hex:301a300b06092b06010401868d1f01300b06092b06010401868d1f09", "floor-policy"},
        {POLICIES_OID, false, "hex:300830060604551d2000", "floor-policy"},
        {POLICIES_OID, false,
         "hex:"
         "3031302f06092b06010401868d1f013022302006082b060105050702011614687474703a2f2f6576696c2e6578616d706c6"
         "52f",
         "floor-policy"}, /* another statement */
        {POLICIES_OID, false,
         "hex:3027302506092b06010401868d1f013018301606082b06010505070202300a0c087472757374206d65",
         "floor-policy"}, /* a notice to users */
        {POLICIES_OID, true, "hex:300d300b06092b06010401868d1f01", "floor-extension"},
        {POLICIES_OID, false, "hex:300d300b06092b06010401868d1f01",
         NULL}, /* without the address of the practice statement */
        {APP_OID, false, NULL, NULL},
        {POLICIES_OID, false, NULL, NULL},
    };

    try_rows(*state, rows, PKE_LEN(rows));
}

static void no_foreign_statement_or_template(void **state)
{
    struct stage *s = *state;
    static const struct row rows[] = {
        {CDP_OID, false, NULL, "floor-crl-urls"},
        {CDP_OID, false, "URI:" CRL, "floor-crl-urls"},
        {CDP_OID, false, "URI:http://evil.example/empty.crl", "floor-crl-urls"},
        {CDP_OID, false, "URI:" CRL ",URI:http://evil.example/", "floor-crl-urls"}, /* two points */
        {CDP_OID, false, "hex:3000", "floor-crl-urls"},
        {CDP_OID, true, "URI:" CRL, "floor-extension"},
        {AIA_OID, false, NULL, "floor-ca-issuers"},
        {AIA_OID, false, "caIssuers;URI:http://evil.example/ca.crt", "floor-ca-issuers"},
        {AIA_OID, false, "OCSP;URI:http://evil.example/", "floor-ca-issuers"},
        {AIA_OID, false, "caIssuers;URI:" AIA ",OCSP;URI:http://evil.example/", "floor-ca-issuers"},
        {AIA_OID, false, "caIssuers;URI:" AIA ",caIssuers;URI:" AIA, "floor-ca-issuers"},
        {TEMPLATE_OID, false, "hex:301106092b06010401868d1f03020164020100", "floor-template"}, /* of nobody */
        {TEMPLATE_OID, false, "hex:301106092b06010401868d1f02020165020100",
         "floor-template"}, /* another revision */
        {TEMPLATE_OID, false, "hex:3000", "floor-template"},
        {TEMPLATE_NAME, false, "ASN1:BMP:device", "floor-template"}, /* two at once */
        {TEMPLATE_OID, false, NULL, NULL},
        {AKI_OID, false, "hex:3000", "floor-aki"},
        {AKI_OID, false, "hex:30068004deadbeef", "floor-aki"},
        {AKI_OID, false, NULL, "floor-aki"},
        {SKI_OID, false, "hex:0404deadbeef", "floor-ski"},
        {SKI_OID, false, NULL, "floor-ski"},
    };
    struct ca_tbs tbs;

    try_rows(s, rows, PKE_LEN(rows));
    assert_int_equal(ca_tbs_decode(good(s), &tbs, NULL), PKE_OK);
    drop(&tbs, TEMPLATE_OID);
    set(&tbs, TEMPLATE_NAME, false, value_of(s, TEMPLATE_NAME, "ASN1:BMP:device"));
    must_be_refused(s, encode(s, &tbs), "floor-template", "the template's name where its OID is configured");
}

static void no_name_outside_the_bounds(void **state)
{
    static const struct row rows[] = {
        {SAN_OID, false, UPN "eve@evil.example", "floor-upn"},
        {SAN_OID, false, UPN "eve@evilcorp.example", "floor-upn"},
        {SAN_OID, false, UPN "eve@corp.example.evil.example", "floor-upn"},
        {SAN_OID, false, UPN "eve@corp.example@evil.example", "floor-names"},
        {SAN_OID, false, UPN "eve@evil.example@corp.example", "floor-names"},
        {SAN_OID, false, UPN "corp.example", "floor-names"},
        {SAN_OID, false, "otherName:1.3.6.1.4.1.311.20.2.3;IA5:ada@corp.example", "floor-names"},
        {SAN_OID, false, "otherName:1.3.6.1.4.1.311.20.2.3;BMP:ada@corp.example", "floor-names"},
        {SAN_OID, false, "otherName:1.3.6.1.5.2.2;UTF8:krbtgt", "floor-names"},
        {SAN_OID, false, "otherName:1.3.6.1.4.1.311.25.1;OCT:0123456789abcdef", "floor-guid"},
        {SAN_OID, false, "DNS:evil.example", "floor-dns"},
        {SAN_OID, false, "DNS:evilcorp.example", "floor-dns"},
        {SAN_OID, false, "DNS:corp.example.evil.example", "floor-dns"},
        {SAN_OID, false, "DNS:example", "floor-dns"},
        {SAN_OID, false, "DNS:*.corp.example", "floor-names"},
        {SAN_OID, false, "DNS:.corp.example", "floor-names"},
        {SAN_OID, false, "DNS:corp.example.", "floor-names"},
        {SAN_OID, false, "DNS:a_b.corp.example", "floor-names"},
        {SAN_OID, false,
         "hex:30158213"
         "6576696c2e6578616d706c65002e636f727063",
         "floor-names"}, /* NUL */
        {SAN_OID, false, "email:eve@evil.example", "floor-email"},
        {SAN_OID, false, "email:eve@eu.corp.example", "floor-email"}, /* below: not configured here */
        {SAN_OID, false, "email:eve@evilcorp.example", "floor-email"},
        {SAN_OID, false, "email:corp.example", "floor-names"},
        {SAN_OID, false, "URI:urn:evil:1", "floor-uri"},
        {SAN_OID, false, "URI:URN:corp:1", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example.evil.example/", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example@evil.example/", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/../b", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/c/..", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/%2e%2E/b", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/.%2e?c", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/./b", "floor-uri"},
        {SAN_OID, false, "URI:https://mdm.corp.example/a/..b/%2e.c/...?../", NULL},
        {SAN_OID, false, "URI:x:a//b", NULL},
        {SAN_OID, false, "URI:x://evil.example/", "floor-uri"},
        {SAN_OID, false, "URI:x:../b", "floor-uri"},
        {SAN_OID, false, "uri:" SID_URI "S-1-5-21-9-9-9-1104", "floor-sid"},
        {SAN_OID, false, "uri:" SID_URI "S-1-5-21-1-2-3-500", "floor-sid"},
        {SAN_OID, false, "uri:" SID_URI "S-1-5-21-1-2-33-1104", "floor-sid"},
        {SAN_OID, false, "uri:" SID_URI "S-1-5-18", "floor-sid"},
        {SAN_OID, false, "uri:TAG:microsoft.com,2022-09-14:sid:" SID, "floor-names"},
        {SAN_OID, false, "uri:" SID_URI SID "x", "floor-names"},
        {SAN_OID, false, "IP:10.0.0.1", "floor-names"},
        {SAN_OID, false, "RID:1.2.3.4", "floor-names"},
        {SAN_OID, false, "hex:3004a4023000", "floor-names"}, /* directoryName */
        {SAN_OID, false, "hex:3000", "floor-names"},
        {SAN_OID, false, "hex:0500", "floor-names"},
        {SAN_OID, false, "DNS:pc-1.corp.example,DNS:evil.example", "floor-dns"},
        {SAN_OID, false, "DNS:pc-1.corp.example,DNS:PC-1.corp.example", "floor-names"},
        {SAN_OID, true, "DNS:pc-1.corp.example", "floor-san"}, /* critical beside a subject */
        {SAN_OID, false, NULL, NULL},
        {"2.5.29.18", false, "DNS:evil.example", "floor-extension"}, /* issuerAltName */
        {"2.5.29.9", false, "hex:3000", "floor-extension"},          /* subjectDirectoryAttributes */
    };

    try_rows(*state, rows, PKE_LEN(rows));
}

static const char *sid_value(struct stage *s, const char *sid)
{
    static const char head[] = "060a2b060104018237190201"; /* the OID of the otherName inside */
    size_t n = strlen(sid);
    char digits[256];

    pke_hex(pke_bytes_str(sid), false, digits);
    return pke_arena_printf(s->arena, "hex:30%02zxa0%02zx%sa0%02zx04%02zx%s", n + 18, n + 16, head, n + 2, n,
                            digits);
}

static void no_account_outside_the_bounds(void **state)
{
    struct stage *s = *state;
    const struct row rows[] = {
        {SID_OID, false, sid_value(s, "S-1-5-21-1-2-3-1000"), NULL},
        {SID_OID, false, sid_value(s, "S-1-5-21-1-2-3-500"), "floor-sid"},
        {SID_OID, false, sid_value(s, "S-1-5-21-1-2-3-999"), "floor-sid"},
        {SID_OID, false, sid_value(s, "S-1-5-21-1-2-33-1104"), "floor-sid"},
        {SID_OID, false, sid_value(s, "S-1-5-21-9-9-9-1104"), "floor-sid"},
        {SID_OID, false, sid_value(s, "S-1-5-18"), "floor-sid"},
        {SID_OID, false, sid_value(s, "S-1-5-21-1-2-3-1104-"), "floor-names"},
        {SID_OID, false, sid_value(s, "s-1-5-21-1-2-3-1104"), "floor-names"},
        {SID_OID, false, "hex:3000", "floor-names"},
        {SID_OID, false, "hex:0500", "floor-names"},
        {SID_OID, true, sid_value(s, SID), "floor-extension"},
        {SID_OID, false, NULL, NULL},
    };

    try_rows(s, rows, PKE_LEN(rows));
}

static void no_other_subject(void **state)
{
    static const struct {
        const char *subject, *reason; /* hex of the Name */
    } rows[] = {
        {"3000", "floor-san"}, /* empty, and the SAN not critical */
        {"300c310a300806035504030c0100", "floor-names"},
        {"300c310a30080603550403130141", "floor-names"},     /* PrintableString */
        {"300e310c300a06035504030c03e280ae", "floor-names"}, /* right-to-left */
        {"300c310a300806035504040c0141", "floor-names"},     /* surname */
        {"3012311030"
         "0e06092a864886f70d010901160161",
         "floor-names"},                                   /* e-mail address */
        {"300d310b3009060355040613026465", "floor-names"}, /* country in small letters */
        {"3016311430080603550403"
         "0c0141"
         "3008060355040b"
         "0c0142",
         "floor-names"}, /* one RDN of two */
        {"30183"
         "10a300806035504030c0141"
         "310a300806035504030c0142",
         "floor-names"},
        {"3000"
         "00",
         "floor-der"},
    };
    struct stage *s = *state;
    struct pke_bytes der = good(s);
    struct ca_tbs tbs;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        assert_int_equal(ca_tbs_decode(der, &tbs, NULL), PKE_OK);
        tbs.subject = hex(s, rows[i].subject);
        must_be_refused(s, encode(s, &tbs), rows[i].reason, rows[i].subject);
    }
    assert_int_equal(ca_tbs_decode(der, &tbs, NULL), PKE_OK);
    tbs.subject = tbs.issuer;
    must_be_refused(s, encode(s, &tbs), "floor-subject", "the CA's name");
    must_be_signed(s, build(s, NULL, &san)); /* no subject, and the SAN critical */
    must_be_signed(s, der);
}

static void no_other_frame(void **state)
{
    struct stage *s = *state;
    struct pke_bytes der = good(s), twice;
    struct ca_tbs tbs, bent;
    struct ca_issuer *ca = stage_ca(s);
    char early[] = "\x17\x0d"
                   "700101000000Z",
         late[] = "\x18\x0f"
                  "99991231235959Z";
    uint8_t *ber;

    assert_int_equal(ca_tbs_decode(der, &tbs, NULL), PKE_OK);
    bent = tbs, bent.not_before_der = PKE_BYTES(early, 15);
    must_be_refused(s, encode(s, &bent), "floor-validity", "backdated by decades");
    bent = tbs, bent.not_after_der = PKE_BYTES(late, 17);
    must_be_refused(s, encode(s, &bent), "floor-validity", "without an end");
    bent = tbs, bent.version = 1;
    must_be_refused(s, encode(s, &bent), "floor-version", "version 2");
    bent = tbs, bent.serial = hex(s, "05");
    must_be_refused(s, encode(s, &bent), "floor-serial", "a small serial");
    bent = tbs, bent.serial = hex(s, "ff0102030405060708090a0b0c0d0e0f");
    must_be_refused(s, encode(s, &bent), "floor-serial", "a negative serial");
    bent = tbs, bent.serial = hex(s, "7f0102030405060708090a0b0c0d0e0f1011121314");
    must_be_refused(s, encode(s, &bent), "floor-serial", "21 octets of serial");
    bent = tbs, bent.issuer = tbs.subject;
    must_be_refused(s, encode(s, &bent), "floor-issuer", "another issuer");
    bent = tbs, bent.algorithm = hex(s, "300d06092a864886f70d0101050500");
    must_be_refused(s, encode(s, &bent), "floor-algorithm", "sha1WithRSAEncryption");
    bent = tbs, bent.spki = fresh_spki(s, "secp256k1");
    must_be_refused(s, encode(s, &bent), "floor-key", "a curve that is not issued for");
    bent = tbs, bent.spki = ca_issuer_spki(ca);
    must_be_refused(s, encode(s, &bent), "floor-own-key", "the CA's key");
    ca_issuer_free(ca);
    bent = tbs, bent.has_unique_ids = true, bent.unique_ids = hex(s, "82020001");
    must_be_refused(s, encode(s, &bent), "floor-unique-id", "a unique identifier");
    bent = tbs, bent.ext[bent.n_ext++] = *find(&bent, SAN_OID);
    must_be_refused(s, encode(s, &bent), "floor-extension", "an extension twice");
    bent = tbs, bent.has_extensions = false;
    must_be_refused(s, encode(s, &bent), "floor-basic-constraints", "no extensions");

    twice = pke_arena_bytes(s->arena, PKE_BYTES(der.p, der.n));
    ber = pke_arena_alloc(s->arena, der.n + 8);
    memcpy(ber, der.p, der.n);
    must_be_refused(s, PKE_BYTES(ber, der.n + 1), "floor-der", "an octet behind it");
    memmove(ber + 1, der.p, der.n); /* 30 82 hh ll -> 30 83 00 hh ll */
    ber[0] = 0x30, ber[1] = 0x83, ber[2] = 0;
    memcpy(ber + 3, der.p + 2, der.n - 2);
    must_be_refused(s, PKE_BYTES(ber, der.n + 1), "floor-der", "a length in more octets than needed");
    ber[0] = 0x30, ber[1] = 0x80;
    memcpy(ber + 2, der.p + 4, der.n - 4);
    ber[der.n - 2] = ber[der.n - 1] = 0;
    must_be_refused(s, PKE_BYTES(ber, der.n), "floor-der", "an indefinite length");
    must_be_signed(s, twice);
    must_be_refused(s, twice, "floor-serial-repeated", "the same serial again");
}

static void a_constraint_of_the_ca_holds(void **state)
{
    struct stage *s = stage_new(NULL);
    static struct pke_pair inside[] = {{PKE_SAN_DNS, "pc.eu.corp.example"}},
                           outside[] = {{PKE_SAN_DNS, "pc.us.corp.example"}};
    const struct pke_pairs permitted = {inside, 1}, other = {outside, 1};

    (void)state;
    stage_new_ca(s, "critical,permitted;DNS:eu.corp.example,excluded;DNS:secret.eu.corp.example");
    s->issuer_extra = issuer_options;
    s->template_extra = template_options;
    stage_key(s);
    stage_play_issuer(s);
    must_be_refused(s, build(s, &subject, &other), "floor-constraint", "a host of another part");
    inside[0].value = "a.secret.eu.corp.example";
    must_be_refused(s, build(s, &subject, &permitted), "floor-constraint", "a host that is excluded");
    inside[0].value = "pc.eu.corp.example";
    must_be_signed(s, build(s, &subject, &permitted));
    stage_free(s);
}

/* What was built by the configuration before the reload is signed after it, also where issuer was the first
 * to switch; but with the addresses of one configuration, and no serial twice. */
static void a_reload_refuses_nobody_for_addresses(void **state)
{
    static const char other[] = "http://new.corp.example/corp.crl", third[] = "http://new.corp.example/b.crl",
                      other_ca[] = "http://new.corp.example/corp.crt";
    struct stage *s = *state;
    struct pke_bytes before = good(s), once = good(s), after, mixed, foreign;
    char *options = strdup(issuer_options), *at;

    assert_non_null(options);
    must_be_signed(s, once);
    crls[0] = (char *)(uintptr_t)other;
    after = good(s);
    aias[0] = (char *)(uintptr_t)other_ca;
    mixed = good(s);
    aias[0] = aia;
    must_be_refused(s, after, "floor-crl-urls", "before the reload");
    at = strstr(options, CRL);
    assert_non_null(at);
    s->issuer_extra =
        pke_arena_printf(s->arena, "%.*s%s%s", (int)(at - options), options, other, at + strlen(CRL));
    assert_true(stage_configure(&s->key));
    must_be_signed(s, after);
    must_be_signed(s, before);
    must_be_refused(s, mixed, "floor-ca-issuers", "of neither");
    must_be_refused(s, once, "floor-serial-repeated", "the memory outlives the reload");
    crls[1] = (char *)(uintptr_t)third;
    foreign = good(s);
    must_be_refused(s, foreign, "floor-crl-urls", "of neither, in the second place");
    crls[0] = crl;
    crls[1] = crl_ldap;
    free(options);
}

static struct ca_floor *floor_with(struct stage *s, const struct pke_strings *urls)
{
    static const struct ca_floor_template any = {.key_usage = CA_USAGE_DIGITAL_SIGNATURE};
    struct ca_floor_limits limits = {.max_validity = 366 * DAY,
                                     .max_backdate = DAY,
                                     .allowed_ekus = eku_list,
                                     .crl_urls = *urls,
                                     .templates = &any,
                                     .n_templates = 1};
    struct ca_floor *f = NULL;
    struct pke_fail fail = {0};
    struct pke_buf pem;

    pke_buf_init(&pem, 65536);
    assert_int_equal(file_read(pke_arena_printf(s->arena, "%s/ca.pem", s->dir), &pem, &fail), PKE_OK);
    if (ca_floor_new(pke_buf_bytes(&pem), &limits, &f, &fail) != PKE_OK)
        fail_msg("%s: %s", fail.reason, fail.text);
    pke_buf_done(&pem);
    return f;
}

/* Without names, policies and template: only the addresses are in question. */
static struct pke_bytes bare(struct stage *s, const struct pke_strings *urls)
{
    const struct ca_profile_spec profile_spec = {
        .ekus = &eku_list, .key_usage = CA_USAGE_DIGITAL_SIGNATURE, .crl_urls = urls};

    return build_as(s, &profile_spec, &subject, NULL, NULL);
}

static void addresses_of_a_reload_end(void **state)
{
    static char gone[] = "http://gone.example/c.crl", coming[] = "http://coming.example/c.crl";
    static char *gones[] = {gone}, *comings[] = {coming};
    static const struct pke_strings mine = {crls, 1}, before = {gones, 1}, next = {comings, 1};
    const struct pke_strings *const lists[] = {&mine, &before, &next};
    struct stage *s = *state;
    struct ca_floor *f = floor_with(s, &mine), *old = floor_with(s, &before), *later = floor_with(s, &next);
    int64_t now = time(NULL);
    struct pke_fail fail = {0};

    ca_floor_follow(f, old, now + 70);
    ca_floor_expect(f, later, now + 70);
    for (size_t i = 0; i < PKE_LEN(lists); i++) {
        assert_int_equal(ca_floor_check(f, bare(s, lists[i]), now + 70, &fail), PKE_OK);
        assert_int_equal(ca_floor_check(f, bare(s, lists[i]), now + 71, &fail), i ? PKE_POLICY : PKE_OK);
        if (i)
            assert_string_equal(fail.reason, "floor-crl-urls");
    }
    ca_floor_free(f);
    ca_floor_free(old);
    ca_floor_free(later);
}

static void nothing_is_allowed_by_default(void **state)
{
    struct stage *s = stage_new(NULL);
    static struct pke_pair one[] = {{PKE_SAN_URI, "urn:x:1"}};
    const struct pke_pairs names = {one, 1};

    (void)state;
    stage_key(s); /* of the issuer only what is required is configured */
    stage_play_issuer(s);
    must_be_refused(s, build(s, &subject, &names), "floor-policy", "everything at once");
    stage_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(no_authority_over_others),
        T(no_purpose_beyond_the_list),
        T(no_foreign_statement_or_template),
        T(no_name_outside_the_bounds),
        T(no_account_outside_the_bounds),
        T(no_other_subject),
        T(no_other_frame),
        T(a_reload_refuses_nobody_for_addresses),
        T(addresses_of_a_reload_end),
        cmocka_unit_test(a_constraint_of_the_ca_holds),
        cmocka_unit_test(nothing_is_allowed_by_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
