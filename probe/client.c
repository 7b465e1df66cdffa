/* SPDX-License-Identifier: Apache-2.0 */
/* The client certificate of --cert and --key: for the connection, or to sign the header. */
#include "config.h"

#include <fcntl.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "probe/csr.h"
#include "probe/run.h"

#define FILE_MAX (64u << 10)

PKE_DEFINE_CLEANUP(BIO, BIO_free_all);

static bool load_certificate(struct probe *p)
{
    if (artefact_slurp(AT_FDCWD, p->opt.cert_file, FILE_MAX, &p->client_pem)) {
        BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new_mem_buf(p->client_pem.p, (int)p->client_pem.n);
        p->client_cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    }
    return verdict_check(p->verdict, p->client_cert != NULL, "client-certificate", "--cert", "%s%s",
                         p->opt.cert_file, p->client_cert ? "" : ": no readable certificate in PEM");
}

static bool load_key(struct probe *p)
{
    struct pke_buf pem PKE_CLEANUP(pke_buf_wipe) = {0};
    const char *wrong = NULL;
    if (artefact_slurp(AT_FDCWD, p->opt.key_file, FILE_MAX, &pem))
        p->client_key = csr_read_key(pke_buf_bytes(&pem));
    if (!p->client_key)
        wrong = ": no readable private key in PEM";
    else if (X509_check_private_key(p->client_cert, p->client_key) != 1)
        wrong = ": not the key of the certificate";
    else if (p->opt.sign && !EVP_PKEY_is_a(p->client_key, "RSA") && !EVP_PKEY_is_a(p->client_key, "EC"))
        wrong = ": neither RSA nor EC, so it cannot sign a header";
    return verdict_check(p->verdict, !wrong, "client-key", "--key", "%s%s", p->opt.key_file,
                         wrong ? wrong : "");
}

bool step_client(struct probe *p)
{
    if (!p->opt.cert_file)
        return true;
    verdict_step(p->verdict, "client", "Client certificate");
    return load_certificate(p) && load_key(p);
}
