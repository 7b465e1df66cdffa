/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One HTTP call over the control socket. Blocks, at most the time that the caller gives.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>

#include "base/bytes.h"

struct client_call {
    const char *socket;
    const char *method;
    const char *target;    /* path and query */
    struct pke_bytes body; /* empty: none */
    int64_t timeout_ms;
    bool text; /* the answer is text, unless it is an error */
};

enum client_result {
    CLIENT_ANSWERED,    /* status and json, or text, are set */
    CLIENT_UNREACHABLE, /* nobody answers: why is set */
};

struct client_answer {
    unsigned status;
    json_t *json; /* an object, NULL where text is; owned by the caller */
    char *text;   /* what is not JSON, of a call that may be answered so; owned by the caller */
    char why[256];
};

/** Make the call. Must not be given a secret in @p call but in its body. */
enum client_result client_call(const struct client_call *call, struct client_answer *ret);

#endif
