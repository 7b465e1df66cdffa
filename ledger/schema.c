/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/schema.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/ledger.h"

/*
 * Principals and device ids compare ASCII case-insensitively (NOCASE): a DeviceID that differs in case only
 * must not count as a device without an owner. Tables are STRICT: a value of the wrong type is refused, not
 * converted.
 */
static const char tables_1[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE request ("
    "  id INTEGER PRIMARY KEY,"
    "  request_id TEXT NOT NULL COLLATE NOCASE UNIQUE CHECK (length(request_id) BETWEEN 1 AND 64),"
    "  state TEXT NOT NULL CHECK (state IN ('intent','issued','failed','abandoned','refused')),"
    "  tenant TEXT, principal TEXT COLLATE NOCASE, credential TEXT, endpoint TEXT, template_name TEXT,"
    "  operation TEXT, stage TEXT,"
    "  device_id TEXT COLLATE NOCASE, enrollment_type TEXT, device_name TEXT, hwdev_id TEXT, source TEXT,"
    "  context BLOB, request BLOB,"
    "  idempotency_key BLOB CHECK (length(idempotency_key) = 32),"
    "  received_at INTEGER NOT NULL,"
    "  finished_at INTEGER NOT NULL DEFAULT 0,"
    "  fail_err TEXT, fail_reason TEXT, fail_rule TEXT, fail_text TEXT,"
    "  CHECK ((state = 'intent') = (finished_at = 0)),"
    "  CHECK ((state IN ('failed','refused')) = (fail_err IS NOT NULL)),"
    "  CHECK (state = 'refused' OR idempotency_key IS NOT NULL)"
    ") STRICT;"
    /* the live slot: at most one request per idempotency key is on its way to a key */
    "CREATE UNIQUE INDEX request_slot ON request (idempotency_key) WHERE state = 'intent';"
    "CREATE INDEX request_key ON request (idempotency_key) WHERE idempotency_key IS NOT NULL;"
    "CREATE INDEX request_received ON request (received_at);"
    "CREATE INDEX request_state ON request (state, received_at);"
    "CREATE INDEX request_principal ON request (principal, received_at);"
    "CREATE INDEX request_device ON request (device_id, received_at);"

    /* one row per serial ever given out, for good: der is NULL until (and unless) the certificate was issued
     */
    "CREATE TABLE certificate ("
    "  request INTEGER PRIMARY KEY REFERENCES request (id),"
    "  issuer_id BLOB NOT NULL, serial BLOB NOT NULL CHECK (length(serial) <= 20 AND substr(serial, 1, 1) <> "
    "x'00'),"
    "  tbs BLOB NOT NULL,"
    "  spki_sha256 BLOB NOT NULL CHECK (length(spki_sha256) = 32),"
    "  subject TEXT NOT NULL, ent_dmid TEXT,"
    "  not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"
    "  tenant TEXT NOT NULL, principal TEXT NOT NULL, device_id TEXT COLLATE NOCASE,"
    "  der BLOB, sha1 BLOB CHECK (length(sha1) = 20), sha256 BLOB CHECK (length(sha256) = 32),"
    "  UNIQUE (issuer_id, serial),"
    "  CHECK ((der IS NULL) = (sha256 IS NULL) AND (der IS NULL) = (sha1 IS NULL))"
    ") STRICT;"
    "CREATE INDEX certificate_serial ON certificate (serial);"
    "CREATE INDEX certificate_sha1 ON certificate (sha1) WHERE sha1 IS NOT NULL;"
    "CREATE UNIQUE INDEX certificate_sha256 ON certificate (sha256) WHERE sha256 IS NOT NULL;"
    "CREATE INDEX certificate_device ON certificate (device_id, tenant) WHERE device_id IS NOT NULL;"
    "CREATE INDEX certificate_spki ON certificate (spki_sha256, tenant);"

    /*
     * Enrollment tokens: only the hash is kept. A use belongs to a request; it is reserved while that is an
     * intent, consumed once it is issued, and released by any other end, so that no state can disagree.
     */
    "CREATE TABLE token ("
    "  id INTEGER PRIMARY KEY,"
    "  token_id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
    "  tenant TEXT NOT NULL, principal TEXT NOT NULL COLLATE NOCASE, enrollment_type TEXT,"
    "  uses INTEGER NOT NULL CHECK (uses BETWEEN 1 AND 1000000),"
    "  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL DEFAULT 0,"
    "  created_by TEXT"
    ") STRICT;"
    "CREATE INDEX token_created ON token (created_at);"
    "CREATE TABLE token_use ("
    "  request INTEGER PRIMARY KEY REFERENCES request (id),"
    "  token INTEGER NOT NULL REFERENCES token (id)"
    ") STRICT;"
    "CREATE INDEX token_use_token ON token_use (token);"

    "CREATE TABLE audit ("
    "  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, actor TEXT, request_id TEXT,"
    "  serial BLOB, digest BLOB, detail TEXT, hash BLOB NOT NULL CHECK (length(hash) = 32)"
    ") STRICT;"

    /* counters, so that status costs the same at a million requests */
    "CREATE TABLE counter (state TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO counter VALUES ('intent',0),('issued',0),('failed',0),('abandoned',0),('refused',0);"
    "CREATE TRIGGER request_added AFTER INSERT ON request BEGIN"
    "  UPDATE counter SET n = n + 1 WHERE state = new.state; END;"
    "CREATE TRIGGER request_moved AFTER UPDATE OF state ON request BEGIN"
    "  UPDATE counter SET n = n - 1 WHERE state = old.state;"
    "  UPDATE counter SET n = n + 1 WHERE state = new.state; END;";

/*
 * Schema 2: identities with immutable ids, devices, renewals, admissions. Columns are added without a CHECK
 * and without touching a row, so that the conversion of a million certificates costs seconds. What an old row
 * does not have is NULL or '' and is read from its request.
 */
static const char tables_2[] =
    "ALTER TABLE request ADD COLUMN user_id TEXT;"
    "ALTER TABLE request ADD COLUMN provider TEXT;"
    "ALTER TABLE request ADD COLUMN attestation TEXT;"
    "ALTER TABLE request ADD COLUMN attributes BLOB;"

    "ALTER TABLE certificate ADD COLUMN provider TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE certificate ADD COLUMN user_id TEXT;"
    "ALTER TABLE certificate ADD COLUMN san_uri TEXT;"
    "ALTER TABLE certificate ADD COLUMN enrollment_type TEXT;"
    "ALTER TABLE certificate ADD COLUMN template_name TEXT;"
    "ALTER TABLE certificate ADD COLUMN renewed_from INTEGER REFERENCES request (id);"
    "ALTER TABLE certificate ADD COLUMN uses_grant INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificate ADD COLUMN confirmed_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificate ADD COLUMN superseded_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificate ADD COLUMN revoked_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE certificate ADD COLUMN released_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX certificate_renewed ON certificate (renewed_from) WHERE renewed_from IS NOT NULL;"
    /* each certificate costs one index as before: those that count, instead of all of a device */
    "DROP INDEX certificate_device;"
    "CREATE INDEX certificate_valid ON certificate (device_id, tenant, provider, not_after)"
    "  WHERE superseded_at = 0 AND revoked_at = 0;"

    /* an enrollment: one PROVIDER-ID's hold on one device. Without an owner once released */
    "CREATE TABLE device ("
    "  id INTEGER PRIMARY KEY,"
    "  tenant TEXT NOT NULL, provider TEXT NOT NULL, device_id TEXT NOT NULL COLLATE NOCASE,"
    "  principal TEXT COLLATE NOCASE, user_id TEXT,"
    "  enrollment_type TEXT, ent_dmid TEXT, device_name TEXT, hwdev_id TEXT,"
    "  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    "  blocked_at INTEGER NOT NULL DEFAULT 0, blocked_by TEXT, released_at INTEGER NOT NULL DEFAULT 0,"
    "  recovery_until INTEGER NOT NULL DEFAULT 0, renewal_until INTEGER NOT NULL DEFAULT 0,"
    "  UNIQUE (device_id, tenant, provider),"
    "  CHECK ((blocked_at = 0) = (blocked_by IS NULL)),"
    "  CHECK (released_at = 0 OR (principal IS NULL AND user_id IS NULL))"
    ") STRICT;"
    "CREATE INDEX device_principal ON device (principal, tenant);"
    "CREATE INDEX device_user ON device (user_id, tenant) WHERE user_id IS NOT NULL;"
    "INSERT INTO device (tenant, provider, device_id, principal, enrollment_type, ent_dmid, device_name, "
    "hwdev_id,"
    "                    first_at, last_at)"
    "  SELECT c.tenant, '', c.device_id, c.principal, r.enrollment_type, c.ent_dmid, r.device_name, "
    "r.hwdev_id,"
    "         o.finished_at, r.finished_at"
    "  FROM (SELECT min(request) AS oldest, max(request) AS newest FROM certificate"
    "        WHERE sha256 IS NOT NULL AND device_id IS NOT NULL GROUP BY tenant, device_id) g"
    "  JOIN certificate c ON c.request = g.newest JOIN request r ON r.id = g.newest"
    "  JOIN request o ON o.id = g.oldest ORDER BY g.oldest;"

    /*
     * Approvals. A pending attempt of an MDM client cannot wait: it is refused, and its next attempt comes
     * with another key; so what is granted is one attempt of the same identity, device and template.
     */
    "CREATE TABLE admission ("
    "  id INTEGER PRIMARY KEY,"
    "  tenant TEXT NOT NULL, principal TEXT NOT NULL COLLATE NOCASE, user_id TEXT, provider TEXT NOT NULL,"
    "  device_id TEXT NOT NULL COLLATE NOCASE, template_name TEXT NOT NULL,"
    "  request INTEGER NOT NULL UNIQUE REFERENCES request (id),"
    "  state TEXT NOT NULL CHECK (state IN ('pending','granted','denied','used','expired')),"
    "  attempts INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    "  decided_at INTEGER NOT NULL DEFAULT 0, decided_by TEXT, expires_at INTEGER NOT NULL DEFAULT 0,"
    "  used_by INTEGER REFERENCES request (id),"
    "  CHECK (state <> 'pending' OR decided_at = 0), CHECK (state <> 'used' OR used_by IS NOT NULL)"
    ") STRICT;"
    "CREATE INDEX admission_key ON admission (tenant, principal, provider, device_id, template_name);"
    "CREATE UNIQUE INDEX admission_open ON admission (tenant, principal, provider, device_id, template_name)"
    "  WHERE state IN ('pending','granted');"
    "CREATE INDEX admission_state ON admission (state, first_at);"
    "CREATE INDEX admission_used ON admission (used_by) WHERE used_by IS NOT NULL;"

    /*
     * Tokens of others that are good for one certificate: which request used which. As with token_use, the
     * request's state says whether that holds. Kept until nobody accepts the token any more.
     */
    "CREATE TABLE jti_use ("
    "  request INTEGER PRIMARY KEY REFERENCES request (id),"
    "  tenant TEXT NOT NULL, issuer TEXT NOT NULL, jti TEXT NOT NULL CHECK (length(jti) > 0),"
    "  expires_at INTEGER NOT NULL,"
    "  UNIQUE (tenant, issuer, jti)"
    ") STRICT;"
    "CREATE INDEX jti_use_expires ON jti_use (expires_at);";

/*
 * Schema 3: requests that wait for the key. The attempt that had to wait is in "request"; "result" is the
 * attempt that was signed for it, or failed last: only of an issued ticket it means something. AUTOINCREMENT:
 * a RequestID is never given out again.
 */
static const char tables_3[] =
    "CREATE TABLE ticket ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT CHECK (number BETWEEN 1 AND 4294967295),"
    "  request INTEGER NOT NULL UNIQUE REFERENCES request (id),"
    "  principal TEXT NOT NULL COLLATE NOCASE,"
    "  idempotency_key BLOB NOT NULL CHECK (length(idempotency_key) = 32),"
    "  state TEXT NOT NULL CHECK (state IN ('waiting','issued','denied','abandoned')),"
    "  waiting_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, finished_at INTEGER NOT NULL DEFAULT 0,"
    "  result INTEGER REFERENCES request (id),"
    "  fail_err TEXT, fail_reason TEXT, fail_rule TEXT, fail_text TEXT,"
    "  CHECK ((state = 'waiting') = (finished_at = 0)),"
    "  CHECK (state <> 'issued' OR result IS NOT NULL),"
    "  CHECK ((state IN ('denied','abandoned')) = (fail_err IS NOT NULL))"
    ") STRICT;"
    "CREATE UNIQUE INDEX ticket_slot ON ticket (idempotency_key) WHERE state = 'waiting';"
    "CREATE INDEX ticket_state ON ticket (state, number);"
    "CREATE INDEX ticket_principal ON ticket (principal, state);"
    "CREATE INDEX ticket_expires ON ticket (expires_at) WHERE state = 'waiting';"
    "CREATE INDEX ticket_result ON ticket (result) WHERE result IS NOT NULL;";

/*
 * Schema 4: all names of a certificate, why a request was refused, revocation, CRLs, rollover. What an old
 * row does not have is read from subject and san_uri.
 */
static const char tables_4[] =
    /* names: as decided (base/names.h); explanation: JSON, the steps of the decision */
    "ALTER TABLE certificate ADD COLUMN names BLOB;"
    "ALTER TABLE request ADD COLUMN explanation TEXT;"

    /*
     * Revocation: certificate.revoked_at says that it is revoked now. A row here is one certificate that is
     * or was revoked, as CRLs need it; "change" orders the changes, so that a delta is what changed after its
     * base. revoked_at is since when, changed_at when it was last changed, "audit" the row that recorded
     * that. released_at: a hold that ended.
     */
    "CREATE TABLE revocation ("
    "  request INTEGER PRIMARY KEY REFERENCES certificate (request),"
    "  issuer_id BLOB NOT NULL, serial BLOB NOT NULL, not_after INTEGER NOT NULL,"
    "  change INTEGER NOT NULL UNIQUE,"
    "  reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 10 AND reason NOT IN (7, 8)),"
    "  revoked_at INTEGER NOT NULL CHECK (revoked_at <> 0), revoked_by TEXT NOT NULL, comment TEXT,"
    "  released_at INTEGER NOT NULL DEFAULT 0, released_by TEXT,"
    "  changed_at INTEGER NOT NULL, audit INTEGER NOT NULL,"
    "  CHECK ((released_at = 0) = (released_by IS NULL)),"
    "  CHECK (released_at = 0 OR reason = 6)"
    ") STRICT;"
    "CREATE INDEX revocation_issuer ON revocation (issuer_id, change);"
    "INSERT INTO counter VALUES ('revoked',0),('held',0);"
    "CREATE TRIGGER revocation_added AFTER INSERT ON revocation BEGIN"
    "  UPDATE counter SET n = n + 1 WHERE state = iif(new.reason = 6, 'held', 'revoked'); END;"
    "CREATE TRIGGER revocation_moved AFTER UPDATE OF reason, released_at ON revocation BEGIN"
    "  UPDATE counter SET n = n - 1"
    "    WHERE old.released_at = 0 AND state = iif(old.reason = 6, 'held', 'revoked');"
    "  UPDATE counter SET n = n + 1"
    "    WHERE new.released_at = 0 AND state = iif(new.reason = 6, 'held', 'revoked'); END;"

    /* one row per CRL ever signed: a number is given out once, durable before the key is touched */
    "CREATE TABLE crl ("
    "  id INTEGER PRIMARY KEY,"
    "  issuer_id BLOB NOT NULL, number INTEGER NOT NULL CHECK (number > 0),"
    "  base INTEGER NOT NULL DEFAULT 0," /* of a delta: the number of the full CRL that it adds to */
    "  change INTEGER NOT NULL,"         /* the last change that is in it */
    "  entries INTEGER NOT NULL, this_update INTEGER NOT NULL, next_update INTEGER NOT NULL,"
    "  tells_deltas INTEGER NOT NULL DEFAULT 0," /* of a full one: it says where deltas are */
    "  sha256 BLOB CHECK (length(sha256) = 32)," /* NULL until it was signed */
    "  UNIQUE (issuer_id, number)"
    ") STRICT;"

    /*
     * What stood in a CRL of ours that was newer than this ledger, a copy from before: it stays revoked. The
     * certificate may be unknown here. A hold that ended keeps its row, with a change, so that deltas tell
     * it.
     */
    "CREATE TABLE crl_carried ("
    "  issuer_id BLOB NOT NULL, serial BLOB NOT NULL,"
    "  not_after INTEGER NOT NULL, reason INTEGER NOT NULL, revoked_at INTEGER NOT NULL,"
    "  change INTEGER NOT NULL DEFAULT 0, released_at INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (issuer_id, serial)"
    ") STRICT, WITHOUT ROWID;"

    /*
     * The successor of an issuer: templates that name the old one are signed by the new one from the switch.
     * One row at a time for an issuer: before it is scheduled again, this one is cancelled.
     */
    "CREATE TABLE rollover ("
    "  id INTEGER PRIMARY KEY,"
    "  from_issuer TEXT NOT NULL, to_issuer TEXT NOT NULL CHECK (to_issuer <> from_issuer),"
    "  scheduled_at INTEGER NOT NULL, scheduled_by TEXT NOT NULL, switch_at INTEGER NOT NULL,"
    "  acknowledged_at INTEGER NOT NULL DEFAULT 0, acknowledged_by TEXT,"
    "  switched_at INTEGER NOT NULL DEFAULT 0, switched_by TEXT,"
    "  cancelled_at INTEGER NOT NULL DEFAULT 0, cancelled_by TEXT"
    ") STRICT;"
    "CREATE UNIQUE INDEX rollover_current ON rollover (from_issuer) WHERE cancelled_at = 0;"
    /* is anything of this issuer still valid? */
    "CREATE INDEX certificate_issuer_life ON certificate (issuer_id, not_after);";

/* Schema 5: who of the administrator's programs has been told how far (doc/events.md). */
static const char tables_5[] =
    /* all events up to position are done with: taken, dead, or in sink_event */
    "CREATE TABLE sink (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    /* what a receiver did not take while later ones passed it; dead_at: given up */
    "CREATE TABLE sink_event ("
    "  sink TEXT NOT NULL REFERENCES sink (name), seq INTEGER NOT NULL, request_id TEXT,"
    "  attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, dead_at INTEGER NOT NULL DEFAULT 0, error TEXT,"
    "  PRIMARY KEY (sink, seq)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX sink_event_dead ON sink_event (sink, seq) WHERE dead_at > 0;"
    /* up to which certificate of an issuer, by its end, it was told that it expires */
    "CREATE TABLE expiry (issuer_id BLOB PRIMARY KEY, not_after INTEGER NOT NULL, request INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;";

static const char *const steps[LEDGER_SCHEMA] = {tables_1, tables_2, tables_3, tables_4, tables_5};

enum pke_err schema_version(struct store *s, int64_t *version, struct pke_fail *fail)
{
    int64_t application = 0, objects = 0;
    enum pke_err err = store_number(s, "PRAGMA application_id", &application, fail);

    if (err == PKE_OK)
        err = store_number(s, "PRAGMA user_version", version, fail);
    if (err == PKE_OK)
        err = store_number(s, "SELECT count(*) FROM sqlite_schema", &objects, fail);
    if (err != PKE_OK)
        return err;
    if (application == 0 && *version == 0 && objects == 0)
        return PKE_OK;
    if (application != STORE_APPLICATION)
        return pke_fail_set(fail, PKE_CONFIG, "ledger-foreign", STORE_RULE_SCHEMA,
                            "the file is an SQLite database but not a ledger");
    if (*version < 1 || *version > LEDGER_SCHEMA)
        return pke_fail_set(fail, PKE_CONFIG, "ledger-schema", STORE_RULE_SCHEMA,
                            "the ledger has schema %" PRId64
                            ", this program knows up to %d: install the newer program",
                            *version, LEDGER_SCHEMA);
    return PKE_OK;
}

static void random_bytes(uint8_t *p, size_t n)
{
    if (RAND_bytes(p, (int)n) != 1)
        abort(); /* no randomness ends the process, as for serials */
}

/* The node prefix keeps two ledgers apart; the genesis value makes their audit chains unmistakable. */
static enum pke_err first_rows(struct store *s, struct pke_fail *fail)
{
    uint8_t genesis[STORE_DIGEST], node;
    char hex[2 * STORE_DIGEST + 1];

    random_bytes(genesis, sizeof genesis);
    do
        random_bytes(&node, 1);
    while (node < 0x01 || node > 0x7f);
    pke_hex(PKE_BYTES(genesis, sizeof genesis), false, hex);
    PKE_CLEANUP(pke_free_p)
    char *sql = pke_asprintf("INSERT INTO meta VALUES ('wall-clock', 0), ('node', %u), ('genesis', x'%s'),"
                             " ('audit-seq', 0), ('audit-head', x'%s'); PRAGMA application_id=%d",
                             node, hex, hex, STORE_APPLICATION);
    return store_exec(s, sql, fail);
}

/* Every step that the file does not have, in order: a new file and a converted one are the same. */
static enum pke_err take_steps(struct store *s, int64_t version, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *set = pke_asprintf("PRAGMA user_version=%d", LEDGER_SCHEMA);
    enum pke_err err = PKE_OK;

    for (int64_t i = version; err == PKE_OK && i < LEDGER_SCHEMA; i++)
        err = store_exec(s, steps[i], fail);
    if (err == PKE_OK && version == 0)
        err = first_rows(s, fail);
    return err == PKE_OK ? store_exec(s, set, fail) : err;
}

enum pke_err schema_upgrade(struct store *s, int64_t version, struct pke_fail *fail)
{
    enum pke_err err = store_exec(s, "BEGIN IMMEDIATE", fail);

    if (err == PKE_OK)
        err = take_steps(s, version, fail);
    if (err == PKE_OK)
        err = store_exec(s, "COMMIT", fail);
    if (err != PKE_OK && !sqlite3_get_autocommit(s->db))
        (void)store_exec(s, "ROLLBACK", NULL);
    return err;
}
