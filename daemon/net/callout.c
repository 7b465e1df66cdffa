/* SPDX-License-Identifier: Apache-2.0 */
/* One call: its turn, its headers, its two attempts, its end. */
#include "daemon/net/callout.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config.h"
#include "daemon/common/log.h"
#include "daemon/common/role.h"
#include "daemon/net/callout_impl.h"

#define RULE           "doc/authoriser.md"
#define WAITING_MIN    16 /* as many may always wait for their turn; besides, four for each that is sent */
#define WAITING_FACTOR 4

static const char signature_header[] = "X-Pkienroll-Signature";

/* ---- the end */

static void launch(struct callout *call);

static void detach(struct callout *call)
{
    struct callout_target *t = call->target;
    struct callout **at = &t->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->easy) {
        curl_multi_remove_handle(t->multi, call->easy);
        t->in_flight--;
        t->tally->counts.in_flight--;
    } else {
        t->waiting--;
        t->tally->counts.waiting--;
    }
    event_del(call->timer);
}

/* With the last of its calls a target of an older configuration goes. */
static void release(struct callout *call)
{
    struct callout_target *t = call->target;

    if (call->easy)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    event_free(call->timer);
    pke_buf_wipe(&call->body);
    pke_buf_wipe(&call->answer);
    free(call->id);
    free(call->purpose);
    free(call->type);
    free(call);
    callout_target_unref(t);
}

static void launch_waiting(struct callout_target *t)
{
    for (struct callout *c = t->calls; c && t->in_flight < t->max_in_flight; c = c->next)
        if (!c->easy)
            launch(c);
}

static void count(struct callout *call, const struct callout_answer *answer, const struct pke_fail *fail)
{
    struct callout_counts *n = &call->target->tally->counts;
    uint64_t ms = role_monotonic_ms() - call->started;
    const struct {
        const char *reason;
        uint64_t *n;
    } ends[] = {{"callout-late", &n->late},         {"callout-down", &n->down},
                {"callout-tls", &n->tls},           {"callout-peer", &n->peer},
                {"callout-too-long", &n->too_long}, {"callout-malformed", &n->malformed}};

    n->sum_ms += ms;
    n->max_ms = ms > n->max_ms ? ms : n->max_ms;
    call->target->mean_ms = call->target->mean_ms ? (call->target->mean_ms * 7 + ms) / 8 : ms;
    if (answer && answer->status >= 200 && answer->status < 300)
        n->answered++;
    else if (answer)
        n->refused_status++;
    for (size_t i = 0; fail && i < PKE_LEN(ends); i++)
        if (strcmp(ends[i].reason, fail->reason) == 0)
            (*ends[i].n)++;
}

static void end(struct callout *call, const struct callout_answer *answer, const struct pke_fail *fail)
{
    struct callout_target *t = callout_target_ref(call->target);

    count(call, answer, fail);
    if (fail)
        log_fail(strcmp(fail->reason, "callout-peer") == 0 ? LOG_ERR : LOG_WARNING, "callout failed", fail,
                 t->tally->section, t->tally->name, "id", call->id, NULL);
    detach(call);
    call->done(answer, fail, call->arg);
    release(call);
    launch_waiting(t);
    callout_target_unref(t);
}

void callout_cancel(struct callout *call)
{
    struct callout_target *t;

    if (!call)
        return;
    t = callout_target_ref(call->target);
    detach(call);
    release(call);
    launch_waiting(t);
    callout_target_unref(t);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct pke_fail fail;

    (void)fd;
    (void)what;
    pke_fail_set(&fail, PKE_DEADLINE, "callout-late", RULE, "there was no whole answer in time");
    end(arg, NULL, &fail);
}

/* ---- what libcurl says */

static size_t too_long(struct callout *call)
{
    pke_fail_set(&call->why, PKE_BUSY, "callout-too-long", RULE, "the answer is longer than %u bytes",
                 CALLOUT_ANSWER_MAX);
    return 0; /* libcurl closes the connection */
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct callout *call = arg;

    return pke_buf_add(&call->answer, p, size * n) == PKE_OK ? size * n : too_long(call);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct callout *call = arg;

    (void)p;
    call->header_bytes += size * n;
    return call->header_bytes <= CALLOUT_HEADER_MAX ? size * n : too_long(call);
}

