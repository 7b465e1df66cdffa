/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The writer's insides, shared by the files that implement ledger.h. Private to ledger/.
 */
#ifndef LEDGER_WRITER_H
#define LEDGER_WRITER_H

#include "ledger/ledger.h"
#include "ledger/store.h"

/* Issued certificates: looked up, confirmed, superseded. */
#define WRITER_CERTIFICATES(X)                                                                              \
    X(FIND_CERTIFICATE,                                                                                     \
      "SELECT r.request_id, c.serial, c.tenant, c.provider, c.principal, c.user_id,"                        \
      " coalesce(c.template_name, r.template_name), c.device_id,"                                           \
      " coalesce(c.enrollment_type, r.enrollment_type), c.subject, c.san_uri, c.ent_dmid, c.der,"           \
      " c.issuer_id, r.attributes, c.not_before, c.not_after, r.finished_at, c.confirmed_at,"               \
      " c.superseded_at, c.revoked_at, c.released_at, c.names FROM certificate c JOIN request r ON r.id ="  \
      " c.request WHERE c.sha256 = ?")                                                                      \
    X(CERT_BY_SHA256, "SELECT sha256 FROM certificate WHERE sha256 = ?1" STORE_OF_TENANT)                   \
    X(CERT_BY_SHA1, "SELECT sha256 FROM certificate WHERE sha1 = ?1" STORE_OF_TENANT " LIMIT 2")            \
    X(CERT_BY_SERIAL,                                                                                       \
      "SELECT sha256 FROM certificate WHERE serial = ?1 AND sha256 IS NOT NULL" STORE_OF_TENANT " LIMIT 3") \
    X(CERT_BY_REQUEST,                                                                                      \
      "SELECT c.sha256 FROM request r JOIN certificate c ON c.request = r.id"                               \
      " WHERE r.request_id = ?1 AND c.sha256 IS NOT NULL AND (?2 IS NULL OR c.tenant = ?2)")                \
    X(FIND_RENEWED, "SELECT c.request, c.superseded_at, c.released_at, c.revoked_at FROM certificate c"     \
                    " WHERE c.sha256 = ? AND c.tenant = ?")                                                 \
    X(FIND_UNCONFIRMED, "SELECT c.request, r.request_id, c.serial, c.confirmed_at FROM certificate c"       \
                        " JOIN request r ON r.id = c.request WHERE c.sha256 = ?")                           \
    X(CONFIRM, "UPDATE certificate SET confirmed_at = ?2 WHERE request = ?1")                               \
    X(NEXT_OLDER,                                                                                           \
      "SELECT c.request, r.request_id, c.serial FROM certificate n CROSS JOIN certificate c"                \
      " CROSS JOIN request r ON r.id = c.request WHERE n.request = ? AND c.device_id = n.device_id"         \
      " AND c.tenant = n.tenant AND c.provider = n.provider AND c.superseded_at = 0 AND c.revoked_at = 0"   \
      " AND c.sha256 IS NOT NULL AND +c.request < n.request LIMIT 1")                                       \
    X(NEXT_OF_DEVICE,                                                                                       \
      "SELECT c.request, r.request_id, c.serial FROM device n CROSS JOIN certificate c"                     \
      " CROSS JOIN request r ON r.id = c.request WHERE n.id = ? AND c.device_id = n.device_id"              \
      " AND c.tenant = n.tenant AND c.provider = n.provider AND c.superseded_at = 0 AND c.revoked_at = 0"   \
      " AND c.sha256 IS NOT NULL LIMIT 1")                                                                  \
    X(RELEASE_CERTIFICATES,                                                                                 \
      "UPDATE certificate SET released_at = ?2 WHERE released_at = 0 AND sha256 IS NOT NULL AND request IN" \
      " (SELECT c.request FROM device n CROSS JOIN request r ON r.device_id = n.device_id"                  \
      " CROSS JOIN certificate c ON c.request = r.id WHERE n.id = ?1 AND c.tenant = n.tenant"               \
      " AND c.provider = n.provider)")                                                                      \
    X(SUPERSEDE, "UPDATE certificate SET superseded_at = ?2 WHERE request = ?1")

