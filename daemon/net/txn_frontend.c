/* SPDX-License-Identifier: Apache-2.0 */
/* A credential that only the frontend knows: auth's question goes out, and what comes back goes to auth,
 * which alone says what it is worth. */
#include <string.h>

#include "daemon/common/role.h"
#include "daemon/net/net.h"
#include "daemon/net/txn_impl.h"

#define RULE           "pkienrolld.conf authorisers"
#define ANSWER_RESERVE 250 /* ms that auth has for the answer */

/* What is no answer at all by its HTTP form. What it says, and whose it is, issuer reads. */
enum pke_err txn_check_form(const struct callout_answer *a, struct pke_fail *fail)
{
    if (a->status >= 300 && a->status < 400)
        return pke_fail_set(fail, PKE_BUSY, "authoriser-redirect", RULE,
                            "the authoriser answered with a redirect (%u)", a->status);
    if (a->status != 200)
        return pke_fail_set(fail, PKE_BUSY, "authoriser-status", RULE,
                            "the authoriser answered with status %u", a->status);
    if (strcmp(a->type, "application/json") != 0 || a->body.n == 0)
        return pke_fail_set(fail, PKE_BUSY, "authoriser-type", RULE,
                            "the answer of the authoriser is not application/json");
    if (!a->signature && !a->peer_checked)
        return pke_fail_set(fail, PKE_BUSY, "authoriser-unsigned", RULE,
                            "the answer of the authoriser is not signed");
    return PKE_OK;
}

static enum step_result give_to_auth(struct txn *t, const struct callout_answer *answer)
{
    struct msg_auth_answer m = {
        .ticket = t->ticket, .answer = answer->body, .signature = answer->signature, .deadline = t->deadline};
    struct link_question q = {ROLE_AUTH, MSG_AUTH_ANSWER,     msg_auth_answer_fields,
                              &m,        role_monotonic_ms(), t->deadline};

    return txn_ask(t, &q, t->answer);
}

static void on_answered(const struct callout_answer *answer, const struct pke_fail *fail, void *arg)
{
    struct txn *t = arg;

    t->callout = NULL;
    if (fail)
        pke_fail_set(&t->fail, PKE_BUSY, fail->reason, RULE, "the frontend did not answer: %s", fail->text);
    if (!answer || txn_check_form(answer, &t->fail) != PKE_OK)
        txn_resume(t, STEP_FAIL);
    else
        txn_resume(t, give_to_auth(t, answer));
}

enum step_result txn_ask_frontend(struct txn *t, const struct ipc_frame *f, txn_answer_fn *answer)
{
    struct callout_request req = {
        .purpose = "question", .id = t->trace_id, .deadline = t->deadline - ANSWER_RESERVE};
    struct msg_auth_ask m;

    if (ipc_record_read(msg_auth_ask_fields, f->payload, t->arena, &m, sizeof m, &t->fail) != PKE_OK) {
        t->fail.err = PKE_INTERNAL;
        return STEP_FAIL;
    }
    t->ticket = m.ticket;
    t->answer = answer;
    req.target = snapshot_authoriser(t->snap, m.authenticator);
    req.body = m.question;
    if (req.target)
        t->callout = callout_start(t->net->calls, &req, on_answered, t, &t->fail);
    else
        pke_fail_set(&t->fail, PKE_STALE, "authoriser-unknown", RULE,
                     "there is no webhook of this name to ask");
    /* the credential is in it: the arena's own copy, and what the link received */
    explicit_bzero((void *)(uintptr_t)m.question.p, m.question.n);
    explicit_bzero((void *)(uintptr_t)f->payload.p, f->payload.n);
    return t->callout ? STEP_WAIT : STEP_FAIL;
}
