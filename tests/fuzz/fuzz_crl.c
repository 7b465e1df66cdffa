/* SPDX-License-Identifier: Apache-2.0 */
/* What a compromised issuer asks the key role to sign as a CRL, and what stands in the publish folder: what
 * the floor lets through OpenSSL reads alike, and its numbers only grow. */
#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "ca/crl.h"
#include "ca/crl_floor.h"
#include "tests/fuzz/fuzz_leaf.h"

#define DAY 86400

static X509_CRL *read_by_openssl(const struct ca_issuer *ca, struct pke_bytes tbs)
{
    struct pke_buf der;
    const unsigned char *at;
    X509_CRL *crl;

    pke_buf_init(&der, CA_CRL_MAX);
    FUZZ_MUST(ca_crl_assemble(ca, tbs, pke_bytes_str("signature"), &der) == PKE_OK);
    at = der.p;
    crl = d2i_X509_CRL(NULL, &at, (long)der.n);
    FUZZ_MUST(crl && at == der.p + der.n);
    pke_buf_done(&der);
    return crl;
}

static void same_entries(const struct ca_crl *ours, X509_CRL *theirs)
{
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(theirs);
    struct pke_cursor at = pke_cursor_of(ours->entries);
    struct ca_crl_entry e;
    int n = 0;

    for (; ca_crl_next(&at, &e, NULL) == PKE_OK; n++) {
        const X509_REVOKED *r = sk_X509_REVOKED_value(revoked, n);
        const ASN1_INTEGER *serial = r ? X509_REVOKED_get0_serialNumber(r) : NULL;
        BIGNUM *number = serial ? ASN1_INTEGER_to_BN(serial, NULL) : NULL;
        uint8_t octets[CA_CRL_SERIAL_MAX];

        FUZZ_MUST(number && !BN_is_negative(number) && BN_num_bytes(number) <= CA_CRL_SERIAL_MAX);
        FUZZ_MUST(pke_bytes_eq(e.serial, PKE_BYTES(octets, (size_t)BN_bn2bin(number, octets))));
        FUZZ_MUST(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(r), e.revoked_at) == 0);
        BN_free(number);
    }
    FUZZ_MUST(n == (revoked ? sk_X509_REVOKED_num(revoked) : 0));
}

static void check_signed(const struct ca_issuer *ca, struct pke_bytes tbs)
{
    X509_CRL *theirs = read_by_openssl(ca, tbs);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(theirs, NID_crl_number, NULL, NULL);
    struct ca_crl ours;
    int64_t n = 0;

    FUZZ_MUST(ca_crl_decode(tbs, &ours, NULL) == PKE_OK);
    FUZZ_MUST(number && ASN1_INTEGER_get_int64(&n, number) == 1 && n == ours.number);
    FUZZ_MUST(ASN1_TIME_cmp_time_t(X509_CRL_get0_nextUpdate(theirs), ours.next_update) == 0);
    FUZZ_MUST((X509_CRL_get_ext_by_NID(theirs, NID_delta_crl, -1) >= 0) == (ours.base != 0));
    FUZZ_MUST(X509_CRL_get_ext_by_critical(theirs, 1, -1) ==
              X509_CRL_get_ext_by_NID(theirs, NID_delta_crl, -1));
    same_entries(&ours, theirs);
    ASN1_INTEGER_free(number);
    X509_CRL_free(theirs);
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    const struct ca_crl_limits limits = {.max_lifetime = 8 * DAY};
    struct ca_floor *floor = fuzz_floor();
    const struct ca_issuer *ca = ca_floor_issuer(floor);
    struct ca_crl crl;
    struct pke_fail fail = {0};
    int64_t last = 0;

    (void)arena;
    (void)fuzz_said(ca_crl_read(ca, in, &crl, &fail), &fail);
    (void)fuzz_said(ca_crl_decode(in, &crl, &fail), &fail);
    if (fuzz_said(ca_crl_floor_check(ca, &limits, &last, in, FUZZ_NOW, &fail), &fail)) {
        FUZZ_MUST(last > 0);
        check_signed(ca, in);
        FUZZ_MUST(ca_crl_floor_check(ca, &limits, &last, in, FUZZ_NOW, &fail) == PKE_POLICY);
    } else {
        FUZZ_MUST(last == 0);
    }
    ca_floor_free(floor);
}