#define WRITER_DEVICES(X)                                                                                    \
    X(FIND_DEVICE, "SELECT " STORE_DEVICE_COLUMNS " FROM device d"                                           \
                   " WHERE d.tenant = ? AND d.device_id = ? AND d.provider = ?")                             \
    X(FIND_LIVE, "SELECT c.tenant, c.provider, c.device_id, c.principal, c.user_id,"                         \
                 " coalesce(c.enrollment_type, r.enrollment_type), c.ent_dmid, r.device_name, r.hwdev_id,"   \
                 " r.state = 'intent', c.renewed_from IS NOT NULL FROM certificate c JOIN request r ON "     \
                 "r.id = c.request"                                                                          \
                 " WHERE c.tenant = ? AND c.device_id = ? AND c.provider = ? AND c.not_after >= ?"           \
                 " AND c.superseded_at = 0 AND c.revoked_at = 0 AND r.state IN ('intent','issued')"          \
                 " ORDER BY +c.request DESC LIMIT 1")                                                        \
    X(LIVE_OF_TEMPLATE, "SELECT 1 FROM certificate c JOIN request r ON r.id = c.request"                     \
                        " WHERE c.tenant = ? AND c.device_id = ? AND c.provider = ? AND c.not_after >= ?"    \
                        " AND c.superseded_at = 0 AND c.revoked_at = 0 AND r.state IN ('intent','issued')"   \
                        " AND coalesce(c.template_name, r.template_name) = ? LIMIT 1")                       \
    X(GATE_INTENT,                                                                                           \
      "SELECT d.blocked_at, d.released_at, CASE WHEN d.principal IS NULL AND d.user_id IS NULL THEN 1"       \
      " WHEN d.user_id IS NOT NULL AND ?5 IS NOT NULL THEN d.user_id = ?5 ELSE d.principal = ?4 END"         \
      " FROM device d WHERE d.id = coalesce("                                                                \
      "(SELECT id FROM device WHERE tenant = ?1 AND device_id = ?2 AND provider = ?3),"                      \
      "(SELECT id FROM device WHERE tenant = ?1 AND device_id = ?2 AND provider = ''))")                     \
    X(GATE_ISSUED, "SELECT d.blocked_at, d.released_at OR coalesce(o.released_at, 0), o.revoked_at"          \
                   " FROM certificate c LEFT JOIN device d ON d.id = coalesce("                              \
                   "(SELECT x.id FROM device x WHERE x.tenant = c.tenant AND x.device_id = c.device_id AND " \
                   "x.provider = c.provider),"                                                               \
                   "(SELECT x.id FROM device x WHERE x.tenant = c.tenant AND x.device_id = c.device_id AND " \
                   "x.provider = ''))"                                                                       \
                   " LEFT JOIN certificate o ON o.request = c.renewed_from WHERE c.request = ?1")            \
    X(GATE_KEY, "SELECT v.reason = 1 FROM certificate c JOIN revocation v ON v.request = c.request"          \
                " AND v.released_at = 0 WHERE c.spki_sha256 = ? ORDER BY v.reason = 1 DESC LIMIT 1")         \
    X(GATE_ISSUED_KEY, "SELECT v.reason = 1 FROM certificate n JOIN certificate c"                           \
                       " ON c.spki_sha256 = n.spki_sha256 JOIN revocation v ON v.request = c.request"        \
                       " AND v.released_at = 0 WHERE n.request = ? ORDER BY v.reason = 1 DESC LIMIT 1")      \
    X(COUNT_DEVICES,                                                                                         \
      "SELECT count(*) FROM (SELECT d.provider, d.device_id FROM device d WHERE d.user_id = ?3"              \
      " AND d.tenant = ?1 AND d.released_at = 0 AND " STORE_DEVICE_LIVE(                                     \
          "?6") " UNION SELECT d.provider, d.device_id FROM device d WHERE d.principal = ?2 AND d.tenant = " \
                "?1"                                                                                         \
                " AND (d.user_id IS NULL OR ?3 IS NULL) AND d.released_at = 0 AND " STORE_DEVICE_LIVE(       \
                    "?6") " UNION SELECT c.provider, c.device_id FROM request r JOIN certificate c ON "      \
                          "c.request = r.id"                                                                 \
                          " WHERE r.state = 'intent' AND +r.principal = ?2 AND c.tenant = ?1 AND "           \
                          "c.device_id IS NOT NULL"                                                          \
                          " AND (c.user_id IS NULL OR ?3 IS NULL OR c.user_id = ?3))"                        \
                          " WHERE NOT (device_id COLLATE NOCASE IS ?5 AND (provider IS ?4 OR provider = "    \
                          "''))")                                                                            \
    X(FIND_PERMISSION,                                                                                       \
      "SELECT 1 FROM device d WHERE d.id = coalesce("                                                        \
      "(SELECT id FROM device WHERE tenant = ?1 AND device_id = ?2 AND provider = ?3),"                      \
      "(SELECT id FROM device WHERE tenant = ?1 AND device_id = ?2 AND provider = ''))"                      \
      " AND (?4 & 1 = 0 OR d.recovery_until > ?5) AND (?4 & 2 = 0 OR d.renewal_until > ?5)"                  \
      " AND NOT EXISTS (SELECT 1 FROM certificate c JOIN request r ON r.id = c.request"                      \
      " WHERE c.device_id = ?2 AND c.tenant = ?1 AND c.provider = ?3 AND c.superseded_at = 0"                \
      " AND c.revoked_at = 0 AND c.uses_grant & ?4 AND r.state = 'intent')")                                 \
    X(ADOPT_DEVICE,                                                                                          \
      "UPDATE device SET provider = (SELECT provider FROM certificate WHERE request = ?1) WHERE id ="        \
      " (SELECT d.id FROM certificate c JOIN device d ON d.tenant = c.tenant"                                \
      " AND d.device_id = c.device_id AND d.provider = '' WHERE c.request = ?1 AND c.provider <> ''"         \
      " AND NOT EXISTS (SELECT 1 FROM device x WHERE x.tenant = c.tenant AND x.device_id = c.device_id"      \
      " AND x.provider = c.provider))")                                                                      \
    X(ADOPT_CERTIFICATES,                                                                                    \
      "UPDATE certificate SET provider = (SELECT provider FROM certificate WHERE request = ?1)"              \
      " WHERE provider = '' AND request IN (SELECT c.request FROM certificate n"                             \
      " CROSS JOIN request r ON r.device_id = n.device_id CROSS JOIN certificate c ON c.request = r.id"      \
      " WHERE n.request = ?1 AND c.tenant = n.tenant)")                                                      \
    X(UPSERT_DEVICE,                                                                                         \
      "INSERT INTO device (tenant, provider, device_id, principal, user_id, enrollment_type, ent_dmid,"      \
      " device_name, hwdev_id, first_at, last_at) SELECT c.tenant, c.provider, c.device_id, c.principal,"    \
      " c.user_id, r.enrollment_type, c.ent_dmid, r.device_name, r.hwdev_id, ?2, ?2 FROM certificate c"      \
      " JOIN request r ON r.id = c.request WHERE c.request = ?1 AND c.device_id IS NOT NULL"                 \
      " ON CONFLICT (tenant, device_id, provider) DO UPDATE SET last_at = excluded.last_at,"                 \
      " enrollment_type = coalesce(excluded.enrollment_type, enrollment_type),"                              \
      " ent_dmid = CASE WHEN ?3 THEN coalesce(ent_dmid, excluded.ent_dmid)"                                  \
      " ELSE coalesce(excluded.ent_dmid, ent_dmid) END,"                                                     \
      " device_name = coalesce(excluded.device_name, device_name),"                                          \
      " hwdev_id = CASE WHEN ?3 THEN coalesce(hwdev_id, excluded.hwdev_id)"                                  \
      " ELSE coalesce(excluded.hwdev_id, hwdev_id) END,"                                                     \
      " principal = CASE WHEN ?3 THEN principal ELSE excluded.principal END,"                                \
      " user_id = CASE WHEN ?3 OR (excluded.user_id IS NULL AND principal = excluded.principal) THEN "       \
      "user_id"                                                                                              \
      " ELSE excluded.user_id END,"                                                                          \
      " first_at = CASE WHEN first_at = 0 THEN excluded.first_at ELSE first_at END,"                         \
      " released_at = CASE WHEN ?3 THEN released_at ELSE 0 END,"                                             \
      " recovery_until = CASE WHEN ?4 & 1 THEN 0 ELSE recovery_until END,"                                   \
      " renewal_until = CASE WHEN ?4 & 2 THEN 0 ELSE renewal_until END")                                     \
    X(NAME_DEVICE,                                                                                           \
      "SELECT d.id, d.provider, d.blocked_at, d.released_at, d.principal, d.user_id, d.first_at"             \
      " FROM device d WHERE d.tenant = ?1 AND d.device_id = ?2 AND (?3 IS NULL OR d.provider = ?3"           \
      " OR (d.provider = '' AND NOT EXISTS (SELECT 1 FROM device x WHERE x.tenant = ?1"                      \
      " AND x.device_id = ?2 AND x.provider = ?3))) LIMIT 2")                                                \
    X(ADD_BLOCKED,                                                                                           \
      "INSERT INTO device (tenant, provider, device_id, first_at, last_at, blocked_at, blocked_by)"          \
      " SELECT ?1, ?2, ?3, 0, 0, ?4, ?5 WHERE NOT EXISTS"                                                    \
      " (SELECT 1 FROM device WHERE tenant = ?1 AND device_id = ?3)")                                        \
    X(FORGET_DEVICE, "DELETE FROM device WHERE id = ? AND first_at = 0")                                     \
    X(BLOCK_DEVICE, "UPDATE device SET blocked_at = ?2, blocked_by = ?3 WHERE id = ?1")                      \
    X(FREE_DEVICE, "UPDATE device SET principal = NULL, user_id = NULL, ent_dmid = NULL, released_at = ?2,"  \
                   " recovery_until = 0, renewal_until = 0 WHERE id = ?1")                                   \
    X(ALLOW_RECOVERY, "UPDATE device SET recovery_until = ?2 WHERE id = ?1")                                 \
    X(ALLOW_RENEWAL, "UPDATE device SET renewal_until = ?2 WHERE id = ?1")

