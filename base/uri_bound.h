/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Bounds of URIs: a beginning that is configured, what is within it. The configuration tells a bad one with
 * its line, the floor (ca/floor.h) has the last word; both by these rules.
 */
#ifndef BASE_URI_BOUND_H
#define BASE_URI_BOUND_H

#include <stdbool.h>

/**
 * Can this be the beginning of URIs that are certified? It ends with one of ":/?#=" and has a whole host,
 * with the "/" behind it, or none where its scheme needs none ("urn:corp:"). That of security identifiers,
 * which have bounds of their own, is none.
 */
bool pke_uri_bound(const char *prefix);

/**
 * Begins @p uri with @p prefix, octet for octet, and stays there? It has a host only when the beginning has
 * it (RFC 3986 3.2), and no segment "." or "..", however written, which whoever resolves it would take away
 * (5.2.4, 6.2.2).
 */
bool pke_uri_within(const char *prefix, const char *uri);

#endif
