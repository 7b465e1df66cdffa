# SPDX-License-Identifier: Apache-2.0
"""Key attestation with a software TPM: the whole of tests/unit/test_attest.c with fresh evidence, then a daemon that
requires it, asked as Windows asks (mdm.md 12; checklist 31)."""
import base64
import datetime
import hashlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import mdm  # noqa: E402
import tap  # noqa: E402
import tpmlab  # noqa: E402
from mdmlab import MdmLab, whole_fault  # noqa: E402

if tpmlab.missing():
    tap.skip("key attestation", f"{tpmlab.missing()} is not installed")
    tap.run()

UNIT = os.path.join(os.environ["top_builddir"], "tests", "unit")
PLATFORM = "Microsoft Platform Crypto Provider"
LAB = TPM = ROOT = OTHER_ROOT = AIK = None


def unit_test_with_fresh_evidence():
    if not os.path.exists(os.path.join(UNIT, "test_attest")):
        tap.skip("unit tests with fresh evidence", "they were not built")
        return
    with tempfile.TemporaryDirectory(prefix="pkeattest-") as folder:
        tpmlab.write_set(folder)
        for name in ("test_attest", "test_attest_maa"):
            done = subprocess.run([os.path.join(UNIT, name)],
                                  env=dict(os.environ, ATTEST_DATA=folder, CMOCKA_MESSAGE_OUTPUT="TAP"),
                                  capture_output=True, timeout=600, check=False)
            tap.ok(done.returncode == 0, f"{name} with evidence that was made now", (done.stdout + done.stderr).decode())


def b64(data):
    return base64.b64encode(data).decode()


def evidence(key, aik=None, cert=None):
    """The context items that Windows sends for @p key."""
    aik = aik or AIK
    attest, signature = key.certify(aik)
    return {"AIKAttestationClaim": tpmlab.claim(attest, signature, tpmlab.pcp_blob(key.public, key.private)),
            "AIKPub": tpmlab.bcrypt_rsa(aik.spki), "AIKCert": cert or ROOT.certify(aik.spki)}


def enroll(key, items, kind="Full", **more):
    """One request for @p key; @p items are bytes."""
    device = mdm.device_id()
    texts = {name: b64(value) for name, value in items.items()}
    return LAB.client().enroll(key.csr(device), device, kind, items=mdm.default_items(device, kind, **texts, **more))


def refused(a, reason, name):
    """The fault of a policy, its reason in the record, and no signature."""
    whole_fault(a, 500, "s:Authorization", None, name)
    shown = LAB.request_show(a.trace_id) or {}
    tap.ok(reason in (shown.get("error") or {}).get("reason", "") and reason in (shown.get("attestation") or ""),
           f"{name}: {reason} is recorded, as refusal and as verdict", shown)
    return shown


def attested():
    key = TPM.key()
    items = evidence(key)
    before = LAB.signatures()
    a = enroll(key, items)
    tap.ok(a.certificate() and LAB.signatures() == before + 1, "an attested key gets its certificate", a.describe())
    log = LAB.read_log()
    shown = LAB.request_show(a.text("./s:Header/diag:ActivityId")) or {}
    fingerprint = hashlib.sha256(items["AIKCert"]).hexdigest()
    tap.ok(f"attested aik=sha256:{fingerprint} key=000b" in log and "freshness=unproven" in log,
           "the verdict names the AIK and the key, and says what is not proven", LAB.log_tail())
    tap.ok((shown.get("attestation") or "").startswith(f"attested aik=sha256:{fingerprint} key=000b"),
           "the record has it, too", shown)
    seen = {i["name"]: i["value"] for i in shown.get("context", [])}
    tap.equal({name: seen.get(name) for name in items},
              {name: "sha256:" + hashlib.sha256(value).hexdigest() for name, value in items.items()},
              "and shows the SHA-256 of each item")
    with open(LAB.ledger, "rb") as f, open(LAB.ledger + "-wal", "rb") as w:
        stored = f.read() + w.read()
    for name, value in items.items():
        tap.ok(hashlib.sha256(value).hexdigest().encode() in stored, f"the SHA-256 of {name} is stored")
        tap.ok(b64(value)[:60].encode() not in stored, f"{name} itself is not")
    key2 = TPM.key()
    device = mdm.device_id()
    texts = {name: mdm.wrap64(value, "\r\n") for name, value in evidence(key2).items()}
    a = LAB.client().enroll(key2.csr(device), device, items=mdm.default_items(device, **texts))
    tap.ok(a.certificate(), "the items may be wrapped", a.describe())
    a = enroll(key3 := TPM.key(), evidence(key3), "Device")
    tap.ok(a.certificate(), "and for a device's certificate", a.describe())


