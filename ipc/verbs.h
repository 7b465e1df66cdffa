/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The control API as one table: what can be asked of the daemon, by which path and by which words, who may
 * ask and who answers. The dispatcher of the control role, the commands, help and completion of pkienrollctl
 * and the check of the manual page all work from it; nothing about a verb is written down twice.
 *
 * To add a verb: one row in IPC_VERBS, one row per argument in IPC_VERB_ARGS, its answer in the role that it
 * names, its text in man/pkienrollctl.8 and doc/control-api.md (tests/unit/test_verbs_documented.py
 * compares).
 */
#ifndef IPC_VERBS_H
#define IPC_VERBS_H

#include "base/bytes.h"

/**
 * id, token (audit, msg_verb), method, path, words of pkienrollctl, role at least (_FE: or a frontend,
 * for what is its tenants'; such a verb has the argument tenant), who answers, shape of the
 * answer, seconds until an answer is due, help.
 * A path has at most one {name}, as its last but one or last segment.
 */
#define IPC_VERBS(X)                                                                                         \
    X(STATUS, "status", "GET", "/v1/status", "status", VIEWER, MAIN, OBJECT, 5,                              \
      "show the state of the daemon, its roles, listeners, keys and ledger")                                 \
    X(VERSION, "version", "GET", "/v1/version", "version", VIEWER_FE, CONTROL, OBJECT, 5,                    \
      "show the version of the running daemon")                                                              \
    X(OPENAPI, "openapi", "GET", "/v1/openapi", "openapi", VIEWER_FE, CONTROL, OBJECT, 5,                    \
      "print this API as an OpenAPI document")                                                               \
    X(METRICS, "metrics", "GET", "/v1/metrics", "metrics", VIEWER, ISSUER, TEXT, 10,                         \
      "print what is counted, for monitoring, as OpenMetrics text")                                          \
    X(RELOAD, "reload", "POST", "/v1/reload", "reload", ADMIN, MAIN, OBJECT, 60,                             \
      "read the configuration again: all of it takes effect, or none")                                       \
    X(DRAIN, "drain", "POST", "/v1/drain", "drain", ADMIN, MAIN, OBJECT, 60,                                 \
      "stop taking enrollments, finish those in flight")                                                     \
    X(RESUME, "resume", "POST", "/v1/resume", "resume", ADMIN, MAIN, OBJECT, 60,                             \
      "take enrollments again after a drain")                                                                \
    X(ISSUER_LIST, "issuer-list", "GET", "/v1/issuers", "issuer list", VIEWER, ISSUER, LIST, 5,              \
      "list the issuing certification authorities")                                                          \
    X(ISSUER_SHOW, "issuer-show", "GET", "/v1/issuers/{name}", "issuer show", VIEWER, ISSUER, OBJECT, 5,     \
      "show one issuer and its certificate")                                                                 \
    X(ISSUER_SCHEDULE, "issuer-schedule", "POST", "/v1/issuers/{name}/schedule", "issuer schedule", ADMIN,   \
      ISSUER, OBJECT, 15, "let another issuer take over from one at a time, once it is acknowledged")        \
    X(ISSUER_ACKNOWLEDGE, "issuer-acknowledge", "POST", "/v1/issuers/{name}/acknowledge",                    \
      "issuer acknowledge", OFFICER, ISSUER, OBJECT, 15,                                                     \
      "say that the management server trusts the successor of an issuer")                                    \
    X(ISSUER_SWITCH, "issuer-switch", "POST", "/v1/issuers/{name}/switch", "issuer switch", ADMIN, ISSUER,   \
      OBJECT, 15, "let the successor of an issuer take over now")                                            \
    X(ISSUER_CANCEL, "issuer-cancel", "POST", "/v1/issuers/{name}/cancel", "issuer cancel", ADMIN, ISSUER,   \
      OBJECT, 15, "forget the successor of an issuer, or go back to it after the switch")                    \
    X(TEMPLATE_LIST, "template-list", "GET", "/v1/templates", "template list", VIEWER_FE, CONTROL, LIST, 5,  \
      "list the certificate templates")                                                                      \
    X(TEMPLATE_SHOW, "template-show", "GET", "/v1/templates/{name}", "template show", VIEWER_FE, CONTROL,    \
      OBJECT, 5, "show every option of one certificate template")                                            \
    X(TEMPLATE_ISSUER, "template-issuer", "GET", "/v1/templates/{name}/issuer", "template issuer",           \
      VIEWER_FE, ISSUER, OBJECT, 5, "show who signs a template now: certificate, chain, thumbprints")        \
    X(KEY_LIST, "key-list", "GET", "/v1/keys", "key list", VIEWER, ISSUER, LIST, 5,                          \
      "list the CA keys and their health")                                                                   \
    X(KEY_SHOW, "key-show", "GET", "/v1/keys/{name}", "key show", VIEWER, ISSUER, OBJECT, 5,                 \
      "show one CA key: state, last error, latencies, attributes")                                           \
    X(KEY_TEST, "key-test", "POST", "/v1/keys/{name}/test", "key test", OFFICER, ISSUER, OBJECT, 30,         \
      "ask one CA key for its health now")                                                                   \
    X(KEY_UNLOCK, "key-unlock", "POST", "/v1/keys/{name}/unlock", "key unlock", ADMIN, ISSUER, OBJECT, 60,   \
      "read the PIN of a key again and try it once")                                                         \
    X(KEY_PAUSE, "key-pause", "POST", "/v1/keys/{name}/pause", "key pause", ADMIN, ISSUER, OBJECT, 60,       \
      "let go of a key: no signature until it is resumed, also after a restart")                             \
    X(KEY_RESUME, "key-resume", "POST", "/v1/keys/{name}/resume", "key resume", ADMIN, ISSUER, OBJECT, 60,   \
      "use a paused key again")                                                                              \
    X(REQUEST_LIST, "request-list", "GET", "/v1/requests", "request list", VIEWER_FE, CONTROL, LIST, 5,      \
      "list requests, newest first")                                                                         \
    X(REQUEST_SHOW, "request-show", "GET", "/v1/requests/{id}", "request show", VIEWER_FE, CONTROL, OBJECT,  \
      5, "show one request: what was asked, what became of it and by which rule")                            \
    X(REQUEST_APPROVE, "request-approve", "POST", "/v1/requests/{id}/approve", "request approve", OFFICER,   \
      ISSUER, OBJECT, 15, "let the next attempt of a request that waits for approval succeed")               \
    X(REQUEST_DENY, "request-deny", "POST", "/v1/requests/{id}/deny", "request deny", OFFICER, ISSUER,       \
      OBJECT, 15, "refuse a request that waits for approval, and its next attempts for a time")              \
    X(CERT_LIST, "cert-list", "GET", "/v1/certificates", "cert list", VIEWER_FE, CONTROL, LIST, 5,           \
      "list issued certificates, newest first")                                                              \
    X(CERT_SHOW, "cert-show", "GET", "/v1/certificates/{key}", "cert show", VIEWER_FE, CONTROL, OBJECT, 5,   \
      "show one certificate by serial, SHA-1, SHA-256, device or request")                                   \
    X(CERT_CONFIRM, "cert-confirm", "POST", "/v1/certificates/{key}/confirm", "cert confirm", OFFICER_FE,    \
      ISSUER, OBJECT, 15, "say that a certificate was seen in use: it is active, older ones are superseded") \
    X(CERT_REVOKE, "cert-revoke", "POST", "/v1/certificates/{key}/revoke", "cert revoke", OFFICER_FE,        \
      ISSUER, OBJECT, 15, "revoke one certificate, or put it on hold")                                       \
    X(CERT_RELEASE, "cert-release", "POST", "/v1/certificates/{key}/release", "cert release", OFFICER_FE,    \
      ISSUER, OBJECT, 15, "end the hold of one certificate")                                                 \
    X(CERT_IMPORT, "cert-import", "POST", "/v1/certificates/import", "cert import", ADMIN, ISSUER, OBJECT,   \
      60, "take over certificates of an earlier CA, so that their devices renew here")                       \
    X(CRL_LIST, "crl-list", "GET", "/v1/crls", "crl list", VIEWER, ISSUER, LIST, 5,                          \
      "list the revocation lists: number, entries, until when each is good")                                 \
    X(CRL_SHOW, "crl-show", "GET", "/v1/crls/{name}", "crl show", VIEWER, ISSUER, OBJECT, 5,                 \
      "show the revocation lists of one issuer and why the last attempt failed")                             \
    X(CRL_PUBLISH, "crl-publish", "POST", "/v1/crls/publish", "crl publish", OFFICER, ISSUER, OBJECT, 60,    \
      "sign and publish full revocation lists now")                                                          \
    X(DEVICE_LIST, "device-list", "GET", "/v1/devices", "device list", VIEWER_FE, CONTROL, LIST, 5,          \
      "list enrolled devices, newest first")                                                                 \
    X(DEVICE_SHOW, "device-show", "GET", "/v1/devices/{id}", "device show", VIEWER_FE, CONTROL, OBJECT, 5,   \
      "show one device, its owner and what it is allowed")                                                   \
    X(DEVICE_RELEASE, "device-release", "POST", "/v1/devices/{id}/release", "device release", OFFICER_FE,    \
      ISSUER, OBJECT, 15, "forget the owner of a device and supersede its certificates")                     \
    X(DEVICE_BLOCK, "device-block", "POST", "/v1/devices/{id}/block", "device block", OFFICER_FE, ISSUER,    \
      OBJECT, 15, "let a device neither enroll nor renew")                                                   \
    X(DEVICE_UNBLOCK, "device-unblock", "POST", "/v1/devices/{id}/unblock", "device unblock", OFFICER_FE,    \
      ISSUER, OBJECT, 15, "undo device block")                                                               \
    X(DEVICE_ALLOW_RECOVERY, "device-allow-recovery", "POST", "/v1/devices/{id}/allow-recovery",             \
      "device allow-recovery", OFFICER_FE, ISSUER, OBJECT, 15,                                               \
      "allow a device one recovery of its enrollment")                                                       \
    X(DEVICE_ALLOW_RENEWAL, "device-allow-renewal", "POST", "/v1/devices/{id}/allow-renewal",                \
      "device allow-renewal", OFFICER_FE, ISSUER, OBJECT, 15, "allow a device one renewal before its time")  \
    X(DEVICE_REVOKE, "device-revoke", "POST", "/v1/devices/{id}/revoke", "device revoke", OFFICER_FE,        \
      ISSUER, OBJECT, 30, "revoke every certificate of a device, or put them on hold")                       \
    X(DEVICE_RELEASE_HOLD, "device-release-hold", "POST", "/v1/devices/{id}/release-hold",                   \
      "device release-hold", OFFICER_FE, ISSUER, OBJECT, 30,                                                 \
      "end the hold of every certificate of a device")                                                       \
    X(USER_LIST, "user-list", "GET", "/v1/users", "user list", OFFICER, AUTH, LIST, 5,                       \
      "list the users of the user file")                                                                     \
    X(USER_ADD, "user-add", "POST", "/v1/users", "user add", OFFICER, AUTH, OBJECT, 15,                      \
      "add a user with a password")                                                                          \
    X(USER_REMOVE, "user-remove", "DELETE", "/v1/users/{name}", "user remove", OFFICER, AUTH, OBJECT, 5,     \
      "remove a user")                                                                                       \
    X(USER_REVOKE, "user-revoke", "POST", "/v1/users/{name}/revoke", "user revoke", OFFICER_FE, ISSUER,      \
      OBJECT, 30, "revoke every certificate of a principal, or put them on hold")                            \
    X(USER_RELEASE_HOLD, "user-release-hold", "POST", "/v1/users/{name}/release-hold", "user release-hold",  \
      OFFICER_FE, ISSUER, OBJECT, 30, "end the hold of every certificate of a principal")                    \
    X(TOKEN_MINT, "token-mint", "POST", "/v1/tokens", "token mint", OFFICER_FE, ISSUER, OBJECT, 15,          \
      "make a one-time enrollment token; it is shown once")                                                  \
    X(TOKEN_LIST, "token-list", "GET", "/v1/tokens", "token list", OFFICER_FE, CONTROL, LIST, 5,             \
      "list enrollment tokens, newest first, without their text")                                            \
    X(TOKEN_REVOKE, "token-revoke", "DELETE", "/v1/tokens/{id}", "token revoke", OFFICER_FE, ISSUER, OBJECT, \
      15, "revoke an enrollment token")                                                                      \
    X(EVENTS, "events", "GET", "/v1/events", "events", VIEWER_FE, ISSUER, LIST, 45,                          \
      "list what happened, oldest first; with --follow as it happens")                                       \
    X(EVENTS_DEAD, "events-dead", "GET", "/v1/event-sinks/{sink}/dead", "events dead", VIEWER_FE, ISSUER,    \
      LIST, 5, "list the events that a sink did not take and that were given up")                            \
    X(EVENTS_RETRY, "events-retry", "POST", "/v1/event-sinks/{sink}/retry", "events retry", OFFICER_FE,      \
      ISSUER, OBJECT, 15, "send an event again that was given up")                                           \
    X(SIGN, "sign", "POST", "/v1/sign", "sign", ADMIN_FE, ISSUER, OBJECT, 30,                                \
      "certify a CSR for whom the caller says; for a frontend that speaks with the device itself")           \
    X(SIGN_BATCH, "sign-batch", "POST", "/v1/sign/batch", "sign batch", ADMIN_FE, ISSUER, LIST, 60,          \
      "certify several CSRs")                                                                                \
    X(RENEW, "renew", "POST", "/v1/renew", "renew", ADMIN_FE, ISSUER, OBJECT, 30,                            \
      "renew a certificate by the signed request of its device")                                             \
    X(TOKEN_CHECK, "token-check", "POST", "/v1/tokens/check", "token check", OFFICER_FE, ISSUER, OBJECT, 5,  \
      "say what an enrollment token is good for, without using it")                                          \
    X(SIMULATE, "simulate", "POST", "/v1/simulate", "simulate", OFFICER, ISSUER, OBJECT, 15,                 \
      "say what would become of a CSR, and why: nothing is signed or recorded")

