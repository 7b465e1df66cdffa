/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "keystore/backend.h"
#include "keystore/p11.h"

/* What makes a CA key that was born in its token and can only sign. Checked at generation and at every open.
 */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    bool required;
} flags[] = {
    {CKA_PRIVATE, "CKA_PRIVATE", true},
    {CKA_SENSITIVE, "CKA_SENSITIVE", true},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", true},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", true},
    {CKA_LOCAL, "CKA_LOCAL", true},
    {CKA_SIGN, "CKA_SIGN", true},
    {CKA_DECRYPT, "CKA_DECRYPT", false},
    {CKA_UNWRAP, "CKA_UNWRAP", false},
    {CKA_DERIVE, "CKA_DERIVE", false},
};

static int read_attributes(struct p11 *p, struct ks_attribute *out, size_t *n, struct ks_error *error)
{
    CK_MECHANISM_TYPE gen = CK_UNAVAILABLE_INFORMATION;
    bool present, made_here;

    _Static_assert(PKE_LEN(flags) + 1 <= KS_ATTRIBUTES_MAX, "room for every attribute");
    *n = 0;
    for (size_t i = 0; i < PKE_LEN(flags); i++) {
        CK_BBOOL value = CK_FALSE;

        if (p11_read_fixed(p, p->key, flags[i].type, &value, sizeof value, &present, error) != 0)
            return -1;
        out[(*n)++] = (struct ks_attribute){flags[i].name, present, value != CK_FALSE, flags[i].required};
    }
    if (p11_read_fixed(p, p->key, CKA_KEY_GEN_MECHANISM, &gen, sizeof gen, &present, error) != 0)
        return -1;
    made_here = p->type == CKK_RSA  ? gen == CKM_RSA_PKCS_KEY_PAIR_GEN || gen == CKM_RSA_X9_31_KEY_PAIR_GEN
                : p->type == CKK_EC ? gen == CKM_EC_KEY_PAIR_GEN
                                    : gen == CKM_EC_EDWARDS_KEY_PAIR_GEN;
    out[(*n)++] = (struct ks_attribute){"CKA_KEY_GEN_MECHANISM", present, made_here, true};
    return 0;
}

/* The one CKO_PUBLIC_KEY with the CKA_ID of the private key. */
static int find_public(struct p11 *p, CK_OBJECT_HANDLE *ret, struct ks_error *error)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, NULL, 0}};
    struct pke_buf id;
    CK_ULONG n = 0;
    int rc;

    pke_buf_init(&id, 1024);
    rc = p11_read(p, p->key, CKA_ID, &id, error);
    if (rc == 0 && id.n == 0)
        rc = ks_fail(error, KS_PERMANENT, "key-public-count", "PKCS#11 CKA_ID",
                     "the private key has no CKA_ID, its public key cannot be found");
    match[1].pValue = id.p;
    match[1].ulValueLen = id.n;
    if (rc == 0)
        rc = p11_find(p, match, 2, ret, 1, &n, error);
    pke_buf_done(&id);
    if (rc == 0 && n != 1)
        rc = ks_fail(error, KS_PERMANENT, "key-public-count", "PKCS#11 CKA_ID",
                     "%lu public keys have the CKA_ID of the private key, there must be exactly one", n);
    return rc;
}

static int read_rsa(struct p11 *p, EVP_PKEY **ret, struct ks_error *error)
{
    struct pke_buf n, e;
    CK_OBJECT_HANDLE pub;
    int rc;

    pke_buf_init(&n, 1024);
    pke_buf_init(&e, 1024);
    rc = p11_read(p, p->key, CKA_MODULUS, &n, error);
    if (rc == 0)
        rc = p11_read(p, p->key, CKA_PUBLIC_EXPONENT, &e, error);
    if (rc == 0 && (n.n == 0 || e.n == 0)) { /* CKA_PUBLIC_EXPONENT is optional in the private key */
        pke_buf_clear(&n);
        pke_buf_clear(&e);
        rc = find_public(p, &pub, error);
        if (rc == 0)
            rc = p11_read(p, pub, CKA_MODULUS, &n, error);
        if (rc == 0)
            rc = p11_read(p, pub, CKA_PUBLIC_EXPONENT, &e, error);
    }
    if (rc == 0 && !(*ret = ks_public_rsa(pke_buf_bytes(&n), pke_buf_bytes(&e))))
        rc = ks_fail(error, KS_PERMANENT, "key-public", "RFC 8017 3.1",
                     "the token gives no usable RSA public key");
    pke_buf_done(&n);
    pke_buf_done(&e);
    return rc;
}

