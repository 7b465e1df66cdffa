/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_verb.h"

#include <string.h>

struct pke_bytes fuzz_line(struct pke_bytes *rest)
{
    const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    struct pke_bytes line = PKE_BYTES(rest->p, end ? (size_t)(end - rest->p) : rest->n);

    *rest = end ? PKE_BYTES(end + 1, rest->n - line.n - 1) : PKE_BYTES(NULL, 0);
    return line;
}

static void check_path(const struct verb *v, const char *value)
{
    const struct verb *again;
    struct pke_buf path, decoded;
    struct pke_bytes segment;

    pke_buf_init(&path, 4096);
    pke_buf_init(&decoded, 4096);
    FUZZ_MUST(verb_path_write(v, value, &path) == PKE_OK);
    FUZZ_MUST(verb_match(pke_bytes_str(v->method), pke_buf_bytes(&path), &again, &segment) == PKE_OK &&
              again == v);
    FUZZ_MUST(verb_pct_decode(segment, &decoded) == PKE_OK &&
              pke_bytes_eq_str(pke_buf_bytes(&decoded), value));
    pke_buf_done(&path);
    pke_buf_done(&decoded);
}

void fuzz_verb_check(const struct control_request *r)
{
    size_t known = 0;

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(r->verb, a));) {
        const char *value = pke_pairs_get(&r->args, a->name);
        bool secret = a->type == VERB_ARG_SECRET;
        struct pke_bytes given = secret ? pke_secret_bytes(r->secret) : pke_bytes_str(value);
        known += value != NULL;
        FUZZ_MUST(!secret || !value);
        FUZZ_MUST(given.n ? verb_arg_check(a, given, NULL) == PKE_OK : !a->required);
        if (a->place == VERB_PLACE_PATH)
            check_path(r->verb, value);
    }
    FUZZ_MUST(known == r->args.n);
    FUZZ_MUST(control_request_limit(&r->args) >= 1 && control_request_limit(&r->args) <= VERB_LIMIT_MAX);
}
