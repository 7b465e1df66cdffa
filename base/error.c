/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"

static const char *const tokens[PKE_ERR_MAX] = {
#define X(name, token, meaning) token,
    PKE_ERRORS(X)
#undef X
};

const char *pke_err_token(enum pke_err err)
{
    return (unsigned)err < PKE_ERR_MAX ? tokens[err] : "internal";
}

enum pke_err pke_err_from_token(const char *token)
{
    for (unsigned i = 0; i < PKE_ERR_MAX; i++)
        if (strcmp(tokens[i], token) == 0)
            return (enum pke_err)i;
    return PKE_INTERNAL;
}

static size_t utf8_length(const char *c)
{
    for (size_t n = 1; n <= 4 && (n == 1 || c[n - 1]); n++)
        if (pke_utf8_valid(PKE_BYTES((const uint8_t *)c, n)))
            return n;
    return 0;
}

/* Logs and JSON carry it: no control characters, and UTF-8 even where a vendor's text or a cut at the end is
 * not. */
static void make_printable(char *text)
{
    for (size_t n; *text; text += n) {
        n = (unsigned char)*text < 0x20 || *text == 0x7f ? 0 : utf8_length(text);
        if (n == 0) {
            *text = '?';
            n = 1;
        }
    }
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
    make_printable(fail->text);
    return err;
}
