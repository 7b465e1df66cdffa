/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "keytool/tool.h"

static enum pke_err exists(const char *path, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_EXISTS, "output-exists", "no overwriting without --force",
                        "%s exists already", path);
}

enum pke_err tool_may_write(const char *path, bool force, struct pke_fail *fail)
{
    struct stat st;

    return !force && lstat(path, &st) == 0 ? exists(path, fail) : PKE_OK;
}

enum pke_err tool_write_file(const char *path, struct pke_bytes content, mode_t mode, bool force,
                             struct pke_fail *fail)
{
    int error = pke_file_publish(path, content, mode, force ? PKE_PUBLISH_REPLACE : PKE_PUBLISH_NEW);

    if (error == 0)
        return PKE_OK;
    if (error == EEXIST)
        return exists(path, fail);
    return pke_fail_set(fail, PKE_INTERNAL, "output-write", "atomic write", "cannot write %s: %s", path,
                        strerror(error));
}

enum pke_err tool_write_pem(const char *path, const char *name, struct pke_bytes der, bool force,
                            struct pke_fail *fail)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n;
    enum pke_err err;

    if (!bio || PEM_write_bio(bio, name, "", der.p, (long)der.n) <= 0)
        pke_oom();
    n = BIO_get_mem_data(bio, &text);
    err = tool_write_file(path, PKE_BYTES(text, (size_t)n), 0644, force, fail);
    BIO_free(bio);
    return err;
}

enum pke_err tool_read_file(const char *path, struct pke_buf *out, struct pke_fail *fail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    uint8_t block[4096];
    ssize_t n = 0;
    enum pke_err err = PKE_OK;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err = pke_fail_set(fail, PKE_NOT_FOUND, "input-read", "a regular file", "cannot read %s: %s", path,
                           fd < 0 ? strerror(errno) : "not a regular file");
    while (err == PKE_OK && (n = read(fd, block, sizeof block)) > 0)
        err = pke_buf_add(out, block, (size_t)n);
    if (n < 0)
        err = pke_fail_set(fail, PKE_NOT_FOUND, "input-read", "a regular file", "cannot read %s: %s", path,
                           strerror(errno));
    else if (err == PKE_LIMIT)
        pke_fail_set(fail, err, "input-size", "size limit", "%s is too large", path);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Number of blocks called @p name, the first one appended to @p out; -1 for one that cannot be read. */
static int take_pem(BIO *bio, const char *name, struct pke_buf *out)
{
    char *type = NULL, *header = NULL;
    uint8_t *der = NULL;
    long n = 0;
    int found = 0;

    while (PEM_read_bio(bio, &type, &header, &der, &n) == 1) {
        if (strcmp(type, name) == 0 && found++ == 0 && pke_buf_add(out, der, (size_t)n) != PKE_OK)
            found = -1;
        OPENSSL_free(type);
        OPENSSL_free(header);
        OPENSSL_free(der);
        if (found < 0)
            return -1;
    }
    /* The end of the text ends the loop with one error; anything else is text that is no PEM. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        found = -1;
    ERR_clear_error();
    return found;
}

enum pke_err tool_read_pem(const char *path, const char *name, struct pke_buf *out, struct pke_fail *fail)
{
    struct pke_buf text;
    enum pke_err err;
    BIO *bio;
    int found;

    pke_buf_init(&text, TOOL_FILE_MAX);
    err = tool_read_file(path, &text, fail);
    if (err == PKE_OK) {
        bio = BIO_new_mem_buf(text.n ? (const void *)text.p : "", (int)text.n);
        if (!bio)
            pke_oom();
        found = take_pem(bio, name, out);
        BIO_free(bio);
        if (found != 1)
            err = pke_fail_set(fail, PKE_MALFORMED, "input-pem", "RFC 7468",
                               "%s must hold exactly one %s in PEM form", path, name);
    }
    pke_buf_done(&text);
    return err;
}
