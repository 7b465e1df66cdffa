# SPDX-License-Identifier: Apache-2.0
"""Many devices at once before a slow key: each enrolls until it has its certificate, and everything that happened to it is
written down. For tests/integration/test_storm.py (short) and bench/storm (long).

The key is slow by a PKCS#11 module in front of SoftHSM that waits in C_Sign (tests/lib/p11double.c), or by a proxy in front
of a software TPM that waits before TPM2_Sign (tests/lib/tpmproxy.py): a slow device, seen from the daemon. The model of a client: it sends its request, waits for the answer at most 30 s, and comes again after a
fault, every time with a new connection and the same request. "hint": not before the Retry-After that it was given; "blind":
after 2, 4, 8 ... 60 s, each with 50 % of chance on either side, which is what a client does that reads no header (Windows;
there the repeats come from a scheduled task or a person). A client gives up after @p attempts attempts."""
import asyncio
import contextlib
import random
import ssl
import time
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

import mdm
import swtpm
from mdmlab import USER, MdmLab
from p11double import MODULE, P11Double
from tpmca import TpmLab

DOUBLE = MODULE
TIMEOUT = 30


@contextlib.contextmanager
def slow_lab(rate, instances=1, options=None, key="softhsm"):
    """A running lab whose CA key makes @p rate signatures a second with each of its instances."""
    options = {("templates", "device", "key-types"): "[rsa, p-256]", ("keys", "lab-ca", "instances"): str(instances), **(options or {})}
    with contextlib.ExitStack() as stack:
        if key == "tpm":
            tpm = stack.enter_context(swtpm.Tpm())
            lab = stack.enter_context(TpmLab(tpm, options, start=False))
            tpm.proxy.fault("delay", "Sign", 1 / rate)
        else:
            lab = stack.enter_context(MdmLab(options, start=False))
            P11Double(lab).steer(f"C_Sign delay={round(1000 / rate)}")
        lab.start()
        lab.add_user(USER)
        yield lab


class Device:
    """One client. attempts: [(sent, answered, kind)], in seconds since the storm began; certificate: DER or None."""

    def __init__(self, number, password):
        self.id = mdm.device_id()
        csr = mdm.new_csr(self.id, ec.generate_private_key(ec.SECP256R1()), cn=f"storm-{number}")
        body = mdm.envelope(mdm.ACTION_RST, mdm.username_token(USER, password),
                            mdm.rst_body(csr, mdm.default_items(self.id))).encode()
        self.number, self.body = number, body
        self.attempts, self.certificate = [], None


class Storm:
    """Storm(lab, devices).run(); then .devices."""

    def __init__(self, lab, count, model="hint", spread=2.0, attempts=200, limit=None, seed=1):
        self.lab, self.model, self.spread, self.max_attempts, self.limit = lab, model, spread, attempts, limit
        self.random = random.Random(seed)
        password = lab.password()
        self.devices = [Device(i, password) for i in range(count)]
        url = urlsplit(lab.enroll_url)
        self.host, self.port, self.path = url.hostname, url.port, url.path
        self.tls = ssl.create_default_context(cafile=lab.ca_file)
        self.began = None
        self.elapsed = None

    def run(self):
        asyncio.run(self._all())
        return self

    def now(self):
        return time.monotonic() - self.began

    async def _all(self):
        self.began = time.monotonic()
        starts = [self.random.uniform(0, self.spread) for _ in self.devices]
        await asyncio.gather(*(self._one(d, s) for d, s in zip(self.devices, starts)))
        self.elapsed = self.now()

    async def _one(self, device, start):
        await asyncio.sleep(start)
        while len(device.attempts) < self.max_attempts and (not self.limit or self.now() < self.limit):
            sent = self.now()
            try:
                answer = await asyncio.wait_for(self._exchange(device.body), TIMEOUT)
                kind = self._judge(device, answer)
            except asyncio.TimeoutError:
                answer, kind = None, "no answer"
            except (OSError, ssl.SSLError, asyncio.IncompleteReadError, ValueError) as e:
                answer, kind = None, f"lost: {type(e).__name__}"
            device.attempts.append((sent, self.now(), kind))
            if device.certificate:
                return
            await asyncio.sleep(self._pause(device, answer))

    def _pause(self, device, answer):
        hint = answer.headers.get("retry-after") if answer else None
        if self.model == "hint" and hint:
            return float(hint) * self.random.uniform(1.0, 1.1)
        return min(60, 2.0 ** len(device.attempts)) * self.random.uniform(0.5, 1.5)

    @staticmethod
    def _judge(device, answer):
        if answer.status == 200:
            device.certificate = answer.certificate()
            return "certificate" if device.certificate else "200 without a certificate"
        words = " ".join(w for w in (answer.subcode, answer.error_type) if w)
        hint = "busy, with a hint" if answer.headers.get("retry-after") else "fault"
        return f"{hint}: {answer.status} {words}"

    async def _exchange(self, body):
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        try:
            head = (f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: {mdm.CONTENT_TYPE}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")
            writer.write(head.encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            headers = {k.lower(): v for k, v in headers.items()}
            data = await reader.readexactly(int(headers["content-length"]))
            return mdm.Answer(int(head.split()[1]), headers, data)
        finally:
            writer.close()

    # -- figures

    def answers(self):
        """{kind: how many}"""
        kinds = {}
        for d in self.devices:
            for _, _, kind in d.attempts:
                kinds[kind] = kinds.get(kind, 0) + 1
        return kinds

    def times(self):
        """Seconds from the first request of a device to its certificate, sorted."""
        return sorted(d.attempts[-1][1] - d.attempts[0][0] for d in self.devices if d.certificate)

    def latencies(self, kind):
        """Seconds from a request to its answer, of the answers that begin with @p kind, sorted."""
        return sorted(b - a for d in self.devices for a, b, k in d.attempts if k.startswith(kind))

    def curve(self):
        """[seconds since the begin] of each certificate, sorted."""
        return sorted(d.attempts[-1][1] for d in self.devices if d.certificate)

    def attempts(self):
        return sorted(len(d.attempts) for d in self.devices)


def quantile(values, part):
    return values[min(len(values) - 1, int(part * len(values)))] if values else float("nan")
