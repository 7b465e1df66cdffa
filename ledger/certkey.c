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

/* Two rows: a serial of two issuers. */
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
    if (query_row(q))
        return pke_fail_set(fail, PKE_EXISTS, "serial-ambiguous", STORE_RULE_REQUEST,
                            "two issuers gave out this serial: name the certificate by its thumbprint");
    return query_result(q, fail);
}

static enum pke_err by_blob(struct ledger *l, enum writer_statement id, struct pke_bytes key,
                            uint8_t ret[STORE_DIGEST], struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, id);

    query_blob(&q, key);
    return only(&q, ret, fail);
}

static enum pke_err by_request(struct ledger *l, const char *key, uint8_t ret[STORE_DIGEST],
                               struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CERT_BY_REQUEST);

    query_text(&q, key);
    return only(&q, ret, fail);
}

enum pke_err ledger_name_certificate(struct ledger *l, const char *key, uint8_t ret[32],
                                     struct pke_fail *fail)
{
    char digits[2 * STORE_DIGEST];
    uint8_t raw[STORE_DIGEST];
    size_t n = certkey_digits(key, digits), size = sizeof raw;
    enum pke_err err = PKE_NOT_FOUND;

    if (n == 2 * STORE_DIGEST && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = by_blob(l, WRITER_CERT_BY_SHA256, PKE_BYTES(raw, size), ret, fail);
    else if (n == 2 * STORE_FINGERPRINT && pke_hex_decode(PKE_BYTES(digits, n), raw, &size))
        err = by_blob(l, WRITER_CERT_BY_SHA1, PKE_BYTES(raw, size), ret, fail);
    if (err == PKE_NOT_FOUND && (size = certkey_serial(digits, n, raw)) > 0)
        err = by_blob(l, WRITER_CERT_BY_SERIAL, PKE_BYTES(raw, size), ret, fail);
    return err == PKE_NOT_FOUND ? by_request(l, key, ret, fail) : err;
}
