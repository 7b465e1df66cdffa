/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/signed.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/certificate.h"
#include "daemon/auth/replay.h"
#include "proto/wstep.h"
#include "xmlsig/xmlsig.h"

/* For the callback that is asked between form and signature. */
struct judge {
    const struct auth_core *core;
    const struct conf_endpoint *endpoint;
    int64_t now;
    struct certificate_issuer issuer; /* of the certificate that was judged */
};

static enum pke_err judge_certificate(void *arg, struct pke_bytes certificate, struct pke_fail *fail)
{
    struct judge *j = arg;

    return certificate_trust(j->core->certificates, j->endpoint, certificate, j->now, &j->issuer, fail);
}

static enum pke_err missing(struct pke_fail *fail, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "auth-request", "daemon/common/msg.h", "%s", what);
}

/* What is asserted is what was signed: net's view of the document does not count (attacks A01). */
static enum pke_err check_signed_request(const struct soap_request *r, const struct msg_auth *m,
                                         struct pke_arena *arena, struct pke_fail *fail)
{
    bool enroll = strcmp(m->stage, "enroll") == 0;
    struct wstep_request rst;
    uint8_t hash[32];
    enum pke_err err;

    if ((r->stage == SOAP_REQUEST_SECURITY_TOKEN) != enroll)
        return pke_fail_set(fail, PKE_INVALID_SECURITY, "sig-other-stage", "MS-MDE2 3.4.4.1.1.1.2 Signature",
                            "the signed request is not of this stage");
    if (!enroll)
        return PKE_OK;
    err = wstep_request_read(r->body, arena, &rst, fail);
    if (err != PKE_OK)
        return err;
    if (EVP_Digest(rst.request.p, rst.request.n, hash, NULL, EVP_sha256(), NULL) != 1)
        abort();
    if (!pke_bytes_eq(PKE_BYTES(hash, sizeof hash), m->request_hash))
        return pke_fail_set(fail, PKE_INVALID_SECURITY, "sig-other-request",
                            "MS-MDE2 3.4.4.1.1.1.2 Signature",
                            "the signed request is not the one that is asked for");
    return PKE_OK;
}

static enum pke_err check_replay(struct auth_core *core, const struct xmlsig_result *r, int64_t now,
                                 struct pke_fail *fail)
{
    if (replay_take(core->replay, r->digest, now, r->expires + XMLSIG_SKEW_SECONDS,
                    core->conf->global.retry_window / 1000))
        return PKE_OK;
    return pke_fail_set(fail, PKE_INVALID_SECURITY, "sig-replayed", "MS-MDE2 3.4.4.1.1.1.2 Signature",
                        "the signed request was used before");
}

enum pke_err verify_signed_header(struct auth_core *core, const struct msg_auth *m,
                                  const struct auth_now *now, struct pke_arena *arena,
                                  struct auth_identity *ret, struct pke_fail *fail)
{
    struct judge judge = {
        .core = core, .endpoint = conf_find_endpoint(core->conf, m->endpoint), .now = now->wall_seconds};
    struct xmlsig_rules rules = {.skew_seconds = XMLSIG_SKEW_SECONDS,
                                 .life_seconds = XMLSIG_LIFE_SECONDS,
                                 .trust = judge_certificate,
                                 .arg = &judge};
    struct xmlsig_result r;
    enum pke_err err;

    if (m->document.n == 0)
        return missing(fail, "the signed request is missing");
    certificates_refresh(core->certificates);
    err = xmlsig_verify(core->xmlsig, m->document, now->wall_seconds, &rules, arena, &r, fail);
    if (err == PKE_OK)
        err = check_signed_request(&r.request, m, arena, fail);
    if (err == PKE_OK)
        err = certificate_identity(judge.endpoint, r.certificate, &judge.issuer, arena, ret, fail);
    if (err == PKE_OK && strcmp(m->stage, "enroll") == 0)
        err = check_replay(core, &r, now->wall_seconds, fail);
    return err;
}

enum pke_err verify_client_certificate(struct auth_core *core, const struct msg_auth *m,
                                       const struct auth_now *now, struct pke_arena *arena,
                                       struct auth_identity *ret, struct pke_fail *fail)
{
    const struct conf_endpoint *e = conf_find_endpoint(core->conf, m->endpoint);
    struct certificate_issuer issuer = {0};
    enum pke_err err;

    if (m->client_certificate.n == 0)
        return missing(fail, "the client certificate is missing");
    certificates_refresh(core->certificates);
    err = certificate_trust(core->certificates, e, m->client_certificate, now->wall_seconds, &issuer, fail);
    if (err == PKE_OK)
        err = certificate_identity(e, m->client_certificate, &issuer, arena, ret, fail);
    return err;
}
