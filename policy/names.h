/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The names of a certificate: rules of a template over attributes of the identity. Pure functions.
 *
 * A rule of a subject is "TYPE=PATTERN", one of an alternative name "KIND:PATTERN", or "KIND?:PATTERN" when
 * it is left out for an identity that lacks what it needs. A pattern is literal text with placeholders:
 * {principal} {user-id} {upn} {dns} {email} {uri} {sid} {guid} {device-id} {ent-dmid}. Of an attribute with
 * several values one name is made per value.
 */
#ifndef POLICY_NAMES_H
#define POLICY_NAMES_H

#include "policy/decide.h"

#define POLICY_NAMES_MAX 64 /* of one certificate, in each of both lists */

struct policy_name_rule {
    const char *kind; /* PKE_RDN_*, PKE_SAN_* or POLICY_SAN_SID_URI; static */
    bool optional;
    const char *pattern; /* in the text that was read */
};

/** A SAN rule whose values become PKE_SAN_URI: PKE_SID_URI_PREFIX and the SID. */
#define POLICY_SAN_SID_URI "sid-uri"

/** Read a rule. PKE_CONFIG with a text that goes behind the option's name ("... is no TYPE=PATTERN"). */
enum pke_err policy_subject_rule(const char *text, struct policy_name_rule *ret, struct pke_fail *fail);
enum pke_err policy_san_rule(const char *text, struct policy_name_rule *ret, struct pke_fail *fail);

/**
 * The rules of subject-full, subject-device, san and from-csr: readable, one CN in each subject, known
 * placeholders, nothing that the client says of itself ({device-id}) in a name that gives rights (A30).
 * @return PKE_OK, or PKE_CONFIG with a text that names the option.
 */
enum pke_err policy_name_rules_check(const struct policy_template *t, struct pke_fail *fail);

/**
 * Subject, alternative names and SID of @p req into @p d, in @p arena. @p subject is the template's list for
 * this kind of enrollment.
 * @return PKE_OK; PKE_POLICY: subject-value, san-value (the identity lacks what a rule needs, or its value is
 * none of that kind), sid-missing (template: sid-extension), names-limit.
 */
enum pke_err policy_names_decide(const struct policy_template *t, const struct pke_strings *subject,
                                 const struct policy_request *req, struct pke_arena *arena,
                                 struct policy_decision *d, struct pke_fail *fail);

/** Is it a kind of a subject? */
bool policy_name_is_rdn(const char *kind);

/**
 * Of a renewal: the alternative names and the SID that were recorded, against what the identity map has of
 * their kinds today. A name that a rule makes of something else (a literal, the device) stays.
 * @return PKE_OK or PKE_RENEW_INELIGIBLE (renew-identity-changed).
 */
enum pke_err policy_names_unchanged(const struct policy_template *t, const struct policy_request *req,
                                    const struct pke_pairs *recorded, struct pke_arena *arena,
                                    struct pke_fail *fail);

/** A URI that stands for an account, in any letter case. */
bool policy_is_sid_uri(const char *uri);

/** May @p value stand in a certificate as a name of this kind (PKE_RDN_*, PKE_SAN_*, PKE_NAME_SID)? */
bool policy_name_valid(const char *kind, const char *value);

/** Are two values of a kind the same name? Letter case counts in none but dns, email, upn and guid. */
bool policy_name_same(const char *kind, const char *a, const char *b);

/** Has @p list this name? */
bool policy_names_have(const struct pke_pairs *list, const char *kind, const char *value);

/** All names of @p d as one list, to be recorded: subject, SAN, PKE_NAME_SID. */
struct pke_pairs policy_names_record(const struct policy_decision *d, struct pke_arena *arena);

/** And back. Kinds that are not known are refused: PKE_RENEW_INELIGIBLE (renew-record). */
enum pke_err policy_names_recorded(const struct pke_pairs *names, struct pke_arena *arena,
                                   struct policy_decision *d, struct pke_fail *fail);

#endif
