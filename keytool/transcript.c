/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/timefmt.h"
#include "config.h"
#include "keytool/tool.h"

#define LINE_MAX_ 2048
#define TEXT_MAX  262144

static struct {
    int fd;
    struct pke_buf text;
} transcript = {.fd = -1};

static void add_line(const char *fmt, va_list ap)
{
    char line[LINE_MAX_];

    vsnprintf(line, sizeof line, fmt, ap);
    for (char *p = line; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    pke_buf_add_str(&transcript.text, line);
    pke_buf_add_u8(&transcript.text, '\n');
}

void tool_transcript_line(const char *fmt, ...)
{
    va_list ap;

    if (transcript.fd < 0)
        return;
    va_start(ap, fmt);
    add_line(fmt, ap);
    va_end(ap);
}

static bool flush(void)
{
    bool ok = !transcript.text.overflow && pke_write_all(transcript.fd, pke_buf_bytes(&transcript.text)) &&
              fsync(transcript.fd) == 0;

    pke_buf_clear(&transcript.text);
    return ok;
}

static void add_option(const char *name, const char *value, void *unused)
{
    (void)unused;
    tool_transcript_line("   --%s %s", name, value);
}

static void note_command(const char *command)
{
    char now[PKE_RFC3339_SIZE];
    struct utsname host = {0};

    pke_time_rfc3339((int64_t)time(NULL), now);
    uname(&host);
    tool_transcript_line("== %s pkienroll-keytool %s", now, command);
    tool_transcript_line("   version " PACKAGE_VERSION ", user %ld, host %s", (long)getuid(), host.nodename);
    tool_given(add_option, NULL);
}

static enum pke_err refuse(const char *path, int error, struct pke_fail *fail)
{
    if (transcript.fd >= 0)
        close(transcript.fd);
    transcript.fd = -1;
    pke_buf_done(&transcript.text);
    return pke_fail_set(fail, PKE_CONFIG, "transcript", "nothing is done that is not recorded",
                        "cannot write the transcript %s: %s", path, strerror(error));
}

enum pke_err tool_transcript_open(const char *path, const char *command, struct pke_fail *fail)
{
    struct stat st;

    pke_buf_init(&transcript.text, TEXT_MAX);
    transcript.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
    if (transcript.fd < 0 || fstat(transcript.fd, &st) != 0)
        return refuse(path, errno, fail);
    if (!S_ISREG(st.st_mode))
        return refuse(path, EINVAL, fail);
    while (flock(transcript.fd, LOCK_EX) != 0) {
        if (errno != EINTR)
            return refuse(path, errno, fail);
    }
    note_command(command);
    if (!flush() || !pke_sync_folder(path))
        return refuse(path, errno, fail);
    return PKE_OK;
}

bool tool_transcript_close(int rc)
{
    char now[PKE_RFC3339_SIZE];
    bool ok;

    if (transcript.fd < 0)
        return true;
    pke_time_rfc3339((int64_t)time(NULL), now);
    tool_transcript_line("-- %s %s, exit %d", now,
                         rc == TOOL_OK        ? "done"
                         : rc == TOOL_REFUSED ? "REFUSED OR FAILED"
                                              : "WRONG USAGE",
                         rc);
    ok = flush() && close(transcript.fd) == 0;
    pke_buf_done(&transcript.text);
    transcript.fd = -1;
    return ok;
}
