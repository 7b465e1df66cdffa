/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The transcript of a ceremony: text that is only ever appended to. Every command leaves two durable pieces:
 * what was asked, before anything is done, and what came of it. Options hold names of files, never secrets.
 */
#ifndef KEYTOOL_TRANSCRIPT_H
#define KEYTOOL_TRANSCRIPT_H

#include <stdbool.h>

#include "base/error.h"

/** Open or make @p path, wait until no other command writes to it, note the command and its options. */
enum pke_err tool_transcript_open(const char *path, const char *command, struct pke_fail *fail);

/** Add one line to what close writes; nothing without a transcript. Control characters become '?'. */
void tool_transcript_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Write the lines and the result, fsync, close. False when it may not be on disk. */
bool tool_transcript_close(int rc);

#endif
