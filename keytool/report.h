/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a command did and found, told once and shown three times: to a person at once, as JSON at the end, and
 * in the transcript of the ceremony. Secrets never come here.
 */
#ifndef KEYTOOL_REPORT_H
#define KEYTOOL_REPORT_H

#include "keystore/keystore.h"

struct tool_options;

/**
 * Begin. With a transcript: open it (made with mode 0644, never through a symbolic link), wait for other
 * writers, and note the command with its options before anything is done.
 */
enum pke_err tool_report_open(const struct tool_options *o, const char *command, struct pke_fail *fail);

/** End: JSON if asked for, the rest of the transcript, fsync. Returns @p rc, or TOOL_REFUSED when what was
 * done could not be recorded. */
int tool_report_close(int rc);

/** One fact: "  name  text" on stdout. @p name is a JSON key: lower case, dashes. */
void tool_fact(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** One verdict line: a tick on a terminal, "ok"/"FAIL" elsewhere. Returns @p ok. */
bool tool_verdict(bool ok, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** One line for people only: not part of the JSON, but of the transcript. */
void tool_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** "pkienroll-keytool: text [reason; rule]" on stderr. Returns TOOL_REFUSED. */
int tool_refuse(const struct pke_fail *fail);

/** Usage error on stderr. Returns TOOL_USAGE. */
int tool_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Algorithm and SHA-256 of the SubjectPublicKeyInfo of an open key. */
void tool_key(const struct ks_key *key);

/** One verdict line per attribute. Returns the number of weak ones. */
size_t tool_attributes(const struct ks_key *key);

/** "name  sha-256 in hex" of @p bytes. */
void tool_hash(const char *name, struct pke_bytes bytes);

#endif
