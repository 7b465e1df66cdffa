/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "keytool/tool.h"

#define CERTIFICATE_MAX 131072

static enum pke_err random_serial(uint8_t serial[16], struct pke_fail *fail)
{
    if (RAND_bytes(serial, 16) != 1)
        return pke_fail_set(fail, PKE_INTERNAL, "random", "RAND_bytes", "no random numbers");
    /* Positive and always 16 octets long: RFC 5280 4.1.2.2 allows 20, CA/B Forum asks for 64 random bits. */
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
    return PKE_OK;
}

static void print_certificate(const struct tool_options *o, const struct tool_ca *ca, struct pke_bytes der)
{
    char serial[33], from[PKE_RFC3339_SIZE], to[PKE_RFC3339_SIZE], print[65], *subject;
    uint8_t sha256[32];

    pke_hex(PKE_BYTES(ca->serial, sizeof ca->serial), false, serial);
    pke_time_rfc3339(ca->not_before, from);
    pke_time_rfc3339(ca->not_after, to);
    EVP_Digest(der.p, der.n, sha256, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(sha256, sizeof sha256), false, print);
    subject = X509_NAME_oneline(ca->subject, NULL, 0);
    printf("wrote %s\n  subject      %s\n  serial       %s\n  not before   %s\n  not after    %s\n  sha-256  "
           "    %s\n",
           o->out, subject ? subject : "", serial, from, to, print);
    OPENSSL_free(subject);
}

static enum pke_err write_pem(const struct tool_options *o, struct pke_bytes der, struct pke_fail *fail)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n;
    enum pke_err err;

    if (!bio || PEM_write_bio(bio, PEM_STRING_X509, "", der.p, (long)der.n) <= 0)
        pke_oom();
    n = BIO_get_mem_data(bio, &text);
    err = tool_write_file(o->out, PKE_BYTES(text, (size_t)n), o->force, fail);
    BIO_free(bio);
    return err;
}

static enum pke_err sign_and_write(const struct tool_options *o, struct ks_key *key, struct tool_ca *ca,
                                   struct pke_fail *fail)
{
    struct pke_buf der;
    enum pke_err err = random_serial(ca->serial, fail);

    pke_buf_init(&der, CERTIFICATE_MAX);
    if (err == PKE_OK)
        err = tool_ca_certificate(key, ca, &der, fail);
    if (err == PKE_OK)
        err = write_pem(o, pke_buf_bytes(&der), fail);
    if (err == PKE_OK)
        print_certificate(o, ca, pke_buf_bytes(&der));
    pke_buf_done(&der);
    return err;
}

int tool_self_sign(const struct tool_options *o)
{
    struct tool_ca ca = {.path_len = o->path_len, .not_before = (int64_t)time(NULL)};
    struct pke_fail fail = {0};
    struct ks_key *key = NULL;
    struct ks_error error;
    enum pke_err err;

    if (!o->subject || !o->out)
        return tool_usage("self-sign needs --subject and --out");
    if (tool_dn_parse(o->subject, &ca.subject, &fail) != PKE_OK)
        return tool_usage("%s", fail.text);
    ca.not_after = ca.not_before + o->days * 86400 - 1; /* RFC 5280 4.1.2.5: both ends belong to the period */
    /* Before the key is asked: no signature for a file that may not be written. */
    if (!o->force && access(o->out, F_OK) == 0)
        err = pke_fail_set(&fail, PKE_EXISTS, "output-exists", "no overwriting without --force",
                           "%s exists already", o->out);
    else if (ks_open(&o->config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        err = (fail = error.fail).err;
    else
        err = sign_and_write(o, key, &ca, &fail);
    ks_close(key);
    X509_NAME_free(ca.subject);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
