/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit, pipelined: one transaction carries the results of the signatures that were made and the
 * intents of the next ones. While the keys have requests in their queues nobody loses anything by waiting, so
 * changes are collected for a moment; as soon as a key could run dry, or when nothing is queued, they are
 * committed at the end of the turn of the event loop. Answers and signatures start only after the commit, so
 * nothing is acknowledged that a power cut could take back. doc/performance.md has the figures against a
 * commit in every turn.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/outbox.h"

#define EXIT_STORAGE       74 /* EX_IOERR: the service manager restarts, the ledger is checked again */
#define IDLE_CHECKPOINT_MS 200
#define COLLECT_US         2000

static void apply_all(struct issuer *is, struct batch_op *ops)
{
    struct pke_fail fail = {0};
    enum pke_err err = ledger_begin(is->ledger, &fail);

    for (struct batch_op *op = ops; op && err == PKE_OK; op = op->next)
        op->err = op->apply(is, op, &op->fail);
    if (err == PKE_OK)
        err = ledger_commit(is->ledger, &fail);
    if (err == PKE_OK)
        return;
    log_fail(LOG_CRIT, "group could not be made durable", &fail, NULL);
    ledger_rollback(is->ledger);
    for (struct batch_op *op = ops; op; op = op->next) {
        if (op->err == PKE_OK) {
            op->err = err;
            op->fail = fail;
        }
    }
}

/* True when the group is to be committed now; otherwise the timer is set to when it will be. */
static bool is_due(struct issuer *is)
{
    uint64_t now;
    struct timeval left;

    if (keys_queued(is) == 0)
        return true;
    now = keys_micros();
    if (!is->group_due)
        is->group_due = now + COLLECT_US;
    if (now >= is->group_due)
        return true;
    left = (struct timeval){0, (suseconds_t)(is->group_due - now)};
    event_add(is->turn_end, &left);
    return false;
}

static void run(evutil_socket_t fd, short what, void *arg)
{
    struct issuer *is = arg;
    struct batch_op *ops = is->ops;
    struct timeval idle = {0, IDLE_CHECKPOINT_MS * 1000};

    (void)fd;
    (void)what;
    if (!ops || !is_due(is))
        return;
    event_del(is->turn_end);
    is->group_due = 0;
    is->ops = NULL;
    is->ops_tail = &is->ops;
    is->in_batch = true;
    apply_all(is, ops);
    while (ops) {
        struct batch_op *next = ops->next;
        ops->done(is, ops, ops->err, &ops->fail);
        free(ops);
        ops = next;
    }
    is->in_batch = false;
    outbox_wake(is);
    if (ledger_broken(is->ledger)) {
        log_event(LOG_CRIT, "storage failed: stopping", NULL);
        chan_flush(is->role->main, 100);
        if (is->net)
            chan_flush(is->net, 1000);
        _exit(EXIT_STORAGE);
    }
    event_add(is->idle, &idle);
    issuer_check_stopped(is);
}

static void on_idle(evutil_socket_t fd, short what, void *arg)
{
    struct issuer *is = arg;
    struct pke_fail fail;

    (void)fd;
    (void)what;
    if (is->ledger && ledger_checkpoint(is->ledger, &fail) != PKE_OK)
        log_fail(LOG_WARNING, "checkpoint", &fail, NULL);
}

void batch_init(struct issuer *is)
{
    is->ops_tail = &is->ops;
    is->turn_end = event_new(is->role->base, -1, 0, run, is);
    is->idle = event_new(is->role->base, -1, 0, on_idle, is);
}

void batch_add(struct issuer *is,
               enum pke_err (*apply)(struct issuer *, struct batch_op *, struct pke_fail *),
               void (*done)(struct issuer *, struct batch_op *, enum pke_err, const struct pke_fail *),
               void *arg)
{
    struct batch_op *op = pke_calloc(1, sizeof *op);

    op->apply = apply;
    op->done = done;
    op->arg = arg;
    event_active(is->turn_end, EV_TIMEOUT, 0); /* runs after the events that are active already */
    *is->ops_tail = op;
    is->ops_tail = &op->next;
}

struct audit_arg {
    char *event, *actor, *request_id, *detail;
    int64_t at;
};

static enum pke_err apply_audit(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct audit_arg *a = op->arg;

    return ledger_audit(is->ledger, a->event, a->actor, a->request_id, a->detail, a->at, fail);
}

static void done_audit(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct audit_arg *a = op->arg;

    (void)is;
    if (err != PKE_OK)
        log_fail(LOG_ERR, "audit row lost", fail, "event", a->event, "actor", a->actor, NULL);
    free(a->event);
    free(a->actor);
    free(a->request_id);
    free(a->detail);
    free(a);
}

void batch_audit(struct issuer *is, const char *event, const char *actor, const char *request_id,
                 const char *detail)
{
    struct audit_arg *a = pke_calloc(1, sizeof *a);

    a->event = pke_strdup(event);
    a->actor = pke_strdup(actor);
    a->request_id = request_id ? pke_strdup(request_id) : NULL;
    a->detail = detail ? pke_strdup(detail) : NULL;
    a->at = role_wall_ms();
    batch_add(is, apply_audit, done_audit, a);
}
