/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a template that become extensions of its certificates. */
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "policy/template.h"

#define ANY_POLICY "2.5.29.32.0"
#define CURVE_BITS (0x80 | 0x40 | 0x08) /* what a key on an elliptic curve can have (RFC 8813 3) */
#define RSA_BITS   (0x80 | 0x40 | 0x20 | 0x10)
#define EDDSA_BITS (0x80 | 0x40) /* RFC 8410 5 */

static enum pke_err bad(struct pke_fail *fail, const char *option, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "template-options", "template options", "%s %s", option, text);
}

uint8_t policy_template_key_usage(const struct policy_template *t)
{
    static const char *const names[] = {"digital-signature", "non-repudiation", "key-encipherment",
                                        "data-encipherment", "key-agreement"};
    uint8_t ret = 0;

    for (size_t i = 0; i < t->key_usage.n; i++) {
        size_t k = 0;

        while (k < PKE_LEN(names) && strcmp(names[k], t->key_usage.v[i]) != 0)
            k++;
        if (k == PKE_LEN(names))
            return 0;
        ret |= (uint8_t)(0x80 >> k);
    }
    return ret;
}

static bool repeats(const struct pke_strings *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct pke_strings before = {list->v, i};

        if (pke_strings_has(&before, list->v[i]))
            return true;
    }
    return false;
}

static enum pke_err check_kind(uint8_t usage, const char *key_type, struct pke_fail *fail)
{
    if (strcmp(key_type, "rsa") == 0)
        return usage & RSA_BITS ? PKE_OK : bad(fail, "key-usage", "has nothing that an RSA key can do");
    if (strcmp(key_type, "ed25519") == 0)
        return usage & EDDSA_BITS ? PKE_OK : bad(fail, "key-usage", "has nothing that an Ed25519 key can do");
    return usage & CURVE_BITS ? PKE_OK
                              : bad(fail, "key-usage", "has nothing that a key on an elliptic curve can do");
}

static enum pke_err check_key_usage(const struct policy_template *t, struct pke_fail *fail)
{
    uint8_t usage = policy_template_key_usage(t);

    if (usage == 0)
        return bad(fail, "key-usage",
                   "takes digital-signature, non-repudiation, key-encipherment, data-encipherment and "
                   "key-agreement");
    if (repeats(&t->key_usage))
        return bad(fail, "key-usage", "names one twice");
    for (size_t i = 0; i < t->key_types.n; i++)
        if (check_kind(usage, t->key_types.v[i], fail) != PKE_OK)
            return fail->err;
    return PKE_OK;
}

static enum pke_err check_policies(const struct policy_template *t, struct pke_fail *fail)
{
    for (size_t i = 0; i < t->application_policies.n; i++)
        if (!pke_strings_has(&t->ekus, t->application_policies.v[i]))
            return bad(fail, "application-policies", "names one that is not in ekus");
    if (repeats(&t->application_policies))
        return bad(fail, "application-policies", "names one twice");
    if (pke_strings_has(&t->certificate_policies, ANY_POLICY))
        return bad(fail, "certificate-policies", "must not hold anyPolicy (2.5.29.32.0)");
    if (repeats(&t->certificate_policies))
        return bad(fail, "certificate-policies", "names one twice");
    if (t->cps_uri && t->certificate_policies.n == 0)
        return bad(fail, "cps-uri", "needs certificate-policies");
    if (t->cps_uri && strncasecmp(t->cps_uri, "http://", 7) != 0 &&
        strncasecmp(t->cps_uri, "https://", 8) != 0)
        return bad(fail, "cps-uri", "must begin with http:// or https://");
    return PKE_OK;
}

static enum pke_err check_template(const struct policy_template *t, struct pke_fail *fail)
{
    uint8_t der[PKE_OID_DER_MAX];
    size_t n = sizeof der;

    if (t->template_oid && t->template_extension != POLICY_TEMPLATE_OID)
        return bad(fail, "template-oid", "means something with template-extension: oid only");
    if (t->template_extension == POLICY_TEMPLATE_OID &&
        (!t->template_oid || !pke_oid_encode(t->template_oid, der, &n)))
        return bad(fail, "template-oid", "must be an object identifier where template-extension is oid");
    return PKE_OK;
}

enum pke_err policy_extensions_check(const struct policy_template *t, struct pke_fail *fail)
{
    enum pke_err err = check_key_usage(t, fail);

    if (err == PKE_OK)
        err = check_policies(t, fail);
    return err == PKE_OK ? check_template(t, fail) : err;
}
