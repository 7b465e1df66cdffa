/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/message.h"

#define WSS_UTILITY "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define WSS_SECEXT  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define PASSWORD_TYPE \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
#define ANONYMOUS          "http://www.w3.org/2005/08/addressing/anonymous"
#define AUTHORIZATION      "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define POLICY_NS          "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define VALUE_TYPE_PKCS10  "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10"
#define REQUEST_TYPE_ISSUE "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue"
#define OS_VERSION         "10.0.22631.3235"
#define LINE               64

const char *message_new_id(struct pke_arena *arena)
{
    uint8_t raw[16];
    char uuid[PKE_UUID_LEN + 1];
    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, uuid);
    return pke_arena_printf(arena, "urn:uuid:%s", uuid);
}

static void add_escaped(struct pke_buf *out, struct pke_bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            pke_buf_add_str(out, "&amp;");
            break;
        case '<':
            pke_buf_add_str(out, "&lt;");
            break;
        case '>':
            pke_buf_add_str(out, "&gt;");
            break;
        case '\r':
            pke_buf_add_str(out, "&#xD;");
            break;
        default:
            pke_buf_add_u8(out, text.p[i]);
        }
    }
}

#define MASK "********"

/* MS-MDE2 3.4.4.1.1.1: what the sign-in page posted, as the client passes it on. */
static void add_token(const struct probe *p, bool masked, struct pke_buf *out)
{
    pke_buf_add_str(out, "<wsse:Security s:mustUnderstand=\"1\"><wsse:BinarySecurityToken "
                         "ValueType=\"" VALUE_TYPE_USER_TOKEN "\" EncodingType=\"" ENCODING_BASE64 "\">");
    if (masked)
        pke_buf_add_str(out, MASK);
    else
        pke_base64_encode(pke_secret_bytes(p->opt.token), PKE_B64_STRICT, out);
    pke_buf_add_str(out, "</wsse:BinarySecurityToken></wsse:Security>");
}

static void add_security(const struct probe *p, bool masked, struct pke_buf *out)
{
    if (p->opt.token) {
        add_token(p, masked, out);
        return;
    }
    struct pke_bytes password = masked ? pke_bytes_str(MASK) : pke_secret_bytes(p->opt.password);
    pke_buf_add_str(out, "<wsse:Security s:mustUnderstand=\"1\"><wsse:UsernameToken "
                         "u:Id=\"uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4\"><wsse:Username>");
    add_escaped(out, pke_bytes_str(p->opt.user));
    pke_buf_add_str(out, "</wsse:Username><wsse:Password wsse:Type=\"" PASSWORD_TYPE "\">");
    add_escaped(out, password);
    pke_buf_add_str(out, "</wsse:Password></wsse:UsernameToken></wsse:Security>");
}

static void add_header(const struct probe *p, const char *action, const char *message_id, const char *to,
                       bool masked, struct pke_buf *out)
{
    pke_buf_add_str(out, "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
                         "xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:u=\"" WSS_UTILITY "\" "
                         "xmlns:wsse=\"" WSS_SECEXT
                         "\" xmlns:wst=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\" "
                         "xmlns:ac=\"" AUTHORIZATION "\"><s:Header><a:Action s:mustUnderstand=\"1\">");
    pke_buf_add_str(out, action);
    pke_buf_printf(out,
                   "</a:Action><a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>" ANONYMOUS
                   "</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">",
                   message_id);
    add_escaped(out, pke_bytes_str(to));
    pke_buf_add_str(out, "</a:To>");
    add_security(p, masked, out);
    pke_buf_add_str(out, "</s:Header>");
}

void message_get_policies(const struct probe *p, const char *message_id, bool masked, struct pke_buf *out)
{
    add_header(p, ACTION_GET_POLICIES, message_id, p->opt.policy_url, masked, out);
    pke_buf_add_str(out,
                    "<s:Body xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><GetPolicies xmlns=\"" POLICY_NS "\">"
                    "<client><lastUpdate xsi:nil=\"true\"/><preferredLanguage xsi:nil=\"true\"/></client>"
                    "<requestFilter xsi:nil=\"true\"/></GetPolicies></s:Body></s:Envelope>");
}

