/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The command line of pkienrollctl. Options that filter, page and refine come from the arguments of the verb
 * table.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include "base/list.h"
#include "ipc/verbs.h"

#define CTL_DEFAULT_SOCKET "/run/pkienrolld/control"

enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1,      /* refused, or not found */
    CTL_USAGE = 2,        /* getopt's habit */
    CTL_WOULD_REFUSE = 3, /* simulate: the request would be refused */
    CTL_WOULD_WAIT = 4,   /* simulate: it would wait, for an operator or the key */
    CTL_UNREACHABLE = 69, /* EX_UNAVAILABLE: no daemon answers */
};

enum ctl_format { CTL_TEXT, CTL_JSON, CTL_JSONL };
enum ctl_color { CTL_COLOR_AUTO, CTL_COLOR_ALWAYS, CTL_COLOR_NEVER };
enum ctl_action { CTL_RUN, CTL_HELP, CTL_VERSION, CTL_COMMANDS };

struct ctl_options {
    enum ctl_action action;
    const char *socket;
    enum ctl_format format;
    enum ctl_color color;
    int64_t timeout_ms; /* 0: as long as the verb may take */
    int64_t wait_ms;    /* 0: do not */
    bool all, pem, follow;
    const char *password_file, *token_file;
    struct pke_pairs values; /* --limit, --cursor, --lifetime ...: optional arguments of the verb, as given */
    char **words;            /* what is not an option */
    size_t n_words;
    const struct verb *verb;
    struct pke_pairs args; /* words of the verb, by argument name */
};

/**
 * Parse. @p socket_env is the value of PKIENROLL_CONTROL or NULL.
 * @return PKE_OK, or PKE_CONFIG with a usage error. Strings are borrowed from @p argv or in @p arena.
 */
enum pke_err ctl_options_parse(int argc, char **argv, const char *socket_env, struct pke_arena *arena,
                               struct ctl_options *ret, struct pke_fail *fail);

/** Path and query of the call. PKE_LIMIT when longer than @p out may be. */
enum pke_err ctl_options_target(const struct ctl_options *o, const char *cursor, struct pke_buf *out);

#endif
