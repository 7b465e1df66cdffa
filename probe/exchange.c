/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/csr.h"
#include "probe/exchange.h"
#include "probe/security.h"

/* what the client reports where there is no fault to read */
#define HRESULT_HTTP  0x80190000u
#define HRESULT_EMPTY 0x80180029u

static void save(struct probe *p, const struct exchange *ex, const char *what, struct pke_bytes content)
{
    char *name PKE_CLEANUP(pke_free_p) = pke_asprintf("%s.%s.xml", ex->name, what);
    artefacts_write(p->out, name, content);
}

static bool check_reached(struct probe *p, const struct exchange *ex, enum http_result result)
{
    const char *why = ex->reply.error;
    switch (result) {
    case HTTP_ANSWERED:
        return verdict_check(p->verdict, true, "reachable", "MS-MDE2 2.1", "%s", ex->url);
    case HTTP_UNREACHABLE:
        verdict_unreachable(p->verdict, why);
        return false;
    case HTTP_TLS:
        return verdict_check(p->verdict, false, "tls", "MS-MDE2 2.1", "%s", why);
    default:
        return verdict_check(p->verdict, false, "http", "RFC 9112", "%s", why);
    }
}

/* "application/soap+xml" with charset utf-8, parameters in any form */
static bool is_soap_type(const char *type)
{
    static const char media[] = "application/soap+xml";
    size_t n = sizeof media - 1;
    if (strncasecmp(type, media, n) != 0 || (type[n] && type[n] != ';' && type[n] != ' '))
        return false;
    const char *charset = strcasestr(type + n, "charset=");
    if (!charset)
        return false;
    charset += 8;
    charset += *charset == '"';
    return strncasecmp(charset, "utf-8", 5) == 0;
}

static void check_http(struct probe *p, const struct http_reply *reply)
{
    struct verdict *v = p->verdict;
    if (reply->content_length < 0)
        verdict_check(v, false, "content-length", "MS-MDE2 3.4.4.1.2", "the answer has no Content-Length");
    else
        verdict_check(v, true, "content-length", "MS-MDE2 3.4.4.1.2", "Content-Length %lld",
                      reply->content_length);
    verdict_check(v, !*reply->transfer_encoding, "not-chunked", "MS-MDE2 3.4.4.1.2", "%s",
                  *reply->transfer_encoding ? reply->transfer_encoding : "no Transfer-Encoding");
    verdict_check(v, is_soap_type(reply->content_type), "content-type", "SOAP 1.2 part 2, 7.1.4", "%s",
                  *reply->content_type ? reply->content_type : "the answer has no Content-Type");
}

static bool is_envelope(const struct xml *x)
{
    const xmlNode *root = xml_root(x);
    return root && root->ns && strcmp((const char *)root->name, "Envelope") == 0 &&
           strcmp((const char *)root->ns->href, "http://www.w3.org/2003/05/soap-envelope") == 0;
}

static bool check_body(struct probe *p, struct exchange *ex)
{
    const struct http_reply *reply = &ex->reply;
    if (!reply->body.n)
        return verdict_check(p->verdict, false, "body", "Windows MDM client",
                             "HTTP %ld with an empty body: Windows would show 0x%08X", reply->status,
                             HRESULT_EMPTY);
    ex->xml = xml_open(pke_buf_bytes(&reply->body), p->arena);
    if (ex->xml && is_envelope(ex->xml))
        return verdict_check(p->verdict, true, "soap", "SOAP 1.2 part 1, 5",
                             "a SOAP 1.2 envelope of %zu bytes", reply->body.n);
    return verdict_check(p->verdict, false, "soap", "SOAP 1.2 part 1, 5",
                         "HTTP %ld without a readable SOAP 1.2 envelope: Windows would show 0x%08X",
                         reply->status, HRESULT_HTTP + (unsigned)reply->status);
}

static void check_correlation(struct probe *p, const struct exchange *ex)
{
    const char *relates = xml_text(ex->xml, NULL, "/s:Envelope/s:Header/a:RelatesTo");
    const char *activity = xml_trimmed(ex->xml, NULL, "/s:Envelope/s:Header/d:ActivityId");
    xmlNode *node = xml_first(ex->xml, NULL, "/s:Envelope/s:Header/d:ActivityId");
    const char *correlation = xml_attribute(ex->xml, node, "CorrelationId");
    verdict_check(p->verdict, relates && strcmp(relates, ex->message_id) == 0, "relates-to",
                  "WS-Addressing 1.0 3.4", "RelatesTo %s", relates ? relates : "is missing");
    verdict_check(p->verdict,
                  activity && correlation && pke_uuid_valid(activity) && strcmp(activity, correlation) == 0,
                  "activity-id", "MS-MDE2 3.4.4.1.2", "ActivityId %s", activity ? activity : "is missing");
}

