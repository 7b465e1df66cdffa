/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "policy/names.h"
#include "policy/renew.h"
#include "policy/text.h"

#define RULE_IDENTITY "template: allow"
#define RULE_CONTEXT  "MS-MDE2 3.4.4.1.1.1.1"
#define TIME_MAX      253402300799 /* 9999-12-31T23:59:59Z: RFC 5280 4.1.2.5 */

bool policy_match_principal(const char *pattern, const char *principal)
{
    const char *at;

    if (!principal || !*principal || !pattern)
        return false;
    if (strcmp(pattern, "*") == 0)
        return true;
    if (strncmp(pattern, "*@", 2) != 0)
        return policy_text_same(pattern, principal);
    /* the domain begins at the first "@": "eve@other.example@corp.example" is nobody of corp.example */
    at = strchr(principal, '@');
    return at && at != principal && policy_text_same(pattern + 1, at);
}

bool policy_device_id_valid(const char *device_id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._{}-";
    size_t n = device_id ? strlen(device_id) : 0;

    return n >= 1 && n <= 64 && strspn(device_id, allowed) == n;
}

bool policy_common_name_valid(const char *name)
{
    return policy_name_valid(PKE_RDN_CN, name);
}

bool policy_same_owner(const char *principal, const char *user_id, const char *other, const char *other_id)
{
    if (user_id && other_id)
        return strcmp(user_id, other_id) == 0;
    return principal && other && policy_text_same(principal, other);
}

/* Who names a user of the user file, whose ids `user add` drew, vouches for him; nobody vouches for another's
 * id. */
static bool vouches_for(const struct policy_identity *identity, const char *user_id)
{
    return pke_uuid_valid(user_id) && identity->credential &&
           (strcmp(identity->credential, "one-time-token") == 0 || strcmp(identity->credential, "jwt") == 0);
}

bool policy_same_identity(const char *principal, const char *user_id, const struct policy_identity *identity)
{
    if (user_id && !identity->user_id && !vouches_for(identity, user_id))
        return false;
    return policy_same_owner(principal, user_id, identity->principal, identity->user_id);
}

static bool matches_any(const struct pke_strings *patterns, const char *principal)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (policy_match_principal(patterns->v[i], principal))
            return true;
    return false;
}

enum pke_err policy_offered(const struct policy_template *t, struct pke_fail *fail)
{
    if (t && t->enabled)
        return PKE_OK;
    return pke_fail_set(fail, PKE_TEMPLATE, "template-not-enabled", "template: enabled",
                        "the certificate template does not exist or is not enabled");
}

enum pke_err policy_visible(const struct policy_template *t, const struct policy_identity *identity,
                            struct pke_fail *fail)
{
    if (policy_offered(t, fail) != PKE_OK)
        return PKE_TEMPLATE;
    if (!identity || !identity->principal || !*identity->principal || !identity->tenant || !*identity->tenant)
        return pke_fail_set(fail, PKE_DENIED, "identity-missing", RULE_IDENTITY,
                            "there is no authenticated identity");
    if (!matches_any(&t->allow, identity->principal))
        return pke_fail_set(fail, PKE_DENIED, "principal-not-allowed", RULE_IDENTITY,
                            "the template does not allow this principal");
    if (matches_any(&t->unlicensed, identity->principal))
        return pke_fail_set(fail, PKE_LICENSE, "principal-unlicensed", "template: unlicensed",
                            "the user has no licence for device management");
    return PKE_OK;
}

/* Full or Device: sets the rules of the subject. */
static enum pke_err decide_type(const struct policy_template *t, const struct policy_request *req,
                                const struct pke_strings **subject, struct pke_fail *fail)
{
    const char *type = req->enrollment_type;
    bool full = type && strcmp(type, "Full") == 0;

    if (!full && (!type || strcmp(type, "Device") != 0))
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "enrollment-type", RULE_CONTEXT,
                            "EnrollmentType must be Full or Device");
    if (full ? !t->allow_full : !t->allow_device)
        return pke_fail_set(fail, PKE_DENIED, "enrollment-type-not-allowed",
                            full ? "template: allow-full" : "template: allow-device",
                            "the template does not allow %s enrollments", type);
    if (full && !req->identity->upn && strcmp(req->identity->credential, "entra-jwt") == 0)
        return pke_fail_set(fail, PKE_DENIED, "upn-missing", "MS-MDE2 3.4.4.1.1.1.1 EnrollmentType",
                            "a user's enrollment needs a token that names the user");
    *subject = full ? &t->subject_full : &t->subject_device;
    return PKE_OK;
}

