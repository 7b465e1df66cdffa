# SPDX-License-Identifier: Apache-2.0
"""Signatures between the daemon and this frontend (doc/authoriser.md): what comes from the daemon is verified before it is
parsed, and answers are bound to the question that they answer."""
import hashlib
import hmac
import json
import time

from web import Answer, Refused

TOLERANCE = 300  # seconds that a timestamp may be off


def read_secret(path):
    """A secret as the daemon reads it: the file without the line break at its end."""
    with open(path, "rb") as f:
        return f.read().rstrip(b"\r\n")


def _hmac(secret, *parts):
    return "v1=" + hmac.new(secret, b"\n".join(parts), hashlib.sha256).hexdigest()


def verified(request, secret, purpose):
    """The JSON body of a request of the daemon; (id, object). @p purpose: question or event."""
    id_, at = (request.headers.get(name, "") for name in ("X-Pkienroll-Id", "X-Pkienroll-Timestamp"))
    want = _hmac(secret, f"pkienroll-{purpose}-v1".encode(), id_.encode(), at.encode(), request.body)
    if not hmac.compare_digest(want.encode(), request.headers.get("X-Pkienroll-Signature", "").encode()):
        raise Refused(401, "the signature is wrong")
    if not at.isdecimal() or abs(time.time() - int(at)) > TOLERANCE:
        raise Refused(401, "the timestamp is too far off")
    try:
        return id_, json.loads(request.body)
    except ValueError as e:
        raise Refused(400, "not JSON") from e


def signed(request, id_, answer, secret):
    """The answer to a question."""
    body = json.dumps({"version": 1, "id": id_, **answer}).encode()
    question = hashlib.sha256(request.body).hexdigest().encode()
    return Answer(body, 200, "application/json",
                  {"X-Pkienroll-Signature": _hmac(secret, b"pkienroll-answer-v1", id_.encode(), question, body)})
