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

static enum pke_err check_maa(const struct policy_template *t, struct pke_fail *fail)
{
    if (!t->maa_url && !t->maa_relying_party)
        return PKE_OK;
    if (!t->maa_url || !t->maa_relying_party)
        return bad(fail, "maa-url and maa-relying-party are given together");
    if (strncmp(t->maa_url, "https://", 8) != 0 || !t->maa_url[8] || !plain(t->maa_url))
        return bad(fail, "maa-url must be an https URL");
    if (!plain(t->maa_relying_party))
        return bad(fail, "maa-relying-party must be ASCII without white space");
    /* A client that has a token sends it instead of everything else, and nobody verifies its signature yet.
     */
    if (t->attestation == POLICY_ATTESTATION_REQUIRE)
        return bad(fail,
                   "maa-url cannot be combined with attestation: require, which would refuse every device: "
                   "tokens of a provider are recorded and not verified");
    return PKE_OK;
}

enum pke_err policy_attestation_check(const struct policy_template *t, struct pke_fail *fail)
{
    if (t->attestation == POLICY_ATTESTATION_OFF)
        return t->maa_url || t->maa_relying_party
                   ? bad(fail, "maa-url and maa-relying-party have no effect while attestation is off")
                   : PKE_OK;
    if (!t->attestation_roots)
        return bad(fail, "attestation-roots is needed with attestation");
    if (t->attestation_timeout % 1000)
        return bad(fail, "attestation-timeout is whole seconds");
    if (t->providers.n == 0 || strcmp(t->providers.v[0], POLICY_PLATFORM_PROVIDER) != 0)
        return bad(fail, "providers must begin with " POLICY_PLATFORM_PROVIDER
                         " when attestation is on: no other keys can be attested");
    return check_maa(t, fail);
}
