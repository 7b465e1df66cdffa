/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of the two stages, in the order in which they run. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "daemon/common/log.h"
#include "daemon/net/provision.h"
#include "daemon/net/txn_impl.h"
#include "policy/decide.h"

#define MINUTE_MS        60000
#define TOKEN_MAX        512 /* a one-time token */
#define KIND_ONE_TIME    "one-time-token"
#define KIND_JWT         "jwt"
#define KIND_ENTRA_JWT   "entra-jwt"
#define KIND_CERTIFICATE "client-certificate"
#define KIND_USERNAME    "username"
#define KIND_F_TOKEN     "frontend-token"
#define KIND_F_PASSWORD  "frontend-password"

static enum step_result done(enum pke_err err)
{
    return err == PKE_OK ? STEP_NEXT : STEP_FAIL;
}

/* First of all, so that every later refusal can relate to the request's MessageID. */
static enum step_result step_parse(struct txn *t)
{
    enum soap_stage want =
        t->ep->conf->stage == CONF_STAGE_POLICY ? SOAP_GET_POLICIES : SOAP_REQUEST_SECURITY_TOKEN;
    enum pke_err err = soap_request_parse(t->net->parser, t->input, t->arena, &t->soap, &t->fail);

    if (err == PKE_OK && t->soap.stage != want)
        err = pke_fail_set(&t->fail, PKE_MALFORMED, "wrong-stage",
                           want == SOAP_GET_POLICIES ? "MS-MDE2 3.3.4.1" : "MS-MDE2 3.4.4.1",
                           "the body is not what this endpoint takes");
    return done(err);
}

/* What one tenant sends is not to be felt by the others. Not recorded: that would be the next flood. */
static enum step_result admit_tenant(struct txn *t)
{
    const struct conf_tenant *tenant = t->ep->conf->tenant_ref;

    t->retry_ms =
        rates_take(&t->net->rates, tenant->name, tenant->requests_per_minute, MINUTE_MS, t->started);
    if (t->retry_ms == 0)
        return STEP_NEXT;
    t->issuer_knows = true;
    return done(pke_fail_set(&t->fail, PKE_BUSY, "tenant-busy", "tenants requests-per-minute",
                             "too many requests at this time"));
}

/* A stop does not refuse: the roles behind net end after it, and who has connected before is served. */
static enum step_result step_admit(struct txn *t)
{
    if (!t->net->draining)
        return admit_tenant(t);
    return done(pke_fail_set(&t->fail, PKE_MAINTENANCE, "draining", "MS-MDE2 2.2.10 InMaintenance",
                             "the service is in maintenance, try again later"));
}

/* What the header says comes first; without a token in it, the certificate of the connection can be the
 * credential, or of a renewal its CMS. */
static bool is_without_token(const struct txn *t)
{
    return t->soap.credential.kind == SOAP_CRED_NONE || t->soap.credential.kind == SOAP_CRED_EMPTY;
}

/* No header at all and a header without a usable token are different faults (MS-MDE2 2.2.10). */
static enum step_result refuse_without_token(struct txn *t)
{
    if (t->soap.credential.kind == SOAP_CRED_NONE)
        return done(pke_fail_set(&t->fail, PKE_INVALID_SECURITY, "security-missing",
                                 "MS-MDE2 3.1.1 wsse:Security", "the Security header is missing"));
    return done(pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "credential-missing",
                             "MS-MDE2 3.1.1 wsse:Security",
                             "the Security header holds no token that is known"));
}

/* Which of the two a certificate would be for is known when the body is read: see step_credential(). */
static enum step_result step_security(struct txn *t)
{
    t->principal = t->soap.credential.username;
    if (!t->vouched && is_without_token(t) && t->client_certificate.n == 0)
        return refuse_without_token(t);
    return STEP_NEXT;
}

static enum step_result step_read_policies(struct txn *t)
{
    struct xcep_request x;

    return done(xcep_request_read(t->soap.body, t->arena, &x, &t->fail));
}

static enum pke_err check_operation(struct txn *t)
{
    const struct policy_template *tpl = t->ep->conf->template_ref;

    if (t->rst.operation == WSTEP_RENEW && !(tpl && tpl->renew))
        return pke_fail_set(&t->fail, PKE_UNSUPPORTED, "renewal-disabled", "template: renew",
                            "renewal is not enabled");
    if (t->rst.operation == WSTEP_RECOVERY && (!tpl || tpl->recovery == POLICY_RECOVERY_NO))
        return pke_fail_set(&t->fail, PKE_UNSUPPORTED, "recovery-disabled", "template: recovery",
                            "recovery is not enabled");
    return PKE_OK;
}

