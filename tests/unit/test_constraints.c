/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name constraints: the rules one by one, and against libcrypto's reading of them. What is let through here
 * libcrypto accepts as well, or a certificate would be worth nothing.
 */
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/constraints.h"

static struct pke_arena *arena;

static struct pke_bytes hex(const char *digits)
{
    size_t n = strlen(digits) / 2;
    uint8_t *raw = pke_arena_alloc(arena, n + 1);

    assert_true(pke_hex_decode(pke_bytes_str(digits), raw, &n));
    return PKE_BYTES(raw, n);
}

/* The extension as OpenSSL's configuration writes it; "hex:" as it is. */
static struct pke_bytes value_of(const char *text)
{
    X509_EXTENSION *e;
    const ASN1_OCTET_STRING *s;
    struct pke_bytes ret;
    X509V3_CTX ctx;

    if (strncmp(text, "hex:", 4) == 0)
        return hex(text + 4);
    X509V3_set_ctx_nodb(&ctx);
    e = X509V3_EXT_conf_nid(NULL, &ctx, NID_name_constraints, text);
    if (!e)
        fail_msg("%s", text);
    s = X509_EXTENSION_get_data(e);
    ret = pke_arena_bytes(arena, PKE_BYTES(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)));
    X509_EXTENSION_free(e);
    return ret;
}

static struct ca_constraints *parse(const char *text)
{
    struct ca_constraints *c = NULL;
    struct pke_fail fail = {0};

    if (ca_constraints_parse(value_of(text), true, &c, &fail) != PKE_OK)
        fail_msg("%s: %s", text, fail.text);
    return c;
}

/* "kind=value" of the subject (upper case) or of the SAN. */
static struct ca_names names_of(const char *text)
{
    struct ca_names ret = {.sid = NULL};
    const char *eq = strchr(text, '=');
    const char *kind = pke_arena_printf(arena, "%.*s", (int)(eq - text), text);

    if (*kind >= 'A' && *kind <= 'Z')
        pke_pairs_add(&ret.subject, arena, kind, eq + 1);
    else
        pke_pairs_add(&ret.san, arena, kind, eq + 1);
    return ret;
}

/* libcrypto's verdict on the same name. */
static bool oracle(const char *constraint, const struct ca_names *names)
{
    struct pke_bytes der = value_of(constraint);
    const uint8_t *p = der.p;
    NAME_CONSTRAINTS *nc =
        (NAME_CONSTRAINTS *)ASN1_item_d2i(NULL, &p, (long)der.n, ASN1_ITEM_rptr(NAME_CONSTRAINTS));
    X509 *x = X509_new();
    struct pke_buf b;
    int rc;

    /* it wants the extension decoded from its DER, not from our list of pairs */
    assert_non_null(nc);
    pke_buf_init(&b, 4096);
    assert_int_equal(ca_subject_encode(&names->subject, &b, NULL), PKE_OK);
    p = b.p;
    X509_NAME *subject = d2i_X509_NAME(NULL, &p, (long)b.n);
    X509_set_subject_name(x, subject);
    X509_NAME_free(subject);
    pke_buf_clear(&b);
    if (names->san.n) {
        ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
        X509_EXTENSION *e;

        assert_int_equal(ca_san_encode(&names->san, &b, NULL), PKE_OK);
        ASN1_OCTET_STRING_set(s, b.p, (int)b.n);
        e = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, s);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
        ASN1_OCTET_STRING_free(s);
    }
    pke_buf_done(&b);
    (void)X509_check_purpose(x, -1, 0); /* fills in what NAME_CONSTRAINTS_check() looks at */
    rc = NAME_CONSTRAINTS_check(x, nc);
    if (rc == X509_V_OK && !pke_pairs_get(&names->san, PKE_SAN_DNS)) /* as X509_verify_cert() does */
        rc = NAME_CONSTRAINTS_check_CN(x, nc);
    X509_free(x);
    NAME_CONSTRAINTS_free(nc);
    return rc == X509_V_OK;
}

