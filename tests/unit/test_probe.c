/* SPDX-License-Identifier: Apache-2.0 */
/* The probe's judgement: good documents pass, and each fault that Windows was seen to trip over is found by
 * its check. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/mem.h"
#include "probe/csr.h"
#include "probe/exchange.h"
#include "probe/provdoc.h"
#include "probe/state.h"

#define FILE_MAX (64u << 10)

static struct pke_buf load(const char *name)
{
    struct pke_buf b;
    const char *top = getenv("top_srcdir");
    char *path PKE_CLEANUP(pke_free_p) = pke_asprintf("%s/tests/data/probe/%s", top ? top : ".", name);
    if (!artefact_slurp(AT_FDCWD, path, FILE_MAX, &b))
        fail_msg("cannot read %s", path);
    return b;
}

/* Replace the first @from in the document; it must be there. */
static void edit(struct pke_buf *b, const char *from, const char *to)
{
    struct pke_buf out;
    const char *text = pke_buf_cstr(b), *at = strstr(text, from);
    if (!at)
        fail_msg("nothing to edit: %s", from);
    pke_buf_init(&out, FILE_MAX);
    pke_buf_add(&out, text, (size_t)(at - text));
    pke_buf_add_str(&out, to);
    pke_buf_add_str(&out, at + strlen(from));
    pke_buf_done(b);
    *b = out;
}

static char folder[] = "/tmp/pke-test-probe-XXXXXX";

static void begin(struct probe *p, int type)
{
    struct pke_fail fail;
    memset(p, 0, sizeof *p);
    p->opt.type = type;
    p->opt.enroll_url = "https://enroll.corp.example/EnrollmentServer/Enrollment.svc";
    p->arena = p->kept = pke_arena_new();
    p->verdict = verdict_new(true);
    p->key_bits = 2048;
    assert_int_equal(artefacts_open(folder, false, &p->out, &fail), PKE_OK);
    probe_forget(p);
}

static void end(struct probe *p)
{
    probe_forget(p);
    state_done(&p->state);
    X509_free(p->policy_ca);
    X509_free(p->client_cert);
    EVP_PKEY_free(p->client_key);
    artefacts_close(p->out);
    verdict_free(p->verdict);
    pke_arena_free(p->arena);
}

/* Whether the check @id was made with this result. */
static bool has(struct probe *p, const char *id, bool good)
{
    char text[96];
    struct pke_bytes json = verdict_json(p->verdict);
    snprintf(text, sizeof text, "\"check\":\"%s\",\"ok\":%s", id, good ? "true" : "false");
    return memmem(json.p, json.n, text, strlen(text)) != NULL;
}

static size_t failures(struct probe *p, bool print)
{
    struct pke_bytes json = verdict_json(p->verdict);
    size_t n = 0;
    static const char bad[] = "\"ok\":false,\"rule\"";
    for (const uint8_t *at = json.p; (at = memmem(at, json.n - (size_t)(at - json.p), bad, sizeof bad - 1));
         at++)
        n++;
    if (n && print)
        fprintf(stderr, "%.*s\n", (int)json.n, (const char *)json.p);
    return n;
}

static void judge_provisioning(struct probe *p, int type, const char *file, const char *from, const char *to)
{
    char device_id[33];
    struct pke_fail fail;
    struct pke_buf csr = load("utf8.csr"), doc = load(file);
    begin(p, type);
    assert_int_equal(csr_read(pke_buf_bytes(&csr), &p->csr, &p->public_key, device_id, &fail), PKE_OK);
    if (from)
        edit(&doc, from, to);
    provdoc_check(p, pke_buf_bytes(&doc));
    pke_buf_done(&doc);
    pke_buf_done(&csr);
}

/* The certificate in the data has a fixed validity, so these two depend on today. */
static size_t timeless_failures(struct probe *p)
{
    size_t by_time = has(p, "validity", false) + has(p, "backdating", false) + has(p, "chain", false);
    return failures(p, false) - by_time;
}

static void test_provisioning_good(void **state)
{
    struct probe p;
    (void)state;
    judge_provisioning(&p, PROBE_FULL, "provisioning-full.xml", NULL, NULL);
    assert_int_equal(timeless_failures(&p), 0);
    assert_true(has(&p, "public-key", true));
    assert_true(has(&p, "poll", true));
    assert_string_equal(verdict_fact_get(p.verdict, "certificate-store"), "My/User");
    end(&p);
    judge_provisioning(&p, PROBE_DEVICE, "provisioning-device.xml", NULL, NULL);
    assert_int_equal(timeless_failures(&p), 0);
    assert_string_equal(verdict_fact_get(p.verdict, "certificate-store"), "My/System");
    end(&p);
}

