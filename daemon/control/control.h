/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The control role's own state: connections, calls in flight, channels to the roles that answer.
 *
 * Way of one call: conn.c reads the request -> call.c checks the level, answers itself (view.c) or forwards
 * -> the answer comes back to call.c, is audited and handed to the connection, if that is still there.
 */
#ifndef DAEMON_CONTROL_CONTROL_H
#define DAEMON_CONTROL_CONTROL_H

#include <jansson.h>
#include <sys/queue.h>

#include "base/encode.h"
#include "daemon/common/rate.h"
#include "daemon/common/role.h"
#include "daemon/control/frontends.h"
#include "daemon/control/peer.h"
#include "daemon/control/request.h"
#include "daemon/control/socket.h"
#include "daemon/control/tls_listener.h"
#include "ledger/read.h"

#define CONTROL_MAX_CONNS     64   /* connections at a time */
#define CONTROL_ADMIN_RESERVE 8    /* of them kept for admins, so that nobody can shut them out */
#define CONTROL_MAX_CALLS     128  /* in flight; the connection of some may be gone */
#define CONTROL_IO_MS         5000 /* one whole request must have come, one whole reply must have gone */

struct conn;

struct call {
    LIST_ENTRY(call) link;
    struct control *c;
    struct conn *conn; /* NULL once the connection is gone: the call is still audited */
    struct peer peer;
    const struct verb *verb; /* NULL: refused before one was known */
    enum verb_target asked;  /* who is to answer now */
    json_t *status;          /* metrics: main's part, while the issuer is asked for its own */
    uint64_t id;
    struct event *timer;
    char *detail;
    char trace_id[PKE_UUID_LEN + 1];
};

struct conn {
    LIST_ENTRY(conn) link;
    struct control *c;
    struct bufferevent *bev;
    struct event *timer;
    struct http_reader *reader;
    struct peer peer;
    struct call *call; /* in flight, at most one: requests are answered in order */
    bool keep_alive;   /* of the request being answered */
    bool closing;      /* close when the output is written */
    bool tls;
};

LIST_HEAD(conn_list, conn);
LIST_HEAD(call_list, call);

struct control {
    struct role *role;
    struct control_socket socket;
    struct tls_listener tls; /* for frontends on other machines; usually off */
    struct evconnlistener *tls_listener;
    unsigned n_tls;
    struct peer_groups groups;
    struct frontends *frontends;
    struct rates rates; /* calls of each frontend */
    struct evconnlistener *listener;
    struct event *accept_timer; /* back-off after a failed accept */
    struct chan *issuer, *auth;
    struct ledger_reader *ledger; /* open on demand */
    struct conn_list conns;
    struct call_list calls;
    unsigned n_conns, n_calls;
    uint64_t next_id;
    bool stopped;
};

/* conn.c */

/** Serve an accepted socket; takes over @p fd. */
void conn_open(struct control *c, int fd);
/** The same of the TLS listener: whose it is, is known after the handshake. */
void conn_open_tls(struct control *c, int fd);
/** Close and release; a call in flight goes on without it. */
void conn_free(struct conn *conn);
/** Queue the answer of the connection's call and go on with the next request. */
void conn_reply(struct conn *conn, unsigned status, const json_t *body, const char *extra_headers);
/** The same with text of another type than JSON; PKE_LIMIT in @p body is refused as above. */
void conn_reply_text(struct conn *conn, const char *type, const struct pke_buf *body);
/** Close what is idle, the others after their answer. */
void conn_stop_all(struct control *c);

/* call.c */

/** Start the call of a complete request. Answers now or later, always exactly once. */
void call_start(struct conn *conn, const struct http_request *http, struct pke_bytes body);
/** Refuse a request that is none, or whose peer is nobody. */
void call_refuse(struct conn *conn, const struct pke_fail *fail, unsigned status);
/** A frame from main, issuer or auth. */
void call_answer(struct control *c, enum verb_target from, const struct ipc_frame *f);
/** The role is gone: its calls fail. */
void call_peer_gone(struct control *c, enum verb_target from);
/** Calls that only wait for something to happen do not hold up a stop. */
void call_stop_listeners(struct control *c);
/** The stop of the role: finished when nothing is in flight. */
void control_check_stopped(struct control *c);

/* view.c: answers of the control role itself */

/** Answer a verb of VERB_TARGET_CONTROL. PKE_OK and *ret (json_decref), or the refusal. */
enum pke_err view_answer(struct control *c, const struct verb *verb, const struct pke_pairs *args,
                         json_t **ret, struct pke_fail *fail);
/** Add "ledger" to the status that main gave. */
void view_status(struct control *c, json_t *status);
/** The counts of the ledger; false when it cannot be read. */
bool view_counts(struct control *c, struct ledger_counts *ret);

/** Rows of ledger/read.h as JSON: the short form of listings and the whole. */
json_t *view_request(const struct ledger_row *row, bool whole);
json_t *view_certificate(const struct ledger_row *row, bool whole);
/* view_device.c */

/** The whole form of a request's answer: identity, approval. */
void view_put_identity(json_t *o, const struct ledger_row *row);
void view_put_approval(json_t *o, const struct ledger_row *row);
void view_put_waiting(json_t *o, const struct ledger_row *row);
/** What a certificate is now, and since when. */
void view_put_life(json_t *o, const struct ledger_row *row, bool whole);
/** Verbs device-list and device-show. */
enum pke_err view_device_list(struct control *c, const struct pke_pairs *args, struct pke_arena *arena,
                              json_t **ret, struct pke_fail *fail);
enum pke_err view_device_show(struct control *c, const struct pke_pairs *args, struct pke_arena *arena,
                              json_t **ret, struct pke_fail *fail);
/** A template with every option of its table. */
json_t *view_template(const struct policy_template *t);

#endif
