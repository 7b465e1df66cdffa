# SPDX-License-Identifier: Apache-2.0
"""The authoriser: the daemon asks before each certificate whether it may be issued (doc/authoriser.md). Here: the user must
be one of ours and not be denied, and have fewer devices than the limit. The same question may come twice, and is
answered the same way."""
from hooks import signed, verified


class Authoriser:
    """@p users, @p store: objects of users.py, store.py; @p question_secret, @p answer_secret: shared with the daemon."""

    def __init__(self, users, store, question_secret, answer_secret, max_devices):
        self.users, self.store, self.max_devices = users, store, max_devices
        self.question_secret, self.answer_secret = question_secret, answer_secret

    def post(self, request):
        id_, question = verified(request, self.question_secret, "question")
        answer = self.decide(question)
        if answer["decision"] == "allow":
            self.store.put_device(question)
        return signed(request, id_, answer, self.answer_secret)

    def decide(self, question):
        """The answer, but for its version and id."""
        name = (question["principal"]["name"] or "").lower()
        user = self.users.find(name)
        if user is None:
            return {"decision": "deny", "text": "You are not a user of this organisation."}
        if user.get("deny"):
            return {"decision": "deny", "text": user["deny"]}
        device = question["device"]["id"]
        others = [d for d in self.store.devices_of(name) if d != device]
        if question["operation"] == "issue" and len(others) >= self.max_devices:
            return {"decision": "deny", "fault": "DeviceCapReached"}
        return {"decision": "allow"}
