/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS#11 module for tests: everything goes through to a real module, but for what a control file says.
 *
 * The control file is named by P11DOUBLE, or is "p11double.conf" beside the module (of the path it was loaded
 * by: a link does). It is read again when it was replaced; counters then start anew. One statement a line:
 *
 *   module PATH                      the real module (needed; read once)
 *   log PATH                         every call is appended with its result and process: "C_Login 0xa0 4711"
 *   FUNCTION ACTION [after=M] [times=N] [marker=PATH]
 *       the ACTION for the N calls (default: all) after the first M; with a marker only while that file can
 * be made: once for all processes rv=CODE      return it without asking the real module late-rv=CODE ask,
 * then return it delay=MS, hang, crash (SIGSEGV) flip         turn the last bit of the signature lose the
 * session is lost: CKR_SESSION_HANDLE_INVALID for all sessions that are open remove no token present; its
 * sessions give CKR_DEVICE_REMOVED twin                             every slot is there twice pin-locked
 * CKF_USER_PIN_LOCKED no-login PIN                     no CKF_LOGIN_REQUIRED; whoever opens a session is
 * logged in protected-path PIN               CKF_PROTECTED_AUTHENTICATION_PATH: C_Login without a PIN, and
 * only so always-authenticate PIN          CKA_ALWAYS_AUTHENTICATE, and C_Sign insists hide TYPE the
 * attribute does not exist refuse TYPE                      C_GenerateKeyPair: CKR_ATTRIBUTE_TYPE_INVALID
 * when it is in a template
 */
#include "tests/lib/p11double.h"

#include <string.h>

#define SESSIONS 64
#define TWIN     0x4000000000UL /* SoftHSM makes slot numbers of 31 bits */

static CK_FUNCTION_LIST list;
static CK_SESSION_HANDLE lost[SESSIONS], open_sessions[SESSIONS];
static size_t n_lost, n_open;
static bool context_login;

static bool is_lost(CK_SESSION_HANDLE s)
{
    for (size_t i = 0; i < n_lost; i++)
        if (lost[i] == s)
            return true;
    return false;
}

static CK_RV session_rv(struct verdict v, CK_SESSION_HANDLE s)
{
    if (v.lose) {
        memcpy(lost, open_sessions, sizeof lost);
        n_lost = n_open;
    }
    return face.remove ? CKR_DEVICE_REMOVED : is_lost(s) ? CKR_SESSION_HANDLE_INVALID : CKR_OK;
}

/* The common course of a call. */
#define CALL_ON(name, failed, args)              \
    struct verdict v = enter(#name);             \
    CK_RV rv = (failed);                         \
    if (rv == CKR_OK)                            \
        rv = v.instead ? v.rv : real->name args; \
    if (v.after)                                 \
        rv = v.rv;                               \
    return note(#name, rv)

#define CALL(name, args)    CALL_ON(name, CKR_OK, args)
#define SESSION(name, args) CALL_ON(name, session_rv(v, s), args)
#define SLOT(name, args)    CALL_ON(name, face.remove ? CKR_TOKEN_NOT_PRESENT : CKR_OK, args)

/* ---- module, slots, sessions ---- */

static CK_RV d_Initialize(void *args)
{
    CALL(C_Initialize, (args));
}

static CK_RV d_Finalize(void *reserved)
{
    n_open = n_lost = 0;
    CALL(C_Finalize, (reserved));
}

static CK_RV d_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
    struct verdict v = enter("C_GetSlotList");
    CK_ULONG room = *n;
    CK_RV rv = v.instead ? v.rv : real->C_GetSlotList(present, slots, n);

    if (rv == CKR_OK && face.remove && present)
        *n = 0;
    if (rv == CKR_OK && face.twin) {
        for (CK_ULONG i = 0; slots && i < *n && *n + i < room; i++)
            slots[*n + i] = slots[i] | TWIN;
        *n *= 2;
    }
    return note("C_GetSlotList", v.after ? v.rv : rv);
}

static CK_RV d_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    struct verdict v = enter("C_GetTokenInfo");
    CK_RV rv = v.instead     ? v.rv
               : face.remove ? CKR_TOKEN_NOT_PRESENT
                             : real->C_GetTokenInfo(slot & ~TWIN, info);

    if (rv == CKR_OK && face.no_login)
        info->flags &= ~CKF_LOGIN_REQUIRED;
    if (rv == CKR_OK && face.protected_path)
        info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    if (rv == CKR_OK && face.pin_locked)
        info->flags |= CKF_USER_PIN_LOCKED;
    return note("C_GetTokenInfo", v.after ? v.rv : rv);
}

