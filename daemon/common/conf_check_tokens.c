/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: token issuers, and the endpoints that name them. */
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/conf_impl.h"

#define ENTRA_LEEWAY   300000    /* mdm.md 4.2: tokens with a skew of five minutes are tolerated */
#define ENTRA_LIFETIME 100800000 /* 28 h: what continuous access evaluation makes of an access token */
#define TID            "{tid}"

/* The algorithms of jose/alg.h, which this layer does not know. */
static const char *const algorithms[] = {"RS256", "PS256", "ES256", "ES384", "EdDSA"};
static const char *const entra_issuers[] = {"https://login.microsoftonline.com/{tid}/v2.0",
                                            "https://sts.windows.net/{tid}/"};

static void add_default(struct conf_impl *ci, size_t i, const char *option, struct pke_strings *list,
                        const char *const *values, size_t n)
{
    if (conf_node_get(ci->nodes[CONF_TOKEN_ISSUERS][i], option))
        return;
    for (size_t k = 0; k < n; k++)
        pke_strings_add(list, ci->conf.arena, values[k]);
}

void conf_resolve_tokens(struct conf_impl *ci)
{
    for (size_t i = 0; i < ci->conf.n_token_issuers; i++) {
        struct conf_token_issuer *t = &ci->conf.token_issuers[i];
        bool entra = t->kind == CONF_TOKENS_ENTRA;

        add_default(ci, i, "algorithms", &t->algorithms, algorithms, entra ? 1 : PKE_LEN(algorithms));
        if (!entra)
            continue;
        add_default(ci, i, "issuer", &t->issuer, entra_issuers, PKE_LEN(entra_issuers));
        if (!conf_given(ci, CONF_TOKEN_ISSUERS, i, "leeway"))
            t->leeway = ENTRA_LEEWAY;
        if (!conf_given(ci, CONF_TOKEN_ISSUERS, i, "max-lifetime"))
            t->max_lifetime = ENTRA_LIFETIME;
        if (!t->required_scope)
            t->required_scope = pke_arena_strdup(ci->conf.arena, "mdm_delegation");
    }
}

/* What the other kind has would be passed over in silence. A value that is the default may be there: a dump
 * names every option. */
static void check_kind(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];
    bool entra = t->kind == CONF_TOKENS_ENTRA;
    const struct {
        const char *option;
        bool of_entra, set;
    } options[] = {
        {"tenants", true, t->tenants.n > 0},
        {"required-scope", true, t->required_scope != NULL},
        {"app-ids", true, t->app_ids.n > 0},
        {"principal-claim", false, strcmp(t->principal_claim, "sub") != 0},
        {"id-claim", false, t->id_claim != NULL},
        {"principals", false, t->principals.n > 0},
        {"one-time", false, t->one_time},
        {"require-key-binding", false, t->require_key_binding},
    };

    for (size_t k = 0; k < PKE_LEN(options); k++)
        if (options[k].set && options[k].of_entra != entra)
            conf_bad(ci, CONF_TOKEN_ISSUERS, i, options[k].option, "belongs to the kind %s",
                     entra ? "custom" : "entra");
}

static void check_algorithms(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];

    if (t->algorithms.n == 0)
        conf_bad(ci, CONF_TOKEN_ISSUERS, i, "algorithms", "must not be empty");
    for (size_t k = 0; k < t->algorithms.n; k++) {
        bool known = false;

        for (size_t a = 0; a < PKE_LEN(algorithms); a++)
            known = known || strcmp(algorithms[a], t->algorithms.v[k]) == 0;
        if (!known)
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "algorithms", t->algorithms.v[k],
                          "%s is not one of RS256, PS256, ES256, ES384, EdDSA", t->algorithms.v[k]);
    }
}

/* CVE-2026-24899: an issuer without the tenant in it takes everybody's token. */
static void check_issuers(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];
    bool entra = t->kind == CONF_TOKENS_ENTRA;

    if (t->issuer.n == 0)
        conf_bad(ci, CONF_TOKEN_ISSUERS, i, "issuer", "at least one value of iss is needed");
    for (size_t k = 0; k < t->issuer.n; k++) {
        const char *at = strstr(t->issuer.v[k], TID);

        if (entra && (!at || strstr(at + 1, TID)))
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "issuer", t->issuer.v[k], "must hold " TID " once");
        if (!entra && at)
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "issuer", t->issuer.v[k],
                          TID " belongs to the kind entra");
    }
}

static void check_guids(struct conf_impl *ci, size_t i, const char *option, const struct pke_strings *list)
{
    for (size_t k = 0; k < list->n; k++)
        if (!pke_uuid_valid(list->v[k]))
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, option, list->v[k], "expects a GUID");
}

