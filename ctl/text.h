/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Text for a terminal: what came from clients is escaped, so that it can neither move the cursor nor change
 * the order in which a line is read.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdio.h>

#include "base/bytes.h"

/**
 * Append @p s: control characters (C0, DEL, C1) as \n, \t, \xHH; bidirectional controls, zero-width and other
 * invisible format characters, line and paragraph separators as \u{HHHH}; bytes that are no UTF-8 as \xHH.
 * The rest stays.
 */
void text_escape(struct pke_bytes s, struct pke_buf *out);

/** Columns that escaped UTF-8 takes on a terminal (wcwidth where the locale is UTF-8, else one per
 * character). */
size_t text_width(const char *s);

/** Rows and columns of cells, escaped when added. */
struct text_table {
    size_t columns;
    char **cells; /* row after row */
    size_t n, cap;
};

void text_table_init(struct text_table *t, size_t columns);
void text_table_done(struct text_table *t);
/** Next cell, left to right, row by row. NULL gives "-". */
void text_table_add(struct text_table *t, const char *s);
/**
 * Print with columns aligned; the first row is the header, bold with @p bold. The last column is not padded.
 */
void text_table_print(const struct text_table *t, bool bold, FILE *out);

#endif
