/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Texts of the provisioning document with placeholders for what differs from request to request: "{upn}".
 * A brace that begins no placeholder is refused when the configuration is read.
 */
#ifndef DAEMON_COMMON_PATTERN_H
#define DAEMON_COMMON_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

enum pattern_value {
    PATTERN_UPN,         /* {upn}: of the authenticated identity */
    PATTERN_USER,        /* {user}: the principal */
    PATTERN_DEVICE_ID,   /* {device-id}: checked for form, belongs to the principal */
    PATTERN_DEVICE_NAME, /* {device-name}: the client's claim */
    PATTERN_ENT_DMID,    /* {ent-dmid}: made by the issuer */
    PATTERN__MAX
};

#define PATTERN_ALL ((1u << PATTERN__MAX) - 1)

/** Are all its placeholders known and in @p allowed, a set of 1 << enum pattern_value? */
bool pattern_valid(const char *pattern, unsigned allowed);

/**
 * Put the values in. NULL, to be left out of the document, for an empty result and when a value that it needs
 * is absent, empty, holds a control character, is not UTF-8 or makes it longer than @p max bytes: a name cut
 * short would be another name. The caller frees.
 */
char *pattern_expand(const char *pattern, const char *const values[PATTERN__MAX], size_t max);

#endif