static const struct {
    const char *constraint, *name;
    bool allowed;
} rows[] = {
    {"permitted;DNS:corp.example", "dns=corp.example", true},
    {"permitted;DNS:corp.example", "dns=PC.Corp.Example", true},
    {"permitted;DNS:corp.example", "dns=evilcorp.example", false},
    {"permitted;DNS:corp.example", "dns=corp.example.evil.example", false},
    {"permitted;DNS:.corp.example", "dns=corp.example", false},
    {"permitted;DNS:.corp.example", "dns=pc.corp.example", true},
    {"hex:3006a00430028200", "dns=any.example", true},
    {"hex:3006a10430028200", "dns=any.example", false},
    {"excluded;DNS:corp.example", "dns=pc.corp.example", false},
    {"excluded;DNS:corp.example", "dns=evilcorp.example", true},
    {"excluded;DNS:.corp.example", "dns=corp.example", false},
    {"permitted;DNS:corp.example,excluded;DNS:a.corp.example", "dns=a.corp.example", false},
    {"permitted;DNS:corp.example,excluded;DNS:a.corp.example", "dns=b.corp.example", true},
    {"permitted;DNS:a.example,permitted;DNS:b.example", "dns=x.b.example", true},
    {"permitted;DNS:corp.example", "email=ada@evil.example", true}, /* another form */
    {"permitted;email:corp.example", "email=ada@corp.example", true},
    {"permitted;email:corp.example", "email=ada@CORP.example", true},
    {"permitted;email:corp.example", "email=ada@eu.corp.example", false},
    {"permitted;email:.corp.example", "email=ada@eu.corp.example", true},
    {"permitted;email:.corp.example", "email=ada@corp.example", false},
    {"permitted;email:ada@corp.example", "email=ada@corp.example", true},
    {"permitted;email:ada@corp.example", "email=Ada@corp.example", false},
    {"permitted;email:ada@corp.example", "email=eve@corp.example", false},
    {"excluded;email:ada@corp.example", "email=Ada@corp.example", false},
    {"excluded;email:corp.example", "email=ada@corp.example", false},
    {"excluded;email:corp.example", "email=ada@eu.corp.example", false},
    {"permitted;URI:corp.example", "uri=https://corp.example/x", true},
    {"permitted;URI:corp.example", "uri=https://eu.corp.example/x", false},
    {"permitted;URI:.corp.example", "uri=https://eu.corp.example/x", true},
    {"permitted;URI:.corp.example", "uri=https://a@eu.corp.example:8443/x", true},
    {"permitted;URI:corp.example", "uri=https://corp.example@evil.example/", false},
    {"permitted;URI:corp.example", "uri=https://evil.example/corp.example", false},
    {"permitted;URI:corp.example", "uri=urn:x:1", false},
    {"permitted;URI:corp.example", "uri=https://10.0.0.1/", false},
    {"permitted;URI:corp.example", "uri=https://[::1]/", false},
    {"excluded;URI:corp.example", "uri=urn:x:1", false}, /* cannot be told from one that is excluded */
    {"excluded;URI:corp.example", "uri=https://other.example/", true},
    {"excluded;URI:.corp.example", "uri=https://a.corp.example/", false},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@corp.example", "upn=ada@corp.example", true},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@corp.example", "upn=ada@eu.corp.example", false},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@corp.example", "upn=ada@evilcorp.example", false},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:corp.example", "upn=ada@eu.corp.example", true},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:corp.example", "upn=ada@evilcorp.example", false},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:.corp.example", "upn=ada@corp.example", false},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:.corp.example", "upn=ada@eu.corp.example", true},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ada@corp.example", "upn=Ada@corp.example", true},
    {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ada@corp.example", "upn=eve@corp.example", false},
    {"excluded;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@corp.example", "upn=ada@eu.corp.example", false},
    {"excluded;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:.corp.example", "upn=ada@corp.example", false},
    {"hex:3016a1143012a010060a2b060104018237140203a0020c00", "upn=ada@corp.example", false},
    {"excluded;IP:0.0.0.0/0.0.0.0", "dns=corp.example", true},
    {"permitted;DNS:corp.example", "CN=anything", true},
    {"permitted;DNS:corp.example", "CN=pc.corp.example", true}, /* a host where no SAN is one */
    {"permitted;DNS:corp.example", "CN=dc.evil.example", false},
    {"permitted;DNS:corp.example", "CN=ada.lovelace", false},
    {"permitted;DNS:corp.example", "CN=Dr. Ada", true},
    {"excluded;DNS:evil.example", "CN=DC.EVIL.example", false},
    {"excluded;DNS:evil.example", "CN=ada.lovelace", true},
    {"permitted;email:corp.example", "CN=dc.evil.example", true},
};

