/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: what a PKCS#11 token does at a ceremony. The contracts are those of ceremony.h.
 */
#ifndef KEYSTORE_P11_CEREMONY_H
#define KEYSTORE_P11_CEREMONY_H

#include "keystore/ceremony.h"

int p11_init_token(const struct ks_config *config, const char *label, const char *serial,
                   const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error);

int p11_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct ks_error *error);
int p11_import_key(const struct ks_config *config, EVP_PKEY *key, struct ks_error *error);

int p11_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error);

int p11_store_certificate(const struct ks_config *config, const struct ks_certificate *certificate,
                          bool replace, struct ks_error *error);

#endif
