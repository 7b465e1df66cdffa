# SPDX-License-Identifier: Apache-2.0
"""./quickstart: the command line, that --stop ends the lab's daemon and nothing else, and the whole way with the programs
of the build tree in place of a build of its own (which is made on a bare system); what DIR/env tells is then used."""
import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from urllib.parse import urlsplit

TOP = os.path.abspath(os.environ["top_srcdir"])
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
# pylint: disable=wrong-import-position
import jws  # noqa: E402
import lab as labs  # noqa: E402
import mdm  # noqa: E402
import mdmlab  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

LAB_JWT = os.path.join(TOP, "scripts", "lab-jwt")
PROGRAMS = {"sbin": [labs.find_daemon()], "bin": [labs.CTL, labs.PROBE, labs.KEYTOOL]}
STATE, KEY, ENV = None, [], {}


def run(*command, data=None, cwd=None, timeout=60):
    # not one of the make above: its job server is not ours
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, input=data or "",
                          env={**environment, "PKE_SKIP_DEPS": "1"}, check=False)
    return done.returncode, done.stdout + done.stderr


def quickstart(*args, cwd=None, timeout=60):
    return run(os.path.join(TOP, "quickstart"), *args, cwd=cwd, timeout=timeout)


def test_help():
    status, text = quickstart("--help")
    tap.equal(status, 0, "--help")
    for option in ("--key softhsm|tpm", "--state DIR", "--port N", "--keep", "--stop"):
        tap.ok(option in text, f"--help names {option}", text)


def test_usage_errors():
    with tempfile.TemporaryDirectory() as folder:
        for args in (["--bogus"], ["extra"], ["--port"], ["--port", "x"], ["--port="], ["--port=-1"], ["--port=65536"],
                     ["--port=100000"], ["--state"], ["--state="], ["--key"], ["--key", "file"], ["--key="],
                      ["--state", "has space"], ["--state", "quo'te"]):
            status, text = quickstart(*args, cwd=folder)
            tap.ok(status == 2 and text.startswith("quickstart: "), f"refused: {args}", f"{status} {text}")


def test_nothing_to_stop():
    with tempfile.TemporaryDirectory() as folder:
        for state in (folder, os.path.join(folder, "absent")):
            for key in ("softhsm", "tpm"):
                tap.equal(quickstart("--key", key, "--state", state, "--stop"), (0, "quickstart: nothing is running\n"),
                          "nothing to stop")
        tap.equal(os.listdir(folder), [], "--stop makes nothing")


def test_stop_ends_only_its_own():
    """The number of the daemon that ran is another process's by now."""
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "60"]) as other:
        try:
            env, tpm = os.path.join(folder, "env"), os.path.join(folder, "tpm")
            os.mkdir(tpm)
            with open(os.path.join(tpm, "pid"), "w", encoding="ascii") as f:
                f.write(f"{other.pid}\n")
            for content in (f"PKE_PID='{other.pid}'\n", "PKE_PID='1'\n", "PKE_PID=''\n", "PKE_PID='-1'\n", ""):
                with open(env, "w", encoding="utf-8") as f:
                    f.write(content)
                tap.equal(quickstart("--state", folder, "--stop"), (0, "quickstart: nothing is running\n"),
                          f"not the daemon: {content.strip()}")
                tap.ok(not os.path.exists(env), "the stale file is gone")
            tap.equal(other.poll(), None, "the other process lives")
        finally:
            other.kill()


# ---- the whole way


