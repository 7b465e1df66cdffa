/* SPDX-License-Identifier: Apache-2.0 */
/* An issuer as operators see it: its certificate, what it signs, how long still, who follows it. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "daemon/issuer/crl.h"

static json_t *time_json(int64_t seconds)
{
    char text[PKE_RFC3339_SIZE];

    pke_time_rfc3339(seconds, text);
    return json_string(text);
}

static json_t *ms_json(int64_t ms)
{
    return ms ? time_json(ms / 1000) : json_null();
}

static json_t *certificate_json(const struct issuer_ca *ca)
{
    struct pke_bytes der = ca_issuer_der(ca->ca), key_id = ca_issuer_key_id(ca->ca);
    struct pke_bytes serial = ca_issuer_serial(ca->ca);
    uint8_t sha256[32];
    char hexid[2 * CA_ISSUER_ID + 1], hex256[65], hexkey[129], hexserial[129];

    EVP_Digest(der.p, der.n, sha256, NULL, EVP_sha256(), NULL);
    pke_hex(ca_issuer_id(ca->ca), false, hexid);
    pke_hex(PKE_BYTES(sha256, sizeof sha256), false, hex256);
    pke_hex(PKE_BYTES(key_id.p, key_id.n < 64 ? key_id.n : 64), false, hexkey);
    pke_hex(PKE_BYTES(serial.p, serial.n < 64 ? serial.n : 64), false, hexserial);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s?, s:s, s:s, s:s, s:b}", "name", ca->conf->name, "id",
                     hexid, "subject", ca_issuer_subject_text(ca->ca), "not_before",
                     time_json(ca_issuer_not_before(ca->ca)), "not_after",
                     time_json(ca_issuer_not_after(ca->ca)), "serial", hexserial, "key", ca->conf->key,
                     "key_id", hexkey, "sha1", ca->sha1_hex, "sha256", hex256, "self_signed",
                     ca_issuer_self_signed(ca->ca));
}

/* Names of the templates that it signs for now; *longest: their longest validity in seconds. */
static json_t *templates_json(const struct issuer *is, const struct issuer_ca *ca, int64_t *longest)
{
    json_t *names = json_array();

    *longest = 0;
    for (size_t i = 0; i < is->setup->n_templates; i++) {
        const struct issuer_template *t = setup_template_at(is->setup, i);
        if (strcmp(t->ca->conf->name, ca->conf->name) != 0)
            continue;
        json_array_append_new(names, json_string(t->policy->name));
        if (t->policy->validity / 1000 > *longest)
            *longest = t->policy->validity / 1000;
    }
    return names;
}

/* The row where it is the old one, else the open one where it is the new one. */
static const struct ledger_rollover *row_of(const struct issuer *is, const char *name)
{
    const struct ledger_rollover *row = succession_of(&is->succession, name);

    for (size_t i = 0; !row && i < is->succession.n; i++)
        if (strcmp(is->succession.rows[i].to, name) == 0 && !is->succession.rows[i].switched_at)
            row = &is->succession.rows[i];
    return row;
}

static json_t *rollover_json(const struct issuer *is, const struct ledger_rollover *row)
{
    if (!row)
        return json_null();
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:s?, s:o, s:s?, s:s?}", "from", row->from, "to",
                     row->to, "scheduled_at", ms_json(row->scheduled_at), "scheduled_by", row->scheduled_by,
                     "switch_at", ms_json(row->switch_at), "acknowledged_at", ms_json(row->acknowledged_at),
                     "acknowledged_by", row->acknowledged_by, "switched_at", ms_json(row->switched_at),
                     "switched_by", row->switched_by, "waits", is->waits[row - is->succession.rows]);
}

/* What an operator should do something about. */
static json_t *warnings_json(const struct issuer_ca *ca, int64_t longest, int64_t now)
{
    int64_t end = ca_issuer_not_after(ca->ca), lead = ca->conf->expiry_warning / 1000;
    json_t *list = json_array();

    if (end <= now)
        json_array_append_new(list, json_string("its certificate has expired"));
    else if (end - now < lead)
        json_array_append_new(
            list, json_sprintf("its certificate expires in %lld days", (long long)((end - now) / 86400)));
    if (ca->root_not_after - now < lead && !ca_issuer_self_signed(ca->ca))
        json_array_append_new(list, json_sprintf("its root expires in %lld days",
                                                 (long long)((ca->root_not_after - now) / 86400)));
    if (longest && now + longest > end)
        json_array_append_new(
            list, json_string("certificates are shorter than their template says, because it ends"));
    return list;
}

static void add_complaint(struct issuer *is, const struct issuer_ca *ca, json_t *warnings)
{
    struct pke_arena *arena = pke_arena_new();
    const char *late = crl_complaint(is, ca->conf->name, arena);

    if (late)
        json_array_append_new(warnings, json_string(late));
    pke_arena_free(arena);
}

json_t *issuer_view(struct issuer *is, const struct issuer_ca *ca)
{
    const struct key_pool *pool = ca->conf->key ? keys_pool(is, ca->conf->key) : NULL;
    int64_t longest, life = 0, now = role_wall_ms() / 1000;
    json_t *o = certificate_json(ca), *templates = templates_json(is, ca, &longest);
    struct pke_fail fail;

    if (is->ledger)
        (void)ledger_issuer_life(is->ledger, ca_issuer_id(ca->ca), &life, &fail);
    json_object_set_new(o, "state",
                        json_string(!ca->conf->key ? "legacy"
                                                   : succession_state(&is->succession, ca->conf->name,
                                                                      json_array_size(templates))));
    json_object_set_new(o, "templates", templates);
    json_object_set_new(o, "key_state",
                        json_string(pool            ? verbs_key_state(pool)
                                    : ca->conf->key ? "gone"
                                                    : "none"));
    json_object_set_new(o, "root_not_after", time_json(ca->root_not_after));
    json_object_set_new(o, "not_after_seconds", json_integer(ca_issuer_not_after(ca->ca)));
    json_object_set_new(o, "root_not_after_seconds", json_integer(ca->root_not_after));
    json_object_set_new(o, "full_validity_until",
                        longest ? time_json(ca_issuer_not_after(ca->ca) - longest) : json_null());
    json_object_set_new(o, "last_certificate_not_after", life ? time_json(life) : json_null());
    json_object_set_new(o, "rollover", rollover_json(is, row_of(is, ca->conf->name)));
    json_object_set_new(o, "warnings", warnings_json(ca, longest, now));
    add_complaint(is, ca, json_object_get(o, "warnings"));
    return o;
}

static void add_pem(json_t *o, const char *name, struct pke_bytes der)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long n;

    if (!out || PEM_write_bio(out, PEM_STRING_X509, "", der.p, (long)der.n) <= 0)
        pke_oom();
    n = BIO_get_mem_data(out, &text);
    json_object_set_new(o, name, json_stringn(text, (size_t)n));
    BIO_free(out);
}

json_t *issuer_view_full(struct issuer *is, const struct issuer_ca *ca)
{
    json_t *o = issuer_view(is, ca);

    add_pem(o, "pem", ca_issuer_der(ca->ca));
    add_pem(o, "root_pem", ca_issuer_root_der(ca->ca));
    return o;
}

json_t *issuer_view_short(struct issuer *is, const struct issuer_ca *ca)
{
    static const char *const members[] = {"state", "not_after", "root_not_after", "rollover", "warnings"};
    json_t *full = issuer_view(is, ca), *o = json_object();

    for (size_t i = 0; i < PKE_LEN(members); i++)
        json_object_set(o, members[i], json_object_get(full, members[i]));
    json_decref(full);
    return o;
}
