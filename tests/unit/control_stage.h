/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A control role in a process of its own, as the daemon runs it; the test is its main, its issuer and its
 * auth. HTTP clients of the test pump the roles' event loop while they wait, so nothing ever sleeps.
 */
#ifndef TESTS_UNIT_CONTROL_STAGE_H
#define TESTS_UNIT_CONTROL_STAGE_H

#include <sys/types.h>

#include "daemon/common/role.h"

struct stage {
    char dir[64], socket[96], ledger[96];
    pid_t pid;
    struct event_base *base;
    struct chan *main, *issuer, *auth;
    unsigned prepared, refused;                      /* MSG_CONF_READY, MSG_CONF_REFUSED */
    bool ready;                                      /* MSG_STATE */
    bool silent;                                     /* verbs are taken and not answered */
    unsigned held;                                   /* verbs taken while silent */
    char verb[32], actor[80], args[256], secret[64]; /* of the last verb */
    char audit_verb[32], audit_actor[80], audit_result[32], audit_detail[512]; /* of the last audit row */
    unsigned audits;
};

/** Start, configure, link; the socket listens when it returns. */
void stage_open(struct stage *s);
/** Stop as main does, check the exit status and that the socket is gone, remove the directory. */
void stage_close(struct stage *s);
/** Give the role a new channel to issuer or auth. */
void stage_link(struct stage *s, enum role_id peer);
/** One turn of the loop; waits at most a few ms. */
void stage_pump(struct stage *s);
/** Pump until *@p flag is at least @p n; fails the test after ten seconds. */
void stage_until(struct stage *s, const unsigned *flag, unsigned n);

/** Connect; as @p uid with group @p gid when uid is not 0 (then this must be root). */
int stage_connect(const struct stage *s);
/** Send bytes and read one answer; returns the status, 0 when the connection ended. @p text: head and body.
 */
unsigned stage_exchange(struct stage *s, int fd, const char *request, char *text, size_t size);
/** A connection of its own for one request without a body. */
unsigned stage_ask(struct stage *s, const char *method, const char *target, char *text, size_t size);
/** Run a program; its exit status and what it wrote on both outputs. */
int stage_run(struct stage *s, uid_t uid, gid_t gid, char *text, size_t size, const char *const *argv);

#endif
