/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "base/mem.h"
#include "probe/exchange.h"

/* MS-MDE2 2.2.10 and what Windows was seen to do: words that the client looks for, case-sensitive and as
 * substrings; the first hit wins. */
static const struct word {
    const char *word;
    unsigned hresult;
    const char *symbol;
} words[] = {
    {"NotEligibleToRenew", 0x80180016, "MENROLL_E_NOTELIGIBLETORENEW"},
    {"MessageFormat", 0x80180001, "MENROLL_E_DEVICE_MESSAGE_FORMAT_ERROR"},
    {"Authentication", 0x80180002, "MENROLL_E_DEVICE_AUTHENTICATION_ERROR"},
    {"Authorization", 0x80180003, "MENROLL_E_DEVICE_AUTHORIZATION_ERROR"},
    {"CertificateRequest", 0x80180004, "MENROLL_E_DEVICE_CERTIFCATEREQUEST_ERROR"},
    {"CertificateAuthority", 0x80180004, "MENROLL_E_DEVICE_CERTIFCATEREQUEST_ERROR"},
    {"EnrollmentServer", 0x80180005, "MENROLL_E_DEVICE_CONFIGMGRSERVER_ERROR"},
    {"InternalServiceFault", 0x80180006, "MENROLL_E_DEVICE_INTERNALSERVICE_ERROR"},
    {"InternalServerFault", 0x80180006, "MENROLL_E_DEVICE_INTERNALSERVICE_ERROR"},
    {"InvalidSecurity", 0x80180007, "MENROLL_E_DEVICE_INVALIDSECURITY_ERROR"},
    {"DeviceCapReached", 0x80180013, "MENROLL_E_DEVICECAPREACHED"},
    {"DeviceNotSupported", 0x80180014, "MENROLL_E_DEVICENOTSUPPORTED"},
    {"NotSupported", 0x80180015, "MENROLL_E_NOTSUPPORTED"},
    {"InMaintenance", 0x80180017, "MENROLL_E_INMAINTENANCE"},
    {"UserLicense", 0x80180018, "MENROLL_E_USERLICENSE"},
    {"InvalidEnrollmentData", 0x80180019, "MENROLL_E_ENROLLMENTDATAINVALID"},
    {"CustomServerError", 0x80180032, "MENROLL_E_CUSTOMSERVERERROR"},
};

#define HRESULT_UNKNOWN 0x80180008u /* a fault whose words the client does not know */

static struct word read_code(const char *code, const char *reason)
{
    if (strstr(reason, words[0].word))
        return words[0]; /* looked for in the Reason too */
    for (size_t i = 0; i < PKE_LEN(words); i++)
        if (strstr(code, words[i].word))
            return words[i];
    return (struct word){"", HRESULT_UNKNOWN, ""};
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* A fault of another version or in lower case: the documentation's spelling, which the client does not see.
 */
static size_t misspelt(struct xml *x)
{
    return xml_count(x, NULL, "//*[local-name()='fault' or (local-name()='Fault' and not(self::s:Fault))]");
}

bool fault_read(struct probe *p, struct xml *x, long http_status)
{
    if (x && xml_count(x, NULL, "//s:Fault") == 0 && misspelt(x)) {
        verdict_check(p->verdict, false, "fault-spelling", "MS-MDE2 2.2.10",
                      "a fault that Windows cannot read (element names, namespace): it would show 0x%08X",
                      0x80190000u + (unsigned)http_status);
        return true;
    }
    if (!x || xml_count(x, NULL, "//s:Fault") == 0)
        return false;
    struct verdict_fault fault = {.http_status = http_status};
    fault.error_type =
        or_empty(xml_trimmed(x, NULL, "//s:Fault//s:Detail//e:DeviceEnrollmentServiceError//e:ErrorType"));
    fault.subcode = or_empty(xml_trimmed(x, NULL, "//s:Fault//s:Code//s:Subcode//s:Value"));
    fault.text = or_empty(xml_trimmed(x, NULL, "//s:Fault//s:Reason//s:Text"));
    fault.trace_id =
        or_empty(xml_trimmed(x, NULL, "//s:Fault//s:Detail//e:DeviceEnrollmentServiceError//e:TraceId"));
    const char *code = *fault.error_type ? fault.error_type : fault.subcode;
    struct word word =
        *code ? read_code(code, fault.text) : (struct word){"", 0x80190000u + (unsigned)http_status, ""};
    fault.hresult = word.hresult;
    fault.symbol = word.symbol;
    verdict_fault(p->verdict, &fault);
    return true;
}
