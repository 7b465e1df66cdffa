/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The one error vocabulary of the project.
 *
 * Library folders never log: they return an enum pke_err and describe the refusal in a struct pke_fail.
 * The daemon logs once, with the request's context; proto/fault_mdm.c is the only mapping to the MDM wire.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stddef.h>

/* name, token for JSON and logs, what it means to a person */
#define PKE_ERRORS(X)                                                                        \
    X(OK, "ok", "no error")                                                                  \
    X(MALFORMED, "malformed", "the request cannot be parsed")                                \
    X(LIMIT, "limit", "a size or count limit was exceeded")                                  \
    X(UNSUPPORTED, "unsupported", "the operation is not offered")                            \
    X(INVALID_SECURITY, "invalid-security", "the security header is absent or unusable")     \
    X(UNAUTHENTICATED, "unauthenticated", "the credential was refused")                      \
    X(DENIED, "denied", "the identity may not do this")                                      \
    X(QUOTA, "quota", "a quota is exhausted")                                                \
    X(POLICY, "policy", "refused by policy")                                                 \
    X(DEVICE_UNSUPPORTED, "device-unsupported", "policy excludes devices of this kind")      \
    X(LICENSE, "license", "the user has no licence for device management")                   \
    X(CUSTOM, "custom", "refused with a text of the administrator")                          \
    X(ENROLLMENT_DATA, "enrollment-data", "mandatory enrollment data is missing or invalid") \
    X(CSR_BAD, "csr-bad", "the certificate request is not acceptable")                       \
    X(KEY_WEAK, "key-weak", "the requested key is weak or malformed")                        \
    X(TEMPLATE, "template", "the certificate template does not exist or cannot be used")     \
    X(RENEW_INELIGIBLE, "renew-ineligible", "the certificate cannot be renewed")             \
    X(NOT_FOUND, "not-found", "no such object")                                              \
    X(EXISTS, "exists", "the object exists already")                                         \
    X(PENDING, "pending", "waiting for approval")                                            \
    X(BUSY, "busy", "the queue is full, try again later")                                    \
    X(DEADLINE, "deadline", "the request took too long")                                     \
    X(MAINTENANCE, "maintenance", "the service is in maintenance")                           \
    X(KEY_DOWN, "key-down", "the signing key is unavailable")                                \
    X(KEY_LOCKED, "key-locked", "the signing key refused its PIN and waits for an operator") \
    X(STORE_DOWN, "store-down", "the ledger is unavailable")                                 \
    X(STALE, "stale", "the configuration changed meanwhile")                                 \
    X(CONFIG, "config", "the configuration is not valid")                                    \
    X(INTERNAL, "internal", "unexpected internal error")

enum pke_err {
#define X(name, token, text) PKE_##name,
    PKE_ERRORS(X)
#undef X
        PKE_ERR_MAX
};

/** Why something was refused. Fixed size, so that it can be copied, sent and kept without ownership. */
struct pke_fail {
    enum pke_err err;
    char reason[48]; /* stable token, lower-case with dashes: "csr-key-roca" */
    char rule[72];   /* the rule that refused it: "RFC 2986 4.2", "MS-MDE2 3.4.4.1" */
    char text[256];  /* one sentence for people; no secrets, no file names, no client bytes unless escaped */
};

/** Token of an error class ("key-down"); "internal" when out of range. Static storage. */
const char *pke_err_token(enum pke_err err);

/** Class for a token; PKE_INTERNAL when unknown. */
enum pke_err pke_err_from_token(const char *token);

/**
 * Fill @p fail and return @p err, so that a refusal is one statement.
 * Control characters in the formatted text become '?'. @p fail may be NULL.
 */
enum pke_err pke_fail_set(struct pke_fail *fail, enum pke_err err, const char *reason, const char *rule,
                          const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
