/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/template.h"

#include <string.h>
#include <strings.h>

#include "base/version.h"
#include "policy/attestation.h"
#include "policy/placeholder.h"

#define SECOND 1000
#define HOUR   (3600 * (int64_t)SECOND)
#define DAY    (24 * HOUR)
#define RULE   "template options"

#define FIELD(type, f) PKE_FIELD(type, struct policy_template, f)

static const struct pke_enum_name sources[] = {{"principal", POLICY_SOURCE_PRINCIPAL},
                                               {"upn", POLICY_SOURCE_UPN},
                                               {"device-id", POLICY_SOURCE_DEVICE_ID},
                                               {NULL, 0}};
static const struct pke_enum_name conflicts[] = {
    {"refuse", POLICY_CONFLICT_REFUSE}, {"supersede", POLICY_CONFLICT_SUPERSEDE}, {NULL, 0}};
static const struct pke_enum_name approvals[] = {
    {"none", POLICY_APPROVAL_NONE}, {"operator", POLICY_APPROVAL_OPERATOR}, {NULL, 0}};
static const struct pke_enum_name earlies[] = {{"any", POLICY_RENEW_ANY},
                                               {"window", POLICY_RENEW_WINDOW},
                                               {"on-grant", POLICY_RENEW_ON_GRANT},
                                               {NULL, 0}};
static const struct pke_enum_name recoveries[] = {{"no", POLICY_RECOVERY_NO},
                                                  {"yes", POLICY_RECOVERY_ANY},
                                                  {"on-grant", POLICY_RECOVERY_ON_GRANT},
                                                  {NULL, 0}};
static const struct pke_enum_name changes[] = {
    {"log", POLICY_CHANGE_LOG}, {"deny", POLICY_CHANGE_DENY}, {NULL, 0}};

static const struct pke_enum_name attestations[] = {{"off", POLICY_ATTESTATION_OFF},
                                                    {"log", POLICY_ATTESTATION_LOG},
                                                    {"prefer", POLICY_ATTESTATION_PREFER},
                                                    {"require", POLICY_ATTESTATION_REQUIRE},
                                                    {NULL, 0}};

