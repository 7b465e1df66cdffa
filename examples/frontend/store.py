# SPDX-License-Identifier: Apache-2.0
"""What this frontend remembers: the devices that it allowed, and their certificates as the daemon tells of them. A file of
SQLite. Everything can come again: the second time changes nothing."""
import sqlite3
import threading
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS device (id TEXT PRIMARY KEY, name TEXT, user TEXT NOT NULL, type TEXT, allowed_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS certificate (sha256 TEXT PRIMARY KEY, sha1 TEXT, serial TEXT, device TEXT, request TEXT, state TEXT,
    not_after TEXT, seq INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS certificate_device ON certificate (device);
"""
CERTIFICATE = ("sha256", "sha1", "serial", "device", "request", "state", "not_after")


class Store:
    """One connection, one at a time."""

    def __init__(self, path):
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._lock = threading.Lock()
        with self._lock, self._db:
            self._db.executescript(SCHEMA)

    def put_device(self, question):
        """Remember the device of a question that was allowed."""
        device = question["device"]
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO device VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, name), "
                "user = excluded.user, type = coalesce(excluded.type, type)",
                (device["id"], device["name"], question["principal"]["name"].lower(), device["enrollment_type"], int(time.time())))

    def put_certificate(self, seq, row, renews):
        """@p row: as CERTIFICATE names it. @p renews: request of the certificate that this one takes the place of. An event
        that is older than what is known of its certificate changes nothing."""
        columns = ", ".join(CERTIFICATE)
        update = ", ".join(f"{c} = excluded.{c}" for c in CERTIFICATE[1:])
        with self._lock, self._db:
            self._db.execute(f"INSERT INTO certificate ({columns}, seq) VALUES ({', '.join('?' * len(CERTIFICATE))}, ?) "
                             f"ON CONFLICT (sha256) DO UPDATE SET {update}, seq = excluded.seq WHERE excluded.seq > seq",
                             [*(row[c] for c in CERTIFICATE), seq])
            if renews:
                self._db.execute("UPDATE certificate SET state = 'renewed' WHERE request = ? AND state <> 'revoked'", (renews,))

    def devices_of(self, user):
        """Ids of the devices of a user that have, or were allowed, a certificate that still counts."""
        return [id_ for (id_,) in self._select(
            "SELECT id FROM device WHERE user = ? AND (id NOT IN (SELECT device FROM certificate WHERE device IS NOT NULL) OR "
            "id IN (SELECT device FROM certificate WHERE state IN ('valid', 'expiring')))", user)]

    def listed(self):
        """A row for each certificate, and for each device that has none yet; the newest first."""
        names = ("name", "id", "user", "type", "allowed_at", *CERTIFICATE)
        found = self._select(f"SELECT d.*, {', '.join('c.' + c for c in CERTIFICATE)} FROM device d LEFT JOIN certificate c ON c.device = d.id "
                             "ORDER BY coalesce(c.seq, 0) DESC, d.allowed_at DESC, d.id LIMIT 1000")
        return [dict(zip(("id", "name") + names[2:], row)) for row in found]

    def _select(self, text, *values):
        with self._lock:
            return self._db.execute(text, values).fetchall()
