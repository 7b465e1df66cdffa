/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * JSON as this folder reads it: one object, no member twice at any depth, no NUL, nothing behind it. Private
 * to jose/.
 */
#ifndef JOSE_JSON_H
#define JOSE_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/mem.h"

static inline void jose_json_free(json_t *j)
{
    json_decref(j);
}
PKE_DEFINE_CLEANUP(json_t, jose_json_free);

/** The object in @p text, which the caller releases; NULL when it is none. *why is a sentence's end. */
json_t *jose_json_object(struct pke_bytes text, const char **why);

/** Append what the base64url text @p encoded means. False unless it is canonical: no padding, no foreign
 * character, unused bits zero, at least one byte. */
bool jose_base64url(struct pke_bytes encoded, struct pke_buf *out);

#endif