def not_attested():
    before = LAB.signatures()
    key, other = TPM.key(), TPM.key()
    good = evidence(key)
    refused(enroll(key, {}), "attest-absent", "no evidence")
    refused(enroll(key, {"AIKAttestationClaim": good["AIKAttestationClaim"], "AIKPub": good["AIKPub"]}),
            "attest-aik-cert-missing", "no AIK certificate, as of a virtual TPM")
    refused(enroll(other, good), "attest-key", "evidence for another key")
    claim = good["AIKAttestationClaim"]
    for at, why in ((24 + 60, "attest-signature"), (len(claim) - 700, "attest-"), (3, "attest-claim")):
        flipped = claim[:at] + bytes([claim[at] ^ 1]) + claim[at + 1:]
        refused(enroll(key, dict(good, AIKAttestationClaim=flipped)), why, f"claim with byte {at} flipped")
    refused(enroll(key, dict(good, AIKCert=OTHER_ROOT.certify(AIK.spki))), "attest-aik-chain", "a foreign root")
    old = tpmlab.Authority.certify(ROOT, AIK.spki, days=1)
    refused(enroll(key, dict(good, AIKCert=old)), "attest-aik-chain", "an expired AIK certificate")
    refused(enroll(key, dict(good, AIKPub=tpmlab.bcrypt_rsa(key.spki))), "attest-aik-key", "another AIKPub")
    moved = TPM.imported()
    refused(enroll(moved, evidence(moved)), "attest-attributes", "a key that was imported")
    a = enroll(key, dict(good, AzureAttestationBlob=b'{"a":1}'))
    refused(a, "maa-unverified", "a token that nobody verified replaces the evidence")
    device = mdm.device_id()
    items = mdm.default_items(device, AIKAttestationClaim="!", AIKPub="", AIKCert=b64(good["AIKCert"]))
    refused(LAB.client().enroll(key.csr(device), device, items=items), "attest-base64", "no base64")
    shown = refused(enroll(key, {}, AttestationStatus='Status=3;AttestationErrorMsg="\n\u00e9', AttestationStatusHResult="0x8"),
                    "attest-absent", "a client that says why")
    tap.ok(shown, "its record is found")
    tap.equal(LAB.signatures(), before, "no key was used for any of them")
    a = enroll(key, good)
    tap.ok(a.certificate(), "and the good evidence is still good", a.describe())


def client_is_asked():
    """Checklist 31: by the version that discovery told."""
    found = {}
    for version in ("5.0", "6.0", "7.0"):
        for endpoint in ("mdm-policy", "mdm-enroll"):
            LAB.set_option(("endpoints", endpoint, "enrollment-version"), f"'{version}'")
        LAB.ctl("reload", check=True)
        found[version] = LAB.client().get_policies()
    v5 = "//x:attributes/x:privateKeyAttributes/x:"
    for version, a in found.items():
        tap.equal((a.text("." + v5 + "AttestationFailureBehavior"), a.text("." + v5 + "OperationTimeout"),
                   a.text("." + v5 + "cryptoProviders/x:provider")), ("FailOnError", "90", PLATFORM),
                  f"c31 the elements of 5.0 with {version}")
        block = a.find(".//x:attributes/x:attestation")
        tap.ok((block is not None) == (version >= "6.0"), f"c31 the block of 6.0 with {version}", a.describe())
    block = found["6.0"].find(".//x:attributes/x:attestation")
    tap.equal([(n.tag.split("}")[1], n.text) for n in block],
              [("attestationFailureBehavior", "FailOnError"), ("operationTimeout", "90")], "c31 in lower case")
    LAB.set_option(("templates", "device", "attestation"), "log")
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "enrollment-version"), "'4.0'")
    LAB.ctl("reload", check=True)
    a = LAB.client().get_policies()
    tap.ok(a.status == 200 and b"ttestation" not in a.body, "c31 nothing with 4.0", a.describe())


