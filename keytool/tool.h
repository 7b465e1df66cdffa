/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * pkienroll-keytool: CA keys, their certificates and the proof of where they live, offline. It shares
 * keystore/ and ca/ with the daemon and nothing else of it; it is the only program that signs CA:TRUE.
 */
#ifndef KEYTOOL_TOOL_H
#define KEYTOOL_TOOL_H

#include "keytool/options.h"
#include "keytool/report.h"

enum tool_exit { TOOL_OK = 0, TOOL_REFUSED = 1, TOOL_USAGE = 2 };

/* The commands. Each returns an enum tool_exit; what it did and found goes through report.h. */
int tool_init_token(const struct tool_options *o);
int tool_generate(const struct tool_options *o);
int tool_import_key(const struct tool_options *o);
int tool_show(const struct tool_options *o);
int tool_check(const struct tool_options *o);
int tool_self_sign(const struct tool_options *o);
int tool_csr(const struct tool_options *o);
int tool_issuer_csr(const struct tool_options *o);
int tool_cross_sign(const struct tool_options *o);
int tool_import_cert(const struct tool_options *o);
int tool_attest(const struct tool_options *o);
int tool_attest_verify(const struct tool_options *o);
int tool_change_auth(const struct tool_options *o);

#define TOOL_PIN_MAX  255
#define TOOL_FILE_MAX 131072 /* certificates, requests, bundles */

/* files.c */

/** PKE_EXISTS when @p path is there and @p force is not set. Before a key is asked: no signature for a file
 * that may not be written. */
enum pke_err tool_may_write(const char *path, bool force, struct pke_fail *fail);

/** Write at once or not at all. PKE_EXISTS unless @p force. */
enum pke_err tool_write_file(const char *path, struct pke_bytes content, mode_t mode, bool force,
                             struct pke_fail *fail);

/** The same in PEM form, mode 0644; @p name is "CERTIFICATE". */
enum pke_err tool_write_pem(const char *path, const char *name, struct pke_bytes der, bool force,
                            struct pke_fail *fail);

/** Read at most TOOL_FILE_MAX octets of a regular file; appended to @p out. PKE_NOT_FOUND, PKE_LIMIT. */
enum pke_err tool_read_file(const char *path, struct pke_buf *out, struct pke_fail *fail);

/** Read the one PEM block called @p name; its DER appended to @p out. PKE_MALFORMED: none or more than one.
 */
enum pke_err tool_read_pem(const char *path, const char *name, struct pke_buf *out, struct pke_fail *fail);

#endif
