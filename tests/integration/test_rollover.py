# SPDX-License-Identifier: Apache-2.0
"""An issuer is followed by another while clients enroll and renew: nothing is lost, and everything that was ever signed
stays verifiable (reliability R2)."""
import json
import os
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests", "lib"))
import lab as lab_module  # noqa: E402
import load as load_module  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from rollover import FAR, Nginx, OfflineRoot, RolloverLab, enroll, later  # noqa: E402

LAB = None


def refuses(words, part, name):
    """The verb is refused with a sentence that has @p part in it."""
    answer = LAB.verb(*words)
    return tap.ok(isinstance(answer, str) and part in answer and "internal" not in answer, name, answer)


def issued_by(name, text):
    return tap.equal(LAB.signer_of(enroll(LAB).der), name, text)


def audit_events():
    with sqlite3.connect(f"file:{LAB.ledger}?mode=ro", uri=True) as db:
        return [r[0] for r in db.execute("SELECT event FROM audit WHERE event LIKE 'issuer-%' ORDER BY seq")]


def der_of(path):
    with open(path, "rb") as f:
        return x509.load_pem_x509_certificate(f.read()).public_bytes(serialization.Encoding.DER)


# ---- what the verbs refuse

def refusals():
    refuses(("schedule", "lab", "nobody"), "no issuer nobody", "a successor that is not configured")
    refuses(("schedule", "nobody", "lab"), "no issuer nobody", "an issuer that is not configured")
    refuses(("schedule", "lab", "lab"), "does not follow itself", "itself")
    refuses(("schedule", "lab", "next", "--at", "tomorrow"), "2027-03-01T12:00:00Z", "a time that is none")
    refuses(("schedule", "lab", "next", "--at", "2001-01-01T00:00:00Z"), "in the past", "a time in the past")
    refuses(("schedule", "lab", "next", "--at", FAR), "ten years", "a time beyond reason")
    refuses(("schedule", "lab", "next", "--at", later(3100 * 86400)), "is not valid at that time", "after its end")
    refuses(("schedule", "lab", "narrow"), "allowed-ekus", "a floor that lacks an EKU of a template")
    refuses(("schedule", "lab", "brief"), "max-validity", "a floor that is shorter than a template")
    refuses(("schedule", "lab", "bounded"), "uri-prefixes of lab has urn:", "bounds that lack a name of the old issuer's")
    for verb in ("acknowledge", "switch", "cancel"):
        refuses((verb, "lab"), "has no successor", f"{verb} of what was not scheduled")
        refuses((verb, "nobody"), "the configuration has no issuer nobody", f"{verb} of an unknown issuer")
    LAB.ctl("key", "pause", "next-key", check=True)
    refuses(("schedule", "lab", "next"), "is not ready: it is paused", "a key that is not ready")
    LAB.ctl("key", "resume", "next-key", check=True)
    tap.equal(audit_events(), [], "nothing was recorded of them")


def shown_in_pem():
    shown = json.loads(LAB.ctl("--json", "issuer", "show", "lab", check=True).out)
    begin = "-----BEGIN CERTIFICATE-----\n"
    tap.ok(shown["pem"].startswith(begin) and shown["root_pem"].startswith(begin), "issuer show has PEM", shown)
    tap.ok(max(map(len, LAB.ctl("issuer", "show", "lab").out.splitlines())) <= 100, "and no line of base64 is long")


def clamp_is_said():
    answer = LAB.verb("schedule", "lab", "short", "--at", later(86400))
    tap.ok(isinstance(answer, dict) and any("template device: short ends before" in w for w in answer["warnings"]),
           "how much shorter certificates would be is said", answer)
    refuses(("schedule", "lab", "next"), "about to be switched to short", "a second successor")
    refuses(("schedule", "next", "lab"), "has the successor short itself", "a circle")
    refuses(("schedule", "short", "next"), "is to take over from lab", "a successor's successor")
    refuses(("switch", "lab"), "nobody acknowledged", "no switch without acknowledgement")
    tap.equal(LAB.issuer("short")["state"], "scheduled", "state scheduled")
    LAB.set_option(("issuers", "short", "certificate"), LAB.issuers["next"])
    answer = LAB.verb("cancel", "lab")
    tap.ok(isinstance(answer, dict) and answer["state"] == "cancelled", "cancelled", answer)
    LAB.set_option(("issuers", "short", "certificate"), LAB.issuers["short"])
    tap.equal(LAB.issuer("short")["state"], "standby", "state standby")


