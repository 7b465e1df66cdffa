/* SPDX-License-Identifier: Apache-2.0 */
/* RequestSecurityToken and its answer (MS-MDE2 3.4, MS-WSTEP 3.1.4.1). */
#include "proto/wstep.h"

#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/limits.h"
#include "proto/ns.h"
#include "proto/soap_security.h"
#include "proto/wstep_context.h"

#define DER_SEQUENCE 0x30

static enum pke_err malformed(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, reason, "MS-MDE2 3.4.4.1.1.1", "%s", text);
}

/* Exactly one child of that name, without children: none, two or a nested one is a confused request. */
static enum pke_err only_leaf(const struct xml_node *n, const char *ns, const char *name,
                              const struct xml_node **ret, struct pke_fail *fail)
{
    *ret = xml_child(n, ns, name);
    if (!*ret || xml_next_same(*ret) || (*ret)->first)
        return pke_fail_set(fail, PKE_MALFORMED, "wstep-child", "MS-MDE2 3.4.4.1.1.1",
                            "RequestSecurityToken has not exactly one %s with a text", name);
    return PKE_OK;
}

/* MS-MDE, the protocol of Windows 8.1 (mdm.md 10.6). */
static enum pke_err mde_v1(struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_DEVICE_UNSUPPORTED, "wstep-mde-v1", "MS-MDE2 3.4.4.1.1.1",
                        "Enrollment on behalf of a user is the protocol of Windows 8.1");
}

static enum pke_err read_types(const struct xml_node *rst, struct pke_arena *arena,
                               enum wstep_operation *operation, struct pke_fail *fail)
{
    static const struct {
        const char *uri;
        enum wstep_operation operation;
    } types[] = {{URI_RT_ISSUE, WSTEP_ISSUE}, {URI_RT_RENEW, WSTEP_RENEW}, {URI_RT_RECOVERY, WSTEP_RECOVERY}};
    const struct xml_node *token_type, *request_type;
    const char *uri;
    enum pke_err err = only_leaf(rst, NS_WST, "TokenType", &token_type, fail);

    if (err == PKE_OK)
        err = only_leaf(rst, NS_WST, "RequestType", &request_type, fail);
    if (err != PKE_OK)
        return err;
    uri = xml_text_trimmed(token_type, arena);
    if (strcmp(uri, URI_TT_MDE_V1) == 0)
        return mde_v1(fail);
    if (strcmp(uri, URI_TT_DEVICE) != 0)
        return malformed(fail, "wstep-token-type", "The TokenType is not DeviceEnrollmentToken");
    uri = xml_text_trimmed(request_type, arena);
    for (size_t i = 0; i < PKE_LEN(types); i++)
        if (strcmp(uri, types[i].uri) == 0) {
            *operation = types[i].operation;
            return PKE_OK;
        }
    return malformed(fail, "wstep-request-type", "The RequestType is unknown");
}

/* PKCS10 goes with Issue and Recovery, PKCS7 (two spellings in the field) with Renew. */
static bool value_type_fits(const char *type, enum wstep_operation operation)
{
    if (!type)
        return false;
    if (operation != WSTEP_RENEW)
        return strcmp(type, URI_VT_PKCS10) == 0;
    return strcmp(type, URI_VT_PKCS7_A) == 0 || strcmp(type, URI_VT_PKCS7_B) == 0;
}

/* One layer of base64; a manual renewal has two (mdm.md 10.2), a third is refused because it is not DER. */
static enum pke_err decode_request(const struct xml_node *token, enum wstep_operation operation,
                                   struct pke_buf *out)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf outer = {0};
    enum pke_err err = pke_base64_decode(PKE_BYTES(token->text, token->text_len), PKE_B64_WHITESPACE, out);

    if (err != PKE_OK || operation != WSTEP_RENEW || out->n == 0 || out->p[0] == DER_SEQUENCE)
        return err;
    pke_buf_init(&outer, out->max);
    err = pke_buf_add_bytes(&outer, pke_buf_bytes(out));
    pke_buf_clear(out);
    return err == PKE_OK ? pke_base64_decode(pke_buf_bytes(&outer), PKE_B64_WHITESPACE, out) : err;
}

