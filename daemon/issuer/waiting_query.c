/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a request that waited? Told to who asked for the certificate, and to nobody else. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/common/log.h"
#include "daemon/issuer/request.h"
#include "policy/renew.h"

#define RULE "RequestID"

/* The word of auth is for this number: its decimal text takes the place of the CSR. */
static enum pke_err read_query(struct request *req, const struct ipc_frame *f, struct msg_query *m)
{
    char *text = pke_arena_alloc(req->arena, 24);
    enum pke_err err = ipc_record_read(msg_query_fields, f->payload, req->arena, m, sizeof *m, &req->fail);

    if (err != PKE_OK)
        return err;
    snprintf(text, 24, "%" PRIu64, m->number);
    req->msg = (struct msg_prepare){.endpoint = m->endpoint,
                                    .assertion = m->assertion,
                                    .trace_id = m->trace_id,
                                    .operation = "issue",
                                    .request = pke_bytes_str(text)};
    if (m->number < 1 || m->number > UINT32_MAX)
        return pke_fail_set(&req->fail, PKE_MALFORMED, "request-number", RULE,
                            "a RequestID is a number from 1 to 4294967295");
    return check_requester(req);
}

/* What operators did since it was issued counts, as for a replay. */
static enum pke_err still_given_out(struct request *req, const struct ledger_ticket *t)
{
    if (t->revoked_at)
        return pke_fail_set(&req->fail, PKE_DENIED, "certificate-revoked", RULE,
                            "the certificate was revoked");
    if (t->blocked_at)
        return pke_fail_set(&req->fail, PKE_DENIED, "device-blocked", RULE, "the device is blocked");
    if (t->released_at)
        return pke_fail_set(&req->fail, PKE_DENIED, "device-released", RULE, "the device was released");
    return PKE_OK;
}

static enum pke_err find(struct request *req, uint32_t number, struct ledger_ticket *t)
{
    struct pke_fail fail;
    enum pke_err err = ledger_ticket(req->issuer->ledger, number, req->arena, t, &fail);

    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    if (strcmp(t->tenant, req->who.tenant) != 0 ||
        !policy_same_owner(t->principal, t->user_id, req->who.principal, req->who.user_id))
        return pke_fail_set(&req->fail, PKE_DENIED, "request-of-another", RULE,
                            "the request is another requester's");
    if (strcmp(t->state, "denied") == 0 || strcmp(t->state, "abandoned") == 0)
        req->fail = t->fail;
    return req->fail.err == PKE_OK ? still_given_out(req, t) : req->fail.err;
}

static void answer(struct request *req, const struct ledger_ticket *t)
{
    struct msg_pending pending = {.number = t->number,
                                  .request_id = t->request_id,
                                  .expires_at = (uint64_t)t->expires_at,
                                  .reason = t->fail.reason};
    const struct issuer_ca *by = setup_ca_of(req->setup, t->issuer_id);
    struct msg_issued issued = {.request_id = t->result_id,
                                .serial = t->serial_hex,
                                .certificate = t->certificate,
                                .principal = t->principal,
                                .subject_cn = t->subject,
                                .more_names = !ca_cert_subject_is_single(t->certificate),
                                .ent_dmid = t->ent_dmid,
                                .operation = t->operation,
                                .enrollment_type = t->enrollment_type,
                                .upn = t->upn,
                                .replayed = 1,
                                .number = t->number,
                                .issuer = by ? by->conf->name : ""}; /* no more: net has no chain for it */

    if (strcmp(t->state, "waiting") == 0)
        request_answer(req, MSG_PENDING, msg_pending_fields, &pending);
    else
        request_answer(req, MSG_ISSUED, msg_issued_fields, &issued);
    request_free(req);
}

void waiting_query(struct issuer *is, const struct ipc_frame *f)
{
    struct request *req = request_create(is);
    struct ledger_ticket t;
    struct msg_query m;

    req->state = REQUEST_RESULT;
    request_add_waiter(req, is->net, f->id);
    if (read_query(req, f, &m) != PKE_OK || find(req, (uint32_t)m.number, &t) != PKE_OK)
        request_end_failed(req);
    else
        answer(req, &t);
}
