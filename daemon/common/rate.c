/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct rate {
    struct rate *next;
    char *name;
    double left;
    uint64_t limit, at;
};

static struct rate *rate_of(struct rates *r, const char *name, uint64_t limit, uint64_t now_ms)
{
    struct rate *x = r->first;

    while (x && strcmp(x->name, name) != 0)
        x = x->next;
    if (!x) {
        x = pke_calloc(1, sizeof *x);
        *x = (struct rate){r->first, pke_strdup(name), (double)limit, limit, now_ms};
        r->first = x;
    }
    return x;
}

uint64_t rates_take(struct rates *r, const char *name, uint64_t limit, uint64_t period_ms, uint64_t now_ms)
{
    struct rate *x;
    double each;

    if (limit == 0)
        return 0;
    x = rate_of(r, name, limit, now_ms);
    each = (double)period_ms / (double)limit;
    if (now_ms > x->at)
        x->left += (double)(now_ms - x->at) / each;
    x->at = now_ms;
    if (x->limit < limit) /* a reload raised it: at once */
        x->left += (double)(limit - x->limit);
    x->limit = limit;
    if (x->left > (double)limit)
        x->left = (double)limit;
    if (x->left < 1.0)
        return 1 + (uint64_t)((1.0 - x->left) * each);
    x->left -= 1.0;
    return 0;
}

void rates_done(struct rates *r)
{
    while (r->first) {
        struct rate *x = r->first;

        r->first = x->next;
        free(x->name);
        free(x);
    }
}
