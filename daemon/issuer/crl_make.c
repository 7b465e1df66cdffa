/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a revocation list is made, step by step: changes from the ledger, entries, a number that is durable
 * before the key is touched, bytes and their lint, the signature, its check, its digest on record, files.
 * Each step is a turn of the event loop; certificates are issued in between.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/cert.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl_impl.h"

#define ROWS_PER_TURN    2000
#define ENTRIES_PER_TURN 10000

static enum pke_err read_changes(struct crl_ca *c, struct pke_fail *fail)
{
    struct ledger_revocation *rows = pke_calloc(ROWS_PER_TURN, sizeof *rows);
    size_t n = 0;
    enum pke_err err =
        ledger_crl_changes(c->is->ledger, crl_id(c), c->list.change, rows, ROWS_PER_TURN, &n, fail);

    for (size_t i = 0; err == PKE_OK && i < n; i++)
        crl_list_add(&c->list, &rows[i]);
    free(rows);
    if (err == PKE_OK && n < ROWS_PER_TURN) {
        c->dirty = false;
        c->step = c->behind[0].n || c->behind[1].n ? CRL_CARRY : CRL_SETTLE;
    }
    return err;
}

/* A hold that ended: it is to be told, also when we were stopped between the one and the other. Its change is
 * none of the sequence that is read on from the last. */
static void add_carried(struct crl_ca *c, const struct ledger_revocation *row)
{
    int64_t change = c->list.change, at = row->released_at / 1000;

    crl_list_add(&c->list, row);
    c->list.change = change;
    if (!row->released_at)
        return;
    c->asked = c->asked || at >= c->full.this_update + CRL_BACKDATE;
    if (at >= c->delta.this_update + CRL_BACKDATE)
        c->delta.this_update = 0;
}

static enum pke_err read_carried(struct crl_ca *c, struct pke_fail *fail)
{
    struct ledger_revocation *rows = pke_calloc(ROWS_PER_TURN, sizeof *rows);
    struct pke_bytes after = {NULL, 0};
    size_t n = ROWS_PER_TURN;
    enum pke_err err = PKE_OK;

    while (err == PKE_OK && n == ROWS_PER_TURN) {
        err = ledger_crl_carried(c->is->ledger, crl_id(c), after, rows, ROWS_PER_TURN, &n, fail);
        for (size_t i = 0; err == PKE_OK && i < n; i++)
            add_carried(c, &rows[i]);
        after = n ? PKE_BYTES(rows[n - 1].serial, rows[n - 1].serial_n) : after;
    }
    free(rows);
    c->step = CRL_READ;
    return err;
}

/* What was signed before, by the ledger; a reader of PKE_NOT_FOUND has signed nothing yet. */
static enum pke_err load(struct crl_ca *c, struct pke_fail *fail)
{
    int64_t number = 0;
    enum pke_err err = ledger_crl_latest(c->is->ledger, crl_id(c), false, &c->full, fail);

    if (err == PKE_OK || err == PKE_NOT_FOUND)
        err = ledger_crl_latest(c->is->ledger, crl_id(c), true, &c->delta, fail);
    if (err == PKE_OK || err == PKE_NOT_FOUND)
        err = ledger_crl_number(c->is->ledger, crl_id(c), &number, fail);
    if (err != PKE_OK)
        return err;
    crl_list_done(&c->list);
    crl_files_look(c, number);
    c->loaded = true;
    c->step = CRL_CARRIED;
    return PKE_OK;
}

/* ---- a ledger that is older than what was published ---- */

struct carry {
    struct crl_ca *c;
    struct ledger_revocation *rows;
    size_t n;
};

static void carry_free(struct carry *carry)
{
    free(carry->rows);
    free(carry);
}

static enum pke_err apply_carry(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct carry *carry = op->arg;
    enum pke_err err = PKE_OK;

    for (size_t i = 0; err == PKE_OK && i < carry->n; i++)
        err = ledger_crl_carry(is->ledger, crl_id(carry->c), &carry->rows[i], role_wall_ms(), fail);
    return err;
}

static void done_carry(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct carry *carry = op->arg;
    struct crl_ca *c = carry->c;
    char n[24];

    (void)is;
    if (err != PKE_OK) {
        c->loaded = false; /* from the beginning */
        crl_end(c, fail);
        carry_free(carry);
        return;
    }
    snprintf(n, sizeof n, "%zu", carry->n);
    log_event(LOG_CRIT, "the ledger is older than the published CRL: what that had stays revoked", "issuer",
              c->name, "kept", n, NULL);
    for (size_t i = 0; i < 2; i++)
        pke_buf_done(&c->behind[i]);
    for (size_t i = 0; i < carry->n; i++)
        crl_list_add(&c->list, &carry->rows[i]);
    carry_free(carry);
    c->asked = true;    /* a full list, for who has none newer than what the ledger knows of */
    c->step = CRL_READ; /* those that are known here have a change of their own now */
    crl_turn(c);
}

