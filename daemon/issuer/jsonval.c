/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/jsonval.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"

/* Text of a client may be no UTF-8: then it is left out rather than changed. */
json_t *jsonval_text(const char *s)
{
    json_t *value = s ? json_string(s) : NULL;

    return value ? value : json_null();
}

json_t *jsonval_filled(const char *s)
{
    return jsonval_text(s && *s ? s : NULL);
}

json_t *jsonval_hex(struct pke_bytes b)
{
    char *out = pke_calloc(1, 2 * b.n + 1);
    json_t *value;

    pke_hex(b, false, out);
    value = json_string(out);
    free(out);
    return value;
}

json_t *jsonval_base64(struct pke_bytes b)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf out = {0};

    pke_buf_init(&out, b.n * 2 + 8);
    (void)pke_base64_encode(b, 0, &out);
    return json_stringn((const char *)out.p, out.n);
}

json_t *jsonval_sha256(struct pke_bytes b)
{
    uint8_t hash[32];

    if (EVP_Digest(b.p, b.n, hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    return jsonval_hex(PKE_BYTES(hash, sizeof hash));
}

json_t *jsonval_pairs(const struct pke_pairs *list, const char *name, const char *value)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(array, json_pack("{s:o, s:o}", name, jsonval_text(list->v[i].name), value,
                                               jsonval_text(list->v[i].value)));
    return array;
}

json_t *jsonval_seconds(int64_t seconds)
{
    char out[PKE_RFC3339_SIZE];

    if (!seconds)
        return json_null();
    pke_time_rfc3339(seconds, out);
    return json_string(out);
}

json_t *jsonval_ms(int64_t ms)
{
    char out[PKE_RFC3339_SIZE];

    if (!ms)
        return json_null();
    pke_time_rfc3339_ms(ms, out);
    return json_string(out);
}
