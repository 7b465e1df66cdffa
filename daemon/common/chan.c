/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/chan.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_CHUNK  (64u << 10)
#define MAX_QUEUED  (64u << 20) /* a peer that does not read for so long is broken */
#define KEEP_INPUT  (1u << 20)
#define MAX_VECTORS 32
#define MAX_FDS     8

/* One queued frame; a frame with a descriptor is sent by a call of its own. */
struct out {
    struct out *next;
    int fd; /* -1: none */
    size_t n, done;
    uint8_t data[];
};

struct chan {
    int fd;
    size_t max;
    const struct chan_ops *ops;
    void *arg;
    struct event *readable, *writable;
    struct pke_buf in;
    struct out *first, *last;
    size_t queued;
    const char *broken; /* why; told to the owner from the event loop, never from inside chan_send */
    bool take_fds;
    int fds[MAX_FDS];
    unsigned n_fds;
    bool busy, freed; /* inside a callback; chan_free asked for meanwhile */
};

static void release(struct chan *c)
{
    while (c->first) {
        struct out *next = c->first->next;
        if (c->first->fd >= 0)
            close(c->first->fd);
        explicit_bzero(c->first->data, c->first->n);
        free(c->first);
        c->first = next;
    }
    for (unsigned i = 0; i < c->n_fds; i++)
        close(c->fds[i]);
    event_free(c->readable);
    event_free(c->writable);
    pke_buf_wipe(&c->in);
    close(c->fd);
    free(c);
}

void chan_free(struct chan *c)
{
    if (!c)
        return;
    if (c->busy)
        c->freed = true;
    else
        release(c);
}

/* Note a broken channel; the owner hears of it on the next loop turn. */
static void set_broken(struct chan *c, const char *why)
{
    if (c->broken)
        return;
    c->broken = why;
    event_active(c->readable, EV_READ, 0);
}

static void keep_fds(struct chan *c, struct msghdr *msg)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        size_t n;
        int fd;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        n = (h->cmsg_len - CMSG_LEN(0)) / sizeof fd;
        for (size_t i = 0; i < n; i++) {
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (c->n_fds < MAX_FDS)
                c->fds[c->n_fds++] = fd;
            else
                close(fd);
        }
    }
}

/* Read once. False when nothing came or the channel broke. */
static bool read_some(struct chan *c)
{
    union {
        char raw[CMSG_SPACE(sizeof(int) * MAX_FDS)];
        struct cmsghdr align;
    } control;
    uint8_t *at = pke_buf_extend(&c->in, READ_CHUNK);
    struct iovec iov = {at, READ_CHUNK};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (!at) {
        set_broken(c, "input buffer full");
        return false;
    }
    if (c->take_fds) {
        msg.msg_control = control.raw;
        msg.msg_controllen = sizeof control.raw;
    }
    n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    c->in.n -= READ_CHUNK - (n > 0 ? (size_t)n : 0);
    if (n > 0 && c->take_fds)
        keep_fds(c, &msg);
    if (n == 0)
        set_broken(c, "closed by peer");
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        set_broken(c, strerror(errno));
    return n > 0;
}

static int take_fd(struct chan *c, const struct ipc_frame *f)
{
    int fd;

    if (!f->carries_fd || c->n_fds == 0)
        return -1;
    fd = c->fds[0];
    memmove(c->fds, c->fds + 1, --c->n_fds * sizeof *c->fds);
    return fd;
}

