# SPDX-License-Identifier: Apache-2.0
"""doc/rollover.md, literally: its blocks run in their order in the folder of a lab's configuration."""
import os
import re
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from rollover import RolloverLab, enroll  # noqa: E402

DOC = os.path.join(SRC, "doc", "rollover.md")


def blocks():
    with open(DOC, encoding="utf-8") as f:
        return re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S)


def literally():
    with RolloverLab() as lab:
        old = enroll(lab)
        path = [os.path.dirname(p) for p in (lab_module.KEYTOOL, lab_module.CTL)] + [os.environ["PATH"]]
        env = dict(lab.env, MODULE=lab.module(), PKIENROLL_CONTROL=lab.socket, PATH=os.pathsep.join(path))
        script = "set -euo pipefail\n" + "".join(f"{b}echo '#done {i}'\n" for i, b in enumerate(blocks()))
        r = subprocess.run(["bash", "-c", script], cwd=lab.etc, env=env, capture_output=True, text=True, timeout=300, check=False)
        for i, block in enumerate(blocks()):
            tap.ok(f"#done {i}\n" in r.stdout, f"block {i}: {block.splitlines()[0]}",
                   block + r.stdout[-1500:] + r.stderr[-1500:] + lab.log_tail(5))
        lab.issuers["next"] = os.path.join(lab.etc, "next.pem")
        with open(lab.ca_file, "a", encoding="ascii") as out, open(lab.issuers["next"], encoding="ascii") as f:
            out.write(f.read())
        tap.equal((lab.signer_of(old.der), lab.signer_of(enroll(lab).der)), ("lab", "next"), "who enrolls now is signed by next")
        old.renew()
        tap.equal(lab.signer_of(old.der), "next", "and who renews")
        tap.ok(os.path.exists(os.path.join(lab.publish, "next.cross.pem")), "the cross-certificate is published")


def main():
    why = lab_module.missing()
    if why:
        tap.skip("rollover", f"{why} is not installed")
        tap.run()
    tap.run(literally)


main()
