/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/catalogue.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/msg.h"

struct catalogue {
    unsigned refs;
    struct pke_arena *arena;
    struct catalogue_issuer *issuers;
    size_t n;
    struct pke_pairs templates;
};

void catalogue_sha1(struct pke_bytes der, char out[CATALOGUE_SHA1_HEX])
{
    uint8_t md[20];

    /* The thumbprint that Windows names certificates by (MS-MDE2 2.2.9.1); not a matter of trust. */
    if (EVP_Digest(der.p, der.n, md, NULL, EVP_sha1(), NULL) != 1)
        abort();
    pke_hex(PKE_BYTES(md, sizeof md), true, out);
}

static void fill(struct catalogue_certificate *c, struct pke_bytes der)
{
    c->der = der;
    catalogue_sha1(der, c->sha1);
}

enum pke_err catalogue_read(struct pke_bytes payload, struct catalogue **ret, struct pke_fail *fail)
{
    struct catalogue *c = pke_calloc(1, sizeof *c);
    struct msg_catalogue m;
    enum pke_err err;

    c->refs = 1;
    c->arena = pke_arena_new();
    err = ipc_record_read(msg_catalogue_fields, payload, c->arena, &m, sizeof m, fail);
    if (err == PKE_OK && (m.issuers.n != m.certificates.n || m.issuers.n != m.roots.n))
        err = pke_fail_set(fail, PKE_MALFORMED, "catalogue", "daemon/common/msg.h msg_catalogue",
                           "the lists of the catalogue differ in length");
    if (err != PKE_OK) {
        catalogue_unref(c);
        return err;
    }
    c->n = m.issuers.n;
    c->templates = m.templates;
    c->issuers = pke_arena_alloc(c->arena, (c->n + 1) * sizeof *c->issuers);
    for (size_t i = 0; i < c->n; i++) {
        struct catalogue_issuer *issuer = &c->issuers[i];

        issuer->name = m.issuers.v[i].name;
        fill(&issuer->ca, m.certificates.v[i]);
        fill(&issuer->root, m.roots.v[i]);
        issuer->self_signed = pke_bytes_eq(issuer->ca.der, issuer->root.der);
    }
    *ret = c;
    return PKE_OK;
}

struct catalogue *catalogue_ref(struct catalogue *c)
{
    if (c)
        c->refs++;
    return c;
}

void catalogue_unref(struct catalogue *c)
{
    if (!c || --c->refs > 0)
        return;
    pke_arena_free(c->arena);
    free(c);
}

const struct catalogue_issuer *catalogue_find(const struct catalogue *c, const char *issuer)
{
    for (size_t i = 0; c && issuer && i < c->n; i++)
        if (strcmp(c->issuers[i].name, issuer) == 0)
            return &c->issuers[i];
    return NULL;
}

const struct catalogue_issuer *catalogue_of_template(const struct catalogue *c, const char *name)
{
    return c ? catalogue_find(c, pke_pairs_get(&c->templates, name)) : NULL;
}
