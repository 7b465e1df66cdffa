/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: a request that no key can get to before its deadline is refused at once, with a hint when to
 * come again, instead of waiting in vain. What is let in is served in order; what is refused keeps its turn
 * (admit.h), so that it comes before those who came later.
 */
#include <openssl/evp.h>
#include <string.h>

#include "daemon/issuer/issuer.h"

#define GUESS_US       10000  /* a PKCS#11 module or a file, before anything was measured */
#define GUESS_TPM_US   250000 /* RSA-2048 in a TPM takes 100 to 500 ms */
#define FIRST_MAX      64     /* requests for each instance while there is only the guess */
#define MARGIN_PERCENT 10     /* of a request's time is for T1, T2 and the answer */
#define EARLY          0.8
#define RETRY_MIN_MS   1000
#define RETRY_MAX_MS   600000

static void turn_key(const struct request *req, uint8_t ret[TURN_KEY])
{
    /* the next attempt of a device comes with another key in its CSR */
    const char *parts[] = {req->who.tenant, req->who.principal, req->provider, req->device_id};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t hash[32];

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        EVP_DigestUpdate(ctx, parts[i] ? parts[i] : "", parts[i] ? strlen(parts[i]) + 1 : 1);
    EVP_DigestFinal_ex(ctx, hash, NULL);
    EVP_MD_CTX_free(ctx);
    memcpy(ret, hash, TURN_KEY);
}

/* What one pool has to do. */
struct load {
    unsigned ready, ahead;
    uint64_t running_us; /* of the signature that is under way for longest */
};

/* Also what is about to be queued: its T1 is in the next group. */
static struct load load_of(const struct key_pool *p)
{
    struct load l = {.ahead = p->queued};
    uint64_t now = keys_micros();

    for (unsigned i = 0; i < KEY_MAX_INSTANCES; i++) {
        const struct key_client *k = &p->clients[i];

        l.ready += keys_is_ready(k);
        l.ahead += k->signing || k->job;
        if ((k->signing || k->job) && now - k->signing_since > l.running_us)
            l.running_us = now - k->signing_since;
    }
    for (const struct request *o = p->issuer->requests; o; o = o->next)
        l.ahead += o->state == REQUEST_INTENT && o->fail.err == PKE_OK && o->tbs.n &&
                   strcmp(o->tmpl->ca->conf->key, p->name) == 0;
    return l;
}

static void guess_first(struct key_pool *p)
{
    const struct conf_key *conf = conf_find_key(p->issuer->setup->conf, p->name);

    if (!p->latency.samples)
        latency_guess(&p->latency, conf && conf->backend == CONF_BACKEND_TPM2 ? GUESS_TPM_US : GUESS_US);
}

void admission_refuse(struct request *req, struct key_pool *p)
{
    struct load l = load_of(p);
    uint64_t now = role_monotonic_ms();
    uint8_t key[TURN_KEY];
    size_t before;

    turn_key(req, key);
    before = turns_refused(&p->turns, key, now);
    /* after those who were refused before it and half of what is queued, and a little early: there is room in
     * the queue for who comes early, but a key that waits for a client is lost time for everybody */
    req->retry_ms = (uint64_t)((l.ahead / 2 + (double)before + 1) / (l.ready ? l.ready : 1) *
                               p->latency.mean_us / 1000 * EARLY);
    if (req->retry_ms < RETRY_MIN_MS)
        req->retry_ms = RETRY_MIN_MS;
    if (req->retry_ms > RETRY_MAX_MS)
        req->retry_ms = RETRY_MAX_MS;
    turns_expect(&p->turns, key, now, req->retry_ms);
    pke_fail_set(&req->fail, PKE_BUSY, "key-queue", "admission", "the signing key has too much to do");
}

enum pke_err admission_check(struct request *req)
{
    struct key_pool *p = keys_pool(req->issuer, req->tmpl->ca->conf->key);
    struct load l = p ? load_of(p) : (struct load){0};
    uint64_t now = role_monotonic_ms(), left = req->msg.deadline > now ? req->msg.deadline - now : 0;
    uint8_t key[TURN_KEY];

    if (l.ready == 0 && p && keys_is_paused(p))
        return pke_fail_set(&req->fail, PKE_MAINTENANCE, "key-paused", "key state",
                            "an operator paused the signing key");
    if (l.ready == 0)
        return pke_fail_set(&req->fail, PKE_KEY_DOWN, "key-down", "key state",
                            "the signing key is not available");
    guess_first(p);
    turn_key(req, key);
    left = left * (100 - MARGIN_PERCENT) / 100;
    /* nothing ahead: one signature is tried, whatever is thought of it; else nothing would ever be measured
     */
    if (l.ahead >= l.ready && (latency_wait_ms(&p->latency, l.ahead + 1, l.ready, l.running_us) >
                                   left * (req->ticket ? 1000 : turns_share(&p->turns, key, now)) / 1000 ||
                               (!p->latency.samples && l.ahead >= FIRST_MAX * l.ready))) {
        if (req->ticket) /* it keeps its place in the ledger */
            return pke_fail_set(&req->fail, PKE_BUSY, "key-queue", "admission",
                                "the signing key has too much to do");
        admission_refuse(req, p);
        return req->fail.err;
    }
    turns_forget(&p->turns, key);
    return PKE_OK;
}

void admission_measured(struct key_client *k, uint64_t us)
{
    latency_add(&k->pool->latency, (double)us);
}

bool admission_in_vain(const struct key_pool *p, const struct request *req, unsigned ahead)
{
    unsigned ready = 0;
    uint64_t now = role_monotonic_ms();

    for (unsigned i = 0; i < KEY_MAX_INSTANCES; i++)
        ready += keys_is_ready(&p->clients[i]);
    if (ready == 0 || ahead < ready || p->latency.samples < 2)
        return false;
    /* the mean alone, and twice the time that is left: a doubt is no reason to break what was promised */
    return (ahead / ready + 1) * p->latency.mean_us / 2000 > (double)(req->msg.deadline - now) &&
           req->msg.deadline > now;
}
