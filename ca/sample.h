/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Public keys for certificates that nobody will ever have: a template is tried with each type of key that it
 * allows before the CA's key is used (attacks A47).
 */
#ifndef CA_SAMPLE_H
#define CA_SAMPLE_H

#include "base/bytes.h"
#include "ca/kinds.h"

/** DER SubjectPublicKeyInfo of a key of this type, appended to @p out; @p bits of an RSA modulus, a multiple
 * of 8. The private half is forgotten, or never was: the RSA modulus is a number that looks like one. */
void ca_sample_spki(enum ca_key_type type, unsigned bits, struct pke_buf *out);

#endif
