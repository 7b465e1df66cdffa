/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate of our own as credential (attacks A14). auth knows chains and CRLs, not the ledger: here such
 * a certificate is worth what the ledger says of it now, and it acts for whom it was issued to.
 */
#include <string.h>

#include "base/encode.h"
#include "ca/facts.h"
#include "daemon/issuer/issuer.h"

#define RULE "certificates of our own as credentials"

static enum pke_err refuse(struct request *req, const char *reason, const char *text)
{
    return pke_fail_set(&req->fail, PKE_UNAUTHENTICATED, reason, RULE, "%s", text);
}

static bool read_sha256(const struct pke_pairs *attributes, const char *name, uint8_t ret[32])
{
    const char *hex = pke_pairs_get(attributes, name);
    size_t n = 32;

    return hex && pke_hex_decode(pke_bytes_str(hex), ret, &n) && n == 32;
}

/* Was it signed with a key of our own CAs? */
static bool is_ours(const struct request *req)
{
    uint8_t spki[32];

    if (!read_sha256(&req->who.attributes, ASSERTION_ISSUER_SHA256, spki))
        return false;
    for (size_t i = 0; i < req->setup->n_cas; i++)
        if (pke_bytes_eq(ca_issuer_spki_sha256(req->setup->cas[i].ca), PKE_BYTES(spki, sizeof spki)))
            return true;
    return false;
}

/* What happened to the device since. */
static enum pke_err check_device(struct request *req, const struct ledger_certificate *c)
{
    struct ledger_device device;
    struct pke_fail fail;
    enum pke_err err;

    if (!c->device_id)
        return PKE_OK;
    err = ledger_find_device(req->issuer->ledger, c->tenant, c->provider ? c->provider : "", c->device_id,
                             NULL, req->now_ms / 1000, req->arena, &device, &fail);
    if (err == PKE_NOT_FOUND)
        return refuse(req, "certificate-device-unknown", "the certificate's device is not known any more");
    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    if (device.blocked_at)
        return refuse(req, "certificate-device-blocked", "the certificate's device is blocked");
    if (device.released_at)
        return refuse(req, "certificate-device-released", "the certificate's device was released");
    if (device.principal && !policy_same_owner(device.principal, device.user_id, c->principal, c->user_id))
        return refuse(req, "certificate-device-of-another",
                      "the certificate's device belongs to another user now");
    return PKE_OK;
}

/* Who has a key that is on the list is not known. */
static enum pke_err check_key(struct request *req, const struct ledger_certificate *c)
{
    struct ca_cert_facts facts;
    struct pke_fail fail;

    if (ca_cert_facts_read(c->der, req->arena, &facts, &fail) != PKE_OK ||
        spki_blocked(req->setup, facts.spki))
        return refuse(req, "certificate-key-blocked", "the certificate's key is on the list of blocked keys");
    return PKE_OK;
}

static enum pke_err check_record(struct request *req, const struct ledger_certificate *c)
{
    if (strcmp(c->tenant, req->who.tenant) != 0)
        return refuse(req, "certificate-not-issued",
                      "the certificate is of a CA here, and was not issued here"); /* to this tenant */
    if (c->revoked_at)
        return refuse(req, "certificate-revoked", "the certificate is revoked");
    if (c->superseded_at)
        return refuse(req, "certificate-superseded", "the certificate was replaced by a newer one");
    if (c->not_after <= req->now_ms / 1000)
        return refuse(req, "certificate-expired", "the certificate has expired");
    if (check_key(req, c) != PKE_OK)
        return req->fail.err;
    return check_device(req, c);
}

/* Its own names say nothing: the record says who it is. Which certificate was used stays with it. */
static void take_record(struct request *req, const struct ledger_certificate *c)
{
    const char *used = pke_pairs_get(&req->who.attributes, ASSERTION_CERTIFICATE_SHA256);
    struct pke_pairs attributes = {0};

    for (size_t i = 0; i < c->attributes.n; i++)
        if (strcmp(c->attributes.v[i].name, ASSERTION_CERTIFICATE_SHA256) != 0 &&
            strcmp(c->attributes.v[i].name, ASSERTION_ISSUER_SHA256) != 0)
            pke_pairs_add(&attributes, req->arena, c->attributes.v[i].name, c->attributes.v[i].value);
    pke_pairs_add(&attributes, req->arena, ASSERTION_CERTIFICATE_SHA256, used);
    req->who.principal = c->principal;
    req->who.user_id = c->user_id;
    req->who.attributes = attributes;
}

enum pke_err check_certificate_credential(struct request *req)
{
    struct ledger_certificate c;
    struct pke_fail fail;
    uint8_t sha256[32];
    enum pke_err err;

    if (strcmp(req->who.kind, "signed-header") != 0 && strcmp(req->who.kind, "client-certificate") != 0)
        return PKE_OK;
    if (req->dry) { /* there is no certificate to look up */
        explain(req, PKE_TRAIL_NOTED, "credential", RULE, NULL, "not simulated");
        return PKE_OK;
    }
    if (!read_sha256(&req->who.attributes, ASSERTION_CERTIFICATE_SHA256, sha256))
        return pke_fail_set(&req->fail, PKE_INTERNAL, "assertion-certificate", "daemon/common/assertion.h",
                            "the assertion does not say which certificate it was");
    err = ledger_find_certificate(req->issuer->ledger, sha256, req->arena, &c, &fail);
    if (err == PKE_NOT_FOUND)
        return is_ours(req) ? refuse(req, "certificate-not-issued",
                                     "the certificate is of a CA here, and was not issued here")
                            : PKE_OK;
    if (err != PKE_OK) {
        req->fail = fail;
        return err;
    }
    err = check_record(req, &c);
    if (err == PKE_OK)
        take_record(req, &c);
    return err;
}
