/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A software TPM on a UNIX socket in a folder of its own.
 */
#ifndef TESTS_UNIT_SWTPM_H
#define TESTS_UNIT_SWTPM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct swtpm {
    char dir[32];
    char tcti[64]; /* "unix:..." */
    pid_t pid;
};

/** Is swtpm installed? */
bool swtpm_here(void);

/** Start one and wait until it listens. Released with swtpm_stop. False when it does not come up. */
bool swtpm_start(struct swtpm *s);

/** SIGKILL, as a power cut; it is waited for. */
void swtpm_kill(struct swtpm *s);

/** Start it again with the state it had, or (@p clear) with none, as another chip. */
bool swtpm_again(struct swtpm *s, bool clear);

void swtpm_stop(struct swtpm *s);

/** How many handles of the kind that starts at @p first (0x80000000, 0x02000000) it holds; nobody else may be
 * connected. */
size_t swtpm_handles(const struct swtpm *s, unsigned first);

/** Load a primary and leave it there, as a process that was killed. */
bool swtpm_litter(const struct swtpm *s);

#endif
