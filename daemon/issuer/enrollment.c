/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One key, one device, one owner; and what a template asks of the device, of its owner's other devices and of
 * an operator before a new one is enrolled.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "daemon/issuer/tenants.h"
#include "policy/renew.h"

#define MAX_OPEN_QUESTIONS 20 /* devices of one identity that wait for an operator */

/* The same questions for requests that are not in the ledger yet: two at once must not both pass. */
static enum pke_err check_in_flight(struct request *req)
{
    for (const struct request *o = req->issuer->requests; o; o = o->next) {
        if (o == req || !o->device_id || o->state == REQUEST_PREPARED || o->fail.err != PKE_OK ||
            strcmp(o->who.tenant, req->who.tenant) != 0)
            continue;
        if (memcmp(o->csr.spki_sha256, req->csr.spki_sha256, sizeof req->csr.spki_sha256) == 0)
            return pke_fail_set(&req->fail, PKE_BUSY, "csr-key-in-flight", "one request per key",
                                "another request for this key is being processed");
        if (strcasecmp(o->device_id, req->device_id) == 0 && strcmp(o->provider, req->provider) == 0)
            return pke_fail_set(&req->fail, PKE_BUSY, "device-in-flight", "one request per device",
                                "another request for this device is being processed");
    }
    return PKE_OK;
}

/* Of a renewal the identity is a record, too. */
static bool is_owner(const struct request *req, const char *principal, const char *user_id)
{
    if (req->op == OP_RENEW)
        return policy_same_owner(principal, user_id, req->identity.principal, req->identity.user_id);
    return policy_same_identity(principal, user_id, &req->identity);
}

/* BR 6.1.1.3 (4): what others may know is nobody's key, whoever had it. */
static enum pke_err check_key_compromise(struct request *req)
{
    bool compromised = false;
    struct pke_fail fail;
    enum pke_err err = ledger_key_compromised(req->issuer->ledger,
                                              PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256),
                                              &compromised, &fail);

    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    return !compromised ? PKE_OK
                        : pke_fail_set(&req->fail, PKE_KEY_WEAK, "key-compromised", "BR 6.1.1.3",
                                       "a certificate of this public key was revoked for key compromise");
}

/* mdm.md 7.2: a key that is bound to another device or user is refused. */
static enum pke_err check_key_owner(struct request *req)
{
    const char *device = NULL, *principal = NULL, *user_id = NULL;
    bool revoked = false;
    struct pke_fail fail;
    enum pke_err err = ledger_find_spki(
        req->issuer->ledger, req->who.tenant, PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256),
        req->now_ms / 1000, req->arena, &device, &principal, &user_id, &revoked, &fail);

    if (err == PKE_NOT_FOUND)
        return PKE_OK;
    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    if (revoked || strcasecmp(device ? device : "", req->device_id) != 0 ||
        !is_owner(req, principal, user_id))
        return pke_fail_set(&req->fail, PKE_CSR_BAD, "csr-key-reused", "one key per device",
                            "this public key is already certified for another device or user");
    return PKE_OK;
}

/* Who the device belongs to: also one whose last certificate is dead; nobody once it was released. */
static enum pke_err find_device(struct request *req)
{
    struct pke_fail fail;
    enum pke_err err;

    req->known = req->own = false;
    err =
        ledger_find_device(req->issuer->ledger, req->who.tenant, req->provider, req->device_id,
                           req->endpoint->template_name, req->now_ms / 1000, req->arena, &req->device, &fail);
    if (err == PKE_NOT_FOUND)
        return PKE_OK;
    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    req->known = true;
    req->own = !req->device.released_at && req->device.principal &&
               is_owner(req, req->device.principal, req->device.user_id);
    if (req->op == OP_RENEW)
        return PKE_OK;
    if (req->own && !req->who.user_id) /* a name that stands for the recorded id */
        req->who.user_id = req->identity.user_id = req->device.user_id;
    /* another user's enrollment, if the template lets it be taken over, is a new one */
    req->ent_dmid = req->own ? req->device.ent_dmid : NULL;
    return PKE_OK;
}

bool check_still_allowed(struct request *req)
{
    struct pke_fail fail;

    return policy_visible(req->tmpl->policy, &req->identity, &fail) == PKE_OK && find_device(req) == PKE_OK &&
           req->own && !req->device.blocked_at;
}

static const char *context(const struct request *req, const char *name)
{
    return pke_pairs_get(&req->msg.context, name);
}

static enum pke_err check_platform(struct request *req)
{
    struct policy_platform p = {.os_version = context(req, "OSVersion"),
                                .os_edition = context(req, "OSEdition"),
                                .device_type = context(req, "DeviceType")};

    return policy_platform_check(req->tmpl->policy, &p, &req->fail);
}

static enum pke_err check_recovery(struct request *req)
{
    const struct ledger_device *d = &req->device;
    struct policy_recovery r = {.known = req->known && d->principal && !d->released_at,
                                .blocked = d->blocked_at != 0,
                                .granted = d->recovery_until > req->now_ms,
                                .owner = d->principal,
                                .owner_id = d->user_id,
                                .ent_dmid = d->ent_dmid,
                                .asked_ent_dmid = context(req, "EmmDeviceId"),
                                .identity = &req->identity};

