/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/report.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "keytool/json.h"
#include "keytool/tool.h"
#include "keytool/transcript.h"

static struct {
    bool json, transcript;
    struct tool_json out;
} report;

enum pke_err tool_report_open(const struct tool_options *o, const char *command, struct pke_fail *fail)
{
    report.json = o->json;
    tool_json_begin(&report.out, command);
    if (!o->transcript)
        return PKE_OK;
    report.transcript = true;
    return tool_transcript_open(o->transcript, command, fail);
}

int tool_report_close(int rc)
{
    if (report.json)
        tool_json_print(&report.out, rc, stdout);
    tool_json_done(&report.out);
    if (fflush(stdout) != 0 && rc == TOOL_OK)
        rc = TOOL_REFUSED;
    if (report.transcript && !tool_transcript_close(rc) && rc == TOOL_OK) {
        fputs("pkienroll-keytool: it is done, but the transcript could not be written\n", stderr);
        rc = TOOL_REFUSED;
    }
    return rc;
}

#define TEXT_MAX 1024

#define FORMAT(text)                       \
    char text[TEXT_MAX];                   \
    va_list ap;                            \
    va_start(ap, fmt);                     \
    vsnprintf(text, sizeof text, fmt, ap); \
    va_end(ap)

void tool_fact(const char *name, const char *fmt, ...)
{
    FORMAT(text);
    tool_json_fact(&report.out, name, text);
    tool_transcript_line("   %-24s %s", name, text);
    if (!report.json)
        printf("   %-24s %s\n", name, text);
}

static const char *mark(bool ok)
{
    if (!isatty(STDOUT_FILENO) || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        return ok ? "ok  " : "FAIL";
    return ok ? "\033[32m\u2713\033[0m" : "\033[31m\u2717\033[0m";
}

bool tool_verdict(bool ok, const char *what, const char *fmt, ...)
{
    FORMAT(text);
    tool_json_verdict(&report.out, ok, what, text);
    tool_transcript_line("%s %-24s %s", ok ? "ok  " : "FAIL", what, text);
    if (!report.json)
        printf("%s %-24s %s\n", mark(ok), what, text);
    return ok;
}

void tool_say(const char *fmt, ...)
{
    FORMAT(text);
    tool_transcript_line("%s", text);
    if (!report.json)
        puts(text);
}

int tool_refuse(const struct pke_fail *fail)
{
    fflush(stdout);
    tool_json_error(&report.out, fail);
    tool_transcript_line("refused: %s [%s; %s]", fail->text, fail->reason, fail->rule);
    fprintf(stderr, "pkienroll-keytool: %s [%s; %s]\n", fail->text, fail->reason, fail->rule);
    return TOOL_REFUSED;
}

int tool_usage(const char *fmt, ...)
{
    FORMAT(text);
    tool_transcript_line("wrong usage: %s", text);
    fprintf(stderr, "pkienroll-keytool: %s\nTry 'pkienroll-keytool --help'.\n", text);
    return TOOL_USAGE;
}

void tool_hash(const char *name, struct pke_bytes bytes)
{
    uint8_t digest[32];
    char hex[65];

    EVP_Digest(bytes.p, bytes.n, digest, NULL, EVP_sha256(), NULL);
    pke_hex(PKE_BYTES(digest, sizeof digest), false, hex);
    tool_fact(name, "%s", hex);
}

void tool_key(const struct ks_key *key)
{
    tool_fact("algorithm", "%s", ks_algorithm(key));
    tool_hash("public-key-sha256", ks_spki(key));
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
