/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What every process of the daemon does first: allocators that abort, no core dumps, no new privileges,
 * clocks.
 */
#ifndef DAEMON_COMMON_PROCESS_H
#define DAEMON_COMMON_PROCESS_H

#include <stdint.h>

/**
 * Harden the process and set the allocators of libevent, OpenSSL and jansson to abort when memory runs out.
 * Call before any of them is used. SIGPIPE is ignored. @p with_parent: die with the parent process (roles).
 */
void process_harden(int with_parent);

/** Ignore the signals that a terminal or service manager sends to the whole group: main alone decides. */
void process_ignore_group_signals(void);

/** CLOCK_MONOTONIC in milliseconds: deadlines and durations. */
uint64_t process_monotonic_ms(void);

/** CLOCK_REALTIME in milliseconds: certificates and the ledger, read once per request. */
int64_t process_wall_ms(void);

#endif
