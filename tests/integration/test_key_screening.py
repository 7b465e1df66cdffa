# SPDX-License-Identifier: Apache-2.0
"""Which public keys a real daemon certifies: none that another has or had, none that is compromised, blocked or a CA's,
and of a type only what the template names (reliability 14: key reuse, compromised keys, key types)."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import csrbuild  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from mdmlab import MdmLab, write_text  # noqa: E402

BOB = "bob@lab.example"
LAB = None


def spki(public):
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def digest(key):
    return hashlib.sha256(spki(key.public_key())).hexdigest()


def revoke(der, reason):
    LAB.ctl("cert", "revoke", f"{x509.load_der_x509_certificate(der).serial_number:x}", "--reason", reason, check=True)


def reload(good=True):
    r = LAB.ctl("reload")
    tap.ok((r.status == 0) == good, f"reload {'succeeds' if good else 'is refused'}", str(r))
    return str(r)


def enroll(key, client=None, device=None, spki_der=None):
    device = device or mdm.device_id()
    csr = csrbuild.csr(key, (("CN", "x!" + device),), csrbuild.windows_extensions(device), spki=spki_der)
    return (client or LAB.client()).enroll(csr, device)


def refused(name, reason, attempt, fault=("s:CertificateRequest", None)):
    """The exact fault, the record and the audit row; no key was used and no serial spent."""
    before = LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))
    a = attempt()
    shown = LAB.request_show(a.trace_id) or {}
    got = (a.status, (a.subcode, a.error_type), (shown.get("error") or {}).get("reason"), shown.get("state"))
    tap.equal(got, (500, fault, reason, "refused"), f"{name}: {reason}") or tap.diag(a.describe())
    audited = ledgerdb.rows(LAB.ledger, "SELECT event, detail FROM audit WHERE request_id = ?", (a.trace_id,))
    tap.ok(len(audited) == 1 and audited[0][0] == "refused" and f'"reason":"{reason}"' in audited[0][1],
           f"{name}: one audit row", audited)
    tap.equal((LAB.signatures(), len(ledgerdb.certificates(LAB.ledger))), before, f"{name}: no key was used")


# ---- one key, one owner

def reused_and_compromised():
    device = mdm.Device(LAB.client())

    def again():
        return enroll(device.key)

    def same():
        return enroll(device.key, device=device.id)

    def bobs():
        return enroll(device.key, LAB.client(BOB))
    refused("the active key of another identity", "csr-key-reused", bobs)
    revoke(device.der, "superseded")
    for name, attempt in (("another identity", bobs), ("another device", again), ("the device itself", same)):
        refused(f"a superseded key, {name}", "csr-key-reused", attempt)
    device = mdm.Device(LAB.client())
    revoke(device.der, "keyCompromise")
    for name, attempt in (("another identity", bobs), ("another device", again), ("the device itself", same)):
        refused(f"a compromised key, {name}", "key-compromised", attempt)
    tap.ok(enroll(mdm.new_key(), device=device.id).certificate(), "with a new key the device is enrolled")


def compromised_key_renews_nothing():
    lost, device = mdm.Device(LAB.client()), mdm.Device(LAB.client())
    revoke(lost.der, "keyCompromise")
    refused("a renewal with a compromised key", "key-compromised", lambda: device.renew(device.cms(key=lost.key), keep=True))
    tap.ok(device.renew().certificate(), "with a new key it is renewed")


# ---- blocked keys

def keys_of_cas():
    """Its private key is nobody's but the token's: the request is refused before its signature is looked at."""
    for name in ("ca.pem", "root.pem"):
        with open(os.path.join(LAB.etc, name), "rb") as f:
            public = x509.load_pem_x509_certificate(f.read()).public_key()
        refused(f"the key of {name}", "csr-key-blocked", lambda p=public: enroll(mdm.new_key(), spki_der=spki(p)))


def blocked_keys():
    path = os.path.join(LAB.etc, "blocked-keys")
    key, ec_key, device = mdm.new_key(), ec.generate_private_key(ec.SECP256R1()), mdm.Device(LAB.client())
    write_text(path, f"# lost\n{digest(key)} # a laptop\n{digest(ec_key)}\n")
    LAB.set_option(("blocked-keys",), "blocked-keys")
    reload()
    refused("a blocked key", "csr-key-blocked", lambda: enroll(key))
    write_text(path, f"{digest(mdm.new_key())}\n\n{digest(key).upper()}\n")
    said = reload(good=False)
    tap.ok("blocked-keys:3: " in said, "the mistake is told with file and line", said)
    os.chmod(path, 0o664)
    said = reload(good=False)
    tap.ok("may be written by group or others" in said, "a list that others may write is not believed", said)
    os.chmod(path, 0o644)
    refused("the old list stays", "csr-key-blocked", lambda: enroll(key))
    write_text(path, digest(device.key) + "\n")
    reload()
    refused("a renewal by a blocked key", "renew-key-blocked", lambda: device.renew(keep=True),
            ("s:CertificateRequest", "NotEligibleToRenew"))
    tap.ok(enroll(key).certificate(), "a key that is no longer in the list is certified")
    LAB.set_option(("blocked-keys",), None)
    reload()
    tap.ok(device.renew().certificate(), "without the list the other renews")


# ---- types

def types_of_keys():
    keys = (("P-521", ec.generate_private_key(ec.SECP521R1())), ("Ed25519", ed25519.Ed25519PrivateKey.generate()))
    for name, key in keys:
        refused(f"{name}, which the template does not name", "csr-key-type", lambda k=key: enroll(k))
    LAB.set_option(("templates", "device", "key-types"), "[rsa, p-521, ed25519]")
    reload()
    for name, key in keys:
        a = enroll(key)
        tap.ok(a.certificate() and spki(x509.load_der_x509_certificate(a.certificate()).public_key()) == spki(key.public_key()),
               f"{name}: certified end to end", a.describe())
    refused("P-256, which is not named any more", "csr-key-type", lambda: enroll(ec.generate_private_key(ec.SECP256R1())))


def whole():
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger is whole")


def main():
    global LAB
    with MdmLab({("templates", "device", "key-types"): "[rsa, p-256]"}, sub_ca=True) as LAB:  # the root has a P-256 key
        LAB.add_user(BOB, LAB.password())
        tap.run(reused_and_compromised, compromised_key_renews_nothing, keys_of_cas, blocked_keys, types_of_keys, whole)


main()
