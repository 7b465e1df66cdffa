#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Items 1 to 15 of doc/key-faults.md as keystore/ sees them: a real swtpm, and the proxy of tests/lib/tpmproxy.py that puts
in what it cannot produce. What the daemon makes of it is in tests/integration/test_tpm_outage.py."""
import os
import signal
import subprocess
import sys
import time

SRC = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import swtpm  # noqa: E402
import tap  # noqa: E402
import tpmkey  # noqa: E402

PIN, WRONG = "auth-of-the-ca-key-0123456789", "another-auth-value-0123456789"
DEADLINE = 1000
TPM = None
FILE = HANDLE = PIN_FILE = WRONG_FILE = None

RC_INITIALIZE, RC_FAILURE, RC_CONTEXT_GAP, RC_OBJECT_MEMORY, RC_SESSION_MEMORY = 0x100, 0x101, 0x901, 0x902, 0x903
RC_YIELDED, RC_TESTING, RC_NV_RATE, RC_LOCKOUT, RC_RETRY = 0x908, 0x90a, 0x920, 0x921, 0x922
RC_AUTH_FAIL, RC_BAD_AUTH = 0x98e, 0x9a2


def drive(uri=None, session="password", pin=None, deadline=DEADLINE, **more):
    return tpmkey.Drive(backend="tpm2", tcti=TPM.tcti, session=session, deadline=deadline, uri=uri or FILE,
                        pin=pin or PIN_FILE, **more)


def make_key(name, algorithm="p256", **more):
    """A key of the CA by ks_generate; its URI."""
    uri = name if name.startswith("tpm2:") else f"tpm2:file={TPM.path(name)}"
    with drive(uri, deadline=60000, **more) as d:  # looking for primes takes its time
        for order in (("init",), ("generate", algorithm)):
            a = d(*order)
            if not a:
                raise RuntimeError(f"{order}: {a}")
    return uri


def set_up():
    """Storage root key, one key in a file, one at a handle."""
    global FILE, HANDLE, PIN_FILE, WRONG_FILE  # pylint: disable=global-statement
    PIN_FILE, WRONG_FILE = TPM.write("pin", PIN + "\n"), TPM.write("wrong", WRONG + "\n")
    FILE, HANDLE = make_key("ca.tss2"), make_key("tpm2:handle=0x81200001")
    make_key("other.tss2")
    TPM.proxy.forget()


def quiet():
    """No faults; count from here."""
    TPM.proxy.clear()
    TPM.proxy.forget()


def nothing_left(name):
    tap.equal(TPM.assert_empty(), {}, f"{name}: no object and no session is left")


def is_fail(a, cls, raw, name, reason=None):
    """Check a class, the raw code and the reason; None: any."""
    return tap.ok(not a and a.cls in cls and raw in (None, a.raw) and reason in (None, a.reason), name, a)


def spend(d, name, tries=3):
    """Climb as often as the key role would; the last answer."""
    a = None
    for _ in range(tries):
        a = d.climb()
        if a:
            break
    return tap.ok(a, name, a)


def f01_killed_mid_sign():
    quiet()
    with drive() as d:
        tap.ok(d("open") and d.sign(), "f01 a signature before")
        TPM.freeze()
        before = TPM.proxy.count("Sign")
        d.send("sign", tpmkey.TEXT)
        tap.ok(swtpm.wait_for(lambda: TPM.proxy.count("Sign") > before), "f01 TPM2_Sign is with the TPM")
        TPM.kill()
        a = d.answer()
        is_fail(a, ("token", "session"), None, "f01 swtpm killed within TPM2_Sign: an IO error, which may be recovered from")
        tap.ok(a.raw, "f01 with its raw code", a)
        is_fail(d("recover"), ("token", "session", "transient"), None, "f01 while it is gone recovery fails, and says the same")
        TPM.start()
        spend(d, "f01 it is back: the next climb signs")
    nothing_left("f01")


def f02_frozen():
    quiet()
    with drive() as d:
        tap.ok(d("open") and d.sign(), "f02 a signature before")
        TPM.freeze()
        start = time.monotonic()
        a = d.sign()
        took = time.monotonic() - start
        TPM.thaw()
        is_fail(a, ("token", "transient", "session"), None, "f02 swtpm stands still: an error")
        tap.ok(DEADLINE / 1000 * 0.9 <= took < DEADLINE / 1000 * 3, "f02 by the deadline", took)
        spend(d, "f02 it goes on: the next climb signs")
    nothing_left("f02")
    f02_frozen_before()


def f02_frozen_before():
    """Nobody accepts, and the places in the queue of the socket are taken one after another: that may not block, too."""
    with swtpm.Swtpm() as other, tpmkey.Drive(backend="tpm2", tcti=f"unix:{other.socket}", deadline=300, uri=FILE,
                                              session="password", pin=PIN_FILE) as d:
        other.freeze()
        start = time.monotonic()
        answers = [d("open") for _ in range(12)]
        other.thaw()
        tap.ok(not any(answers) and all(a.cls in ("token", "transient") for a in answers), "f02 it stands still from the start",
               answers[-1])
        tap.ok(time.monotonic() - start < 12 * 3, "f02 twelve times by the deadline", time.monotonic() - start)


def f03_reset():
    for uri in (FILE, HANDLE):
        for session in ("password", "salted"):
            quiet()
            with drive(uri, session) as d:
                tap.ok(d("open") and d.sign(), f"f03 {session} {uri[:8]}: a signature before")
                TPM.reset()
                a = d.sign()
                if not a:
                    is_fail(a, ("token", "session"), RC_INITIALIZE, "f03 TPM reset: TPM_RC_INITIALIZE", "key-tpm-reset")
                    a = d.climb()
                tap.ok(a, f"f03 {session} {uri[:8]}: TPM2_Startup, loaded again, signed", a)
                tap.equal(TPM.proxy.count("Startup"), 1, "f03 one TPM2_Startup")
            nothing_left("f03")


def f04_empty_state():
    for uri, name in ((FILE, "key file"), (HANDLE, "handle")):
        TPM.close()
        begin()
        uri = FILE if name == "key file" else HANDLE
        with drive(uri) as d:
            tap.ok(d("open") and d.sign(), f"f04 {name}: a signature before")
            quiet()
            TPM.restart(clear=True)
            a = d.sign()
            is_fail(a, ("token", "session", "permanent"), None, f"f04 {name}: TPM restarted empty: nothing is signed")
            is_fail(d("recover"), ("permanent",), None, f"f04 {name}: then it is known that the key is gone")
            n = TPM.proxy.count()
            is_fail(d("recover"), ("permanent",), None, f"f04 {name}: and stays so")
            is_fail(d.sign(), ("permanent", "token", "session"), None, f"f04 {name}: nothing signs")
            tap.ok(TPM.proxy.count() <= n + 30, f"f04 {name}: without a storm of commands", TPM.proxy.counts())
        with drive(uri) as d:
            a = d("open")
            tap.ok(not a and a.cls == "permanent" and "key" in a.reason, f"f04 {name}: a new start says so, too", a)
        nothing_left("f04")
    TPM.close()
    begin()


def f05_stale_objects():
    for kind, make in (("transient objects", TPM.create_primary), ("sessions", TPM.start_session)):
        for uri in (FILE, HANDLE):
            for session in ("password", "salted"):
                quiet()
                for _ in range(3):
                    make()
                with drive(uri, session) as d:
                    a = d("open")
                    tap.ok(a and d.sign(), f"f05 three stale {kind}, {session}, {uri[:8]}: flushed at the start", a)
                nothing_left("f05")


def f06_sessions_taken():
    quiet()
    with drive(session="salted") as d:
        tap.ok(d("open") and d.sign(), "f06 a signature before")
        d("idle")
        tap.equal(TPM.handles("loaded-session"), [], "f06 idle: no session is kept")
        for _ in range(3):
            TPM.start_session()
        a = d.sign()
        tap.ok(a or (a.cls == "transient" and a.raw & 0xfff == RC_SESSION_MEMORY), "f06 three sessions taken: signed, or transient", a)
        if not a:
            spend(d, "f06 three sessions taken by others: after recovery it signs")
        d("idle")
        # A resource manager does not show the sessions of others: nothing can be flushed.
        TPM.proxy.fault("rc", "StartAuthSession", RC_SESSION_MEMORY)
        quiet_count = TPM.proxy.count("StartAuthSession")
        a = d.sign()
        is_fail(a, ("transient",), RC_SESSION_MEMORY, "f06 others keep them: transient")
        is_fail(d.climb(), ("transient",), RC_SESSION_MEMORY, "f06 still transient")
        tap.ok(TPM.proxy.count("StartAuthSession") - quiet_count <= 60, "f06 a bounded number of attempts", TPM.proxy.counts())
        TPM.proxy.clear()
        spend(d, "f06 they are free again: signed")
    nothing_left("f06")


def f07_context_gap():
    for command in ("StartAuthSession", "Sign"):
        quiet()
        with drive(session="salted") as d:
            tap.ok(d("open") and d.sign(), "f07 a signature before")
            d("idle")
            TPM.proxy.fault("rc", command, RC_CONTEXT_GAP, times=1)
            a = d.sign()
            tap.ok(a or (a.cls in ("transient", "session") and a.raw == RC_CONTEXT_GAP and d.climb()),
                   f"f07 TPM_RC_CONTEXT_GAP of {command} once: sessions are flushed, and it is signed", a)
            d("idle")
            TPM.proxy.fault("rc", command, RC_CONTEXT_GAP)
            a = d.sign()
            is_fail(a, ("transient",), RC_CONTEXT_GAP, "f07 for ever: transient", "key-tpm-memory")
            n = TPM.proxy.count()
            tap.ok(not d.climb() and TPM.proxy.count() - n < 60, "f07 and no storm", TPM.proxy.counts())
            TPM.proxy.clear()
            spend(d, "f07 the gap is closed: signed")
        nothing_left("f07")


def f08_warnings():
    for code, name in ((RC_RETRY, "RETRY"), (RC_TESTING, "TESTING"), (RC_YIELDED, "YIELDED")):
        quiet()
        with drive() as d:
            tap.ok(d("open"), "f08 open")
            TPM.proxy.forget()
            TPM.proxy.fault("rc", "Sign", code, times=1)
            a = d.sign()
            tap.ok(a, f"f08 {name} once: nobody notices", a)
            tap.equal(TPM.proxy.count("Sign"), 2, "f08 by a second TPM2_Sign")
            quiet()
            TPM.proxy.fault("rc", "Sign", code)
            a = d.sign()
            is_fail(a, ("transient",), code, f"f08 {name} a hundred times: transient")
            tap.ok(2 <= TPM.proxy.count("Sign") <= 60, "f08 after a bounded number of attempts", TPM.proxy.counts())
            TPM.proxy.clear()
            spend(d, f"f08 {name} is over: signed")
        nothing_left("f08")
    for code, name in ((RC_NV_RATE, "NV_RATE"), (0x923, "NV_UNAVAILABLE"), (0x909, "CANCELED"), (0x904, "MEMORY"),
                       (RC_OBJECT_MEMORY, "OBJECT_MEMORY")):
        quiet()
        with drive() as d:
            tap.ok(d("open"), "f08 open")
            TPM.proxy.fault("rc", "Sign", code, times=1)
            a = d.sign()
            tap.ok(a or (a.cls == "transient" and a.raw == code and d.climb()), f"f08 {name} once: transient, then signed", a)
        nothing_left("f08")
    quiet()
    with drive() as d:
        tap.ok(d("open"), "f08 open")
        TPM.proxy.fault("rc", "*", RC_FAILURE)
        is_fail(d.sign(), ("permanent",), RC_FAILURE, "f08 TPM_RC_FAILURE: permanent, the machine has to be started again",
                "key-tpm-failure")


def wrong_auth(uri, session, code, counted, name):
    """One attempt, and what the TPM counts."""
    quiet()
    before = TPM.lockout_counter()
    with drive(uri, session, WRONG_FILE, weak="yes") as d:
        a = d("open")
        a = d.sign() if a else a
        tap.ok(not a and a.cls == "auth" and a.raw & 0xffff == code, f"f09 {name}: class auth", a)
        tap.ok(WRONG not in a.line and PIN not in a.line, "f09 the text holds no secret")
        # The first use of a DA key after a start is answered with RETRY before the auth value is looked at.
        signs = [e for e in TPM.proxy.log() if e[0] == "Sign" and e[2] and e[1] != RC_RETRY]
        tap.equal(len(signs), 1, f"f09 {name}: exactly one TPM2_Sign with authorisation")
        n = TPM.proxy.count()
        for order in ("sign", "recover", "keep-alive"):
            a = d(order)
            tap.ok(not a and (a.cls == "auth" or a.reason == "not-open"), f"f09 {name}: {order} is refused", a)
        tap.equal(TPM.proxy.count(), n, f"f09 {name}: without asking the TPM")
    tap.equal(TPM.lockout_counter() - before, counted, f"f09 {name}: the TPM's counter of failures")
    nothing_left("f09")


def da_key():
    """A key that a dictionary attack on would lock: tpm2-openssl's, of the right auth value."""
    path = TPM.path("da.tss2")
    if not os.path.exists(path):
        TPM.tools("create", "-C", hex(swtpm.SRK), "-G", "ecc256:ecdsa", "-a",
                  "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-p", PIN, "-u", "da.pub", "-r", "da.priv")
        with open(TPM.path("da.pub"), "rb") as public, open(TPM.path("da.priv"), "rb") as private:
            tpmkey.write_pem(path, tpmkey.make(swtpm.SRK, public.read(), private.read()))
    return f"tpm2:file={path}"


