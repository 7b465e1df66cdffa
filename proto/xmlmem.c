/* SPDX-License-Identifier: Apache-2.0 */
/* libxml2's memory: fail-stop when there is none, overwritten when released. */
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlmemory.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/xmltree.h"

/* Plain counters: a process parses in one thread (xmltree.h). */
static size_t memory_used;
static size_t memory_peak;

static void *count(void *p)
{
    memory_used += malloc_usable_size(p);
    if (memory_used > memory_peak)
        memory_peak = memory_used;
    return p;
}

static void wiping_free(void *p)
{
    size_t n;

    if (!p)
        return;
    n = malloc_usable_size(p);
    memory_used = memory_used > n ? memory_used - n : 0;
    explicit_bzero(p, n);
    free(p);
}

static void *counting_malloc(size_t n)
{
    return count(pke_malloc(n));
}

/* realloc() may move a block and leave its content behind, so it is done by hand. */
static void *wiping_realloc(void *old, size_t n)
{
    size_t have;
    void *p;

    if (!old)
        return counting_malloc(n);
    have = malloc_usable_size(old);
    if (n <= have && n > have / 2)
        return old;
    p = counting_malloc(n);
    memcpy(p, old, have < n ? have : n);
    wiping_free(old);
    return p;
}

static char *counting_strdup(const char *s)
{
    return count(pke_strdup(s));
}

static xmlParserInputPtr refuse_entity(const char *url, const char *id, xmlParserCtxtPtr ctxt)
{
    (void)url;
    (void)id;
    (void)ctxt;
    return NULL;
}

/* A library does not print: what matters reaches the caller as a result. */
static void ignore_error(void *user, xmlErrorPtr error)
{
    (void)user;
    (void)error;
}

void xml_global_init(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    xmlMemSetup(wiping_free, counting_malloc, wiping_realloc, counting_strdup);
    xmlInitParser();
    xmlSetExternalEntityLoader(refuse_entity);
    xmlSetStructuredErrorFunc(NULL, ignore_error);
}

size_t xml_memory_used(void)
{
    return memory_used;
}

size_t xml_memory_peak(void)
{
    return memory_peak;
}

void xml_memory_peak_reset(void)
{
    memory_peak = memory_used;
}
