/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/log.h"

#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#endif

#include "base/encode.h"
#include "base/mem.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: one write of a line never interleaves with another role's */
#define MAX_PAIRS      60

struct pair {
    const char *name, *value;
};

struct line {
    char text[LINE_MAX_BYTES];
    size_t n;
    bool full;
};

static char identity[64] = "pkienrolld";
static int threshold = LOG_INFO;

void log_identity(const char *role)
{
    snprintf(identity, sizeof identity, "%s", role);
}

void log_level(int level)
{
    threshold = level;
}

/* All of @p s or nothing, with room kept for the ellipsis and the newline. */
static void put(struct line *l, const char *s, size_t n)
{
    l->full = l->full || n > sizeof l->text - 5 - l->n;
    if (l->full)
        return;
    memcpy(l->text + l->n, s, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* Length of the UTF-8 character at @p p of a valid text. */
static size_t character(const unsigned char *p)
{
    return *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
}

/* C1 controls, line separators and the characters that turn the direction of text: a terminal obeys them. */
static bool obeyed_by_terminals(const unsigned char *p)
{
    if (p[0] == 0xc2)
        return p[1] < 0xa0;
    if (p[0] == 0xd8)
        return p[1] == 0x9c; /* U+061C */
    if (p[0] != 0xe2)
        return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf; /* U+FEFF */
    if (p[1] == 0x80)
        return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf;
}

static void put_escaped(struct line *l, const char *value)
{
    const unsigned char *p = (const unsigned char *)value;
    bool utf8 = pke_utf8_valid(pke_bytes_str(value));
    char hex[5];

    while (*p) {
        size_t n = utf8 ? character(p) : 1;
        bool raw = n > 1 ? !obeyed_by_terminals(p) : *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\';

        for (size_t i = 0; !raw && i < n; i++) {
            if (*p == '"' || *p == '\\')
                snprintf(hex, sizeof hex, "\\%c", *p);
            else
                snprintf(hex, sizeof hex, "\\x%02x", p[i]);
            put_str(l, hex);
        }
        if (raw)
            put(l, (const char *)p, n);
        p += n;
    }
}

static void put_value(struct line *l, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,";

    if (*value && value[strspn(value, plain)] == '\0') {
        put_str(l, value);
        return;
    }
    put_str(l, "\"");
    put_escaped(l, value);
    put_str(l, "\"");
}

static void put_name(struct line *l, const char *name)
{
    for (; *name; name++) {
        char c =
            (islower((unsigned char)*name) || isdigit((unsigned char)*name) || *name == '-') ? *name : '_';
        put(l, &c, 1);
    }
}

static void format(struct line *l, const char *message, const struct pair *pairs, size_t n)
{
    put_escaped(l, message);
    for (size_t i = 0; i < n; i++) {
        put_str(l, " ");
        put_name(l, pairs[i].name);
        put_str(l, "=");
        put_value(l, pairs[i].value);
    }
    if (l->full) {
        memcpy(l->text + l->n, "...", 3);
        l->n += 3;
    }
}

#ifdef HAVE_SYSTEMD
/* JOURNAL_STREAM names the device and inode that systemd connected (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

static char *journal_field(const char *prefix, const char *name, const char *value)
{
    char *field = pke_asprintf("%s%s=%.*s", prefix, name, LINE_MAX_BYTES, value);

    for (char *c = field; *c != '='; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    return field;
}

static bool send_to_journal(int priority, const char *message, const struct pair *pairs, size_t n)
{
    struct iovec iov[MAX_PAIRS + 4];
    struct line l = {.n = 0};
    char number[12];
    int count = 0, sent;

    format(&l, message, pairs, n);
    l.text[l.n] = '\0';
    snprintf(number, sizeof number, "%d", priority);
    iov[count++].iov_base = journal_field("", "message", l.text);
    iov[count++].iov_base = journal_field("", "priority", number);
    iov[count++].iov_base = journal_field("", "syslog_identifier", "pkienrolld");
    iov[count++].iov_base = journal_field("PKI_", "role", identity);
    for (size_t i = 0; i < n; i++)
        iov[count++].iov_base = journal_field("PKI_", pairs[i].name, pairs[i].value);
    for (int i = 0; i < count; i++)
        iov[i].iov_len = strlen(iov[i].iov_base);
    sent = sd_journal_sendv(iov, count);
    for (int i = 0; i < count; i++)
        free(iov[i].iov_base);
    return sent == 0;
}
#endif

static void send(int priority, const char *message, const struct pair *pairs, size_t n)
{
    struct line l = {.n = 0};
    int saved = errno;
    char prefix[8];

    if (priority > threshold)
        return;
#ifdef HAVE_SYSTEMD
    if (stderr_is_journal() && send_to_journal(priority, message, pairs, n)) {
        errno = saved;
        return;
    }
#endif
    snprintf(prefix, sizeof prefix, "<%d>", priority & 7);
    put_str(&l, prefix);
    put_escaped(&l, identity);
    put_str(&l, ": ");
    format(&l, message, pairs, n);
    l.text[l.n++] = '\n';
    while (write(STDERR_FILENO, l.text, l.n) < 0 && errno == EINTR)
        ; /* a full or closed stderr loses the line: logging never blocks or fails the daemon */
    errno = saved;
}

static size_t collect(struct pair *pairs, size_t n, va_list ap)
{
    const char *name;

    while ((name = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        if (value && n < MAX_PAIRS)
            pairs[n++] = (struct pair){name, value};
    }
    return n;
}

void log_event(int priority, const char *message, ...)
{
    struct pair pairs[MAX_PAIRS];
    va_list ap;
    size_t n;

    va_start(ap, message);
    n = collect(pairs, 0, ap);
    va_end(ap);
    send(priority, message, pairs, n);
}

void log_fail(int priority, const char *message, const struct pke_fail *fail, ...)
{
    struct pair pairs[MAX_PAIRS] = {{"error", pke_err_token(fail->err)},
                                    {"reason", fail->reason},
                                    {"rule", fail->rule},
                                    {"text", fail->text}};
    va_list ap;
    size_t n;

    va_start(ap, fail);
    n = collect(pairs, 4, ap);
    va_end(ap);
    send(priority, message, pairs, n);
}
