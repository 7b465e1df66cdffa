/* SPDX-License-Identifier: Apache-2.0 */
/** @file The ContextItems of a request, as people may see them. */
#ifndef DAEMON_CONTROL_CONTEXT_VIEW_H
#define DAEMON_CONTROL_CONTEXT_VIEW_H

#include <jansson.h>

#include "base/list.h"

/**
 * [{"name", "type", "fits", "digest", "value"}...] in the order of the request. type and fits are null for
 * a name that is in no document; fits says whether the value has the form of its type. Control characters are
 * left out. Of long values and of those that are not for people's eyes (EnrollmentData, attestation) the
 * value is their length and the beginning of their SHA-256, and digest is true. So it is for evidence of
 * which the record has the hash alone; whether that had its form is not known any more: fits is null.
 */
json_t *context_view(const struct pke_pairs *items);

#endif
