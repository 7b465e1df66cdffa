# SPDX-License-Identifier: Apache-2.0
"""Renewal and recovery against a real daemon with a CA key in SoftHSM, under a clock that is moved (MS-MDE2 checklist 58
to 66; attacks A07, A14, A30, A35)."""
import datetime
import glob
import hashlib
import json
import os
import sqlite3
import sys
import threading

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jws  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from mdmlab import MdmLab, USER, write_text  # noqa: E402

OTHER = "bob@lab.example"
STS = jws.Signer("sts-1")
LAB = CLOCK = VICTIM = None


class Clock:
    """The daemon's wall clock, moved while it runs; its monotonic clock goes on."""

    def __init__(self, lab):
        self.path = os.path.join(lab.dir, "clock")
        self.offset = 0
        self.set(0)
        library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0]
        lab.launcher = ["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={self.path}", "FAKETIME_NO_CACHE=1",
                        "FAKETIME_DONT_FAKE_MONOTONIC=1",
                        "ASAN_OPTIONS=verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")]

    def set(self, seconds):
        self.offset = seconds
        write_text(self.path + ".new", f"{seconds:+d}s\n")
        os.replace(self.path + ".new", self.path)

    def advance(self, seconds):
        self.set(self.offset + seconds)


def trust(lab):
    """A sign-in page of this test beside the lab's."""
    write_text(os.path.join(lab.etc, "sts.json"), jws.jwks(STS))
    for name, value in {"kind": "custom", "keys-file": "sts.json", "issuer": f"[{jws.CUSTOM_ISSUER}]",
                        "audience": f"[{jws.CUSTOM_AUDIENCE}]"}.items():
        lab.set_option(("token-issuers", "sts", name), value)
    lab.set_option(("endpoints", "mdm-enroll", "token-issuers"), "[sts]")


def load(der):
    return x509.load_der_x509_certificate(der)


