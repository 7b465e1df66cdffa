/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/ceremony.h"
#include "keytool/tool.h"

#define CREATION_MAX 65536

static const struct {
    const char *name;
    enum ks_key_algorithm algorithm;
} algorithms[] = {
    {"rsa-2048", KS_RSA_2048}, {"rsa-3072", KS_RSA_3072}, {"rsa-4096", KS_RSA_4096},
    {"p256", KS_P256},         {"p384", KS_P384},         {"ed25519", KS_ED25519},
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
    tool_say("%s %s key %s", verb, ks_algorithm(key), o->config.uri);
    tool_key(key);
    weak = tool_attributes(key);
    ks_close(key);
    if (weak == 0)
        return TOOL_OK;
    fflush(stdout);
    fprintf(stderr, "pkienroll-keytool: %zu attribute(s) are weaker than required%s\n", weak,
            o->config.allow_weak ? " (allowed)" : ": the daemon will refuse this key");
    return o->config.allow_weak ? TOOL_OK : TOOL_REFUSED;
}

static int generate(struct tool_options *o, enum ks_key_algorithm algorithm)
{
    struct pke_fail fail = {0};
    struct ks_error error;
    struct pke_buf creation;
    int rc = TOOL_OK;

    if (algorithm == KS_ED25519)
        o->config.signature = KS_SIGNATURE_ED25519;
    if (o->creation && tool_may_write(o->creation, false, &fail) != PKE_OK)
        return tool_refuse(&fail);
    pke_buf_init(&creation, CREATION_MAX);
    if (ks_generate(&o->config, algorithm, o->creation ? &creation : NULL, &error) != 0)
        rc = tool_refuse(&error.fail);
    else if (o->creation &&
             tool_write_file(o->creation, pke_buf_bytes(&creation), 0644, false, &fail) != PKE_OK)
        rc = tool_refuse(&fail);
    pke_buf_done(&creation);
    return rc == TOOL_OK ? show_key(o, "generated") : rc;
}

int tool_generate(const struct tool_options *o)
{
    struct tool_options copy = *o;

    for (size_t i = 0; i < PKE_LEN(algorithms); i++) {
        if (strcmp(algorithms[i].name, o->algorithm) == 0) {
            if (o->creation && o->config.backend != KS_TPM2)
                return tool_usage("--creation is for a TPM");
            return generate(&copy, algorithms[i].algorithm);
        }
    }
    return tool_usage("unknown algorithm \"%s\": rsa-2048, rsa-3072, rsa-4096, p256, p384 or ed25519",
                      o->algorithm);
}

/* No passphrase is asked for: who decrypts a key does so where he sees what he does. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

int tool_import_key(const struct tool_options *o)
{
    struct ks_error error;
    BIO *in = BIO_new_file(o->in, "r");
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
    int rc;

    BIO_free(in);
    ERR_clear_error();
    if (!key)
        return tool_usage("%s: no private key of PEM without a passphrase (openssl pkey -in FILE -out FILE)",
                          o->in);
    rc = ks_import_key(&o->config, key, &error);
    EVP_PKEY_free(key);
    if (rc != 0)
        return tool_refuse(&error.fail);
    tool_say("the key was not made in the token, and the token says so: whoever has had %s may have it still",
             o->in);
    return show_key(o, "imported");
}

int tool_show(const struct tool_options *o)
{
    return show_key(o, "found");
}