def prepare(state):
    """A build folder whose `make install` copies what was built already."""
    os.makedirs(os.path.join(state, "build"))
    lines = ["all:", "install:"]
    for folder, programs in PROGRAMS.items():
        into = os.path.join(state, "prefix", folder)
        lines += [f"\tmkdir -p {into}"] + [f"\tcp {p} {into}/" for p in programs]
    with open(os.path.join(state, "build", "Makefile"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def read_env():
    """DIR/env as a shell reads it."""
    path = os.path.join(STATE, "env")
    with open(path, encoding="utf-8") as f:
        names = re.findall(r"^(\w+)=", f.read(), re.M)
    status, text = run("bash", "-c", f". {path}; for n in {' '.join(names)}; do printf '%s=%s\\n' $n \"${{!n}}\"; done")
    tap.equal(status, 0, "a shell reads DIR/env")
    return dict(line.split("=", 1) for line in text.splitlines())


def keep():
    status, text = quickstart("--state", STATE, *KEY, "--keep", timeout=400)
    if not tap.equal(status, 0, "./quickstart --keep"):
        tap.diag(text)
    ENV.clear()
    ENV.update(read_env())
    return text


def artefact(kind, name):
    with open(os.path.join(STATE, f"enrolled-{kind}", name), "rb") as f:
        return f.read()


def certificate(kind):
    return x509.load_pem_x509_certificate(artefact(kind, "certificate.pem"))


def program(name, *args, **kw):
    return run(os.path.join(ENV["PKE_PREFIX"], "bin", name), *args, **kw)


def ctl(*args):
    status, text = program("pkienrollctl", "--socket", ENV["PKE_CONTROL"], "--json", *args)
    return json.loads(text) if status == 0 else text


def enroll_by_probe(*credential, data=None):
    with tempfile.TemporaryDirectory() as folder:
        return program("pkienroll-probe", "--policy-url", ENV["PKE_MDM_POLICY_URL"], "--enroll-url",
                       ENV["PKE_MDM_ENROLL_URL"], "--ca-file", ENV["PKE_CA_FILE"], "--out", folder, *credential, data=data)


def client(der=None, key=None):
    """A client; with a client certificate on its connection, if there is one."""
    policy, enroll = urlsplit(ENV["PKE_MDM_POLICY_URL"]), urlsplit(ENV["PKE_MDM_ENROLL_URL"])
    c = mdm.Client(policy.hostname, policy.port, ENV["PKE_CA_FILE"], ENV["PKE_USER"], ENV["PKE_PASSWORD"], policy.path,
                   enroll.path, 60)
    if der:
        with tempfile.NamedTemporaryFile() as f:
            f.write(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
            f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))
            f.flush()
            c.tls.load_cert_chain(f.name)
    return c


def whole_way():
    text = keep()
    steps = re.findall(r"^\[(\d+)/(\d+)\]", text, re.M)
    tap.equal(steps, [(str(i + 1), str(len(steps))) for i in range(len(steps))], "each step is told, in order")
    for story in ("Full (user) enrollment", "Device enrollment", "JWT enrollment", "Renewal of the"):
        tap.equal(text.count("\n" + story), 1, f"the story has: {story}")
    old, new = (format(certificate(k).serial_number, "x") for k in ("full", "renewed"))
    at = text.index("\nRenewal of the")
    told = {m[0]: m[1].lower() for m in re.findall(r"^  ((?:old|new) serial) +([0-9a-fA-F]+)$", text[at:], re.M)}
    tap.equal({k: int(v, 16) for k, v in told.items()}, {"old serial": int(old, 16), "new serial": int(new, 16)},
              "the renewal is told with both serials")
    tap.ok(re.search(r"^  seen in use +old one superseded, new one active", text[at:], re.M), "and what became of both", text)
    tap.equal((ctl("cert", "show", old)["state"], ctl("cert", "show", new)["state"]), ("superseded", "active"),
              "the ledger says the same")
    tap.equal(certificate("full").subject, certificate("renewed").subject, "the renewal has the subject of the first one")
    tap.equal(ctl("request", "show", ctl("cert", "show", format(certificate("jwt").serial_number, "x"))["request_id"])
              ["credential"], "jwt", "a token was the credential of the third enrollment")


def what_env_tells():
    tap.ok(set(ENV) >= {"PKE_JWT_KEY", "PKE_JWT_KID", "PKE_JWT_AUD", "PKE_JWT_ISS", "PKE_TOKEN"} and all(ENV.values()),
           "DIR/env names the signing key and a token", sorted(ENV))
    for path in (os.path.join(STATE, "env"), ENV["PKE_JWT_KEY"]):
        tap.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"{os.path.basename(path)} is its owner's alone")


