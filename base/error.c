/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *token;
    const char *text;
} errors[PKE_ERR_MAX] = {
#define X(name, token, text) {token, text},
    PKE_ERRORS(X)
#undef X
};

const char *pke_err_token(enum pke_err err)
{
    return (unsigned)err < PKE_ERR_MAX ? errors[err].token : "internal";
}

const char *pke_err_text(enum pke_err err)
{
    return (unsigned)err < PKE_ERR_MAX ? errors[err].text : errors[PKE_INTERNAL].text;
}

enum pke_err pke_err_from_token(const char *token)
{
    for (unsigned i = 0; i < PKE_ERR_MAX; i++)
        if (strcmp(errors[i].token, token) == 0)
            return (enum pke_err)i;
    return PKE_INTERNAL;
}

enum pke_err pke_fail_set(struct pke_fail *fail, enum pke_err err, const char *reason, const char *rule,
                          const char *fmt, ...)
{
    va_list ap;

    if (!fail)
        return err;
    fail->err = err;
    snprintf(fail->reason, sizeof fail->reason, "%s", reason);
    snprintf(fail->rule, sizeof fail->rule, "%s", rule);
    va_start(ap, fmt);
    vsnprintf(fail->text, sizeof fail->text, fmt, ap);
    va_end(ap);
    for (char *c = fail->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return err;
}