const struct pke_option policy_template_options[] = {
    {.name = "issuer",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, issuer),
     .min = 1,
     .max = 64,
     .required = true,
     .help = "Name of the issuer that signs"},
    {.name = "common-name",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, common_name),
     .min = 1,
     .max = 64,
     .required = true,
     .help = "Template name told to clients, without white space"},
    {.name = "policy-id",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, policy_id),
     .min = 1,
     .max = 128,
     .help = "Policy identifier told to clients, to be kept stable (default: the template's name)"},
    {.name = "major-revision",
     .type = PKE_OPT_UINT,
     .offset = FIELD(uint64_t, major_revision),
     .fallback = "100",
     .min = 0,
     .max = 0xffff,
     .help = "Major revision told to clients"},
    {.name = "minor-revision",
     .type = PKE_OPT_UINT,
     .offset = FIELD(uint64_t, minor_revision),
     .fallback = "0",
     .min = 0,
     .max = 0xffff,
     .help = "Minor revision told to clients"},
    {.name = "enabled",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, enabled),
     .fallback = "yes",
     .help = "Whether anybody may enroll with this template"},
    {.name = "allow",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, allow),
     .min = 1,
     .max = 256,
     .help = "Principals that may enroll: exact, *@domain or * (default: nobody)"},
    {.name = "allow-full",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, allow_full),
     .fallback = "yes",
     .help = "Accept EnrollmentType Full (a user's certificate)"},
    {.name = "allow-device",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, allow_device),
     .fallback = "yes",
     .help = "Accept EnrollmentType Device (a machine's certificate)"},
    {.name = "subject-full",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, subject_full),
     .fallback = "upn",
     .names = sources,
     .help = "Common name of Full enrollments"},
    {.name = "subject-device",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, subject_device),
     .fallback = "device-id",
     .names = sources,
     .help = "Common name of Device enrollments"},
    {.name = "validity",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, validity),
     .fallback = "365d",
     .min = 5 * 60 * SECOND,
     .max = 3650 * DAY,
     .help = "Time from notBefore to notAfter"},
    {.name = "backdate",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, backdate),
     .fallback = "10m",
     .min = 0,
     .max = HOUR,
     .help = "How long before now a certificate begins, for clocks that are slow"},
    {.name = "renewal-period",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, renewal_period),
     .fallback = "42d",
     .min = SECOND,
     .max = 3650 * DAY,
     .help = "Time before expiry when clients should renew"},
    {.name = "rsa-min-bits",
     .type = PKE_OPT_UINT,
     .offset = FIELD(uint64_t, rsa_min_bits),
     .fallback = "2048",
     .min = 2048,
     .max = 8192,
     .help = "Smallest RSA key accepted"},
    {.name = "rsa-max-bits",
     .type = PKE_OPT_UINT,
     .offset = FIELD(uint64_t, rsa_max_bits),
     .fallback = "4096",
     .min = 2048,
     .max = 8192,
     .help = "Largest RSA key accepted"},
    {.name = "allow-ec",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, allow_ec),
     .fallback = "no",
     .help = "Accept keys on P-256 and P-384"},
    {.name = "allow-sha1-csr",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, allow_sha1_csr),
     .fallback = "no",
     .help = "Accept requests signed with SHA-1 (old clients only)"},
    {.name = "ekus",
     .type = PKE_OPT_OIDS,
     .offset = FIELD(struct pke_strings, ekus),
     .fallback = "client-auth",
     .help = "Extended key usages, in order"},
    {.name = "key-encipherment",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, key_encipherment),
     .fallback = "no",
     .help = "Key usage keyEncipherment beside digitalSignature"},
    {.name = "providers",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, providers),
     .min = 1,
     .max = 256,
     .help = "Cryptographic providers that clients shall use, in order of preference"},
    {.name = "advertise-ca",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, advertise_ca),
     .fallback = "no",
     .help = "Carry the CA and its address in GetPolicies"},
    {.name = "device-conflict",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, device_conflict),
     .fallback = "refuse",
     .names = conflicts,
     .help = "What becomes of another user's request for a DeviceID that is in use"},
    {.name = "max-devices",
     .type = PKE_OPT_UINT,
     .offset = FIELD(uint64_t, max_devices),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .help = "Devices that one user may have at a time; 0 is any number"},
    {.name = "os-min-version",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, os_min_version),
     .min = 7,
     .max = 43,
     .help = "Oldest OSVersion that may enroll, a.b.c.d"},
    {.name = "os-editions",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, os_editions),
     .min = 1,
     .max = 10,
     .help = "OSEdition numbers that may enroll (default: any)"},
    {.name = "device-types",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, device_types),
     .min = 1,
     .max = 64,
     .help = "DeviceType values that may enroll (default: any)"},
    {.name = "unlicensed",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, unlicensed),
     .min = 1,
     .max = 256,
     .help = "Principals without a licence for device management, written as in allow"},
    {.name = "approval",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, approval),
     .fallback = "none",
     .names = approvals,
     .help = "Whether an operator decides about each new device"},
    {.name = "approval-text",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, approval_text),
     .fallback = "Waiting for approval by an administrator, try again later",
     .min = 1,
     .max = 200,
     .help = "What the user is told while a device waits for approval"},
    {.name = "denial-text",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, denial_text),
     .fallback = "An administrator has refused this device",
     .min = 1,
     .max = 200,
     .help = "What the user is told after an operator has denied a device"},
    {.name = "renew",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, renew),
     .fallback = "yes",
     .help = "Whether certificates are renewed (RequestType Renew)"},
    {.name = "renew-early",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, renew_early),
     .fallback = "any",
     .names = earlies,
     .help = "Renewal before the renewal period: at any time, in the window only, or once when granted"},
    {.name = "renew-grace",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, renew_grace),
     .fallback = "0s",
     .min = 0,
     .max = 90 * DAY,
     .help = "How long after its end a certificate may still be renewed"},
    {.name = "renew-overlap",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, renew_overlap),
     .fallback = "0s",
     .min = 0,
     .max = 30 * DAY,
     .help = "How long a certificate may be renewed after the device used a newer one"},
    {.name = "renew-same-key",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, renew_same_key),
     .fallback = "no",
     .help = "Accept a renewal that keeps its key"},
    {.name = "renew-require-tls",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, renew_require_tls),
     .fallback = "no",
     .help = "Whether the certificate to be renewed must be the client certificate of the connection, too"},
    {.name = "renew-hardware-change",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, renew_hardware_change),
     .fallback = "log",
     .names = changes,
     .help = "What becomes of a renewal with another HWDevID than the one recorded"},
    {.name = "recovery",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, recovery),
     .fallback = "no",
     .names = recoveries,
     .help = "Whether a lost certificate is replaced (RequestType Recovery)"},
    {.name = "attestation",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, attestation),
     .fallback = "off",
     .names = attestations,
     .help = "Whether the TPM must attest that it holds the key"},
    {.name = "attestation-roots",
     .type = PKE_OPT_PATH,
     .offset = FIELD(char *, attestation_roots),
     .help = "PEM file with the roots of AIK certificates and the intermediates that lead there"},
    {.name = "attestation-eku",
     .type = PKE_OPT_BOOL,
     .offset = FIELD(bool, attestation_eku),
     .fallback = "yes",
     .help = "Whether AIK certificates must have the extended key usage tcg-kp-AIKCertificate"},
    {.name = "attestation-failure",
     .type = PKE_OPT_ENUM,
     .offset = FIELD(int, attestation_failure),
     .fallback = "RetryOnError",
     .names = policy_attestation_failures,
     .help = "What the client does when its TPM cannot attest"},
    {.name = "attestation-timeout",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, attestation_timeout),
     .fallback = "100s",
     .min = SECOND,
     .max = HOUR,
     .help = "How long the client tries to attest"},
    {.name = "maa-url",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, maa_url),
     .min = 1,
     .max = 1024,
     .help = "URL of the Azure Attestation provider that clients shall use"},
    {.name = "maa-relying-party",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, maa_relying_party),
     .min = 1,
     .max = 256,
     .help = "Relying party that clients name to the Azure Attestation provider"},
    {.name = "maa-keys-file",
     .type = PKE_OPT_PATH,
     .offset = FIELD(char *, maa_keys_file),
     .help = "JWKS or PEM file with the public keys of the Azure Attestation provider's tokens"},
    {.name = "maa-issuers",
     .type = PKE_OPT_STRINGS,
     .offset = FIELD(struct pke_strings, maa_issuers),
     .min = 1,
     .max = 256,
     .help = "What a token's iss must be, exactly, one of these"},
    {.name = "maa-max-age",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, maa_max_age),
     .fallback = "1h",
     .min = 60 * SECOND,
     .max = DAY,
     .help = "Longest time since a token's iat"},
    {.name = "maa-leeway",
     .type = PKE_OPT_DURATION,
     .offset = FIELD(int64_t, maa_leeway),
     .fallback = "5m",
     .min = 0,
     .max = HOUR,
     .help = "How much the clocks of provider and daemon may differ"},
    {.name = "san-uri",
     .type = PKE_OPT_STRING,
     .offset = FIELD(char *, san_uri),
     .min = 1,
     .max = 256,
     .help = "URI in the subject alternative name; {device-id} and {ent-dmid} are replaced"},
    PKE_OPTION_END,
};

