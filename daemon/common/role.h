/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What every role but main has in common: the event loop, the channel to main, the two-phase configuration
 * switch, links to peers, draining. A role fills a struct role_ops and calls role_run().
 */
#ifndef DAEMON_COMMON_ROLE_H
#define DAEMON_COMMON_ROLE_H

#include <event2/event.h>

#include "daemon/common/chan.h"
#include "daemon/common/conf.h"
#include "daemon/common/msg.h"
#include "daemon/common/process.h"

#define ROLE_MAIN_FD 3 /* the channel to main, after exec */

struct role;

struct role_ops {
    enum role_id id;

    /** Once, when the loop exists and before anything arrives; may be NULL. */
    void (*start)(struct role *r);

    /**
     * Open what @p conf asks for without changing what is served. @p secret is the assertion key (auth,
     * issuer) or empty.
     * @return PKE_OK and *ret: the candidate, handed to commit or abort exactly once.
     */
    enum pke_err (*prepare)(struct role *r, const struct conf *conf, struct pke_bytes secret, void **ret,
                            struct pke_fail *fail);
    /** Serve @p candidate from now on. @p conf stays valid until the next commit returned. Cannot fail. */
    void (*commit)(struct role *r, const struct conf *conf, void *candidate);
    /** Drop a candidate. */
    void (*abort)(struct role *r, void *candidate);

    /** main gave a channel to a peer. The callee owns @p fd (chan_new). Comes before or after commit. */
    void (*link)(struct role *r, const struct msg_link *link, int fd);

    /** main passes on a listening socket of the service manager; NULL in roles that have none. The callee
     * owns
     * @p fd. Comes before the first prepare. */
    void (*socket)(struct role *r, const char *name, int fd);

    /** A verb or another frame from main that the common part does not handle; may be NULL. */
    void (*frame)(struct role *r, const struct ipc_frame *f);

    /** Stop taking new work; call role_stopped() when nothing is in flight. NULL: exit at once. */
    void (*stop)(struct role *r);
};

struct role {
    const struct role_ops *ops;
    struct event_base *base;
    struct chan *main;
    const struct conf *conf; /* the one in force, NULL before the first commit */
    unsigned index;          /* instance number */
    const char *name;        /* key: its name in the configuration */
    void *state;             /* the role's own */
    bool stopping;
    struct role_link *links; /* the peers that main linked last, private to role.c */
    struct pke_pairs hints;  /* net: facts told by the process before this one; valid inside prepare */
    /* the two-phase switch, private to role.c */
    struct conf *candidate_conf;
    void *candidate;
    bool have_candidate;
};

/** Run a role until main ends it. Returns the process's exit code. */
int role_run(const struct role_ops *ops, unsigned index, const char *name, void *state);

/** Tell main (and so status) the role's state. */
void role_tell_state(struct role *r, const struct msg_state *state);

/** The channel to a peer closed or broke. main finds out whether the peer ended or somebody broke the
 * protocol. */
void role_link_lost(struct role *r, enum role_id peer, unsigned index, const char *name);

/** Everything in flight is answered: exit 0. */
void role_stopped(struct role *r);

/* Names that the roles use for the clocks of daemon/common/process.h. */
static inline uint64_t role_monotonic_ms(void)
{
    return process_monotonic_ms();
}

static inline int64_t role_wall_ms(void)
{
    return process_wall_ms();
}

/* entry points, one per role folder; daemon/main/main.c dispatches --role to them */
int role_net(unsigned index);
int role_control(unsigned index);
int role_auth(unsigned index);
int role_issuer(unsigned index);
int role_key(unsigned index, const char *name);

/**
 * Open what the issuer would open for @p conf but ledger and keys: the files that it names, and a sample
 * certificate of each template (daemon/issuer/sample.h). For --check-config. Blocks on disk.
 * @return PKE_OK, or PKE_CONFIG or the class of the file's error with a text that begins with
 *         "template NAME: " or "issuer NAME: " where it is about one.
 */
enum pke_err issuer_try(const struct conf *conf, struct pke_fail *fail);

#endif
