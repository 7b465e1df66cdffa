/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows maps the first known word of ErrorType, else of Subcode, to an HRESULT (mdm.md 13.4); the word
 * NotEligibleToRenew counts in the Reason, too. So the specific word stands in ErrorType alone.
 */
#include "proto/fault.h"

#include <string.h>

#include "proto/ns.h"

#define RENEW_WORD "NotEligibleToRenew"

#define MESSAGE_FORMAT      "s:MessageFormat"
#define AUTHENTICATION      "s:Authentication"
#define AUTHORIZATION       "s:Authorization"
#define CERTIFICATE_REQUEST "s:CertificateRequest"
#define ENROLLMENT_SERVER   "s:EnrollmentServer"
#define INTERNAL_SERVICE    "a:InternalServiceFault"
#define INVALID_SECURITY    "a:InvalidSecurity"

struct row {
    struct fault_mdm fault;
    const char *text; /* what the client is told */
    bool own_text;    /* fail->text may be shown instead: written for people, tells nothing about us */
};

static const struct row rows[PKE_ERR_MAX] = {
    [PKE_OK] = {{INTERNAL_SERVICE, NULL, 500}, "Internal error", false},
    [PKE_MALFORMED] = {{MESSAGE_FORMAT, NULL, 500}, "The request could not be parsed", true},
    [PKE_LIMIT] = {{MESSAGE_FORMAT, NULL, 500}, "The request is too large", false},
    [PKE_UNSUPPORTED] = {{AUTHORIZATION, "NotSupported", 500},
                         "This kind of enrollment is not offered",
                         false},
    [PKE_INVALID_SECURITY] = {{INVALID_SECURITY, NULL, 500}, "Security header could not be processed", false},
    [PKE_UNAUTHENTICATED] = {{AUTHENTICATION, NULL, 500}, "The credential was refused", false},
    [PKE_DENIED] = {{AUTHORIZATION, NULL, 500}, "User is not allowed to enroll devices", false},
    [PKE_QUOTA] = {{AUTHORIZATION, "DeviceCapReached", 500}, "Device limit reached", false},
    [PKE_POLICY] = {{AUTHORIZATION, NULL, 500}, "Enrollment is refused by policy", false},
    [PKE_DEVICE_UNSUPPORTED] = {{AUTHORIZATION, "DeviceNotSupported", 500},
                                "This kind of device cannot be enrolled",
                                false},
    [PKE_LICENSE] = {{AUTHORIZATION, "UserLicense", 500}, "The user has no licence for this", false},
    [PKE_CUSTOM] = {{ENROLLMENT_SERVER, "CustomServerError", 500}, "Enrollment is refused", true},
    [PKE_ENROLLMENT_DATA] = {{AUTHORIZATION, "InvalidEnrollmentData", 500},
                             "Mandatory enrollment data is missing or invalid",
                             true},
    [PKE_CSR_BAD] = {{CERTIFICATE_REQUEST, NULL, 500}, "The certificate request is not acceptable", true},
    [PKE_KEY_WEAK] = {{CERTIFICATE_REQUEST, NULL, 500}, "The key of the request is not acceptable", true},
    [PKE_TEMPLATE] = {{AUTHORIZATION, NULL, 500}, "The certificate template cannot be used", false},
    [PKE_RENEW_INELIGIBLE] = {{CERTIFICATE_REQUEST, RENEW_WORD, 500},
                              "The certificate cannot be renewed",
                              false},
    [PKE_NOT_FOUND] = {{INTERNAL_SERVICE, NULL, 500}, "Internal error", false},
    [PKE_EXISTS] = {{INTERNAL_SERVICE, NULL, 500}, "Internal error", false},
    [PKE_PENDING] = {{ENROLLMENT_SERVER, "CustomServerError", 500},
                     "Waiting for approval, try again later",
                     true},
    [PKE_BUSY] = {{ENROLLMENT_SERVER, NULL, 500}, "The server is busy, try again later", false},
    [PKE_DEADLINE] = {{ENROLLMENT_SERVER, NULL, 500}, "The server is busy, try again later", false},
    [PKE_MAINTENANCE] = {{ENROLLMENT_SERVER, "InMaintenance", 503}, "The server is in maintenance", false},
    [PKE_KEY_DOWN] = {{ENROLLMENT_SERVER, NULL, 500}, "The server cannot issue certificates now", false},
    [PKE_KEY_LOCKED] = {{ENROLLMENT_SERVER, NULL, 500}, "The server cannot issue certificates now", false},
    [PKE_STORE_DOWN] = {{ENROLLMENT_SERVER, NULL, 500}, "The server cannot issue certificates now", false},
    [PKE_STALE] = {{ENROLLMENT_SERVER, NULL, 500}, "The server is busy, try again later", false},
    [PKE_CONFIG] = {{ENROLLMENT_SERVER, NULL, 500}, "The server cannot issue certificates now", false},
    [PKE_INTERNAL] = {{INTERNAL_SERVICE, NULL, 500}, "Internal error", false},
};

_Static_assert(sizeof rows / sizeof *rows == PKE_INTERNAL + 1, "every error class has a row");

static const struct row *row_of(enum pke_err err)
{
    return &rows[(unsigned)err < PKE_ERR_MAX ? err : PKE_INTERNAL];
}

const struct fault_mdm *fault_mdm_lookup(enum pke_err err)
{
    return &row_of(err)->fault;
}

const char *fault_mdm_text(const struct pke_fail *fail)
{
    const struct row *row = row_of(fail->err);

    if (!row->own_text || !*fail->text || strcasestr(fail->text, RENEW_WORD))
        return row->text;
    return fail->text;
}

static void add(struct pke_buf *out, const char *s)
{
    (void)pke_buf_add_str(out, s);
}

enum pke_err fault_mdm_write(const struct pke_fail *fail, const char *trace_id, const char *language,
                             struct pke_buf *out)
{
    const struct fault_mdm *f = fault_mdm_lookup(fail->err);
    const char *text = fault_mdm_text(fail);

    add(out, "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value");
    if (strncmp(f->subcode, "a:", 2) == 0) /* "a" is WS-Addressing in the envelope around this */
        add(out, " xmlns:a=\"" NS_DISP "\"");
    (void)pke_buf_printf(out, ">%s</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"", f->subcode);
    (void)xml_escape(out, language ? language : "en-US");
    add(out, "\">");
    (void)xml_escape(out, text);
    add(out, "</s:Text></s:Reason><s:Detail><DeviceEnrollmentServiceError xmlns=\"" NS_WSTEP "\">");
    if (f->error_type)
        xml_add_element(out, "ErrorType", f->error_type);
    xml_add_element(out, "Message", text);
    xml_add_element(out, "TraceId", trace_id ? trace_id : "");
    add(out, "</DeviceEnrollmentServiceError></s:Detail></s:Fault>");
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
