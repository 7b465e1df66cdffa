#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where a TPM, a key and its parent may be found: keystore/ behind tpm2-abrmd (tabrmd:) beside others, with a storage root key
that is not the parent of the key file, and with another key at the place of the one that was opened."""
import os
import sys

SRC = os.path.abspath(os.environ.get("top_srcdir", "."))
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import abrmd  # noqa: E402
import swtpm  # noqa: E402
import tap  # noqa: E402
import tpmkey  # noqa: E402

AUTH = "auth-of-the-ca-key-0123456789"
SIGNING = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"
STORAGE = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"


def secret(folder):
    path = os.path.join(folder, "auth")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
        f.write(AUTH + "\n")
    return path


def must(d, *order):
    a = d(*order)
    if not a:
        raise RuntimeError(f"{order}: {a}")


def behind_a_resource_manager():
    """Our signatures and another's work at the same time; the manager dies and returns."""
    with swtpm.Swtpm() as tpm, abrmd.Manager(tpm) as manager:
        where = {"env": manager.env, "backend": "tpm2", "tcti": manager.tcti, "pin": secret(tpm.folder), "deadline": 20000}
        ours, theirs = f"tpm2:file={tpm.folder}/ca.tss2", "tpm2:handle=0x81200001"
        with tpmkey.Drive(uri=ours, **where) as d, tpmkey.Drive(uri=theirs, **where) as other:
            must(d, "init")
            must(d, "generate", "p256")
            must(other, "generate", "rsa-2048")
            tap.ok(d("open") and other("open"), "tabrmd: two programs have their keys open")
            tap.ok(all(d.sign() and other.sign() for _ in range(3)), "tabrmd: both sign in salted sessions, one after the other")
            d("idle")
            tap.ok(other.sign() and d.sign(), "tabrmd: what one of them flushes is its own")
            manager.kill()
            a = d.sign()
            tap.ok(not a and a.cls in ("token", "session"), "tabrmd: the manager died: an error that may be recovered from", a)
            a = d("recover")
            tap.ok(not a and a.cls in ("token", "session", "transient"), "tabrmd: not while it is gone", a)
            manager.start()
            a = d.climb()
            tap.ok(a, "tabrmd: it is back, and the next climb signs", a)
        with tpmkey.Drive(uri=ours, session="password", **where) as d:
            a = d("open")
            tap.ok(not a and a.reason == "key-tpm-session", "tabrmd: no auth value in clear over the bus", a)


def primary_in_place_of_srk():
    """A key file under the owner hierarchy, and then a storage root key of another unique value moves in at 0x81000001."""
    with swtpm.Tpm() as tpm:
        uri = f"tpm2:file={tpm.path('ca.tss2')}"
        where = {"backend": "tpm2", "tcti": tpm.tcti, "pin": secret(tpm.folder), "session": "password", "uri": uri}
        with tpmkey.Drive(**where) as d:
            must(d, "generate", "p256")
        tap.equal(tpmkey.TpmKey.load(tpmkey.read_pem(tpm.path("ca.tss2")))["parent"].native, swtpm.RH_OWNER,
                  "without a storage root key the key file names the owner hierarchy")
        tpm.write("unique", b"\x20\x00" + b"\x55" * 32 + b"\x20\x00" + b"\xaa" * 32)  # lengths are little-endian there
        tpm.tools("createprimary", "-C", "o", "-G", "ecc256:aes128cfb", "-g", "sha256", "-a", STORAGE, "-u", "unique", "-c",
                  "srk.ctx")
        tpm.tools("evictcontrol", "-C", "o", "-c", "srk.ctx", hex(swtpm.SRK))
        for session in ("password", "salted"):
            tpm.proxy.forget()
            with tpmkey.Drive(**{**where, "session": session}) as d:
                a = d("open")
                tap.ok(a and d.sign(), f"{session}: the right primary is made anew, and the key signs", a)
                tap.ok([e[1] & 0xff for e in tpm.proxy.log() if e[0] == "Load"][:1] == [0xdf],
                       f"{session}: the storage root key was tried first", tpm.proxy.log())
                a = d("idle") and d.sign()
                tap.ok(a, f"{session}: after a pause, too", a)
            tap.equal(sum(e[0] == "Load" and e[1] != 0 for e in tpm.proxy.log()), 1, f"{session}: it is not tried again")
        tap.equal(tpm.assert_empty(), {}, "nothing is left in the TPM")


def refused(a, reason, name):
    tap.ok(not a and a.cls == "permanent" and a.reason == reason, f"{name}: {reason}", a)


