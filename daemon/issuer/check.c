/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, and is the CSR sound: the first things that are decided before a serial exists. net is not
 * trusted: the assertion is verified here, the CSR is parsed again, policy is decided again.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/issuer/issuer.h"
#include "daemon/issuer/sign.h"

static enum pke_err check_assertion(struct request *req)
{
    const struct setup *s = req->setup;
    struct assertion *a = &req->who;
    uint8_t hash[32];
    enum pke_err err = assertion_read(req->msg.assertion, PKE_BYTES(s->assertion_key, ASSERTION_KEY_SIZE),
                                      role_monotonic_ms(), req->arena, a, &req->fail);

    if (err != PKE_OK)
        return err;
    EVP_Digest(req->msg.request.p, req->msg.request.n, hash, NULL, EVP_sha256(), NULL);
    if (strcmp(a->stage, "enroll") == 0 && strcmp(a->endpoint, req->msg.endpoint) == 0 &&
        strcmp(a->tenant, req->endpoint->tenant) == 0 &&
        pke_bytes_eq_secret(a->request_hash, PKE_BYTES(hash, sizeof hash)))
        return PKE_OK;
    *a = (struct assertion){0}; /* whose it is does not belong into this tenant's records */
    return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "assertion-scope", "assertion binding",
                        "the credential was verified for another request");
}

/*
 * Of a JWT that is good for one certificate auth says so. Taken from this request's assertion: a renewal goes
 * on with the attributes that were recorded with the old certificate.
 */
static enum pke_err take_jti(struct request *req)
{
    const struct pke_pairs *attributes = &req->who.attributes;
    const char *expires = pke_pairs_get(attributes, "jti-expires");
    char *end = NULL;

    if (strcmp(req->who.kind, "jwt") != 0 || !pke_pairs_get(attributes, "jti"))
        return PKE_OK;
    req->jti = pke_pairs_get(attributes, "jti");
    req->jti_issuer = pke_pairs_get(attributes, "token-issuer");
    req->jti_expires = expires ? strtoll(expires, &end, 10) : 0;
    if (!req->jti_issuer || !end || end == expires || *end)
        return pke_fail_set(&req->fail, PKE_INTERNAL, "assertion-jti", "assertion binding",
                            "the word of auth about a single-use token is not whole");
    return PKE_OK;
}

/* A one-time token vouches for its principal; whether it still has a use is asked after the look for a
 * replay. */
static enum pke_err check_token(struct request *req)
{
    enum pke_err err =
        token_find(req->issuer, req->endpoint->tenant, req->msg.token, req->arena, &req->token, &req->fail);

    if (err != PKE_OK)
        return err;
    req->who = (struct assertion){.tenant = req->token.tenant,
                                  .principal = req->token.principal,
                                  .kind = "one-time-token",
                                  .stage = "enroll",
                                  .endpoint = req->msg.endpoint,
                                  .expires = role_monotonic_ms() + ASSERTION_LIFETIME_MS};
    if (strchr(req->token.principal, '@')) /* the officer's word for the user, as `user add` is */
        pke_pairs_add(&req->who.attributes, req->arena, "upn", req->token.principal);
    return PKE_OK;
}

static void hash_part(EVP_MD_CTX *ctx, const void *p, size_t n)
{
    uint8_t length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    EVP_DigestUpdate(ctx, length, sizeof length);
    if (n)
        EVP_DigestUpdate(ctx, p, n);
}

/*
 * What makes two requests the same: tenant, principal, endpoint, template, kind, old certificate and the
 * request's bytes, each length-prefixed; and, because they decide an MDM certificate beside the CSR,
 * enrollment type and device.
 */
static void derived_key(struct request *req)
{
    bool renew = req->op == OP_RENEW; /* by which endpoint a captured one comes back makes no other of it */
    const char *parts[] = {req->who.tenant,
                           req->who.principal,
                           req->who.user_id ? req->who.user_id : "",
                           renew ? "" : req->endpoint->name,
                           req->endpoint->template_name,
                           req->msg.operation,
                           req->enrollment_type,
                           req->device_id};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t i = 0; i < PKE_LEN(parts); i++)
        hash_part(ctx, parts[i], strlen(parts[i]));
    hash_part(ctx, req->cms.certificate_sha256, req->op == OP_RENEW ? sizeof req->cms.certificate_sha256 : 0);
    /* of a renewal the CSR, not its CMS: an ECDSA signature has a valid twin that anybody can make */
    hash_part(ctx, req->csr_der.p, req->csr_der.n);
    EVP_DigestFinal_ex(ctx, req->key, NULL);
    EVP_MD_CTX_free(ctx);
}

