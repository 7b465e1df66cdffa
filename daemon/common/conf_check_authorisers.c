/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: authorisers, and the templates that name them. */
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"

/* What means nothing to the other kind is a mistake that somebody would rely on. */
static void check_kind(struct conf_impl *ci, size_t i)
{
    const struct conf_authoriser *a = &ci->conf.authorisers[i];
    const struct {
        const char *option;
        bool given, webhook;
    } options[] = {{"rules-file", a->rules_file, false},
                   {"url", a->url, true},
                   {"unix", a->unix_path, true},
                   {"peer-uids", a->peer_uids.n, true},
                   {"question-secret-file", a->question_secret_file, true},
                   {"answer-secret-file", a->answer_secret_file, true},
                   {"tls-ca", a->tls_ca, true},
                   {"tls-certificate", a->tls_certificate, true},
                   {"tls-key", a->tls_key, true}};
    bool webhook = a->kind == CONF_AUTHORISER_WEBHOOK;

    for (size_t k = 0; k < PKE_LEN(options); k++)
        if (options[k].given && options[k].webhook != webhook)
            conf_bad(ci, CONF_AUTHORISERS, i, options[k].option, "belongs to the kind %s",
                     options[k].webhook ? "webhook" : "static");
    if (!webhook && !a->rules_file)
        conf_bad(ci, CONF_AUTHORISERS, i, "rules-file", "is needed for the kind static");
}

void conf_check_webhook(struct conf_impl *ci, enum conf_section_id section, size_t i,
                        const struct conf_webhook *w)
{
    bool https = w->url && conf_https_url(w->url, true);
    bool local = w->url && w->unix_path && strncmp(w->url, "http://", 7) == 0;

    if (w->url && !https && !local)
        conf_bad(ci, section, i, "url", "expects https://HOST/PATH, or http://HOST/PATH with unix");
    if ((w->tls_ca || w->tls_certificate) && local)
        conf_bad(ci, section, i, w->tls_ca ? "tls-ca" : "tls-certificate", "has no effect with http");
    if (!w->tls_certificate != !w->tls_key)
        conf_bad(ci, section, i, w->tls_key ? "tls-certificate" : "tls-key",
                 "tls-certificate and tls-key are given together");
}

static void check_url(struct conf_impl *ci, size_t i)
{
    const struct conf_authoriser *a = &ci->conf.authorisers[i];
    struct conf_webhook w = {a->url, a->unix_path, a->tls_ca, a->tls_certificate, a->tls_key};

    if (!a->url)
        conf_bad(ci, CONF_AUTHORISERS, i, "url", "is needed for the kind webhook");
    conf_check_webhook(ci, CONF_AUTHORISERS, i, &w);
}

/* A15: an answer counts by its signature, or by who the kernel says is at the other end. */
static void check_secrets(struct conf_impl *ci, size_t i)
{
    const struct conf_authoriser *a = &ci->conf.authorisers[i];
    bool known_peer = a->unix_path && a->peer_uids.n;

    if (a->peer_uids.n && !a->unix_path)
        conf_bad(ci, CONF_AUTHORISERS, i, "peer-uids", "belongs to a unix socket");
    if (!a->answer_secret_file && !known_peer)
        conf_bad(ci, CONF_AUTHORISERS, i, "answer-secret-file",
                 "is needed: nobody but a unix socket of peer-uids is believed without a signature");
    if (!a->question_secret_file && !known_peer)
        conf_bad(ci, CONF_AUTHORISERS, i, "question-secret-file",
                 "is needed without a unix socket of peer-uids");
    if (a->answer_secret_file && a->question_secret_file &&
        strcmp(a->answer_secret_file, a->question_secret_file) == 0)
        conf_bad(ci, CONF_AUTHORISERS, i, "answer-secret-file",
                 "must be another secret than that of the question, which the role net has");
}

/* Who decides for one tenant has no say in another. */
static void check_named(struct conf_impl *ci, enum conf_section_id section, size_t i, const char *option,
                        const char *name, const char *tenant)
{
    const struct conf_authoriser *a = name ? conf_find_authoriser(&ci->conf, name) : NULL;

    if (name && !a)
        conf_bad(ci, section, i, option, "there is no authoriser %s", name);
    else if (a && a->tenant && tenant && strcmp(a->tenant, tenant) != 0)
        conf_bad(ci, section, i, option, "the authoriser %s belongs to the tenant %s", name, a->tenant);
}

static void check_template(struct conf_impl *ci, size_t i)
{
    const struct policy_template *t = &ci->conf.templates[i];

    check_named(ci, CONF_TEMPLATES, i, "authoriser", t->authoriser, t->tenant);
    if (!t->authoriser && t->authoriser_may.n)
        conf_bad(ci, CONF_TEMPLATES, i, "authoriser-may", "has no effect without authoriser");
}

/* What a client sends must be of one kind: a text without a form of its own is ours or the frontend's. */
static void check_endpoint(struct conf_impl *ci, size_t i)
{
    static const char *const pairs[][2] = {{"frontend-token", "one-time-token"},
                                           {"frontend-password", "username"}};
    const struct conf_endpoint *e = &ci->conf.endpoints[i];
    const struct conf_authoriser *a =
        e->authenticator ? conf_find_authoriser(&ci->conf, e->authenticator) : NULL;
    bool asks = false;

    check_named(ci, CONF_ENDPOINTS, i, "authenticator", e->authenticator, e->tenant);
    if (a && a->kind != CONF_AUTHORISER_WEBHOOK)
        conf_bad(ci, CONF_ENDPOINTS, i, "authenticator", "expects an authoriser of the kind webhook");
    for (size_t k = 0; k < PKE_LEN(pairs); k++) {
        bool given = pke_strings_has(&e->credentials, pairs[k][0]);

        asks = asks || given;
        if (given && pke_strings_has(&e->credentials, pairs[k][1]))
            conf_bad_item(ci, CONF_ENDPOINTS, i, "credentials", pairs[k][0],
                          "%s and %s cannot be told apart: one of both", pairs[k][0], pairs[k][1]);
    }
    if (asks && !e->authenticator)
        conf_bad(ci, CONF_ENDPOINTS, i, "authenticator",
                 "is needed for frontend-token and frontend-password");
    if (!asks && e->authenticator)
        conf_bad(ci, CONF_ENDPOINTS, i, "authenticator",
                 "has no effect without the credentials frontend-token or frontend-password");
}

void conf_check_authorisers(struct conf_impl *ci)
{
    for (size_t i = 0; i < ci->conf.n_authorisers; i++) {
        check_kind(ci, i);
        if (ci->conf.authorisers[i].kind != CONF_AUTHORISER_WEBHOOK)
            continue;
        check_url(ci, i);
        check_secrets(ci, i);
    }
    for (size_t i = 0; i < ci->conf.n_templates; i++)
        check_template(ci, i);
    for (size_t i = 0; i < ci->conf.n_endpoints; i++)
        check_endpoint(ci, i);
}
