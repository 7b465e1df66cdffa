/* SPDX-License-Identifier: Apache-2.0 */
/* pkienrollctl: administration of pkienrolld over its control socket. */
#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config.h"
#include "ctl/client.h"
#include "ctl/follow.h"
#include "ctl/help.h"
#include "ctl/import.h"
#include "ctl/options.h"
#include "ctl/password.h"
#include "ctl/show.h"
#include "ipc/wipealloc.h"

#define TARGET_MAX      (16u << 10)
#define BODY_MAX        (64u << 10)
#define DEFAULT_TIMEOUT 10000
#define WAIT_STEP_MS    100

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

static int64_t timeout_of(const struct ctl_options *o)
{
    int64_t least = (int64_t)o->verb->seconds * 1000 + 1000;

    if (o->timeout_ms)
        return o->timeout_ms;
    return least > DEFAULT_TIMEOUT ? least : DEFAULT_TIMEOUT;
}

/* https://no-color.org: set and not empty. */
static bool use_color(const struct ctl_options *o)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (o->color != CTL_COLOR_AUTO)
        return o->color == CTL_COLOR_ALWAYS;
    return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static int say(const struct pke_fail *fail, int code)
{
    fprintf(stderr, "pkienrollctl: %s\n", fail->text);
    return code;
}

static void print_json(const json_t *j, size_t flags)
{
    json_dumpf(j, stdout, flags | JSON_ENSURE_ASCII);
    fputc('\n', stdout);
}

static bool is_ready(const struct client_answer *a)
{
    const char *state = json_string_value(json_object_get(a->json, "state"));

    return a->status == 200 && state && !strcmp(state, "ready");
}

/* Is the answer worth another try before the wait is over? */
static bool try_again(const struct ctl_options *o, enum client_result r, const struct client_answer *a)
{
    if (r == CLIENT_UNREACHABLE || a->status == 503)
        return true;
    return o->verb->id == VERB_STATUS && a->status == 200 && !is_ready(a);
}

/* Only the connection, and the question whether it is ready, are tried again: a change is sent once. */
static enum client_result call_waiting(const struct ctl_options *o, struct client_call *call,
                                       struct client_answer *a)
{
    int64_t end = now_ms() + o->wait_ms;
    bool repeat = o->wait_ms && !strcmp(o->verb->method, "GET");

    for (;;) {
        int64_t left = end - now_ms();
        enum client_result r;
        call->timeout_ms = timeout_of(o);
        if (repeat && left < call->timeout_ms)
            call->timeout_ms = left > WAIT_STEP_MS ? left : WAIT_STEP_MS;
        r = client_call(call, a);
        if (!repeat || !try_again(o, r, a) || now_ms() + WAIT_STEP_MS >= end)
            return r;
        json_decref(a->json);
        pause_ms(WAIT_STEP_MS);
    }
}

/* Wait with a harmless question until somebody answers, before a change is sent. */
static void wait_for_daemon(const struct ctl_options *o)
{
    struct client_call ping = {.socket = o->socket, .method = "GET", .target = "/v1/version"};
    struct ctl_options probe = *o;
    struct client_answer a;

    probe.verb = &verbs[VERB_VERSION];
    call_waiting(&probe, &ping, &a);
    json_decref(a.json);
}

static void print_next_hint(const struct ctl_options *o, const json_t *next)
{
    if (o->format == CTL_TEXT && json_is_string(next))
        fprintf(stderr, "more: --cursor %s, or --all\n", json_string_value(next));
}

/* On standard error, so that a script gets the answer alone. */
static void print_once_hint(const struct ctl_options *o)
{
    if (o->format == CTL_TEXT && o->verb->id == VERB_TOKEN_MINT)
        fputs("the token is not shown again: only its hash is kept\n", stderr);
}

static void print_answer(const struct ctl_options *o, const json_t *j)
{
    const json_t *items = json_object_get(j, "items"), *item;
    size_t i;

    if (o->pem) {
        const char *pem = json_string_value(json_object_get(j, "pem"));
        fputs(pem ? pem : "", stdout);
    } else if (o->format == CTL_JSON) {
        print_json(j, JSON_INDENT(2));
    } else if (o->format == CTL_JSONL && o->verb->shape == VERB_SHAPE_LIST) {
        json_array_foreach(items, i, item) print_json(item, JSON_COMPACT);
    } else if (o->format == CTL_JSONL) {
        print_json(j, JSON_COMPACT);
    } else if (o->verb->shape == VERB_SHAPE_LIST) {
        show_list(o->verb, items, use_color(o), stdout);
    } else {
        show_object(j, use_color(o), stdout);
    }
}

/* Of a simulation. */
static int outcome(const json_t *answer)
{
    const char *result = json_string_value(json_object_get(answer, "result"));

    if (result && strcmp(result, "issue") == 0)
        return CTL_OK;
    return result && strcmp(result, "wait") == 0 ? CTL_WOULD_WAIT : CTL_WOULD_REFUSE;
}

