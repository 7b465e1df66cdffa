/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A channel to another role: frames over a non-blocking stream socketpair on the role's event loop.
 */
#ifndef DAEMON_COMMON_CHAN_H
#define DAEMON_COMMON_CHAN_H

#include <event2/event.h>

#include "ipc/frame.h"
#include "ipc/record.h"

struct chan;

/** One frame arrived. @p fd is a descriptor that came with it (the callee owns it) or -1. */
typedef void chan_frame_fn(struct chan *c, const struct ipc_frame *f, int fd, void *arg);

/** The peer is gone or broke the protocol; the channel is dead and must be freed (may be done inside). */
typedef void chan_closed_fn(struct chan *c, const char *why, void *arg);

struct chan_ops {
    chan_frame_fn *frame;
    chan_closed_fn *closed;
};

/**
 * Take over @p fd. Frames above @p max bytes of payload close the channel. Never NULL.
 * @p ops must outlive the channel.
 */
struct chan *chan_new(struct event_base *base, int fd, size_t max, const struct chan_ops *ops, void *arg);

/** Take descriptors that come with frames; without this call they are dropped. Only roles do, on their
 * channel to main. */
void chan_accept_fds(struct chan *c);

/** Close and release. Accepts NULL. Queued output is lost: see chan_flush. Allowed inside both callbacks. */
void chan_free(struct chan *c);

/** Queue one frame; never blocks. */
void chan_send(struct chan *c, uint16_t kind, uint64_t id, struct pke_bytes payload);

/** Queue one frame with a descriptor; the descriptor is closed once sent. */
void chan_send_fd(struct chan *c, uint16_t kind, uint64_t id, struct pke_bytes payload, int fd);

/** Encode @p record by @p fields and queue it. */
void chan_send_record(struct chan *c, uint16_t kind, uint64_t id, const struct ipc_field *fields,
                      const void *record);

/** Write what is queued, waiting at most @p timeout_ms. For a role that is about to exit. */
void chan_flush(struct chan *c, int timeout_ms);

/** Bytes queued for output. */
size_t chan_queued(const struct chan *c);

/** Wipe a frame's payload in the input buffer after a secret was taken from it. Only inside chan_frame_fn. */
void chan_wipe_frame(struct chan *c, const struct ipc_frame *f);

#endif
