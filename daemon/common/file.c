/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum pke_err file_read(const char *path, struct pke_buf *out, struct pke_fail *fail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    uint8_t chunk[4096];
    ssize_t n;

    if (fd < 0)
        return pke_fail_set(fail, PKE_CONFIG, "file-open", "pkienrolld.conf(5)", "cannot open %s: %s", path,
                            strerror(errno));
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && pke_buf_add(out, chunk, (size_t)n) == PKE_OK)
        ;
    if (n < 0)
        pke_fail_set(fail, PKE_CONFIG, "file-read", "pkienrolld.conf(5)", "cannot read %s: %s", path,
                     strerror(errno));
    else if (out->overflow)
        pke_fail_set(fail, PKE_CONFIG, "file-size", "pkienrolld.conf(5)", "%s is larger than %zu bytes", path,
                     out->max);
    close(fd);
    return n < 0 || out->overflow ? PKE_CONFIG : PKE_OK;
}
