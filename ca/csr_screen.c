/* SPDX-License-Identifier: Apache-2.0 */
/* Screening of the key of a CSR and proof of possession, cheap before dear. */
#include "ca/csr.h"

#include <openssl/err.h>

#include "ca/der.h"
#include "ca/key.h"
#include "ca/ossl.h"
#include "ca/signature.h"

static enum pke_err screen_blocked(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                                   struct pke_fail *fail)
{
    for (size_t i = 0; i < PKE_LEN(rules->blocked); i++)
        if (rules->blocked[i] && ca_blocked_has(rules->blocked[i], csr->spki_sha256))
            return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-blocked", "blocked-keys, BR 6.1.1.3",
                                "the key is a CA's own or on the list of blocked keys");
    return PKE_OK;
}

/* Refusals that libcrypto knows beside those of ca_key_weak_modulus(). */
static enum pke_err screen_strict(EVP_PKEY *key, struct pke_fail *fail)
{
    PKE_CLEANUP(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good;

    if (!ctx)
        pke_oom();
    good = EVP_PKEY_public_check(ctx) == 1;
    ERR_clear_error();
    return good ? PKE_OK
                : pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-strict",
                               "template: strict-key-check, SP 800-89 5.3.3",
                               "the public key is not one that its algorithm makes: its modulus is a prime, "
                               "say");
}

/* The curves have cofactor 1: a point on them that is not infinity (refused by its form) is a key. */
static enum pke_err screen_point(const struct ca_key *key, EVP_PKEY **evp, struct pke_fail *fail)
{
    if (!ca_key_ed25519_good(key))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-point", "RFC 8032 5.1.7",
                            "the public key is a point of small order or not in its one encoding");
    if (!(*evp = ca_key_evp(key)))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-point", "SP 800-56A 5.6.2.3",
                            "the public key is not a point on its curve");
    return PKE_OK;
}

enum pke_err ca_csr_screen(const struct ca_csr *csr, const struct ca_csr_rules *rules, struct pke_fail *fail)
{
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *evp = NULL;
    struct pke_bytes modulus;
    struct ca_key key;
    enum pke_err err;

    if ((err = ca_key_decode(csr->spki, &key, fail)))
        return err;
    if (!(rules->key_types & CA_KINDS(key.type)))
        return pke_fail_set(fail, PKE_KEY_WEAK, "csr-key-type", "template: key-types",
                            "keys of the type %s are not allowed here", ca_key_type_name(key.type));
    if (key.type == CA_KEY_RSA) {
        if ((err = ca_key_rsa_size(&key, rules->rsa_min_bits, rules->rsa_max_bits, &modulus, fail)) ||
            (err = screen_blocked(csr, rules, fail)) || (err = ca_key_weak_modulus(modulus, fail)))
            return err;
    } else if ((err = screen_blocked(csr, rules, fail)) || (err = screen_point(&key, &evp, fail))) {
        return err;
    }
    if (!rules->strict)
        return PKE_OK;
    if (!evp && !(evp = ca_key_evp(&key)))
        pke_oom(); /* an RSA key that was decoded above */
    return screen_strict(evp, fail);
}

static enum pke_err check_algorithm(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                                    const struct ca_signature *algorithm, struct pke_fail *fail)
{
    if (!algorithm && ca_signature_is_pss(csr->algorithm))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-pss", "RFC 4055 3.1",
                            "the request is signed with RSASSA-PSS of other parameters than one SHA-2 and a "
                            "salt of its length");
    if (!algorithm)
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-algorithm", "RFC 4055 5, RFC 5758 3.2",
                            "the signature algorithm is not on the list of allowed ones");
    if (csr->has_digest && !(rules->digests & CA_KINDS(algorithm->digest)))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-digest", "template: csr-digests, SP 800-131A 3",
                            "the request is signed with %s", ca_digest_name(algorithm->digest));
    if (!ca_signature_fits(algorithm, csr->key_type))
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-signature-key", "RFC 2986 4.2",
                            "the signature algorithm does not fit the key");
    return PKE_OK;
}

enum pke_err ca_csr_possession(const struct ca_csr *csr, const struct ca_csr_rules *rules,
                               struct pke_fail *fail)
{
    const struct ca_signature *algorithm = ca_signature_find_request(csr->algorithm);
    PKE_CLEANUP(EVP_PKEY_free_p) EVP_PKEY *evp = NULL;
    struct ca_key key;
    enum pke_err err;

    if ((err = check_algorithm(csr, rules, algorithm, fail)) || (err = ca_key_decode(csr->spki, &key, fail)))
        return err;
    evp = ca_key_evp(&key);
    if (!evp || !ca_signature_verify(evp, algorithm, csr->info, csr->signature))
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