def tokens_of_a_frontend():
    """PKE_JWT_*: any JWT library can mint with them."""
    with open(ENV["PKE_JWT_KEY"], "rb") as f:
        pem = f.read()
    claims = {"iss": ENV["PKE_JWT_ISS"], "aud": ENV["PKE_JWT_AUD"], "sub": ENV["PKE_USER"], **jws.times(3600)}

    def enroll(signer, **patch):
        device = mdm.device_id()
        return client().enroll(mdm.new_csr(device), device,
                               security=mdm.device_token(signer.sign(jws.patched(claims, patch))))

    signer = jws.Signer(ENV["PKE_JWT_KID"], pem)
    a = enroll(signer)
    tap.equal(a.status, 200, "a token minted with PKE_JWT_KEY enrolls") or tap.diag(a.describe())
    for name, a in (("audience", enroll(signer, aud="x")), ("issuer", enroll(signer, iss="x")),
                    ("kid", enroll(jws.Signer("x", pem))), ("key", enroll(jws.Signer(ENV["PKE_JWT_KID"])))):
        tap.ok(a.certificate() is None and a.subcode == "s:Authentication", f"another {name} does not", a.describe())


def lab_jwt():
    options = ["--key", ENV["PKE_JWT_KEY"], "--kid", ENV["PKE_JWT_KID"], "--iss", ENV["PKE_JWT_ISS"], "--aud",
               ENV["PKE_JWT_AUD"]]
    status, token = run(LAB_JWT, *options, ENV["PKE_USER"])
    tap.equal((status, token.count("."), token.count("\n")), (0, 2, 1), "lab-jwt prints a token")
    status, text = enroll_by_probe("--jwt", "-", data=token)
    tap.equal(status, 0, "which enrolls") or tap.diag(text)
    for args, why in (([*options, "--lifetime", "172800", ENV["PKE_USER"]], "one that lives too long"),
                      ([*options, "--claim", "sub=eve@evil.example", ENV["PKE_USER"]], "one of a user that may not")):
        status, token = run(LAB_JWT, *args)
        tap.equal((status, enroll_by_probe("--jwt", "-", data=token)[0]), (0, 1), f"{why} does not")
    status, token = run(LAB_JWT, *options, 'a"\\b')
    body = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    tap.equal((body["sub"], body["upn"]), ('a"\\b', 'a"\\b'), "any text is a JSON string")
    for args in ([], options, options[2:] + ["u"], [*options, "u", "v"], [*options, "--lifetime", "x", "u"],
                 [*options, "--bogus", "u"], [*options, "--claim", "x", "u"], [*options, "a\nb"],
                 ["--key", ENV["PKE_CA_FILE"], *options[2:], "u"]):
        status, text = run(LAB_JWT, *args)
        tap.ok(status == 2 and text.startswith("lab-jwt: "), "usage error", (args, status, text))
    status, text = run(LAB_JWT, "--help")
    tap.ok(status == 0 and "--key FILE" in text and "Mint" in text, "--help", text)


def one_time_token():
    def states():
        return sorted((t["state"], t["used"]) for t in ctl("token", "list")["items"])

    tap.equal(states(), [("usable", 0)], "PKE_TOKEN is unused")
    status, text = enroll_by_probe("--token", ENV["PKE_TOKEN"])
    tap.equal(status, 0, "and enrolls") or tap.diag(text)
    tap.equal(states(), [("used", 1)], "once")


def renewals():
    """No client certificate is needed, the right one is welcome, a wrong one is not passed over."""
    for kind in ("Full", "Device"):
        d = mdm.Device(client(), kind)
        a = d.renew()
        tap.equal(a.status, 200, f"{kind}: renewed at once, without a client certificate") or tap.diag(a.describe())
        other = mdm.Device(client(d.der, d.key), kind)
        tap.ok(other.der, f"{kind}: a client certificate on the connection is no obstacle to an enrollment")
        d.client = client(other.der, other.key)
        a = d.renew(keep=True)
        tap.ok(a.certificate() is None and a.error_type == "NotEligibleToRenew",
               f"{kind}: not with the client certificate of another device", a.describe())
        d.client = client(d.der, d.key)
        a = d.renew()
        tap.equal(a.status, 200, f"{kind}: renewed over its own client certificate") or tap.diag(a.describe())
    for folder, want in (("renewed", 0), ("full", 1)):
        with tempfile.TemporaryDirectory() as out:
            status, text = program("pkienroll-probe", "renew", "--in", os.path.join(STATE, f"enrolled-{folder}"), "--out", out)
            tap.equal(status, want, f"enrolled-{folder}: status of a further renewal") or tap.diag(text)
            if want:
                tap.ok("NotEligibleToRenew" in text, "it is superseded", text)


