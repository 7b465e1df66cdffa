/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * main's work: start the roles, keep them alive, give them configuration and links, tell the service manager.
 */
#ifndef DAEMON_MAIN_SUPERVISOR_H
#define DAEMON_MAIN_SUPERVISOR_H

#include <event2/event.h>

#include "daemon/common/chan.h"
#include "daemon/common/conf.h"
#include "daemon/common/msg.h"
#include "daemon/main/options.h"

enum child_state {
    CHILD_WAITING,   /* to be started, now or after a back-off */
    CHILD_PREPARING, /* running, configuration sent */
    CHILD_RUNNING,   /* serves the configuration */
    CHILD_STOPPING,  /* told to finish */
    CHILD_GONE,      /* not wanted any more */
};

/** One process of a role. */
struct child {
    struct child *next;
    struct supervisor *sup;
    enum role_id role;
    unsigned index;
    char *name; /* key: its name in the configuration */
    enum child_state state;
    pid_t pid;
    struct chan *chan;
    struct event *timer; /* back-off before a start, patience after a stop */
    unsigned restarts;
    unsigned recent; /* starts within the window, for the circuit breaker */
    uint64_t window_start;
    unsigned ping_unanswered; /* MSG_PINGs since the last answer */
    uint64_t started_at;      /* of this process, monotonic ms */
    unsigned unanswered;      /* CONF_PREPAREs without an answer: only the answer to the last one counts */
    bool prepared;            /* answered CONF_READY in this round */
    bool wanted;              /* in the configuration in force */
    bool settled;             /* told a state other than "starting" since its start */
    char *told_state, *told_text;
    struct pke_pairs facts;
    struct pke_arena *facts_arena;
};

/** A listening socket of the service manager, kept as long as main lives: net may die, the socket may not. */
struct main_socket {
    char *name; /* FileDescriptorName= */
    int fd;
};

struct supervisor {
    struct event_base *base;
    const struct options *options;
    struct pke_buf text; /* bytes of the configuration in force */
    struct conf *conf;
    uint8_t assertion_key[32];
    struct child *children;
    struct main_socket *sockets;
    size_t n_sockets;
    uint64_t started_mono;
    int64_t started_wall;
    char status_told[1024]; /* STATUS= as the service manager has it */
    bool ready_told, draining, stopping;
    /* reload in progress */
    bool reloading;
    struct pke_buf new_text;
    struct conf *new_conf;
    struct chan *reload_asker; /* control, or NULL for SIGHUP */
    uint64_t reload_id;
    struct lost_link *lost_links; /* health.c */
    struct event *ping_timer;
    struct event *reload_timer, *stop_timer, *watchdog;
    struct event *signals[4];
    int exit_code;
};

/** Run the daemon until it is told to stop. Returns the exit code. @p conf and @p text are taken over. */
int supervisor_run(const struct options *options, struct conf *conf, struct pke_buf *text);

/* children.c */
void children_sync(struct supervisor *s); /* make the set of children what conf asks for */
void child_free_all(struct supervisor *s);
void child_send_conf(struct child *c, const struct pke_buf *text, const struct conf *conf);
void child_switched(struct child *c); /* it serves the configuration now: link it with its peers */
struct child *child_find(struct supervisor *s, enum role_id role, unsigned index, const char *name);
bool child_are_linked(const struct child *a, const struct child *b); /* is there a channel between them? */
void children_start_next_key(struct supervisor *s);
void child_kill(struct child *c, int signal);
void children_reap(struct supervisor *s);

/* fragments.c: what provisioning.*.fragment-file names. Blocks on disk. PKE_CONFIG and every error. */
enum pke_err fragments_check(const struct conf *conf, struct conf_errors *errors);

/* keyuris.c: the strict part of keys.*.uri, which common does not know. PKE_CONFIG and every error. */
enum pke_err keyuris_check(const struct conf *conf, struct conf_errors *errors);

/* templates.c: what the issuer would say of certificates and templates at load. PKE_CONFIG and the first
 * error, told at its template or issuer. Blocks on disk. */
enum pke_err templates_check(const struct conf *conf, struct conf_errors *errors);

/* health.c */
void health_start(struct supervisor *s); /* watch the roles from now on */
void health_stop(struct supervisor *s);
void health_link_lost(struct child *c, const struct ipc_frame *f); /* MSG_LINK_LOST */

/* lifecycle.c */
void lifecycle_child_ready(struct child *c, bool ok,
                           const struct pke_fail *fail); /* answer to CONF_PREPARE */
void lifecycle_child_gone(struct child *c);
void lifecycle_reload(struct supervisor *s, struct chan *asker, uint64_t id);
void lifecycle_stop(struct supervisor *s);
void lifecycle_state_changed(struct supervisor *s);
void lifecycle_drain(struct supervisor *s, bool on);

/* status.c */
const char *lifecycle_state(const struct supervisor *s);
/** Everybody serves and every key has settled: the state says as what. */
bool status_all_settled(const struct supervisor *s);
/** A key whose process had to be started again counts as settled: its device may hang at every open. */
bool status_is_hopeless(const struct child *c);
/** "degraded; key ca is locked: ..." in one line, each key with its state; at most 1000 bytes. */
void status_sentence(const struct supervisor *s, struct pke_buf *out);

/* sockets.c */
enum pke_err sockets_take(struct supervisor *s, struct pke_fail *fail); /* from the environment, once */
void sockets_send(const struct supervisor *s, struct child *net);
void sockets_close(struct supervisor *s);

/* verbs.c */
void verbs_frame(struct child *c, const struct ipc_frame *f);
void verbs_reload_done(struct chan *asker, uint64_t id, const struct pke_fail *fail, const struct conf *conf);

#endif