/* Windows breaks base64 at 64 columns, the last line too. */
static void add_wrapped_base64(struct pke_bytes raw, struct pke_buf *out)
{
    struct pke_buf text PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&text, MESSAGE_MAX);
    pke_base64_encode(raw, PKE_B64_STRICT, &text);
    for (size_t i = 0; i < text.n; i += LINE) {
        pke_buf_add(out, text.p + i, text.n - i < LINE ? text.n - i : LINE);
        pke_buf_add_u8(out, '\n');
    }
}

static void add_item(struct pke_buf *out, const char *name, const char *value)
{
    pke_buf_printf(out, "<ac:ContextItem Name=\"%s\"><ac:Value>", name);
    add_escaped(out, pke_bytes_str(value));
    pke_buf_add_str(out, "</ac:Value></ac:ContextItem>");
}

/* MAC address number @which of the device: locally administered, the same in every run of this device. */
static void add_mac(struct pke_buf *out, const uint8_t hash[32], unsigned which)
{
    char text[18];
    snprintf(text, sizeof text, "%02X-%02X-%02X-%02X-%02X-%02X", (hash[0] & 0xfcu) | 2u, hash[1], hash[2],
             hash[3], hash[4], (hash[5] + which) & 0xffu);
    add_item(out, "MAC", text);
}

/* MS-MDE2 3.4.4.1.1.1: what a desktop that was enrolled from Settings says about itself. */
static void add_context(const struct probe *p, struct pke_buf *out)
{
    bool full = p->opt.type == PROBE_FULL;
    uint8_t hash[32];
    char hardware[65];
    char *named PKE_CLEANUP(pke_free_p) = pke_asprintf("DESKTOP-%.7s", p->device_id);
    if (EVP_Digest(p->device_id, strlen(p->device_id), hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, sizeof hash), true, hardware);
    pke_buf_add_str(out, "<ac:AdditionalContext xmlns=\"" AUTHORIZATION "\">");
    add_item(out, "UXInitiated", "true");
    add_item(out, "HWDevID", hardware);
    add_item(out, "Locale", "en-US");
    add_item(out, "TargetedUserLoggedIn", full ? "true" : "false");
    add_item(out, "OSEdition", "48");
    add_item(out, "DeviceName", p->opt.device_name ? p->opt.device_name : named);
    add_mac(out, hash, 0);
    add_mac(out, hash, 1);
    add_item(out, "DeviceID", p->device_id);
    add_item(out, "EnrollmentType", full ? "Full" : "Device");
    add_item(out, "DeviceType", "CIMClient_Windows");
    add_item(out, "OSVersion", OS_VERSION);
    add_item(out, "ApplicationVersion", OS_VERSION);
    add_item(out, "NotInOobe", "true");
    add_item(out, "RequestVersion", "4.0");
    pke_buf_add_str(out, "</ac:AdditionalContext>");
}

void message_request_token(const struct probe *p, const char *message_id, bool masked, struct pke_buf *out)
{
    add_header(p, ACTION_RST, message_id, p->opt.enroll_url, masked, out);
    pke_buf_add_str(out,
                    "<s:Body><wst:RequestSecurityToken><wst:TokenType>" TOKEN_TYPE_DEVICE "</wst:TokenType>"
                    "<wst:RequestType>" REQUEST_TYPE_ISSUE "</wst:RequestType><wsse:BinarySecurityToken "
                    "ValueType=\"" VALUE_TYPE_PKCS10 "\" EncodingType=\"" ENCODING_BASE64 "\">");
    add_wrapped_base64(pke_buf_bytes(&p->csr), out);
    pke_buf_add_str(out, "</wsse:BinarySecurityToken>");
    add_context(p, out);
    pke_buf_add_str(out, "</wst:RequestSecurityToken></s:Body></s:Envelope>");
}
