/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/list.h"
#include "base/mem.h"
#include "probe/options.h"
#include "probe/verdict.h"

#define JSON_MAX   (4u << 20)
#define FAILED_MAX 1000 /* kept of a soak */

struct check {
    const char *step, *id, *rule, *text;
    bool good;
};

struct verdict {
    struct pke_arena *arena;
    const char *step;
    struct check *checks;
    size_t n_checks, failed;
    struct pke_pairs facts;
    struct verdict_fault fault;
    struct verdict_soak soak;
    const char *command;
    size_t n_good, round; /* good checks that are not kept; 0, or the repetition that is quiet */
    bool has_fault, unreachable, json, ticks, colour;
    struct pke_buf document;
};

/* name of a fact and what the summary calls it, in the summary's order */
static const struct pke_pair labels[] = {
    {"template", "certificate template"},
    {"minimal-key-length", "smallest key"},
    {"hash", "hash algorithm"},
    {"providers", "key providers"},
    {"ca-name", "certification authority"},
    {"ca-address", "CA address"},
    {"certificate-subject", "certificate subject"},
    {"certificate-issuer", "certificate issuer"},
    {"certificate-serial", "certificate serial"},
    {"certificate-not-before", "valid from"},
    {"certificate-not-after", "valid until"},
    {"certificate-sha1", "certificate SHA-1"},
    {"certificate-sha256", "certificate SHA-256"},
    {"certificate-store", "certificate store"},
    {"management-address", "management server"},
    {"provider-id", "provider id"},
    {"provider-name", "provider name"},
    {"ent-dmid", "enterprise device id"},
    {"renew", "renewal"},
    {"poll", "polling"},
    {"device-id", "device id"},
    {"connection-reused", "connection kept alive"},
    {"artefacts", "artefacts"},
};

struct verdict *verdict_new(bool json)
{
    struct verdict *v = pke_calloc(1, sizeof *v);
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool tty = isatty(STDOUT_FILENO);
    v->arena = pke_arena_new();
    v->json = json;
    v->step = "";
    v->command = "enroll";
    v->ticks = tty && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    v->colour = tty && term && strcmp(term, "dumb") != 0 && !(no_colour && *no_colour);
    pke_buf_init(&v->document, JSON_MAX);
    return v;
}

void verdict_free(struct verdict *v)
{
    if (!v)
        return;
    pke_buf_done(&v->document);
    pke_arena_free(v->arena);
    free(v->checks);
    free(v);
}

/* U+200E/F, U+202A-E, U+2066-9: what can make a terminal show another order than the bytes have */
static bool is_bidi(const unsigned char *s)
{
    return s[0] == 0xe2 &&
           ((s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xaa && s[2] <= 0xae))) ||
            (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Printable form of foreign text, at most about @max bytes of it. */
static const char *safe(struct verdict *v, const char *text, size_t max)
{
    size_t n = strlen(text), used = 0;
    bool utf8 = pke_utf8_valid(PKE_BYTES(text, n));
    char *out = pke_arena_alloc(v->arena, 4 * n + 4);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *s = (const unsigned char *)text + i;
        bool boundary = (*s & 0xc0) != 0x80;
        if (used > max && boundary) {
            strcpy(out + used, "...");
            return out;
        }
        bool c1 = utf8 && *s == 0xc2 && s[1] < 0xa0; /* U+0080-009F: control characters too */
        if (*s >= 0x80 && utf8 && !c1 && !is_bidi(s)) {
            out[used++] = (char)*s;
        } else if (*s < 0x20 || *s >= 0x7f) {
            size_t units = c1 ? 2 : utf8 && *s >= 0x80 ? 3 : 1;
            for (size_t k = 0; k < units; k++)
                used += (size_t)sprintf(out + used, "\\x%02x", s[k]);
            i += units - 1;
        } else {
            out[used++] = (char)*s;
        }
    }
    out[used] = '\0';
    return out;
}

__attribute__((format(printf, 2, 0))) static const char *format(struct verdict *v, const char *fmt,
                                                                va_list ap)
{
    char *text PKE_CLEANUP(pke_free_p) = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        pke_oom();
    return safe(v, text, 1024);
}

void verdict_command(struct verdict *v, const char *command)
{
    v->command = command;
}

