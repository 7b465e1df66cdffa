/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ANSWER_MAX (8u << 20)

static size_t on_body(char *p, size_t size, size_t n, void *out)
{
    return pke_buf_add(out, p, size * n) == PKE_OK ? n : 0;
}

/* Environment and files of the user must not lead the call elsewhere: no proxy, no redirect, http only. */
static void set_options(CURL *h, const struct client_call *call, struct pke_buf *body,
                        struct curl_slist *headers)
{
    curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, call->socket);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, body);
    if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)call->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.n ? (const char *)call->body.p : "");
    }
}

static enum client_result unreachable(CURL *h, CURLcode rc, const struct client_call *call,
                                      struct client_answer *ret)
{
    long err = 0;

    curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &err);
    snprintf(ret->why, sizeof ret->why, "%s: %s", call->socket,
             rc == CURLE_COULDNT_CONNECT && err ? strerror((int)err) : curl_easy_strerror(rc));
    return CLIENT_UNREACHABLE;
}

static enum client_result perform(CURL *h, const struct client_call *call, struct pke_buf *body,
                                  struct client_answer *ret)
{
    CURLcode rc = curl_easy_perform(h);
    long status = 0;

    if (rc != CURLE_OK)
        return unreachable(h, rc, call, ret);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (unsigned)status;
    if (call->text && status == 200) {
        ret->text = pke_strndup((const char *)body->p, body->n);
        return CLIENT_ANSWERED;
    }
    ret->json = json_loadb((const char *)body->p, body->n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(ret->json))
        return CLIENT_ANSWERED;
    json_decref(ret->json);
    ret->json = NULL;
    snprintf(ret->why, sizeof ret->why, "%s: what answers there does not speak the control API",
             call->socket);
    return CLIENT_UNREACHABLE;
}

enum client_result client_call(const struct client_call *call, struct client_answer *ret)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf body;
    PKE_CLEANUP(pke_free_p) char *url = pke_asprintf("http://localhost%s", call->target);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *h = curl_easy_init();
    enum client_result result;

    if (!h || !headers)
        pke_oom();
    memset(ret, 0, sizeof *ret);
    pke_buf_init(&body, ANSWER_MAX);
    set_options(h, call, &body, headers);
    curl_easy_setopt(h, CURLOPT_URL, url);
    result = perform(h, call, &body, ret);
    curl_easy_cleanup(h);
    curl_slist_free_all(headers);
    return result;
}
