# SPDX-License-Identifier: Apache-2.0
"""Revocation lists of a running daemon: made, signed, published and replaced in time, whatever ends or is lost meanwhile
(attack A41); a real nginx serves them and refuses whom they name."""
import hashlib
import http.client
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from crllab import CrlLab, REASON, serial_of  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from lab import CTL, TOP, send_signal  # noqa: E402
from mdmlab import free_port, read_text, write_text  # noqa: E402

AT_ONCE = {("issuers", "lab", "crl-delay"): "0s"}


def reason_of(crl, serial):
    entry = crl.get_revoked_certificate_by_serial_number(serial)
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


def lifetime(crl):
    """From lastUpdate to nextUpdate; older versions of python3-cryptography have no names with _utc."""
    return crl.next_update_utc - crl.last_update_utc if hasattr(crl, "next_update_utc") else crl.next_update - crl.last_update


def first_list():
    with CrlLab() as lab:
        tap.ok(lab.wait_first(), "there is a list soon after the first start", lab.log_tail())
        crl = lab.crl()
        with open(lab.ca, "rb") as f:
            ca = x509.load_pem_x509_certificate(f.read())
        tap.equal((lab.number(), len(crl), crl.issuer == ca.subject), (1, 0, True), "number 1, no entries, of the CA")
        tap.ok(crl.is_signature_valid(ca.public_key()), "python3-cryptography verifies it")
        r = lab.openssl_verify()
        tap.ok(r.status == 0 and "verify OK" in r.err + r.out, "and so does openssl", r)
        tap.equal(sorted(e.oid.dotted_string for e in crl.extensions), ["2.5.29.20", "2.5.29.35"], "number and authority, no more")
        lasts = lifetime(crl)
        tap.equal(lasts.total_seconds(), 7 * 86400 + 300, "a week, and five minutes for clocks that go slow")
        names = {"lab.crl", "lab.crl.pem", "clients.crl.pem"}
        modes = {n: oct(os.stat(lab.file(n)).st_mode & 0o777) for n in names}
        tap.equal((modes, oct(os.stat(lab.publish).st_mode & 0o777)), ({n: "0o644" for n in names}, "0o755"),
                  "everybody may read it")
        tap.equal(read_text(lab.file("clients.crl.pem")), read_text(lab.file("lab.crl.pem")), "one issuer: one list for the terminator")
        with open(lab.file("lab.crl"), "rb") as f:
            digest = hashlib.sha256(f.read()).digest()
        tap.equal(ledgerdb.rows(lab.ledger, "SELECT number, base, entries, sha256 FROM crl"), [(1, 0, 0, digest)],
                  "the ledger has its number and digest")
        tap.equal(ledgerdb.one(lab.ledger, "SELECT digest FROM audit WHERE event = 'crl-signed'"), digest, "the audit, too")
        lab.restart()
        lab.wait_show(lambda c: c["number"] == 1)
        lab.issue()
        tap.equal((lab.number(), ledgerdb.one(lab.ledger, "SELECT count(*) FROM crl")), (1, 1), "a restart makes no other")
        os.unlink(lab.file("lab.crl"))
        lab.restart()
        tap.ok(lab.wait_crl(lambda c: True) is not None, "one that was lost is made again")
        tap.equal(lab.number(), 2, "with a number of its own")


def revoked_and_released():
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        gone, held, good = (mdm.Device(lab.client()) for _ in range(3))
        serials = [serial_of(d.der) for d in (gone, held, good)]
        lab.revoke(serials[0], "--reason", "key-compromise")
        lab.revoke(serials[1], "--hold")
        crl = lab.wait_crl(lambda c: lab.has(serials[0])(c) and lab.has(serials[1])(c))
        tap.ok(crl is not None, "what is revoked is on the list at once", lab.log_tail())
        tap.equal((reason_of(crl, serials[0]), reason_of(crl, serials[1])), (REASON.key_compromise, REASON.certificate_hold),
                  "with its reason")
        tap.ok(not lab.has(serials[2])(crl), "what is not revoked is not on it")
        before = lab.number()
        lab.ctl("cert", "release", f"{serials[1]:x}", check=True)
        crl = lab.wait_crl(lambda c: not lab.has(serials[1])(c))
        tap.ok(crl is not None and lab.has(serials[0])(crl) and lab.number() > before, "a hold that ended is off it, in the next one")
        other = mdm.Device(lab.client())
        lab.revoke(serial_of(other.der))
        crl = lab.wait_crl(lab.has(serial_of(other.der)))
        tap.equal(reason_of(crl, serial_of(other.der)), None, "no reason is written as none")
        r = lab.openssl_verify()
        tap.ok("verify OK" in r.err + r.out, "it verifies", r)
        for serial, status in ((serials[0], 1), (serials[2], 0)):
            path = os.path.join(lab.dir, "device.pem")
            der = next(d.der for d in (gone, held, good) if serial_of(d.der) == serial)
            write_text(path, x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode())
            r = lab.run(["openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", lab.ca, "-CRLfile", lab.file("lab.crl.pem"), path])
            tap.ok((r.status != 0) == bool(status), f"openssl verify {'refuses' if status else 'takes'} the device", r)