def other_modes():
    key = TPM.key()
    a = enroll(key, {})
    tap.ok(a.certificate(), "log: a key without evidence gets its certificate", a.describe())
    tap.ok("absent reason=attest-absent" in LAB.read_log(), "and the verdict is in the log", LAB.log_tail())
    LAB.set_option(("templates", "device", "attestation"), "prefer")
    LAB.ctl("reload", check=True)
    key = TPM.key()
    a = enroll(key, dict(evidence(key), AIKCert=OTHER_ROOT.certify(AIK.spki)))
    tap.ok(a.certificate(), "prefer: with bad evidence as well", a.describe())
    tap.ok("key not attested" in LAB.read_log() and "not-attested reason=attest-aik-chain" in LAB.read_log(),
           "prefer: it is a warning", LAB.log_tail())
    LAB.set_option(("templates", "device", "attestation"), "off")
    LAB.ctl("reload", check=True)
    key = TPM.key()
    good = evidence(key)
    a = enroll(key, good)
    with open(LAB.ledger, "rb") as f, open(LAB.ledger + "-wal", "rb") as w:
        stored = f.read() + w.read()
    tap.ok(a.certificate() and b64(good["AIKCert"])[:60].encode() not in stored and
           hashlib.sha256(good["AIKCert"]).hexdigest().encode() in stored, "off: nothing but SHA-256 is stored", a.describe())


def set_mode(mode, version="5.0"):
    LAB.set_option(("templates", "device", "attestation"), mode)
    for endpoint in ("mdm-policy", "mdm-enroll"):
        LAB.set_option(("endpoints", endpoint, "enrollment-version"), f"'{version}'")
    LAB.ctl("reload", check=True)


def renewals():
    """Windows sends no evidence with a renewal: none is accepted, a wrong one is not."""
    set_mode("log")
    device = mdm.Device(LAB.client())
    set_mode("require")
    items = mdm.default_items(device.id, **{n: b64(v) for n, v in evidence(TPM.key()).items()})
    a = device.renew(keep=True, items=items)
    refused(a, "attest-key", "a renewal with the evidence of another key")
    a = device.renew()
    tap.ok(a.certificate(), "a renewal without evidence", a.describe())
    set_mode("off")


def configuration():
    for value, why in (("other.pem", "no certificate that signed itself"), ("missing.pem", "No such file")):
        LAB.set_option(("templates", "device", "attestation"), "require")
        LAB.set_option(("templates", "device", "attestation-roots"), value)
        for endpoint in ("mdm-policy", "mdm-enroll"):
            LAB.set_option(("endpoints", endpoint, "enrollment-version"), "'5.0'")
        r = LAB.ctl("reload")
        tap.ok(r.status != 0 and why in str(r), f"reload with {value} is refused", r)
    key = TPM.key()
    a = enroll(key, {})
    tap.ok(a.certificate(), "and the configuration before is in force", a.describe())


OPTIONS = {("templates", "device", "attestation"): "require",
           ("templates", "device", "attestation-roots"): "tpm-roots.pem",
           ("templates", "device", "attestation-failure"): "FailOnError",
           ("templates", "device", "attestation-timeout"): "90s",
           ("endpoints", "mdm-policy", "enrollment-version"): "'5.0'",
           ("endpoints", "mdm-enroll", "enrollment-version"): "'5.0'"}
START = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(days=3)
ROOT, OTHER_ROOT = tpmlab.Authority(START), tpmlab.Authority(START, "Another Root")
SUB = tpmlab.Authority(START, "Lab TPM CA", ROOT)
with tpmlab.Tpm() as TPM, MdmLab(OPTIONS, start=False) as LAB:
    AIK = TPM.aik()
    for file, pem in (("tpm-roots.pem", ROOT.pem), ("other.pem", SUB.pem)):
        with open(os.path.join(LAB.etc, file), "wb") as out:
            out.write(pem)
    LAB.start()
    LAB.add_user("ada@lab.example")
    tap.run(attested, not_attested, client_is_asked, other_modes, renewals, configuration, unit_test_with_fresh_evidence)