void verdict_quiet(struct verdict *v, size_t round)
{
    v->round = round;
}

size_t verdict_failed(const struct verdict *v)
{
    return v->failed;
}

void verdict_step(struct verdict *v, const char *id, const char *title)
{
    if (v->round)
        return;
    v->step = pke_arena_strdup(v->arena, id);
    if (!v->json)
        printf("%s%s%s\n", v->colour ? "\033[1m" : "", title, v->colour ? "\033[0m" : "");
    fflush(stdout);
}

static void print_mark(const struct verdict *v, bool good)
{
    const char *mark = good ? (v->ticks ? "\u2713" : "ok  ") : (v->ticks ? "\u2717" : "FAIL");
    const char *colour = good ? "\033[32m" : "\033[31m";
    printf("  %s%s%s ", v->colour ? colour : "", mark, v->colour ? "\033[0m" : "");
}

bool verdict_check(struct verdict *v, bool good, const char *id, const char *rule, const char *fmt, ...)
{
    va_list ap;
    v->failed += !good;
    if (v->round && (good || v->failed > FAILED_MAX)) {
        v->n_good++;
        return good;
    }
    va_start(ap, fmt);
    const char *text = format(v, fmt, ap);
    va_end(ap);
    if (v->round)
        text = pke_arena_printf(v->arena, "renewal %zu: %s", v->round, text);
    if (v->n_checks % 32 == 0)
        v->checks = pke_realloc(v->checks, (v->n_checks + 32) * sizeof *v->checks);
    v->checks[v->n_checks++] =
        (struct check){v->step, pke_arena_strdup(v->arena, id), pke_arena_strdup(v->arena, rule), text, good};
    if (!v->json) {
        if (v->round && v->colour)
            printf("\r\033[K"); /* over the line of progress */
        print_mark(v, good);
        printf("%-24s %s", id, text);
        printf(good ? "\n" : " [%s]\n", rule);
        fflush(stdout);
    }
    return good;
}

void verdict_note(struct verdict *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = format(v, fmt, ap);
    va_end(ap);
    if (!v->json && (!v->round || v->failed <= FAILED_MAX))
        printf("       %s\n", text);
}

void verdict_fact(struct verdict *v, const char *name, const char *value)
{
    if (value && *value && !v->round)
        pke_pairs_add(&v->facts, v->arena, name, safe(v, value, 4096));
}

const char *verdict_fact_get(const struct verdict *v, const char *name)
{
    return pke_pairs_get(&v->facts, name);
}

void verdict_fault(struct verdict *v, const struct verdict_fault *f)
{
    v->fault = (struct verdict_fault){
        .step = v->step,
        .http_status = f->http_status,
        .hresult = f->hresult,
        .symbol = f->symbol,
        .subcode = safe(v, f->subcode, 200),
        .error_type = safe(v, f->error_type, 200),
        .text = safe(v, f->text, 1000),
        .trace_id = safe(v, f->trace_id, 200),
    };
    v->has_fault = true;
    f = &v->fault;
    verdict_check(v, false, "accepted", "MS-MDE2 2.2.10", "the server refused: Windows would show 0x%08X %s",
                  f->hresult, f->symbol);
    verdict_note(v, "subcode:   %s", *f->subcode ? f->subcode : "(none)");
    verdict_note(v, "ErrorType: %s", *f->error_type ? f->error_type : "(none)");
    verdict_note(v, "text:      %s", f->text);
    verdict_note(v, "TraceId:   %s", *f->trace_id ? f->trace_id : "(none)");
    verdict_note(v, "HTTP:      %ld", f->http_status);
}

void verdict_soak(struct verdict *v, const struct verdict_soak *soak)
{
    v->soak = *soak;
    if (!v->json)
        printf(
            "  %zu renewals, %zu failed; one took %.1f ms (median), %.1f ms (95 of 100), %.1f ms at most\n",
            soak->done, soak->failed, soak->median_ms, soak->p95_ms, soak->max_ms);
}

void verdict_unreachable(struct verdict *v, const char *why)
{
    verdict_check(v, false, "reachable", "MS-MDE2 2.1", "%s", why);
    v->unreachable = true;
}

