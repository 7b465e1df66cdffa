/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLOWER        4.0 /* the last signature counts as a quarter when it took longer than the mean, */
#define FASTER        8.0 /* as an eighth when it did not */
#define SAFETY        4.0 /* deviations on top of the mean, as for retransmissions in RFC 6298 */
#define TURNS_MAX     8192
#define NEWCOMERS     500 /* thousandths */
#define PATIENCE_MS   60000
#define FIRST_WAIT_MS 120000 /* until turns_expect() says better */

void latency_guess(struct latency *l, double us)
{
    *l = (struct latency){.mean_us = us};
}

void latency_add(struct latency *l, double us)
{
    double off = us - l->mean_us;

    if (l->samples++ == 0) {
        l->mean_us = us;
        l->deviation_us = us / 4;
        return;
    }
    l->mean_us += off / (off > 0 ? SLOWER : FASTER);
    l->deviation_us += ((off > 0 ? off : -off) - l->deviation_us) / SLOWER;
}

uint64_t latency_wait_ms(const struct latency *l, unsigned n, unsigned instances, uint64_t running_us)
{
    double rounds = (double)((n + instances - 1) / instances), us = rounds * l->mean_us;

    if (n > 0)
        us += SAFETY * l->deviation_us;
    if ((double)running_us > l->mean_us)
        us += (double)running_us - l->mean_us;
    return (uint64_t)(us / 1000);
}

void turns_done(struct turns *t)
{
    free(t->v);
    *t = (struct turns){0};
}

static struct turn *find(const struct turns *t, const uint8_t key[TURN_KEY])
{
    for (size_t i = 0; i < t->n; i++)
        if (memcmp(t->v[i].key, key, TURN_KEY) == 0)
            return &t->v[i];
    return NULL;
}

/* In the order of first_ms, which is the order in which they were added. */
static void remove_at(struct turns *t, size_t i)
{
    memmove(&t->v[i], &t->v[i + 1], (t->n - i - 1) * sizeof *t->v);
    t->n--;
}

static void expire(struct turns *t, uint64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].until_ms > now_ms)
            t->v[kept++] = t->v[i];
    t->n = kept;
}

unsigned turns_share(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms)
{
    const struct turn *turn;

    expire(t, now_ms);
    turn = find(t, key);
    if (!turn)
        return NEWCOMERS;
    return NEWCOMERS + (unsigned)((1000 - NEWCOMERS) * (t->n - (size_t)(turn - t->v)) / t->n);
}

size_t turns_refused(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms)
{
    struct turn *turn = find(t, key);

    if (!turn && t->n == TURNS_MAX)
        return t->n;
    if (!turn) {
        if (t->n == t->room) {
            t->room = t->room ? 2 * t->room : 64;
            t->v = pke_realloc(t->v, t->room * sizeof *t->v);
        }
        turn = &t->v[t->n++];
        memcpy(turn->key, key, TURN_KEY);
        turn->first_ms = now_ms;
    }
    turn->until_ms = now_ms + FIRST_WAIT_MS;
    return (size_t)(turn - t->v);
}

void turns_expect(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms, uint64_t retry_ms)
{
    struct turn *turn = find(t, key);

    if (turn)
        turn->until_ms = now_ms + 2 * retry_ms + PATIENCE_MS;
}

void turns_forget(struct turns *t, const uint8_t key[TURN_KEY])
{
    const struct turn *turn = find(t, key);

    if (turn)
        remove_at(t, (size_t)(turn - t->v));
}
