/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CSR asks for. Lenient where the parser is strict: a wish that cannot be read is a wish all the same,
 * and who decides must hear of it.
 */
#include "ca/csr_asked.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/encode.h"
#include "base/names.h"
#include "ca/names.h"
#include "ca/names_rules.h"
#include "ca/oids.h"
#include "ca/text.h"

#define TAG_BMP       0x1e
#define TAG_SAN_DN    0xa4
#define TAG_SAN_IP    0x87
#define TAG_SAN_RID   0x88
#define TEXT_MAX      512 /* octets of a wish that are kept */
#define HEX_MAX       64  /* of one that cannot be read */
#define OID_TEXT_SIZE 80

struct reader {
    struct ca_csr_asked *asked;
    struct pke_arena *arena;
};

static void add(struct reader *r, const char *kind, const char *value)
{
    pke_pairs_add(&r->asked->names, r->arena, kind, value);
}

static void add_unreadable(struct reader *r, const char *kind, struct pke_bytes value)
{
    char hex[2 * HEX_MAX + 1];
    bool cut = value.n > HEX_MAX;

    pke_hex(PKE_BYTES(value.p, cut ? HEX_MAX : value.n), false, hex);
    pke_pairs_add(&r->asked->unreadable, r->arena, kind,
                  pke_arena_printf(r->arena, "%s%s", hex, cut ? "..." : ""));
}

/* Windows ends some names with a NUL. */
static struct pke_bytes without_nul(struct pke_bytes value)
{
    return value.n && value.p[value.n - 1] == 0 ? PKE_BYTES(value.p, value.n - 1) : value;
}

static void add_text(struct reader *r, const char *kind, struct pke_bytes value)
{
    size_t chars = 0;

    value = without_nul(value);
    if (value.n && value.n <= TEXT_MAX && ca_text_plain(value, &chars))
        add(r, kind, pke_arena_str(r->arena, value));
    else
        add_unreadable(r, kind, value);
}

/* The structure was checked by the parser. */
static void read_subject(struct reader *r, struct pke_cursor rdns)
{
    struct ca_der type = {0}, value = {0};
    struct pke_cursor rdn, ava;
    char dotted[OID_TEXT_SIZE];

    while (ca_der_enter(&rdns, CA_DER_SET, &rdn) && ca_der_enter(&rdn, CA_DER_SEQUENCE, &ava) &&
           ca_der_take_tag(&ava, CA_DER_OID, &type) && ca_der_take(&ava, &value)) {
        const struct ca_rdn_kind *k = ca_rdn_kind_of_oid(type.value);
        bool text = value.tag == CA_DER_UTF8 || value.tag == CA_DER_PRINTABLE || value.tag == CA_DER_IA5;

        if (k && text)
            add_text(r, k->kind, value.value);
        else
            add_unreadable(r,
                           k                                                   ? k->kind
                           : pke_oid_decode(type.value, dotted, sizeof dotted) ? dotted
                                                                               : "attribute",
                           value.value);
    }
    r->asked->n_subject = r->asked->names.n;
}

static void read_other_name(struct reader *r, const struct ca_der *name)
{
    struct pke_cursor c = pke_cursor_of(name->value), inside;
    const struct ca_san_kind *k = NULL;
    struct ca_der type, value;
    char guid[37];

    if (ca_der_take_tag(&c, CA_DER_OID, &type))
        k = ca_san_kind_of_other(type.value);
    if (!k || !ca_der_enter(&c, CA_DER_CONTEXT_0, &inside) || pke_cursor_left(&c) > 0 ||
        !ca_der_take(&inside, &value) || pke_cursor_left(&inside) > 0 || value.tag != k->inner) {
        add_unreadable(r, k ? k->kind : CA_ASKED_OTHER_NAME, name->value);
    } else if (strcmp(k->kind, PKE_SAN_GUID) != 0) {
        add_text(r, k->kind, value.value);
    } else if (value.value.n == 16) {
        ca_guid_text(value.value.p, guid);
        add(r, k->kind, guid);
    } else {
        add_unreadable(r, k->kind, value.value);
    }
}