int verdict_status(const struct verdict *v)
{
    if (v->unreachable)
        return PROBE_UNREACHABLE;
    return v->failed ? PROBE_BAD : PROBE_GOOD;
}

/* RFC 8259 section 7; the texts are UTF-8 without control characters already, or plain ASCII. */
static void json_string(struct pke_buf *b, const char *s)
{
    pke_buf_add_u8(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            pke_buf_printf(b, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            pke_buf_printf(b, "\\u%04x", *s);
        else
            pke_buf_add_u8(b, (uint8_t)*s);
    }
    pke_buf_add_u8(b, '"');
}

static void json_member(struct pke_buf *b, const char *name, const char *value, bool last)
{
    json_string(b, name);
    pke_buf_add_u8(b, ':');
    json_string(b, value);
    if (!last)
        pke_buf_add_u8(b, ',');
}

static void json_fault(struct pke_buf *b, const struct verdict_fault *f)
{
    char hresult[16];
    snprintf(hresult, sizeof hresult, "0x%08X", f->hresult);
    pke_buf_add_str(b, ",\n \"fault\":{");
    json_member(b, "step", f->step, false);
    pke_buf_printf(b, "\"http_status\":%ld,", f->http_status);
    json_member(b, "hresult", hresult, false);
    json_member(b, "symbol", f->symbol, false);
    json_member(b, "subcode", f->subcode, false);
    json_member(b, "error_type", f->error_type, false);
    json_member(b, "text", f->text, false);
    json_member(b, "trace_id", f->trace_id, true);
    pke_buf_add_u8(b, '}');
}

struct pke_bytes verdict_json(struct verdict *v)
{
    struct pke_buf *b = &v->document;
    pke_buf_clear(b);
    pke_buf_printf(b, "{\"version\":1,\n \"command\":\"%s\",\n \"ok\":%s,\n \"exit\":%d,\n", v->command,
                   verdict_status(v) == PROBE_GOOD ? "true" : "false", verdict_status(v));
    pke_buf_printf(b, " \"failed\":%zu,\n \"checks\":[", v->failed);
    for (size_t i = 0; i < v->n_checks; i++) {
        const struct check *c = &v->checks[i];
        pke_buf_add_str(b, i ? ",\n  {" : "\n  {");
        json_member(b, "step", c->step, false);
        json_member(b, "check", c->id, false);
        pke_buf_printf(b, "\"ok\":%s,", c->good ? "true" : "false");
        json_member(b, "rule", c->rule, false);
        json_member(b, "text", c->text, true);
        pke_buf_add_u8(b, '}');
    }
    pke_buf_add_str(b, "],\n \"facts\":{");
    for (size_t i = 0; i < v->facts.n; i++)
        json_member(b, v->facts.v[i].name, v->facts.v[i].value, i + 1 == v->facts.n);
    pke_buf_add_u8(b, '}');
    if (v->has_fault)
        json_fault(b, &v->fault);
    if (v->soak.count)
        pke_buf_printf(b,
                       ",\n \"soak\":{\"count\":%zu,\"done\":%zu,\"failed\":%zu,\"median_ms\":%.1f,"
                       "\"p95_ms\":%.1f,\"max_ms\":%.1f}",
                       v->soak.count, v->soak.done, v->soak.failed, v->soak.median_ms, v->soak.p95_ms,
                       v->soak.max_ms);
    pke_buf_add_str(b, "}\n");
    return pke_buf_bytes(b);
}

static const char *product(const char *command)
{
    if (strcmp(command, "renew") == 0)
        return "renewal";
    return strcmp(command, "soak") == 0 ? "enrollment and its renewals" : "enrollment";
}

void verdict_finish(struct verdict *v)
{
    if (v->json) {
        struct pke_bytes document = verdict_json(v);
        fwrite(document.p, 1, document.n, stdout);
        return;
    }
    puts("");
    for (size_t i = 0; i < PKE_LEN(labels); i++) {
        const char *value = verdict_fact_get(v, labels[i].name);
        if (value)
            printf("%-24s %s\n", labels[i].value, value);
    }
    size_t n = v->n_checks + v->n_good;
    if (v->failed)
        printf("\n%zu of %zu checks failed\n", v->failed, n);
    else
        printf("\nall %zu checks are good: a Windows client could use this %s\n", n, product(v->command));
}
