/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/rv.h"

#include <inttypes.h>
#include <p11-kit/pkcs11.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define KS_RV_TABLE(X)                              \
    X(OK, KS_OK)                                    \
    X(CANCEL, KS_TRANSIENT)                         \
    X(HOST_MEMORY, KS_TRANSIENT)                    \
    X(SLOT_ID_INVALID, KS_TOKEN)                    \
    X(GENERAL_ERROR, KS_TOKEN)                      \
    X(FUNCTION_FAILED, KS_TOKEN)                    \
    X(ARGUMENTS_BAD, KS_PERMANENT)                  \
    X(NO_EVENT, KS_PERMANENT)                       \
    X(NEED_TO_CREATE_THREADS, KS_PERMANENT)         \
    X(CANT_LOCK, KS_PERMANENT)                      \
    X(ATTRIBUTE_READ_ONLY, KS_PERMANENT)            \
    X(ATTRIBUTE_SENSITIVE, KS_PERMANENT)            \
    X(ATTRIBUTE_TYPE_INVALID, KS_PERMANENT)         \
    X(ATTRIBUTE_VALUE_INVALID, KS_PERMANENT)        \
    X(ACTION_PROHIBITED, KS_PERMANENT)              \
    X(DATA_INVALID, KS_PERMANENT)                   \
    X(DATA_LEN_RANGE, KS_PERMANENT)                 \
    X(DEVICE_ERROR, KS_TOKEN)                       \
    X(DEVICE_MEMORY, KS_TRANSIENT)                  \
    X(DEVICE_REMOVED, KS_TOKEN)                     \
    X(FUNCTION_CANCELED, KS_TRANSIENT)              \
    X(FUNCTION_NOT_PARALLEL, KS_PERMANENT)          \
    X(FUNCTION_NOT_SUPPORTED, KS_PERMANENT)         \
    X(KEY_HANDLE_INVALID, KS_SESSION)               \
    X(KEY_SIZE_RANGE, KS_PERMANENT)                 \
    X(KEY_TYPE_INCONSISTENT, KS_PERMANENT)          \
    X(KEY_FUNCTION_NOT_PERMITTED, KS_PERMANENT)     \
    X(MECHANISM_INVALID, KS_PERMANENT)              \
    X(MECHANISM_PARAM_INVALID, KS_PERMANENT)        \
    X(OBJECT_HANDLE_INVALID, KS_SESSION)            \
    X(OPERATION_ACTIVE, KS_SESSION)                 \
    X(OPERATION_NOT_INITIALIZED, KS_SESSION)        \
    X(PIN_INCORRECT, KS_AUTH)                       \
    X(PIN_INVALID, KS_AUTH)                         \
    X(PIN_LEN_RANGE, KS_AUTH)                       \
    X(PIN_EXPIRED, KS_AUTH)                         \
    X(PIN_LOCKED, KS_AUTH)                          \
    X(SESSION_CLOSED, KS_SESSION)                   \
    X(SESSION_COUNT, KS_TRANSIENT)                  \
    X(SESSION_HANDLE_INVALID, KS_SESSION)           \
    X(SESSION_PARALLEL_NOT_SUPPORTED, KS_PERMANENT) \
    X(SESSION_READ_ONLY, KS_PERMANENT)              \
    X(SESSION_EXISTS, KS_PERMANENT)                 \
    X(SESSION_READ_ONLY_EXISTS, KS_PERMANENT)       \
    X(SESSION_READ_WRITE_SO_EXISTS, KS_PERMANENT)   \
    X(TEMPLATE_INCOMPLETE, KS_PERMANENT)            \
    X(TEMPLATE_INCONSISTENT, KS_PERMANENT)          \
    X(TOKEN_NOT_PRESENT, KS_TOKEN)                  \
    X(TOKEN_NOT_RECOGNIZED, KS_TOKEN)               \
    X(TOKEN_WRITE_PROTECTED, KS_PERMANENT)          \
    X(USER_ALREADY_LOGGED_IN, KS_OK)                \
    X(USER_NOT_LOGGED_IN, KS_SESSION)               \
    X(USER_PIN_NOT_INITIALIZED, KS_AUTH)            \
    X(USER_TYPE_INVALID, KS_PERMANENT)              \
    X(USER_ANOTHER_ALREADY_LOGGED_IN, KS_TOKEN)     \
    X(USER_TOO_MANY_TYPES, KS_TOKEN)                \
    X(DOMAIN_PARAMS_INVALID, KS_PERMANENT)          \
    X(CURVE_NOT_SUPPORTED, KS_PERMANENT)            \
    X(BUFFER_TOO_SMALL, KS_PERMANENT)               \
    X(INFORMATION_SENSITIVE, KS_PERMANENT)          \
    X(CRYPTOKI_NOT_INITIALIZED, KS_TOKEN)           \
    X(CRYPTOKI_ALREADY_INITIALIZED, KS_PERMANENT)   \
    X(MUTEX_BAD, KS_PERMANENT)                      \
    X(MUTEX_NOT_LOCKED, KS_PERMANENT)               \
    X(NEW_PIN_MODE, KS_AUTH)                        \
    X(NEXT_OTP, KS_AUTH)                            \
    X(FIPS_SELF_TEST_FAILED, KS_PERMANENT)          \
    X(LIBRARY_LOAD_FAILED, KS_PERMANENT)            \
    X(PIN_TOO_WEAK, KS_AUTH)                        \
    X(FUNCTION_REJECTED, KS_PERMANENT)

