/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others need of the issuers: NAME.crt (DER, for AIA), NAME.pem, NAME.chain.pem with its root,
 * NAME.cross.pem, and clients-ca.pem, which a management server's TLS terminator trusts its clients by. A
 * file is written when it changed, so that who watches it has something to do.
 */
#include <string.h>

#include "base/mem.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/publish.h"

#define MAX_FILE    (1u << 20)
#define CERTIFICATE "CERTIFICATE"

static enum pke_err put(const struct issuer *is, const char *name, struct pke_bytes content,
                        struct pke_fail *fail)
{
    const char *folder = is->setup->conf->global.publish_directory;
    PKE_CLEANUP(pke_buf_done) struct pke_buf there;
    struct pke_fail unread;

    pke_buf_init(&there, MAX_FILE);
    if (publish_read(folder, name, &there, &unread) == PKE_OK && pke_bytes_eq(pke_buf_bytes(&there), content))
        return PKE_OK;
    return publish_file(folder, name, content, fail);
}

static enum pke_err put_as(const struct issuer *is, const struct issuer_ca *ca, const char *ending,
                           struct pke_bytes content, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *name = pke_asprintf("%s.%s", ca->conf->name, ending);

    return put(is, name, content, fail);
}

static enum pke_err put_one(const struct issuer *is, const struct issuer_ca *ca, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf pem;
    enum pke_err err;

    pke_buf_init(&pem, MAX_FILE);
    (void)publish_pem(&pem, CERTIFICATE, ca_issuer_der(ca->ca));
    err = put_as(is, ca, "crt", ca_issuer_der(ca->ca), fail);
    if (err == PKE_OK)
        err = put_as(is, ca, "pem", pke_buf_bytes(&pem), fail);
    if (!ca_issuer_self_signed(ca->ca))
        (void)publish_pem(&pem, CERTIFICATE, ca_issuer_root_der(ca->ca));
    if (err == PKE_OK)
        err = put_as(is, ca, "chain.pem", pke_buf_bytes(&pem), fail);
    if (err == PKE_OK && ca->cross.n)
        err = put_as(is, ca, "cross.pem", pke_buf_bytes(&ca->cross), fail);
    return err;
}

/* Does anybody have to trust it? From the moment that it is scheduled, and as long as a certificate of it
 * lives. */
static enum pke_err is_live(struct issuer *is, const struct issuer_ca *ca, bool *ret, struct pke_fail *fail)
{
    int64_t life = 0, now = role_wall_ms() / 1000;
    size_t templates = 0;
    const char *state;
    enum pke_err err = ledger_issuer_life(is->ledger, ca_issuer_id(ca->ca), &life, fail);

    for (size_t i = 0; i < is->setup->n_templates; i++)
        templates += setup_template_at(is->setup, i)->ca == ca;
    state = succession_state(&is->succession, ca->conf->name, templates);
    *ret = ca_issuer_not_after(ca->ca) > now &&
           (strcmp(state, "active") == 0 || strcmp(state, "scheduled") == 0 || life > now);
    return err;
}

/* Two issuers may have one root. */
static void add_once(struct pke_buf *pem, struct pke_blobs *seen, struct pke_arena *arena,
                     struct pke_bytes der)
{
    for (size_t i = 0; i < seen->n; i++)
        if (pke_bytes_eq(seen->v[i], der))
            return;
    pke_blobs_add(seen, arena, der);
    (void)publish_pem(pem, CERTIFICATE, der);
}

static enum pke_err put_clients(struct issuer *is, struct pke_arena *arena, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf pem;
    struct pke_blobs seen = {0};
    enum pke_err err = PKE_OK;

    pke_buf_init(&pem, MAX_FILE);
    for (size_t i = 0; err == PKE_OK && i < is->setup->n_cas; i++) {
        const struct issuer_ca *ca = &is->setup->cas[i];
        bool live = false;
        err = is_live(is, ca, &live, fail);
        if (err == PKE_OK && live) {
            add_once(&pem, &seen, arena, ca_issuer_der(ca->ca));
            add_once(&pem, &seen, arena, ca_issuer_root_der(ca->ca));
        }
    }
    return err == PKE_OK ? put(is, "clients-ca.pem", pke_buf_bytes(&pem), fail) : err;
}

enum pke_err publish_issuers(struct issuer *is, struct pke_fail *fail)
{
    struct pke_arena *arena = pke_arena_new();
    enum pke_err err = put_clients(is, arena, fail);

    for (size_t i = 0; err == PKE_OK && i < is->setup->n_cas; i++)
        err = put_one(is, &is->setup->cas[i], fail);
    pke_arena_free(arena);
    return err;
}
