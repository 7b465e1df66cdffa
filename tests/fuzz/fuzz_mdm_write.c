/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of fuzz_mdm.h. */
#include <string.h>

#include "base/encode.h"
#include "proto/limits.h"
#include "proto/ns.h"
#include "tests/fuzz/fuzz_mdm.h"

bool fuzz_policy_write(const char *id, const char *name, struct pke_bytes certificate,
                       struct pke_arena *arena, struct pke_buf *out)
{
    struct pke_fail fail = {0};
    struct pke_strings providers = {0};
    const struct xcep_ca ca = {.url = "https://ca/x",
                               .certificate = PKE_BYTES(certificate.p, certificate.n % 4096)};
    const struct xcep_policy policy = {.policy_id = id,
                                       .common_name = name,
                                       .validity_seconds = UINT64_MAX,
                                       .renewal_seconds = certificate.n,
                                       .minimal_key_length = 2048,
                                       .providers = &providers,
                                       .ca = ca.certificate.n ? &ca : NULL};

    if (name)
        pke_strings_add(&providers, arena, name);
    if (fuzz_said(xcep_response_write(&policy, out, &fail), &fail))
        return true;
    FUZZ_MUST(fail.err == PKE_POLICY && (!id || !name || strpbrk(id, " \t\r\n") || strpbrk(name, " \t\r\n")));
    return false;
}

void fuzz_rst_answer(const struct soap_request *r, const struct wstep_request *rst, struct pke_arena *arena)
{
    const struct xml_node *collection, *answer;
    struct pke_buf out, document;
    const char *context, *text;

    pke_buf_init(&out, 2 * LIMIT_XML_BODY);
    pke_buf_init(&document, LIMIT_XML_TEXT);
    FUZZ_MUST(wstep_response_write(rst->rst_context, rst->request, &out) == PKE_OK);
    collection = fuzz_reply(r, &out, arena);
    answer = xml_child(collection, NS_WST, "RequestSecurityTokenResponse");
    FUZZ_MUST(answer && !xml_next_same(answer));
    context = xml_attr_any_ns(answer, "Context");
    FUZZ_MUST(rst->rst_context ? context && strcmp(context, rst->rst_context) == 0 : !context);
    text = fuzz_text(answer, "BinarySecurityToken", arena);
    FUZZ_MUST(text && pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &document) == PKE_OK);
    FUZZ_MUST(pke_bytes_eq(pke_buf_bytes(&document), rst->request));
    pke_buf_done(&document);
}

#define BEFORE                                                                                             \
    "<s:Envelope xmlns:s='" NS_SOAP "' xmlns:t='" NS_WST "' xmlns:w='" NS_WSSE "' xmlns:ac='" NS_AUTH "'>" \
    "<s:Body><t:RequestSecurityToken><t:TokenType>" URI_TT_DEVICE                                          \
    "</t:TokenType><t:RequestType>" URI_RT_ISSUE                                                           \
    "</t:RequestType><w:BinarySecurityToken ValueType='" URI_VT_PKCS10 "' EncodingType='" URI_ENC_BASE64   \
    "'>MAA=</w:BinarySecurityToken><ac:AdditionalContext>"
#define AFTER "</ac:AdditionalContext></t:RequestSecurityToken></s:Body></s:Envelope>"

void fuzz_rst_around(struct pke_bytes items, struct pke_buf *out)
{
    pke_buf_init(out, SIZE_MAX);
    (void)pke_buf_add_str(out, BEFORE);
    (void)pke_buf_add_bytes(out, items);
    (void)pke_buf_add_str(out, AFTER);
}
