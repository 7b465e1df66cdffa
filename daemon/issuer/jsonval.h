/* SPDX-License-Identifier: Apache-2.0 */
/** @file JSON values of what the issuer knows, for what programs of the administrator read. One owner each.
 */
#ifndef DAEMON_ISSUER_JSONVAL_H
#define DAEMON_ISSUER_JSONVAL_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/list.h"

/** null for NULL, and for what is no UTF-8. */
json_t *jsonval_text(const char *s);
/** null for NULL and for "". */
json_t *jsonval_filled(const char *s);
json_t *jsonval_hex(struct pke_bytes b);
json_t *jsonval_base64(struct pke_bytes b);
json_t *jsonval_sha256(struct pke_bytes b);
/** [{name: NAME, value: VALUE}]: a list, because a name may repeat and the order counts. */
json_t *jsonval_pairs(const struct pke_pairs *list, const char *name, const char *value);
/** The time in RFC 3339; null for 0. */
json_t *jsonval_seconds(int64_t seconds);
json_t *jsonval_ms(int64_t ms);

#endif
