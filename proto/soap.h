/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * SOAP 1.2 + WS-Addressing + WS-Security: bytes of a request to structs, and reply envelopes. Bound by
 * namespace, never by prefix. No I/O, no clock, no randomness, no logging. Not reentrant across threads (one
 * reused SAX2 context per parser).
 */
#ifndef PROTO_SOAP_H
#define PROTO_SOAP_H

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/xmltree.h"

/** What the header contains decides the kind, not what discovery said (MS-MDE2 notes, mdm.md 4.6). */
enum soap_credential_kind {
    SOAP_CRED_NONE,           /* no Security header at all: fault a:InvalidSecurity */
    SOAP_CRED_EMPTY,          /* Security without a known token: s:Authentication */
    SOAP_CRED_USERNAME,       /* UsernameToken with a password */
    SOAP_CRED_USERNAME_EMPTY, /* UsernameToken with an empty password: only legal for Renew */
    SOAP_CRED_JWT,            /* BinarySecurityToken urn:ietf:params:oauth:token-type:jwt */
    SOAP_CRED_DEVICE_TOKEN,   /* BinarySecurityToken DeviceEnrollmentUserToken */
    SOAP_CRED_CERTIFICATE,    /* ds:Signature present */
};

struct soap_credential {
    enum soap_credential_kind kind;
    const char *username; /* trimmed, no control characters; "" possible for USERNAME_EMPTY; else NULL */
    /* Borrowed from the parser's own memory, not the arena: valid until soap_request_wipe(). */
    struct pke_bytes password; /* verbatim, not trimmed */
    /* Text of the header's BinarySecurityToken, white space removed, not decoded. The signer's certificate
     * for SOAP_CRED_CERTIFICATE, which proto/ recognises and does not verify. */
    struct pke_bytes token;
};

enum soap_stage { SOAP_GET_POLICIES, SOAP_REQUEST_SECURITY_TOKEN, SOAP_OTHER_BODY };

struct soap_request {
    const char *message_id; /* trimmed, verbatim otherwise; NULL when absent */
    const char *action;     /* trimmed; NULL when absent */
    const char *to;         /* for the log only, never compared */
    struct soap_credential credential;
    enum soap_stage stage;       /* by the one element child of Body; never SOAP_OTHER_BODY with PKE_OK */
    const struct xml_node *body; /* that child */
};

struct soap_parser;
struct soap_parser *soap_parser_new(void);
void soap_parser_free(struct soap_parser *p); /* accepts NULL */

/**
 * Parse one request. Everything in *ret but the credential's secrets lives in @p arena.
 *
 * Reading is by position: Envelope/Header/Security, Envelope/Body/child and nothing else. A Body, Header,
 * Envelope, Security, GetPolicies or RequestSecurityToken in any other place, a doubled one, and a doubled
 * Id are refused, so that a signature can never cover something other than what was read. Unknown header
 * blocks without mustUnderstand and unknown children elsewhere are ignored. GetPolicies may have
 * AdditionalContext elements next to it.
 *
 * The header is read as far as it goes even when the body is refused: on failure *ret holds message_id when
 * it could be read (so that a fault can relate to it) and is zero otherwise.
 * @return PKE_OK; PKE_MALFORMED (not UTF-8 XML, DOCTYPE, not one Envelope/Body child, unknown body element,
 * Action of another stage, ...); PKE_LIMIT; PKE_INVALID_SECURITY (a Security header that cannot be read: two
 * of them, two tokens of a kind, a password that is not PasswordText). An absent Security header is
 * PKE_OK with SOAP_CRED_NONE: that is the endpoint's to refuse.
 */
enum pke_err soap_request_parse(struct soap_parser *p, struct pke_bytes body, struct pke_arena *arena,
                                struct soap_request *ret, struct pke_fail *fail);

/** Overwrite the secrets of the last request inside the parser; password and token dangle afterwards.
 * soap_request_parse() and soap_parser_free() do it too. The body's own bytes are the caller's to wipe. */
void soap_request_wipe(struct soap_parser *p);

struct soap_reply {
    const char *action;            /* SOAP_ACTION_* */
    const char *relates_to;        /* the request's MessageID or NULL */
    const char *activity_id;       /* the attempt UUID: ActivityId and CorrelationId */
    const char *created, *expires; /* RFC 3339 for o:Security/u:Timestamp, NULL: left out */
    const char *body_attributes;   /* literal, e.g. XMLNS_XSI declarations, or NULL */
};

/** Append a whole envelope around @p body (markup made by this folder). Compact; no XML declaration. */
enum pke_err soap_reply_write(const struct soap_reply *r, struct pke_bytes body, struct pke_buf *out);

#define SOAP_ACTION_GET_POLICIES \
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies"
#define SOAP_ACTION_GET_POLICIES_RESPONSE \
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPoliciesResponse"
#define SOAP_ACTION_RST   "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RST/wstep"
#define SOAP_ACTION_RSTRC "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep"
#define SOAP_CONTENT_TYPE "application/soap+xml; charset=utf-8"

#endif
