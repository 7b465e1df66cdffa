/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define RULE      "publish-directory"
#define FILE_MODE 0644
#define DIR_MODE  0755
#define LINE      48 /* octets of a PEM line of 64 characters (RFC 7468 2) */
#define CHUNK     (256u << 10)

/* The umask is 0077, and the folder is for everybody. */
static enum pke_err need_folder(const char *folder, struct pke_fail *fail)
{
    if (mkdir(folder, DIR_MODE) == 0) {
        if (chmod(folder, DIR_MODE) == 0 && pke_sync_folder(folder))
            return PKE_OK;
    } else if (errno == EEXIST) {
        return PKE_OK;
    }
    return pke_fail_set(fail, PKE_STORE_DOWN, "publish-folder", RULE, "the folder cannot be made: %s",
                        strerror(errno));
}

enum pke_err publish_file(const char *folder, const char *name, struct pke_bytes content,
                          struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/%s", folder, name);
    enum pke_err err = need_folder(folder, fail);
    int error;

    if (err != PKE_OK)
        return err;
    error = pke_file_publish(path, content, FILE_MODE, PKE_PUBLISH_REPLACE);
    return error == 0 ? PKE_OK
                      : pke_fail_set(fail, PKE_STORE_DOWN, "publish-file", RULE,
                                     "the file %s cannot be written: %s", name, strerror(error));
}

static enum pke_err read_all(int fd, const char *name, struct pke_buf *out, struct pke_fail *fail)
{
    for (;;) {
        uint8_t *at = pke_buf_extend(out, CHUNK);
        ssize_t n;

        if (!at)
            return pke_fail_set(fail, PKE_LIMIT, "publish-size", RULE, "the file %s is too large", name);
        n = read(fd, at, CHUNK);
        out->n -= CHUNK - (n > 0 ? (size_t)n : 0);
        if (n == 0)
            return PKE_OK;
        if (n < 0 && errno != EINTR)
            return pke_fail_set(fail, PKE_STORE_DOWN, "publish-file", RULE, "the file %s cannot be read: %s",
                                name, strerror(errno));
    }
}

enum pke_err publish_read(const char *folder, const char *name, struct pke_buf *out, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *path = pke_asprintf("%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum pke_err err;

    if (fd < 0)
        return pke_fail_set(fail, errno == ENOENT ? PKE_NOT_FOUND : PKE_STORE_DOWN, "publish-file", RULE,
                            "the file %s cannot be read: %s", name, strerror(errno));
    err = read_all(fd, name, out, fail);
    close(fd);
    return err;
}

size_t publish_pem_size(size_t n)
{
    return (n + LINE - 1) / LINE * 65 + 128;
}

enum pke_err publish_pem(struct pke_buf *out, const char *label, struct pke_bytes der)
{
    pke_buf_printf(out, "-----BEGIN %s-----\n", label);
    while (der.n > 0) {
        size_t n = der.n < LINE ? der.n : LINE;

        (void)pke_base64_encode(PKE_BYTES(der.p, n), 0, out);
        pke_buf_add_u8(out, '\n');
        der = PKE_BYTES(der.p + n, der.n - n);
    }
    pke_buf_printf(out, "-----END %s-----\n", label);
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
