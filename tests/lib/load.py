# SPDX-License-Identifier: Apache-2.0
"""A load of enrollments for crash tests: several Windows-like clients on kept connections. Each sends a request until it
has its certificate, always the very same bytes, and writes down everything that it was ever told."""
import hashlib
import http.client
import ssl
import threading
import time

import mdm
from mdmlab import USER

LOST = (http.client.HTTPException, ConnectionError, ssl.SSLError, OSError)


class Request:
    """One RST: its bytes never change, whatever happens to them."""

    def __init__(self, worker, number, device, key, password):
        self.device, self.key = device, key
        csr = mdm.new_csr(device, key, cn=f"{worker}-{number}")
        self.message_id = f"urn:uuid:00000000-0000-4000-8000-{worker:04x}{number:08x}"
        self.body = mdm.envelope(mdm.ACTION_RST, mdm.username_token(USER, password),
                                 mdm.rst_body(csr, mdm.default_items(device)), self.message_id).encode()


class Load:
    """with Load(lab) as load: the clients run inside."""

    def __init__(self, lab, workers=4, devices=4, timeout=30):
        self.lab, self.timeout = lab, timeout
        self.password = lab.password()
        self.changed = threading.Condition()
        self.acknowledged = []  # (request, DER)
        self.lost = []          # (connection opened, lost, exception): the answer never came, or not whole
        self.faults = []        # mdm.Answer, well-formed
        self.wrong = []         # text: answers that no client should ever see
        self.pending = []       # requests that had no certificate yet when the clients stopped
        self.stopping = False
        self.maintenance = False  # the daemon was told to stop: InMaintenance is a right answer, too
        identities = [[(mdm.device_id(), mdm.new_key()) for _ in range(devices)] for _ in range(workers)]
        self.threads = [threading.Thread(target=self._run, args=(i, ids), daemon=True)
                        for i, ids in enumerate(identities)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """Let each client come to the end of what it sends now."""
        self.stopping = True
        for t in self.threads:
            t.join(2 * self.timeout)

    # -- clients

    def _run(self, worker, identities):
        client = self.lab.client(timeout=self.timeout)
        number = 0
        while not self.stopping:
            device, key = identities[number % len(identities)]
            request = Request(worker, number, device, key, self.password)
            der = self._persist(client, request)
            if der is None:
                with self.changed:
                    self.pending.append(request)
            elif number % 4 == 0 and self.exchange(client, request) not in (der, None):
                self._note(self.wrong, f"{request.message_id}: other bytes for the same request")
            number += 1
        client.close()

    def _persist(self, client, request):
        """Send until there is a certificate, as Windows does after a server fault; None when the load ended first."""
        while True:
            der = self.exchange(client, request)
            if der is not None or self.stopping:
                return der
            time.sleep(0.02)  # a client that hammers would only slow the recovery down

    def exchange(self, client, request):
        """One exchange: the certificate, or None; whatever came is recorded."""
        try:
            if not client.connection:
                client.opened_at = time.monotonic()
                client.open()
            client.connection.request("POST", client.enroll_path, request.body,
                                      {"Content-Type": mdm.CONTENT_TYPE, "User-Agent": "ENROLLClient"})
            r = client.connection.getresponse()
            body = r.read()
        except LOST as e:
            client.close()
            self._note(self.lost, (client.opened_at, time.monotonic(), e))
            return None
        answer = mdm.Answer(r.status, r.headers, body)
        if r.will_close:
            client.close()
        return self._judge(request, answer)

    def _judge(self, request, answer):
        der = answer.certificate() if answer.status == 200 else None
        length = answer.headers.get("Content-Length")
        if not answer.body or length != str(len(answer.body)) or "Transfer-Encoding" in answer.headers:
            self._note(self.wrong, "framing: " + answer.describe())
        elif answer.relates_to != request.message_id:
            self._note(self.wrong, "RelatesTo: " + answer.describe())
        elif der is not None:
            self._note(self.acknowledged, (request, der))
            return der
        elif answer.status == 500 and answer.subcode == "s:EnrollmentServer" and answer.error_type is None:
            self._note(self.faults, answer)
        elif self.maintenance and answer.status == 503 and answer.error_type == "InMaintenance":
            self._note(self.faults, answer)
        else:
            self._note(self.wrong, "neither a certificate nor the fault of an outage: " + answer.describe())
        return None

    def _note(self, where, what):
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    # -- the test's side

    def wait_for(self, more, timeout=30):
        """Wait for @p more certificates from now on; whether they came."""
        with self.changed:
            want = len(self.acknowledged) + more
            return self.changed.wait_for(lambda: len(self.acknowledged) >= want, timeout)

    def counts(self):
        with self.changed:
            return {"acknowledged": len(self.acknowledged), "lost": len(self.lost), "faults": len(self.faults),
                    "wrong": len(self.wrong)}

    def sha256s(self):
        with self.changed:
            return {hashlib.sha256(der).digest() for _, der in self.acknowledged}

    def contradictions(self):
        """Requests that were answered with two different certificates."""
        first, found = {}, []
        with self.changed:
            for request, der in self.acknowledged:
                if first.setdefault(request.message_id, der) != der:
                    found.append(request.message_id)
        return found
