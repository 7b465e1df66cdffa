# SPDX-License-Identifier: Apache-2.0
"""Events: the daemon posts what happened to certificates (doc/events.md), signed like its questions but with "event" in
place of "question". It does so at least once, and in order for one request; an event that is not answered with 2xx
comes again. The store takes each once."""
from hooks import verified
from web import Answer, Refused

STATES = {"issued": "valid", "renewed": "valid", "released": "valid", "revoked": "revoked", "expiring": "expiring"}


class Events:
    """@p secret: the one that the sink is configured with in the daemon."""

    def __init__(self, store, secret):
        self.store, self.secret = store, secret

    def post(self, request):
        _, event = verified(request, self.secret, "event")
        if not isinstance(event.get("seq"), int):
            raise Refused(400, "an event has a seq")
        certificate, asked = event.get("certificate"), event.get("request") or {}
        if certificate and event.get("kind") in STATES:  # others (failed, pending) tell of no certificate
            self.store.put_certificate(event["seq"], {
                "sha256": certificate["sha256"], "sha1": certificate["sha1"], "serial": certificate["serial"],
                "not_after": certificate["not_after"], "request": asked.get("id"), "device": asked.get("device_id"),
                "state": STATES[event["kind"]]}, event.get("renews"))
        return Answer(status=204)