static enum pke_err read_token(const struct xml_node *rst, struct pke_arena *arena, struct wstep_request *ret,
                               struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf der = {0};
    const struct xml_node *token;
    enum pke_err err = only_leaf(rst, NS_WSSE, "BinarySecurityToken", &token, fail);

    if (err != PKE_OK)
        return err;
    if (!value_type_fits(soap_attr_trimmed(token, "ValueType", arena), ret->operation))
        return malformed(fail, "wstep-value-type", "The ValueType does not go with the RequestType");
    if (!soap_encoding_is_base64(token, arena))
        return malformed(fail, "wstep-encoding-type", "The certificate request is not sent as base64");
    pke_buf_init(&der, LIMIT_XML_TEXT);
    if (decode_request(token, ret->operation, &der) != PKE_OK)
        return malformed(fail, "wstep-base64", "The certificate request is not valid base64");
    if (der.n == 0 || der.p[0] != DER_SEQUENCE)
        return malformed(fail, "wstep-der", "The certificate request is empty or not DER");
    ret->request = pke_arena_bytes(arena, pke_buf_bytes(&der));
    return PKE_OK;
}

static enum pke_err read_rst_context(const struct xml_node *rst, const char **ret, struct pke_fail *fail)
{
    for (const struct xml_attr *a = rst->attrs; a; a = a->next)
        if (strcmp(a->name, "Context") == 0 && !*a->ns)
            *ret = a->value;
    if (*ret && strlen(*ret) > LIMIT_RST_CONTEXT)
        return pke_fail_set(fail, PKE_LIMIT, "wstep-rst-context", "limits: Context",
                            "The Context attribute is too long");
    return PKE_OK;
}

enum pke_err wstep_request_read(const struct xml_node *body, struct pke_arena *arena,
                                struct wstep_request *ret, struct pke_fail *fail)
{
    struct wstep_request r = {.operation = WSTEP_ISSUE};
    enum pke_err err = read_types(body, arena, &r.operation, fail);

    *ret = (struct wstep_request){.operation = WSTEP_ISSUE};
    if (err == PKE_OK)
        err = read_token(body, arena, &r, fail);
    if (err == PKE_OK)
        err = read_rst_context(body, &r.rst_context, fail);
    if (err == PKE_OK)
        err = wstep_context_read(body, arena, &r, fail);
    if (err == PKE_OK && pke_pairs_get(&r.context, "EnrollmentOnBehalfOfUser"))
        err = mde_v1(fail);
    if (err == PKE_OK)
        *ret = r;
    return err;
}

enum pke_err wstep_response_write(const char *rst_context, struct pke_bytes provisioning_document,
                                  struct pke_buf *out)
{
    (void)pke_buf_add_str(out, "<RequestSecurityTokenResponseCollection xmlns=\"" NS_WST
                               "\"><RequestSecurityTokenResponse");
    if (rst_context) {
        (void)pke_buf_add_str(out, " Context=\"");
        (void)xml_escape(out, rst_context);
        (void)pke_buf_add_str(out, "\"");
    }
    (void)pke_buf_add_str(
        out, "><TokenType>" URI_TT_DEVICE "</TokenType><DispositionMessage xmlns=\"" NS_WSTEP
             "\"></DispositionMessage><RequestedSecurityToken><BinarySecurityToken xmlns=\"" NS_WSSE
             "\" ValueType=\"" URI_VT_PROVDOC "\" EncodingType=\"" URI_ENC_BASE64 "\">");
    (void)pke_base64_encode(provisioning_document, PKE_B64_STRICT, out);
    (void)pke_buf_add_str(out, "</BinarySecurityToken></RequestedSecurityToken><RequestID xmlns=\"" NS_WSTEP
                               "\">0</RequestID></RequestSecurityTokenResponse>"
                               "</RequestSecurityTokenResponseCollection>");
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