const char *policy_template_policy_id(const struct policy_template *t)
{
    return t->policy_id ? t->policy_id : t->name;
}

static enum pke_err bad(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "template-options", RULE, "%s", text);
}

/* Any white space of ASCII or Unicode's common kinds: the option table refused control characters already. */
static bool has_space(const char *s)
{
    return s && (strchr(s, ' ') || strstr(s, "\xc2\xa0") || strstr(s, "\xe2\x80\x8b") ||
                 strstr(s, "\xe3\x80\x80"));
}

static enum pke_err check_names(const struct policy_template *t, struct pke_fail *fail)
{
    if (!t->issuer || !*t->issuer)
        return bad(fail, "issuer is required");
    if (!t->common_name || !*t->common_name)
        return bad(fail, "common-name is required");
    if (has_space(t->common_name))
        return bad(fail, "common-name must not contain white space");
    if (has_space(policy_template_policy_id(t)))
        return bad(fail, t->policy_id
                             ? "policy-id must not contain white space"
                             : "policy-id is required where the template's name contains white space");
    return PKE_OK;
}

static enum pke_err check_times(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->validity % SECOND || t->backdate % SECOND || t->renewal_period % SECOND)
        return bad(fail, "validity, backdate and renewal-period are whole seconds");
    if (t->renewal_period >= t->validity)
        return bad(fail, "renewal-period must be shorter than validity");
    if (t->backdate >= t->validity)
        return bad(fail, "backdate must be shorter than validity");
    return PKE_OK;
}