def viewers_schedule_nothing():
    words = [line.split("\t") for line in LAB.ctl("--commands").out.splitlines()]
    roles = {w[0]: w[3] for w in words if w[0].startswith("issuer ")}
    tap.equal(roles, {"issuer list": "viewer", "issuer show": "viewer", "issuer schedule": "admin", "issuer switch": "admin",
                      "issuer cancel": "admin", "issuer acknowledge": "officer"}, "who may do what")


# ---- waiting

def waits_for_acknowledgement():
    answer = LAB.verb("schedule", "lab", "next")
    tap.ok(isinstance(answer, dict) and answer["state"] == "scheduled", "scheduled for now", answer)
    found = LAB.wait_issuer("lab", lambda i: i["rollover"] and i["rollover"]["waits"])
    tap.ok(found and "acknowledged" in found["rollover"]["waits"], "a switch that is due waits and says so", found)
    issued_by("lab", "and the old issuer signs")
    status = LAB.wait_status(lambda s: "waits" in str([r["text"] for r in s["roles"] if r["role"] == "issuer"]))
    tap.ok(status and status["issuers"]["next"]["state"] == "scheduled", "status says so", status)
    metrics = LAB.ctl("metrics").out
    tap.ok('pkienrolld_rollover_waiting{issuer="lab"} 1' in metrics and
           'pkienrolld_issuer_state{issuer="next",state="scheduled"} 1' in metrics, "and the metrics", metrics[-3000:])
    tap.ok("the switch of an issuer is due and waits" in LAB.read_log() and "issuer-scheduled" in LAB.read_log(), "and the log")


def survives_restart_before_the_switch():
    LAB.stop(signal.SIGKILL)
    LAB.start()
    issued_by("lab", "after a kill the old issuer still signs")
    found = LAB.wait_issuer("lab", lambda i: i["rollover"] and i["rollover"]["waits"])
    tap.ok(found, "and the switch still waits")
    tap.equal(LAB.verb("acknowledge", "lab")["state"], "acknowledged", "acknowledged")
    found = LAB.wait_issuer("lab", lambda i: i["state"] == "retired")
    tap.ok(found and found["rollover"]["switched_by"] == "issuer", "it is switched by itself now", found)
    issued_by("next", "the new issuer signs")
    tap.equal((LAB.issuer("next")["state"], LAB.issuer("next")["templates"]), ("active", ["device"]), "state active")
    LAB.stop(signal.SIGKILL)
    LAB.start()
    issued_by("next", "after a kill the new issuer signs")
    refuses(("acknowledge", "lab"), "was switched already", "acknowledge after the switch")
    refuses(("switch", "lab"), "was switched already", "a second switch")


def cancel_goes_back():
    tap.equal(LAB.verb("cancel", "lab")["state"], "cancelled", "a switch is undone")
    issued_by("lab", "the old issuer signs again")
    LAB.verb("schedule", "lab", "next", "--at", later(86400))
    tap.equal(LAB.verb("switch", "lab", "--force")["state"], "switched", "and again, by force, before its time")
    issued_by("next", "the new issuer signs")
    tap.equal(audit_events(), ["issuer-scheduled", "issuer-cancelled", "issuer-scheduled", "issuer-acknowledged",
                               "issuer-switched", "issuer-cancelled", "issuer-scheduled", "issuer-switched"], "the audit has all")


