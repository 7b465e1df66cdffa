/* SPDX-License-Identifier: Apache-2.0 */
/** @file sd_notify(3), where the service manager listens; nothing otherwise. main only. */
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

#endif
