/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/tpm_keyfile.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "base/mem.h"

#define PEM_NAME     "TSS2 PRIVATE KEY"
#define OID_LOADABLE "2.23.133.10.1.3"
#define OWNER_FIRST  0x81000000U
#define OWNER_LAST   0x817fffffU

typedef struct {
    ASN1_OBJECT *type;
    ASN1_BOOLEAN empty_auth;
    ASN1_TYPE *policy;
    ASN1_OCTET_STRING *secret;
    ASN1_TYPE *auth_policy;
    ASN1_UTF8STRING *description;
    ASN1_BOOLEAN rsa_parent;
    ASN1_INTEGER *parent;
    ASN1_OCTET_STRING *pubkey;
    ASN1_OCTET_STRING *privkey;
} TPMKEY;

/* -1: absent (an optional BOOLEAN of libcrypto without default). */
ASN1_SEQUENCE(TPMKEY) =
    {
        ASN1_SIMPLE(TPMKEY, type, ASN1_OBJECT),
        ASN1_EXP_OPT(TPMKEY, empty_auth, ASN1_BOOLEAN, 0),
        ASN1_EXP_OPT(TPMKEY, policy, ASN1_ANY, 1),
        ASN1_EXP_OPT(TPMKEY, secret, ASN1_OCTET_STRING, 2),
        ASN1_EXP_OPT(TPMKEY, auth_policy, ASN1_ANY, 3),
        ASN1_EXP_OPT(TPMKEY, description, ASN1_UTF8STRING, 4),
        ASN1_EXP_OPT(TPMKEY, rsa_parent, ASN1_BOOLEAN, 5),
        ASN1_SIMPLE(TPMKEY, parent, ASN1_INTEGER),
        ASN1_SIMPLE(TPMKEY, pubkey, ASN1_OCTET_STRING),
        ASN1_SIMPLE(TPMKEY, privkey, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(TPMKEY)

        static enum pke_err refuse(struct pke_fail * fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, reason, "TSS2 PRIVATE KEY", "%s", text);
}

static bool has_oid(const ASN1_OBJECT *object, const char *oid)
{
    char text[64];

    return OBJ_obj2txt(text, sizeof text, object, 1) > 0 && strcmp(text, oid) == 0;
}

static enum pke_err check(const TPMKEY *k, struct pke_fail *fail)
{
    uint64_t parent;

    if (!has_oid(k->type, OID_LOADABLE))
        return refuse(fail, "key-file-type", "the key file holds no loadable key: another type");
    if (k->policy || k->auth_policy)
        return refuse(fail, "key-file-policy",
                      "the key is bound to a policy: only an auth value is supported");
    if (k->secret)
        return refuse(fail, "key-file-policy", "the key file is to be imported: the key existed outside");
    if (ASN1_INTEGER_get_uint64(&parent, k->parent) != 1 ||
        (parent != TPM2_RH_OWNER && (parent < OWNER_FIRST || parent > OWNER_LAST)))
        return refuse(fail, "key-file-parent",
                      "the parent must be the owner hierarchy or a persistent handle of the owner");
    return PKE_OK;
}

static bool unmarshal(const TPMKEY *k, struct tpm_keyfile *ret)
{
    const ASN1_OCTET_STRING *pub = k->pubkey, *priv = k->privkey;
    size_t pub_n = (size_t)ASN1_STRING_length(pub), priv_n = (size_t)ASN1_STRING_length(priv), at = 0;

    memset(ret, 0, sizeof *ret);
    if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(ASN1_STRING_get0_data(pub), pub_n, &at, &ret->public) || at != pub_n)
        return false;
    at = 0;
    if (Tss2_MU_TPM2B_PRIVATE_Unmarshal(ASN1_STRING_get0_data(priv), priv_n, &at, &ret->private) ||
        at != priv_n || ret->private.size == 0)
        return false;
    return true;
}

