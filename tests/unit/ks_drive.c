/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore/ on a line of orders, for tests that fail the device underneath: one order per line on stdin, its
 * words separated by spaces; one answer per line on stdout: "ok\tRESULT" or "fail\tCLASS\tREASON\tRAW\tTEXT".
 *
 *   set NAME VALUE      backend (tpm2, pkcs11), module, tcti, uri, session (salted, password), deadline (ms),
 *                       pin (a file), signature (default, rsa-pss), weak (yes, no)
 *   init, generate ALG  ks_init_token, ks_generate (p256, p384, rsa-2048, rsa-3072)
 *   open, close         spki: the public half in hexadecimal
 *   sign TEXT           the signature in hexadecimal
 *   recover             for the error of the last order that failed
 *   idle, keep-alive, spki
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "keystore/ceremony.h"
#include "keystore/keystore.h"

#define LINE_MAX_BYTES 4096

struct drive {
    struct ks_config config;
    char *module, *tcti, *uri;
    struct pke_secret *pin;
    struct ks_key *key;
    struct ks_error last;
};

static const char *const classes[] = {
    [KS_OK] = "ok",     [KS_TRANSIENT] = "transient", [KS_SESSION] = "session",    [KS_TOKEN] = "token",
    [KS_AUTH] = "auth", [KS_PERMANENT] = "permanent", [KS_INTEGRITY] = "integrity"};

static void ok(const char *result)
{
    printf("ok\t%s\n", result);
}

static void ok_hex(struct pke_bytes b)
{
    char *hex = pke_calloc(1, 2 * b.n + 1);

    pke_hex(b, false, hex);
    ok(hex);
    free(hex);
}

static void answer(struct drive *d, int rc, const struct ks_error *e)
{
    if (rc == 0) {
        ok("");
        return;
    }
    d->last = *e;
    printf("fail\t%s\t%s\t%#llx\t%s\n", classes[e->cls], e->fail.reason, (unsigned long long)e->raw,
           e->fail.text);
}

static void keep(char **at, const char **in_config, const char *value)
{
    free(*at);
    *at = pke_strdup(value);
    *in_config = *at;
}

static bool set(struct drive *d, const char *name, const char *value)
{
    struct ks_config *c = &d->config;
    struct pke_fail fail;

    if (strcmp(name, "backend") == 0)
        c->backend = strcmp(value, "tpm2") == 0 ? KS_TPM2 : KS_PKCS11;
    else if (strcmp(name, "module") == 0)
        keep(&d->module, &c->module, value);
    else if (strcmp(name, "tcti") == 0)
        keep(&d->tcti, &c->tcti, value);
    else if (strcmp(name, "uri") == 0)
        keep(&d->uri, &c->uri, value);
    else if (strcmp(name, "session") == 0)
        c->session = strcmp(value, "password") == 0 ? KS_TPM_PASSWORD : KS_TPM_SALTED;
    else if (strcmp(name, "deadline") == 0)
        c->deadline_ms = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "signature") == 0)
        c->signature = strcmp(value, "rsa-pss") == 0 ? KS_SIGNATURE_RSA_PSS : KS_SIGNATURE_DEFAULT;
    else if (strcmp(name, "weak") == 0)
        c->allow_weak = strcmp(value, "yes") == 0;
    else if (strcmp(name, "pin") == 0) {
        pke_secret_free(d->pin);
        d->pin = NULL;
        if (pke_secret_read_file(value, 255, &d->pin, &fail) != PKE_OK)
            return false;
        c->pin = d->pin;
    } else
        return false;
    return true;
}

static int generate(struct drive *d, const char *name, struct ks_error *e)
{
    static const struct {
        const char *name;
        enum ks_key_algorithm id;
    } known[] = {{"p256", KS_P256}, {"p384", KS_P384}, {"rsa-2048", KS_RSA_2048}, {"rsa-3072", KS_RSA_3072}};

    for (size_t i = 0; i < PKE_LEN(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return ks_generate(&d->config, known[i].id, NULL, e);
    abort();
}

static void sign(struct drive *d, const char *text)
{
    enum ks_digest digest = strcmp(ks_algorithm(d->key), "P-384") == 0 ? KS_SHA384 : KS_SHA256;
    struct ks_error e;
    struct pke_buf out;
    int rc;

    pke_buf_init(&out, 1024);
    rc = ks_sign(d->key, digest, pke_bytes_str(text), &out, &e);
    if (rc == 0)
        ok_hex(pke_buf_bytes(&out));
    else if (out.n != 0) /* a signature that nobody may have */
        abort();
    else
        answer(d, rc, &e);
    pke_buf_done(&out);
}

static void on_key(struct drive *d, const char *order, const char *argument)
{
    struct ks_error e = {0}, why = d->last;

    if (!d->key)
        printf("fail\tnone\tnot-open\t0\tno key is open\n");
    else if (strcmp(order, "sign") == 0)
        sign(d, argument);
    else if (strcmp(order, "recover") == 0)
        answer(d, ks_recover(d->key, &why, &e), &e);
    else if (strcmp(order, "keep-alive") == 0)
        answer(d, ks_keep_alive(d->key, &e), &e);
    else if (strcmp(order, "spki") == 0)
        ok_hex(ks_spki(d->key));
    else if (strcmp(order, "idle") == 0) {
        ks_idle(d->key);
        ok("");
    } else
        printf("fail\tnone\tno-such-order\t0\t%s\n", order);
}

static void run(struct drive *d, char *line)
{
    char *at = NULL, *order = strtok_r(line, " \n", &at), *one = strtok_r(NULL, " \n", &at),
         *two = strtok_r(NULL, " \n", &at);
    struct ks_error e = {0};

    if (!order)
        return;
    if (strcmp(order, "set") == 0 && one && two && set(d, one, two))
        ok("");
    else if (strcmp(order, "init") == 0)
        answer(d, ks_init_token(&d->config, NULL, NULL, NULL, NULL, &e), &e);
    else if (strcmp(order, "generate") == 0 && one)
        answer(d, generate(d, one, &e), &e);
    else if (strcmp(order, "open") == 0 && !d->key)
        answer(d, ks_open(&d->config, PKE_BYTES(NULL, 0), &d->key, &e), &e);
    else if (strcmp(order, "close") == 0) {
        ks_close(d->key);
        d->key = NULL;
        ok("");
    } else
        on_key(d, order, one ? one : "text");
}

int main(void)
{
    struct drive d = {.config = {.backend = KS_TPM2, .uri = ""}};
    char line[LINE_MAX_BYTES];

    while (fgets(line, sizeof line, stdin)) {
        run(&d, line);
        fflush(stdout);
    }
    ks_close(d.key);
    pke_secret_free(d.pin);
    free(d.module);
    free(d.tcti);
    free(d.uri);
    return 0;
}
