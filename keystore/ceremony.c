/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/ceremony.h"

#include "keystore/p11_ceremony.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

static int no_ceremony(struct ks_error *error)
{
    return ks_fail(error, KS_PERMANENT, "key-backend", "CA key backends",
                   "this is done inside a PKCS#11 token or a TPM only");
}

int ks_init_token(const struct ks_config *config, const char *label, const char *serial,
                  const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    switch (config->backend) {
    case KS_PKCS11:
        return p11_init_token(config, label, serial, so_pin, pin, error);
    case KS_TPM2:
        return tpm_init(config, error);
    case KS_FILE:
        break;
    }
    return no_ceremony(error);
}

int ks_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct pke_buf *creation,
                struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    switch (config->backend) {
    case KS_PKCS11:
        return p11_generate(config, algorithm, error);
    case KS_TPM2:
        return tpm_generate(config, algorithm, creation, error);
    case KS_FILE:
        break;
    }
    return no_ceremony(error);
}

int ks_import_key(const struct ks_config *config, EVP_PKEY *key, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend == KS_PKCS11)
        return p11_import_key(config, key, error);
    return ks_fail(error, KS_PERMANENT, "key-import", "CA key backends",
                   "keys are imported into PKCS#11 tokens only: a TPM is for keys that were made in it");
}

int ks_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    switch (config->backend) {
    case KS_PKCS11:
        return p11_change_auth(config, new_pin, error);
    case KS_TPM2:
        return tpm_change_auth(config, new_pin, error);
    case KS_FILE:
        break;
    }
    return no_ceremony(error);
}

int ks_store_certificate(const struct ks_config *config, const struct ks_certificate *certificate,
                         bool replace, struct ks_error *error)
{
    *error = (struct ks_error){.cls = KS_OK};
    if (config->backend == KS_PKCS11)
        return p11_store_certificate(config, certificate, replace, error);
    return ks_fail(error, KS_PERMANENT, "key-backend", "ceremony",
                   "a certificate can be stored in a PKCS#11 token only");
}
