# SPDX-License-Identifier: Apache-2.0
"""The programs as they are installed: position independent, RELRO with immediate binding, no executable stack, stack
protector, checked functions of libc. Part of `make check` when no sanitizer takes the place of these."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import tap  # noqa: E402 pylint: disable=wrong-import-position

PROGRAMS = ["pkienrolld", "ctl/pkienrollctl", "probe/pkienroll-probe", "keytool/pkienroll-keytool"]
PROPERTIES = {
    "position independent": r"FLAGS_1.*\bPIE\b",
    "RELRO": r"^ *GNU_RELRO ",
    "immediate binding": r"FLAGS_1.*\bNOW\b",
    "no executable stack": r"^ *GNU_STACK .* RW +0x",
    "stack protector": r" __stack_chk_fail\b",
    "checked functions of libc": r" __[a-z]+_chk\b",
}


def check(program):
    path = os.path.join(os.environ["top_builddir"], program)
    text = subprocess.run(["readelf", "-W", "-l", "-d", "--dyn-syms", path], capture_output=True, text=True,
                          check=True).stdout
    for name, pattern in PROPERTIES.items():
        tap.ok(re.search(pattern, text, re.MULTILINE), f"{program}: {name}")


if __name__ == "__main__":
    tap.run(*[lambda p=p: check(p) for p in PROGRAMS])
