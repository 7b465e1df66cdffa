/* SPDX-License-Identifier: Apache-2.0 */
/* Socket activation: what the service manager opened goes to net, and stays open here while net or its
 * configuration comes and goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/common/log.h"
#include "daemon/main/notify.h"
#include "daemon/main/supervisor.h"

static bool is_listening_stream(int fd)
{
    int type = 0, listening = 0;
    socklen_t len = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
        return false;
    len = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static enum pke_err check_socket(const struct supervisor *s, size_t i, struct pke_fail *fail)
{
    const struct main_socket *m = &s->sockets[i];
    bool used = false;

    if (!is_listening_stream(m->fd))
        return pke_fail_set(fail, PKE_CONFIG, "socket-kind", "sd_listen_fds(3)",
                            "the socket %s of the service manager is not a listening stream socket", m->name);
    for (size_t k = 0; k < i; k++)
        if (strcmp(s->sockets[k].name, m->name) == 0)
            return pke_fail_set(fail, PKE_CONFIG, "socket-name", "systemd.socket(5) FileDescriptorName=",
                                "two sockets of the service manager are named %s", m->name);
    for (size_t k = 0; k < s->conf->n_listeners; k++)
        used = used || (s->conf->listeners[k].socket && strcmp(s->conf->listeners[k].socket, m->name) == 0);
    if (!used)
        log_event(LOG_WARNING, "no listener uses this socket of the service manager: its clients will wait",
                  "socket", m->name, NULL);
    return PKE_OK;
}

enum pke_err sockets_take(struct supervisor *s, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;
    char **names = NULL;
    int first, n = notify_sockets(&first, &names);

    if (n < 0)
        return pke_fail_set(fail, PKE_CONFIG, "sockets", "sd_listen_fds(3)", "%s", strerror(errno));
    s->sockets = pke_calloc((size_t)n + 1, sizeof *s->sockets);
    s->n_sockets = (size_t)n;
    for (size_t i = 0; i < s->n_sockets; i++)
        s->sockets[i] = (struct main_socket){.name = names[i], .fd = first + (int)i};
    free(names);
    for (size_t i = 0; i < s->n_sockets && err == PKE_OK; i++)
        err = check_socket(s, i, fail);
    return err;
}

void sockets_send(const struct supervisor *s, struct child *net)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        struct msg_socket m = {.name = s->sockets[i].name};
        int fd = fcntl(s->sockets[i].fd, F_DUPFD_CLOEXEC, 0);
        struct pke_buf b;

        if (fd < 0) {
            log_event(LOG_ERR, "cannot pass on a socket", "socket", m.name, "error", strerror(errno), NULL);
            continue;
        }
        pke_buf_init(&b, 4096);
        (void)ipc_record_write(msg_socket_fields, &m, &b);
        chan_send_fd(net->chan, MSG_SOCKET, 0, pke_buf_bytes(&b), fd);
        pke_buf_done(&b);
    }
}

void sockets_close(struct supervisor *s)
{
    for (size_t i = 0; i < s->n_sockets; i++) {
        close(s->sockets[i].fd);
        free(s->sockets[i].name);
    }
    free(s->sockets);
}
