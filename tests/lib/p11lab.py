# SPDX-License-Identifier: Apache-2.0
"""The PKCS#11 double of tests/lib/p11double.c between a lab's daemon and SoftHSM.

    double = p11lab.Double(lab)             # before lab.start()
    double.set("C_Sign hang times=1")       # takes effect at the next call
    double.count("C_Login")                 # calls of all processes so far
"""
import os
import re

from lab import BUILD

MODULE = os.path.join(BUILD, "tests", "lib", "p11double.so")


def missing():
    """"" when the double is built."""
    return "" if os.access(MODULE, os.R_OK) else MODULE


class Double:
    def __init__(self, lab, key="lab-ca"):
        with open(lab.config, encoding="utf-8") as f:
            self.real = re.search(r"^ +module: (.*)$", f.read(), re.M).group(1).strip("'\"")
        self.control = os.path.join(lab.dir, "p11double.conf")
        self.log = os.path.join(lab.dir, "p11double.log")
        lab.env["P11DOUBLE"] = self.control
        lab.set_option(("keys", key, "module"), MODULE)
        self._markers = 0
        self.set()

    def set(self, *statements):
        """What the module does from its next call on; nothing: as the real one."""
        with open(self.control + ".new", "w", encoding="ascii") as f:
            f.write("\n".join((f"module {self.real}", f"log {self.log}", *statements)) + "\n")
        os.rename(self.control + ".new", self.control)

    def calls(self):
        try:
            with open(self.log, encoding="ascii") as f:
                return [line.split()[0] for line in f if line.strip()]
        except FileNotFoundError:
            return []

    def count(self, function):
        return self.calls().count(function)

    def lines(self):
        """[function, code, process] of every call."""
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="ascii") as f:
            return [line.split() for line in f]

    def forget(self):
        """Count from here."""
        if os.path.exists(self.log):
            os.unlink(self.log)

    def marker(self):
        """A marker= for a statement that is to hold once, in whichever process comes first."""
        self._markers += 1
        return f"marker={self.control}.{self._markers}"
