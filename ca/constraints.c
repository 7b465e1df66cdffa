/* SPDX-License-Identifier: Apache-2.0 */
/* Name constraints: the subtrees of a CA certificate, and names against them. */
#include "ca/constraints.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/constraints_match.h"
#include "ca/der.h"
#include "ca/oids.h"

#define MAX_SUBTREES   256
#define TAG_PERMITTED  0xa0
#define TAG_EXCLUDED   0xa1
#define TAG_DIRECTORY  0xa4
#define TAG_IP_ADDRESS 0x87

struct subtree {
    bool excluded;
    enum ca_subtree_form form;
    struct pke_bytes base; /* text, or DER Name */
};

struct ca_constraints {
    struct pke_arena *arena;
    struct subtree v[MAX_SUBTREES];
    size_t n;
};

static enum pke_err malformed(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_CONFIG, "issuer-constraints", "RFC 5280 4.2.1.10",
                        "the CA's name constraints cannot be read");
}

static enum pke_err not_understood(struct pke_fail *fail, const char *what)
{
    return pke_fail_set(fail, PKE_CONFIG, "issuer-constraint-form", "RFC 5280 4.2.1.10",
                        "the CA's name constraints are on %s, which is not understood", what);
}

/* An otherName: of UPNs it is understood, of others that are issued it must be. */
static enum pke_err parse_other(struct pke_bytes content, bool critical, struct subtree *s, bool *use,
                                struct pke_fail *fail)
{
    struct pke_cursor c = pke_cursor_of(content), inside;
    struct ca_der type, value;
    char dotted[80];

    if (!ca_der_take_tag(&c, CA_DER_OID, &type) || !pke_oid_decode(type.value, dotted, sizeof dotted) ||
        !ca_der_enter(&c, CA_DER_CONTEXT_0, &inside) || pke_cursor_left(&c) > 0 ||
        !ca_der_take(&inside, &value) || pke_cursor_left(&inside) > 0)
        return malformed(fail);
    *use = strcmp(dotted, OID_UPN) == 0 && value.tag == CA_DER_UTF8;
    s->form = CA_SUBTREE_UPN;
    s->base = value.value;
    return *use || (!critical && strcmp(dotted, OID_UPN) != 0 && strcmp(dotted, OID_GUID) != 0)
               ? PKE_OK
               : not_understood(fail, "an otherName");
}

/* Is it a form of ours, and does its base read as one? */
static enum pke_err parse_base(const struct ca_der *name, bool critical, struct subtree *s, bool *use,
                               struct pke_fail *fail)
{
    s->base = name->value;
    *use = true;
    switch (name->tag) {
    case TAG_SAN_DNS:
        s->form = CA_SUBTREE_DNS;
        break;
    case TAG_SAN_EMAIL:
        s->form = CA_SUBTREE_EMAIL;
        break;
    case TAG_SAN_URI:
        s->form = CA_SUBTREE_URI;
        break;
    case TAG_DIRECTORY:
        s->form = CA_SUBTREE_DIRECTORY;
        break;
    case TAG_IP_ADDRESS:
        *use = false; /* no such name is issued */
        return name->value.n == 8 || name->value.n == 32 ? PKE_OK : malformed(fail);
    case TAG_SAN_OTHER:
        return parse_other(name->value, critical, s, use, fail);
    default:
        *use = false;
        return critical ? not_understood(fail, "a form of names") : PKE_OK;
    }
    return ca_subtree_understood(s->form, s->base) ? PKE_OK : not_understood(fail, "a value");
}

static enum pke_err parse_subtrees(struct ca_constraints *c, struct pke_cursor list, bool excluded,
                                   bool critical, struct pke_fail *fail)
{
    struct pke_cursor tree;
    struct ca_der base;
    enum pke_err err;

    if (pke_cursor_left(&list) == 0)
        return malformed(fail);
    while (pke_cursor_left(&list) > 0) {
        struct subtree s = {.excluded = excluded};
        bool use = false;

        /* minimum is 0 and not encoded, maximum absent */
        if (!ca_der_enter(&list, CA_DER_SEQUENCE, &tree) || !ca_der_take(&tree, &base) ||
            pke_cursor_left(&tree) > 0)
            return malformed(fail);
        if ((err = parse_base(&base, critical, &s, &use, fail)))
            return err;
        if (use && c->n == MAX_SUBTREES)
            return malformed(fail);
        if (use)
            c->v[c->n++] = s;
    }
    return PKE_OK;
}

