/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The placeholders of san-uri. Private to policy/.
 */
#ifndef POLICY_PLACEHOLDER_H
#define POLICY_PLACEHOLDER_H

#include <stddef.h>
#include <string.h>

#define PLACEHOLDER_DEVICE_ID "{device-id}"
#define PLACEHOLDER_ENT_DMID  "{ent-dmid}"

enum placeholder { PLACEHOLDER_IS_DEVICE_ID, PLACEHOLDER_IS_ENT_DMID };

/** Length of the placeholder that starts at @p s, 0 when none does; which one in *which unless NULL. */
static inline size_t placeholder_at(const char *s, enum placeholder *which)
{
    static const char *const names[] = {
        [PLACEHOLDER_IS_DEVICE_ID] = PLACEHOLDER_DEVICE_ID, [PLACEHOLDER_IS_ENT_DMID] = PLACEHOLDER_ENT_DMID};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);

        if (strncmp(s, names[i], n) == 0) {
            if (which)
                *which = (enum placeholder)i;
            return n;
        }
    }
    return 0;
}

#endif
