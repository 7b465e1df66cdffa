/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration and the file system: reading it, and what it names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "daemon/common/conf_impl.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Who can write the configuration owns the CA: only root and the daemon's own user may. */
static const char *refuse_file(int fd, struct stat *st)
{
    if (fstat(fd, st) != 0)
        return "cannot be examined";
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if (st->st_mode & 022)
        return "may be written by group or others: chmod go-w";
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return "belongs to neither root nor the user of the daemon";
    if (st->st_size > CONF_MAX_BYTES)
        return "is larger than 1 MiB";
    return NULL;
}

static const char *read_all(int fd, struct pke_buf *out)
{
    uint8_t block[16384];
    ssize_t n;

    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return strerror(errno);
        if (pke_buf_add(out, block, (size_t)n) != PKE_OK)
            return "is larger than 1 MiB";
    }
    return NULL;
}

enum pke_err conf_load(const char *file, struct pke_buf *bytes, struct conf **ret, struct conf_errors *errors)
{
    struct conf_mark start = {1, 1};
    struct pke_arena *arena;
    struct conf_report report;
    struct stat st;
    const char *why;
    int fd PKE_CLEANUP(close_fd) = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    enum pke_err err;

    *ret = NULL;
    pke_buf_init(bytes, CONF_MAX_BYTES);
    why = fd < 0 ? strerror(errno) : refuse_file(fd, &st);
    if (!why)
        why = read_all(fd, bytes);
    if (!why)
        return conf_parse(file, pke_buf_bytes(bytes), ret, errors);
    arena = pke_arena_new();
    conf_report_init(&report, file, arena);
    conf_report_add(&report, start, "", "the file cannot be used: %s", why);
    err = conf_report_done(&report, errors);
    pke_arena_free(arena);
    return err;
}

/* A look at a configuration that may be in use: it is not changed, what is found goes to the report. */
struct look {
    const struct conf_impl *ci;
    struct pke_arena *scratch;
    struct conf_report report;
};

static void look_begin(struct look *k, const struct conf *conf)
{
    k->ci = (const struct conf_impl *)conf;
    k->scratch = pke_arena_new();
    conf_report_init(&k->report, conf->file, k->scratch);
}

static enum pke_err look_end(struct look *k, struct conf_errors *errors)
{
    enum pke_err err = conf_report_done(&k->report, errors);

    pke_arena_free(k->scratch);
    return err;
}

static void need_file(struct look *k, enum conf_section_id section, size_t i, const char *option,
                      const char *path)
{
    struct stat st;

    if (!path)
        return;
    if (access(path, R_OK) != 0)
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: %s", path, strerror(errno));
    else if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: not a regular file", path);
}

static void need_secret(struct look *k, enum conf_section_id section, size_t i, const char *option,
                        const char *path)
{
    struct stat st;

    need_file(k, section, i, option, path);
    if (path && stat(path, &st) == 0 && (st.st_mode & 077))
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: may be used by group or others: chmod 0600",
                    path);
}

/* A key role reads it, which is started again and again when it cannot: so it is looked at as strictly
 * before. */
static void need_pin(struct look *k, size_t i, const char *path)
{
    struct pke_fail fail;

    if (path && pke_secret_check_file(path, CONF_MAX_PIN, &fail) != PKE_OK)
        conf_bad_in(k->ci, &k->report, CONF_KEYS, i, "pin-file", "%s", fail.text);
}

static void need_folder(struct look *k, enum conf_section_id section, size_t i, const char *option,
                        const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: %s", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: not a directory", path);
    else if (access(path, W_OK | X_OK) != 0)
        conf_bad_in(k->ci, &k->report, section, i, option, "%s: %s", path, strerror(errno));
}

/* Something will be made there: its folder must be writable. */
static void need_folder_of(struct look *k, enum conf_section_id section, size_t i, const char *option,
                           const char *path)
{
    const char *slash = strrchr(path, '/');

    need_folder(k, section, i, option,
                !slash          ? "."
                : slash == path ? "/"
                                : pke_arena_str(k->scratch, PKE_BYTES(path, (size_t)(slash - path))));
}

