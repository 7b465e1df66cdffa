/* SPDX-License-Identifier: Apache-2.0 */
/* Revoked, held, released from hold: one certificate at a time, each one change with its audit row. */
#include "ledger/revoke.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "ledger/audit.h"

#define RULE_REVOKE "revocation states"

static const struct {
    enum ledger_reason reason;
    const char *text;
} reasons[] = {
#define X(name, code, text) {LEDGER_REASON_##name, text},
    LEDGER_REASONS(X)
#undef X
};

const char *ledger_reason_text(int64_t reason)
{
    for (size_t i = 0; i < PKE_LEN(reasons); i++)
        if ((int64_t)reasons[i].reason == reason)
            return reasons[i].text;
    return reasons[0].text;
}

bool ledger_reason_parse(const char *text, enum ledger_reason *ret)
{
    char plain[32];
    size_t n = 0;

    for (; *text && n + 1 < sizeof plain; text++)
        if (*text != '-')
            plain[n++] = *text;
    plain[n] = 0;
    for (size_t i = 0; i < PKE_LEN(reasons); i++) {
        if (strcasecmp(reasons[i].text, plain) == 0 && !*text) {
            *ret = reasons[i].reason;
            return true;
        }
    }
    return false;
}

/* A certificate's row and what is recorded of its revocation. */
struct target {
    int64_t id;
    char request_id[65]; /* the table's CHECK, and the NUL */
    uint8_t serial[STORE_SERIAL_MAX];
    size_t serial_n;
    uint8_t issuer_id[STORE_FINGERPRINT];
    bool revoked, held; /* now; held is not revoked for good */
    int64_t reason;
    char tenant[64];
};

static size_t copy(struct query *q, int col, void *out, size_t size)
{
    struct pke_bytes b = query_col_borrow(q, col);
    size_t n = b.n < size ? b.n : size;

    if (n)
        memcpy(out, b.p, n);
    return n;
}

static enum pke_err find(struct ledger *l, const uint8_t sha256[STORE_DIGEST], struct target *ret,
                         struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_CERT_ROW);
    bool now;

    *ret = (struct target){0};
    query_blob(&q, PKE_BYTES(sha256, STORE_DIGEST));
    if (!query_row(&q)) {
        enum pke_err err = query_result(&q, fail);

        return err != PKE_OK ? err
                             : pke_fail_set(fail, PKE_NOT_FOUND, "not-in-ledger", RULE_REVOKE,
                                            "the ledger has no such certificate");
    }
    ret->id = query_col_int(&q, 0);
    (void)copy(&q, 6, ret->tenant, sizeof ret->tenant - 1);
    (void)copy(&q, 1, ret->request_id, sizeof ret->request_id - 1);
    ret->serial_n = copy(&q, 2, ret->serial, sizeof ret->serial);
    (void)copy(&q, 3, ret->issuer_id, sizeof ret->issuer_id);
    now = sqlite3_column_type(q.st, 4) != SQLITE_NULL && query_col_int(&q, 5) == 0;
    ret->reason = query_col_int(&q, 4);
    ret->held = now && ret->reason == LEDGER_REASON_HOLD;
    ret->revoked = now && !ret->held;
    return PKE_OK;
}

/* The row of this change in the audit log; *seq is its number. */
static enum pke_err record(struct ledger *l, const struct target *t, const char *event, const char *reason,
                           const uint8_t sha256[STORE_DIGEST], const struct ledger_revoke *how, int64_t *seq,
                           struct pke_fail *fail)
{
    struct audit_row row = {.at = how->at,
                            .event = event,
                            .actor = how->by,
                            .request_id = t->request_id,
                            .tenant = t->tenant,
                            .serial = PKE_BYTES(t->serial, t->serial_n),
                            .digest = PKE_BYTES(sha256, STORE_DIGEST)};
    struct pke_buf b;
    enum pke_err err;

    audit_json_init(&b);
    audit_json(&b, "reason", reason);
    audit_json(&b, "comment", how->comment);
    err = audit_append_detail(l, &row, &b, fail);
    pke_buf_done(&b);
    *seq = row.seq;
    return err;
}

static enum pke_err add(struct ledger *l, int64_t id, const struct ledger_revoke *how, int64_t seq,
                        struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_REVOKE);

    query_int(&q, id);
    query_int(&q, how->reason);
    query_int(&q, how->at);
    query_text(&q, how->by);
    query_text(&q, how->comment);
    query_int(&q, seq);
    return query_run(&q, fail);
}

