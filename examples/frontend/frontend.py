#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small frontend for pkienrolld: discovery, sign-in page, tokens, authoriser, list of devices. See README.md.

    python3 frontend.py CONFIGURATION"""
import json
import os
import signal
import sys
import threading

from authoriser import Authoriser
from devices import Devices
from discovery import Discovery
from events import Events
from hooks import read_secret
from signin import SignIn
from store import Store
from tokens import Tokens
from users import Users
from web import TlsServer, UnixServer


def read_configuration(path):
    """The JSON file; names of files in it are relative to its folder."""
    with open(path, encoding="utf-8") as f:
        c = json.load(f)
    folder = os.path.dirname(os.path.abspath(path))
    for name in ("tls_certificate", "tls_key", "socket", "users", "database", "question_secret", "answer_secret", "event_secret"):
        if name in c:
            c[name] = os.path.join(folder, c[name])
    c["token"]["key"] = os.path.join(folder, c["token"]["key"])
    return c


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: frontend.py CONFIGURATION")
    os.umask(0o077)
    c = read_configuration(sys.argv[1])
    users, store = Users(c["users"]), Store(c["database"])
    public = {}  # what a device or a browser can reach
    server = TlsServer((c["address"], c["port"]), c["tls_certificate"], c["tls_key"], public)
    url = c.get("url") or f"https://localhost:{server.server_port}"
    discovery = Discovery({"policy": c["policy_url"], "enroll": c["enroll_url"], "signin": f"{url}/signin"})
    signin = SignIn(users, Tokens(**c["token"]))
    devices = Devices(users, store)
    public["/EnrollmentServer/Discovery.svc"] = {"GET": discovery.get, "POST": discovery.post}
    public["/signin"] = {"GET": signin.get, "POST": signin.post}
    public["/devices"] = {"GET": devices.get}

    # what only the daemon can reach
    authoriser = Authoriser(users, store, read_secret(c["question_secret"]), read_secret(c["answer_secret"]), c["max_devices"])
    events = Events(store, read_secret(c["event_secret"]))
    hooks = {"/authorise": {"POST": authoriser.post}, "/events": {"POST": events.post}}
    unix = UnixServer(c["socket"], hooks)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=unix.serve_forever, daemon=True).start()
    print(f"frontend: ready at {url}", file=sys.stderr, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        os.unlink(c["socket"])


if __name__ == "__main__":
    main()