def verbs():
    with CrlLab() as lab:
        lab.wait_first()
        r = lab.ctl("--json", "crl", "publish", check=True).json()
        tap.equal((r["published"], r["crls"][0]["issuer"], r["crls"][0]["number"], lab.number()), (1, "lab", 2, 2),
                  "crl publish returns when it is there")
        row = lab.ctl("--json", "crl", "list", check=True).json()["items"][0]
        tap.equal((row["issuer"], row["state"], row["number"], row["error"]), ("lab", "current", 2, None), "crl list")
        shown = lab.ctl("--json", "crl", "show", "lab", check=True).json()
        tap.equal((shown["full"]["number"], shown["delta"], shown["file"]), (2, None, lab.file("lab.crl")), "crl show")
        for words in (("crl", "show", "none"), ("crl", "publish", "--issuer", "none")):
            r = lab.ctl(*words)
            tap.ok(r.status == 1 and "no issuer of this name" in r.err, " ".join(words), r)
        lab.set_option(("issuers", "lab", "crl-lifetime"), "0s")
        lab.ctl("reload", check=True)
        tap.equal(lab.ctl("--json", "crl", "list", check=True).json()["items"], [], "an issuer that makes none")
        lab.set_option(("issuers", "lab", "crl-lifetime"), "1h")
        tap.ok(lab.ctl("reload").status == 1, "an interval that is not shorter than the lifetime is refused")
        lab.set_option(("issuers", "lab", "crl-interval"), "10m")
        lab.ctl("reload", check=True)
        lab.ctl("crl", "publish", check=True)
        lasts = lifetime(lab.crl())
        tap.equal(lasts.total_seconds(), 3900, "a new lifetime is in force")


def scheduled():
    """A list follows before the last one ends; and when it cannot, everybody is told, and it is there as soon as it can."""
    with CrlLab({("issuers", "lab", "crl-lifetime"): "8s", ("issuers", "lab", "crl-interval"): "2s"}) as lab:
        lab.wait_first()
        first = lab.number()
        tap.ok(lab.wait_crl(lambda c: lab.number() > first + 1) is not None, "one follows the other", lab.log_tail())
        lab.ctl("key", "pause", "lab-ca", check=True)
        late = lab.wait_show(lambda c: c["state"] == "late")
        tap.ok(late and late["error"] and late["failures"] > 0, "without a key it is late, and says why", late)
        gone = lab.wait_show(lambda c: c["state"] == "expired")
        tap.ok(gone, "and then over")
        status = lab.wait_status(lambda s: "the CRL of lab is expired" in str(issuer_of(s)["text"]))
        tap.ok(status and status["state"] == "degraded" and issuer_of(status)["state"] == "degraded" and
               any("the CRL of lab is" in w for w in status["issuers"]["lab"]["warnings"]), "status is degraded and says why", lab.status())
        tap.ok("the CRL is late" in lab.read_log(), "the log has an alarm", lab.log_tail())
        m = lab.ctl("metrics", check=True).out
        tap.ok('pkienrolld_crl_state{issuer="lab",state="expired"} 1' in m and 'pkienrolld_crl_failures{issuer="lab"} 0' not in m and "pkienrolld_crl_next_update_timestamp_seconds" in m,
               "the metrics tell of it")
        number = lab.number()
        lab.ctl("key", "resume", "lab-ca", check=True)
        tap.ok(lab.wait_show(lambda c: c["state"] == "current"), "the key is back, the list as well", lab.log_tail())
        tap.ok(lab.number() > number, "with a greater number")
        tap.ok(lab.wait_status(lambda s: s["state"] == "ready" and not issuer_of(s)["text"]), "and status is ready again", lab.status())


