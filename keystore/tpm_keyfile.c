/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/tpm_keyfile.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "base/mem.h"
#include "keystore/tpm.h"

#define PEM_NAME     "TSS2 PRIVATE KEY"
#define OID_LOADABLE "2.23.133.10.1.3"
#define RULE         "TSS2 key file"

/* TPMKey. policy, secret and authPolicy are there to be seen and refused. */
typedef struct {
    ASN1_OBJECT *type;
    ASN1_BOOLEAN empty_auth;
    ASN1_TYPE *policy;
    ASN1_TYPE *secret;
    ASN1_TYPE *auth_policy;
    ASN1_UTF8STRING *description;
    ASN1_BOOLEAN rsa_parent;
    ASN1_INTEGER *parent;
    ASN1_OCTET_STRING *public_area;
    ASN1_OCTET_STRING *private_area;
} TPM_KEY;

/* clang-format off */
ASN1_SEQUENCE(TPM_KEY) = {
    ASN1_SIMPLE(TPM_KEY, type, ASN1_OBJECT),
    ASN1_EXP_OPT(TPM_KEY, empty_auth, ASN1_BOOLEAN, 0),
    ASN1_EXP_OPT(TPM_KEY, policy, ASN1_ANY, 1),
    ASN1_EXP_OPT(TPM_KEY, secret, ASN1_ANY, 2),
    ASN1_EXP_OPT(TPM_KEY, auth_policy, ASN1_ANY, 3),
    ASN1_EXP_OPT(TPM_KEY, description, ASN1_UTF8STRING, 4),
    ASN1_EXP_OPT(TPM_KEY, rsa_parent, ASN1_BOOLEAN, 5),
    ASN1_SIMPLE(TPM_KEY, parent, ASN1_INTEGER),
    ASN1_SIMPLE(TPM_KEY, public_area, ASN1_OCTET_STRING),
    ASN1_SIMPLE(TPM_KEY, private_area, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(TPM_KEY)
    /* clang-format on */

    static enum pke_err refuse(struct pke_fail * fail, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "key-file", RULE, "%s", text);
}

static bool only_space(struct pke_bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if (!b.p[i] || !strchr(" \t\r\n", b.p[i]))
            return false;
    return true;
}

/* The DER in the one PEM block; caller frees with OPENSSL_free. NULL: not such a file. */
static uint8_t *pem_to_der(struct pke_bytes pem, long *n)
{
    static const char begin[] = "-----BEGIN " PEM_NAME "-----";
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;
    bool ok;

    if (!bio)
        pke_oom();
    while (pem.n > 0 && only_space(PKE_BYTES(pem.p, 1)))
        pem = PKE_BYTES(pem.p + 1, pem.n - 1);
    ok = pem.n > sizeof begin && memcmp(pem.p, begin, sizeof begin - 1) == 0 &&
         PEM_read_bio(bio, &name, &header, &der, n) == 1;
    if (ok) {
        char *rest = NULL;
        long left = BIO_get_mem_data(bio, &rest);

        ok = strcmp(name, PEM_NAME) == 0 && header[0] == '\0' && only_space(PKE_BYTES(rest, (size_t)left));
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    BIO_free(bio);
    if (ok)
        return der;
    OPENSSL_free(der);
    return NULL;
}

static bool unmarshal_public(const ASN1_OCTET_STRING *s, TPM2B_PUBLIC *ret)
{
    size_t n = (size_t)ASN1_STRING_length(s), at = 0;

    memset(ret, 0, sizeof *ret);
    return Tss2_MU_TPM2B_PUBLIC_Unmarshal(ASN1_STRING_get0_data(s), n, &at, ret) == TSS2_RC_SUCCESS &&
           at == n;
}

static bool unmarshal_private(const ASN1_OCTET_STRING *s, TPM2B_PRIVATE *ret)
{
    size_t n = (size_t)ASN1_STRING_length(s), at = 0;

    memset(ret, 0, sizeof *ret);
    return Tss2_MU_TPM2B_PRIVATE_Unmarshal(ASN1_STRING_get0_data(s), n, &at, ret) == TSS2_RC_SUCCESS &&
           at == n;
}

static bool parent_of(const ASN1_INTEGER *number, TPM2_HANDLE *ret)
{
    uint64_t v;

    if (ASN1_INTEGER_get_uint64(&v, number) != 1)
        return false;
    *ret = (TPM2_HANDLE)v;
    return v == TPM2_RH_OWNER || (v >= TPM_PERSISTENT_FIRST && v < TPM_PLATFORM_FIRST);
}

static enum pke_err take(const TPM_KEY *k, struct tpm_keyfile *ret, struct pke_fail *fail)
{
    char oid[64] = "";

    OBJ_obj2txt(oid, sizeof oid, k->type, 1);
    if (strcmp(oid, OID_LOADABLE) != 0)
        return refuse(fail, "the file holds no loadable key (importable and sealed ones are not for a CA)");
    if (k->policy || k->auth_policy || k->secret)
        return refuse(fail, "the key has a policy or an import secret, which is not supported");
    if (!parent_of(k->parent, &ret->parent))
        return refuse(fail, "the parent must be the owner hierarchy or a persistent handle of the owner");
    if (!unmarshal_public(k->public_area, &ret->public_area) ||
        !unmarshal_private(k->private_area, &ret->private_area))
        return refuse(fail, "the public or the private area cannot be read");
    ret->empty_auth = k->empty_auth < 0 ? TPM_EMPTY_AUTH_ABSENT
                      : k->empty_auth   ? TPM_EMPTY_AUTH_YES
                                        : TPM_EMPTY_AUTH_NO;
    return PKE_OK;
}

/* BER that is not DER would let two texts be one key. */
static bool is_der(TPM_KEY *k, const uint8_t *der, long n)
{
    uint8_t *again = NULL;
    int m = ASN1_item_i2d((ASN1_VALUE *)k, &again, ASN1_ITEM_rptr(TPM_KEY));
    bool same = m == n && memcmp(again, der, (size_t)n) == 0;

    OPENSSL_free(again);
    return same;
}

enum pke_err tpm_keyfile_parse(struct pke_bytes pem, struct tpm_keyfile *ret, struct pke_fail *fail)
{
    long n = 0;
    uint8_t *der = pem.n > TPM_KEYFILE_MAX ? NULL : pem_to_der(pem, &n);
    const uint8_t *p = der;
    TPM_KEY *k = der ? (TPM_KEY *)ASN1_item_d2i(NULL, &p, n, ASN1_ITEM_rptr(TPM_KEY)) : NULL;
    enum pke_err err;

    memset(ret, 0, sizeof *ret);
    if (!der)
        err = refuse(fail, "not one PEM block \"" PEM_NAME "\" and nothing else");
    else if (!k || p != der + n || !is_der(k, der, n))
        err = refuse(fail, "the block is not the DER of a TPMKey");
    else
        err = take(k, ret, fail);
    ASN1_item_free((ASN1_VALUE *)k, ASN1_ITEM_rptr(TPM_KEY));
    OPENSSL_free(der);
    ERR_clear_error();
    return err;
}

static void set_octets(ASN1_OCTET_STRING *s, const uint8_t *p, size_t n)
{
    if (ASN1_STRING_set(s, p, (int)n) != 1)
        pke_oom();
}

static bool fill(TPM_KEY *k, const struct tpm_keyfile *file)
{
    uint8_t buf[sizeof(TPM2B_PUBLIC) + sizeof(TPM2B_PRIVATE)];
    size_t n = 0;

    if (Tss2_MU_TPM2B_PUBLIC_Marshal(&file->public_area, buf, sizeof buf, &n) != TSS2_RC_SUCCESS)
        return false;
    set_octets(k->public_area, buf, n);
    n = 0;
    if (Tss2_MU_TPM2B_PRIVATE_Marshal(&file->private_area, buf, sizeof buf, &n) != TSS2_RC_SUCCESS)
        return false;
    set_octets(k->private_area, buf, n);
    ASN1_OBJECT_free(k->type);
    k->type = OBJ_txt2obj(OID_LOADABLE, 1);
    if (!k->type || ASN1_INTEGER_set_uint64(k->parent, file->parent) != 1)
        pke_oom();
    k->empty_auth = file->empty_auth == TPM_EMPTY_AUTH_YES ? 0xff : 0; /* never left out: readers differ */
    k->rsa_parent = -1;
    return true;
}

bool tpm_keyfile_write(const struct tpm_keyfile *file, struct pke_buf *out)
{
    TPM_KEY *k = (TPM_KEY *)ASN1_item_new(ASN1_ITEM_rptr(TPM_KEY));
    BIO *bio = BIO_new(BIO_s_mem());
    uint8_t *der = NULL;
    char *text = NULL;
    int n;
    bool ok;

    if (!k || !bio)
        pke_oom();
    ok = fill(k, file);
    n = ok ? ASN1_item_i2d((ASN1_VALUE *)k, &der, ASN1_ITEM_rptr(TPM_KEY)) : -1;
    ok = n > 0 && PEM_write_bio(bio, PEM_NAME, "", der, n) > 0;
    if (ok) {
        long length = BIO_get_mem_data(bio, &text);

        ok = pke_buf_add(out, text, (size_t)length) == PKE_OK;
    }
    OPENSSL_free(der);
    BIO_free(bio);
    ASN1_item_free((ASN1_VALUE *)k, ASN1_ITEM_rptr(TPM_KEY));
    return ok;
}
