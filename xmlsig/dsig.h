/* SPDX-License-Identifier: Apache-2.0 */
/** @file The signature itself, computed by libxmlsec1. Private to xmlsig/. */
#ifndef XMLSIG_DSIG_H
#define XMLSIG_DSIG_H

#include <openssl/evp.h>

#include "xmlsig/shape.h"

/** Once per process, and before any other use of libxml2: no file or network access, no output. */
void xmlsig_dsig_init(void);

/**
 * Does the one signature of @p document, of the form @p shape, verify under @p key, and did it cover the
 * whole document? @return PKE_OK or PKE_INVALID_SECURITY.
 */
enum pke_err xmlsig_dsig_check(struct pke_bytes document, const struct xmlsig_shape *shape, EVP_PKEY *key,
                               struct pke_fail *fail);

#endif
