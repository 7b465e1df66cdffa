/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/renew.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define RULE_RENEW "MS-MDE2 3.5 Renew"

static enum pke_err ineligible(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_RENEW_INELIGIBLE, reason, rule, "%s", text);
}

static bool same_or_unknown(const char *asked, const char *recorded)
{
    return !asked || !*asked || (recorded && strcasecmp(asked, recorded) == 0);
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Certificates of before there were providers have none recorded: the endpoint's is theirs. */
static bool same_place(const struct policy_renewal *r)
{
    return same(r->tenant, r->endpoint_tenant) &&
           (!r->provider || !*r->provider || same(r->provider, r->endpoint_provider));
}

static enum pke_err check_certificate(const struct policy_template *t, const struct policy_renewal *r,
                                      struct pke_fail *fail)
{
    if (!t->enabled || !t->renew)
        return ineligible(fail, "renew-not-offered", "template: renew", "the template offers no renewal");
    if (!same(r->template_name, t->name))
        return ineligible(fail, "renew-template", "template of the certificate",
                          "the certificate was issued by another template");
    if (!same_place(r))
        return ineligible(fail, "renew-place", "tenant and provider of the certificate",
                          "the certificate was issued for another tenant or management server");
    if (r->revoked_at)
        return ineligible(fail, "renew-revoked", RULE_RENEW, "the certificate is revoked");
    if (r->blocked)
        return ineligible(fail, "renew-blocked", "device block", "the device is blocked");
    if (r->released)
        return ineligible(fail, "renew-released", "device release", "the device was released");
    return PKE_OK;
}

static enum pke_err check_device(const struct policy_template *t, const struct policy_renewal *r,
                                 struct pke_fail *fail)
{
    bool device = r->enrollment_type && strcmp(r->enrollment_type, "Device") == 0;

    if (!same_or_unknown(r->asked_device_id, r->device_id))
        return ineligible(fail, "renew-device", "MS-MDE2 3.5 DeviceID",
                          "the certificate belongs to another device");
    if (!same_or_unknown(r->asked_type, r->enrollment_type))
        return ineligible(fail, "renew-type", "MS-MDE2 3.5 EnrollmentType",
                          "the certificate is of another enrollment type");
    if (r->enrollment_type && (device ? !t->allow_device : !t->allow_full))
        return ineligible(fail, "renew-type-not-allowed",
                          device ? "template: allow-device" : "template: allow-full",
                          "the template does not allow this enrollment type any more");
    return PKE_OK;
}

static enum pke_err check_tls(const struct policy_template *t, const struct policy_renewal *r,
                              struct pke_fail *fail)
{
    if (r->has_tls && !r->same_tls)
        return ineligible(fail, "renew-tls-other", RULE_RENEW,
                          "the connection's client certificate is not the one to be renewed");
    if (t->renew_require_tls && !r->has_tls)
        return ineligible(fail, "renew-tls-missing", "template: renew-require-tls",
                          "renewal needs the certificate on the connection");
    return PKE_OK;
}

/* The owner may have lost the right since; and who signs in beside the CMS must be the owner. */
static enum pke_err check_owner(const struct policy_template *t, const struct policy_renewal *r,
                                struct pke_fail *fail)
{
    struct policy_identity owner = {
        .tenant = r->tenant, .principal = r->owner, .user_id = r->owner_id, .credential = "renewal"};
    enum pke_err err = policy_visible(t, &owner, fail);

    if (err == PKE_DENIED)
        return ineligible(fail, "renew-not-allowed", "template: allow",
                          "the template does not allow the certificate's owner any more");
    if (err != PKE_OK)
        return err;
    if (r->device_owner && !policy_same_owner(r->device_owner, r->device_owner_id, r->owner, r->owner_id))
        return ineligible(fail, "renew-owner", RULE_RENEW, "the device belongs to another user now");
    if (r->identity && !policy_same_identity(r->owner, r->owner_id, r->identity))
        return ineligible(fail, "renew-identity", RULE_RENEW, "the certificate belongs to another user");
    return PKE_OK;
}

enum pke_err policy_renewal_holds(const struct policy_template *t, const struct policy_renewal *r,
                                  struct pke_fail *fail)
{
    enum pke_err err = check_certificate(t, r, fail);

    if (err == PKE_OK)
        err = check_device(t, r, fail);
    if (err == PKE_OK)
        err = check_tls(t, r, fail);
    return err == PKE_OK ? check_owner(t, r, fail) : err;
}

static enum pke_err check_time(const struct policy_template *t, const struct policy_renewal *r,
                               int64_t now_ms, struct pke_fail *fail)
{
    if (now_ms > r->not_after * 1000 + t->renew_grace)
        return ineligible(fail, "renew-expired", "template: renew-grace", "the certificate has expired");
    if (policy_renewal_is_early(t, r->not_after, now_ms) &&
        !(r->granted && t->renew_early == POLICY_RENEW_ON_GRANT))
        return ineligible(fail, "renew-early", "template: renew-early",
                          "the certificate's renewal period has not begun");
    if (r->superseded_at && now_ms >= r->superseded_at + t->renew_overlap)
        return ineligible(fail, "renew-superseded", "template: renew-overlap",
                          "the device has used a newer certificate");
    return PKE_OK;
}

bool policy_renewal_is_early(const struct policy_template *t, int64_t not_after, int64_t now_ms)
{
    return t->renew_early != POLICY_RENEW_ANY && now_ms < not_after * 1000 - t->renewal_period;
}

enum pke_err policy_renewal_check(const struct policy_template *t, const struct policy_renewal *r,
                                  int64_t now_ms, struct pke_fail *fail)
{
    enum pke_err err = check_time(t, r, now_ms, fail);

    if (err != PKE_OK)
        return err;
    if (r->same_key && !t->renew_same_key)
        return pke_fail_set(fail, PKE_CSR_BAD, "renew-same-key", "template: renew-same-key",
                            "a renewal needs a new key");
    if (t->renew_hardware_change == POLICY_CHANGE_DENY && r->hwdev_id && /* absent is no way around it */
        (!r->asked_hwdev_id || strcasecmp(r->asked_hwdev_id, r->hwdev_id) != 0))
        return ineligible(fail, "renew-hardware", "template: renew-hardware-change",
                          "the device's hardware is not the recorded one");
    return PKE_OK;
}

enum pke_err policy_recovery_check(const struct policy_template *t, const struct policy_recovery *r,
                                   struct pke_fail *fail)
{
    static const char rule[] = "MS-MDE2 3.6 Recovery";

    if (t->recovery == POLICY_RECOVERY_NO)
        return pke_fail_set(fail, PKE_UNSUPPORTED, "recovery-disabled", "template: recovery",
                            "recovery is not enabled");
    if (!r->known)
        return pke_fail_set(fail, PKE_DENIED, "recovery-unknown", rule, "there is nothing to recover");
    if (!policy_same_identity(r->owner, r->owner_id, r->identity))
        return pke_fail_set(fail, PKE_DENIED, "recovery-identity", rule,
                            "the enrollment belongs to another user");
    if (r->blocked)
        return pke_fail_set(fail, PKE_DENIED, "device-blocked", "device block", "the device is blocked");
    if (!same_or_unknown(r->asked_ent_dmid, r->ent_dmid))
        return pke_fail_set(fail, PKE_DENIED, "recovery-ent-dmid", rule,
                            "EmmDeviceId is not the one of the enrollment");
    if (t->recovery == POLICY_RECOVERY_ON_GRANT && !r->granted)
        return pke_fail_set(fail, PKE_DENIED, "recovery-not-granted", "template: recovery",
                            "recovery of this device was not allowed");
    return PKE_OK;
}

enum pke_err policy_quota_check(const struct policy_template *t, unsigned others, struct pke_fail *fail)
{
    if (!t->max_devices || others < t->max_devices)
        return PKE_OK;
    return pke_fail_set(fail, PKE_QUOTA, "device-quota", "template: max-devices",
                        "the user has as many devices as allowed");
}
