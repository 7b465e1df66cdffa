/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/common/chan: frames over a socketpair, descriptors, caps, a peer that dies, freeing inside
 * callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/chan.h"

struct end {
    struct chan *chan;
    unsigned frames, closed;
    uint64_t last_id, bytes;
    int fd;
    bool free_on_frame;
};

struct pair {
    struct event_base *base;
    struct end a, b;
};

static void on_frame(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct end *e = arg;

    e->frames++;
    e->last_id = f->id;
    e->bytes += f->payload.n;
    if (fd >= 0)
        e->fd = fd;
    if (e->free_on_frame) {
        chan_free(c);
        e->chan = NULL;
    }
}

static void on_closed(struct chan *c, const char *why, void *arg)
{
    struct end *e = arg;

    (void)why;
    e->closed++;
    chan_free(c);
    e->chan = NULL;
}

static const struct chan_ops ops = {on_frame, on_closed};

static void open_pair(struct pair *p, size_t max)
{
    int fds[2];

    memset(p, 0, sizeof *p);
    p->a.fd = p->b.fd = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->base = event_base_new();
    p->a.chan = chan_new(p->base, fds[0], max, &ops, &p->a);
    p->b.chan = chan_new(p->base, fds[1], max, &ops, &p->b);
}

static void turn(struct pair *p, int times)
{
    while (times--)
        event_base_loop(p->base, EVLOOP_NONBLOCK);
}

static void close_pair(struct pair *p)
{
    chan_free(p->a.chan);
    chan_free(p->b.chan);
    event_base_free(p->base);
}

static void test_frames_arrive_in_order(void **state)
{
    struct pair p;
    char big[60000];

    (void)state;
    memset(big, 'x', sizeof big);
    open_pair(&p, 65536);
    for (uint64_t i = 1; i <= 200; i++)
        chan_send(p.a.chan, 1, i, PKE_BYTES(big, sizeof big));
    assert_true(chan_queued(p.a.chan) > 0); /* more than the socket takes at once */
    for (int i = 0; i < 2000 && p.b.frames < 200; i++)
        turn(&p, 1);
    assert_int_equal(p.b.frames, 200);
    assert_int_equal(p.b.last_id, 200);
    assert_int_equal(p.b.bytes, 200 * sizeof big);
    assert_int_equal(chan_queued(p.a.chan), 0);
    close_pair(&p);
}

static void test_descriptor_travels_with_its_frame(void **state)
{
    struct pair p;
    int pipe_fds[2];
    char c = 0;

    (void)state;
    open_pair(&p, 1000);
    assert_int_equal(pipe(pipe_fds), 0);
    chan_accept_fds(p.b.chan);
    chan_send(p.a.chan, 1, 1, PKE_BYTES("first", 5));
    chan_send_fd(p.a.chan, 2, 2, PKE_BYTES("second", 6), pipe_fds[1]);
    chan_send(p.a.chan, 3, 3, PKE_BYTES("third", 5));
    turn(&p, 10);
    assert_int_equal(p.b.frames, 3);
    assert_true(p.b.fd >= 0);
    assert_int_equal(write(p.b.fd, "!", 1), 1);
    assert_int_equal(read(pipe_fds[0], &c, 1), 1);
    close(p.b.fd);
    close(pipe_fds[0]);
    close_pair(&p);
}

static void test_descriptor_is_dropped_where_none_is_expected(void **state)
{
    struct pair p;
    int pipe_fds[2];
    char c;

    (void)state;
    open_pair(&p, 1000);
    assert_int_equal(pipe(pipe_fds), 0);
    chan_send_fd(p.a.chan, 2, 2, PKE_BYTES("x", 1), pipe_fds[1]);
    turn(&p, 10);
    assert_int_equal(p.b.frames, 1);
    assert_int_equal(p.b.fd, -1);
    assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* nobody holds the writing end any more */
    close(pipe_fds[0]);
    close_pair(&p);
}

static void test_oversized_frame_ends_the_channel(void **state)
{
    struct pair p;
    int fds[2];
    struct pke_buf b;

    (void)state;
    memset(&p, 0, sizeof p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p.base = event_base_new();
    p.b.chan = chan_new(p.base, fds[1], 100, &ops, &p.b);
    pke_buf_init(&b, 1000);
    ipc_frame_write(&b, 1, 1, false, PKE_BYTES(b.p, 0));
    b.p[2] = 1; /* 256 bytes announced, cap 100 */
    assert_int_equal(write(fds[0], b.p, b.n), (ssize_t)b.n);
    turn(&p, 10);
    assert_int_equal(p.b.closed, 1);
    assert_int_equal(p.b.frames, 0);
    pke_buf_done(&b);
    close(fds[0]);
    close_pair(&p);
}

static void test_sender_over_the_cap_is_told(void **state)
{
    struct pair p;
    char big[200] = {0};

    (void)state;
    open_pair(&p, 100);
    chan_send(p.a.chan, 1, 1, PKE_BYTES(big, sizeof big));
    turn(&p, 10);
    assert_int_equal(p.a.closed, 1);
    close_pair(&p);
}

static void test_peer_death_and_free_inside_callback(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, 1000);
    p.b.free_on_frame = true;
    chan_send(p.a.chan, 1, 1, PKE_BYTES("x", 1));
    chan_send(p.a.chan, 1, 2, PKE_BYTES("y", 1));
    turn(&p, 10);
    assert_int_equal(p.b.frames, 1); /* the second was never delivered to a freed owner */
    assert_int_equal(p.a.closed, 1);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_arrive_in_order),
        cmocka_unit_test(test_descriptor_travels_with_its_frame),
        cmocka_unit_test(test_descriptor_is_dropped_where_none_is_expected),
        cmocka_unit_test(test_oversized_frame_ends_the_channel),
        cmocka_unit_test(test_sender_over_the_cap_is_told),
        cmocka_unit_test(test_peer_death_and_free_inside_callback),
    };
    return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
