/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/attestation.h"

#include <string.h>

const struct pke_enum_name policy_attestation_failures[] = {{"FailOnError", POLICY_ATTESTATION_FAIL},
                                                            {"IgnoreOnError", POLICY_ATTESTATION_IGNORE},
                                                            {"RetryOnError", POLICY_ATTESTATION_RETRY},
                                                            {NULL, 0}};

static enum pke_err bad(struct pke_fail *fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "template-options", "template options", "%s", text);
}

/* The client cuts scalars at a space, and takes no other scheme. */
static bool plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || strchr("\"<>\\^`{|}", *s))
            return false;
    return true;
}

static bool https(const char *s)
{
    return strncmp(s, "https://", 8) == 0 && s[8] && plain(s);
}

/* What the client is told. */
static enum pke_err check_maa(const struct policy_template *t, struct pke_fail *fail)
{
    if (!t->maa_url && !t->maa_relying_party)
        return PKE_OK;
    if (!t->maa_url || !t->maa_relying_party)
        return bad(fail, "maa-url and maa-relying-party are given together");
    if (!https(t->maa_url))
        return bad(fail, "maa-url must be an https URL");
    if (!plain(t->maa_relying_party))
        return bad(fail, "maa-relying-party must be ASCII without white space");
    /* A client that has a token sends it instead of everything else. */
    if (t->attestation == POLICY_ATTESTATION_REQUIRE && !t->maa_keys_file)
        return bad(fail,
                   "maa-url with attestation: require needs maa-keys-file: without it every device would be "
                   "refused");
    return PKE_OK;
}

/* What its answer is measured by. */
static enum pke_err check_maa_keys(const struct policy_template *t, struct pke_fail *fail)
{
    if (!t->maa_keys_file != !t->maa_issuers.n)
        return bad(fail, "maa-keys-file and maa-issuers are given together");
    for (size_t i = 0; i < t->maa_issuers.n; i++)
        if (!https(t->maa_issuers.v[i]))
            return bad(fail, "maa-issuers must be https URLs");
    return PKE_OK;
}

static enum pke_err check_off(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->maa_url || t->maa_relying_party || t->maa_keys_file || t->maa_issuers.n)
        return bad(fail, "maa-url, maa-relying-party, maa-keys-file and maa-issuers have no effect while "
                         "attestation is off");
    return PKE_OK;
}

enum pke_err policy_attestation_check(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->attestation == POLICY_ATTESTATION_OFF)
        return check_off(t, fail);
    if (!t->attestation_roots)
        return bad(fail, "attestation-roots is needed with attestation");
    if (t->attestation_timeout % 1000)
        return bad(fail, "attestation-timeout is whole seconds");
    if (t->providers.n == 0 || strcmp(t->providers.v[0], POLICY_PLATFORM_PROVIDER) != 0)
        return bad(fail, "providers must begin with " POLICY_PLATFORM_PROVIDER
                         " when attestation is on: no other keys can be attested");
    return check_maa_keys(t, fail) == PKE_OK ? check_maa(t, fail) : PKE_CONFIG;
}
