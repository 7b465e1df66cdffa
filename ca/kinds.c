/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/kinds.h"

#include <string.h>

#include "base/mem.h"

static const char *const key_types[] = {[CA_KEY_RSA] = "rsa",
                                        [CA_KEY_P256] = "p-256",
                                        [CA_KEY_P384] = "p-384",
                                        [CA_KEY_P521] = "p-521",
                                        [CA_KEY_ED25519] = "ed25519"};
static const char *const digests[] = {
    [CA_SHA1] = "sha1", [CA_SHA256] = "sha256", [CA_SHA384] = "sha384", [CA_SHA512] = "sha512"};

const char *ca_key_type_name(enum ca_key_type type)
{
    return key_types[type];
}

const char *ca_digest_name(enum ca_digest digest)
{
    return digests[digest];
}

static bool set_of(const struct pke_strings *names, const char *const *words, size_t n_words, unsigned *ret)
{
    bool all = true;

    *ret = 0;
    for (size_t i = 0; i < names->n; i++) {
        size_t k = 0;

        while (k < n_words && strcmp(words[k], names->v[i]) != 0)
            k++;
        if (k < n_words)
            *ret |= CA_KINDS(k);
        else
            all = false;
    }
    return all;
}

bool ca_key_types(const struct pke_strings *names, unsigned *ret)
{
    return set_of(names, key_types, PKE_LEN(key_types), ret);
}

bool ca_digests(const struct pke_strings *names, unsigned *ret)
{
    return set_of(names, digests, PKE_LEN(digests), ret);
}
