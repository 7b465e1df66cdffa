/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's sockets and its timer on the event loop. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/net/callout_impl.h"

/* A password that is passed on lies in libcurl's buffers: whatever it gives back is wiped. */
static void wiping_free(void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *p, size_t n)
{
    size_t had = p ? malloc_usable_size(p) : 0;
    void *fresh = pke_malloc(n);

    if (p)
        memcpy(fresh, p, had < n ? had : n);
    wiping_free(p);
    return fresh;
}

void callout_loop_init(void)
{
    static bool done;

    if (!done && curl_global_init_mem(CURL_GLOBAL_DEFAULT, pke_malloc, wiping_free, wiping_realloc,
                                      pke_strdup, pke_calloc) != CURLE_OK)
        pke_oom();
    done = true;
}

/* Calls that end start others, and the last one may take its target along. */
static void collect(struct callout_target *t)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(t->multi, &left))) {
        struct callout *call = NULL;
        CURLcode result = m->data.result;

        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
            callout_attempt_ended(call, result);
    }
}

static void act(struct callout_target *t, curl_socket_t fd, int bits)
{
    int running;

    callout_target_ref(t);
    curl_multi_socket_action(t->multi, fd, bits, &running);
    collect(t);
    callout_target_unref(t);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
    struct callout_target *t = arg;
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    (void)multi;
    if (ms < 0)
        event_del(t->timer);
    else
        event_add(t->timer, &tv);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct callout_target *t = arg;
    struct event *ev = known;
    short bits = EV_PERSIST;

    (void)easy;
    if (ev)
        event_free(ev);
    ev = NULL;
    if (what != CURL_POLL_REMOVE) {
        bits |= what & CURL_POLL_IN ? EV_READ : 0;
        bits |= what & CURL_POLL_OUT ? EV_WRITE : 0;
        ev = event_new(t->owner->base, fd, bits, on_socket, t);
        if (!ev)
            pke_oom();
        event_add(ev, NULL);
    }
    curl_multi_assign(t->multi, fd, ev);
    return 0;
}

void callout_loop_open(struct callout_target *t)
{
    t->multi = curl_multi_init();
    t->timer = event_new(t->owner->base, -1, 0, on_timer, t);
    if (!t->multi || !t->timer)
        pke_oom();
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
}

void callout_loop_close(struct callout_target *t)
{
    if (t->multi)
        curl_multi_cleanup(t->multi); /* takes its sockets' events back one by one */
    if (t->timer)
        event_free(t->timer);
}
