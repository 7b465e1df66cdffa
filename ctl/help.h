/* SPDX-License-Identifier: Apache-2.0 */
/** @file Help of pkienrollctl, written by the verb table. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include <stdio.h>

#include "ipc/verbs.h"

/** Commands that start with @p words (all when none), their arguments and the options. False: there are none.
 */
bool help_print(char *const *words, size_t n, FILE *out);

/** One line per command: words TAB method TAB path TAB role TAB token TAB options that take a value TAB
 * "file" when it takes a file's name. For completion and the manual page check. */
void help_commands(FILE *out);

#endif
