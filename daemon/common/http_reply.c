/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/http.h"

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Other";
}

enum pke_err http_reply_write(struct pke_buf *out, unsigned status, const char *content_type,
                              struct pke_bytes body, bool keep_alive, const char *extra_headers)
{
    pke_buf_printf(out, "HTTP/1.1 %u %s\r\nContent-Length: %zu\r\nConnection: %s\r\n", status,
                   http_reason(status), body.n, keep_alive ? "keep-alive" : "close");
    if (content_type)
        pke_buf_printf(out, "Content-Type: %s\r\n", content_type);
    if (extra_headers)
        pke_buf_add_str(out, extra_headers);
    pke_buf_add_str(out, "\r\n");
    pke_buf_add_bytes(out, body);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
