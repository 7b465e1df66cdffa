/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "probe/artefact.h"

struct artefacts {
    int fd;
    char *folder;
    char *failed;
};

/* What a run writes after the request went out: the rest of an earlier run must not be taken for this one's.
 * Key, CSR and device id stay, because they may be this run's input. */
static const char *const results[] = {
    "getpolicies.request.xml", "getpolicies.response.xml", "rst.request.xml",
    "rst.response.xml",        "renew.request.xml",        "renew.response.xml",
    "renew.provisioning.xml",  "renew.request.csr",        "renew.certificate.pem",
    "renew.request.p7",        "repeat.request.xml",       "repeat.response.xml",
    "recover.request.xml",     "recover.response.xml",     "recover.provisioning.xml",
    "recover.request.csr",     "recover.certificate.pem",  "verdict.json",
};

static const char *const states[] = {"provisioning.xml", "certificate.pem", "chain.pem", "state"};

static int make_folders(const char *folder)
{
    char *path PKE_CLEANUP(pke_free_p) = pke_strdup(folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

enum pke_err artefacts_open(const char *folder, bool keep_state, struct artefacts **ret,
                            struct pke_fail *fail)
{
    int fd = -1;
    if (*folder && make_folders(folder) == 0)
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pke_fail_set(fail, PKE_STORE_DOWN, "artefact-folder", "", "%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < PKE_LEN(results); i++)
        unlinkat(fd, results[i], 0);
    for (size_t i = 0; i < PKE_LEN(states) && !keep_state; i++)
        unlinkat(fd, states[i], 0);
    struct artefacts *a = pke_calloc(1, sizeof *a);
    a->fd = fd;
    a->folder = pke_strdup(folder);
    *ret = a;
    return PKE_OK;
}

void artefacts_write(struct artefacts *a, const char *name, struct pke_bytes content)
{
    int fd = openat(a->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && fchmod(fd, 0600) == 0 && pke_write_all(fd, content);
    if (fd >= 0 && close(fd) != 0)
        good = false;
    if (!good && !a->failed)
        a->failed = pke_strdup(name);
}

void artefacts_replace(struct artefacts *a, const char *name, struct pke_bytes content)
{
    char *fresh PKE_CLEANUP(pke_free_p) = pke_asprintf("%s.new", name);
    artefacts_write(a, fresh, content);
    if (renameat(a->fd, fresh, a->fd, name) != 0 && !a->failed)
        a->failed = pke_strdup(name);
}

void artefacts_remove(struct artefacts *a, const char *name)
{
    unlinkat(a->fd, name, 0);
}

bool artefact_slurp(int folder_fd, const char *path, size_t max, struct pke_buf *out)
{
    int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    pke_buf_init(out, max);
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && pke_buf_add(out, chunk, (size_t)n) == PKE_OK)
            continue;
        close(fd);
        explicit_bzero(chunk, sizeof chunk);
        if (n == 0)
            return true;
        pke_buf_wipe(out);
        return false;
    }
}

bool artefacts_read(struct artefacts *a, const char *name, size_t max, struct pke_buf *out)
{
    return artefact_slurp(a->fd, name, max, out);
}

const char *artefacts_failed(const struct artefacts *a)
{
    return a->failed;
}

const char *artefacts_folder(const struct artefacts *a)
{
    return a->folder;
}

void artefacts_close(struct artefacts *a)
{
    if (!a)
        return;
    close(a->fd);
    free(a->folder);
    free(a->failed);
    free(a);
}
