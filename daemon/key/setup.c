/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/key/setup.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/floor.h"

#define CRL_LIFETIME_SLACK 3600 /* seconds: thisUpdate lies a little back */

void key_setup_free(struct key_setup *s)
{
    if (!s)
        return;
    ca_floor_free(s->floor);
    pke_secret_free(s->pin);
    free(s->uri);
    free(s->module);
    free(s->tcti);
    free(s->latch_directory);
    free(s);
}

static const struct conf_issuer *issuer_of(const struct conf *conf, const struct conf_key *key)
{
    for (size_t i = 0; i < conf->n_issuers; i++)
        if (conf->issuers[i].key_ref == key)
            return &conf->issuers[i];
    return NULL;
}

static enum pke_err load_pin(struct key_setup *s, const struct conf_key *key, struct pke_fail *fail)
{
    if (key->pin_file)
        return pke_secret_read_file(key->pin_file, CONF_MAX_PIN, &s->pin, fail);
    if (key->pin_credential)
        return pke_secret_read_credential(getenv("CREDENTIALS_DIRECTORY"), key->pin_credential, CONF_MAX_PIN,
                                          &s->pin, fail);
    return PKE_OK;
}

enum pke_err key_setup_load(const struct conf *conf, const char *name, struct key_setup **ret,
                            struct pke_fail *fail)
{
    static const enum ks_backend_kind backends[] = {
        [CONF_BACKEND_PKCS11] = KS_PKCS11, [CONF_BACKEND_TPM2] = KS_TPM2, [CONF_BACKEND_FILE] = KS_FILE};
    static const enum ks_tpm_session sessions[] = {
        [CONF_TPM_SESSION_SALTED] = KS_TPM_SALTED, [CONF_TPM_SESSION_PASSWORD] = KS_TPM_PASSWORD};
    static const enum ks_signature signatures[] = {[CONF_KEY_SIGNATURE_DEFAULT] = KS_SIGNATURE_DEFAULT,
                                                   [CONF_KEY_SIGNATURE_RSA_PSS] = KS_SIGNATURE_RSA_PSS,
                                                   [CONF_KEY_SIGNATURE_ED25519] = KS_SIGNATURE_ED25519};
    static const enum ks_login logins[] = {[CONF_KEY_LOGIN_PIN] = KS_LOGIN_PIN,
                                           [CONF_KEY_LOGIN_PROTECTED] = KS_LOGIN_PROTECTED,
                                           [CONF_KEY_LOGIN_NONE] = KS_LOGIN_NONE};
    const struct conf_key *key = conf_find_key(conf, name);
    const struct conf_issuer *issuer = key ? issuer_of(conf, key) : NULL;
    struct key_setup *s;
    enum pke_err err;

    *ret = NULL;
    if (!key) /* removed by this configuration: main stops this process after the switch */
        return PKE_OK;
    if (!issuer)
        return pke_fail_set(fail, PKE_CONFIG, "key-unused", "pkienrolld.conf(5)", "no issuer uses key %s",
                            name);
    s = pke_calloc(1, sizeof *s);
    err = load_pin(s, key, fail);
    if (err == PKE_OK)
        err = floor_load(conf, issuer, &s->floor, fail);
    if (err != PKE_OK) {
        key_setup_free(s);
        return err;
    }
    if (issuer->crl_lifetime) /* else it signs none */
        s->crl.max_lifetime = issuer->crl_lifetime / 1000 + CRL_LIFETIME_SLACK;
    s->uri = pke_strdup(key->uri);
    s->module = key->module ? pke_strdup(key->module) : NULL;
    s->latch_directory = pke_strdup(conf->global.state_directory);
    s->tcti = key->tcti ? pke_strdup(key->tcti) : NULL;
    s->config = (struct ks_config){.backend = backends[key->backend],
                                   .module = s->module,
                                   .tcti = s->tcti,
                                   .session = sessions[key->session],
                                   .deadline_ms = (unsigned)key->deadline,
                                   .signature = signatures[key->signature],
                                   .uri = s->uri,
                                   .pin = s->pin,
                                   .login = logins[key->login],
                                   .allow_weak = key->allow_weak_key};
    s->deadline = (uint64_t)key->deadline;
    s->health_interval = (uint64_t)key->health_interval;
    s->keep_alive = (uint64_t)key->keep_alive;
    *ret = s;
    return PKE_OK;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool key_setup_same(const struct key_setup *a, const struct key_setup *b)
{
    return key_setup_same_key(a, b) &&
           pke_bytes_eq_secret(pke_secret_bytes(a->pin), pke_secret_bytes(b->pin));
}

bool key_setup_same_key(const struct key_setup *a, const struct key_setup *b)
{
    return a && b && same_text(a->uri, b->uri) && same_text(a->module, b->module) &&
           same_text(a->tcti, b->tcti) && pke_bytes_eq(ca_floor_spki(a->floor), ca_floor_spki(b->floor)) &&
           a->config.backend == b->config.backend && a->config.session == b->config.session &&
           a->config.signature == b->config.signature && a->config.login == b->config.login &&
           a->config.deadline_ms == b->config.deadline_ms && a->config.allow_weak == b->config.allow_weak;
}
