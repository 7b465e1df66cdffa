/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Inside of the configuration reader, for daemon/common/conf*.c only: the YAML tree with its marks, the
 * collector of errors, and the layout of the sections.
 */
#ifndef DAEMON_COMMON_CONF_IMPL_H
#define DAEMON_COMMON_CONF_IMPL_H

#include "daemon/common/conf.h"

#define CONF_MAX_DEPTH  16   /* nested mappings and lists */
#define CONF_MAX_ITEMS  1024 /* entries of one mapping or list: bounds the search for duplicates */
#define CONF_MAX_ERRORS 200  /* further ones are counted, not listed */
#define CONF_NAME_MAX   63   /* NAME: [a-z0-9][a-z0-9-]{0,62} */

enum conf_node_type { CONF_SCALAR, CONF_MAPPING, CONF_LIST };

struct conf_mark {
    unsigned line, col; /* from 1 */
};

/** A YAML value with where it stands. Lives in the configuration's arena. */
struct conf_node {
    enum conf_node_type type;
    bool bad;              /* already reported: not looked at again */
    const char *path;      /* "templates.device.validity", "" for the root */
    const char *key;       /* its key when in a mapping */
    struct conf_mark kept; /* of the key, or of the value in a list */
    struct conf_mark mark; /* of the value */
    const char *text;      /* scalars */
    struct conf_node *first, *last, *next;
    unsigned count;
};

struct conf_line {
    struct conf_mark mark;
    unsigned order;
    const char *text; /* "path: message" */
};

/** Errors of one run, sorted by position when they are told. */
struct conf_report {
    const char *file;
    struct pke_arena *arena;
    struct conf_line *lines;
    unsigned count, room;
};

enum conf_section_id {
    CONF_GLOBAL,
    CONF_KEYS,
    CONF_ISSUERS,
    CONF_TEMPLATES,
    CONF_LISTENERS,
    CONF_PROVISIONING,
    CONF_TOKEN_ISSUERS,
    CONF_AUTHORISERS,
    CONF_ENDPOINTS,
    CONF_TENANTS,
    CONF_FRONTENDS,
    CONF_SINKS,
    CONF__SECTIONS
};

/** Where the objects of a section are in struct conf; row i belongs to conf_sections[i]. */
struct conf_layout {
    size_t list, count; /* offsets in struct conf of the array and its length */
    size_t size, name;  /* of one object, offset of its name */
};
extern const struct conf_layout conf_layouts[CONF__SECTIONS];

/** What a struct conf really is. */
struct conf_impl {
    struct conf conf;
    unsigned refs;
    const char *dir;                                /* resolves relative paths */
    struct conf_node *root;                         /* the file */
    const struct conf_node **nodes[CONF__SECTIONS]; /* per section: the mapping of each object */
    struct conf_report *report;                     /* where errors of reading it go; NULL afterwards */
};

extern const struct pke_option conf_global_options[], conf_key_options[], conf_issuer_options[],
    conf_listener_options[], conf_endpoint_options[], conf_provisioning_options[],
    conf_token_issuer_options[], conf_authoriser_options[], conf_tenant_options[], conf_frontend_options[],
    conf_sink_options[];

/** Start and end a run: the end appends the sorted lines to @p errors. */
void conf_report_init(struct conf_report *r, const char *file, struct pke_arena *arena);
void conf_report_add(struct conf_report *r, struct conf_mark mark, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
enum pke_err conf_report_done(struct conf_report *r, struct conf_errors *errors);

/**
 * Bytes to tree. Anchors, aliases, tags, directives, further documents, duplicate keys, too deep or too long
 * structures are reported.
 * @return the root mapping, NULL when nothing can be made of the text (reported).
 */
struct conf_node *conf_yaml_read(struct pke_bytes text, struct pke_arena *arena, struct conf_report *r);

/** Child of a mapping; NULL when absent. */
const struct conf_node *conf_node_get(const struct conf_node *map, const char *key);

/** Fill the structs from the tree by the option tables. */
void conf_build(struct conf_impl *ci);

/** Defaults that depend on other options, references, and the rules between options. */
void conf_resolve(struct conf_impl *ci);
void conf_check(struct conf_impl *ci);
void conf_check_issuer_bounds(struct conf_impl *ci, size_t i);
void conf_check_template_bounds(struct conf_impl *ci, size_t i);
void conf_check_authorisers(struct conf_impl *ci);
void conf_check_sinks(struct conf_impl *ci);
/** What a program of the administrator that is called over HTTP needs. */
struct conf_webhook {
    const char *url, *unix_path, *tls_ca, *tls_certificate, *tls_key;
};
void conf_check_webhook(struct conf_impl *ci, enum conf_section_id section, size_t i,
                        const struct conf_webhook *w);
void conf_check_listener(struct conf_impl *ci, size_t i);
void conf_check_endpoints(struct conf_impl *ci);
void conf_check_provisioning(struct conf_impl *ci);
void conf_resolve_tokens(struct conf_impl *ci);
void conf_check_tokens(struct conf_impl *ci);

/** The tenant that there is without a section; whose each object is; what endpoints are asked for by. Before
 * references are resolved. */
void conf_resolve_tenants(struct conf_impl *ci);
/** No object uses what is another tenant's, nothing that selects or vouches is shared by two. */
void conf_check_tenants(struct conf_impl *ci);
void conf_check_frontends(struct conf_impl *ci);
/** May a request for both come to the same listener, path and host? */
bool conf_same_route(const struct conf_endpoint *a, const struct conf_endpoint *b);

/** The forms of upn-suffixes, email-suffixes; of dns-suffixes; of sid-prefixes; of uri-prefixes. */
bool conf_is_mail_domain(const char *s);
bool conf_is_domain(const char *s);
bool conf_is_sid_prefix(const char *s);

/** Report a value: at the option when it is in the file, else at its object. */
void conf_bad(struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option,
              const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/** The same into @p report: of a configuration that is read already, and may be in use. */
void conf_bad_in(const struct conf_impl *ci, struct conf_report *report, enum conf_section_id section,
                 size_t index, const char *option, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/** Report one element of a list: at the element when it is in the file. */
void conf_bad_item(struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option,
                   const char *item, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/** Was the option written in the file (and readable)? */
bool conf_given(const struct conf_impl *ci, enum conf_section_id section, size_t index, const char *option);

/** Object @p index of a section; the global struct for CONF_GLOBAL. */
const void *conf_object(const struct conf *conf, enum conf_section_id section, size_t index);
const char *conf_object_name(const struct conf *conf, enum conf_section_id section, size_t index);
size_t conf_object_count(const struct conf *conf, enum conf_section_id section);
const void *conf_find(const struct conf *conf, enum conf_section_id section, const char *name);

/** "https://host[:port]" with @p path saying whether a path may follow. */
bool conf_https_url(const char *url, bool path);

/** [a-z0-9][a-z0-9-]{0,62} */
bool conf_name_valid(const char *name);

#endif
