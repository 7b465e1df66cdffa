/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * pkienroll-keytool: CA keys and self-signed CA certificates, offline. It shares keystore/ with the daemon
 * and nothing else of it; it is the only program that signs CA:TRUE.
 */
#ifndef KEYTOOL_TOOL_H
#define KEYTOOL_TOOL_H

#include <openssl/x509.h>

#include "keystore/keystore.h"

enum tool_exit { TOOL_OK = 0, TOOL_REFUSED = 1, TOOL_USAGE = 2 };

struct tool_options {
    struct ks_config config; /* the PIN is filled in by tool_read_pin */
    const char *pin_file, *pin_credential;
    const char *algorithm;   /* generate */
    const char *subject;     /* self-sign */
    long days, path_len;     /* self-sign; path_len -1: none */
    const char *out;         /* self-sign */
    bool force;              /* self-sign */
    const char *certificate; /* check */
};

/* The commands. Each returns an enum tool_exit and prints its own outcome. */
int tool_generate(const struct tool_options *o);
int tool_self_sign(const struct tool_options *o);
int tool_check(const struct tool_options *o);
int tool_show(const struct tool_options *o);

/* report.c: what a person reads */

/** "pkienroll-keytool: text [rule]" on stderr. Returns TOOL_REFUSED. */
int tool_refuse(const struct pke_fail *fail);

/** Usage error on stderr. Returns TOOL_USAGE. */
int tool_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** One verdict line on stdout: a tick on a terminal, "ok"/"FAIL" elsewhere. Returns @p ok. */
bool tool_verdict(bool ok, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** One verdict line per attribute. Returns the number of weak ones. */
size_t tool_attributes(const struct ks_key *key);

/* cacert.c: the certificate */

struct tool_ca {
    X509_NAME *subject;
    int64_t not_before, not_after; /* seconds */
    long path_len;                 /* -1: none */
    uint8_t serial[16];            /* big endian; top bit clear */
};

/**
 * Build a self-signed CA certificate with the public half of @p key, sign its TBS bytes with @p key, verify
 * the result. Appends DER to @p out.
 */
enum pke_err tool_ca_certificate(struct ks_key *key, const struct tool_ca *ca, struct pke_buf *out,
                                 struct pke_fail *fail);

/* dn.c */

/**
 * Parse "CN=Lab Root,O=Example" (RFC 4514: the last RDN of the text is the first of the name). Single-valued
 * RDNs, UTF-8 values, escapes as in RFC 4514 2.4.
 * @return PKE_OK and *ret (X509_NAME_free), or PKE_MALFORMED.
 */
enum pke_err tool_dn_parse(const char *text, X509_NAME **ret, struct pke_fail *fail);

/* output.c */

/** Write atomically (temporary file beside it, fsync, rename), mode 0644. PKE_EXISTS unless @p force. */
enum pke_err tool_write_file(const char *path, struct pke_bytes content, bool force, struct pke_fail *fail);

#endif
