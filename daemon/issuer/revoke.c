/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators revoke, hold and release from hold: one certificate, or all of a device or a principal. Many
 * are done in chunks, each a change of its own in the next group, so that enrollments go on in between; one
 * call does a page of them. What is done is durable whatever comes later, and is skipped when the call is
 * made again.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/common/log.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/scope.h"
#include "ledger/crl.h"

#define RULE          "control API: revocation"
#define CHUNK         50          /* certificates in one change, */
#define CHUNK_US      10000       /* or as many as can be done in this time */
#define PAGE          500         /* of one call, at most */
#define PAGE_BYTES    (36u << 10) /* of JSON, so that the answer fits into a frame */
#define WITHOUT_COUNT 10          /* more than these only for who says how many they are */
#define MAX_ISSUERS   CHUNK

enum stage { STAGE_COUNT, STAGE_CHANGE };

/* A call on its way, and who wants to know. */
struct revocation {
    struct pke_arena *arena, *scratch; /* scratch: emptied for each chunk */
    uint64_t control;                  /* the asker: a number, as in verbs_ledger.c */
    uint64_t id;
    enum stage stage;
    const char *key;         /* one certificate; NULL: a selection */
    const char *limit;       /* with key: only one of this tenant; NULL: whoever's */
    const char *issuer_name; /* with release and key, a serial: of this issuer */
    uint8_t issuer_id[20];   /* its id */
    bool carried;            /* an older CRL alone knew of it */
    const char *state;       /* what the answer says of the device; NULL: nothing */
    bool device_first;       /* release or block the device, with the first chunk */
    enum ledger_device_change device;
    bool known;   /* the device or principal has certificates, or need not have any */
    bool release; /* end holds, in place of revoking */
    struct ledger_revoke how;
    struct ledger_selection which;
    struct ledger_place place;
    int64_t count; /* how many they must be; 0: not said */
    int64_t counted;
    bool last; /* there are no more */
    unsigned changed, unchanged, in_flight;
    size_t bytes; /* of the items, about */
    json_t *items;
    uint8_t issuers[MAX_ISSUERS][20]; /* that need a new CRL after the commit */
    size_t n_issuers;
};

static void revocation_free(struct revocation *r)
{
    json_decref(r->items);
    pke_arena_free(r->scratch);
    pke_arena_free(r->arena);
    free(r);
}

static bool asker_is_there(const struct issuer *is, const struct revocation *r)
{
    return is->control && r->control == is->control_links;
}

static void end_failed(struct issuer *is, struct revocation *r, const struct pke_fail *fail)
{
    if (asker_is_there(is, r))
        verbs_refuse(is->control, r->id, fail);
    revocation_free(r);
}

/* A cursor is where the page ended: "time-row". */
static json_t *cursor_json(const struct revocation *r)
{
    char text[48];

    if (r->last || r->key)
        return json_null();
    snprintf(text, sizeof text, "%" PRId64 "-%" PRId64, r->place.received_at, r->place.id);
    return json_string(text);
}

static bool read_cursor(const char *text, struct ledger_place *ret)
{
    char *end;

    ret->received_at = strtoll(text, &end, 10);
    if (end == text || *end != '-')
        return false;
    text = end + 1;
    ret->id = strtoll(text, &end, 10);
    return end != text && !*end && ret->received_at >= 0 && ret->id > 0;
}

static void end_well(struct issuer *is, struct revocation *r)
{
    bool more = !r->last;
    struct pke_fail fail;
    json_t *answer =
        json_pack("{s:s, s:b, s:i, s:i, s:i, s:O, s:o}", "reason",
                  r->release ? "removeFromCRL" : ledger_reason_text(r->how.reason), "dry_run", r->how.dry_run,
                  r->release ? "released" : "revoked", (int)r->changed, "unchanged", (int)r->unchanged,
                  "in_flight", (int)r->in_flight, "items", r->items, "next", cursor_json(r));

    if (r->state)
        json_object_update_new(answer,
                               json_pack("{s:s, s:s}", "device_id", r->which.device_id, "state", r->state));
    if (asker_is_there(is, r))
        verbs_reply(is->control, r->id, answer);
    else
        json_decref(answer);
    revocation_free(r);
    /* who revokes page after page leaves no idle moment for it, and many pages at once would be felt */
    if (more && ledger_checkpoint(is->ledger, &fail) != PKE_OK)
        log_fail(LOG_WARNING, "checkpoint", &fail, NULL);
}

/* ---- what one certificate's change gives ---- */

static size_t length(const char *s)
{
    return s ? 2 * strlen(s) : 4;
}

