/* SPDX-License-Identifier: Apache-2.0 */
/* Where calls go: what is read once per configuration, and how a connection is held to it. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "daemon/net/callout_impl.h"

#define RULE       "pkienrolld.conf authorisers, event-sinks"
#define SECRET_MIN 16
#define SECRET_MAX 255

static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct callouts *callouts_new(struct event_base *base)
{
    struct callouts *c = pke_calloc(1, sizeof *c);

    callout_loop_init();
    c->base = base;
    return c;
}

void callouts_free(struct callouts *c)
{
    while (c && c->tallies) {
        struct callout_tally *t = c->tallies;

        c->tallies = t->next;
        free(t->section);
        free(t->name);
        free(t);
    }
    free(c);
}

static struct callout_tally *tally_of(struct callouts *c, const char *section, const char *name)
{
    struct callout_tally **at = &c->tallies;

    while (*at && (strcmp((*at)->section, section) != 0 || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    if (!*at) {
        *at = pke_calloc(1, sizeof **at);
        (*at)->section = pke_strdup(section);
        (*at)->name = pke_strdup(name);
        (*at)->counts.section = (*at)->section;
        (*at)->counts.name = (*at)->name;
    }
    return *at;
}

void callouts_each(const struct callouts *c, callout_counts_fn *fn, void *arg)
{
    for (const struct callout_tally *t = c->tallies; t; t = t->next)
        fn(&t->counts, arg);
}

/* ---- what a connection has to be */

/* No default prompt of OpenSSL: a key with a pass phrase is refused. */
static int no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static enum pke_err bad_file(struct pke_fail *fail, const char *what, const char *file)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);

    pke_fail_set(fail, PKE_CONFIG, "callout-tls-file", RULE, "%s %s: %s", what, file ? file : "(none)",
                 why ? why : "unusable");
    ERR_clear_error();
    return PKE_CONFIG;
}

static enum pke_err load_tls(struct callout_target *t, const struct callout_target_conf *c,
                             struct pke_fail *fail)
{
    t->tls = SSL_CTX_new(TLS_client_method());
    if (!t->tls)
        pke_oom();
    SSL_CTX_set_default_passwd_cb(t->tls, no_pass_phrase);
    if (c->tls_ca ? SSL_CTX_load_verify_file(t->tls, c->tls_ca) != 1
                  : SSL_CTX_set_default_verify_paths(t->tls) != 1)
        return bad_file(fail, "CA certificates", c->tls_ca);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(t->tls), X509_V_FLAG_PARTIAL_CHAIN);
    ERR_clear_error();
    if (!c->tls_certificate && !c->tls_key)
        return PKE_OK;
    if (!c->tls_certificate || SSL_CTX_use_certificate_chain_file(t->tls, c->tls_certificate) != 1)
        return bad_file(fail, "certificate", c->tls_certificate);
    if (!c->tls_key || SSL_CTX_use_PrivateKey_file(t->tls, c->tls_key, SSL_FILETYPE_PEM) != 1)
        return bad_file(fail, "key", c->tls_key);
    if (SSL_CTX_check_private_key(t->tls) != 1)
        return bad_file(fail, "the certificate does not belong to key", c->tls_key);
    return PKE_OK;
}

CURLcode callout_tls_apply(CURL *easy, void *ctx, void *target)
{
    struct callout_target *t = target;
    X509 *own = SSL_CTX_get0_certificate(t->tls);
    STACK_OF(X509) *chain = NULL;

    (void)easy;
    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(t->tls));
    SSL_CTX_set_security_level(ctx, 2);
    if (SSL_CTX_set_cipher_list(ctx, ciphers_12) != 1)
        return CURLE_SSL_CIPHER;
    if (!own)
        return CURLE_OK;
    SSL_CTX_get0_chain_certs(t->tls, &chain);
    return SSL_CTX_use_cert_and_key(ctx, own, SSL_CTX_get0_privatekey(t->tls), chain, 1) == 1
               ? CURLE_OK
               : CURLE_SSL_CERTPROBLEM;
}