static enum pke_err parse(struct ca_constraints *c, struct pke_bytes value, bool critical,
                          struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(value), fields, list;
    enum pke_err err;
    bool some = false;

    if (!ca_der_strict(value) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &fields))
        return malformed(fail);
    if (ca_der_enter(&fields, TAG_PERMITTED, &list)) {
        some = true;
        if ((err = parse_subtrees(c, list, false, critical, fail)))
            return err;
    }
    if (ca_der_enter(&fields, TAG_EXCLUDED, &list)) {
        some = true;
        if ((err = parse_subtrees(c, list, true, critical, fail)))
            return err;
    }
    return some && pke_cursor_left(&fields) == 0 ? PKE_OK : malformed(fail);
}

enum pke_err ca_constraints_parse(struct pke_bytes value, bool critical, struct ca_constraints **ret,
                                  struct pke_fail *fail)
{
    struct ca_constraints *c = pke_calloc(1, sizeof *c);
    enum pke_err err;

    c->arena = pke_arena_new();
    err = parse(c, pke_arena_bytes(c->arena, value), critical, fail);
    if (err) {
        ca_constraints_free(c);
        return err;
    }
    *ret = c;
    return PKE_OK;
}

void ca_constraints_free(struct ca_constraints *c)
{
    if (!c)
        return;
    pke_arena_free(c->arena);
    free(c);
}

/* One name of a form, with the subject for directoryName. */
static bool allowed(const struct ca_constraints *c, enum ca_subtree_form form, const struct ca_names *names,
                    const char *value)
{
    bool restricted = false, permitted = false;

    for (size_t i = 0; i < c->n; i++) {
        const struct subtree *s = &c->v[i];
        bool match;

        if (s->form != form)
            continue;
        if (form == CA_SUBTREE_URI && !ca_subtree_uri_host(pke_bytes_str(value)).n)
            return false; /* RFC 5280 4.2.1.10: without an authority it is to be rejected */
        match = form == CA_SUBTREE_DIRECTORY
                    ? ca_subtree_directory(s->base, &names->subject, s->excluded)
                    : ca_subtree_match(form, s->base, pke_bytes_str(value), s->excluded);
        if (s->excluded && match)
            return false;
        restricted = restricted || !s->excluded;
        permitted = permitted || (!s->excluded && match);
    }
    return permitted || !restricted;
}

/* The common name, where verifiers take it for a host because no alternative name is one (libcrypto, GnuTLS).
 * Somewhat wider than they do: a dot is enough. */
static const char *host_in_subject(const struct ca_names *names)
{
    static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *cn = pke_pairs_get(&names->subject, PKE_RDN_CN);

    for (size_t i = 0; i < names->san.n; i++)
        if (strcmp(names->san.v[i].name, PKE_SAN_DNS) == 0)
            return NULL;
    return cn && strchr(cn, '.') && !cn[strspn(cn, host)] ? cn : NULL;
}

enum pke_err ca_constraints_check(const struct ca_constraints *c, const struct ca_names *names,
                                  struct pke_fail *fail)
{
    static const struct {
        const char *kind;
        enum ca_subtree_form form;
    } forms[] = {{PKE_SAN_DNS, CA_SUBTREE_DNS},
                 {PKE_SAN_EMAIL, CA_SUBTREE_EMAIL},
                 {PKE_SAN_URI, CA_SUBTREE_URI},
                 {PKE_SAN_UPN, CA_SUBTREE_UPN}};
    const char *host;

    if (!c)
        return PKE_OK;
    if ((host = host_in_subject(names)) && !allowed(c, CA_SUBTREE_DNS, names, host))
        return pke_fail_set(fail, PKE_POLICY, "name-constraint", "RFC 5280 4.2.1.10, RFC 6125 6.4.4",
                            "the common name reads as a host, which the CA may not certify");
    if (names->subject.n > 0 && !allowed(c, CA_SUBTREE_DIRECTORY, names, NULL))
        return pke_fail_set(fail, PKE_POLICY, "name-constraint", "RFC 5280 4.2.1.10",
                            "the CA may not certify this subject");
    for (size_t i = 0; i < names->san.n; i++)
        for (size_t k = 0; k < PKE_LEN(forms); k++)
            if (strcmp(names->san.v[i].name, forms[k].kind) == 0 &&
                !allowed(c, forms[k].form, names, names->san.v[i].value))
                return pke_fail_set(fail, PKE_POLICY, "name-constraint", "RFC 5280 4.2.1.10",
                                    "the CA may not certify this %s name", forms[k].kind);
    return PKE_OK;
}
