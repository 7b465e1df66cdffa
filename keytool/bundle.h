/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The bundle file of attest: one PEM block for each part of the proof.
 */
#ifndef KEYTOOL_BUNDLE_H
#define KEYTOOL_BUNDLE_H

#include "keystore/attestation.h"

/** Append the text: blocks of the parts that are there, in the order of enum ks_attest_part. */
void tool_bundle_write(const struct ks_attestation *a, struct pke_buf *out);

/** Read it again: known blocks only, each once, in that order, nothing that is not PEM between them.
 * PKE_MALFORMED. */
enum pke_err tool_bundle_read(struct pke_bytes text, struct ks_attestation *ret, struct pke_fail *fail);

#endif