static enum step_result step_read_token(struct txn *t)
{
    enum pke_err err = wstep_request_read(t->soap.body, t->arena, &t->rst, &t->fail);

    if (err == PKE_OK)
        err = check_operation(t);
    if (err != PKE_OK)
        return STEP_FAIL;
    /* the assertion of auth is bound to this request: another CSR cannot ride on it */
    if (EVP_Digest(t->rst.request.p, t->rst.request.n, t->request_hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    t->has_hash = true;
    return STEP_NEXT;
}

static const char *const kind_names[] = {
    [SOAP_CRED_NONE] = KIND_CERTIFICATE, /* step_security() let nothing else of these two pass */
    [SOAP_CRED_EMPTY] = KIND_CERTIFICATE,      [SOAP_CRED_USERNAME] = "username",
    [SOAP_CRED_USERNAME_EMPTY] = KIND_RENEWAL, [SOAP_CRED_JWT] = KIND_ENTRA_JWT,
    [SOAP_CRED_DEVICE_TOKEN] = KIND_ONE_TIME, /* or KIND_JWT */
    [SOAP_CRED_CERTIFICATE] = "signed-header",
};

static bool is_base64url(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* RFC 7515 7.1: three parts with dots between them. A one-time token of ours has no dot; the signature may be
 * missing, so that "none" is refused by who knows signatures. */
static bool has_jws_form(struct pke_bytes text)
{
    unsigned dots = 0;

    for (size_t i = 0; i < text.n; i++) {
        dots += text.p[i] == '.';
        if (text.p[i] != '.' && !is_base64url(text.p[i]))
            return false;
    }
    return dots == 2 && text.p[0] != '.';
}

static bool takes(const struct txn *t, const char *kind)
{
    return pke_strings_has(&t->ep->conf->credentials, kind);
}

/* MS-MDE2 3.4.4.1.1.1: the token's text is base64 of what the sign-in page posted, or of the Entra token (a
 * bare one has dots, which are not base64). Kept until it is sent on. What it is decides its kind. */
static enum pke_err decode_token(struct txn *t)
{
    bool entra = t->soap.credential.kind == SOAP_CRED_JWT;
    size_t max = TXN_TOKEN_MAX;
    enum pke_err err;

    pke_buf_clear(&t->token);
    err = pke_base64_decode(t->soap.credential.token, PKE_B64_STRICT, &t->token);
    if (!entra && err == PKE_OK && has_jws_form(pke_buf_bytes(&t->token)) && takes(t, KIND_JWT))
        t->kind = KIND_JWT;
    else if (!entra && takes(t, KIND_F_TOKEN))
        t->kind = KIND_F_TOKEN;
    else if (!entra && err == PKE_OK && has_jws_form(pke_buf_bytes(&t->token)))
        t->kind = KIND_JWT; /* refused as such: not taken for one of ours */
    if (strcmp(t->kind, KIND_ONE_TIME) == 0)
        max = TOKEN_MAX;
    if (err == PKE_OK && t->token.n > 0 && t->token.n <= max)
        return PKE_OK;
    return pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "token-encoding", "MS-MDE2 3.4.4.1.1.1",
                        "the token is not the base64 of 1 to %zu bytes", max);
}

/* A client that renews starts at discovery again and may ask for the policy first (mdm.md 10.1), with the
 * header that it renews with. */
static bool is_renewal(const struct txn *t)
{
    const struct policy_template *tpl = t->ep->conf->template_ref;

    return t->ep->conf->stage == CONF_STAGE_POLICY ? tpl && tpl->renew : t->rst.operation == WSTEP_RENEW;
}

/* MS-MDE2 4.4: of a renewal the CMS is the credential, and issuer verifies it. A certificate of the
 * connection is then compared with the signer's, and need not be one of credential-ca. */
static bool is_renewal_by_cms(const struct txn *t)
{
    if (t->soap.credential.kind == SOAP_CRED_USERNAME_EMPTY)
        return is_renewal(t);
    return is_without_token(t) && t->rst.operation == WSTEP_RENEW;
}

/* reliability 11 (e): the frontend signed in the client itself and says so in a token; what else is in the
 * request is not looked at. */
static enum step_result credential_of_frontend(struct txn *t)
{
    t->kind = KIND_JWT;
    if (!pke_strings_has(&t->ep->conf->credentials, KIND_JWT))
        return done(pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "credential-disabled",
                                 "pkienrolld.conf endpoints credentials",
                                 "credentials of kind %s are not enabled here", KIND_JWT));
    if (!has_jws_form(pke_buf_bytes(&t->token)))
        return done(pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "token-encoding", "RFC 7515 7.1",
                                 "the frontend's assertion is no compact JWS"));
    return STEP_NEXT;
}

