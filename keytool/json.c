/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/json.h"

#include "base/encode.h"

#define JSON_MAX 262144

/* RFC 8259 7. What is not UTF-8 - a file name may be anything - is shown octet by octet as Latin-1 would be.
 */
static void put_string(struct pke_buf *b, const char *text)
{
    bool utf8 = pke_utf8_valid(pke_bytes_str(text));

    pke_buf_add_u8(b, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || (*p > 0x7f && !utf8)) {
            pke_buf_printf(b, "\\u%04x", *p);
            continue;
        }
        if (*p == '"' || *p == '\\')
            pke_buf_add_u8(b, '\\');
        pke_buf_add_u8(b, *p);
    }
    pke_buf_add_u8(b, '"');
}

static void put_member(struct pke_buf *b, const char *name, const char *text)
{
    put_string(b, name);
    pke_buf_add_u8(b, ':');
    put_string(b, text);
}

void tool_json_begin(struct tool_json *j, const char *command)
{
    pke_buf_init(&j->facts, JSON_MAX);
    pke_buf_init(&j->checks, JSON_MAX);
    pke_buf_init(&j->error, JSON_MAX);
    put_member(&j->facts, "command", command);
}

void tool_json_fact(struct tool_json *j, const char *name, const char *text)
{
    pke_buf_add_u8(&j->facts, ',');
    put_member(&j->facts, name, text);
}

void tool_json_verdict(struct tool_json *j, bool ok, const char *what, const char *text)
{
    pke_buf_add_str(&j->checks, j->checks.n ? ",{" : "{");
    put_member(&j->checks, "name", what);
    pke_buf_printf(&j->checks, ",\"ok\":%s,", ok ? "true" : "false");
    put_member(&j->checks, "text", text);
    pke_buf_add_u8(&j->checks, '}');
}

void tool_json_error(struct tool_json *j, const struct pke_fail *fail)
{
    pke_buf_clear(&j->error);
    pke_buf_add_str(&j->error, ",\"error\":{");
    put_member(&j->error, "reason", fail->reason);
    pke_buf_add_u8(&j->error, ',');
    put_member(&j->error, "rule", fail->rule);
    pke_buf_add_u8(&j->error, ',');
    put_member(&j->error, "text", fail->text);
    pke_buf_add_u8(&j->error, '}');
}

void tool_json_print(struct tool_json *j, int rc, FILE *out)
{
    fprintf(out, "{%s,\"checks\":[%s]%s,\"ok\":%s}\n", pke_buf_cstr(&j->facts), pke_buf_cstr(&j->checks),
            pke_buf_cstr(&j->error), rc == 0 ? "true" : "false");
}

void tool_json_done(struct tool_json *j)
{
    pke_buf_done(&j->facts);
    pke_buf_done(&j->checks);
    pke_buf_done(&j->error);
}
