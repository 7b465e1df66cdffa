/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "probe/http.h"

struct http {
    CURL *curl;
    struct curl_slist *headers;
};

/* In the client's order (Host comes first: libcurl writes it). "Accept:" and "Expect:" keep libcurl from
 * adding those. */
static const char *const request_headers[] = {
    "Cache-Control: no-cache",
    "Connection: Keep-Alive",
    "Pragma: no-cache",
    "Content-Type: application/soap+xml; charset=utf-8",
    "User-Agent: ENROLLClient",
    "Accept:",
    "Expect:",
};

struct http *http_new(const char *ca_file, long timeout_seconds)
{
    struct http *h = pke_calloc(1, sizeof *h);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->curl = curl_easy_init();
    for (size_t i = 0; i < PKE_LEN(request_headers); i++) {
        struct curl_slist *list = curl_slist_append(h->headers, request_headers[i]);
        if (!list)
            pke_oom();
        h->headers = list;
    }
    if (!h->curl)
        pke_oom();
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h->curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(h->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, timeout_seconds);
    curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L); /* the client does not follow here */
    curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "https");
#else
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
    if (ca_file) {
        curl_easy_setopt(h->curl, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(h->curl, CURLOPT_CAPATH, NULL); /* these anchors and no others */
    }
    return h;
}

static void set_blob(struct http *h, CURLoption option, struct pke_bytes b)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)b.p, .len = b.n, .flags = CURL_BLOB_COPY};
    if (curl_easy_setopt(h->curl, option, b.n ? &blob : NULL) != CURLE_OK)
        pke_oom();
}

void http_identity(struct http *h, struct pke_bytes certificate, struct pke_bytes key)
{
    set_blob(h, CURLOPT_SSLCERT_BLOB, certificate);
    set_blob(h, CURLOPT_SSLKEY_BLOB, key);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    curl_global_cleanup();
    free(h);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct http_reply *reply = arg;
    return pke_buf_add(&reply->body, p, size * n) == PKE_OK ? size * n : 0;
}

/* Value of the header line when its name is @name: trimmed, cut to @size. */
static bool take_header(const char *line, size_t n, const char *name, char *value, size_t size)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return false;
    const char *from = line + k + 1, *to = line + n;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r' || to[-1] == '\n'))
        to--;
    snprintf(value, size, "%.*s", (int)(to - from), from);
    return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct http_reply *reply = arg;
    char number[32], *end;
    n *= size;
    if (n > 5 && strncmp(p, "HTTP/", 5) == 0) { /* a new status line: forget an interim response */
        reply->content_length = -1;
        reply->content_type[0] = reply->transfer_encoding[0] = '\0';
    }
    take_header(p, n, "Content-Type", reply->content_type, sizeof reply->content_type);
    take_header(p, n, "Transfer-Encoding", reply->transfer_encoding, sizeof reply->transfer_encoding);
    if (take_header(p, n, "Content-Length", number, sizeof number)) {
        reply->content_length = strtoll(number, &end, 10);
        if (*end || end == number)
            reply->content_length = -1;
    }
    return n;
}

static enum http_result classify(CURLcode rc)
{
    switch (rc) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_UNREACHABLE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_TLS;
    default:
        return HTTP_BROKEN;
    }
}

enum http_result http_post(struct http *h, const char *url, struct pke_bytes message,
                           struct http_reply *reply)
{
    char text[CURL_ERROR_SIZE] = "";
    long connects = 0;
    memset(reply, 0, sizeof *reply);
    reply->content_length = -1;
    pke_buf_init(&reply->body, HTTP_REPLY_MAX);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message.n);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, (const char *)message.p);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, reply);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, text);
    CURLcode rc = curl_easy_perform(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(h->curl, CURLINFO_NUM_CONNECTS, &connects);
    reply->reused = rc == CURLE_OK && connects == 0;
    snprintf(reply->error, sizeof reply->error, "%s", *text ? text : curl_easy_strerror(rc));
    if ((rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR) && strstr(reply->error, "alert"))
        return HTTP_TLS; /* TLS 1.3: a refusal of the client certificate comes after the handshake */
    return classify(rc);
}

void http_reply_done(struct http_reply *reply)
{
    pke_buf_done(&reply->body);
}
