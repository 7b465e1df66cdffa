/* SPDX-License-Identifier: Apache-2.0 */
/** @file What writer and reader of names share: the kinds. Private to ca/names*.c. */
#ifndef CA_NAMES_RULES_H
#define CA_NAMES_RULES_H

#include "base/error.h"
#include "ca/names.h"

/* An attribute of a subject. */
struct ca_rdn_kind {
    const char *kind, *oid;
    uint8_t tag;      /* of its string */
    unsigned max;     /* characters (RFC 5280 A.1) */
    bool repeats;     /* may be there more than once */
    const char *rule; /* where the bound is from */
};

/* A kind of alternative name: implicitly tagged string, or otherName of a type with one value in it. */
struct ca_san_kind {
    const char *kind;
    uint8_t tag;
    const char *oid; /* of the otherName; NULL: none */
    uint8_t inner;   /* tag of the value in the otherName */
};

/* NULL when there is none. */
const struct ca_rdn_kind *ca_rdn_kind(const char *kind);
const struct ca_rdn_kind *ca_rdn_kind_of_oid(struct pke_bytes oid);
const struct ca_san_kind *ca_san_kind(const char *kind);
const struct ca_san_kind *ca_san_kind_of_tag(uint8_t tag);                 /* not for otherName */
const struct ca_san_kind *ca_san_kind_of_other(struct pke_bytes type_oid); /* for otherName */

/* Value rules; @p err is the class of a refusal. */
enum pke_err ca_rdn_value(const struct ca_rdn_kind *k, struct pke_bytes value, enum pke_err err,
                          struct pke_fail *fail);
enum pke_err ca_san_value(const struct ca_san_kind *k, struct pke_bytes value, enum pke_err err,
                          struct pke_fail *fail);

/* No more than may be, and no name twice. */
enum pke_err ca_subject_list(const struct pke_pairs *subject, enum pke_err err, struct pke_fail *fail);
enum pke_err ca_san_list(const struct pke_pairs *san, enum pke_err err, struct pke_fail *fail);

/* 16 octets of Windows (the first three groups little endian) <-> 8-4-4-4-12 text with its NUL. */
void ca_guid_text(const uint8_t raw[16], char text[37]);
void ca_guid_raw(const char *text, uint8_t raw[16]);

#endif
