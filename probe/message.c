/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/security.h"

#define ANONYMOUS     "http://www.w3.org/2005/08/addressing/anonymous"
#define AUTHORIZATION "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define POLICY_NS     "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define ENROLLMENT    "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
#define TRUST         "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define LINE          64

const char *message_new_id(struct pke_arena *arena)
{
    uint8_t raw[16];
    char uuid[PKE_UUID_LEN + 1];
    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, uuid);
    return pke_arena_printf(arena, "urn:uuid:%s", uuid);
}

void message_escape(struct pke_bytes text, struct pke_buf *out)
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

static void add_header(const struct probe *p, enum message_kind kind, const char *message_id, bool masked,
                       struct pke_buf *out)
{
    bool policy = kind == MESSAGE_POLICY;
    pke_buf_add_str(out, "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
                         "xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:u=\"" WSS_UTILITY "\" "
                         "xmlns:wsse=\"" WSS_SECEXT "\" xmlns:wst=\"" TRUST "\" "
                         "xmlns:ac=\"" AUTHORIZATION "\"><s:Header><a:Action s:mustUnderstand=\"1\">");
    pke_buf_add_str(out, policy ? ACTION_GET_POLICIES : ACTION_RST);
    pke_buf_printf(out,
                   "</a:Action><a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>" ANONYMOUS
                   "</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">",
                   message_id);
    message_escape(pke_bytes_str(policy ? p->opt.policy_url : p->opt.enroll_url), out);
    pke_buf_add_str(out, "</a:To>");
    security_add(p, kind, masked, out);
    pke_buf_add_str(out, "</s:Header>");
}

static void add_get_policies(struct pke_buf *out)
{
    pke_buf_add_str(out,
                    "<s:Body xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><GetPolicies xmlns=\"" POLICY_NS "\">"
                    "<client><lastUpdate xsi:nil=\"true\"/><preferredLanguage xsi:nil=\"true\"/></client>"
                    "<requestFilter xsi:nil=\"true\"/></GetPolicies></s:Body></s:Envelope>");
}

/* Certificate renewal, client configuration: an automatic renewal encodes the CMS once, one by hand twice. */
static void add_cms(const struct probe *p, struct pke_buf *out)
{
    struct pke_buf inner PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&inner, MESSAGE_MAX);
    if (p->opt.manual)
        pke_base64_encode(pke_buf_bytes(&p->cms), PKE_B64_STRICT, &inner);
    else
        pke_buf_add_bytes(&inner, pke_buf_bytes(&p->cms));
    add_wrapped_base64(pke_buf_bytes(&inner), out);
}

static const char *value_type(const struct probe *p, enum message_kind kind)
{
    if (kind != MESSAGE_RENEW)
        return ENROLLMENT "#PKCS10";
    return p->opt.value_type == PROBE_PKCS7_SECEXT ? WSS_SECEXT "#PKCS7" : ENROLLMENT "#PKCS7";
}

static void add_request(const struct probe *p, enum message_kind kind, struct pke_buf *out)
{
    static const char *const types[] = {"", "Issue", "Renew", "Recovery"};
    pke_buf_printf(out,
                   "<s:Body><wst:RequestSecurityToken><wst:TokenType>" TOKEN_TYPE_DEVICE "</wst:TokenType>"
                   "<wst:RequestType>" TRUST "/%s</wst:RequestType><wsse:BinarySecurityToken "
                   "ValueType=\"%s\" EncodingType=\"" ENCODING_BASE64 "\">",
                   types[kind], value_type(p, kind));
    if (kind == MESSAGE_RENEW)
        add_cms(p, out);
    else
        add_wrapped_base64(pke_buf_bytes(&p->csr), out);
    pke_buf_add_str(out, "</wsse:BinarySecurityToken>");
    context_add(p, out);
    pke_buf_add_str(out, "</wst:RequestSecurityToken></s:Body></s:Envelope>");
}

bool message_write(const struct probe *p, enum message_kind kind, const char *message_id, bool masked,
                   struct pke_buf *out)
{
    add_header(p, kind, message_id, masked, out);
    if (kind == MESSAGE_POLICY)
        add_get_policies(out);
    else
        add_request(p, kind, out);
    return !security_is_signed(p, kind) || signature_insert(p, out);
}
