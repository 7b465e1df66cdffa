/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The wsse:Security header, by the credential of the run, and its XML signature.
 */
#ifndef PROBE_SECURITY_H
#define PROBE_SECURITY_H

#include "probe/message.h"

#define WSS_UTILITY "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define WSS_SECEXT  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define WSS_X509    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"

/** Whether the header of this message carries something that the artefact folder must not have. */
bool security_is_secret(const struct probe *p, enum message_kind kind);

/** Whether the header of this message is to be signed. */
bool security_is_signed(const struct probe *p, enum message_kind kind);

/** Append the header; one that is to be signed comes without its signature. */
void security_add(const struct probe *p, enum message_kind kind, bool masked, struct pke_buf *out);

/**
 * Put the signature into the header of @p message (MS-MDE2 3.3.4.1.1.1): a reference to the whole document,
 * digested in inclusive C14N as no other is named; SignedInfo in exclusive C14N.
 * @return false when the key cannot sign.
 */
bool signature_insert(const struct probe *p, struct pke_buf *message);

#endif
