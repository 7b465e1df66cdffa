# SPDX-License-Identifier: Apache-2.0
"""A lab whose issuer is followed by another: its key beside the first in the SoftHSM, self-signed or below a root, and
the nginx of a management server that trusts what the daemon publishes."""
import datetime
import os
import shutil
import socket
import ssl
import subprocess
import time

import lab as lab_module
import mdm
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from mdmlab import MdmLab, free_port, read_text, write_text

FAR = "2090-01-01T00:00:00Z"


def later(seconds):
    """That far from now, as the control API takes a time."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class RolloverLab(MdmLab):
    """lab.issuers: name -> path of its certificate; the first is "lab"."""

    def __init__(self, *args, **kw):
        self.issuers = {}
        super().__init__(*args, **kw)
        self.issuers["lab"] = self.ca

    def key_words(self, label):
        return ["--module", self.module(), "--uri", f"pkcs11:token=pkienroll-lab;object={label}", "--pin-file",
                os.path.join(self.etc, "pin")]

    def module(self):
        return next(line.split(":", 1)[1].strip().strip("'\"") for line in read_text(self.config).splitlines()
                    if line.strip().startswith("module:"))

    def keytool(self, command, label, *args):
        return self.run([lab_module.KEYTOOL, command, *self.key_words(label), *args], check=True)

    def add_issuer(self, name, subject=None, root=None, days=3000, algorithm="p256", **options):
        """Make key and certificate and configure them; takes effect with a reload. @p root: an OfflineRoot above it."""
        path = os.path.join(self.etc, f"{name}.pem")
        subject = subject or f"CN=pkienrolld {name}"
        self.keytool("generate", f"{name}-key", "--algorithm", algorithm)
        if root:
            csr = os.path.join(self.dir, f"{name}.csr")
            self.keytool("csr", f"{name}-key", "--subject", subject, "--out", csr)
            root.sign(csr, path, days)
            self.set_option(("issuers", name, "root"), root.path)
        else:
            self.keytool("self-sign", f"{name}-key", "--subject", subject, "--days", str(days), "--out", path)
        os.chmod(path, 0o644)
        first = read_text(self.config).split("\nkeys:\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
        for line in first:
            option, value = line.strip().split(":", 1)
            self.set_option(("keys", f"{name}-key", option), value.strip() if option != "uri" else
                            f"pkcs11:token=pkienroll-lab;object={name}-key")
        for option, value in {"certificate": path, "key": f"{name}-key", **options}.items():
            self.set_option(("issuers", name, option.replace("_", "-")), value)
        self.issuers[name] = path
        self.trust_clients()
        with open(self.ca_file, "a", encoding="ascii") as out:
            out.write(read_text(root.path if root else path))
        return path

    def trust_clients(self, *names):
        """The listener accepts client certificates of these issuers, by default of all; takes effect with a reload."""
        path = os.path.join(self.etc, f"clients-{len(os.listdir(self.etc))}.pem")
        write_text(path, "".join(read_text(self.issuers[n]) for n in names or self.issuers))
        os.chmod(path, 0o644)
        self.set_option(("listeners", "main", "client-ca"), path)

    def reload(self, check=True):
        return self.ctl("--json", "reload", check=check)

    def issuer(self, name):
        return next(i for i in self.ctl("--json", "issuer", "list", check=True).json()["items"] if i["name"] == name)

    def wait_issuer(self, name, condition, timeout=30):
        """Poll until @p condition holds for this issuer; it, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            r = self.ctl("--json", "issuer", "list")
            found = [i for i in (r.json()["items"] if r.status == 0 else []) if i["name"] == name]
            if found and condition(found[0]):
                return found[0]
            time.sleep(0.02)
        return None

    def verb(self, *words):
        """`pkienrollctl issuer ...`: its answer, or the refusal's text."""
        r = self.ctl("--json", "issuer", *words)
        return r.json() if r.status == 0 else r.err + r.out

    def signer_of(self, der):
        """Which of the lab's issuers signed this certificate; None: none of them."""
        cert = x509.load_der_x509_certificate(der)
        for name, path in self.issuers.items():
            with open(path, "rb") as f:
                ca = x509.load_pem_x509_certificate(f.read())
            if cert.issuer == ca.subject and self._verifies(cert, ca.public_key()):
                return name
        return None

    @staticmethod
    def _verifies(cert, key):
        how = ([padding.PKCS1v15(), cert.signature_hash_algorithm] if isinstance(key, rsa.RSAPublicKey)
               else [ec.ECDSA(cert.signature_hash_algorithm)])
        try:
            key.verify(cert.signature, cert.tbs_certificate_bytes, *how)
        except InvalidSignature:
            return False
        return True

    @property
    def publish(self):
        return os.path.join(self.dir, "state", "publish")


