# SPDX-License-Identifier: Apache-2.0
"""examples/frontend and ./quickstart --frontend: discovery, sign-in page, token, certificate, the authoriser's word, events, and
the page of devices in a browser; then what the frontend refuses."""
import base64
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

TOP = os.path.abspath(os.environ["top_srcdir"])
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
# pylint: disable=wrong-import-position
import lab as labs  # noqa: E402
import tap  # noqa: E402

PROGRAMS = {"sbin": [labs.find_daemon()], "bin": [labs.CTL, labs.PROBE, labs.KEYTOOL]}
STATE, ENV, URL = None, {}, None
SOAP = {"Content-Type": "application/soap+xml; charset=utf-8"}


def run(*command, data=None, timeout=120):
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=data or "", env={**environment, "PKE_SKIP_DEPS": "1"}, check=False)
    return done.returncode, done.stdout + done.stderr


def prepare(state):
    """A build folder whose `make install` copies what was built already."""
    os.makedirs(os.path.join(state, "build"))
    lines = ["all:", "install:"]
    for folder, programs in PROGRAMS.items():
        into = os.path.join(state, "prefix", folder)
        lines += [f"\tmkdir -p {into}"] + [f"\tcp {p} {into}/" for p in programs]
    with open(os.path.join(state, "build", "Makefile"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def quickstart(*args):
    return run(os.path.join(TOP, "quickstart"), "--frontend", "--state", STATE, *args, timeout=400)


def path(*parts):
    return os.path.join(STATE, *parts)


def read(*parts):
    with open(path(*parts), encoding="utf-8") as f:
        return f.read()


def ctl(*args):
    return run(path("prefix", "bin", "pkienrollctl"), "--socket", ENV["PKE_CONTROL"], "--json", *args)


def fetch(url, data=None, headers=None, password=None):
    """(status, text) of a page of the frontend."""
    headers = dict(headers or {})
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{ENV['PKE_USER']}:{password}".encode()).decode()
    context = ssl.create_default_context(cafile=ENV["PKE_CA_FILE"])
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + url, data, headers), context=context, timeout=30) as a:
            return a.status, a.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def whole_way():
    global URL
    status, text = quickstart("--keep")
    tap.equal(status, 0, "./quickstart --frontend --keep") or tap.diag(text)
    tap.ok("Discovery to certificate, through the frontend" in text, "the story is told", text[-1500:])
    ENV.update(dict(re.findall(r"^(\w+)='(.*)'$", read("env"), re.M)))
    URL = re.search(r"^frontend: ready at (\S+)", read("log", "frontend.log"), re.M)[1]
    serial = json.loads(read("enrolled-frontend", "verdict.json"))
    serial = re.search(r'"certificate-serial": *"([0-9a-fA-F]+)"', json.dumps(serial))[1].lower()
    page = read("devices.html")
    tap.ok(serial in page.lower(), "the page of devices has the certificate", page[:2000])
    status, shown = ctl("cert", "show", serial)
    request = json.loads(ctl("request", "show", json.loads(shown)["request_id"])[1])
    tap.equal((request["credential"], request["principal"]), ("jwt", ENV["PKE_USER"]), "the token of the sign-in page was the credential")
    tap.ok('"POST /authorise 200' in read("log", "frontend.log").replace("POST /authorise 200", '"POST /authorise 200'), "the frontend was asked")
    tap.ok("POST /events 204" in read("log", "frontend.log"), "and told")
    tap.ok(os.path.getsize(path("devices.png")) > 1000, "a picture of the page")
    for secret in ("question-secret", "answer-secret", "event-secret", "password"):
        word = read("etc", secret).strip()
        tap.ok(word not in read("log", "frontend.log") + read("log", "pkienrolld.log"), f"{secret} is in no log")
    return serial


