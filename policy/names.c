/* SPDX-License-Identifier: Apache-2.0 */
/* Names of one certificate, from the rules of its template and the attributes of its identity. */
#include "policy/names.h"

#include <string.h>

#include "base/mem.h"
#include "policy/placeholder.h"

#define TEXT_MAX (16 * 1024) /* octets of one name before it is judged */

struct maker {
    const struct policy_template *t;
    const struct policy_request *req;
    struct pke_arena *arena;
    struct policy_decision *d;
    struct pke_fail *fail;
};

/* Unreserved characters and what a path may hold as it is (RFC 3986 2.3, 3.3). */
static void add_escaped(struct pke_buf *b, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@";

    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        (void)pke_buf_printf(b, strchr(plain, *c) ? "%c" : "%%%02X", *c);
}

/*
 * The pattern with value number @p i of what has several; NULL when something is missing. A value is never
 * looked at for placeholders.
 */
static const char *expand(const struct maker *m, const struct policy_name_rule *r, bool strict, size_t i)
{
    bool escape = strcmp(r->kind, PKE_SAN_URI) == 0 && strcmp(r->pattern, "{uri}") != 0;
    const char *ret = NULL;
    struct pke_buf b;

    pke_buf_init(&b, TEXT_MAX);
    for (const char *s = r->pattern; *s;) {
        enum placeholder p;
        size_t n = placeholder_at(s, &p);
        const char *value = n ? placeholder_value(p, m->req, strict, placeholder_repeats(p) ? i : 0) : NULL;

        if (n && (!value || !*value)) {
            pke_buf_done(&b);
            return NULL;
        }
        if (!n)
            (void)pke_buf_add(&b, s, 1);
        else if (escape)
            add_escaped(&b, value);
        else
            (void)pke_buf_add_str(&b, value);
        s += n ? n : 1;
    }
    if (!b.overflow)
        ret = pke_arena_str(m->arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return ret;
}

static bool several(const char *pattern)
{
    enum placeholder p;

    for (; *pattern; pattern++)
        if (placeholder_at(pattern, &p) && placeholder_repeats(p))
            return true;
    return false;
}

static const char *origin(const struct maker *m, enum placeholder p)
{
    if (p == PLACEHOLDER_DEVICE_ID)
        return "request";
    if (p == PLACEHOLDER_ENT_DMID)
        return "issuer";
    return m->req->identity->mapped && pke_pairs_get(m->req->identity->mapped, placeholder_name(p))
               ? "identity map"
               : "credential";
}

/* Which attributes a pattern takes, for the trail: "identity upn, dns". */
static const char *source_of(const struct maker *m, const char *pattern)
{
    const char *ret = NULL;
    enum placeholder p;

    for (; *pattern; pattern++)
        if (placeholder_at(pattern, &p))
            ret = pke_arena_printf(m->arena, "%s%s%s %s", ret ? ret : "", ret ? ", " : "", origin(m, p),
                                   placeholder_name(p));
    return ret ? ret : "template";
}

static enum pke_err refuse(const struct maker *m, const char *reason, const char *option, const char *rule,
                           bool missing)
{
    return pke_fail_set(m->fail, PKE_POLICY, reason, option,
                        missing ? "the identity has nothing for the rule \"%s\""
                                : "the value that the rule \"%s\" makes is none of its kind",
                        rule);
}

static enum pke_err take(const struct maker *m, struct pke_pairs *list, const char *what, const char *kind,
                         const char *value, const char *option, const char *source)
{
    if (policy_names_have(list, kind, value))
        return PKE_OK;
    if (list->n == POLICY_NAMES_MAX)
        return pke_fail_set(m->fail, PKE_POLICY, "names-limit", option, "more than %u names",
                            POLICY_NAMES_MAX);
    pke_pairs_add(list, m->arena, kind, value);
    pke_trail_add(m->req->trail, pke_arena_printf(m->arena, "%s %s", what, kind), PKE_TRAIL_TAKEN, option,
                  value, source);
    return PKE_OK;
}

static enum pke_err apply_subject(const struct maker *m, const char *text, const char *option)
{
    struct policy_name_rule r;
    const char *value;
    enum pke_err err;

    if (policy_subject_rule(text, &r, m->fail) != PKE_OK)
        return PKE_CONFIG; /* policy_template_check() would have refused it */
    value = expand(m, &r, false, 0);
    if (!value && r.optional)
        return PKE_OK;
    if (several(r.pattern) && expand(m, &r, false, 1)) /* which one would depend on their order */
        return pke_fail_set(m->fail, PKE_POLICY, "subject-value", option,
                            "the identity has several values for the rule \"%s\"", text);
    if (!value || !policy_name_valid(r.kind, value))
        return refuse(m, "subject-value", option, text, !value);
    err = take(m, &m->d->subject, "subject", r.kind, value, option, source_of(m, r.pattern));
    if (err == PKE_OK && strcmp(r.kind, PKE_RDN_CN) == 0)
        m->d->subject_cn = value;
    return err;
}

static enum pke_err apply_san(const struct maker *m, const char *text)
{
    struct policy_name_rule r;
    enum pke_err err = policy_san_rule(text, &r, m->fail);
    bool sid_uri = err == PKE_OK && strcmp(r.kind, POLICY_SAN_SID_URI) == 0;
    const char *kind = sid_uri ? PKE_SAN_URI : r.kind;
    size_t n = 0;

    for (; err == PKE_OK; n++) {
        const char *value = n && !several(r.pattern) ? NULL : expand(m, &r, true, n);

        if (!value)
            break;
        if (sid_uri && !policy_name_valid(PKE_NAME_SID, value))
            return refuse(m, "san-value", "template: san", text, false);
        if (sid_uri)
            value = pke_arena_printf(m->arena, PKE_SID_URI_PREFIX "%s", value);
        else if (!policy_name_valid(kind, value))
            return refuse(m, "san-value", "template: san", text, false);
        err = take(m, &m->d->san, "san", kind, value, "template: san", source_of(m, r.pattern));
    }
    if (err == PKE_OK && n == 0 && !r.optional)
        return refuse(m, "san-value", "template: san", text, true);
    return err;
}

/* Is it in this list, however that spells it? */
static bool has_name(const struct pke_pairs *list, const struct pke_pair *name)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (strcmp(list->v[i].name, name->name) == 0 &&
            policy_name_same(name->name, list->v[i].value, name->value))
            return true;
    return false;
}