/* Of a tenant as a whole: one pass over what is valid. */
#define WRITER_TENANTS(X)                                                                          \
    X(COUNT_TENANT,                                                                                \
      "SELECT count(*), count(DISTINCT lower(device_id) || char(10) || provider) FROM certificate" \
      " WHERE tenant = ?1 AND not_after >= ?2 AND superseded_at = 0 AND revoked_at = 0"            \
      " AND sha256 IS NOT NULL")

#define WRITER_ADMISSIONS(X)                                                                                \
    X(FIND_ADMISSION,                                                                                       \
      "SELECT " STORE_ADMISSION_COLUMNS ", a.id FROM " STORE_ADMISSION_FROM " WHERE a.tenant = ?"           \
      " AND a.principal = ? AND a.provider = ? AND a.device_id = ? AND a.template_name = ?"                 \
      " AND (a.user_id IS NULL OR ?6 IS NULL OR a.user_id = ?6) ORDER BY a.id DESC LIMIT 1")                \
    X(OPEN_ADMISSION, "SELECT a.id, f.request_id FROM " STORE_ADMISSION_FROM " WHERE a.tenant = ?"          \
                      " AND a.principal = ? AND a.provider = ? AND a.device_id = ? AND a.template_name = ?" \
                      " AND a.state IN ('pending','granted')")                                              \
    X(COUNT_PENDING, "SELECT count(*) FROM admission a WHERE a.state = 'pending' AND +a.tenant = ?1"        \
                     " AND CASE WHEN a.user_id IS NOT NULL AND ?3 IS NOT NULL THEN a.user_id = ?3"          \
                     " ELSE a.principal = ?2 END")                                                          \
    X(ADD_ADMISSION,                                                                                        \
      "INSERT INTO admission (tenant, principal, user_id, provider, device_id, template_name, request,"     \
      " state, attempts, first_at, last_at) SELECT tenant, principal, user_id, coalesce(provider, ''),"     \
      " device_id, template_name, id, 'pending', 1, received_at, received_at FROM request"                  \
      " WHERE request_id = ?")                                                                              \
    X(FOLD_ADMISSION, "UPDATE admission SET attempts = attempts + 1, last_at = ?2 WHERE id = ?1")           \
    X(NAME_ADMISSION, "SELECT a.id, a.state FROM " STORE_ADMISSION_FROM                                     \
                      " WHERE f.request_id = ?1 AND (?2 IS NULL OR a.tenant = ?2)")                         \
    X(SET_ADMISSION, "UPDATE admission SET state = ?2, decided_at = ?3, decided_by = ?4, expires_at = ?5"   \
                     " WHERE id = ?1")                                                                      \
    X(END_ADMISSION, "UPDATE admission SET state = 'expired' WHERE id = ?1")                                \
    X(USE_ADMISSION,                                                                                        \
      "UPDATE admission SET used_by = last_insert_rowid() WHERE id = (SELECT a.id "                         \
      "FROM " STORE_ADMISSION_FROM                                                                          \
      " JOIN request n ON n.id = last_insert_rowid() WHERE f.request_id = ?1 AND a.state = 'granted'"       \
      " AND a.expires_at > ?2 AND a.tenant = n.tenant AND a.principal = n.principal"                        \
      " AND a.provider = coalesce(n.provider, '') AND a.device_id = n.device_id"                            \
      " AND a.template_name = n.template_name"                                                              \
      " AND (a.user_id IS NULL OR n.user_id IS NULL OR a.user_id = n.user_id)"                              \
      " AND NOT EXISTS (SELECT 1 FROM request u WHERE u.id = a.used_by"                                     \
      " AND u.state IN ('intent','issued')))")                                                              \
    X(CONSUME_ADMISSION, "UPDATE admission SET state = 'used' WHERE used_by = ?1")

