/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: the daemon itself, keys, issuers, templates. */
#include <string.h>

#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/conf_impl.h"

#define MIN_CRL_LIFETIME 5000 /* ms */

/* What each backend needs and what means nothing to it. */
static void check_backend(struct conf_impl *ci, size_t i)
{
    static const char *const prefixes[] = {
        [CONF_BACKEND_PKCS11] = "pkcs11:", [CONF_BACKEND_TPM2] = "tpm2:", [CONF_BACKEND_FILE] = ""};
    const struct conf_key *k = &ci->conf.keys[i];
    bool pkcs11 = k->backend == CONF_BACKEND_PKCS11, tpm = k->backend == CONF_BACKEND_TPM2;
    const char *prefix = prefixes[k->backend];

    if (pkcs11 && !k->module)
        conf_bad(ci, CONF_KEYS, i, "module", "the backend pkcs11 needs a module");
    if (!pkcs11 && k->module)
        conf_bad(ci, CONF_KEYS, i, "module", "only the backend pkcs11 has a module");
    if (tpm && !k->tcti)
        conf_bad(ci, CONF_KEYS, i, "tcti", "the backend tpm2 needs a tcti, as device:/dev/tpmrm0");
    if (!tpm && k->tcti)
        conf_bad(ci, CONF_KEYS, i, "tcti", "only the backend tpm2 has a tcti");
    if (k->uri && strncmp(k->uri, prefix, strlen(prefix)) != 0)
        conf_bad(ci, CONF_KEYS, i, "uri", "must begin with %s%s", prefix, pkcs11 ? " (RFC 7512)" : "");
    if (pkcs11 && k->login == CONF_KEY_LOGIN_PIN && !k->pin_file && !k->pin_credential)
        conf_bad(ci, CONF_KEYS, i, "pin-file", "pin-file or pin-credential is needed");
    if (pkcs11 && k->login != CONF_KEY_LOGIN_PIN && (k->pin_file || k->pin_credential))
        conf_bad(ci, CONF_KEYS, i, "login",
                 "no PIN is used with it: pin-file and pin-credential must be absent");
    if (!pkcs11 && k->login != CONF_KEY_LOGIN_PIN)
        conf_bad(ci, CONF_KEYS, i, "login", "only the backend pkcs11 has another login than pin");
    if (tpm && k->instances > 1)
        conf_bad(ci, CONF_KEYS, i, "instances", "a TPM does one thing at a time: one instance");
    if (tpm && k->signature == CONF_KEY_SIGNATURE_ED25519)
        conf_bad(ci, CONF_KEYS, i, "signature", "a TPM 2.0 has no Ed25519 keys");
}

static void check_key(struct conf_impl *ci, size_t i)
{
    const struct conf_key *k = &ci->conf.keys[i];

    if (k->backend == CONF_BACKEND_FILE && k->uri &&
        (strncmp(k->uri, "pkcs11:", 7) == 0 || strncmp(k->uri, "tpm2:", 5) == 0))
        conf_bad(ci, CONF_KEYS, i, "uri", "the backend file expects the path of a PEM file");
    if (k->uri && (strstr(k->uri, "pin-value") || strstr(k->uri, "pin-source")))
        conf_bad(ci, CONF_KEYS, i, "uri", "must not name a PIN: use pin-file or pin-credential");
    if (!conf_given(ci, CONF_KEYS, i, "backend") && conf_node_get(ci->nodes[CONF_KEYS][i], "backend"))
        return; /* what the others mean depends on it */
    check_backend(ci, i);
    if (k->pin_file && k->pin_credential)
        conf_bad(ci, CONF_KEYS, i, "pin-credential", "pin-file and pin-credential exclude each other");
    if (k->pin_credential && (strchr(k->pin_credential, '/') || k->pin_credential[0] == '.'))
        conf_bad(ci, CONF_KEYS, i, "pin-credential", "is the name of a credential, not a path");
}

/* Where clients fetch lists. */
static bool is_place(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "ldap://"};

    for (size_t i = 0; i < PKE_LEN(schemes); i++)
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0 && url[strlen(schemes[i])])
            return !strpbrk(url, " \t\"<>\\^`{|}");
    return false;
}

static void check_issuer(struct conf_impl *ci, size_t i)
{
    const struct conf_issuer *a = &ci->conf.issuers[i];

    if (strcmp(a->name, "clients-ca") == 0 || strcmp(a->name, "clients") == 0)
        conf_bad(ci, CONF_ISSUERS, i, "certificate", "the name of the issuer is that of a published file");
    if (a->allowed_ekus.n == 0)
        conf_bad(ci, CONF_ISSUERS, i, "allowed-ekus", "must not be empty");
    if (a->crl_lifetime && a->crl_interval >= a->crl_lifetime)
        conf_bad(ci, CONF_ISSUERS, i, "crl-interval",
                 "must be shorter than crl-lifetime, so that a list follows before the last one ends");
    if (a->crl_lifetime && a->crl_lifetime < MIN_CRL_LIFETIME)
        conf_bad(ci, CONF_ISSUERS, i, "crl-lifetime", "must be 0s or at least 5s");
    for (size_t k = 0; k < a->delta_crl_urls.n; k++)
        if (!is_place(a->delta_crl_urls.v[k]))
            conf_bad_item(ci, CONF_ISSUERS, i, "delta-crl-urls", a->delta_crl_urls.v[k],
                          "must be an http, https or ldap URL without a space");
    /* The floor of a key process is the configuration of its one issuer. */
    for (size_t k = 0; k < i; k++)
        if (a->key_ref && ci->conf.issuers[k].key_ref == a->key_ref)
            conf_bad(ci, CONF_ISSUERS, i, "key", "the key belongs to the issuer %s already",
                     ci->conf.issuers[k].name);
}

