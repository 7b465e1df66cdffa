/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: what each Cryptoki return value means to the caller, in one table. A lost session or
 * device is reported under many codes (DEVICE_ERROR, OBJECT_HANDLE_INVALID, GENERAL_ERROR ...), so recovery
 * goes by class, never by one code.
 */
#ifndef KEYSTORE_RV_H
#define KEYSTORE_RV_H

#include <stdint.h>

#include "keystore/keystore.h"

/** CKR name ("CKR_PIN_INCORRECT"); NULL when the value is not in PKCS#11 2.40 or 3.0. */
const char *ks_rv_name(uint64_t rv);

/** Class of @p rv. Vendor codes count as KS_TOKEN (re-initialise once), unknown ones as KS_PERMANENT. */
enum ks_class ks_rv_class(uint64_t rv);

/** The error class a caller outside this folder sees. */
enum pke_err ks_class_err(enum ks_class cls);

/** Describe the failure of Cryptoki function @p call ("C_Login"). Returns -1. */
int ks_rv_fail(struct ks_error *error, const char *call, uint64_t rv);

/** Describe a failure that has no Cryptoki code. Returns -1. */
int ks_fail(struct ks_error *error, enum ks_class cls, const char *reason, const char *rule, const char *fmt,
            ...) __attribute__((format(printf, 5, 6)));

#endif
