/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/floor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/file.h"

#define MAX_PEM 65536

/* What the templates of this issuer, today or after a rollover, say: nobody else's passes. */
static size_t floor_templates(const struct conf *conf, const struct conf_issuer *issuer,
                              struct ca_floor_template *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < conf->n_templates; i++) {
        const struct policy_template *t = &conf->templates[i];

        if (!conf_issuer_could_sign(issuer, t))
            continue;
        ret[n++] = (struct ca_floor_template){
            .name = t->template_extension == POLICY_TEMPLATE_NAME ? t->common_name : NULL,
            .oid = t->template_extension == POLICY_TEMPLATE_OID ? t->template_oid : NULL,
            .major = (uint32_t)t->major_revision,
            .minor = (uint32_t)t->minor_revision,
            .key_usage = policy_template_key_usage(t),
            .cps_uri = t->cps_uri};
    }
    return n;
}

enum pke_err floor_load(const struct conf *conf, const struct conf_issuer *issuer, struct ca_floor **ret,
                        struct pke_fail *fail)
{
    static const enum ca_scheme schemes[] = {[CONF_KEY_SIGNATURE_DEFAULT] = CA_SCHEME_DEFAULT,
                                             [CONF_KEY_SIGNATURE_RSA_PSS] = CA_SCHEME_RSA_PSS,
                                             [CONF_KEY_SIGNATURE_ED25519] = CA_SCHEME_ED25519};
    struct ca_floor_template *templates = pke_calloc(conf->n_templates + 1, sizeof *templates);
    struct ca_floor_limits limits = {.issuer = issuer->name,
                                     .scheme = schemes[issuer->key_ref->signature],
                                     .max_validity = issuer->max_validity / 1000,
                                     .max_backdate = issuer->max_backdate / 1000,
                                     .allowed_ekus = issuer->allowed_ekus,
                                     .allowed_policies = issuer->allowed_policies,
                                     .upn_suffixes = issuer->upn_suffixes,
                                     .email_suffixes = issuer->email_suffixes,
                                     .dns_suffixes = issuer->dns_suffixes,
                                     .sid_prefixes = issuer->sid_prefixes,
                                     .uri_prefixes = issuer->uri_prefixes,
                                     .allow_guid = issuer->allow_guid,
                                     .crl_urls = issuer->crl_urls,
                                     .ca_issuers_urls = issuer->ca_issuers_urls,
                                     .templates = templates,
                                     .n_templates = floor_templates(conf, issuer, templates)};
    struct pke_buf pem;
    enum pke_err err;

    pke_buf_init(&pem, MAX_PEM);
    err = file_read(issuer->certificate, &pem, fail);
    if (err == PKE_OK)
        err = ca_floor_new(pke_buf_bytes(&pem), &limits, ret, fail);
    pke_buf_done(&pem);
    free(templates);
    return err;
}
