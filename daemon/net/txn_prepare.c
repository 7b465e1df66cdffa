/* SPDX-License-Identifier: Apache-2.0 */
/* The request to issuer. Where the template names an authoriser that is asked over HTTP: PREPARE, the
 * question that issuer wrote, COMMIT with what came back. net judges no answer; it only says when there is
 * none. */
#include <string.h>

#include "daemon/net/txn_impl.h"

#define STALE_PAUSE    100 /* ms: the other half of a configuration switch is under way */
#define COMMIT_RESERVE 500 /* ms of a request's time that are left for its signature */
#define RULE           "doc/authoriser.md"

static enum step_result send_prepare(struct txn *t);

static void on_stale_pause(evutil_socket_t fd, short what, void *arg)
{
    struct txn *t = arg;

    (void)fd;
    (void)what;
    if (!txn_adopt_snapshot(t)) {
        txn_resume(t, STEP_FAIL); /* still the issuer's STALE */
        return;
    }
    t->fail = (struct pke_fail){0};
    txn_arm_deadline(t);
    txn_resume(t, send_prepare(t));
}

/* The last word of issuer. */
static enum step_result on_issued(struct txn *t, const struct ipc_frame *f)
{
    if (f->kind != MSG_ISSUED) {
        txn_read_failed(t, f);
        if (t->fail.err != PKE_STALE)
            return STEP_FAIL;
        t->issuer_knows = false; /* a stale request is not recorded there */
        if (t->stale_retried)
            return STEP_FAIL;
        t->stale_retried = true;
        txn_set_timer(t, STALE_PAUSE, on_stale_pause);
        return STEP_WAIT;
    }
    if (ipc_record_read(msg_issued_fields, f->payload, t->arena, &t->issued, sizeof t->issued, &t->fail) !=
        PKE_OK) {
        t->fail.err = PKE_INTERNAL;
        return STEP_FAIL;
    }
    t->principal = t->issued.principal; /* a token names nobody before */
    return STEP_NEXT;
}

/* ---- the question */

static enum step_result send_commit(struct txn *t, const struct msg_commit *m)
{
    struct link_question q = {ROLE_ISSUER, MSG_COMMIT,          msg_commit_fields,
                              m,           role_monotonic_ms(), t->deadline};
    enum step_result result = txn_ask(t, &q, on_issued);

    t->issuer_knows = result == STEP_WAIT;
    return result;
}

static enum step_result commit_without_answer(struct txn *t, const struct pke_fail *fail)
{
    struct msg_commit m = {.prep_id = t->prep_id, .fail = *fail};

    return send_commit(t, &m);
}

static void on_answered(const struct callout_answer *answer, const struct pke_fail *fail, void *arg)
{
    struct txn *t = arg;
    struct msg_commit m = {.prep_id = t->prep_id};

    t->callout = NULL;
    if (answer && txn_check_form(answer, &m.fail) == PKE_OK) {
        m.answer = answer->body;
        m.signature = answer->signature;
    } else if (fail) {
        m.fail = *fail;
    }
    txn_resume(t, send_commit(t, &m));
}

/* Nobody holds the request back for us: when our deadline comes first, it is we who record it. */
static enum step_result ask_authoriser(struct txn *t, const struct msg_prepared *m)
{
    struct callout_request req = {
        .target = snapshot_authoriser(t->snap, m->authoriser),
        .purpose = "question",
        .id = t->trace_id,
        .body = m->question,
        .deadline = t->deadline - COMMIT_RESERVE,
    };
    struct pke_fail fail;

    if (!req.target || m->question.n == 0) {
        pke_fail_set(&fail, PKE_INTERNAL, "authoriser-unknown", "pkienrolld.conf authorisers",
                     "there is no webhook of this name to ask");
        return commit_without_answer(t, &fail);
    }
    t->callout = callout_start(t->net->calls, &req, on_answered, t, &fail);
    if (!t->callout)
        return commit_without_answer(t, &fail);
    t->issuer_knows = false;
    return STEP_WAIT;
}

static enum step_result on_prepared(struct txn *t, const struct ipc_frame *f)
{
    struct msg_commit none = {0};
    struct msg_prepared m;

    if (f->kind != MSG_PREPARED)
        return on_issued(t, f);
    if (ipc_record_read(msg_prepared_fields, f->payload, t->arena, &m, sizeof m, &t->fail) != PKE_OK) {
        t->fail.err = PKE_INTERNAL;
        return STEP_FAIL;
    }
    t->prep_id = none.prep_id = m.prep_id;
    return m.authoriser ? ask_authoriser(t, &m) : send_commit(t, &none);
}

/* ---- PREPARE */

static const char *const operation_names[] = {
    [WSTEP_ISSUE] = "issue", [WSTEP_RENEW] = "renew", [WSTEP_RECOVERY] = "recovery"};

/* Only whom net asks has to be waited for in between; issuer asks for it all the same where it must be. */
static bool is_asked_here(const struct txn *t)
{
    const struct policy_template *tpl = t->ep->conf->template_ref;

    return tpl && tpl->authoriser && snapshot_authoriser(t->snap, tpl->authoriser);
}

static enum step_result send_prepare(struct txn *t)
{
    struct msg_prepare m = {
        .generation = PKE_BYTES(t->snap->conf->generation, CONF_GENERATION),
        .commit = !is_asked_here(t),
        .deadline = t->deadline,
        .trace_id = t->trace_id,
        .endpoint = t->ep->conf->name,
        .operation = operation_names[t->rst.operation],
        .assertion = t->auth.assertion,
        .token = pke_buf_bytes(&t->token),
        .request = t->rst.request,
        .client_certificate = t->client_certificate,
        .context = t->rst.context,
        .source = t->source,
    };
    struct link_question q = {ROLE_ISSUER, MSG_PREPARE,         msg_prepare_fields,
                              &m,          role_monotonic_ms(), t->deadline};
    enum step_result result = txn_ask(t, &q, on_prepared);

    t->issuer_knows = result == STEP_WAIT;
    return result;
}

enum step_result txn_step_prepare(struct txn *t)
{
    return send_prepare(t);
}
