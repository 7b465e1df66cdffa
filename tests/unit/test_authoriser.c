/* SPDX-License-Identifier: Apache-2.0 */
/* What an authoriser answers: its signature, and the JSON that counts as an answer (attack A15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/hooksig.h"
#include "daemon/issuer/authoriser.h"

#define ID "5f9c3a3e-0000-4000-8000-000000000001"

static struct pke_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = pke_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pke_arena_free(arena);
    return 0;
}

/* The vector of doc/authoriser.md, made with another implementation. */
static void test_signature(void **state)
{
    static const char vector[] = "v1=d4f72fc71fd8eba34a85934df5661eff82961bbf0e7632e8841a13a242afeae4";
    struct pke_secret *secret = pke_secret_new(pke_bytes_str("fedcba9876543210fedcba9876543210"));
    struct pke_secret *other = pke_secret_new(pke_bytes_str("fedcba9876543210fedcba9876543211"));
    char question[HOOKSIG_DIGEST], changed[HOOKSIG_DIGEST];
    struct pke_bytes answer = pke_bytes_str("{\"version\":1,\"decision\":\"deny\"}");
    char upper[HOOKSIG_TEXT];
    struct pke_fail fail;

    (void)state;
    hooksig_question(pke_bytes_str("{\"version\":1}"), question);
    hooksig_question(pke_bytes_str("{\"version\":2}"), changed);
    assert_int_equal(hooksig_check(secret, ID, question, answer, vector, &fail), PKE_OK);
    assert_int_equal(hooksig_check(other, ID, question, answer, vector, &fail), PKE_UNAUTHENTICATED);
    assert_int_equal(
        hooksig_check(secret, "5f9c3a3e-0000-4000-8000-000000000002", question, answer, vector, &fail),
        PKE_UNAUTHENTICATED);
    assert_int_equal(hooksig_check(secret, ID, changed, answer, vector, &fail), PKE_UNAUTHENTICATED);
    assert_int_equal(hooksig_check(secret, ID, question,
                                   pke_bytes_str("{\"version\":1,\"decision\":\"allow\"}"), vector, &fail),
                     PKE_UNAUTHENTICATED);
    assert_int_equal(hooksig_check(secret, ID, question, answer, vector + 3, &fail), PKE_UNAUTHENTICATED);
    assert_int_equal(hooksig_check(secret, ID, question, answer, "", &fail), PKE_UNAUTHENTICATED);
    assert_int_equal(hooksig_check(secret, ID, question, answer, NULL, &fail), PKE_UNAUTHENTICATED);
    assert_string_equal(fail.reason, "authoriser-signature");
    memcpy(upper, vector, sizeof upper);
    upper[3] = 'D';
    assert_int_equal(hooksig_check(secret, ID, question, answer, upper, &fail), PKE_UNAUTHENTICATED);
    pke_secret_free(secret);
    pke_secret_free(other);
}

static enum pke_err read_members(const char *members, struct authoriser_answer *ret, struct pke_fail *fail)
{
    char *body = pke_arena_printf(arena, "{\"version\":1,\"id\":\"" ID "\",%s}", members);

    return authoriser_answer_read(pke_bytes_str(body), ID, arena, ret, fail);
}

static void test_answers(void **state)
{
    static const struct {
        const char *members;
        enum authoriser_decision decision;
        enum pke_err fault;
        const char *text;
        int64_t validity;
    } good[] = {
        {"\"decision\":\"allow\"", AUTHORISER_ALLOW, PKE_OK, NULL, 0},
        {"\"decision\":\"allow\",\"parameters\":{}", AUTHORISER_ALLOW, PKE_OK, NULL, 0},
        {"\"decision\":\"allow\",\"parameters\":{\"validity\":3600}", AUTHORISER_ALLOW, PKE_OK, NULL, 3600},
        {"\"decision\":\"deny\"", AUTHORISER_DENY, PKE_DENIED, NULL, 0},
        {"\"decision\":\"deny\",\"text\":\"no\"", AUTHORISER_DENY, PKE_CUSTOM, "no", 0},
        {"\"decision\":\"deny\",\"fault\":\"DeviceCapReached\",\"text\":\"no\"", AUTHORISER_DENY, PKE_QUOTA,
         "no", 0},
        {"\"decision\":\"deny\",\"fault\":\"UserLicense\"", AUTHORISER_DENY, PKE_LICENSE, NULL, 0},
        {"\"decision\":\"pend\",\"text\":\"wait\"", AUTHORISER_PEND, PKE_OK, "wait", 0},
    };
    struct authoriser_answer a;
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(good); i++) {
        if (read_members(good[i].members, &a, &fail) != PKE_OK)
            fail_msg("%s: %s", good[i].members, fail.text);
        assert_int_equal(a.decision, good[i].decision);
        assert_int_equal(a.fault, good[i].fault);
        assert_int_equal(a.validity, good[i].validity);
        if (good[i].text)
            assert_string_equal(a.text, good[i].text);
        else
            assert_null(a.text);
    }
}