static enum step_result step_credential(struct txn *t)
{
    enum soap_credential_kind kind = t->soap.credential.kind;
    enum pke_err err = PKE_OK, decoded = PKE_OK;

    if (t->vouched && !is_renewal_by_cms(t))
        return credential_of_frontend(t);
    t->kind = is_renewal_by_cms(t) ? KIND_RENEWAL : kind_names[kind];
    if (kind == SOAP_CRED_JWT || kind == SOAP_CRED_DEVICE_TOKEN)
        decoded = decode_token(t);
    if (kind == SOAP_CRED_USERNAME && takes(t, KIND_F_PASSWORD))
        t->kind = KIND_F_PASSWORD;
    if (is_renewal_by_cms(t))
        return STEP_NEXT;
    if (is_without_token(t) && !pke_strings_has(&t->ep->conf->credentials, t->kind))
        return refuse_without_token(t);
    if (kind == SOAP_CRED_USERNAME_EMPTY)
        err = pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "password-empty", "MS-MDE2 3.4.4.1.1.1",
                           "an empty password is only for renewal");
    else if (!pke_strings_has(&t->ep->conf->credentials, t->kind))
        err = pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "credential-disabled",
                           "pkienrolld.conf endpoints credentials",
                           "credentials of kind %s are not enabled here", t->kind);
    return done(err == PKE_OK ? decoded : err);
}

static enum step_result on_authenticated(struct txn *t, const struct ipc_frame *f)
{
    if (f->kind == MSG_AUTH_ASK)
        return txn_ask_frontend(t, f, on_authenticated);
    if (f->kind != MSG_AUTH_OK)
        return txn_read_failed(t, f);
    if (ipc_record_read(msg_auth_ok_fields, f->payload, t->arena, &t->auth, sizeof t->auth, &t->fail) !=
        PKE_OK) {
        t->fail.err = PKE_INTERNAL;
        return STEP_FAIL;
    }
    t->principal = t->auth.principal;
    return STEP_NEXT;
}

/* One-time tokens are the issuer's: it is asked now for the policy, and with the request itself at
 * enrollment. */
static enum step_result authenticate_token(struct txn *t)
{
    struct msg_token m = {.endpoint = t->ep->conf->name, .deadline = t->deadline};
    struct link_question q = {ROLE_ISSUER, MSG_TOKEN, msg_token_fields, &m, role_monotonic_ms(), t->deadline};

    if (t->ep->conf->stage != CONF_STAGE_POLICY)
        return STEP_NEXT;
    m.token = pke_buf_bytes(&t->token);
    return txn_ask(t, &q, on_authenticated);
}

/* What auth verifies. It parses a signed document itself, and takes from there what it vouches for. */
static enum step_result ask_auth(struct txn *t)
{
    const struct soap_credential *c = &t->soap.credential;
    struct msg_auth m = {
        .tenant = t->ep->conf->tenant,
        .endpoint = t->ep->conf->name,
        .stage = t->ep->conf->stage == CONF_STAGE_POLICY ? "policy" : "enroll",
        .kind = t->kind,
        .username = t->vouched ? NULL : c->username,
        .password = t->vouched ? PKE_BYTES(NULL, 0) : c->password,
        .document = !t->vouched && c->kind == SOAP_CRED_CERTIFICATE ? t->input : PKE_BYTES(NULL, 0),
        .client_certificate = !t->vouched && is_without_token(t) ? t->client_certificate : PKE_BYTES(NULL, 0),
        .token = pke_buf_bytes(&t->token),
        .source = t->source,
        .request_hash = PKE_BYTES(t->request_hash, t->has_hash ? sizeof t->request_hash : 0),
        .deadline = t->deadline,
        .trace_id = t->trace_id,
    };
    struct link_question q = {ROLE_AUTH, MSG_AUTH, msg_auth_fields, &m, role_monotonic_ms(), t->deadline};
    enum step_result result = txn_ask(t, &q, on_authenticated);

    pke_buf_wipe(&t->token); /* from here on auth's word counts, and issuer gets no JWT */
    return result;
}

/* The policy holds nothing that is worth a credential; but a certificate that is there has to be one of ours,
 * and one has to be there where renewal asks for it. */