/* Requests that wait for the key. The number of a ticket is never given out twice (AUTOINCREMENT). */
#define WRITER_TICKETS(X)                                                                                    \
    X(FIND_TICKET_SLOT, "SELECT number FROM ticket WHERE idempotency_key = ? AND state = 'waiting'")         \
    X(COUNT_TICKETS, "SELECT count(*) FROM ticket WHERE state = 'waiting'")                                  \
    X(COUNT_TICKETS_OF, "SELECT count(*) FROM ticket WHERE principal = ? AND state = 'waiting'")             \
    X(ADD_TICKET, "INSERT INTO ticket (request, principal, idempotency_key, state, waiting_at, expires_at)"  \
                  " SELECT id, principal, ?2, 'waiting', ?3, ?4 FROM request WHERE request_id = ?1")         \
    X(TICKET,                                                                                                \
      "SELECT t.number, r.request_id, t.state, r.tenant, r.principal, r.user_id, r.endpoint, r.operation,"   \
      " r.enrollment_type, r.attributes, t.waiting_at, t.expires_at, t.finished_at,"                         \
      " coalesce(t.fail_err, r.fail_err), coalesce(t.fail_reason, r.fail_reason),"                           \
      " coalesce(t.fail_rule, r.fail_rule), coalesce(t.fail_text, r.fail_text),"                             \
      " o.request_id, c.serial, c.subject, c.ent_dmid, c.der, c.revoked_at, c.released_at,"                  \
      " (SELECT max(d.blocked_at) FROM device d WHERE d.tenant = c.tenant AND d.device_id = c.device_id"     \
      " AND d.provider IN (c.provider, '')), c.issuer_id FROM ticket t"                                      \
      " JOIN request r ON r.id = t.request"                                                                  \
      " LEFT JOIN request o ON o.id = t.result AND t.state = 'issued'"                                       \
      " LEFT JOIN certificate c ON c.request = o.id WHERE t.number = ?")                                     \
    X(NEXT_TICKET, "SELECT t.number, r.endpoint FROM ticket t CROSS JOIN request r ON r.id = t.request"      \
                   " WHERE t.state = 'waiting' AND t.number > ? ORDER BY t.number LIMIT 1")                  \
    X(LOAD_TICKET, "SELECT r.request_id, r.tenant, r.principal, r.credential, r.endpoint, r.template_name,"  \
                   " r.operation, r.stage, r.device_id, r.enrollment_type, r.source, r.user_id, r.provider," \
                   " r.request, r.context, r.attributes, t.idempotency_key FROM ticket t"                    \
                   " JOIN request r ON r.id = t.request WHERE t.number = ? AND t.state = 'waiting'")         \
    X(NAME_TICKET, "SELECT t.number FROM request r JOIN ticket t ON t.request = r.id"                        \
                   " WHERE r.request_id = ?1 AND t.state = 'waiting' AND (?2 IS NULL OR r.tenant = ?2)")     \
    X(EXPIRED_TICKET, "SELECT t.number, r.request_id FROM ticket t CROSS JOIN request r"                     \
                      " ON r.id = t.request WHERE t.state = 'waiting' AND t.expires_at <= ?"                 \
                      " ORDER BY t.expires_at LIMIT 1")                                                      \
    X(END_TICKET, "UPDATE ticket SET state = ?2, finished_at = ?3, fail_err = ?4, fail_reason = ?5,"         \
                  " fail_rule = ?6, fail_text = ?7 WHERE number = ?1 AND state = 'waiting'")                 \
    X(USE_TICKET, "UPDATE ticket SET result = last_insert_rowid() WHERE number = ? AND state = 'waiting'")   \
    X(RESULT_TICKET, "SELECT state FROM ticket WHERE result = ?")                                            \
    X(ISSUE_TICKET, "UPDATE ticket SET state = 'issued', finished_at = ?2 WHERE result = ?1")

/* Revocation. CERT_ROW is what a change of one needs; the columns of PICK are those that the selections
 * share.
 */
#define WRITER_PICK                                                                              \
    "SELECT c.sha256, r.request_id, c.serial, c.subject, c.device_id, c.principal, c.not_after," \
    " c.revoked_at, r.received_at, r.id FROM request r"
#define WRITER_PICKED                                                                               \
    " CROSS JOIN certificate c ON c.request = r.id LEFT JOIN revocation v ON v.request = c.request" \
    " AND v.released_at = 0 WHERE c.tenant = ?1 AND c.sha256 IS NOT NULL"                           \
    " AND CASE ?4 WHEN 0 THEN c.not_after >= ?5 AND (c.revoked_at = 0 OR v.reason = 6)"             \
    " WHEN 1 THEN c.not_after >= ?5 AND c.revoked_at = 0 ELSE v.reason = 6 END"
#define WRITER_PICK_PAGE " AND (r.received_at, r.id) > (?6, ?7) ORDER BY r.received_at, r.id LIMIT ?8"
#define WRITER_KNOWN(index)                                                                     \
    "SELECT 1 FROM request r INDEXED BY " index " CROSS JOIN certificate c ON c.request = r.id" \
    " WHERE c.tenant = ?1 AND (c.sha256 IS NOT NULL OR r.state = 'intent')"
