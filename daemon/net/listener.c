/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/common/tls.h"
#include "daemon/net/conn.h"

#define BACKLOG   512
#define UNIX_MODE 0660

static const struct timeval accept_pause = {0, 100000};

/* One row per configured listener: a new one, or one in force that goes on with a new configuration. */
struct plan {
    struct listener *fresh, *keep;
    const struct conf_listener *conf;
    SSL_CTX *tls;
    struct uids peers;
};

struct listener_set {
    struct conf *conf;
    size_t n;
    struct plan plans[];
};

static void close_socket(struct listener *l, bool unlink_path)
{
    if (!l->ev)
        return;
    evconnlistener_free(l->ev);
    l->ev = NULL;
    event_del(l->resume);
    if (unlink_path && l->conf->unix_path)
        (void)unlink(l->conf->unix_path);
}

static void listener_unref(struct listener *l)
{
    if (--l->refs > 0)
        return;
    close_socket(l, false);
    event_free(l->resume);
    SSL_CTX_free(l->tls);
    conf_unref(l->conf_owner);
    free(l);
}

static void accept_again(struct listener *l)
{
    if (l->ev && l->net->open && l->n_conns < l->conf->max_connections)
        evconnlistener_enable(l->ev);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    accept_again(l);
}

/* Out of descriptors, usually: without a pause the loop would spin on it (measured: 100 % CPU). */
static void on_accept_error(struct evconnlistener *ev, void *arg)
{
    struct listener *l = arg;

    log_event(LOG_WARNING, "cannot accept", "listener", l->conf->name, "error", strerror(errno), NULL);
    evconnlistener_disable(ev);
    event_add(l->resume, &accept_pause);
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    (void)ev;
    (void)len;
    net_conn_new(arg, fd, sa);
}

void listener_conn_began(struct listener *l)
{
    l->refs++;
    l->n_conns++;
    if (l->ev && l->n_conns >= l->conf->max_connections)
        evconnlistener_disable(l->ev);
}

void listener_conn_ended(struct listener *l)
{
    l->n_conns--;
    if (!event_pending(l->resume, EV_TIMEOUT, NULL))
        accept_again(l);
    listener_unref(l);
}

static enum pke_err cannot(struct pke_fail *fail, const struct conf_listener *c, const char *what)
{
    return pke_fail_set(fail, PKE_CONFIG, "listener", "pkienrolld.conf listeners", "listener %s: %s: %s",
                        c->name, what, strerror(errno));
}

/* A socket file that nobody listens on is left from a process that was killed. */
static bool is_stale(const struct sockaddr_un *sun)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof *sun) != 0 && errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return stale;
}

static enum pke_err open_unix(const struct conf_listener *c, int *ret, struct pke_fail *fail)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(c->unix_path) >= sizeof sun.sun_path) {
        errno = ENAMETOOLONG;
        return cannot(fail, c, "unix socket");
    }
    strcpy(sun.sun_path, c->unix_path);
    if (is_stale(&sun))
        (void)unlink(c->unix_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) != 0 || chmod(c->unix_path, UNIX_MODE) != 0 ||
        listen(fd, BACKLOG) != 0) {
        enum pke_err err = cannot(fail, c, "unix socket");

        if (fd >= 0)
            close(fd);
        return err;
    }
    *ret = fd;
    return PKE_OK;
}

