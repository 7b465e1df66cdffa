/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What people have at hand of a certificate: thumbprints and serials as they are shown, with colons or
 * spaces. Private to ledger/.
 */
#ifndef LEDGER_CERTKEY_H
#define LEDGER_CERTKEY_H

#include "ledger/store.h"

/** Digits of @p key without colons and spaces, at most 64; 0 when it is anything but hexadecimal. */
size_t certkey_digits(const char *key, char out[STORE_DIGEST * 2]);

/** A number as the ledger stores serials: no leading zero octet. Returns its length, 0 when it is none. */
size_t certkey_serial(const char *digits, size_t n, uint8_t out[STORE_DIGEST]);

/** "decimal:123", or hexadecimal digits: the serial as the ledger stores it; 0: @p key is no number. */
size_t certkey_number(const char *key, uint8_t out[STORE_DIGEST]);

#endif