static void every_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct ca_constraints *c = parse(rows[i].constraint);
        struct ca_names names = names_of(rows[i].name);
        struct pke_fail fail = {0};
        enum pke_err err = ca_constraints_check(c, &names, &fail);

        if ((err == PKE_OK) != rows[i].allowed)
            fail_msg("%s: %s", rows[i].constraint, rows[i].name);
        if (err != PKE_OK)
            assert_true(err == PKE_POLICY && strcmp(fail.reason, "name-constraint") == 0);
        if (err == PKE_OK && !strstr(rows[i].constraint, "otherName") && !oracle(rows[i].constraint, &names))
            fail_msg("libcrypto refuses %s below %s", rows[i].name, rows[i].constraint);
        ca_constraints_free(c);
    }
}

static char *tlv(unsigned tag, const char *content)
{
    return pke_arena_printf(arena, "%02x%02zx%s", tag, strlen(content) / 2, content);
}

static char *text_hex(const char *text)
{
    char *digits = pke_arena_alloc(arena, 2 * strlen(text) + 1);

    pke_hex(pke_bytes_str(text), false, digits);
    return digits;
}

static char *rdn(const char *oid, unsigned tag, const char *value)
{
    return tlv(0x31, tlv(0x30, pke_arena_printf(arena, "%s%s", oid, tlv(tag, text_hex(value)))));
}

#define O  "060355040a"
#define CN "0603550403"

/* permitted (0xa0) or excluded (0xa1) directoryName of these RDNs */
static char *directory(unsigned which, const char *rdns)
{
    return pke_arena_printf(arena, "hex:%s", tlv(0x30, tlv(which, tlv(0x30, tlv(0xa4, tlv(0x30, rdns))))));
}

static void directory_names(void **state)
{
    static const char *const subject[] = {"O", "Corp  Ltd", "CN", "ada"};
    struct ca_names names = {.sid = NULL}, nameless = {.sid = NULL}, foreign = {.sid = NULL};
    char *long_base =
        pke_arena_printf(arena, "%s%s%s", rdn(O, 0x0c, "Corp Ltd"), rdn(CN, 0x0c, "ada"), rdn(CN, 0x0c, "b"));
    const struct {
        char *constraint;
        bool allowed, nameless;
    } cases[] = {
        {directory(0xa0, rdn(O, 0x0c, "Corp  Ltd")), true, true},
        {directory(0xa0, rdn(O, 0x13, "CORP LTD ")), true, true}, /* PrintableString, case, spaces */
        {directory(0xa0, rdn(O, 0x0c, "Corp")), false, true},
        {directory(0xa0, rdn(CN, 0x0c, "ada")), false, true}, /* not the first */
        {directory(0xa0, long_base), false, true},
        {directory(0xa0, ""), true, true},
        {directory(0xa1, ""), false, true},
        {directory(0xa1, rdn(O, 0x0c, "corp ltd")), false, true},
        {directory(0xa1, rdn(O, 0x0c, "other")), true, true},
    };

    (void)state;
    for (size_t i = 0; i < 4; i += 2)
        pke_pairs_add(&names.subject, arena, subject[i], subject[i + 1]);
    pke_pairs_add(&nameless.san, arena, "dns", "pc.corp.example");
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        struct ca_constraints *c = parse(cases[i].constraint);

        assert_int_equal(ca_constraints_check(c, &names, NULL) == PKE_OK, cases[i].allowed);
        assert_int_equal(ca_constraints_check(c, &nameless, NULL) == PKE_OK, cases[i].nameless);
        if (cases[i].allowed)
            assert_true(oracle(cases[i].constraint, &names));
        ca_constraints_free(c);
    }
    /* letter case beyond ASCII: permitted only as it is written, excluded whatever it may be */
    pke_pairs_add(&foreign.subject, arena, "O", "M\xc3\x9cLLER");
    for (unsigned which = 0xa0; which <= 0xa1; which++) {
        struct ca_constraints *c = parse(directory(which, rdn(O, 0x0c, "m\xc3\xbcller")));

        assert_int_equal(ca_constraints_check(c, &foreign, NULL), PKE_POLICY);
        ca_constraints_free(c);
    }
}