static const struct {
    const char *from, *to, *check;
} bad_provisioning[] = {
    {"<wap-provisioningdoc version=\"1.1\"", "<wap-provisioningdoc version=\"1.0\"", "provisioning-root"},
    {"<wap-provisioningdoc ", "<wap-provisioningdoc xmlns=\"urn:x\" ", "provisioning-root"},
    {"</wap-provisioningdoc>", "", "provisioning-xml"},
    {"type=\"DMClient\"", "type=\"DMAcc\"", "provisioning-providers"},
    {"datatype=\"boolean\"", "datatype=\"bool\"", "provisioning-datatypes"},
    {"5C4556D253BCEDEA7D834D5953939FBB8E2BBD5F", "5c4556d253bcedea7d834d5953939fbb8e2bbd5f", "thumbprint"},
    {"EncodedCertificate\" value=\"M", "EncodedCertificate\" value=\" M", "encoded-certificate"},
    {"type=\"My\"><characteristic type=\"User\"", "type=\"My\"><characteristic type=\"System\"",
     "certificate-store"},
    {"<characteristic type=\"PrivateKeyContainer\"/>", "", "private-key-container"},
    {"name=\"RenewPeriod\" value=\"42\" datatype=\"integer\"", "name=\"RenewPeriod\" value=\"42\"", "renew"},
    {"name=\"RetryInterval\" value=\"4\"", "name=\"RetryInterval\" value=\"43\"", "renew-range"},
    {"name=\"RenewPeriod\" value=\"42\"", "name=\"RenewPeriod\" value=\"366\"", "renew-window"},
    {"value=\"w7\"", "value=\"w8\"", "application"},
    {"name=\"ADDR\" value=\"https", "name=\"ADDR\" value=\"http", "management-address"},
    {"name=\"CONNRETRYFREQ\"", "name=\"ConnRetryFreq\"", "application-names"},
    {"<parm name=\"BACKCOMPATRETRYDISABLED\"/>", "<parm name=\"INIT\"/>", "application-names"},
    {"name=\"AAUTHLEVEL\" value=\"CLIENT\"", "name=\"AAUTHLEVEL\" value=\"APPSRV\"", "appauth-client"},
    {"value=\"DIGEST\"", "value=\"BASIC\"", "appauth-client"},
    {"name=\"AAUTHNAME\"", "name=\"AAUTHNAMES\"", "appauth-appsrv"},
    {"Subject=CN%3Dada", "Subject=CN%3Deve", "search-criteria"},
    {"<characteristic type=\"CorpMDM\">", "<characteristic type=\"Other\">", "dmclient-provider"},
    {"name=\"EntDMID\"", "name=\"EntDMId\"", "ent-dmid"},
    {"name=\"NumberOfFirstRetries\" value=\"5\"", "name=\"NumberOfFirstRetries\" value=\"0\"", "poll"},
    {"name=\"NumberOfSecondRetries\" value=\"10\"", "name=\"NumberOfSecondRetries\" value=\"0\"", "poll"},
};

static void test_provisioning_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < PKE_LEN(bad_provisioning); i++) {
        struct probe p;
        judge_provisioning(&p, PROBE_FULL, "provisioning-full.xml", bad_provisioning[i].from,
                           bad_provisioning[i].to);
        if (!has(&p, bad_provisioning[i].check, false))
            fail_msg("%s was not found by %s", bad_provisioning[i].to, bad_provisioning[i].check);
        end(&p);
    }
}

static void test_wrong_key(void **state)
{
    struct probe p;
    struct pke_buf doc = load("provisioning-full.xml");
    (void)state;
    begin(&p, PROBE_FULL);
    p.public_key = csr_new_key(2048);
    provdoc_check(&p, pke_buf_bytes(&doc));
    assert_true(has(&p, "public-key", false));
    end(&p);
    pke_buf_done(&doc);
}

static bool judge_policy(struct probe *p, const char *from, const char *to)
{
    struct pke_buf answer = load("getpolicies.xml");
    begin(p, PROBE_FULL);
    if (from)
        edit(&answer, from, to);
    struct xml *x = xml_open(pke_buf_bytes(&answer), p->arena);
    bool good = x && policy_check(p, x);
    xml_close(x);
    pke_buf_done(&answer);
    return good;
}

