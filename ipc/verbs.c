/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/verbs.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"

const struct verb verbs[VERB__MAX] = {
#define X(id, token, method, path, words, role, target, shape, seconds, help)                  \
    {VERB_##id,          token,   method, path, words, VERB_ROLE_##role, VERB_TARGET_##target, \
     VERB_SHAPE_##shape, seconds, help},
    IPC_VERBS(X)
#undef X
};

static const struct verb_arg arguments[] = {
#define X(id, name, place, type, required, help) \
    {VERB_##id, name, VERB_PLACE_##place, VERB_ARG_##type, required, help},
    IPC_VERB_ARGS(X)
#undef X
};

const struct verb *verb_by_token(const char *token)
{
    for (size_t i = 0; i < VERB__MAX; i++)
        if (!strcmp(verbs[i].token, token))
            return &verbs[i];
    return NULL;
}

/* How many words @p spec has when they are the first of @p words; 0 when they are not. */
static size_t words_match(const char *spec, char *const *words, size_t n)
{
    size_t i = 0;

    for (;; i++) {
        size_t len = strcspn(spec, " ");
        if (i == n || strlen(words[i]) != len || memcmp(words[i], spec, len) != 0)
            return 0;
        if (!spec[len])
            return i + 1;
        spec += len + 1;
    }
}

const struct verb *verb_by_words(char *const *words, size_t n, size_t *used)
{
    const struct verb *best = NULL;

    *used = 0;
    for (size_t i = 0; i < VERB__MAX; i++) {
        size_t k = words_match(verbs[i].words, words, n);
        if (k > *used) {
            *used = k;
            best = &verbs[i];
        }
    }
    return best;
}

static struct pke_bytes segment(struct pke_cursor *c)
{
    const uint8_t *slash = c->p < c->end ? memchr(c->p, '/', pke_cursor_left(c)) : NULL;
    const uint8_t *end = slash ? slash : c->end;
    struct pke_bytes ret = PKE_BYTES(c->p, (size_t)(end - c->p));

    c->p = slash ? slash + 1 : c->end;
    return ret;
}

/* Segment by segment; the {segment} takes any single non-empty one. */
static bool path_match(const char *spec, struct pke_bytes path, struct pke_bytes *value)
{
    struct pke_cursor a = pke_cursor_of(pke_bytes_str(spec)), b = pke_cursor_of(path);

    *value = PKE_BYTES(NULL, 0);
    if (!path.n || path.p[path.n - 1] == '/')
        return false;
    while (pke_cursor_left(&a) && pke_cursor_left(&b)) {
        struct pke_bytes want = segment(&a), have = segment(&b);
        if (want.n && want.p[0] == '{') {
            if (!have.n)
                return false;
            *value = have;
        } else if (!pke_bytes_eq(want, have)) {
            return false;
        }
    }
    return !pke_cursor_left(&a) && !pke_cursor_left(&b);
}

enum pke_err verb_match(struct pke_bytes method, struct pke_bytes path, const struct verb **ret,
                        struct pke_bytes *value)
{
    *ret = NULL;
    for (size_t i = 0; i < VERB__MAX; i++) {
        if (!path_match(verbs[i].path, path, value))
            continue;
        *ret = &verbs[i];
        if (pke_bytes_eq_str(method, verbs[i].method))
            return PKE_OK;
    }
    *value = PKE_BYTES(NULL, 0);
    return *ret ? PKE_UNSUPPORTED : PKE_NOT_FOUND;
}

const struct verb_arg *verb_arg_next(const struct verb *v, const struct verb_arg *previous)
{
    const struct verb_arg *a = previous ? previous + 1 : arguments;

    while (a < arguments + PKE_LEN(arguments) && a->verb != v->id)
        a++;
    return a < arguments + PKE_LEN(arguments) ? a : NULL;
}

const struct verb_arg *verb_arg_find(const struct verb *v, enum verb_place place, struct pke_bytes name)
{
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (a->place == place && pke_bytes_eq_str(name, a->name))
            return a;
    return NULL;
}

bool verb_arg_is_word(const struct verb_arg *a)
{
    return a->required && a->place != VERB_PLACE_QUERY && a->type != VERB_ARG_SECRET;
}

bool verb_arg_is_option(const struct verb_arg *a)
{
    return !verb_arg_is_word(a) && a->type != VERB_ARG_SECRET;
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Every byte accepted by @p ok, 1..max of them. */
static bool each(struct pke_bytes v, size_t max, bool (*ok)(uint8_t))
{
    if (!v.n || v.n > max)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (!ok(v.p[i]))
            return false;
    return true;
}

static bool name_byte(uint8_t c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static bool text_byte(uint8_t c)
{
    return c >= 0x20 && c != 0x7f;
}

static bool graph_byte(uint8_t c)
{
    return c > 0x20 && c < 0x7f;
}

static bool lower_byte(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

/* U+0080..U+009F are control characters as well: in UTF-8 C2 80..C2 9F. */
static bool valid_text(struct pke_bytes v, size_t max)
{
    if (!each(v, max, text_byte) || !pke_utf8_valid(v))
        return false;
    for (size_t i = 0; i + 1 < v.n; i++)
        if (v.p[i] == 0xc2 && v.p[i + 1] < 0xa0)
            return false;
    return true;
}

static bool valid_number(struct pke_bytes v, unsigned max)
{
    unsigned n = 0;

    if (!v.n || v.n > 9 || v.p[0] == '0')
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(v.p[i] - '0');
    }
    return n <= max;
}

static bool valid_duration(struct pke_bytes v)
{
    char text[33];
    int64_t ms;

    if (!each(v, sizeof text - 1, name_byte))
        return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    return pke_duration_parse(text, &ms);
}

static bool hex_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool valid_file(struct pke_bytes v)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw;

    pke_buf_init(&raw, VERB_FILE_MAX);
    return pke_base64_decode(v, PKE_B64_STRICT, &raw) == PKE_OK && raw.n;
}

enum pke_err verb_arg_check(const struct verb_arg *a, struct pke_bytes v, struct pke_fail *fail)
{
    const char *want = NULL;

    switch (a->type) {
    case VERB_ARG_NAME:
        if (!each(v, 64, name_byte) || v.p[0] == '.')
            want = "1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot";
        break;
    case VERB_ARG_TEXT:
        if (!valid_text(v, 256))
            want = "1 to 256 bytes UTF-8 without control characters";
        break;
    case VERB_ARG_STATE:
        if (!each(v, 32, lower_byte))
            want = "1 to 32 lower-case letters";
        break;
    case VERB_ARG_LIMIT:
        if (!valid_number(v, VERB_LIMIT_MAX))
            want = "a number from 1 to 500";
        break;
    case VERB_ARG_COUNT:
        if (!valid_number(v, 999999999))
            want = "a number from 1";
        break;
    case VERB_ARG_DURATION:
        if (!valid_duration(v))
            want = "a duration, as 90s or 2h";
        break;
    case VERB_ARG_HANDLE:
        if (!each(v, 32, hex_byte))
            want = "1 to 32 hexadecimal digits, as a listing shows it";
        break;
    case VERB_ARG_FLAG:
        if (!pke_bytes_eq_str(v, "true") && !pke_bytes_eq_str(v, "false"))
            want = "true or false";
        break;
    case VERB_ARG_CURSOR:
        if (!each(v, 256, graph_byte))
            want = "what an earlier page gave as next";
        break;
    case VERB_ARG_FILE:
        if (!valid_file(v))
            want = "1 to 24576 bytes, in base64";
        break;
    case VERB_ARG_JSON: /* its reader parses it; here only that it can be one */
        if (v.n < 2 || v.n > VERB_JSON_MAX || !pke_utf8_valid(v) || (v.p[0] != '{' && v.p[0] != '['))
            want = "a JSON object or list";
        break;
    case VERB_ARG_SECRET:
        if (!valid_text(v, 1024))
            want = "1 to 1024 bytes UTF-8 without control characters";
        break;
    }
    if (want)
        return pke_fail_set(fail, PKE_MALFORMED, "control-argument", "control API: arguments",
                            "%s: expected %s", a->name, want);
    return PKE_OK;
}

enum pke_err verb_pct_encode(struct pke_bytes in, struct pke_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        if (name_byte(c) || c == '~')
            pke_buf_add_u8(out, c);
        else
            pke_buf_printf(out, "%%%02X", c);
    }
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

enum pke_err verb_pct_decode(struct pke_bytes in, struct pke_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        size_t one = 1;
        if (c == '%') {
            if (in.n - i < 3 || !pke_hex_decode(PKE_BYTES(in.p + i + 1, 2), &c, &one) || !c)
                return PKE_MALFORMED;
            i += 2;
        }
        pke_buf_add_u8(out, c);
    }
    return out->overflow ? PKE_LIMIT : PKE_OK;
}

enum pke_err verb_path_write(const struct verb *v, const char *value, struct pke_buf *out)
{
    const char *open = strchr(v->path, '{');

    if (!open)
        return pke_buf_add_str(out, v->path);
    pke_buf_add(out, v->path, (size_t)(open - v->path));
    verb_pct_encode(pke_bytes_str(value), out);
    return pke_buf_add_str(out, strchr(open, '}') + 1);
}

const char *verb_role_name(unsigned roles)
{
    if (roles & VERB_ROLE_ADMIN)
        return "admin";
    if (roles & VERB_ROLE_OFFICER)
        return "officer";
    if (roles & VERB_ROLE_VIEWER)
        return "viewer";
    return roles & VERB_ROLE_FRONTEND ? "frontend" : "none";
}

unsigned verb_role_expand(unsigned roles)
{
    if (roles & VERB_ROLE_ADMIN)
        roles |= VERB_ROLE_OFFICER;
    if (roles & VERB_ROLE_OFFICER)
        roles |= VERB_ROLE_VIEWER;
    return roles;
}