#define WRITER_REVOCATIONS(X)                                                                              \
    X(CERT_ROW, "SELECT c.request, r.request_id, c.serial, c.issuer_id, v.reason, v.released_at, c.tenant" \
                " FROM certificate c JOIN request r ON r.id = c.request"                                   \
                " LEFT JOIN revocation v ON v.request = c.request WHERE c.sha256 = ?")                     \
    X(REVOKE,                                                                                              \
      "INSERT INTO revocation (request, issuer_id, serial, not_after, change, reason, revoked_at,"         \
      " revoked_by, comment, changed_at, audit) SELECT c.request, c.issuer_id, c.serial, c.not_after,"     \
      " (SELECT coalesce(max(change), 0) + 1 FROM revocation), ?2, ?3, ?4, ?5, ?3, ?6"                     \
      " FROM certificate c WHERE c.request = ?1 ON CONFLICT (request) DO UPDATE SET"                       \
      " change = excluded.change, reason = excluded.reason,"                                               \
      " revoked_at = iif(released_at = 0, revoked_at, excluded.revoked_at),"                               \
      " revoked_by = excluded.revoked_by, comment = excluded.comment, released_at = 0,"                    \
      " released_by = NULL, changed_at = excluded.changed_at, audit = excluded.audit")                     \
    X(MARK_REVOKED, "UPDATE certificate SET revoked_at = (SELECT v.revoked_at FROM revocation v"           \
                    " WHERE v.request = ?1) WHERE request = ?1")                                           \
    X(RELEASE_HOLD, "UPDATE revocation SET released_at = ?2, released_by = ?3,"                            \
                    " change = (SELECT max(change) + 1 FROM revocation), changed_at = ?2, audit = ?4"      \
                    " WHERE request = ?1")                                                                 \
    X(UNMARK_REVOKED,                                                                                      \
      "UPDATE certificate SET revoked_at = 0, superseded_at = CASE WHEN superseded_at <> 0"                \
      " THEN superseded_at WHEN released_at <> 0 OR EXISTS (SELECT 1 FROM request r"                       \
      " CROSS JOIN certificate n ON n.request = r.id WHERE r.device_id = certificate.device_id"            \
      " AND n.request > certificate.request AND n.tenant = certificate.tenant"                             \
      " AND n.provider = certificate.provider AND n.confirmed_at <> 0) THEN ?2 ELSE 0 END"                 \
      " WHERE request = ?1")                                                                               \
    X(IS_SUPERSEDED, "SELECT superseded_at FROM certificate WHERE request = ?")                            \
    X(SERIAL_STATE,                                                                                        \
      "SELECT r.state FROM certificate c JOIN request r ON r.id = c.request"                               \
      " WHERE c.serial = ?1 AND (?2 IS NULL OR c.tenant = ?2) ORDER BY r.state <> 'intent' LIMIT 1")       \
    X(REQUEST_STATE, "SELECT state FROM request WHERE request_id = ?1" STORE_OF_TENANT)                    \
    X(PICK_OF_DEVICE,                                                                                      \
      WRITER_PICK " INDEXED BY request_device" WRITER_PICKED                                               \
                  " AND r.device_id = ?2 AND (?3 IS NULL OR c.provider = ?3)" WRITER_PICK_PAGE)            \
    X(PICK_OF_PRINCIPAL,                                                                                   \
      WRITER_PICK " INDEXED BY request_principal" WRITER_PICKED                                            \
                  " AND r.principal = ?2 AND (?3 IS NULL OR c.user_id = ?3)" WRITER_PICK_PAGE)             \
    X(KNOWN_DEVICE, WRITER_KNOWN("request_device") " AND r.device_id = ?2 LIMIT 1")                        \
    X(KNOWN_PRINCIPAL, WRITER_KNOWN("request_principal") " AND r.principal = ?2 LIMIT 1")                  \
    X(IN_FLIGHT, "SELECT count(*) FROM request r INDEXED BY request_state CROSS JOIN certificate c"        \
                 " ON c.request = r.id WHERE r.state = 'intent' AND c.tenant = ?1"                         \
                 " AND CASE WHEN ?2 IS NOT NULL THEN c.device_id = ?2 AND (?3 IS NULL OR c.provider = ?3)" \
                 " ELSE r.principal = ?4 AND (?5 IS NULL OR c.user_id = ?5) END")

/* Revocation lists: ledger/crl.c. */
#define WRITER_CRLS(X)                                                                                       \
    X(CRL_CHANGES, "SELECT change, serial, not_after, reason, revoked_at, released_at FROM revocation"       \
                   " WHERE issuer_id = ? AND change > ? ORDER BY change LIMIT ?")                            \
    X(CRL_CARRIED, "SELECT change, serial, not_after, reason, revoked_at, released_at FROM crl_carried"      \
                   " WHERE issuer_id = ? AND serial > ? ORDER BY serial LIMIT ?")                            \
    X(FIND_CARRIED, "SELECT reason, released_at FROM crl_carried WHERE issuer_id = ? AND serial = ?")        \
    X(RELEASE_CARRIED, "UPDATE crl_carried SET released_at = ?3,"                                            \
                       " change = (SELECT coalesce(max(change), 0) + 1 FROM revocation) WHERE issuer_id = "  \
                       "?1 AND serial = ?2")                                                                 \
    X(CRL_KNOWN, "SELECT sha256 FROM certificate WHERE issuer_id = ? AND serial = ? AND sha256 IS NOT NULL") \
    X(ADD_CARRIED,                                                                                           \
      "INSERT INTO crl_carried (issuer_id, serial, not_after, reason, revoked_at)"                           \
      " VALUES (?,?,?,?,?) ON CONFLICT (issuer_id, serial) DO UPDATE SET reason = excluded.reason,"          \
      " released_at = 0 WHERE crl_carried.reason = 6 AND excluded.reason <> 6")                              \
    X(CRL_NUMBER, "SELECT max(number) FROM crl WHERE issuer_id = ?")                                         \
    X(ADD_CRL, "INSERT INTO crl (issuer_id, number, base, change, entries, this_update, next_update,"        \
               " tells_deltas) VALUES (?,?,?,?,?,?,?,?)")                                                    \
    X(SIGN_CRL, "UPDATE crl SET sha256 = ?3 WHERE issuer_id = ?1 AND number = ?2 AND sha256 IS NULL")        \
    X(LATEST_CRL, "SELECT " STORE_CRL_COLUMNS " FROM crl WHERE issuer_id = ? AND (base > 0) = ?"             \
                  " AND sha256 IS NOT NULL ORDER BY number DESC LIMIT 1")                                    \
    X(OLDEST_CRL, "SELECT " STORE_CRL_COLUMNS " FROM crl WHERE issuer_id = ? AND base = 0"                   \
                  " AND next_update > ? AND tells_deltas >= ? AND sha256 IS NOT NULL"                        \
                  " ORDER BY number LIMIT 1")

