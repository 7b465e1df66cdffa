/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of the roles: start, restart with back-off and circuit breaker, links between them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/common/process.h"
#include "daemon/common/role.h"
#include "daemon/main/supervisor.h"

#define BACKOFF_FIRST_MS  100
#define BACKOFF_MAX_MS    10000
#define BREAKER_STARTS    5 /* in a minute; then one try every 30 s */
#define BREAKER_WINDOW_MS 60000
#define BREAKER_RETRY_MS  30000

#define STATE_WORD_MAX 15
#define STATE_MAX      (512u << 10) /* with a configuration of 1 MiB still within IPC_MAX_CONFIG */

struct child *child_find(struct supervisor *s, enum role_id role, unsigned index, const char *name)
{
    for (struct child *c = s->children; c; c = c->next)
        if (c->role == role && c->index == index && strcmp(c->name ? c->name : "", name ? name : "") == 0)
            return c;
    return NULL;
}

static void set_timer(struct child *c, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(c->timer, &tv);
}

/* The child side of fork(): nothing but the channel on descriptor 3 and the three standard ones survive exec.
 */
static void exec_role(const struct child *c, int fd)
{
    char index[16], level[16];
    const char *argv[16];
    sigset_t none;
    size_t n = 0;
    static const char *const levels[] = {"emerg",   "alert",  "crit", "error",
                                         "warning", "notice", "info", "debug"};

    snprintf(index, sizeof index, "%u", c->index);
    snprintf(level, sizeof level, "%s", levels[c->sup->options->log_level & 7]);
    argv[n++] = "pkienrolld";
    argv[n++] = "--role";
    argv[n++] = role_name(c->role);
    argv[n++] = "--index";
    argv[n++] = index;
    argv[n++] = "--log-level";
    argv[n++] = level;
    if (c->name) {
        argv[n++] = "--name";
        argv[n++] = c->name;
    }
    argv[n] = NULL;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(fd, ROLE_MAIN_FD) < 0)
        _exit(71);
    if (fd == ROLE_MAIN_FD)
        (void)fcntl(fd, F_SETFD, 0); /* dup2 onto itself keeps close-on-exec */
    (void)close_range(ROLE_MAIN_FD + 1, ~0U, 0);
    unsetenv("NOTIFY_SOCKET"); /* only main speaks to the service manager */
    execv("/proc/self/exe", (char **)(uintptr_t)argv);
    _exit(71);
}

static void on_child_frame(struct chan *ch, const struct ipc_frame *f, int fd, void *arg);
static void on_child_closed(struct chan *ch, const char *why, void *arg);

static bool spawn(struct child *c)
{
    static const struct chan_ops ops = {on_child_frame, on_child_closed};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    c->pid = fork();
    if (c->pid == 0)
        exec_role(c, pair[1]);
    close(pair[1]);
    if (c->pid < 0) {
        close(pair[0]);
        c->pid = 0;
        return false;
    }
    c->chan = chan_new(c->sup->base, pair[0], IPC_MAX_CONFIG, &ops, c);
    return true;
}

static void start(struct child *c)
{
    uint64_t now = process_monotonic_ms();

    if (now - c->window_start > BREAKER_WINDOW_MS) {
        c->window_start = now;
        c->recent = 0;
    }
    c->recent++;
    c->settled = false;
    c->unanswered = 0;
    if (!spawn(c)) {
        log_event(LOG_ERR, "cannot start role", "role", role_name(c->role), "error", strerror(errno), NULL);
        set_timer(c, BACKOFF_MAX_MS);
        return;
    }
    c->state = CHILD_PREPARING;
    c->started_at = now;
    if (c->role == ROLE_NET)
        sockets_send(c->sup, c);
    child_send_conf(c, &c->sup->text, c->sup->conf);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct child *c = arg;

    (void)fd;
    (void)what;
    if (c->state == CHILD_WAITING && !c->sup->stopping)
        start(c);
    else if (c->state == CHILD_STOPPING)
        child_kill(c, SIGKILL);
}

static struct child *child_new(struct supervisor *s, enum role_id role, unsigned index, const char *name)
{
    struct child *c = pke_calloc(1, sizeof *c), **at = &s->children;

    *c = (struct child){.sup = s, .role = role, .index = index, .name = name ? pke_strdup(name) : NULL};
    c->timer = event_new(s->base, -1, 0, on_timer, c);
    while (*at)
        at = &(*at)->next;
    *at = c;
    return c;
}

static void want(struct supervisor *s, enum role_id role, unsigned index, const char *name)
{
    struct child *c = child_find(s, role, index, name);

    if (!c)
        c = child_new(s, role, index, name);
    c->wanted = true;
    if (c->state == CHILD_GONE)
        c->state = CHILD_WAITING;
    if (c->state == CHILD_WAITING && !c->pid && c->role != ROLE_KEY &&
        !event_pending(c->timer, EV_TIMEOUT, NULL))
        start(c);
}