def f09_wrong_auth():
    for session in ("password", "salted"):
        wrong_auth(FILE, session, RC_BAD_AUTH, 0, f"noDA, {session}")
        wrong_auth(HANDLE, session, RC_BAD_AUTH, 0, f"noDA, handle, {session}")
        wrong_auth(da_key(), session, RC_AUTH_FAIL, 1, f"DA, {session}")
        TPM.tools("dictionarylockout", "--clear-lockout")


def f10_lockout():
    quiet()
    uri = da_key()
    TPM.tools("dictionarylockout", "--setup-parameters", "--max-tries=1", "--recovery-time=1000", "--lockout-recovery-time=1000")
    with drive(uri, pin=WRONG_FILE, weak="yes") as d:
        tap.ok(not d("open") or not d.sign(), "f10 somebody uses up the attempts")
    quiet()
    with drive(uri, weak="yes") as d:
        a = d("open")
        a = d.sign() if a else a
        is_fail(a, ("auth",), RC_LOCKOUT, "f10 TPM_RC_LOCKOUT, though the auth value is right: class auth", "key-tpm-lockout")
        n = TPM.proxy.count()
        tap.ok(not d("sign") and not d("recover") and TPM.proxy.count() == n, "f10 nothing asks the TPM again", TPM.proxy.counts())
        tap.equal(TPM.proxy.count("Sign"), 1, "f10 one TPM2_Sign")
    with drive() as d:
        tap.ok(d("open") and d.sign(), "f10 a key with noDA signs meanwhile: the lockout of others does not stop the CA")
    TPM.tools("dictionarylockout", "--clear-lockout")
    TPM.tools("dictionarylockout", "--setup-parameters", "--max-tries=32")
    with drive(uri, weak="yes") as d:
        tap.ok(d("open") and d.sign(), "f10 the lockout is lifted: the key signs again")
    nothing_left("f10")


