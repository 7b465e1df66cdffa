/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

/* The new blob is tried before it takes the place of the old one: both hold the only copy of the key. */
static int try_new(struct tpm *t, const struct pke_secret *new_pin, struct ks_error *error)
{
    const struct ks_config *config = t->config;
    struct ks_config with_new = *config;
    bool rsa = t->file.public_area.publicArea.type == TPM2_ALG_RSA;
    struct ks_hash hash;
    struct pke_buf signature;
    int rc;

    with_new.pin = new_pin;
    t->config = &with_new;
    tpm_drop(t);
    pke_buf_init(&signature, TPM_KEYFILE_MAX);
    rc = ks_hash_message(KS_SHA256, pke_bytes_str("pkienrolld: is this key there?"), &hash) ? 0 : -1;
    if (rc != 0)
        ks_fail(error, KS_PERMANENT, "key-digest", "FIPS 180-4", "the digest cannot be computed");
    if (rc == 0)
        rc = tpm_ready(t, NULL, error);
    if (rc == 0)
        rc = tpm_sign_hash(t, rsa, &hash, &signature, error);
    pke_buf_done(&signature);
    t->config = config;
    return rc;
}

static int change(struct tpm *t, const struct pke_secret *new_pin, TPM2B_PRIVATE *ret, struct ks_error *error)
{
    struct tpm_parent parent;
    TPM2B_PRIVATE *fresh = NULL;
    TPM2B_AUTH auth;
    TSS2_RC rc;

    if (tpm_parent_open(t, t->file.parent, &parent, error) != 0)
        return -1;
    tpm_auth_value(pke_secret_bytes(new_pin), &auth);
    rc = Esys_ObjectChangeAuth(t->esys, t->object, parent.tr, t->salted ? t->session : ESYS_TR_PASSWORD,
                               ESYS_TR_NONE, ESYS_TR_NONE, &auth, &fresh);
    OPENSSL_cleanse(&auth, sizeof auth);
    tpm_parent_close(t, &parent);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_ObjectChangeAuth", rc);
    *ret = *fresh;
    Esys_Free(fresh);
    return 0;
}

static int replace_file(struct tpm *t, struct ks_error *error)
{
    struct pke_buf text;
    int e;

    pke_buf_init(&text, TPM_KEYFILE_MAX);
    e = tpm_keyfile_write(&t->file, &text)
            ? pke_file_publish(t->uri.file, pke_buf_bytes(&text), 0600, PKE_PUBLISH_REPLACE)
            : EFBIG;
    pke_buf_done(&text);
    return e == 0 ? 0
                  : ks_fail(error, KS_PERMANENT, "key-file", "TSS2 key file",
                            "the key file cannot be replaced: %s", strerror(e));
}

static int change_step(struct tpm *t, void *arg, struct ks_error *error)
{
    const struct pke_secret *new_pin = arg;
    TPM2B_PRIVATE fresh;

    if (tpm_file_read(t, error) != 0 || tpm_ready(t, NULL, error) != 0 ||
        change(t, new_pin, &fresh, error) != 0)
        return -1;
    t->file.private_area = fresh;
    t->file.empty_auth = pke_secret_bytes(new_pin).n == 0 ? TPM_EMPTY_AUTH_YES : TPM_EMPTY_AUTH_NO;
    if (try_new(t, new_pin, error) != 0)
        return -1;
    return replace_file(t, error);
}

int tpm_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    struct tpm_uri uri;

    if (tpm_uri_parse(config->uri ? config->uri : "", &uri, &error->fail) != PKE_OK) {
        error->cls = KS_PERMANENT;
        return -1;
    }
    if (uri.handle)
        return ks_fail(error, KS_PERMANENT, "key-tpm-handle", "TPM2_EvictControl",
                       "the auth value of a key at a persistent handle cannot be replaced in one step, and a "
                       "power cut between two would lose the key: it stays as it is");
    if (pke_secret_bytes(new_pin).n == 0 && !config->allow_weak)
        return ks_fail(error, KS_PERMANENT, "key-pin-missing", "auth value",
                       "a key without an auth value could be used by everybody who reaches the TPM");
    return tpm_with(config, change_step, (void *)new_pin, error);
}
