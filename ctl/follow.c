/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/show.h"

#define TARGET_MAX (16u << 10)
#define HOLD_S     25 /* the daemon answers when something happens, or after that */
#define CALL_MS    45000
#define PAUSE_MS   1000

struct follower {
    const struct ctl_options *o;
    char *cursor; /* NULL: where --since says */
    bool color, lost;
    bool idle; /* the last answer was empty */
};

static void pause_a_while(void)
{
    struct timespec ts = {.tv_sec = PAUSE_MS / 1000, .tv_nsec = PAUSE_MS % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

/* False when nobody reads any more. */
static bool print_items(const struct follower *f, const json_t *items)
{
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        if (f->o->format == CTL_TEXT) {
            show_event(item, f->color, stdout);
        } else {
            json_dumpf(item, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
            fputc('\n', stdout);
        }
    }
    return fflush(stdout) == 0;
}

/* On standard error, once for each time that it goes away. */
static void tell_lost(struct follower *f, const char *why)
{
    if (!f->lost)
        fprintf(stderr, "pkienrollctl: %s; trying again\n", why);
    f->lost = true;
}

static enum client_result ask(const struct follower *f, struct client_answer *a)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf target;
    struct client_call call = {
        .socket = f->o->socket, .method = "GET", .timeout_ms = f->o->timeout_ms ? f->o->timeout_ms : CALL_MS};

    pke_buf_init(&target, TARGET_MAX);
    ctl_options_target(f->o, f->cursor, &target);
    pke_buf_printf(&target, "%chold=%ds", memchr(target.p, '?', target.n) ? '&' : '?', HOLD_S);
    call.target = pke_buf_cstr(&target);
    return client_call(&call, a);
}

/* One page. False: it ends, with *rc. */
static bool step(struct follower *f, int *rc)
{
    struct client_answer a;
    const char *position;
    bool go_on = true;

    if (ask(f, &a) == CLIENT_UNREACHABLE) {
        tell_lost(f, a.why);
    } else if (a.status >= 500) {
        tell_lost(f, "the daemon is not able to answer now");
    } else if (a.status != 200) {
        show_error(a.json, a.status, stderr);
        *rc = CTL_REFUSED;
        go_on = false;
    } else {
        f->lost = false;
        go_on = print_items(f, json_object_get(a.json, "items"));
        f->idle = json_array_size(json_object_get(a.json, "items")) == 0;
        position = json_string_value(json_object_get(a.json, "position"));
        free(f->cursor);
        f->cursor = position ? pke_strdup(position) : NULL;
    }
    json_decref(a.json);
    free(a.text);
    return go_on;
}

int follow_events(const struct ctl_options *o, bool color)
{
    struct follower f = {.o = o, .color = color};
    int rc = CTL_OK;

    if (!pke_pairs_get(&o->values, "since") && !pke_pairs_get(&o->values, "cursor"))
        f.cursor = pke_strdup("now");
    while (step(&f, &rc))
        if (f.lost || f.idle) /* empty at once: too many wait already */
            pause_a_while();
    free(f.cursor);
    return rc;
}
