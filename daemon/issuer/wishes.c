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
