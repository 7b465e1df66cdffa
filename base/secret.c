/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config.h"

#ifdef PKE_SANITIZED /* the leak checker reads the memory of its own process when all is over */
static void readable_again(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
#endif

void pke_secret_process(void)
{
    struct rlimit none = {0, 0};

#ifdef PKE_SANITIZED
    (void)atexit(readable_again);
#endif
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a core that is piped to a program does not ask for the limit */
    setrlimit(RLIMIT_CORE, &none);
}

/* A mapping of its own: MADV_DONTDUMP and mlock work on pages, and nothing else may share them. */
struct pke_secret {
    size_t mapped;
    size_t n;
    uint8_t data[];
};

struct pke_secret *pke_secret_new(struct pke_bytes b)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = (sizeof(struct pke_secret) + b.n + 1 + page - 1) / page * page;
    struct pke_secret *s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        pke_oom();
    (void)mlock(s, mapped); /* best effort: RLIMIT_MEMLOCK may be 0, LimitCORE=0 and no swap then carry it */
    (void)madvise(s, mapped, MADV_DONTDUMP);
    s->mapped = mapped;
    s->n = b.n;
    if (b.n)
        memcpy(s->data, b.p, b.n);
    return s;
}

void pke_secret_free(struct pke_secret *s)
{
    size_t mapped;

    if (!s)
        return;
    mapped = s->mapped;
    explicit_bzero(s, mapped);
    munmap(s, mapped);
}

struct pke_bytes pke_secret_bytes(const struct pke_secret *s)
{
    return s ? PKE_BYTES(s->data, s->n) : PKE_BYTES(NULL, 0);
}

/* The service manager lets the daemon's user in by an ACL entry, whose mask stat() shows as the group bits:
 * 0440 root:root says no more than that, while the group of an ordinary file has members.
 */
static bool is_acl_mask(const struct stat *st)
{
    return st->st_uid == 0 && st->st_gid == 0 && (st->st_mode & (S_IRWXG | S_IRWXO)) == S_IRGRP;
}

static enum pke_err check_stat(int fd, const char *path, bool credential, size_t max, struct pke_fail *fail)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return pke_fail_set(fail, PKE_CONFIG, "secret-not-a-file", "secret files", "%s is not a regular file",
                            path);
    if (st.st_mode & (S_IRWXG | S_IRWXO) && !(credential && is_acl_mask(&st)))
        return pke_fail_set(fail, PKE_CONFIG, "secret-mode", "secret files",
                            "%s is accessible by group or others (mode %04o), it must be 0600 or 0400", path,
                            (unsigned)(st.st_mode & 07777));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return pke_fail_set(fail, PKE_CONFIG, "secret-owner", "secret files",
                            "%s belongs to uid %u, it must belong to this user or root", path,
                            (unsigned)st.st_uid);
    if (st.st_size < 1 || (size_t)st.st_size > max + 1)
        return pke_fail_set(fail, PKE_CONFIG, "secret-size", "secret files", "%s must hold 1 to %zu bytes",
                            path, max);
    return PKE_OK;
}

/* @p ret NULL: look only. */
static enum pke_err read_secret(const char *path, bool credential, size_t max, struct pke_secret **ret,
                                struct pke_fail *fail)
{
    uint8_t buf[4096];
    size_t n = 0;
    ssize_t got = 0;
    enum pke_err err;
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK); /* never wait for a FIFO */

    if (fd < 0)
        return pke_fail_set(fail, PKE_CONFIG, "secret-open", "secret files", "cannot open %s: %s", path,
                            strerror(errno));
    err = check_stat(fd, path, credential, max < sizeof buf - 1 ? max : sizeof buf - 1, fail);
    while (err == PKE_OK && n < sizeof buf && (got = read(fd, buf + n, sizeof buf - n)) > 0)
        n += (size_t)got;
    close(fd);
    if (err == PKE_OK && n > 0 && buf[n - 1] == '\n')
        n--;
    if (err == PKE_OK && (got < 0 || n == 0 || n > max))
        err = pke_fail_set(fail, PKE_CONFIG, "secret-read", "secret files",
                           "%s is empty, too long or unreadable", path);
    if (err == PKE_OK && ret)
        *ret = pke_secret_new(PKE_BYTES(buf, n));
    explicit_bzero(buf, sizeof buf);
    return err;
}

enum pke_err pke_secret_read_file(const char *path, size_t max, struct pke_secret **ret,
                                  struct pke_fail *fail)
{
    return read_secret(path, false, max, ret, fail);
}

enum pke_err pke_secret_check_file(const char *path, size_t max, struct pke_fail *fail)
{
    return read_secret(path, false, max, NULL, fail);
}

enum pke_err pke_secret_read_credential(const char *directory, const char *name, size_t max,
                                        struct pke_secret **ret, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *path = NULL;

    if (!directory || *directory != '/')
        return pke_fail_set(fail, PKE_CONFIG, "credential", "systemd.exec(5) LoadCredential=",
                            "CREDENTIALS_DIRECTORY is not set: the service manager passed no credentials");
    if (!*name || *name == '.' || strchr(name, '/'))
        return pke_fail_set(fail, PKE_CONFIG, "credential",
                            "systemd.exec(5) LoadCredential=", "%s is not the name of a credential", name);
    path = pke_asprintf("%s/%s", directory, name);
    return read_secret(path, true, max, ret, fail);
}
