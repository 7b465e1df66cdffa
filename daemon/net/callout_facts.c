/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of calls, as a fact for main. */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/net/callout_impl.h"

static json_t *section_of(json_t *all, const char *section)
{
    json_t *o = json_object_get(all, section);

    if (!o) {
        o = json_object();
        json_object_set_new(all, section, o);
    }
    return o;
}

static void add_counts(const struct callout_counts *c, void *arg)
{
    const struct {
        const char *name;
        uint64_t n;
    } members[] = {{"answered", c->answered},   {"status", c->refused_status},
                   {"late", c->late},           {"queue", c->queue},
                   {"down", c->down},           {"tls", c->tls},
                   {"peer", c->peer},           {"too_long", c->too_long},
                   {"malformed", c->malformed}, {"retries", c->retries},
                   {"in_flight", c->in_flight}, {"waiting", c->waiting},
                   {"sum_ms", c->sum_ms},       {"max_ms", c->max_ms}};
    json_t *o = json_object();

    for (size_t i = 0; i < PKE_LEN(members); i++)
        json_object_set_new(o, members[i].name, json_integer((json_int_t)members[i].n));
    json_object_set_new(section_of(arg, c->section), c->name, o);
}

void callouts_facts(const struct callouts *c, struct pke_arena *arena, struct pke_pairs *out)
{
    json_t *all = json_object();
    char *text;

    callouts_each(c, add_counts, all);
    text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    if (json_object_size(all) > 0)
        pke_pairs_add(out, arena, "callouts", text);
    free(text);
    json_decref(all);
}
