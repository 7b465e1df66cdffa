/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/json.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "ipc/wipealloc.h"

void control_json_setup(void)
{
    json_set_alloc_funcs(wipe_malloc, wipe_free);
}

unsigned control_status(enum pke_err err)
{
    switch (err) {
    case PKE_OK:
        return 200;
    case PKE_MALFORMED:
    case PKE_CONFIG:
    case PKE_LIMIT:
    case PKE_UNSUPPORTED:
        return 400;
    case PKE_UNAUTHENTICATED: /* the device's credential, not the caller's */
    case PKE_CSR_BAD:
    case PKE_KEY_WEAK:
    case PKE_ENROLLMENT_DATA:
        return 422;
    case PKE_DENIED:
    case PKE_POLICY:
    case PKE_DEVICE_UNSUPPORTED:
    case PKE_LICENSE:
    case PKE_CUSTOM:
    case PKE_TEMPLATE:
    case PKE_RENEW_INELIGIBLE:
        return 403;
    case PKE_NOT_FOUND:
        return 404;
    case PKE_EXISTS:
    case PKE_PENDING: /* ask again once an operator has decided */
        return 409;
    case PKE_QUOTA:
        return 429;
    case PKE_BUSY:
    case PKE_KEY_DOWN:
    case PKE_KEY_LOCKED:
    case PKE_STORE_DOWN:
    case PKE_STALE:
    case PKE_DEADLINE:
    case PKE_MAINTENANCE:
        return 503;
    default:
        return 500;
    }
}

static json_t *string_of(struct pke_bytes b)
{
    json_t *s = json_stringn((const char *)b.p, b.n);
    PKE_CLEANUP(pke_free_p) char *copy = NULL;

    if (s)
        return s;
    copy = pke_strndup((const char *)b.p, b.n);
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(copy);
}

void control_put(json_t *o, const char *name, const char *s)
{
    json_object_set_new(o, name, s ? string_of(pke_bytes_str(s)) : json_null());
}

void control_put_ms(json_t *o, const char *name, int64_t ms)
{
    char text[PKE_RFC3339_SIZE];

    if (ms)
        pke_time_rfc3339_ms(ms, text);
    control_put(o, name, ms ? text : NULL);
}

void control_put_seconds(json_t *o, const char *name, int64_t s)
{
    char text[PKE_RFC3339_SIZE];

    if (s)
        pke_time_rfc3339(s, text);
    control_put(o, name, s ? text : NULL);
}

/* RFC 7468: lines of 64. */
void control_put_pem(json_t *o, const char *name, const char *label, struct pke_bytes der)
{
    struct pke_buf line = {0}, pem = {0};
    struct pke_bytes left;

    if (!der.n) {
        control_put(o, name, NULL);
        return;
    }
    pke_buf_init(&line, 2 * der.n + 16);
    pke_buf_init(&pem, 2 * der.n + 256);
    pke_base64_encode(der, PKE_B64_STRICT, &line);
    pke_buf_printf(&pem, "-----BEGIN %s-----\n", label);
    for (left = pke_buf_bytes(&line); left.n;) {
        size_t n = left.n < 64 ? left.n : 64;
        pke_buf_add(&pem, left.p, n);
        pke_buf_add_u8(&pem, '\n');
        left = PKE_BYTES(left.p + n, left.n - n);
    }
    pke_buf_printf(&pem, "-----END %s-----\n", label);
    control_put(o, name, pke_buf_cstr(&pem));
    pke_buf_done(&line);
    pke_buf_done(&pem);
}

json_t *control_error(const struct pke_fail *fail, const char *trace_id)
{
    json_t *o = json_object(), *e = json_object();

    control_put(e, "code", pke_err_token(fail->err));
    control_put(e, "reason", fail->reason);
    control_put(e, "rule", fail->rule);
    control_put(e, "text", fail->text);
    control_put(e, "trace_id", trace_id);
    json_object_set_new(o, "error", e);
    return o;
}

json_t *control_list(json_t *items, const char *next)
{
    json_t *o = json_object();

    json_object_set_new(o, "items", items);
    control_put(o, "next", next);
    return o;
}

#define DETAIL_MAX 1024 /* bytes of one value in an audit row */

static bool is_file(const struct verb *verb, const char *name)
{
    const struct verb_arg *a = verb_arg_find(verb, VERB_PLACE_BODY, pke_bytes_str(name));

    return a && a->type == VERB_ARG_FILE;
}

/* What was too long to be told: its hash says which one it was; of a file, of its content. */
static void put_digest(json_t *o, const char *name, const char *value, bool file)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw;
    struct pke_bytes b = pke_bytes_str(value);
    uint8_t sha256[32];
    char text[80] = "sha256:";

    pke_buf_init(&raw, VERB_FILE_MAX);
    if (file && pke_base64_decode(b, PKE_B64_STRICT, &raw) == PKE_OK)
        b = pke_buf_bytes(&raw);
    EVP_Digest(b.p, b.n, sha256, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(sha256, sizeof sha256), false, text + strlen(text));
    control_put(o, name, text);
}

char *control_detail(const struct verb *verb, const struct pke_pairs *args)
{
    PKE_CLEANUP(control_json_free_p) json_t *o = json_object();
    char *text, *ret;

    for (size_t i = 0; i < args->n; i++)
        if (is_file(verb, args->v[i].name) || strlen(args->v[i].value) > DETAIL_MAX)
            put_digest(o, args->v[i].name, args->v[i].value, is_file(verb, args->v[i].name));
        else
            control_put(o, args->v[i].name, args->v[i].value);
    text = json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENSURE_ASCII);
    ret = pke_strdup(text ? text : "{}");
    wipe_free(text);
    return ret;
}

static int append(const char *p, size_t n, void *out)
{
    return pke_buf_add(out, p, n) == PKE_OK ? 0 : -1;
}

enum pke_err control_write(const json_t *j, struct pke_buf *out)
{
    if (json_dump_callback(j, append, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER) != 0)
        return PKE_LIMIT;
    return pke_buf_add_u8(out, '\n');
}
