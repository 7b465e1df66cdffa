/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a renewal: a new certificate for the same device, and nothing else (MS-MDE2 2.2.9.1). */
#include "config.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "probe/provdoc.h"

#define RULE        "MS-MDE2 2.2.9.1, renewal"
#define TOP         "/wap-provisioningdoc/characteristic"
#define APPLICATION TOP "[@type='APPLICATION']"

/* What the answer to a recovery looks like is not specified: it may be the one or the other. */
bool renewal_form(struct probe *p, struct xml *x)
{
    return p->request == PROBE_RENEWAL ||
           (p->request == PROBE_RECOVERY && xml_count(x, NULL, TOP "[@type='DMClient']") == 0);
}

static void check_account(struct probe *p, struct xml *x)
{
    const char *id = provdoc_parm(x, xml_first(x, NULL, APPLICATION), "PROVIDER-ID");
    size_t parms = xml_count(x, NULL, APPLICATION "/parm"),
           deeper = xml_count(x, NULL, APPLICATION "/*/parm");
    bool same = id && (!p->state.provider_id || strcmp(id, p->state.provider_id) == 0);
    verdict_check(p->verdict, xml_count(x, NULL, APPLICATION) == 1 && parms == 1 && id, "renewal-application",
                  RULE, "%zu APPLICATION with %zu parameters, PROVIDER-ID is %s",
                  xml_count(x, NULL, APPLICATION), parms, id ? "one of them" : "missing");
    verdict_check(p->verdict, xml_count(x, NULL, APPLICATION "/characteristic") == 0 && !deeper,
                  "renewal-no-appauth", RULE, "%zu APPAUTH or other parts of APPLICATION",
                  xml_count(x, NULL, APPLICATION "/characteristic"));
    verdict_check(p->verdict, same, "renewal-provider", RULE, "PROVIDER-ID %s%s%s", id ? id : "(none)",
                  same ? "" : ", enrolled with ", same || !p->state.provider_id ? "" : p->state.provider_id);
}

void renewal_check(struct probe *p, struct xml *x)
{
    size_t all = xml_count(x, NULL, TOP), certificates = xml_count(x, NULL, TOP "[@type='CertificateStore']");
    size_t client = xml_count(x, NULL, TOP "[@type='DMClient']");
    size_t wstep = xml_count(x, NULL, "//characteristic[@type='WSTEP']");
    verdict_check(p->verdict, certificates == 1 && all == 2, "renewal-parts", RULE,
                  "%zu parts, %zu of them CertificateStore; that and APPLICATION are expected", all,
                  certificates);
    verdict_check(p->verdict, client == 0, "renewal-no-dmclient", RULE, "%zu DMClient", client);
    verdict_check(p->verdict, wstep == 0, "renewal-no-wstep", RULE, "%zu WSTEP settings", wstep);
    check_account(p, x);
}

/* Whether both have this extension with the same bytes, or neither has it. */
static bool same_extension(X509 *a, X509 *b, int nid)
{
    int i = X509_get_ext_by_NID(a, nid, -1), k = X509_get_ext_by_NID(b, nid, -1);
    if (i < 0 || k < 0)
        return i < 0 && k < 0;
    X509_EXTENSION *first = X509_get_ext(a, i), *second = X509_get_ext(b, k);
    return X509_EXTENSION_get_critical(first) == X509_EXTENSION_get_critical(second) &&
           ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(first), X509_EXTENSION_get_data(second)) == 0;
}

static bool same_subject(X509 *a, X509 *b)
{
    const unsigned char *first, *second;
    size_t n, m;
    if (X509_NAME_get0_der(X509_get_subject_name(a), &first, &n) != 1 ||
        X509_NAME_get0_der(X509_get_subject_name(b), &second, &m) != 1)
        pke_oom();
    return n == m && memcmp(first, second, n) == 0;
}

void renewal_certificate_check(struct probe *p)
{
    X509 *old = p->state.cert, *new = p->leaf;
    struct verdict *v = p->verdict;
    if (p->request == PROBE_ISSUE || !old || !new)
        return;
    bool same_key = EVP_PKEY_eq(X509_get0_pubkey(old), X509_get0_pubkey(new)) == 1;
    verdict_check(v, X509_cmp(old, new) != 0, "renewed", "MS-WSTEP 3.1.4.1.2.4", "%s",
                  X509_cmp(old, new) ? "another certificate than before" : "the old certificate again");
    verdict_check(v, same_key == (p->opt.same_key && p->request == PROBE_RENEWAL), "renewed-key",
                  "MS-MDE2 3.4.4.1.1.1", "%s", same_key ? "the same key as before" : "for the new key");
    verdict_check(v, same_subject(old, new), "same-subject", "MS-WSTEP 3.1.4.1.2.4", "the subject is %s",
                  same_subject(old, new) ? "that of before" : "another than before");
    verdict_check(v, same_extension(old, new, NID_subject_alt_name), "same-san", "MS-WSTEP 3.1.4.1.2.4",
                  "the subject alternative name is %s",
                  same_extension(old, new, NID_subject_alt_name) ? "that of before" : "another than before");
    verdict_check(v, same_extension(old, new, NID_ext_key_usage), "same-usage", "MS-WSTEP 3.1.4.1.2.4",
                  "the extended key usage is %s",
                  same_extension(old, new, NID_ext_key_usage) ? "that of before" : "another than before");
    if (ASN1_TIME_compare(X509_get0_notAfter(new), X509_get0_notAfter(old)) < 0)
        verdict_note(v, "it ends before the old one does");
}