def waits_for_listeners():
    """A device that was renewed must not be turned away by our own listener."""
    LAB.verb("cancel", "lab")
    LAB.trust_clients("lab")
    LAB.reload()
    answer = LAB.verb("schedule", "lab", "next")
    text = "client-ca of listener main trusts lab and not next"
    tap.ok(isinstance(answer, dict) and text in answer["warnings"], "a listener that does not trust the successor is a warning", answer)
    LAB.verb("acknowledge", "lab")
    found = LAB.wait_issuer("lab", lambda i: i["rollover"] and text in (i["rollover"]["waits"] or ""))
    tap.ok(found, "the switch waits for it and says so", LAB.issuer("lab"))
    refuses(("switch", "lab"), text, "it is refused")
    issued_by("lab", "and the old issuer signs")
    LAB.trust_clients()
    LAB.reload()
    tap.ok(LAB.wait_issuer("lab", lambda i: i["state"] == "retired"), "after a reload with it, it is switched", LAB.issuer("lab"))
    LAB.verb("cancel", "lab")
    LAB.trust_clients("lab")
    LAB.reload()
    LAB.verb("schedule", "lab", "next", "--at", later(86400))
    answer = LAB.verb("switch", "lab", "--force")
    tap.ok(isinstance(answer, dict) and text in answer["warnings"], "by force it is switched all the same, with a warning", answer)
    LAB.trust_clients()
    LAB.reload()


# ---- configurations

def configuration_agrees():
    LAB.set_option(("templates", "device", "issuer"), "next")
    LAB.reload()
    issued_by("next", "a template that names the new issuer itself")
    LAB.set_option(("templates", "device", "issuer"), "lab")
    LAB.reload()
    issued_by("next", "and the old one again")


def live_issuer_stays():
    with open(LAB.config, encoding="utf-8") as f:
        before = f.read()
    # another issuer with its key; nothing names lab any more, but its certificates are valid
    other = os.path.join(LAB.dir, "other.pem")
    LAB.keytool("self-sign", "lab-ca", "--subject", "CN=pkienrolld another", "--out", other)
    LAB.set_option(("templates", "device", "issuer"), "next")
    LAB.set_option(("issuers", "lab"), None)
    LAB.set_option(("issuers", "other", "certificate"), other)
    LAB.set_option(("issuers", "other", "key"), "lab-ca")
    r = LAB.reload(check=False)
    tap.ok(r.status != 0 and "issuer lab is not configured any more" in r.err + r.out, "an issuer with live certificates", r)
    issued_by("next", "the configuration before goes on")
    with open(LAB.config, "w", encoding="utf-8") as f:
        f.write(before)
    LAB.set_option(("templates", "device", "issuer"), "other")
    LAB.set_option(("issuers", "lab"), None)
    LAB.set_option(("issuers", "other", "certificate"), other)
    LAB.set_option(("issuers", "other", "key"), "lab-ca")
    LAB.restart()
    tap.ok("certificates of an issuer that is not configured are valid" in LAB.read_log(), "a restart says what it leaves")
    with open(LAB.config, "w", encoding="utf-8") as f:
        f.write(before)
    LAB.restart()
    LAB.set_option(("issuers", "next"), None)
    LAB.set_option(("issuers", "other", "certificate"), LAB.issuers["next"])
    LAB.set_option(("issuers", "other", "key"), "next-key")
    r = LAB.reload(check=False)
    tap.ok(r.status != 0 and "was switched to next, which is not configured" in r.err + r.out, "a successor that is gone", r)
    with open(LAB.config, "w", encoding="utf-8") as f:
        f.write(before)
    LAB.reload()


# ---- renewals

def renewal_brings_the_new_chain():
    LAB.verb("cancel", "lab")
    old = enroll(LAB)
    tap.equal(LAB.signer_of(old.der), "lab", "enrolled with the old issuer")
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")
    captured = old.cms()
    a = old.renew(captured)
    tap.equal(LAB.signer_of(old.der), "next", "a certificate of the old issuer is renewed by the new one")
    tap.equal(mdm.stores(a).get("Root/System"), {der_of(LAB.issuers["next"])}, "the answer brings its root")
    a = old.renew()
    tap.equal(sorted(mdm.stores(a)), ["My/User"], "the next renewal brings none: it is there")
    first = enroll(LAB).answer
    tap.equal(mdm.stores(first).get("Root/System"), {der_of(LAB.issuers["next"])}, "an enrollment has the new root")


