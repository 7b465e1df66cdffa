/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Admission: how long a signature takes, how much may be queued before one, and whose turn it is when that is
 * less than what is asked for. Plain data and arithmetic: no clock, no message, no ledger.
 */
#ifndef DAEMON_ISSUER_ADMIT_H
#define DAEMON_ISSUER_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The time of one signature as the issuer sees it, health checks and recoveries of the key in between
 * included. */
struct latency {
    double mean_us, deviation_us;
    uint64_t samples; /* 0: nothing measured yet, mean_us is a guess */
};

/** Begin with a guess, which the first measurement replaces. */
void latency_guess(struct latency *l, double us);
/** One more measurement. Slower counts more at once than faster: a wrong yes costs a client its whole
 * deadline, a wrong no one retry. */
void latency_add(struct latency *l, double us);
/** Until @p n signatures are made by @p instances at once, in ms, on the safe side; the longest running one
 * began @p running_us ago (0: none): one that is overdue is expected to last as long again. */
uint64_t latency_wait_ms(const struct latency *l, unsigned n, unsigned instances, uint64_t running_us);

#define TURN_KEY 16

struct turn {
    uint8_t key[TURN_KEY];
    uint64_t first_ms; /* when it was refused the first time */
    uint64_t until_ms; /* forgotten then, unless it comes again */
};

/**
 * Those who were refused as busy and will come again. Zeroed: nobody. Who was refused earlier may use more of
 * the queue than who comes for the first time: else the lucky ones among the new would keep out who has
 * waited for long. Bounded; when it is full newcomers have no place in it, and are served as newcomers.
 */
struct turns {
    struct turn *v;
    size_t n, room;
};

void turns_done(struct turns *t);
/** What part of the time before its deadline the queue may take up for @p key, in thousandths: 500 for one
 * who was not refused yet, 1000 for who waits longest, in between by age. */
unsigned turns_share(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms);
/** It was refused now: remember it. @return how many of the remembered came before it. */
size_t turns_refused(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms);
/** It was told to come again in @p retry_ms: keep its turn for long enough. */
void turns_expect(struct turns *t, const uint8_t key[TURN_KEY], uint64_t now_ms, uint64_t retry_ms);
/** It was let in, or ended otherwise. */
void turns_forget(struct turns *t, const uint8_t key[TURN_KEY]);

#endif