static void what_is_not_understood_stops_the_load(void **state)
{
    const struct {
        const char *value;
        bool critical;
        const char *reason; /* NULL: taken */
    } cases[] = {
        {"hex:3000", true, "issuer-constraints"},
        {"hex:3002a000", true, "issuer-constraints"},
        {"hex:3006a0043002a400", true, "issuer-constraint-form"}, /* no Name in it */
        {"hex:0500", true, "issuer-constraints"},
        {"hex:3009a0073005820361622e00", true, "issuer-constraints"},   /* an octet after it */
        {"hex:300aa0083006820161800100", true, "issuer-constraints"},   /* minimum written out */
        {"hex:300aa0083006820161810105", true, "issuer-constraints"},   /* maximum */
        {"hex:3009a0073005820361200a", true, "issuer-constraint-form"}, /* a space */
        {"hex:3009a0073005870301020"
         "3",
         true, "issuer-constraints"},                                 /* an address of 3 octets */
        {"hex:3008a006300488022a03", true, "issuer-constraint-form"}, /* registeredID */
        {"hex:3008a006300488022a03", false, NULL},
        {"permitted;otherName:1.3.6.1.5.2.2;UTF8:x", true, "issuer-constraint-form"},
        {"permitted;otherName:1.3.6.1.5.2.2;UTF8:x", false, NULL},
        {"permitted;otherName:1.3.6.1.4.1.311.25.1;UTF8:x", false, "issuer-constraint-form"}, /* GUID */
        {"permitted;otherName:1.3.6.1.4.1.311.20.2.3;IA5:x", false, "issuer-constraint-form"},
        {"permitted;IP:10.0.0.0/255.0.0.0,permitted;IP:::/::", true, NULL},
        {directory(0xa0, rdn(O, 0x1e, "ab")), true, "issuer-constraint-form"}, /* BMPString */
    };

    (void)state;
    for (size_t i = 0; i < PKE_LEN(cases); i++) {
        struct ca_constraints *c = NULL;
        struct pke_fail fail = {0};
        enum pke_err err = ca_constraints_parse(value_of(cases[i].value), cases[i].critical, &c, &fail);

        if (cases[i].reason ? err != PKE_CONFIG || strcmp(fail.reason, cases[i].reason) != 0 : err != PKE_OK)
            fail_msg("%s: %s", cases[i].value, err ? fail.reason : "taken");
        ca_constraints_free(c);
    }
    assert_int_equal(ca_constraints_check(NULL, &(struct ca_names){.sid = NULL}, NULL), PKE_OK);
}

static int setup(void **state)
{
    (void)state;
    arena = pke_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(every_rule), TEST(directory_names),
                                       TEST(what_is_not_understood_stops_the_load)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