static const struct {
    const char *from, *to, *check;
} bad_policy[] = {
    {"<policySchema>3<", "<policySchema>2<", "policy-schema"},
    {"<enroll>true<", "<enroll>false<", "permission"},
    {"<minimalKeyLength>2048<", "<minimalKeyLength>2048bit<", "minimal-key-length"},
    {"2.16.840.1.101.3.4.2.1", "1.3.14.3.2.26", "hash-algorithm"},
    {"<hashAlgorithmOIDReference>0<", "<hashAlgorithmOIDReference>9<", "hash-algorithm"},
    {"<oIDs>", "<oIDs><oID><value>1.2.3</value><group>9</group><oIDReferenceID>7</oIDReferenceID></oID>",
     "hash-first-oid"},
    {"<revision>", "<provider>Bare</provider><revision>", "crypto-providers"},
    {"<commonName>", "<commonName> ", "scalars"},
    {"<attributes>", "<attributes>\n  ", "no-indentation"},
    {"<policyOIDReference>0</policyOIDReference><cAs xsi:nil=\"true\"/>",
     "<policyOIDReference>0</policyOIDReference><cAs><cAReference>0</cAReference></cAs>", "ca"},
    {"</policies>", "<policy/></policies>", "one-policy"},
};

static void test_policy(void **state)
{
    struct probe p;
    (void)state;
    assert_true(judge_policy(&p, NULL, NULL));
    assert_int_equal(failures(&p, true), 0);
    end(&p);
    for (size_t i = 0; i < PKE_LEN(bad_policy); i++) {
        judge_policy(&p, bad_policy[i].from, bad_policy[i].to);
        if (!has(&p, bad_policy[i].check, false))
            fail_msg("%s was not found by %s", bad_policy[i].to, bad_policy[i].check);
        end(&p);
    }
    assert_true(judge_policy(&p, "<minimalKeyLength>2048<", "<minimalKeyLength>3072<"));
    assert_int_equal(p.key_bits, 3072);
    end(&p);
}

static X509 *load_certificate(const char *name)
{
    struct pke_buf der = load(name);
    const unsigned char *at = der.p;
    X509 *cert = d2i_X509(NULL, &at, (long)der.n);
    assert_non_null(cert);
    pke_buf_done(&der);
    return cert;
}

/* The sample of a renewal: device-old, the key of renew.csr, the answer. */
static void judge_renewal(struct probe *p, const char *from, const char *to)
{
    char device_id[33];
    struct pke_fail fail;
    struct pke_buf csr = load("../mdm/pki/renew.csr.der"), doc = load("../mdm/62-provdoc-renew.xml");
    begin(p, PROBE_DEVICE);
    p->request = PROBE_RENEWAL;
    p->state.cert = load_certificate("../mdm/pki/device-old.der");
    p->state.provider_id = "CorpMDM";
    assert_int_equal(csr_read(pke_buf_bytes(&csr), &p->csr, &p->public_key, device_id, &fail), PKE_OK);
    if (from)
        edit(&doc, from, to);
    provdoc_check(p, pke_buf_bytes(&doc));
    pke_buf_done(&doc);
    pke_buf_done(&csr);
}

static const struct {
    const char *from, *to, *check;
} bad_renewal[] = {
    {"name=\"PROVIDER-ID\"", "name=\"NAME\"", "renewal-application"},
    {"<parm name=\"PROVIDER-ID\"", "<parm name=\"APPID\" value=\"w7\"/><parm name=\"PROVIDER-ID\"",
     "renewal-application"},
    {"<parm name=\"PROVIDER-ID\"", "<characteristic type=\"APPAUTH\"/><parm name=\"PROVIDER-ID\"",
     "renewal-no-appauth"},
    {"value=\"CorpMDM\"", "value=\"OtherMDM\"", "renewal-provider"},
    {"</wap-provisioningdoc>", "<characteristic type=\"DMClient\"/></wap-provisioningdoc>",
     "renewal-no-dmclient"},
    {"</wap-provisioningdoc>", "<characteristic type=\"Policy\"/></wap-provisioningdoc>", "renewal-parts"},
    {"<characteristic type=\"PrivateKeyContainer\"/>",
     "<characteristic type=\"PrivateKeyContainer\"/><characteristic type=\"WSTEP\"/>", "renewal-no-wstep"},
    {"type=\"My\"><characteristic type=\"System\"", "type=\"My\"><characteristic type=\"User\"",
     "certificate-store"},
};