static void read_ip(struct reader *r, struct pke_bytes v)
{
    char text[INET6_ADDRSTRLEN];

    if ((v.n == 4 || v.n == 16) && inet_ntop(v.n == 4 ? AF_INET : AF_INET6, v.p, text, sizeof text))
        add(r, CA_ASKED_IP, text);
    else
        add_unreadable(r, CA_ASKED_IP, v);
}

static void read_rid(struct reader *r, struct pke_bytes v)
{
    char dotted[OID_TEXT_SIZE];

    if (pke_oid_decode(v, dotted, sizeof dotted))
        add(r, CA_ASKED_RID, dotted);
    else
        add_unreadable(r, CA_ASKED_RID, v);
}

static void read_name(struct reader *r, const struct ca_der *name)
{
    const struct ca_san_kind *k = ca_san_kind_of_tag(name->tag);

    if (name->tag == TAG_SAN_OTHER)
        read_other_name(r, name);
    else if (name->tag == TAG_SAN_IP)
        read_ip(r, name->value);
    else if (name->tag == TAG_SAN_RID)
        read_rid(r, name->value);
    else if (name->tag == TAG_SAN_DN)
        add(r, CA_ASKED_DN, ca_text_name(name->value, r->arena));
    else if (!k)
        add_unreadable(r, CA_ASKED_NAME, name->value);
    else if (strcmp(k->kind, PKE_SAN_URI) == 0 && ca_is_sid_uri(name->value))
        add_text(r, CA_ASKED_SID_URI, name->value);
    else
        add_text(r, k->kind, name->value);
}

static enum pke_err read_san(struct reader *r, struct ca_csr_extension *e, struct pke_fail *fail)
{
    struct pke_cursor whole = pke_cursor_of(e->value), names;
    struct ca_der name;
    unsigned n = 0;

    if (!ca_der_strict(e->value) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &names) ||
        pke_cursor_left(&whole) > 0) {
        add_unreadable(r, CA_ASKED_SAN, e->value);
        return PKE_OK;
    }
    while (ca_der_take(&names, &name)) {
        if (++n > CA_CSR_MAX_SANS)
            return pke_fail_set(fail, PKE_LIMIT, "csr-names", "limit",
                                "more than %u alternative names are requested", CA_CSR_MAX_SANS);
        read_name(r, &name);
    }
    e->readable = pke_cursor_left(&names) == 0;
    if (!e->readable)
        add_unreadable(r, CA_ASKED_SAN, e->value);
    return PKE_OK;
}

static void read_key_usage(struct ca_csr_asked *a, struct ca_csr_extension *e)
{
    struct ca_der bits;

    a->has_key_usage = true;
    a->key_usage = KU_BIT_KEY_CERT_SIGN; /* what cannot be read is taken for the worst */
    if (!ca_der_whole(e->value, CA_DER_BIT_STRING, &bits) || !ca_der_strict(e->value))
        return;
    e->readable = true;
    a->key_usage = 0;
    for (size_t i = 1; i < bits.value.n && i <= 2; i++)
        a->key_usage |= (uint16_t)(bits.value.p[i] << 8 * (i - 1));
}

static void read_basic_constraints(struct ca_csr_asked *a, struct ca_csr_extension *e)
{
    struct ca_der inside;

    e->readable = ca_der_strict(e->value) && ca_der_whole(e->value, CA_DER_SEQUENCE, &inside);
    a->ca = !e->readable || inside.value.n != 0; /* DER of CA:FALSE is empty */
}

/* CertificatePolicies: SEQUENCE OF SEQUENCE { OID, qualifiers OPTIONAL }. */
static void read_policies(struct reader *r, struct ca_csr_extension *e, struct pke_strings *ret)
{
    struct pke_cursor whole = pke_cursor_of(e->value), list, policy;
    char dotted[OID_TEXT_SIZE];
    struct ca_der oid;

    if (!ca_der_strict(e->value) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &list))
        return;
    while (ca_der_enter(&list, CA_DER_SEQUENCE, &policy) && ca_der_take_tag(&policy, CA_DER_OID, &oid) &&
           pke_oid_decode(oid.value, dotted, sizeof dotted) && ret->n < CA_CSR_MAX_EKUS)
        pke_strings_add(ret, r->arena, dotted);
    e->readable = ret->n > 0 && pke_cursor_left(&list) == 0;
}

