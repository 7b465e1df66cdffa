/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between the options of a certificate template. */
#include "policy/template.h"

#include <string.h>

#include "base/version.h"
#include "policy/attestation.h"
#include "policy/names.h"

#define SECOND 1000
#define RULE   "template options"

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

unsigned policy_template_min_bits(const struct policy_template *t)
{
    unsigned ret = 0;

    if (pke_strings_has(&t->key_types, "rsa")) /* what nearly all clients make */
        return (unsigned)t->rsa_min_bits;
    for (const struct pke_enum_name *k = policy_key_types; k->name; k++)
        if (pke_strings_has(&t->key_types, k->name) && (!ret || (unsigned)k->value < ret))
            ret = (unsigned)k->value;
    return ret;
}

static enum pke_err check_keys(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->key_types.n == 0)
        return bad(fail, "key-types is empty");
    if (t->csr_digests.n == 0)
        return bad(fail, "csr-digests is empty");
    if (t->rsa_min_bits > t->rsa_max_bits)
        return bad(fail, "rsa-min-bits must not be larger than rsa-max-bits");
    return PKE_OK;
}

enum pke_err policy_template_check(const struct policy_template *t, struct pke_fail *fail)
{
    enum pke_err err = check_names(t, fail);

    if (err == PKE_OK)
        err = check_times(t, fail);
    if (err == PKE_OK)
        err = check_keys(t, fail);
    if (err == PKE_OK && !t->allow_full && !t->allow_device && t->enabled)
        err = bad(fail, "allow-full and allow-device are both off: use enabled: no");
    if (err == PKE_OK)
        err = check_ekus(t, fail);
    if (err == PKE_OK)
        err = policy_extensions_check(t, fail);
    if (err == PKE_OK)
        err = check_patterns(&t->allow, "allow", fail);
    if (err == PKE_OK)
        err = check_patterns(&t->unlicensed, "unlicensed", fail);
    if (err == PKE_OK)
        err = check_platform(t, fail);
    if (err == PKE_OK)
        err = policy_attestation_check(t, fail);
    return err == PKE_OK ? policy_name_rules_check(t, fail) : err;
}
