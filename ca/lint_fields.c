/* SPDX-License-Identifier: Apache-2.0 */
/* Lint rules over the fields of the TBSCertificate before its extensions; the subject has a file of its own.
 */
#include "ca/cert.h"
#include "ca/lint_rules.h"

/* ca_lint decodes before any rule runs and refuses in this rule's name; the rule holds its place in the list.
 */
bool lint_decoded(const struct lint *l)
{
    return l->tbs.der.n > 0;
}

bool lint_round_trip(const struct lint *l)
{
    struct pke_buf again;
    bool same;

    pke_buf_init(&again, l->tbs.der.n + 16);
    same = ca_tbs_encode(&l->tbs, &again) == PKE_OK && pke_bytes_eq(pke_buf_bytes(&again), l->tbs.der);
    pke_buf_done(&again);
    return same;
}

bool lint_size(const struct lint *l)
{
    return l->tbs.der.n <= CA_TBS_MAX;
}

bool lint_version(const struct lint *l)
{
    return l->tbs.version == 2;
}

bool lint_serial_range(const struct lint *l)
{
    struct pke_bytes serial;
    unsigned bits;

    if (!ca_der_positive(l->tbs.serial, &serial))
        return false;
    bits = 8 * (unsigned)serial.n;
    for (uint8_t top = serial.p[0]; !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    return bits >= 64 && bits <= 159;
}

/* ca_serial_new: one prefix octet that is not zero and 120 random bits. */
bool lint_serial_size(const struct lint *l)
{
    return l->tbs.serial.n == CA_SERIAL_SIZE && l->tbs.serial.p[0] != 0;
}

bool lint_algorithm(const struct lint *l)
{
    return pke_bytes_eq(l->tbs.algorithm, ca_issuer_algorithm(l->ctx->issuer));
}

bool lint_issuer(const struct lint *l)
{
    return pke_bytes_eq(l->tbs.issuer, ca_issuer_subject(l->ctx->issuer));
}

static bool encoded_as(int64_t seconds, struct pke_bytes der)
{
    struct pke_buf want;
    bool same;

    pke_buf_init(&want, 32);
    same = ca_der_add_time(&want, seconds) && pke_bytes_eq(pke_buf_bytes(&want), der);
    pke_buf_done(&want);
    return same;
}

bool lint_validity_encoding(const struct lint *l)
{
    return encoded_as(l->tbs.not_before, l->tbs.not_before_der) &&
           encoded_as(l->tbs.not_after, l->tbs.not_after_der);
}

bool lint_validity_order(const struct lint *l)
{
    return l->tbs.not_before < l->tbs.not_after;
}

bool lint_validity_issuer(const struct lint *l)
{
    return l->tbs.not_before >= ca_issuer_not_before(l->ctx->issuer) &&
           l->tbs.not_after <= ca_issuer_not_after(l->ctx->issuer);
}

bool lint_validity_maximum(const struct lint *l)
{
    return l->tbs.not_after - l->tbs.not_before <= l->ctx->max_validity;
}

bool lint_validity_start(const struct lint *l)
{
    return l->tbs.not_before <= l->ctx->now + LINT_FUTURE && l->tbs.not_before >= l->ctx->now - LINT_BACKDATE;
}

bool lint_key_type(const struct lint *l)
{
    return l->key_known;
}

bool lint_key_strength(const struct lint *l)
{
    return l->key.type != CA_KEY_RSA || (l->key.bits >= 2048 && l->key.bits <= 8192);
}

bool lint_key_not_issuer(const struct lint *l)
{
    return !pke_bytes_eq(l->tbs.spki, ca_issuer_spki(l->ctx->issuer));
}

bool lint_no_unique_ids(const struct lint *l)
{
    return !l->tbs.has_unique_ids;
}

bool lint_validity_decided(const struct lint *l)
{
    return l->tbs.not_before == l->ctx->decision->not_before &&
           l->tbs.not_after == l->ctx->decision->not_after;
}

bool lint_key_screened(const struct lint *l)
{
    return pke_bytes_eq(l->tbs.spki, l->ctx->decision->spki);
}

bool lint_serial_recorded(const struct lint *l)
{
    return pke_bytes_eq(l->tbs.serial, l->ctx->decision->serial);
}
