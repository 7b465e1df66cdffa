/* SPDX-License-Identifier: Apache-2.0 */
#include "test_proto_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

struct pke_arena *test_arena;
struct soap_request test_request;
struct pke_fail test_fail;
struct wstep_request test_rst;
struct xcep_request test_policy;

static struct soap_parser *soap;
static struct xml_parser *xml;

int test_setup(void **state)
{
    (void)state;
    test_arena = pke_arena_new();
    soap = soap_parser_new();
    xml = xml_parser_new();
    return 0;
}

int test_teardown(void **state)
{
    (void)state;
    soap_parser_free(soap);
    xml_parser_free(xml);
    pke_arena_free(test_arena);
    return 0;
}

struct pke_bytes test_data_bytes(const char *name)
{
    const char *top = getenv("top_srcdir");
    char *path = pke_arena_printf(test_arena, "%s/tests/data/%s", top ? top : "..", name);
    FILE *f = fopen(path, "rb");
    char *p = pke_arena_alloc(test_arena, 1 << 20);
    size_t n;

    if (!f)
        fail_msg("%s: cannot be opened", path);
    n = fread(p, 1, (1 << 20) - 1, f);
    fclose(f);
    assert_true(n > 0);
    return PKE_BYTES(p, n);
}

char *test_data(const char *name)
{
    return pke_arena_str(test_arena, test_data_bytes(name));
}

static char *replace(const char *text, const char *old, const char *fresh, unsigned *count)
{
    struct pke_buf b;
    const char *at;
    char *r;

    pke_buf_init(&b, 4 << 20);
    for (*count = 0; (at = strstr(text, old)) != NULL; ++*count, text = at + strlen(old)) {
        pke_buf_add(&b, text, (size_t)(at - text));
        pke_buf_add_str(&b, fresh);
    }
    pke_buf_add_str(&b, text);
    r = pke_arena_str(test_arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return r;
}

char *test_replace(const char *text, const char *old, const char *fresh)
{
    unsigned count;
    char *r = replace(text, old, fresh, &count);

    if (count != 1)
        fail_msg("%u occurrences of %s", count, old);
    return r;
}

char *test_replace_all(const char *text, const char *old, const char *fresh)
{
    unsigned count;
    char *r = replace(text, old, fresh, &count);

    assert_true(count > 0);
    return r;
}

char *test_cut(const char *text, const char *from, const char *to, const char *fresh)
{
    const char *start = strstr(text, from);
    const char *end = start ? strstr(start + strlen(from), to) : NULL;

    if (!end)
        fail_msg("nothing from %s to %s", from, to);
    return pke_arena_printf(test_arena, "%.*s%s%s", (int)(start - text), text, fresh, end);
}

enum pke_err test_parse(const char *message)
{
    memset(&test_fail, 0, sizeof test_fail);
    return soap_request_parse(soap, pke_bytes_str(message), test_arena, &test_request, &test_fail);
}

enum pke_err test_read(const char *message)
{
    enum pke_err err = test_parse(message);

    if (err != PKE_OK)
        return err;
    if (test_request.stage == SOAP_GET_POLICIES)
        return xcep_request_read(test_request.body, test_arena, &test_policy, &test_fail);
    assert_int_equal(test_request.stage, SOAP_REQUEST_SECURITY_TOKEN);
    return wstep_request_read(test_request.body, test_arena, &test_rst, &test_fail);
}

static const char *or_none(const char *s)
{
    return s ? s : "(none)";
}

char *test_summary(const char *message)
{
    enum pke_err err = test_read(message);
    const struct soap_credential *c = &test_request.credential;
    struct pke_buf b;
    char *r;

    if (err != PKE_OK)
        fail_msg("refused: %s: %s", test_fail.reason, test_fail.text);
    pke_buf_init(&b, 1 << 20);
    pke_buf_printf(&b, "id=%s\naction=%s\nto=%s\nkind=%d user=%s password=%.*s token=%.*s\nstage=%d\n",
                   or_none(test_request.message_id), or_none(test_request.action), or_none(test_request.to),
                   (int)c->kind, or_none(c->username), (int)c->password.n, (const char *)c->password.p,
                   (int)c->token.n, (const char *)c->token.p, (int)test_request.stage);
    if (test_request.stage == SOAP_GET_POLICIES) {
        pke_buf_printf(&b, "tpm=%s %s\n", or_none(test_policy.tpm_manufacturer),
                       or_none(test_policy.tpm_firmware_version));
    } else {
        pke_buf_printf(&b, "operation=%d context=%s device=%s type=%s\nder=", (int)test_rst.operation,
                       or_none(test_rst.rst_context), or_none(test_rst.device_id),
                       or_none(test_rst.enrollment_type));
        pke_base64_encode(test_rst.request, PKE_B64_STRICT, &b);
        for (size_t i = 0; i < test_rst.context.n; i++)
            pke_buf_printf(&b, "\n%s=%s", test_rst.context.v[i].name, test_rst.context.v[i].value);
    }
    r = pke_arena_str(test_arena, pke_buf_bytes(&b));
    pke_buf_done(&b);
    return r;
}

void test_rewrite(const struct xml_node *n, const char *prefix, const char *pad, struct pke_buf *out)
{
    unsigned k = 0;
    const char *keep = strcmp(n->name, "Password") == 0 ? "" : pad;

    if (prefix)
        pke_buf_printf(out, "<%s:%s xmlns:%s=\"%s\"", prefix, n->name, prefix, n->ns);
    else
        pke_buf_printf(out, "<%s xmlns=\"%s\"", n->name, n->ns);
    for (const struct xml_attr *a = n->attrs; a; a = a->next) {
        k++;
        if (*a->ns)
            pke_buf_printf(out, " xmlns:a%u=\"%s\" a%u:%s=\"%s", k, a->ns, k, a->name, pad);
        else
            pke_buf_printf(out, " %s=\"%s", a->name, pad);
        xml_escape(out, a->value);
        pke_buf_printf(out, "%s\"", pad);
    }
    pke_buf_add_str(out, ">");
    pke_buf_add_str(out, keep);
    xml_escape(out, n->text);
    for (const struct xml_node *c = n->first; c; c = c->next)
        test_rewrite(c, prefix, pad, out);
    pke_buf_add_str(out, keep);
    if (prefix)
        pke_buf_printf(out, "</%s:%s>", prefix, n->name);
    else
        pke_buf_printf(out, "</%s>", n->name);
}

enum pke_err test_tree(const void *p, size_t n, struct xml_node **ret)
{
    memset(&test_fail, 0, sizeof test_fail);
    *ret = NULL;
    return xml_parse(xml, PKE_BYTES(p, n), test_arena, ret, &test_fail);
}

const struct xml_node *test_find(const struct xml_node *n, const char *ns, const char *name)
{
    const struct xml_node *r = NULL;

    if (strcmp(n->name, name) == 0 && strcmp(n->ns, ns) == 0)
        return n;
    for (const struct xml_node *c = n->first; c && !r; c = c->next)
        r = test_find(c, ns, name);
    return r;
}

unsigned test_count(const struct xml_node *n, const char *name)
{
    unsigned k = strcmp(n->name, name) == 0;

    for (const struct xml_node *c = n->first; c; c = c->next)
        k += test_count(c, name);
    return k;
}