static enum pke_err decode(const uint8_t *der, long n, struct tpm_keyfile *ret, struct pke_fail *fail)
{
    const uint8_t *p = der;
    TPMKEY *k = (TPMKEY *)ASN1_item_d2i(NULL, &p, n, ASN1_ITEM_rptr(TPMKEY));
    uint64_t parent = 0;
    enum pke_err err;

    if (!k)
        return refuse(fail, "key-file", "the key file is not the structure TPMKey");
    err = p == der + n ? check(k, fail) : refuse(fail, "key-file", "octets follow the key");
    if (err == PKE_OK && !unmarshal(k, ret))
        err = refuse(fail, "key-file", "the key file holds no TPM2B_PUBLIC and TPM2B_PRIVATE");
    if (err == PKE_OK) {
        (void)ASN1_INTEGER_get_uint64(&parent, k->parent);
        ret->parent = (TPM2_HANDLE)parent;
        /* Absent: the draft says that there is an auth value, tpm2-openssl that there is none. What the TPM
         * is told is the configured value either way; see tpm_key.c. */
        ret->empty_auth = k->empty_auth > 0;
    }
    ASN1_item_free((ASN1_VALUE *)k, ASN1_ITEM_rptr(TPMKEY));
    return err;
}

/* Nothing but white space may stand around the one block. */
static bool is_blank(BIO *bio)
{
    char *rest = NULL;
    long n = BIO_get_mem_data(bio, &rest);

    for (long i = 0; i < n; i++)
        if (!strchr(" \t\r\n", rest[i]) || rest[i] == '\0')
            return false;
    return true;
}

enum pke_err tpm_keyfile_read(struct pke_bytes pem, struct tpm_keyfile *ret, struct pke_fail *fail)
{
    BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : (const void *)"", (int)(pem.n < TPM_KEYFILE_MAX ? pem.n : 0));
    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;
    long n = 0;
    enum pke_err err;

    if (!bio)
        pke_oom();
    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1 || strcmp(name, PEM_NAME) != 0 || *header ||
        !is_blank(bio))
        err = refuse(fail, "key-file", "the file is not one PEM block " PEM_NAME);
    else
        err = decode(der, n, ret, fail);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

static TPMKEY *build(const struct tpm_keyfile *file)
{
    uint8_t pub[sizeof file->public], priv[sizeof file->private];
    size_t pub_n = 0, priv_n = 0;
    TPMKEY *k = (TPMKEY *)ASN1_item_new(ASN1_ITEM_rptr(TPMKEY));

    if (!k)
        pke_oom();
    if (Tss2_MU_TPM2B_PUBLIC_Marshal(&file->public, pub, sizeof pub, &pub_n) ||
        Tss2_MU_TPM2B_PRIVATE_Marshal(&file->private, priv, sizeof priv, &priv_n))
        abort(); /* it came from the TPM */
    ASN1_OBJECT_free(k->type);
    k->type = OBJ_txt2obj(OID_LOADABLE, 1);
    k->empty_auth =
        file->empty_auth ? 0xff : 0; /* said either way: readers differ about what absence means */
    if (!k->type || ASN1_INTEGER_set_uint64(k->parent, file->parent) != 1 ||
        ASN1_OCTET_STRING_set(k->pubkey, pub, (int)pub_n) != 1 ||
        ASN1_OCTET_STRING_set(k->privkey, priv, (int)priv_n) != 1)
        pke_oom();
    return k;
}

enum pke_err tpm_keyfile_write(const struct tpm_keyfile *file, struct pke_buf *out)
{
    TPMKEY *k = build(file);
    uint8_t *der = NULL;
    int n = ASN1_item_i2d((ASN1_VALUE *)k, &der, ASN1_ITEM_rptr(TPMKEY));
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum pke_err err;

    if (n <= 0 || !bio || PEM_write_bio(bio, PEM_NAME, "", der, n) <= 0)
        pke_oom();
    n = (int)BIO_get_mem_data(bio, &text);
    err = pke_buf_add(out, text, (size_t)n);
    BIO_free(bio);
    OPENSSL_free(der);
    ASN1_item_free((ASN1_VALUE *)k, ASN1_ITEM_rptr(TPMKEY));
    return err;
}