def f11_flipped_signature():
    for uri in (FILE, make_key("rsa.tss2", "rsa-2048")):
        quiet()
        with drive(uri) as d:
            tap.ok(d("open") and d.sign(), "f11 a signature before")
            TPM.proxy.fault("flip", "Sign", tpm_signature_at(), times=1)
            a = d.sign()
            is_fail(a, ("integrity",), None, "f11 password session: our own verification notices")
            tap.equal(a.reason, "key-integrity", "f11 and says key-integrity")
            a = d("recover")
            tap.ok(not a and a.cls == "integrity", "f11 nothing is tried again by itself", a)
        quiet()
        with drive(uri, "salted") as d:
            tap.ok(d("open") and d.sign(), "f11 a signature before")
            TPM.proxy.fault("flip", "Sign", tpm_signature_at(), times=1)
            a = d.sign()
            tap.ok(not a and a.raw & 0xffff == 0x1b, "f11 salted session: the HMAC of the response notices", a)
            TPM.proxy.fault("flip", "Sign", -1, times=1)
            if a.cls != "integrity":
                tap.ok(not d.climb(), "f11 also when it is the HMAC that is changed")
                spend(d, "f11 no more flips: signed")
        nothing_left("f11")


def tpm_signature_at():
    return swtpm.tpmproxy.SIGNATURE_AT