/* Of a unix socket kept, to ask the kernel who is at its other end; each call has a connection of its own. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct callout *call = arg;

    (void)purpose;
    call->fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    return call->fd;
}

/* Connected, and nothing of the request sent. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct callout *call = arg;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    return callout_peer_known(call->target, call->fd, &call->why) ? CURL_PREREQFUNC_OK
                                                                  : CURL_PREREQFUNC_ABORT;
}

static bool is_of_tls(CURLcode result)
{
    switch (result) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return true;
    default:
        return false;
    }
}

/* The connection, not what came over it. A handshake may break off as well. */
static bool is_of_connection(CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK: /* a unix socket whose queue was full is not connected after all */
        return true;
    default:
        return false;
    }
}

static void end_failed(struct callout *call, CURLcode result)
{
    struct pke_fail fail = call->why;
    const char *text = call->error[0] ? call->error : curl_easy_strerror(result);

    if (fail.err == PKE_OK && is_of_tls(result))
        pke_fail_set(&fail, PKE_BUSY, "callout-tls", RULE, "%s", text);
    else if (fail.err == PKE_OK && is_of_connection(result))
        pke_fail_set(&fail, PKE_BUSY, "callout-down", RULE, "%s", text);
    else if (fail.err == PKE_OK)
        pke_fail_set(&fail, PKE_BUSY, "callout-malformed", RULE, "%s", text);
    end(call, NULL, &fail);
}

/* "application/json; charset=utf-8" -> "application/json" */
static void media_type(CURL *easy, char *out, size_t size)
{
    const char *type = NULL;
    size_t n = 0;

    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
        for (; n + 1 < size && type[n] && !strchr("; \t", type[n]); n++)
            out[n] = (char)tolower((unsigned char)type[n]);
    out[n] = '\0';
}

static void end_answered(struct callout *call, unsigned status)
{
    char type[128];
    struct curl_header *h = NULL;
    struct callout_answer a = {
        .status = status,
        .body = pke_buf_bytes(&call->answer),
        .type = type,
        .peer_checked = call->target->unix_path && call->target->uids.n > 0,
    };
    struct pke_fail fail;
    curl_off_t after = 0;

    media_type(call->easy, type, sizeof type);
    if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
        a.retry_after_s = (uint64_t)after;
    /* of the header only: a trailer is no place for what was known before the body */
    if (curl_easy_header(call->easy, signature_header, 0, CURLH_HEADER, -1, &h) == CURLHE_OK) {
        if (h->amount > 1) {
            pke_fail_set(&fail, PKE_BUSY, "callout-malformed", RULE, "more than one %s", signature_header);
            end(call, NULL, &fail);
            return;
        }
        a.signature = h->value;
    }
    end(call, &a, NULL);
}

static void try_again(struct callout *call)
{
    struct callout_target *t = call->target;

    call->second = true;
    t->tally->counts.retries++;
    curl_multi_remove_handle(t->multi, call->easy);
    pke_buf_clear(&call->answer);
    call->header_bytes = 0;
    call->error[0] = '\0';
    if (curl_multi_add_handle(t->multi, call->easy) != CURLM_OK)
        pke_oom();
}

void callout_attempt_ended(struct callout *call, CURLcode result)
{
    long status = 0;

    if (result == CURLE_OK)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!call->second && call->why.err == PKE_OK &&
        (result == CURLE_OK ? status >= 502 && status <= 504 : is_of_connection(result)))
        try_again(call);
    else if (result == CURLE_OK)
        end_answered(call, (unsigned)status);
    else
        end_failed(call, result);
}

/* ---- the beginning */