static CK_RV d_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    SLOT(C_GetMechanismInfo, (slot & ~TWIN, type, info));
}

static CK_RV d_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR *pin, CK_ULONG n, CK_UTF8CHAR *label)
{
    SLOT(C_InitToken, (slot & ~TWIN, pin, n, label));
}

static CK_RV d_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify, CK_SESSION_HANDLE *s)
{
    struct verdict v = enter("C_OpenSession");
    CK_RV rv = v.instead     ? v.rv
               : face.remove ? CKR_TOKEN_NOT_PRESENT
                             : real->C_OpenSession(slot & ~TWIN, flags, app, notify, s);

    if (rv == CKR_OK && n_open < SESSIONS)
        open_sessions[n_open++] = *s;
    if (rv == CKR_OK && face.no_login)
        (void)real->C_Login(*s, CKU_USER, (CK_UTF8CHAR *)face.pin, strlen(face.pin));
    return note("C_OpenSession", v.after ? v.rv : rv);
}

static CK_RV d_CloseSession(CK_SESSION_HANDLE s)
{
    if (is_lost(s))
        (void)real->C_CloseSession(s);
    for (size_t i = 0; i < n_open; i++)
        if (open_sessions[i] == s)
            open_sessions[i] = open_sessions[--n_open];
    SESSION(C_CloseSession, (s));
}

static CK_RV d_GetSessionInfo(CK_SESSION_HANDLE s, CK_SESSION_INFO *info)
{
    SESSION(C_GetSessionInfo, (s, info));
}

/* ---- login ---- */

static CK_RV check_pin(CK_UTF8CHAR *pin, CK_ULONG n)
{
    if (face.protected_path)
        return pin ? CKR_ARGUMENTS_BAD : CKR_OK;
    return pin && n == strlen(face.pin) && memcmp(pin, face.pin, n) == 0 ? CKR_OK : CKR_PIN_INCORRECT;
}

static CK_RV login(CK_SESSION_HANDLE s, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG n)
{
    CK_RV rv;

    if (user == CKU_CONTEXT_SPECIFIC && face.always_authenticate) {
        rv = check_pin(pin, n);
        context_login = rv == CKR_OK;
        return rv;
    }
    if (!face.protected_path)
        return real->C_Login(s, user, pin, n);
    return pin ? CKR_ARGUMENTS_BAD : real->C_Login(s, user, (CK_UTF8CHAR *)face.pin, strlen(face.pin));
}

static CK_RV d_Login(CK_SESSION_HANDLE s, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG n)
{
    const char *name = user == CKU_CONTEXT_SPECIFIC ? "C_Login(context)" : "C_Login";
    struct verdict v = enter(name);
    CK_RV rv = session_rv(v, s);

    if (rv == CKR_OK)
        rv = v.instead ? v.rv : login(s, user, pin, n);
    return note(name, v.after ? v.rv : rv);
}

static CK_RV d_Logout(CK_SESSION_HANDLE s)
{
    SESSION(C_Logout, (s));
}

static CK_RV d_InitPIN(CK_SESSION_HANDLE s, CK_UTF8CHAR *pin, CK_ULONG n)
{
    SESSION(C_InitPIN, (s, pin, n));
}

static CK_RV d_SetPIN(CK_SESSION_HANDLE s, CK_UTF8CHAR *old, CK_ULONG n, CK_UTF8CHAR *pin, CK_ULONG pin_n)
{
    SESSION(C_SetPIN, (s, old, n, pin, pin_n));
}

