/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate request of an authenticated client: parse, screen, proof of possession, under the widest
 * rules. */
#include "ca/csr.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    static const struct ca_csr_rules rules = {.key_types = CA_ALL_KEYS,
                                              .rsa_min_bits = 2048,
                                              .rsa_max_bits = 8192,
                                              .digests = CA_SHA2 | CA_KINDS(CA_SHA1)};
    static const unsigned bits[] = {
        [CA_KEY_P256] = 256, [CA_KEY_P384] = 384, [CA_KEY_P521] = 521, [CA_KEY_ED25519] = 256};
    struct ca_csr csr;
    struct pke_fail fail = {0};

    if (!fuzz_said(ca_csr_check(in, &rules, arena, &csr, &fail), &fail))
        return;
    FUZZ_MUST(csr.der.p == in.p && csr.der.n == in.n && in.n <= CA_CSR_MAX);
    FUZZ_MUST(csr.info.p > in.p && csr.spki.p > csr.info.p &&
              csr.spki.p + csr.spki.n <= csr.info.p + csr.info.n);
    FUZZ_MUST(csr.key_type == CA_KEY_RSA ? csr.key_bits >= 2048 && csr.key_bits <= 8192
                                         : csr.key_bits == bits[csr.key_type]);
    FUZZ_MUST(csr.subject_text && csr.ekus.n <= CA_CSR_MAX_EKUS && (csr.eku_requested || csr.ekus.n == 0));
}