#define WRITER_ROLLOVERS(X)                                                                                 \
    X(LIST_ROLLOVERS,                                                                                       \
      "SELECT from_issuer, to_issuer, scheduled_at, scheduled_by, switch_at, acknowledged_at,"              \
      " acknowledged_by, switched_at, switched_by FROM rollover WHERE cancelled_at = 0 ORDER BY id")        \
    X(ADD_ROLLOVER, "INSERT INTO rollover (from_issuer, to_issuer, scheduled_at, scheduled_by, switch_at)"  \
                    " SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS"                                           \
                    " (SELECT 1 FROM rollover WHERE from_issuer = ?1 AND cancelled_at = 0)")                \
    X(ACKNOWLEDGE_ROLLOVER, "UPDATE rollover SET acknowledged_at = ?2, acknowledged_by = ?3"                \
                            " WHERE from_issuer = ?1 AND cancelled_at = 0 AND switched_at = 0")             \
    X(SWITCH_ROLLOVER, "UPDATE rollover SET switched_at = ?2, switched_by = ?3"                             \
                       " WHERE from_issuer = ?1 AND cancelled_at = 0 AND switched_at = 0")                  \
    X(CANCEL_ROLLOVER, "UPDATE rollover SET cancelled_at = ?2, cancelled_by = ?3"                           \
                       " WHERE from_issuer = ?1 AND cancelled_at = 0")                                      \
    X(ISSUER_LIFE, "SELECT not_after FROM certificate WHERE issuer_id = ? ORDER BY not_after DESC LIMIT 1") \
    X(ISSUERS_ALIVE, "SELECT issuer_id FROM certificate GROUP BY issuer_id HAVING max(not_after) > ?")