/* ---- objects ---- */

static CK_RV d_FindObjectsInit(CK_SESSION_HANDLE s, CK_ATTRIBUTE *a, CK_ULONG n)
{
    SESSION(C_FindObjectsInit, (s, a, n));
}

static CK_RV d_FindObjects(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE *o, CK_ULONG max, CK_ULONG *n)
{
    SESSION(C_FindObjects, (s, o, max, n));
}

static CK_RV d_FindObjectsFinal(CK_SESSION_HANDLE s)
{
    SESSION(C_FindObjectsFinal, (s));
}

static CK_RV d_GetAttributeValue(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *a, CK_ULONG n)
{
    struct verdict v = enter("C_GetAttributeValue");
    CK_RV rv = session_rv(v, s);

    if (rv == CKR_OK)
        rv = v.instead ? v.rv : real->C_GetAttributeValue(s, o, a, n);
    for (CK_ULONG i = 0; i < n; i++) {
        if (has_type(&face.hidden, a[i].type)) {
            a[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
            rv = CKR_ATTRIBUTE_TYPE_INVALID;
        } else if (rv == CKR_OK && face.always_authenticate && a[i].type == CKA_ALWAYS_AUTHENTICATE &&
                   a[i].pValue)
            *(CK_BBOOL *)a[i].pValue = CK_TRUE;
    }
    return note("C_GetAttributeValue", v.after ? v.rv : rv);
}

static CK_RV d_GenerateKeyPair(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_ATTRIBUTE *pub, CK_ULONG n_pub,
                               CK_ATTRIBUTE *priv, CK_ULONG n_priv, CK_OBJECT_HANDLE *p, CK_OBJECT_HANDLE *q)
{
    CK_RV refused = CKR_OK;

    refresh();
    for (CK_ULONG i = 0; i < n_pub + n_priv; i++)
        if (has_type(&face.refused, i < n_pub ? pub[i].type : priv[i - n_pub].type))
            refused = CKR_ATTRIBUTE_TYPE_INVALID;
    CALL_ON(C_GenerateKeyPair, refused, (s, m, pub, n_pub, priv, n_priv, p, q));
}

/* ---- signatures ---- */

static CK_RV d_SignInit(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE k)
{
    context_login = false;
    SESSION(C_SignInit, (s, m, k));
}

static CK_RV d_Sign(CK_SESSION_HANDLE s, CK_BYTE *data, CK_ULONG n, CK_BYTE *sig, CK_ULONG *sig_n)
{
    static CK_BYTE scratch[1024];
    struct verdict v = enter("C_Sign");
    CK_RV rv = session_rv(v, s);

    if (rv == CKR_OK && face.always_authenticate && !context_login)
        rv = CKR_USER_NOT_LOGGED_IN;
    context_login = false;
    if (rv == CKR_OK && v.instead) { /* a C_Sign that fails ends the operation (PKCS#11 5.11): there, too */
        CK_ULONG scratch_n = sizeof scratch;

        (void)real->C_Sign(s, data, n, scratch, &scratch_n);
        rv = v.rv;
    } else if (rv == CKR_OK)
        rv = real->C_Sign(s, data, n, sig, sig_n);
    if (rv == CKR_OK && v.flip)
        sig[*sig_n - 1] ^= 1;
    return note("C_Sign", v.after ? v.rv : rv);
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
    refresh();
    list = *real;
#define X(name) list.C_##name = d_##name
    X(Initialize);
    X(Finalize);
    X(GetSlotList);
    X(GetTokenInfo);
    X(GetMechanismInfo);
    X(InitToken);
    X(OpenSession);
    X(CloseSession);
    X(GetSessionInfo);
    X(Login);
    X(Logout);
    X(InitPIN);
    X(SetPIN);
    X(FindObjectsInit);
    X(FindObjects);
    X(FindObjectsFinal);
    X(GetAttributeValue);
    X(GenerateKeyPair);
    X(SignInit);
    X(Sign);
#undef X
    *ret = &list;
    return CKR_OK;
}
