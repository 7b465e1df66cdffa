/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "keytool/tool.h"

/* The PIN comes from a file or a credential, never from the command line or the environment. */
static enum pke_err read_pin(const struct tool_options *o, struct pke_secret **ret, struct pke_fail *fail)
{
    if (o->pin_file)
        return pke_secret_read_file(o->pin_file, TOOL_PIN_MAX, ret, fail);
    if (o->pin_credential)
        return pke_secret_read_credential(getenv("CREDENTIALS_DIRECTORY"), o->pin_credential, TOOL_PIN_MAX,
                                          ret, fail);
    return PKE_OK; /* a token with its own keypad, or a key without an auth value */
}

static bool is_tpm_uri(const char *uri)
{
    return uri && strncmp(uri, "tpm2:", 5) == 0;
}

/* Which device is meant, and is what it needs there? TOOL_OK or TOOL_USAGE. */
static int settle_backend(struct tool_options *o)
{
    struct pke_fail fail = {0};

    if (!o->backend_given)
        o->config.backend =
            is_tpm_uri(o->config.uri) || (!o->config.uri && o->tpm_given) ? KS_TPM2 : KS_PKCS11;
    if (o->config.backend == KS_PKCS11 && !o->config.module)
        return tool_usage("a PKCS#11 token needs --module");
    if (o->config.backend == KS_PKCS11 && o->tpm_given)
        return tool_usage("--tcti and --session are for a TPM");
    if (o->config.backend == KS_TPM2 && o->config.module)
        return tool_usage("--module is for a PKCS#11 token");
    if (o->config.backend == KS_TPM2 && !o->config.tcti)
        o->config.tcti = "device:/dev/tpmrm0";
    if (o->config.uri && is_tpm_uri(o->config.uri) != (o->config.backend == KS_TPM2))
        return tool_usage("--uri and --backend name different devices");
    if (o->config.uri && ks_uri_check(o->config.uri, &fail) != PKE_OK)
        return tool_usage("%s [%s]", fail.text, fail.rule);
    if (o->pin_file && o->pin_credential)
        return tool_usage("--pin-file and --pin-credential exclude each other");
    return TOOL_OK;
}

static int run_with_pin(const struct tool_command *command, struct tool_options *o)
{
    struct pke_secret *pin = NULL;
    struct pke_fail fail = {0};
    int rc;

    if (read_pin(o, &pin, &fail) != PKE_OK)
        return tool_refuse(&fail);
    o->config.pin = pin;
    rc = command->run(o);
    pke_secret_free(pin);
    return rc;
}

static int run(const struct tool_command *command, struct tool_options *o)
{
    struct pke_fail fail = {0};
    int rc = command->bit == TOOL_ATTEST_VERIFY ? TOOL_OK : settle_backend(o);

    if (rc != TOOL_OK)
        return rc;
    if (tool_report_open(o, command->name, &fail) != PKE_OK)
        return tool_report_close(tool_refuse(&fail));
    return tool_report_close(run_with_pin(command, o));
}

int main(int argc, char **argv)
{
    const struct tool_command *command;
    struct tool_options o;
    int rc;

    pke_secret_process();
    setenv("TSS2_LOG", "all+none", 0); /* the TSS speaks on stderr of what is told in our words */
    setlocale(LC_CTYPE, "");
    if (tool_parse(argc, argv, &o, &command, &rc))
        rc = run(command, &o);
    if (fflush(stdout) != 0 && rc == TOOL_OK)
        rc = TOOL_REFUSED;
#ifdef PKE_SANITIZED
    return rc; /* the leak check runs at exit */
#else
    _exit(rc); /* a module may have been loaded: no destructors of it after libcrypto's */
#endif
}