class OfflineRoot:
    """A root CA outside of the daemon, with a key of its own."""

    def __init__(self, folder, name, days=7300):
        self.path, self.key = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
        self.folder = folder
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                      "-out", self.path, "-days", str(days), "-subj", f"/O=Lab/CN={name}", "-addext",
                      "keyUsage=critical,keyCertSign,cRLSign", "-addext", "basicConstraints=critical,CA:TRUE")
        os.chmod(self.path, 0o644)

    @staticmethod
    def _openssl(*args):
        r = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
        if r.returncode:
            raise RuntimeError(f"openssl {args}: {r.stderr}")

    def sign(self, csr, out, days=3000, path_len=0):
        """A CA below it; also the certificate of another root, for a cross-certificate."""
        ext = os.path.join(self.folder, "ca.ext")
        write_text(ext, f"basicConstraints=critical,CA:TRUE,pathlen:{path_len}\nkeyUsage=critical,keyCertSign,cRLSign\n"
                        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n")
        self._openssl("x509", "-req", "-in", csr, "-CA", self.path, "-CAkey", self.key, "-set_serial",
                      f"0x{os.urandom(9).hex()}", "-days", str(days), "-sha256", "-extfile", ext, "-out", out)

    def cross(self, other, out):
        """The root @p other, as this one certifies it."""
        csr = os.path.join(self.folder, "cross.csr")
        self._openssl("x509", "-x509toreq", "-in", other.path, "-signkey", other.key, "-out", csr)
        self.sign(csr, out, path_len=1)


class Nginx:
    """with Nginx(lab, clients_ca, crl=None): the management server's TLS terminator, which asks for client certificates."""

    def __init__(self, lab, clients_ca, crl=None):
        self.folder, self.port = os.path.join(lab.dir, f"nginx-{free_port()}"), free_port()
        self.root = os.path.join(lab.etc, "tls-root.pem")
        os.mkdir(self.folder)
        more = f"ssl_crl {crl};" if crl else ""
        self.conf = os.path.join(self.folder, "nginx.conf")
        write_text(self.conf, f"""
daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log info; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{
    listen 127.0.0.1:{self.port} ssl; ssl_certificate {lab.etc}/tls.pem; ssl_certificate_key {lab.etc}/tls.key;
    ssl_client_certificate {clients_ca}; ssl_verify_client on; ssl_verify_depth 3; {more}
    location / {{ return 200 "$ssl_client_verify $ssl_client_serial"; }}
  }}
}}
""")
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c", self.conf],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(read_text(os.path.join(self.folder, "error.log")))

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(20)

    def restart(self):
        """What it trusts is read at its start."""
        self.__exit__()
        self.__enter__()

    def accepts(self, der, key):
        """Does it take a client with this certificate? Its word for it otherwise."""
        files = [os.path.join(self.folder, "client.pem"), os.path.join(self.folder, "client.key")]
        write_text(files[0], x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode())
        write_text(files[1], key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()).decode())
        context = ssl.create_default_context(cafile=self.root)
        context.load_cert_chain(*files)
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as raw, \
                    context.wrap_socket(raw, server_hostname="localhost") as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while part := s.recv(4096):
                    answer += part
        except (ssl.SSLError, OSError) as e:
            return str(e)
        return True if answer.endswith(f"SUCCESS {x509.load_der_x509_certificate(der).serial_number:X}".encode()) or \
            b"SUCCESS" in answer else answer.decode("latin-1")


def enroll(lab):
    """A new device of the lab."""
    return mdm.Device(lab.client())
