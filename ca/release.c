/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/release.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "ca/cert.h"
#include "ca/der.h"

static enum pke_err refuse(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_INTERNAL, reason, rule, "%s", text);
}

/* The three parts, and nothing else. The BIT STRING has whole octets. */
static bool take_apart(struct pke_bytes certificate, struct ca_der *tbs, struct ca_der *algorithm,
                       struct pke_bytes *signature)
{
    struct pke_cursor c = pke_cursor_of(certificate), inside;
    struct ca_der bits;

    if (!ca_der_enter(&c, CA_DER_SEQUENCE, &inside) || pke_cursor_left(&c) > 0 ||
        !ca_der_take_tag(&inside, CA_DER_SEQUENCE, tbs) ||
        !ca_der_take_tag(&inside, CA_DER_SEQUENCE, algorithm) ||
        !ca_der_take_tag(&inside, CA_DER_BIT_STRING, &bits) || pke_cursor_left(&inside) > 0 ||
        bits.value.n < 2 || bits.value.p[0] != 0)
        return false;
    *signature = PKE_BYTES(bits.value.p + 1, bits.value.n - 1);
    return true;
}

enum pke_err ca_release_check(const struct ca_issuer *ca, const uint8_t linted[CA_LINT_DIGEST],
                              struct pke_bytes certificate, struct pke_fail *fail)
{
    struct ca_der tbs, algorithm;
    struct pke_bytes signature;
    uint8_t digest[CA_LINT_DIGEST];

    if (!take_apart(certificate, &tbs, &algorithm, &signature) ||
        !pke_bytes_eq(algorithm.full, ca_issuer_algorithm(ca)))
        return refuse(fail, "release-structure", "RFC 5280 4.1.1",
                      "the certificate is not put together as one of this CA is");
    if (EVP_Digest(tbs.full.p, tbs.full.n, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    if (CRYPTO_memcmp(digest, linted, sizeof digest) != 0)
        return refuse(fail, "release-not-linted", "lint before sign",
                      "the certificate does not hold the bytes that were linted");
    if (!ca_cert_verify(ca, tbs.full, signature))
        return refuse(fail, "release-signature", "RFC 5280 4.1.1.3",
                      "the key's signature is not one of this CA over the certificate");
    return PKE_OK;
}