/* What the list says at least as strictly: a hold does not stand in for what was published as for good, or a
 * release would bring that certificate back. */
static bool is_listed(const struct crl_row *row, const struct ca_crl_entry *e)
{
    return !row->released && (row->reason != LEDGER_REASON_HOLD || e->reason == LEDGER_REASON_HOLD);
}

/* Entries of a published CRL that are not in the list. Both are in the order of the serials. */
static void find_missing(const struct crl_ca *c, struct pke_bytes tbs, struct carry *carry)
{
    struct pke_cursor at;
    struct ca_crl_entry e;
    struct ca_crl crl;
    size_t i = 0;

    if (ca_crl_decode(tbs, &crl, NULL) != PKE_OK)
        return;
    at = pke_cursor_of(crl.entries);
    while (ca_crl_next(&at, &e, NULL) == PKE_OK) {
        int order = 1;

        while (i < c->list.n_sorted &&
               (order = ca_crl_serial_compare(PKE_BYTES(c->list.rows[i].serial, c->list.rows[i].serial_n),
                                              e.serial)) < 0)
            i++;
        if ((i < c->list.n_sorted && order == 0 && is_listed(&c->list.rows[i], &e)) ||
            e.reason == CA_REASON_REMOVE)
            continue;
        carry->rows = pke_realloc(carry->rows, (carry->n + 1) * sizeof *carry->rows);
        carry->rows[carry->n] = (struct ledger_revocation){.serial_n = (unsigned)e.serial.n,
                                                           .not_after = ca_issuer_not_after(c->ca->ca),
                                                           .revoked_at = e.revoked_at * 1000,
                                                           .reason = e.reason};
        memcpy(carry->rows[carry->n++].serial, e.serial.p, e.serial.n);
    }
}

static enum pke_err carry_over(struct crl_ca *c)
{
    struct carry *carry = pke_calloc(1, sizeof *carry);
    struct crl_horizon keep_all = {0};

    crl_list_settle(&c->list, &keep_all);
    carry->c = c;
    for (size_t i = 0; i < 2; i++)
        if (c->behind[i].n)
            find_missing(c, pke_buf_bytes(&c->behind[i]), carry);
    batch_add(c->is, apply_carry, done_carry, carry);
    return PKE_PENDING;
}

/* ---- what to sign ---- */

/* The oldest full CRL that somebody may still have and that told him of deltas; before the first such one,
 * the last full one. */
static void find_base(struct crl_ca *c, int64_t now, struct ledger_crl *base)
{
    struct pke_fail fail;

    c->deltas = ledger_crl_oldest(c->is->ledger, crl_id(c), now, true, base, &fail) == PKE_OK;
    if (!c->deltas)
        *base = c->full;
}

enum kind { NOTHING, FULL, DELTA };

static bool has_many(const struct crl_ca *c)
{
    const struct conf_issuer *conf = c->ca->conf;

    return conf->delta_crl_urls.n > 0 && crl_list_revoked(&c->list) >= conf->delta_threshold;
}

static enum kind choose(const struct crl_ca *c, int64_t now, const struct ledger_crl *base)
{
    int64_t interval = c->ca->conf->crl_interval / 1000 + CRL_BACKDATE;
    bool many = has_many(c), good, changed = c->full.change < c->list.change;

    if (c->full.number == 0 || now >= c->full.next_update || c->files[0].number != c->full.number)
        return FULL;
    good =
        c->delta.number > base->number && now < c->delta.next_update && c->files[1].number == c->delta.number;
    if ((many || c->deltas) &&
        (!good || c->delta.change < c->list.change || now >= c->delta.this_update + interval))
        return DELTA;
    if (c->asked || now >= c->full.this_update + interval || (many && !c->full.tells_deltas) ||
        (changed && !c->full.tells_deltas))
        return FULL;
    return NOTHING;
}

static void plan(struct crl_ca *c, enum kind kind, int64_t now, const struct ledger_crl *base)
{
    const struct conf_issuer *conf = c->ca->conf;
    int64_t lifetime = conf->crl_lifetime / 1000, often = 2 * (conf->crl_interval / 1000);
    int64_t last = c->files[0].number > c->files[1].number ? c->files[0].number : c->files[1].number;

    if (kind == DELTA && lifetime > often)
        lifetime = often; /* who has a delta is not to keep it for as long as a full one */
    c->make = (struct ledger_crl){.number = last + 1,
                                  .base = kind == DELTA ? base->number : 0,
                                  .change = c->list.change,
                                  .this_update = now - CRL_BACKDATE,
                                  .next_update = now + lifetime,
                                  .tells_deltas = kind == FULL && has_many(c) && c->delta.number &&
                                                  now < c->delta.next_update};
    if (kind == FULL) {
        c->asked = false;
        c->serving = c->is->crl->next_verb;
    }
}

