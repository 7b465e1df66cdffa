/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/json.h"

#include <string.h>

#include "base/encode.h"

json_t *jose_json_object(struct pke_bytes text, const char **why)
{
    json_error_t error;
    json_t *j = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &error);

    if (!j) {
        bool doubled = json_error_code(&error) == json_error_duplicate_key;

        *why = doubled ? "holds a member twice" : "is not JSON";
        return NULL;
    }
    if (json_is_object(j))
        return j;
    json_decref(j);
    *why = "is not a JSON object";
    return NULL;
}

bool jose_base64url(struct pke_bytes encoded, struct pke_buf *out)
{
    return encoded.n > 0 && pke_base64_decode(encoded, PKE_B64_URL, out) == PKE_OK;
}
