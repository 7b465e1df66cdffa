/* SPDX-License-Identifier: Apache-2.0 */
/** @file The wishes of a CSR, read. Private to ca/. */
#ifndef CA_CSR_ASKED_H
#define CA_CSR_ASKED_H

#include "ca/csr.h"
#include "ca/der.h"

/** Fill in what @p ret->ext and @p subject say. @p subject has the structure of a Name. PKE_OK or PKE_LIMIT
 * (csr-names). */
enum pke_err ca_csr_asked_read(const struct ca_der *subject, struct ca_csr_asked *ret,
                               struct pke_arena *arena, struct pke_fail *fail);

#endif
