/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "keytool/x509.h"

#define VALUE_MAX 256
#define RDN_MAX   32

static enum pke_err malformed(struct pke_fail *fail, const char *what)
{
    return pke_fail_set(fail, PKE_MALFORMED, "subject", "RFC 4514 3", "the subject cannot be read: %s", what);
}

/* One escaped character at *at (behind the backslash): a special one, or two hexadecimal digits. */
static bool unescape(const char **at, char *out)
{
    size_t one = 1;

    if (**at && strchr(" \"#+,;<=>\\", **at)) {
        *out = *(*at)++;
        return true;
    }
    if (strlen(*at) < 2 || !pke_hex_decode(PKE_BYTES(*at, 2), (uint8_t *)out, &one) || *out == '\0')
        return false;
    *at += 2;
    return true;
}

/* The value up to an unescaped comma or the end; *at moves to that place. */
static enum pke_err read_value(const char **at, char value[VALUE_MAX + 1], struct pke_fail *fail)
{
    size_t n = 0, keep = 0; /* keep: unescaped spaces at the end do not count */

    while (**at == ' ')
        ++*at;
    if (**at == '#')
        return malformed(fail, "values as #hexadecimal BER are not supported");
    while (**at && **at != ',') {
        char c = *(*at)++;
        bool escaped = c == '\\';

        if (!escaped && strchr("\"+;<>", c))
            return malformed(fail, "one of \"+;<> must be escaped with a backslash");
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return malformed(fail, "a control character");
        if (escaped && !unescape(at, &c))
            return malformed(fail, "a backslash that escapes nothing");
        if (n == VALUE_MAX)
            return malformed(fail, "a value is longer than 256 octets");
        value[n++] = c;
        if (escaped || c != ' ')
            keep = n;
    }
    value[keep] = '\0';
    if (keep == 0)
        return malformed(fail, "an attribute without a value");
    if (!pke_utf8_valid(PKE_BYTES(value, keep)))
        return malformed(fail, "a value is not UTF-8");
    return PKE_OK;
}

/* "TYPE=value" in front of what is there: the text has the most specific RDN first, the DER has it last. */
static enum pke_err read_rdn(const char **at, X509_NAME *name, struct pke_fail *fail)
{
    char type[32], value[VALUE_MAX + 1];
    size_t n;
    enum pke_err err;

    while (**at == ' ')
        ++*at;
    n = strcspn(*at, "=,");
    if ((*at)[n] != '=' || n == 0 || n >= sizeof type)
        return malformed(fail, "TYPE=value expected, such as CN=Lab Root");
    memcpy(type, *at, n);
    type[n] = '\0';
    *at += n + 1;
    err = read_value(at, value, fail);
    if (err != PKE_OK)
        return err;
    /* The string types and lengths are those of libcrypto's table: UTF8String, PrintableString for C. */
    if (X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value, -1, 0, 0) != 1) {
        ERR_clear_error();
        return pke_fail_set(
            fail, PKE_MALFORMED, "subject", "RFC 5280 A.1",
            "the subject cannot be read: %s is not an attribute type, or its value does not fit it", type);
    }
    return PKE_OK;
}

enum pke_err tool_dn_parse(const char *text, X509_NAME **ret, struct pke_fail *fail)
{
    X509_NAME *name = X509_NAME_new();
    const char *at = text;
    enum pke_err err = PKE_OK;

    if (!name)
        pke_oom();
    for (unsigned rdns = 0; err == PKE_OK; at++) {
        err = ++rdns > RDN_MAX ? malformed(fail, "more than 32 attributes") : read_rdn(&at, name, fail);
        if (*at != ',')
            break;
    }
    if (err != PKE_OK) {
        X509_NAME_free(name);
        return err;
    }
    *ret = name;
    return PKE_OK;
}
