/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The other CA of cross-sign: what its certificate request or its certificate says, screened. Nothing of it
 * is believed but what the caller takes over.
 */
#ifndef KEYTOOL_SUBJECT_H
#define KEYTOOL_SUBJECT_H

#include "keytool/x509.h"

struct tool_subject {
    X509_NAME *name;
    struct pke_buf spki;
    ASN1_OCTET_STRING *ski;        /* NULL: none */
    NAME_CONSTRAINTS *constraints; /* NULL: none */
    long path_len;                 /* -1: none */
};

/**
 * Read a PKCS#10: DER, its own signature (SHA-256 or better), a key that is not weak, basicConstraints
 * CA:TRUE and keyUsage of a CA, and no extension but these, subjectKeyIdentifier and nameConstraints.
 * @return PKE_OK (tool_subject_done) or the refusal.
 */
enum pke_err tool_subject_request(const char *path, struct tool_subject *ret, struct pke_fail *fail);

/**
 * The same from the self-signed certificate of a CA; extensions about where to find things are passed over,
 * any other that would be lost is refused.
 */
enum pke_err tool_subject_certificate(const char *path, struct tool_subject *ret, struct pke_fail *fail);

void tool_subject_done(struct tool_subject *s);

#endif