def missing():
    """A key that was never there: no list at all, which is not less than a late one."""
    with CrlLab(start=False) as lab:
        lab.start()
        lab.wait_first()
        lab.ctl("key", "pause", "lab-ca", check=True)
        lab.stop()
        with sqlite3.connect(lab.ledger) as db:
            db.execute("DELETE FROM crl")
        shutil.rmtree(lab.publish)
        lab.start(state="degraded")
        status = lab.wait_status(lambda s: "the CRL of lab is missing: " in str(issuer_of(s)["text"]), 60)
        tap.ok(status, "status says that there is none", lab.status())
        m = lab.ctl("metrics", check=True).out
        tap.ok('pkienrolld_crl_state{issuer="lab",state="late"} 1' in m and 'pkienrolld_crl_number{issuer="lab"} 0' in m, "the metrics, too")
        lab.ctl("key", "resume", "lab-ca", check=True)
        tap.ok(lab.wait_status(lambda s: s["state"] == "ready"), "the key is back, all is well", lab.status())


def issuer_of(status):
    return next(r for r in status["roles"] if r["role"] == "issuer")


def numbers_of_ledger(lab):
    return ledgerdb.rows(lab.ledger, "SELECT number, sha256 IS NOT NULL FROM crl ORDER BY number")


def a41_killed_between_number_and_signature():
    with CrlLab() as lab:
        lab.wait_first()
        key = lab.roles("key")[0]["pid"]
        send_signal(key, signal.SIGSTOP)
        asked = subprocess.Popen([CTL, "--socket", lab.socket, "crl", "publish"], env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        row = ledgerdb.wait(lab.ledger, "SELECT number FROM crl WHERE sha256 IS NULL")
        tap.equal(row, (2,), "a41 the number is durable before the key has signed")
        lab.kill()
        asked.wait(30)
        tap.equal(lab.number(), 1, "a41 nothing was published with it")
        lab.start()
        lab.ctl("crl", "publish", check=True)
        tap.equal((lab.number(), numbers_of_ledger(lab)), (3, [(1, 1), (2, 0), (3, 1)]), "a41 it is never given out again")


def a41_killed_between_signature_and_file():
    """The folder of before comes back, as after a crash of its disk's last seconds: the ledger knows better."""
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        shutil.copytree(lab.publish, lab.publish + ".old")
        device = mdm.Device(lab.client())
        lab.revoke(serial_of(device.der))
        lab.wait_crl(lab.has(serial_of(device.der)))
        number = lab.number()
        lab.kill()
        shutil.rmtree(lab.publish)
        os.rename(lab.publish + ".old", lab.publish)
        lab.start()
        tap.ok(lab.wait_crl(lab.has(serial_of(device.der))) is not None, "a41 the revocation is on the list again", lab.log_tail())
        tap.ok(lab.number() > number, "a41 with a greater number than the lost one")


def a41_killed_between_two_files():
    """The list of the TLS terminator is the last but one: a start does not take a half-written folder for a whole one."""
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        device = mdm.Device(lab.client())
        serial = serial_of(device.der)
        os.unlink(lab.file("clients.crl.pem"))
        os.mkdir(lab.file("clients.crl.pem"))
        lab.revoke(serial)
        tap.ok(lab.wait_show(lambda c: c["failures"] > 0), "a41 one file cannot be written", lab.log_tail())
        lab.kill()
        os.rmdir(lab.file("clients.crl.pem"))
        lab.start()
        tap.ok(lab.wait_crl(lambda c: lab.has(serial)(c) and os.path.exists(lab.file("clients.crl.pem"))) is not None,
               "a41 after the crash all of them are there", lab.log_tail())
        with open(lab.file("clients.crl.pem"), "rb") as f:
            tap.ok(lab.has(serial)(x509.load_pem_x509_crl(f.read())), "a41 and the terminator's has the revocation")


def put_back(lab, backup):
    """The ledger is what it was; the daemon does not run."""
    for more in ("", "-wal", "-shm"):
        if os.path.exists(lab.ledger + more):
            os.unlink(lab.ledger + more)
    shutil.copy(backup, lab.ledger)
    os.chmod(lab.ledger, 0o600)


def save(lab):
    backup = os.path.join(lab.dir, "backup.db")
    db = sqlite3.connect(lab.ledger)
    db.execute("VACUUM INTO ?", (backup,))
    db.close()
    return backup


DELTAS = {("issuers", "lab", "delta-crl-urls"): "[http://pki.lab.example/lab-delta.crl]", ("issuers", "lab", "delta-threshold"): "1"}


def a41_carried_stays_in_deltas():
    """The published delta alone is newer than the restored ledger: what it revoked is in the next delta, and in a full list at once."""
    with CrlLab({**AT_ONCE, **DELTAS}) as lab:
        lab.wait_first()
        lab.revoke(serial_of(mdm.Device(lab.client()).der))
        lab.wait_crl(lambda c: any(e.oid.dotted_string == "2.5.29.46" for e in c.extensions))
        lab.ctl("crl", "publish", check=True)
        backup = save(lab)
        device = mdm.Device(lab.client())
        gone = serial_of(device.der)
        lab.revoke(gone, "--reason", "key-compromise")
        lab.wait_crl(lab.has(gone), "delta")
        full, number = lab.crl(), lab.number("delta")
        tap.ok(not lab.has(gone)(full), "a41 only the delta has it")
        lab.stop()
        put_back(lab, backup)
        lab.start()
        delta = lab.wait_crl(lambda c: lab.number("delta") > number, "delta")
        tap.ok(delta is not None and reason_of(delta, gone) == REASON.key_compromise, "a41 so does the next delta", lab.log_tail())
        tap.ok(lab.wait_crl(lab.has(gone)) is not None, "a41 and a full list follows", lab.log_tail())
        both = os.path.join(lab.dir, "both.pem")
        write_text(both, "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in (full, delta)))
        leaf = os.path.join(lab.dir, "leaf.pem")
        write_text(leaf, x509.load_der_x509_certificate(device.der).public_bytes(serialization.Encoding.PEM).decode())
        r = lab.run(["openssl", "verify", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", lab.ca, "-CRLfile", both, leaf])
        tap.ok(r.status != 0 and "revoked" in r.out + r.err, "a41 a client with the older full list sees it", r)
        tap.equal(ledgerdb.rows(lab.ledger, "SELECT count(*) FROM audit WHERE event = 'carried'"), [(1,)], "a41 what was taken over is audited")


def a41_carried_hold_became_final():
    """Held by the published full list, revoked for good by the delta behind it: the stricter one is carried."""
    with CrlLab({**AT_ONCE, **DELTAS}) as lab:
        lab.wait_first()
        lab.revoke(serial_of(mdm.Device(lab.client()).der))
        lab.wait_crl(lambda c: any(e.oid.dotted_string == "2.5.29.46" for e in c.extensions))
        backup = save(lab)
        serial = serial_of(mdm.Device(lab.client()).der)
        lab.revoke(serial, "--hold")
        lab.wait_crl(lab.has(serial), "delta")
        lab.ctl("crl", "publish", check=True)
        lab.revoke(serial, "--reason", "key-compromise")
        lab.wait_crl(lambda c: reason_of(c, serial) == REASON.key_compromise, "delta")
        tap.equal(reason_of(lab.crl(), serial), REASON.certificate_hold, "a41 the full list has a hold")
        number = lab.number("delta")
        lab.stop()
        put_back(lab, backup)
        lab.start()
        lab.wait_crl(lambda c: lab.number() > number)
        tap.equal(reason_of(lab.crl(), serial), REASON.key_compromise, "a41 what is for good stays so")
        lab.restart()
        lab.ctl("crl", "publish", check=True)
        tap.equal(reason_of(lab.crl(), serial), REASON.key_compromise, "a41 after a restart, too")
        r = lab.ctl("cert", "release", f"{serial:x}", "--issuer", "lab")
        tap.ok(r.status == 1 and "for good" in r.err + r.out, "a41 and nobody releases it", r)


def a41_older_ledger_has_a_hold():
    """Held in the backup, revoked for good in the published list: a release must not bring it back."""
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        device = mdm.Device(lab.client())
        serial = serial_of(device.der)
        lab.revoke(serial, "--hold")
        lab.wait_crl(lab.has(serial))
        backup = os.path.join(lab.dir, "backup.db")
        db = sqlite3.connect(lab.ledger)
        db.execute("VACUUM INTO ?", (backup,))
        db.close()
        lab.revoke(serial, "--reason", "key-compromise")
        lab.wait_crl(lambda c: reason_of(c, serial) == REASON.key_compromise)
        lab.ctl("crl", "publish", check=True)
        number = lab.number()
        lab.stop()
        put_back(lab, backup)
        lab.start()
        lab.wait_crl(lambda c: lab.number() > number)
        lab.ctl("crl", "publish", check=True)
        tap.equal(reason_of(lab.crl(), serial), REASON.key_compromise, "a41 the reason is not a hold again")
        r = lab.ctl("cert", "release", f"{serial:x}")
        tap.ok(r.status == 1, "a41 and nobody releases it", r)


def a41_older_ledger():
    """A backup of the ledger is restored: the number jumps beyond the published one, and nobody is unrevoked."""
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        known = mdm.Device(lab.client())
        db = sqlite3.connect(lab.ledger)
        backup = os.path.join(lab.dir, "backup.db")
        db.execute("VACUUM INTO ?", (backup,))
        db.close()
        unknown = mdm.Device(lab.client())
        serials = [serial_of(known.der), serial_of(unknown.der)]
        for serial in serials:
            lab.revoke(serial, "--reason", "key-compromise")
        lab.wait_crl(lambda c: all(lab.has(s)(c) for s in serials))
        number = lab.number()
        lab.stop()
        put_back(lab, backup)
        lab.start()
        tap.ok(lab.wait_crl(lambda c: lab.number() > number) is not None, "a41 the number goes on beyond the published one", lab.log_tail())
        crl = lab.crl()
        tap.equal([reason_of(crl, s) for s in serials if lab.has(s)(crl)], [REASON.key_compromise] * 2,
                  "a41 what was revoked after the backup stays revoked")
        tap.ok("the ledger is older than the published CRL" in lab.read_log(), "a41 and the log says so")
        lab.restart()
        lab.ctl("crl", "publish", check=True)
        tap.ok(all(lab.has(s)(lab.crl()) for s in serials), "a41 after a restart, too")
        known.client = lab.client()
        a = known.renew()
        tap.ok(a.certificate() is None, "a41 the device that is known here does not renew", a.describe())


def carried_hold_is_released():
    """A hold that only the published list knows of, after a restore: its serial and issuer end it, also in deltas."""
    options = {**AT_ONCE, ("issuers", "lab", "delta-crl-urls"): "[http://pki.lab.example/lab-delta.crl]",
               ("issuers", "lab", "delta-threshold"): "1"}
    with CrlLab(options) as lab:
        lab.wait_first()
        backup = os.path.join(lab.dir, "backup.db")
        with sqlite3.connect(lab.ledger) as db:
            db.execute("VACUUM INTO ?", (backup,))
        held, gone = (serial_of(mdm.Device(lab.client()).der) for _ in range(2))
        lab.revoke(held, "--hold")
        lab.revoke(gone)
        lab.wait_crl(lambda c: lab.has(gone)(c) and lab.has(held)(c), "delta")
        lab.ctl("crl", "publish", check=True)
        lab.stop()
        put_back(lab, backup)
        number = lab.number()
        lab.start()
        tap.ok(lab.wait_crl(lambda c: lab.number() > number and lab.has(held)(c) and lab.has(gone)(c)) is not None, "both are carried", lab.log_tail())
        r = lab.ctl("cert", "release", f"{held:x}")
        tap.ok(r.status == 1 and "not-in-ledger" in r.err + r.out or "no such" in r.err + r.out, "the serial alone is unknown", r)
        r = lab.ctl("cert", "release", f"{gone:x}", "--issuer", "lab")
        tap.ok(r.status == 1 and "for good" in r.err + r.out, "what is revoked for good stays so", r)
        for serial, issuer in (("1234", "lab"), (f"{held:x}", "nobody")):
            tap.ok(lab.ctl("cert", "release", serial, "--issuer", issuer).status == 1, f"{serial[:8]} of {issuer}: refused")
        r = lab.ctl("--json", "cert", "release", f"{held:x}", "--issuer", "lab", "--dry-run", check=True).json()
        tap.equal((r["released"], r["items"][0]["result"]), (1, "released"), "a dry run says so")
        tap.ok(lab.has(held)(lab.crl()), "and does nothing")
        lab.wait_show(lambda c: c["delta"])
        r = lab.ctl("--json", "cert", "release", f"{held:x}", "--issuer", "lab", "--comment", "found", check=True).json()
        tap.equal((r["released"], r["items"][0]["serial"], r["items"][0]["sha256"]), (1, f"{held:032x}", None), "released")
        full = lab.wait_crl(lambda c: not lab.has(held)(c))
        tap.ok(full is not None and lab.has(gone)(full), "the next full list has the other one alone", lab.log_tail())
        delta = lab.wait_crl(lambda c: lab.has(held)(c) and reason_of(c, held) == REASON.remove_from_crl, "delta")
        tap.ok(delta is not None, "and a delta removes it for who has an older one", lab.log_tail())
        r = lab.ctl("--json", "cert", "release", f"{held:x}", "--issuer", "lab", check=True).json()
        tap.equal((r["released"], r["unchanged"]), (0, 1), "once more changes nothing")
        tap.equal(ledgerdb.rows(lab.ledger, "SELECT count(*) FROM audit WHERE event = 'hold-released'"), [(1,)], "the audit has it once")
        lab.restart()
        lab.ctl("crl", "publish", check=True)
        tap.ok(not lab.has(held)(lab.crl()) and lab.has(gone)(lab.crl()), "a restart does not bring it back")


def a41_serials_as_people_write_them():
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        device = mdm.Device(lab.client())
        serial = serial_of(device.der)
        raw = serial.to_bytes(16, "big")
        for name, text in (("reversed octets", raw[::-1].hex()), ("decimal digits without saying so", str(serial)), ("unknown", "1234")):
            r = lab.ctl("cert", "revoke", text)
            tap.ok(r.status == 1, f"a41 {name}: nothing is revoked", r)
        tap.equal(lab.ctl("--json", "crl", "show", "lab", check=True).json()["revoked"], 0, "a41 nothing was")
        lab.ctl("cert", "revoke", "00:" + raw.hex(":").upper(), check=True)
        tap.ok(lab.wait_crl(lab.has(serial)), "a41 a leading zero and colons are the same number")


def folder_that_cannot_be_written():
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        number = lab.number()
        lab.set_option(("publish-directory",), os.path.join(lab.dir, "elsewhere"))
        write_text(os.path.join(lab.dir, "elsewhere"), "a file is no folder")
        lab.ctl("reload", check=True)
        shown = lab.wait_show(lambda c: c["failures"] > 0)
        tap.ok(shown and shown["error"], "it says that it cannot be published", shown)
        tap.ok("the CRL cannot be published" in lab.read_log(), "the log has an alarm")
        status = lab.wait_status(lambda s: s["state"] == "degraded")
        tap.ok(status and "the CRL of lab is late: " in issuer_of(status)["text"], "status is degraded and says why, although every key is ready",
               lab.status())
        device = mdm.Device(lab.client())
        tap.ok(device.der, "certificates are issued all the same")
        lab.revoke(serial_of(device.der))
        os.unlink(os.path.join(lab.dir, "elsewhere"))
        tap.ok(lab.wait_show(lambda c: c["failures"] == 0 and c["entries"] == 1), "the folder is back, the list as well", lab.log_tail())
        with open(os.path.join(lab.dir, "elsewhere", "lab.crl"), "rb") as f:
            crl = x509.load_der_x509_crl(f.read())
        tap.ok(lab.has(serial_of(device.der))(crl), "with what was revoked meanwhile")
        tap.equal(lab.number(), number, "the old folder is not touched any more")


def newer_list_in_the_folder():
    """A list with a greater number is never replaced by one with a smaller."""
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        for _ in range(3):
            lab.ctl("crl", "publish", check=True)
        with open(lab.file("lab.crl"), "rb") as f:
            newest = f.read()
        number = lab.number()
        lab.stop()
        db = sqlite3.connect(lab.ledger)
        db.execute("DELETE FROM crl WHERE number > 1")
        db.commit()
        db.close()
        os.unlink(lab.file("lab.crl"))
        lab.start()
        lab.wait_first()
        low = lab.wait_crl(lambda c: True)
        tap.ok(low is not None and lab.number() < number, "the ledger knows of no greater number", lab.number())
        write_text(lab.file("lab.crl.put"), "")
        with open(lab.file("lab.crl.put"), "wb") as f:
            f.write(newest)
        os.rename(lab.file("lab.crl.put"), lab.file("lab.crl"))
        lab.ctl("crl", "publish")
        tap.ok(lab.wait_crl(lambda c: lab.number() > number) is not None, "one that appears while it runs is not replaced by a smaller one",
               lab.log_tail())


def deltas():
    options = dict(AT_ONCE)
    options[("issuers", "lab", "delta-crl-urls")] = "[http://pki.lab.example/lab-delta.crl]"
    options[("issuers", "lab", "delta-threshold")] = "2"
    with CrlLab(options) as lab:
        lab.wait_first()
        devices = [mdm.Device(lab.client()) for _ in range(4)]
        serials = [serial_of(d.der) for d in devices]
        lab.revoke(serials[0])
        tap.ok(lab.wait_crl(lab.has(serials[0])) and lab.crl("delta") is None, "below the threshold there are full lists alone")
        lab.revoke(serials[1], "--hold")
        full = lab.wait_crl(lambda c: any(e.oid.dotted_string == "2.5.29.46" for e in c.extensions))
        tap.ok(full is not None, "at the threshold the full list says where deltas are", lab.log_tail())
        freshest = full.extensions.get_extension_for_class(x509.FreshestCRL)
        tap.equal((freshest.critical, freshest.value[0].full_name[0].value), (False, "http://pki.lab.example/lab-delta.crl"), "freshestCRL")
        tap.ok(lab.crl("delta") is not None, "a delta was there before")
        number = lab.number()
        lab.revoke(serials[2])
        delta = lab.wait_crl(lab.has(serials[2]), "delta")
        tap.ok(delta is not None, "a revocation is told by a delta", lab.log_tail())
        base = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
        tap.ok(base.critical and base.value.crl_number <= number < lab.number("delta"), "on a base that people have, numbered in one row")
        tap.equal(lab.number(), number, "the full list stays")
        lab.ctl("cert", "release", f"{serials[1]:x}", check=True)
        delta = lab.wait_crl(lambda c: lab.has(serials[1])(c) and reason_of(c, serials[1]) == REASON.remove_from_crl, "delta")
        tap.ok(delta is not None, "a hold that ended is removed by the delta", lab.log_tail())
        for i, good in ((0, False), (1, True), (2, False), (3, True)):
            path = os.path.join(lab.dir, "device.pem")
            write_text(path, x509.load_der_x509_certificate(devices[i].der).public_bytes(serialization.Encoding.PEM).decode())
            both = os.path.join(lab.dir, "both.pem")
            write_text(both, "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in (lab.crl(), lab.crl("delta"))))
            r = lab.run(["openssl", "verify", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", lab.ca, "-CRLfile", both, path])
            tap.ok((r.status == 0) == good, f"openssl with deltas {'takes' if good else 'refuses'} device {i}", r)
        lab.ctl("crl", "publish", check=True)
        full = lab.crl()
        tap.ok(lab.has(serials[2])(full) and not lab.has(serials[1])(full), "the next full list has it all")
        lab.restart()
        lab.wait_show(lambda c: c["number"] == lab.number())
        tap.ok(lab.wait_show(lambda c: c["delta"] and c["delta"]["number"] == lab.number("delta")), "a restart finds both")


class Nginx:
    """dist/examples/nginx.conf as it is shipped, but for places and ports."""

    def __init__(self, lab):
        self.lab, self.folder = lab, os.path.join(lab.dir, "nginx")
        self.plain, self.tls = free_port(), free_port()
        os.mkdir(self.folder)
        text = read_text(os.path.join(TOP, "dist", "examples", "nginx.conf"))
        for old, new in (("listen 80;", f"listen 127.0.0.1:{self.plain};"), ("listen 443 ssl;", f"listen 127.0.0.1:{self.tls} ssl;"),
                         ("/var/lib/pkienrolld/publish", lab.publish), ("/etc/ssl/manage.pem", os.path.join(lab.etc, "tls.pem")),
                         ("/etc/ssl/manage.key", os.path.join(lab.etc, "tls.key"))):
            if old not in text:
                raise RuntimeError(f"the example has no {old}")
            text = text.replace(old, new)
        self.conf = os.path.join(self.folder, "nginx.conf")
        places = " ".join(f"{n}_temp_path {self.folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        write_text(self.conf, f"{user} daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log info; worker_processes 1;"
                              f" events {{}} http {{ access_log off; {places}\n{text}\n}}\n")
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c", self.conf],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.get("/lab.crl")
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(read_text(os.path.join(self.folder, "error.log")))

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(20)

    def get(self, path, method="GET", **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=10)
        c.request(method, path, headers=headers)
        r = c.getresponse()
        body = r.read()
        c.close()
        return r, body

    def client(self, device):
        """What the management server answers a device: its status."""
        files = [os.path.join(self.folder, n) for n in ("client.pem", "client.key")]
        write_text(files[0], x509.load_der_x509_certificate(device.der).public_bytes(serialization.Encoding.PEM).decode())
        write_text(files[1], device.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                      serialization.NoEncryption()).decode())
        r = self.lab.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", os.path.join(self.lab.etc, "tls-root.pem"),
                          "--cert", files[0], "--key", files[1], f"https://localhost:{self.tls}/"])
        return r.out

    def reload(self, device, want, timeout=20):
        """As the note in the example says; a reload takes a moment."""
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + timeout
        while (got := self.client(device)) != want and time.monotonic() < deadline:
            time.sleep(0.05)
        return got


def nginx_serves_and_refuses():
    if not shutil.which("nginx") and not os.path.exists("/usr/sbin/nginx"):
        tap.skip("nginx", "not installed")
        return
    with CrlLab(AT_ONCE) as lab:
        lab.wait_first()
        gone, good = mdm.Device(lab.client()), mdm.Device(lab.client())
        with Nginx(lab) as nginx:
            r, body = nginx.get("/lab.crl")
            with open(lab.file("lab.crl"), "rb") as f:
                tap.equal((r.status, r.getheader("Content-Type"), body == f.read()), (200, "application/pkix-crl", True),
                          "the list is served with its type")
            tap.ok("max-age=300" in (r.getheader("Cache-Control") or ""), "and for how long it may be kept", r.getheaders())
            r, _ = nginx.get("/lab.crl", **{"If-None-Match": r.getheader("ETag") or ""})
            tap.equal(r.status, 304, "a cache that asks again is told that nothing changed")
            tap.equal([nginx.get(p)[0].status for p in ("/clients.crl.pem", "/lab.crl.pem", "/", "/../ledger.db", "/lab.crl.new")],
                      [404, 404, 404, 400, 404], "nothing else is served")
            tap.equal(nginx.get("/lab.crl", "PUT")[0].status, 403, "and nothing is taken")
            tap.equal((nginx.client(gone), nginx.client(good)), ("200", "200"), "devices are let in")
            lab.revoke(serial_of(gone.der))
            tap.ok(lab.wait_crl(lab.has(serial_of(gone.der))), "one is revoked")
            lab.wait_show(lambda c: c["entries"] == 1 and c["error"] is None)
            tap.equal(nginx.reload(gone, "400"), "400", "after the reload it is refused")
            tap.equal(nginx.client(good), "200", "the other one is not")
            r, body = nginx.get("/lab.crl")
            tap.ok(lab.has(serial_of(gone.der))(x509.load_der_x509_crl(body)), "who fetches the list sees it")


tap.run(first_list, revoked_and_released, verbs, scheduled, missing, a41_killed_between_number_and_signature,
        a41_killed_between_signature_and_file, a41_killed_between_two_files, a41_older_ledger_has_a_hold, a41_carried_stays_in_deltas, a41_carried_hold_became_final, a41_older_ledger, carried_hold_is_released, a41_serials_as_people_write_them, folder_that_cannot_be_written,
        newer_list_in_the_folder, deltas, nginx_serves_and_refuses)
