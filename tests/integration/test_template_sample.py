# SPDX-License-Identifier: Apache-2.0
"""Templates with a mistake that no option by itself shows, but a certificate: each is refused when the configuration is loaded, with template, rule
and reason, before the CA's key is asked for anything (attacks A47); what was in force goes on."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import lab as lab_module  # noqa: E402
import tap  # noqa: E402
from mdmlab import MdmLab, read_text, write_text  # noqa: E402

LAB = None
TEMPLATE = ("templates", "device")
ISSUER = ("issuers", "lab")
# options -> reason in the sentence, rule
MISTAKES = {
    "a country that is a person": ({(*TEMPLATE, "subject-full"): ["C={principal}", "CN={upn}"]}, "subject-value"),
    "more than fits into a certificate": ({(*ISSUER, "crl-urls"): [f"http://{i}.example/" + "x" * 1000 for i in range(8)],
                                           (*ISSUER, "ca-issuers-urls"): [f"http://{i}.example/" + "x" * 700 for i in range(3)]},
                                          "exceed 4096 octets"),
    "a common name with no room for the device": ({(*TEMPLATE, "subject-device"): ["CN=Device of the second floor {device-id}"]},
                                                  "subject-value"),
}


def mistaken(options):
    for path, value in options.items():
        LAB.set_option(path, value)


def refused_at_reload():
    before, status = read_text(LAB.config), LAB.status()
    for name, (options, reason) in MISTAKES.items():
        signatures = LAB.signatures()
        mistaken(options)
        r = LAB.ctl("reload")
        said = r.out + r.err
        tap.ok(r.status != 0 and "template device" in said and reason in said, f"{name}: reload refuses, {reason}", str(r))
        tap.equal(LAB.status()["generation"], status["generation"], f"{name}: the old configuration stays in force")
        tap.equal(LAB.signatures(), signatures, f"{name}: without a use of the key")
        LAB.issues_again(f"{name}: and issues")
        write_text(LAB.config, before)


def refused_unless_enabled():
    """A template that nobody can use is nobody's mistake."""
    before = read_text(LAB.config)
    LAB.set_option(("templates", "spare", "issuer"), "lab")
    for option, value in (("common-name", "Spare"), ("subject-device", ["C={principal}", "CN={device-id}"]), ("validity", "365d"),
                          ("allow", "['*']"), ("enabled", "no")):
        LAB.set_option(("templates", "spare", option), value)
    r = LAB.ctl("reload")
    tap.equal(r.status, 0, "a template that is not enabled is not tried") or tap.diag(str(r))
    LAB.set_option(("templates", "spare", "enabled"), "yes")
    r = LAB.ctl("reload")
    tap.ok(r.status != 0 and "template spare" in r.out + r.err, "enabled it is", str(r))
    write_text(LAB.config, before)
    LAB.ctl("reload", check=True)


def checked(name, *words):
    """--check-config says it as well, at the template, and uses no key."""
    r = LAB.run([lab_module.find_daemon(), "--config", LAB.config, "--check-config"])
    lines = read_text(LAB.config).splitlines()
    line = int(r.err.split(":")[1]) if r.err.count(":") > 2 else 0
    tap.ok(r.status == 78 and ": templates.device: " in r.err and all(w in r.err for w in words) and lines[line - 1].strip() == "device:",
           f"{name}: --check-config says so, with the template's line", str(r))


def refused_at_start():
    LAB.stop()
    before = read_text(LAB.config)
    for name, (options, reason) in MISTAKES.items():
        mistaken(options)
        checked(name, reason)
        write_text(LAB.log, "")
        LAB.launch()
        status = LAB.process.wait(60)
        log = LAB.read_log()
        tap.equal(status, 78, f"{name}: the start ends with 78")
        tap.ok("template device" in log and reason in log, f"{name}: the log says why", log)
        LAB.stop()
        write_text(LAB.config, before)
    LAB.start()
    LAB.issues_again("and the daemon starts without the mistake")


def refused_by_the_ca():
    """A CA with name constraints, and a template whose names lie outside of them."""
    LAB.stop()
    LAB.make_sub_ca("nameConstraints=critical,permitted;URI:.corp.example\n")
    LAB.set_option((*TEMPLATE, "san"), ["uri:urn:x:{device-id}"])
    checked("against the CA's name constraints", "name-constraint")
    write_text(LAB.log, "")
    LAB.launch()
    tap.equal(LAB.process.wait(60), 78, "against the CA's name constraints: the start ends with 78")
    log = LAB.read_log()
    tap.ok("template device" in log and "name-constraint" in log, "and the log says why", log)
    LAB.stop()
    LAB.set_option((*TEMPLATE, "san"), ["uri:https://mdm.corp.example/{device-id}"])
    LAB.set_option((*ISSUER, "uri-prefixes"), ["https://mdm.corp.example/"])
    LAB.start()
    LAB.issues_again("within them it starts and issues")


def main():
    global LAB  # pylint: disable=global-statement
    if lab_module.missing():
        tap.skip("templates with mistakes", f"{lab_module.missing()} is not installed")
        return
    with MdmLab() as lab:
        LAB = lab
        for f in (refused_at_reload, refused_unless_enabled, refused_at_start, refused_by_the_ca):
            f()


tap.run(main)
