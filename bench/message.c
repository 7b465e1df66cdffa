/* SPDX-License-Identifier: Apache-2.0 */
/* The two requests of an MDM enrollment, as Windows 11 writes them, with the HTTP around them. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "bench/bench.h"

#define MAX_TEXT  65536
#define LINE      64
#define WSS       "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
#define WSA       "http://www.w3.org/2005/08/addressing"
#define WST       "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define AUTH      "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define MS        "http://schemas.microsoft.com/windows/pki/2009/01/"
#define DEVICE_TT "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"

void bench_message_id(size_t id, char out[46])
{
    snprintf(out, 46, "urn:uuid:00000000-0000-4000-8000-%012zx", id & 0xffffffffffff);
}

static void add_header(const struct bench_options *o, const char *action, size_t id, const char *password,
                       struct pke_buf *out)
{
    char message_id[46];

    bench_message_id(id, message_id);
    pke_buf_printf(
        out,
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"" WSA "\" xmlns:u=\"" WSS
        "wssecurity-utility-1.0.xsd\" xmlns:wsse=\"" WSS "wssecurity-secext-1.0.xsd\" xmlns:wst=\"" WST
        "\" xmlns:ac=\"" AUTH "\"><s:Header><a:Action s:mustUnderstand=\"1\">" MS
        "%s</a:Action><a:MessageID>%s</a:MessageID>"
        "<a:ReplyTo><a:Address>" WSA "/anonymous</a:Address></a:ReplyTo>"
        "<a:To s:mustUnderstand=\"1\">https://%s%s</a:To>"
        "<wsse:Security s:mustUnderstand=\"1\"><wsse:UsernameToken u:Id=\"uuid-1\"><wsse:Username>%s"
        "</wsse:Username><wsse:Password wsse:Type=\"" WSS
        "username-token-profile-1.0#PasswordText\">%s</wsse:Password></wsse:UsernameToken>"
        "</wsse:Security></s:Header>",
        action, message_id, o->address, o->path, o->user, password);
}

static void add_policy_body(struct pke_buf *out)
{
    pke_buf_add_str(out,
                    "<s:Body xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><GetPolicies xmlns=\"" MS
                    "enrollmentpolicy\"><client><lastUpdate xsi:nil=\"true\"/><preferredLanguage "
                    "xsi:nil=\"true\"/></client><requestFilter xsi:nil=\"true\"/></GetPolicies></s:Body>");
}

static void add_item(struct pke_buf *out, const char *name, const char *value)
{
    pke_buf_printf(out, "<ac:ContextItem Name=\"%s\"><ac:Value>%s</ac:Value></ac:ContextItem>", name, value);
}

static void add_context(const char *device_id, struct pke_buf *out)
{
    static const char *const items[][2] = {{"UXInitiated", "true"},
                                           {"Locale", "en-US"},
                                           {"TargetedUserLoggedIn", "true"},
                                           {"OSEdition", "48"},
                                           {"MAC", "A2-19-7D-41-B3-9C"},
                                           {"MAC", "A2-19-7D-41-B3-9D"},
                                           {"EnrollmentType", "Full"},
                                           {"DeviceType", "CIMClient_Windows"},
                                           {"OSVersion", "10.0.22631.3235"},
                                           {"ApplicationVersion", "10.0.22631.3235"},
                                           {"NotInOobe", "true"},
                                           {"RequestVersion", "4.0"}};
    char name[32];

    snprintf(name, sizeof name, "DESKTOP-%.7s", device_id);
    pke_buf_add_str(out, "<ac:AdditionalContext xmlns=\"" AUTH "\">");
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        add_item(out, items[i][0], items[i][1]);
    add_item(out, "DeviceName", name);
    add_item(out, "HWDevID", device_id);
    add_item(out, "DeviceID", device_id);
    pke_buf_add_str(out, "</ac:AdditionalContext>");
}

static void add_request_body(const struct bench_csr *csr, struct pke_buf *out)
{
    struct pke_buf text;

    pke_buf_init(&text, MAX_TEXT);
    pke_base64_encode(csr->der, PKE_B64_STRICT, &text);
    pke_buf_add_str(out, "<s:Body><wst:RequestSecurityToken><wst:TokenType>" DEVICE_TT
                         "</wst:TokenType><wst:RequestType>" WST "/Issue</wst:RequestType>"
                         "<wsse:BinarySecurityToken ValueType=\"" MS "enrollment#PKCS10\" EncodingType=\"" WSS
                         "wssecurity-secext-1.0.xsd#base64binary\">");
    for (size_t i = 0; i < text.n; i += LINE) {
        pke_buf_add(out, text.p + i, text.n - i < LINE ? text.n - i : LINE);
        pke_buf_add_str(out, "\n");
    }
    pke_buf_add_str(out, "</wsse:BinarySecurityToken>");
    add_context(csr->device_id, out);
    pke_buf_add_str(out, "</wst:RequestSecurityToken></s:Body>");
    pke_buf_done(&text);
}

void bench_message(const struct bench_options *o, const char *password, const struct bench_csr *csr,
                   size_t id, struct pke_buf *out)
{
    struct pke_buf body;

    pke_buf_init(&body, MAX_TEXT);
    add_header(o, csr ? "enrollment/RST/wstep" : "enrollmentpolicy/IPolicy/GetPolicies", id, password, &body);
    if (csr)
        add_request_body(csr, &body);
    else
        add_policy_body(&body);
    pke_buf_add_str(&body, "</s:Envelope>");
    pke_buf_printf(out,
                   "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ENROLLClient\r\n"
                   "Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                   o->path, o->address, body.n);
    pke_buf_add_bytes(out, pke_buf_bytes(&body));
    pke_buf_done(&body);
}
