/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/main/notify.h"

#include <errno.h>
#include <stdint.h>

#include "config.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    sd_notify(0, "RELOADING=1");
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void notify_status(const char *status)
{
    sd_notifyf(0, "STATUS=%s", status);
}

void notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

bool notify_watchdog_interval(struct timeval *ret)
{
    uint64_t usec;

    if (sd_watchdog_enabled(0, &usec) <= 0)
        return false;
    *ret = (struct timeval){(time_t)(usec / 2 / 1000000), (suseconds_t)(usec / 2 % 1000000)};
    return true;
}

int notify_sockets(int *first, char ***names)
{
    int n = sd_listen_fds_with_names(1, names);

    *first = SD_LISTEN_FDS_START;
    if (n < 0)
        errno = -n;
    return n < 0 ? -1 : n;
}

#else

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(const char *status)
{
    (void)status;
}

void notify_watchdog(void)
{
}

bool notify_watchdog_interval(struct timeval *ret)
{
    (void)ret;
    return false;
}

int notify_sockets(int *first, char ***names)
{
    *first = -1;
    *names = NULL;
    return 0;
}

#endif
