/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/keystore_battery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/sigfmt.h"

static char *uri_of(const struct battery *b, const char *name)
{
    const char *at = strstr(b->uri, "%s");

    return pke_asprintf("%.*s%s%s", (int)(at - b->uri), b->uri, name, at + 2);
}

static struct ks_config config_of(const struct battery *b, const char *uri)
{
    struct ks_config config = b->config;

    config.uri = uri;
    return config;
}

char *battery_generate(const struct battery *b, const char *name, enum ks_key_algorithm algorithm)
{
    char *uri = uri_of(b, name);
    struct ks_config config = config_of(b, uri);
    struct ks_error e;

    if (ks_generate(&config, algorithm, NULL, &e) != 0)
        fail_msg("%s: %s", uri, e.fail.text);
    return uri;
}

struct ks_key *battery_open(const struct battery *b, const char *uri)
{
    struct ks_config config = config_of(b, uri);
    struct ks_key *key;
    struct ks_error e;

    if (ks_open(&config, PKE_BYTES(NULL, 0), &key, &e) != 0)
        fail_msg("%s: %s", uri, e.fail.text);
    return key;
}

static EVP_PKEY *public_of(const struct ks_key *key)
{
    struct pke_bytes spki = ks_spki(key);
    const uint8_t *p = spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)spki.n);

    assert_non_null(pub);
    return pub;
}

static int sign_one(struct ks_key *key, EVP_PKEY *pub, struct pke_bytes message, struct ks_error *e)
{
    enum ks_digest digest = strcmp(ks_algorithm(key), "P-384") == 0 ? KS_SHA384 : KS_SHA256;
    struct pke_buf signature;
    struct ks_hash hash;
    int rc;

    pke_buf_init(&signature, 1024);
    rc = ks_sign(key, digest, message, &signature, e);
    assert_int_equal(signature.n > 0, rc == 0);
    if (rc == 0) {
        assert_true(ks_hash_message(digest, message, &hash));
        hash.signature = ks_signature_of(key);
        assert_true(ks_verify(pub, &hash, pke_buf_bytes(&signature)));
    }
    pke_buf_done(&signature);
    return rc;
}

int battery_try_sign(struct ks_key *key, struct ks_error *e)
{
    EVP_PKEY *pub = public_of(key);
    int rc = sign_one(key, pub, pke_bytes_str("to be signed"), e);

    EVP_PKEY_free(pub);
    return rc;
}

void battery_must_sign(struct ks_key *key)
{
    struct ks_error e;

    if (battery_try_sign(key, &e) != 0)
        fail_msg("%s: %s", ks_algorithm(key), e.fail.text);
}

static void all_as_required(const struct ks_key *key)
{
    size_t n;
    const struct ks_attribute *a = ks_attributes(key, &n);

    assert_true(n >= 8);
    for (size_t i = 0; i < n; i++)
        if (!a[i].present || a[i].value != a[i].required)
            fail_msg("%s", a[i].name);
}

void battery_signs(const struct battery *b, const char *name, enum ks_key_algorithm algorithm, unsigned n)
{
    char *uri = battery_generate(b, name, algorithm);
    struct ks_config config = config_of(b, uri);
    struct ks_key *key = battery_open(b, uri);
    EVP_PKEY *pub = public_of(key);
    struct ks_error e;

    all_as_required(key);
    for (unsigned i = 0; i < n; i++) {
        if (sign_one(key, pub, PKE_BYTES(&i, sizeof i), &e) != 0)
            fail_msg("%s, signature %u: %s", ks_algorithm(key), i, e.fail.text);
        if (i % 50 == 7)
            ks_idle(key);
    }
    EVP_PKEY_free(pub);
    ks_close(key);
    assert_int_equal(ks_generate(&config, algorithm, NULL, &e), -1);
    assert_int_equal(e.fail.err, PKE_EXISTS);
    free(uri);
}

void battery_must_not_open(const struct ks_config *config, struct pke_bytes spki, enum ks_class cls,
                           const char *reason)
{
    struct pke_bytes pin = pke_secret_bytes(config->pin);
    struct ks_key *key = NULL;
    struct ks_error e;

    assert_int_equal(ks_open(config, spki, &key, &e), -1);
    assert_null(key);
    assert_true(pin.n == 0 || !memmem(e.fail.text, strlen(e.fail.text), pin.p, pin.n));
    if (e.cls != cls || (reason && strcmp(e.fail.reason, reason) != 0))
        fail_msg("class %d reason %s: %s", e.cls, e.fail.reason, e.fail.text);
}

void battery_wrong_pin(const struct battery *b)
{
    char *uri = battery_generate(b, "wrong-pin", KS_P256);
    struct ks_config config = config_of(b, uri);
    struct ks_key *key;

    config.pin = b->wrong_pin;
    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_AUTH, "key-pin-refused");
    key = battery_open(b, uri);
    battery_must_sign(key);
    ks_close(key);
    free(uri);
}

void battery_missing(const struct battery *b)
{
    char *uri = uri_of(b, "nobody-made-it");
    struct ks_config config = config_of(b, uri);

    battery_must_not_open(&config, PKE_BYTES(NULL, 0), KS_PERMANENT, NULL);
    free(uri);
}

void battery_mismatch(const struct battery *b)
{
    char *ours = battery_generate(b, "ours", KS_P256), *theirs = battery_generate(b, "theirs", KS_P256);
    struct ks_config config = config_of(b, theirs);
    struct ks_key *key = battery_open(b, ours);
    struct pke_bytes spki = ks_spki(key);
    uint8_t *copy = pke_malloc(spki.n);

    memcpy(copy, spki.p, spki.n);
    ks_close(key);
    battery_must_not_open(&config, PKE_BYTES(copy, spki.n), KS_PERMANENT, "key-mismatch");
    free(copy);
    free(ours);
    free(theirs);
}

void battery_recovers(const struct battery *b)
{
    char *uri = battery_generate(b, "recovers", KS_P256);
    struct ks_key *key = battery_open(b, uri);

    for (enum ks_class cls = KS_TRANSIENT; cls <= KS_TOKEN; cls++) {
        struct ks_error why = {.cls = cls}, e;

        if (ks_recover(key, &why, &e) != 0)
            fail_msg("class %d: %s", cls, e.fail.text);
        battery_must_sign(key);
    }
    ks_close(key);
    free(uri);
}
