/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What a proxy in front says of the client, in header fields: its certificate, its address, the ids of the
 * request. Only of listeners whose peers are proven to be the proxy (conf_listener.frontend); the names are
 * those of the configuration, compared byte by byte without regard to ASCII case, so that X_Remote_User is
 * never X-Remote-User. Pure: no sockets.
 */
#ifndef DAEMON_NET_FORWARDED_H
#define DAEMON_NET_FORWARDED_H

#include "base/arena.h"
#include "daemon/common/conf.h"
#include "daemon/common/http.h"
#include "daemon/common/netaddr.h"

#define FORWARDED_ID_MAX        128
#define FORWARDED_ASSERTION_MAX 8192 /* bytes, as of any token */

struct forwarded {
    struct pke_bytes client_certificate; /* DER; empty: the client showed none */
    bool has_source;
    struct netaddr source;
    struct pke_bytes assertion; /* compact JWS of the frontend about the client; empty: none */
    const char *request_id;     /* X-Request-Id; NULL: none that can be logged */
    const char *traceparent;    /* W3C Trace Context; NULL: none */
};

/**
 * Read the fields that @p listener names. A field that is there twice, that the Connection field lists, or
 * that does not hold what it should is refused: PKE_MALFORMED, to be answered 400. An empty value counts as
 * absent, as nginx sends it. What is returned lives in @p arena.
 */
enum pke_err forwarded_read(const struct http_request *req, const struct conf_listener *listener,
                            struct pke_arena *arena, struct forwarded *ret, struct pke_fail *fail);

/**
 * One field of a trusted frontend by name: *value is empty when it is absent.
 * @return PKE_MALFORMED when it is there twice or listed in Connection (reliability: hop-by-hop removal).
 */
enum pke_err forwarded_field(const struct http_request *req, const char *name, struct pke_bytes *value,
                             struct pke_fail *fail);

#endif