static void check_named_files(struct look *k)
{
    const struct conf *c = &k->ci->conf;

    need_file(k, CONF_GLOBAL, 0, "blocked-keys", c->global.blocked_keys);
    for (size_t i = 0; i < c->n_keys; i++) {
        need_file(k, CONF_KEYS, i, "module", c->keys[i].module);
        need_pin(k, i, c->keys[i].pin_file);
        if (c->keys[i].backend == CONF_BACKEND_FILE)
            need_secret(k, CONF_KEYS, i, "uri", c->keys[i].uri);
    }
    for (size_t i = 0; i < c->n_issuers; i++) {
        need_file(k, CONF_ISSUERS, i, "certificate", c->issuers[i].certificate);
        need_file(k, CONF_ISSUERS, i, "root", c->issuers[i].root);
        need_file(k, CONF_ISSUERS, i, "cross-certificates", c->issuers[i].cross_certificates);
    }
    for (size_t i = 0; i < c->n_templates; i++)
        if (c->templates[i].attestation != POLICY_ATTESTATION_OFF)
            need_file(k, CONF_TEMPLATES, i, "attestation-roots", c->templates[i].attestation_roots);
    for (size_t i = 0; i < c->n_listeners; i++) {
        need_file(k, CONF_LISTENERS, i, "tls-certificate", c->listeners[i].tls_certificate);
        need_secret(k, CONF_LISTENERS, i, "tls-key", c->listeners[i].tls_key);
        need_file(k, CONF_LISTENERS, i, "client-ca", c->listeners[i].client_ca);
        if (c->listeners[i].unix_path)
            need_folder_of(k, CONF_LISTENERS, i, "unix", c->listeners[i].unix_path);
    }
    for (size_t i = 0; i < c->n_endpoints; i++) {
        need_file(k, CONF_ENDPOINTS, i, "credential-ca", c->endpoints[i].credential_ca);
        need_file(k, CONF_ENDPOINTS, i, "credential-crl", c->endpoints[i].credential_crl);
    }
    for (size_t i = 0; i < c->n_token_issuers; i++)
        need_file(k, CONF_TOKEN_ISSUERS, i, "keys-file", c->token_issuers[i].keys_file);
    for (size_t i = 0; i < c->n_authorisers; i++) {
        need_file(k, CONF_AUTHORISERS, i, "rules-file", c->authorisers[i].rules_file);
        need_file(k, CONF_AUTHORISERS, i, "tls-ca", c->authorisers[i].tls_ca);
        need_file(k, CONF_AUTHORISERS, i, "tls-certificate", c->authorisers[i].tls_certificate);
        need_secret(k, CONF_AUTHORISERS, i, "tls-key", c->authorisers[i].tls_key);
        need_secret(k, CONF_AUTHORISERS, i, "question-secret-file", c->authorisers[i].question_secret_file);
        need_secret(k, CONF_AUTHORISERS, i, "answer-secret-file", c->authorisers[i].answer_secret_file);
    }
    for (size_t i = 0; i < c->n_sinks; i++) {
        need_file(k, CONF_SINKS, i, "tls-ca", c->sinks[i].tls_ca);
        need_file(k, CONF_SINKS, i, "tls-certificate", c->sinks[i].tls_certificate);
        need_secret(k, CONF_SINKS, i, "tls-key", c->sinks[i].tls_key);
        need_secret(k, CONF_SINKS, i, "secret-file", c->sinks[i].secret_file);
    }
    for (size_t i = 0; i < c->n_provisionings; i++) {
        need_secret(k, CONF_PROVISIONING, i, "client-secret-file", c->provisionings[i].client_secret_file);
        need_secret(k, CONF_PROVISIONING, i, "server-secret-file", c->provisionings[i].server_secret_file);
        need_file(k, CONF_PROVISIONING, i, "fragment-file", c->provisionings[i].fragment_file);
    }
}