/** Why a certificate is revoked, as RFC 5280 5.3.1 names it: what ledger/revoke.h can parse but
 * removeFromCRL. */
#define IPC_REASONS                                                                       \
    "keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, " \
    "certificateHold, privilegeWithdrawn, aACompromise, unspecified"

/** verb, name, where it stands, type, required, help. Order of rows is the order of words. */
#define IPC_VERB_ARGS(X)                                                                                     \
    X(ISSUER_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                             \
    X(ISSUER_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                               \
    X(ISSUER_SHOW, "name", PATH, NAME, true, "issuer of the configuration")                                  \
    X(ISSUER_SCHEDULE, "name", PATH, NAME, true, "issuer that is to be followed")                            \
    X(ISSUER_SCHEDULE, "to", BODY, NAME, true, "issuer that takes over")                                     \
    X(ISSUER_SCHEDULE, "at", BODY, TEXT, false, "when, as 2027-03-01T12:00:00Z (at once)")                   \
    X(ISSUER_ACKNOWLEDGE, "name", PATH, NAME, true, "issuer that is to be followed")                         \
    X(ISSUER_SWITCH, "name", PATH, NAME, true, "issuer that is followed")                                    \
    X(ISSUER_SWITCH, "force", BODY, FLAG, false, "although nobody acknowledged it")                          \
    X(ISSUER_CANCEL, "name", PATH, NAME, true, "issuer that was to be followed")                             \
    X(TEMPLATE_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                           \
    X(TEMPLATE_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                             \
    X(TEMPLATE_LIST, "tenant", QUERY, NAME, false, "only what is this tenant's")                             \
    X(TEMPLATE_SHOW, "name", PATH, NAME, true, "template of the configuration")                              \
    X(TEMPLATE_SHOW, "tenant", QUERY, NAME, false, "only what is this tenant's")                             \
    X(TEMPLATE_ISSUER, "name", PATH, NAME, true, "template of the configuration")                            \
    X(TEMPLATE_ISSUER, "tenant", QUERY, NAME, false, "only what is this tenant's")                           \
    X(KEY_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                                \
    X(KEY_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                  \
    X(KEY_SHOW, "name", PATH, NAME, true, "key of the configuration")                                        \
    X(KEY_TEST, "name", PATH, NAME, true, "key of the configuration")                                        \
    X(KEY_UNLOCK, "name", PATH, NAME, true, "key of the configuration")                                      \
    X(KEY_PAUSE, "name", PATH, NAME, true, "key of the configuration")                                       \
    X(KEY_RESUME, "name", PATH, NAME, true, "key of the configuration")                                      \
    X(REQUEST_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                            \
    X(REQUEST_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                              \
    X(REQUEST_LIST, "state", QUERY, STATE, false, "only this state")                                         \
    X(REQUEST_LIST, "principal", QUERY, TEXT, false, "only this principal")                                  \
    X(REQUEST_LIST, "device", QUERY, TEXT, false, "only this device id")                                     \
    X(REQUEST_LIST, "template", QUERY, NAME, false, "only this template")                                    \
    X(REQUEST_LIST, "tenant", QUERY, NAME, false, "only what is this tenant's")                              \
    X(REQUEST_SHOW, "id", PATH, TEXT, true, "request id (TraceId)")                                          \
    X(REQUEST_SHOW, "tenant", QUERY, NAME, false, "only what is this tenant's")                              \
    X(REQUEST_APPROVE, "id", PATH, TEXT, true, "request id (TraceId) of the first attempt")                  \
    X(REQUEST_APPROVE, "hours", BODY, COUNT, false, "how long the approval is good for (24)")                \
    X(REQUEST_APPROVE, "tenant", BODY, NAME, false, "only what is this tenant's")                            \
    X(REQUEST_DENY, "id", PATH, TEXT, true, "request id (TraceId) of the first attempt")                     \
    X(REQUEST_DENY, "hours", BODY, COUNT, false, "how long further attempts are refused (24)")               \
    X(REQUEST_DENY, "tenant", BODY, NAME, false, "only what is this tenant's")                               \
    X(CERT_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                               \
    X(CERT_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                 \
    X(CERT_LIST, "state", QUERY, STATE, false, "only this state")                                            \
    X(CERT_LIST, "principal", QUERY, TEXT, false, "only this principal")                                     \
    X(CERT_LIST, "device", QUERY, TEXT, false, "only this device id")                                        \
    X(CERT_LIST, "template", QUERY, NAME, false, "only this template")                                       \
    X(CERT_LIST, "tenant", QUERY, NAME, false, "only what is this tenant's")                                 \
    X(CERT_SHOW, "key", PATH, TEXT, true, "serial, thumbprint, device id or request id")                     \
    X(CERT_SHOW, "tenant", QUERY, NAME, false, "only what is this tenant's")                                 \
    X(CERT_CONFIRM, "key", PATH, TEXT, true, "serial, thumbprint or request id")                             \
    X(CERT_CONFIRM, "tenant", BODY, NAME, false, "only what is this tenant's")                               \
    X(CERT_REVOKE, "key", PATH, TEXT, true, "serial, thumbprint or request id")                              \
    X(CERT_REVOKE, "reason", BODY, NAME, false, "why (unspecified); one of " IPC_REASONS)                    \
    X(CERT_REVOKE, "hold", BODY, FLAG, false, "for now: reason certificateHold, which cert release ends")    \
    X(CERT_REVOKE, "comment", BODY, TEXT, false, "a word for the record")                                    \
    X(CERT_REVOKE, "dry_run", BODY, FLAG, false, "say what would be revoked, and change nothing")            \
    X(CERT_REVOKE, "tenant", BODY, NAME, false, "only what is this tenant's")                                \
    X(CERT_RELEASE, "key", PATH, TEXT, true, "serial, thumbprint or request id")                             \
    X(CERT_RELEASE, "issuer", BODY, NAME, false, "the issuer of the serial; also what only a CRL knows of")  \
    X(CERT_RELEASE, "comment", BODY, TEXT, false, "a word for the record")                                   \
    X(CERT_RELEASE, "dry_run", BODY, FLAG, false, "say what would be released, and change nothing")          \
    X(CERT_RELEASE, "tenant", BODY, NAME, false, "only what is this tenant's")                               \
    X(CERT_IMPORT, "template", BODY, NAME, true, "template that they renew by")                              \
    X(CERT_IMPORT, "certificates", BODY, JSON, true, "list of certificates, or a file of JSON lines or CSV") \
    X(CERT_IMPORT, "names", BODY, STATE, false,                                                              \
      "names when renewed: certificate or principal (certificate)")                                          \
    X(CERT_IMPORT, "dry_run", BODY, FLAG, false, "say what would be imported, and import nothing")           \
    X(CERT_IMPORT, "tenant", BODY, NAME, false, "whose they are; needed if there are more than one")         \
    X(CRL_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                                \
    X(CRL_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                  \
    X(CRL_SHOW, "name", PATH, NAME, true, "issuer of the configuration")                                     \
    X(CRL_PUBLISH, "issuer", BODY, NAME, false, "only the list of this issuer")                              \
    X(DEVICE_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                             \
    X(DEVICE_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                               \
    X(DEVICE_LIST, "state", QUERY, STATE, false, "only this state")                                          \
    X(DEVICE_LIST, "principal", QUERY, TEXT, false, "only devices of this owner")                            \
    X(DEVICE_LIST, "tenant", QUERY, NAME, false, "only what is this tenant's")                               \
    X(DEVICE_SHOW, "id", PATH, TEXT, true, "device id")                                                      \
    X(DEVICE_SHOW, "provider", QUERY, TEXT, false, "provider of the enrollment; - for none")                 \
    X(DEVICE_SHOW, "tenant", QUERY, NAME, false, "only what is this tenant's")                               \
    X(DEVICE_RELEASE, "id", PATH, TEXT, true, "device id")                                                   \
    X(DEVICE_RELEASE, "provider", BODY, TEXT, false, "provider of the enrollment; - for none")               \
    X(DEVICE_RELEASE, "revoke", BODY, FLAG, false, "revoke its certificates as well")                        \
    X(DEVICE_RELEASE, "reason", BODY, NAME, false, "with revoke: why (unspecified); one of " IPC_REASONS)    \
    X(DEVICE_RELEASE, "comment", BODY, TEXT, false, "with revoke: a word for the record")                    \
    X(DEVICE_RELEASE, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")         \
    X(DEVICE_BLOCK, "id", PATH, TEXT, true, "device id")                                                     \
    X(DEVICE_BLOCK, "provider", BODY, TEXT, false, "provider of the enrollment; - for none")                 \
    X(DEVICE_BLOCK, "revoke", BODY, FLAG, false, "revoke its certificates as well")                          \
    X(DEVICE_BLOCK, "reason", BODY, NAME, false, "with revoke: why (unspecified); one of " IPC_REASONS)      \
    X(DEVICE_BLOCK, "comment", BODY, TEXT, false, "with revoke: a word for the record")                      \
    X(DEVICE_BLOCK, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")           \
    X(DEVICE_UNBLOCK, "id", PATH, TEXT, true, "device id")                                                   \
    X(DEVICE_UNBLOCK, "provider", BODY, TEXT, false, "provider of the enrollment; - for none")               \
    X(DEVICE_UNBLOCK, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")         \
    X(DEVICE_ALLOW_RECOVERY, "id", PATH, TEXT, true, "device id")                                            \
    X(DEVICE_ALLOW_RECOVERY, "provider", BODY, TEXT, false, "provider of the enrollment; - for none")        \
    X(DEVICE_ALLOW_RECOVERY, "hours", BODY, COUNT, false, "how long it is allowed (24)")                     \
    X(DEVICE_ALLOW_RECOVERY, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")  \
    X(DEVICE_ALLOW_RENEWAL, "id", PATH, TEXT, true, "device id")                                             \
    X(DEVICE_ALLOW_RENEWAL, "provider", BODY, TEXT, false, "provider of the enrollment; - for none")         \
    X(DEVICE_ALLOW_RENEWAL, "hours", BODY, COUNT, false, "how long it is allowed (24)")                      \
    X(DEVICE_ALLOW_RENEWAL, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")   \
    X(DEVICE_REVOKE, "id", PATH, TEXT, true, "device id")                                                    \
    X(DEVICE_REVOKE, "provider", BODY, TEXT, false, "only this provider's; - for none")                      \
    X(DEVICE_REVOKE, "reason", BODY, NAME, false, "why (unspecified); one of " IPC_REASONS)                  \
    X(DEVICE_REVOKE, "hold", BODY, FLAG, false, "for now: reason certificateHold, which release-hold ends")  \
    X(DEVICE_REVOKE, "comment", BODY, TEXT, false, "a word for the record")                                  \
    X(DEVICE_REVOKE, "dry_run", BODY, FLAG, false, "say what would be changed, and change nothing")          \
    X(DEVICE_REVOKE, "count", BODY, COUNT, false, "how many it must be; needed for more than 10")            \
    X(DEVICE_REVOKE, "cursor", BODY, CURSOR, false, "go on where a page ended")                              \
    X(DEVICE_REVOKE, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")          \
    X(DEVICE_RELEASE_HOLD, "id", PATH, TEXT, true, "device id")                                              \
    X(DEVICE_RELEASE_HOLD, "provider", BODY, TEXT, false, "only this provider's; - for none")                \
    X(DEVICE_RELEASE_HOLD, "comment", BODY, TEXT, false, "a word for the record")                            \
    X(DEVICE_RELEASE_HOLD, "dry_run", BODY, FLAG, false, "say what would be changed, and change nothing")    \
    X(DEVICE_RELEASE_HOLD, "count", BODY, COUNT, false, "how many it must be; needed for more than 10")      \
    X(DEVICE_RELEASE_HOLD, "cursor", BODY, CURSOR, false, "go on where a page ended")                        \
    X(DEVICE_RELEASE_HOLD, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")    \
    X(USER_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                               \
    X(USER_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                 \
    X(USER_LIST, "tenant", QUERY, NAME, false, "whose it is; needed if there are more than one")             \
    X(USER_ADD, "name", BODY, TEXT, true, "name of the user, usually a UPN")                                 \
    X(USER_ADD, "password", BODY, SECRET, true, "password")                                                  \
    X(USER_ADD, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")               \
    X(USER_REMOVE, "name", PATH, TEXT, true, "name of the user")                                             \
    X(USER_REMOVE, "tenant", QUERY, NAME, false, "whose it is; needed if there are more than one")           \
    X(USER_REVOKE, "name", PATH, TEXT, true, "principal, as the certificates record it")                     \
    X(USER_REVOKE, "user_id", BODY, TEXT, false, "only those of this immutable user id")                     \
    X(USER_REVOKE, "reason", BODY, NAME, false, "why (unspecified); one of " IPC_REASONS)                    \
    X(USER_REVOKE, "hold", BODY, FLAG, false, "for now: reason certificateHold, which release-hold ends")    \
    X(USER_REVOKE, "comment", BODY, TEXT, false, "a word for the record")                                    \
    X(USER_REVOKE, "dry_run", BODY, FLAG, false, "say what would be changed, and change nothing")            \
    X(USER_REVOKE, "count", BODY, COUNT, false, "how many it must be; needed for more than 10")              \
    X(USER_REVOKE, "cursor", BODY, CURSOR, false, "go on where a page ended")                                \
    X(USER_REVOKE, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")            \
    X(USER_RELEASE_HOLD, "name", PATH, TEXT, true, "principal, as the certificates record it")               \
    X(USER_RELEASE_HOLD, "user_id", BODY, TEXT, false, "only those of this immutable user id")               \
    X(USER_RELEASE_HOLD, "comment", BODY, TEXT, false, "a word for the record")                              \
    X(USER_RELEASE_HOLD, "dry_run", BODY, FLAG, false, "say what would be changed, and change nothing")      \
    X(USER_RELEASE_HOLD, "count", BODY, COUNT, false, "how many it must be; needed for more than 10")        \
    X(USER_RELEASE_HOLD, "cursor", BODY, CURSOR, false, "go on where a page ended")                          \
    X(USER_RELEASE_HOLD, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")      \
    X(TOKEN_MINT, "user", BODY, TEXT, true, "user that the token enrolls")                                   \
    X(TOKEN_MINT, "type", BODY, STATE, false, "only enrollments of this type: full or device")               \
    X(TOKEN_MINT, "lifetime", BODY, DURATION, false, "how long it may be used, 1s to 90d (1h)")              \
    X(TOKEN_MINT, "count", BODY, COUNT, false, "certificates that it is good for (1)")                       \
    X(TOKEN_MINT, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")             \
    X(TOKEN_LIST, "limit", QUERY, LIMIT, false, "rows at most")                                              \
    X(TOKEN_LIST, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                \
    X(TOKEN_LIST, "user", QUERY, TEXT, false, "only tokens of this user")                                    \
    X(TOKEN_LIST, "tenant", QUERY, NAME, false, "only what is this tenant's")                                \
    X(TOKEN_REVOKE, "id", PATH, HANDLE, true, "id of the token, not its text")                               \
    X(TOKEN_REVOKE, "tenant", QUERY, NAME, false, "only what is this tenant's")                              \
    X(EVENTS, "since", QUERY, TEXT, false, "behind this event, or a time as 2027-03-01T12:00:00Z")           \
    X(EVENTS, "kind", QUERY, NAME, false, "only events of this kind")                                        \
    X(EVENTS, "hold", QUERY, DURATION, false, "while there is none, wait so long for one, up to 30s")        \
    X(EVENTS, "limit", QUERY, LIMIT, false, "rows at most")                                                  \
    X(EVENTS, "cursor", QUERY, CURSOR, false, "go on where a page ended")                                    \
    X(EVENTS, "tenant", QUERY, NAME, false, "only what is this tenant's")                                    \
    X(EVENTS_DEAD, "sink", PATH, NAME, true, "name in the section event-sinks")                              \
    X(EVENTS_DEAD, "limit", QUERY, LIMIT, false, "rows at most")                                             \
    X(EVENTS_DEAD, "cursor", QUERY, CURSOR, false, "go on where a page ended")                               \
    X(EVENTS_DEAD, "tenant", QUERY, NAME, false, "only what is this tenant's")                               \
    X(EVENTS_RETRY, "sink", PATH, NAME, true, "name in the section event-sinks")                             \
    X(EVENTS_RETRY, "event", BODY, TEXT, true, "id of the event, as event-123")                              \
    X(EVENTS_RETRY, "tenant", BODY, NAME, false, "only what is this tenant's")                               \
    X(SIGN, "template", BODY, NAME, true, "template, which an endpoint offers to frontends")                 \
    X(SIGN, "principal", BODY, TEXT, true, "who it is for")                                                  \
    X(SIGN, "device_id", BODY, TEXT, true, "DeviceID of the device")                                         \
    X(SIGN, "csr", BODY, FILE, true, "file of the CSR, DER or PEM, or - for standard input")                 \
    X(SIGN, "user_id", BODY, TEXT, false, "id of the user that never changes")                               \
    X(SIGN, "type", BODY, STATE, false, "EnrollmentType: full or device (full)")                             \
    X(SIGN, "context", BODY, JSON, false, "further ContextItems, an object of texts")                        \
    X(SIGN, "parameters", BODY, JSON, false, "names and validity, as an authoriser answers them")            \
    X(SIGN, "idempotency_key", BODY, CURSOR, false, "the same answer to the same key; or the header field")  \
    X(SIGN, "endpoint", BODY, NAME, false, "enrollment endpoint, where several offer the template")          \
    X(SIGN, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")                   \
    X(SIGN_BATCH, "requests", BODY, JSON, true, "list of 1 to 32 objects, each as the body of sign")         \
    X(SIGN_BATCH, "tenant", BODY, NAME, false, "whose they are; needed if there are more than one")          \
    X(RENEW, "template", BODY, NAME, true, "template, which an endpoint offers to frontends")                \
    X(RENEW, "request", BODY, FILE, true, "file of the CMS of the renewal, DER, or - for standard input")    \
    X(RENEW, "context", BODY, JSON, false, "ContextItems, an object of texts")                               \
    X(RENEW, "endpoint", BODY, NAME, false, "enrollment endpoint, where several offer the template")         \
    X(RENEW, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")                  \
    X(TOKEN_CHECK, "token", BODY, SECRET, true, "text of the token")                                         \
    X(TOKEN_CHECK, "tenant", BODY, NAME, false, "whose it is; needed if there are more than one")            \
    X(SIMULATE, "principal", BODY, TEXT, true, "who asks")                                                   \
    X(SIMULATE, "csr", BODY, FILE, true, "file of the CSR, DER or PEM, or - for standard input")             \
    X(SIMULATE, "endpoint", BODY, NAME, false, "enrollment endpoint that is asked")                          \
    X(SIMULATE, "template", BODY, NAME, false, "template in place of an endpoint that offers it")            \
    X(SIMULATE, "credential", BODY, NAME, false, "kind of credential (the first of the endpoint)")           \
    X(SIMULATE, "upn", BODY, TEXT, false, "UPN that the credential says")                                    \
    X(SIMULATE, "user_id", BODY, TEXT, false, "id of the user that the credential says")                     \
    X(SIMULATE, "device_id", BODY, NAME, false, "DeviceID of the request (SIMULATED)")                       \
    X(SIMULATE, "type", BODY, STATE, false, "EnrollmentType of the request: full or device (device)")        \
    X(SIMULATE, "tenant", BODY, NAME, false, "only what is this tenant's")                                   \
    X(SIMULATE, "renews", BODY, TEXT, false, "renewal of this certificate: its serial number or thumbprint")

enum verb_id {
#define X(id, ...) VERB_##id,
    IPC_VERBS(X)
#undef X
        VERB__MAX
};

/** What a caller may be; a set. Admin includes officer includes viewer; frontend stands apart. */
enum verb_role {
    VERB_ROLE_NONE = 0,
    VERB_ROLE_VIEWER = 1,
    VERB_ROLE_OFFICER = 2,
    VERB_ROLE_ADMIN = 4,
    VERB_ROLE_FRONTEND = 8, /* bound to tenants: a verb that it may use names one, daemon/control/scope.h */
    VERB_ROLE_VIEWER_FE = VERB_ROLE_VIEWER | VERB_ROLE_FRONTEND,
    VERB_ROLE_OFFICER_FE = VERB_ROLE_OFFICER | VERB_ROLE_FRONTEND,
    VERB_ROLE_ADMIN_FE = VERB_ROLE_ADMIN | VERB_ROLE_FRONTEND,
};

enum verb_target { VERB_TARGET_CONTROL, VERB_TARGET_MAIN, VERB_TARGET_ISSUER, VERB_TARGET_AUTH };

/** OBJECT: one JSON object. LIST: {"items": [...], "next": cursor or null}. TEXT: no JSON, but for errors. */
enum verb_shape { VERB_SHAPE_OBJECT, VERB_SHAPE_LIST, VERB_SHAPE_TEXT };

enum verb_place { VERB_PLACE_PATH, VERB_PLACE_QUERY, VERB_PLACE_BODY };

enum verb_arg_type {
    VERB_ARG_NAME,     /* 1..64 of A-Z a-z 0-9 . _ -, not starting with a dot: a name of the configuration */
    VERB_ARG_TEXT,     /* 1..256 bytes UTF-8 without control characters */
    VERB_ARG_STATE,    /* one of a few words, as a state of ledger/read.h: 1..32 lower-case letters */
    VERB_ARG_LIMIT,    /* 1..VERB_LIMIT_MAX, decimal */
    VERB_ARG_COUNT,    /* 1..999999999, decimal */
    VERB_ARG_DURATION, /* of base/timefmt.h, as 90s */
    VERB_ARG_HANDLE,   /* 1..32 lower-case hexadecimal digits: never the text of a token, typed by mistake */
    VERB_ARG_FLAG,     /* true or false: in JSON a boolean, of pkienrollctl an option without a value */
    VERB_ARG_CURSOR,   /* 1..256 printable ASCII characters; opaque */
    VERB_ARG_FILE,     /* content of a file, 1..VERB_FILE_MAX bytes, in base64; pkienrollctl takes its name */
    VERB_ARG_JSON,     /* 2..VERB_JSON_MAX bytes: a JSON object or array */
    VERB_ARG_SECRET, /* 1..1024 bytes UTF-8 without control characters; never in a path, a log or the audit */
};

#define VERB_LIMIT_DEFAULT 100
#define VERB_LIMIT_MAX     500
#define VERB_FILE_MAX      (24u << 10)
#define VERB_JSON_MAX      (60u << 10)

struct verb {
    enum verb_id id;
    const char *token, *method, *path, *words;
    enum verb_role role;
    enum verb_target target;
    enum verb_shape shape;
    unsigned seconds;
    const char *help;
};

struct verb_arg {
    enum verb_id verb;
    const char *name;
    enum verb_place place;
    enum verb_arg_type type;
    bool required;
    const char *help;
};

extern const struct verb verbs[VERB__MAX];

/** The verb with this token; NULL when there is none. */
const struct verb *verb_by_token(const char *token);

/**
 * The verb whose words are the longest prefix of @p words; NULL when there is none. *used: words taken.
 */
const struct verb *verb_by_words(char *const *words, size_t n, size_t *used);

/**
 * The verb for a method and a path as sent. *value is the still percent-encoded {segment}, empty when there
 * is none.
 * @return PKE_OK; PKE_NOT_FOUND; PKE_UNSUPPORTED when the path exists, but not with this method: then *ret is
 *         one that does.
 */
enum pke_err verb_match(struct pke_bytes method, struct pke_bytes path, const struct verb **ret,
                        struct pke_bytes *value);

/** Go through the arguments of a verb: start with NULL, ends with NULL. */
const struct verb_arg *verb_arg_next(const struct verb *v, const struct verb_arg *previous);

/** The argument @p name that stands in @p place; NULL when the verb has none. */
const struct verb_arg *verb_arg_find(const struct verb *v, enum verb_place place, struct pke_bytes name);

/** An argument that pkienrollctl takes as a word: what is in the path, or required in the body, and no
 * secret. */
bool verb_arg_is_word(const struct verb_arg *a);

/** An argument that pkienrollctl takes as --name VALUE, of a flag --name; '-' for each '_' of the name: what
 * is neither a word nor a secret. */
bool verb_arg_is_option(const struct verb_arg *a);

/** PKE_OK, or PKE_MALFORMED saying what the argument must look like (never repeating the value). */
enum pke_err verb_arg_check(const struct verb_arg *a, struct pke_bytes value, struct pke_fail *fail);

/** Append the path of @p v with @p value in the place of its {segment}, percent-encoded. */
enum pke_err verb_path_write(const struct verb *v, const char *value, struct pke_buf *out);

/** Append @p in, percent-encoded but for the unreserved characters of RFC 3986 2.3. */
enum pke_err verb_pct_encode(struct pke_bytes in, struct pke_buf *out);

/**
 * Append @p in, percent-decoded; '+' stands for itself (RFC 3986).
 * @return PKE_OK; PKE_MALFORMED for a '%' without two hexadecimal digits and for %00.
 */
enum pke_err verb_pct_decode(struct pke_bytes in, struct pke_buf *out);

/** Highest role of a set: "admin", "officer", "viewer", "frontend" or "none". */
const char *verb_role_name(unsigned roles);

/** The set that a role of the ladder stands for: admin gives admin, officer and viewer. */
unsigned verb_role_expand(unsigned roles);

#endif