static int read_ec(struct p11 *p, EVP_PKEY **ret, struct ks_error *error)
{
    const struct ks_algorithm_info *curve = NULL;
    struct pke_buf params, point;
    CK_OBJECT_HANDLE pub;
    int rc;

    pke_buf_init(&params, 1024);
    pke_buf_init(&point, 1024);
    rc = p11_read(p, p->key, CKA_EC_PARAMS, &params, error);
    if (rc == 0)
        curve = ks_algorithm_of_params(pke_buf_bytes(&params));
    if (rc == 0 && (!curve || curve->ed != (p->type == CKK_EC_EDWARDS)))
        rc = ks_fail(error, KS_PERMANENT, "key-algorithm", "CA key algorithms",
                     "the key is not on the named curve P-256, P-384 or edwards25519");
    if (rc == 0)
        rc = find_public(p, &pub, error);
    if (rc == 0)
        rc = p11_read(p, pub, CKA_EC_POINT, &point, error);
    if (rc == 0 && !(*ret = curve->ed ? ks_public_ed(pke_buf_bytes(&point))
                                      : ks_public_ec(curve, pke_buf_bytes(&point))))
        rc = ks_fail(error, KS_PERMANENT, "key-public", curve->ed ? "RFC 8032 5.1.5" : "SEC 1 2.3.4",
                     "the token gives no usable public key on its curve");
    if (rc == 0)
        p->order_bytes = curve->bits / 8;
    pke_buf_done(&params);
    pke_buf_done(&point);
    return rc;
}

static int find_private(struct p11 *p, struct ks_error *error)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE match[3] = {{CKA_CLASS, &class, sizeof class}};
    CK_ULONG n_match = 1, n = 0;

    if (p->uri.label.n)
        match[n_match++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)p->uri.label.p, p->uri.label.n};
    if (p->uri.id.n)
        match[n_match++] = (CK_ATTRIBUTE){CKA_ID, (void *)p->uri.id.p, p->uri.id.n};
    if (p11_find(p, match, n_match, &p->key, 1, &n, error) != 0)
        return -1;
    if (n == 1)
        return 0;
    p->key = CK_INVALID_HANDLE;
    return ks_fail(error, KS_PERMANENT, "key-count", "exactly one key",
                   "%lu private keys match the URI, there must be exactly one", n);
}

CK_MECHANISM_TYPE p11_mechanism(CK_KEY_TYPE type, enum ks_signature signature)
{
    if (type == CKK_RSA)
        return signature == KS_SIGNATURE_RSA_PSS ? CKM_RSA_PKCS_PSS : CKM_RSA_PKCS;
    return type == CKK_EC ? CKM_ECDSA : CKM_EDDSA;
}

/* A key that was made for one scheme is not used with another, and a token that has not got the mechanism is
 * told now, not by the first device. */
static int check_mechanism(struct p11 *p, struct ks_error *error)
{
    CK_MECHANISM_TYPE wanted = p11_mechanism(p->type, p->signature), one;
    CK_MECHANISM_INFO info = {0};
    struct pke_buf allowed;
    bool found;
    CK_RV rv;
    int rc;

    pke_buf_init(&allowed, 4096);
    rc = p11_read(p, p->key, CKA_ALLOWED_MECHANISMS, &allowed, error);
    found = allowed.n < sizeof one; /* absent or empty: no restriction */
    for (size_t at = 0; at + sizeof one <= allowed.n; at += sizeof one) {
        memcpy(&one, allowed.p + at, sizeof one);
        found = found || one == wanted;
    }
    pke_buf_done(&allowed);
    if (rc != 0)
        return -1;
    if (!found)
        return ks_fail(error, KS_PERMANENT, "key-signature", "PKCS#11 CKA_ALLOWED_MECHANISMS",
                       "the key was not made to sign with mechanism 0x%lx, which \"signature\" asks for",
                       wanted);
    rv = p->f->C_GetMechanismInfo(p->slot, wanted, &info);
    if (rv == CKR_MECHANISM_INVALID || (rv == CKR_OK && !(info.flags & CKF_SIGN)))
        return ks_fail(error, KS_PERMANENT, "key-mechanism", "PKCS#11 C_GetMechanismInfo",
                       "the token cannot sign with mechanism 0x%lx", wanted);
    return 0; /* other codes: what comes of it the first signature says */
}

int p11_key_find(struct p11 *p, struct ks_attribute *attributes, size_t *n_attributes, EVP_PKEY **public_key,
                 struct ks_error *error)
{
    CK_BBOOL always = CK_FALSE;
    bool present;

    if (find_private(p, error) != 0)
        return -1;
    if (p11_read_fixed(p, p->key, CKA_KEY_TYPE, &p->type, sizeof p->type, &present, error) != 0)
        return -1;
    if (!present || (p->type != CKK_RSA && p->type != CKK_EC && p->type != CKK_EC_EDWARDS))
        return ks_fail(error, KS_PERMANENT, "key-algorithm", "CA key algorithms",
                       "the key is neither RSA nor EC nor Ed25519");
    if (p11_read_fixed(p, p->key, CKA_ALWAYS_AUTHENTICATE, &always, sizeof always, &present, error) != 0)
        return -1;
    p->always_authenticate = present && always != CK_FALSE;
    if (read_attributes(p, attributes, n_attributes, error) != 0 || check_mechanism(p, error) != 0)
        return -1;
    return p->type == CKK_RSA ? read_rsa(p, public_key, error) : read_ec(p, public_key, error);
}