static void test_names(void **state)
{
    struct authoriser_answer a;
    struct pke_fail fail;

    (void)state;
    assert_int_equal(
        read_members("\"decision\":\"allow\",\"parameters\":{\"upn\":\"ada@corp.example\",\"dns\":[\"a.corp."
                     "example\",\"b.corp.example\",\"a.corp.example\"]}",
                     &a, &fail),
        PKE_OK);
    assert_int_equal(a.names.n, 3); /* once each */
    assert_string_equal(pke_pairs_get(&a.names, "upn"), "ada@corp.example");
    assert_string_equal(pke_pairs_get(&a.names, "dns"), "a.corp.example");
}

/* Whatever is not exactly an answer is none. */
static void test_no_answers(void **state)
{
    static const char *const members[] = {
        "\"decision\":\"Allow\"",
        "\"decision\":true",
        "\"decision\":[\"allow\"]",
        "\"decision\":\"allow\\u0000\"",
        "\"decision\":\"deny\",\"decision\":\"allow\"",
        "\"decision\":\"allow\",\"more\":1",
        "\"decision\":\"allow\",\"text\":\"hello\"",
        "\"decision\":\"allow\",\"fault\":\"Authorization\"",
        "\"decision\":\"pend\",\"fault\":\"Authorization\"",
        "\"decision\":\"deny\",\"fault\":\"authorization\"",
        "\"decision\":\"deny\",\"fault\":null",
        "\"decision\":\"deny\",\"text\":\"\"",
        "\"decision\":\"deny\",\"text\":\"a\\nb\"",
        "\"decision\":\"deny\",\"text\":7",
        "\"decision\":\"deny\",\"parameters\":{}",
        "\"decision\":\"allow\",\"parameters\":[]",
        "\"decision\":\"allow\",\"parameters\":{\"validity\":3599}",
        "\"decision\":\"allow\",\"parameters\":{\"validity\":-1}",
        "\"decision\":\"allow\",\"parameters\":{\"validity\":86400.0}",
        "\"decision\":\"allow\",\"parameters\":{\"validity\":\"86400\"}",
        "\"decision\":\"allow\",\"parameters\":{\"CN\":\"x\"}",
        "\"decision\":\"allow\",\"parameters\":{\"dns\":[]}",
        "\"decision\":\"allow\",\"parameters\":{\"dns\":\"a b\"}",
        "\"decision\":\"allow\",\"parameters\":{\"dns\":\"*.corp.example\"}",
        "\"decision\":\"allow\",\"parameters\":{\"dns\":[[\"a.example\"]]}",
        "\"decision\":\"allow\",\"parameters\":{\"upn\":[\"a@b.example\",\"c@b.example\"]}",
        "\"decision\":\"allow\",\"parameters\":{\"sid\":\"S-1-5-18-x\"}",
        "\"decision\":\"allow\",\"parameters\":{\"email\":\"nobody\"}",
        "\"x\":1",
    };
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "allow",
        "{}",
        "{\"version\":1,\"decision\":\"allow\"}",
        "{\"version\":1,\"id\":\"" ID "\"}",
        "{\"id\":\"" ID "\",\"decision\":\"allow\"}",
        "{\"version\":2,\"id\":\"" ID "\",\"decision\":\"allow\"}",
        "{\"version\":\"1\",\"id\":\"" ID "\",\"decision\":\"allow\"}",
        "{\"version\":1,\"id\":\"5f9c3a3e-0000-4000-8000-000000000002\",\"decision\":\"allow\"}",
        "{\"version\":1,\"id\":\"" ID "\",\"decision\":\"allow\"} x",
    };
    struct authoriser_answer a;
    struct pke_fail fail;

    (void)state;
    for (size_t i = 0; i < PKE_LEN(members); i++) {
        if (read_members(members[i], &a, &fail) != PKE_MALFORMED)
            fail_msg("passed: %s", members[i]);
        assert_string_equal(fail.reason, "authoriser-malformed");
    }
    for (size_t i = 0; i < PKE_LEN(bodies); i++)
        if (authoriser_answer_read(pke_bytes_str(bodies[i]), ID, arena, &a, &fail) != PKE_MALFORMED)
            fail_msg("passed: %s", bodies[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_answers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
