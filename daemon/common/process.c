/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/process.h"

#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? pke_malloc(n) : NULL;
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return pke_realloc(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void process_harden(int with_parent)
{
    event_set_mem_functions(pke_malloc, pke_realloc, free);
    CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
    json_set_alloc_funcs(pke_malloc, free);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (with_parent)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pke_secret_process();
}

void process_ignore_group_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t process_monotonic_ms(void)
{
    return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

int64_t process_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}
