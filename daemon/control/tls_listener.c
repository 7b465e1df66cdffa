/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/tls_listener.h"

#include <errno.h>
#include <event2/util.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/tls.h"
#include "daemon/control/frontends.h"
#include "ipc/verbs.h"

#define RULE "pkienrolld.conf(5) control-tls-address"

static enum pke_err refuse(struct pke_fail *fail, const char *address)
{
    return pke_fail_set(fail, PKE_CONFIG, "control-tls-address", RULE, "%s: %s", address, strerror(errno));
}

static enum pke_err bind_address(const char *address, int *ret, struct pke_fail *fail)
{
    struct sockaddr_storage sa = {0};
    int n = sizeof sa, one = 1, fd;

    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&sa, &n) != 0) {
        errno = EINVAL;
        return refuse(fail, address);
    }
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refuse(fail, address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&sa, (socklen_t)n) != 0 || listen(fd, 64) != 0) {
        refuse(fail, address);
        close(fd);
        return PKE_CONFIG;
    }
    *ret = fd;
    return PKE_OK;
}

enum pke_err tls_listener_open(const struct conf_global *g, const struct tls_listener *now,
                               struct tls_listener *ret, struct pke_fail *fail)
{
    const struct conf_listener files = {.name = "control-tls",
                                        .tls_certificate = g->control_tls_certificate,
                                        .tls_key = g->control_tls_key,
                                        .client_cert = CONF_CLIENT_CERT_OFF};
    enum pke_err err;

    *ret = (struct tls_listener){.fd = -1};
    if (!g->control_tls_address)
        return PKE_OK;
    err = tls_context_new(&files, &ret->ctx, fail);
    if (err == PKE_OK && (!now->address || strcmp(now->address, g->control_tls_address) != 0))
        err = bind_address(g->control_tls_address, &ret->fd, fail);
    if (err != PKE_OK) {
        tls_listener_close(ret);
        return err;
    }
    tls_context_ask_client(ret->ctx);
    ret->address = pke_strdup(g->control_tls_address);
    return PKE_OK;
}

void tls_listener_close(struct tls_listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    SSL_CTX_free(l->ctx);
    free(l->address);
    *l = (struct tls_listener){.fd = -1};
}

static bool is_valid_now(const X509 *x)
{
    return X509_cmp_current_time(X509_get0_notBefore(x)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(x)) > 0;
}

void tls_listener_peer(SSL *ssl, const struct frontends *frontends, struct peer *ret)
{
    X509 *x = SSL_get1_peer_certificate(ssl);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const char *name;

    *ret = (struct peer){.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (x && X509_digest(x, EVP_sha256(), hash, &n) == 1 && n == 32) {
        pke_hex(PKE_BYTES(hash, n), false, ret->certificate);
        name = is_valid_now(x) ? frontends_of_certificate(frontends, ret->certificate) : NULL;
        if (name) {
            ret->roles = VERB_ROLE_FRONTEND;
            snprintf(ret->frontend, sizeof ret->frontend, "%s", name);
        }
    }
    X509_free(x);
    ERR_clear_error();
}
