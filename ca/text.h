/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Text inside certificates: what may be written into a name or a URI, and names made readable. Private to
 * ca/.
 */
#ifndef CA_TEXT_H
#define CA_TEXT_H

#include "base/arena.h"
#include "base/bytes.h"

#define CA_CN_MAX  64   /* characters: RFC 5280 A.1 ub-common-name */
#define CA_URI_MAX 1024 /* octets; ours */

/**
 * Well-formed UTF-8 of characters a person can see the effect of: no controls (C0, DEL, C1), no line or
 * paragraph separator, no bidirectional control, no byte order mark, no noncharacter.
 * @p chars gets the number of characters; may be NULL.
 */
bool ca_text_plain(struct pke_bytes utf8, size_t *chars);

/** Length of the sequence at @p p, of text that is ca_text_plain(), and its code point. */
size_t ca_text_point(const uint8_t *p, uint32_t *ret);

/** Absolute URI in the characters of RFC 3986, as RFC 5280 4.2.1.6 wants it in a SAN. */
bool ca_text_uri(struct pke_bytes uri);

/**
 * A DER Name as "CN=..., O=..." in the order of the encoding, for logs and records: whatever is not plain or
 * has a meaning in the notation comes out as \HH, values of odd string types as #hex. At most about 600
 * octets, then "...". @p name must have passed ca_der_strict.
 */
const char *ca_text_name(struct pke_bytes name, struct pke_arena *arena);

#endif