def f12_spoilt_responses():
    for session in ("password", "salted"):
        quiet()
        with drive(session=session) as d:
            tap.ok(d("open") and d.sign(), f"f12 {session}: a signature")
            d("close")
        commands = sorted(TPM.proxy.counts())
        tap.ok("Sign" in commands and len(commands) > 2, f"f12 {session}: commands of a signature", commands)
        for command in commands:
            for kind, value in (("truncate", 1), ("truncate", 9), ("cut", 0), ("cut", 11), ("oversize", 4097), ("oversize", 65536),
                                ("drop", 0), ("flip", 2), ("flip", 5), ("flip", 7), ("flip", 11)):
                one_spoilt(session, command, kind, value)
        nothing_left("f12")


def one_spoilt(session, command, kind, value):
    """No wrong signature, no crash, no endless wait, and all is well when the TPM is."""
    quiet()
    TPM.proxy.fault(kind, command, value, times=1)
    with drive(session=session) as d:
        a = d("open")
        first = d.sign() if a else a
        classes = ["token", "session", "transient", "permanent", "integrity"]
        if command == "StartAuthSession":  # with other nonces than the TPM's the HMAC is as that of a wrong auth value
            classes.append("auth")
        bad = not first and first.cls in classes and first.reason
        TPM.proxy.clear()
        d("close")
        again = d("open") and d.sign()
        tap.ok((first or bad) and again, f"f12 {session}, {command}: {kind} {value}", f"{first}{again}")