def parents_that_do_not_fit():
    """Each is refused for its own reason, none as a wrong auth value of the key: that would lock it."""
    with swtpm.Tpm() as tpm:
        where = {"backend": "tpm2", "tcti": tpm.tcti, "pin": secret(tpm.folder), "session": "password"}
        uri, owner = f"tpm2:file={tpm.path('ca.tss2')}", f"tpm2:file={tpm.path('owner.tss2')}"
        with tpmkey.Drive(uri=owner, **where) as d:
            must(d, "generate", "p256")
        tpm.tools("createprimary", "-C", "o", "-G", "rsa2048", "-c", "rsa.ctx")
        tpm.tools("evictcontrol", "-C", "o", "-c", "rsa.ctx", hex(swtpm.SRK))
        with tpmkey.Drive(uri=uri, **where) as d:
            refused(d("init"), "key-tpm-srk", "an RSA key at 0x81000001")
        tpm.tools("evictcontrol", "-C", "o", "-c", hex(swtpm.SRK))
        with tpmkey.Drive(uri=uri, **where) as d:
            must(d, "init")
            must(d, "generate", "p256")
        tpm.tools("evictcontrol", "-C", "o", "-c", hex(swtpm.SRK))
        tpm.tools("createprimary", "-C", "o", "-G", "ecc256:aes128cfb", "-a", STORAGE, "-p", "parent", "-c", "locked.ctx")
        tpm.tools("evictcontrol", "-C", "o", "-c", "locked.ctx", hex(swtpm.SRK))
        with tpmkey.Drive(uri=uri, **where) as d:
            refused(d("open"), "key-tpm-parent", "a storage root key with an auth value")
        tpm.tools("evictcontrol", "-C", "o", "-c", hex(swtpm.SRK))
        tpm.tools("changeauth", "-c", "owner", "owner-auth")
        with tpmkey.Drive(uri=owner, **where) as d:
            refused(d("open"), "key-tpm-owner", "an owner hierarchy with an auth value, and no storage root key")
        tap.equal(tpm.assert_empty(), {}, "nothing is left in the TPM")


def names_of_places():
    """What is no TCTI of ours is refused before anything is connected or loaded."""
    for tcti in ("swtpm:path=/tmp/x", "mssim:host=127.0.0.1", "unix:relative", "unix:", "device:", "device:tpm0", "cmd:true",
                 "libtss2-tcti-cmd.so", "tabrmd"):
        with tpmkey.Drive(backend="tpm2", tcti=tcti, uri="tpm2:handle=0x81200001") as d:
            refused(d("open"), "key-tcti", tcti)
    with tpmkey.Drive(backend="tpm2", tcti="device:/dev/pke-no-such-tpmrm", uri="tpm2:handle=0x81200001") as d:
        a = d("open")
        tap.ok(not a and a.cls == "token", "a device that is not there may come", a)


def swap_handle(tpm, handle):
    """Another key of the same kind, with the same auth value, at the persistent handle."""
    tpm.tools("create", "-C", hex(swtpm.SRK), "-G", "ecc256:ecdsa", "-a", SIGNING, "-p", AUTH, "-u", "swap.pub", "-r",
              "swap.priv", "-c", "swap.ctx")
    tpm.tools("evictcontrol", "-C", "o", "-c", handle)
    tpm.tools("evictcontrol", "-C", "o", "-c", "swap.ctx", handle)


def swapped_key():
    """A handle or a key file that names another key: nothing that it signs leaves, neither at once nor after recovery."""
    for session in ("password", "salted"):
        for handle in (True, False):
            with swtpm.Tpm() as tpm:
                path, name = tpm.path("ca.tss2"), f"{session}, {'handle' if handle else 'key file'}"
                uri = "tpm2:handle=0x81200001" if handle else f"tpm2:file={path}"
                where = {"backend": "tpm2", "tcti": tpm.tcti, "pin": secret(tpm.folder), "session": session}
                with tpmkey.Drive(uri=f"tpm2:file={tpm.path('other.tss2')}", **where) as d:
                    must(d, "init")
                    must(d, "generate", "p256")
                with tpmkey.Drive(uri=uri, **where) as d:
                    must(d, "generate", "p256")
                    tap.ok(d("open") and d.sign(), f"{name}: a signature before")
                    if handle:
                        swap_handle(tpm, "0x81200001")
                        a = d.sign()  # still loaded: the TPM or our own verification notices
                        tap.ok(not a and a.cls in ("integrity", "auth"), f"{name}: nothing leaves that the other key signed", a)
                    else:
                        os.replace(tpm.path("other.tss2"), path)
                        tap.ok(d.sign(), f"{name}: the loaded key goes on")
                with tpmkey.Drive(uri=uri, **where) as d:
                    swapped_while_idle(tpm, d, handle, name)
                tap.equal(tpm.assert_empty(), {}, f"{name}: nothing is left in the TPM")


def swapped_while_idle(tpm, d, handle, name):
    tap.ok(d("open") and d.sign() and d("idle"), f"{name}: idle")
    if handle:
        swap_handle(tpm, "0x81200001")
    else:
        os.replace(tpm.path("ca.tss2"), tpm.path("kept.tss2"))
        with tpmkey.Drive(backend="tpm2", tcti=tpm.tcti, pin=secret(tpm.folder), session="password",
                          uri=f"tpm2:file={tpm.path('ca.tss2')}") as other:
            must(other, "generate", "p256")
    tpm.reset()  # the key file is read again at a recovery, not after each pause
    a = d.sign()
    if a.cls in ("session", "token"):
        a = d("recover")
    tap.ok(not a and a.cls == "permanent" and a.reason == "key-mismatch", f"{name}: swapped while idle: refused as another key", a)
    tpm.proxy.forget()
    tap.ok(not d("recover") and not d.sign() and tpm.proxy.count("Sign") == 0, f"{name}: and it is not asked to sign")


def main():
    if abrmd.missing():
        print(f"1..0 # SKIP {abrmd.missing()} is not installed")
        return
    tap.run(behind_a_resource_manager, primary_in_place_of_srk, parents_that_do_not_fit, names_of_places, swapped_key)


if __name__ == "__main__":
    main()
