/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon is, in a word and in a sentence: for status and for the service manager. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/main/supervisor.h"

#define ERROR_MAX       120 /* of the text of one key; the rest is in `key list` */
#define KEY_MAX         512
#define STATUS_TEXT_MAX 1000

static bool has_word(const struct child *c, const char *state)
{
    return c->told_state && strcmp(c->told_state, state) == 0;
}

bool status_is_hopeless(const struct child *c)
{
    return c->role == ROLE_KEY && c->restarts > 0;
}

bool status_all_settled(const struct supervisor *s)
{
    for (const struct child *c = s->children; c; c = c->next)
        if (c->wanted && (c->state != CHILD_RUNNING || !c->settled) && !status_is_hopeless(c))
            return false;
    return true;
}

/* A process that was ended is not there; one that had to be started again waits for its device. */
static const char *key_word(const struct child *c)
{
    if (c->told_state && strcmp(c->told_state, "starting") != 0)
        return c->told_state;
    return status_is_hopeless(c) ? "recovering" : "starting";
}

static bool all_keys_ready(const struct supervisor *s)
{
    for (const struct child *c = s->children; c; c = c->next)
        if (c->wanted && c->role == ROLE_KEY && !has_word(c, "ready") && strcmp(key_word(c), "starting") != 0)
            return false;
    return true;
}

/* issuer serves, and says what is wrong all the same. */
static bool issuer_complains(const struct supervisor *s)
{
    for (const struct child *c = s->children; c; c = c->next)
        if (c->wanted && c->role == ROLE_ISSUER && has_word(c, "degraded"))
            return true;
    return false;
}

const char *lifecycle_state(const struct supervisor *s)
{
    if (s->stopping)
        return "stopping";
    if (s->draining)
        return "draining";
    if (!status_all_settled(s))
        return s->ready_told ? "degraded" : "starting";
    return all_keys_ready(s) && !issuer_complains(s) ? "ready" : "degraded";
}

/* One line, cut between characters: a line break would begin another of our words to the service manager. */
static void add_line(struct pke_buf *out, const char *text)
{
    for (size_t i = 0; text[i] && (i < ERROR_MAX || ((uint8_t)text[i] & 0xc0) == 0x80); i++)
        pke_buf_add_u8(out, (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? ' ' : (uint8_t)text[i]);
}

static void add_key(const struct supervisor *s, const struct child *c, struct pke_buf *out)
{
    const struct conf_key *conf = conf_find_key(s->conf, c->name);
    struct pke_buf one;

    pke_buf_init(&one, KEY_MAX);
    pke_buf_printf(&one, "; key %s", c->name);
    if (conf && conf->instances > 1)
        pke_buf_printf(&one, "/%u", c->index);
    pke_buf_printf(&one, " is %s", key_word(c));
    if (c->told_text && !has_word(c, "ready")) {
        pke_buf_add_str(&one, ": ");
        add_line(&one, c->told_text);
    }
    if (out->n + one.n <= STATUS_TEXT_MAX)
        pke_buf_add_bytes(out, pke_buf_bytes(&one));
    pke_buf_done(&one);
}

static void add_issuer(const struct child *c, struct pke_buf *out)
{
    if (out->n + ERROR_MAX + 8 > STATUS_TEXT_MAX)
        return;
    pke_buf_add_str(out, "; ");
    add_line(out, c->told_text ? c->told_text : "issuer is degraded");
}

/* Keys that are not ready come first, then what issuer complains of: what is beyond the limit is left out. */
void status_sentence(const struct supervisor *s, struct pke_buf *out)
{
    pke_buf_add_str(out, lifecycle_state(s));
    for (unsigned ready = 0; ready < 2 && !s->stopping; ready++) {
        for (const struct child *c = s->children; c; c = c->next)
            if (c->wanted && c->role == ROLE_KEY && has_word(c, "ready") == ready)
                add_key(s, c, out);
        for (const struct child *c = s->children; !ready && c; c = c->next)
            if (c->wanted && c->role == ROLE_ISSUER && has_word(c, "degraded"))
                add_issuer(c, out);
    }
}
