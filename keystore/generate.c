/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/mem.h"
#include "keystore/p11.h"
#include "keystore/p11_ceremony.h"

#define ID_OCTETS    16
#define TEMPLATE_MAX 32
#define EFFORTS      3

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

struct template
{
    CK_ATTRIBUTE a[TEMPLATE_MAX];
    CK_ULONG n;
};

static void put(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t n)
{
    t->a[t->n++] = (CK_ATTRIBUTE){type, (void *)value, n};
}

static void put_bool(struct template *t, CK_ATTRIBUTE_TYPE type, CK_BBOOL *value)
{
    put(t, type, value, sizeof *value);
}

/* @p effort 2: all that the ceremony asks for; 1: without what older modules refuse; 0: what no key may lack.
 */
static void private_template(struct template *t, const CK_MECHANISM_TYPE *mechanism, unsigned effort)
{
    put_bool(t, CKA_TOKEN, &yes);
    put_bool(t, CKA_PRIVATE, &yes);
    put_bool(t, CKA_SENSITIVE, &yes);
    put_bool(t, CKA_EXTRACTABLE, &no);
    put_bool(t, CKA_SIGN, &yes);
    if (effort >= 1) {
        put_bool(t, CKA_DECRYPT, &no);
        put_bool(t, CKA_UNWRAP, &no);
        put_bool(t, CKA_DERIVE, &no);
    }
    if (effort >= 2) {
        put_bool(t, CKA_SIGN_RECOVER, &no);
        put_bool(t, CKA_MODIFIABLE, &no);
        put_bool(t, CKA_COPYABLE, &no);
        put(t, CKA_ALLOWED_MECHANISMS, mechanism, sizeof *mechanism);
    }
}

static void public_template(struct template *t, const struct ks_algorithm_info *alg, struct pke_bytes curve,
                            const CK_ULONG *bits)
{
    static const CK_BYTE f4[] = {0x01, 0x00, 0x01};

    put_bool(t, CKA_TOKEN, &yes);
    put_bool(t, CKA_PRIVATE, &no);
    put_bool(t, CKA_VERIFY, &yes);
    if (alg->ec || alg->ed) {
        put(t, CKA_EC_PARAMS, curve.p, curve.n);
        return;
    }
    put_bool(t, CKA_ENCRYPT, &no);
    put_bool(t, CKA_WRAP, &no);
    put(t, CKA_MODULUS_BITS, bits, sizeof *bits);
    put(t, CKA_PUBLIC_EXPONENT, f4, sizeof f4);
}

/* The template was refused, not the operation: fewer attributes may do. */
static bool template_refused(CK_RV rv)
{
    return rv == CKR_CURVE_NOT_SUPPORTED || rv == CKR_DOMAIN_PARAMS_INVALID ||
           rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
           rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_READ_ONLY;
}

static CK_RV try_pair(struct p11 *p, const struct ks_algorithm_info *alg, struct pke_bytes curve,
                      struct pke_bytes id, unsigned effort)
{
    CK_KEY_TYPE type = alg->ec ? CKK_EC : alg->ed ? CKK_EC_EDWARDS : CKK_RSA;
    CK_MECHANISM_TYPE sign = p11_mechanism(type, p->signature);
    CK_MECHANISM mechanism = {alg->ec   ? CKM_EC_KEY_PAIR_GEN
                              : alg->ed ? CKM_EC_EDWARDS_KEY_PAIR_GEN
                                        : CKM_RSA_PKCS_KEY_PAIR_GEN,
                              NULL, 0};
    struct template pu = {.n = 0}, pr = {.n = 0};
    CK_OBJECT_HANDLE pub, priv;
    CK_ULONG bits = alg->bits;

    public_template(&pu, alg, curve, &bits);
    private_template(&pr, &sign, effort);
    put(&pu, CKA_LABEL, p->uri.label.p, p->uri.label.n);
    put(&pr, CKA_LABEL, p->uri.label.p, p->uri.label.n);
    put(&pu, CKA_ID, id.p, id.n);
    put(&pr, CKA_ID, id.p, id.n);
    return p->f->C_GenerateKeyPair(p->session, &mechanism, pu.a, pu.n, pr.a, pr.n, &pub, &priv);
}

static int generate_pair(struct p11 *p, const struct ks_algorithm_info *alg, struct pke_bytes id,
                         struct ks_error *error)
{
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;

    for (unsigned effort = EFFORTS; effort-- > 0 && template_refused(rv);) {
        rv = try_pair(p, alg, alg->params, id, effort);
        /* RFC 8410 has the OID; PKCS#11 3.0 allows the name, and SoftHSM knows nothing else. */
        if (alg->ed && template_refused(rv))
            rv = try_pair(p, alg, ks_ed25519_name, id, effort);
    }
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_GenerateKeyPair", rv);
}

