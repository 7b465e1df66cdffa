/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/confirmation.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "jose/json.h"

#define RULE   "RFC 7800 3.1 cnf"
#define MEMBER "spki#S256"
#define SHA256 32

enum pke_err confirmation_read(const json_t *claims, bool required, char ret[CONFIRMATION_HEX],
                               struct pke_fail *fail)
{
    const json_t *cnf = json_object_get(claims, "cnf");
    const char *text = json_string_value(json_object_get(cnf, MEMBER));
    PKE_CLEANUP(pke_buf_done) struct pke_buf hash = {0};

    *ret = '\0';
    if (!cnf)
        return required ? pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-cnf",
                                       "token-issuers require-key-binding", "the token is bound to no key")
                        : PKE_OK;
    pke_buf_init(&hash, SHA256);
    if (json_object_size(cnf) != 1 || !text || !jose_base64url(pke_bytes_str(text), &hash) ||
        hash.n != SHA256)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "token-cnf", RULE,
                            "the token is bound to something else than the key of a CSR");
    pke_hex(pke_buf_bytes(&hash), false, ret);
    return PKE_OK;
}
