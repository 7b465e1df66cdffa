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

/** A certificate that the provisioning document wants installed. */
struct probe_cert {
    const char *store;    /* "Root", "CA", "My" */
    const char *scope;    /* "System", "User" */
    const char *node;     /* name of its characteristic: the thumbprint */
    X509 *x509;           /* NULL when it does not decode */
    struct pke_bytes der; /* in the run's arena */
};

#define PROBE_MAX_CERTS 16

struct probe {
    struct probe_options opt;
    struct pke_arena *arena; /* owns every string that the steps keep */
    struct verdict *verdict;
    struct artefacts *out;
    struct http *http;
    char device_id[PROBE_DEVICE_ID_LEN + 1];

    /* from the policy */
    unsigned key_bits; /* minimalKeyLength, or the client's default */
    X509 *policy_ca;   /* NULL when the policy names no CA */

    /* key and request */
    EVP_PKEY *key;        /* NULL when only a CSR was given */
    EVP_PKEY *public_key; /* of the CSR */
    struct pke_buf csr;   /* DER */

    /* from the provisioning document */
    struct probe_cert certs[PROBE_MAX_CERTS];
    size_t n_certs;
    X509 *leaf;              /* one of certs; NULL when absent */
    const char *provider_id; /* APPLICATION/PROVIDER-ID */
    unsigned long renew_period;
};

/** Send GetPolicies and check the answer. Returns false when the client would stop here. */
bool step_policy(struct probe *p);

/** Make or load key and CSR. Returns false with a failed check. */
bool step_request(struct probe *p);

/** Send RequestSecurityToken (Issue) and check the answer down to the provisioning document. */
bool step_enroll(struct probe *p);

#endif
