/* SPDX-License-Identifier: Apache-2.0 */
/* C_SignInit and C_Sign in a loop: the PKCS#11 module without anything around it. */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/keys.h"

struct module {
    void *library;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_MECHANISM mechanism;
    CK_RSA_PKCS_PSS_PARAMS pss;
    uint8_t in[KEYS_MESSAGE];
    size_t in_n;
};

/* RFC 8017 9.2 note 1 */
static const uint8_t sha256_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static bool check(const char *what, CK_RV rv)
{
    return rv == CKR_OK || keys_wrong(what, rv);
}

/* The one initialised token of this SoftHSM, or of this module. */
static bool open_session(struct module *m, const struct keys_options *o)
{
    CK_SLOT_ID slots[16];
    CK_ULONG n = PKE_LEN(slots);
    CK_TOKEN_INFO info;
    struct pke_bytes pin = pke_secret_bytes(o->config.pin);

    if (!check("C_GetSlotList", m->f->C_GetSlotList(CK_TRUE, slots, &n)))
        return false;
    for (CK_ULONG i = 0; i < n; i++)
        if (m->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED))
            return check("C_OpenSession",
                         m->f->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &m->session)) &&
                   check("C_Login", m->f->C_Login(m->session, CKU_USER, (CK_UTF8CHAR *)pin.p, pin.n));
    return keys_wrong("no initialised token", n);
}

static bool find_key(struct module *m, const char *uri)
{
    const char *label = strstr(uri, "object=");
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ULONG n = 0;
    CK_KEY_TYPE type;
    CK_ATTRIBUTE want[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, NULL, 0}},
                 get = {CKA_KEY_TYPE, &type, sizeof type};

    if (!label)
        return keys_wrong("no object= in the URI", 0);
    want[1].pValue = (char *)label + 7;
    want[1].ulValueLen = strcspn(label + 7, ";");
    if (!check("C_FindObjectsInit", m->f->C_FindObjectsInit(m->session, want, 2)) ||
        !check("C_FindObjects", m->f->C_FindObjects(m->session, &m->key, 1, &n)) || n != 1)
        return keys_wrong("keys that match", n);
    m->f->C_FindObjectsFinal(m->session);
    if (!check("C_GetAttributeValue", m->f->C_GetAttributeValue(m->session, m->key, &get, 1)))
        return false;
    m->mechanism.mechanism = type == CKK_RSA ? CKM_RSA_PKCS : type == CKK_EC ? CKM_ECDSA : CKM_EDDSA;
    return true;
}

/* What the mechanism takes: hashed once, since only the module is measured. */
static void set_input(struct module *m, const struct keys_options *o)
{
    const EVP_MD *md = o->digest == KS_SHA384 ? EVP_sha384() : EVP_sha256();
    unsigned n = 0;

    if (m->mechanism.mechanism == CKM_EDDSA) {
        memcpy(m->in, keys_message().p, m->in_n = keys_message().n);
        return;
    }
    if (o->config.signature == KS_SIGNATURE_RSA_PSS) {
        m->pss = (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, 32};
        m->mechanism = (CK_MECHANISM){CKM_RSA_PKCS_PSS, &m->pss, sizeof m->pss};
    } else if (m->mechanism.mechanism == CKM_RSA_PKCS) {
        memcpy(m->in, sha256_info, m->in_n = sizeof sha256_info);
    }
    EVP_Digest(keys_message().p, keys_message().n, m->in + m->in_n, &n, md, NULL);
    m->in_n += n;
}

static void module_close(void *arg)
{
    struct module *m = arg;

    if (m->f)
        m->f->C_Finalize(NULL);
    free(m); /* the library stays mapped, as in keystore/ */
}

static void *module_open(const struct keys_options *o)
{
    struct module *m = pke_calloc(1, sizeof *m);
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_C_GetFunctionList get;

    m->library = o->config.module ? dlopen(o->config.module, RTLD_NOW | RTLD_LOCAL) : NULL;
    get = m->library ? (CK_C_GetFunctionList)dlsym(m->library, "C_GetFunctionList") : NULL;
    if (get && get(&m->f) == CKR_OK && check("C_Initialize", m->f->C_Initialize(&args)) &&
        open_session(m, o) && find_key(m, o->config.uri)) {
        set_input(m, o);
        return m;
    }
    module_close(m);
    return NULL;
}

static bool module_sign(void *arg)
{
    struct module *m = arg;
    uint8_t signature[1024];
    CK_ULONG n = sizeof signature;

    return check("C_SignInit", m->f->C_SignInit(m->session, &m->mechanism, m->key)) &&
           check("C_Sign", m->f->C_Sign(m->session, m->in, m->in_n, signature, &n));
}

const struct keys_way keys_module = {"module", module_open, module_sign, module_close};
