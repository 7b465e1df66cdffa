/* SPDX-License-Identifier: Apache-2.0 */
/* The extensions of a template under an issuer. */
#include "ca/profile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "ca/der.h"
#include "ca/extension.h"
#include "ca/oids.h"
#include "ca/text.h"

#define EXTENSION_MAX 4096 /* octets of a group of encoded extensions */
#define TEMPLATE_NAME 64   /* characters */

/* Kinds of keys that differ in what they can be used for. */
enum family { FAMILY_RSA, FAMILY_CURVE, FAMILY_ED25519, FAMILIES };

/* The order in a certificate: head, SKI, AKI, names, tail. */
struct ca_profile {
    struct pke_buf head[FAMILIES]; /* keyUsage, extendedKeyUsage, basicConstraints */
    struct pke_buf aki;
    struct pke_buf tail; /* certificatePolicies, CDP, AIA, template, application policies */
};

static const enum ca_key_type samples[FAMILIES] = {CA_KEY_RSA, CA_KEY_P256, CA_KEY_ED25519};

struct ca_extension ca_extension_open(struct pke_buf *b, const char *oid, bool critical)
{
    static const uint8_t yes = 0xff;
    struct ca_extension e = {.whole = ca_der_open(b, CA_DER_SEQUENCE)};

    ca_der_add_oid(b, oid);
    if (critical)
        ca_der_add(b, CA_DER_BOOLEAN, PKE_BYTES(&yes, 1));
    e.value = ca_der_open(b, CA_DER_OCTET_STRING);
    return e;
}

void ca_extension_close(struct pke_buf *b, struct ca_extension e)
{
    ca_der_close(b, e.value);
    ca_der_close(b, e.whole);
}

static enum family family_of(enum ca_key_type type)
{
    return type == CA_KEY_RSA ? FAMILY_RSA : type == CA_KEY_ED25519 ? FAMILY_ED25519 : FAMILY_CURVE;
}

uint8_t ca_usage_of_key(uint8_t usage, enum ca_key_type type)
{
    static const uint8_t able[FAMILIES] = {
        [FAMILY_RSA] = CA_USAGE_DIGITAL_SIGNATURE | CA_USAGE_NON_REPUDIATION | CA_USAGE_KEY_ENCIPHERMENT |
                       CA_USAGE_DATA_ENCIPHERMENT,
        [FAMILY_CURVE] = CA_USAGE_DIGITAL_SIGNATURE | CA_USAGE_NON_REPUDIATION | CA_USAGE_KEY_AGREEMENT,
        [FAMILY_ED25519] = CA_USAGE_DIGITAL_SIGNATURE | CA_USAGE_NON_REPUDIATION,
    };

    return usage & able[family_of(type)];
}

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, reason, rule, "%s", text);
}

static size_t count(const struct pke_strings *list)
{
    return list ? list->n : 0;
}

static bool repeated(const struct pke_strings *list, size_t i)
{
    struct pke_strings before = {list->v, i};

    return pke_strings_has(&before, list->v[i]);
}

static void add_key_usage(struct pke_buf *b, uint8_t usage)
{
    struct ca_extension e = ca_extension_open(b, OID_KEY_USAGE, true);
    uint8_t bits[] = {0, usage};

    while (!(usage >> bits[0] & 1)) /* a named bit list has no trailing zero bits (X.690 11.2.2) */
        bits[0]++;
    ca_der_add(b, CA_DER_BIT_STRING, PKE_BYTES(bits, sizeof bits));
    ca_extension_close(b, e);
}

static enum pke_err add_eku(struct pke_buf *b, const struct pke_strings *ekus, struct pke_fail *fail)
{
    struct ca_extension e = ca_extension_open(b, OID_EKU, false);
    size_t list = ca_der_open(b, CA_DER_SEQUENCE);

    for (size_t i = 0; i < ekus->n; i++)
        if (strcmp(ekus->v[i], OID_ANY_EKU) == 0 || repeated(ekus, i) || !ca_der_add_oid(b, ekus->v[i]))
            return refuse(fail, "profile-eku", "RFC 5280 4.2.1.12",
                          "an extended key usage is not an identifier, repeated, or anyExtendedKeyUsage");
    ca_der_close(b, list);
    ca_extension_close(b, e);
    return PKE_OK;
}

