/* SPDX-License-Identifier: Apache-2.0 */
/** @file JSON as text, without memory of the JSON library in between: it may hold a credential. */
#ifndef DAEMON_AUTH_JSONOUT_H
#define DAEMON_AUTH_JSONOUT_H

#include <jansson.h>

#include "base/bytes.h"

/** Append @p value, compact; what does not fit sets out->overflow. */
void auth_json_write(const json_t *value, struct pke_buf *out);

#endif
