/* SPDX-License-Identifier: Apache-2.0 */
/* The backend: a TPM 2.0. Between two bursts of work the TPM holds nothing of ours: an idle session stops
 * every TPM after 65,531 commands of others (TPM_RC_CONTEXT_GAP), and there is room for three objects. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

#define DEADLINE_MS 20000

/* What the TPM says about the loaded object; its Name must be the hash of that. */
static int read_back(struct tpm *t, struct ks_facts *facts, struct ks_error *error)
{
    TPM2B_PUBLIC *area = NULL;
    TPM2B_NAME name;
    TSS2_RC rc =
        Esys_ReadPublic(t->esys, t->object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, NULL, NULL);
    bool empty = t->uri.file && t->file.empty_auth == TPM_EMPTY_AUTH_YES;
    int ret;

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_ReadPublic", rc);
    empty = empty || pke_secret_bytes(t->config->pin).n == 0;
    if (!tpm_public_name(&area->publicArea, &name) || name.size != t->name.size ||
        memcmp(name.name, t->name.name, name.size) != 0)
        ret = ks_fail(error, KS_PERMANENT, "key-mismatch", "TPM 2.0 part 1, 16",
                      "the Name of the key is not the digest of its public area");
    else
        ret = tpm_public_facts(&area->publicArea, empty, facts, error);
    Esys_Free(area);
    return ret;
}

static int facts_step(struct tpm *t, void *arg, struct ks_error *error)
{
    if (t->uri.file && !t->file_read && tpm_file_read(t, error) != 0)
        return -1;
    if (tpm_ready(t, NULL, error) != 0)
        return -1;
    return read_back(t, arg, error);
}

static int tpm_open(struct ks_key *key, struct ks_facts *facts, struct ks_error *error)
{
    struct tpm *t = pke_calloc(1, sizeof *t);

    key->ctx = t;
    if (tpm_connect(t, &key->config, key->config.deadline_ms ? key->config.deadline_ms : DEADLINE_MS,
                    error) != 0)
        return -1;
    return tpm_retry(t, facts_step, facts, error);
}

struct job {
    struct ks_key *key;
    const struct ks_hash *hash;
    struct pke_buf *out;
};

static int sign_step(struct tpm *t, void *arg, struct ks_error *error)
{
    const struct job *j = arg;

    if (t->uri.file && !t->file_read && tpm_file_read(t, error) != 0)
        return -1;
    if (tpm_ready(t, NULL, error) != 0)
        return -1;
    return tpm_sign_hash(t, EVP_PKEY_is_a(j->key->facts.public_key, "RSA") == 1, j->hash, j->out, error);
}

static int tpm_sign(struct ks_key *key, const struct ks_hash *hash, struct pke_buf *out,
                    struct ks_error *error)
{
    struct job j = {.key = key, .hash = hash, .out = out};

    return tpm_retry(key->ctx, sign_step, &j, error);
}

/* Salt as long as the digest is what RFC 4055 3.1 has in a certificate; a TPM has no parameter for it, and
 * many take the longest (222 octets with RSA-2048 and SHA-256). */
static int tpm_prove(struct ks_key *key, struct ks_error *error)
{
    static const char text[] = "pkienrolld: is this key there?";
    struct ks_hash hash;
    struct pke_buf signature;
    int rc;

    if (!ks_hash_message(KS_SHA256, pke_bytes_str(text), &hash))
        return ks_fail(error, KS_PERMANENT, "key-digest", "FIPS 180-4", "the digest cannot be computed");
    hash.signature = key->config.signature;
    pke_buf_init(&signature, TPM_KEYFILE_MAX);
    rc = tpm_sign(key, &hash, &signature, error);
    if (rc == 0 && !ks_verify(key->facts.public_key, &hash, pke_buf_bytes(&signature)))
        rc = hash.signature == KS_SIGNATURE_RSA_PSS
                 ? ks_fail(error, KS_PERMANENT, "key-pss-salt", "RFC 4055 3.1",
                           "the RSA-PSS signatures of this TPM have another salt length than the digest: no "
                           "certificate can say so")
                 : ks_fail(error, KS_INTEGRITY, "key-integrity", "verify before release",
                           "the signature that came back does not verify with the public half of the key");
    pke_buf_done(&signature);
    return rc;
}

static void tpm_pin_changed(struct ks_key *key)
{
    struct tpm *t = key->ctx;

    tpm_drop(t);
    t->file_read = false; /* the blob holds the auth value: another one was written */
}

static int tpm_recover(struct ks_key *key, enum ks_rung rung, struct ks_facts *facts, struct ks_error *error)
{
    struct tpm *t = key->ctx;

    t->file_read = false;
    if (rung == KS_RUNG_SESSION && t->esys) {
        tpm_drop(t);
        return tpm_retry(t, facts_step, facts, error);
    }
    tpm_disconnect(t);
    t->primary = false;
    if (tpm_connect(t, &key->config, t->deadline_ms, error) != 0)
        return -1;
    return tpm_retry(t, facts_step, facts, error);
}

static void tpm_idle(struct ks_key *key)
{
    tpm_drop(key->ctx);
}

static void tpm_close(struct ks_key *key)
{
    struct tpm *t = key->ctx;

    if (t)
        tpm_disconnect(t);
    free(t);
    key->ctx = NULL;
}

const struct ks_backend ks_backend_tpm2 = {.name = "tpm2",
                                           .open = tpm_open,
                                           .sign = tpm_sign,
                                           .recover = tpm_recover,
                                           .pin_changed = tpm_pin_changed,
                                           .prove = tpm_prove,
                                           .idle = tpm_idle,
                                           .close = tpm_close};
