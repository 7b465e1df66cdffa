/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * DER (X.690) by hand: a strict reader over borrowed bytes and a small writer. Private to ca/.
 *
 * The reader knows low tag numbers and definite minimal lengths only: nothing in a certificate or a
 * certificate request needs more, and what it does not know cannot be read in two ways.
 */
#ifndef CA_DER_H
#define CA_DER_H

#include "base/bytes.h"

enum ca_der_tag {
    CA_DER_BOOLEAN = 0x01,
    CA_DER_INTEGER = 0x02,
    CA_DER_BIT_STRING = 0x03,
    CA_DER_OCTET_STRING = 0x04,
    CA_DER_NULL = 0x05,
    CA_DER_OID = 0x06,
    CA_DER_UTF8 = 0x0c,
    CA_DER_PRINTABLE = 0x13,
    CA_DER_IA5 = 0x16,
    CA_DER_BMP = 0x1e,
    CA_DER_UTC_TIME = 0x17,
    CA_DER_GENERALIZED_TIME = 0x18,
    CA_DER_SEQUENCE = 0x30,
    CA_DER_SET = 0x31,
    CA_DER_CONTEXT_0 = 0xa0,
    CA_DER_CONTEXT_3 = 0xa3,
};

/** One element: its tag octet, the whole encoding, the content octets. Ranges point into the input. */
struct ca_der {
    uint8_t tag;
    struct pke_bytes full;
    struct pke_bytes value;
};

/** Next element, whatever its tag. False at the end, on a length that is not DER, on a high tag number. */
bool ca_der_take(struct pke_cursor *c, struct ca_der *ret);

/** Next element if its tag octet is @p tag; otherwise false and the cursor stays. */
bool ca_der_take_tag(struct pke_cursor *c, uint8_t tag, struct ca_der *ret);

/** As ca_der_take_tag for a constructed element, with a cursor over its content. */
bool ca_der_enter(struct pke_cursor *c, uint8_t tag, struct pke_cursor *inside);

/** @p b is exactly one element with tag octet @p tag. */
bool ca_der_whole(struct pke_bytes b, uint8_t tag, struct ca_der *ret);

/**
 * @p b is exactly one element and all of it is DER: lengths, and the content of the universal types that have
 * a canonical form (BOOLEAN, INTEGER, BIT STRING, NULL, OBJECT IDENTIFIER), through all constructed elements
 * to a depth of 24. The content of OCTET STRING and of character strings is opaque.
 */
bool ca_der_strict(struct pke_bytes b);

/**
 * The elements of @p set are in the order of a DER SET OF (X.690 11.6): ascending as octet strings, the
 * shorter one padded with zeros. Equal ones may follow one another.
 */
bool ca_der_sorted(struct pke_cursor set);

/** Content octets of an INTEGER without the sign octet; false when it is negative or zero. */
bool ca_der_positive(struct pke_bytes integer, struct pke_bytes *magnitude);

/** UTCTime or GeneralizedTime in the forms of RFC 5280 4.1.2.5 (seconds, Z, no fraction), as seconds. */
bool ca_der_time(const struct ca_der *e, int64_t *seconds);

/* Writer. Appends to a buffer whose overflow flag is tested once at the end. */

/** Start an element; what follows is its content until ca_der_close with the mark returned here. */
size_t ca_der_open(struct pke_buf *b, uint8_t tag);
void ca_der_close(struct pke_buf *b, size_t mark);

/** A whole primitive element. */
void ca_der_add(struct pke_buf *b, uint8_t tag, struct pke_bytes value);

/** BIT STRING of whole octets: no unused bits, trailing zero bits kept. */
void ca_der_add_bits(struct pke_buf *b, struct pke_bytes value);

/** OBJECT IDENTIFIER from dotted text; false when it is not one. */
bool ca_der_add_oid(struct pke_buf *b, const char *dotted);

/** UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5); false outside 1950..9999. */
bool ca_der_add_time(struct pke_buf *b, int64_t seconds);

#endif