struct rv_entry {
    uint64_t rv;
    const char *name;
    enum ks_class cls;
};

static const struct rv_entry table[] = {
#define X(name, cls) {CKR_##name, "CKR_" #name, cls},
    KS_RV_TABLE(X)
#undef X
};

static const struct rv_entry *find(uint64_t rv)
{
    for (size_t i = 0; i < PKE_LEN(table); i++)
        if (table[i].rv == rv)
            return &table[i];
    return NULL;
}

const char *ks_rv_name(uint64_t rv)
{
    const struct rv_entry *e = find(rv);

    return e ? e->name : NULL;
}

enum ks_class ks_rv_class(uint64_t rv)
{
    const struct rv_entry *e = find(rv);

    if (e)
        return e->cls;
    return rv & CKR_VENDOR_DEFINED ? KS_TOKEN : KS_PERMANENT;
}

enum pke_err ks_class_err(enum ks_class cls)
{
    switch (cls) {
    case KS_OK:
        return PKE_OK;
    case KS_AUTH:
        return PKE_KEY_LOCKED;
    case KS_PERMANENT:
        return PKE_CONFIG;
    case KS_TRANSIENT:
    case KS_SESSION:
    case KS_TOKEN:
    case KS_INTEGRITY:
        break;
    }
    return PKE_KEY_DOWN;
}

static const char *class_reason(enum ks_class cls)
{
    static const char *const names[] = {
        [KS_OK] = "ok",
        [KS_TRANSIENT] = "key-transient",
        [KS_SESSION] = "key-session-lost",
        [KS_TOKEN] = "key-token-gone",
        [KS_AUTH] = "key-pin-refused",
        [KS_PERMANENT] = "key-permanent",
        [KS_INTEGRITY] = "key-integrity",
    };
    return names[cls];
}

int ks_rv_fail(struct ks_error *error, const char *call, uint64_t rv)
{
    const char *name = ks_rv_name(rv);
    enum ks_class cls = ks_rv_class(rv);
    char rule[sizeof error->fail.rule];

    if (cls == KS_OK)
        cls = KS_PERMANENT; /* called for a failure: a "success" that the call may not give */
    snprintf(rule, sizeof rule, "PKCS#11 %s", call);
    if (!name)
        name = rv & CKR_VENDOR_DEFINED ? "a vendor code" : "an unknown code";
    *error = (struct ks_error){.cls = cls, .raw = rv};
    pke_fail_set(&error->fail, ks_class_err(cls), class_reason(cls), rule, "%s returned %s (0x%" PRIx64 ")",
                 call, name, rv);
    return -1;
}

int ks_fail(struct ks_error *error, enum ks_class cls, const char *reason, const char *rule, const char *fmt,
            ...)
{
    char text[sizeof error->fail.text];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *error = (struct ks_error){.cls = cls};
    pke_fail_set(&error->fail, ks_class_err(cls), reason, rule, "%s", text);
    return -1;
}