static int refused(const struct ctl_options *o, const struct client_answer *a)
{
    if (o->format != CTL_TEXT)
        print_json(a->json, o->format == CTL_JSON ? JSON_INDENT(2) : JSON_COMPACT);
    show_error(a->json, a->status, stderr);
    return CTL_REFUSED;
}

/* What the pages of one question are together: items one after another, counts as sums. */
static void merge_page(json_t *whole, const json_t *page)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)page, key, v)
    {
        json_t *have = json_object_get(whole, key);

        if (json_is_array(have))
            json_array_extend(have, v);
        else if (json_is_integer(have) && strcmp(key, "in_flight") != 0)
            json_integer_set(have, json_integer_value(have) + json_integer_value(v));
        else
            json_object_set(whole, key, v);
    }
}

/* One page; merged into @p all when it is given. *cursor: where to go on, NULL at the end; caller frees. */
static int one_page(const struct ctl_options *o, struct pke_bytes body, json_t *all, char **cursor)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf target;
    struct client_call call = {.socket = o->socket,
                               .method = o->verb->method,
                               .body = body,
                               .text = o->verb->shape == VERB_SHAPE_TEXT};
    struct client_answer a;
    const json_t *next;
    int rc = CTL_OK;

    pke_buf_init(&target, TARGET_MAX);
    ctl_options_target(o, *cursor, &target);
    free(*cursor);
    *cursor = NULL;
    call.target = pke_buf_cstr(&target);
    if (call_waiting(o, &call, &a) == CLIENT_UNREACHABLE) {
        fprintf(stderr, "pkienrollctl: %s\n", a.why);
        return CTL_UNREACHABLE;
    }
    next = json_object_get(a.json, "next");
    if (a.status != 200) {
        rc = refused(o, &a);
    } else if (a.text) {
        fputs(a.text, stdout);
    } else if (all) {
        merge_page(all, a.json);
        *cursor = json_is_string(next) ? pke_strdup(json_string_value(next)) : NULL;
    } else {
        print_answer(o, a.json);
        print_next_hint(o, next);
        print_once_hint(o);
        if (o->wait_ms && o->verb->id == VERB_STATUS && !is_ready(&a))
            rc = CTL_REFUSED;
        if (o->verb->id == VERB_SIMULATE)
            rc = outcome(a.json);
    }
    json_decref(a.json);
    free(a.text);
    return rc;
}

static int all_pages(const struct ctl_options *o)
{
    json_t *whole = json_object();
    char *cursor = NULL;
    int rc;

    do
        rc = one_page(o, PKE_BYTES(NULL, 0), whole, &cursor);
    while (rc == CTL_OK && cursor);
    free(cursor);
    if (rc == CTL_OK)
        print_answer(o, whole);
    json_decref(whole);
    return rc;
}

static const char *body_value(const struct ctl_options *o, const char *name, const char *cursor)
{
    const char *word = pke_pairs_get(&o->args, name);

    if (cursor && !strcmp(name, "cursor"))
        return cursor;
    return word ? word : pke_pairs_get(&o->values, name);
}

/* The content of a file, or of standard input, in base64. */
static enum pke_err add_file(json_t *j, const struct verb_arg *a, const char *path, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw, text;
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "re");
    char piece[4096];
    size_t n;

    pke_buf_init(&raw, VERB_FILE_MAX);
    pke_buf_init(&text, 2 * VERB_FILE_MAX);
    if (!f)
        return pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: %s", path, strerror(errno));
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && pke_buf_add(&raw, piece, n) == PKE_OK)
        ;
    if (!standard)
        fclose(f);
    if (!raw.n || raw.overflow)
        return pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)",
                            "%s: expected a file of 1 to %u bytes", a->name, VERB_FILE_MAX);
    (void)pke_base64_encode(pke_buf_bytes(&raw), PKE_B64_STRICT, &text);
    json_object_set_new(j, a->name, json_string(pke_buf_cstr(&text)));
    return PKE_OK;
}

/* JSON as it stands, or the name of a file of it. */
static enum pke_err add_json(json_t *j, const struct verb_arg *a, const char *value, struct pke_fail *fail)
{
    json_error_t error;
    json_t *v = *value == '{' || *value == '[' ? json_loads(value, JSON_REJECT_DUPLICATES, &error)
                : strcmp(value, "-") == 0      ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
                                               : json_load_file(value, JSON_REJECT_DUPLICATES, &error);

    if (!v)
        return pke_fail_set(fail, PKE_CONFIG, "usage", "pkienrollctl(8)", "%s: %s (line %d)", a->name,
                            error.text, error.line);
    json_object_set_new(j, a->name, v);
    return PKE_OK;
}