def replay_brings_the_chain_of_its_certificate():
    LAB.verb("cancel", "lab")
    device = mdm.device_id()
    key = mdm.new_key()
    csr = mdm.new_csr(device, key)
    client = LAB.client()
    first = client.enroll(csr, device)
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")
    again = client.enroll(csr, device)
    tap.equal(again.certificate(), first.certificate(), "a retry over the switch gets its certificate")
    tap.equal(mdm.stores(again).get("Root/System"), {der_of(LAB.issuers["lab"])}, "with the root that it verifies under")


def expiry_is_told():
    short = LAB.issuer("short")
    tap.ok(any("expires in" in w for w in short["warnings"]), "issuer list warns of an issuer that ends", short)
    metrics = LAB.ctl("metrics").out
    tap.ok(f'pkienrolld_issuer_not_after_seconds{{issuer="short",certificate="issuer"}} {short["not_after_seconds"]}' in metrics,
           "the end is in the metrics", metrics[-2500:])
    tap.ok("the certificate of an issuer expires soon" in LAB.read_log(), "and in the log")
    tap.ok(LAB.status()["issuers"]["short"]["warnings"], "and in status")


def urls(der):
    """Of a certificate: where it says that its issuer's CRL and certificate are."""
    ext = x509.load_der_x509_certificate(der).extensions
    cdp = ext.get_extension_for_class(x509.CRLDistributionPoints).value
    aia = ext.get_extension_for_class(x509.AuthorityInformationAccess).value
    return [n.value for p in cdp for n in p.full_name] + [d.access_location.value for d in aia]


def each_issuer_has_its_urls():
    """Of two issuers neither certificate points to the other's CRL."""
    place = "http://pki.lab.example/"
    new = enroll(LAB)
    LAB.verb("cancel", "lab")
    old = enroll(LAB)
    for name, device in (("lab", old), ("next", new)):
        tap.equal((LAB.signer_of(device.der), urls(device.der)), (name, [f"{place}{name}.crl", f"{place}{name}.crt"]),
                  f"CDP and AIA of a certificate by {name}")
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")
    old.renew()
    tap.equal(urls(old.der), [f"{place}next.crl", f"{place}next.crt"], "a renewal over the switch has the new ones")


def old_certificates_are_revoked():
    LAB.verb("cancel", "lab")
    old = enroll(LAB)
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")
    serial = f"{x509.load_der_x509_certificate(old.der).serial_number:x}"
    r = LAB.ctl("cert", "revoke", serial, "--reason", "keyCompromise")
    tap.ok(r.status == 0, "a certificate of the retired issuer is revoked", r)
    tap.ok(old.renew().certificate() is None, "and does not renew")
    number = x509.load_der_x509_certificate(old.der).serial_number

    def crl():
        c = x509.load_der_x509_crl(published("lab.crl"))
        return c if c.get_revoked_certificate_by_serial_number(number) else None
    deadline = time.monotonic() + 30
    while not crl() and time.monotonic() < deadline:
        time.sleep(0.05)
    with open(LAB.issuers["lab"], "rb") as f:
        key = x509.load_pem_x509_certificate(f.read()).public_key()
    tap.ok(crl() and crl().is_signature_valid(key), "the retired issuer signs the CRL that has it")
    fresh, gone = enroll(LAB), enroll(LAB)
    LAB.verb("cancel", "lab")
    other = enroll(LAB)
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")
    both_lists(gone)
    with Nginx(LAB, os.path.join(LAB.publish, "clients-ca.pem"), os.path.join(LAB.publish, "clients.crl.pem")) as nginx:
        tap.ok(nginx.accepts(other.der, other.key) is True, "and one of the old issuer", nginx.accepts(other.der, other.key))
        tap.ok("revoked" in nginx_log(nginx, gone), "the revoked one of the new issuer is refused as revoked")
        tap.ok("revoked" in nginx_log(nginx, old), "and that of the old one")
        tap.ok(nginx.accepts(fresh.der, fresh.key) is True, "nginx with the CRLs of both takes a client of the new issuer",
               nginx.accepts(fresh.der, fresh.key))
        tap.ok(nginx.accepts(old.der, old.key) is not True, "and not the one that was revoked")