static void check_template_issuer(struct conf_impl *ci, size_t i)
{
    const struct policy_template *t = &ci->conf.templates[i];
    const struct conf_issuer *a = conf_find_issuer(&ci->conf, t->issuer);
    char limit[24];

    if (!a)
        return;
    if (!a->key)
        conf_bad(ci, CONF_TEMPLATES, i, "issuer", "%s is a legacy issuer: it has no key and signs nothing",
                 a->name);
    if (t->validity > a->max_validity) {
        pke_duration_format(a->max_validity, limit);
        conf_bad(ci, CONF_TEMPLATES, i, "validity", "is longer than max-validity %s of the issuer %s", limit,
                 a->name);
    }
    if (t->backdate > a->max_backdate) {
        pke_duration_format(a->max_backdate, limit);
        conf_bad(ci, CONF_TEMPLATES, i, "backdate", "is longer than max-backdate %s of the issuer %s", limit,
                 a->name);
    }
    for (size_t k = 0; k < t->ekus.n; k++)
        if (!pke_strings_has(&a->allowed_ekus, t->ekus.v[k]))
            conf_bad_item(ci, CONF_TEMPLATES, i, "ekus", t->ekus.v[k],
                          "%s is not in allowed-ekus of the issuer %s", t->ekus.v[k], a->name);
}

static void too_many(struct conf_impl *ci, enum conf_section_id section, size_t first_over, const char *what,
                     unsigned limit)
{
    const struct conf_node *node = ci->nodes[section][first_over];

    conf_report_add(ci->report, node->kept, node->path, "there are more than %u %s", limit, what);
}

/* What the processes have room for. Every issuer has a key of its own, so that the keys bound the issuers. */
static void check_numbers(struct conf_impl *ci)
{
    const struct conf *c = &ci->conf;

    if (c->n_keys > CONF_MAX_KEYS)
        too_many(ci, CONF_KEYS, CONF_MAX_KEYS, "keys", CONF_MAX_KEYS);
    if (c->n_listeners > CONF_MAX_PLACES)
        too_many(ci, CONF_LISTENERS, CONF_MAX_PLACES, "listeners", CONF_MAX_PLACES);
    else if (c->n_listeners + c->n_endpoints > CONF_MAX_PLACES)
        too_many(ci, CONF_ENDPOINTS, CONF_MAX_PLACES - c->n_listeners, "listeners and endpoints",
                 CONF_MAX_PLACES);
}

/* policy_template_check() names the option first: its line is told, and its name once. */
static void bad_template(struct conf_impl *ci, size_t i, const struct pke_fail *fail)
{
    const char *end = fail->text + strcspn(fail->text, " ,:");
    const char *name = pke_arena_str(ci->conf.arena, PKE_BYTES(fail->text, (size_t)(end - fail->text)));
    const struct pke_option *o = conf_sections[CONF_TEMPLATES].options;

    while (o->name && strcmp(o->name, name) != 0)
        o++;
    if (o->name && *end != ',')
        conf_bad(ci, CONF_TEMPLATES, i, name, "%s (%s)", end + strspn(end, ": "), fail->rule);
    else
        conf_bad(ci, CONF_TEMPLATES, i, o->name, "%s (%s)", fail->text, fail->rule);
}

void conf_check(struct conf_impl *ci)
{
    struct pke_fail fail;

    if (ci->conf.global.tenant && !conf_name_valid(ci->conf.global.tenant))
        conf_bad(ci, CONF_GLOBAL, 0, "tenant",
                 "a name is 1 to %d lower-case letters, digits and inner dashes", CONF_NAME_MAX);
    check_numbers(ci);
    for (size_t i = 0; i < ci->conf.n_keys; i++)
        check_key(ci, i);
    for (size_t i = 0; i < ci->conf.n_issuers; i++)
        check_issuer(ci, i), conf_check_issuer_bounds(ci, i);
    for (size_t i = 0; i < ci->conf.n_templates; i++) {
        check_template_issuer(ci, i);
        conf_check_template_bounds(ci, i);
        if (ci->conf.templates[i].issuer && policy_template_check(&ci->conf.templates[i], &fail) != PKE_OK)
            bad_template(ci, i, &fail);
    }
    for (size_t i = 0; i < ci->conf.n_listeners; i++)
        conf_check_listener(ci, i);
    conf_check_authorisers(ci);
    conf_check_sinks(ci);
}