/* {"name": ..., "password": ...}. The text is wiped by the caller, the tree by its allocator. */
static enum pke_err build_body(const struct ctl_options *o, const struct pke_secret *secret,
                               const char *cursor, struct pke_buf *out, struct pke_fail *fail)
{
    struct pke_bytes s = pke_secret_bytes(secret);
    json_t *j = json_object();
    enum pke_err err = PKE_OK;
    const char *value;
    char *text;

    for (const struct verb_arg *a = NULL; !err && (a = verb_arg_next(o->verb, a));) {
        if (a->place != VERB_PLACE_BODY)
            continue;
        if (a->type == VERB_ARG_FILE && (value = body_value(o, a->name, cursor)))
            err = add_file(j, a, value, fail);
        else if (a->type == VERB_ARG_JSON && (value = body_value(o, a->name, cursor)))
            err = add_json(j, a, value, fail);
        else if (a->type == VERB_ARG_FLAG && body_value(o, a->name, cursor))
            json_object_set_new(j, a->name, json_true());
        else if (a->type != VERB_ARG_SECRET && (value = body_value(o, a->name, cursor)))
            json_object_set_new(j, a->name, json_string(value));
        else if (a->type == VERB_ARG_SECRET && !(err = verb_arg_check(a, s, fail)))
            json_object_set_new(j, a->name, json_stringn((const char *)s.p, s.n));
    }
    if (!err && json_object_size(j)) {
        text = json_dumps(j, JSON_COMPACT);
        pke_buf_extend(out, BODY_MAX); /* no growing: it would leave copies behind */
        pke_buf_clear(out);
        err = pke_buf_add_str(out, text ? text : "{}");
        wipe_free(text);
    }
    json_decref(j);
    return err;
}

static bool has_pages(const struct verb *v)
{
    return verb_arg_find(v, VERB_PLACE_BODY, PKE_BYTES("cursor", 6)) != NULL;
}

/* A change of many things, page by page. What was done is told also when a later page is refused. */
static int all_changes(const struct ctl_options *o)
{
    json_t *whole = json_object();
    char *cursor = NULL;
    struct pke_fail fail;
    int rc;

    do {
        PKE_CLEANUP(pke_buf_done) struct pke_buf body;
        PKE_CLEANUP(pke_free_p) char *from = cursor;

        pke_buf_init(&body, BODY_MAX);
        cursor = NULL;
        if (build_body(o, NULL, from, &body, &fail) != PKE_OK)
            rc = say(&fail, CTL_USAGE);
        else
            rc = one_page(o, pke_buf_bytes(&body), whole, &cursor);
    } while (rc == CTL_OK && cursor);
    free(cursor);
    if (json_object_size(whole))
        print_answer(o, whole);
    json_decref(whole);
    return rc;
}

static bool has_secret(const struct verb *v)
{
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (a->type == VERB_ARG_SECRET)
            return true;
    return false;
}

static int run(const struct ctl_options *o)
{
    struct pke_secret *secret = NULL;
    struct pke_buf body;
    struct pke_fail fail;
    char *cursor = NULL;
    int rc;

    if (o->verb->id == VERB_CERT_IMPORT)
        return import_certificates(o);
    if (o->follow)
        return follow_events(o, use_color(o));
    if (o->all)
        return all_pages(o);
    if (has_secret(o->verb) &&
        password_get(o->token_file ? o->token_file : o->password_file, &secret, &fail) != PKE_OK)
        return say(&fail, CTL_USAGE);
    if (o->wait_ms && strcmp(o->verb->method, "GET") != 0)
        wait_for_daemon(o);
    if (has_pages(o->verb))
        return all_changes(o);
    pke_buf_init(&body, BODY_MAX);
    if (build_body(o, secret, NULL, &body, &fail) != PKE_OK)
        rc = say(&fail, CTL_USAGE);
    else
        rc = one_page(o, pke_buf_bytes(&body), NULL, &cursor);
    pke_buf_wipe(&body);
    pke_secret_free(secret);
    return rc;
}

/* Output that did not arrive is an error: a full disk must not look like success. */
static int flushed(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    perror("pkienrollctl: standard output");
    return rc ? rc : CTL_REFUSED;
}

static int act(const struct ctl_options *o)
{
    switch (o->action) {
    case CTL_HELP:
        return help_print(o->words, o->n_words, stdout) ? CTL_OK : CTL_USAGE;
    case CTL_VERSION:
        puts("pkienrollctl " PACKAGE_VERSION);
        return CTL_OK;
    case CTL_COMMANDS:
        help_commands(stdout);
        return CTL_OK;
    case CTL_RUN:
        break;
    }
    return run(o);
}

int main(int argc, char **argv)
{
    struct pke_arena *arena = pke_arena_new();
    struct ctl_options o;
    struct pke_fail fail;
    int rc;

    setlocale(LC_CTYPE, "");
    pke_secret_process();
    json_set_alloc_funcs(wipe_malloc, wipe_free);
    if (ctl_options_parse(argc, argv, getenv("PKIENROLL_CONTROL"), arena, &o, &fail) != PKE_OK) {
        say(&fail, CTL_USAGE);
        fputs("try pkienrollctl --help\n", stderr);
        rc = CTL_USAGE;
    } else {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        rc = flushed(act(&o));
        curl_global_cleanup();
    }
    pke_arena_free(arena);
    return rc;
}