static enum pke_err add_head(struct pke_buf *b, const struct ca_profile_spec *spec, uint8_t usage,
                             struct pke_fail *fail)
{
    struct ca_extension e;
    enum pke_err err;

    if (usage == 0)
        return PKE_OK;
    pke_buf_init(b, EXTENSION_MAX);
    add_key_usage(b, usage);
    if ((err = add_eku(b, spec->ekus, fail)))
        return err;
    e = ca_extension_open(b, OID_BASIC_CONSTRAINTS, true);
    ca_der_add(b, CA_DER_SEQUENCE, PKE_BYTES(NULL, 0)); /* CA:FALSE is the default: not encoded */
    ca_extension_close(b, e);
    return PKE_OK;
}

static void add_aki(struct pke_buf *b, struct pke_bytes key_id)
{
    struct ca_extension e;
    size_t inside;

    pke_buf_init(b, EXTENSION_MAX);
    e = ca_extension_open(b, OID_AKI, false);
    inside = ca_der_open(b, CA_DER_SEQUENCE);
    ca_der_add(b, TAG_AKI_KEY_ID, key_id);
    ca_der_close(b, inside);
    ca_extension_close(b, e);
}

static bool is_url(const char *url, bool ldap)
{
    return ca_text_uri(pke_bytes_str(url)) &&
           (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0 ||
            (ldap && strncasecmp(url, "ldap://", 7) == 0));
}

static void add_cps(struct pke_buf *b, const char *uri)
{
    size_t list = ca_der_open(b, CA_DER_SEQUENCE), one = ca_der_open(b, CA_DER_SEQUENCE);

    ca_der_add_oid(b, OID_CPS);
    ca_der_add(b, CA_DER_IA5, pke_bytes_str(uri));
    ca_der_close(b, one);
    ca_der_close(b, list);
}

/* SEQUENCE OF PolicyInformation. */
static bool add_policies(struct pke_buf *b, const char *extension, const struct pke_strings *policies,
                         const char *cps_uri)
{
    struct ca_extension e = ca_extension_open(b, extension, false);
    size_t list = ca_der_open(b, CA_DER_SEQUENCE);

    for (size_t i = 0; i < policies->n; i++) {
        size_t one = ca_der_open(b, CA_DER_SEQUENCE);

        if (repeated(policies, i) || !ca_der_add_oid(b, policies->v[i]))
            return false;
        if (cps_uri)
            add_cps(b, cps_uri);
        ca_der_close(b, one);
    }
    ca_der_close(b, list);
    ca_extension_close(b, e);
    return true;
}

static enum pke_err add_certificate_policies(struct pke_buf *b, const struct ca_profile_spec *spec,
                                             struct pke_fail *fail)
{
    if (spec->cps_uri && (count(spec->policies) == 0 || !is_url(spec->cps_uri, false)))
        return refuse(fail, "profile-policies", "RFC 5280 4.2.1.4",
                      "the practice statement is not an http URI, or of no policy");
    if (count(spec->policies) == 0)
        return PKE_OK;
    if (pke_strings_has(spec->policies, OID_ANY_POLICY) ||
        !add_policies(b, OID_POLICIES, spec->policies, spec->cps_uri))
        return refuse(fail, "profile-policies", "RFC 5280 4.2.1.4",
                      "a certificate policy is not an identifier, repeated, or anyPolicy");
    return PKE_OK;
}

/* Good for something that the extended key usage does not say, it would be two certificates in one. */
static enum pke_err add_application_policies(struct pke_buf *b, const struct ca_profile_spec *spec,
                                             struct pke_fail *fail)
{
    const struct pke_strings *policies = spec->application_policies;

    if (count(policies) == 0)
        return PKE_OK;
    for (size_t i = 0; i < policies->n; i++)
        if (!pke_strings_has(spec->ekus, policies->v[i]))
            return refuse(fail, "profile-application-policies", "CVE-2024-49019",
                          "an application policy is not among the extended key usages");
    return add_policies(b, OID_APP_POLICIES, policies, NULL)
               ? PKE_OK
               : refuse(fail, "profile-application-policies", "MS-WCCE 2.2.2.7.7.3",
                        "an application policy is repeated");
}

