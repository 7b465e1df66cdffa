/* SPDX-License-Identifier: Apache-2.0 */
/* RequestSecurityToken (Issue, Recovery) and the answer to it, taken apart along the path that the client
 * descends. */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/exchange.h"
#include "probe/message.h"
#include "probe/provdoc.h"

#define RSTR "/s:Envelope/s:Body/wst:RequestSecurityTokenResponseCollection/wst:RequestSecurityTokenResponse"
#define BST  RSTR "/wst:RequestedSecurityToken/wsse:BinarySecurityToken"
#define RULE "MS-MDE2 3.4.4.1.1.2"

/* The one token of the answer: the client takes the first and must not meet another. NULL when it cannot be
 * found. */
static const char *find_token(struct probe *p, struct xml *x)
{
    struct verdict *v = p->verdict;
    size_t all = xml_count(x, NULL, "/s:Envelope/s:Body//wsse:BinarySecurityToken");
    xmlNode *node = xml_first(x, NULL, BST);
    const char *token_type = xml_trimmed(x, NULL, RSTR "/wst:TokenType");
    const char *value_type = xml_attribute(x, node, "ValueType"),
               *encoding = xml_attribute(x, node, "EncodingType");
    verdict_check(v,
                  xml_count(x, NULL, RSTR) == 1 && token_type && strcmp(token_type, TOKEN_TYPE_DEVICE) == 0,
                  "token-type", RULE, "TokenType %s", token_type ? token_type : "is missing");
    if (!verdict_check(v, node && all == 1, "one-token", RULE, "%zu BinarySecurityToken in the body%s", all,
                       node ? "" : ", none where Windows looks for it"))
        return NULL;
    verdict_check(v, value_type && strcmp(value_type, VALUE_TYPE_PROVDOC) == 0, "value-type", RULE, "%s",
                  value_type ? value_type : "ValueType is missing");
    verdict_check(v, encoding && strcasecmp(encoding, ENCODING_BASE64) == 0, "encoding-type", RULE, "%s",
                  encoding ? encoding : "EncodingType is missing");
    return xml_text(x, NULL, BST);
}

bool token_check(struct probe *p, struct xml *x, const char *document_name)
{
    struct pke_buf document PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&document, HTTP_REPLY_MAX);
    const char *token = find_token(p, x);
    if (!token)
        return false;
    bool strict = *token && pke_base64_decode(pke_bytes_str(token), PKE_B64_STRICT, &document) == PKE_OK;
    bool good = strict ||
                (*token && pke_base64_decode(pke_bytes_str(token), PKE_B64_WHITESPACE, &document) == PKE_OK);
    if (!verdict_check(p->verdict, good, "token-base64", RULE, "%s",
                       good ? "the token is base64" : "the token is not base64"))
        return false;
    verdict_check(p->verdict, strict, "token-line-breaks", RULE, "%s",
                  strict ? "without line breaks" : "with white space in it");
    artefacts_write(p->out, document_name, pke_buf_bytes(&document));
    provdoc_check(p, pke_buf_bytes(&document));
    return true;
}

bool step_enroll(struct probe *p)
{
    bool recovery = p->request == PROBE_RECOVERY;
    struct exchange ex = {.url = p->opt.enroll_url,
                          .name = recovery ? "recover" : "rst",
                          .action = ACTION_RSTRC,
                          .message_id = message_new_id(p->arena)};
    if (recovery)
        verdict_step(p->verdict, "recover", "Recovery (RequestSecurityToken)");
    else
        verdict_step(p->verdict, "enroll", "Certificate enrollment (RequestSecurityToken)");
    bool good = exchange_compose(p, &ex, recovery ? MESSAGE_RECOVER : MESSAGE_ISSUE) && exchange_run(p, &ex);
    if (good && !p->opt.skip_policy)
        verdict_fact(p->verdict, "connection-reused", ex.reply.reused ? "yes" : "no");
    good = good && token_check(p, ex.xml, recovery ? "recover.provisioning.xml" : "provisioning.xml");
    exchange_done(&ex);
    return good;
}
