/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/ossl.h"

#include <openssl/err.h>
#include <pthread.h>

static EVP_MD *fetched[4];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    static const char *const names[] = {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};

    for (size_t i = 0; i < PKE_LEN(names); i++)
        if (!(fetched[i] = EVP_MD_fetch(NULL, names[i], NULL)))
            pke_oom(); /* the default provider has them all */
}

const EVP_MD *ca_digest_md(enum ca_digest which)
{
    pthread_once(&fetch_once, fetch_all);
    return fetched[which];
}

void ca_digest(enum ca_digest which, struct pke_bytes b, uint8_t *out)
{
    if (EVP_Digest(b.p, b.n, out, NULL, ca_digest_md(which), NULL) != 1)
        pke_oom();
}

bool ca_verify(EVP_PKEY *key, enum ca_digest which, struct pke_bytes data, struct pke_bytes signature)
{
    PKE_CLEANUP(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good;

    if (!ctx)
        pke_oom();
    /* 0 is a wrong signature and negative values are errors: only 1 is yes */
    good = EVP_DigestVerifyInit(ctx, NULL, ca_digest_md(which), NULL, key) == 1 &&
           EVP_DigestVerify(ctx, signature.p, signature.n, data.p, data.n) == 1;
    ERR_clear_error();
    return good;
}