/* The name that a frontend gave it; nobody else's, and nothing else's that was derived. */
static void named_key(struct request *req)
{
    const struct vouched *v = req->vouched;
    const char *parts[] = {"Idempotency-Key", req->who.tenant, v->frontend ? v->frontend : "",
                           req->msg.operation, v->idempotency_key};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t i = 0; i < PKE_LEN(parts); i++)
        hash_part(ctx, parts[i], strlen(parts[i]));
    EVP_DigestFinal_ex(ctx, req->key, NULL);
    EVP_MD_CTX_free(ctx);
}

static void idempotency_key(struct request *req)
{
    if (req->vouched && req->vouched->idempotency_key)
        named_key(req);
    else
        derived_key(req);
}

static enum pke_err check_operation(struct request *req)
{
    static const char *const names[] = {
        [OP_ISSUE] = "issue", [OP_RENEW] = "renew", [OP_RECOVERY] = "recovery"};

    for (size_t i = 0; i < PKE_LEN(names); i++)
        if (strcmp(req->msg.operation, names[i]) == 0) {
            req->op = (enum request_operation)i;
            return PKE_OK;
        }
    return pke_fail_set(&req->fail, PKE_UNSUPPORTED, "operation", "MS-WSTEP 3.1.4.1.2",
                        "this request type is not offered");
}

static enum pke_err check_endpoint(struct request *req)
{
    const struct setup *s = req->setup;

    req->endpoint = conf_find_endpoint(s->conf, req->msg.endpoint);
    if (!req->endpoint || req->endpoint->stage != CONF_STAGE_ENROLL)
        return pke_fail_set(&req->fail, PKE_TEMPLATE, "endpoint", "pkienrolld.conf(5)",
                            "no such enrollment endpoint");
    req->provider = req->endpoint->provisioning_ref->provider_id;
    req->tmpl = setup_template(s, req->endpoint->template_name);
    if (!req->tmpl)
        return pke_fail_set(&req->fail, PKE_TEMPLATE, "template", "pkienrolld.conf(5)",
                            "no such certificate template");
    return PKE_OK;
}

enum pke_err check_credential(struct request *req)
{
    /* of a simulation req->who is what the operator says; of the signing API what the frontend says */
    if (!req->dry && !req->vouched && (req->msg.token.n ? check_token(req) : check_assertion(req)) != PKE_OK)
        return req->fail.err;
    if (!pke_strings_has(&req->endpoint->credentials, req->who.kind))
        return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "credential-kind", "MS-MDE2 3.4.4.1.1.1",
                            "this kind of credential is not enabled here");
    if (check_certificate_credential(req) != PKE_OK)
        return req->fail.err;
    return take_jti(req);
}

static enum pke_err check_applicant(struct request *req)
{
    if (check_credential(req) != PKE_OK)
        return req->fail.err;
    req->csr_der = req->msg.request;
    req->device_id = pke_pairs_get(&req->msg.context, "DeviceID");
    req->enrollment_type = pke_pairs_get(&req->msg.context, "EnrollmentType");
    if (!req->device_id || !req->enrollment_type)
        return pke_fail_set(&req->fail, PKE_ENROLLMENT_DATA, "context-missing", "MS-MDE2 3.4.4.1.1.1.1",
                            "DeviceID and EnrollmentType are mandatory");
    return PKE_OK;
}

enum pke_err check_requester(struct request *req)
{
    enum pke_err err = check_endpoint(req);

    if (err == PKE_OK)
        err = check_credential(req);
    req->identity = request_identity(&req->who);
    wishes_identity(req);
    return err;
}

enum pke_err check_recorded(struct request *req)
{
    enum pke_err err = check_operation(req);

