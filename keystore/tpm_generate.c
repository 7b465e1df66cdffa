/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"

static int exists(struct ks_error *error, const char *text)
{
    ks_fail(error, KS_PERMANENT, "key-exists", "exactly one key", "%s", text);
    error->fail.err = PKE_EXISTS;
    return -1;
}

static int tpm_test_parms(struct tpm *t, const TPMT_PUBLIC *area, struct ks_error *error)
{
    TPMT_PUBLIC_PARMS parms = {.type = area->type, .parameters = area->parameters};
    TSS2_RC rc = Esys_TestParms(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parms);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    if (tpm_rc_class(rc) != KS_PERMANENT)
        return tpm_fail(t, error, "TPM2_TestParms", rc);
    ks_fail(error, KS_PERMANENT, "key-tpm-parameters", "TPM2_TestParms",
            "this TPM has no keys of that type and size: %s", Tss2_RC_Decode(rc));
    error->raw = rc;
    return -1;
}

/* A key in the making. */
struct making {
    enum ks_key_algorithm algorithm;
    TPM2B_PUBLIC template;
    struct tpm_keyfile file;
    struct pke_buf *creation; /* NULL: nobody asks */
};

static int check_free(struct tpm *t, struct ks_error *error)
{
    ESYS_TR there;
    TSS2_RC rc;

    if (t->uri.file)
        return access(t->uri.file, F_OK) == 0 ? exists(error, "the key file is there already") : 0;
    rc = Esys_TR_FromTPMPublic(t->esys, t->uri.handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &there);
    if (tpm_rc_hint(rc) == TPM_RC_KEY_MISSING)
        return 0;
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_ReadPublic", rc);
    Esys_TR_Close(t->esys, &there);
    return exists(error, "the handle is occupied by another key");
}

/* TPM2B_CREATION_DATA, TPM2B_DIGEST creationHash, TPMT_TK_CREATION. */
static int keep_creation(struct pke_buf *out, const TPM2B_CREATION_DATA *data, const TPM2B_DIGEST *hash,
                         const TPMT_TK_CREATION *ticket, struct ks_error *error)
{
    uint8_t buf[sizeof *data + sizeof *hash + sizeof *ticket];
    size_t n = 0;

    if (Tss2_MU_TPM2B_CREATION_DATA_Marshal(data, buf, sizeof buf, &n) == TSS2_RC_SUCCESS &&
        Tss2_MU_TPM2B_DIGEST_Marshal(hash, buf, sizeof buf, &n) == TSS2_RC_SUCCESS &&
        Tss2_MU_TPMT_TK_CREATION_Marshal(ticket, buf, sizeof buf, &n) == TSS2_RC_SUCCESS &&
        pke_buf_add(out, buf, n) == PKE_OK)
        return 0;
    return ks_fail(error, KS_PERMANENT, "key-output", "output limit", "no room for the creation data");
}

static int create(struct tpm *t, struct making *m, ESYS_TR parent, ESYS_TR session, struct ks_error *error)
{
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    TPM2B_DATA outside = {0};
    TPML_PCR_SELECTION pcr = {0};
    TPM2B_PRIVATE *private_area = NULL;
    TPM2B_PUBLIC *public_area = NULL;
    TPM2B_CREATION_DATA *data = NULL;
    TPM2B_DIGEST *hash = NULL;
    TPMT_TK_CREATION *ticket = NULL;
    TSS2_RC rc;
    int ret = 0;

    tpm_auth_value(pke_secret_bytes(t->config->pin), &sensitive.sensitive.userAuth);
    rc = Esys_Create(t->esys, parent, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &m->template, &outside,
                     &pcr, &private_area, &public_area, &data, &hash, &ticket);
    OPENSSL_cleanse(&sensitive, sizeof sensitive);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_fail(t, error, "TPM2_Create", rc);
        if (error->cls == KS_AUTH) /* of the parent: there is no key yet */
            error->cls = KS_PERMANENT;
        ret = -1;
    } else {
        m->file.private_area = *private_area;
        m->file.public_area = *public_area;
        if (m->creation)
            ret = keep_creation(m->creation, data, hash, ticket, error);
    }
    Esys_Free(private_area);
    Esys_Free(public_area);
    Esys_Free(data);
    Esys_Free(hash);
    Esys_Free(ticket);
    return ret;
}

