/* SPDX-License-Identifier: Apache-2.0 */
/** @file The placeholders of name rules. Private to policy/. */
#ifndef POLICY_PLACEHOLDER_H
#define POLICY_PLACEHOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/decide.h"

enum placeholder {
    PLACEHOLDER_PRINCIPAL,
    PLACEHOLDER_USER_ID,
    PLACEHOLDER_UPN,
    PLACEHOLDER_DNS,
    PLACEHOLDER_EMAIL,
    PLACEHOLDER_URI,
    PLACEHOLDER_SID,
    PLACEHOLDER_GUID,
    PLACEHOLDER_DEVICE_ID, /* the client's word, checked for form and owner: the only one that is */
    PLACEHOLDER_ENT_DMID,
    PLACEHOLDER__MAX,
};

/** Length of the placeholder that starts at @p s, 0 when none does; which one in *which. */
size_t placeholder_at(const char *s, enum placeholder *which);

/** Its name without braces. */
const char *placeholder_name(enum placeholder p);

/** Whose values may be several: at most one such placeholder is in a pattern. */
bool placeholder_repeats(enum placeholder p);

/**
 * Value number @p i of @p p for this request; NULL: there is none. @p strict: a UPN must be one; otherwise
 * who was named by somebody of ours goes by the principal where there is none.
 */
const char *placeholder_value(enum placeholder p, const struct policy_request *req, bool strict, size_t i);

#endif
