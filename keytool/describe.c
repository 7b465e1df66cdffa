/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as they are read: from files, by people, by the checks of check and import-cert. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "keytool/tool.h"
#include "keytool/x509.h"

enum pke_err tool_read_certificate(const char *path, X509 **ret, struct pke_fail *fail)
{
    struct pke_buf der;
    const uint8_t *p;
    enum pke_err err;

    *ret = NULL;
    pke_buf_init(&der, TOOL_FILE_MAX);
    err = tool_read_pem(path, PEM_STRING_X509, &der, fail);
    if (err == PKE_OK) {
        p = der.p;
        *ret = d2i_X509(NULL, &p, (long)der.n);
        if (!*ret || p != der.p + der.n || !X509_get0_pubkey(*ret)) {
            X509_free(*ret);
            *ret = NULL;
            err = pke_fail_set(fail, PKE_MALFORMED, "certificate-read", "RFC 5280 4.1",
                               "%s holds no certificate that can be read", path);
        }
    }
    pke_buf_done(&der);
    ERR_clear_error();
    return err;
}

void tool_name(const char *what, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n;

    if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        pke_oom();
    n = BIO_get_mem_data(bio, &text);
    tool_fact(what, "%.*s", (int)n, text);
    BIO_free(bio);
}

static void time_fact(const char *what, const ASN1_TIME *t)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) == 1)
        tool_fact(what, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                  tm.tm_hour, tm.tm_min, tm.tm_sec);
    else
        tool_fact(what, "unreadable");
}

void tool_describe(X509 *x)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    char hex[129] = "";
    uint8_t *der = NULL;
    int n = i2d_X509(x, &der);

    if (n <= 0)
        pke_oom();
    tool_name("subject", X509_get_subject_name(x));
    tool_name("issuer", X509_get_issuer_name(x));
    if (ASN1_STRING_length(serial) <= 64)
        pke_hex(PKE_BYTES(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)), false, hex);
    tool_fact("serial", "%s", hex);
    time_fact("not-before", X509_get0_notBefore(x));
    time_fact("not-after", X509_get0_notAfter(x));
    tool_hash("certificate-sha256", PKE_BYTES(der, (size_t)n));
    OPENSSL_free(der);
}

static bool self_issued_ok(X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) != 0 ||
           X509_check_issued(x, x) != X509_V_OK || X509_verify(x, X509_get0_pubkey(x)) == 1;
}

unsigned tool_check_certificate(X509 *x)
{
    const uint32_t need = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
    uint32_t flags = X509_get_extension_flags(x);
    bool basic = X509_check_ca(x) == 1 && (flags & EXFLAG_CA);
    bool usage = (flags & EXFLAG_KUSAGE) && (X509_get_key_usage(x) & need) == need;
    bool now =
        X509_cmp_time(X509_get0_notBefore(x), NULL) < 0 && X509_cmp_time(X509_get0_notAfter(x), NULL) > 0;
    bool ski = X509_get0_subject_key_id(x) != NULL, self = self_issued_ok(x);
    unsigned bad = 0;

    bad += !tool_verdict(basic, "basic constraints", basic ? "CA:TRUE" : "not a version 3 CA certificate");
    bad += !tool_verdict(usage, "key usage",
                         usage ? "keyCertSign, cRLSign" : "must be present with keyCertSign and cRLSign");
    bad += !tool_verdict(ski, "subject key identifier", ski ? "present" : "absent");
    bad += !tool_verdict(now, "validity", now ? "valid now" : "not valid now");
    bad +=
        !tool_verdict(self, "self-signature", self ? "verifies, or signed by another CA" : "does not verify");
    ERR_clear_error();
    return bad;
}

enum pke_err tool_publish_certificate(const struct tool_options *o, struct pke_bytes der,
                                      struct pke_fail *fail)
{
    const uint8_t *p = der.p;
    enum pke_err err = tool_write_pem(o->out, PEM_STRING_X509, der, o->force, fail);
    X509 *x = err == PKE_OK ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    if (x) {
        tool_say("wrote %s", o->out);
        tool_describe(x);
    }
    X509_free(x);
    return err;
}

long tool_days(const struct tool_options *o)
{
    return o->days > 0 ? o->days : 3650;
}
