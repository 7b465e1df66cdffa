/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <time.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "probe/security.h"

#define PASSWORD_TYPE \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
#define VALUE_TYPE_JWT "urn:ietf:params:oauth:token-type:jwt"
#define MASK           "********"
#define LIFETIME       300 /* seconds between Created and Expires */

enum credential {
    BY_NOTHING, /* the TLS client certificate stands for it */
    BY_PASSWORD,
    BY_EMPTY_PASSWORD, /* MS-MDE2 4.4: an automatic renewal */
    BY_TOKEN,
    BY_JWT,
    BY_SIGNATURE,
};

static enum credential credential_of(const struct probe *p, enum message_kind kind)
{
    if (kind == MESSAGE_RENEW && !p->opt.manual)
        return BY_EMPTY_PASSWORD;
    if (p->opt.sign)
        return BY_SIGNATURE;
    if (p->opt.token)
        return BY_TOKEN;
    if (p->opt.jwt)
        return BY_JWT;
    if (p->opt.password)
        return BY_PASSWORD;
    return p->opt.user ? BY_EMPTY_PASSWORD : BY_NOTHING;
}

bool security_is_secret(const struct probe *p, enum message_kind kind)
{
    enum credential by = credential_of(p, kind);
    return by == BY_PASSWORD || by == BY_TOKEN || by == BY_JWT;
}

bool security_is_signed(const struct probe *p, enum message_kind kind)
{
    return credential_of(p, kind) == BY_SIGNATURE;
}

static void add_timestamp(struct pke_buf *out)
{
    char created[PKE_RFC3339_SIZE], expires[PKE_RFC3339_SIZE];
    int64_t now = (int64_t)time(NULL);
    pke_time_rfc3339(now, created);
    pke_time_rfc3339(now + LIFETIME, expires);
    pke_buf_printf(
        out, "<u:Timestamp u:Id=\"_0\"><u:Created>%s</u:Created><u:Expires>%s</u:Expires></u:Timestamp>",
        created, expires);
}

/* MS-MDE2 3.4.4.1.1.1: what the sign-in page posted, or what Entra ID issued, as the client passes it on:
 * base64 once more, also around a JWT. */
static void add_token(struct pke_bytes token, const char *value_type, bool masked, struct pke_buf *out)
{
    pke_buf_printf(out, "<wsse:BinarySecurityToken ValueType=\"%s\" EncodingType=\"" ENCODING_BASE64 "\">",
                   value_type);
    if (masked)
        pke_buf_add_str(out, MASK);
    else
        pke_base64_encode(token, PKE_B64_STRICT, out);
    pke_buf_add_str(out, "</wsse:BinarySecurityToken>");
}

static void add_username(const char *user, struct pke_bytes password, struct pke_buf *out)
{
    pke_buf_add_str(out, "<wsse:UsernameToken u:Id=\"uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4\">"
                         "<wsse:Username>");
    message_escape(pke_bytes_str(user), out);
    pke_buf_add_str(out, "</wsse:Username><wsse:Password wsse:Type=\"" PASSWORD_TYPE "\">");
    message_escape(password, out);
    pke_buf_add_str(out, "</wsse:Password></wsse:UsernameToken>");
}

/* The samples give the token another type, and its Id another namespace, in the two messages. */
static void add_certificate(const struct probe *p, enum message_kind kind, struct pke_buf *out)
{
    bool policy = kind == MESSAGE_POLICY;
    unsigned char *der = NULL;
    int n = i2d_X509(p->client_cert, &der);
    if (n <= 0)
        pke_oom();
    pke_buf_printf(out,
                   "<wsse:BinarySecurityToken ValueType=\"%s\" EncodingType=\"" ENCODING_BASE64
                   "\" %s=\"uuid-"
                   "29801C2F-F26B-46AD-984B-AFAEFB545FF8\">",
                   policy ? WSS_X509 "#X509v3" : VALUE_TYPE_USER_TOKEN, policy ? "Id" : "u:Id");
    pke_base64_encode(PKE_BYTES(der, (size_t)n), PKE_B64_STRICT, out);
    pke_buf_add_str(out, "</wsse:BinarySecurityToken>");
    OPENSSL_free(der);
}

void security_add(const struct probe *p, enum message_kind kind, bool masked, struct pke_buf *out)
{
    enum credential by = credential_of(p, kind);
    pke_buf_add_str(out, "<wsse:Security s:mustUnderstand=\"1\">");
    if (by == BY_EMPTY_PASSWORD || by == BY_NOTHING || by == BY_SIGNATURE)
        add_timestamp(out);
    if (by == BY_TOKEN)
        add_token(pke_secret_bytes(p->opt.token), VALUE_TYPE_USER_TOKEN, masked, out);
    else if (by == BY_JWT)
        add_token(pke_secret_bytes(p->opt.jwt),
                  p->opt.jwt_kind == PROBE_JWT_ENTRA ? VALUE_TYPE_JWT : VALUE_TYPE_USER_TOKEN, masked, out);
    else if (by == BY_SIGNATURE)
        add_certificate(p, kind, out);
    else if (by == BY_PASSWORD)
        add_username(p->opt.user, masked ? pke_bytes_str(MASK) : pke_secret_bytes(p->opt.password), out);
    else if (by == BY_EMPTY_PASSWORD)
        add_username(p->opt.user ? p->opt.user : "", pke_bytes_str(""), out);
    pke_buf_add_str(out, "</wsse:Security>");
}
