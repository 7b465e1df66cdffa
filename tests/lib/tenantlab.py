# SPDX-License-Identifier: Apache-2.0
"""A lab of three tenants: red and blue by host name, with the same paths and everything twice, green by a path prefix.
red is the lab as it is; the objects of the others have the tenant's name before theirs."""
import os
import shutil
import subprocess

import jws
import lab as lab_module
import mdm
from mdmlab import MdmLab, read_text, write_text
from urllib.parse import urlsplit

TENANTS = ("red", "blue", "green")
HOSTS = {"red": "red.example", "blue": "blue.example", "green": None}
CREDENTIALS = "[username, one-time-token, jwt, client-certificate]"
FRONTENDS = {"red": 65534, "blue": 65533}  # users without a group of the lab
AUDIENCE = "https://{}.example"


def prefix(tenant):
    return "" if tenant == "red" else tenant + "-"


class Client(mdm.Client):
    """The Windows client at one tenant."""

    host_name = None

    def request(self, method, path, body=None, headers=None, fresh=False):
        headers = {**({"Host": self.host_name} if self.host_name else {}), **(headers or {})}
        return super().request(method, path, body, headers, fresh)


class TenantLab(MdmLab):
    """with TenantLab() as lab: lab.at("blue") is a client there; lab.signer signs the tokens of every tenant."""

    def __init__(self):
        super().__init__(start=False)
        self.signer = jws.Signer("sts-1")
        write_text(os.path.join(self.etc, "sts.json"), jws.jwks(self.signer))
        text = [line for line in read_text(self.config).splitlines() if line.strip() and not line.lstrip().startswith("#")]
        self._copy(text)
        write_text(self.config, "\n".join(text) + "\n")
        for tenant in TENANTS:
            self._bind(tenant)
        for name, uid in FRONTENDS.items():
            for option, value in {"users": f'["{uid}"]', "tenants": f"[{name}]", "templates": f"[{prefix(name)}device]"}.items():
                self.set_option(("frontends", name, option), value)

    @staticmethod
    def _section(lines, name):
        begin = lines.index(name + ":") + 1
        end = next((i for i in range(begin, len(lines)) if not lines[i].startswith(" ")), len(lines))
        return begin, end

    def _copy(self, lines):
        """Everything of red for the others, under names of theirs."""
        for section in ("templates", "provisioning", "token-issuers", "endpoints"):
            begin, end = self._section(lines, section)
            objects = lines[begin:end]
            for tenant in TENANTS[1:]:
                p = prefix(tenant)
                for line in objects:
                    if line.startswith("  ") and line[2:3].isalnum():
                        line = f"  {p}{line[2:]}"
                    for option in ("template", "provisioning", "enroll-endpoint"):
                        line = line.replace(f"    {option}: ", f"    {option}: {p}")
                    lines.insert(end, line)
                    end += 1

    def _bind(self, tenant):
        p = prefix(tenant)
        if HOSTS[tenant]:
            self.set_option(("tenants", tenant, "hosts"), f"[{HOSTS[tenant]}]")
        else:
            self.set_option(("tenants", tenant, "path-prefix"), "/" + tenant)
        self.set_option(("tenants", tenant, "user-file"), f"users-{tenant}")
        for section, name in (("templates", "device"), ("provisioning", "lab"), ("token-issuers", "frontend"),
                              ("endpoints", "mdm-policy"), ("endpoints", "mdm-enroll")):
            self.set_option((section, p + name, "tenant"), tenant)
        issuer = ("token-issuers", p + "frontend")
        for option, value in {"keys-file": "sts.json", "issuer": f"[{jws.CUSTOM_ISSUER}]",
                              "audience": f'["{AUDIENCE.format(tenant)}"]'}.items():
            self.set_option((*issuer, option), value)
        for endpoint in ("mdm-policy", "mdm-enroll"):
            for option, value in {"credentials": CREDENTIALS, "credential-ca": "ca.pem",
                                  "token-issuers": f"[{p}frontend]"}.items():
                self.set_option(("endpoints", p + endpoint, option), value)

    def at(self, tenant, user=lab_module.USER, password=None, pem=None):
        """A client of @p tenant; @p pem: file with the certificate and key that it shows."""
        where = "/green" if tenant == "green" else ""
        port = urlsplit(self.policy_url).port
        client = Client("127.0.0.1", port, self.ca_file, user, password or self.password(),
                        where + "/EnrollmentServer/Policy.svc", where + "/EnrollmentServer/Enrollment.svc", 60)
        client.host_name = HOSTS[tenant]
        if pem:
            client.tls.load_cert_chain(pem)
        return client

    def user(self, tenant, name=lab_module.USER, password=None):
        """Add a user of one tenant."""
        password = password or self.password()
        self.ctl("--tenant", tenant, "user", "add", name, "--password-file", "-", check=True, data=password.encode() + b"\n")

    def jwt(self, tenant, **claims):
        return self.signer.sign(jws.custom(aud=AUDIENCE.format(tenant), sub=lab_module.USER, upn=lab_module.USER, **claims))

    def open_socket(self):
        """The folders and the socket are no obstacle to other users: what remains is the daemon's own decision."""
        path = os.path.dirname(self.socket)
        while path.startswith(self.dir) or path == os.path.dirname(self.socket):
            os.chmod(path, 0o755)
            path = os.path.dirname(path)
        os.chmod(self.socket, 0o666)
        self.tool = os.path.join(os.path.dirname(self.socket), "pkienrollctl")
        shutil.copy(lab_module.CTL, self.tool)  # where they can reach it
        os.chmod(self.tool, 0o755)

    def as_frontend(self, name, *words, data=None):
        """pkienrollctl as the user of that frontend."""
        uid = FRONTENDS[name]
        done = subprocess.run([self.tool, "--socket", self.socket, "--json", *words], user=uid, group=uid,
                              extra_groups=[], capture_output=True, timeout=60, check=False, input=data or b"", cwd="/")
        return lab_module.Result(done)
