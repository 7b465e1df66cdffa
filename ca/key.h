/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Public keys of subjects: the SubjectPublicKeyInfo decoded without the slow general decoder, and the tests
 * for keys whose private half can be found. Private to ca/.
 */
#ifndef CA_KEY_H
#define CA_KEY_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "ca/csr.h"

struct ca_key {
    enum ca_key_type type;
    unsigned bits; /* of the modulus or the field (Ed25519: 256); 0 for a modulus that is not positive */
    struct pke_bytes algorithm; /* DER AlgorithmIdentifier */
    struct pke_bytes point;     /* content of the BIT STRING without the unused-bits octet */
    struct pke_bytes modulus;   /* RSA: content octets of the INTEGERs, sign and all */
    struct pke_bytes exponent;
};

/**
 * Decode @p spki: the AlgorithmIdentifier must be, octet for octet, rsaEncryption with NULL, id-ecPublicKey
 * with the named curve P-256, P-384 or P-521, or id-Ed25519; an EC point uncompressed, an Ed25519 key of 32
 * octets. Nothing is computed.
 * @return PKE_OK, or PKE_KEY_WEAK: csr-key-type, csr-key-encoding, csr-key-point.
 */
enum pke_err ca_key_decode(struct pke_bytes spki, struct ca_key *ret, struct pke_fail *fail);

/**
 * What an RSA key costs and whether it can be guessed, before anything is computed with it: a positive odd
 * modulus of k * 1024 bits from @p min_bits to @p max_bits (never below 2048 nor above 8192, whatever they
 * say) and an odd exponent from 65537 to 2^64 - 1. *modulus is its magnitude.
 * @return PKE_OK, or PKE_KEY_WEAK: csr-key-modulus, csr-key-bits, csr-key-exponent.
 */
enum pke_err ca_key_rsa_size(const struct ca_key *key, unsigned min_bits, unsigned max_bits,
                             struct pke_bytes *modulus, struct pke_fail *fail);

/**
 * An Ed25519 key whose order is not small, and in its one encoding: with one of small order a signature is
 * made without knowing anything (RFC 8032 5.1.7). Of other keys nothing is said: true.
 */
bool ca_key_ed25519_good(const struct ca_key *key);

/** The key for EVP_DigestVerify; NULL when libcrypto refuses it (a point off the curve). Caller frees. */
EVP_PKEY *ca_key_evp(const struct ca_key *key);

/** SHA-1 of the BIT STRING content, as RFC 5280 4.2.1.2 (1) makes a key identifier. 20 octets. */
void ca_key_identifier(const struct ca_key *key, uint8_t out[20]);

/**
 * Tests a modulus for the ROCA fingerprint (CVE-2017-15361), a factor below 752, and factors so close that
 * 100 rounds of Fermat's method find them. @p modulus is a positive odd magnitude.
 * @return PKE_OK, or PKE_KEY_WEAK: csr-key-roca, csr-key-small-factor, csr-key-fermat.
 */
enum pke_err ca_key_weak_modulus(struct pke_bytes modulus, struct pke_fail *fail);

#endif