def f13_slow():
    quiet()
    with drive() as d:
        tap.ok(d("open"), "f13 open")
        TPM.proxy.fault("delay", "Sign", 0.12)
        start = time.monotonic()
        a = d.sign()
        tap.ok(a and time.monotonic() - start >= 0.12, "f13 120 ms a signature: signed", a)
        TPM.proxy.clear()
        TPM.proxy.fault("delay", "Sign", 2, times=1)
        start = time.monotonic()
        a = d.sign()
        is_fail(a, ("token", "transient", "session"), None, "f13 2 s where 1 s is allowed: an error")
        tap.ok(time.monotonic() - start < 1.9, "f13 by the deadline", time.monotonic() - start)
        spend(d, "f13 signed in the end, and the late answer is nobody's")
    nothing_left("f13")


def imported_rsa():
    """A key that exists outside, too: file of the TPM's and PEM file."""
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", TPM.path("known.pem"), "2048"], check=True, capture_output=True)
    TPM.tools("import", "-C", hex(swtpm.SRK), "-G", "rsa", "-i", "known.pem", "-p", PIN, "-u", "known.pub", "-r", "known.priv",
              "-a", "userwithauth|noda|sign")
    with open(TPM.path("known.pub"), "rb") as public, open(TPM.path("known.priv"), "rb") as private:
        path = tpmkey.write_pem(TPM.path("known.tss2"), tpmkey.make(swtpm.SRK, public.read(), private.read()))
    return f"tpm2:file={path}", TPM.path("known.pem")


def f14_pss_salt():
    uri, pem = imported_rsa()
    quiet()
    with drive(uri, signature="rsa-pss", weak="yes") as d:
        a = d("open")
        tap.ok(a and d.sign(), "f14 RSA-PSS with a salt as long as the digest: signed", a)
    for salt in (222, 20, 0):
        quiet()
        TPM.proxy.fault("resign", "Sign", {"key": pem, "salt": salt})
        with drive(uri, signature="rsa-pss", weak="yes") as d:
            a = d("open")
            tap.ok(not a and a.cls == "permanent" and a.reason == "key-pss-salt", f"f14 a TPM with a salt of {salt}: RSA-PSS is refused at the start", a)
            tap.equal(TPM.proxy.count("Sign"), 1, "f14 by one test signature")
    quiet()
    with drive(uri, weak="yes") as d:
        tap.ok(d("open") and d.sign(), "f14 PKCS #1 v1.5 of the same key: signed")
    with drive(uri) as d:
        a = d("open")
        tap.ok(not a and a.reason == "key-attributes", "f14 a key that was outside is refused as such", a)
    nothing_left("f14")


