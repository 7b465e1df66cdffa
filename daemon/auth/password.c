/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/password.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/secret.h"

#define CACHE_SLOTS 256
#define MAC_SIZE    32

struct slot {
    uint8_t mac[MAC_SIZE];
    uint64_t expires; /* 0: empty */
};

struct password {
    char dummy[CRYPT_OUTPUT_SIZE];
    struct pke_secret *key;
    struct slot slots[CACHE_SLOTS];
};

bool password_valid(struct pke_bytes password)
{
    if (password.n == 0 || password.n > PASSWORD_MAX || !pke_utf8_valid(password))
        return false;
    for (size_t i = 0; i < password.n; i++)
        if (password.p[i] < 0x20 || password.p[i] == 0x7f)
            return false;
    return true;
}

bool password_hash_valid(const char *hash)
{
    static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t n;

    if (strncmp(hash, PASSWORD_SETTING, sizeof PASSWORD_SETTING - 1) != 0)
        return false;
    hash += sizeof PASSWORD_SETTING - 1;
    n = strspn(hash, alphabet); /* salt */
    if (n == 0 || n > 86 || hash[n] != '$')
        return false;
    hash += n + 1;
    return strlen(hash) == 43 && hash[strspn(hash, alphabet)] == '\0';
}

/* crypt(3) of the password under @p setting, wiping every copy. @p password holds no NUL. */
static bool run_crypt(struct pke_bytes password, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
    struct crypt_data *data = pke_calloc(1, sizeof *data);
    char phrase[PASSWORD_MAX + 1] = "";
    char *hash;

    memcpy(phrase, password.p, password.n);
    phrase[password.n] = '\0';
    hash = crypt_rn(phrase, setting, data, sizeof *data);
    if (hash)
        memcpy(out, hash, strlen(hash) + 1);
    explicit_bzero(phrase, sizeof phrase);
    explicit_bzero(data, sizeof *data);
    free(data);
    return hash != NULL;
}

bool password_hash(struct pke_bytes password, char *out, size_t size)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE];

    if (!password_valid(password) ||
        !crypt_gensalt_rn(PASSWORD_PREFIX, PASSWORD_COST, NULL, 0, setting, sizeof setting) ||
        !run_crypt(password, setting, hash) || !password_hash_valid(hash) || strlen(hash) >= size)
        return false;
    memcpy(out, hash, strlen(hash) + 1);
    return true;
}

struct password *password_new(void)
{
    struct password *p = pke_calloc(1, sizeof *p);
    uint8_t raw[MAC_SIZE];
    char text[2 * MAC_SIZE + 1];
    bool ok;

    if (RAND_bytes(raw, sizeof raw) != 1)
        abort(); /* no randomness, no security */
    pke_hex(PKE_BYTES(raw, sizeof raw), false, text);
    ok = password_hash(pke_bytes_str(text), p->dummy, sizeof p->dummy) && RAND_bytes(raw, sizeof raw) == 1;
    p->key = pke_secret_new(PKE_BYTES(raw, sizeof raw));
    explicit_bzero(raw, sizeof raw);
    explicit_bzero(text, sizeof text);
    if (ok)
        return p;
    password_free(p);
    return NULL;
}

void password_free(struct password *p)
{
    if (!p)
        return;
    pke_secret_free(p->key);
    explicit_bzero(p, sizeof *p);
    free(p);
}

void password_forget(struct password *p)
{
    memset(p->slots, 0, sizeof p->slots);
}

/* What is remembered: user, password and hash line under a key of this process. Lengths keep the parts apart.
 */
static void remember_as(const struct password *p, const char *user, struct pke_bytes password,
                        const char *hash, uint8_t mac[MAC_SIZE])
{
    struct pke_bytes key = pke_secret_bytes(p->key);
    size_t n_user = strnlen(user, 1024); /* no user of the file has a longer name */
    struct pke_buf text;
    unsigned n;

    pke_buf_init(&text, 4096);
    pke_buf_add_u32(&text, (uint32_t)n_user);
    pke_buf_add(&text, user, n_user);
    pke_buf_add_u32(&text, (uint32_t)password.n);
    pke_buf_add_bytes(&text, password);
    pke_buf_add_str(&text, hash);
    if (text.overflow || !HMAC(EVP_sha256(), key.p, (int)key.n, text.p, text.n, mac, &n))
        abort(); /* every length is bounded: the name here, the rest by password_valid and password_hash_valid
                  */
    pke_buf_wipe(&text);
}

static bool remembered(const struct password *p, const uint8_t mac[MAC_SIZE], uint64_t now_ms)
{
    bool found = false;

    for (size_t i = 0; i < CACHE_SLOTS; i++)
        if (p->slots[i].expires > now_ms &&
            pke_bytes_eq_secret(PKE_BYTES(p->slots[i].mac, MAC_SIZE), PKE_BYTES(mac, MAC_SIZE)))
            found = true;
    return found;
}

static void remember(struct password *p, const uint8_t mac[MAC_SIZE], uint64_t now_ms)
{
    struct slot *oldest = &p->slots[0];

    for (size_t i = 1; i < CACHE_SLOTS; i++)
        if (p->slots[i].expires < oldest->expires)
            oldest = &p->slots[i];
    memcpy(oldest->mac, mac, MAC_SIZE);
    oldest->expires = now_ms + PASSWORD_CACHE_MS;
}

bool password_verify(struct password *p, const char *user, struct pke_bytes password, const char *hash,
                     uint64_t now_ms)
{
    bool possible = hash && password_valid(password), same;
    const char *against = possible ? hash : p->dummy;
    char got[CRYPT_OUTPUT_SIZE] = "";
    uint8_t mac[MAC_SIZE];

    if (!password_valid(password)) /* NUL, controls, too long: refused, but not faster */
        password = pke_bytes_str("x");
    remember_as(p, user, password, against, mac);
    if (possible && remembered(p, mac, now_ms))
        return true;
    same =
        run_crypt(password, against, got) && pke_bytes_eq_secret(pke_bytes_str(got), pke_bytes_str(against));
    explicit_bzero(got, sizeof got);
    if (!possible || !same)
        return false;
    remember(p, mac, now_ms);
    return true;
}
