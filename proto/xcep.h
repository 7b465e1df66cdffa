/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * MS-XCEP GetPolicies in the MDM flavour (MS-MDE2 3.3): request facts and the response body.
 */
#ifndef PROTO_XCEP_H
#define PROTO_XCEP_H

#include "base/list.h"
#include "proto/soap.h"

/** What is worth recording from a request; unknown children are ignored (Windows 11 adds some). */
struct xcep_request {
    const char *tpm_manufacturer, *tpm_firmware_version; /* NULL when absent */
};

/** @p body is soap_request.body of stage SOAP_GET_POLICIES. PKE_OK or PKE_MALFORMED. */
enum pke_err xcep_request_read(const struct xml_node *body, struct pke_arena *arena, struct xcep_request *ret,
                               struct pke_fail *fail);

/** The CA that GetPolicies advertises. */
struct xcep_ca {
    const char *url; /* absolute enrollment URL */
    unsigned
        client_authentication; /* MS-XCEP 3.1.4.1.3.5: 1 anonymous, 2 Kerberos, 4 username, 8 certificate */
    struct pke_bytes certificate; /* DER */
    bool enroll_permission;
};

/** The client shall attest its key (MS-MDE2 3.3.4.1.1.2). */
struct xcep_attestation {
    const char *failure; /* "FailOnError", "IgnoreOnError", "RetryOnError" */
    uint64_t timeout_seconds;
    bool block;                        /* EnrollmentVersion 6.0: the attestation element, too */
    const char *maa_url, *maa_relying; /* in the block; NULL: no azureAttestation. Never a nonce. */
};

/** One MDM policy. Scalars must hold no white space (the client cuts values at the first space). */
struct xcep_policy {
    const char *policy_id, *common_name;
    uint64_t validity_seconds, renewal_seconds;
    unsigned minimal_key_length;
    const struct pke_strings *providers; /* empty: nil */
    unsigned major_revision, minor_revision;
    const struct xcep_attestation *attestation; /* NULL: nothing about it, as before EnrollmentVersion 5.0 */
    const struct xcep_ca *ca;                   /* NULL: cAs nil in both places, as Windows documents */
};

/** Append the GetPoliciesResponse element (mdm.md 5.2); rendered once per catalogue generation by net.
 * PKE_POLICY when a scalar holds white space. */
enum pke_err xcep_response_write(const struct xcep_policy *policy, struct pke_buf *out,
                                 struct pke_fail *fail);

/** body_attributes for soap_reply_write() around it. */
#define XCEP_BODY_ATTRIBUTES                                    \
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" " \
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""

#endif
