/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewal (MS-MDE2 3.5, mdm 10.3): a CMS over the new CSR, signed with the key of a certificate that stands
 * in the ledger byte by byte. Who it is, which device and which names come from there, never from the
 * request.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"
#include "policy/renew.h"

#define OLD_RSA_MIN_BITS 2048
#define OLD_RSA_MAX_BITS 8192

/* Whoever has a key that is on the list would go on with one of his own. */
static enum pke_err check_signer_key(struct request *req)
{
    if (!spki_blocked(req->setup, req->cms.spki))
        return PKE_OK;
    return pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-key-blocked", "blocked-keys",
                        "the key of the certificate is on the list of blocked keys");
}

/* The old key was accepted once, and the ledger says so: today's rules of the template are for the new one.
 */
static enum pke_err read_cms(struct request *req)
{
    struct ca_cms_rules rules = {.rsa_min_bits = OLD_RSA_MIN_BITS,
                                 .rsa_max_bits = OLD_RSA_MAX_BITS,
                                 .key_types = CA_ALL_KEYS,
                                 .digests = req->tmpl->digests};
    enum pke_err err = ca_cms_renewal_read(req->msg.request, &rules, req->arena, &req->cms, &req->fail);

    if (err == PKE_OK)
        req->csr_der = req->cms.content;
    return err == PKE_OK ? check_signer_key(req) : err;
}

static bool signed_by(struct request *req, const struct ca_issuer *ca, struct pke_fail *fail)
{
    struct ca_cert_facts facts;

    return ca_cert_facts_read(req->old.der, req->arena, &facts, fail) == PKE_OK &&
           ca_cert_facts_signed_by(&facts, ca_issuer_subject(ca), ca_issuer_spki(ca), fail) == PKE_OK;
}

/* Who can write the ledger's file cannot sign: a row of his own making renews nothing. An issuer whose
 * certificate was made anew for the same name and key has another id in the ledger since. */
static enum pke_err check_issuer(struct request *req)
{
    const struct issuer_ca *by = setup_ca_of(req->setup, req->old.issuer_id);
    struct pke_fail fail;

    if (by && !signed_by(req, by->ca, &fail))
        return pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-signature", "RFC 5280 6.1.3",
                            "the recorded certificate is not signed by its issuer");
    for (size_t i = 0; !by && i < req->setup->n_cas; i++)
        if (signed_by(req, req->setup->cas[i].ca, &fail))
            by = &req->setup->cas[i];
    if (!by)
        return pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-issuer", "issuers of the configuration",
                            "the certificate's issuer is not in use any more");
    return PKE_OK;
}

/* Not the serial number, not the subject: anybody can make a certificate that says the same. */
static enum pke_err find_old(struct request *req)
{
    struct pke_fail fail;
    enum pke_err err = ledger_find_certificate(req->issuer->ledger, req->cms.certificate_sha256, req->arena,
                                               &req->old, &fail);

    if (err != PKE_OK && err != PKE_NOT_FOUND) {
        req->fail = fail;
        return err;
    }
    if (err == PKE_OK && strcmp(req->old.tenant, req->endpoint->tenant) != 0) {
        req->old = (struct ledger_certificate){0}; /* nothing of it belongs into this tenant's records */
        err = PKE_NOT_FOUND;
    }
    if (err == PKE_NOT_FOUND || !pke_bytes_eq(req->old.der, req->cms.certificate))
        return pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-unknown", "MS-MDE2 3.5 signer",
                            "the certificate of the signature was not issued here");
    return check_issuer(req);
}

/* The recorded identity. Where somebody signs in beside the CMS (manual renewal), who that is is kept apart.
 */
static enum pke_err take_identity(struct request *req)
{
    const struct ledger_certificate *old = &req->old;
    uint64_t expires = role_monotonic_ms() + ASSERTION_LIFETIME_MS;
    const char *kind = "renewal";

    req->has_applicant = req->msg.assertion.n || req->msg.token.n;
    if (req->has_applicant) {
        if (check_credential(req) != PKE_OK)
            return req->fail.err;
        req->applicant = request_identity(&req->who);
        if (!policy_same_identity(old->principal, old->user_id,
                                  &req->applicant)) /* refused: for the record */
            pke_pairs_add(&req->old.attributes, req->arena, "signed-in-as", req->applicant.principal);
        kind = req->who.kind;
        expires = req->who.expires;
    }
    req->who = (struct assertion){.tenant = req->endpoint->tenant,
                                  .principal = old->principal,
                                  .user_id = old->user_id,
                                  .attributes = old->attributes,
                                  .kind = kind,
                                  .stage = "enroll",
                                  .endpoint = req->msg.endpoint,
                                  .expires = expires};
    req->device_id = old->device_id;
    req->enrollment_type = old->enrollment_type;
    req->ent_dmid = old->ent_dmid;
    if (!req->device_id || !req->enrollment_type || !req->ent_dmid)
        return pke_fail_set(&req->fail, PKE_RENEW_INELIGIBLE, "renew-record", "ledger",
                            "the certificate was not issued to a device");
    return PKE_OK;
}

static enum pke_err find_enrollment(struct request *req)
{
    struct pke_fail fail;
    enum pke_err err = ledger_find_device(req->issuer->ledger, req->who.tenant, req->provider, req->device_id,
                                          NULL, req->now_ms / 1000, req->arena, &req->device, &fail);

    req->known = err == PKE_OK;
    if (err == PKE_OK || err == PKE_NOT_FOUND)
        return PKE_OK;
    req->fail = fail;
    return err;
}

