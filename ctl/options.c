/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/options.h"

#include <getopt.h>
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"

#define RULE "pkienrollctl(8)"

enum {
    OPT_SOCKET = 256,
    OPT_JSON,
    OPT_JSONL,
    OPT_TIMEOUT,
    OPT_WAIT,
    OPT_COLOR,
    OPT_VERSION,
    OPT_COMMANDS,
    OPT_ALL,
    OPT_PEM,
    OPT_FOLLOW,
    OPT_PASSWORD_FILE,
    OPT_TOKEN_FILE,
    OPT_ARGUMENT = 512, /* + index into names */
};

#define MAX_ARGUMENTS 64

static const struct option fixed_options[] = {
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"json", no_argument, NULL, OPT_JSON},
    {"jsonl", no_argument, NULL, OPT_JSONL},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"color", required_argument, NULL, OPT_COLOR},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"commands", no_argument, NULL, OPT_COMMANDS},
    {"all", no_argument, NULL, OPT_ALL},
    {"pem", no_argument, NULL, OPT_PEM},
    {"follow", no_argument, NULL, OPT_FOLLOW},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"token-file", required_argument, NULL, OPT_TOKEN_FILE},
};

/* "dry_run" is --dry-run. */
static const char *option_name(const char *name, struct pke_arena *arena)
{
    char *ret = pke_arena_strdup(arena, name);

    for (char *p = ret; *p; p++)
        if (*p == '_')
            *p = '-';
    return ret;
}

/* The fixed options and one for each name of an optional argument in the verb table. */
static size_t build_options(struct option *table, const char **names, struct pke_arena *arena)
{
    size_t n = PKE_LEN(fixed_options), q = 0;

    memcpy(table, fixed_options, sizeof fixed_options);
    for (size_t i = 0; i < VERB__MAX; i++) {
        for (const struct verb_arg *a = NULL; (a = verb_arg_next(&verbs[i], a));) {
            size_t k = 0;
            while (k < q && strcmp(names[k], a->name) != 0)
                k++;
            if (!verb_arg_is_option(a) || k < q)
                continue;
            table[n++] = (struct option){option_name(a->name, arena),
                                         a->type == VERB_ARG_FLAG ? no_argument : required_argument, NULL,
                                         OPT_ARGUMENT + (int)q};
            names[q++] = a->name;
        }
    }
    table[n] = (struct option){0};
    return q;
}

static enum pke_err usage(struct pke_fail *fail, const char *what, const char *value)
{
    return pke_fail_set(fail, PKE_CONFIG, "usage", RULE, "%s%s%s", what, value ? ": " : "",
                        value ? value : "");
}

static enum pke_err set_color(const char *value, struct ctl_options *ret, struct pke_fail *fail)
{
    static const char *const names[] = {"auto", "always", "never"};

    for (size_t i = 0; i < PKE_LEN(names); i++) {
        if (!strcmp(value, names[i])) {
            ret->color = (enum ctl_color)i;
            return PKE_OK;
        }
    }
    return usage(fail, "--color is auto, always or never, not", value);
}

static enum pke_err set_duration(const char *name, const char *value, int64_t *ret, struct pke_fail *fail)
{
    if (!pke_duration_parse(value, ret) || *ret < 1 || *ret > INT64_C(86400000))
        return usage(fail, name, "expected a duration from 1ms to 24h, as 10s");
    return PKE_OK;
}

static enum pke_err set_one(int opt, const char *const *names, struct pke_arena *arena,
                            struct ctl_options *ret, struct pke_fail *fail)
{
    if (opt >= OPT_ARGUMENT) {
        const char *name = names[opt - OPT_ARGUMENT];
        if (pke_pairs_get(&ret->values, name))
            return usage(fail, "option given twice", name);
        pke_pairs_add(&ret->values, arena, name, optarg ? optarg : "true");
        return PKE_OK;
    }
    switch (opt) {
    case OPT_SOCKET:
        ret->socket = optarg;
        return *optarg ? PKE_OK : usage(fail, "--socket needs a path", NULL);
    case OPT_JSON:
    case OPT_JSONL:
        ret->format = opt == OPT_JSON ? CTL_JSON : CTL_JSONL;
        return PKE_OK;
    case OPT_TIMEOUT:
        return set_duration("--timeout", optarg, &ret->timeout_ms, fail);
    case OPT_WAIT:
        return set_duration("--wait", optarg, &ret->wait_ms, fail);
    case OPT_COLOR:
        return set_color(optarg, ret, fail);
    case OPT_ALL:
        ret->all = true;
        return PKE_OK;
    case OPT_PEM:
        ret->pem = true;
        return PKE_OK;
    case OPT_FOLLOW:
        ret->follow = true;
        return PKE_OK;
    case OPT_TOKEN_FILE:
        ret->token_file = optarg;
        return PKE_OK;
    case OPT_PASSWORD_FILE:
        ret->password_file = optarg;
        return PKE_OK;
    case 'h':
        ret->action = CTL_HELP;
        return PKE_OK;
    case OPT_VERSION:
        ret->action = CTL_VERSION;
        return PKE_OK;
    case OPT_COMMANDS:
        ret->action = CTL_COMMANDS;
        return PKE_OK;
    default:
        return usage(fail, "unknown option, or one without its value", NULL);
    }
}

