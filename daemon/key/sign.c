/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: the floor, the device, the ladder below it, and what is counted. */
#include <string.h>
#include <time.h>

#include "ca/crl_floor.h"
#include "ca/floor.h"
#include "daemon/common/log.h"
#include "daemon/key/key.h"

#define EWMA_WEIGHT 8   /* the last signature counts as one eighth */
#define SHA384_BITS 384 /* of a P-384 key */

static uint64_t micros(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int sign_counted(struct key_role *k, struct pke_bytes message, struct pke_buf *out, struct ks_error *e)
{
    enum ks_digest md =
        EVP_PKEY_get_bits(ca_floor_public_key(k->setup->floor)) == SHA384_BITS ? KS_SHA384 : KS_SHA256;
    int rc = ks_sign(k->key, md, message, out, e);

    if (rc != 0)
        k->n.failed[e->cls]++;
    else
        k->n.good_at = (uint64_t)role_wall_ms();
    return rc;
}

int sign_message(struct key_role *k, struct pke_bytes message, struct pke_buf *out, struct ks_error *e)
{
    struct ks_error why;

    key_health_used(k);
    if (sign_counted(k, message, out, e) == 0)
        return 0;
    if (e->cls != KS_SESSION && e->cls != KS_TOKEN && e->cls != KS_TRANSIENT)
        return -1;
    why = *e;
    log_fail(LOG_WARNING, "key lost, trying to recover", &why.fail, NULL);
    if (state_recover(k, &why, e) != 0) {
        k->n.failed[e->cls]++;
        return -1;
    }
    pke_buf_clear(out);
    return sign_counted(k, message, out, e);
}

static void count(struct key_totals *n, uint64_t took)
{
    size_t i = 0;

    while (i < MSG_KEY_BUCKETS - 1 && took > msg_key_bounds[i])
        i++;
    n->buckets[i]++;
    n->signatures++;
    n->last_micros = took;
    n->sum_micros += took;
    n->ewma_micros = n->ewma_micros ? ((EWMA_WEIGHT - 1) * n->ewma_micros + took) / EWMA_WEIGHT : took;
    if (took > n->max_micros)
        n->max_micros = took;
}

static bool is_certificate(const struct msg_sign *m)
{
    return strcmp(m->kind, "certificate") == 0;
}

/* Numbers of CRLs grow for as long as the process and its CA live; a new configuration does not start them
 * anew. */
static enum pke_err refuse_crl(struct key_role *k, const struct msg_sign *m, struct pke_fail *fail)
{
    const struct ca_issuer *ca = ca_floor_issuer(k->setup->floor);
    struct pke_bytes key = ca_issuer_spki_sha256(ca);

    if (k->role->index != 0)
        return pke_fail_set(fail, PKE_UNSUPPORTED, "sign-kind", "floor policy",
                            "the first process of a key signs its CRLs: it alone knows the last number");
    if (!pke_bytes_eq(PKE_BYTES(k->crl_key, sizeof k->crl_key), key)) {
        memcpy(k->crl_key, key.p, sizeof k->crl_key);
        k->crl_number = 0;
    }
    return ca_crl_floor_check(ca, &k->setup->crl, &k->crl_number, m->tbs, role_wall_ms() / 1000, fail);
}

/* What the device is not even asked for. */
static enum pke_err refuse(struct key_role *k, const struct msg_sign *m, struct pke_fail *fail)
{
    enum pke_err err;

    if (is_certificate(m))
        err = ca_floor_check(k->setup->floor, m->tbs, role_wall_ms() / 1000, fail);
    else if (strcmp(m->kind, "crl") == 0)
        err = refuse_crl(k, m, fail);
    else
        return pke_fail_set(fail, PKE_UNSUPPORTED, "sign-kind", "floor policy",
                            "this key signs certificates and CRLs only");
    if (err != PKE_OK)
        log_fail(LOG_CRIT, "refused to sign", fail, NULL);
    return err;
}

static enum pke_err sign(struct key_role *k, const struct msg_sign *m, struct pke_buf *out, uint64_t *took,
                         struct pke_fail *fail)
{
    struct ks_error e = {0};
    uint64_t start;
    enum pke_err err;
    int rc;

    if (!state_is(k, "ready")) {
        if (k->now.fail.err == PKE_MAINTENANCE)
            return pke_fail_set(fail, PKE_MAINTENANCE, "key-paused", "key state", "the key is paused");
        return pke_fail_set(fail, PKE_KEY_DOWN, "key-not-ready", "key state", "the key is %s", k->state);
    }
    err = refuse(k, m, fail);
    if (err != PKE_OK) {
        k->n.failed[KEY_FAILURE_REFUSED]++;
        return err;
    }
    if (m->deadline <= role_monotonic_ms()) {
        k->n.failed[KEY_FAILURE_LATE]++;
        return pke_fail_set(fail, PKE_DEADLINE, "sign-deadline", "deadline", "too late for a signature");
    }
    start = micros();
    guard_begin(k->setup->deadline + GUARD_GRACE_MS);
    rc = sign_message(k, m->tbs, out, &e);
    guard_end();
    if (rc != 0) {
        state_failed(k, &e);
        *fail = e.fail;
        return e.fail.err;
    }
    *took = micros() - start;
    if (is_certificate(m)) /* a list is one in thousands and takes as long as its length wants */
        count(&k->n, *took);
    return PKE_OK;
}

void sign_frame(struct key_role *k, struct chan *c, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct pke_buf signature;
    struct msg_sign m;
    struct msg_failed failed = {0};
    uint64_t took = 0;
    enum pke_err err;

    pke_buf_init(&signature, 4096);
    err = ipc_record_read(msg_sign_fields, f->payload, arena, &m, sizeof m, &failed.fail);
    if (err == PKE_OK)
        err = sign(k, &m, &signature, &took, &failed.fail);
    if (err == PKE_OK) {
        struct msg_signed reply = {.signature = pke_buf_bytes(&signature), .micros = took};
        chan_send_record(c, MSG_SIGNED, f->id, msg_signed_fields, &reply);
    } else {
        k->n.failures++;
        chan_send_record(c, MSG_FAILED, f->id, msg_failed_fields, &failed);
    }
    k->untold = true;
    key_health_settle(k);
    pke_buf_done(&signature);
    pke_arena_free(arena);
}
