/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/p11_ceremony.h"

#include <string.h>

#include "base/mem.h"
#include "keystore/p11.h"

#define SLOTS_MAX        256
#define LABEL_OCTETS     32
#define CERTIFICATES_MAX 16

static bool is_serial(const CK_TOKEN_INFO *info, const char *serial)
{
    size_t n = sizeof info->serialNumber;

    while (n > 0 && info->serialNumber[n - 1] == ' ')
        n--;
    return strlen(serial) == n && memcmp(info->serialNumber, serial, n) == 0;
}

static int refuse_token(struct ks_error *error, const char *reason, const char *text)
{
    ks_fail(error, KS_PERMANENT, reason, "one token that is not initialised", "%s", text);
    error->fail.err = PKE_EXISTS;
    return -1;
}

/* The slot to initialise: a token that holds nothing yet, and no doubt which one is meant. */
static int find_blank(struct p11 *p, const char *label, const char *serial, CK_SLOT_ID *slot,
                      struct ks_error *error)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX, blank = 0;
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slots, &n);

    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetSlotList", rv);
    for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
        CK_TOKEN_INFO info = {0};
        bool initialised;

        if (p->f->C_GetTokenInfo(slots[i], &info) != CKR_OK)
            continue;
        initialised = info.flags & CKF_TOKEN_INITIALIZED;
        if (initialised && memcmp(info.label, label, LABEL_OCTETS) == 0)
            return refuse_token(error, "token-label", "a token with this label is there already");
        if (serial && !is_serial(&info, serial))
            continue;
        if (serial && initialised)
            return refuse_token(error, "token-initialised",
                                "the token is initialised already: it may hold keys");
        if (initialised)
            continue;
        *slot = slots[i];
        blank++;
    }
    if (blank == 1)
        return 0;
    return blank == 0 ? ks_fail(error, KS_PERMANENT, "token-count", "one token that is not initialised",
                                "no token is there that is not initialised (%lu present)", n)
                      : ks_fail(error, KS_PERMANENT, "token-count", "one token that is not initialised",
                                "%lu tokens are not initialised: name one by --serial", blank);
}

/* C_InitToken, then the user's PIN by the security officer; a token on its own keypad asks for both itself.
 */
static int init_token(struct p11 *p, CK_SLOT_ID slot, CK_UTF8CHAR label[LABEL_OCTETS],
                      struct pke_bytes so_pin, struct pke_bytes pin, struct ks_error *error)
{
    CK_RV rv = p->f->C_InitToken(slot, (CK_UTF8CHAR *)so_pin.p, so_pin.n, label);

    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_InitToken", rv);
    rv = p->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &p->session);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_OpenSession", rv);
    p->has_session = true;
    rv = p->f->C_Login(p->session, CKU_SO, (CK_UTF8CHAR *)so_pin.p, so_pin.n);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_Login", rv);
    rv = p->f->C_InitPIN(p->session, (CK_UTF8CHAR *)pin.p, pin.n);
    (void)p->f->C_Logout(p->session);
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_InitPIN", rv);
}

int p11_init_token(const struct ks_config *config, const char *label, const char *serial,
                   const struct pke_secret *so_pin, const struct pke_secret *pin, struct ks_error *error)
{
    CK_UTF8CHAR padded[LABEL_OCTETS];
    struct p11 *p;
    CK_SLOT_ID slot;
    int rc;

    if (!label || label[0] == '\0' || strlen(label) > LABEL_OCTETS)
        return ks_fail(error, KS_PERMANENT, "token-label", "PKCS#11 C_InitToken",
                       "the label of a token has 1 to 32 octets");
    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, strlen(label));
    p = pke_calloc(1, sizeof *p);
    rc = p11_load_module(p, config->module, error);
    if (rc == 0)
        rc = p11_initialise(p, error);
    if (rc == 0)
        rc = find_blank(p, (const char *)padded, serial, &slot, error);
    if (rc == 0)
        rc = init_token(p, slot, padded, pke_secret_bytes(so_pin), pke_secret_bytes(pin), error);
    p11_free(p);
    return rc;
}

