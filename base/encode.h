/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Text encodings of bytes: strict base64, hexadecimal, object identifiers, UUIDs.
 *
 * Base64 is our own because every decoder of Debian 12's libraries was measured to accept what it must not
 * (non-canonical tails, interior padding, silent stop at a foreign character).
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include <stdbool.h>

#include "base/bytes.h"

enum pke_base64_flags {
    PKE_B64_STRICT = 0,     /* the alphabet and canonical padding, nothing else */
    PKE_B64_WHITESPACE = 1, /* skip SP, HT, CR, LF anywhere (mdm.md section 3: wrapped lines, &#xD;) */
    PKE_B64_URL = 2,        /* RFC 4648 section 5 alphabet, no padding at all */
};

/**
 * Decode @p text and append to @p out.
 * @return PKE_OK; PKE_MALFORMED (foreign character, wrong padding, non-zero tail bits); PKE_LIMIT (out's
 * maximum). On failure @p out keeps what it had before.
 */
enum pke_err pke_base64_decode(struct pke_bytes text, unsigned flags, struct pke_buf *out);

/** Append the canonical encoding without line breaks; with PKE_B64_URL the URL alphabet without padding. */
enum pke_err pke_base64_encode(struct pke_bytes raw, unsigned flags, struct pke_buf *out);

/** Write 2*n digits and a NUL to @p out. */
void pke_hex(struct pke_bytes raw, bool upper, char *out);

/** Decode an even number of hexadecimal digits, either case. False on anything else; *out_n is the capacity,
 * then the length. */
bool pke_hex_decode(struct pke_bytes text, uint8_t *out, size_t *out_n);

#define PKE_OID_DER_MAX 64

/** "1.3.6.1" to DER content octets (no tag). False when not a valid OID or longer than PKE_OID_DER_MAX. */
bool pke_oid_encode(const char *dotted, uint8_t *der, size_t *n);

/** DER content octets to dotted text. False on non-minimal arcs, arcs above 2^64-1, truncation or lack of
 * room. */
bool pke_oid_decode(struct pke_bytes der, char *dotted, size_t size);

#define PKE_UUID_LEN 36

/** Format 16 random bytes as a version 4 UUID, lower case, with NUL: @p out has PKE_UUID_LEN + 1 bytes. */
void pke_uuid_format(const uint8_t raw[16], char *out);

/** Eight-four-four-four-twelve hexadecimal digits, any case. */
bool pke_uuid_valid(const char *text);

/** Well-formed UTF-8 without NUL, surrogates or overlong forms. */
bool pke_utf8_valid(struct pke_bytes b);

#endif