static int write_file(struct tpm *t, const struct tpm_keyfile *file, struct ks_error *error)
{
    struct pke_buf text;
    int e;

    pke_buf_init(&text, TPM_KEYFILE_MAX);
    e = tpm_keyfile_write(file, &text)
            ? pke_file_publish(t->uri.file, pke_buf_bytes(&text), 0600, PKE_PUBLISH_NEW)
            : EFBIG;
    pke_buf_done(&text);
    if (e == EEXIST)
        return exists(error, "the key file is there already");
    return e == 0 ? 0
                  : ks_fail(error, KS_PERMANENT, "key-file", "TSS2 key file",
                            "the key file cannot be written: %s", strerror(e));
}

static int persist(struct tpm *t, const struct making *m, ESYS_TR parent, struct ks_error *error)
{
    ESYS_TR loaded, kept;
    TSS2_RC rc = Esys_Load(t->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &m->file.private_area, &m->file.public_area, &loaded);

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_Load", rc);
    rc = Esys_EvictControl(t->esys, ESYS_TR_RH_OWNER, loaded, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           t->uri.handle, &kept);
    (void)Esys_FlushContext(t->esys, loaded);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_fail(t, error, "TPM2_EvictControl", rc);
        return -1;
    }
    Esys_TR_Close(t->esys, &kept);
    return 0;
}

static int make_step(struct tpm *t, void *arg, struct ks_error *error)
{
    struct making *m = arg;
    struct tpm_parent parent;
    ESYS_TR session = ESYS_TR_NONE;
    int rc;

    if (check_free(t, error) != 0 || tpm_test_parms(t, &m->template.publicArea, error) != 0 ||
        tpm_parent_open(t, TPM2_RH_OWNER, &parent, error) != 0)
        return -1;
    rc = t->salted ? tpm_session_start(t, parent.tr, &session, error) : 0;
    if (rc == 0)
        rc = create(t, m, parent.tr, t->salted ? session : ESYS_TR_PASSWORD, error);
    if (session != ESYS_TR_NONE)
        (void)Esys_FlushContext(t->esys, session);
    m->file.parent = parent.handle;
    m->file.empty_auth = pke_secret_bytes(t->config->pin).n == 0 ? TPM_EMPTY_AUTH_YES : TPM_EMPTY_AUTH_NO;
    if (rc == 0)
        rc = t->uri.file ? write_file(t, &m->file, error) : persist(t, m, parent.tr, error);
    tpm_parent_close(t, &parent);
    return rc;
}

int tpm_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct pke_buf *creation,
                 struct ks_error *error)
{
    struct making m = {.algorithm = algorithm, .creation = creation};
    const struct ks_algorithm_info *info = ks_algorithm_info(algorithm);

    if (!info || !tpm_public_template(algorithm, &m.template))
        return ks_fail(error, KS_PERMANENT, "key-generate", "CA key algorithms",
                       "a TPM makes RSA-2048, RSA-3072, P-256 and P-384 keys");
    if (ks_signature_check(info, config->signature, error) != 0)
        return -1;
    if (pke_secret_bytes(config->pin).n == 0 && !config->allow_weak)
        return ks_fail(error, KS_PERMANENT, "key-pin-missing", "auth value",
                       "a key without an auth value could be used by everybody who reaches the TPM");
    return tpm_with(config, make_step, &m, error);
}

static int srk_step(struct tpm *t, void *arg, struct ks_error *error)
{
    ESYS_TR srk, primary, kept;
    TSS2_RC rc;

    (void)arg;
    if (tpm_srk_find(t, &srk, error) != 0)
        return -1;
    if (srk != ESYS_TR_NONE) {
        Esys_TR_Close(t->esys, &srk);
        return 0;
    }
    if (tpm_primary_create(t, &primary, error) != 0)
        return -1;
    rc = Esys_EvictControl(t->esys, ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           TPM_SRK_HANDLE, &kept);
    (void)Esys_FlushContext(t->esys, primary);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_EvictControl", rc);
    Esys_TR_Close(t->esys, &kept);
    return 0;
}

int tpm_init(const struct ks_config *config, struct ks_error *error)
{
    return tpm_with(config, srk_step, NULL, error);
}
