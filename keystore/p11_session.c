/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/p11.h"

void p11_session_close(struct p11 *p)
{
    if (p->has_session)
        (void)p->f->C_CloseSession(
            p->session); /* a lost session cannot be closed: nothing to learn from it */
    p->has_session = p->logged_in = false;
    p->session = CK_INVALID_HANDLE;
    p->key = CK_INVALID_HANDLE;
}

int p11_login(struct p11 *p, CK_USER_TYPE user, struct ks_error *error)
{
    struct pke_bytes pin = pke_secret_bytes(p->pin);
    CK_RV rv;

    if (p->login == KS_LOGIN_NONE)
        return ks_fail(error, KS_PERMANENT, "key-login", "login: none", "the token wants a login");
    if (p->login == KS_LOGIN_PIN && pin.n == 0)
        return ks_fail(error, KS_PERMANENT, "key-pin-missing", "PKCS#11 C_Login",
                       "the token asks for a PIN and none is configured");
    p->logins += user == CKU_USER;
    rv = p->login == KS_LOGIN_PROTECTED ? p->f->C_Login(p->session, user, NULL, 0)
                                        : p->f->C_Login(p->session, user, (CK_UTF8CHAR *)pin.p, pin.n);
    return ks_rv_class(rv) == KS_OK ? 0 : ks_rv_fail(error, "C_Login", rv);
}

/* The right token, in a state in which one may log in. */
static int check_token(struct p11 *p, CK_FLAGS *flags, struct ks_error *error)
{
    CK_TOKEN_INFO info = {0};
    CK_RV rv = p->f->C_GetTokenInfo(p->slot, &info);

    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetTokenInfo", rv);
    if (!(info.flags & CKF_TOKEN_INITIALIZED) || !ks_uri_match_token(&p->uri, &info))
        return ks_fail(error, KS_TOKEN, "key-token-gone", "exactly one token",
                       "the slot holds another token now");
    if (info.flags & CKF_USER_PIN_LOCKED)
        return ks_rv_fail(error, "C_GetTokenInfo", CKR_PIN_LOCKED);
    if (p->login == KS_LOGIN_PROTECTED && !(info.flags & CKF_PROTECTED_AUTHENTICATION_PATH))
        return ks_fail(error, KS_PERMANENT, "key-login", "login: protected-path",
                       "the token has no keypad of its own (CKF_PROTECTED_AUTHENTICATION_PATH)");
    *flags = info.flags;
    return 0;
}

int p11_session_open(struct p11 *p, bool write, struct ks_error *error)
{
    CK_FLAGS flags = CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0), token;
    CK_RV rv;

    p11_session_close(p);
    /* Look before logging in: a token that went away or was replaced must not cost a PIN attempt, and SoftHSM
     * reports a vanished token only here. */
    if (check_token(p, &token, error) != 0)
        return -1;
    rv = p->f->C_OpenSession(p->slot, flags, NULL, NULL, &p->session);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_OpenSession", rv);
    p->has_session = true;
    if (!(token & CKF_LOGIN_REQUIRED))
        return 0;
    if (p11_login(p, CKU_USER, error) == 0) {
        p->logged_in = true;
        return 0;
    }
    /* Measured: SoftHSM says so to one of 1,500 processes that open a token at the same moment. A token that
     * had a PIN a moment ago has not judged ours. */
    if (error->raw == CKR_USER_PIN_NOT_INITIALIZED && (token & CKF_USER_PIN_INITIALIZED)) {
        error->cls = KS_TOKEN;
        pke_fail_set(&error->fail, PKE_KEY_DOWN, "key-token-gone", "PKCS#11 C_Login",
                     "C_Login returned CKR_USER_PIN_NOT_INITIALIZED for a token that has a PIN");
    }
    return -1;
}