static const char *result_of(const struct revocation *r, bool changed)
{
    if (!changed)
        return "unchanged";
    if (r->release)
        return "released";
    return r->how.reason == LEDGER_REASON_HOLD ? "held" : "revoked";
}

static void note_item(struct revocation *r, const struct ledger_selected *c, bool changed)
{
    char hex[65], not_after[PKE_RFC3339_SIZE];
    bool known = c->request_id != NULL;

    pke_hex(PKE_BYTES(c->sha256, sizeof c->sha256), false, hex);
    pke_time_rfc3339(c->not_after, not_after);
    json_array_append_new(r->items, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}", "result",
                                              result_of(r, changed), "serial", c->serial_hex, "subject",
                                              c->subject, "device_id", c->device_id, "principal",
                                              c->principal, "request_id", c->request_id, "not_after",
                                              known ? not_after : NULL, "sha256", known ? hex : NULL));
    r->bytes += 260 + length(c->subject) + length(c->device_id) + length(c->principal);
    r->changed += changed;
    r->unchanged += !changed;
}

static void note_issuer(struct revocation *r, const uint8_t issuer_id[20])
{
    for (size_t i = 0; i < r->n_issuers; i++)
        if (memcmp(r->issuers[i], issuer_id, 20) == 0)
            return;
    if (r->n_issuers < MAX_ISSUERS)
        memcpy(r->issuers[r->n_issuers++], issuer_id, 20);
}

static enum pke_err change_one(struct issuer *is, struct revocation *r, const struct ledger_selected *c,
                               struct pke_fail *fail)
{
    struct ledger_revoked done;
    enum pke_err err =
        (r->release ? ledger_release_hold : ledger_revoke)(is->ledger, c->sha256, &r->how, &done, fail);

    if (err != PKE_OK)
        return err;
    note_item(r, c, done.changed);
    if (done.changed && !r->how.dry_run)
        note_issuer(r, done.issuer_id);
    return PKE_OK;
}

/* ---- in the group ---- */

/* What a list was taken over of is known by its serial alone. */
static enum pke_err apply_of_issuer(struct issuer *is, struct revocation *r, struct pke_fail *fail)
{
    struct pke_bytes id = PKE_BYTES(r->issuer_id, sizeof r->issuer_id);
    struct ledger_selected one = {0};
    struct ledger_revoked done;
    uint8_t serial[LEDGER_SERIAL_KEY_MAX];
    size_t n = ledger_serial_of_key(r->key, serial);
    char *hex = pke_arena_alloc(r->arena, 2 * sizeof serial + 1);
    enum pke_err err;

    if (!n)
        return pke_fail_set(fail, PKE_MALFORMED, "serial", RULE,
                            "with an issuer the certificate is named by its serial");
    pke_hex(PKE_BYTES(serial, n), false, hex);
    one.serial_hex = hex;
    err = ledger_crl_release(is->ledger, id, PKE_BYTES(serial, n), &r->how, &done, fail);
    if (err != PKE_OK)
        return err;
    r->last = r->carried = true;
    note_item(r, &one, done.changed);
    if (done.changed && !r->how.dry_run)
        note_issuer(r, done.issuer_id);
    return PKE_OK;
}

static enum pke_err apply_named(struct issuer *is, struct revocation *r, struct pke_fail *fail)
{
    struct ledger_certificate c;
    struct ledger_selected one = {0};
    enum pke_err err = ledger_revoke_name(is->ledger, r->limit, r->key, one.sha256, fail);

    if (err == PKE_OK)
        err = ledger_find_certificate(is->ledger, one.sha256, r->arena, &c, fail);
    if (err != PKE_OK)
        return err;
    one.request_id = c.request_id;
    one.serial_hex = c.serial_hex;
    one.subject = c.subject;
    one.device_id = c.device_id;
    one.principal = c.principal;
    one.not_after = c.not_after;
    r->last = true;
    return change_one(is, r, &one, fail);
}

/* They are counted before the first is touched: a slip of the pen must not revoke a company. */
static enum pke_err check_count(const struct revocation *r, struct pke_fail *fail)
{
    if (r->count ? r->counted == r->count : r->counted <= WITHOUT_COUNT)
        return PKE_OK;
    if (r->count)
        return pke_fail_set(fail, PKE_EXISTS, "count-differs", RULE,
                            "they are %s%" PRId64 ", not %" PRId64 ": look at them with a dry run",
                            r->counted > r->count ? "more than " : "",
                            r->counted > r->count ? r->count : r->counted, r->count);
    return pke_fail_set(fail, PKE_EXISTS, "count-needed", RULE,
                        "they are more than %d: say how many with count; a dry run tells", WITHOUT_COUNT);
}

