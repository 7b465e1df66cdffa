/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/crl_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/crl.h"

#define FIRST_ROWS 64

void crl_list_done(struct crl_list *l)
{
    free(l->rows);
    *l = (struct crl_list){0};
}

void crl_list_add(struct crl_list *l, const struct ledger_revocation *r)
{
    struct crl_row *row;

    if (l->n == l->cap) {
        l->cap += l->cap / 2 + FIRST_ROWS;
        l->rows = pke_realloc(l->rows, l->cap * sizeof *l->rows);
    }
    row = &l->rows[l->n++];
    *row = (struct crl_row){.change = r->change,
                            .revoked_at = r->revoked_at / 1000,
                            .not_after = r->not_after,
                            .serial_n = (uint8_t)r->serial_n,
                            .reason = (uint8_t)r->reason,
                            .released = r->released_at != 0};
    memcpy(row->serial, r->serial, r->serial_n);
    if (r->change > l->change)
        l->change = r->change;
}

static int compare_serials(const struct crl_row *a, const struct crl_row *b)
{
    return ca_crl_serial_compare(PKE_BYTES(a->serial, a->serial_n), PKE_BYTES(b->serial, b->serial_n));
}

/* By serial; of one serial the latest change first, and of lists that were taken over what is for good. */
static int compare(const void *a, const void *b)
{
    const struct crl_row *x = a, *y = b;
    int order = compare_serials(x, y);

    if (order == 0)
        order = (x->change < y->change) - (x->change > y->change);
    return order ? order : (x->reason == LEDGER_REASON_HOLD) - (y->reason == LEDGER_REASON_HOLD);
}

static bool is_done(const struct crl_row *r, const struct crl_horizon *h)
{
    if (r->released)
        return r->change <= h->base_change;
    return r->not_after < h->full_this_update && r->change <= h->full_change;
}

void crl_list_settle(struct crl_list *l, const struct crl_horizon *h)
{
    struct crl_row *merged;
    size_t a = 0, b = l->n_sorted, n = 0;

    if (l->n == 0)
        return;
    merged = pke_malloc(l->n * sizeof *merged);
    qsort(l->rows + b, l->n - b, sizeof *l->rows, compare);
    while (a < l->n_sorted || b < l->n) {
        const struct crl_row *next;

        if (b == l->n || (a < l->n_sorted && compare(&l->rows[a], &l->rows[b]) <= 0))
            next = &l->rows[a++];
        else
            next = &l->rows[b++];
        /* the latest change of a serial comes first */
        if (n == 0 || compare_serials(&merged[n - 1], next) != 0)
            merged[n++] = *next;
    }
    free(l->rows);
    l->rows = merged;
    l->cap = l->n;
    l->n = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_done(&merged[i], h))
            merged[l->n++] = merged[i];
    l->n_sorted = l->n;
}

enum pke_err crl_list_encode(const struct crl_list *l, bool delta, int64_t after, size_t max, size_t *at,
                             struct pke_buf *out, uint64_t *entries, uint64_t *bad)
{
    for (; *at < l->n_sorted && max > 0; (*at)++, max--) {
        const struct crl_row *r = &l->rows[*at];

        /* what was taken over from a published list has no change of its own: it is in every list */
        if (delta ? r->change && r->change <= after : r->released)
            continue;
        if (ca_crl_entry_add(out, PKE_BYTES(r->serial, r->serial_n), r->revoked_at,
                             r->released ? CA_REASON_REMOVE : r->reason))
            (*entries)++;
        else if (out->overflow)
            return PKE_LIMIT;
        else
            (*bad)++;
    }
    return PKE_OK;
}

size_t crl_list_revoked(const struct crl_list *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += !l->rows[i].released;
    return n;
}
