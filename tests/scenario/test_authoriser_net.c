/* SPDX-License-Identifier: Apache-2.0 */
/* A net that is not itself between issuer and authoriser (attack A15, mdm.md checklist 76): it can withhold
 * an answer, and no more. No certificate without an answer that the authoriser signed for this very question.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/hooksig.h"
#include "tests/scenario/stage.h"

#define SECRET "fedcba9876543210fedcba9876543210"
#define OTHER  "0123456789abcdef0123456789abcdef"

struct play {
    struct stage *stage;
    char *extra;
    struct pke_secret *secret, *other;
};

/* A request that waits for its answer. */
struct asked {
    const char *id; /* TraceId */
    struct pke_bytes csr, question;
    uint64_t prep_id;
};

static char *secret_file(struct stage *s, const char *name, const char *value)
{
    char *path = pke_asprintf("%s/%s", s->dir, name);
    FILE *f = fopen(path, "wex");

    assert_non_null(f);
    assert_true(fputs(value, f) >= 0 && fclose(f) == 0);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

static int set_up(void **state)
{
    struct play *p = pke_calloc(1, sizeof *p);
    char *answer, *question;

    p->stage = stage_new(NULL);
    answer = secret_file(p->stage, "answer", SECRET);
    question = secret_file(p->stage, "question", OTHER);
    p->extra =
        pke_asprintf("authorisers:\n  mdm:\n    kind: webhook\n    url: https://mdm.corp.example/hook\n"
                     "    question-secret-file: %s\n    answer-secret-file: %s\n",
                     question, answer);
    p->stage->extra = p->extra;
    p->stage->template_extra = "    authoriser: mdm\n";
    p->secret = pke_secret_new(pke_bytes_str(SECRET));
    p->other = pke_secret_new(pke_bytes_str(OTHER));
    free(answer);
    free(question);
    stage_issuer(p->stage);
    stage_play_key(p->stage);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct play *p = *state;

    stage_free(p->stage);
    pke_secret_free(p->secret);
    pke_secret_free(p->other);
    free(p->extra);
    free(p);
    return 0;
}

static struct asked ask(struct stage *s)
{
    struct asked q = {.csr = stage_csr(s)};
    struct ask request = stage_ask(s, q.csr);
    const struct answer *a;

    request.msg.commit = 0;
    a = stage_answer(s, stage_send(s, &request));
    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_PREPARED);
    assert_string_equal(a->prepared.authoriser, "mdm");
    q.id = request.msg.trace_id;
    q.question = a->prepared.question;
    q.prep_id = a->prepared.prep_id;
    assert_true(q.question.n > 0);
    return q;
}

static struct pke_bytes says(struct stage *s, const char *id, const char *decision)
{
    return pke_bytes_str(
        pke_arena_printf(s->arena, "{\"version\":1,\"id\":\"%s\",\"decision\":\"%s\"}", id, decision));
}

static const struct answer *commit(struct stage *s, uint64_t prep_id, struct pke_bytes answer,
                                   const char *signature)
{
    struct msg_commit m = {.prep_id = prep_id, .answer = answer, .signature = signature};

    chan_send_record(s->net, MSG_COMMIT, ++s->next_id, msg_commit_fields, &m);
    return stage_answer(s, s->next_id);
}

static const char *sign(struct stage *s, const struct pke_secret *secret, const char *id,
                        struct pke_bytes question, struct pke_bytes answer)
{
    char text[HOOKSIG_TEXT], digest[HOOKSIG_DIGEST];

    hooksig_question(question, digest);
    hooksig_answer(secret, id, digest, answer, text);
    return pke_arena_strdup(s->arena, text);
}

/* No certificate, no signature, and for the client it is a fault that passes. */
static void no_use(struct play *p, const struct answer *a, const char *reason)
{
    stage_must_fail(a, PKE_BUSY, reason);
    assert_int_equal(p->stage->signs, 0);
    assert_int_equal(stage_counts(p->stage).issued, 0);
}

static void what_the_authoriser_signed_counts(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct asked q = ask(s);
    struct pke_bytes yes = says(s, q.id, "allow"), no;

    stage_must_be_issued(s, commit(s, q.prep_id, yes, sign(s, p->secret, q.id, q.question, yes)), q.csr);
    assert_int_equal(s->signs, 1);
    q = ask(s);
    no = says(s, q.id, "deny");
    stage_must_fail(commit(s, q.prep_id, no, sign(s, p->secret, q.id, q.question, no)), PKE_DENIED,
                    "authoriser-denied");
    assert_int_equal(s->signs, 1);
}