static struct policy_renewal facts(const struct request *req)
{
    const struct ledger_certificate *old = &req->old;

    return (struct policy_renewal){
        .not_after = old->not_after,
        .superseded_at = old->superseded_at,
        .revoked_at = old->revoked_at,
        .template_name = old->template_name,
        .tenant = old->tenant,
        .provider = old->provider,
        .device_id = old->device_id,
        .enrollment_type = old->enrollment_type,
        .hwdev_id = req->known ? req->device.hwdev_id : NULL,
        .device_owner = req->known ? req->device.principal : NULL,
        .device_owner_id = req->known ? req->device.user_id : NULL,
        .owner = old->principal,
        .owner_id = old->user_id,
        .blocked = req->known && req->device.blocked_at,
        .released = old->released_at || (req->known && req->device.released_at),
        .granted = req->known && req->device.renewal_until > req->now_ms,
        .identity = req->has_applicant ? &req->applicant : NULL,
        .asked_device_id = pke_pairs_get(&req->msg.context, "DeviceID"),
        .asked_type = pke_pairs_get(&req->msg.context, "EnrollmentType"),
        .asked_hwdev_id =
            req->dry && req->known ? req->device.hwdev_id : pke_pairs_get(&req->msg.context, "HWDevID"),
        .endpoint_tenant = req->endpoint->tenant,
        .endpoint_provider = req->provider,
        /* of the CSR, which renew_identity() has not read yet: policy_renewal_holds() does not look at it */
        .same_key = pke_bytes_eq(req->csr.spki, req->cms.spki),
        .has_tls = req->msg.client_certificate.n != 0,
        .same_tls = pke_bytes_eq(req->msg.client_certificate, req->cms.certificate),
    };
}

enum pke_err renew_identity(struct request *req)
{
    struct policy_renewal r;
    enum pke_err err;

    if (!req->tmpl->policy->renew)
        return pke_fail_set(&req->fail, PKE_UNSUPPORTED, "renewal-disabled", "template: renew",
                            "renewal is not enabled");
    err = req->dry ? PKE_OK : read_cms(req); /* simulate.c named the certificate */
    if (err == PKE_OK)
        err = find_old(req);
    if (err == PKE_OK)
        err = take_identity(req);
    if (err == PKE_OK)
        err = find_enrollment(req);
    if (err != PKE_OK)
        return err;
    r = facts(req);
    return policy_renewal_holds(req->tmpl->policy, &r, &req->fail);
}

enum pke_err renew_again(struct request *req)
{
    struct policy_renewal r;
    enum pke_err err = find_old(req);

    if (err == PKE_OK)
        err = find_enrollment(req);
    if (err != PKE_OK)
        return err;
    r = facts(req);
    err = policy_renewal_holds(req->tmpl->policy, &r, &req->fail);
    return err == PKE_OK ? renew_request(req) : err;
}

enum pke_err renew_request(struct request *req)
{
    struct policy_renewal r = facts(req);
    const char *hardware = r.asked_hwdev_id;

    if (hardware && r.hwdev_id && strcmp(hardware, r.hwdev_id) != 0)
        log_event(LOG_NOTICE, "renewal with another HWDevID", "trace_id", req->msg.trace_id, "device",
                  req->device_id, NULL);
    req->uses_renewal = policy_renewal_is_early(req->tmpl->policy, r.not_after, req->now_ms);
    if (policy_renewal_check(req->tmpl->policy, &r, req->now_ms, &req->fail) != PKE_OK)
        return req->fail.err;
    explain(req, PKE_TRAIL_PASSED, "renewal", "MS-MDE2 3.5 Renew", "ledger", "%s",
            req->uses_renewal ? "before its time, as an operator allowed" : "within its time");
    return PKE_OK;
}

enum pke_err renew_visible(struct issuer *is, const struct conf_endpoint *ep, struct pke_bytes certificate,
                           struct pke_arena *arena, struct msg_auth_ok *ok, struct pke_fail *fail)
{
    struct ledger_certificate c;
    struct ledger_device d = {0};
    struct policy_renewal r;
    uint8_t sha256[32];
    enum pke_err err;

    EVP_Digest(certificate.p, certificate.n, sha256, NULL, EVP_sha256(), NULL);
    err = ledger_find_certificate(is->ledger, sha256, arena, &c, fail);
    if (err == PKE_OK && strcmp(c.tenant, ep->tenant) != 0)
        err = PKE_NOT_FOUND;
    if (err == PKE_NOT_FOUND)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "renew-unknown", "MS-MDE2 3.5",
                            "the certificate of the connection was not issued here");
    if (err == PKE_OK && c.device_id)
        err = ledger_find_device(is->ledger, c.tenant, c.provider ? c.provider : "", c.device_id, NULL,
                                 role_wall_ms() / 1000, arena, &d, fail);
    if (err != PKE_OK && err != PKE_NOT_FOUND)
        return err;
    r = (struct policy_renewal){.template_name = c.template_name,
                                .tenant = c.tenant,
                                .endpoint_tenant = ep->tenant,
                                .revoked_at = c.revoked_at,
                                .owner = c.principal,
                                .owner_id = c.user_id,
                                .device_owner = d.principal,
                                .device_owner_id = d.user_id,
                                .has_tls = true,
                                .same_tls = true,
                                .blocked = d.blocked_at != 0,
                                .released = c.released_at || d.released_at};
    ok->principal = c.principal;
    ok->upn = pke_pairs_get(&c.attributes, "upn");
    return policy_renewal_holds(ep->template_ref, &r, fail);
}