static enum pke_err check_ekus(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->ekus.n == 0)
        return bad(fail, "ekus must name at least one: without them a certificate is good for everything");
    for (size_t i = 0; i < t->ekus.n; i++) {
        struct pke_strings before = {t->ekus.v, i};

        if (strcmp(t->ekus.v[i], "2.5.29.37.0") == 0)
            return bad(fail, "ekus must not hold anyExtendedKeyUsage (2.5.29.37.0)");
        if (pke_strings_has(&before, t->ekus.v[i]))
            return bad(fail, "ekus names one twice");
    }
    return PKE_OK;
}

bool policy_pattern_valid(const char *p)
{
    if (strcmp(p, "*") == 0)
        return true;
    return *p && !strchr(p[0] == '*' ? p + 1 : p, '*') &&
           (p[0] != '*' || (p[1] == '@' && p[2] && !strchr(p + 2, '@')));
}

static enum pke_err check_patterns(const struct pke_strings *patterns, const char *option,
                                   struct pke_fail *fail)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (!*patterns->v[i])
            return pke_fail_set(fail, PKE_CONFIG, "template-options", RULE, "%s has an empty entry", option);
        if (!policy_pattern_valid(patterns->v[i]))
            return pke_fail_set(fail, PKE_CONFIG, "template-options", RULE,
                                "%s takes exact names, *@domain or *", option);
    }
    return PKE_OK;
}

/* RFC 3986: a scheme, and only characters that a URI may hold (placeholders are taken out before). */
static bool uri_shape(const char *uri)
{
    const char *colon = strchr(uri, ':');
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-";

    if (!colon || colon == uri || !colon[1] || strspn(uri, scheme) != (size_t)(colon - uri) ||
        strchr("0123456789+.-", uri[0]))
        return false;
    for (const unsigned char *c = (const unsigned char *)uri; *c; c++)
        if (*c <= 0x20 || *c > 0x7e || strchr("\"<>\\^`|", *c))
            return false;
    return true;
}

static enum pke_err check_san_uri(const struct policy_template *t, struct pke_fail *fail)
{
    /* KB5014754: Windows maps this URI to an account, so that no part of it may come from a client */
    static const char strong_mapping[] = "tag:microsoft.com,2022-09-14:sid:";

    if (!t->san_uri)
        return PKE_OK;
    if (!uri_shape(t->san_uri))
        return bad(fail, "san-uri must be a URI such as urn:example:device:{device-id}");
    if (strncasecmp(t->san_uri, strong_mapping, sizeof strong_mapping - 1) == 0)
        return bad(fail, "san-uri must not be an account's security identifier");
    for (const char *c = t->san_uri; *c;) {
        size_t n = placeholder_at(c, NULL);

        if (n == 0 && (*c == '{' || *c == '}'))
            return bad(fail, "san-uri has an unknown placeholder: {device-id} and {ent-dmid} are known");
        c += n ? n : 1;
    }
    return PKE_OK;
}

static enum pke_err check_platform(const struct policy_template *t, struct pke_fail *fail)
{
    uint32_t v[PKE_VERSION_PARTS];

    if (t->os_min_version && !pke_version_parse(t->os_min_version, v))
        return bad(fail, "os-min-version must be a version such as 10.0.19045.0");
    for (size_t i = 0; i < t->os_editions.n; i++)
        if (t->os_editions.v[i][strspn(t->os_editions.v[i], "0123456789")] != '\0')
            return bad(fail, "os-editions takes numbers of MS-MDE2 2.2.9.6");
    return PKE_OK;
}

enum pke_err policy_template_check(const struct policy_template *t, struct pke_fail *fail)
{
    enum pke_err err = check_names(t, fail);

    if (err == PKE_OK)
        err = check_times(t, fail);
    if (err == PKE_OK && t->rsa_min_bits > t->rsa_max_bits)
        err = bad(fail, "rsa-min-bits must not be larger than rsa-max-bits");
    if (err == PKE_OK && !t->allow_full && !t->allow_device && t->enabled)
        err = bad(fail, "allow-full and allow-device are both off: use enabled: no");
    if (err == PKE_OK)
        err = check_ekus(t, fail);
    if (err == PKE_OK)
        err = check_patterns(&t->allow, "allow", fail);
    if (err == PKE_OK)
        err = check_patterns(&t->unlicensed, "unlicensed", fail);
    if (err == PKE_OK)
        err = check_platform(t, fail);
    if (err == PKE_OK)
        err = policy_attestation_check(t, fail);
    return err == PKE_OK ? check_san_uri(t, fail) : err;
}