static enum pke_err apply_count(struct issuer *is, struct revocation *r, struct pke_fail *fail)
{
    struct ledger_selected rows[CHUNK];
    size_t n;
    enum pke_err err = ledger_select(is->ledger, &r->which, &r->place, CHUNK, r->scratch, rows, &n, fail);

    if (err != PKE_OK)
        return err;
    r->counted += (int64_t)n;
    if (n)
        r->place = rows[n - 1].place;
    if (n == CHUNK && r->counted <= (r->count ? r->count : WITHOUT_COUNT))
        return PKE_OK;
    r->stage = STAGE_CHANGE;
    r->place = (struct ledger_place){0};
    return check_count(r, fail);
}

static enum pke_err apply_chunk(struct issuer *is, struct revocation *r, struct pke_fail *fail)
{
    struct ledger_selected rows[CHUNK];
    uint64_t start = keys_micros();
    size_t n;
    enum pke_err err = ledger_select(is->ledger, &r->which, &r->place, CHUNK, r->scratch, rows, &n, fail);

    for (size_t i = 0; err == PKE_OK && i < n && r->bytes < PAGE_BYTES; i++) {
        if (i && keys_micros() - start > CHUNK_US)
            break;
        err = change_one(is, r, &rows[i], fail);
        r->place = rows[i].place;
        r->last = i + 1 == n && n < CHUNK;
    }
    r->last = r->last || !n;
    return err;
}

static enum pke_err apply(struct issuer *is, struct batch_op *op, struct pke_fail *fail)
{
    struct revocation *r = op->arg;
    enum pke_err err = PKE_OK;

    pke_arena_reset(r->scratch);
    r->n_issuers = 0;
    if (r->issuer_name)
        return apply_of_issuer(is, r, fail);
    if (r->key)
        return apply_named(is, r, fail);
    if (!r->known)
        err = ledger_select_known(is->ledger, &r->which, fail);
    if (err != PKE_OK)
        return err;
    r->known = true;
    if (r->stage == STAGE_COUNT)
        return apply_count(is, r, fail);
    if (r->device_first)
        err = ledger_device_change(is->ledger, r->which.tenant, r->which.provider, r->which.device_id,
                                   r->device, r->how.by, 0, r->how.at, fail);
    r->device_first = false;
    if (err == PKE_OK)
        err = ledger_select_in_flight(is->ledger, &r->which, &r->in_flight, fail);
    return err == PKE_OK ? apply_chunk(is, r, fail) : err;
}

static void done(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail)
{
    struct revocation *r = op->arg;

    /* also of those that were changed before one failed: a list too many harms nobody */
    for (size_t i = 0; i < r->n_issuers; i++)
        (r->carried ? crl_carried_changed : crl_changed)(is, PKE_BYTES(r->issuers[i], sizeof r->issuers[i]));
    if (err != PKE_OK)
        end_failed(is, r, fail);
    else if (r->last || r->bytes >= PAGE_BYTES || r->changed + r->unchanged >= PAGE)
        end_well(is, r);
    else
        batch_add(is, apply, done, r);
}

/* ---- what was asked ---- */

static bool flag(const struct msg_verb *v, const char *name)
{
    const char *text = pke_pairs_get(&v->args, name);

    return text && strcmp(text, "true") == 0;
}

static const char *keep(struct revocation *r, const char *text)
{
    return text ? pke_arena_strdup(r->arena, text) : NULL;
}

static struct revocation *revocation_new(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    struct revocation *r = pke_calloc(1, sizeof *r);
    const char *count = pke_pairs_get(&v->args, "count");

    *r = (struct revocation){.arena = pke_arena_new(),
                             .scratch = pke_arena_new(),
                             .control = is->control_links,
                             .id = id,
                             .items = json_array()};
    r->how = (struct ledger_revoke){.at = role_wall_ms(), .dry_run = flag(v, "dry_run")};
    r->how.by = keep(r, v->actor);
    r->limit = keep(r, scope_limit(v));
    r->how.comment = keep(r, pke_pairs_get(&v->args, "comment"));
    r->count = count ? strtoll(count, NULL, 10) : 0;
    return r;
}

static enum pke_err read_reason(struct revocation *r, const struct msg_verb *v, struct pke_fail *fail)
{
    const char *text = pke_pairs_get(&v->args, "reason");
    bool hold = flag(v, "hold");

    r->how.reason = hold ? LEDGER_REASON_HOLD : LEDGER_REASON_UNSPECIFIED;
    if (text && !ledger_reason_parse(text, &r->how.reason))
        return pke_fail_set(fail, PKE_MALFORMED, "reason", "RFC 5280 5.3.1",
                            "reason is one of keyCompromise, cACompromise, affiliationChanged, superseded, "
                            "cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise and "
                            "unspecified");
    if (hold && r->how.reason != LEDGER_REASON_HOLD)
        return pke_fail_set(fail, PKE_MALFORMED, "reason", "RFC 5280 5.3.1",
                            "a hold has the reason certificateHold and no other");
    return PKE_OK;
}

