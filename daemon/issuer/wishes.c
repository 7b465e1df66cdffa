/* SPDX-License-Identifier: Apache-2.0 */
/* Between ca/ and policy/, which do not know each other: what the CSR asks for; what is known of who asks. */
#include <string.h>

#include "ca/csr.h"
#include "daemon/issuer/issuer.h"
#include "policy/asked.h"

#define KEY_CERT_SIGN 0x04
#define CRL_SIGN      0x02

void wishes_identity(struct request *req)
{
    const struct pke_pairs *mapped =
        identity_map_find(req->setup->identities, req->identity.tenant, req->identity.principal);
    struct pke_pairs *known = &req->known_names;

    *known = (struct pke_pairs){0};
    for (size_t i = 0; mapped && i < mapped->n; i++)
        pke_pairs_add(known, req->arena, mapped->v[i].name, mapped->v[i].value);
    if (req->identity.upn && !pke_pairs_get(known, PKE_SAN_UPN))
        pke_pairs_add(known, req->arena, PKE_SAN_UPN, req->identity.upn);
    req->identity.attributes = known;
    req->identity.mapped = mapped;
}

void wishes_take_names(struct request *req, const struct pke_pairs *names, const char *rule,
                       const char *source)
{
    struct pke_pairs known = {0}, *mapped = pke_arena_alloc(req->arena, sizeof *mapped);

    if (!names->n)
        return;
    *mapped = (struct pke_pairs){0};
    for (size_t i = 0; i < req->known_names.n; i++)
        if (!pke_pairs_get(names, req->known_names.v[i].name))
            pke_pairs_add(&known, req->arena, req->known_names.v[i].name, req->known_names.v[i].value);
    for (size_t i = 0; req->identity.mapped && i < req->identity.mapped->n; i++)
        if (!pke_pairs_get(names, req->identity.mapped->v[i].name))
            pke_pairs_add(mapped, req->arena, req->identity.mapped->v[i].name,
                          req->identity.mapped->v[i].value);
    for (size_t i = 0; i < names->n; i++) {
        pke_pairs_add(&known, req->arena, names->v[i].name, names->v[i].value);
        pke_pairs_add(mapped, req->arena, names->v[i].name, names->v[i].value);
        explain(req, PKE_TRAIL_NOTED, names->v[i].name, rule, source, "%s", names->v[i].value);
    }
    req->known_names = known;
    req->identity.attributes = &req->known_names;
    req->identity.mapped = mapped;
    if (pke_pairs_get(names, PKE_SAN_UPN))
        req->identity.upn = pke_pairs_get(&req->known_names, PKE_SAN_UPN);
}

enum pke_err wishes_check(struct request *req)
{
    const struct ca_csr_asked *a = &req->csr.asked;
    struct policy_asked_extension ext[CA_CSR_MAX_EXTENSIONS];
    struct policy_asked asked = {.names = &a->names,
                                 .n_subject = a->n_subject,
                                 .unreadable = &a->unreadable,
                                 .ca = a->ca ||
                                       (a->has_key_usage && (a->key_usage & (KEY_CERT_SIGN | CRL_SIGN))),
                                 .ekus = &req->csr.ekus,
                                 .application_policies = &a->application_policies,
                                 .certificate_policies = &a->certificate_policies,
                                 .template_name = a->template_name,
                                 .template_oid = a->template_oid,
                                 .ext = ext,
                                 .n_ext = a->n_ext};

    for (size_t i = 0; i < a->n_ext; i++)
        ext[i] = (struct policy_asked_extension){
            .oid = a->ext[i].oid, .critical = a->ext[i].critical, .readable = a->ext[i].readable};
    return policy_asked_check(req->tmpl->policy, &asked, &req->decision, &req->trail, &req->fail);
}
