/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is decided before a serial exists. net is not trusted: the assertion is verified here, the
 * CSR is parsed again, policy is decided again.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/lint.h"
#include "daemon/issuer/issuer.h"

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
    if (strcmp(a->stage, "enroll") != 0 || strcmp(a->endpoint, req->msg.endpoint) != 0 ||
        strcmp(a->tenant, s->conf->global.tenant) != 0 ||
        !pke_bytes_eq_secret(a->request_hash, PKE_BYTES(hash, sizeof hash)))
        return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "assertion-scope", "assertion binding",
                            "the credential was verified for another request");
    return PKE_OK;
}

/* A one-time token vouches for its principal; whether it still has a use is asked after the look for a
 * replay. */
static enum pke_err check_token(struct request *req)
{
    enum pke_err err =
        token_find(req->issuer, req->setup, req->msg.token, req->arena, &req->token, &req->fail);

    if (err != PKE_OK)
        return err;
    req->who = (struct assertion){.tenant = req->token.tenant,
                                  .principal = req->token.principal,
                                  .kind = "one-time-token",
                                  .stage = "enroll",
                                  .endpoint = req->msg.endpoint,
                                  .expires = role_monotonic_ms() + ASSERTION_LIFETIME_MS};
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
static void idempotency_key(struct request *req)
{
    const char *parts[] = {req->who.tenant,      req->who.principal,
                           req->endpoint->name,  req->endpoint->template_name,
                           req->msg.operation,   "",
                           req->enrollment_type, req->device_id};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (size_t i = 0; i < PKE_LEN(parts); i++)
        hash_part(ctx, parts[i], strlen(parts[i]));
    hash_part(ctx, req->msg.request.p, req->msg.request.n);
    EVP_DigestFinal_ex(ctx, req->key, NULL);
    EVP_MD_CTX_free(ctx);
}

enum pke_err check_identity(struct request *req)
{
    const struct setup *s = req->setup;

    if (!pke_bytes_eq(req->msg.generation, PKE_BYTES(s->conf->generation, CONF_GENERATION)))
        return pke_fail_set(&req->fail, PKE_STALE, "generation", "configuration switch",
                            "the configuration changed while the request was read");
    if (strcmp(req->msg.operation, "issue") != 0)
        return pke_fail_set(&req->fail, PKE_UNSUPPORTED, "operation", "MS-WSTEP 3.1.4.1.2",
                            "this request type is not offered");
    req->endpoint = conf_find_endpoint(s->conf, req->msg.endpoint);
    if (!req->endpoint || req->endpoint->stage != CONF_STAGE_ENROLL)
        return pke_fail_set(&req->fail, PKE_TEMPLATE, "endpoint", "pkienrolld.conf(5)",
                            "no such enrollment endpoint");
    req->tmpl = setup_template(s, req->endpoint->template_name);
    if (!req->tmpl)
        return pke_fail_set(&req->fail, PKE_TEMPLATE, "template", "pkienrolld.conf(5)",
                            "no such certificate template");
    if ((req->msg.token.n ? check_token(req) : check_assertion(req)) != PKE_OK)
        return req->fail.err;
    if (!pke_strings_has(&req->endpoint->credentials, req->who.kind))
        return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, "credential-kind", "MS-MDE2 3.4.4.1.1.1",
                            "this kind of credential is not enabled here");
    req->device_id = pke_pairs_get(&req->msg.context, "DeviceID");
    req->enrollment_type = pke_pairs_get(&req->msg.context, "EnrollmentType");
    if (!req->device_id || !req->enrollment_type)
        return pke_fail_set(&req->fail, PKE_ENROLLMENT_DATA, "context-missing", "MS-MDE2 3.4.4.1.1.1.1",
                            "DeviceID and EnrollmentType are mandatory");
    idempotency_key(req);
    return PKE_OK;
}

/* The same questions for requests that are not in the ledger yet: two at once must not both pass. */
static enum pke_err check_in_flight(struct request *req)
{
    for (const struct request *o = req->issuer->requests; o; o = o->next) {
        if (o == req || !o->device_id || o->state == REQUEST_PREPARED || o->fail.err != PKE_OK ||
            strcmp(o->who.tenant, req->who.tenant) != 0)
            continue;
        if (memcmp(o->csr.spki_sha256, req->csr.spki_sha256, sizeof req->csr.spki_sha256) == 0)
            return pke_fail_set(&req->fail, PKE_BUSY, "csr-key-in-flight", "one request per key",
                                "another request for this key is being processed");
        if (strcmp(o->device_id, req->device_id) == 0 &&
            strcasecmp(o->who.principal, req->who.principal) != 0)
            return pke_fail_set(&req->fail, PKE_BUSY, "device-in-flight", "one owner per device",
                                "another user's request for this device is being processed");
    }
    return PKE_OK;
}

