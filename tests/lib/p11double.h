/* SPDX-License-Identifier: Apache-2.0 */
/** @file What the halves of the PKCS#11 double share: p11double_control.c reads the control file and says
 * what happens to a call, p11double.c makes the calls. Tests only. */
#ifndef TESTS_LIB_P11DOUBLE_H
#define TESTS_LIB_P11DOUBLE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>

struct types {
    CK_ATTRIBUTE_TYPE v[16];
    size_t n;
};

/** How the token presents itself, from the control file. */
struct face {
    bool remove, twin, pin_locked, no_login, protected_path, always_authenticate;
    char pin[64];
    struct types hidden, refused;
};
extern struct face face;

/** The module behind; set by the first refresh(). */
extern CK_FUNCTION_LIST *real;

struct verdict {
    bool instead, after, flip, lose;
    CK_RV rv;
};

/** Read the control file again when it was replaced. */
void refresh(void);

/** What happens to this call. Does not come back when it hangs or crashes. */
struct verdict enter(const char *function);

/** Append the call to the log; returns @p rv. */
CK_RV note(const char *function, CK_RV rv);

bool has_type(const struct types *t, CK_ATTRIBUTE_TYPE type);

#endif
