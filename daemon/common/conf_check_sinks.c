/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: who is told what happened. */
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"

/* As ledger/event.h names them, which no other role than issuer knows. */
static bool is_kind(const char *kind)
{
    static const char *const kinds[] = {"issued",
                                        "renewed",
                                        "failed",
                                        "refused",
                                        "pending",
                                        "denied",
                                        "approved",
                                        "revoked",
                                        "released",
                                        "imported",
                                        "expiring",
                                        "issuer-scheduled",
                                        "issuer-acknowledged",
                                        "issuer-switched",
                                        "issuer-cancelled"};

    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

static void check_sink(struct conf_impl *ci, size_t i)
{
    const struct conf_sink *s = &ci->conf.sinks[i];
    struct conf_webhook w = {s->url, s->unix_path, s->tls_ca, s->tls_certificate, s->tls_key};

    conf_check_webhook(ci, CONF_SINKS, i, &w);
    if (s->peer_uids.n && !s->unix_path)
        conf_bad(ci, CONF_SINKS, i, "peer-uids", "belongs to a unix socket");
    if (!s->secret_file && !(s->unix_path && s->peer_uids.n))
        conf_bad(ci, CONF_SINKS, i, "secret-file", "is needed without a unix socket of peer-uids");
    for (size_t k = 0; k < s->kinds.n; k++)
        if (!is_kind(s->kinds.v[k]))
            conf_bad_item(ci, CONF_SINKS, i, "kinds", s->kinds.v[k], "%s is no kind of event", s->kinds.v[k]);
}

void conf_check_sinks(struct conf_impl *ci)
{
    for (size_t i = 0; i < ci->conf.n_sinks; i++)
        check_sink(ci, i);
}
