/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators and other requests may have changed since the caller decided: asked again in the same
 * transaction as the intent and the certificate, so that nothing can come in between.
 */
#include "base/mem.h"
#include "ledger/audit.h"

#define RULE_RENEWAL "renewal"

/* The certificate that an intent renews. */
struct renewed {
    int64_t id, superseded_at, released_at, revoked_at;
};

static enum pke_err ineligible(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_RENEW_INELIGIBLE, reason, RULE_RENEWAL, "%s", text);
}

static enum pke_err find_renewed(struct ledger *l, const struct ledger_intent *in, struct renewed *ret,
                                 struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_FIND_RENEWED);
    enum pke_err err;

    query_blob(&q, in->renews_sha256);
    query_text(&q, in->request.tenant);
    if (!query_row(&q)) {
        err = query_result(&q, fail);
        return err != PKE_OK ? err
                             : ineligible(fail, "renewed-certificate",
                                          "the certificate to be renewed is not one of ours");
    }
    *ret = (struct renewed){query_col_int(&q, 0), query_col_int(&q, 1), query_col_int(&q, 2),
                            query_col_int(&q, 3)};
    return PKE_OK;
}

static enum pke_err check_renewed(const struct ledger_intent *in, const struct renewed *r,
                                  struct pke_fail *fail)
{
    if (r->revoked_at)
        return ineligible(fail, "renew-revoked", "the certificate to be renewed is revoked");
    if (r->released_at)
        return ineligible(fail, "renew-released", "the device was released from the certificate's owner");
    if (r->superseded_at && !in->allow_superseded)
        return ineligible(fail, "renew-superseded", "the device has used a newer certificate");
    return PKE_OK;
}

/* A device that nobody knows yet stands in nobody's way. */
static enum pke_err check_device(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GATE_INTENT);
    bool renewal = in->renews_sha256.n != 0;

    query_text(&q, in->request.tenant);
    query_text(&q, in->request.device_id);
    query_text(&q, in->request.provider ? in->request.provider : "");
    query_text(&q, in->request.principal);
    query_text(&q, in->request.user_id);
    if (!query_row(&q))
        return query_result(&q, fail);
    if (query_col_int(&q, 0))
        return renewal ? ineligible(fail, "renew-blocked", "the device is blocked")
                       : pke_fail_set(fail, PKE_DENIED, "device-blocked", STORE_RULE_DEVICE,
                                      "the device is blocked");
    if (!renewal)
        return PKE_OK;
    if (query_col_int(&q, 1))
        return ineligible(fail, "renew-released", "the device was released");
    if (!query_col_int(&q, 2))
        return ineligible(fail, "renew-owner", "the device belongs to another user");
    return PKE_OK;
}

/* BR 6.1.1.3 (4) and one key per device: the key of a revoked certificate is nobody's any more, whatever
 * @p which statement finds it by. */
static enum pke_err check_key(struct query *q, enum pke_err refusal, struct pke_fail *fail)
{
    if (!query_row(q))
        return query_result(q, fail);
    if (query_col_int(q, 0))
        return pke_fail_set(fail, refusal == PKE_OK ? PKE_KEY_WEAK : refusal, "key-compromised", "BR 6.1.1.3",
                            "a certificate of this public key was revoked for key compromise meanwhile");
    return pke_fail_set(fail, refusal == PKE_OK ? PKE_CSR_BAD : refusal, "csr-key-reused",
                        "one key per device", "a certificate of this public key was revoked meanwhile");
}

static enum pke_err check_intent_key(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GATE_KEY);

    query_blob(&q, in->spki_sha256);
    return check_key(&q, PKE_OK, fail);
}

static enum pke_err check_issued_key(struct ledger *l, int64_t id, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GATE_ISSUED_KEY);

    query_int(&q, id);
    return check_key(&q, PKE_DENIED, fail);
}

enum pke_err gate_intent(struct ledger *l, const struct ledger_intent *in, int64_t *renewed,
                         struct pke_fail *fail)
{
    struct renewed r = {0};
    enum pke_err err = PKE_OK;

    if (in->renews_sha256.n)
        err = find_renewed(l, in, &r, fail);
    if (err == PKE_OK)
        err = check_device(l, in, fail);
    if (err == PKE_OK && in->renews_sha256.n)
        err = check_renewed(in, &r, fail);
    if (err == PKE_OK)
        err = check_intent_key(l, in, fail);
    *renewed = r.id;
    return err;
}

enum pke_err gate_issued(struct ledger *l, int64_t id, bool renewal, struct pke_fail *fail)
{
    PKE_CLEANUP(query_done) struct query q = query_start(&l->store, WRITER_GATE_ISSUED);

    query_int(&q, id);
    if (!query_row(&q))
        return query_result(&q, fail);
    if (query_col_int(&q, 0))
        return pke_fail_set(fail, PKE_DENIED, "device-blocked", STORE_RULE_DEVICE,
                            "the device was blocked meanwhile");
    if (renewal && query_col_int(&q, 1))
        return pke_fail_set(fail, PKE_DENIED, "device-released", STORE_RULE_DEVICE,
                            "the device was released meanwhile");
    if (renewal && query_col_int(&q, 2))
        return pke_fail_set(fail, PKE_DENIED, "renew-revoked", RULE_RENEWAL,
                            "the certificate that it renews was revoked meanwhile");
    return check_issued_key(l, id, fail);
}
