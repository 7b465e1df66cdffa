# SPDX-License-Identifier: Apache-2.0
"""The ledger as an auditor reads it: the SQLite file, read-only, with nothing of the daemon's code."""
import hashlib
import sqlite3
import struct
import time


def rows(path, sql, args=()):
    """All rows of a query on the ledger at @p path, which a daemon may be writing."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


def one(path, sql, args=()):
    """First column of the first row; None when there is none."""
    found = rows(path, sql, args)
    return found[0][0] if found else None


def wait(path, sql, args=(), timeout=20):
    """Poll until the query gives a row, and return that; None when it never does."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = rows(path, sql, args)
        if found:
            return found[0]
        time.sleep(0.01)
    return None


def request_of(path, device, state):
    """(request_id, idempotency_key) of a device's request in this state, waited for; None when it never comes."""
    return wait(path, "SELECT request_id, idempotency_key FROM request WHERE device_id = ? AND state = ?",
                (device, state))


def open_intents(path):
    """Requests between their two durable steps."""
    return [r[0] for r in rows(path, "SELECT request_id FROM request WHERE state = 'intent'")]


def certificates(path):
    """{SHA-256: DER} of everything that was issued."""
    return {bytes(h): bytes(der) for h, der in rows(path, "SELECT sha256, der FROM certificate WHERE der IS NOT NULL")}


def _field(value):
    if value is None:
        return struct.pack(">I", 0xffffffff)
    data = value.encode() if isinstance(value, str) else bytes(value)
    return struct.pack(">I", len(data)) + data


def audit_problem(path):
    """What is wrong with the audit chain (doc/ledger.md has its layout); "" when it is whole."""
    previous = bytes(one(path, "SELECT value FROM meta WHERE name = 'genesis'"))
    sha256s = {bytes(h) for h, in rows(path, "SELECT sha256 FROM certificate WHERE der IS NOT NULL")}
    seq = 0
    for row in rows(path, "SELECT seq, at, event, actor, request_id, serial, digest, detail, hash FROM audit ORDER BY seq"):
        seq += 1
        if row[0] != seq:
            return f"row {seq} is missing"
        data = b"pkienrolld-audit-1" + struct.pack(">Qq", row[0], row[1]) + b"".join(_field(v) for v in row[2:8])
        previous = hashlib.sha256(data + previous).digest()
        if previous != bytes(row[8]):
            return f"row {seq} does not follow from the row before"
        if row[2] == "issued":
            if bytes(row[6]) not in sha256s:
                return f"row {seq} records a certificate that is not there"
            sha256s.remove(bytes(row[6]))
    if sha256s:
        return f"{len(sha256s)} certificates are not in the chain"
    if one(path, "SELECT value FROM meta WHERE name = 'audit-seq'") != seq:
        return "the chain was cut at its end"
    return ""


def problems(path):
    """Everything that must never be true of a ledger, as a list of sentences."""
    found = []
    for text, sql in (
            ("a serial was given twice", "SELECT serial FROM certificate GROUP BY serial HAVING count(*) > 1"),
            ("one request has two certificates", "SELECT idempotency_key FROM request WHERE state = 'issued' "
             "GROUP BY idempotency_key HAVING count(*) > 1"),
            ("an issued request has no certificate", "SELECT request_id FROM request r WHERE state = 'issued' AND NOT "
             "EXISTS (SELECT 1 FROM certificate c WHERE c.request = r.id AND c.der IS NOT NULL)"),
            ("a certificate has no issued request", "SELECT request FROM certificate c WHERE der IS NOT NULL AND NOT "
             "EXISTS (SELECT 1 FROM request r WHERE r.id = c.request AND r.state = 'issued')"),
            ("a certificate is revoked without a revocation, or not with one", "SELECT request FROM certificate c WHERE "
             "revoked_at <> coalesce((SELECT v.revoked_at FROM revocation v WHERE v.request = c.request AND released_at = 0), 0)"),
            ("a revocation is not as the audit says", "SELECT v.request FROM revocation v JOIN certificate c ON c.request = "
             "v.request LEFT JOIN audit a ON a.seq = v.audit AND a.serial = v.serial AND a.digest = c.sha256 AND a.at = "
             "v.changed_at WHERE a.event IS NOT CASE WHEN v.released_at <> 0 THEN 'hold-released' WHEN v.reason = 6 THEN 'held' "
             "ELSE 'revoked' END"),
            ("the audit has a revocation that is not there", "SELECT seq FROM audit a WHERE event IN ('revoked', 'held', "
             "'hold-released') AND NOT EXISTS (SELECT 1 FROM revocation v WHERE v.serial = a.serial AND v.audit >= a.seq)"),
            ("integrity", "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'")):
        bad = rows(path, sql)
        if bad:
            found.append(f"{text}: {bad[:3]}")
    for sha256, der in certificates(path).items():
        if hashlib.sha256(der).digest() != sha256:
            found.append(f"the certificate {sha256.hex()} does not hash to its index")
    chain = audit_problem(path)
    return found + ([f"audit chain: {chain}"] if chain else [])
