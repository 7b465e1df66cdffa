/* SPDX-License-Identifier: Apache-2.0 */
/* One certificate of another CA program: what is said of it, and what it says itself. */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "ca/facts.h"
#include "ca/names.h"
#include "ca/tbs.h"
#include "daemon/issuer/cert_import.h"
#include "ledger/revoke.h"

#define RULE    "cert import"
#define DER_MAX (16u << 10)
#define OID_SAN "2.5.29.17"

static enum pke_err bad(struct pke_fail *fail, const char *reason, const char *text)
{
    return pke_fail_set(fail, PKE_MALFORMED, reason, RULE, "%s", text);
}

/* ---- what is said of it ---- */

static enum pke_err read_der(const char *text, struct pke_arena *arena, struct pke_bytes *ret,
                             struct pke_fail *fail)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf raw;

    pke_buf_init(&raw, DER_MAX);
    if (!text || pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &raw) != PKE_OK || raw.n == 0)
        return bad(fail, "import-certificate", "certificate is DER in base64");
    *ret = pke_arena_bytes(arena, pke_buf_bytes(&raw));
    return PKE_OK;
}

static enum pke_err read_revocation(const json_t *part, struct import_part *ret, struct pke_fail *fail)
{
    const char *at = json_string_value(json_object_get(part, "revoked_at"));
    const char *reason = json_string_value(json_object_get(part, "reason"));
    enum ledger_reason parsed = LEDGER_REASON_UNSPECIFIED;
    int64_t seconds = 0;

    if (!at)
        return reason ? bad(fail, "import-revoked", "a reason without revoked_at") : PKE_OK;
    if (!pke_time_parse(at, &seconds) || seconds <= 0)
        return bad(fail, "import-revoked", "revoked_at is a time as 2026-03-01T12:00:00Z");
    if (reason && !ledger_reason_parse(reason, &parsed))
        return bad(fail, "import-revoked", "reason is none of RFC 5280 5.3.1");
    ret->revoked_at = seconds * 1000;
    ret->reason = parsed;
    return PKE_OK;
}

static enum pke_err check_member(const char *name, const json_t *value, struct pke_fail *fail)
{
    static const char *const known[] = {"certificate", "principal",  "user_id",  "device_id",
                                        "device_name", "hwdev_id",   "provider", "type",
                                        "ent_dmid",    "revoked_at", "reason"};
    const char *text = json_string_value(value);

    if (!text || !*text || (strcmp(name, "certificate") != 0 && strlen(text) > 320))
        return bad(fail, "import-member", "every member is a text of 1 to 320 bytes");
    for (size_t i = 0; i < PKE_LEN(known); i++)
        if (strcmp(known[i], name) == 0)
            return PKE_OK;
    return bad(fail, "import-member", "it has a member that is not known");
}

static const char *text_of(const json_t *part, const char *name, struct pke_arena *arena)
{
    const char *text = json_string_value(json_object_get(part, name));

    return text ? pke_arena_strdup(arena, text) : NULL;
}

static enum pke_err read_type(const json_t *part, struct import_part *ret, struct pke_fail *fail)
{
    const char *type = json_string_value(json_object_get(part, "type"));

    if (type && strcasecmp(type, "full") != 0 && strcasecmp(type, "device") != 0)
        return bad(fail, "import-type", "type is full or device");
    ret->enrollment_type = type && strcasecmp(type, "device") == 0 ? "Device" : "Full";
    return PKE_OK;
}

static const char *new_uuid(struct pke_arena *arena)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(arena, PKE_UUID_LEN + 1);

    if (RAND_bytes(raw, sizeof raw) != 1)
        pke_oom();
    pke_uuid_format(raw, text);
    return text;
}

static enum pke_err read_members(const json_t *part, const struct import_into *into, struct pke_arena *arena,
                                 struct import_part *ret, struct pke_fail *fail)
{
    const char *name;
    json_t *value;
    enum pke_err err = json_is_object(part) ? PKE_OK : bad(fail, "import-member", "it is no object");

    json_object_foreach((json_t *)part, name, value) if (err == PKE_OK) err = check_member(name, value, fail);
    if (err == PKE_OK)
        err = read_der(json_string_value(json_object_get(part, "certificate")), arena, &ret->der, fail);
    if (err == PKE_OK)
        err = read_type(part, ret, fail);
    if (err == PKE_OK)
        err = read_revocation(part, ret, fail);
    if (err != PKE_OK)
        return err;
    ret->principal = text_of(part, "principal", arena);
    ret->user_id = text_of(part, "user_id", arena);
    ret->device_id = text_of(part, "device_id", arena);
    ret->device_name = text_of(part, "device_name", arena);
    ret->hwdev_id = text_of(part, "hwdev_id", arena);
    ret->provider = text_of(part, "provider", arena);
    ret->ent_dmid = text_of(part, "ent_dmid", arena);
    if (!ret->principal || !ret->device_id)
        return bad(fail, "import-member",
                   "principal and device_id are needed: who and what it was issued to");
    if (ret->ent_dmid && !pke_uuid_valid(ret->ent_dmid))
        return bad(fail, "import-ent-dmid", "ent_dmid is a UUID");
    if (!ret->ent_dmid)
        ret->ent_dmid = new_uuid(arena);
    if (!ret->provider)
        ret->provider = into->provider;
    return PKE_OK;
}

