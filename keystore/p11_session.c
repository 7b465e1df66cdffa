/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/p11.h"

void p11_session_close(struct p11 *p)
{
    if (p->has_session)
        (void)p->f->C_CloseSession(
            p->session); /* a lost session cannot be closed: nothing to learn from it */
    p->has_session = false;
    p->session = CK_INVALID_HANDLE;
    p->key = CK_INVALID_HANDLE;
}

int p11_login(struct p11 *p, CK_USER_TYPE user, bool protected_path, struct ks_error *error)
{
    struct pke_bytes pin = pke_secret_bytes(p->pin);
    CK_RV rv;

    p->logins++;
    if (protected_path)
        rv = p->f->C_Login(p->session, user, NULL, 0);
    else if (pin.n == 0)
        return ks_fail(error, KS_PERMANENT, "key-pin-missing", "PKCS#11 C_Login",
                       "the token asks for a PIN and none is configured");
    else
        rv = p->f->C_Login(p->session, user, (CK_UTF8CHAR *)pin.p, pin.n);
    return ks_rv_class(rv) == KS_OK ? 0 : ks_rv_fail(error, "C_Login", rv);
}

int p11_session_open(struct p11 *p, bool write, struct ks_error *error)
{
    CK_FLAGS flags = CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0);
    CK_TOKEN_INFO info = {0};
    CK_RV rv;

    p11_session_close(p);
    /* Look before logging in: a token that went away or was replaced must not cost a PIN attempt, and SoftHSM
     * reports a vanished token only here. */
    rv = p->f->C_GetTokenInfo(p->slot, &info);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetTokenInfo", rv);
    if (!(info.flags & CKF_TOKEN_INITIALIZED) || !ks_uri_match_token(&p->uri, &info))
        return ks_fail(error, KS_TOKEN, "key-token-gone", "exactly one token",
                       "the slot holds another token now");
    if (info.flags & CKF_USER_PIN_LOCKED)
        return ks_rv_fail(error, "C_GetTokenInfo", CKR_PIN_LOCKED);
    rv = p->f->C_OpenSession(p->slot, flags, NULL, NULL, &p->session);
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_OpenSession", rv);
    p->has_session = true;
    if (!(info.flags & CKF_LOGIN_REQUIRED))
        return 0;
    return p11_login(p, CKU_USER, info.flags & CKF_PROTECTED_AUTHENTICATION_PATH, error);
}