/* A second key of the same name would make both unusable: exactly one may match. */
static int refuse_existing(struct p11 *p, CK_ATTRIBUTE name, struct ks_error *error)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};

    for (size_t i = 0; i < PKE_LEN(classes); i++) {
        CK_OBJECT_CLASS class = classes[i];
        CK_ATTRIBUTE match[] = {{CKA_CLASS, &class, sizeof class}, name};
        CK_OBJECT_HANDLE found;
        CK_ULONG n = 0;

        if (p11_find(p, match, 2, &found, 1, &n, error) != 0)
            return -1;
        if (n > 0) {
            ks_fail(error, KS_PERMANENT, "key-exists", "exactly one key",
                    "the token already holds %lu %s key(s) with that %s", n, i == 0 ? "private" : "public",
                    name.type == CKA_LABEL ? "label" : "id");
            error->fail.err = PKE_EXISTS;
            return -1;
        }
    }
    return 0;
}

/* Open the token for a new key of the URI's name. *id: the URI's, or @p random. */
static int start_new(struct p11 *p, uint8_t random[ID_OCTETS], struct pke_bytes *id, struct ks_error *error)
{
    *id = p->uri.id;
    if (p->uri.label.n == 0)
        return ks_fail(error, KS_PERMANENT, "key-uri", "RFC 7512 2.3",
                       "a new key needs a label (object=) in the URI");
    if (id->n == 0) {
        if (RAND_bytes(random, ID_OCTETS) != 1)
            return ks_fail(error, KS_PERMANENT, "key-random", "RAND_bytes", "no random numbers");
        *id = PKE_BYTES(random, ID_OCTETS);
    }
    if (p11_start(p, error) != 0 || p11_session_open(p, true, error) != 0)
        return -1;
    if (refuse_existing(p, (CK_ATTRIBUTE){CKA_LABEL, (void *)p->uri.label.p, p->uri.label.n}, error) != 0)
        return -1;
    return refuse_existing(p, (CK_ATTRIBUTE){CKA_ID, (void *)id->p, id->n}, error);
}

static int generate(struct p11 *p, const struct ks_algorithm_info *alg, struct ks_error *error)
{
    uint8_t random[ID_OCTETS];
    struct pke_bytes id;

    return start_new(p, random, &id, error) == 0 ? generate_pair(p, alg, id, error) : -1;
}

int p11_generate(const struct ks_config *config, enum ks_key_algorithm algorithm, struct ks_error *error)
{
    const struct ks_algorithm_info *alg = ks_algorithm_info(algorithm);
    struct p11 *p;
    int rc;

    if (!alg)
        return ks_fail(error, KS_PERMANENT, "key-generate", "CA key algorithms", "unknown key algorithm");
    if (ks_signature_check(alg, config->signature, error) != 0)
        return -1;
    p = pke_calloc(1, sizeof *p);
    rc = p11_load(p, config, error);
    if (rc == 0)
        rc = generate(p, alg, error);
    p11_free(p);
    return rc;
}

/* ---- a key that was made elsewhere ---- */

#define NUMBERS_MAX 8
#define NUMBER_SIZE 1024

/* The numbers of a key as a token takes them; wiped at the end. */
struct numbers {
    uint8_t v[NUMBERS_MAX][NUMBER_SIZE];
    unsigned n;
};

static bool put_number(struct template *t, struct numbers *all, CK_ATTRIBUTE_TYPE type, const EVP_PKEY *key,
                       const char *name, int width)
{
    BIGNUM *number = NULL;
    uint8_t *at = all->v[all->n];
    int n = -1;

    if (EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_num_bytes(number) <= NUMBER_SIZE)
        n = width ? BN_bn2binpad(number, at, width) : BN_bn2bin(number, at);
    BN_clear_free(number);
    if (n <= 0)
        return false;
    all->n++;
    put(t, type, at, (size_t)n);
    return true;
}

static bool rsa_numbers(struct template *t, struct numbers *all, const EVP_PKEY *key, bool private)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        const char *name;
        bool private;
    } parts[] = {{CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N, false},
                 {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E, false},
                 {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D, true},
                 {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1, true},
                 {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2, true},
                 {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1, true},
                 {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2, true},
                 {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, true}};

    for (size_t i = 0; i < PKE_LEN(parts); i++)
        if ((private || !parts[i].private) && !put_number(t, all, parts[i].type, key, parts[i].name, 0))
            return false;
    return true;
}

