# SPDX-License-Identifier: Apache-2.0
"""The users of this example: a JSON file with passwords as scrypt hashes. FOR THE EXAMPLE ONLY: a frontend has a directory
or an identity provider behind its sign-in page.

    python3 users.py FILE NAME [--admin] [--deny TEXT] < password

adds a user or replaces one. --admin: may see the list of devices; --deny: may sign in but not enroll, and reads TEXT."""
import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time

FAILURES, FOR_SECONDS = 5, 300  # so many wrong passwords for a name, and it rests for so long
COST = {"n": 2 ** 14, "r": 8, "p": 1}


def hash_password(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=64 << 20, dklen=32, **COST)


class Users:
    """The file is read again for each question: what an administrator changes in it holds at once."""

    def __init__(self, path):
        self.path = path
        self._failures = {}
        self._lock = threading.Lock()

    def all(self):
        with open(self.path, encoding="utf-8") as f:
            return json.load(f)

    def find(self, name):
        """The entry of a user, or None."""
        return self.all().get(name.lower()) if name else None

    def sign_in(self, name, password):
        """The name as it is listed, or None. An unknown name takes as long as a known one."""
        name = name.strip().lower()
        user = self.find(name) or {"salt": "", "hash": ""}
        with self._lock:  # one hash at a time: it is made to need memory
            now = time.monotonic()
            self._failures = {n: [t for t in times if t > now - FOR_SECONDS] for n, times in self._failures.items()
                              if times[-1] > now - FOR_SECONDS}
            if len(self._failures.get(name, ())) >= FAILURES:
                return None
            got = hash_password(password, base64.b64decode(user["salt"]))
            if hmac.compare_digest(got, base64.b64decode(user["hash"])):
                self._failures.pop(name, None)
                return name
            self._failures.setdefault(name, []).append(now)
            return None


def add(path, name, password, admin=False, deny=None):
    """Write the file with this user in it."""
    try:
        users = Users(path).all()
    except FileNotFoundError:
        users = {}
    salt = os.urandom(16)
    users[name.lower()] = {"salt": base64.b64encode(salt).decode(), "hash": base64.b64encode(hash_password(password, salt)).decode(),
                           "admin": admin, "deny": deny}
    new = f"{path}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        json.dump(users, f, indent=1)
    os.replace(new, path)


def main():
    p = argparse.ArgumentParser(description="add a user of the example frontend; the password is read from standard input")
    p.add_argument("file")
    p.add_argument("name")
    p.add_argument("--admin", action="store_true", help="may see the list of devices")
    p.add_argument("--deny", metavar="TEXT", help="may not enroll, and reads this text")
    o = p.parse_args()
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        sys.exit("users.py: there is no password on standard input")
    add(o.file, o.name, password, o.admin, o.deny)


if __name__ == "__main__":
    main()
