/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The two requests, written as the Windows MDM client writes them: its prefixes, header order, 64-column
 * base64.
 */
#ifndef PROBE_MESSAGE_H
#define PROBE_MESSAGE_H

#include "base/list.h"
#include "probe/run.h"

#define MESSAGE_MAX (1u << 20)

#define ACTION_GET_POLICIES \
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies"
#define ACTION_GET_POLICIES_RESPONSE ACTION_GET_POLICIES "Response"
#define ACTION_RST                   "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep"
#define ACTION_RSTRC                 "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep"
#define TOKEN_TYPE_DEVICE \
    "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"
#define VALUE_TYPE_USER_TOKEN \
    "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken"
#define VALUE_TYPE_PROVDOC \
    "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc"
#define ENCODING_BASE64 \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary"

/** A new "urn:uuid:..." in @p arena. */
const char *message_new_id(struct pke_arena *arena);

/** Append GetPolicies. @p masked: with asterisks for the password or token, for the artefact folder. */
void message_get_policies(const struct probe *p, const char *message_id, bool masked, struct pke_buf *out);

/** Append RequestSecurityToken (Issue) with the run's CSR and the device's context items. */
void message_request_token(const struct probe *p, const char *message_id, bool masked, struct pke_buf *out);

#endif
