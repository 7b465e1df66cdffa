/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Rules between enrollments of one device and one identity: renewal, recovery, quota, operating system.
 * Pure functions; what is recorded comes from the ledger, never from the request.
 */
#ifndef POLICY_RENEW_H
#define POLICY_RENEW_H

#include "policy/decide.h"

/** A certificate as the ledger has it, its enrollment, and what the request says about both. Borrowed. */
struct policy_renewal {
    int64_t not_after;                 /* seconds */
    int64_t superseded_at, revoked_at; /* ms; 0: not */
    const char *template_name, *tenant, *provider;
    const char *device_id, *enrollment_type;    /* recorded */
    const char *hwdev_id;                       /* of the device, as enrolled; NULL: not recorded */
    const char *owner, *owner_id;               /* of the certificate */
    const char *device_owner, *device_owner_id; /* of the device today; NULL: nobody */
    bool blocked;                               /* the device, by an operator */
    bool released;                              /* the device belongs to nobody any more */
    bool granted;                               /* one renewal before its time was allowed */

    const struct policy_identity *identity; /* who authenticated beside the CMS; NULL: nobody */
    const char *asked_device_id, *asked_type, *asked_hwdev_id; /* ContextItems, NULL: absent */
    const char *endpoint_tenant, *endpoint_provider;
    bool same_key;          /* the new key is the old one */
    bool has_tls, same_tls; /* a client certificate is on the connection; it is the one to be renewed */
};

/**
 * May the certificate be given out again, or a new one be made, at all? What no replay may pass by: revoked,
 * blocked, another template, tenant, device or owner, TLS, who asks (MS-MDE2 3.5; mdm 10.3 checks 2, 4, 6, 7,
 * 9, 10).
 * @return PKE_OK; PKE_RENEW_INELIGIBLE; PKE_LICENSE.
 */
enum pke_err policy_renewal_holds(const struct policy_template *t, const struct policy_renewal *r,
                                  struct pke_fail *fail);

/**
 * May a new certificate be made at @p now_ms? After policy_renewal_holds(): time, succession, key, hardware
 * (checks 2, 3, 5, 6).
 * @return PKE_OK; PKE_RENEW_INELIGIBLE; PKE_CSR_BAD (the key is kept).
 */
enum pke_err policy_renewal_check(const struct policy_template *t, const struct policy_renewal *r,
                                  int64_t now_ms, struct pke_fail *fail);

/** Does a renewal now need (and use up) the grant of an operator? */
bool policy_renewal_is_early(const struct policy_template *t, int64_t not_after, int64_t now_ms);

/**
 * A new certificate with the names of the old one: key rules and validity from the template.
 * @param req    identity and key; of its attributes only the identity map's count
 * @param names  as recorded (policy_names_record())
 * @return as policy_decide(); PKE_RENEW_INELIGIBLE: renew-identity-changed, renew-record.
 */
enum pke_err policy_renewal_decide(const struct policy_template *t, const struct policy_request *req,
                                   const struct pke_pairs *names, int64_t now, struct pke_arena *arena,
                                   struct policy_decision *ret, struct pke_fail *fail);

/** An enrollment as the ledger has it, for Recovery. */
struct policy_recovery {
    bool known; /* the device has an enrollment that was not released */
    bool blocked, granted;
    const char *owner, *owner_id, *ent_dmid;
    const char *asked_ent_dmid; /* ContextItem EmmDeviceId, NULL: absent */
    const struct policy_identity *identity;
};

/** MS-MDE2 3.6: only what exists is recovered, and only by its owner. PKE_OK, PKE_UNSUPPORTED or PKE_DENIED.
 */
enum pke_err policy_recovery_check(const struct policy_template *t, const struct policy_recovery *r,
                                   struct pke_fail *fail);

/** ContextItems that a template may ask something of; NULL: absent. */
struct policy_platform {
    const char *os_version, *os_edition, *device_type;
};

/** PKE_OK or PKE_DEVICE_UNSUPPORTED. The device says it itself: this keeps out what cannot be managed. */
enum pke_err policy_platform_check(const struct policy_template *t, const struct policy_platform *p,
                                   struct pke_fail *fail);

/** @p others: live devices that this identity has beside the one asked for. PKE_OK or PKE_QUOTA. */
enum pke_err policy_quota_check(const struct policy_template *t, unsigned others, struct pke_fail *fail);

#endif