int p11_change_auth(const struct ks_config *config, const struct pke_secret *new_pin, struct ks_error *error)
{
    struct pke_bytes old = pke_secret_bytes(config->pin), new = pke_secret_bytes(new_pin);
    bool keypad = config->login == KS_LOGIN_PROTECTED;
    struct p11 *p = pke_calloc(1, sizeof *p);
    CK_RV rv;
    int rc = p11_load(p, config, error);

    /* The login shows that the old PIN is right before C_SetPIN is tried with it: a token counts attempts
     * there too, but only the login's answer is told apart everywhere. */
    if (rc == 0)
        rc = p11_start(p, error);
    if (rc == 0)
        rc = p11_session_open(p, true, error);
    if (rc == 0) {
        rv = keypad ? p->f->C_SetPIN(p->session, NULL, 0, NULL, 0)
                    : p->f->C_SetPIN(p->session, (CK_UTF8CHAR *)old.p, old.n, (CK_UTF8CHAR *)new.p, new.n);
        if (rv != CKR_OK)
            rc = ks_rv_fail(error, "C_SetPIN", rv);
    }
    p11_free(p);
    return rc;
}

/* Id and label of the one private key of the URI. */
static int read_key_names(struct p11 *p, struct pke_buf *id, struct pke_buf *label, struct ks_error *error)
{
    CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE which[3] = {{CKA_CLASS, &private, sizeof private}};
    CK_ULONG n_which = 1, n = 0;
    CK_OBJECT_HANDLE key;

    if (p->uri.label.n)
        which[n_which++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)p->uri.label.p, p->uri.label.n};
    if (p->uri.id.n)
        which[n_which++] = (CK_ATTRIBUTE){CKA_ID, (void *)p->uri.id.p, p->uri.id.n};
    if (p11_find(p, which, n_which, &key, 1, &n, error) != 0)
        return -1;
    if (n != 1)
        return ks_fail(error, KS_PERMANENT, "key-count", "exactly one key", "%lu private keys match the URI",
                       n);
    if (p11_read(p, key, CKA_ID, id, error) != 0)
        return -1;
    return p11_read(p, key, CKA_LABEL, label, error);
}

static int create_certificate(struct p11 *p, const struct ks_certificate *c, struct pke_bytes id,
                              struct pke_bytes label, struct ks_error *error)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE a[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_ID, (void *)id.p, id.n},
        {CKA_LABEL, (void *)label.p, label.n},
        {CKA_SUBJECT, (void *)c->subject.p, c->subject.n},
        {CKA_ISSUER, (void *)c->issuer.p, c->issuer.n},
        {CKA_SERIAL_NUMBER, (void *)c->serial.p, c->serial.n},
        {CKA_VALUE, (void *)c->der.p, c->der.n},
    };
    CK_OBJECT_HANDLE made;
    CK_RV rv = p->f->C_CreateObject(p->session, a, PKE_LEN(a), &made);

    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_CreateObject", rv);
}

/* Certificates of the same id: refused, or removed after the new one is there. */
static int store(struct p11 *p, const struct ks_certificate *c, bool replace, struct ks_error *error)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_OBJECT_HANDLE old[CERTIFICATES_MAX];
    CK_ULONG n_old = 0;
    struct pke_buf id, label;
    int rc;

    pke_buf_init(&id, 4096);
    pke_buf_init(&label, 4096);
    rc = read_key_names(p, &id, &label, error);
    if (rc == 0) {
        CK_ATTRIBUTE same[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, id.p, id.n}};

        rc = p11_find(p, same, 2, old, CERTIFICATES_MAX, &n_old, error);
    }
    if (rc == 0 && n_old > 0 && !replace)
        rc = refuse_token(error, "certificate-exists", "the token has a certificate for this key already");
    if (rc == 0)
        rc = create_certificate(p, c, pke_buf_bytes(&id), pke_buf_bytes(&label), error);
    for (CK_ULONG i = 0; rc == 0 && i < n_old && i < CERTIFICATES_MAX; i++) {
        CK_RV rv = p->f->C_DestroyObject(p->session, old[i]);

        if (rv != CKR_OK)
            rc = ks_rv_fail(error, "C_DestroyObject", rv);
    }
    pke_buf_done(&id);
    pke_buf_done(&label);
    return rc;
}

int p11_store_certificate(const struct ks_config *config, const struct ks_certificate *certificate,
                          bool replace, struct ks_error *error)
{
    struct p11 *p = pke_calloc(1, sizeof *p);
    int rc = p11_load(p, config, error);

    if (rc == 0)
        rc = p11_start(p, error);
    if (rc == 0)
        rc = p11_session_open(p, true, error);
    if (rc == 0)
        rc = store(p, certificate, replace, error);
    p11_free(p);
    return rc;
}
