/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that were answered with a fault because their result could not be recorded: their intents stand in
 * the ledger and keep a retry of the same bytes out. They are closed as soon as the ledger takes it; a start
 * closes what is left.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/issuer/issuer.h"

#define RETRY_MS 2000

struct orphan {
    struct orphan *next;
    char *request_id;
    struct pke_fail why;
};

static void push(struct issuer *is, struct orphan *o)
{
    o->next = is->orphans;
    is->orphans = o;
    is->orphans_at = role_monotonic_ms() + RETRY_MS;
}

void orphan_add(struct issuer *is, const char *request_id, const struct pke_fail *why)
{
    struct orphan *o = pke_calloc(1, sizeof *o);

    o->request_id = pke_strdup(request_id);
    o->why = *why;
    push(is, o);
}

static enum pke_err apply(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct orphan *o = op->arg;

    return ledger_failed(is->ledger, o->request_id, &o->why, NULL, role_wall_ms(), fail);
}

static void done(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct orphan *o = op->arg;

    (void)fail; /* the group's failure is in the log */
    if (err == PKE_STORE_DOWN) {
        push(is, o);
        return;
    }
    free(o->request_id);
    free(o);
}

void orphans_close(struct issuer *is)
{
    struct orphan *o = is->orphans;

    if (!o || role_monotonic_ms() < is->orphans_at)
        return;
    is->orphans = NULL;
    while (o) {
        struct orphan *next = o->next;

        batch_add(is, apply, done, o);
        o = next;
    }
}
