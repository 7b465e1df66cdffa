/* SPDX-License-Identifier: Apache-2.0 */
/** @file The WS-Security header of a request. Private to proto/. */
#ifndef PROTO_SOAP_SECURITY_H
#define PROTO_SOAP_SECURITY_H

#include "proto/soap.h"

/** Elements whose text is kept out of the arena: every Password, and tokens of a Security header. */
xml_secret_fn soap_is_secret;

/** Read and classify (mdm.md 4.6) the one Security element @p n; secrets stay in @p xml.
 * @return PKE_OK, PKE_INVALID_SECURITY or PKE_LIMIT. */
enum pke_err soap_security_read(const struct xml_parser *xml, const struct xml_node *n,
                                struct pke_arena *arena, struct soap_credential *ret, struct pke_fail *fail);

/** True when the EncodingType of a BinarySecurityToken is absent or base64 in any letter case. */
bool soap_encoding_is_base64(const struct xml_node *token, struct pke_arena *arena);

/** The attribute's value without white space around it, NULL when absent. */
const char *soap_attr_trimmed(const struct xml_node *n, const char *name, struct pke_arena *arena);

#endif
