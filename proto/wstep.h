/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * MS-WSTEP RequestSecurityToken in the MDM flavour (MS-MDE2 3.4): request and answer.
 */
#ifndef PROTO_WSTEP_H
#define PROTO_WSTEP_H

#include "base/list.h"
#include "proto/soap.h"

enum wstep_operation { WSTEP_ISSUE, WSTEP_RENEW, WSTEP_RECOVERY };

struct wstep_request {
    enum wstep_operation operation;
    /* PKCS#10 for Issue and Recovery, CMS for Renew (whose second base64 layer, if any, is removed too).
     * Begins with 0x30; everything else about its DER is ca/'s to check. */
    struct pke_bytes request;
    const char *rst_context; /* @Context, echoed; NULL when absent */
    /* ContextItems in document order, names in their documented spelling where the catalogue knows them; only
     * MAC, IMEI and ExternalMgmtAgentHint repeat, of others the first counts. */
    struct pke_pairs context;
    const char *device_id, *enrollment_type; /* from context; for Renew they may be NULL */
};

/**
 * @p body is soap_request.body of stage SOAP_REQUEST_SECURITY_TOKEN.
 * @return PKE_OK; PKE_MALFORMED (TokenType, RequestType, ValueType inconsistent, not exactly one
 * BinarySecurityToken, base64, empty, not a DER SEQUENCE); PKE_DEVICE_UNSUPPORTED (Windows 8.1, on behalf of
 * a user); PKE_ENROLLMENT_DATA (DeviceID or EnrollmentType missing or of wrong form); PKE_UNSUPPORTED
 * (EnrollmentType AppManagement); PKE_LIMIT.
 */
enum pke_err wstep_request_read(const struct xml_node *body, struct pke_arena *arena,
                                struct wstep_request *ret, struct pke_fail *fail);

/** "true"/"false" in any case; false and *ok=false on anything else. */
bool wstep_context_bool(const char *value, bool *ok);

/** Append RequestSecurityTokenResponseCollection around a provisioning document (mdm.md 8). */
enum pke_err wstep_response_write(const char *rst_context, struct pke_bytes provisioning_document,
                                  struct pke_buf *out);

#endif
