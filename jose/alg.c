/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/alg.h"

#include <string.h>

static const char *const names[JOSE_ALG__MAX] = {[JOSE_RS256] = "RS256",
                                                 [JOSE_PS256] = "PS256",
                                                 [JOSE_ES256] = "ES256",
                                                 [JOSE_ES384] = "ES384",
                                                 [JOSE_EDDSA] = "EdDSA"};

const char *jose_alg_name(enum jose_alg alg)
{
    return (unsigned)alg < JOSE_ALG__MAX ? names[alg] : "?";
}

bool jose_alg_from_name(const char *name, enum jose_alg *ret)
{
    for (int i = 0; i < JOSE_ALG__MAX; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum jose_alg)i;
            return true;
        }
    }
    return false;
}