static enum pke_err decide_device(const struct policy_template *t, const struct policy_request *req,
                                  struct pke_fail *fail)
{
    if (!policy_device_id_valid(req->device_id))
        return pke_fail_set(fail, PKE_ENROLLMENT_DATA, "device-id", RULE_CONTEXT,
                            "DeviceID must be 1 to 64 of A-Z a-z 0-9 . _ { } -");
    if (req->device_owner && t->device_conflict == POLICY_CONFLICT_REFUSE &&
        !policy_same_identity(req->device_owner, req->device_owner_id, req->identity))
        return pke_fail_set(fail, PKE_DENIED, "device-of-another", "template: device-conflict",
                            "the device has a live certificate of another principal");
    return PKE_OK;
}

static enum pke_err weak(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_KEY_WEAK, reason, rule, "%s", text);
}

static enum pke_err decide_key(const struct policy_template *t, const struct policy_key *key,
                               struct pke_fail *fail)
{
    bool rsa = strcmp(key->type, "rsa") == 0;

    if (!pke_strings_has(&t->key_types, key->type))
        return pke_fail_set(fail, PKE_KEY_WEAK, "key-type", "template: key-types",
                            "the template does not allow keys of the type %s", key->type);
    if (rsa && key->bits < t->rsa_min_bits)
        return weak(fail, "key-too-small", "template: rsa-min-bits", "the RSA key is smaller than allowed");
    if (rsa && key->bits > t->rsa_max_bits)
        return weak(fail, "key-too-large", "template: rsa-max-bits", "the RSA key is larger than allowed");
    if (key->digest && !pke_strings_has(&t->csr_digests, key->digest))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-digest", "template: csr-digests",
                            "the certificate request is signed with %s", key->digest);
    return PKE_OK;
}

static enum pke_err decide_times(const struct policy_template *t, int64_t now, struct policy_decision *ret,
                                 struct pke_fail *fail)
{
    int64_t backdate = t->backdate / 1000, validity = t->validity / 1000;

    if (now < backdate || validity <= 0 || now > TIME_MAX - validity)
        return pke_fail_set(fail, PKE_POLICY, "validity", "RFC 5280 4.1.2.5",
                            "the validity cannot be expressed in a certificate");
    ret->not_before = now - backdate;
    ret->not_after = ret->not_before + validity;
    return PKE_OK;
}

static void passed(const struct policy_request *req, const char *what, const char *rule, const char *value)
{
    pke_trail_add(req->trail, what, PKE_TRAIL_PASSED, rule, value, NULL);
}

/* Who may have what, and with which key; *subject: the rules of the subject. */
static enum pke_err decide_request(const struct policy_template *t, const struct policy_request *req,
                                   const struct pke_strings **subject, struct pke_fail *fail)
{
    enum pke_err err = policy_visible(t, req->identity, fail);

    if (err != PKE_OK)
        return err;
    passed(req, "template allows", RULE_IDENTITY, req->identity->principal);
    err = decide_type(t, req, subject, fail);
    if (err != PKE_OK)
        return err;
    passed(req, "enrollment type",
           strcmp(req->enrollment_type, "Full") ? "template: allow-device" : "template: allow-full",
           req->enrollment_type);
    err = decide_device(t, req, fail);
    if (err == PKE_OK && req->device_owner)
        passed(req, "device owner", "template: device-conflict", req->device_owner);
    if (err == PKE_OK)
        err = decide_key(t, &req->key, fail);
    if (err == PKE_OK)
        passed(req, "key rules", "template: key-types, rsa-min-bits, rsa-max-bits, csr-digests",
               req->key.type);
    return err;
}

enum pke_err policy_decide(const struct policy_template *t, const struct policy_request *req, int64_t now,
                           struct pke_arena *arena, struct policy_decision *ret, struct pke_fail *fail)
{
    struct policy_decision d = {0};
    const struct pke_strings *subject = NULL;
    enum pke_err err = decide_request(t, req, &subject, fail);

    if (err == PKE_OK)
        err = policy_names_decide(t, subject, req, arena, &d, fail);
    if (err == PKE_OK)
        err = decide_times(t, now, &d, fail);
    if (err != PKE_OK)
        return err;
    d.ekus = &t->ekus;
    *ret = d;
    return PKE_OK;
}

enum pke_err policy_renewal_decide(const struct policy_template *t, const struct policy_request *req,
                                   const struct pke_pairs *names, int64_t now, struct pke_arena *arena,
                                   struct policy_decision *ret, struct pke_fail *fail)
{
    struct policy_decision d = {.ekus = &t->ekus};
    enum pke_err err = decide_key(t, &req->key, fail);

    if (err == PKE_OK)
        err = policy_names_unchanged(t, req, names, arena, fail);
    if (err == PKE_OK)
        err = policy_names_recorded(names, arena, &d, fail);
    for (size_t i = 0; err == PKE_OK && i < names->n; i++)
        pke_trail_add(req->trail, names->v[i].name, PKE_TRAIL_TAKEN, "MS-MDE2 3.5 Renew", names->v[i].value,
                      "renewed certificate");
    if (err == PKE_OK)
        err = decide_times(t, now, &d, fail);
    if (err == PKE_OK)
        *ret = d;
    return err;
}