/* The outbox: event.c. Kinds of rows as there. */
#define WRITER_EVENTS(X)                                                                                     \
    X(EVENTS_END, "SELECT max(seq) FROM audit")                                                              \
    X(EVENTS_AFTER,                                                                                          \
      "SELECT a.seq, a.at, a.event, a.actor, a.request_id, a.detail, r.tenant, r.principal, r.user_id,"      \
      " r.credential, r.endpoint, r.template_name, r.operation, r.device_id, r.enrollment_type,"             \
      " r.provider, c.ent_dmid, c.subject, c.serial, c.issuer_id, c.sha1, c.sha256, c.not_before,"           \
      " c.not_after, (SELECT o.request_id FROM request o WHERE o.id = c.renewed_from), c.der, c.names,"      \
      " r.fail_reason, r.fail_rule, r.fail_text FROM audit a"                                                \
      " LEFT JOIN request r ON r.request_id = a.request_id LEFT JOIN certificate c ON c.request = r.id"      \
      " WHERE a.seq > ?1 AND a.seq <= ?2 AND a.event IN ('issued','failed','abandoned','refused',"           \
      "'waiting','pending','waiting-denied','denied','approved','revoked','held','hold-released',"           \
      "'expiring','issuer-scheduled','issuer-acknowledged','issuer-switched','issuer-cancelled')"            \
      " AND (?3 IS NULL OR r.id IS NULL OR "                                                                 \
      "r.tenant = ?3) ORDER BY a.seq LIMIT ?4")                                                              \
    X(EVENT_TIME, "SELECT at FROM audit WHERE seq >= ? ORDER BY seq LIMIT 1")                                \
    X(ADD_SINK, "INSERT INTO sink (name, position) SELECT ?1, coalesce(max(seq), 0) FROM audit"              \
                " WHERE true ON CONFLICT (name) DO NOTHING")                                                 \
    X(SINK_POSITION, "SELECT position FROM sink WHERE name = ?")                                             \
    X(MOVE_SINK, "UPDATE sink SET position = ?2 WHERE name = ?1")                                            \
    X(LIST_LATE, "SELECT seq, request_id, attempts, next_at, dead_at, error FROM sink_event"                 \
                 " WHERE sink = ?1 AND (dead_at > 0) = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4")               \
    X(KEEP_LATE, "INSERT INTO sink_event (sink, seq, request_id, attempts, next_at, dead_at, error)"         \
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (sink, seq) DO UPDATE SET attempts = ?4," \
                 " next_at = ?5, dead_at = ?6, error = ?7")                                                  \
    X(SINK_DONE, "DELETE FROM sink_event WHERE sink = ?1 AND seq = ?2")                                      \
    X(COUNT_DEAD, "SELECT count(*) FROM sink_event WHERE sink = ? AND dead_at > 0")                          \
    X(REVIVE, "UPDATE sink_event SET dead_at = 0, attempts = 0, next_at = 0"                                 \
              " WHERE sink = ?1 AND seq = ?2 AND dead_at > 0")                                               \
    X(EXPIRY_PLACE, "SELECT not_after, request FROM expiry WHERE issuer_id = ?")                             \
    X(MOVE_EXPIRY, "INSERT INTO expiry (issuer_id, not_after, request) VALUES (?1, ?2, ?3)"                  \
                   " ON CONFLICT (issuer_id) DO UPDATE SET not_after = ?2, request = ?3")                    \
    X(EXPIRING, "SELECT c.not_after, c.request, r.request_id, r.tenant, c.serial,"                           \
                " c.superseded_at = 0 AND c.revoked_at = 0 AND c.sha256 IS NOT NULL FROM certificate c"      \
                " JOIN request r ON r.id = c.request WHERE c.issuer_id = ?1 AND (c.not_after, c.request) >"  \
                " (?2, ?3) AND c.not_after <= ?4 ORDER BY c.not_after, c.request LIMIT ?5")

#define WRITER_STATEMENTS(X)                                                                                 \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(SAVE, "SAVEPOINT change")                                                                              \
    X(RELEASE, "RELEASE change")                                                                             \
    X(UNDO, "ROLLBACK TO change")                                                                            \
    X(ADD_REQUEST,                                                                                           \
      "INSERT INTO request (request_id, state, tenant, principal, credential, endpoint, template_name,"      \
      " operation, stage, device_id, enrollment_type, device_name, hwdev_id, source, context, request,"      \
      " received_at, finished_at, idempotency_key, fail_err, fail_reason, fail_rule, fail_text, user_id,"    \
      " provider, attestation, attributes, explanation)"                                                     \
      " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")                                   \
    X(ADD_SERIAL,                                                                                            \
      "INSERT INTO certificate (request, issuer_id, serial, tbs, spki_sha256, subject, ent_dmid, "           \
      "not_before,"                                                                                          \
      " not_after, tenant, principal, device_id, provider, user_id, names, enrollment_type,"                 \
      " template_name, uses_grant, renewed_from) VALUES (last_insert_rowid(),?,?,?,?,?,?,?,?,?,?,?,?,?,?,?," \
      "?,?,nullif(?,0))")                                                                                    \
    X(ADD_TOKEN, "INSERT INTO token (token_id, hash, tenant, principal, enrollment_type, uses, created_at,"  \
                 " expires_at, created_by) VALUES (?,?,?,?,?,?,?,?,?)")                                      \
    X(REVOKE_TOKEN, "UPDATE token SET revoked_at = ?2 WHERE token_id = ?1 AND revoked_at = 0")               \
    X(FIND_TOKEN_ID, "SELECT 1 FROM token WHERE token_id = ?1" STORE_OF_TENANT)                              \
    X(FIND_TOKEN, "SELECT " STORE_TOKEN_COLUMNS " FROM token t WHERE t.hash = ?")                            \
    X(USE_TOKEN,                                                                                             \
      "INSERT INTO token_use (request, token) SELECT last_insert_rowid(), t.id FROM token t"                 \
      " WHERE t.token_id = ?1 AND t.revoked_at = 0 AND t.expires_at > ?2 AND " STORE_TOKEN_USED " < t.uses") \
    X(USE_JTI, "INSERT INTO jti_use (request, tenant, issuer, jti, expires_at)"                              \
               " VALUES (last_insert_rowid(),?,?,?,?) ON CONFLICT (tenant, issuer, jti) DO UPDATE"           \
               " SET request = excluded.request, expires_at = excluded.expires_at"                           \
               " WHERE (SELECT r.state FROM request r WHERE r.id = jti_use.request)"                         \
               " NOT IN ('intent','issued')")                                                                \
    X(FIND_JTI, "SELECT 1 FROM jti_use j JOIN request r ON r.id = j.request WHERE j.tenant = ?"              \
                " AND j.issuer = ? AND j.jti = ? AND r.state IN ('intent','issued')")                        \
    X(PRUNE_JTI, "DELETE FROM jti_use WHERE request IN"                                                      \
                 " (SELECT request FROM jti_use WHERE expires_at < ? ORDER BY expires_at LIMIT 4)")          \
    X(FIND_SLOT, "SELECT 1 FROM request WHERE idempotency_key = ? AND state = 'intent'")                     \
    X(FIND_REQUEST, "SELECT 1 FROM request WHERE request_id = ?")                                            \
    X(FIND_INTENT,                                                                                           \
      "SELECT r.id, c.serial, c.tbs, c.renewed_from, c.uses_grant, c.tenant FROM request r JOIN "            \
      "certificate c ON c.request = r.id"                                                                    \
      " WHERE r.request_id = ? AND r.state = 'intent'")                                                      \
    X(FINISH, "UPDATE request SET state = ?2, finished_at = ?3, fail_err = ?4, fail_reason = ?5,"            \
              " fail_rule = ?6, fail_text = ?7, explanation = coalesce(?8, explanation)"                     \
              " WHERE id = ?1 AND state = 'intent'")                                                         \
    X(ADD_CERTIFICATE, "UPDATE certificate SET der = ?2, sha1 = ?3, sha256 = ?4 WHERE request = ?1")         \
    X(OLDEST_INTENT, "SELECT r.id, r.request_id, c.serial, c.tenant FROM request r JOIN certificate c"       \
                     " ON c.request = r.id WHERE r.state = 'intent' ORDER BY r.received_at, r.id LIMIT 1")   \
    X(GET_META, "SELECT value FROM meta WHERE name = ?")                                                     \
    X(SET_META, "UPDATE meta SET value = ?2 WHERE name = ?1")                                                \
    X(RAISE_CLOCK, "UPDATE meta SET value = ? WHERE name = 'wall-clock' AND value < ?1")                     \
    X(ADD_AUDIT, "INSERT INTO audit (seq, at, event, actor, request_id, serial, digest, detail, hash)"       \
                 " VALUES (?,?,?,?,?,?,?,?,?)")                                                              \
    X(FIND_KEY,                                                                                              \
      "SELECT r.request_id, c.ent_dmid, c.subject, c.serial, r.principal, c.der,"                            \
      " r.finished_at, c.superseded_at, c.revoked_at, c.not_after, c.issuer_id FROM request r JOIN "         \
      "certificate c ON "                                                                                    \
      "c.request = r.id"                                                                                     \
      " WHERE r.idempotency_key = ? AND r.state IN ('intent','issued') ORDER BY r.id DESC LIMIT 1")          \
    X(FIND_SPKI,                                                                                             \
      "SELECT c.device_id, c.principal, c.user_id, c.revoked_at FROM certificate c JOIN request r"           \
      " ON r.id = c.request WHERE c.spki_sha256 = ?1"                                                        \
      " AND (c.revoked_at <> 0 OR (c.tenant = ?2 AND c.not_after >= ?3))"                                    \
      " AND r.state IN ('intent','issued') ORDER BY c.revoked_at <> 0 DESC, c.request DESC LIMIT 1")         \
    X(KEY_COMPROMISED, "SELECT 1 FROM certificate c JOIN revocation v ON v.request = c.request"              \
                       " WHERE c.spki_sha256 = ? AND v.reason = 1 AND v.released_at = 0 LIMIT 1")            \
    WRITER_CERTIFICATES(X)                                                                                   \
    WRITER_REVOCATIONS(X)                                                                                    \
    WRITER_DEVICES(X)                                                                                        \
    WRITER_TENANTS(X)                                                                                        \
    WRITER_ADMISSIONS(X)                                                                                     \
    WRITER_TICKETS(X)                                                                                        \
    WRITER_CRLS(X)                                                                                           \
    WRITER_ROLLOVERS(X)                                                                                      \
    WRITER_EVENTS(X)

enum writer_statement {
#define X(name, sql) WRITER_##name,
    WRITER_STATEMENTS(X)
#undef X
        WRITER_N
};

struct ledger {
    struct store store;
    int lock_fd;
    bool in_group;
    bool group_lost; /* SQLite rolled the whole group back by itself: its commit must fail */
    int wal_pages;   /* in the WAL after the last commit: what a checkpoint would copy */
    uint8_t node;
};

/** Start and end one change; change_end() undoes it when @p err is not PKE_OK and returns the verdict. */
enum pke_err change_begin(struct ledger *l, struct pke_fail *fail);
enum pke_err change_end(struct ledger *l, enum pke_err err, struct pke_fail *fail);

/** Raise the recorded wall clock, inside a change. */
enum pke_err clock_raise(struct ledger *l, int64_t at, struct pke_fail *fail);

/** Inside the change that added a request: this request uses up one use of the token. PKE_UNAUTHENTICATED. */
enum pke_err token_use(struct ledger *l, const char *token_id, int64_t at, struct pke_fail *fail);

/** Inside the change that added a request: it uses up the token in->jti. PKE_UNAUTHENTICATED. */
enum pke_err jti_use(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail);

/** The same for an admission, which must be granted to this request's identity and device. PKE_DENIED. */
enum pke_err admission_use(struct ledger *l, const char *admission, int64_t at, struct pke_fail *fail);

/** Inside the change that records the certificate of request @p id: what it had reserved is used. */
enum pke_err admission_consume(struct ledger *l, int64_t id, struct pke_fail *fail);

/* Permissions of a device, as certificate.uses_grant has them. */
#define GRANT_RECOVERY 1
#define GRANT_RENEWAL  2

/** Does the device still have what the intent uses up, and no other request under way? PKE_DENIED. */
enum pke_err device_permission(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail);

/** Inside the change that records the certificate of request @p id: the device row that belongs to it. */
enum pke_err device_issued(struct ledger *l, int64_t id, bool renewal, int64_t grants, int64_t at,
                           struct pke_fail *fail);

/**
 * Supersede every certificate that @p next finds for @p id, each audited with @p actor. The statement must
 * not find a superseded one again.
 */
enum pke_err supersede_all(struct ledger *l, enum writer_statement next, int64_t id, const char *actor,
                           int64_t at, struct pke_fail *fail);

/**
 * Inside the change that records an intent, and before anything else of it: may it be, as things are now?
 * *renewed is the row of the certificate that it renews, 0: none. PKE_DENIED, PKE_RENEW_INELIGIBLE.
 */
enum pke_err gate_intent(struct ledger *l, const struct ledger_intent *in, int64_t *renewed,
                         struct pke_fail *fail);

/** The same for the certificate of request @p id. PKE_DENIED. */
enum pke_err gate_issued(struct ledger *l, int64_t id, bool renewal, struct pke_fail *fail);

/** ledger_confirm() inside a change. */
enum pke_err change_confirm(struct ledger *l, const uint8_t sha256[32], const char *actor, int64_t at,
                            struct pke_fail *fail);

/** ledger_refused() inside a change. */
enum pke_err change_refused(struct ledger *l, const struct ledger_request *req, const struct pke_fail *why,
                            struct pke_fail *fail);

/** A row of "meta". */
enum pke_err meta_number(struct ledger *l, const char *name, int64_t *ret, struct pke_fail *fail);

/** Inside the change of an intent, first: its idempotency key waits under in->ticket, or under none.
 * PKE_EXISTS, PKE_DENIED. */
enum pke_err ticket_gate(struct ledger *l, const struct ledger_intent *in, struct pke_fail *fail);
/** Inside the change that added a request: it is the ticket's attempt. */
enum pke_err ticket_use(struct ledger *l, uint32_t number, struct pke_fail *fail);
/** Inside the change that issued request row @p id: its ticket, if it has one, has its result. PKE_DENIED
 * when the ticket was ended meanwhile. */
enum pke_err ticket_issued(struct ledger *l, int64_t id, int64_t at, struct pke_fail *fail);

#endif
