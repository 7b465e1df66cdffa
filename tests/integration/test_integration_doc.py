# SPDX-License-Identifier: Apache-2.0
"""doc/integration.md, literally: its blocks run in their order in the folder of a lab's configuration, each line of it checked."""
import json
import os
import re
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

DOC = os.path.join(SRC, "doc", "integration.md")
SCHEMA = os.path.join(SRC, "doc", "control-api.md")


def text():
    with open(DOC, encoding="utf-8") as f:
        return f.read()


def blocks():
    return re.findall(r"^ *```sh\n(.*?)^ *```$", text(), re.M | re.S)


def literally():
    with MdmLab() as lab:
        path = [os.path.dirname(p) for p in (lab_module.KEYTOOL, lab_module.CTL, lab_module.PROBE, lab_module.find_daemon())] + [os.environ["PATH"]]
        env = dict(lab.env, SOCKET=lab.socket, PKIENROLL_CONTROL=lab.socket, PATH=os.pathsep.join(path))
        if not os.path.exists(os.path.join(lab.etc, "ca-bundle.pem")):
            os.symlink(lab.ca_file, os.path.join(lab.etc, "ca-bundle.pem"))
        script = "set -euo pipefail\n" + "".join(f"{b}\necho; echo '#done {i}'\n" for i, b in enumerate(blocks()))
        r = subprocess.run(["bash", "-c", script], cwd=lab.etc, env=env, capture_output=True, text=True, timeout=300, check=False)
        for i, block in enumerate(blocks()):
            tap.ok(f"#done {i}\n" in r.stdout, f"block {i}: {block.splitlines()[0]}", block + r.stdout[-1500:] + r.stderr[-1500:] + lab.log_tail(5))
        answers = {}
        for name in ("signed", "again", "renewed", "refused"):
            with open(os.path.join(lab.etc, f"{name}.json"), encoding="utf-8") as f:
                answers[name] = json.load(f)
        tap.equal((answers["again"]["replayed"], answers["renewed"]["operation"]), (True, "renew"), "what the blocks are about happened")
        tap.equal(answers["refused"]["error"]["reason"], "principal-not-allowed", "and the refusal is the one that is meant")


def every_call_exists():
    """What the tables and sentences name is in the API."""
    with open(SCHEMA, encoding="utf-8") as f:
        known = {(m, re.sub(r"\{[^}]*\}", "{}", p)) for m, p in re.findall(r"^### `(\w+) (/v1/[^`]*)`", f.read(), re.M)}
    named = {(m, re.sub(r"\{[^}]*\}", "{}", p.split("?")[0])) for m, p in re.findall(r"`(GET|POST|DELETE) (/v1/[^`\s]*)", text())}
    tap.ok(named, "the page names calls")
    tap.equal(sorted(named - known), [], "each call that the page names is in doc/control-api.md")


def main():
    why = lab_module.missing()
    if why:
        tap.skip("integration", f"{why} is not installed")
        tap.run()
    tap.run(literally, every_call_exists)


main()
