# SPDX-License-Identifier: Apache-2.0
"""Tokens: what the sign-in page gives to a device, a JSON Web Token that the daemon verifies by itself (section
token-issuers, kind custom). RS256, since that is what the openssl program signs without further ado; any JWT library does."""
import base64
import json
import os
import subprocess
import time


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Tokens:
    """@p key: PEM file of a private RSA key; @p kid, @p issuer, @p audience as the daemon knows them."""

    def __init__(self, key, kid, issuer, audience, lifetime=600):
        self.key, self.kid, self.issuer, self.audience, self.lifetime = key, kid, issuer, audience, lifetime

    def mint(self, user):
        """A token for a user that has signed in."""
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "kid": self.kid}
        # sub is whose the device will be; a directory has an identifier for it that stays when the name changes
        body = {"iss": self.issuer, "aud": self.audience, "sub": user, "upn": user, "jti": os.urandom(16).hex(),
                "iat": now, "nbf": now, "exp": now + self.lifetime}
        signed = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, body))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=signed, capture_output=True, check=True, timeout=10)
        return (signed + b"." + _base64url(done.stdout)).decode()