/* PREPARE and COMMIT in one frame is for templates without an authoriser. */
static void the_question_is_not_skipped(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct ask request = stage_ask(s, stage_csr(s));
    const struct answer *a;
    struct asked q;

    request.msg.commit = 1;
    a = stage_answer(s, stage_send(s, &request));
    if (a->kind == MSG_PREPARED) /* it is held back all the same */
        a = commit(s, a->prepared.prep_id, PKE_BYTES(NULL, 0), NULL);
    assert_int_equal(a->kind, MSG_FAILED);
    assert_int_equal(s->signs, 0);
    q = ask(s);
    no_use(p, commit(s, q.prep_id, PKE_BYTES(NULL, 0), NULL), "authoriser-skipped");
}

static void an_answer_that_nobody_signed(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct asked q = ask(s);
    struct pke_bytes yes = says(s, q.id, "allow");

    no_use(p, commit(s, q.prep_id, yes, NULL), "authoriser-signature");
    q = ask(s), yes = says(s, q.id, "allow");
    no_use(p, commit(s, q.prep_id, yes, ""), "authoriser-signature");
    q = ask(s), yes = says(s, q.id, "allow"); /* net has the secret of the question, not that of the answer */
    no_use(p, commit(s, q.prep_id, yes, sign(s, p->other, q.id, q.question, yes)), "authoriser-signature");
}

static void an_answer_that_was_changed(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct asked q = ask(s);
    struct pke_bytes no = says(s, q.id, "deny");

    no_use(p, commit(s, q.prep_id, says(s, q.id, "allow"), sign(s, p->secret, q.id, q.question, no)),
           "authoriser-signature");
}

/* Another question that net put to the authoriser, with its honest yes. */
static void an_answer_to_another_question(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct asked mine = ask(s), other = ask(s);
    struct pke_bytes yes = says(s, other.id, "allow");
    const char *signature = sign(s, p->secret, other.id, other.question, yes);

    no_use(p, commit(s, mine.prep_id, yes, signature), "authoriser-signature");
    mine = ask(s); /* a question of its own making, under this id */
    yes = says(s, mine.id, "allow");
    signature = sign(s, p->secret, mine.id, pke_bytes_str("{\"version\":1}"), yes);
    no_use(p, commit(s, mine.prep_id, yes, signature), "authoriser-signature");
    mine = ask(s); /* signed for this question, but the answer names another */
    yes = says(s, other.id, "allow");
    signature = sign(s, p->secret, mine.id, mine.question, yes);
    stage_must_fail(commit(s, mine.prep_id, yes, signature), PKE_BUSY, "authoriser-malformed");
    assert_int_equal(s->signs, 0);
}

/* One yes is one certificate: neither again, nor for the next request of the same client. */
static void an_answer_is_good_once(void **state)
{
    struct play *p = *state;
    struct stage *s = p->stage;
    struct asked q = ask(s), next;
    struct pke_bytes yes = says(s, q.id, "allow");
    const char *signature = sign(s, p->secret, q.id, q.question, yes);

    stage_must_be_issued(s, commit(s, q.prep_id, yes, signature), q.csr);
    stage_must_fail(commit(s, q.prep_id, yes, signature), PKE_DEADLINE, "prep-id");
    next = ask(s);
    stage_must_fail(commit(s, next.prep_id, yes, signature), PKE_BUSY, "authoriser-signature");
    assert_int_equal(s->signs, 1);
}

/* Whatever net says happened, it is a fault that passes: never a refusal of the user, never a permission. */
static void a_failure_that_net_tells_of(void **state)
{
    static const enum pke_err errs[] = {PKE_BUSY, PKE_DENIED, PKE_DEADLINE, PKE_UNAUTHENTICATED,
                                        PKE_INTERNAL};
    struct play *p = *state;
    struct stage *s = p->stage;

    for (size_t i = 0; i < PKE_LEN(errs); i++) {
        struct asked q = ask(s);
        struct msg_commit m = {.prep_id = q.prep_id};

        pke_fail_set(&m.fail, errs[i], "callout-down", "test", "nobody is there");
        chan_send_record(s->net, MSG_COMMIT, ++s->next_id, msg_commit_fields, &m);
        no_use(p, stage_answer(s, s->next_id), "callout-down");
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_the_authoriser_signed_counts), T(the_question_is_not_skipped),
        T(an_answer_that_nobody_signed),      T(an_answer_that_was_changed),
        T(an_answer_to_another_question),     T(an_answer_is_good_once),
        T(a_failure_that_net_tells_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
