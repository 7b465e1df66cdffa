/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <curl/curl.h>

#include "base/mem.h"
#include "jwks/jwks.h"

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    return pke_buf_add(arg, p, size * n) == PKE_OK ? size * n : 0;
}

static void set_options(CURL *curl, const struct jwks_source *source, struct pke_buf *out, char *error)
{
    curl_easy_setopt(curl, CURLOPT_URL, source->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pkienroll-jwks/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, source->timeout);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* the URL is who is trusted, not who it points to */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
    if (source->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, source->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* these anchors and no others */
    }
}

static enum pke_err judge(CURLcode rc, const char *error, long status, const struct pke_buf *out,
                          struct pke_fail *fail)
{
    if (out->overflow)
        return pke_fail_set(fail, PKE_LIMIT, "jwks-size", "limits: keys of a token issuer",
                            "the answer is larger than %zu KiB", out->max >> 10);
    if (rc != CURLE_OK)
        return pke_fail_set(fail, PKE_STORE_DOWN, "jwks-fetch", "pkienroll-jwks(8)", "%s",
                            *error ? error : curl_easy_strerror(rc));
    if (status >= 300 && status < 400)
        return pke_fail_set(fail, PKE_STORE_DOWN, "jwks-redirect", "pkienroll-jwks(8)",
                            "the server redirects (status %ld), which is not followed", status);
    if (status != 200)
        return pke_fail_set(fail, PKE_STORE_DOWN, "jwks-status", "pkienroll-jwks(8)",
                            "the server answers with status %ld", status);
    return PKE_OK;
}

enum pke_err jwks_fetch(const struct jwks_source *source, struct pke_buf *out, struct pke_fail *fail)
{
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    enum pke_err err;
    CURLcode rc;
    CURL *curl;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    if (!curl)
        pke_oom();
    set_options(curl, source, out, error);
    rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    err = judge(rc, error, status, out, fail);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return err;
}
