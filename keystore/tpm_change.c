/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/mem.h"
#include "keystore/rv.h"
#include "keystore/tpm.h"

int tpm_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    (void)config;
    (void)new_pin;
    return ks_fail(error, KS_PERMANENT, "key-ceremony", "TPM2_ObjectChangeAuth", "not yet");
}
