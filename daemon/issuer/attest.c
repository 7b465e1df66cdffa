/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key attestation of a request (mdm.md 12): what the device sent beside its CSR, against the CSR's key and
 * the template's rule. The verdict is one line for the request's record; the evidence itself is not stored.
 */
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "attest/maa.h"
#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/issuer/issuer.h"
#include "jose/jws.h"

#define TOKEN_MAX   32768
#define STATUS_CUT  96
#define VERDICT_MAX 2048
#define RULE_ITEMS  "MS-MDE2 3.4.4.1.1.1"

/* MS-MDE2 3.4.4.1.1.1: all base64; each ends as a hash in the record. */
static const char *const items[] = {"AIKAttestationClaim",    "AIKPub", "AIKCert",
                                    "AadAIKAttestationClaim", "AADPub", "AzureAttestationBlob"};

/* Its name as it is documented; NULL: another item. */
static const char *evidence_name(const char *name)
{
    for (size_t i = 0; i < PKE_LEN(items); i++)
        if (strcasecmp(items[i], name) == 0)
            return items[i];
    return NULL;
}

/* The hash is over what was encoded, so that it can be compared with a blob; over the text when it is none.
 */
static const char *hash_of(const char *text, struct pke_arena *arena)
{
    char out[7 + 65] = "sha256:";
    uint8_t digest[32];
    struct pke_buf raw;
    struct pke_bytes b = pke_bytes_str(text);

    pke_buf_init(&raw, TOKEN_MAX);
    if (pke_base64_decode(b, PKE_B64_WHITESPACE, &raw) == PKE_OK)
        b = pke_buf_bytes(&raw);
    EVP_Digest(b.p, b.n, digest, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(digest, sizeof digest), false, out + 7);
    pke_buf_done(&raw);
    return pke_arena_strdup(arena, out);
}

void attest_take(struct request *req)
{
    for (size_t i = 0; i < req->msg.context.n; i++) {
        struct pke_pair *item = &req->msg.context.v[i];

        const char *name = evidence_name(item->name);

        if (!name || !*item->value)
            continue;
        pke_pairs_add(&req->evidence, req->arena, name, item->value);
        item->value = hash_of(item->value, req->arena);
    }
}

/* One item from base64. False: it was sent, and is no base64 or longer than @p max. */
static bool decode(const struct request *req, const char *name, size_t max, struct pke_buf *out,
                   struct pke_bytes *ret)
{
    const char *text = pke_pairs_get(&req->evidence, name);

    pke_buf_init(out, max);
    if (text && pke_base64_decode(pke_bytes_str(text), PKE_B64_WHITESPACE, out) != PKE_OK)
        return false;
    *ret = pke_buf_bytes(out);
    return true;
}

static enum pke_err judge_tpm(struct request *req, struct attest_verdict *v, struct pke_fail *fail)
{
    struct attest_evidence in = {0};
    struct pke_buf claim = {0}, pub = {0}, cert = {0};
    enum pke_err err;

    if (decode(req, "AIKAttestationClaim", ATTEST_CLAIM_MAX, &claim, &in.claim) &&
        decode(req, "AIKPub", ATTEST_CLAIM_MAX, &pub, &in.aik_pub) &&
        decode(req, "AIKCert", ATTEST_AIK_CERT_MAX, &cert, &in.aik_cert))
        err = attest_tpm_verify(&in, req->csr.spki, req->tmpl->attest_roots, req->now_ms / 1000, v, fail);
    else
        err = pke_fail_set(fail, PKE_POLICY, "attest-base64", RULE_ITEMS,
                           "an attestation item is no base64 or too long");
    pke_buf_done(&claim);
    pke_buf_done(&pub);
    pke_buf_done(&cert);
    return err;
}

/* The report of the provider's TPM protocol is a token in a member; some clients may send just the token. */
static struct pke_bytes token_in(struct pke_bytes blob, json_t **holder)
{
    const char *report;

    if (!blob.n || blob.p[0] != '{')
        return blob;
    *holder = json_loadb((const char *)blob.p, blob.n, JSON_REJECT_DUPLICATES, NULL);
    report = json_string_value(json_object_get(*holder, "report"));
    return report ? pke_bytes_str(report) : PKE_BYTES(NULL, 0);
}

static enum pke_err verify_token(struct request *req, struct pke_bytes token, struct pke_buf *payload,
                                 struct pke_fail *fail)
{
    static const struct jws_rules rules = {.pass_hints = true, .max = TOKEN_MAX};
    struct jws_facts facts;

