/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/control/json.h"
#include "ipc/wipealloc.h"

#define RULE      "control API: requests"
#define MAX_VALUE 2048 /* decoded bytes of one argument; the types are stricter */

enum pke_err control_request_route(const struct http_request *http, struct control_request *ret,
                                   struct pke_bytes *path_value, struct pke_fail *fail)
{
    enum pke_err err = verb_match(http->method_text, http->path, &ret->verb, path_value);

    if (err == PKE_NOT_FOUND)
        return pke_fail_set(fail, err, "control-path", RULE, "no such path; see pkienroll-control(7)");
    if (err == PKE_UNSUPPORTED)
        return pke_fail_set(fail, err, "control-method", RULE, "this path takes %s", ret->verb->method);
    return PKE_OK;
}

static enum pke_err add_arg(const struct verb_arg *a, struct pke_bytes value, struct pke_arena *arena,
                            struct control_request *ret, struct pke_fail *fail)
{
    enum pke_err err = verb_arg_check(a, value, fail);

    if (err)
        return err;
    if (a->type == VERB_ARG_SECRET ? ret->secret != NULL : pke_pairs_get(&ret->args, a->name) != NULL)
        return pke_fail_set(fail, PKE_MALFORMED, "control-repeated", RULE, "%s: given twice", a->name);
    if (a->type == VERB_ARG_SECRET)
        ret->secret = pke_secret_new(value);
    else
        pke_pairs_add(&ret->args, arena, a->name, pke_arena_str(arena, value));
    return PKE_OK;
}

/* Only for values that are no secrets: the buffer is not wiped. */
static enum pke_err add_encoded(const struct verb_arg *a, struct pke_bytes value, struct pke_arena *arena,
                                struct control_request *ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, MAX_VALUE);
    err = verb_pct_decode(value, &text);
    if (err)
        return pke_fail_set(fail, PKE_MALFORMED, "control-encoding", RULE, "%s: wrong percent-encoding",
                            a->name);
    return add_arg(a, pke_buf_bytes(&text), arena, ret, fail);
}

static struct pke_bytes until(struct pke_bytes *rest, char stop)
{
    const uint8_t *at = rest->n ? memchr(rest->p, stop, rest->n) : NULL;
    struct pke_bytes head = PKE_BYTES(rest->p, at ? (size_t)(at - rest->p) : rest->n);

    *rest = at ? PKE_BYTES(at + 1, rest->n - head.n - 1) : PKE_BYTES(NULL, 0);
    return head;
}

static enum pke_err query_args(struct pke_bytes query, struct pke_arena *arena, struct control_request *ret,
                               struct pke_fail *fail)
{
    while (query.n) {
        struct pke_bytes value = until(&query, '&'), name = until(&value, '=');
        const struct verb_arg *a = verb_arg_find(ret->verb, VERB_PLACE_QUERY, name);
        enum pke_err err;
        if (!a)
            return pke_fail_set(fail, PKE_MALFORMED, "control-unknown-field", RULE,
                                "%s takes no such query parameter", ret->verb->token);
        if ((err = add_encoded(a, value, arena, ret, fail)))
            return err;
    }
    return PKE_OK;
}

static bool has_type(const struct verb_arg *a, const json_t *value)
{
    if (a->type == VERB_ARG_JSON)
        return json_is_object(value) || json_is_array(value);
    return a->type == VERB_ARG_FLAG ? json_is_boolean(value) : json_is_string(value);
}

static enum pke_err add_json(const struct verb_arg *a, const json_t *value, struct pke_arena *arena,
                             struct control_request *ret, struct pke_fail *fail)
{
    char *text = json_dumps(value, JSON_COMPACT);
    enum pke_err err;

    if (!text)
        pke_oom();
    err = add_arg(a, pke_bytes_str(text), arena, ret, fail);
    wipe_free(text);
    return err;
}

/* RFC-to-be, as everybody uses it: a header field in place of a member of the body. */
static enum pke_err header_args(const struct http_request *http, struct pke_arena *arena,
                                struct control_request *ret, struct pke_fail *fail)
{
    const struct verb_arg *a = verb_arg_find(ret->verb, VERB_PLACE_BODY, pke_bytes_str("idempotency_key"));
    struct pke_bytes value;

    return a && http_header_get(http, "Idempotency-Key", &value) ? add_arg(a, value, arena, ret, fail)
                                                                 : PKE_OK;
}

static enum pke_err body_args(json_t *body, struct pke_arena *arena, struct control_request *ret,
                              struct pke_fail *fail)
{
    const char *key;
    json_t *value;

    if (!json_is_object(body))
        return pke_fail_set(fail, PKE_MALFORMED, "control-body", RULE, "the body is not a JSON object");
    json_object_foreach(body, key, value)
    {
        const struct verb_arg *a = verb_arg_find(ret->verb, VERB_PLACE_BODY, pke_bytes_str(key));
        enum pke_err err;
        if (!a)
            return pke_fail_set(fail, PKE_MALFORMED, "control-unknown-field", RULE,
                                "%s takes no such field in its body", ret->verb->token);
        if (!has_type(a, value))
            return pke_fail_set(fail, PKE_MALFORMED, "control-field-type", RULE, "%s: expected a %s", a->name,
                                a->type == VERB_ARG_FLAG   ? "boolean"
                                : a->type == VERB_ARG_JSON ? "object or list"
                                                           : "string");
        if (a->type == VERB_ARG_FLAG)
            err = add_arg(a, pke_bytes_str(json_is_true(value) ? "true" : "false"), arena, ret, fail);
        else if (a->type == VERB_ARG_JSON)
            err = add_json(a, value, arena, ret, fail);
        else
            err =
                add_arg(a, PKE_BYTES(json_string_value(value), json_string_length(value)), arena, ret, fail);
        if (err)
            return err;
    }
    return PKE_OK;
}

static enum pke_err parse_body(struct pke_bytes body, struct pke_arena *arena, struct control_request *ret,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(control_json_free_p) json_t *json = NULL;

    if (!body.n)
        return PKE_OK;
    json = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return pke_fail_set(fail, PKE_MALFORMED, "control-json", RULE,
                            "the body is not JSON (RFC 8259, no duplicate names)");
    return body_args(json, arena, ret, fail);
}

enum pke_err control_request_args(const struct http_request *http, struct pke_bytes body,
                                  struct pke_bytes path_value, struct pke_arena *arena,
                                  struct control_request *ret, struct pke_fail *fail)
{
    enum pke_err err;

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(ret->verb, a));)
        if (a->place == VERB_PLACE_PATH && (err = add_encoded(a, path_value, arena, ret, fail)))
            return err;
    if ((err = query_args(http->query, arena, ret, fail)) || (err = header_args(http, arena, ret, fail)) ||
        (err = parse_body(body, arena, ret, fail)))
        return err;
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(ret->verb, a));) {
        bool have =
            a->type == VERB_ARG_SECRET ? ret->secret != NULL : pke_pairs_get(&ret->args, a->name) != NULL;
        if (a->required && !have)
            return pke_fail_set(fail, PKE_MALFORMED, "control-missing-field", RULE, "%s: is required",
                                a->name);
    }
    return PKE_OK;
}

unsigned control_request_limit(const struct pke_pairs *args)
{
    const char *text = pke_pairs_get(args, "limit");

    return text ? (unsigned)strtoul(text, NULL, 10) : VERB_LIMIT_DEFAULT;
}

void control_request_done(struct control_request *r)
{
    pke_secret_free(r->secret);
    r->secret = NULL;
}
