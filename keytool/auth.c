/* SPDX-License-Identifier: Apache-2.0 */
/* init-token and change-auth: the device's own secrets. */
#include <string.h>

#include "base/secret.h"
#include "keystore/ceremony.h"
#include "keytool/tool.h"

static int init_tpm(const struct tool_options *o)
{
    struct ks_error error;

    if (o->label || o->serial || o->so_pin_file || o->config.pin)
        return tool_usage("a TPM has no label, no serial number and no PIN: --tcti is all it needs");
    if (ks_init_token(&o->config, NULL, NULL, NULL, NULL, &error) != 0)
        return tool_refuse(&error.fail);
    tool_say("The storage root key is at 0x81000001.");
    return TOOL_OK;
}

int tool_init_token(const struct tool_options *o)
{
    struct pke_secret *so_pin = NULL;
    struct pke_fail fail = {0};
    struct ks_error error;
    int rc = TOOL_OK;

    if (o->config.backend == KS_TPM2)
        return init_tpm(o);
    if (!o->label || !o->so_pin_file || !o->config.pin)
        return tool_usage("a PKCS#11 token needs --label, --so-pin-file and --pin-file");
    if (pke_secret_read_file(o->so_pin_file, TOOL_PIN_MAX, &so_pin, &fail) != PKE_OK)
        return tool_refuse(&fail);
    if (pke_bytes_eq_secret(pke_secret_bytes(so_pin), pke_secret_bytes(o->config.pin))) {
        pke_fail_set(&fail, PKE_POLICY, "token-pins", "two people, two PINs",
                     "the security officer's PIN and the user's PIN are the same");
        rc = tool_refuse(&fail);
    } else if (ks_init_token(&o->config, o->label, o->serial, so_pin, o->config.pin, &error) != 0) {
        rc = tool_refuse(&error.fail);
    } else {
        tool_say("The token is initialised.");
        tool_fact("label", "%s", o->label);
    }
    pke_secret_free(so_pin);
    return rc;
}

/* Open the key with the new value: what is reported as changed has been tried. */
static int try_new(const struct tool_options *o, const struct pke_secret *new_pin)
{
    struct ks_config config = o->config;
    struct ks_error error;
    struct ks_key *key;

    config.pin = new_pin;
    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        return tool_refuse(&error.fail);
    tool_key(key);
    ks_close(key);
    tool_say("%s Now the daemon's credential, then: pkienrollctl key unlock",
             o->config.backend == KS_TPM2 ? "The auth value of the key is changed."
                                          : "The PIN of the token is changed.");
    return TOOL_OK;
}

int tool_change_auth(const struct tool_options *o)
{
    struct pke_secret *new_pin = NULL;
    struct pke_fail fail = {0};
    struct ks_error error;
    int rc;

    if (pke_secret_read_file(o->new_pin_file, TOOL_PIN_MAX, &new_pin, &fail) != PKE_OK)
        return tool_refuse(&fail);
    if (pke_bytes_eq_secret(pke_secret_bytes(new_pin), pke_secret_bytes(o->config.pin))) {
        pke_fail_set(&fail, PKE_POLICY, "auth-same", "rotation", "the new one is the old one");
        rc = tool_refuse(&fail);
    } else if (ks_change_auth(&o->config, new_pin, &error) != 0) {
        rc = tool_refuse(&error.fail);
    } else {
        rc = try_new(o, new_pin);
    }
    pke_secret_free(new_pin);
    return rc;
}