/* Of a device by "id", or of a principal by "name". */
static enum pke_err read_selection(const struct issuer *is, struct revocation *r, const struct msg_verb *v,
                                   struct pke_fail *fail)
{
    const char *cursor = pke_pairs_get(&v->args, "cursor"), *provider = pke_pairs_get(&v->args, "provider");
    bool hold = r->how.reason == LEDGER_REASON_HOLD;
    const char *tenant;

    if (scope_tenant(is, v, &tenant, fail) != PKE_OK)
        return fail->err;
    r->which = (struct ledger_selection){.what = r->release ? LEDGER_SELECT_HELD
                                                 : hold     ? LEDGER_SELECT_LIVE
                                                            : LEDGER_SELECT_REVOCABLE,
                                         .tenant = keep(r, tenant),
                                         .device_id = keep(r, pke_pairs_get(&v->args, "id")),
                                         .principal = keep(r, pke_pairs_get(&v->args, "name")),
                                         .user_id = keep(r, pke_pairs_get(&v->args, "user_id")),
                                         .now = r->how.at / 1000};
    if (provider) /* "-": recorded before providers were */
        r->which.provider = strcmp(provider, "-") == 0 ? "" : keep(r, provider);
    r->stage = cursor || (r->how.dry_run && !r->count) ? STAGE_CHANGE : STAGE_COUNT;
    if (cursor && !read_cursor(cursor, &r->place))
        return pke_fail_set(fail, PKE_MALFORMED, "cursor", RULE, "the cursor is not one of ours");
    return PKE_OK;
}

static enum pke_err read_issuer(const struct issuer *is, struct revocation *r, const struct msg_verb *v,
                                struct pke_fail *fail)
{
    const struct issuer_ca *ca;

    r->issuer_name = keep(r, pke_pairs_get(&v->args, "issuer"));
    if (!r->issuer_name)
        return PKE_OK;
    if (r->limit)
        return pke_fail_set(fail, PKE_MALFORMED, "issuer", RULE,
                            "what a list alone knows of is no tenant's: not with tenant");
    ca = setup_ca(is->setup, r->issuer_name);
    if (!ca)
        return pke_fail_set(fail, PKE_NOT_FOUND, "issuer-unknown", RULE,
                            "no issuer of this name is configured");
    memcpy(r->issuer_id, ca_issuer_id(ca->ca).p, sizeof r->issuer_id);
    return PKE_OK;
}

static void start(struct issuer *is, struct revocation *r, enum pke_err err, const struct pke_fail *fail)
{
    if (err != PKE_OK)
        end_failed(is, r, fail);
    else
        batch_add(is, apply, done, r);
}

void verbs_revoke_device(struct issuer *is, uint64_t id, const struct msg_verb *v,
                         enum ledger_device_change change, const char *state)
{
    struct revocation *r = revocation_new(is, id, v);
    struct pke_fail fail;
    enum pke_err err = read_reason(r, v, &fail);

    if (err == PKE_OK)
        err = read_selection(is, r, v, &fail);
    r->stage = STAGE_CHANGE;
    r->known = true; /* a device can be blocked before it is seen */
    r->device_first = true;
    r->device = change;
    r->state = state;
    start(is, r, err, &fail);
}

bool verbs_revoke(struct issuer *is, uint64_t id, const struct msg_verb *v)
{
    static const struct {
        const char *verb;
        bool release, named;
    } known[] = {{"cert-revoke", false, true},    {"cert-release", true, true},
                 {"device-revoke", false, false}, {"device-release-hold", true, false},
                 {"user-revoke", false, false},   {"user-release-hold", true, false}};
    struct revocation *r;
    struct pke_fail fail;
    enum pke_err err = PKE_OK;
    size_t i = 0;

    while (i < PKE_LEN(known) && strcmp(known[i].verb, v->verb) != 0)
        i++;
    if (i == PKE_LEN(known))
        return false;
    r = revocation_new(is, id, v);
    r->release = known[i].release;
    if (!r->release)
        err = read_reason(r, v, &fail);
    if (known[i].named)
        r->key = keep(r, pke_pairs_get(&v->args, "key"));
    if (r->key && r->release)
        err = read_issuer(is, r, v, &fail);
    else if (err == PKE_OK &&
             !r->key) /* a key names one certificate, of whatever tenant: r->limit bounds who asks */
        err = read_selection(is, r, v, &fail);
    start(is, r, err, &fail);
    return true;
}