static void add_header(struct callout *call, const char *name, const char *value)
{
    PKE_CLEANUP(pke_free_p) char *line = pke_asprintf("%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(call->headers, line);

    if (!more)
        pke_oom();
    call->headers = more;
}

static void sign(const struct callout *call, const char *timestamp, char out[3 + 2 * 32 + 1])
{
    struct pke_bytes key = pke_secret_bytes(call->target->secret);
    struct pke_buf text;
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    pke_buf_init(&text, call->body.n + 1024);
    pke_buf_printf(&text, "pkienroll-%s-v1\n%s\n%s\n", call->purpose, call->id, timestamp);
    pke_buf_add_bytes(&text, pke_buf_bytes(&call->body));
    if (text.overflow || !HMAC(EVP_sha256(), key.p, (int)key.n, text.p, text.n, mac, &n) || n != 32)
        abort();
    pke_buf_wipe(&text);
    strcpy(out, "v1=");
    for (unsigned i = 0; i < n; i++)
        sprintf(out + 3 + 2 * i, "%02x", mac[i]);
}

static void make_headers(struct callout *call)
{
    char timestamp[24], signature[3 + 2 * 32 + 1];

    snprintf(timestamp, sizeof timestamp, "%lld", (long long)(role_wall_ms() / 1000));
    add_header(call, "Content-Type", call->type);
    add_header(call, "X-Pkienroll-Id", call->id);
    add_header(call, "X-Pkienroll-Timestamp", timestamp);
    if (call->target->secret) {
        sign(call, timestamp, signature);
        add_header(call, signature_header, signature);
    }
    add_header(call, "Expect", ""); /* no 100-continue: that is a second deadline of somebody else's */
}

static void set_limits(CURL *e, const struct callout_target *t)
{
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, t->unix_path ? "http,https" : "https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not that of the environment */
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_CAINFO, NULL); /* the store of callout_tls_apply() */
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, callout_tls_apply);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, (void *)t);
    /* A connection of its own for each call: what a receiver says too much, or too late, is nobody's answer
     */
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT,
                     1L); /* a cancelled call does not wait for the resolver's thread */
}

static void set_call(CURL *e, struct callout *call)
{
    curl_easy_setopt(e, CURLOPT_URL, call->target->url);
    if (call->target->unix_path)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, call->target->unix_path);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "pkienrolld/" PACKAGE_VERSION);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body.n ? (char *)call->body.p : "");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
}

/* libcurl begins with its timer, so nothing ends in here. */
static void launch(struct callout *call)
{
    struct callout_target *t = call->target;

    call->easy = curl_easy_init();
    if (!call->easy)
        pke_oom();
    make_headers(call);
    set_limits(call->easy, t);
    set_call(call->easy, call);
    if (curl_multi_add_handle(t->multi, call->easy) != CURLM_OK)
        pke_oom();
    t->waiting--;
    t->tally->counts.waiting--;
    t->in_flight++;
    t->tally->counts.in_flight++;
}

/* Would its turn come too late, at the pace of those before it? */
static bool is_queue_full(const struct callout_target *t, uint64_t left)
{
    if (t->in_flight < t->max_in_flight)
        return false;
    return t->waiting >= WAITING_MIN + WAITING_FACTOR * t->max_in_flight ||
           (t->waiting / t->max_in_flight + 1) * t->mean_ms >= left;
}

static void enqueue(struct callout *call)
{
    struct callout **at = &call->target->calls;
    uint64_t left = call->deadline - call->started;
    struct timeval tv = {(time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)};

    while (*at)
        at = &(*at)->next;
    *at = call;
    call->target->waiting++;
    call->target->tally->counts.waiting++;
    call->timer = event_new(call->target->owner->base, -1, 0, on_deadline, call);
    if (!call->timer)
        pke_oom();
    event_add(call->timer, &tv);
}

struct callout *callout_start(struct callouts *c, const struct callout_request *req, callout_done_fn *done,
                              void *arg, struct pke_fail *fail)
{
    struct callout_target *t = req->target;
    uint64_t now = role_monotonic_ms(), deadline = now + t->timeout;
    struct callout *call;

    (void)c; /* the target knows it */
    deadline = req->deadline < deadline ? req->deadline : deadline;
    if (deadline <= now) {
        t->tally->counts.late++;
        pke_fail_set(fail, PKE_DEADLINE, "callout-late", RULE, "there is no time left to ask");
        return NULL;
    }
    if (is_queue_full(t, deadline - now)) {
        t->tally->counts.queue++;
        pke_fail_set(fail, PKE_BUSY, "callout-queue", RULE, "%zu questions are waiting before this one",
                     t->waiting);
        return NULL;
    }
    call = pke_calloc(1, sizeof *call);
    *call = (struct callout){.target = callout_target_ref(t), .done = done, .arg = arg};
    call->started = now;
    call->deadline = deadline;
    call->id = pke_strdup(req->id);
    call->purpose = pke_strdup(req->purpose);
    call->type = pke_strdup(req->type ? req->type : "application/json");
    pke_buf_init(&call->body, req->body.n + 1);
    pke_buf_add_bytes(&call->body, req->body);
    pke_buf_init(&call->answer, CALLOUT_ANSWER_MAX);
    enqueue(call);
    launch_waiting(t);
    return call;
}
