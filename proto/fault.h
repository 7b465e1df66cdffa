/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The only mapping from our errors to the MDM wire (mdm.md 13): SOAP 1.2 faults, PascalCase, always with a
 * body.
 */
#ifndef PROTO_FAULT_H
#define PROTO_FAULT_H

#include "proto/soap.h"

struct fault_mdm {
    const char *subcode;    /* "s:Authentication", "a:InvalidSecurity", ... */
    const char *error_type; /* "DeviceCapReached", ... or NULL */
    unsigned http_status;   /* 500, 413, 503 */
};

/** What the MDM client gets for an error class. Total: every class has a row. */
const struct fault_mdm *fault_mdm_lookup(enum pke_err err);

/**
 * Append the s:Fault element: Reason and, in Detail/DeviceEnrollmentServiceError, ErrorType (when the class
 * has one), Message and TraceId (@p trace_id, the attempt). The text is @p fail's for classes whose cause the
 * client may know and a fixed sentence for the others (authentication, storage, keys, internal).
 * The prefix s is expected to be bound to the SOAP 1.2 envelope namespace around it, as soap_reply_write()
 * does.
 * @p language is that of the text; NULL: "en-US".
 */
enum pke_err fault_mdm_write(const struct pke_fail *fail, const char *trace_id, const char *language,
                             struct pke_buf *out);

/** The sentence a client gets for @p fail: its own text for MALFORMED, ENROLLMENT_DATA, CSR_BAD, KEY_WEAK and
 * PENDING, else a fixed one. Never the word NotEligibleToRenew, which Windows would act on. */
const char *fault_mdm_text(const struct pke_fail *fail);

#endif
