/* SPDX-License-Identifier: Apache-2.0 */
/* What a frontend gets: everything that it has to put into its answer to the device. control adds the
 * CertificateStore document. */
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ca/facts.h"
#include "daemon/issuer/jsonval.h"
#include "daemon/issuer/sign_impl.h"

static json_t *digest(struct pke_bytes der, const EVP_MD *md)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(der.p, der.n, hash, &n, md, NULL) != 1)
        pke_oom();
    return jsonval_hex(PKE_BYTES(hash, n));
}

/* From the issuer up to its root, each once. */
static json_t *chain_of(const struct issuer_ca *ca)
{
    json_t *chain = json_array();

    if (!ca)
        return chain;
    json_array_append_new(chain, jsonval_base64(ca_issuer_der(ca->ca)));
    if (!ca_issuer_self_signed(ca->ca))
        json_array_append_new(chain, jsonval_base64(ca_issuer_root_der(ca->ca)));
    return chain;
}

json_t *sign_issuer(const struct issuer_template *t)
{
    struct pke_bytes der = ca_issuer_der(t->ca->ca);

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "template", t->policy->name, "issuer",
                     t->ca->conf->name, "certificate", jsonval_base64(der), "sha1", digest(der, EVP_sha1()),
                     "sha256", digest(der, EVP_sha256()), "not_before",
                     jsonval_seconds(ca_issuer_not_before(t->ca->ca)), "not_after",
                     jsonval_seconds(ca_issuer_not_after(t->ca->ca)), "chain", chain_of(t->ca));
}

json_t *sign_view(struct issuer *is, const struct msg_issued *m)
{
    const struct issuer_ca *ca = setup_ca(is->setup, m->issuer);
    struct pke_arena *arena = pke_arena_new();
    struct ca_cert_facts facts = {0};
    struct pke_fail fail;
    json_t *o;

    (void)ca_cert_facts_read(m->certificate, arena, &facts, &fail); /* it was made here */
    o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}",
                  "request_id", jsonval_text(m->request_id), "operation", jsonval_text(m->operation),
                  "serial", jsonval_text(m->serial), "certificate", jsonval_base64(m->certificate), "sha1",
                  digest(m->certificate, EVP_sha1()), "sha256", digest(m->certificate, EVP_sha256()),
                  "not_before", jsonval_seconds(facts.not_before), "not_after",
                  jsonval_seconds(facts.not_after), "principal", jsonval_text(m->principal),
                  "enrollment_type", jsonval_text(m->enrollment_type), "ent_dmid", jsonval_text(m->ent_dmid),
                  "provider_id", jsonval_text(m->provider), "issuer", jsonval_text(m->issuer), "chain",
                  chain_of(ca), "with_ca", m->with_ca || strcmp(m->operation, "renew") != 0, "replayed",
                  (int)m->replayed);
    if (!o)
        pke_oom();
    pke_arena_free(arena);
    return o;
}
