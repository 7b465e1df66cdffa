# SPDX-License-Identifier: Apache-2.0
"""A lab with an MDM client of tests/lib/mdm.py bound to it."""
from urllib.parse import urlsplit

import lab as lab_module
import mdm

USER = lab_module.USER


class MdmLab(lab_module.Lab):
    """with MdmLab() as lab: lab.client() talks to the running daemon."""

    def password(self):
        with open(self.password_file, encoding="utf-8") as f:
            return f.read().strip()

    def client(self, user=USER, password=None, timeout=60):
        policy, enroll = urlsplit(self.policy_url), urlsplit(self.enroll_url)
        return mdm.Client(policy.hostname, policy.port, self.ca_file, user, password or self.password(),
                          policy.path, enroll.path, timeout)

    def request_show(self, trace_id):
        """`pkienrollctl request show`, as a dict; None when it is not found."""
        r = self.ctl("--json", "request", "show", trace_id or "none")
        return r.json() if r.status == 0 else None

    def signatures(self):
        """How many signatures the CA key made so far."""
        return sum(k["signatures"] for k in self.ctl("--json", "key", "list", check=True).json()["items"])