static enum pke_err check_urls(const struct pke_strings *urls, struct pke_fail *fail)
{
    if (urls->n > CA_URLS_MAX)
        return pke_fail_set(fail, PKE_CONFIG, "profile-urls", "limit", "more than %u addresses", CA_URLS_MAX);
    for (size_t i = 0; i < urls->n; i++)
        if (repeated(urls, i) || !is_url(urls->v[i], true))
            return refuse(fail, "profile-urls", "RFC 5280 4.2.1.13, 4.2.2.1",
                          "an address is not an http or ldap URI, or repeated");
    return PKE_OK;
}

static enum pke_err add_crl_points(struct pke_buf *b, const struct pke_strings *urls, struct pke_fail *fail)
{
    struct ca_extension e;
    size_t points, point, name, full;
    enum pke_err err;

    if (count(urls) == 0)
        return PKE_OK;
    if ((err = check_urls(urls, fail)))
        return err;
    e = ca_extension_open(b, OID_CRL_POINTS, false);
    points = ca_der_open(b, CA_DER_SEQUENCE);
    point = ca_der_open(b, CA_DER_SEQUENCE);
    name = ca_der_open(b, CA_DER_CONTEXT_0); /* distributionPoint */
    full = ca_der_open(b, CA_DER_CONTEXT_0); /* fullName */
    for (size_t i = 0; i < urls->n; i++)
        ca_der_add(b, TAG_SAN_URI, pke_bytes_str(urls->v[i]));
    ca_der_close(b, full);
    ca_der_close(b, name);
    ca_der_close(b, point);
    ca_der_close(b, points);
    ca_extension_close(b, e);
    return PKE_OK;
}

static enum pke_err add_ca_issuers(struct pke_buf *b, const struct pke_strings *urls, struct pke_fail *fail)
{
    struct ca_extension e;
    enum pke_err err;
    size_t list;

    if (count(urls) == 0)
        return PKE_OK;
    if ((err = check_urls(urls, fail)))
        return err;
    e = ca_extension_open(b, OID_AIA, false);
    list = ca_der_open(b, CA_DER_SEQUENCE);
    for (size_t i = 0; i < urls->n; i++) {
        size_t one = ca_der_open(b, CA_DER_SEQUENCE);

        ca_der_add_oid(b, OID_CA_ISSUERS);
        ca_der_add(b, TAG_SAN_URI, pke_bytes_str(urls->v[i]));
        ca_der_close(b, one);
    }
    ca_der_close(b, list);
    ca_extension_close(b, e);
    return PKE_OK;
}

static enum pke_err add_template_name(struct pke_buf *b, const char *text, struct pke_fail *fail)
{
    struct pke_bytes name = pke_bytes_str(text);
    size_t chars = 0, mark;

    if (!ca_text_plain(name, &chars) || chars == 0 || chars > TEMPLATE_NAME)
        return refuse(fail, "profile-template", "MS-WCCE 2.2.2.7.7.1",
                      "the template's name is not 1 to 64 characters of plain text");
    mark = ca_der_open(b, CA_DER_BMP);
    for (size_t i = 0; i < name.n;) {
        uint32_t c;

        i += ca_text_point(name.p + i, &c);
        if (c > 0xffff)
            return refuse(fail, "profile-template", "X.690 8.23.8", "the name has no form as BMPString");
        pke_buf_add_u16(b, (uint16_t)c);
    }
    ca_der_close(b, mark);
    return PKE_OK;
}

static void add_number(struct pke_buf *b, uint32_t n)
{
    uint8_t be[5] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    size_t skip = 0;

    while (skip < 4 && be[skip] == 0 && be[skip + 1] < 0x80)
        skip++;
    ca_der_add(b, CA_DER_INTEGER, PKE_BYTES(be + skip, sizeof be - skip));
}

enum pke_err ca_profile_template(const struct ca_profile_spec *spec, struct pke_buf *out, const char **oid,
                                 struct pke_fail *fail)
{
    size_t whole;