/* The uncompressed point in an OCTET STRING, as PKCS#11 2.3.3 asks for it. */
static bool ec_point(struct template *t, uint8_t out[NUMBER_SIZE], const EVP_PKEY *key)
{
    size_t n = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out + 2, 0x7f, &n) != 1 ||
        out[2] != 0x04)
        return false;
    out[0] = 0x04;
    out[1] = (uint8_t)n;
    put(t, CKA_EC_POINT, out, n + 2);
    return true;
}

static CK_RV create(struct p11 *p, struct template *t, CK_OBJECT_CLASS class, CK_KEY_TYPE type,
                    struct pke_bytes id)
{
    CK_OBJECT_HANDLE made;

    put(t, CKA_CLASS, &class, sizeof class);
    put(t, CKA_KEY_TYPE, &type, sizeof type);
    put(t, CKA_LABEL, p->uri.label.p, p->uri.label.n);
    put(t, CKA_ID, id.p, id.n);
    return p->f->C_CreateObject(p->session, t->a, t->n, &made);
}

static int import_private(struct p11 *p, const struct ks_algorithm_info *alg, EVP_PKEY *key,
                          struct pke_bytes id, struct ks_error *error)
{
    CK_KEY_TYPE type = alg->ec ? CKK_EC : CKK_RSA;
    CK_MECHANISM_TYPE sign = p11_mechanism(type, p->signature);
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;
    struct numbers all = {.n = 0};
    bool whole = true;

    for (unsigned effort = EFFORTS; whole && effort-- > 0 && template_refused(rv);) {
        struct template t = {.n = 0};

        all.n = 0;
        private_template(&t, &sign, effort);
        if (alg->ec)
            put(&t, CKA_EC_PARAMS, alg->params.p, alg->params.n);
        whole = alg->ec
                    ? put_number(&t, &all, CKA_VALUE, key, OSSL_PKEY_PARAM_PRIV_KEY, (int)(alg->bits + 7) / 8)
                    : rsa_numbers(&t, &all, key, true);
        if (whole)
            rv = create(p, &t, CKO_PRIVATE_KEY, type, id);
    }
    OPENSSL_cleanse(&all, sizeof all);
    if (!whole)
        return ks_fail(error, KS_PERMANENT, "key-import", "PKCS#11 C_CreateObject",
                       "the file has no whole private key");
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_CreateObject", rv);
}

static int import_public(struct p11 *p, const struct ks_algorithm_info *alg, EVP_PKEY *key,
                         struct pke_bytes id, struct ks_error *error)
{
    struct template t = {.n = 0};
    struct numbers all = {.n = 0};
    uint8_t point[NUMBER_SIZE];
    CK_RV rv;
    bool whole;

    put_bool(&t, CKA_TOKEN, &yes);
    put_bool(&t, CKA_PRIVATE, &no);
    put_bool(&t, CKA_VERIFY, &yes);
    if (alg->ec)
        put(&t, CKA_EC_PARAMS, alg->params.p, alg->params.n);
    whole = alg->ec ? ec_point(&t, point, key) : rsa_numbers(&t, &all, key, false);
    if (!whole)
        return ks_fail(error, KS_PERMANENT, "key-import", "PKCS#11 C_CreateObject",
                       "the file has no whole public key");
    rv = create(p, &t, CKO_PUBLIC_KEY, alg->ec ? CKK_EC : CKK_RSA, id);
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_CreateObject", rv);
}

static int import_pair(struct p11 *p, const struct ks_algorithm_info *alg, EVP_PKEY *key,
                       struct ks_error *error)
{
    uint8_t random[ID_OCTETS];
    struct pke_bytes id;

    if (start_new(p, random, &id, error) != 0 || import_public(p, alg, key, id, error) != 0)
        return -1;
    return import_private(p, alg, key, id, error);
}

int p11_import_key(const struct ks_config *config, EVP_PKEY *key, struct ks_error *error)
{
    const struct ks_algorithm_info *alg = ks_algorithm_of(key);
    struct p11 *p;
    int rc;

    if (!alg || alg->ed)
        return ks_fail(error, KS_PERMANENT, "key-import", "CA key algorithms",
                       "only RSA keys of 2048, 3072 or 4096 bits, P-256 and P-384 are imported");
    if (ks_signature_check(alg, config->signature, error) != 0)
        return -1;
    p = pke_calloc(1, sizeof *p);
    rc = p11_load(p, config, error);
    if (rc == 0)
        rc = import_pair(p, alg, key, error);
    p11_free(p);
    return rc;
}