/* RFC 9110 8.3.1: a subtype; "application/" is left out, RFC 7515 4.1.9. */
static void check_type(struct conf_impl *ci, size_t i)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
    const char *type = ci->conf.token_issuers[i].token_type;

    if (type && type[strspn(type, token)])
        conf_bad(ci, CONF_TOKEN_ISSUERS, i, "token-type",
                 "is a media type without application/, such as at+jwt");
}

static void check_principals(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];

    for (size_t k = 0; k < t->principals.n; k++)
        if (!policy_pattern_valid(t->principals.v[k]))
            conf_bad_item(ci, CONF_TOKEN_ISSUERS, i, "principals", t->principals.v[k],
                          "takes exact names, *@domain or *");
}

/* An id is "NAME:..." for a custom issuer's token and "x509:..." for a certificate. */
static void check_name(struct conf_impl *ci, size_t i)
{
    const struct conf_node *node = ci->nodes[CONF_TOKEN_ISSUERS][i];

    if (strcmp(ci->conf.token_issuers[i].name, "x509") == 0)
        conf_report_add(ci->report, node->kept, node->path,
                        "the name is reserved: the ids of certificates begin with it");
}

static void check_token_issuer(struct conf_impl *ci, size_t i)
{
    const struct conf_token_issuer *t = &ci->conf.token_issuers[i];

    check_name(ci, i);
    check_type(ci, i);
    check_principals(ci, i);
    if (!conf_given(ci, CONF_TOKEN_ISSUERS, i, "kind"))
        return; /* what the others mean depends on it */
    check_kind(ci, i);
    check_algorithms(ci, i);
    check_issuers(ci, i);
    if (conf_given(ci, CONF_TOKEN_ISSUERS, i, "audience") && t->audience.n == 0)
        conf_bad(ci, CONF_TOKEN_ISSUERS, i, "audience", "must not be empty");
    if (t->kind == CONF_TOKENS_ENTRA && t->tenants.n == 0)
        conf_bad(ci, CONF_TOKEN_ISSUERS, i, "tenants",
                 "the tenants must be named: Microsoft signs for every tenant with the same keys");
    check_guids(ci, i, "tenants", &t->tenants);
    check_guids(ci, i, "app-ids", &t->app_ids);
    for (const char *c = t->required_scope; c && *c; c++)
        if (*c == ' ') {
            conf_bad(ci, CONF_TOKEN_ISSUERS, i, "required-scope", "is one scope, without blanks");
            break;
        }
}

/* A kind without an issuer could only refuse, an issuer without its kind is never asked. */
static void check_endpoint(struct conf_impl *ci, size_t i)
{
    static const char *const kinds[] = {[CONF_TOKENS_CUSTOM] = "jwt", [CONF_TOKENS_ENTRA] = "entra-jwt"};
    const struct conf_endpoint *e = &ci->conf.endpoints[i];
    bool named[PKE_LEN(kinds)] = {false};

    if (e->token_issuers.n > CONF_MAX_ENDPOINT_TOKENS)
        conf_bad(ci, CONF_ENDPOINTS, i, "token-issuers", "names more than %d token issuers",
                 CONF_MAX_ENDPOINT_TOKENS);
    for (size_t k = 0; k < e->token_issuers.n; k++) {
        const char *name = e->token_issuers.v[k];
        const struct conf_token_issuer *t = conf_find_token_issuer(&ci->conf, name);

        if (!t) {
            conf_bad_item(ci, CONF_ENDPOINTS, i, "token-issuers", name, "there is no token issuer %s", name);
            return;
        }
        named[t->kind] = true;
        if (!pke_strings_has(&e->credentials, kinds[t->kind]))
            conf_bad_item(ci, CONF_ENDPOINTS, i, "token-issuers", name,
                          "%s has no effect without the credential kind %s", name, kinds[t->kind]);
    }
    for (size_t k = 0; k < PKE_LEN(kinds); k++)
        if (!named[k] && pke_strings_has(&e->credentials, kinds[k]))
            conf_bad_item(ci, CONF_ENDPOINTS, i, "credentials", kinds[k],
                          "%s needs a token issuer of its kind in token-issuers", kinds[k]);
}

void conf_check_tokens(struct conf_impl *ci)
{
    const struct conf *c = &ci->conf;

    if (c->n_token_issuers > CONF_MAX_TOKEN_ISSUERS) {
        const struct conf_node *node = ci->nodes[CONF_TOKEN_ISSUERS][CONF_MAX_TOKEN_ISSUERS];

        conf_report_add(ci->report, node->kept, node->path, "there are more than %d token issuers",
                        CONF_MAX_TOKEN_ISSUERS);
    }
    for (size_t i = 0; i < c->n_token_issuers; i++)
        check_token_issuer(ci, i);
    for (size_t i = 0; i < c->n_endpoints; i++)
        check_endpoint(ci, i);
}
