/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keystore/rv.h"
#include "keystore/tpm.h"

static int read_all(int fd, struct pke_buf *ret)
{
    for (;;) {
        uint8_t part[4096];
        ssize_t n = read(fd, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        if (pke_buf_add(ret, part, (size_t)n) != PKE_OK) {
            errno = EFBIG;
            return -1;
        }
    }
}

/* The blob is no secret, its place is: whoever may write there may put another key. */
static bool is_safe(const struct stat *st)
{
    return S_ISREG(st->st_mode) && !(st->st_mode & (S_IWGRP | S_IWOTH)) &&
           (st->st_uid == 0 || st->st_uid == geteuid());
}

int tpm_file_read(struct tpm *t, struct ks_error *error)
{
    int fd = open(t->uri.file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct pke_buf text;
    struct stat st;
    enum pke_err err;

    if (fd < 0)
        return ks_fail(error, errno == ENOENT ? KS_PERMANENT : KS_TOKEN, "key-file", "open",
                       "the key file cannot be opened: %s", strerror(errno));
    pke_buf_init(&text, TPM_KEYFILE_MAX);
    if (fstat(fd, &st) != 0 || !is_safe(&st))
        err = pke_fail_set(&error->fail, PKE_CONFIG, "key-file", "TSS2 key file",
                           "not a regular file of root or of this user that nobody else may write");
    else if (read_all(fd, &text) != 0)
        err = pke_fail_set(&error->fail, PKE_CONFIG, "key-file", "TSS2 key file",
                           "the key file cannot be read: %s", strerror(errno));
    else
        err = tpm_keyfile_parse(pke_buf_bytes(&text), &t->file, &error->fail);
    close(fd);
    pke_buf_done(&text);
    error->cls = err == PKE_OK ? KS_OK : KS_PERMANENT;
    t->file_read = err == PKE_OK;
    return err == PKE_OK ? 0 : -1;
}
