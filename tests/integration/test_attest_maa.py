# SPDX-License-Identifier: Apache-2.0
"""Tokens of an Azure Attestation provider against a real daemon that requires an attested key (MS-MDE2 EnrollmentVersion 6.0,
mdm.md 12). The tokens are minted here, in the shape that Microsoft documents, by a key that the template pins."""
import base64
import datetime
import hashlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jws  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
import tpmlab  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from mdmlab import MdmLab, whole_fault, write_text  # noqa: E402

PROVIDER = "https://lab.weu.attest.example"
LAB = None
MAA, OTHER = jws.Signer("maa-1"), jws.Signer("maa-1")


def jwk(key):
    n = key.public_key().public_numbers().n
    return {"kty": "RSA", "kid": "TpmKey", "n": jws.b64(n.to_bytes((n.bit_length() + 7) // 8, "big")), "e": "AQAB"}


def claims(key, **patch):
    return jws.patched({"iss": PROVIDER, **jws.times(8 * 3600), "x-ms-attestation-type": "tpm", "x-ms-ver": "1.0",
                        "aikValidated": True, "x-ms-policy-hash": "AA", "rp_data": "bm9uY2U",
                        "x-ms-runtime": {"keys": [jwk(key)]}}, patch)


def token(key, signer=None, header=None, **patch):
    return (signer or MAA).sign(claims(key, **patch), {"jku": PROVIDER + "/certs", **(header or {})})


def enroll(key, blob, **more):
    """One request for @p key with this AzureAttestationBlob, None: without."""
    device = mdm.device_id()
    if blob is not None:
        more["AzureAttestationBlob"] = base64.b64encode(blob if isinstance(blob, bytes) else blob.encode()).decode()
    return LAB.client().enroll(mdm.new_csr(device, key), device, items=mdm.default_items(device, **more))


def refused(a, reason, name):
    whole_fault(a, 500, "s:Authorization", None, name)
    shown = LAB.request_show(a.trace_id) or {}
    tap.equal(((shown.get("error") or {}).get("reason"), (shown.get("attestation") or "").split(" maa=")[0]),
              (reason, f"not-attested reason={reason}"), f"{name}: {reason} is recorded, as refusal and as verdict")


def recorded(a):
    return (LAB.request_show(a.text("./s:Header/diag:ActivityId")) or {}).get("attestation")


def attested():
    for name, header, wrap in (("a token", {}, lambda t: t), ("a report", {}, lambda t: json.dumps({"report": t})),
                               ("a token with its certificate", {"x5c": ["A" * 3000]}, lambda t: t)):
        key, before = mdm.new_key(), LAB.signatures()
        good = token(key, header=header)
        a = enroll(key, wrap(good))
        tap.ok(a.certificate() and LAB.signatures() == before + 1, f"{name} attests the key", a.describe())
        tap.equal(recorded(a), f"attested maa={PROVIDER}", f"{name}: the record names the provider")
    with open(LAB.ledger, "rb") as f, open(LAB.ledger + "-wal", "rb") as w:
        stored = f.read() + w.read()
    tap.ok(hashlib.sha256(good.encode()).hexdigest().encode() in stored, "the SHA-256 of the token is stored")
    tap.ok(good[-60:].encode() not in stored and good[-60:] not in LAB.read_log(), "the token itself is not")
    key = mdm.new_key()
    a = enroll(key, token(key, **{"x-ms-runtime": None, "cnf": {"jwk": jwk(key)}}))
    tap.ok(a.certificate(), "the key may be in cnf", a.describe())


def not_attested():
    before, key, now = LAB.signatures(), mdm.new_key(), int(time.time())
    rows = [
        ("another signer's key", token(key, OTHER), "jws-signature"),
        ("an unknown kid", token(key, header={"kid": "maa-2"}), "jws-key-unknown"),
        ("its own key in the header", token(key, OTHER, {"jwk": OTHER.jwk()}), "jws-header-member"),
        ("its own certificate in the header", token(key, OTHER, {"x5c": OTHER.x5c()["x5c"]}), "jws-signature"),
        ("no signature", MAA.sign(claims(key), alg="none"), "jws-algorithm"),
        ("the public key as a secret", MAA.sign(claims(key), alg="HS256"), "jws-algorithm"),
        ("a foreign issuer", token(key, iss="https://evil.weu.attest.example"), "maa-issuer"),
        ("an issuer that is longer", token(key, iss=PROVIDER + "/"), "maa-issuer"),
        ("expired", token(key, **jws.times(600, 1000)), "maa-time"),
        ("good for long, but old", token(key, **jws.times(8 * 3600, 3600 + 400)), "maa-time"),
        ("not yet", token(key, nbf=now + 400), "maa-time"),
        ("about an enclave", token(key, **{"x-ms-attestation-type": "sgx"}), "maa-type"),
        ("an AIK that was not validated", token(key, aikValidated=False), "maa-aik"),
        ("another key", token(mdm.new_key()), "maa-key"),
        ("no key", token(key, **{"x-ms-runtime": None}), "maa-key"),
        ("a report without a token", '{"report":7}', "jws-form"),
        ("a report twice", '{"report":"a.b.c","report":"a.b.c"}', "jws-form"),
        ("bytes", b"\0\1\2", "jws-form"),
        ("much", b"." * 20000, "jws-form"),
    ]
    for name, blob, reason in rows:
        refused(enroll(key, blob), reason, f"token: {name}")
    refused(enroll(key, None, AzureAttestationBlob="!"), "attest-base64", "token: no base64")
    a = enroll(key, None)
    whole_fault(a, 500, "s:Authorization", None, "no token")
    tap.equal(LAB.signatures(), before, "no key was used for any of them")
    tap.ok(enroll(key, token(key)).certificate(), "and a good token for that key is still good")


def renewals():
    """Windows sends nothing with a renewal; what it does send counts."""
    device_key = mdm.new_key()
    device = mdm.device_id()
    blob = base64.b64encode(token(device_key).encode()).decode()
    a = LAB.client().enroll(mdm.new_csr(device, device_key), device,
                            items=mdm.default_items(device, AzureAttestationBlob=blob))
    tap.ok(a.certificate(), "a device with an attested key", a.describe())
    new_key = mdm.new_key()
    cms = mdm.new_cms(mdm.new_csr(device, new_key), a.certificate(), device_key)
    r = LAB.client().renew(cms, device, items=mdm.default_items(device, AzureAttestationBlob=blob))
    refused(r, "maa-key", "a renewal with a token for another key")
    r = LAB.client().renew(cms, device)
    tap.ok(r.certificate(), "a renewal without a token", r.describe())


def other_modes():
    LAB.set_option(("templates", "device", "attestation"), "log")
    LAB.ctl("reload", check=True)
    for name, blob, want in (
            ("wrong signature", token(mdm.new_key(), OTHER), "not-attested reason=jws-signature"),
            ("foreign issuer", token(mdm.new_key(), iss="https://evil.example"), "not-attested reason=maa-issuer"),
            ("another key", token(mdm.new_key()), f"not-attested reason=maa-key maa={PROVIDER}")):
        a = enroll(mdm.new_key(), blob)
        tap.ok(a.certificate(), f"log: {name} costs nothing", a.describe())
        tap.equal(recorded(a), want, f"log: {name} is recorded")
    key = mdm.new_key()
    a = enroll(key, token(key))
    tap.equal((bool(a.certificate()), recorded(a)), (True, f"attested maa={PROVIDER}"), "log: a good token, too")


def configuration():
    """Keys are opened with the configuration: a broken file is refused, and the one before stays."""
    for text, why in (('{"keys":[', "JSON"), (json.dumps({"keys": [MAA.jwk(d="AQ")]}), "private"),
                      (jws.jwks(MAA.x5c(rsa.generate_private_key(65537, 1024))), "modulus"),
                      (jws.jwks(MAA.x5c(ec.generate_private_key(ec.SECP256R1()))), "x5c"), (None, "No such file")):
        if text is None:
            LAB.set_option(("templates", "device", "maa-keys-file"), "missing.json")
        else:
            write_text(os.path.join(LAB.etc, "broken.json"), text)
            LAB.set_option(("templates", "device", "maa-keys-file"), "broken.json")
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and why in str(r) and "template device: maa-keys-file" in str(r), f"reload with such keys is refused: {why}", r)
    key = mdm.new_key()
    a = enroll(key, token(key))
    tap.equal(recorded(a), f"attested maa={PROVIDER}", "and the keys before are in force")
    rolled = jws.Signer("maa-2")
    write_text(os.path.join(LAB.etc, "rolled.json"), jws.jwks(rolled))
    LAB.set_option(("templates", "device", "maa-keys-file"), "rolled.json")
    LAB.set_option(("templates", "device", "attestation"), "require")
    LAB.ctl("reload", check=True)
    refused(enroll(key, token(key)), "jws-key-unknown", "a key that is pinned no more")
    key = mdm.new_key()
    a = enroll(key, token(key, rolled))
    tap.ok(a.certificate(), "and the one that is, by its numbers", a.describe())


OPTIONS = {("templates", "device", "attestation"): "require",
           ("templates", "device", "attestation-roots"): "tpm-roots.pem",
           ("templates", "device", "maa-url"): f"{PROVIDER}/attest/Tpm",
           ("templates", "device", "maa-relying-party"): "https://mdm.lab.example",
           ("templates", "device", "maa-keys-file"): "maa.json",
           ("templates", "device", "maa-issuers"): f"[{PROVIDER}]",
           ("endpoints", "mdm-policy", "enrollment-version"): "'6.0'",
           ("endpoints", "mdm-enroll", "enrollment-version"): "'6.0'"}
START = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(days=3)
with MdmLab(OPTIONS, start=False) as LAB:
    write_text(os.path.join(LAB.etc, "maa.json"), jws.jwks(MAA.x5c()))
    write_text(os.path.join(LAB.etc, "tpm-roots.pem"), tpmlab.Authority(START).pem.decode())
    LAB.start()
    LAB.add_user("ada@lab.example")
    tap.run(attested, not_attested, renewals, other_modes, configuration)
