# SPDX-License-Identifier: Apache-2.0
"""The PKCS#11 double (tests/lib/p11double.c) between the daemon of a lab and its SoftHSM.

    double = P11Double(lab)                       before lab.start()
    double.steer("C_Sign rv=0x30 times=1")        from now on; without arguments: everything goes through
    double.calls("C_Login")                       how often since forget()
"""
import os
import re

import lab as lab_module
from mdmlab import read_text, write_text

MODULE = os.path.join(lab_module.BUILD, "tests", "lib", "p11double.so")


class P11Double:
    def __init__(self, lab):
        self.real = re.search(r"^ +module: (.*)", read_text(lab.config), re.M).group(1).strip("'\"")
        self.control, self.log = os.path.join(lab.dir, "p11double.conf"), os.path.join(lab.dir, "p11calls")
        self._markers = 0
        self._dir = lab.dir
        lab.env["P11DOUBLE"] = self.control
        lab.set_option(("keys", "lab-ca", "module"), MODULE)
        self.steer()

    def steer(self, *statements):
        write_text(self.control + ".new", "\n".join([f"module {self.real}", f"log {self.log}", *statements, ""]))
        os.replace(self.control + ".new", self.control)

    def marker(self):
        """A marker= for a rule that is to hold once, in whichever process comes first."""
        self._markers += 1
        return f"marker={self._dir}/p11marker{self._markers}"

    def lines(self):
        """[function, code, process] of each call since forget()."""
        return [line.split() for line in read_text(self.log).splitlines()] if os.path.exists(self.log) else []

    def calls(self, function):
        return sum(line[0] == function for line in self.lines())

    def forget(self):
        if os.path.exists(self.log):
            os.unlink(self.log)
