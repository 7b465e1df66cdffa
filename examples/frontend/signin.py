# SPDX-License-Identifier: Apache-2.0
"""The sign-in page: Windows shows AuthenticationServiceUrl?appru=ms-app://...&login_hint=USER in a browser of its own and
waits until that is sent to the address in appru with a form field "wresult". The field has the token, which Windows
puts into the policy request and the certificate request, without looking into it."""
import base64
import hashlib
import html

from web import Refused, page

SUBMIT = "document.forms[0].submit();"
SUBMIT_HASH = "'sha256-" + base64.b64encode(hashlib.sha256(SUBMIT.encode()).digest()).decode() + "'"


def _appru(fields):
    """Where the token goes. Anywhere else than to Windows itself it would be given away."""
    address = fields.get("appru", "")
    if not address.lower().startswith("ms-app://") or not address.isascii() or not address.isprintable():
        raise Refused(400, "this page is shown by Windows, with the parameter appru")
    return address


def _form(appru, name, complaint=""):
    said = f'<p role="alert">{html.escape(complaint)}</p>' if complaint else ""
    return page("Sign in", (
        f'<h1>Sign in to enroll this device</h1>{said}<form method="post"><input type="hidden" name="appru" value="{html.escape(appru)}">'
        f'<p><label>User <input name="user" value="{html.escape(name)}" autocomplete="username" required></label></p>'
        '<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>'
        "<p><button>Sign in</button></p></form><p>Example only: a frontend signs its users in with its own directory.</p>"),
        "form-action 'self'")


class SignIn:
    """@p users, @p tokens: objects of users.py, tokens.py."""

    def __init__(self, users, tokens):
        self.users, self.tokens = users, tokens

    @staticmethod
    def get(request):
        return _form(_appru(request.query), request.query.get("login_hint", ""))

    def post(self, request):
        fields = request.form()
        appru, name = _appru(fields), fields.get("user", "")
        user = self.users.sign_in(name, fields.get("password", ""))
        if user is None:
            return _form(appru, name, "User or password are wrong.")
        return page("Working", (
            f'<form method="post" action="{html.escape(appru)}"><input type="hidden" name="wresult" '
            f'value="{html.escape(self.tokens.mint(user))}"><noscript><button>Go on</button></noscript></form>'
            f"<script>{SUBMIT}</script>"), f"script-src {SUBMIT_HASH}; form-action ms-app:")
