/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The reader's insides, shared by the files that implement read.h. Private to ledger/.
 */
#ifndef LEDGER_READER_H
#define LEDGER_READER_H

#include "ledger/read.h"
#include "ledger/store.h"

/* Columns of struct ledger_row, in the order that row_load() reads them; certificate and request bytes last.
 */
#define READER_COLUMNS                                                                                      \
    "r.request_id, r.state, r.tenant, r.principal, r.credential, r.endpoint, r.template_name, r.operation," \
    " r.stage, r.device_id, r.enrollment_type, r.device_name, r.hwdev_id, r.source, c.ent_dmid, r.user_id," \
    " r.provider, r.attestation, c.san_uri,"                                                                \
    " (SELECT o.request_id FROM request o WHERE o.id = c.renewed_from), r.context, r.attributes, c.names,"  \
    " r.fail_err, r.fail_reason, r.fail_rule, r.fail_text, r.received_at, r.finished_at, c.serial,"         \
    " c.subject, c.issuer_id, c.sha1, c.sha256, c.spki_sha256, c.not_before, c.not_after,"                  \
    " c.confirmed_at, c.superseded_at, c.revoked_at, a.state, a.decided_by,"                                \
    " (SELECT u.request_id FROM request u WHERE u.id = a.used_by AND u.state IN ('intent','issued')),"      \
    " a.attempts, a.last_at, a.decided_at, a.expires_at, t.number, t.state, t.waiting_at, t.expires_at,"    \
    " t.finished_at, t.fail_reason,"                                                                        \
    " (SELECT o.request_id FROM request o WHERE o.id = t.result AND t.state = 'issued'),"                   \
    " v.reason, v.revoked_by, v.comment, v.revoked_at, v.released_at, v.released_by, "
#define READER_ID_COLUMN 63 /* of a listing: after READER_COLUMNS and the three long columns */
#define READER_FROM                                         \
    "request r LEFT JOIN certificate c ON c.request = r.id" \
    " LEFT JOIN admission a ON a.request = r.id"            \
    " LEFT JOIN ticket t ON t.request = r.id"               \
    " LEFT JOIN revocation v ON v.request = r.id"
#define READER_FROM_APPROVALS                              \
    "admission a CROSS JOIN request r ON r.id = a.request" \
    " LEFT JOIN certificate c ON c.request = r.id"         \
    " LEFT JOIN ticket t ON t.request = r.id"              \
    " LEFT JOIN revocation v ON v.request = r.id"
#define READER_FROM_REVOCATIONS                                      \
    "revocation v CROSS JOIN certificate c ON c.request = v.request" \
    " CROSS JOIN request r ON r.id = v.request"                      \
    " LEFT JOIN admission a ON a.request = r.id"                     \
    " LEFT JOIN ticket t ON t.request = r.id"
#define READER_FROM_TICKETS                             \
    "ticket t CROSS JOIN request r ON r.id = t.request" \
    " LEFT JOIN certificate c ON c.request = r.id"      \
    " LEFT JOIN admission a ON a.request = r.id"        \
    " LEFT JOIN revocation v ON v.request = r.id"
#define READER_WHOLE "SELECT " READER_COLUMNS "c.der, r.request, r.explanation FROM "
#define READER_ISSUED(where)                                                \
    READER_WHOLE "certificate c JOIN request r ON r.id = c.request"         \
                 " LEFT JOIN admission a ON a.request = r.id"               \
                 " LEFT JOIN ticket t ON t.request = r.id"                  \
                 " LEFT JOIN revocation v ON v.request = r.id WHERE " where \
                 " AND (?2 IS NULL OR r.tenant = ?2) AND c.der IS NOT NULL ORDER BY c.request DESC LIMIT 1"

#define READER_STATEMENTS(X)                                                                               \
    X(BY_REQUEST, READER_WHOLE READER_FROM " WHERE r.request_id = ?1 AND (?2 IS NULL OR r.tenant = ?2)")   \
    X(BY_SHA256, READER_ISSUED("c.sha256 = ?1"))                                                           \
    X(BY_SHA1, READER_ISSUED("c.sha1 = ?1"))                                                               \
    X(BY_SERIAL, READER_ISSUED("c.serial = ?1"))                                                           \
    X(BY_DEVICE, READER_WHOLE READER_FROM " WHERE r.device_id = ?1 AND r.state = 'issued'"                 \
                                          " AND (?2 IS NULL OR r.tenant = ?2)"                             \
                                          " ORDER BY r.received_at DESC, r.id DESC LIMIT 1")               \
    X(BY_ID, READER_ISSUED("r.request_id = ?1"))                                                           \
    X(TOKENS, "SELECT " STORE_TOKEN_COLUMNS ", t.id FROM token t WHERE (?1 IS NULL OR t.principal = ?1)"   \
              " AND (?5 IS NULL OR t.tenant = ?5)"                                                         \
              " AND (t.created_at, t.id) < (?2, ?3) ORDER BY t.created_at DESC, t.id DESC LIMIT ?4")       \
    X(DEVICE, "SELECT " STORE_DEVICE_COLUMNS                                                               \
              ", " STORE_DEVICE_LIVE("?4") " FROM device d"                                                \
                                           " WHERE d.device_id = ?1 AND (?2 IS NULL OR d.provider = ?2) "  \
                                           "AND (?3 IS NULL OR d.tenant = ?3) LIMIT 2")                    \
    X(COUNTS, "SELECT state, n FROM counter")                                                              \
    X(META, "SELECT value FROM meta WHERE name = ?")                                                       \
    X(AUDIT,                                                                                               \
      "SELECT seq, at, event, actor, request_id, serial, digest, detail, hash FROM audit ORDER BY seq")    \
    X(DER_OF, "SELECT c.der, c.revoked_at <> coalesce((SELECT v.revoked_at FROM revocation v"              \
              " WHERE v.request = c.request AND v.released_at = 0), 0) FROM certificate c JOIN request r " \
              "ON r.id = c.request"                                                                        \
              " WHERE c.sha256 = ? AND r.request_id = ? AND c.serial = ? AND r.state = 'issued'")          \
    X(COUNT_DER, "SELECT count(*) FROM certificate WHERE sha256 IS NOT NULL")                              \
    X(REVOCATION_OF, "SELECT v.audit, v.changed_at, v.reason, v.released_at <> 0, c.revoked_at <> 0"       \
                     " FROM certificate c JOIN revocation v ON v.request = c.request WHERE c.sha256 = ?")  \
    X(COUNT_REVOCATIONS, "SELECT count(*) FROM revocation")

enum reader_statement {
#define X(name, sql) READER_##name,
    READER_STATEMENTS(X)
#undef X
        READER_N
};

struct ledger_reader {
    struct store store;
};

#define READER_RULE_LIST "ledger listings"
#define READER_LIMIT_MAX 500

/** Where a page ends: the sort key of a listing, newest first. */
struct position {
    int64_t received_at, id;
};

/**
 * The condition on certificate c, and revocation v, that makes it "unconfirmed", "active", "superseded",
 * "revoked", "held" or "expired", with one parameter, the time in seconds; NULL when @p state is none of
 * them.
 */
const char *life_condition(const char *state);
/** Those that are few among the certificates: revocation leads. */
bool life_is_revocation(const char *state);

/** Opaque cursor text of a position, and back (false when it is not one of ours). */
const char *position_encode(const struct position *p, struct pke_arena *arena);
bool position_decode(const char *cursor, struct position *ret);

#endif