/* Of the names that the identity map has, those which the request chose, of kinds that it may choose: in the
 * map's order and spelling, so that nothing but the choice is the request's. */
static enum pke_err apply_from_csr(const struct maker *m)
{
    const struct pke_pairs *mapped = m->req->identity->mapped;
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && mapped && i < mapped->n; i++) {
        const struct pke_pair *name = &mapped->v[i];

        if (pke_strings_has(&m->t->from_csr, name->name) && has_name(m->req->asked, name))
            err = take(m, &m->d->san, "san", name->name, name->value, "template: from-csr",
                       "csr, confirmed by the identity map");
    }
    return err;
}

/* KB5014754. Only what the identity has: never from the request. */
static enum pke_err decide_sid(const struct maker *m)
{
    const char *sid = placeholder_value(PLACEHOLDER_SID, m->req, true, 0);

    if (m->t->sid_extension == POLICY_SID_NO)
        return PKE_OK;
    if (!sid && m->t->sid_extension == POLICY_SID_WHEN_KNOWN) {
        pke_trail_add(m->req->trail, "sid", PKE_TRAIL_NOTED, "template: sid-extension",
                      "the identity has none: Windows maps the certificate to no account", NULL);
        return PKE_OK;
    }
    if (!sid || !policy_name_valid(PKE_NAME_SID, sid))
        return pke_fail_set(m->fail, PKE_POLICY, "sid-missing", "template: sid-extension",
                            sid ? "the security identifier of the identity is none"
                                : "the identity has no security identifier");
    m->d->sid = pke_arena_strdup(m->arena, sid);
    pke_trail_add(m->req->trail, "sid", PKE_TRAIL_TAKEN, "template: sid-extension", sid, "identity sid");
    return PKE_OK;
}

enum pke_err policy_names_decide(const struct policy_template *t, const struct pke_strings *subject,
                                 const struct policy_request *req, struct pke_arena *arena,
                                 struct policy_decision *d, struct pke_fail *fail)
{
    const char *option = subject == &t->subject_full ? "template: subject-full" : "template: subject-device";
    struct maker m = {t, req, arena, d, fail};
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < subject->n; i++)
        err = apply_subject(&m, subject->v[i], option);
    for (size_t i = 0; err == PKE_OK && i < t->san.n; i++)
        err = apply_san(&m, t->san.v[i]);
    if (err == PKE_OK)
        err = apply_from_csr(&m);
    return err == PKE_OK ? decide_sid(&m) : err;
}

/* Does a rule of today make this name for the identity of today? */
static bool still_made(const struct maker *m, const struct pke_pair *name)
{
    struct policy_name_rule r;
    struct pke_fail why;

    for (size_t i = 0; i < m->t->san.n; i++) {
        bool sid_uri;

        if (policy_san_rule(m->t->san.v[i], &r, &why) != PKE_OK)
            continue;
        sid_uri = strcmp(r.kind, POLICY_SAN_SID_URI) == 0;
        if (strcmp(sid_uri ? PKE_SAN_URI : r.kind, name->name) != 0)
            continue;
        for (size_t n = 0; n == 0 || several(r.pattern); n++) {
            const char *value = expand(m, &r, true, n);

            if (!value)
                break;
            if (sid_uri)
                value = pke_arena_printf(m->arena, PKE_SID_URI_PREFIX "%s", value);
            if (policy_name_same(name->name, value, name->value))
                return true;
        }
    }
    return pke_strings_has(&m->t->from_csr, name->name) && has_name(m->req->identity->mapped, name);
}

enum pke_err policy_names_unchanged(const struct policy_template *t, const struct policy_request *req,
                                    const struct pke_pairs *recorded, struct pke_arena *arena,
                                    struct pke_fail *fail)
{
    const struct pke_pairs *mapped = req->identity->mapped;
    const struct maker m = {t, req, arena, NULL, fail};

    for (size_t i = 0; mapped && i < recorded->n; i++) {
        const struct pke_pair *name = &recorded->v[i];
        bool sid_uri = strcmp(name->name, PKE_SAN_URI) == 0 && policy_is_sid_uri(name->value);
        const char *kind = sid_uri ? PKE_NAME_SID : name->name;

        if (policy_name_is_rdn(name->name) || !pke_pairs_get(mapped, kind))
            continue;
        if (sid_uri ? policy_names_have(mapped, kind, name->value + strlen(PKE_SID_URI_PREFIX))
                    : policy_names_have(mapped, kind, name->value) || still_made(&m, name))
            continue;
        return pke_fail_set(fail, PKE_RENEW_INELIGIBLE, "renew-identity-changed", "identity map",
                            "the identity has another %s than the certificate to be renewed", kind);
    }
    return PKE_OK;
}
