/* SPDX-License-Identifier: Apache-2.0 */
/* Which backend a ceremony is for; no device is known here. */
#include "keystore/ceremony.h"

#include "keystore/p11_ceremony.h"
#include "keystore/rv.h"

static int not_offered(struct ks_error *error)
{
    return ks_fail(error, KS_PERMANENT, "key-backend", "ceremony",
                   "this is not offered for keys of that kind");
}

int ks_init_token(const struct ks_config *config, const char *label, const char *serial,
                  const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend == KS_PKCS11)
        return p11_init_token(config, label, serial, so_pin, pin, error);
    return not_offered(error);
}

int ks_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend == KS_PKCS11)
        return p11_change_auth(config, new_pin, error);
    return not_offered(error);
}

int ks_store_certificate(const struct ks_config *config, const struct ks_certificate *certificate,
                         bool replace, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend == KS_PKCS11)
        return p11_store_certificate(config, certificate, replace, error);
    return not_offered(error);
}
