/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * JSON of the control API: the error object, the mapping of error classes to HTTP, small writers.
 */
#ifndef DAEMON_CONTROL_JSON_H
#define DAEMON_CONTROL_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/list.h"
#include "ipc/verbs.h"

#define CONTROL_MAX_REPLY (2u << 20) /* bytes of one answer */

/** Make the JSON library wipe what it releases and abort when out of memory. Once, before its first use. */
void control_json_setup(void);

/** HTTP status of an error class: 400, 403, 404, 409, 503, else 500. PKE_OK is 200. */
unsigned control_status(enum pke_err err);

/** {"error": {"code", "reason", "rule", "text", "trace_id"}}. */
json_t *control_error(const struct pke_fail *fail, const char *trace_id);

/** {"items": [...], "next": cursor or null}. Takes over @p items. */
json_t *control_list(json_t *items, const char *next);

/** Set a string; null when @p s is NULL. Bytes that are no UTF-8 become '?'. */
void control_put(json_t *o, const char *name, const char *s);

/** Set a time from ms or s since 1970 UTC; null for 0. */
void control_put_ms(json_t *o, const char *name, int64_t ms);
void control_put_seconds(json_t *o, const char *name, int64_t s);

/** Set a PEM block; null when @p der is empty. */
void control_put_pem(json_t *o, const char *name, const char *label, struct pke_bytes der);

/** Canonical JSON of arguments for the audit: one object, names sorted, compact, ASCII; of a file its
 * SHA-256. Caller frees. */
char *control_detail(const struct verb *verb, const struct pke_pairs *args);

/** Append as ASCII with a newline at the end. PKE_LIMIT when it does not fit. */
enum pke_err control_write(const json_t *j, struct pke_buf *out);

static inline void control_json_free_p(json_t **j)
{
    json_decref(*j);
}

#endif