def f15_key_files():
    path = FILE.removeprefix("tpm2:file=")
    der = tpmkey.read_pem(path)
    private = tpmkey.TpmKey.load(der)["privkey"].native
    spoilt = {
        "wrong parent": tpmkey.changed(path, parent=0x81000002),
        "parent that is a session": tpmkey.changed(path, parent=0x02000000),
        "parent in the platform hierarchy": tpmkey.changed(path, parent=0x4000000c),
        "a policy": tpmkey.changed(path, policy=[{"code": 0x17f, "policy": b"\0" * 16}]),
        "a secret": tpmkey.changed(path, secret=b"\0" * 16),
        "importable": tpmkey.changed(path, type=tpmkey.IMPORTABLE),
        "another type": tpmkey.changed(path, type="1.2.3"),
        "truncated": der[:-20],
        "bytes behind": der + b"\0",
        "empty": b"",
        "private part truncated": tpmkey.changed(path, privkey=private[:-1]),
        "private part changed": tpmkey.changed(path, privkey=private[:-1] + bytes([private[-1] ^ 1])),
        "of another key": tpmkey.changed(path, privkey=tpmkey.TpmKey.load(tpmkey.read_pem(TPM.path("other.tss2")))["privkey"].native),
    }
    for name, content in spoilt.items():
        refused_file(name, tpmkey.write_pem(TPM.path("spoilt.tss2"), content))
    for name, text in {"no PEM": b"x\n", "another PEM": b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                       "a megabyte": b"A" * 1048576}.items():
        refused_file(name, TPM.write("spoilt.tss2", text))
    refused_file("not there", TPM.path("no-such-file"))
    for mode in (0o620, 0o602):
        path = tpmkey.write_pem(TPM.path("spoilt.tss2"), der)
        os.chmod(path, mode)
        refused_file(f"mode {mode:o}", path)
    if os.geteuid() == 0:
        path = tpmkey.write_pem(TPM.path("spoilt.tss2"), der)
        os.chmod(path, 0o644)
        os.chown(path, 65534, 65534)
        refused_file("somebody else's", path)
        os.unlink(path)
    with swtpm.Swtpm() as other:
        kept, here = TPM.tcti, FILE
        try:
            TPM.tcti = f"unix:{other.socket}"
            with drive(here) as d:
                a = d("init")
                tap.ok(a, "f15 another TPM with a storage root key of its own", a)
                a = d("open")
                tap.ok(not a and a.cls == "permanent" and a.raw & 0xff == 0xdf, "f15 the file of another TPM: integrity check failed", a)
        finally:
            TPM.tcti = kept
    nothing_left("f15")


def refused_file(name, path):
    quiet()
    with drive(f"tpm2:file={path}") as d:
        a = d("open")
        tap.ok(not a and a.cls == "permanent" and a.reason, f"f15 key file: {name}: refused", a)
        tap.equal(TPM.proxy.count("Sign"), 0, "f15 nothing is signed with it")


def begin():
    """A new TPM with the keys in it."""
    global TPM  # pylint: disable=global-statement
    TPM = swtpm.Tpm()
    set_up()


if __name__ == "__main__":
    if swtpm.missing():
        tap.skip("faults of a TPM", f"{swtpm.missing()} is not installed")
        tap.run()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    begin()
    tap.at_end(lambda: TPM.close())  # pylint: disable=unnecessary-lambda
    if len(sys.argv) > 1:  # by hand: only these
        tap.run(*(globals()[name] for name in sys.argv[1:]))
    tap.run(f01_killed_mid_sign, f02_frozen, f03_reset, f04_empty_state, f05_stale_objects, f06_sessions_taken, f07_context_gap,
            f08_warnings, f09_wrong_auth, f10_lockout, f11_flipped_signature, f12_spoilt_responses, f13_slow, f14_pss_salt,
            f15_key_files)
