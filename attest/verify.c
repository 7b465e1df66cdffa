/* SPDX-License-Identifier: Apache-2.0 */
/* The order is: who says it, did they say it, what did they say, is it about this key. */
#include <string.h>

#include "attest/attest.h"
#include "attest/claim.h"
#include "attest/key.h"
#include "attest/roots.h"
#include "attest/signature.h"
#include "base/encode.h"

#define NEEDED (TPMA_FIXED_TPM | TPMA_FIXED_PARENT | TPMA_DATA_ORIGIN)

const char *attest_result_text(enum attest_result result)
{
    return result == ATTEST_ATTESTED ? "attested" : result == ATTEST_ABSENT ? "absent" : "not-attested";
}

void attest_verdict_text(const struct attest_verdict *v, struct pke_buf *out)
{
    (void)pke_buf_add_str(out, attest_result_text(v->result));
    if (*v->reason)
        (void)pke_buf_printf(out, " reason=%s", v->reason);
    if (*v->aik_sha256)
        (void)pke_buf_printf(out, " aik=sha256:%s", v->aik_sha256);
    if (*v->key_name)
        (void)pke_buf_printf(out, " key=%s", v->key_name);
    if (*v->extra_data)
        (void)pke_buf_printf(out, " extra=%s", v->extra_data);
    if (*v->provider)
        (void)pke_buf_printf(out, " maa=%s", v->provider);
    else if (v->result == ATTEST_ATTESTED)
        (void)pke_buf_add_str(out, " freshness=unproven");
}

static enum pke_err check_present(const struct attest_evidence *in, struct attest_verdict *ret,
                                  struct pke_fail *fail)
{
    static const char rule[] = "MS-MDE2 3.4.4.1.1.1";

    if (!in->claim.n && !in->aik_pub.n && !in->aik_cert.n) {
        ret->result = ATTEST_ABSENT;
        return pke_fail_set(fail, PKE_POLICY, "attest-absent", rule, "the device sent no attestation");
    }
    if (!in->claim.n)
        return pke_fail_set(fail, PKE_POLICY, "attest-claim-missing", rule,
                            "the device sent no AIKAttestationClaim");
    if (in->claim.n > ATTEST_CLAIM_MAX)
        return pke_fail_set(fail, PKE_POLICY, "attest-claim", rule, "the claim is too long");
    if (!in->aik_cert.n)
        return pke_fail_set(
            fail, PKE_POLICY, "attest-aik-cert-missing", rule,
            "the device sent no AIKCert: nobody says that its attestation key is one of a TPM");
    return PKE_OK;
}

/* AIKPub says nothing that the certificate does not; when it is there it must say the same. */
static enum pke_err check_aik_pub(struct pke_bytes aik_pub, EVP_PKEY *aik, struct pke_fail *fail)
{
    EVP_PKEY *key;
    bool same;

    if (!aik_pub.n)
        return PKE_OK;
    key = attest_key_any(aik_pub);
    if (!key)
        return pke_fail_set(fail, PKE_POLICY, "attest-aik-pub", "MS-MDE2 3.4.4.1.1.1",
                            "AIKPub is in no known encoding");
    same = EVP_PKEY_eq(key, aik) == 1;
    EVP_PKEY_free(key);
    return same ? PKE_OK
                : pke_fail_set(fail, PKE_POLICY, "attest-aik-key", "MS-MDE2 3.4.4.1.1.1",
                               "AIKPub is not the key of AIKCert");
}

static enum pke_err check_key(const struct attest_public *pub, struct pke_bytes csr_spki,
                              struct pke_fail *fail)
{
    EVP_PKEY *key = attest_key_public(pub), *wanted = attest_key_spki(csr_spki);
    bool same = key && wanted && EVP_PKEY_eq(key, wanted) == 1;

    EVP_PKEY_free(key);
    EVP_PKEY_free(wanted);
    return same ? PKE_OK
                : pke_fail_set(fail, PKE_POLICY, "attest-key", "one key per claim",
                               "the claim is about another key than the certificate request");
}

static enum pke_err check_object(const struct attest_tpms *tpms, const struct attest_public *pub,
                                 struct pke_fail *fail)
{
    uint8_t name[2 + EVP_MAX_MD_SIZE];
    size_t n = attest_public_name(pub, name);

    if (n == 0)
        return pke_fail_set(fail, PKE_POLICY, "attest-name-alg", "TCG TPM 2.0 part 1, 16",
                            "the key's name is not made by SHA-256, SHA-384 or SHA-512");
    if (!pke_bytes_eq(tpms->name, PKE_BYTES(name, n)))
        return pke_fail_set(fail, PKE_POLICY, "attest-name", "TCG TPM 2.0 part 2, 10.12.3",
                            "the certified object is not the key of the claim");
    if ((pub->attributes & NEEDED) != NEEDED)
        return pke_fail_set(fail, PKE_POLICY, "attest-attributes", "TCG TPM 2.0 part 2, 8.3",
                            "the key may exist outside of the TPM: it lacks fixedTPM, fixedParent or "
                            "sensitiveDataOrigin");
    return PKE_OK;
}

static enum pke_err check_claim(struct pke_bytes bytes, EVP_PKEY *aik, struct pke_bytes csr_spki,
                                struct attest_verdict *ret, struct pke_fail *fail)
{
    struct attest_claim claim;
    struct attest_tpms tpms;
    struct attest_public pub;
    struct pke_bytes area;
    enum pke_err err = attest_claim_read(bytes, &claim, fail);

    if (err == PKE_OK && !attest_signature_ok(aik, claim.tpms, claim.signature))
        err = pke_fail_set(fail, PKE_POLICY, "attest-signature", "TCG TPM 2.0 part 2, 11.3",
                           "the attestation structure was not signed by this AIK");
    if (err == PKE_OK)
        err = attest_tpms_read(claim.tpms, &tpms, fail);
    if (err != PKE_OK)
        return err;
    pke_hex(tpms.name, false, ret->key_name);
    pke_hex(tpms.extra_data, false, ret->extra_data);
    err = attest_key_blob_read(claim.key_blob, &area, fail);
    if (err == PKE_OK)
        err = attest_public_read(area, &pub, fail);
    if (err == PKE_OK)
        err = check_object(&tpms, &pub, fail);
    return err == PKE_OK ? check_key(&pub, csr_spki, fail) : err;
}

enum pke_err attest_tpm_verify(const struct attest_evidence *in, struct pke_bytes csr_spki,
                               const struct attest_roots *roots, int64_t now_seconds,
                               struct attest_verdict *ret, struct pke_fail *fail)
{
    struct pke_fail own = {0};
    EVP_PKEY *aik = NULL;
    enum pke_err err;

    *ret = (struct attest_verdict){.result = ATTEST_NOT_ATTESTED};
    err = check_present(in, ret, &own);
    if (err == PKE_OK)
        err = attest_chain_verify(roots, in->aik_cert, now_seconds, &aik, ret->aik_sha256, &own);
    if (err == PKE_OK)
        err = check_aik_pub(in->aik_pub, aik, &own);
    if (err == PKE_OK)
        err = check_claim(in->claim, aik, csr_spki, ret, &own);
    EVP_PKEY_free(aik);
    if (err == PKE_OK)
        ret->result = ATTEST_ATTESTED;
    else
        memcpy(ret->reason, own.reason, sizeof ret->reason);
    if (fail && err != PKE_OK)
        *fail = own;
    return err;
}
