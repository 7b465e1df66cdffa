/* SPDX-License-Identifier: Apache-2.0 */
/* RequestSecurityToken (Renew): a new key and request, signed with the certificate that ends (MS-MDE2 4.4).
 */
#include "config.h"

#include "base/mem.h"
#include "probe/csr.h"
#include "probe/exchange.h"
#include "probe/state.h"

static bool make_cms(struct probe *p)
{
    struct pke_fail fail = {.text = ""};
    bool good = csr_sign(p->state.cert, p->state.key, pke_buf_bytes(&p->csr), &p->cms, &fail) == PKE_OK;
    if (good)
        artefacts_write(p->out, "renew.request.p7", pke_buf_bytes(&p->cms));
    return verdict_check(p->verdict, good, "cms", "RFC 5652 5", "%s",
                         good ? "the request, signed with the expiring certificate" : fail.text);
}

static bool send(struct probe *p, const char *name)
{
    struct exchange ex = {.url = p->opt.enroll_url,
                          .name = name,
                          .action = ACTION_RSTRC,
                          .message_id = message_new_id(p->arena)};
    bool good = exchange_compose(p, &ex, MESSAGE_RENEW) && exchange_run(p, &ex) &&
                token_check(p, ex.xml, "renew.provisioning.xml");
    exchange_done(&ex);
    return good;
}

/* The same CMS in another message: a client does that which lost the answer. */
static bool repeat(struct probe *p, X509 *first)
{
    verdict_step(p->verdict, "repeat", "The same renewal again");
    probe_forget_certificates(p);
    if (!send(p, "repeat"))
        return false;
    bool same = p->leaf && X509_cmp(p->leaf, first) == 0;
    return verdict_check(p->verdict, same, "repeated", "Windows MDM client", "%s",
                         same ? "the same certificate as before" : "another certificate than before");
}

bool step_renew(struct probe *p)
{
    probe_forget(p);
    p->request = PROBE_RENEWAL;
    if (!step_request(p) || !make_cms(p))
        return false;
    verdict_step(p->verdict, "renew", "Renewal (RequestSecurityToken)");
    if (!send(p, "renew") || !p->leaf)
        return false;
    X509 *first = p->leaf;
    X509_up_ref(first);
    bool good = !p->opt.repeat || repeat(p, first);
    p->leaf = first; /* whatever came of the repetition, this is the certificate that the device has now */
    good = state_save(p) && good;
    p->leaf = NULL;
    X509_free(first);
    return good;
}
