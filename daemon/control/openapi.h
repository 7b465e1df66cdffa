/* SPDX-License-Identifier: Apache-2.0 */
/** @file The control API as an OpenAPI 3.0 document, made from the verb table alone. */
#ifndef DAEMON_CONTROL_OPENAPI_H
#define DAEMON_CONTROL_OPENAPI_H

#include <jansson.h>

/** One owner. */
json_t *openapi_document(void);

#endif