void children_sync(struct supervisor *s)
{
    for (struct child *c = s->children; c; c = c->next)
        c->wanted = false;
    want(s, ROLE_ISSUER, 0, NULL);
    for (unsigned i = 0; i < s->conf->global.auth_workers; i++)
        want(s, ROLE_AUTH, i, NULL);
    want(s, ROLE_CONTROL, 0, NULL);
    want(s, ROLE_NET, 0, NULL);
    for (size_t k = 0; k < s->conf->n_keys; k++)
        for (unsigned i = 0; i < s->conf->keys[k].instances; i++)
            want(s, ROLE_KEY, i, s->conf->keys[k].name);
    for (struct child *c = s->children; c; c = c->next) {
        if (c->wanted || c->state == CHILD_GONE)
            continue;
        if (c->chan) {
            c->state = CHILD_STOPPING;
            chan_send(c->chan, MSG_STOP, 0, PKE_BYTES(NULL, 0));
            set_timer(c, BACKOFF_MAX_MS);
        } else {
            c->state = CHILD_GONE;
        }
    }
    children_start_next_key(s);
}

/* Instances start one after another: two processes opening a SoftHSM token at once were measured to miss it.
 */
void children_start_next_key(struct supervisor *s)
{
    if (s->stopping)
        return;
    for (struct child *c = s->children; c; c = c->next)
        if (c->role == ROLE_KEY && c->pid && !c->settled && c->state != CHILD_STOPPING)
            return;
    for (struct child *c = s->children; c; c = c->next) {
        if (c->role == ROLE_KEY && c->wanted && c->state == CHILD_WAITING && !c->pid &&
            !event_pending(c->timer, EV_TIMEOUT, NULL)) {
            start(c);
            return;
        }
    }
}

void child_send_conf(struct child *c, const struct pke_buf *text, const struct conf *conf)
{
    struct msg_conf m = {.file = conf->file, .text = pke_buf_bytes(text)};

    if (c->role == ROLE_AUTH || c->role == ROLE_ISSUER)
        m.assertion_key = PKE_BYTES(c->sup->assertion_key, sizeof c->sup->assertion_key);
    if (c->role == ROLE_NET)
        m.hints = c->facts;
    c->prepared = false;
    c->unanswered++;
    chan_send_record(c->chan, MSG_CONF_PREPARE, 0, msg_conf_fields, &m);
}

/* Who talks to whom; everything else has no channel at all. */
static bool are_peers(const struct child *a, const struct child *b)
{
    return (a->role == ROLE_NET && (b->role == ROLE_AUTH || b->role == ROLE_ISSUER)) ||
           (a->role == ROLE_CONTROL && b->role == ROLE_ISSUER) ||
           (a->role == ROLE_CONTROL && b->role == ROLE_AUTH && b->index == 0) ||
           (a->role == ROLE_ISSUER && b->role == ROLE_KEY);
}

bool child_are_linked(const struct child *a, const struct child *b)
{
    return are_peers(a, b) || are_peers(b, a);
}

static void give_end(struct child *to, const struct child *peer, int fd)
{
    struct msg_link m = {
        .peer = peer->role, .index = peer->index, .name = peer->name, .pid = (uint64_t)peer->pid};
    struct pke_buf b;

    pke_buf_init(&b, 4096);
    (void)ipc_record_write(msg_link_fields, &m, &b);
    chan_send_fd(to->chan, MSG_LINK, 0, pke_buf_bytes(&b), fd);
    pke_buf_done(&b);
}

static void link_pair(struct child *a, struct child *b)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        log_event(LOG_ERR, "cannot link roles", "error", strerror(errno), NULL);
        return;
    }
    give_end(a, b, pair[0]);
    give_end(b, a, pair[1]);
}

void child_switched(struct child *c)
{
    c->state = CHILD_RUNNING;
    for (struct child *p = c->sup->children; p; p = p->next) {
        if (p == c || p->state != CHILD_RUNNING || !p->chan)
            continue;
        if (are_peers(c, p))
            link_pair(c, p);
        else if (are_peers(p, c))
            link_pair(p, c);
    }
}

void child_kill(struct child *c, int signal)
{
    if (c->pid > 0)
        kill(c->pid, signal);
}

static void replace_text(char **field, const char *text)
{
    free(*field);
    *field = text ? pke_strdup(text) : NULL;
}

/* A state is told to the service manager, where a line break would begin another of our words. */
static bool is_word(const char *state)
{
    size_t n = strspn(state, "abcdefghijklmnopqrstuvwxyz");

    return n > 0 && n <= STATE_WORD_MAX && !state[n];
}

/* net tells of its listeners and URLs, auth of its token issuers. net's successor gets them in one frame with
 * the configuration, where they must fit. */