/* mdm.md 7.2: a key that is bound to another device or user is refused. */
static enum pke_err check_key_owner(struct request *req)
{
    const char *device = NULL, *principal = NULL;
    struct pke_fail fail;
    enum pke_err err = ledger_find_spki(req->issuer->ledger, req->who.tenant,
                                        PKE_BYTES(req->csr.spki_sha256, sizeof req->csr.spki_sha256),
                                        req->now_ms / 1000, req->arena, &device, &principal, &fail);

    if (err == PKE_NOT_FOUND)
        return PKE_OK;
    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    if (strcmp(device ? device : "", req->device_id) != 0 ||
        strcasecmp(principal ? principal : "", req->who.principal) != 0)
        return pke_fail_set(&req->fail, PKE_CSR_BAD, "csr-key-reused", "one key per device",
                            "this public key is already certified for another device or user");
    return PKE_OK;
}

static enum pke_err find_device(struct request *req)
{
    struct pke_fail fail;
    enum pke_err err;

    req->device_owner = req->ent_dmid = NULL;
    err = ledger_find_device(req->issuer->ledger, req->who.tenant, req->device_id, req->now_ms / 1000,
                             req->arena, &req->device_owner, &req->ent_dmid, &fail);

    if (err == PKE_NOT_FOUND)
        return PKE_OK;
    if (err != PKE_OK)
        req->fail = fail;
    else if (strcasecmp(req->device_owner, req->who.principal) != 0)
        req->ent_dmid =
            NULL; /* another user's enrollment, if the template lets it be taken over, is a new one */
    return err;
}

enum pke_err check_ownership(struct request *req)
{
    enum pke_err err = check_in_flight(req);

    if (err == PKE_OK)
        err = check_key_owner(req);
    if (err == PKE_OK)
        err = find_device(req);
    return err;
}

/* MS-MDE2: the CSR may ask for client authentication and nothing else; nothing of it is copied in any case.
 */
static enum pke_err check_requested_ekus(struct request *req)
{
    for (size_t i = 0; i < req->csr.ekus.n; i++)
        if (!pke_strings_has(&req->tmpl->policy->ekus, req->csr.ekus.v[i]))
            return pke_fail_set(&req->fail, PKE_CSR_BAD, "csr-eku", "template ekus",
                                "the request asks for extended key usage %s", req->csr.ekus.v[i]);
    return PKE_OK;
}

/* Once no replay was found: the token needs a use, and may be for one kind of enrollment only. */
static enum pke_err check_token_use(struct request *req)
{
    const char *type = req->token.enrollment_type;

    if (!req->token.token_id)
        return PKE_OK;
    if (type && strcmp(type, req->enrollment_type) != 0)
        return pke_fail_set(&req->fail, PKE_DENIED, "token-type", "one-time token",
                            "the token is for enrollments of another type");
    return token_usable(&req->token, req->now_ms, &req->fail);
}

enum pke_err check_request(struct request *req)
{
    const struct policy_template *t = req->tmpl->policy;
    struct ca_csr_rules rules = {.rsa_min_bits = (unsigned)t->rsa_min_bits,
                                 .rsa_max_bits = (unsigned)t->rsa_max_bits,
                                 .allow_ec = t->allow_ec,
                                 .allow_sha1 = t->allow_sha1_csr,
                                 .blocked_spki_sha256 = req->setup->blocked,
                                 .n_blocked = req->setup->n_cas};
    enum pke_err err = check_token_use(req);

    if (err == PKE_OK)
        err = ca_csr_check(req->msg.request, &rules, req->arena, &req->csr, &req->fail);
    if (err == PKE_OK)
        err = check_requested_ekus(req);
    if (err == PKE_OK)
        err = check_ownership(req);
    return err;
}

/* Clock rule (reliability goal R8): after a jump, nothing is issued until the operator looked. */
static enum pke_err check_clock(struct request *req)
{
    const struct conf_global *g = &req->setup->conf->global;
    int64_t seen = req->issuer->wall_seen;