bool callout_peer_known(const struct callout_target *t, int fd, struct pke_fail *fail)
{
    struct ucred cred;
    socklen_t size = sizeof cred;

    if (!t->unix_path || t->uids.n == 0)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0 || size != sizeof cred ||
        cred.uid == (uid_t)-1)
        return false; /* not connected */
    if (uids_has(&t->uids, cred.uid))
        return true;
    pke_fail_set(fail, PKE_BUSY, "callout-peer", RULE,
                 "uid %u listens on the unix socket, who is not in peer-uids", (unsigned)cred.uid);
    return false;
}

/* ---- reading the configuration */

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* What libcurl would take from a URL and we do not want: another protocol, credentials. */
static enum pke_err check_url(const struct callout_target *t, struct pke_fail *fail)
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    enum pke_err err = PKE_OK;

    if (!u)
        pke_oom();
    if (curl_url_set(u, CURLUPART_URL, t->url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        err = pke_fail_set(fail, PKE_CONFIG, "callout-url", RULE, "%s is not a URL", t->url);
    else if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && t->unix_path))
        err = pke_fail_set(fail, PKE_CONFIG, "callout-url", RULE,
                           "%s is not https (http is for a unix socket)", t->url);
    else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD) ||
             has_part(u, CURLUPART_FRAGMENT))
        err = pke_fail_set(fail, PKE_CONFIG, "callout-url", RULE, "a URL with user, password or fragment");
    curl_free(scheme);
    curl_url_cleanup(u);
    return err;
}

static enum pke_err load_secret(struct callout_target *t, const char *file, struct pke_fail *fail)
{
    enum pke_err err = file ? pke_secret_read_file(file, SECRET_MAX, &t->secret, fail) : PKE_OK;

    if (err == PKE_OK && file && pke_secret_bytes(t->secret).n < SECRET_MIN)
        err = pke_fail_set(fail, PKE_CONFIG, "callout-secret", RULE, "%s holds fewer than %d bytes", file,
                           SECRET_MIN);
    return err;
}

static enum pke_err load(struct callout_target *t, const struct callout_target_conf *c, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    if (t->unix_path && strlen(t->unix_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        err = pke_fail_set(fail, PKE_CONFIG, "callout-unix", RULE, "the path of the unix socket is too long");
    if (err == PKE_OK)
        err = check_url(t, fail);
    if (err == PKE_OK && c->peer_uids.n && !t->unix_path)
        err = pke_fail_set(fail, PKE_CONFIG, "callout-peer-uids", RULE, "peer-uids are of a unix socket");
    if (err == PKE_OK)
        err = uids_resolve(&c->peer_uids, "peer-uids", &t->uids, fail);
    if (err == PKE_OK)
        err = load_secret(t, c->secret_file, fail);
    return err == PKE_OK ? load_tls(t, c, fail) : err;
}

enum pke_err callout_target_new(struct callouts *c, const struct callout_target_conf *conf,
                                struct callout_target **ret, struct pke_fail *fail)
{
    struct callout_target *t = pke_calloc(1, sizeof *t);
    enum pke_err err;

    t->refs = 1;
    t->owner = c;
    t->tally = tally_of(c, conf->section, conf->name);
    t->url = pke_strdup(conf->url);
    t->unix_path = conf->unix_path ? pke_strdup(conf->unix_path) : NULL;
    t->timeout = (uint64_t)conf->timeout_ms;
    t->max_in_flight = conf->max_in_flight ? conf->max_in_flight : 1;
    err = load(t, conf, fail);
    if (err != PKE_OK) {
        callout_target_unref(t);
        return err;
    }
    callout_loop_open(t);
    *ret = t;
    return PKE_OK;
}

struct callout_target *callout_target_ref(struct callout_target *t)
{
    t->refs++;
    return t;
}

void callout_target_unref(struct callout_target *t)
{
    if (!t || --t->refs > 0)
        return;
    callout_loop_close(t);
    SSL_CTX_free(t->tls);
    pke_secret_free(t->secret);
    free(t->url);
    free(t->unix_path);
    free(t);
}
