/* SPDX-License-Identifier: Apache-2.0 */
/* Screening of the key of a CSR and proof of possession, cheap before dear. */
#include "ca/csr.h"
#include "ca/der.h"
#include "ca/key.h"
#include "ca/ossl.h"
#include "ca/signature.h"

static enum pke_err screen_blocked(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                                   struct pke_fail *fail)
{
    for (size_t i = 0; i < rules->n_blocked; i++)
        if (pke_bytes_eq(rules->blocked_spki_sha256[i], PKE_BYTES(csr->spki_sha256, CA_SHA256_SIZE)))
            return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-blocked", "BR 6.1.1.3",
                                "the key is a CA's own or on the list of blocked keys");
    return PKE_OK;
}

enum pke_err ca_csr_screen(const struct ca_csr *csr, const struct ca_csr_rules *rules, struct pke_fail *fail)
{
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *point = NULL;
    struct pke_bytes modulus;
    struct ca_key key;
    enum pke_err err;

    if ((err = ca_key_decode(csr->spki, &key, fail)))
        return err;
    if (key.type == CA_KEY_RSA) {
        if ((err = ca_key_rsa_size(&key, rules->rsa_min_bits, rules->rsa_max_bits, &modulus, fail)) ||
            (err = screen_blocked(csr, rules, fail)))
            return err;
        return ca_key_weak_modulus(modulus, fail);
    }
    if (!rules->allow_ec)
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-type", "template",
                            "elliptic curve keys are not allowed here");
    if ((err = screen_blocked(csr, rules, fail)))
        return err;
    /* The curves have cofactor 1: a point on them that is not infinity (refused by its form) is a key. */
    if (!(point = ca_key_evp(&key)))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-point", "SP 800-56A 5.6.2.3",
                            "the public key is not a point on its curve");
    return PKE_OK;
}

static enum pke_err check_algorithm(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                                    const struct ca_signature *algorithm, struct pke_fail *fail)
{
    if (!algorithm && ca_signature_is_pss(csr->algorithm))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-pss", "RFC 4055 3.1",
                            "the request is signed with RSASSA-PSS, which is not supported");
    if (!algorithm)
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-algorithm", "RFC 4055 5, RFC 5758 3.2",
                            "the signature algorithm is not on the list of allowed ones");
    if (algorithm->digest == CA_SHA1 && !rules->allow_sha1)
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-sha1", "SP 800-131A 3",
                            "the request is signed with SHA-1");
    if (algorithm->ec != (csr->key_type != CA_KEY_RSA))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-key", "RFC 2986 4.2",
                            "the signature algorithm does not fit the key");
    return PKE_OK;
}

enum pke_err ca_csr_possession(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                               struct pke_fail *fail)
{
    const struct ca_signature *algorithm = ca_signature_find(csr->algorithm);
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *evp = NULL;
    struct ca_key key;
    enum pke_err err;

    if ((err = check_algorithm(csr, rules, algorithm, fail)) || (err = ca_key_decode(csr->spki, &key, fail)))
        return err;
    evp = ca_key_evp(&key);
    if (!evp || !ca_verify(evp, algorithm->digest, csr->info, csr->signature))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature", "RFC 2986 4.2",
                            "the request is not signed by the key in it");
    return PKE_OK;
}

enum pke_err ca_csr_check(struct pke_bytes der, const struct ca_csr_rules *rules, struct pke_arena *arena,
                          struct ca_csr *ret, struct pke_fail *fail)
{
    enum pke_err err = ca_csr_parse(der, arena, ret, fail);

    if (!err)
        err = ca_csr_screen(ret, rules, fail);
    if (!err)
        err = ca_csr_possession(ret, rules, fail);
    return err;
}
