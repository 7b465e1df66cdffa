/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/csr.h"

#define DEVICE_ID_OID "1.3.6.1.4.1.311.66.1.0"
#define GUID_PART     30 /* characters of the GUID in the common name */

PKE_DEFINE_CLEANUP(X509_REQ, X509_REQ_free);
PKE_DEFINE_CLEANUP(CMS_ContentInfo, CMS_ContentInfo_free);
PKE_DEFINE_CLEANUP(BIO, BIO_free_all);
PKE_DEFINE_CLEANUP(ASN1_OBJECT, ASN1_OBJECT_free);
PKE_DEFINE_CLEANUP(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free);

static void free_extensions(STACK_OF(X509_EXTENSION) * *list)
{
    sk_X509_EXTENSION_pop_free(*list, X509_EXTENSION_free);
}

EVP_PKEY *csr_new_key(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    if (!key)
        pke_oom();
    return key;
}

/* CN of 63 characters; as PrintableString although '!' is not in its alphabet, or with a final NUL besides:
 * an explicit V_ASN1 type makes OpenSSL write the bytes as they are. */
static bool set_subject(X509_REQ *req, enum probe_shape shape, const char *device_id)
{
    uint8_t raw[16];
    char uuid[PKE_UUID_LEN + 1], name[GUID_PART + 1 + 32 + 1];
    if (RAND_bytes(raw, sizeof raw) != 1)
        return false;
    pke_uuid_format(raw, uuid);
    for (char *c = uuid; *c; c++)
        if (*c >= 'a' && *c <= 'f')
            *c = (char)(*c - 'a' + 'A');
    int n = snprintf(name, sizeof name, "%.*s!%.32s", GUID_PART, uuid, device_id);
    int type = shape == PROBE_SHAPE_UTF8 ? V_ASN1_UTF8STRING : V_ASN1_PRINTABLESTRING;
    return X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, type,
                                      (unsigned char *)name, n + (shape == PROBE_SHAPE_NUL), -1, 0) == 1;
}

static bool push(STACK_OF(X509_EXTENSION) * list, X509_EXTENSION *ext)
{
    if (ext && sk_X509_EXTENSION_push(list, ext) > 0)
        return true;
    X509_EXTENSION_free(ext);
    return false;
}

static bool add_extensions(X509_REQ *req, const char *device_id)
{
    STACK_OF(X509_EXTENSION) * list PKE_CLEANUP(free_extensions) = sk_X509_EXTENSION_new_null();
    ASN1_OBJECT *oid PKE_CLEANUP(ASN1_OBJECT_free_p) = OBJ_txt2obj(DEVICE_ID_OID, 1);
    ASN1_OCTET_STRING *raw PKE_CLEANUP(ASN1_OCTET_STRING_free_p) = ASN1_OCTET_STRING_new();
    return list && oid && raw &&
           push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth")) &&
           ASN1_OCTET_STRING_set(raw, (const unsigned char *)device_id, (int)strlen(device_id) + 1) == 1 &&
           push(list, X509_EXTENSION_create_by_OBJ(NULL, oid, 0, raw)) &&
           X509_REQ_add_extensions(req, list) == 1;
}

enum pke_err csr_make(EVP_PKEY *key, enum probe_shape shape, const char *device_id, struct pke_buf *out,
                      struct pke_fail *fail)
{
    X509_REQ *req PKE_CLEANUP(X509_REQ_free_p) = X509_REQ_new();
    unsigned char *der = NULL;
    int n = -1;
    if (req && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 && set_subject(req, shape, device_id) &&
        X509_REQ_set_pubkey(req, key) == 1 && add_extensions(req, device_id) &&
        X509_REQ_sign(req, key, EVP_sha256()) > 0)
        n = i2d_X509_REQ(req, &der);
    if (n <= 0)
        return pke_fail_set(fail, PKE_INTERNAL, "csr", "RFC 2986", "the request cannot be made: %s",
                            ERR_reason_error_string(ERR_peek_last_error()));
    enum pke_err err = pke_buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return err;
}