def nginx_log(nginx, device):
    """What nginx wrote when this client came; "" when it was let in."""
    path = os.path.join(nginx.folder, "error.log")
    begin = os.path.getsize(path)
    if nginx.accepts(device.der, device.key) is True:
        return ""
    with open(path, encoding="utf-8") as f:
        f.seek(begin)
        return f.read()


def both_lists(gone):
    """clients.crl.pem has the list of each issuer, and that of the new one has its revoked certificate."""
    number = x509.load_der_x509_certificate(gone.der).serial_number
    LAB.ctl("cert", "revoke", f"{number:x}", check=True)
    end = b"-----END X509 CRL-----\n"

    def lists():
        return [x509.load_pem_x509_crl(c + end) for c in published("clients.crl.pem").split(end)[:-1]]
    deadline = time.monotonic() + 30
    while not any(c.get_revoked_certificate_by_serial_number(number) for c in lists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    names = {x509.load_der_x509_certificate(der_of(p)).subject for p in LAB.issuers.values()}
    tap.equal(({c.issuer for c in lists()}, len(lists())), (names, len(names)), "clients.crl.pem has one list of each issuer")
    r = LAB.run(["openssl", "verify", "-crl_check", "-CAfile", os.path.join(LAB.publish, "clients-ca.pem"), "-CRLfile",
                 os.path.join(LAB.publish, "clients.crl.pem"), *[pem_of(d) for d in (gone, enroll(LAB))]])
    tap.equal((r.err.count("certificate revoked"), r.out.count(": OK")), (1, 1), "openssl takes it and refuses the revoked one alone")


def pem_of(device):
    path = os.path.join(LAB.dir, f"{x509.load_der_x509_certificate(device.der).serial_number:x}.pem")
    with open(path, "wb") as f:
        f.write(x509.load_der_x509_certificate(device.der).public_bytes(serialization.Encoding.PEM))
    return path


# ---- what is published

def published(name, timeout=20):
    """A file of the folder, once it is there."""
    deadline = time.monotonic() + timeout
    while not os.path.exists(os.path.join(LAB.publish, name)) and time.monotonic() < deadline:
        time.sleep(0.02)
    with open(os.path.join(LAB.publish, name), "rb") as f:
        return f.read()


def trusted():
    """Names of the issuers in clients-ca.pem."""
    end = b"-----END CERTIFICATE-----\n"
    found = [x509.load_pem_x509_certificate(c + end).public_bytes(serialization.Encoding.DER)
             for c in published("clients-ca.pem").split(end)[:-1]]
    return sorted(name for name, path in LAB.issuers.items() if der_of(path) in found)


def publish_folder():
    LAB.verb("cancel", "lab")
    tap.equal(trusted(), ["lab", "next"], "clients-ca.pem: who signs, and whose certificates live")
    before = published("clients-ca.pem")
    LAB.verb("schedule", "lab", "short", "--at", later(86400))
    tap.equal(trusted(), ["lab", "next", "short"], "the successor is in it from the schedule on")
    LAB.verb("cancel", "lab")
    tap.equal(published("clients-ca.pem"), before, "and goes with it")
    for name, path in LAB.issuers.items():
        tap.equal(published(f"{name}.crt"), der_of(path), f"{name}.crt is its certificate")
        tap.equal(x509.load_pem_x509_certificate(published(f"{name}.pem")).public_bytes(serialization.Encoding.DER),
                  der_of(path), f"{name}.pem, too")
    LAB.verb("schedule", "lab", "next")
    LAB.verb("switch", "lab", "--force")


def unwritable_folder_waits():
    """A management server that cannot know the new issuer would turn its clients away."""
    LAB.verb("cancel", "lab")
    os.rename(LAB.publish, LAB.publish + ".away")
    with open(LAB.publish, "w", encoding="ascii") as f:
        f.write("in the way\n")
    LAB.verb("schedule", "lab", "next", "--at", later(0))
    LAB.verb("acknowledge", "lab")
    found = LAB.wait_issuer("lab", lambda i: i["rollover"] and i["rollover"]["waits"] and "clients-ca" in i["rollover"]["waits"])
    tap.ok(found, "while clients-ca.pem cannot be written the switch waits", LAB.issuer("lab"))
    issued_by("lab", "and the old issuer signs")
    os.remove(LAB.publish)
    os.rename(LAB.publish + ".away", LAB.publish)
    tap.ok(LAB.wait_issuer("lab", lambda i: i["state"] == "retired"), "it goes on by itself")


def cross_certificates():
    """Another root: an enrolled device gets it, and who knows the old root alone finds the way by the cross-certificate."""
    cross = os.path.join(LAB.dir, "cross.pem")
    ROOTS[0].cross(ROOTS[1], cross)
    LAB.set_option(("issuers", "below", "cross-certificates"), LAB.issuers["lab"])
    r = LAB.reload(check=False)
    tap.ok(r.status != 0 and "of neither the issuer nor its root" in r.err + r.out, "a cross-certificate of another", r)
    LAB.set_option(("issuers", "below", "cross-certificates"), cross)
    LAB.reload()
    tap.equal(x509.load_pem_x509_certificate(published("below.cross.pem")).public_bytes(serialization.Encoding.DER),
              der_of(cross), "the cross-certificate is published")
    device = enroll(LAB)
    tap.equal(LAB.signer_of(device.der), "next", "enrolled before")
    LAB.verb("schedule", "next", "below")
    LAB.verb("switch", "next", "--force")
    a = device.renew()
    tap.equal(LAB.signer_of(device.der), "below", "renewed below another root")
    tap.equal((mdm.stores(a).get("Root/System"), mdm.stores(a).get("CA/System")),
              ({der_of(ROOTS[1].path)}, {der_of(LAB.issuers["below"])}), "the answer brings Root and CA/System")
    leaf, chain = os.path.join(LAB.dir, "leaf.pem"), os.path.join(LAB.dir, "untrusted.pem")
    with open(leaf, "wb") as f:
        f.write(x509.load_der_x509_certificate(device.der).public_bytes(serialization.Encoding.PEM))
    with open(chain, "wb") as f:
        f.write(published("below.pem") + published("below.cross.pem"))
    for root, untrusted in ((ROOTS[1].path, LAB.issuers["below"]), (ROOTS[0].path, chain)):
        r = LAB.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root, "-untrusted", untrusted, leaf])
        tap.ok(r.status == 0, f"openssl verifies it below {os.path.basename(root)}", r)
    issued_by("below", "a template follows two switches")