def in_a_browser():
    """The page as an administrator's browser makes it: fetched over TLS, with the table in its document."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        tap.skip("the page of devices in a browser", "there is no Chromium")
        return
    with tempfile.TemporaryDirectory() as profile:
        where = URL.replace("https://", f"https://{ENV['PKE_USER'].replace('@', '%40')}:{ENV['PKE_PASSWORD']}@")
        status, dom = run(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}",
                          "--ignore-certificate-errors", "--virtual-time-budget=5000", "--dump-dom", f"{where}/devices")
    tap.equal(status, 0, "Chromium shows the page of devices") or tap.diag(dom)
    rows = re.findall(r"<tr>(.*?)</tr>", dom, re.S)
    tap.ok(len(rows) == 2 and ENV["PKE_USER"] in rows[1] and 'class="valid"' in rows[1], "one device, with its user and a valid certificate", dom[:3000])


def a_revocation_is_shown():
    serial = re.search(r"<code>([0-9a-f]{20,})</code>", read("devices.html"))[1]
    tap.equal(ctl("cert", "revoke", serial, "--reason", "keyCompromise")[0], 0, "the certificate is revoked")
    end = time.monotonic() + 30
    page = ""
    while 'class="revoked"' not in page and time.monotonic() < end:
        page = fetch("/devices", password=ENV["PKE_PASSWORD"])[1]
        time.sleep(0.05)
    tap.ok('class="revoked"' in page, "the page of devices says so", page[-1500:])


def refusals():
    tap.equal(fetch("/devices")[0], 401, "the page of devices is for administrators")
    tap.equal(fetch("/devices", password="wrong")[0], 401, "with their password")
    status, text = fetch("/signin?" + urlencode({"appru": "https://evil.example/"}))
    tap.equal(status, 400, "the sign-in page gives no token to another address than Windows'") or tap.diag(text)
    form = {"appru": "ms-app://x", "user": ENV["PKE_USER"], "password": "wrong"}
    status, text = fetch("/signin", urlencode(form).encode())
    tap.ok(status == 200 and "wresult" not in text and "wrong" in text, "a wrong password gives none", text)
    for body in (b"", b"<a", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", b"<a/>"):
        status, text = fetch("/EnrollmentServer/Discovery.svc", body, SOAP)
        tap.ok(status == 500 and "s:MessageFormat" in text, f"discovery of {body[:20]!r}: a fault", text[:300])
    tap.equal(fetch("/authorise", b"{}")[0], 404, "what only the daemon may ask is not on the network")
    hooks = os.path.join(os.path.dirname(ENV["PKE_CONTROL"]), "hooks.sock")
    for name in ("authorise", "events"):
        status, text = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", hooks, "-d", "{}", f"http://frontend/{name}")
        tap.equal((status, text), (0, "401"), f"{name}: nothing without the daemon's signature")


def a_user_who_may_not():
    """The authoriser's text is what the user reads."""
    users = path("etc", "frontend-users.json")
    status, _ = run(sys.executable, os.path.join(TOP, "examples", "frontend", "users.py"), users, ENV["PKE_USER"], "--admin", "--deny", "No licence left.",
                    data=ENV["PKE_PASSWORD"] + "\n")
    tap.equal(status, 0, "the user is denied")
    status, text = run(sys.executable, os.path.join(TOP, "examples", "frontend", "device.py"), "--discovery", URL + "/EnrollmentServer/Discovery.svc",
                       "--ca-file", ENV["PKE_CA_FILE"], "--user", ENV["PKE_USER"], "--password-file", path("etc", "password"))
    tap.equal(status, 0, "he signs in") or tap.diag(text)
    with tempfile.TemporaryDirectory() as out:
        status, text = run(path("prefix", "bin", "pkienroll-probe"), "--policy-url", ENV["PKE_MDM_POLICY_URL"], "--enroll-url", ENV["PKE_MDM_ENROLL_URL"],
                           "--ca-file", ENV["PKE_CA_FILE"], "--out", out, "--jwt", "-", data=json.loads(text)["token"] + "\n")
    tap.ok(status != 0 and "No licence left." in text, "and is told why he gets no certificate", text[-1500:])


def stop():
    pid = int(read("run", "frontend.pid"))
    tap.equal(quickstart("--stop"), (0, "quickstart: stopped\n"), "--stop")
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
    tap.ok(not os.path.exists(f"/proc/{pid}") or "frontend.py" not in open(f"/proc/{pid}/cmdline", encoding="utf-8").read(), "ends the frontend, too")
    tap.ok(not os.path.exists(path("run", "frontend.pid")), "and nothing is left of it")


def main():
    global STATE
    why = labs.missing()
    if why:
        tap.skip("frontend", f"{why} is not installed")
        tap.run()
        return
    folder = tempfile.mkdtemp(prefix="pkef-")
    STATE = os.path.join(folder, "lab")
    prepare(STATE)
    try:
        tap.run(whole_way, in_a_browser, a_revocation_is_shown, refusals, a_user_who_may_not, stop)
    finally:
        quickstart("--stop")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
