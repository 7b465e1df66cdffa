/* SPDX-License-Identifier: Apache-2.0 */
/* csr and issuer-csr: certificate requests of CAs. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "keytool/tool.h"
#include "keytool/x509.h"

static enum pke_err request_and_write(const struct tool_options *o, struct ks_key *key,
                                      const X509_NAME *subject, const STACK_OF(X509_EXTENSION) * extensions,
                                      struct pke_fail *fail)
{
    struct pke_buf der;
    enum pke_err err;

    tool_key(key);
    pke_buf_init(&der, TOOL_FILE_MAX);
    err = tool_request(key, subject, extensions, &der, fail);
    if (err == PKE_OK)
        err = tool_write_pem(o->out, PEM_STRING_X509_REQ, pke_buf_bytes(&der), o->force, fail);
    if (err == PKE_OK) {
        tool_say("wrote %s", o->out);
        tool_name("subject", subject);
        tool_hash("request-sha256", pke_buf_bytes(&der));
    }
    pke_buf_done(&der);
    return err;
}

int tool_csr(const struct tool_options *o)
{
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    struct pke_fail fail = {0};
    struct ks_key *key = NULL;
    X509_NAME *subject;
    enum pke_err err;

    if (tool_dn_parse(o->subject, &subject, &fail) != PKE_OK)
        return tool_usage("%s", fail.text);
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK)
        err = tool_open_key(o, &key, &fail);
    if (err == PKE_OK) {
        tool_add_ca_extensions(&extensions, o->path_len);
        err = request_and_write(o, key, subject, extensions, &fail);
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ks_close(key);
    X509_NAME_free(subject);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}

/* What is the issuer's to say, or is about the certificate and not about the CA. The key identifier belongs
 * to the key: a new key has a new one. */
static bool carried_over(const X509_EXTENSION *e, bool same_key)
{
    switch (OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)e))) {
    case NID_authority_key_identifier:
    case NID_crl_distribution_points:
    case NID_freshest_crl:
    case NID_info_access:
        return false;
    case NID_subject_key_identifier:
        return same_key;
    default:
        return true;
    }
}

static STACK_OF(X509_EXTENSION) * copy_extensions(X509 *x, bool same_key)
{
    STACK_OF(X509_EXTENSION) *list = NULL;

    for (int i = 0; i < X509_get_ext_count(x); i++) {
        if (carried_over(X509_get_ext(x, i), same_key) && !X509v3_add_ext(&list, X509_get_ext(x, i), -1))
            pke_oom();
    }
    return list;
}

static enum pke_err request_again(const struct tool_options *o, X509 *x, struct pke_fail *fail)
{
    STACK_OF(X509_EXTENSION) * extensions;
    struct ks_key *key;
    bool same;
    enum pke_err err;

    if (X509_check_ca(x) != 1)
        return pke_fail_set(fail, PKE_POLICY, "issuer-not-ca", "RFC 5280 4.2.1.9",
                            "%s is not the certificate of a CA", o->certificate);
    err = tool_open_key(o, &key, fail);
    if (err != PKE_OK)
        return err;
    same = tool_same_key(key, X509_get0_pubkey(x));
    tool_fact("key", "%s", same ? "the certificate's" : "a new one");
    extensions = copy_extensions(x, same);
    err = request_and_write(o, key, X509_get_subject_name(x), extensions, fail);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ks_close(key);
    return err;
}

int tool_issuer_csr(const struct tool_options *o)
{
    struct pke_fail fail = {0};
    X509 *x = NULL;
    enum pke_err err = tool_may_write(o->out, o->force, &fail);

    if (err == PKE_OK)
        err = tool_read_certificate(o->certificate, &x, &fail);
    if (err == PKE_OK)
        err = request_again(o, x, &fail);
    X509_free(x);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