static enum pke_err encode(struct crl_ca *c, struct pke_fail *fail)
{
    uint64_t entries = 0;
    char n[24];

    if (crl_list_encode(&c->list, c->make.base != 0, c->after, ENTRIES_PER_TURN, &c->encoded, &c->entries,
                        &entries, &c->bad) != PKE_OK)
        return pke_fail_set(fail, PKE_LIMIT, "crl-size", "limit", "the CRL exceeds %u octets", CA_CRL_MAX);
    c->make.entries += (int64_t)entries;
    if (c->encoded < c->list.n_sorted)
        return PKE_OK;
    snprintf(n, sizeof n, "%" PRIu64, c->bad);
    if (c->bad)
        log_event(LOG_CRIT, "revocations of the ledger have no form in a CRL and are left out", "issuer",
                  c->name, "count", n, NULL);
    c->step = CRL_NUMBER;
    return PKE_OK;
}

static enum pke_err settle(struct crl_ca *c)
{
    struct crl_horizon horizon = {.full_this_update = c->full.this_update, .full_change = c->full.change};
    struct ledger_crl base = {0};

    find_base(c, crl_now(), &base);
    horizon.base_change = c->ca->conf->delta_crl_urls.n || c->deltas ? base.change : INT64_MAX;
    crl_list_settle(&c->list, &horizon);
    c->step = CRL_DECIDE;
    return PKE_OK;
}

static enum pke_err decide(struct crl_ca *c, struct pke_fail *fail)
{
    int64_t now = crl_now(), seen = c->full.this_update * 1000;
    struct ledger_crl base = {0};
    enum kind kind;
    enum pke_err err;

    find_base(c, now, &base);
    kind = choose(c, now, &base);
    c->step = kind == NOTHING ? CRL_IDLE : CRL_ENCODE;
    if (kind == NOTHING)
        return PKE_OK;
    if (seen < c->is->wall_seen)
        seen = c->is->wall_seen;
    if ((err = check_clock(&c->setup->conf->global, seen, now * 1000, fail)))
        return err;
    plan(c, kind, now, &base);
    if (!keys_takes_job(c->is, c->ca->conf->key)) /* it would cost a number */
        return pke_fail_set(fail, PKE_KEY_DOWN, "key-down", "key state",
                            "the first process of the signing key is not ready");
    pke_buf_init(&c->entries, CA_CRL_MAX);
    c->after = base.change;
    c->encoded = 0;
    c->bad = 0;
    return PKE_OK;
}

/* ---- number, bytes, signature ---- */

static enum pke_err apply_number(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct crl_ca *c = op->arg;

    return ledger_crl_begin(is->ledger, crl_id(c), &c->make, fail);
}

static void done_step(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct crl_ca *c = op->arg;

    (void)is;
    if (err != PKE_OK) {
        crl_end(c, fail);
        return;
    }
    if (c->step == CRL_RECORD) {
        *(c->make.base ? &c->delta : &c->full) = c->make;
        c->step = CRL_WRITE_PEM;
    } else {
        c->step = CRL_BUILD;
    }
    crl_turn(c);
}

static enum pke_err build(struct crl_ca *c, struct pke_fail *fail)
{
    struct ca_crl_spec spec = {.number = c->make.number,
                               .base = c->make.base,
                               .this_update = c->make.this_update,
                               .next_update = c->make.next_update,
                               .delta_urls = c->make.tells_deltas ? &c->ca->conf->delta_crl_urls : NULL,
                               .entries = pke_buf_bytes(&c->entries)};
    enum pke_err err;

    pke_buf_init(&c->tbs, CA_CRL_MAX);
    err = ca_crl_build(c->ca->ca, &spec, &c->tbs, fail);
    pke_buf_done(&c->entries);
    c->step = CRL_LINT;
    return err;
}

static enum pke_err lint(struct crl_ca *c, struct pke_fail *fail)
{
    struct ca_crl_lint_context ctx = {.issuer = c->ca->ca,
                                      .now = crl_now(),
                                      .number = c->make.number,
                                      .base = c->make.base,
                                      .next_update = c->make.next_update,
                                      .entries = (uint64_t)c->make.entries};

    c->step = CRL_SIGN;
    return ca_crl_lint(pke_buf_bytes(&c->tbs), &ctx, fail);
}

static void on_signed(struct key_job *job, struct pke_bytes signature, const struct pke_fail *fail)
{
    struct crl_ca *c = (struct crl_ca *)((char *)job - offsetof(struct crl_ca, job));

    if (fail) {
        crl_end(c, fail);
        return;
    }
    pke_buf_init(&c->signature, 4096);
    (void)pke_buf_add_bytes(&c->signature, signature);
    c->step = CRL_CHECK;
    crl_turn(c);
}