static void test_renewal(void **state)
{
    static const char *const good[] = {"renewal-parts", "renewal-application", "renewal-provider",
                                       "renewed",       "renewed-key",         "same-subject",
                                       "same-san",      "same-usage"};
    struct probe p;
    (void)state;
    judge_renewal(&p, NULL, NULL);
    assert_int_equal(timeless_failures(&p), 0);
    for (size_t i = 0; i < PKE_LEN(good); i++)
        assert_true(has(&p, good[i], true));
    end(&p);
    for (size_t i = 0; i < PKE_LEN(bad_renewal); i++) {
        judge_renewal(&p, bad_renewal[i].from, bad_renewal[i].to);
        if (!has(&p, bad_renewal[i].check, false))
            fail_msg("%s was not found by %s", bad_renewal[i].to, bad_renewal[i].check);
        end(&p);
    }
}

static void judge_pair(struct probe *p, const char *old, const char *new)
{
    begin(p, PROBE_DEVICE);
    p->request = PROBE_RENEWAL;
    p->state.cert = load_certificate(old);
    p->certs[0].x509 = p->leaf = load_certificate(new);
    p->n_certs = 1;
    renewal_certificate_check(p);
}

static void test_renewed_certificate(void **state)
{
    struct probe p;
    (void)state;
    judge_pair(&p, "../mdm/pki/device-old.der", "../mdm/pki/device-old.der");
    assert_true(has(&p, "renewed", false));
    assert_true(has(&p, "renewed-key", false));
    p.opt.same_key = true;
    renewal_certificate_check(&p);
    assert_true(has(&p, "renewed-key", true));
    end(&p);
    judge_pair(&p, "../mdm/pki/device-old.der", "../mdm/pki/user.der");
    assert_true(has(&p, "same-subject", false));
    end(&p);
    judge_pair(&p, "../mdm/pki/device-old.der", "../mdm/pki/root.der");
    assert_true(has(&p, "same-usage", false));
    end(&p);
}

/* A message with every kind of credential; @p expected must be in it, @p secret only where it is not masked.
 */
static void check_security(struct probe *p, enum message_kind kind, const char *expected, const char *secret)
{
    for (int masked = 0; masked < 2; masked++) {
        struct pke_buf out;
        pke_buf_init(&out, MESSAGE_MAX);
        assert_true(message_write(p, kind, "urn:uuid:x", masked, &out));
        struct xml *x = xml_open(pke_buf_bytes(&out), p->arena);
        assert_non_null(x);
        if (!strstr(pke_buf_cstr(&out), expected))
            fail_msg("%s is not in %s", expected, pke_buf_cstr(&out));
        if (secret)
            assert_int_equal(strstr(pke_buf_cstr(&out), secret) != NULL, !masked);
        xml_close(x);
        pke_buf_done(&out);
    }
}

static void test_credentials(void **state)
{
    struct probe p;
    (void)state;
    begin(&p, PROBE_FULL);
    p.opt.policy_url = p.opt.enroll_url;
    strcpy(p.device_id, "8090C8B484A0E24EB5C56E806CB4EE5B");
    check_security(&p, MESSAGE_POLICY, "<u:Timestamp u:Id=\"_0\"><u:Created>20", NULL);
    p.opt.user = "ada";
    check_security(&p, MESSAGE_RENEW, "#PasswordText\"></wsse:Password>", NULL);
    p.opt.password = pke_secret_new(pke_bytes_str("se<cret"));
    check_security(&p, MESSAGE_ISSUE, "#PasswordText\">", ">se&lt;cret<");
    check_security(&p, MESSAGE_RENEW, "#PasswordText\"></wsse:Password>", NULL);
    p.opt.manual = true;
    check_security(&p, MESSAGE_RENEW, "/200512/Renew<", ">se&lt;cret<");
    pke_secret_free(p.opt.password);
    p.opt.password = NULL;
    p.opt.jwt = pke_secret_new(pke_bytes_str("eyJ.eyJ.c2ln"));
    check_security(&p, MESSAGE_ISSUE, "#PKCS10", ">ZXlKLmV5Si5jMmxu<");
    check_security(&p, MESSAGE_POLICY, "ValueType=\"" VALUE_TYPE_USER_TOKEN "\"", ">ZXlKLmV5Si5jMmxu<");
    p.opt.jwt_kind = PROBE_JWT_ENTRA;
    check_security(&p, MESSAGE_POLICY, "ValueType=\"urn:ietf:params:oauth:token-type:jwt\"",
                   ">ZXlKLmV5Si5jMmxu<");
    pke_secret_free(p.opt.jwt);
    p.opt.jwt = NULL;
    end(&p);
}