static bool make_address(const struct conf_listener *c, unsigned port, struct sockaddr_storage *ss,
                         socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

    memset(ss, 0, sizeof *ss);
    if (inet_pton(AF_INET, c->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return true;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    *len = sizeof *v6;
    return inet_pton(AF_INET6, c->address, &v6->sin6_addr) == 1;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                         : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

static enum pke_err open_port(const struct conf_listener *c, unsigned port, int *ret, struct pke_fail *fail)
{
    struct sockaddr_storage ss;
    socklen_t len;
    const int on = 1;
    int fd;

    if (!c->address || !make_address(c, port, &ss, &len)) {
        errno = EADDRNOTAVAIL;
        return cannot(fail, c, "address");
    }
    fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (ss.ss_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, BACKLOG) != 0) {
        enum pke_err err = cannot(fail, c, c->address);

        if (fd >= 0)
            close(fd);
        return err;
    }
    *ret = fd;
    return PKE_OK;
}

/* The port that the process before this one had picked: clients know it by now. 0: none. */
static unsigned hinted_port(const struct net *net, const struct conf_listener *c)
{
    PKE_CLEANUP(pke_free_p) char *name = pke_asprintf("listener %s", c->name);
    const char *address = pke_pairs_get(&net->role->hints, name);
    const char *colon = address ? strrchr(address, ':') : NULL;

    return colon ? (unsigned)strtoul(colon + 1, NULL, 10) & 0xffff : 0;
}

static enum pke_err open_tcp(const struct net *net, const struct conf_listener *c, int *ret,
                             struct pke_fail *fail)
{
    unsigned hint = c->port == 0 ? hinted_port(net, c) : 0;

    if (hint && open_port(c, hint, ret, fail) == PKE_OK)
        return PKE_OK;
    return open_port(c, (unsigned)c->port, ret, fail);
}

static bool is_loopback(const struct sockaddr_storage *ss)
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)ss)->sin6_addr;

    if (ss->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)ss)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
}

/* A socket of the service manager: a duplicate, because it must outlive this configuration. */
static enum pke_err open_passed(const struct net *net, const struct conf_listener *c, int *ret,
                                struct pke_fail *fail)
{
    const struct passed_socket *s = net->passed;
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;

    while (s && strcmp(s->name, c->socket) != 0)
        s = s->next;
    if (!s)
        return pke_fail_set(fail, PKE_CONFIG, "listener", "systemd.socket(5) FileDescriptorName=",
                            "listener %s: the service manager passed no socket named %s", c->name, c->socket);
    if (getsockname(s->fd, (struct sockaddr *)&ss, &len) != 0 ||
        (ss.ss_family != AF_INET && ss.ss_family != AF_INET6) || (!c->tls_certificate && !is_loopback(&ss)))
        return pke_fail_set(
            fail, PKE_CONFIG, "listener", "pkienrolld.conf listeners",
            "listener %s: the socket %s must be a TCP socket, and on a loopback address without TLS", c->name,
            c->socket);
    *ret = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
    if (*ret < 0 || evutil_make_socket_nonblocking(*ret) != 0) {
        enum pke_err err = cannot(fail, c, c->socket);

        if (*ret >= 0)
            close(*ret);
        return err;
    }
    return PKE_OK;
}

static enum pke_err listener_new(struct net *net, struct conf *conf, const struct conf_listener *c,
                                 struct listener **ret, struct pke_fail *fail)
{
    enum pke_err err;
    struct listener *l;
    int fd = -1;

    err = c->unix_path ? open_unix(c, &fd, fail)
          : c->socket  ? open_passed(net, c, &fd, fail)
                       : open_tcp(net, c, &fd, fail);
    if (err != PKE_OK)
        return err;
    l = pke_calloc(1, sizeof *l);
    l->refs = 1;
    l->net = net;
    l->conf_owner = conf_ref(conf);
    l->conf = c;
    l->port = c->unix_path ? 0 : bound_port(fd);
    l->ev = evconnlistener_new(net->base, on_accept, l,
                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
    l->resume = event_new(net->base, -1, 0, on_resume, l);
    if (!l->ev || !l->resume)
        pke_oom();
    evconnlistener_set_error_cb(l->ev, on_accept_error);
    *ret = l;
    return PKE_OK;
}

/* Is the socket of @p l the one that @p c asks for? Any free port is kept under the same name only. */
static bool same_socket(const struct listener *l, const struct conf_listener *c)
{
    if (!l->ev || !l->conf->unix_path != !c->unix_path || !l->conf->socket != !c->socket)
        return false;
    if (c->socket)
        return strcmp(l->conf->socket, c->socket) == 0;
    if (c->unix_path)
        return strcmp(l->conf->unix_path, c->unix_path) == 0;
    return c->address && strcmp(l->conf->address, c->address) == 0 && l->conf->port == c->port &&
           (c->port != 0 || strcmp(l->conf->name, c->name) == 0);
}

static enum pke_err plan_one(struct net *net, struct listener_set *set, struct plan *p, struct pke_fail *fail)
{
    enum pke_err err = uids_resolve(&p->conf->peer_uids, "peer-uids", &p->peers, fail);

