/* SPDX-License-Identifier: Apache-2.0 */
/* Esys_Sign in a loop: the TPM without anything around it. The key is at a persistent handle; one session for
 * all. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/keys.h"

#define SRK 0x81000001

struct esys {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *ctx;
    ESYS_TR key, session;
    TPM2B_DIGEST digest;
    TPMT_SIG_SCHEME scheme;
};

static bool check(const char *what, TSS2_RC rc)
{
    return rc == TSS2_RC_SUCCESS || keys_wrong(what, rc);
}

/* "unix:" is keystore's own; the library has its own words for the same socket. */
static bool connect_tpm(struct esys *e, const char *conf)
{
    char *name = conf && strncmp(conf, "unix:", 5) == 0 ? pke_asprintf("swtpm:path=%s", conf + 5)
                                                        : pke_strdup(conf ? conf : "");
    bool good = check("Tss2_TctiLdr_Initialize", Tss2_TctiLdr_Initialize(name, &e->tcti)) &&
                check("Esys_Initialize", Esys_Initialize(&e->ctx, e->tcti, NULL));

    free(name);
    return good;
}

static bool start_session(struct esys *e, bool salted)
{
    TPMT_SYM_DEF symmetric = {
        .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
    ESYS_TR srk = ESYS_TR_NONE;
    bool good =
        (!salted || check("the storage root key", Esys_TR_FromTPMPublic(e->ctx, SRK, ESYS_TR_NONE,
                                                                        ESYS_TR_NONE, ESYS_TR_NONE, &srk))) &&
        check("Esys_StartAuthSession",
              Esys_StartAuthSession(e->ctx, srk, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                    TPM2_SE_HMAC, &symmetric, TPM2_ALG_SHA256, &e->session));

    if (srk != ESYS_TR_NONE)
        Esys_TR_Close(e->ctx, &srk);
    return good &&
           check("Esys_TRSess_SetAttributes",
                 Esys_TRSess_SetAttributes(
                     e->ctx, e->session,
                     TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT, 0xff));
}

static bool find_key(struct esys *e, const struct keys_options *o)
{
    const char *number = o->config.uri ? strstr(o->config.uri, "handle=") : NULL;
    struct pke_bytes pin = pke_secret_bytes(o->config.pin);
    TPM2B_AUTH auth = {.size = (UINT16)pin.n};

    if (!number || pin.n > sizeof auth.buffer)
        return keys_wrong("no handle= in the URI, or too long an auth value", 0);
    if (pin.n)
        memcpy(auth.buffer, pin.p, pin.n);
    return check("Esys_TR_FromTPMPublic",
                 Esys_TR_FromTPMPublic(e->ctx, (TPM2_HANDLE)strtoul(number + 7, NULL, 16), ESYS_TR_NONE,
                                       ESYS_TR_NONE, ESYS_TR_NONE, &e->key)) &&
           check("Esys_TR_SetAuth", Esys_TR_SetAuth(e->ctx, e->key, &auth));
}

static void set_input(struct esys *e, const struct keys_options *o)
{
    bool sha384 = o->digest == KS_SHA384, rsa = o->algorithm && strncmp(o->algorithm, "rsa", 3) == 0;
    unsigned n = 0;

    EVP_Digest(keys_message().p, keys_message().n, e->digest.buffer, &n, sha384 ? EVP_sha384() : EVP_sha256(),
               NULL);
    e->digest.size = (UINT16)n;
    e->scheme.scheme = !rsa                                          ? TPM2_ALG_ECDSA
                       : o->config.signature == KS_SIGNATURE_RSA_PSS ? TPM2_ALG_RSAPSS
                                                                     : TPM2_ALG_RSASSA;
    e->scheme.details.any.hashAlg = sha384 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
}

static void esys_close(void *arg)
{
    struct esys *e = arg;

    if (e->session != ESYS_TR_PASSWORD && e->session != ESYS_TR_NONE)
        Esys_FlushContext(e->ctx, e->session);
    Esys_Finalize(&e->ctx);
    Tss2_TctiLdr_Finalize(&e->tcti);
    free(e);
}

static struct esys *new_esys(void)
{
    struct esys *e = pke_calloc(1, sizeof *e);

    e->key = ESYS_TR_NONE;
    e->session = ESYS_TR_PASSWORD;
    return e;
}

static void *esys_open(const struct keys_options *o)
{
    struct esys *e = new_esys();

    set_input(e, o);
    if (connect_tpm(e, o->config.tcti) && find_key(e, o) &&
        (o->config.session == KS_TPM_PASSWORD || start_session(e, true)))
        return e;
    esys_close(e);
    return NULL;
}

static bool esys_sign(void *arg)
{
    struct esys *e = arg;
    TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    bool good = check("Esys_Sign", Esys_Sign(e->ctx, e->key, e->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                             &e->digest, &e->scheme, &ticket, &signature));

    Esys_Free(signature);
    return good;
}

const struct keys_way keys_esys = {"esys", esys_open, esys_sign, esys_close};

int keys_idle_session(const struct keys_options *o)
{
    struct esys *e = new_esys();
    bool good = connect_tpm(e, o->config.tcti) && start_session(e, false);
    char c;

    if (good) {
        puts("{\"session\":\"open\"}");
        fflush(stdout);
        while (read(STDIN_FILENO, &c, 1) > 0)
            continue;
    }
    esys_close(e);
    return good ? 0 : 1;
}
