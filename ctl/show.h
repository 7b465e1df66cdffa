/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Answers of the control API for people: listings as tables, objects as "Name  value" blocks. Whatever the
 * answer holds, only escaped text reaches the terminal.
 */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "ipc/verbs.h"

/** A listing with the columns of its verb. @p items is an array of objects. */
void show_list(const struct verb *v, const json_t *items, bool color, FILE *out);

/** Escaped for a terminal; NULL gives "-". */
void show_text(const char *s, FILE *out);

/** An event in one line. */
void show_event(const json_t *event, bool color, FILE *out);

/** One object: scalars first, then nested objects and arrays, each under its name. */
void show_object(const json_t *o, bool color, FILE *out);

/** The error object of an answer, for standard error: "refused: text (rule ..., trace ...)". */
void show_error(const json_t *o, unsigned status, FILE *out);

#endif
