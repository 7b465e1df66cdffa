/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Decisions: who sees a template, who gets what certificate. Pure functions; default deny.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "base/arena.h"
#include "base/names.h"
#include "base/trail.h"
#include "policy/template.h"

/** An authenticated identity, as the verified assertion of auth carries it. Borrowed strings. */
struct policy_identity {
    const char *tenant;
    const char *principal;
    const char *user_id;    /* what stays when a name is given to somebody else; NULL: not known */
    const char *upn;        /* verified; NULL: the identity has none */
    const char *credential; /* kind: "username" */
    /* verified, typed: PKE_SAN_*, PKE_NAME_SID; what the identity map has of a kind, else the credential's. A
     * kind may repeat. NULL: none */
    const struct pke_pairs *attributes;
    const struct pke_pairs *mapped; /* what of them is the identity map's; NULL: nothing */
};

/** Facts of the key in a CSR, copied from ca/ by the issuer: policy/ does not know X.509. */
struct policy_key {
    const char *type; /* as in key-types */
    unsigned bits;
    const char *digest; /* of the CSR's signature, as in csr-digests; NULL: none that could be another */
};

/** One request as policy sees it. Borrowed strings; device_id and enrollment_type come from the client. */
struct policy_request {
    const struct policy_identity *identity;
    const char *device_id;       /* MS-MDE2 3.4.4.1.1.1.1 ContextItem DeviceID */
    const char *enrollment_type; /* "Full" or "Device" */
    const char *device_owner;    /* principal who owns this DeviceID, NULL: nobody */
    const char *device_owner_id; /* and that identity's user_id, NULL: not known */
    const char *ent_dmid;        /* EntDMID of this enrollment; NULL: none yet */
    struct policy_key key;
    const struct pke_pairs
        *asked;              /* names in the CSR, kinds as in a decision: wishes, nothing more. NULL: none */
    struct pke_trail *trail; /* NULL: not kept */
};

/** What will be certified. Strings in the arena given to policy_decide(). */
struct policy_decision {
    const char *subject_cn;        /* the common name in subject */
    struct pke_pairs subject;      /* PKE_RDN_* -> value, in order */
    struct pke_pairs san;          /* PKE_SAN_* -> value */
    const char *sid;               /* NULL: no security identifier extension */
    int64_t not_before, not_after; /* seconds; the issuer clamps not_after to the CA's */
    const struct pke_strings *ekus;
};

/** Is the template offered at all? PKE_OK; PKE_TEMPLATE when it is NULL or not enabled. */
enum pke_err policy_offered(const struct policy_template *t, struct pke_fail *fail);

/**
 * May this identity see (and ask for) the template? PKE_OK; PKE_TEMPLATE when it is NULL or not enabled;
 * PKE_DENIED when nobody allowed this principal.
 */
enum pke_err policy_visible(const struct policy_template *t, const struct policy_identity *identity,
                            struct pke_fail *fail);

/**
 * Decide one request at time @p now (seconds). Subject and SAN come from the identity and the checked
 * DeviceID only, and not_after - not_before is the template's validity exactly.
 * @return PKE_OK and *ret, or the refusal with the rule that made it: PKE_TEMPLATE; PKE_DENIED (principal,
 *         enrollment type, device of another principal); PKE_ENROLLMENT_DATA (DeviceID, EnrollmentType);
 *         PKE_KEY_WEAK (type or size of the key); PKE_CSR_BAD (SHA-1); PKE_POLICY (no usable subject).
 */
enum pke_err policy_decide(const struct policy_template *t, const struct policy_request *req, int64_t now,
                           struct pke_arena *arena, struct policy_decision *ret, struct pke_fail *fail);

/** Are two records of the same owner? By user_id where both have one, else by name. */
bool policy_same_owner(const char *principal, const char *user_id, const char *other, const char *other_id);

/**
 * Is the recorded owner this identity? By user_id; by name where the record has none (it is older than ids),
 * or where its id is one of the user file (a UUID) and a one-time token or the token of a sign-in page names
 * the user: who vouches for the name vouches for that user. Ids of other sources are matched by ids alone.
 */
bool policy_same_identity(const char *principal, const char *user_id, const struct policy_identity *identity);

/**
 * Does @p pattern match @p principal, ASCII case-insensitively? "*" matches any, "*@corp.example" those with
 * one
 * "@" and that domain, all else is exact. An empty or NULL principal matches nothing.
 */
bool policy_match_principal(const char *pattern, const char *principal);

/** DeviceID as a key and a name: 1..64 of A-Z a-z 0-9 . _ { } - (MS-MDE2 leaves it opaque; Windows sends
 * these). */
bool policy_device_id_valid(const char *device_id);

/** Usable as a common name: UTF-8, 1..64 characters, nothing invisible, no outer space. */
bool policy_common_name_valid(const char *name);

#endif
