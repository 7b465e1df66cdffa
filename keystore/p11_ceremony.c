/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/backend.h"
#include "keystore/rv.h"

static int not_here(struct ks_error *error)
{
    return ks_fail(error, KS_PERMANENT, "key-ceremony", "CA key backends",
                   "not offered for PKCS#11 tokens: use the tool of the token");
}

int p11_init_token(const struct ks_config *config, const char *label, const char *serial,
                   const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error)
{
    (void)config;
    (void)label;
    (void)serial;
    (void)so_pin;
    (void)pin;
    return not_here(error);
}

int p11_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    (void)config;
    (void)new_pin;
    return not_here(error);
}
