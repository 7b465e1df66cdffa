#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An estate of N devices is taken over: imported, then renewed onto the new issuer. Figures on standard output.

    top_srcdir=.. python3 ../bench/takeover.py [N] [RENEWALS]     in the build folder

The devices' certificates are of one key, which the old CA would not have cared about; each renewal brings a key of its own."""
import base64
import concurrent.futures
import datetime
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
from bulkca import Ca  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from lab import CTL  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

DER = serialization.Encoding.DER
NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


def memory(lab, role):
    with open(f"/proc/{lab.pids(role)[0]}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS"))


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    renewals = int(sys.argv[2]) if len(sys.argv) > 2 else n // 10
    with MdmLab(start=False) as lab:
        old, key = Ca("Old MDM CA"), ec.generate_private_key(ec.SECP256R1())
        write_text(os.path.join(lab.etc, "old.pem"), old.pem())
        lab.set_option(("issuers", "old", "certificate"), "old.pem")
        lab.set_option(("templates", "device", "key-types"), "[rsa, p-256]")
        lab.start()
        lab.add_user(USER)
        start = time.monotonic()
        path, certs = os.path.join(lab.dir, "estate.jsonl"), {}
        with open(path, "w", encoding="ascii") as f:
            for i in range(n):
                der = old.issue(f"DEV-{i}", key=key, begin=NOW - 300 * DAY, end=NOW + 30 * DAY)[0].public_bytes(DER)
                if i % (n // renewals or 1) == 0:
                    certs[f"DEV-{i}"] = der
                f.write(json.dumps({"certificate": base64.b64encode(der).decode(), "principal": USER, "device_id": f"DEV-{i}"}) + "\n")
        print(f"made {n} certificates in {time.monotonic() - start:.0f} s", flush=True)
        before, start = memory(lab, "issuer"), time.monotonic()
        r = lab.run([CTL, "--socket", lab.socket, "--json", "cert", "import", "device", path], timeout=3600)
        took = time.monotonic() - start
        print(f"imported {r.json()['imported']}, refused {r.json()['refused']} in {took:.0f} s ({n / took:.0f}/s), issuer {before} -> {memory(lab, 'issuer')} MiB, "
              f"ledger {os.path.getsize(lab.ledger) >> 20} MiB", flush=True)
        start = time.monotonic()
        r = lab.run([CTL, "--socket", lab.socket, "--json", "cert", "import", "device", path], timeout=3600)
        print(f"again: {r.json()['present']} there already in {time.monotonic() - start:.0f} s", flush=True)

        def renew(device):
            d = mdm.Device.__new__(mdm.Device)
            d.client, d.kind, d.id, d.key, d.der = lab.client(), "Full", device, key, certs[device]
            new = ec.generate_private_key(ec.SECP256R1())
            d.new_key = new
            a = d.client.renew(mdm.new_cms(mdm.new_csr(device, new), d.der, key), device, "Full")
            der = a.certificate()
            if der and "CN=pkienrolld Lab Root" in x509.load_der_x509_certificate(der).issuer.rfc4514_string():
                return None
            return a.describe()

        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            failed = [x for x in pool.map(renew, certs) if x]
        took = time.monotonic() - start
        print(f"renewed {len(certs) - len(failed)} of {len(certs)} in {took:.0f} s ({len(certs) / took:.0f}/s), stranded {len(failed)}", flush=True)
        for f in failed[:3]:
            print(f)
        left = ledgerdb.rows(lab.ledger, "SELECT count(*) FROM certificate WHERE superseded_at = 0 AND revoked_at = 0")
        print(f"live in the ledger: {left[0][0]}", flush=True)


if __name__ == "__main__":
    main()
