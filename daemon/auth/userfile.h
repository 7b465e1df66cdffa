/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The user file: one line per user, `NAME:HASH[:ATTRIBUTE=VALUE,...]`; empty lines and lines that begin with
 * '#' are kept. NAME is 1 to 320 bytes of UTF-8 without ':', ',', controls and surrounding blanks and is
 * compared ASCII case-insensitively; HASH is yescrypt of the one cost of password.h. One bad line refuses the
 * file.
 */
#ifndef DAEMON_AUTH_USERFILE_H
#define DAEMON_AUTH_USERFILE_H

#include <sys/stat.h>

#include "base/list.h"

#define USERFILE_MAX_BYTES (32u << 20)
#define USERFILE_NAME_MAX  320

struct user {
    const char *name; /* as in the file */
    const char *hash;
    struct pke_pairs attributes;
    size_t start, length; /* its line in the text, newline included */
};

/** One state of the file. Immutable. */
struct userfile;

/**
 * Parse @p text. @return PKE_OK, or PKE_CONFIG naming the first bad line.
 */
enum pke_err userfile_parse(struct pke_bytes text, struct userfile **ret, struct pke_fail *fail);

/**
 * Read and parse; an absent file has no users. Refused unless a regular file of mode 0600 or stricter that
 * belongs to root or the own user. Blocks on disk. *st is what userfile_changed compares.
 */
enum pke_err userfile_load(const char *path, struct userfile **ret, struct stat *st, struct pke_fail *fail);

/** Is the file at @p path another one than @p st, or a changed one? */
bool userfile_changed(const char *path, const struct stat *st);

void userfile_free(struct userfile *f); /* accepts NULL */

/** ASCII case-insensitive; NULL when there is none. Time depends on the number of users only. */
const struct user *userfile_find(const struct userfile *f, const char *name);

/** Users in the order of their folded names. */
size_t userfile_count(const struct userfile *f);
const struct user *userfile_at(const struct userfile *f, size_t i);

/** May it be a user's name? */
bool userfile_name_valid(const char *name);

/** Attribute names are [a-z][a-z0-9-]{0,31}; values 1..320 bytes of UTF-8 without ',' and controls. */
bool userfile_attribute_valid(const char *name, const char *value);

/** The text with a user appended, or without one. Pure; the caller checked the name. */
void userfile_text_add(const struct userfile *f, const struct user *user, struct pke_buf *out);
void userfile_text_remove(const struct userfile *f, const struct user *user, struct pke_buf *out);

/**
 * Replace the file: temporary file beside it (mode 0600), fsync, rename, fsync of the folder. A crash in
 * between leaves the old file. Blocks on disk. @return PKE_OK or PKE_STORE_DOWN.
 */
enum pke_err userfile_store(const char *path, struct pke_bytes text, struct pke_fail *fail);

#endif
