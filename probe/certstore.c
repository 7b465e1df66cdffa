/* SPDX-License-Identifier: Apache-2.0 */
/* CertificateStore of the provisioning document (CertificateStore CSP, MS-MDE2 2.2.9.1). */
#include "config.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/provdoc.h"

#define RULE       "MS-MDE2 2.2.9.1"
#define STORE      "/wap-provisioningdoc/characteristic[@type='CertificateStore']"
#define CERT_NODES STORE "/characteristic/characteristic/characteristic[parm[@name='EncodedCertificate']]"
#define MAX_DAYS   1000u /* CertificateStore CSP: RenewPeriod and RetryInterval */

/* DER of the certificate; false when the text is not exactly one certificate in canonical base64 without
 * white space. */
static bool decode(struct probe *p, struct probe_cert *cert, const char *text)
{
    struct pke_buf der PKE_CLEANUP(pke_buf_done);
    pke_buf_init(&der, 64u << 10);
    if (!text || pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &der) != PKE_OK || !der.n)
        return false;
    cert->der = pke_arena_bytes(p->arena, pke_buf_bytes(&der));
    const unsigned char *at = cert->der.p;
    cert->x509 = d2i_X509(NULL, &at, (long)cert->der.n);
    return cert->x509 && at == cert->der.p + cert->der.n;
}

static bool thumbprint_fits(const struct probe_cert *cert)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned n = 0;
    if (EVP_Digest(cert->der.p, cert->der.n, hash, &n, EVP_sha1(), NULL) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, n), true, hex);
    return strcmp(hex, cert->node) == 0;
}

static void take_certificate(struct probe *p, struct xml *x, xmlNode *node)
{
    struct probe_cert *cert = &p->certs[p->n_certs++];
    const char *name = xml_attribute(x, node, "type"), *scope = xml_attribute(x, node->parent, "type");
    const char *store = xml_attribute(x, node->parent->parent, "type");
    *cert = (struct probe_cert){
        .node = name ? name : "", .scope = scope ? scope : "", .store = store ? store : ""};
    bool good = decode(p, cert, provdoc_parm(x, node, "EncodedCertificate"));
    verdict_check(p->verdict, good, "encoded-certificate", RULE, "%s/%s: %s", cert->store, cert->scope,
                  good ? "one certificate in base64 without white space"
                       : "not one certificate in plain base64");
    if (good)
        verdict_check(p->verdict, thumbprint_fits(cert), "thumbprint", RULE, "%s/%s/%s%s", cert->store,
                      cert->scope, cert->node,
                      thumbprint_fits(cert) ? "" : " is not the upper-case SHA-1 of the certificate");
}

static size_t count_store(const struct probe *p, const char *store)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_certs; i++)
        n += strcmp(p->certs[i].store, store) == 0;
    return n;
}

static void check_private_key_container(struct probe *p, struct xml *x)
{
    size_t n = xml_count(x, NULL,
                         STORE "/characteristic[@type='My']/characteristic"
                               "/descendant::characteristic[@type='PrivateKeyContainer']");
    verdict_check(p->verdict, n == 1, "private-key-container", RULE,
                  "%zu PrivateKeyContainer beside the certificate", n);
}

/* MS-MDE2: a user's enrollment goes to My/User, a device's to My/System; elsewhere Windows does not find the
 * key. */
static void check_stores(struct probe *p, struct xml *x)
{
    const char *want = p->opt.type == PROBE_FULL ? "User" : "System";
    const struct probe_cert *mine = NULL;
    bool outside = false;
    for (size_t i = 0; i < p->n_certs; i++) {
        const struct probe_cert *c = &p->certs[i];
        if (strcmp(c->store, "My") == 0)
            mine = c;
        else if (strcmp(c->scope, "System") != 0 ||
                 (strcmp(c->store, "Root") != 0 && strcmp(c->store, "CA") != 0))
            outside = true;
    }
    verdict_check(p->verdict, count_store(p, "My") == 1, "one-certificate", RULE, "%zu certificates in My",
                  count_store(p, "My"));
    verdict_check(p->verdict, mine && strcmp(mine->scope, want) == 0, "certificate-store", RULE,
                  "My/%s, expected My/%s", mine ? mine->scope : "(none)", want);
    verdict_check(p->verdict, count_store(p, "Root") <= 1 && count_store(p, "CA") <= 1 && !outside,
                  "ca-stores", RULE, "%zu in Root/System, %zu in CA/System%s", count_store(p, "Root"),
                  count_store(p, "CA"), outside ? ", and some elsewhere" : "");
    check_private_key_container(p, x);
    p->leaf = mine ? mine->x509 : NULL;
    if (mine)
        verdict_fact(p->verdict, "certificate-store", pke_arena_printf(p->arena, "My/%s", mine->scope));
}

/* The window in which the client renews: explicit datatypes, 1 <= RetryInterval <= RenewPeriod <= 1000 days.
 */
static void check_renew(struct probe *p, struct xml *x)
{
    xmlNode *renew = xml_first(x, NULL,
                               STORE "/characteristic[@type='My']/characteristic[@type='WSTEP']"
                                     "/characteristic[@type='Renew']");
    const char *robo = provdoc_parm(x, renew, "ROBOSupport");
    unsigned long period = 0, retry = 0;
    if (!renew &&
        xml_count(x, NULL, STORE "/characteristic[@type='My']//characteristic[@type='WSTEP']") == 0) {
        verdict_note(p->verdict,
                     "no My/WSTEP/Renew: the client renews when the management server asks for it");
        return;
    }
    bool typed = provdoc_integer(x, renew, "RenewPeriod", &period) &&
                 provdoc_integer(x, renew, "RetryInterval", &retry);
    if (!verdict_check(p->verdict, renew && typed, "renew", RULE, "%s",
                       !renew   ? "My/WSTEP/Renew is missing"
                       : !typed ? "RenewPeriod or RetryInterval is missing or not a typed integer"
                                : "My/WSTEP/Renew is there, its integers are typed"))
        return;
    verdict_check(p->verdict, robo && strcmp(robo, "true") == 0, "renew-robo", RULE, "ROBOSupport %s",
                  robo ? robo : "is missing");
    verdict_check(p->verdict, retry >= 1 && retry <= period && period <= MAX_DAYS, "renew-range", RULE,
                  "RenewPeriod %lu days, RetryInterval %lu days", period, retry);
    p->renew_period = period;
    verdict_fact(
        p->verdict, "renew",
        pke_arena_printf(p->arena, "from %lu days before the end, again every %lu days", period, retry));
}

void certstore_check(struct probe *p, struct xml *x)
{
    size_t n = xml_count(x, NULL, CERT_NODES);
    size_t elsewhere = xml_count(x, NULL, "//parm[@name='EncodedCertificate']") - n;
    verdict_check(p->verdict, xml_count(x, NULL, STORE) == 1 && !elsewhere && n <= PROBE_MAX_CERTS,
                  "certificate-store-node", RULE, "%zu CertificateStore with %zu certificates%s",
                  xml_count(x, NULL, STORE), n, elsewhere ? ", and certificates at other places" : "");
    for (size_t i = 1; i <= n && i <= PROBE_MAX_CERTS; i++)
        take_certificate(p, x, xml_first(x, NULL, pke_arena_printf(p->arena, "(" CERT_NODES ")[%zu]", i)));
    check_stores(p, x);
    if (!renewal_form(p, x))
        check_renew(p, x);
}