static int parse(struct probe_options *opt, const char *line)
{
    static char text[512], name[] = "pkienroll-probe"; /* the options point into it */
    char *argv[32] = {name}, *save = NULL;
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    int status = probe_options_parse(opt, argc, argv);
    return status < 0 ? probe_options_validate(opt) : status;
}

#define URLS "--policy-url https://x/p --enroll-url https://x/e "

static void test_options(void **state)
{
    static const struct {
        const char *line;
        int status;
    } lines[] = {
        {URLS "--user a --password b", -1},
        {"enroll " URLS "--user a --password b", -1},
        {URLS "--password b", PROBE_USAGE},
        {URLS "--token b", -1},
        {URLS "--token b --user a --password c", PROBE_USAGE},
        {URLS "--cert c", PROBE_USAGE},
        {URLS "--cert c --key k", -1},
        {URLS "--cert c --key k --sign", -1},
        {URLS "--cert c --key k --sign --user a --password b", PROBE_USAGE},
        {URLS "--cert c --key k --tls", PROBE_USAGE},
        {URLS "--cert c --key k --tls --sign", -1},
        {URLS "--key k --request-key r --token b", PROBE_USAGE},
        {URLS "--sign", PROBE_USAGE},
        {"renew " URLS, -1},
        {"renew --enroll-url https://x/e", -1},
        {"renew --enroll-url https://x/e --manual", PROBE_USAGE},
        {"renew --enroll-url https://x/e --token b", PROBE_USAGE},
        {"recover " URLS "--repeat --token b", PROBE_USAGE},
        {"recover " URLS "--token b", -1},
        {"soak --count 3 " URLS "--token b", -1},
        {"soak --count 3 --in d --skip-policy --enroll-url https://x/e", -1},
        {"soak " URLS "--token b", PROBE_USAGE},
        {"soak --count -1 " URLS "--token b", PROBE_USAGE},
        {"nothing", PROBE_USAGE},
        {URLS "--token b enroll", -1},
        {"enroll " URLS "--token b enroll", PROBE_USAGE},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(lines); i++) {
        struct probe_options opt;
        int status = parse(&opt, lines[i].line);
        if (status != lines[i].status)
            fail_msg("%s: %d", lines[i].line, status);
        probe_options_done(&opt);
    }
}

/* --key alone is the key of the request, as before there was --cert. */
static void test_option_key(void **state)
{
    struct probe_options opt;
    (void)state;
    assert_int_equal(parse(&opt, URLS "--token b --key k"), -1);
    assert_null(opt.key_file);
    assert_string_equal(opt.request_key_file, "k");
    assert_string_equal(opt.out, "pkienroll-probe.out");
    probe_options_done(&opt);
    assert_int_equal(parse(&opt, "renew --in d --cert c --key k --request-key r " URLS), -1);
    assert_string_equal(opt.key_file, "k");
    assert_string_equal(opt.request_key_file, "r");
    assert_string_equal(opt.out, "d");
    probe_options_done(&opt);
}

/* How the client reads a fault: the ErrorType before the subcode; one word in the Reason beats both. */
static void check_fault(const char *file, const char *from, const char *to, const char *hresult)
{
    struct probe p;
    struct pke_buf answer = load(file);
    char want[40];
    begin(&p, PROBE_FULL);
    if (from)
        edit(&answer, from, to);
    struct xml *x = xml_open(pke_buf_bytes(&answer), p.arena);
    assert_non_null(x);
    assert_true(fault_read(&p, x, 500));
    struct pke_bytes json = verdict_json(p.verdict);
    snprintf(want, sizeof want, "\"hresult\":\"%s\"", hresult);
    if (!memmem(json.p, json.n, want, strlen(want)))
        fail_msg("%s: not %s: %.*s", file, hresult, (int)json.n, (const char *)json.p);
    xml_close(x);
    pke_buf_done(&answer);
    end(&p);
}

