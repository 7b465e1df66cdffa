/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Structures of the TCG's TPM 2.0 library, part 2 (big endian), as far as a certified key needs them. Private
 * to attest/.
 */
#ifndef ATTEST_TPM_H
#define ATTEST_TPM_H

#include <openssl/evp.h>

#include "base/bytes.h"

/* Names as in the TCG's document, table 9. */
#define TPM_ALG_RSA       0x0001
#define TPM_ALG_SHA1      0x0004
#define TPM_ALG_SHA256    0x000b
#define TPM_ALG_SHA384    0x000c
#define TPM_ALG_SHA512    0x000d
#define TPM_ALG_NULL      0x0010
#define TPM_ALG_RSASSA    0x0014
#define TPM_ALG_RSAES     0x0015
#define TPM_ALG_RSAPSS    0x0016
#define TPM_ALG_OAEP      0x0017
#define TPM_ALG_ECDSA     0x0018
#define TPM_ALG_ECDH      0x0019
#define TPM_ALG_ECDAA     0x001a
#define TPM_ALG_SM2       0x001b
#define TPM_ALG_ECSCHNORR 0x001c
#define TPM_ALG_ECC       0x0023

/* TPMA_OBJECT, 8.3.2 */
#define TPMA_FIXED_TPM    (1u << 1)
#define TPMA_FIXED_PARENT (1u << 4)
#define TPMA_DATA_ORIGIN  (1u << 5)

/** TPMS_ATTEST of TPM2_Certify (10.12.8). */
struct attest_tpms {
    struct pke_bytes qualified_signer, extra_data, name, qualified_name;
    uint64_t clock, firmware;
    uint32_t reset_count, restart_count;
    bool safe;
};

/** TPMT_PUBLIC (12.2.4). */
struct attest_public {
    struct pke_bytes area; /* the whole: what the name is a hash of */
    uint16_t type, name_alg;
    uint32_t attributes;
    struct pke_bytes policy;
    struct pke_bytes modulus; /* RSA */
    uint32_t exponent;
    uint16_t curve; /* ECC */
    struct pke_bytes x, y;
};

/** Read all of it, no byte more. PKE_POLICY: attest-tpms. */
enum pke_err attest_tpms_read(struct pke_bytes in, struct attest_tpms *ret, struct pke_fail *fail);

/** Read a TPMT_PUBLIC of an RSA or ECC key, no byte more. PKE_POLICY: attest-public. */
enum pke_err attest_public_read(struct pke_bytes in, struct attest_public *ret, struct pke_fail *fail);

/** TPM2B: a 16 bit length of at most @p max, and that many bytes. */
bool attest_take_2b(struct pke_cursor *c, size_t max, struct pke_bytes *ret);

/** SHA-256, SHA-384 or SHA-512; NULL for what is weaker or unknown. */
const EVP_MD *attest_digest(uint16_t alg);

/** Name of an object: nameAlg and the digest of its public area (part 1, 16). Its length; 0: no such digest.
 */
size_t attest_public_name(const struct attest_public *pub, uint8_t out[2 + EVP_MAX_MD_SIZE]);

#endif
