/* SPDX-License-Identifier: Apache-2.0 */
/** @file sd_notify(3) and sd_listen_fds(3), where there is a service manager; nothing otherwise. main only.
 */
#ifndef DAEMON_MAIN_NOTIFY_H
#define DAEMON_MAIN_NOTIFY_H

#include <stdbool.h>
#include <sys/time.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);
void notify_watchdog(void);

/** Half of WatchdogSec=; false when there is no watchdog. */
bool notify_watchdog_interval(struct timeval *ret);

/**
 * Sockets that the service manager passed, the first as descriptor @p *first, and their names (the caller
 * frees each and the list). Takes them out of the environment. Returns how many, or -1 with errno.
 */
int notify_sockets(int *first, char ***names);

#endif