    if (jws_verify(token, req->tmpl->maa_keys, &rules, payload, &facts, fail) == PKE_OK)
        return PKE_OK;
    fail->err = PKE_POLICY; /* about the key, not about who asks */
    return fail->err;
}

/* Only pinned keys count, wherever the token says that its key is. */
static enum pke_err judge_token(struct request *req, struct attest_verdict *v, struct pke_fail *fail)
{
    const struct policy_template *t = req->tmpl->policy;
    struct attest_maa_rules rules = {
        .issuers = &t->maa_issuers, .max_age = t->maa_max_age / 1000, .skew = t->maa_leeway / 1000};
    struct pke_buf blob = {0}, payload;
    json_t *holder = NULL;
    struct pke_bytes raw;
    enum pke_err err;

    if (!req->tmpl->maa_keys)
        return pke_fail_set(
            fail, PKE_POLICY, "maa-unverified", "template: maa-keys-file",
            "the device sent a token of an attestation provider, whose keys are not configured");
    pke_buf_init(&payload, ATTEST_MAA_MAX);
    if (!decode(req, "AzureAttestationBlob", TOKEN_MAX, &blob, &raw))
        err = pke_fail_set(fail, PKE_POLICY, "attest-base64", RULE_ITEMS,
                           "an attestation item is no base64 or too long");
    else
        err = verify_token(req, token_in(raw, &holder), &payload, fail);
    if (err == PKE_OK)
        err = attest_maa_check(pke_buf_bytes(&payload), &rules, req->csr.spki, req->now_ms / 1000, v, fail);
    json_decref(holder);
    pke_buf_done(&payload);
    pke_buf_done(&blob);
    return err;
}

static enum pke_err judge(struct request *req, struct attest_verdict *v, struct pke_fail *fail)
{
    enum pke_err err;

    *v = (struct attest_verdict){.result = ATTEST_NOT_ATTESTED};
    if (pke_pairs_get(&req->evidence, "AzureAttestationBlob")) /* replaces all others (MS-MDE2, 6.0) */
        err = judge_token(req, v, fail);
    else
        err = judge_tpm(req, v, fail);
    if (err != PKE_OK)
        memcpy(v->reason, fail->reason, sizeof v->reason);
    return err;
}

/* What the client says about its failure (version 7.0): its word, so nothing but printable ASCII of it. */
static void add_status(const struct request *req, const char *name, const char *label, struct pke_buf *line)
{
    const char *text = pke_pairs_get(&req->msg.context, name);

    if (!text || !*text)
        return;
    (void)pke_buf_printf(line, " %s=\"", label);
    for (size_t i = 0; text[i] && i < STATUS_CUT; i++) {
        unsigned char c = (unsigned char)text[i];

        (void)pke_buf_add_u8(line, c < 0x20 || c > 0x7e || c == '"' ? '?' : c);
    }
    (void)pke_buf_add_u8(line, '"');
}

static const char *record(const struct request *req, const struct attest_verdict *v)
{
    struct pke_buf line;
    const char *text;

    pke_buf_init(&line, VERDICT_MAX);
    attest_verdict_text(v, &line);
    add_status(req, "AttestationStatus", "status", &line);
    add_status(req, "AttestationStatusHResult", "hresult", &line);
    text = pke_arena_strdup(req->arena, pke_buf_cstr(&line));
    pke_buf_done(&line);
    return text;
}

enum pke_err attest_check_request(struct request *req)
{
    int mode = req->tmpl->policy->attestation;
    struct attest_verdict v;
    struct pke_fail fail = {0};

    if (mode == POLICY_ATTESTATION_OFF)
        return PKE_OK;
    if (req->dry) { /* the evidence is made by the device, over the key, when it enrolls */
        explain(req, PKE_TRAIL_NOTED, "attestation", "template: attestation", NULL, "not simulated");
        return PKE_OK;
    }
    if (judge(req, &v, &fail) != PKE_OK && mode == POLICY_ATTESTATION_PREFER)
        log_fail(LOG_WARNING, "key not attested", &fail, "trace_id", req->msg.trace_id, "principal",
                 req->who.principal, "device", req->device_id, NULL);
    req->attestation = record(req, &v);
    explain(req, fail.err == PKE_OK ? PKE_TRAIL_PASSED : PKE_TRAIL_NOTED, "attestation",
            "template: attestation", "request", "%s", req->attestation);
    if (fail.err == PKE_OK || mode != POLICY_ATTESTATION_REQUIRE)
        return PKE_OK;
    if (v.result == ATTEST_ABSENT && req->op == OP_RENEW)
        return PKE_OK; /* clients send none with a renewal (MS-MDE2, mdm.md 6.2) */
    req->fail = fail;
    return fail.err;
}
