/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"
#include "keystore/tpm_rc.h"

static int set_auth(struct tpm *t, struct ks_error *error)
{
    struct pke_bytes pin = pke_secret_bytes(t->config->pin);
    TPM2B_AUTH auth;
    TSS2_RC rc;

    if (t->uri.file && t->file.empty_auth == TPM_EMPTY_AUTH_YES)
        pin.n = 0;
    tpm_auth_value(pin, &auth);
    rc = Esys_TR_SetAuth(t->esys, t->object, &auth);
    OPENSSL_cleanse(&auth, sizeof auth);
    return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(t, error, "Esys_TR_SetAuth", rc);
}

/* The object that answers must be the key that was opened first: a handle or a blob may come to name another.
 */
static int check_name(struct tpm *t, struct ks_error *error)
{
    TPM2B_NAME *name = NULL;
    TSS2_RC rc = Esys_TR_GetName(t->esys, t->object, &name);
    bool same;

    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "Esys_TR_GetName", rc);
    if (t->name.size == 0)
        t->name = *name;
    same = t->name.size == name->size && memcmp(t->name.name, name->name, name->size) == 0;
    Esys_Free(name);
    return same ? 0
                : ks_fail(error, KS_PERMANENT, "key-mismatch", "TPM 2.0 part 1, 16",
                          "another key than the one that was opened is at this place now");
}

static int load_blob(struct tpm *t, const struct tpm_parent *parent, struct ks_error *error)
{
    TSS2_RC rc = Esys_Load(t->esys, parent->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &t->file.private_area, &t->file.public_area, &t->object);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    t->object = ESYS_TR_NONE;
    tpm_fail(t, error, "TPM2_Load", rc);
    if (error->cls == KS_AUTH) { /* of the parent, not the key's PIN */
        ks_fail(error, KS_PERMANENT, "key-tpm-parent", "TPM2_Load", "the parent key has an auth value (0x%x)",
                rc);
        error->raw = rc;
    }
    return -1;
}

static int take_handle(struct tpm *t, struct ks_error *error)
{
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, t->uri.handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &t->object);

    if (rc == TSS2_RC_SUCCESS)
        return 0;
    t->object = ESYS_TR_NONE;
    return tpm_fail(t, error, "TPM2_ReadPublic", rc);
}

static int take_key(struct tpm *t, const struct tpm_parent *parent, struct ks_error *error)
{
    if (t->object != ESYS_TR_NONE)
        return 0;
    if ((t->uri.handle ? take_handle(t, error) : load_blob(t, parent, error)) != 0)
        return -1;
    if (check_name(t, error) == 0 && set_auth(t, error) == 0)
        return 0;
    tpm_drop(t);
    return -1;
}

static int ready_with(struct tpm *t, TPM2_HANDLE want, struct ks_error *error)
{
    struct tpm_parent parent;
    int rc = tpm_parent_open(t, want, &parent, error);

    if (rc == 0)
        rc = take_key(t, &parent, error);
    if (rc == 0 && t->salted && t->session == ESYS_TR_NONE)
        rc = tpm_session_start(t, parent.tr, &t->session, error);
    tpm_parent_close(t, &parent);
    return rc;
}

int tpm_ready(struct tpm *t, void *arg, struct ks_error *error)
{
    TPM2_HANDLE want = t->uri.file ? t->file.parent : TPM2_RH_OWNER;
    bool session = t->salted && t->session == ESYS_TR_NONE;

    (void)arg;
    if (t->object != ESYS_TR_NONE && !session)
        return 0;
    if (t->uri.handle && !session)
        return take_key(t, NULL, error);
    if (ready_with(t, want, error) == 0)
        return 0;
    /* The SRK may have been made with another unique value than the primary of the key file. */
    if (!t->uri.file || want != TPM2_RH_OWNER || t->primary ||
        tpm_rc_base((TSS2_RC)error->raw) != TPM2_RC_INTEGRITY)
        return -1;
    t->primary = true;
    return ready_with(t, want, error);
}

static void scheme_for(const struct ks_hash *hash, bool rsa, TPMT_SIG_SCHEME *ret)
{
    *ret = (TPMT_SIG_SCHEME){0};
    ret->scheme = !rsa                                      ? TPM2_ALG_ECDSA
                  : hash->signature == KS_SIGNATURE_RSA_PSS ? TPM2_ALG_RSAPSS
                                                            : TPM2_ALG_RSASSA;
    ret->details.any.hashAlg = hash->digest == KS_SHA384 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
}

bool tpm_ecdsa_value(const TPMS_SIGNATURE_ECDSA *s, struct pke_buf *out)
{
    uint8_t raw[2 * 48] = {0};
    size_t half = s->signatureR.size > s->signatureS.size ? s->signatureR.size : s->signatureS.size;

    if (half > sizeof raw / 2)
        return false;
    memcpy(raw + half - s->signatureR.size, s->signatureR.buffer, s->signatureR.size);
    memcpy(raw + 2 * half - s->signatureS.size, s->signatureS.buffer, s->signatureS.size);
    return ks_ecdsa_der(PKE_BYTES(raw, 2 * half), sizeof raw / 2, out);
}

static bool signature_value(const TPMT_SIGNATURE *s, TPM2_ALG_ID asked, struct pke_buf *out)
{
    const TPM2B_PUBLIC_KEY_RSA *rsa =
        asked == TPM2_ALG_RSAPSS ? &s->signature.rsapss.sig : &s->signature.rsassa.sig;

    if (s->sigAlg != asked)
        return false;
    if (asked == TPM2_ALG_ECDSA)
        return tpm_ecdsa_value(&s->signature.ecdsa, out);
    return pke_buf_add(out, rsa->buffer, rsa->size) == PKE_OK;
}

int tpm_sign_hash(struct tpm *t, bool rsa, const struct ks_hash *hash, struct pke_buf *out,
                  struct ks_error *error)
{
    static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPM2B_DIGEST digest = {.size = (UINT16)hash->n};
    TPMT_SIG_SCHEME scheme;
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc;
    bool ok;

    scheme_for(hash, rsa, &scheme);
    memcpy(digest.buffer, hash->value, hash->n);
    rc = Esys_Sign(t->esys, t->object, t->salted ? t->session : ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                   &digest, &scheme, &no_ticket, &signature);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(t, error, "TPM2_Sign", rc);
    ok = signature_value(signature, scheme.scheme, out);
    Esys_Free(signature);
    return ok ? 0
              : ks_fail(error, KS_INTEGRITY, "key-integrity", "TPM2_Sign", "what came back is no signature");
}
