/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/ceremony.h"
#include "keytool/tool.h"

static const struct {
    const char *name;
    enum ks_key_algorithm algorithm;
} algorithms[] = {
    {"rsa-2048", KS_RSA_2048}, {"rsa-3072", KS_RSA_3072}, {"rsa-4096", KS_RSA_4096},
    {"p256", KS_P256},         {"p384", KS_P384},
};

/* Open whatever the attributes are, and say what they are: the caller decides. */
static int show_key(const struct tool_options *o, const char *verb)
{
    struct ks_config config = o->config;
    struct ks_key *key;
    struct ks_error error;
    size_t weak;

    config.allow_weak = true;
    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        return tool_refuse(&error.fail);
    printf("%s %s key %s\n", verb, ks_algorithm(key), o->config.uri);
    weak = tool_attributes(key);
    ks_close(key);
    if (weak == 0)
        return TOOL_OK;
    fflush(stdout);
    fprintf(stderr, "pkienroll-keytool: %zu attribute(s) are weaker than required%s\n", weak,
            o->config.allow_weak ? " (allowed)" : ": the daemon will refuse this key");
    return o->config.allow_weak ? TOOL_OK : TOOL_REFUSED;
}

int tool_generate(const struct tool_options *o)
{
    struct ks_error error;

    if (!o->algorithm)
        return tool_usage("generate needs --algorithm");
    for (size_t i = 0; i < PKE_LEN(algorithms); i++) {
        if (strcmp(algorithms[i].name, o->algorithm) != 0)
            continue;
        if (ks_generate(&o->config, algorithms[i].algorithm, NULL, &error) != 0)
            return tool_refuse(&error.fail);
        return show_key(o, "generated");
    }
    return tool_usage("unknown algorithm \"%s\": rsa-2048, rsa-3072, rsa-4096, p256 or p384", o->algorithm);
}

int tool_show(const struct tool_options *o)
{
    return show_key(o, "found");
}
