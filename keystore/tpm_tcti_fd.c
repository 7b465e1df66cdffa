/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "keystore/tpm_tcti.h"

#define MAGIC        0x706b652d66643031ull
#define HEADER       10   /* tag, size, code (TPM 2.0 part 1, 18) */
#define RESPONSE_MAX 4096 /* TPM2_MAX_RESPONSE_SIZE of the TSS */

struct tcti_fd {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    int fd;
    uint8_t buf[RESPONSE_MAX];
    size_t n; /* octets of the response that are here */
};

int64_t tpm_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *ctx, size_t n, const uint8_t *command)
{
    struct tcti_fd *t = (struct tcti_fd *)ctx;

    t->n = 0;
    while (n > 0) {
        ssize_t sent = send(t->fd, command, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) /* also EAGAIN: a TPM takes one command at a time, and a socket holds more than one */
            return TSS2_TCTI_RC_IO_ERROR;
        command += sent;
        n -= (size_t)sent;
    }
    return TSS2_RC_SUCCESS;
}

/* Octets that the response has; the header until its size is known, 0 for a size that cannot be. */
static size_t wanted(const struct tcti_fd *t)
{
    size_t n;

    if (t->n < HEADER)
        return HEADER;
    n = (size_t)t->buf[2] << 24 | (size_t)t->buf[3] << 16 | (size_t)t->buf[4] << 8 | t->buf[5];
    return n < HEADER || n > sizeof t->buf ? 0 : n;
}

static TSS2_RC wait_readable(int fd, int64_t until)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until < 0 ? -1 : until - tpm_now_ms();
    int rc = poll(&p, 1, until < 0 ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);

    if (rc < 0 && errno != EINTR)
        return TSS2_TCTI_RC_IO_ERROR;
    if (rc == 0)
        return TSS2_TCTI_RC_TRY_AGAIN;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC read_some(struct tcti_fd *t, size_t want, int64_t until)
{
    TSS2_RC rc = wait_readable(t->fd, until);
    ssize_t n;

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    n = recv(t->fd, t->buf + t->n, want - t->n, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        return TSS2_TCTI_RC_IO_ERROR;
    t->n += n < 0 ? 0 : (size_t)n;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *response, int32_t timeout)
{
    struct tcti_fd *t = (struct tcti_fd *)ctx;
    int64_t until = timeout < 0 ? -1 : tpm_now_ms() + timeout;
    size_t want;

    if (!response) { /* only asked how much room is needed */
        *size = RESPONSE_MAX;
        return TSS2_RC_SUCCESS;
    }
    while ((want = wanted(t)) > t->n) {
        TSS2_RC rc = read_some(t, want, until);

        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    if (want == 0)
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    if (*size < t->n)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    memcpy(response, t->buf, t->n);
    *size = t->n;
    t->n = 0;
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *ctx)
{
    struct tcti_fd *t = (struct tcti_fd *)ctx;

    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

static TSS2_RC no_cancel(TSS2_TCTI_CONTEXT *ctx)
{
    (void)ctx;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC no_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
    (void)ctx;
    (void)locality;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC no_sticky(TSS2_TCTI_CONTEXT *ctx, TPM2_HANDLE *handle, uint8_t sticky)
{
    (void)ctx;
    (void)handle;
    (void)sticky;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

/* A server that stands still accepts nobody; once its queue is full, connect() waits like any command. */
static int connect_to(const char *path, unsigned deadline_ms)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval wait = {(time_t)(deadline_ms / 1000), (suseconds_t)(deadline_ms % 1000 * 1000)};
    int fd, error;

    if (strlen(path) >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sa.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

TSS2_TCTI_CONTEXT *tpm_tcti_fd_new(const char *path, unsigned deadline_ms)
{
    int fd = connect_to(path, deadline_ms);
    struct tcti_fd *t;

    if (fd < 0)
        return NULL;
    t = pke_calloc(1, sizeof *t);
    t->fd = fd;
    t->common.v1 = (TSS2_TCTI_CONTEXT_COMMON_V1){.magic = MAGIC,
                                                 .version = 2,
                                                 .transmit = transmit,
                                                 .receive = receive,
                                                 .finalize = finalize,
                                                 .cancel = no_cancel,
                                                 .setLocality = no_locality};
    t->common.makeSticky = no_sticky;
    return (TSS2_TCTI_CONTEXT *)t;
}