static void test_faults(void **state)
{
    struct probe p;
    (void)state;
    check_fault("fault-devicecap.xml", NULL, NULL, "0x80180013");
    check_fault("fault-renew.xml", NULL, NULL, "0x80180016");
    check_fault("fault-security.xml", NULL, NULL, "0x80180007");
    check_fault("fault-authentication.xml", NULL, NULL, "0x80180002");
    check_fault("fault-devicecap.xml", "Device limit reached", "NotEligibleToRenew", "0x80180016");
    check_fault("fault-devicecap.xml", "DeviceCapReached", "devicecapreached", "0x80180008");
    begin(&p, PROBE_FULL);
    struct pke_buf answer = load("fault-devicecap.xml");
    edit(&answer, "<s:Fault>", "<s:fault>");
    edit(&answer, "</s:Fault>", "</s:fault>");
    struct xml *x = xml_open(pke_buf_bytes(&answer), p.arena);
    assert_true(fault_read(&p, x, 200));
    assert_true(has(&p, "fault-spelling", false));
    xml_close(x);
    pke_buf_done(&answer);
    end(&p);
}

/* The three shapes of Windows: what we make has the shape of what Windows was seen to send. */
static void test_csr_shapes(void **state)
{
    static const char *const files[] = {"utf8.csr", "printable.csr", "nul.csr"};
    static const struct {
        int tag, length;
    } shape[] = {{V_ASN1_UTF8STRING, 63}, {V_ASN1_PRINTABLESTRING, 63}, {V_ASN1_PRINTABLESTRING, 64}};
    EVP_PKEY *key = csr_new_key(2048);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pke_buf seen = load(files[i]), made;
        struct pke_fail fail;
        pke_buf_init(&made, FILE_MAX);
        assert_int_equal(csr_make(key, (enum probe_shape)i, "8090C8B484A0E24EB5C56E806CB4EE5B", &made, &fail),
                         PKE_OK);
        for (int k = 0; k < 2; k++) {
            const unsigned char *at = k ? made.p : seen.p;
            X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)(k ? made.n : seen.n));
            assert_non_null(req);
            const ASN1_STRING *cn =
                X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_REQ_get_subject_name(req), 0));
            assert_int_equal(ASN1_STRING_type(cn), shape[i].tag);
            if (k) /* the sample of the last shape has its NUL in the place of the last digit */
                assert_int_equal(ASN1_STRING_length(cn), shape[i].length);
            assert_int_equal(ASN1_STRING_get0_data(cn)[ASN1_STRING_length(cn) - 1] == 0, i == 2);
            assert_memory_equal(ASN1_STRING_get0_data(cn) + 30, "!8090C8B484A0E24EB5C56E806CB4EE5", 32);
            assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
            X509_REQ_free(req);
        }
        assert_int_equal(made.n, seen.n + (i == 2));
        pke_buf_done(&seen);
        pke_buf_done(&made);
    }
    EVP_PKEY_free(key);
}

/* Nothing of what a server says reaches a terminal or the JSON document as control characters. */
static void test_escapes(void **state)
{
    struct verdict *v = verdict_new(true);
    (void)state;
    verdict_check(v, true, "x", "y", "%s", "a\033[2J\"\\\xe2\x80\xae\xc2\x9b\xc3\xa9");
    struct pke_bytes json = verdict_json(v);
    static const char want[] = "\"a\\\\x1b[2J\\\"\\\\\\\\xe2";
    assert_null(memchr(json.p, 0x1b, json.n));
    assert_null(memmem(json.p, json.n, "\xe2\x80\xae", 3));
    assert_null(memmem(json.p, json.n, "\xc2\x9b", 2));
    assert_non_null(memmem(json.p, json.n, "\xc3\xa9", 2));
    assert_non_null(memmem(json.p, json.n, want, sizeof want - 1));
    verdict_free(v);
}

static int clean(void **state)
{
    static const char *const left[] = {"certificate.pem", "chain.pem", "renew.certificate.pem"};
    (void)state;
    for (size_t i = 0; i < PKE_LEN(left); i++) {
        char *path PKE_CLEANUP(pke_free_p) = pke_asprintf("%s/%s", folder, left[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provisioning_good),
        cmocka_unit_test(test_provisioning_bad),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_renewed_certificate),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_option_key),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_csr_shapes),
        cmocka_unit_test(test_escapes),
    };
    if (!mkdtemp(folder))
        return 99;
    return cmocka_run_group_tests(tests, NULL, clean);
}