/* ---- what it says itself ---- */

/* Nobody's word but its issuer's signature says that it was issued. */
static enum pke_err find_issuer(const struct ca_cert_facts *f, const struct setup *s, struct pke_bytes *ret,
                                struct pke_fail *fail)
{
    struct pke_fail why;

    for (size_t i = 0; i < s->n_cas; i++) {
        const struct ca_issuer *ca = s->cas[i].ca;

        if (ca_cert_facts_signed_by(f, ca_issuer_subject(ca), ca_issuer_spki(ca), &why) == PKE_OK) {
            *ret = ca_issuer_id(ca);
            return PKE_OK;
        }
    }
    return pke_fail_set(fail, PKE_DENIED, "import-issuer", RULE,
                        "no issuer of the configuration signed it; the one that did may be a legacy issuer");
}

/* As the names of a certificate of ours are recorded; what has no place there is not dropped. */
static enum pke_err read_names(const struct ca_tbs *tbs, struct pke_arena *arena, struct pke_pairs *ret,
                               struct pke_fail *fail)
{
    const struct ca_tbs_extension *san = ca_tbs_find(tbs, OID_SAN);
    struct pke_fail why;

    if (ca_subject_decode(tbs->subject, arena, ret, &why) == PKE_OK &&
        (!san || ca_san_decode(san->value, arena, ret, &why) == PKE_OK))
        return PKE_OK;
    return pke_fail_set(fail, PKE_POLICY, "import-names", RULE,
                        "its names cannot be kept (%s): import it with the names of the principal", why.text);
}

static enum pke_err take_names(const struct import_into *into, struct pke_arena *arena,
                               struct import_part *ret, struct pke_fail *fail)
{
    struct ca_tbs tbs;

    if (into->names_of_principal) {
        pke_pairs_add(&ret->names, arena, "CN", ret->principal);
        return PKE_OK;
    }
    if (ca_tbs_decode(ret->tbs, &tbs, fail) != PKE_OK)
        return fail->err;
    return read_names(&tbs, arena, &ret->names, fail);
}

/* As the ledger has it: the number without the octet that keeps it positive. */
static enum pke_err read_serial(struct pke_bytes content, struct pke_bytes *ret, struct pke_fail *fail)
{
    bool padded = content.n > 1 && content.p[0] == 0;

    *ret = padded ? PKE_BYTES(content.p + 1, content.n - 1) : content;
    if (content.n && content.n <= 20 && ret->p[0] != 0 && (padded || !(ret->p[0] & 0x80)))
        return PKE_OK;
    return pke_fail_set(fail, PKE_POLICY, "import-serial", "RFC 5280 4.1.2.2",
                        "its serial number is not a positive number of at most 20 octets");
}

static enum pke_err read_certificate(const struct import_into *into, struct pke_arena *arena,
                                     struct import_part *ret, struct pke_fail *fail)
{
    struct ca_cert_facts f;
    enum pke_err err = ca_cert_facts_read(ret->der, arena, &f, fail);

    if (err == PKE_OK)
        err = find_issuer(&f, into->setup, &ret->issuer_id, fail);
    if (err == PKE_OK && f.ca)
        err = pke_fail_set(fail, PKE_POLICY, "import-ca", RULE, "it is the certificate of a CA");
    if (err == PKE_OK)
        err = read_serial(f.serial, &ret->serial, fail);
    if (err != PKE_OK)
        return err;
    memcpy(ret->sha256, f.sha256, sizeof ret->sha256);
    if (EVP_Digest(f.spki.p, f.spki.n, ret->spki_sha256, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    ret->tbs = f.tbs;
    ret->subject = f.subject_cn ? f.subject_cn : f.subject_text;
    ret->not_before = f.not_before;
    ret->not_after = f.not_after;
    return take_names(into, arena, ret, fail);
}

enum pke_err import_read(const json_t *part, const struct import_into *into, struct pke_arena *arena,
                         struct import_part *ret, struct pke_fail *fail)
{
    enum pke_err err;

    *ret = (struct import_part){0};
    err = read_members(part, into, arena, ret, fail);
    return err == PKE_OK ? read_certificate(into, arena, ret, fail) : err;
}