static enum step_result authenticate_renewal(struct txn *t)
{
    struct msg_token m = {
        .endpoint = t->ep->conf->name, .client_certificate = t->client_certificate, .deadline = t->deadline};
    struct link_question q = {ROLE_ISSUER, MSG_TOKEN, msg_token_fields, &m, role_monotonic_ms(), t->deadline};

    if (t->client_certificate.n)
        return txn_ask(t, &q, on_authenticated);
    if (!t->ep->conf->template_ref->renew_require_tls)
        return STEP_NEXT;
    return done(pke_fail_set(&t->fail, PKE_UNAUTHENTICATED, "renew-tls-missing",
                             "template: renew-require-tls",
                             "renewal needs the certificate on the connection"));
}

static enum step_result step_authenticate(struct txn *t)
{
    if (strcmp(t->kind, KIND_RENEWAL) == 0)
        return t->ep->conf->stage == CONF_STAGE_POLICY ? authenticate_renewal(t) : STEP_NEXT;
    return strcmp(t->kind, KIND_ONE_TIME) == 0 ? authenticate_token(t) : ask_auth(t);
}

/* MS-XCEP 3.1.4.1.3.24: only policies that the client may use; the same rule decides again at enrollment. */
static enum step_result step_visible(struct txn *t)
{
    struct policy_identity id = {.tenant = t->ep->conf->tenant,
                                 .principal = t->auth.principal,
                                 .upn = t->auth.upn,
                                 .credential = t->kind};

    if (!t->ep->conf->template_ref)
        return done(pke_fail_set(&t->fail, PKE_TEMPLATE, "template-missing", "MS-XCEP 3.1.4.1.3.23",
                                 "the endpoint has no certificate template"));
    if (strcmp(t->kind, KIND_RENEWAL) == 0 && !t->auth.principal)
        return done(policy_offered(t->ep->conf->template_ref, &t->fail));
    return done(policy_visible(t->ep->conf->template_ref, &id, &t->fail));
}

static enum step_result step_policies(struct txn *t)
{
    if (t->ep->no_policy.err != PKE_OK) {
        t->fail = t->ep->no_policy;
        return STEP_FAIL;
    }
    pke_buf_add_bytes(&t->body, pke_buf_bytes(&t->ep->policy));
    return STEP_NEXT;
}

/* Of served requests only: a name in the log is one that an enrolled device sent. */
static void note_unknown_items(struct txn *t)
{
    for (size_t i = 0; i < t->rst.context.n; i++)
        if (unknown_items_first(&t->net->unknown, t->rst.context.v[i].name))
            log_event(LOG_INFO, "unknown ContextItem", "name", t->rst.context.v[i].name, "trace_id",
                      t->trace_id, NULL);
}

static enum step_result step_provision(struct txn *t)
{
    struct provision_input in = {
        .conf = t->ep->conf->provisioning_ref,
        .secrets = snapshot_secrets(t->snap, t->ep->conf->provisioning_ref),
        .issuer = catalogue_find(t->snap->catalogue, t->issued.issuer),
        .issued = &t->issued,
        .renewal = t->rst.operation == WSTEP_RENEW,
        .with_ca = t->issued.with_ca,
        .context = &t->rst.context,
    };
    struct pke_buf doc;
    enum pke_err err;

    note_unknown_items(t);
    pke_buf_init(&doc, PROVISION_MAX);
    err = provision_write(&in, &doc, &t->fail);
    if (err == PKE_OK && wstep_response_write(t->rst.rst_context, pke_buf_bytes(&doc), &t->body) != PKE_OK)
        err = pke_fail_set(&t->fail, PKE_INTERNAL, "reply-too-large", "architecture: limits",
                           "the provisioning document does not fit its buffer");
    pke_buf_wipe(&doc); /* it carries the shared DM secrets */
    return done(err);
}

const struct txn_step txn_policy_steps[] = {
    {"parse", step_parse},        {"admit", step_admit},           {"security", step_security},
    {"read", step_read_policies}, {"credential", step_credential}, {"authenticate", step_authenticate},
    {"visible", step_visible},    {"policies", step_policies},     {NULL, NULL},
};

const struct txn_step txn_enroll_steps[] = {
    {"parse", step_parse},         {"admit", step_admit},           {"security", step_security},
    {"read", step_read_token},     {"credential", step_credential}, {"authenticate", step_authenticate},
    {"prepare", txn_step_prepare}, {"provision", step_provision},   {NULL, NULL},
};
