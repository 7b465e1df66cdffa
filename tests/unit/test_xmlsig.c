/* SPDX-License-Identifier: Apache-2.0 */
/* xmlsig/ as a library: the published examples, the callback, the rules. Attacks are in
 * test_xmlsig_vectors.py. */
#include "test_proto_util.h"

#include <string.h>

#include "xmlsig/xmlsig.h"

#define NOW 1772366400 /* 2026-03-01 12:00:00 UTC */

static struct xmlsig *x;
static struct xmlsig_result result;
static unsigned asked;
static enum pke_err answer;

static int begin(void **state)
{
    x = xmlsig_new();
    return test_setup(state);
}

static int end(void **state)
{
    xmlsig_free(x);
    return test_teardown(state);
}

static enum pke_err trust(void *arg, struct pke_bytes certificate, struct pke_fail *fail)
{
    asked++;
    assert_ptr_equal(arg, &asked);
    assert_true(pke_bytes_eq(certificate, test_data_bytes("mdm/pki/bulk-enroll.der")));
    return answer == PKE_OK ? PKE_OK : pke_fail_set(fail, answer, "test", "test", "test");
}

static enum pke_err verify(const char *text, int64_t now)
{
    struct xmlsig_rules rules = {XMLSIG_SKEW_SECONDS, XMLSIG_LIFE_SECONDS, trust, &asked};

    memset(&test_fail, 0, sizeof test_fail);
    asked = 0;
    return xmlsig_verify(x, pke_bytes_str(text), now, &rules, test_arena, &result, &test_fail);
}

static void refused(const char *text, int64_t now, const char *reason)
{
    assert_int_not_equal(verify(text, now), PKE_OK);
    assert_string_equal(test_fail.reason, reason);
    assert_null(result.request.body);
    assert_int_equal(result.certificate.n, 0);
}

static void test_23_examples(void **state)
{
    char *policies = test_data("mdm/03-getpolicies-certificate.req.xml");
    char *rst = test_data("mdm/13-rst-issue-certificate.req.xml");
    struct wstep_request r;

    (void)state;
    answer = PKE_OK;
    assert_int_equal(verify(policies, NOW), PKE_OK);
    assert_int_equal(asked, 1);
    assert_int_equal(result.request.stage, SOAP_GET_POLICIES);
    assert_true(pke_bytes_eq(result.certificate, test_data_bytes("mdm/pki/bulk-enroll.der")));
    assert_int_equal(result.created, NOW);
    assert_int_equal(result.expires, NOW + 300);
    assert_null(result.request.credential.token.p); /* the parser's memory is wiped */
    assert_int_equal(verify(rst, NOW), PKE_OK);
    assert_int_equal(result.request.stage, SOAP_REQUEST_SECURITY_TOKEN);
    assert_int_equal(wstep_request_read(result.request.body, test_arena, &r, &test_fail), PKE_OK);
    assert_true(pke_bytes_eq(r.request, test_data_bytes("mdm/pki/device.csr.der")));
}

static void test_23_limits_of_time_are_exact(void **state)
{
    char *rst = test_data("mdm/13-rst-issue-certificate.req.xml");

    (void)state;
    answer = PKE_OK;
    assert_int_equal(verify(rst, NOW - 300), PKE_OK);
    refused(rst, NOW - 301, "sig-timestamp-future");
    assert_int_equal(verify(rst, NOW + 600), PKE_OK);
    refused(rst, NOW + 601, "sig-timestamp-expired");
    refused(rst, 0, "sig-timestamp-future");
    refused(rst, INT64_MAX - 1, "sig-timestamp-expired");
}

/* Only who is trusted gets a signature computed; who is refused, gets that refusal. */
static void test_trust_comes_before_the_signature(void **state)
{
    char *rst = test_data("mdm/13-rst-issue-certificate.req.xml");

    (void)state;
    answer = PKE_UNAUTHENTICATED;
    refused(rst, NOW, "test");
    assert_int_equal(asked, 1);
    refused(test_replace(rst, "DESKTOP-LAB0001", "DESKTOP-LAB0002"), NOW, "test");
    refused(rst, NOW + 601, "sig-timestamp-expired");
    assert_int_equal(asked, 0);
    answer = PKE_OK;
    refused(test_replace(rst, "DESKTOP-LAB0001", "DESKTOP-LAB0002"), NOW, "sig-invalid");
    assert_int_equal(asked, 1);
}

/* Other requests are not for this folder, and nothing of them is returned. */
static void test_other_credentials(void **state)
{
    (void)state;
    answer = PKE_OK;
    refused(test_data("mdm/12-rst-issue-onprem.req.xml"), NOW, "sig-count");
    refused(test_data("mdm/10-rst-issue-federated-custom.req.xml"), NOW, "sig-count");
    refused("", NOW, "xml-not-well-formed");
    refused("<x/>", NOW, "soap-envelope");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_23_examples, begin, end),
        cmocka_unit_test_setup_teardown(test_23_limits_of_time_are_exact, begin, end),
        cmocka_unit_test_setup_teardown(test_trust_comes_before_the_signature, begin, end),
        cmocka_unit_test_setup_teardown(test_other_credentials, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
