/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/events.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/net/callout.h"
#include "daemon/net/snapshot.h"

#define TELL_MS 10000

/* One delivery; which one, so that the issuer finds it again. */
struct delivery {
    struct net *net;
    char *sink;
    uint64_t seq;
};

static void delivery_free(struct delivery *d)
{
    free(d->sink);
    free(d);
}

/* Whatever became of it: the issuer has it in its books, or sends it again. */
static void on_told(const struct ipc_frame *f, const struct pke_fail *fail, void *arg)
{
    (void)f;
    (void)fail;
    (void)arg;
}

/* The issuer that sent it may be gone: the next one begins where that one's books end. */
static void tell(struct net *net, const struct msg_event_done *m)
{
    uint64_t now = role_monotonic_ms();
    struct link_question q = {ROLE_ISSUER, MSG_EVENT_DONE, msg_event_done_fields, m, now, now + TELL_MS};
    struct pke_fail fail;

    if (!links_ask(net->links, &q, on_told, NULL, &fail))
        log_fail(LOG_INFO, "end of a delivery not told", &fail, "sink", m->sink, NULL);
}

static void on_answered(const struct callout_answer *answer, const struct pke_fail *fail, void *arg)
{
    struct delivery *d = arg;
    struct msg_event_done m = {.sink = d->sink, .seq = d->seq};

    if (answer) {
        m.status = answer->status;
        m.retry_after_s = answer->retry_after_s;
    } else {
        m.fail = *fail;
    }
    tell(d->net, &m);
    delivery_free(d);
}

static void deliver(struct net *net, const struct msg_event *e)
{
    const struct conf_sink *conf = net->snap ? conf_find_sink(net->snap->conf, e->sink) : NULL;
    struct msg_event_done m = {.sink = e->sink, .seq = e->seq};
    struct callout_request req = {.purpose = "event", .id = e->id, .body = e->body};
    struct delivery *d;

    if (!conf) { /* the other half of a configuration switch is under way */
        pke_fail_set(&m.fail, PKE_BUSY, "sink-unknown", "pkienrolld.conf event-sinks",
                     "there is no such sink yet");
        tell(net, &m);
        return;
    }
    req.target = snapshot_sink(net->snap, e->sink);
    req.deadline = role_monotonic_ms() + (uint64_t)conf->timeout;
    d = pke_calloc(1, sizeof *d);
    *d = (struct delivery){net, pke_strdup(e->sink), e->seq};
    if (callout_start(net->calls, &req, on_answered, d, &m.fail))
        return;
    delivery_free(d);
    tell(net, &m);
}

void event_deliver(struct net *net, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_event m;
    struct pke_fail fail;

    if (ipc_record_read(msg_event_fields, f->payload, arena, &m, sizeof m, &fail) != PKE_OK)
        log_fail(LOG_ERR, "event refused", &fail, NULL);
    else if (!net->stopping)
        deliver(net, &m);
    pke_arena_free(arena);
}