    req->uses_recovery = req->tmpl->policy->recovery == POLICY_RECOVERY_ON_GRANT;
    return policy_recovery_check(req->tmpl->policy, &r, &req->fail);
}

enum pke_err check_ownership(struct request *req)
{
    enum pke_err err = check_in_flight(req);

    if (err == PKE_OK)
        err = check_key_compromise(req);
    if (err == PKE_OK)
        err = check_key_owner(req);
    if (err == PKE_OK)
        err = find_device(req);
    if (err == PKE_OK)
        explain_device(req);
    if (err != PKE_OK || req->op == OP_RENEW) /* renew.c has asked about the device already */
        return err;
    if (req->known && req->device.blocked_at)
        return pke_fail_set(&req->fail, PKE_DENIED, "device-blocked", "device block",
                            "the device is blocked");
    if (req->op == OP_RECOVERY)
        err = check_recovery(req);
    return err == PKE_OK ? check_platform(req) : err;
}

/* Devices of the same owner that were admitted and are not in the ledger yet. */
static unsigned count_on_their_way(const struct request *req)
{
    unsigned n = 0;

    for (const struct request *o = req->issuer->requests; o; o = o->next)
        n += o != req && o->state == REQUEST_INTENT && o->fail.err == PKE_OK && o->device_id &&
             strcmp(o->who.tenant, req->who.tenant) == 0 && strcasecmp(o->device_id, req->device_id) != 0 &&
             policy_same_identity(o->who.principal, o->who.user_id, &req->identity);
    return n;
}

static enum pke_err check_quota(struct request *req)
{
    struct ledger_owner owner = {.tenant = req->who.tenant,
                                 .principal = req->who.principal,
                                 .user_id = req->who.user_id,
                                 .except_provider = req->provider,
                                 .except_device_id = req->device_id};
    struct pke_fail fail;
    unsigned n = 0;

    if (!req->tmpl->policy->max_devices || (req->own && req->device.live))
        return PKE_OK;
    if (ledger_count_devices(req->issuer->ledger, &owner, req->now_ms / 1000, &n, &fail) != PKE_OK) {
        req->fail = fail;
        return fail.err;
    }
    n += count_on_their_way(req);
    if (policy_quota_check(req->tmpl->policy, n, &req->fail) != PKE_OK)
        return req->fail.err;
    explain(req, PKE_TRAIL_PASSED, "devices of the identity", "template: max-devices", "ledger", "%u others",
            n);
    return PKE_OK;
}

/* Nobody may ask an operator about any number of devices. */
static enum pke_err check_open_questions(struct request *req)
{
    struct pke_fail fail;
    unsigned n = 0;

    if (ledger_admission_open(req->issuer->ledger, req->who.tenant, req->who.principal, req->who.user_id, &n,
                              &fail) != PKE_OK) {
        req->fail = fail;
        return fail.err;
    }
    return n < MAX_OPEN_QUESTIONS
               ? PKE_OK
               : pke_fail_set(&req->fail, PKE_QUOTA, "approvals-open", "template: approval",
                              "as many devices of this user as may wait for approval do so");
}

/* MDM knows no pending answer: the attempt is refused, and the next one is admitted once (mdm.md 1). */
static enum pke_err check_approval(struct request *req)
{
    struct ledger_request r = request_to_ledger(req);
    struct ledger_admission a;
    struct pke_fail fail;
    enum pke_err err;

    if (req->tmpl->policy->approval == POLICY_APPROVAL_NONE || (req->own && req->device.live_template))
        return PKE_OK;
    req->asks_operator = true;
    err = ledger_admission_find(req->issuer->ledger, &r, req->now_ms, req->arena, &a, &fail);
    if (err != PKE_OK && err != PKE_NOT_FOUND) {
        req->fail = fail;
        return err;
    }
    if (err == PKE_OK && a.usable) {
        req->admission_id = a.request_id;
        explain(req, PKE_TRAIL_PASSED, "approval", "template: approval", "ledger", "%s", a.request_id);
        return PKE_OK;
    }
    if (err == PKE_OK && strcmp(a.state, "denied") == 0 && a.expires_at > req->now_ms)
        return pke_fail_set(&req->fail, PKE_CUSTOM, "approval-denied", "template: approval", "%s",
                            req->tmpl->policy->denial_text);
    if (err == PKE_NOT_FOUND && check_open_questions(req) != PKE_OK)
        return req->fail.err;
    return pke_fail_set(&req->fail, PKE_PENDING, "approval-pending", "template: approval", "%s",
                        req->tmpl->policy->approval_text);
}

enum pke_err check_admission(struct request *req)
{
    enum pke_err err = tenant_check_quota(req);

    if (err == PKE_OK)
        err = check_quota(req);
    if (err == PKE_OK && req->op != OP_RENEW)
        err = check_approval(req);
    return err;
}