/* Hand over whole frames until the input runs out or the owner frees the channel. */
static void deliver(struct chan *c)
{
    size_t at = 0;

    while (!c->freed && !c->broken) {
        struct ipc_frame f;
        size_t used;
        enum pke_err err = ipc_frame_read(PKE_BYTES(c->in.p + at, c->in.n - at), c->max, &f, &used);

        if (err == PKE_NOT_FOUND)
            break;
        if (err != PKE_OK) {
            set_broken(c, err == PKE_LIMIT ? "frame over its cap" : "foreign frame version");
            break;
        }
        c->ops->frame(c, &f, take_fd(c, &f), c->arg);
        at += used;
    }
    pke_buf_drop(&c->in, at);
    if (c->in.n == 0 && c->in.cap > KEEP_INPUT) { /* a revocation list went through: its room is not kept */
        pke_buf_wipe(&c->in);
        pke_buf_init(&c->in, c->max + IPC_HEADER + 2 * READ_CHUNK);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct chan *c = arg;

    (void)fd;
    (void)what;
    c->busy = true;
    if (!c->broken && read_some(c))
        deliver(c);
    if (c->broken && !c->freed) {
        event_del(c->readable);
        event_del(c->writable);
        c->ops->closed(c, c->broken, c->arg);
    }
    c->busy = false;
    if (c->freed)
        release(c);
}

static ssize_t send_one_with_fd(struct chan *c, struct out *o)
{
    union {
        char raw[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {o->data + o->done, o->n - o->done};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *h;
    ssize_t n;

    memset(&control, 0, sizeof control);
    h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof o->fd);
    memcpy(CMSG_DATA(h), &o->fd, sizeof o->fd);
    n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) { /* the descriptor went with the first byte */
        close(o->fd);
        o->fd = -1;
    }
    return n;
}

static ssize_t send_many(struct chan *c)
{
    struct iovec iov[MAX_VECTORS];
    struct msghdr msg = {.msg_iov = iov};

    for (struct out *o = c->first; o && o->fd < 0 && msg.msg_iovlen < MAX_VECTORS; o = o->next)
        iov[msg.msg_iovlen++] = (struct iovec){o->data + o->done, o->n - o->done};
    return sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void consume(struct chan *c, size_t n)
{
    c->queued -= n;
    while (n) {
        struct out *o = c->first;
        size_t left = o->n - o->done;

        if (n < left) {
            o->done += n;
            return;
        }
        n -= left;
        c->first = o->next;
        if (!c->first)
            c->last = NULL;
        explicit_bzero(o->data, o->n); /* frames may carry a password */
        free(o);
    }
}

/* Write what the socket takes. */
static void write_some(struct chan *c)
{
    while (c->first && !c->broken) {
        ssize_t n = c->first->fd >= 0 ? send_one_with_fd(c, c->first) : send_many(c);

        if (n > 0)
            consume(c, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno == EAGAIN)
            break;
        else
            set_broken(c, "peer is gone");
    }
    if (c->first && !c->broken)
        event_add(c->writable, NULL);
    else
        event_del(c->writable);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    write_some(arg);
}

struct chan *chan_new(struct event_base *base, int fd, size_t max, const struct chan_ops *ops, void *arg)
{
    struct chan *c = pke_calloc(1, sizeof *c);

    c->fd = fd;
    c->max = max;
    c->ops = ops;
    c->arg = arg;
    pke_buf_init(&c->in, max + IPC_HEADER + 2 * READ_CHUNK);
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    evutil_make_socket_nonblocking(fd);
    event_add(c->readable, NULL);
    return c;
}

void chan_accept_fds(struct chan *c)
{
    c->take_fds = true;
}

void chan_send_fd(struct chan *c, uint16_t kind, uint64_t id, struct pke_bytes payload, int fd)
{
    size_t n = IPC_HEADER + payload.n;
    struct out *o;
    struct pke_buf head;

    if (c->broken || payload.n > c->max || c->queued + n > MAX_QUEUED) {
        if (fd >= 0)
            close(fd);
        set_broken(c, payload.n > c->max ? "refused to send a frame over the cap" : "output queue full");
        return;
    }
    o = pke_malloc(sizeof *o + n);
    *o = (struct out){.fd = fd, .n = n};
    pke_buf_init(&head, n);
    ipc_frame_write(&head, kind, id, fd >= 0, payload);
    memcpy(o->data, head.p, n);
    pke_buf_wipe(&head);
    if (c->last)
        c->last->next = o;
    else
        c->first = o;
    c->last = o;
    c->queued += n;
    if (c->first == o)
        write_some(c);
}

void chan_send(struct chan *c, uint16_t kind, uint64_t id, struct pke_bytes payload)
{
    chan_send_fd(c, kind, id, payload, -1);
}

void chan_send_record(struct chan *c, uint16_t kind, uint64_t id, const struct ipc_field *fields,
                      const void *record)
{
    struct pke_buf b;

    pke_buf_init(&b, c->max + 1); /* one more, so that an oversized record is seen as such by chan_send */
    (void)ipc_record_write(fields, record, &b);
    if (b.overflow)
        set_broken(c, "refused to send a record over the cap");
    else
        chan_send(c, kind, id, pke_buf_bytes(&b));
    pke_buf_wipe(&b);
}

void chan_flush(struct chan *c, int timeout_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};

    write_some(c);
    while (c->first && !c->broken && poll(&p, 1, timeout_ms) == 1)
        write_some(c);
}

size_t chan_queued(const struct chan *c)
{
    return c->queued;
}

void chan_wipe_frame(struct chan *c, const struct ipc_frame *f)
{
    if (f->payload.n)
        explicit_bzero(c->in.p + (f->payload.p - c->in.p), f->payload.n);
}