static void check_header(struct probe *p, const struct exchange *ex)
{
    const char *action = xml_trimmed(ex->xml, NULL, "/s:Envelope/s:Header/a:Action");
    size_t strange = xml_count(ex->xml, NULL,
                               "/s:Envelope/s:Header/*[@s:mustUnderstand='1' or @s:mustUnderstand='true']"
                               "[not(self::a:Action or self::wsse:Security)]");
    verdict_check(p->verdict, action && strcmp(action, ex->action) == 0, "action", "MS-MDE2 3.3.4.1, 3.4.4.1",
                  "%s", action ? action : "a:Action is missing");
    check_correlation(p, ex);
    verdict_check(p->verdict, strange == 0, "must-understand", "SOAP 1.2 part 1, 2.4",
                  "%zu header blocks that the client does not know must be understood", strange);
}

bool exchange_compose(struct probe *p, struct exchange *ex, enum message_kind kind)
{
    struct pke_buf masked PKE_CLEANUP(pke_buf_done) = {0};
    pke_buf_init(&ex->sent, MESSAGE_MAX);
    bool good = message_write(p, kind, ex->message_id, false, &ex->sent) && !ex->sent.overflow;
    if (!good)
        return verdict_check(p->verdict, false, "message", "MS-MDE2 3.4.4.1.1.1", "%s",
                             ex->sent.overflow ? "the message would be too large" : "the key cannot sign it");
    if (!security_is_secret(p, kind)) { /* a signature cannot be made twice */
        save(p, ex, "request", pke_buf_bytes(&ex->sent));
        return true;
    }
    pke_buf_init(&masked, MESSAGE_MAX);
    message_write(p, kind, ex->message_id, true, &masked);
    save(p, ex, "request", pke_buf_bytes(&masked));
    return true;
}

/* The certificate on the connection: of --cert, or in a renewal the expiring one (MS-MDE2 4.4). */
static void choose_identity(struct probe *p)
{
    struct pke_buf pem PKE_CLEANUP(pke_buf_done), key PKE_CLEANUP(pke_buf_wipe);
    bool expiring = p->request == PROBE_RENEWAL && p->opt.tls;
    bool given = !expiring && p->client_cert && (!p->opt.sign || p->opt.tls);
    pke_buf_init(&pem, 256u << 10);
    pke_buf_init(&key, 64u << 10);
    if (expiring)
        csr_certificate_pem(p->state.cert, &pem);
    else if (given)
        pke_buf_add_bytes(&pem, pke_buf_bytes(&p->client_pem));
    if (pem.n)
        csr_key_pem(expiring ? p->state.key : p->client_key, &key);
    http_identity(p->http, pke_buf_bytes(&pem), pke_buf_bytes(&key));
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool exchange_run(struct probe *p, struct exchange *ex)
{
    choose_identity(p);
    double from = milliseconds();
    enum http_result result = http_post(p->http, ex->url, pke_buf_bytes(&ex->sent), &ex->reply);
    p->exchange_ms = milliseconds() - from;
    if (ex->reply.body.n)
        save(p, ex, "response", pke_buf_bytes(&ex->reply.body));
    if (!check_reached(p, ex, result))
        return false;
    check_http(p, &ex->reply);
    if (!check_body(p, ex))
        return false;
    check_header(p, ex);
    if (fault_read(p, ex->xml, ex->reply.status))
        return false;
    return verdict_check(p->verdict, ex->reply.status == 200, "http-status", "MS-MDE2 3.3.4.1, 3.4.4.1",
                         "HTTP %ld%s", ex->reply.status,
                         ex->reply.status == 200 ? "" : ": Windows takes 200 and nothing else for success");
}

void exchange_done(struct exchange *ex)
{
    xml_close(ex->xml);
    pke_buf_wipe(&ex->sent);
    http_reply_done(&ex->reply);
}
