/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/clients.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/issuer/issuer.h"

struct place {
    const char *kind, *option, *name; /* of the configuration */
    X509_STORE *store;
};

struct clients {
    struct place *places;
    size_t n;
};

static X509_STORE *read_store(const char *path)
{
    X509_STORE *store = X509_STORE_new();

    if (!store)
        pke_oom();
    (void)X509_STORE_load_file(store, path);
    ERR_clear_error();
    return store;
}

static void add(struct clients *c, const char *kind, const char *option, const char *name, const char *path)
{
    if (path)
        c->places[c->n++] = (struct place){kind, option, name, read_store(path)};
}

struct clients *clients_load(const struct setup *s)
{
    struct clients *c = pke_calloc(1, sizeof *c);
    const struct conf *conf = s->conf;

    c->places = pke_calloc(conf->n_listeners + conf->n_endpoints + 1, sizeof *c->places);
    for (size_t i = 0; i < conf->n_listeners; i++)
        if (conf->listeners[i].client_cert != CONF_CLIENT_CERT_OFF)
            add(c, "listener", "client-ca", conf->listeners[i].name, conf->listeners[i].client_ca);
    for (size_t i = 0; i < conf->n_endpoints; i++)
        add(c, "endpoint", "credential-ca", conf->endpoints[i].name, conf->endpoints[i].credential_ca);
    return c;
}

void clients_free(struct clients *c)
{
    for (size_t i = 0; c && i < c->n; i++)
        X509_STORE_free(c->places[i].store);
    if (c)
        free(c->places);
    free(c);
}

/* The CA itself is verified, at whatever time: whose certificates are trusted is asked, not for how long. A
 * certificate of it that is an anchor is enough, as is one of its root. */
static bool trusts(const struct place *p, const struct issuer_ca *ca)
{
    struct pke_bytes der = ca_issuer_der(ca->ca);
    const unsigned char *at = der.p;
    X509 *x = d2i_X509(NULL, &at, (long)der.n);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok;

    if (!x || !ctx || X509_STORE_CTX_init(ctx, p->store, x, NULL) != 1)
        pke_oom();
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    ok = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    X509_free(x);
    ERR_clear_error();
    return ok;
}

const char *clients_missing(const struct clients *c, const struct issuer_ca *from, const struct issuer_ca *to,
                            struct pke_arena *arena)
{
    const char *text = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const struct place *p = &c->places[i];
        if (trusts(p, from) && !trusts(p, to))
            text = pke_arena_printf(arena, "%s%s%s of %s %s trusts %s and not %s", text ? text : "",
                                    text ? "; " : "", p->option, p->kind, p->name, from->conf->name,
                                    to->conf->name);
    }
    return text;
}