enum pke_err csr_sign(X509 *cert, EVP_PKEY *key, struct pke_bytes content, struct pke_buf *out,
                      struct pke_fail *fail)
{
    BIO *in PKE_CLEANUP(BIO_free_all_p) = BIO_new_mem_buf(content.p, (int)content.n);
    const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
    CMS_ContentInfo *cms PKE_CLEANUP(CMS_ContentInfo_free_p) = CMS_sign(NULL, NULL, NULL, NULL, flags);
    unsigned char *der = NULL;
    int n = -1;
    if (in && cms && CMS_add1_signer(cms, cert, key, EVP_sha256(), flags) &&
        CMS_final(cms, in, NULL, flags & ~(unsigned)CMS_PARTIAL) == 1)
        n = i2d_CMS_ContentInfo(cms, &der);
    if (n <= 0)
        return pke_fail_set(fail, PKE_INTERNAL, "cms", "RFC 5652 5", "the CMS cannot be made: %s",
                            ERR_reason_error_string(ERR_peek_last_error()));
    enum pke_err err = pke_buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return err;
}

static void read_device_id(X509_REQ *req, char device_id[33])
{
    STACK_OF(X509_EXTENSION) * list PKE_CLEANUP(free_extensions) = X509_REQ_get_extensions(req);
    ASN1_OBJECT *oid PKE_CLEANUP(ASN1_OBJECT_free_p) = OBJ_txt2obj(DEVICE_ID_OID, 1);
    int at = list && oid ? X509v3_get_ext_by_OBJ(list, oid, -1) : -1;
    device_id[0] = '\0';
    if (at < 0)
        return;
    const ASN1_OCTET_STRING *raw = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(list, at));
    struct pke_bytes text = PKE_BYTES(ASN1_STRING_get0_data(raw), 32);
    uint8_t digits[16];
    size_t n = sizeof digits;
    if (ASN1_STRING_length(raw) >= 32 && pke_hex_decode(text, digits, &n))
        pke_hex(PKE_BYTES(digits, n), true, device_id);
}

enum pke_err csr_read(struct pke_bytes file, struct pke_buf *out, EVP_PKEY **public_key, char device_id[33],
                      struct pke_fail *fail)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new_mem_buf(file.p, (int)file.n);
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    if (bio && PEM_read_bio(bio, &label, &header, &der, &n) == 1)
        pke_buf_add(out, der, (size_t)n);
    else
        pke_buf_add_bytes(out, file);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    const unsigned char *p = out->p;
    X509_REQ *req PKE_CLEANUP(X509_REQ_free_p) = d2i_X509_REQ(NULL, &p, (long)out->n);
    *public_key = req ? X509_REQ_get_pubkey(req) : NULL;
    if (!*public_key || p != out->p + out->n)
        return pke_fail_set(fail, PKE_CSR_BAD, "csr-file", "RFC 2986", "not a PKCS#10 certificate request");
    read_device_id(req, device_id);
    return PKE_OK;
}

static void take_bio(BIO *bio, struct pke_buf *out)
{
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    pke_buf_add(out, text, (size_t)n);
}

void csr_pem(const char *label, struct pke_bytes der, struct pke_buf *out)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio(bio, label, "", der.p, (long)der.n) <= 0)
        pke_oom();
    take_bio(bio, out);
}

void csr_certificate_pem(X509 *cert, struct pke_buf *out)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, cert) != 1)
        pke_oom();
    take_bio(bio, out);
}

void csr_key_pem(EVP_PKEY *key, struct pke_buf *out)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new(BIO_s_secmem());
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        pke_oom();
    take_bio(bio, out);
}

static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1;
}

EVP_PKEY *csr_read_key(struct pke_bytes pem)
{
    BIO *bio PKE_CLEANUP(BIO_free_all_p) = BIO_new_mem_buf(pem.p, (int)pem.n);
    return bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
}
