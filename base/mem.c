/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pke_oom(void)
{
    static const char line[] = "<2>out of memory: stopping, nothing acknowledged is lost\n";
    ssize_t n = write(STDERR_FILENO, line, sizeof line - 1);
    (void)n;
    abort();
}

void *pke_malloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        pke_oom();
    return p;
}

void *pke_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        pke_oom();
    return p;
}

void *pke_realloc(void *old, size_t n)
{
    void *p = realloc(old, n ? n : 1);
    if (!p)
        pke_oom();
    return p;
}

char *pke_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = pke_malloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *pke_strdup(const char *s)
{
    return pke_strndup(s, SIZE_MAX - 1);
}

char *pke_asprintf(const char *fmt, ...)
{
    va_list ap;
    char *p = NULL;

    va_start(ap, fmt);
    if (vasprintf(&p, fmt, ap) < 0)
        pke_oom();
    va_end(ap);
    return p;
}