static enum pke_err mark(struct ledger *l, int64_t id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_MARK_REVOKED);

    query_int(&q, id);
    return query_run(&q, fail);
}

static enum pke_err already(struct pke_fail *fail, int64_t reason)
{
    return pke_fail_set(fail, PKE_EXISTS, "already-revoked", RULE_REVOKE,
                        "the certificate is revoked for good, for reason %s", ledger_reason_text(reason));
}

static enum pke_err revoke(struct ledger *l, const uint8_t sha256[STORE_DIGEST],
                           const struct ledger_revoke *how, struct ledger_revoked *ret, struct pke_fail *fail)
{
    struct target t;
    int64_t seq = 0;
    enum pke_err err = find(l, sha256, &t, fail);

    if (err != PKE_OK)
        return err;
    memcpy(ret->issuer_id, t.issuer_id, sizeof ret->issuer_id);
    if ((t.held || t.revoked) && t.reason == (int64_t)how->reason)
        return PKE_OK;
    if (t.revoked)
        return already(fail, t.reason);
    ret->changed = true;
    if (how->dry_run)
        return PKE_OK;
    err = record(l, &t, how->reason == LEDGER_REASON_HOLD ? "held" : "revoked",
                 ledger_reason_text(how->reason), sha256, how, &seq, fail);
    if (err == PKE_OK)
        err = add(l, t.id, how, seq, fail);
    if (err == PKE_OK)
        err = mark(l, t.id, fail);
    return err;
}

enum pke_err ledger_revoke(struct ledger *l, const uint8_t sha256[32], const struct ledger_revoke *how,
                           struct ledger_revoked *ret, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    *ret = (struct ledger_revoked){0};
    return err == PKE_OK ? change_end(l, revoke(l, sha256, how, ret, fail), fail) : err;
}

/* ---- the end of a hold ---- */

static enum pke_err end_hold(struct ledger *l, int64_t id, const struct ledger_revoke *how, int64_t seq,
                             struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_RELEASE_HOLD);
    PKE_CLEANUP(query_done) struct query c = {0};
    enum pke_err err;

    query_int(&q, id);
    query_int(&q, how->at);
    query_text(&q, how->by);
    query_int(&q, seq);
    err = query_run(&q, fail);
    if (err != PKE_OK)
        return err;
    c = query_start(&l->store, WRITER_UNMARK_REVOKED);
    query_int(&c, id);
    query_int(&c, how->at);
    return query_run(&c, fail);
}

/* Life went on without it: did that supersede it? */
static enum pke_err record_superseded(struct ledger *l, const struct target *t,
                                      const struct ledger_revoke *how, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_IS_SUPERSEDED);
    struct audit_row row = {.at = how->at,
                            .event = "superseded",
                            .actor = how->by,
                            .request_id = t->request_id,
                            .serial = PKE_BYTES(t->serial, t->serial_n)};
    bool now;
    enum pke_err err;

    query_int(&q, t->id);
    (void)query_row(&q);
    err = query_result(&q, fail);
    if (err != PKE_OK)
        return err;
    now = query_col_int(&q, 0) == how->at;
    query_done(&q);
    return now ? audit_append(l, &row, fail) : PKE_OK;
}

static enum pke_err release(struct ledger *l, const uint8_t sha256[STORE_DIGEST],
                            const struct ledger_revoke *how, struct ledger_revoked *ret,
                            struct pke_fail *fail)
{
    struct target t;
    int64_t seq = 0;
    enum pke_err err = find(l, sha256, &t, fail);

    if (err != PKE_OK)
        return err;
    memcpy(ret->issuer_id, t.issuer_id, sizeof ret->issuer_id);
    if (t.revoked)
        return already(fail, t.reason);
    ret->changed = t.held;
    if (!t.held || how->dry_run)
        return PKE_OK;
    err = record(l, &t, "hold-released", NULL, sha256, how, &seq, fail);
    if (err == PKE_OK)
        err = end_hold(l, t.id, how, seq, fail);
    if (err == PKE_OK)
        err = record_superseded(l, &t, how, fail);
    return err;
}

enum pke_err ledger_release_hold(struct ledger *l, const uint8_t sha256[32], const struct ledger_revoke *how,
                                 struct ledger_revoked *ret, struct pke_fail *fail)
{
    enum pke_err err = change_begin(l, fail);

    *ret = (struct ledger_revoked){0};
    return err == PKE_OK ? change_end(l, release(l, sha256, how, ret, fail), fail) : err;
}
