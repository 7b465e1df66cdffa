#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The switch of an issuer under a steady load, by hand: rollover_load.py [--rate 100] [--seconds 120]

Enrollments are sent at their times whatever became of those before; the issuer is switched in the middle, once more (after a
cancel) with its process killed at that moment. Prints what was lost, whether openssl and an nginx that trusts clients-ca.pem
take the certificates, and latencies from the time that each was due. Set top_builddir to a build without sanitizers."""
import argparse
import asyncio
import os
import signal
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mdm  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from mdmlab import USER  # noqa: E402
from rollover import Nginx, RolloverLab  # noqa: E402
from storm import quantile  # noqa: E402

CONNECTIONS = 24
RETRY_LIMIT = 60


class Enrollment:
    """One request; it is sent until there is an answer, as Windows does."""

    def __init__(self, number, device, key, password):
        self.key, self.der, self.took, self.retries, self.refused = key, None, None, 0, []
        csr = mdm.new_csr(device, key, cn=f"load-{number}")
        self.body = mdm.envelope(mdm.ACTION_RST, mdm.username_token(USER, password),
                                 mdm.rst_body(csr, mdm.default_items(device)),
                                 f"urn:uuid:00000000-0000-4000-8000-{number:012x}").encode()


class Client:
    """Kept connections, each with one request at a time."""

    def __init__(self, lab, enrollments, rate):
        url = urlsplit(lab.enroll_url)
        self.host, self.port, self.path = url.hostname, url.port, url.path
        self.tls = ssl.create_default_context(cafile=lab.ca_file)
        self.enrollments, self.rate = enrollments, rate

    def run(self):
        asyncio.run(self._all())

    async def _all(self):
        self.queue = asyncio.Queue()
        workers = [asyncio.create_task(self._worker()) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        for n, e in enumerate(self.enrollments):
            e.due = began + n / self.rate
            await asyncio.sleep(max(0, e.due - time.monotonic()))
            self.queue.put_nowait(e)
        await asyncio.wait_for(self.queue.join(), RETRY_LIMIT)
        for w in workers:
            w.cancel()

    async def _worker(self):
        stream = None
        while True:
            e = await self.queue.get()
            until = time.monotonic() + RETRY_LIMIT
            while e.der is None and time.monotonic() < until:
                try:
                    stream = stream or await asyncio.open_connection(self.host, self.port, ssl=self.tls)
                    answer = await asyncio.wait_for(self._exchange(*stream, e.body), 30)
                    e.der = answer.certificate() if answer.status == 200 else None
                    if e.der is None:
                        e.refused.append(answer.describe()[:400])
                except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.TimeoutError) as x:
                    e.refused.append(f"lost: {x!r}")
                    stream = None
                if e.der is None:
                    e.retries += 1
                    await asyncio.sleep(0.1)
            e.took = time.monotonic() - e.due
            self.queue.task_done()

    async def _exchange(self, reader, writer, body):
        writer.write((f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: {mdm.CONTENT_TYPE}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)}
        return mdm.Answer(int(head.split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


def verified(lab, enrollments):
    """How many openssl verifies against what is published."""
    good, folder = 0, os.path.join(lab.dir, "leaves")
    os.mkdir(folder)
    for begin in range(0, len(enrollments), 500):
        names = []
        for n, e in enumerate(enrollments[begin:begin + 500]):
            names.append(os.path.join(folder, f"{begin + n}.pem"))
            with open(names[-1], "wb") as f:
                f.write(x509.load_der_x509_certificate(e.der).public_bytes(serialization.Encoding.PEM))
        r = lab.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
                     os.path.join(lab.publish, "clients-ca.pem"), *names])
        good += r.out.count(": OK")
    return good


def report(lab, enrollments, nginx, step):
    done = [e for e in enrollments if e.der]
    signers = {}
    for e in done:
        name = lab.signer_of(e.der)
        signers[name] = signers.get(name, 0) + 1
    times = sorted(e.took for e in done)
    taken = [nginx.accepts(e.der, e.key) is True for e in done[::step]]
    print(f"requests {len(enrollments)}, certificates {len(done)}, lost {len(enrollments) - len(done)}, "
          f"different {len({e.der for e in done})}")
    print(f"sent again {sum(e.retries for e in enrollments)} times, of {sum(e.retries > 0 for e in enrollments)} requests")
    print(f"by issuer {signers}")
    print(f"openssl verifies {verified(lab, done)} of {len(done)} against clients-ca.pem; nginx takes {sum(taken)} of {len(taken)}")
    print("latency ms: " + ", ".join(f"p{q} {1000 * quantile(times, q / 100):.0f}" for q in (50, 90, 99)) +
          f", max {1000 * max(times):.0f}")
    for e in [e for e in enrollments if e.retries][:3]:
        print("first refusal of one: ", e.refused[0].splitlines()[0])
    return len(done) == len(enrollments) and all(taken)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rate", type=float, default=100)
    p.add_argument("--seconds", type=float, default=120)
    p.add_argument("--kill", action="store_true", help="also kill the issuer's process at a second switch")
    p.add_argument("--nginx-step", type=int, default=10, help="every n-th certificate is shown to nginx")
    a = p.parse_args()
    with RolloverLab() as lab:
        lab.add_issuer("next", algorithm="rsa-2048")
        lab.restart()
        lab.wait_issuer("next", lambda i: i["key_state"] == "ready")
        identities = [(mdm.device_id(), mdm.new_key()) for _ in range(200)]
        n = int(a.rate * a.seconds)
        enrollments = [Enrollment(i, *identities[i % len(identities)], lab.password()) for i in range(n)]
        lab.verb("schedule", "lab", "next")
        with Nginx(lab, os.path.join(lab.publish, "clients-ca.pem")) as nginx:
            thread = threading.Thread(target=Client(lab, enrollments, a.rate).run)
            thread.start()
            time.sleep(a.seconds / 2)
            print(lab.verb("acknowledge", "lab")["state"], lab.wait_issuer("lab", lambda i: i["state"] == "retired")["state"])
            if a.kill:
                time.sleep(a.seconds / 6)
                lab.verb("cancel", "lab")
                lab.verb("schedule", "lab", "next")
                lab.verb("acknowledge", "lab")
                os.kill(lab.roles("issuer")[0]["pid"], signal.SIGKILL)
                print("killed at the switch:", lab.wait_issuer("lab", lambda i: i["state"] == "retired")["state"])
            thread.join()
            good = report(lab, enrollments, nginx, a.nginx_step)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
