/* SPDX-License-Identifier: Apache-2.0 */
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keytool/tool.h"

int tool_refuse(const struct pke_fail *fail)
{
    fflush(stdout);
    fprintf(stderr, "pkienroll-keytool: %s [%s; %s]\n", fail->text, fail->reason, fail->rule);
    return TOOL_REFUSED;
}

int tool_usage(const char *fmt, ...)
{
    va_list ap;

    fputs("pkienroll-keytool: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\nTry 'pkienroll-keytool --help'.\n", stderr);
    return TOOL_USAGE;
}

static const char *mark(bool ok)
{
    if (!isatty(STDOUT_FILENO) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        return ok ? "ok  " : "FAIL";
    return ok ? "\033[32m\u2713\033[0m" : "\033[31m\u2717\033[0m";
}

bool tool_verdict(bool ok, const char *what, const char *fmt, ...)
{
    va_list ap;

    printf("%s %-24s ", mark(ok), what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    return ok;
}

size_t tool_attributes(const struct ks_key *key)
{
    size_t n, weak = 0;
    const struct ks_attribute *a = ks_attributes(key, &n);

    for (size_t i = 0; i < n; i++) {
        bool ok = a[i].present && a[i].value == a[i].required;
        const char *value = !a[i].present ? "absent" : a[i].value ? "true" : "false";

        weak += !ok;
        if (ok)
            tool_verdict(true, a[i].name, "%s", value);
        else
            tool_verdict(false, a[i].name, "%s, must be %s", value, a[i].required ? "true" : "false");
    }
    return weak;
}
