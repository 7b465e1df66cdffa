/* SPDX-License-Identifier: Apache-2.0 */
/* GetPolicies as the MDM client reads it: what it honours, and the shapes on which it was seen to go wrong.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/exchange.h"
#include "probe/message.h"

#define POLICY     "/s:Envelope/s:Body/x:GetPoliciesResponse/x:response/x:policies/x:policy"
#define RESPONSE   "/s:Envelope/s:Body/x:GetPoliciesResponse"
#define OID_SHA256 "2.16.840.1.101.3.4.2.1"
#define MIN_BITS   2048u
#define MAX_BITS   16384u

static bool check_shape(struct probe *p, struct xml *x)
{
    struct verdict *v = p->verdict;
    size_t n = xml_count(x, NULL, POLICY);
    const char *schema = xml_text(x, NULL, POLICY "/x:attributes/x:policySchema");
    const char *name = xml_text(x, NULL, POLICY "/x:attributes/x:commonName");
    const char *enroll = xml_text(x, NULL, POLICY "/x:attributes/x:permission/x:enroll");
    if (!verdict_check(v, n == 1, "one-policy", "MS-MDE2 3.3.4.1.1.2",
                       "%zu certificate templates, one is expected", n))
        return false;
    verdict_check(v, schema && strcmp(schema, "3") == 0, "policy-schema", "MS-MDE2 3.3.4.1.1.2",
                  "policySchema %s", schema ? schema : "is missing");
    verdict_check(v, name && *name, "template-name", "MS-XCEP 3.1.4.1.3.1", "commonName %s",
                  name && *name ? name : "is missing");
    verdict_check(v, enroll && strcmp(enroll, "true") == 0, "permission", "MS-XCEP 3.1.4.1.3.12", "enroll %s",
                  enroll ? enroll : "is missing");
    verdict_fact(v, "template", name);
    return true;
}

static void check_key_length(struct probe *p, struct xml *x)
{
    const char *text = xml_text(x, NULL, POLICY "/x:attributes/x:privateKeyAttributes/x:minimalKeyLength");
    char *end = NULL;
    unsigned long bits = text ? strtoul(text, &end, 10) : 0;
    bool good = text && *text >= '0' && *text <= '9' && end && !*end && bits >= 1024 && bits <= MAX_BITS;
    verdict_check(p->verdict, good, "minimal-key-length", "MS-XCEP 3.1.4.1.3.20", "minimalKeyLength %s",
                  text ? text : "is missing");
    if (good && bits > MIN_BITS)
        p->key_bits = (unsigned)bits;
    verdict_fact(p->verdict, "minimal-key-length", text);
}

/* The client takes the first oID of the document whatever the reference says, so both ways must lead to the
 * hash. */
static void check_hash(struct probe *p, struct xml *x)
{
    const char *first = xml_text(x, NULL, "//x:oID/x:value");
    const char *meant =
        xml_text(x, NULL,
                 RESPONSE "/x:oIDs/x:oID[normalize-space(x:oIDReferenceID)=normalize-space(" POLICY
                          "/x:attributes/x:hashAlgorithmOIDReference)]/x:value");
    verdict_check(p->verdict, meant && strcmp(meant, OID_SHA256) == 0, "hash-algorithm",
                  "MS-XCEP 3.1.4.1.3.1", "hashAlgorithmOIDReference leads to %s", meant ? meant : "nothing");
    verdict_check(p->verdict, first && meant && strcmp(first, meant) == 0, "hash-first-oid",
                  "Windows MDM client", "the first oID, which Windows takes, is %s",
                  first ? first : "missing");
    verdict_fact(p->verdict, "hash", first && strcmp(first, OID_SHA256) == 0 ? "SHA-256" : first);
}

static void check_providers(struct probe *p, struct xml *x)
{
    size_t all = xml_count(x, NULL, "//x:provider");
    size_t seen = xml_count(x, NULL, "//x:privateKeyAttributes//x:cryptoProviders//x:provider");
    verdict_check(p->verdict, all == seen, "crypto-providers", "MS-XCEP 3.1.4.1.3.8",
                  "%zu providers, %zu of them where Windows reads them", all, seen);
    struct pke_buf list PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&list, 4096);
    for (size_t i = 1; i <= seen && i <= 16; i++) {
        const char *path = pke_arena_printf(p->arena, "(//x:cryptoProviders//x:provider)[%zu]", i);
        pke_buf_printf(&list, "%s%s", i > 1 ? ", " : "", xml_text(x, NULL, path));
    }
    verdict_fact(p->verdict, "providers", pke_buf_cstr(&list));
}

