# SPDX-License-Identifier: Apache-2.0
"""The page that lists the devices with their certificates. It is for administrators: it asks for one with HTTP Basic."""
import base64
import hashlib
import html

from web import Answer, page

STYLE = ("body{font:16px sans-serif;margin:2em}table{border-collapse:collapse}th,td{border-bottom:1px solid #ccc;padding:.4em .8em;"
         "text-align:left;vertical-align:top}code{font-size:14px}.revoked,.expiring{color:#a00}.valid{color:#060}")
STYLE_HASH = "'sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode() + "'"
STATES = {"valid": "valid", "expiring": "ends soon", "renewed": "renewed by another", "revoked": "revoked", None: "none yet"}
HEADS = ("Device", "User", "Type", "Certificate", "Thumbprint (SHA-1)", "Serial", "Valid until")


def _row(d):
    state = d["state"] or "none"
    cells = (f'<b>{html.escape(d["name"] or "?")}</b><br><code>{html.escape(d["id"])}</code>', html.escape(d["user"]),
             html.escape(d["type"] or ""), f'<span class="{html.escape(state)}">{html.escape(STATES.get(d["state"], state))}</span>',
             f'<code>{html.escape((d["sha1"] or "").upper())}</code>', f'<code>{html.escape(d["serial"] or "")}</code>',
             html.escape(d["not_after"] or ""))
    return "<tr>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"


class Devices:
    """What the events have told."""

    def __init__(self, users, store):
        self.users, self.store = users, store

    def get(self, request):
        given = request.basic_credentials()
        name = self.users.sign_in(*given) if given else None
        if name is None or not self.users.find(name).get("admin"):
            return Answer("For administrators.\n", 401, headers={"WWW-Authenticate": 'Basic realm="devices", charset="UTF-8"'})
        rows = self.store.listed()
        table = (f"<table><thead><tr>{''.join(f'<th>{h}</th>' for h in HEADS)}</tr></thead><tbody>{''.join(map(_row, rows))}</tbody></table>"
                 if rows else "<p>No device has enrolled.</p>")
        return page("Devices", f"<h1>Devices</h1>{table}", f"style-src {STYLE_HASH}; form-action 'none'", head=f"<style>{STYLE}</style>")
