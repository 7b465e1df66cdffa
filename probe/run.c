/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "probe/run.h"

void probe_forget_certificates(struct probe *p)
{
    for (size_t i = 0; i < p->n_certs; i++)
        X509_free(p->certs[i].x509);
    p->n_certs = 0;
    p->leaf = NULL;
}

void probe_forget(struct probe *p)
{
    probe_forget_certificates(p);
    EVP_PKEY_free(p->key);
    EVP_PKEY_free(p->public_key);
    p->key = p->public_key = NULL;
    pke_buf_done(&p->csr);
    pke_buf_done(&p->cms);
    pke_buf_init(&p->csr, PROBE_REQUEST_MAX);
    pke_buf_init(&p->cms, 2 * PROBE_REQUEST_MAX);
}