static enum pke_err check(struct crl_ca *c, struct pke_fail *fail)
{
    struct pke_bytes tbs = pke_buf_bytes(&c->tbs), signature = pke_buf_bytes(&c->signature);
    struct pke_bytes der;

    pke_buf_init(&c->der, CA_CRL_MAX);
    if (!ca_cert_verify(c->ca->ca, tbs, signature) ||
        ca_crl_assemble(c->ca->ca, tbs, signature, &c->der) != PKE_OK)
        return pke_fail_set(fail, PKE_INTERNAL, "crl-signature", "RFC 5280 6.3.3",
                            "what the key answered is no signature of the CRL");
    der = pke_buf_bytes(&c->der);
    if (EVP_Digest(der.p, der.n, c->make.sha256, NULL, EVP_sha256(), NULL) != 1)
        abort();
    pke_buf_done(&c->tbs);
    c->step = CRL_RECORD;
    return PKE_OK;
}

static enum pke_err apply_record(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct crl_ca *c = op->arg;

    return ledger_crl_signed(is->ledger, crl_id(c), c->make.number, c->make.sha256, role_wall_ms(), fail);
}

/* ---- steps ---- */

/* PKE_OK: the next step has its turn; PKE_PENDING: somebody else goes on. */
static enum pke_err step(struct crl_ca *c, struct pke_fail *fail)
{
    switch (c->step) {
    case CRL_FILES:
        return load(c, fail);
    case CRL_CARRIED:
        return read_carried(c, fail);
    case CRL_READ:
        return read_changes(c, fail);
    case CRL_CARRY:
        return carry_over(c);
    case CRL_SETTLE:
        return settle(c);
    case CRL_DECIDE:
        return decide(c, fail);
    case CRL_ENCODE:
        return encode(c, fail);
    case CRL_LINT:
        return lint(c, fail);
    case CRL_NUMBER:
        batch_add(c->is, apply_number, done_step, c);
        return PKE_PENDING;
    case CRL_BUILD:
        return build(c, fail);
    case CRL_SIGN:
        c->job = (struct key_job){.kind = "crl", .tbs = pke_buf_bytes(&c->tbs), .done = on_signed};
        keys_submit_job(c->is, c->ca->conf->key, &c->job);
        return PKE_PENDING;
    case CRL_CHECK:
        return check(c, fail);
    case CRL_RECORD:
        batch_add(c->is, apply_record, done_step, c);
        return PKE_PENDING;
    case CRL_WRITE_PEM:
    case CRL_WRITE_ALL:
    case CRL_WRITE_DER:
        return crl_files_write(c, fail);
    case CRL_IDLE:
        break;
    }
    return PKE_OK;
}

/* It is signed and on record: only the files are missing, and are tried again. */
static void write_failed(struct crl_ca *c, const struct pke_fail *fail)
{
    c->failures++;
    c->fail = *fail;
    c->not_before = role_monotonic_ms() + ((uint64_t)1000 << (c->failures < 6 ? c->failures - 1 : 6));
    log_fail(LOG_ALERT, "the CRL cannot be published", fail, "issuer", c->name, NULL);
    crl_verbs_ended(c, fail);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct crl_ca *c = arg;
    struct pke_fail fail = {0};
    enum crl_step now = c->step;
    uint64_t start = keys_micros(), took;
    enum pke_err err;

    (void)fd;
    (void)what;
    if (!c->is->ledger || c->step == CRL_IDLE) /* stopped; what was signed and not written is made anew */
        return;
    err = step(c, &fail);
    took = keys_micros() - start;
    if (took > c->longest_turn) {
        c->longest_turn = took;
        c->longest_step = now;
    }
    if (err == PKE_PENDING)
        return;
    if (err == PKE_OK && c->step != CRL_IDLE)
        crl_turn(c);
    else if (err == PKE_OK)
        crl_end(c, NULL);
    else if (now >= CRL_WRITE_PEM && err != PKE_STALE)
        write_failed(c, &fail);
    else
        crl_end(c, &fail);
}

/* Not event_active(): that would run before anything else is looked at. */
void crl_turn(struct crl_ca *c)
{
    static const struct timeval now = {0, 0};

    event_add(c->turn, &now);
}

void crl_start(struct crl_ca *c)
{
    struct issuer *is = c->is;

    c->ca = setup_ca_of(is->setup, crl_id(c));
    if (!c->ca)
        return;
    c->setup = setup_ref(is->setup);
    if (!c->turn)
        c->turn = event_new(is->role->base, -1, 0, on_turn, c);
    c->make = (struct ledger_crl){0};
    c->started = keys_micros();
    c->longest_turn = 0;
    c->step = c->loaded ? CRL_READ : CRL_FILES;
    crl_turn(c);
}
