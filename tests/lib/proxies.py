# SPDX-License-Identifier: Apache-2.0
"""nginx, haproxy and Apache with the configurations of dist/frontends, in front of a lab's unix listener."""
import os
import pwd
import shutil
import subprocess
import time

from mdmlab import free_port, read_text, write_text

TOP = os.environ["top_srcdir"]
SOCKET = "/run/pkienrolld/frontend.sock"
ROOT = os.geteuid() == 0
MODULES = "mpm_event authz_core ssl headers proxy proxy_http unique_id http2 socache_shmcb env"


def replaced(name, pairs):
    """The shipped file with places and ports of this test; each has to be in it."""
    text = read_text(os.path.join(TOP, "dist", "frontends", name))
    for old, new in pairs:
        if old not in text:
            raise RuntimeError(f"dist/frontends/{name} has no {old}")
        text = text.replace(old, new)
    return text


class Proxy:
    """with Nginx(lab) as p: p.port is where clients connect."""

    def __init__(self, lab):
        self.lab, self.port = lab, free_port()
        self.folder = os.path.join(lab.dir, self.name)
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        self.files = [(os.path.join(lab.etc, "tls.pem"), "/etc/ssl/enroll.pem"), (os.path.join(lab.etc, "tls.key"), "/etc/ssl/enroll.key")]
        self.log = os.path.join(self.folder, "log")
        self.process = None

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        write_text(path, text)
        os.chmod(path, 0o644)
        return path

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                client = self.lab.client_at(self.port)
                if client.request("GET", client.enroll_path).status == 405:  # it is ours
                    client.close()
                    return self
                client.close()
            except OSError:
                pass
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"{self.name} does not serve:\n{read_text(self.log)}")

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nginx(Proxy):
    name = "nginx"

    def command(self):
        text = replaced("nginx.conf", [(new, old) for old, new in self.files] + [
            (SOCKET, self.lab.frontend), ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;")])
        places = " ".join(f"{n}_temp_path {self.folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.write("nginx.conf", f"{'user root;' if ROOT else ''} daemon off; pid {self.folder}/pid; error_log stderr;"
                          f" worker_processes 1; events {{}} http {{ access_log off; {places}\n{text}\n}}\n")
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c", conf]


class Haproxy(Proxy):
    name = "haproxy"

    def command(self):
        pem = self.write("tls.pem", "".join(read_text(f) for f, _ in self.files))
        text = replaced("haproxy.cfg", [("/etc/ssl/enroll-with-key.pem", pem), (SOCKET, self.lab.frontend),
                                        ("bind :443", f"bind 127.0.0.1:{self.port}")])
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", self.write("haproxy.cfg", text)]


class Apache(Proxy):
    name = "apache"

    def command(self):
        text = replaced("apache.conf", [(new, old) for old, new in self.files] + [
            (SOCKET, self.lab.frontend), ("Listen 443", f"Listen 127.0.0.1:{self.port}"), ("*:443", f"127.0.0.1:{self.port}")])
        modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in MODULES.split())
        user = f"User {pwd.getpwuid(33).pw_name}\nGroup {pwd.getpwuid(33).pw_name}\n" if ROOT else ""
        conf = self.write("apache.conf", f"{modules}ServerRoot {self.folder}\nPidFile {self.folder}/pid\nErrorLog /dev/stderr\n"
                          f"DefaultRuntimeDir {self.folder}\nMutex pthread default\n{user}ServerName localhost\n{text}")
        return [shutil.which("apache2") or "/usr/sbin/apache2", "-d", self.folder, "-f", conf, "-DFOREGROUND"]


ALL = (Nginx, Haproxy, Apache)