def names(der):
    """What a renewal must not change."""
    c = load(der)
    san = [e.value for e in c.extensions if e.oid == x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
    eku = c.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return c.subject.rfc4514_string(), san, eku


def refused(a, reason, name, subcode="s:CertificateRequest", error_type="NotEligibleToRenew"):
    """The exact fault, no certificate, and the record that says which rule it was."""
    row = LAB.request_show(a.trace_id) or {}
    text = json.dumps(row)
    return tap.ok(a.status == 500 and a.certificate() is None and a.subcode == subcode and a.error_type == error_type and
                  reason in text, name, f"{a.describe()}\n{text}")


def attack(function):
    """Run an attack: afterwards the key has not been used."""
    def run():
        before = LAB.signatures()
        function()
        tap.equal(LAB.signatures(), before, f"{function.__name__}: the key was not used")
    run.__name__ = function.__name__
    return run


# ---- what works

def c58_layers_and_value_types():
    d = mdm.Device(LAB.client())
    first = names(d.der)
    for layers in (1, 2):
        for value_type in (mdm.VT_P7, mdm.VT_P7_WSTEP):
            old = d.der
            a = d.renew(layers=layers, value_type=value_type)
            tap.ok(a.status == 200 and d.der != old, f"c58 {layers} layer(s), {value_type[-60:]}", a.describe())
    tap.equal(names(d.der), first, "c62 names are those of the enrollment")
    a = d.renew(layers=3)
    tap.equal(a.subcode, "s:MessageFormat", "c58 a third layer is refused")


def c63_renewal_document():
    for kind, store in (("Full", "User"), ("Device", "System")):
        d = mdm.Device(LAB.client(), kind)
        doc = d.renew().provisioning()
        tops = [n.get("type") for n in doc]
        stores = doc.find("./characteristic[@type='CertificateStore']")
        places = [f"{n.get('type')}/{m.get('type')}" for n in stores for m in n]
        tap.ok(tops == ["CertificateStore", "APPLICATION"] and places == [f"My/{store}"],
               f"c63 {kind}: the new certificate and APPLICATION alone", (tops, places))
        application = doc.find("./characteristic[@type='APPLICATION']")
        tap.equal(([p.get("name") for p in application.findall("parm")], application.findall("characteristic")),
                  (["PROVIDER-ID"], []), f"c63 {kind}: APPLICATION has PROVIDER-ID alone")
        my = stores.find(f"./characteristic/characteristic[@type='{store}']")
        tap.equal(sorted(n.get("type") for n in my)[1:], ["PrivateKeyContainer"], f"c63 {kind}: beside its key container")


def c62_names_come_from_the_ledger():
    d = mdm.Device(LAB.client())
    before = names(d.der)
    evil = mdm.new_csr(d.id, key := mdm.new_key(), cn="administrator@lab.example", extensions=[
        (x509.SubjectAlternativeName([x509.DNSName("dc.lab.example")]), False),
        (x509.BasicConstraints(True, None), True)])
    items = mdm.default_items(d.id, name="DC01", UPN="administrator@lab.example")
    a = d.renew(d.cms(key, evil), items=items, keep=True)
    tap.ok(a.status == 500 and a.subcode == "s:CertificateRequest", "c62 A35 a renewal that asks to be a CA is refused",
           a.describe())
    LAB.set_option(("templates", "device", "csr-disallowed"), "strip")
    LAB.ctl("reload", check=True)
    a = d.renew(d.cms(key, evil), items=items)
    LAB.set_option(("templates", "device", "csr-disallowed"), None)
    LAB.ctl("reload", check=True)
    tap.ok(a.status == 200 and names(d.der) == before, "c62 A35 subject, SAN and EKU of the record", a.describe())
    tap.ok(not load(d.der).extensions.get_extension_for_class(x509.BasicConstraints).value.ca, "A35 no CA")


def c65_replay_gives_the_same_certificate():
    d = mdm.Device(LAB.client())
    cms = d.cms()
    first = d.renew(cms, keep=True).certificate()
    before = LAB.signatures()
    again = [d.renew(cms, keep=True, layers=n).certificate() for n in (1, 2, 1)]
    tap.ok(first and set(again) == {first}, "c65 A07 a captured renewal gives the same certificate")
    tap.equal(LAB.signatures(), before, "c65 A07 and takes no signature")
    CLOCK.advance(300)
    tap.equal(d.renew(cms, keep=True).certificate(), first, "c65 also after the retry window")


def c65_old_one_is_good_until_the_new_one_is_used():
    d = mdm.Device(LAB.client())
    old, old_key = d.der, d.key
    a = d.renew()
    tap.equal(a.status, 200, "c65 renewed")
    lost = mdm.Device.__new__(mdm.Device)
    lost.client, lost.kind, lost.id, lost.der, lost.key = d.client, d.kind, d.id, old, old_key
    a = lost.renew()
    tap.equal(a.status, 200, "c65 the client lost the answer and renews with the old one again")
    a = lost.renew()
    tap.equal(a.status, 200, "c65 it uses the newest one")
    stale = mdm.Device.__new__(mdm.Device)
    stale.client, stale.kind, stale.id, stale.der, stale.key = d.client, d.kind, d.id, old, old_key
    refused(stale.renew(), "renew-superseded", "c65 A35 from then on the old one is superseded")


def ten_minutes_twenty_times():
    """A short-lived certificate renews itself; each one from the one before."""
    d = mdm.Device(LAB.client(), "Device")
    subject, serials = names(d.der), {load(d.der).serial_number}
    good = 0
    for _ in range(20):
        CLOCK.advance(480)
        a = d.renew()
        new = load(d.der)
        life = new.not_valid_after - new.not_valid_before
        good += a.status == 200 and names(d.der) == subject and life == datetime.timedelta(minutes=10)
        serials.add(new.serial_number)
    tap.ok(good == 20 and len(serials) == 21, "a 10-minute certificate renewed itself 20 times", (good, len(serials)))
    shown = LAB.ctl("--json", "request", "list", "--device", d.id).json()["items"]
    tap.equal(len([r for r in shown if r["state"] == "issued"]), 21, "21 requests of this device are recorded")


def manual_renewal():
    d = mdm.Device(LAB.client())
    a = d.renew(security=d.client.security(), layers=2)
    tap.equal(a.status, 200, "manual renewal with the password of the owner")
    a = d.renew(security=mdm.username_token(USER, "wrong"))
    tap.equal(a.subcode, "s:Authentication", "manual renewal with a wrong password")
    bob = LAB.client(OTHER)
    refused(d.renew(security=bob.security()), "renew-identity", "A35 somebody else's password")


def parallel_renewals():
    """Two renewals of one certificate at once: whoever comes while the other is on its way is told to come again."""
    d = mdm.Device(LAB.client())
    answers = []

    def one():
        copy = mdm.Device.__new__(mdm.Device)
        copy.client, copy.kind, copy.id, copy.der, copy.key = LAB.client(), d.kind, d.id, d.der, d.key
        answers.append(copy.renew())

    threads = [threading.Thread(target=one) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    fine = [a for a in answers if a.status == 200]
    busy = [a for a in answers if a.subcode == "s:EnrollmentServer"]
    tap.ok(fine and len(fine) + len(busy) == 4 and len({a.certificate() for a in fine}) == len(fine),
           "A35 renewals side by side: a certificate each or busy", [a.describe()[:200] for a in answers])


# ---- what is refused

def signed_by(d, certificate, key):
    return mdm.new_cms(mdm.new_csr(d.id, mdm.new_key()), certificate, key)


def look_alike(d, **change):
    """A certificate that says what the device's says, made by somebody else, and its key."""
    c, key = load(d.der), mdm.new_key()
    b = (x509.CertificateBuilder().subject_name(c.subject).issuer_name(c.issuer).serial_number(c.serial_number)
         .not_valid_before(c.not_valid_before).not_valid_after(c.not_valid_after).public_key(key.public_key()))
    for e in c.extensions:
        b = b.add_extension(e.value, e.critical)
    return b.sign(change.get("signer", key), hashes.SHA256()).public_bytes(serialization.Encoding.DER), key


@attack
def c59_look_alikes():
    d = mdm.Device.__new__(mdm.Device)
    d.__dict__.update(VICTIM.__dict__)
    der, key = look_alike(d)
    refused(d.renew(signed_by(d, der, key)), "renew-unknown", "c59 A14 same issuer, serial and subject, self-signed")
    ca_key = mdm.new_key()
    der, key = look_alike(d, signer=ca_key)
    refused(d.renew(signed_by(d, der, key)), "renew-unknown", "c59 A14 by another CA of the same name")
    flipped = bytearray(d.der)
    flipped[-1] ^= 1  # in the CA's signature: nothing in the CMS depends on it
    refused(d.renew(signed_by(d, bytes(flipped), d.key)), "renew-unknown", "c59 one bit of the certificate is not the ledger's")


@attack
def broken_cms():
    d = VICTIM
    good = d.cms()
    cases = {"flipped signature": good[:-1] + bytes([good[-1] ^ 1]), "trailing byte": good + b"\0",
             "cut": good[:-7], "a CSR instead": mdm.new_csr(d.id)}
    other = mdm.new_csr(d.id)
    cases["detached"] = mdm.new_cms(other, d.der, d.key, options=[mdm.pkcs7.PKCS7Options.DetachedSignature])
    cases["no certificate inside"] = mdm.new_cms(other, d.der, d.key, options=[mdm.pkcs7.PKCS7Options.NoCerts])
    cases["SHA-1"] = mdm.new_cms(other, d.der, d.key, hashes.SHA1())
    cases["content is no CSR"] = mdm.new_cms(b"\x30\x03\x02\x01\x00", d.der, d.key)
    for name, cms in cases.items():
        a = d.renew(cms, keep=True)
        tap.ok(a.status == 500 and a.certificate() is None and a.subcode in ("s:MessageFormat", "s:CertificateRequest") and
               LAB.request_show(a.trace_id), f"A35 CMS: {name}", a.describe())


@attack
def c61_other_device_type_and_key():
    d = VICTIM
    refused(d.renew(d.cms(d.key), keep=True), "renew-same-key", "c61 the old key", error_type=None)
    refused(d.renew(items=mdm.default_items(mdm.device_id()), keep=True), "renew-device", "c61 A30 another DeviceID")
    refused(d.renew(items=mdm.default_items(d.id, "Device"), keep=True), "renew-type", "c61 another EnrollmentType")
    weak = mdm.new_csr(d.id, mdm.new_key(1024))
    a = d.renew(d.cms(csr=weak), keep=True)
    tap.ok(a.subcode == "s:CertificateRequest" and a.error_type is None, "c42 a weak key", a.describe())


def c61_absent_items_are_no_mismatch():
    d = mdm.Device(LAB.client())
    a = d.renew(items=[("Locale", "en-US")])
    tap.equal(a.status, 200, "mdm.md 6.1: a renewal without DeviceID and EnrollmentType")
    items = [(n, "F" * 64 if n == "HWDevID" else v) for n, v in mdm.default_items(d.id)]
    a = d.renew(items=items)
    tap.equal(a.status, 200, "another HWDevID is logged, not refused")


def c60_expired():
    d = mdm.Device(LAB.client())
    CLOCK.advance(86400)
    before = LAB.signatures()
    refused(d.renew(), "renew-expired", "c60 after expiry")
    tap.equal(LAB.signatures(), before, "c60 the key was not used")


def c60_blocked_and_released():
    d = mdm.Device(LAB.client())
    cms = d.cms()
    d.renew(cms)
    LAB.ctl("device", "block", d.id, check=True)
    before = LAB.signatures()
    refused(d.renew(), "renew-blocked", "c60 c79 a blocked device")
    LAB.ctl("device", "unblock", d.id, check=True)
    tap.equal(d.renew().status, 200, "c60 it renews again when it is not blocked any more")
    LAB.ctl("device", "release", d.id, check=True)
    refused(d.renew(), "renew-", "c60 a released device")
    tap.equal(LAB.signatures(), before + 1, "c60 the key was used once")


def no_renewal_without_a_credential():
    d = VICTIM
    a = d.renew(security=None, keep=True)
    tap.equal(a.subcode, "a:InvalidSecurity", "a renewal without a Security header")
    a = d.renew(security="", keep=True)
    tap.equal(a.subcode, "s:Authentication", "a renewal with an empty Security header")


def policy_before_renewal():
    """Hint of mdm.md 10.1: a client that renews may ask for the policy first, with the header of the renewal."""
    c = LAB.client()
    empty = mdm.username_token(USER, "")
    a = c.get_policies(security=empty)
    tap.ok(a.status == 200 and a.find(".//x:GetPoliciesResponse") is not None, "GetPolicies of a client that renews",
           a.describe())
    option("renew-require-tls", "yes")
    tap.equal(c.get_policies(security=empty).subcode, "s:Authentication", "not where renewal needs a certificate")
    option("renew-require-tls", "no")
    option("renew", "no")
    tap.equal(c.get_policies(security=empty).subcode, "s:Authentication", "nor where there is no renewal")
    option("renew", "yes")


# ---- other rules, by reload

def option(name, value):
    LAB.set_option(("templates", "device", name), value)
    LAB.ctl("reload", check=True)


def c60_window_and_grant():
    d = mdm.Device(LAB.client())
    option("renew-early", "on-grant")
    refused(d.renew(), "renew-early", "c60 before the window")
    LAB.ctl("device", "allow-renewal", d.id, check=True)
    tap.equal(d.renew().status, 200, "c60 once when granted")
    refused(d.renew(), "renew-early", "c60 the grant is used up")
    CLOCK.advance(570)
    tap.equal(d.renew().status, 200, "c60 inside the window")
    option("renew-early", "window")
    refused(d.renew(), "renew-early", "c60 the window is the new certificate's")
    LAB.ctl("device", "allow-renewal", d.id, check=True)
    option("renew-early", "any")
    tap.equal(d.renew().status, 200, "c60 any time")


def grace():
    d = mdm.Device(LAB.client())
    option("renew-grace", "1h")
    CLOCK.advance(1800)
    tap.equal(d.renew().status, 200, "c60 within renew-grace after expiry")
    CLOCK.advance(2 * 3600)
    refused(d.renew(), "renew-expired", "A35 grace ends")
    option("renew-grace", "0s")


def other_switches():
    d = mdm.Device(LAB.client())
    option("renew-same-key", "yes")
    tap.equal(d.renew(d.cms(d.key)).status, 200, "c61 the old key where it is allowed")
    option("renew-same-key", "no")
    option("renew-hardware-change", "deny")
    items = [(n, "F" * 64 if n == "HWDevID" else v) for n, v in mdm.default_items(d.id)]
    refused(d.renew(items=items), "renew-hardware", "another HWDevID where it is denied")
    option("renew-hardware-change", "log")
    option("renew-require-tls", "yes")
    refused(d.renew(), "renew-tls-missing", "c64 no client certificate where it is needed")
    option("renew-require-tls", "no")
    option("renew", "no")
    a = d.renew()
    tap.equal((a.subcode, a.error_type), ("s:Authorization", "NotSupported"), "renewal switched off")
    option("renew", "yes")
    option("allow", f"[{OTHER}]")
    refused(d.renew(), "renew-not-allowed", "the owner may not enroll any more")
    option("allow", '["*@lab.example"]')


def c66_recovery():
    c = LAB.client()
    d = mdm.Device(c)

    def recover(client, device, **kw):
        return client.enroll(mdm.new_csr(device), device, request_type="Recovery", **kw)

    a = recover(c, d.id)
    tap.equal(a.error_type, "NotSupported", "c66 recovery is off by default")
    option("recovery", "yes")
    a = recover(c, d.id)
    tap.ok(a.status == 200 and names(a.certificate()) == names(d.der) and
           a.provisioning().find("./characteristic[@type='DMClient']") is not None, "c66 the owner recovers", a.describe())
    before = LAB.signatures()
    refused(recover(c, mdm.device_id()), "recovery-unknown", "c66 nothing to recover", "s:Authorization", None)
    refused(recover(LAB.client(OTHER), d.id), "recovery-identity", "c66 another user", "s:Authorization", None)
    items = mdm.default_items(d.id, EmmDeviceId="11111111-2222-3333-4444-555555555555")
    refused(recover(c, d.id, items=items), "recovery-ent-dmid", "c66 another EmmDeviceId", "s:Authorization", None)
    a = recover(c, d.id, security=mdm.username_token(USER, ""))
    tap.equal(a.subcode, "s:Authentication", "c66 an empty password is no credential here")
    option("recovery", "on-grant")
    refused(recover(c, d.id), "recovery-not-granted", "c66 not granted", "s:Authorization", None)
    tap.equal(LAB.signatures(), before, "c66 the key was not used")
    LAB.ctl("device", "allow-recovery", d.id, check=True)
    tap.equal(recover(c, d.id).status, 200, "c66 granted")
    refused(recover(c, d.id), "recovery-not-granted", "c66 once", "s:Authorization", None)
    option("recovery", "no")


def an_old_owner_does_not_come_back():
    """A35: a device that belongs to somebody else by now is not renewed with what its old owner kept."""
    d = mdm.Device(LAB.client())
    option("device-conflict", "supersede")
    bob = mdm.Device(LAB.client(OTHER), device=d.id)
    option("device-conflict", "refuse")
    refused(d.renew(), "renew-owner", "A35 the old owner after a takeover")
    tap.equal(bob.renew().status, 200, "and the new one renews")
    old = mdm.Device(LAB.client())
    option("renew-grace", "1h")
    CLOCK.advance(900)
    bob = mdm.Device(LAB.client(OTHER), device=old.id)
    refused(old.renew(), "renew-owner", "A35 the old owner within renew-grace")
    option("renew-grace", "0s")
    old = mdm.Device(LAB.client())
    option("renew-overlap", "1d")
    LAB.ctl("device", "release", old.id, check=True)
    bob = mdm.Device(LAB.client(OTHER), device=old.id)
    refused(old.renew(), "renew-", "A35 a released certificate within renew-overlap")
    tap.equal(bob.renew().status, 200, "and the new owner renews")
    option("renew-overlap", "0s")


def answered_renewals():
    """A07: one CMS, one certificate, also when that one is not in use any more."""
    d = mdm.Device(LAB.client())
    old, key = d.der, d.key
    option("renew-overlap", "1d")
    cms = d.cms()
    tap.equal(d.renew(cms).status, 200, "A07 renewed")
    for _ in range(2):
        d.renew()
    before = LAB.signatures()
    refused(d.renew(cms, keep=True), "renew-answered", "A07 its certificate is superseded: no other one")
    tap.equal(LAB.signatures(), before, "A07 the key was not used")
    stale = mdm.Device.__new__(mdm.Device)
    stale.client, stale.kind, stale.id, stale.der, stale.key = d.client, d.kind, d.id, old, key
    tap.equal(stale.renew().status, 200, "renew-overlap is for a new renewal")
    option("renew-overlap", "0s")


def replays_ask_again():
    """A replay is an answer, too: not for a blocked device, nor for who lost the right or needs TLS."""
    d = mdm.Device(LAB.client())
    cms = d.cms()
    d.renew(cms, keep=True)
    option("renew-require-tls", "yes")
    refused(d.renew(cms, keep=True), "renew-tls-missing", "A07 a replay without the certificate that is asked for")
    option("renew-require-tls", "no")
    refused(d.renew(cms, keep=True, security=LAB.client(OTHER).security()), "renew-identity", "A07 a replay by another user")
    device = mdm.device_id()
    csr = mdm.new_csr(device)
    c = LAB.client()
    first = c.enroll(csr, device)
    tap.equal(c.enroll(csr, device).certificate(), first.certificate(), "A07 an enrollment is repeated")
    LAB.ctl("device", "block", device, check=True)
    refused(c.enroll(csr, device), "device-blocked", "A07 not for a blocked device", "s:Authorization", None)
    LAB.ctl("device", "unblock", device, check=True)
    option("allow", f"[{OTHER}]")
    refused(c.enroll(csr, device), "principal-not-allowed", "A07 nor for who lost the right", "s:Authorization", None)
    option("allow", '["*@lab.example"]')


def absent_hardware():
    d = mdm.Device(LAB.client())
    without = [i for i in mdm.default_items(d.id) if i[0] != "HWDevID"]
    option("renew-hardware-change", "deny")
    refused(d.renew(items=without), "renew-hardware", "HWDevID left out where a change is denied")
    option("renew-hardware-change", "log")
    tap.equal(d.renew(items=without).status, 200, "left out where it is logged")
    option("renew-hardware-change", "deny")
    other = [(n, "F" * 64 if n == "HWDevID" else v) for n, v in mdm.default_items(d.id)]
    refused(d.renew(items=other), "renew-hardware", "what was recorded at the enrollment stays")
    option("renew-hardware-change", "log")


def types_and_quota_hold_for_renewals():
    d = mdm.Device(LAB.client())
    option("allow-full", "no")
    refused(d.renew(), "renew-type-not-allowed", "a type that is not allowed any more")
    option("allow-full", "yes")
    LAB.add_user("max@lab.example")
    c = LAB.client("max@lab.example")
    option("max-devices", "1")
    option("renew-grace", "1h")
    first = mdm.Device(c)
    CLOCK.advance(900)
    mdm.Device(c)
    refused(first.renew(), "device-quota", "A37 a dead device does not come back over the cap", "s:Authorization",
            "DeviceCapReached")
    option("renew-grace", "0s")
    option("max-devices", "0")


def every_way_in_renews():
    """A user comes with a password, an officer's token or one of the sign-in page: the device stays his, and renews."""
    def token():
        return {"security": mdm.device_token(LAB.mint(USER)["token"])}

    def jwt():
        claims = {"iss": jws.CUSTOM_ISSUER, "aud": jws.CUSTOM_AUDIENCE, "sub": USER, **jws.times()}
        return {"security": mdm.device_token(STS.sign(claims))}

    ways = {"password": dict, "token": token, "jwt": jwt}
    for first, way in ways.items():
        for second, again in ways.items():
            d = mdm.Device(LAB.client(), **way())
            old = mdm.Device.__new__(mdm.Device)
            old.__dict__.update(d.__dict__)
            new = mdm.Device(LAB.client(), device=d.id, **again())
            tap.equal(old.renew().status, 200, f"{first}, then {second}: the answer got lost, the old certificate renews")
            answers = [new.renew() for _ in range(2)] + [new.renew(security=LAB.client().security()), new.renew(**jwt())]
            tap.equal([a.status for a in answers], [200] * 4, f"{first}, then {second}: renewed, also by hand")


def the_ledger_is_not_the_ca():
    """Who can write the ledger's file has no certificate for it: one that no CA signed renews nothing."""
    d = mdm.Device(LAB.client())
    der, key = look_alike(d)
    LAB.stop()
    with sqlite3.connect(LAB.ledger) as db:
        n = db.execute("UPDATE certificate SET der = ?, sha1 = ?, sha256 = ? WHERE sha256 = ?",
                       (der, hashlib.sha1(der).digest(), hashlib.sha256(der).digest(), hashlib.sha256(d.der).digest()))
        tap.equal(n.rowcount, 1, "the ledger's file is changed")
    db.close()
    LAB.start()
    d.client = LAB.client()
    refused(d.renew(signed_by(d, der, key)), "renew-signature", "c59 a row of somebody's own making")


def template_of_the_certificate():
    """A certificate of one template does not renew into another (A14, A35)."""
    d = mdm.Device(LAB.client())
    with open(LAB.config, encoding="utf-8") as f:
        text = f.read()
    write_text(LAB.config, text.replace("  device:\n", "  phone:\n").replace("template: device", "template: phone"))
    LAB.ctl("reload", check=True)
    refused(d.renew(), "renew-template", "A14 A35 the certificate is of another template")
    write_text(LAB.config, text)
    LAB.ctl("reload", check=True)
    tap.equal(d.renew().status, 200, "and renews into its own")


def main():
    global LAB, CLOCK, VICTIM  # pylint: disable=global-statement
    options = {("retry-window",): "1m", ("templates", "device", "validity"): "10m", ("templates", "device", "backdate"): "0s",
               ("templates", "device", "renewal-period"): "1m", ("provisioning", "lab", "renew-period"): "0",
               ("provisioning", "lab", "retry-interval"): None}
    with MdmLab(options, start=False) as LAB:
        CLOCK = Clock(LAB)
        trust(LAB)
        LAB.start()
        for user in (USER, OTHER):
            LAB.add_user(user)
        VICTIM = mdm.Device(LAB.client())
        tap.run(c59_look_alikes, broken_cms, c61_other_device_type_and_key, no_renewal_without_a_credential,
                policy_before_renewal,
                c58_layers_and_value_types, c63_renewal_document, c62_names_come_from_the_ledger, parallel_renewals,
                manual_renewal, c61_absent_items_are_no_mismatch, other_switches, c66_recovery,
                template_of_the_certificate, every_way_in_renews, the_ledger_is_not_the_ca, an_old_owner_does_not_come_back, answered_renewals, replays_ask_again,
                absent_hardware, types_and_quota_hold_for_renewals, c60_blocked_and_released, c65_old_one_is_good_until_the_new_one_is_used,
                c60_window_and_grant, grace, ten_minutes_twenty_times, c65_replay_gives_the_same_certificate, c60_expired)


if __name__ == "__main__":
    main()
