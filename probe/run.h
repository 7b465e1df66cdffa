/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * One run of pkienroll-probe: what the steps share. The program plays the client of MS-MDE2 against a server
 * that it does not know; it shares no codec with the daemon, so that it is able to disagree with it.
 */
#ifndef PROBE_RUN_H
#define PROBE_RUN_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "probe/artefact.h"
#include "probe/http.h"
#include "probe/options.h"
#include "probe/verdict.h"

#define PROBE_DEVICE_ID_LEN 32 /* hexadecimal digits */
#define PROBE_REQUEST_MAX   (64u << 10)

/** A certificate that the provisioning document wants installed. */
struct probe_cert {
    const char *store;    /* "Root", "CA", "My" */
    const char *scope;    /* "System", "User" */
    const char *node;     /* name of its characteristic: the thumbprint */
    X509 *x509;           /* NULL when it does not decode */
    struct pke_bytes der; /* in the run's arena */
};

#define PROBE_MAX_CERTS 16

/** What RequestSecurityToken asks for. */
enum probe_request { PROBE_ISSUE, PROBE_RENEWAL, PROBE_RECOVERY };

/** The device's enrollment as an earlier run, or an earlier step of this one, left it. */
struct probe_state {
    X509 *cert;    /* NULL: there is none; owned, as are key and chain */
    EVP_PKEY *key; /* of cert */
    STACK_OF(X509) * chain;
    const char *provider_id; /* APPLICATION/PROVIDER-ID; NULL when not known, as ent_dmid */
    const char *ent_dmid;
};

struct probe {
    struct probe_options opt;
    struct pke_arena *arena; /* owns every string that the steps keep */
    struct pke_arena *kept;  /* owns what outlives a renewal of soak; may be the same */
    enum probe_request request;
    struct probe_state state;
    struct verdict *verdict;
    struct artefacts *out;
    struct http *http;
    char device_id[PROBE_DEVICE_ID_LEN + 1];

    /* from the policy */
    unsigned key_bits; /* minimalKeyLength, or the client's default */
    X509 *policy_ca;   /* NULL when the policy names no CA */

    /* client certificate of --cert; NULL without */
    X509 *client_cert;
    EVP_PKEY *client_key;
    struct pke_buf client_pem; /* as the file has it: a chain may follow */

    /* key and request */
    EVP_PKEY *key;        /* NULL when only a CSR was given */
    EVP_PKEY *public_key; /* of the CSR */
    struct pke_buf csr;   /* DER */
    struct pke_buf cms;   /* DER, of a renewal */
    double exchange_ms;   /* from the first byte sent to the last received, of the last exchange */

    /* from the provisioning document */
    struct probe_cert certs[PROBE_MAX_CERTS];
    size_t n_certs;
    X509 *leaf;              /* one of certs; NULL when absent */
    const char *provider_id; /* APPLICATION/PROVIDER-ID */
    unsigned long renew_period;
};

/** Load --cert and --key. Returns false with a failed check. */
bool step_client(struct probe *p);

/** Send GetPolicies and check the answer. Returns false when the client would stop here. */
bool step_policy(struct probe *p);

/** Make or load key and CSR. Returns false with a failed check. */
bool step_request(struct probe *p);

/** Send RequestSecurityToken (Issue or Recovery) and check the answer down to the provisioning document. */
bool step_enroll(struct probe *p);

/** Renew p->state once (MS-MDE2 3.4.4.1.1.1.3, Renew): key, CSR, CMS, exchange, checks. Keeps the result in
 * p->state. */
bool step_renew(struct probe *p);

/** Renew --count times, each from the one before, and tell how it went. */
void step_soak(struct probe *p);

/** Forget the certificates of the last answer. */
void probe_forget_certificates(struct probe *p);

/** Forget key, request and answer of the last request; policy, state and connection stay. */
void probe_forget(struct probe *p);

#endif