/* Names of templates are compared as ASCII: what is not has no equal. */
static void read_template_name(struct reader *r, struct ca_csr_extension *e)
{
    struct ca_der bmp;
    char name[65];

    if (!ca_der_whole(e->value, TAG_BMP, &bmp) || bmp.value.n % 2 || bmp.value.n / 2 >= sizeof name)
        return;
    for (size_t i = 0; i < bmp.value.n; i += 2) {
        if (bmp.value.p[i] || bmp.value.p[i + 1] < 0x20 || bmp.value.p[i + 1] > 0x7e)
            return;
        name[i / 2] = (char)bmp.value.p[i + 1];
    }
    name[bmp.value.n / 2] = '\0';
    r->asked->template_name = pke_arena_strdup(r->arena, name);
    e->readable = true;
}

static bool read_version(struct pke_cursor *c, uint64_t *ret)
{
    struct ca_der n;

    *ret = 0;
    if (!ca_der_take_tag(c, CA_DER_INTEGER, &n))
        return true; /* optional */
    if (n.value.n > 5 || n.value.p[0] & 0x80)
        return false;
    for (size_t i = 0; i < n.value.n; i++)
        *ret = *ret << 8 | n.value.p[i];
    return true;
}

/* MS-WCCE 2.2.2.7.7.2: SEQUENCE { templateID OID, major INTEGER OPTIONAL, minor INTEGER OPTIONAL } */
static void read_template(struct reader *r, struct ca_csr_extension *e)
{
    struct pke_cursor whole = pke_cursor_of(e->value), c;
    struct ca_csr_asked *a = r->asked;
    char dotted[OID_TEXT_SIZE];
    struct ca_der oid;

    if (!ca_der_strict(e->value) || !ca_der_enter(&whole, CA_DER_SEQUENCE, &c) ||
        !ca_der_take_tag(&c, CA_DER_OID, &oid) || !pke_oid_decode(oid.value, dotted, sizeof dotted) ||
        !read_version(&c, &a->template_major) || !read_version(&c, &a->template_minor) ||
        pke_cursor_left(&c) > 0)
        return;
    a->template_oid = pke_arena_strdup(r->arena, dotted);
    e->readable = true;
}

static void read_sid(struct reader *r, struct ca_csr_extension *e)
{
    struct pke_fail why;
    const char *sid;

    e->readable = ca_sid_decode(e->value, r->arena, &sid, &why) == PKE_OK;
    if (e->readable)
        add(r, PKE_NAME_SID, sid);
    else
        add_unreadable(r, PKE_NAME_SID, e->value);
}

static enum pke_err read_extension(struct reader *r, struct ca_csr_extension *e, struct pke_fail *fail)
{
    struct ca_csr_asked *a = r->asked;

    if (strcmp(e->oid, OID_SAN) == 0)
        return read_san(r, e, fail);
    if (strcmp(e->oid, OID_KEY_USAGE) == 0)
        read_key_usage(a, e);
    else if (strcmp(e->oid, OID_BASIC_CONSTRAINTS) == 0)
        read_basic_constraints(a, e);
    else if (strcmp(e->oid, OID_APP_POLICIES) == 0)
        read_policies(r, e, &a->application_policies);
    else if (strcmp(e->oid, OID_POLICIES) == 0)
        read_policies(r, e, &a->certificate_policies);
    else if (strcmp(e->oid, OID_TEMPLATE_NAME) == 0)
        read_template_name(r, e);
    else if (strcmp(e->oid, OID_TEMPLATE) == 0)
        read_template(r, e);
    else if (strcmp(e->oid, OID_SID) == 0)
        read_sid(r, e);
    else if (strcmp(e->oid, OID_EKU) == 0) /* parsed before: struct ca_csr.ekus */
        e->readable = true;
    return PKE_OK;
}

enum pke_err ca_csr_asked_read(const struct ca_der *subject, struct ca_csr_asked *ret,
                               struct pke_arena *arena, struct pke_fail *fail)
{
    struct reader r = {ret, arena};
    enum pke_err err = PKE_OK;

    read_subject(&r, pke_cursor_of(subject->value));
    for (size_t i = 0; err == PKE_OK && i < ret->n_ext; i++)
        err = read_extension(&r, &ret->ext[i], fail);
    return err;
}
