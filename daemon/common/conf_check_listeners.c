/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between options: listeners, and whom they believe what of the client. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "daemon/common/conf_impl.h"
#include "daemon/common/netaddr.h"

static bool loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && memcmp(&v6, &in6addr_loopback, sizeof v6) == 0;
}

static void check_address(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];
    uint8_t raw[16];

    if (inet_pton(AF_INET, l->address, raw) != 1 && inet_pton(AF_INET6, l->address, raw) != 1)
        conf_bad(ci, CONF_LISTENERS, i, "address", "expects an IP address such as 127.0.0.1 or ::1");
    else if (!l->tls_certificate && !l->tls_key && !(l->frontend && loopback(l->address)))
        conf_bad(ci, CONF_LISTENERS, i, "tls-certificate",
                 "TCP without TLS is only for a frontend listener on a loopback address");
    if (!conf_given(ci, CONF_LISTENERS, i, "port"))
        conf_bad(ci, CONF_LISTENERS, i, "port", "is needed with address");
}

static void check_unix(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];
    const struct conf_node *frontend = conf_node_get(ci->nodes[CONF_LISTENERS][i], "frontend");

    if (l->port)
        conf_bad(ci, CONF_LISTENERS, i, "port", "a unix socket has no port");
    if (l->tls_certificate || l->tls_key)
        conf_bad(ci, CONF_LISTENERS, i, l->tls_certificate ? "tls-certificate" : "tls-key",
                 "a unix socket has no TLS");
    if (frontend && frontend->text &&
        (strcmp(frontend->text, "no") == 0 || strcmp(frontend->text, "false") == 0))
        conf_bad(ci, CONF_LISTENERS, i, "frontend", "a unix socket is always a frontend listener");
}

/* Where the socket is bound is known to net only, which refuses TCP without TLS outside loopback as well. */
static void check_socket(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];

    if (l->port)
        conf_bad(ci, CONF_LISTENERS, i, "port", "the service manager chose the port of the socket");
    if (!l->tls_certificate && !l->tls_key && !l->frontend)
        conf_bad(ci, CONF_LISTENERS, i, "tls-certificate",
                 "TCP without TLS is only for a frontend listener on a loopback address");
}

static void check_listener_tls(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];
    bool asks = l->client_cert != CONF_CLIENT_CERT_OFF;

    if (!l->tls_certificate != !l->tls_key)
        conf_bad(ci, CONF_LISTENERS, i, l->tls_key ? "tls-certificate" : "tls-key",
                 "tls-certificate and tls-key are given together");
    if (asks && !l->tls_certificate)
        conf_bad(ci, CONF_LISTENERS, i, "client-cert", "needs tls-certificate");
    if (asks && !l->client_ca)
        conf_bad(ci, CONF_LISTENERS, i, "client-ca", "is needed with client-cert");
    if (!asks && l->client_ca)
        conf_bad(ci, CONF_LISTENERS, i, "client-ca", "has no effect while client-cert is off");
    if (l->public_url && !conf_https_url(l->public_url, false))
        conf_bad(ci, CONF_LISTENERS, i, "public-url", "expects https://HOST or https://HOST:PORT");
}

static bool is_field_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    static const char *const framing[] = {
        "host", "connection", "content-length", "transfer-encoding", "keep-alive", "expect", "te", "upgrade"};

    for (size_t i = 0; i < PKE_LEN(framing); i++)
        if (strcasecmp(name, framing[i]) == 0)
            return false;
    return strspn(name, good) == strlen(name);
}

/* Their word is taken for the client's certificate or name: it has to be theirs (A15). */
static bool peers_are_proven(const struct conf_listener *l)
{
    if (l->unix_path)
        return l->peer_uids.n > 0;
    return l->client_cert == CONF_CLIENT_CERT_REQUIRE || (l->proxy_protocol && l->proxy_from.n > 0);
}

static void check_forwarded(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];
    const struct {
        const char *option, *value;
    } fields[] = {{"client-cert-header", l->client_cert_header},
                  {"source-header", l->source_header},
                  {"assertion-header", l->assertion_header}};

    for (size_t k = 0; k < PKE_LEN(fields); k++) {
        if (!fields[k].value)
            continue;
        if (!is_field_name(fields[k].value))
            conf_bad(ci, CONF_LISTENERS, i, fields[k].option,
                     "expects the name of a header field, letters, digits and dashes, that does not frame "
                     "the request");
        else if (!l->frontend)
            conf_bad(ci, CONF_LISTENERS, i, fields[k].option, "is only for frontend listeners");
        else if (!peers_are_proven(l))
            conf_bad(ci, CONF_LISTENERS, i, fields[k].option,
                     "anybody could send it: the listener needs peer-uids (unix), client-cert require (TLS) "
                     "or proxy-protocol with proxy-from");
    }
}

static void check_proxy(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];

    if (l->proxy_protocol && !l->unix_path && l->proxy_from.n == 0)
        conf_bad(ci, CONF_LISTENERS, i, "proxy-from", "is needed with proxy-protocol: whose word is taken");
    if (l->proxy_from.n && (!l->proxy_protocol || l->unix_path))
        conf_bad(ci, CONF_LISTENERS, i, "proxy-from", "has no effect without proxy-protocol on TCP");
    for (size_t k = 0; k < l->proxy_from.n; k++)
        if (!netaddr_range_valid(l->proxy_from.v[k]))
            conf_bad_item(ci, CONF_LISTENERS, i, "proxy-from", l->proxy_from.v[k],
                          "%s is no address and no network such as 10.1.0.0/16", l->proxy_from.v[k]);
    if (l->peer_uids.n && !l->unix_path)
        conf_bad(ci, CONF_LISTENERS, i, "peer-uids", "belongs to a unix socket");
}

static bool same_place(const struct conf_listener *a, const struct conf_listener *b)
{
    if (a->unix_path && b->unix_path)
        return strcmp(a->unix_path, b->unix_path) == 0;
    if (a->socket && b->socket)
        return strcmp(a->socket, b->socket) == 0;
    return a->address && b->address && a->port && a->port == b->port && strcmp(a->address, b->address) == 0;
}

void conf_check_listener(struct conf_impl *ci, size_t i)
{
    const struct conf_listener *l = &ci->conf.listeners[i];

    if (!!l->address + !!l->unix_path + !!l->socket != 1)
        conf_bad(ci, CONF_LISTENERS, i,
                 l->address && l->unix_path ? "unix"
                 : l->socket                ? "socket"
                                            : "address",
                 "exactly one of address, unix and socket is needed");
    else if (l->address)
        check_address(ci, i);
    else if (l->unix_path)
        check_unix(ci, i);
    else
        check_socket(ci, i);
    check_listener_tls(ci, i);
    check_proxy(ci, i);
    check_forwarded(ci, i);
    for (size_t k = 0; k < i; k++)
        if (same_place(l, &ci->conf.listeners[k]))
            conf_bad(ci, CONF_LISTENERS, i,
                     l->unix_path ? "unix"
                     : l->socket  ? "socket"
                                  : "address",
                     "the listener %s is there already", ci->conf.listeners[k].name);
    if (l->unix_path && ci->conf.global.control_socket &&
        strcmp(l->unix_path, ci->conf.global.control_socket) == 0)
        conf_bad(ci, CONF_LISTENERS, i, "unix", "is the control socket");
}
