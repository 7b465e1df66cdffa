# SPDX-License-Identifier: Apache-2.0
"""What is refused at the start as a mistake of the configuration (exit 78), and what is a state of the key."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import tap  # noqa: E402
from lab import KEYTOOL, USER  # noqa: E402
from mdmlab import MdmLab, read_text, whole_fault, write_text  # noqa: E402

KEY = ("keys", "lab-ca")


def uri_of(lab):
    return re.search(r"^ +uri: (.*)$", read_text(lab.config), re.M).group(1).strip("'\"")


def refused(lab, name, says):
    """--check-config or the start itself ends with 78 and names the mistake; nothing is left running."""
    before = len(read_text(lab.log)) if os.path.exists(lab.log) else 0
    lab.launch()
    status = lab.process.wait(60)
    said = read_text(lab.log)[before:]
    tap.ok(status == 78 and says in said, f"{name}: exit 78, and says so", f"status {status}\n{said}")
    lab.stop()


def configuration():
    """Nothing of this touches a token."""
    with MdmLab(start=False) as lab:
        uri, pin = uri_of(lab), os.path.join(lab.etc, "pin")
        module = re.search(r"^ +module: (.*)$", read_text(lab.config), re.M).group(1).strip("'\"")
        right = read_text(pin)

        def bad_option(option, value, name, says):
            was = {"uri": f'"{uri}"', "module": module, "pin-file": pin}[option]
            lab.set_option((*KEY, option), value)
            refused(lab, name, says)
            lab.set_option((*KEY, option), was)

        bad_option("module", "/nonexistent/module.so", "module missing", "keys.lab-ca.module")
        bad_option("uri", f'"{uri}?pin-value=1234"', "a PIN in the URI", "must not name a PIN")
        bad_option("uri", f'"{uri};slot-id=3"', "a URI with a slot", "keys.lab-ca.uri")
        bad_option("uri", '"pkcs11:object=issuing-ca"', "a URI without a token", "keys.lab-ca.uri")
        bad_option("uri", '"pkcs11:token=lab"', "a URI without a key", "keys.lab-ca.uri")
        bad_option("pin-file", "/nonexistent/pin", "PIN file missing", "keys.lab-ca.pin-file")
        os.chmod(pin, 0o644)
        refused(lab, "a PIN file that others can read", "keys.lab-ca.pin-file")
        os.chmod(pin, 0o600)
        for content, name in (("", "an empty PIN file"), ("\n", "a PIN file that is one line feed"),
                              ("9" * 300, "a PIN of 300 bytes")):
            write_text(pin, content)
            refused(lab, name, "keys.lab-ca.pin-file")
        write_text(pin, right.rstrip("\n") + "\n")
        ca = read_text(lab.ca)
        write_text(lab.ca, "not a certificate\n")
        refused(lab, "a CA certificate that cannot be read", "issuer")
        write_text(lab.ca, ca)
        lab.start()
        lab.add_user(USER)
        tap.ok(lab.issue().certificate(), "and without these mistakes it runs, the PIN with its trailing line feed")
        tap.equal(right.rstrip("\n"), read_text(pin).rstrip("\n"), "with the same PIN")


def failed_state(lab, name, says):
    lab.start(state="degraded")
    row = lab.ctl("--json", "key", "list", check=True).json()["items"][0]
    tap.ok(row["state"] == "failed" and says in f"{row['reason']} {row['error']}", f"{name}: the key is failed, says why", row)
    client = lab.client()
    tap.equal(client.get_policies().status, 200, f"{name}: GetPolicies goes on")
    whole_fault(lab.issue(client), 500, "s:EnrollmentServer", None, f"{name}: Issue gives s:EnrollmentServer")
    tap.equal(lab.ctl("key", "test", "lab-ca").status, 1, f"{name}: key test fails, too")
    tap.equal([r["restarts"] for r in lab.roles("key")], [0], f"{name}: nothing is started again and again")


def keytool(lab, uri, *args):
    return lab.run([KEYTOOL, "generate", "--module", module_of(lab), "--uri", uri, "--pin-file",
                    os.path.join(lab.etc, "pin"), *args])


def module_of(lab):
    return re.search(r"^ +module: (.*)$", read_text(lab.config), re.M).group(1).strip("'\"")


def tool(lab, *args):
    """OpenSC's pkcs11-tool on the lab's token, logged in."""
    label = re.search(r"token=([^;]+)", uri_of(lab)).group(1).replace("%20", " ")
    return lab.run(["pkcs11-tool", "--module", module_of(lab), "--token-label", label, "--login", "--pin",
                    read_text(os.path.join(lab.etc, "pin")).strip(), *args])


def missing_and_back():
    """A key that is not there is failed; when it is there, key test finds it."""
    with MdmLab() as lab:
        uri = uri_of(lab)
        lab.stop()
        lab.set_option((*KEY, "uri"), '"' + re.sub(r"object=[^;]+", "object=another", uri) + '"')
        failed_state(lab, "key missing", "0 ")
        done = keytool(lab, re.sub(r"object=[^;]+", "object=another", uri), "--algorithm", "p256")
        tap.equal(done.status, 0, "another key is made under this name")
        r = lab.ctl("key", "test", "lab-ca")
        tap.ok(r.status == 1 and "certificate" in r.err, "it is not the key of the certificate: still failed", r)
        lab.stop()
        failed_state(lab, "key of another certificate", "key-mismatch")


def two_that_match():
    with MdmLab() as lab:
        label = re.search(r"object=([^;]+)", uri_of(lab)).group(1)
        done = tool(lab, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", "77", "--usage-sign")
        if done.status != 0:
            tap.skip("two keys of one name", f"pkcs11-tool: {done}")
            return
        lab.restart("degraded")
        lab.stop()
        failed_state(lab, "two keys match", "2 ")
        for kind in ("privkey", "pubkey"):
            tool(lab, "--delete-object", "--type", kind, "--id", "77")
        r = lab.ctl("--json", "key", "test", "lab-ca")
        tap.ok(r.status == 0 and r.json()["state"] == "ready", "one is removed: key test finds the other", r)
        lab.issues_again("and certificates are issued, by the same process")


def extractable():
    with MdmLab() as lab:
        lab.stop()
        uri = uri_of(lab)
        done = tool(lab, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "weak", "--id", "78", "--usage-sign",
                    "--extractable")
        if done.status != 0:
            tap.skip("an extractable key", f"pkcs11-tool: {done}")
            return
        lab.set_option((*KEY, "uri"), '"' + re.sub(r"object=[^;]+", "object=weak", uri) + '"')
        failed_state(lab, "extractable", "key-attributes")


tap.run(configuration, missing_and_back, two_that_match, extractable)