# ---- under load

def switch_under_load():
    """Clients enroll all the time; the issuer is switched, then the role and the whole daemon are killed at a switch."""
    LAB.verb("cancel", "next")
    LAB.verb("cancel", "lab")
    with Nginx(LAB, os.path.join(LAB.publish, "clients-ca.pem")) as nginx:
        early = [enroll(LAB) for _ in range(2)]
        tap.ok(all(nginx.accepts(d.der, d.key) is True for d in early), "nginx takes clients of the old issuer",
               nginx.accepts(early[0].der, early[0].key))
        LAB.verb("schedule", "lab", "next")
        nginx.restart()
        with load_module.Load(LAB, workers=4) as load:
            def signed(name, n):
                with load.changed:
                    return load.changed.wait_for(
                        lambda: sum(LAB.signer_of(der) == name for _, der in load.acknowledged[-2 * n:]) >= n, 60)
            tap.ok(signed("lab", 8), "enrolled by the old issuer")
            LAB.verb("acknowledge", "lab")
            tap.ok(LAB.wait_issuer("lab", lambda i: i["state"] == "retired"), "switched as soon as it is acknowledged")
            tap.ok(signed("next", 8), "enrolled by the new issuer")
            quiet = (len(load.lost), len(load.faults))
            LAB.verb("cancel", "lab")
            LAB.verb("schedule", "lab", "next", "--at", later(0))
            LAB.verb("acknowledge", "lab")
            os.kill(LAB.roles("issuer")[0]["pid"], signal.SIGKILL)
            tap.ok(LAB.wait_issuer("lab", lambda i: i["state"] == "retired"), "switched although its process was killed")
            tap.ok(signed("next", 4), "and signed by the new issuer")
        tap.equal(quiet, (0, 0), "no request was lost and none refused by the switch")
        tap.equal((load.pending, load.wrong), ([], []), "nor was one left over, or answered wrongly")
        check_all(load, nginx)


