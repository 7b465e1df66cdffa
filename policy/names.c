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

/* Which attributes a pattern takes, for the trail: "identity upn, dns". */
static const char *source_of(const struct maker *m, const char *pattern)
{
    const char *ret = NULL;
    enum placeholder p;

    for (; *pattern; pattern++)
        if (placeholder_at(pattern, &p))
            ret = ret ? pke_arena_printf(m->arena, "%s, %s", ret, placeholder_name(p))
                      : pke_arena_printf(m->arena, "%s %s",
                                         p == PLACEHOLDER_DEVICE_ID  ? "request"
                                         : p == PLACEHOLDER_ENT_DMID ? "issuer"
                                                                     : "identity",
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

/* A name of the request, of a kind that the template lets it choose, and which the identity has. */
static enum pke_err apply_from_csr(const struct maker *m)
{
    const struct pke_pairs *asked = m->req->asked;
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && asked && i < asked->n; i++) {
        const struct pke_pair *name = &asked->v[i];

        if (pke_strings_has(&m->t->from_csr, name->name) && m->req->identity->attributes &&
            policy_names_have(m->req->identity->attributes, name->name, name->value) &&
            policy_name_valid(name->name, name->value))
            err = take(m, &m->d->san, "san", name->name, name->value, "template: from-csr",
                       "csr, confirmed by the identity");
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
