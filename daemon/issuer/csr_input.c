/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate request that came over the control socket. */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/encode.h"
#include "daemon/issuer/request.h"
#include "ipc/verbs.h"

enum pke_err request_take_csr(struct request *req, const char *base64, struct pke_fail *fail)
{
    struct pke_buf raw;
    struct pke_bytes b;
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    enum pke_err err = PKE_OK;
    BIO *bio;

    pke_buf_init(&raw, VERB_FILE_MAX);
    (void)pke_base64_decode(pke_bytes_str(base64 ? base64 : ""), PKE_B64_STRICT, &raw);
    b = pke_buf_bytes(&raw);
    req->msg.request = pke_arena_bytes(req->arena, b);
    bio = b.n && b.p[0] != 0x30 ? BIO_new_mem_buf(b.p, (int)b.n) : NULL;
    if (bio && PEM_read_bio(bio, &name, &header, &der, &n) == 1 && strstr(name, "CERTIFICATE REQUEST"))
        req->msg.request = pke_arena_bytes(req->arena, PKE_BYTES(der, (size_t)n));
    else if (bio || !b.n)
        err = pke_fail_set(fail, PKE_MALFORMED, "csr-input", "control API: csr",
                           "csr: neither DER nor PEM of a certificate request");
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    pke_buf_done(&raw);
    return err;
}