/* Windows cuts scalars at the first space, and indentation has shown up inside values. */
static void check_compact(struct probe *p, struct xml *x)
{
    static const char spaced[] =
        RESPONSE "//*[not(*)][not(self::x:provider)]"
                 "[contains(.,' ') or contains(.,'\t') or contains(.,'\n') or contains(.,'\r')]";
    size_t n = xml_count(x, NULL, spaced);
    size_t blank = xml_count(x, NULL, RESPONSE "//text()[normalize-space()='']");
    xmlNode *first = xml_first(x, NULL, spaced);
    verdict_check(p->verdict, n == 0, "scalars", "Windows MDM client",
                  "%zu values with white space in them%s%s", n, first ? ", first: " : "",
                  first ? (const char *)first->name : "");
    verdict_check(p->verdict, blank == 0, "no-indentation", "Windows MDM client",
                  "%zu blank texts between elements", blank);
}

static bool check_ca_certificate(struct probe *p, const char *text)
{
    struct pke_buf der PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&der, 64u << 10);
    if (text && *text && pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &der) == PKE_OK) {
        const unsigned char *at = der.p;
        p->policy_ca = d2i_X509(NULL, &at, (long)der.n);
        if (p->policy_ca && at != der.p + der.n) {
            X509_free(p->policy_ca);
            p->policy_ca = NULL;
        }
    }
    char *name PKE_CLEANUP(pke_free_p) = NULL;
    if (p->policy_ca) {
        char *line = X509_NAME_oneline(X509_get_subject_name(p->policy_ca), NULL, 0);
        name = pke_strdup(line ? line : "");
        OPENSSL_free(line);
    }
    return verdict_check(p->verdict, p->policy_ca != NULL, "ca-certificate", "MS-XCEP 3.1.4.1.3.4", "%s",
                         name ? name : "the CA's certificate is missing or cannot be decoded");
}

/* A policy may name no CA at all (nil twice: what Windows documents for MDM); what it names must be usable.
 */
static void check_ca(struct probe *p, struct xml *x)
{
    struct verdict *v = p->verdict;
    size_t references = xml_count(x, NULL, POLICY "/x:cAs/x:cAReference");
    size_t all = xml_count(x, NULL, RESPONSE "/x:cAs/x:cA");
    if (!references && !all) {
        verdict_check(v,
                      xml_count(x, NULL, POLICY "/x:cAs[@xsi:nil='true']") == 1 &&
                          xml_count(x, NULL, RESPONSE "/x:cAs[@xsi:nil='true']") == 1,
                      "ca", "MS-XCEP 3.1.4.1.2", "the policy names no CA");
        return;
    }
    xmlNode *ca = xml_first(x, NULL,
                            RESPONSE "/x:cAs/x:cA[normalize-space(x:cAReferenceID)=normalize-space(" POLICY
                                     "/x:cAs/x:cAReference)]");
    if (!verdict_check(v, ca != NULL, "ca", "MS-XCEP 3.1.4.1.3.16", "%zu CAs, the template %s", all,
                       ca ? "refers to one of them" : "refers to none of them"))
        return;
    const char *uri = xml_text(x, ca, "x:uris/x:cAURI/x:uri");
    const char *permission = xml_text(x, ca, "x:enrollPermission");
    verdict_check(v, uri && strncasecmp(uri, "https://", 8) == 0, "ca-address", "MS-XCEP 3.1.4.1.3.5", "%s",
                  uri && *uri ? uri : "the CA has no address");
    verdict_check(v, permission && strcmp(permission, "true") == 0, "ca-permission", "MS-XCEP 3.1.4.1.3.4",
                  "enrollPermission %s", permission ? permission : "is missing");
    check_ca_certificate(p, xml_text(x, ca, "x:certificate"));
    verdict_fact(v, "ca-address", uri);
    if (uri && strcmp(uri, p->opt.enroll_url) != 0)
        verdict_note(v, "the address differs from --enroll-url, which is used");
}

bool policy_check(struct probe *p, struct xml *x)
{
    size_t bodies = xml_count(x, NULL, RESPONSE);
    if (!verdict_check(p->verdict, bodies == 1, "get-policies-response", "MS-XCEP 3.1.4.1.2.2",
                       "%zu GetPoliciesResponse in the body", bodies) ||
        !check_shape(p, x))
        return false;
    check_key_length(p, x);
    check_hash(p, x);
    check_providers(p, x);
    check_compact(p, x);
    check_ca(p, x);
    return true;
}

bool step_policy(struct probe *p)
{
    struct exchange ex = {.url = p->opt.policy_url,
                          .name = "getpolicies",
                          .action = ACTION_GET_POLICIES_RESPONSE,
                          .message_id = message_new_id(p->arena)};
    verdict_step(p->verdict, "policy", "Certificate policy (GetPolicies)");
    bool good = exchange_compose(p, &ex, MESSAGE_POLICY) && exchange_run(p, &ex) && policy_check(p, ex.xml);
    exchange_done(&ex);
    return good;
}
