/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The requests, written as the Windows MDM client writes them: its prefixes, header order, 64-column
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

enum message_kind { MESSAGE_POLICY, MESSAGE_ISSUE, MESSAGE_RENEW, MESSAGE_RECOVER };

/** A new "urn:uuid:..." in @p arena. */
const char *message_new_id(struct pke_arena *arena);

/** Append @p text with what has a meaning in XML escaped. */
void message_escape(struct pke_bytes text, struct pke_buf *out);

/**
 * Append GetPolicies, or RequestSecurityToken with the run's CSR or CMS and the device's context items. @p
 * masked: with asterisks for the password, token or JWT, for the artefact folder.
 * @return false when the message cannot be signed.
 */
bool message_write(const struct probe *p, enum message_kind kind, const char *message_id, bool masked,
                   struct pke_buf *out);

/** Append the AdditionalContext of p->request. */
void context_add(const struct probe *p, struct pke_buf *out);

#endif
