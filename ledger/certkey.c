/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/certkey.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/audit.h"

size_t certkey_digits(const char *key, char out[STORE_DIGEST * 2])
{
    size_t n = 0;

    for (; *key; key++) {
        if (*key == ':' || *key == ' ')
            continue;
        if (n == STORE_DIGEST * 2 || !strchr("0123456789abcdefABCDEF", *key))
            return 0;
        out[n++] = *key;
    }
    return n;
}

size_t certkey_serial(const char *digits, size_t n, uint8_t out[STORE_DIGEST])
{
    char even[STORE_DIGEST * 2 + 1];
    size_t odd, size = STORE_DIGEST;

    while (n && *digits == '0') {
        digits++;
        n--;
    }
    if (n > 2 * STORE_SERIAL_MAX)
        return 0;
    odd = n & 1;
    even[0] = '0';
    memcpy(even + odd, digits, n);
    return n && pke_hex_decode(PKE_BYTES(even, n + odd), out, &size) ? size : 0;
}

/* Digit by digit: out = out * 10 + digit, big endian, in the last *n octets of @p wide. */
static bool decimal_digit(uint8_t wide[STORE_SERIAL_MAX], size_t *n, unsigned carry)
{
    for (size_t i = 0; i < *n; i++) {
        uint8_t *octet = &wide[STORE_SERIAL_MAX - 1 - i];

        carry += 10u * *octet;
        *octet = (uint8_t)carry;
        carry >>= 8;
    }
    if (carry && *n == STORE_SERIAL_MAX)
        return false;
    if (carry)
        wide[STORE_SERIAL_MAX - ++*n] = (uint8_t)carry;
    return true;
}

static size_t decimal(const char *digits, uint8_t out[STORE_DIGEST])
{
    uint8_t wide[STORE_SERIAL_MAX] = {0};
    size_t n = 0;

    if (!*digits)
        return 0;
    for (; *digits; digits++)
        if (*digits < '0' || *digits > '9' || !decimal_digit(wide, &n, (unsigned)(*digits - '0')))
            return 0;
    memcpy(out, wide + STORE_SERIAL_MAX - n, n);
    return n;
}

size_t certkey_number(const char *key, uint8_t out[STORE_DIGEST])
{
    static const char prefix[] = "decimal:";
    char digits[2 * STORE_DIGEST];

    if (strncmp(key, prefix, sizeof prefix - 1) == 0)
        return decimal(key + sizeof prefix - 1, out);
    return certkey_serial(digits, certkey_digits(key, digits), out);
}

/* A serial of several issuers: which they are. */
static enum pke_err ambiguous(struct query *q, const uint8_t first[STORE_DIGEST], struct pke_fail *fail)
{
    char one[2 * STORE_DIGEST + 1], two[2 * STORE_DIGEST + 1];
    struct pke_bytes second = query_col_borrow(q, 0);

    pke_hex(PKE_BYTES(first, STORE_DIGEST), false, one);
    pke_hex(PKE_BYTES(second.p, second.n < STORE_DIGEST ? second.n : STORE_DIGEST), false, two);
    return pke_fail_set(fail, PKE_EXISTS, "serial-ambiguous", STORE_RULE_REQUEST,
                        "several issuers gave out this serial: name one certificate by its SHA-256, %s, %s%s",
                        one, two, query_row(q) ? " and others" : "");
}

static enum pke_err only(struct query *q, uint8_t ret[STORE_DIGEST], struct pke_fail *fail)
{
    struct pke_bytes sha256;
    enum pke_err err;

    if (!query_row(q)) {
        err = query_result(q, fail);
        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", STORE_RULE_REQUEST,
                                            "the ledger has no such certificate");
    }
    sha256 = query_col_borrow(q, 0);
    memcpy(ret, sha256.p, sha256.n < STORE_DIGEST ? sha256.n : STORE_DIGEST); /* the table's CHECK */
    return query_row(q) ? ambiguous(q, ret, fail) : query_result(q, fail);
}

static enum pke_err by_blob(struct ledger *l, enum writer_statement id, const char *tenant,
                            struct pke_bytes key, uint8_t ret[STORE_DIGEST], struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, id);

    query_blob(&q, key);
    query_text(&q, tenant);
    return only(&q, ret, fail);
}

static enum pke_err by_request(struct ledger *l, const char *tenant, const char *key,
                               uint8_t ret[STORE_DIGEST], struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CERT_BY_REQUEST);

    query_text(&q, key);
    query_text(&q, tenant);
    return only(&q, ret, fail);
}

enum pke_err ledger_name_certificate(struct ledger *l, const char *tenant, const char *key, uint8_t ret[32],
                                     struct pke_fail *fail)
{
    char digits[2 * STORE_DIGEST];
    uint8_t raw[STORE_DIGEST];
    size_t n = certkey_digits(key, digits), size = sizeof raw;
    enum pke_err err = PKE_NOT_FOUND;

    if (n == 2 * STORE_DIGEST && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = by_blob(l, WRITER_CERT_BY_SHA256, tenant, PKE_BYTES(raw, size), ret, fail);
    else if (n == 2 * STORE_FINGERPRINT && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = by_blob(l, WRITER_CERT_BY_SHA1, tenant, PKE_BYTES(raw, size), ret, fail);
    if (err == PKE_NOT_FOUND && (size = certkey_number(key, raw)) > 0)
        err = by_blob(l, WRITER_CERT_BY_SERIAL, tenant, PKE_BYTES(raw, size), ret, fail);
    return err == PKE_NOT_FOUND ? by_request(l, tenant, key, ret, fail) : err;
}