static const struct verb_arg *find_option(const struct verb *v, const char *name)
{
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (verb_arg_is_option(a) && !strcmp(a->name, name))
            return a;
    return NULL;
}

static enum pke_err take_values(struct ctl_options *o, struct pke_fail *fail)
{
    enum pke_err err;

    for (size_t i = 0; i < o->values.n; i++) {
        const struct pke_pair *p = &o->values.v[i];
        const struct verb_arg *a = find_option(o->verb, p->name);
        if (!a)
            return pke_fail_set(fail, PKE_CONFIG, "usage", RULE, "%s takes no --%s", o->verb->words, p->name);
        if (a->type != VERB_ARG_JSON && (err = verb_arg_check(a, pke_bytes_str(p->value), fail)))
            return err;
    }
    if (o->all && o->verb->shape != VERB_SHAPE_LIST)
        return usage(fail, "--all is for listings", NULL);
    if (o->pem && o->verb->id != VERB_CERT_SHOW)
        return usage(fail, "--pem is for cert show", NULL);
    if (o->follow && (o->verb->id != VERB_EVENTS || o->all))
        return usage(fail, "--follow is for events, without --all", NULL);
    if (o->password_file && o->verb->id != VERB_USER_ADD)
        return usage(fail, "--password-file is for user add", NULL);
    if (o->token_file && o->verb->id != VERB_TOKEN_CHECK)
        return usage(fail, "--token-file is for token check", NULL);
    return PKE_OK;
}

static enum pke_err take_words(struct ctl_options *o, size_t used, struct pke_arena *arena,
                               struct pke_fail *fail)
{
    enum pke_err err;

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(o->verb, a));) {
        if (!verb_arg_is_word(a))
            continue;
        if (used == o->n_words)
            return pke_fail_set(fail, PKE_CONFIG, "usage", RULE, "%s: <%s> is missing: %s", o->verb->words,
                                a->name, a->help);
        if (a->type != VERB_ARG_FILE && a->type != VERB_ARG_JSON &&
            (err = verb_arg_check(a, pke_bytes_str(o->words[used]), fail)))
            return err;
        pke_pairs_add(&o->args, arena, a->name, o->words[used++]);
    }
    if (used < o->n_words)
        return usage(fail, "more words than the command takes", o->verb->words);
    return take_values(o, fail);
}

enum pke_err ctl_options_parse(int argc, char **argv, const char *socket_env, struct pke_arena *arena,
                               struct ctl_options *ret, struct pke_fail *fail)
{
    struct option table[PKE_LEN(fixed_options) + MAX_ARGUMENTS + 1];
    const char *names[MAX_ARGUMENTS];
    enum pke_err err;
    size_t used;
    int opt;

    *ret = (struct ctl_options){.socket = socket_env && *socket_env ? socket_env : CTL_DEFAULT_SOCKET};
    build_options(table, names, arena);
    optind = 0;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "h", table, NULL)) != -1)
        if ((err = set_one(opt, names, arena, ret, fail)))
            return err;
    ret->words = argv + optind;
    ret->n_words = (size_t)(argc - optind);
    if (ret->action != CTL_RUN)
        return PKE_OK;
    ret->verb = verb_by_words(ret->words, ret->n_words, &used);
    if (!ret->verb)
        return usage(fail, ret->n_words ? "no such command" : "a command is missing; see --help",
                     ret->n_words ? ret->words[0] : NULL);
    return take_words(ret, used, arena, fail);
}

/* A cursor of a page before this one takes the place of the one given. */
enum pke_err ctl_options_target(const struct ctl_options *o, const char *cursor, struct pke_buf *out)
{
    const char *value = NULL, *sep = "?";

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(o->verb, a));)
        if (a->place == VERB_PLACE_PATH)
            value = pke_pairs_get(&o->args, a->name);
    verb_path_write(o->verb, value, out);
    for (size_t i = 0; i < o->values.n; i++) {
        const struct pke_pair *p = &o->values.v[i];
        if (find_option(o->verb, p->name)->place != VERB_PLACE_QUERY ||
            (cursor && !strcmp(p->name, "cursor")))
            continue;
        pke_buf_printf(out, "%s%s=", sep, p->name);
        verb_pct_encode(pke_bytes_str(p->value), out);
        sep = "&";
    }
    if (cursor && verb_arg_find(o->verb, VERB_PLACE_QUERY, PKE_BYTES("cursor", 6))) {
        pke_buf_printf(out, "%scursor=", sep);
        verb_pct_encode(pke_bytes_str(cursor), out);
    }
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
