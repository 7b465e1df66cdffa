/* SPDX-License-Identifier: Apache-2.0 */
/* Many renewals in a row: what a device does in years. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "probe/run.h"

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank. */
static double percentile(const double *sorted, size_t n, unsigned percent)
{
    size_t rank = (n * percent + 99) / 100;
    return n ? sorted[rank ? rank - 1 : 0] : 0;
}

static void tell(struct probe *p, struct verdict_soak *soak, double *ms, size_t n)
{
    qsort(ms, n, sizeof *ms, by_size);
    soak->median_ms = percentile(ms, n, 50);
    soak->p95_ms = percentile(ms, n, 95);
    soak->max_ms = percentile(ms, n, 100);
    verdict_quiet(p->verdict, 0);
    verdict_soak(p->verdict, soak);
    verdict_check(p->verdict, soak->failed == 0 && soak->done == soak->count, "soak", "MS-MDE2 3.4.4.1.1.1",
                  "%zu of %zu renewals, %zu failed", soak->done, soak->count, soak->failed);
}

/* One renewal with strings of its own, so that the thousandth needs no more memory than the first. */
static bool renew_once(struct probe *p)
{
    size_t failed = verdict_failed(p->verdict);
    p->arena = pke_arena_new();
    bool good = step_renew(p) && verdict_failed(p->verdict) == failed;
    pke_arena_free(p->arena);
    p->arena = p->kept;
    return good;
}

void step_soak(struct probe *p)
{
    struct verdict_soak soak = {.count = (size_t)p->opt.count};
    double *ms PKE_CLEANUP(pke_free_p) = pke_calloc(soak.count, sizeof *ms);
    bool progress = isatty(STDOUT_FILENO) && !p->opt.json;
    size_t n = 0;
    verdict_step(p->verdict, "soak", "Renewals in a row");
    while (soak.done < soak.count && verdict_status(p->verdict) != PROBE_UNREACHABLE) {
        verdict_quiet(p->verdict, ++soak.done);
        if (renew_once(p))
            ms[n++] = p->exchange_ms;
        else
            soak.failed++;
        if (progress)
            printf("\r  %zu of %zu, %zu failed, %.0f ms ", soak.done, soak.count, soak.failed,
                   p->exchange_ms);
        fflush(stdout);
    }
    if (progress)
        printf("\r\033[K");
    tell(p, &soak, ms, n);
}