    if (seen && req->now_ms < seen - g->clock_backward_limit)
        return pke_fail_set(&req->fail, PKE_STORE_DOWN, "clock-backward", "clock rule",
                            "the clock stands before the last certificate");
    if (seen && req->now_ms > seen + g->clock_forward_limit)
        return pke_fail_set(&req->fail, PKE_STORE_DOWN, "clock-forward", "clock rule",
                            "the clock jumped far ahead of the last certificate");
    return PKE_OK;
}

static enum pke_err decide(struct request *req)
{
    struct policy_identity identity = {.tenant = req->who.tenant,
                                       .principal = req->who.principal,
                                       .user_id = req->who.user_id,
                                       .upn = pke_pairs_get(&req->who.attributes, "upn"),
                                       .credential = req->who.kind};
    struct policy_request p = {.identity = &identity,
                               .device_id = req->device_id,
                               .enrollment_type = req->enrollment_type,
                               .device_owner = req->device_owner,
                               .key = {.rsa = req->csr.key_type == CA_KEY_RSA,
                                       .bits = req->csr.key_bits,
                                       .sha1_signature = req->csr.sha1_signature}};

    return policy_decide(req->tmpl->policy, &p, req->now_ms / 1000, req->arena, &req->decision, &req->fail);
}

static void new_ent_dmid(struct request *req)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(req->arena, PKE_UUID_LEN + 1);

    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    req->ent_dmid = text;
}

/* Fill "{ent-dmid}" in a SAN URI: the one value that only the issuer knows. */
static const char *fill_san(struct request *req)
{
    static const char mark[] = "{ent-dmid}";
    const char *uri = req->decision.san_uri, *at = uri ? strstr(uri, mark) : NULL;

    if (!at)
        return uri;
    return pke_arena_printf(req->arena, "%.*s%s%s", (int)(at - uri), uri, req->ent_dmid,
                            at + sizeof mark - 1);
}

/* Within the CA's life: the whole period moves behind a young CA's start, and is cut at its end. */
static void clamp_validity(struct request *req, const struct ca_issuer *ca)
{
    struct policy_decision *d = &req->decision;
    int64_t early = ca_issuer_not_before(ca) - d->not_before;

    if (early > 0) {
        d->not_before += early;
        d->not_after += early;
    }
    if (d->not_after > ca_issuer_not_after(ca))
        d->not_after = ca_issuer_not_after(ca);
}

static enum pke_err build_tbs(struct request *req)
{
    const struct ca_issuer *ca = req->tmpl->ca->ca;
    struct ca_cert_spec spec = {.subject_cn = req->decision.subject_cn,
                                .san_uri = fill_san(req),
                                .spki = req->csr.spki,
                                .ec_key = req->csr.key_type != CA_KEY_RSA};
    struct pke_buf tbs;
    enum pke_err err;

    clamp_validity(req, ca);
    spec.not_before = req->decision.not_before;
    spec.not_after = req->decision.not_after;
    ca_serial_new(ledger_node(req->issuer->ledger), req->serial);
    memcpy(spec.serial, req->serial, sizeof spec.serial);
    pke_hex(PKE_BYTES(req->serial, sizeof req->serial), false, req->serial_hex);
    pke_buf_init(&tbs, CA_TBS_MAX);
    err = ca_tbs_build(ca, req->tmpl->profile, &spec, &tbs, &req->fail);
    if (err == PKE_OK)
        req->tbs = pke_arena_bytes(req->arena, pke_buf_bytes(&tbs));
    pke_buf_done(&tbs);
    return err;
}

enum pke_err check_build(struct request *req)
{
    struct ca_lint_context lint = {.issuer = req->tmpl->ca->ca,
                                   .ekus = &req->tmpl->policy->ekus,
                                   .max_validity = req->tmpl->policy->validity / 1000,
                                   .now = req->now_ms / 1000};
    enum pke_err err = check_clock(req);

    if (err == PKE_OK)
        err = decide(req);
    if (err == PKE_OK)
        err = keys_admit(req->issuer, req->tmpl->ca->conf->key, req->msg.deadline, &req->fail);
    if (err == PKE_OK && !req->ent_dmid)
        new_ent_dmid(req);
    if (err == PKE_OK)
        err = build_tbs(req);
    if (err == PKE_OK)
        err = ca_lint(req->tbs, &lint, &req->fail);
    return err;
}