static void on_state(struct child *c, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_state m;
    struct pke_fail fail;

    if (f->payload.n > STATE_MAX ||
        ipc_record_read(msg_state_fields, f->payload, arena, &m, sizeof m, &fail) != PKE_OK ||
        !is_word(m.state) || (m.text && !pke_utf8_valid(pke_bytes_str(m.text))) ||
        (m.facts.n > 0 && c->role != ROLE_NET && c->role != ROLE_AUTH && c->role != ROLE_ISSUER)) {
        log_event(LOG_ERR, "a role tells a state that is none", "role", role_name(c->role), "name", c->name,
                  NULL);
        pke_arena_free(arena);
        return;
    }
    replace_text(&c->told_state, m.state);
    replace_text(&c->told_text, m.text);
    pke_arena_free(c->facts_arena);
    c->facts_arena = arena;
    c->facts = m.facts;
    c->settled = strcmp(m.state, "starting") != 0;
    if (c->role == ROLE_KEY && c->settled)
        children_start_next_key(c->sup);
    lifecycle_state_changed(c->sup);
}

static void on_kill_key(struct supervisor *s, const struct ipc_frame *f)
{
    struct pke_arena *arena = pke_arena_new();
    struct msg_link m;
    struct pke_fail fail;

    if (ipc_record_read(msg_link_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK && m.name) {
        struct child *k = child_find(s, ROLE_KEY, (unsigned)m.index, m.name);
        if (k) {
            log_event(LOG_ERR, "key process is stuck and is ended", "key", k->name, NULL);
            child_kill(k, SIGKILL);
        }
    }
    pke_arena_free(arena);
}

static void on_child_frame(struct chan *ch, const struct ipc_frame *f, int fd, void *arg)
{
    struct child *c = arg;
    struct pke_arena *arena;
    struct msg_failed m = {0};
    struct pke_fail fail = {0};

    (void)ch;
    if (fd >= 0)
        close(fd);
    switch (f->kind) {
    case MSG_CONF_READY:
        lifecycle_child_ready(c, true, NULL);
        break;
    case MSG_CONF_REFUSED:
        arena = pke_arena_new();
        if (ipc_record_read(msg_failed_fields, f->payload, arena, &m, sizeof m, &fail) == PKE_OK)
            fail = m.fail;
        lifecycle_child_ready(c, false, &fail);
        pke_arena_free(arena);
        break;
    case MSG_STATE:
        on_state(c, f);
        break;
    case MSG_PONG:
        c->ping_unanswered = 0;
        break;
    case MSG_LINK_LOST:
        health_link_lost(c, f);
        break;
    case MSG_KILL_KEY:
        if (c->role == ROLE_ISSUER)
            on_kill_key(c->sup, f);
        break;
    case MSG_VERB:
        if (c->role == ROLE_CONTROL)
            verbs_frame(c, f);
        break;
    default:
        break;
    }
}

/* A closed or broken channel ends the role: SIGCHLD does the rest. */
static void on_child_closed(struct chan *ch, const char *why, void *arg)
{
    struct child *c = arg;

    if (c->sup->reload_asker == ch)
        c->sup->reload_asker = NULL;
    if (c->state != CHILD_STOPPING && !c->sup->stopping)
        log_event(LOG_WARNING, "lost a role", "role", role_name(c->role), "name", c->name, "why", why, NULL);
    chan_free(ch);
    c->chan = NULL;
    child_kill(c, c->state == CHILD_STOPPING || c->sup->stopping ? 0 : SIGKILL);
}

static uint64_t backoff(const struct child *c)
{
    uint64_t ms = BACKOFF_FIRST_MS;

    if (c->recent > BREAKER_STARTS)
        return BREAKER_RETRY_MS;
    for (unsigned i = 1; i < c->recent && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void log_exit(const struct child *c, int status)
{
    char how[64];

    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "exit %d", WEXITSTATUS(status));
    log_event(c->state == CHILD_STOPPING || c->sup->stopping ? LOG_INFO : LOG_ERR, "role ended", "role",
              role_name(c->role), "name", c->name, "how", how, NULL);
}

static void on_gone(struct child *c, int status)
{
    log_exit(c, status);
    c->pid = 0;
    if (c->chan) {
        if (c->sup->reload_asker == c->chan)
            c->sup->reload_asker = NULL;
        chan_free(c->chan);
        c->chan = NULL;
    }
    event_del(c->timer);
    replace_text(&c->told_state, NULL);
    replace_text(&c->told_text, NULL);
    c->ping_unanswered = 0; /* its facts stay: the next process gets them as hints */
    c->settled = false;
    if (c->sup->stopping || !c->wanted) { /* wanted again while it stopped: a reload took its end back */
        c->state = CHILD_GONE;
    } else {
        c->state = CHILD_WAITING;
        c->restarts++;
        set_timer(c, backoff(c));
        if (c->role == ROLE_KEY)
            children_start_next_key(c->sup);
    }
    lifecycle_child_gone(c);
}

void children_reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (struct child *c = s->children; c; c = c->next)
            if (c->pid == pid) {
                on_gone(c, status);
                break;
            }
}

void child_free_all(struct supervisor *s)
{
    while (s->children) {
        struct child *c = s->children;
        s->children = c->next;
        chan_free(c->chan);
        event_free(c->timer);
        pke_arena_free(c->facts_arena);
        free(c->told_state);
        free(c->told_text);
        free(c->name);
        free(c);
    }
}
