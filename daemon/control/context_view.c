/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/context_view.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/control/json.h"
#include "proto/context_item.h"

#define SHOWN_MAX     256 /* bytes of a value that is shown as it is */
#define DIGEST_SHOWN  8   /* bytes of its SHA-256 */
#define RECORDED_HASH 71

static char *digest_text(const char *value)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_SHOWN + 1];

    if (EVP_Digest(value, strlen(value), hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    pke_hex(PKE_BYTES(hash, DIGEST_SHOWN), false, hex);
    return pke_asprintf("%zu bytes, SHA-256 %s", strlen(value), hex);
}

/* Without C0, DEL and C1 (U+0080 to U+009F in UTF-8). */
static char *without_controls(const char *value)
{
    char *out = pke_strdup(value), *to = out;

    for (const char *s = value; *s; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

        if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            s++;
        else if (c >= 0x20 && c != 0x7f)
            *to++ = *s;
    }
    *to = '\0';
    return out;
}

/* Of attestation evidence the record has a hash instead of the value ("sha256:" and 64 digits). */
static bool is_recorded_hash(const struct context_item *item, const char *value)
{
    return item && item->type == CONTEXT_BASE64 && strncmp(value, "sha256:", 7) == 0 &&
           strlen(value) == RECORDED_HASH && strspn(value + 7, "0123456789abcdef") == RECORDED_HASH - 7;
}

static json_t *view_item(const struct pke_pair *pair)
{
    const struct context_item *item = context_item_find(pair->name);
    bool hash = is_recorded_hash(item, pair->value);
    bool digest = !hash && ((item && item->guarded && *pair->value) || strlen(pair->value) > SHOWN_MAX);
    PKE_CLEANUP(pke_free_p) char *name = without_controls(pair->name);
    PKE_CLEANUP(pke_free_p) char *value = digest ? digest_text(pair->value) : without_controls(pair->value);
    json_t *o = json_object();

    control_put(o, "name", name);
    control_put(o, "type", item ? context_type_name(item->type) : NULL);
    json_object_set_new(
        o, "fits", item && !hash ? json_boolean(context_value_fits(item->type, pair->value)) : json_null());
    json_object_set_new(o, "digest", json_boolean(digest || hash));
    control_put(o, "value", value);
    return o;
}

json_t *context_view(const struct pke_pairs *items)
{
    json_t *array = json_array();

    for (size_t i = 0; i < items->n; i++)
        json_array_append_new(array, view_item(&items->v[i]));
    return array;
}