def second_run():
    """What is there is taken again; the token is a new one."""
    before, ca = dict(ENV), artefact("full", "chain.pem")
    keep()
    with open(ENV["PKE_JWT_KEY"], encoding="ascii") as f:
        key = f.read()
    tap.ok("PRIVATE KEY" in key and ENV["PKE_JWT_KID"] == before["PKE_JWT_KID"], "the same signing key")
    tap.equal((artefact("full", "chain.pem"), ENV["PKE_PASSWORD"]), (ca, before["PKE_PASSWORD"]), "the same CA and password")
    tap.ok(ENV["PKE_TOKEN"] != before["PKE_TOKEN"], "another token")
    tap.equal([t["state"] for t in ctl("token", "list")["items"]], ["usable", "used"], "which is unused again")


def stop():
    pid = int(ENV["PKE_PID"])
    tap.equal(quickstart("--state", STATE, "--stop"), (0, "quickstart: stopped\n"), "--stop")
    tap.equal((mdmlab.wait_gone([pid]), os.path.exists(os.path.join(STATE, "env"))), ([], False), "the daemon is gone")


# ---- the same with a TPM

def tpm_pid():
    with open(os.path.join(STATE, "tpm", "pid"), encoding="ascii") as f:
        return int(f.read())


def other_key_in_one_folder():
    status, text = quickstart("--state", STATE, "--key", "tpm" if not KEY else "softhsm")
    tap.ok(status == 2 and "of the other kind" in text and mdmlab.alive(int(ENV["PKE_PID"])),
           "another kind of key needs another folder", text)


def tpm_way():
    global STATE, KEY  # pylint: disable=global-statement
    if labs.no_tpm():
        tap.skip("./quickstart --key tpm", labs.no_tpm())
        return
    STATE, KEY = STATE + "-tpm", ["--key", "tpm"]
    prepare(STATE)
    whole_way()
    first, ca = tpm_pid(), artefact("full", "chain.pem")
    tap.ok(mdmlab.alive(first), "swtpm runs as long as the daemon")
    with open(ENV["PKE_CONFIG"], encoding="utf-8") as f:
        tap.ok("backend: tpm2" in f.read() and not os.listdir(os.path.join(STATE, "tokens")), "there is no other token")
    tap.equal(certificate("full").signature_algorithm_oid._name, "ecdsa-with-SHA256", "the CA key is P-256")
    os.kill(first, 9)
    mdmlab.wait_gone([first])
    keep()
    tap.equal(artefact("full", "chain.pem"), ca, "after the TPM was killed, too, a second run has the same CA")
    other_key_in_one_folder()


def stop_tpm():
    if KEY:
        pids = [tpm_pid(), int(ENV["PKE_PID"])]
        tap.equal(quickstart("--key", "tpm", "--state", STATE, "--stop"), (0, "quickstart: stopped\n"), "--stop")
        tap.equal((mdmlab.wait_gone(pids), os.path.exists(os.path.join(STATE, "tpm", "pid"))), ([], False),
                  "the daemon is gone and swtpm with it")


def main():
    global STATE  # pylint: disable=global-statement
    fast = (test_help, test_usage_errors, test_nothing_to_stop, test_stop_ends_only_its_own)
    if labs.missing():
        tap.skip("the whole way", f"{labs.missing()} is not installed")
        tap.run(*fast)
    folder = tempfile.mkdtemp(prefix="pkequick-")
    STATE = os.path.join(folder, "lab")
    prepare(STATE)
    try:
        tap.run(*fast, whole_way, what_env_tells, tokens_of_a_frontend, lab_jwt, one_time_token, renewals, second_run,
                other_key_in_one_folder, stop, tpm_way, stop_tpm)
    finally:
        quickstart("--state", STATE, "--stop")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
