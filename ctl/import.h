/* SPDX-License-Identifier: Apache-2.0 */
/** @file `cert import`: a file of certificates, sent in pieces. */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

#include "ctl/options.h"

/**
 * Send the file that the word `certificates` names: JSON lines, or CSV with a head; member `file` is a
 * certificate in a file of its own, below the folder of the list. Progress on a terminal, what was refused
 * line by line on standard error, the sums on standard output. Blocks. CTL_OK when nothing was refused,
 * CTL_REFUSED, CTL_USAGE when the file cannot be read, CTL_UNREACHABLE: what was sent so far is imported, and
 * the same command goes on.
 */
int import_certificates(const struct ctl_options *o);

#endif