def check_all(load, nginx):
    signers = [LAB.signer_of(der) for _, der in load.acknowledged]
    tap.ok(len(signers) > 50 and set(signers) == {"lab", "next"}, "both issuers signed", (len(signers), set(signers)))
    for n, (_, der) in enumerate(load.acknowledged):
        with open(os.path.join(LAB.dir, f"leaf-{n}.pem"), "wb") as f:
            f.write(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
    r = LAB.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", os.path.join(LAB.publish, "clients-ca.pem"),
                 *[os.path.join(LAB.dir, f"leaf-{n}.pem") for n in range(len(signers))]])
    tap.equal((r.status, r.out.count(": OK")), (0, len(signers)), "openssl verifies every one against clients-ca.pem")
    keys = {request.device: key for request, key in ((q, q.key) for q, _ in load.acknowledged)}
    sample = load.acknowledged[:: max(1, len(load.acknowledged) // 20)]
    answers = [nginx.accepts(der, keys[q.device]) for q, der in sample]
    tap.ok(all(a is True for a in answers), f"nginx takes {len(answers)} of them as clients", answers)


ROOTS = []


def main():
    why = lab_module.missing()
    if why:
        tap.skip("rollover", f"{why} is not installed")
        tap.run()
    global LAB  # pylint: disable=global-statement
    with RolloverLab() as LAB:
        for name in ("lab", "next"):
            LAB.set_option(("issuers", name, "crl-urls"), f"['http://pki.lab.example/{name}.crl']")
            LAB.set_option(("issuers", name, "ca-issuers-urls"), f"['http://pki.lab.example/{name}.crt']")
        LAB.add_issuer("next")
        LAB.add_issuer("short", days=60)
        LAB.add_issuer("narrow", allowed_ekus="[server-auth]")
        LAB.add_issuer("brief", max_validity="30d")
        LAB.add_issuer("bounded", uri_prefixes="['urn:x:']")
        ROOTS.extend(OfflineRoot(LAB.etc, name) for name in ("root-1", "root-2"))
        LAB.add_issuer("below", subject="CN=pkienrolld below", root=ROOTS[1])
        LAB.reload()
        for name in ("next", "short", "narrow", "brief", "bounded", "below"):
            if not LAB.wait_issuer(name, lambda i: i["key_state"] == "ready"):
                tap.ok(False, f"{name}: its key is ready", LAB.log_tail())
        tap.run(viewers_schedule_nothing, refusals, shown_in_pem, clamp_is_said, waits_for_acknowledgement,
                survives_restart_before_the_switch, cancel_goes_back, waits_for_listeners, configuration_agrees, live_issuer_stays,
                renewal_brings_the_new_chain, replay_brings_the_chain_of_its_certificate, expiry_is_told, each_issuer_has_its_urls, old_certificates_are_revoked,
                publish_folder, unwritable_folder_waits, cross_certificates, switch_under_load)


main()