    if (err == PKE_OK && p->conf->tls_certificate)
        err = tls_context_new(p->conf, &p->tls, fail);
    if (err != PKE_OK)
        return err;
    for (struct listener *l = net->listeners; l && !p->keep; l = l->next)
        if (same_socket(l, p->conf))
            p->keep = l;
    if (p->keep)
        p->keep->refs++; /* a stop may come before the commit */
    return p->keep ? PKE_OK : listener_new(net, set->conf, p->conf, &p->fresh, fail);
}

enum pke_err listeners_prepare(struct net *net, const struct conf *conf, struct listener_set **ret,
                               struct pke_fail *fail)
{
    struct listener_set *set = pke_calloc(1, sizeof *set + conf->n_listeners * sizeof *set->plans);

    set->conf = conf_ref(conf);
    for (; set->n < conf->n_listeners; set->n++) {
        struct plan *p = &set->plans[set->n];
        enum pke_err err;

        p->conf = &conf->listeners[set->n];
        err = plan_one(net, set, p, fail);
        if (err != PKE_OK) {
            set->n++; /* what this one has already is released too */
            listeners_abort(set);
            return err;
        }
    }
    *ret = set;
    return PKE_OK;
}

void listeners_abort(struct listener_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->plans[i].fresh) {
            close_socket(set->plans[i].fresh, true);
            listener_unref(set->plans[i].fresh);
        }
        if (set->plans[i].keep)
            listener_unref(set->plans[i].keep);
        SSL_CTX_free(set->plans[i].tls);
    }
    conf_unref(set->conf);
    free(set);
}

static void take_over(struct listener *l, struct conf *conf, struct plan *p)
{
    struct conf *old = l->conf_owner;

    l->conf_owner = conf_ref(conf);
    l->conf = p->conf;
    l->peers = p->peers;
    conf_unref(old);
    SSL_CTX_free(l->tls);
    l->tls = PKE_TAKE(p->tls);
    accept_again(l);
}

static bool detach(struct net *net, struct listener *l)
{
    struct listener **at = &net->listeners;

    while (*at && *at != l)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = l->next;
    return true;
}

void listeners_commit(struct net *net, struct listener_set *set)
{
    struct listener *all = NULL;

    for (size_t i = set->n; i-- > 0;) {
        struct plan *p = &set->plans[i];
        struct listener *l = p->keep ? p->keep : p->fresh;

        if (detach(net, l))
            l->refs--; /* the owner was the old set; now it is the plan's reference */
        take_over(l, set->conf, p);
        l->next = all;
        all = l;
    }
    listeners_stop(net); /* what is left is not configured any more */
    net->listeners = all;
    conf_unref(set->conf);
    free(set);
}

void listeners_open(struct net *net)
{
    net->open = true;
    for (struct listener *l = net->listeners; l; l = l->next)
        accept_again(l);
}

void listeners_stop(struct net *net)
{
    while (net->listeners) {
        struct listener *l = net->listeners;

        net->listeners = l->next;
        close_socket(l, true);
        listener_unref(l);
    }
}

struct listener *listener_find(const struct net *net, const char *name)
{
    for (struct listener *l = net->listeners; l; l = l->next)
        if (strcmp(l->conf->name, name) == 0)
            return l;
    return NULL;
}

char *listener_text(const struct listener *l)
{
    if (l->conf->unix_path)
        return pke_asprintf("unix:%s", l->conf->unix_path);
    if (l->conf->socket)
        return pke_asprintf("socket:%s, port %u", l->conf->socket, l->port);
    return pke_asprintf(strchr(l->conf->address, ':') ? "[%s]:%u" : "%s:%u", l->conf->address, l->port);
}
