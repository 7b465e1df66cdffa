/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients: N keep-alive TLS connections, each with one request at a time (a closed loop). The clock
 * starts when every connection is up, so that no handshake is in the figures. Every answer is looked at:
 * status 200, our MessageID in RelatesTo, and the element that only a success has.
 */
#include "config.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "bench/bench.h"

#define HEAD_MAX    16384
#define MESSAGE_MAX 131072
#define TIMEOUT_S   60

struct load {
    const struct bench_options *o;
    const char *password;
    struct bench_csr *csrs; /* NULL: GetPolicies */
    struct event_base *base;
    struct client *clients;
    unsigned connected, open;
    size_t sent, right, wrong;
    uint64_t started, ended;
    uint32_t *latencies; /* microseconds, by request */
    char why[512];       /* the first wrong answer */
};

struct client {
    struct load *load;
    struct bufferevent *bev;
    bool up;
    size_t request;
    uint64_t at;
};

static uint64_t micros(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void stop(struct client *c)
{
    struct load *l = c->load;

    if (c->bev) {
        bufferevent_free(c->bev);
        c->bev = NULL;
        if (--l->open == 0)
            event_base_loopbreak(l->base);
    }
}

static void give_up(struct client *c, const char *why)
{
    if (!c->load->why[0])
        snprintf(c->load->why, sizeof c->load->why, "%s", why);
    c->load->wrong++;
    stop(c);
}

static void send_next(struct client *c)
{
    struct load *l = c->load;
    struct pke_buf message;

    if (l->sent == l->o->count) {
        stop(c);
        return;
    }
    c->request = l->sent++;
    pke_buf_init(&message, MESSAGE_MAX);
    bench_message(l->o, l->password, l->csrs ? &l->csrs[c->request] : NULL, c->request, &message);
    c->at = micros();
    bufferevent_write(c->bev, message.p, message.n);
    pke_buf_done(&message);
}

static bool is_right(const struct client *c, const char *answer, size_t head)
{
    char id[46];

    bench_message_id(c->request, id);
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && strstr(answer + head, id) &&
           strstr(answer + head, c->load->csrs ? "RequestedSecurityToken" : "GetPoliciesResponse");
}

static void take_answer(struct client *c, size_t head, size_t body)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct load *l = c->load;
    char *answer = pke_malloc(head + body + 1);

    evbuffer_remove(in, answer, head + body);
    answer[head + body] = '\0';
    l->ended = micros();
    l->latencies[c->request] = (uint32_t)(l->ended - c->at);
    if (is_right(c, answer, head)) {
        l->right++;
        send_next(c);
    } else {
        give_up(c, answer);
    }
    free(answer);
}

/* Our own daemon's answers: always Content-Length, never chunked. */
static void on_read(struct bufferevent *bev, void *arg)
{
    struct client *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    size_t head = end.pos < 0 ? 0 : (size_t)end.pos + 4, body;
    const char *text, *length;

    if (!head)
        return;
    if (head > HEAD_MAX) {
        give_up(c, "the head of the answer is too long");
        return;
    }
    text = (const char *)evbuffer_pullup(in, (ssize_t)head);
    length = memmem(text, head, "\r\nContent-Length: ", 18);
    if (!length) {
        give_up(c, "the answer has no Content-Length");
        return;
    }
    body = strtoul(length + 18, NULL, 10);
    if (evbuffer_get_length(in) >= head + body)
        take_answer(c, head, body);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct client *c = arg;
    struct load *l = c->load;
    int on = 1;

    if (!(what & BEV_EVENT_CONNECTED)) {
        give_up(c, what & BEV_EVENT_TIMEOUT ? "no answer in time" : "the connection was lost");
        return;
    }
    setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->up = true;
    if (++l->connected < l->o->connections)
        return;
    l->started = micros();
    for (unsigned i = 0; i < l->o->connections; i++)
        if (l->clients[i].bev)
            send_next(&l->clients[i]);
}

static bool connect_all(struct load *l, SSL_CTX *ctx)
{
    static const struct timeval timeout = {TIMEOUT_S, 0};
    struct sockaddr_storage sa;
    int n = sizeof sa;

    if (evutil_parse_sockaddr_port(l->o->address, (struct sockaddr *)&sa, &n) != 0)
        return false;
    for (unsigned i = 0; i < l->o->connections; i++) {
        struct client *c = &l->clients[i];
        SSL *ssl = SSL_new(ctx);

        c->load = l;
        c->bev = bufferevent_openssl_socket_new(l->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                                BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
        if (!c->bev)
            pke_oom();
        l->open++;
        bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
        bufferevent_set_timeouts(c->bev, &timeout, &timeout);
        bufferevent_enable(c->bev, EV_READ | EV_WRITE);
        bufferevent_socket_connect(c->bev, (struct sockaddr *)&sa, n);
    }
    return true;
}

static void add_string(const char *text)
{
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        printf(*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\' ? "\\u%04x" : "%c", *p);
    putchar('"');
}

static int report(const struct load *l)
{
    bool ok = l->right == l->o->count;

    printf("{\"connections\":%u,\"requests\":%zu,\"right\":%zu,\"wrong\":%zu,\"elapsed_us\":%llu,\"why\":",
           l->o->connections, l->o->count, l->right, l->wrong,
           (unsigned long long)(l->ended > l->started ? l->ended - l->started : 0));
    add_string(l->why);
    printf(",\"latencies_us\":[");
    for (size_t i = 0; ok && i < l->o->count; i++)
        printf("%s%u", i ? "," : "", l->latencies[i]);
    printf("]}\n");
    return ok ? 0 : 1;
}

static int run(struct load *l)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int status = 1;

    l->base = event_base_new();
    l->clients = pke_calloc(l->o->connections, sizeof *l->clients);
    l->latencies = pke_calloc(l->o->count, sizeof *l->latencies);
    if (ctx && SSL_CTX_load_verify_locations(ctx, l->o->ca_file, NULL) == 1) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        if (connect_all(l, ctx)) {
            event_base_dispatch(l->base);
            status = report(l);
        }
    } else {
        fprintf(stderr, "pkienroll-bench: %s: no certificates\n", l->o->ca_file);
    }
    free(l->clients);
    free(l->latencies);
    event_base_free(l->base);
    SSL_CTX_free(ctx);
    return status;
}

int bench_load(const struct bench_options *o)
{
    struct load l = {.o = o};
    struct pke_buf file, password;
    struct pke_fail fail = {0};
    enum pke_err err;
    int status = 1;

    signal(SIGPIPE, SIG_IGN);
    pke_buf_init(&file, BENCH_MAX_FILE);
    pke_buf_init(&password, 1024);
    err = bench_read_file(o->password_file, &password, &fail);
    if (err == PKE_OK && o->mode == BENCH_ENROLL)
        err = bench_pool_read(o, &file, &l.csrs, &fail);
    if (err == PKE_OK) {
        char *text = (char *)(uintptr_t)pke_buf_cstr(&password);
        text[strcspn(text, "\r\n")] = '\0';
        l.password = text;
        status = run(&l);
    } else {
        fprintf(stderr, "pkienroll-bench: %s\n", fail.text);
    }
    free(l.csrs);
    pke_buf_wipe(&password);
    pke_buf_done(&file);
    return status;
}