/* The section and object are known: the caller has them from @p conf. */
static void bad_by_name(struct look *k, const char *section, const char *name, const char *option,
                        const char *text)
{
    if (!section)
        conf_bad_in(k->ci, &k->report, CONF_GLOBAL, 0, NULL, "%s", text);
    for (unsigned s = CONF_GLOBAL + 1; section && s < CONF__SECTIONS; s++)
        for (size_t i = 0;
             strcmp(conf_sections[s].name, section) == 0 && i < conf_object_count(&k->ci->conf, s); i++)
            if (strcmp(conf_object_name(&k->ci->conf, s, i), name) == 0)
                conf_bad_in(k->ci, &k->report, s, i, option, "%s", text);
}

enum pke_err conf_errors_add(const struct conf *conf, const char *section, const char *name,
                             const char *option, const char *text, struct conf_errors *errors)
{
    struct look k;

    look_begin(&k, conf);
    bad_by_name(&k, section, name, option, text);
    (void)look_end(&k, errors);
    return PKE_CONFIG;
}

/* It may come later. Of a tenant without a file of its own it is the global one. */
static void need_users(struct look *k, size_t i, const char *path)
{
    bool own = path && strcmp(path, k->ci->conf.global.user_file) != 0;

    if (path && access(path, F_OK) == 0)
        need_secret(k, own ? CONF_TENANTS : CONF_GLOBAL, own ? i : 0, "user-file", path);
}

enum pke_err conf_check_files(const struct conf *conf, struct conf_errors *errors)
{
    struct look k;
    const struct conf_global *g = &conf->global;

    look_begin(&k, conf);
    need_folder(&k, CONF_GLOBAL, 0, "state-directory", g->state_directory);
    need_folder_of(&k, CONF_GLOBAL, 0, "control-socket", g->control_socket);
    need_file(&k, CONF_GLOBAL, 0, "control-tls-certificate", g->control_tls_certificate);
    need_secret(&k, CONF_GLOBAL, 0, "control-tls-key", g->control_tls_key);
    for (size_t i = 0; i < conf->n_tenants; i++)
        need_users(&k, i, conf->tenants[i].user_file);
    need_file(&k, CONF_GLOBAL, 0, "identity-map", g->identity_map);
    check_named_files(&k);
    return look_end(&k, errors);
}

static bool same_value(const struct pke_option *opt, const void *a, const void *b, struct pke_arena *arena)
{
    const struct pke_strings *x = conf_option_list(opt, a), *y = conf_option_list(opt, b);
    const char *s, *t;

    if (x) {
        for (size_t i = 0; x->n == y->n && i < x->n; i++)
            if (strcmp(x->v[i], y->v[i]) != 0)
                return false;
        return x->n == y->n;
    }
    s = pke_option_text(opt, a, arena);
    t = pke_option_text(opt, b, arena);
    return s && t ? strcmp(s, t) == 0 : s == t;
}

static void compare_options(struct look *k, enum conf_section_id section, size_t i, const void *old)
{
    const void *fresh = conf_object(&k->ci->conf, section, i);

    for (const struct pke_option *o = conf_sections[section].options; o->name; o++)
        if (o->reload == PKE_RELOAD_RESTART && !same_value(o, old, fresh, k->scratch))
            conf_bad_in(k->ci, &k->report, section, i, o->name, "a change needs a restart of the daemon");
}

/* A key that comes gets its processes; one that goes has some that would be asked to take a configuration
 * without it. */
static void compare_keys(struct look *k, const struct conf *old)
{
    const struct conf *fresh = &k->ci->conf;

    for (size_t i = 0; i < fresh->n_keys; i++) {
        const struct conf_key *was = conf_find_key(old, fresh->keys[i].name);
        if (was)
            compare_options(k, CONF_KEYS, i, was);
    }
    for (size_t i = 0; i < old->n_keys; i++)
        if (!conf_find_key(fresh, old->keys[i].name))
            conf_report_add(&k->report, k->ci->root->mark, "keys",
                            "removing %s needs a restart of the daemon", old->keys[i].name);
}

enum pke_err conf_check_reload(const struct conf *old, const struct conf *fresh, struct conf_errors *errors)
{
    struct look k;

    look_begin(&k, fresh);
    compare_options(&k, CONF_GLOBAL, 0, &old->global);
    compare_keys(&k, old);
    return look_end(&k, errors);
}
