/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/policy_body.h"

#include <string.h>

#include "proto/xcep.h"

/* MS-XCEP 3.1.4.1.3.2 clientAuthentication; the MDM client reads none of it, other XCEP clients do. */
#define XCEP_AUTH_USERNAME 4

/* mdm.md 5.2: which elements, by what discovery told the client. Versions are compared as text: "3.0" to
 * "7.0". */
static bool ask_attestation(const struct conf_endpoint *ep, struct xcep_attestation *ret)
{
    const struct policy_template *t = ep->template_ref;

    if (t->attestation == POLICY_ATTESTATION_OFF || strcmp(ep->enrollment_version, "5.0") < 0)
        return false;
    *ret = (struct xcep_attestation){
        .failure = pke_enum_text(policy_attestation_failures, t->attestation_failure),
        .timeout_seconds = (uint64_t)t->attestation_timeout / 1000,
        .block = strcmp(ep->enrollment_version, "6.0") >= 0,
        .maa_url = t->maa_url,
        .maa_relying = t->maa_relying_party,
    };
    return true;
}

enum pke_err policy_body_render(const struct conf_endpoint *ep, const char *enroll_url,
                                const struct catalogue *catalogue, struct pke_buf *out, struct pke_fail *fail)
{
    const struct policy_template *t = ep->template_ref;
    const struct catalogue_issuer *issuer;
    struct xcep_attestation attestation;
    struct xcep_ca ca;
    struct xcep_policy policy;

    if (!t)
        return pke_fail_set(fail, PKE_TEMPLATE, "template-missing", "MS-XCEP 3.1.4.1.3.23",
                            "the endpoint has no certificate template");
    policy = (struct xcep_policy){
        .policy_id = t->policy_id ? t->policy_id : t->name,
        .common_name = t->common_name ? t->common_name : t->name,
        .validity_seconds = (uint64_t)t->validity / 1000,
        .renewal_seconds = (uint64_t)t->renewal_period / 1000,
        .minimal_key_length = policy_template_min_bits(t),
        .providers = &t->providers,
        .major_revision = (unsigned)t->major_revision,
        .minor_revision = (unsigned)t->minor_revision,
    };
    if (ask_attestation(ep, &attestation))
        policy.attestation = &attestation;
    issuer = t->advertise_ca && enroll_url ? catalogue_of_template(catalogue, t->name) : NULL;
    if (issuer) {
        ca = (struct xcep_ca){
            .url = enroll_url,
            .client_authentication = XCEP_AUTH_USERNAME,
            .certificate = issuer->ca.der,
            .enroll_permission = true,
        };
        policy.ca = &ca;
    }
    return xcep_response_write(&policy, out, fail);
}
