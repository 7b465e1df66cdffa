/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists in the publish folder: what is there already, and what comes there. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl_impl.h"
#include "daemon/issuer/publish.h"

#define LABEL "X509 CRL"

static const char *const suffixes[] = {".crl", "-delta.crl"};

static const char *folder_of(const struct crl_ca *c)
{
    return c->setup->conf->global.publish_directory;
}

static char *name_of(const struct crl_ca *c, unsigned which, const char *more)
{
    return pke_asprintf("%s%s%s", c->name, suffixes[which], more);
}

static void note(struct crl_ca *c, unsigned which)
{
    PKE_CLEANUP(pke_free_p) char *name = name_of(c, which, "");
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/%s", folder_of(c), name);

    if (stat(path, &c->files[which].st) != 0)
        memset(&c->files[which].st, 0, sizeof c->files[which].st);
}

/* Only what this CA signed counts; anything else in its place is written over. */
static void look_at(struct crl_ca *c, unsigned which, int64_t ledger_number)
{
    PKE_CLEANUP(pke_free_p) char *name = name_of(c, which, "");
    struct ca_crl crl;
    struct pke_fail fail;
    struct pke_buf der;
    enum pke_err err;

    note(c, which);
    c->files[which].number = 0;
    pke_buf_init(&der, CA_CRL_MAX + (1u << 20));
    err = publish_read(folder_of(c), name, &der, &fail);
    if (err == PKE_OK)
        err = ca_crl_read(c->ca->ca, pke_buf_bytes(&der), &crl, &fail);
    if (err == PKE_OK) {
        c->files[which].number = crl.number;
        if (crl.number > ledger_number) {
            pke_buf_init(&c->behind[which], CA_CRL_MAX);
            (void)pke_buf_add_bytes(&c->behind[which], crl.der);
        }
    } else if (err != PKE_NOT_FOUND) {
        log_fail(LOG_WARNING, "a published CRL is none of this issuer and will be replaced", &fail, "issuer",
                 c->name, "file", name, NULL);
    }
    pke_buf_done(&der);
}

void crl_files_look(struct crl_ca *c, int64_t ledger_number)
{
    for (unsigned i = 0; i < 2; i++) {
        pke_buf_done(&c->behind[i]);
        look_at(c, i, ledger_number);
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody else may have put a newer one there: another daemon with this key, or a restored folder. */
static enum pke_err check_newer(struct crl_ca *c, unsigned which, struct pke_fail *fail)
{
    struct stat before = c->files[which].st;
    int64_t number = c->files[which].number;

    note(c, which);
    if (same_file(&before, &c->files[which].st))
        return PKE_OK;
    look_at(c, which, c->make.number);
    if (c->files[which].number < c->make.number) {
        c->files[which].number = number;
        return PKE_OK;
    }
    c->loaded = false; /* and what is in it is looked at */
    return pke_fail_set(fail, PKE_STALE, "publish-newer", "RFC 5280 5.2.3",
                        "the publish folder has a CRL with a greater number");
}

static enum pke_err write_der(struct crl_ca *c, unsigned which, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *name = name_of(c, which, "");
    enum pke_err err = check_newer(c, which, fail); /* once more: the other files took their time */

    if (err == PKE_OK)
        err = publish_file(folder_of(c), name, pke_buf_bytes(&c->der), fail);
    if (err != PKE_OK)
        return err;
    c->files[which].number = c->make.number;
    note(c, which);
    c->step = CRL_IDLE;
    return PKE_OK;
}

static enum pke_err write_pem(struct crl_ca *c, unsigned which, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *name = name_of(c, which, ".pem");
    struct pke_buf pem;
    enum pke_err err = check_newer(c, which, fail);

    if (err != PKE_OK)
        return err;
    pke_buf_init(&pem, publish_pem_size(c->der.n));
    (void)publish_pem(&pem, LABEL, pke_buf_bytes(&c->der));
    err = publish_file(folder_of(c), name, pke_buf_bytes(&pem), fail);
    pke_buf_done(&pem);
    if (err == PKE_OK)
        c->step = which == 0 ? CRL_WRITE_ALL : CRL_WRITE_DER;
    return err;
}

/* A TLS terminator wants the full lists of all issuers in one file; deltas mean nothing to it. */
static enum pke_err write_all(struct crl_ca *c, struct pke_fail *fail)
{
    struct pke_buf all;
    enum pke_err err = PKE_OK;

    pke_buf_init(&all, 2 * publish_pem_size(CA_CRL_MAX));
    for (size_t i = 0; err == PKE_OK && i < c->setup->n_cas; i++) {
        PKE_CLEANUP(pke_free_p) char *name = pke_asprintf("%s.crl.pem", c->setup->cas[i].conf->name);

        if (c->setup->cas[i].conf->crl_lifetime)
            err = publish_read(folder_of(c), name, &all, fail);
        if (err == PKE_NOT_FOUND) /* its first one is on its way, or its key is down */
            err = PKE_OK;
    }
    if (err == PKE_OK)
        err = publish_file(folder_of(c), "clients.crl.pem", pke_buf_bytes(&all), fail);
    pke_buf_done(&all);
    if (err == PKE_OK)
        c->step = CRL_WRITE_DER;
    return err;
}

enum pke_err crl_files_write(struct crl_ca *c, struct pke_fail *fail)
{
    unsigned which = c->make.base != 0;

    if (c->step == CRL_WRITE_PEM)
        return write_pem(c, which, fail);
    return c->step == CRL_WRITE_ALL ? write_all(c, fail) : write_der(c, which, fail);
}
