/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/sample.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/der.h"

#define RSA_ENCRYPTION "1.2.840.113549.1.1.1"

/* What counts in a certificate is the size: an RSA key of 4096 bits takes seconds to make. */
static void add_rsa(unsigned bits, struct pke_buf *out)
{
    static const uint8_t exponent[] = {1, 0, 1};
    struct pke_buf key;
    uint8_t *modulus = pke_malloc(bits / 8 + 1);
    size_t whole, inside;

    memset(modulus, 0xa5, bits / 8 + 1); /* odd, the top bit of the second octet set */
    modulus[0] = 0;
    pke_buf_init(&key, bits + 64);
    inside = ca_der_open(&key, CA_DER_SEQUENCE);
    ca_der_add(&key, CA_DER_INTEGER, PKE_BYTES(modulus, bits / 8 + 1));
    ca_der_add(&key, CA_DER_INTEGER, PKE_BYTES(exponent, sizeof exponent));
    ca_der_close(&key, inside);
    whole = ca_der_open(out, CA_DER_SEQUENCE);
    inside = ca_der_open(out, CA_DER_SEQUENCE);
    ca_der_add_oid(out, RSA_ENCRYPTION);
    ca_der_add(out, CA_DER_NULL, PKE_BYTES(NULL, 0));
    ca_der_close(out, inside);
    ca_der_add_bits(out, pke_buf_bytes(&key));
    ca_der_close(out, whole);
    pke_buf_done(&key);
    free(modulus);
}

static void add_made(EVP_PKEY *key, struct pke_buf *out)
{
    unsigned char *der = NULL;
    int n = key ? i2d_PUBKEY(key, &der) : 0;

    if (n <= 0)
        pke_oom();
    pke_buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static EVP_PKEY *make(enum ca_key_type type)
{
    return type == CA_KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                  : EVP_EC_gen(type == CA_KEY_P256   ? "P-256"
                                               : type == CA_KEY_P384 ? "P-384"
                                                                     : "P-521");
}

void ca_sample_spki(enum ca_key_type type, unsigned bits, struct pke_buf *out)
{
    if (type == CA_KEY_RSA)
        add_rsa(bits, out);
    else
        add_made(make(type), out);
}