    *oid = NULL;
    if (spec->template_name && spec->template_oid)
        return refuse(fail, "profile-template", "MS-WCCE 2.2.2.7.7", "the template is named in two ways");
    if (spec->template_name) {
        *oid = OID_TEMPLATE_NAME;
        return add_template_name(out, spec->template_name, fail);
    }
    if (!spec->template_oid)
        return PKE_OK;
    *oid = OID_TEMPLATE;
    whole = ca_der_open(out, CA_DER_SEQUENCE);
    if (!ca_der_add_oid(out, spec->template_oid))
        return refuse(fail, "profile-template", "MS-WCCE 2.2.2.7.7.2", "not an object identifier");
    add_number(out, spec->template_major);
    add_number(out, spec->template_minor);
    ca_der_close(out, whole);
    return PKE_OK;
}

static enum pke_err add_template(struct pke_buf *b, const struct ca_profile_spec *spec, struct pke_fail *fail)
{
    struct ca_extension e;
    struct pke_buf value;
    const char *oid;
    enum pke_err err;

    pke_buf_init(&value, EXTENSION_MAX);
    err = ca_profile_template(spec, &value, &oid, fail);
    if (err == PKE_OK && oid) {
        e = ca_extension_open(b, oid, false);
        pke_buf_add_bytes(b, pke_buf_bytes(&value));
        ca_extension_close(b, e);
    }
    pke_buf_done(&value);
    return err;
}

static enum pke_err add_tail(struct pke_buf *b, const struct ca_profile_spec *spec, struct pke_fail *fail)
{
    enum pke_err err;

    pke_buf_init(b, EXTENSION_MAX);
    if ((err = add_certificate_policies(b, spec, fail)) || (err = add_crl_points(b, spec->crl_urls, fail)) ||
        (err = add_ca_issuers(b, spec->ca_issuers_urls, fail)) || (err = add_template(b, spec, fail)))
        return err;
    return add_application_policies(b, spec, fail);
}

static enum pke_err encode(struct ca_profile *p, const struct ca_issuer *ca,
                           const struct ca_profile_spec *spec, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < FAMILIES; i++)
        err = add_head(&p->head[i], spec, ca_usage_of_key(spec->key_usage, samples[i]), fail);
    if (err == PKE_OK)
        err = add_tail(&p->tail, spec, fail);
    add_aki(&p->aki, ca_issuer_key_id(ca));
    for (size_t i = 0; err == PKE_OK && i < FAMILIES; i++)
        if (p->head[i].overflow || p->tail.overflow)
            err = pke_fail_set(fail, PKE_CONFIG, "profile-size", "limit",
                               "the extensions of the profile exceed %u octets", EXTENSION_MAX);
    return err;
}

enum pke_err ca_profile_new(const struct ca_issuer *ca, const struct ca_profile_spec *spec,
                            struct ca_profile **ret, struct pke_fail *fail)
{
    const uint8_t known = CA_USAGE_DIGITAL_SIGNATURE | CA_USAGE_NON_REPUDIATION | CA_USAGE_KEY_ENCIPHERMENT |
                          CA_USAGE_DATA_ENCIPHERMENT | CA_USAGE_KEY_AGREEMENT;
    struct ca_profile *p;
    enum pke_err err;

    if (count(spec->ekus) == 0)
        return refuse(fail, "profile-eku", "RFC 5280 4.2.1.12",
                      "a profile needs at least one extended key usage");
    if (spec->key_usage == 0 || spec->key_usage & ~known)
        return refuse(fail, "profile-key-usage", "RFC 5280 4.2.1.3",
                      "the key usage has no bit, or one that is not issued");
    p = pke_calloc(1, sizeof *p);
    err = encode(p, ca, spec, fail);
    if (err) {
        ca_profile_free(p);
        return err;
    }
    *ret = p;
    return PKE_OK;
}

void ca_profile_free(struct ca_profile *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < FAMILIES; i++)
        pke_buf_done(&p->head[i]);
    pke_buf_done(&p->aki);
    pke_buf_done(&p->tail);
    free(p);
}

struct pke_bytes ca_profile_head(const struct ca_profile *p, enum ca_key_type type)
{
    return pke_buf_bytes(&p->head[family_of(type)]);
}

struct pke_bytes ca_profile_aki(const struct ca_profile *p)
{
    return pke_buf_bytes(&p->aki);
}

struct pke_bytes ca_profile_tail(const struct ca_profile *p)
{
    return pke_buf_bytes(&p->tail);
}
