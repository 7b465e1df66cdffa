# SPDX-License-Identifier: Apache-2.0
"""tpm2-abrmd, the resource manager in user space, on a message bus of its own in front of a software TPM.

    with swtpm.Swtpm() as tpm, abrmd.Manager(tpm) as manager:
        subprocess.run([program, "--tcti", manager.tcti], env=manager.env)
"""
import os
import shutil
import subprocess

import swtpm


def missing():
    """What is needed and is not here; "" when all is."""
    return next((p for p in ("tpm2-abrmd", "dbus-daemon", "dbus-send") if not shutil.which(p)), swtpm.missing())


class Manager:
    """Attributes: tcti, env (the bus is named there)."""

    tcti = "tabrmd:bus_type=session"

    def __init__(self, tpm):
        self.tpm, self.broker = tpm, None
        # pylint: disable-next=consider-using-with
        self.bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
        try:
            self.env = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=self.bus.stdout.readline().strip(), TSS2_LOG="all+none")
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Start the manager, and wait until it has its name on the bus."""
        # pylint: disable-next=consider-using-with
        self.broker = subprocess.Popen(["tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:path={self.tpm.socket}"],
                                       env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not swtpm.wait_for(self._owns_its_name):
            raise RuntimeError("tpm2-abrmd did not start")

    def _owns_its_name(self):
        ask = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
               "org.freedesktop.DBus.GetNameOwner", "string:com.intel.tss2.Tabrmd"]
        return subprocess.run(ask, env=self.env, capture_output=True, check=False).returncode == 0

    def kill(self):
        """The manager dies; the bus and the TPM stay."""
        self.broker.kill()
        self.broker.wait()
        swtpm.wait_for(lambda: not self._owns_its_name())

    def close(self):
        for process in (self.broker, self.bus):
            if process and process.poll() is None:
                process.terminate()
                process.wait()
        self.bus.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
