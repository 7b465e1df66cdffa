/* SPDX-License-Identifier: Apache-2.0 */
/* A call into a device that never returns: nothing but a signal ends it, and SIGALRM's default is to end the
 * process. issuer watches over the signatures that it asked for; this is for all other calls, and for those
 * whose issuer is gone. */
#include <sys/time.h>

#include "daemon/key/key.h"

void guard_begin(uint64_t ms)
{
    struct itimerval t = {.it_value = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)}};

    (void)setitimer(ITIMER_REAL, &t, NULL);
}

void guard_end(void)
{
    struct itimerval t = {0};

    (void)setitimer(ITIMER_REAL, &t, NULL);
}
