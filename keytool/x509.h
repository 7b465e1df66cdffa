/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * CA certificates and certificate requests: built with libcrypto, signed by the key in its device, put
 * together from bytes and verified before anybody sees them.
 */
#ifndef KEYTOOL_X509_H
#define KEYTOOL_X509_H

#include <openssl/x509v3.h>

#include "keytool/options.h"

/** What goes into a CA certificate. Everything is borrowed. */
struct tool_ca {
    const X509_NAME *issuer, *subject;
    struct pke_bytes spki;         /* of the subject */
    int64_t not_before, not_after; /* seconds; both belong to the period */
    long path_len;                 /* -1: none */
    const ASN1_OCTET_STRING *ski;  /* NULL: made of the key */
    const ASN1_OCTET_STRING *aki;  /* NULL: self-signed, the subject's own */
    NAME_CONSTRAINTS *constraints; /* NULL: none */
    uint8_t serial[16];            /* big endian; top bit clear */
};

/** 126 random bits, always 16 octets, positive. */
enum pke_err tool_random_serial(uint8_t serial[16], struct pke_fail *fail);

/** Certificate with CA:TRUE signed by @p key: DER appended to @p out. */
enum pke_err tool_ca_certificate(struct ks_key *key, const struct tool_ca *ca, struct pke_buf *out,
                                 struct pke_fail *fail);

/** basicConstraints CA:TRUE and keyUsage keyCertSign, cRLSign, both critical, appended to *list. */
void tool_add_ca_extensions(STACK_OF(X509_EXTENSION) * *list, long path_len);

/** PKCS#10 (RFC 2986) for the public half of @p key, with @p extensions asked for. DER appended to @p out. */
enum pke_err tool_request(struct ks_key *key, const X509_NAME *subject,
                          const STACK_OF(X509_EXTENSION) * extensions, struct pke_buf *out,
                          struct pke_fail *fail);

/** The one certificate of a PEM file; its key decodes. X509_free() releases it. */
enum pke_err tool_read_certificate(const char *path, X509 **ret, struct pke_fail *fail);

/** Is @p pub the public half of @p key? */
bool tool_same_key(const struct ks_key *key, EVP_PKEY *pub);

/** RSA signs SHA-256, P-384 SHA-384. */
enum ks_digest tool_digest(const struct ks_key *key);

/** A distinguished name (RFC 4514) as the fact @p what. */
void tool_name(const char *what, const X509_NAME *name);

/** Subject, issuer, serial, validity, fingerprint as facts. */
void tool_describe(X509 *x);

/** What the daemon and every verifier ask of a CA certificate, as verdicts. Number of failed ones. */
unsigned tool_check_certificate(X509 *x);

/** Write @p der to --out in PEM form and describe it. */
enum pke_err tool_publish_certificate(const struct tool_options *o, struct pke_bytes der,
                                      struct pke_fail *fail);

/* issue.c */

/** Open the key of --uri. *ret is NULL on failure; ks_close() releases it. */
enum pke_err tool_open_key(const struct tool_options *o, struct ks_key **ret, struct pke_fail *fail);

/** A serial number, the certificate by tool_ca_certificate(), and --out. */
enum pke_err tool_issue(const struct tool_options *o, struct ks_key *key, struct tool_ca *ca,
                        struct pke_fail *fail);

/** --days, or 3650. */
long tool_days(const struct tool_options *o);

/* dn.c */

/**
 * Parse "CN=Lab Root,O=Example" (RFC 4514: the last RDN of the text is the first of the name). Single-valued
 * RDNs, UTF-8 values, escapes as in RFC 4514 2.4.
 * @return PKE_OK and *ret (X509_NAME_free), or PKE_MALFORMED.
 */
enum pke_err tool_dn_parse(const char *text, X509_NAME **ret, struct pke_fail *fail);

#endif
