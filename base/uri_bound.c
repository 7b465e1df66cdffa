/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uri_bound.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/names.h"

/* Behind "scheme:"; NULL: there is no scheme (RFC 3986 3.1). */
static const char *behind_scheme(const char *uri)
{
    static const char alpha[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    size_t n = strspn(uri, more);

    return strchr(alpha, *uri) && *uri && uri[n] == ':' ? uri + n + 1 : NULL;
}

/* Behind the authority; the same when there is none. */
static const char *path_of(const char *rest)
{
    return strncmp(rest, "//", 2) == 0 ? rest + 2 + strcspn(rest + 2, "/?#") : rest;
}

static size_t dot(const char *s)
{
    if (*s == '.')
        return 1;
    return strncasecmp(s, "%2e", 3) == 0 ? 3 : 0;
}

/* A segment "." or "..", however written, is gone once somebody resolves the URI. */
static bool has_dot_segment(const char *path)
{
    for (;;) {
        size_t first = dot(path), both = first ? first + dot(path + first) : 0;

        if (first && strchr("/?#", path[both]))
            return true;
        path += strcspn(path, "/?#");
        if (*path != '/')
            return false;
        path++;
    }
}

bool pke_uri_within(const char *prefix, const char *uri)
{
    const char *rest = behind_scheme(uri), *of_prefix = behind_scheme(prefix);

    if (!rest || !of_prefix || strncmp(uri, prefix, strlen(prefix)) != 0)
        return false;
    if (strncmp(of_prefix, "//", 2) != 0 && strncmp(rest, "//", 2) == 0)
        return false; /* a host, where none was meant */
    return !has_dot_segment(path_of(rest));
}

/* Schemes whose URIs have a host: without one in the prefix it would be any. */
static bool has_host(const char *prefix)
{
    static const char *const schemes[] = {"http:", "https:", "ws:", "wss:", "ldap:", "ldaps:", "ftp:"};

    for (size_t i = 0; i < PKE_LEN(schemes); i++)
        if (strncasecmp(prefix, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

bool pke_uri_bound(const char *prefix)
{
    const char *rest = behind_scheme(prefix), *path;

    if (!rest || !strchr(":/?#=", prefix[strlen(prefix) - 1]) ||
        strncasecmp(prefix, PKE_SID_URI_PREFIX, strlen(PKE_SID_URI_PREFIX)) == 0)
        return false;
    path = path_of(rest);
    if (has_dot_segment(path))
        return false;
    if (strncmp(rest, "//", 2) == 0)
        return path > rest + 2 && *path == '/'; /* a whole host: not one that only begins so */
    return *rest != '/' && !has_host(prefix);
}