    if (err == PKE_OK)
        err = check_endpoint(req);
    if (err != PKE_OK)
        return err;
    if (strcmp(req->who.tenant, req->endpoint->tenant) != 0)
        return pke_fail_set(&req->fail, PKE_DENIED, "request-tenant", "waiting requests",
                            "the request was made of another tenant than this is now");
    if (!pke_strings_has(&req->endpoint->credentials, req->who.kind))
        return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "credential-kind", "MS-MDE2 3.4.4.1.1.1",
                            "this kind of credential is not enabled here any more");
    if (check_certificate_credential(req) != PKE_OK)
        return req->fail.err;
    req->csr_der = req->msg.request;
    req->identity = request_identity(&req->who);
    wishes_identity(req);
    explain_identity(req);
    return PKE_OK;
}

enum pke_err check_identity(struct request *req)
{
    enum pke_err err = PKE_OK;

    attest_take(req);
    if (!pke_bytes_eq(req->msg.generation, PKE_BYTES(req->setup->conf->generation, CONF_GENERATION)))
        return pke_fail_set(&req->fail, PKE_STALE, "generation", "configuration switch",
                            "the configuration changed while the request was read");
    err = check_operation(req);
    if (err == PKE_OK)
        err = check_endpoint(req);
    if (err == PKE_OK)
        err = req->op == OP_RENEW ? renew_identity(req) : check_applicant(req);
    if (err != PKE_OK)
        return err;
    req->identity = request_identity(&req->who);
    wishes_identity(req);
    if (req->vouched)
        sign_take_names(req);
    explain_identity(req);
    idempotency_key(req);
    return PKE_OK;
}

/* Once no replay was found: the token needs a use, and may be for one kind of enrollment only. */
static enum pke_err check_token_use(struct request *req)
{
    const char *type = req->token.enrollment_type;

    if (req->jti)
        return ledger_jti_unused(req->issuer->ledger, req->who.tenant, req->jti_issuer, req->jti, &req->fail);
    if (!req->token.token_id)
        return PKE_OK;
    if (type && strcmp(type, req->enrollment_type) != 0)
        return pke_fail_set(&req->fail, PKE_DENIED, "token-type", "one-time token",
                            "the token is for enrollments of another type");
    return token_usable(&req->token, req->now_ms, &req->fail);
}

/* RFC 7800: a token that was made for one CSR is worth nothing with another. */
static enum pke_err check_key_binding(struct request *req)
{
    const char *bound = pke_pairs_get(&req->who.attributes, ASSERTION_KEY_SHA256);
    char hex[2 * sizeof req->csr.spki_sha256 + 1];

    if (req->op == OP_RENEW || strcmp(req->who.kind, "jwt") != 0 || !bound) /* of a renewal it is history */
        return PKE_OK;
    pke_hex(PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256), false, hex);
    if (strcmp(bound, hex) != 0)
        return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "token-key", "RFC 7800 3.1 cnf",
                            "the token is bound to another key than that of the CSR");
    explain(req, PKE_TRAIL_PASSED, "key binding", "RFC 7800 3.1 cnf", NULL, "%.16s", hex);
    return PKE_OK;
}

static enum pke_err check_csr(struct request *req, const struct ca_csr_rules *rules)
{
    enum pke_err err = ca_csr_check(req->csr_der, rules, req->arena, &req->csr, &req->fail);

    explain_csr(req);
    if (err == PKE_OK)
        err = check_key_binding(req);
    if (err != PKE_OK)
        return err;
    explain(req, PKE_TRAIL_PASSED, "key screening", "type, size, exponent, blocked keys, weak keys", NULL,
            NULL);
    explain(req, PKE_TRAIL_PASSED, "possession", "RFC 2986 4.2", NULL, "%s", req->csr.signature_algorithm);
    return PKE_OK;
}

enum pke_err check_request(struct request *req)
{
    const struct policy_template *t = req->tmpl->policy;
    struct ca_csr_rules rules = {.rsa_min_bits = (unsigned)t->rsa_min_bits,
                                 .rsa_max_bits = (unsigned)t->rsa_max_bits,
                                 .key_types = req->tmpl->key_types,
                                 .digests = req->tmpl->digests,
                                 .strict = t->strict_key_check,
                                 .blocked = {req->setup->own_keys, req->setup->blocked_keys}};
    enum pke_err err = check_token_use(req);

    if (err == PKE_OK)
        err = check_csr(req, &rules);
    if (err == PKE_OK && req->op == OP_RENEW)
        err = renew_request(req);
    if (err == PKE_OK)
        err = attest_check_request(req);
    if (err == PKE_OK)
        err = check_ownership(req);
    return err;
}
