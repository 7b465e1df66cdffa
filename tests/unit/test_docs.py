#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documents against the sources: every function, message, file and test that a page names exists, so that no page
can drift; and every page is in the tarball."""
import glob
import os
import re
import sys

SRC = os.environ.get("top_srcdir", ".")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
import tap  # noqa: E402

PAGES = ["README.md", "HACKING.md"] + sorted(os.path.relpath(p, SRC) for p in glob.glob(os.path.join(SRC, "doc/*.md")))


def read(name):
    with open(os.path.join(SRC, name), encoding="utf-8") as f:
        return f.read()


def defines(source, function):
    """A definition stands at the start of a line and its body or parameters follow; a declaration ends with ';'."""
    pattern = rf"^[a-z][\w *]*?\b{re.escape(function)}\((?:[^;{{}}]|\n)*?\)\s*\n\{{"
    return re.search(pattern, source, re.M) is not None


def test_functions_of_the_flow():
    text = read("doc/flow.md")
    named = set(re.findall(r"([a-z]+/[\w/]+\.c):(\w+)\(\)", text))
    bare = set(re.findall(r"(?<![\w:])([a-z_]\w+)\(\)", text))
    tap.ok(len(named) > 100, "flow.md follows the request by function", len(named))
    wrong, known = [], set()
    for path, function in sorted(named):
        full = path if os.path.exists(os.path.join(SRC, path)) else os.path.join("daemon", path)
        if not os.path.exists(os.path.join(SRC, full)) or not defines(read(full), function):
            wrong.append(f"{path}:{function}()")
        known.add(function)
    tap.equal(wrong, [], "every function in flow.md is defined in its file")
    tap.equal(sorted(bare - known), [], "the diagram names only functions that the text names with their file")


def test_steps_are_in_order():
    """The text tells the steps in the order in which they run."""
    text, steps = read("doc/flow.md"), read("daemon/net/txn_steps.c")
    table = re.search(r"txn_enroll_steps\[\] = \{(.*?)\};", steps, re.S).group(1)
    order = re.findall(r"\bstep_\w+", table)
    at = [text.find(f"{name}()") for name in order]
    tap.ok(order and -1 not in at, "every step of an enrollment is in flow.md", list(zip(order, at)))
    tap.equal(at, sorted(at), "and in the order in which they run")


def test_messages():
    header = read("daemon/common/msg.h")
    for page in PAGES:
        wrong = [m for m in set(re.findall(r"\bMSG_[A-Z_]+", read(page))) if not re.search(rf"\b{m}\b", header)]
        tap.equal(wrong, [], f"{page}: every message exists")


def test_of(name, source):
    """Is it a test function, and is it run: a test that nothing calls proves nothing."""
    defined = re.search(rf"^(?:static void |def |TAMPER\(\s*){name}\b", source, re.M)
    return defined and len(re.findall(rf"\b{name}\b", source)) > 1


def registered_tests(makefiles):
    """The value of TESTS, with the variables in it resolved."""
    text = makefiles.replace("\\\n", " ")
    value = " ".join(re.findall(r"^TESTS \+=(.*)$", text, re.M))
    for name in set(re.findall(r"\$\((\w+)\)", value)):
        value += " " + " ".join(re.findall(rf"^{name} =(.*)$", text, re.M))
    return value


def test_named_tests():
    makefiles = "".join(read(os.path.relpath(p, SRC)) for p in glob.glob(os.path.join(SRC, "tests/*/*.inc")))
    for page, least in (("conformance.md", 80), ("key-faults.md", 20)):
        named = set(re.findall(r"`(\w+\.(?:c|py)):(\w+)`", read(f"doc/{page}")))
        tap.ok(len(named) > least, f"{page} names its tests", len(named))
        wrong = []
        for name, function in sorted(named):
            found = glob.glob(os.path.join(SRC, "tests", "*", name))
            registered = rf"tests/\w+/{name.removesuffix('.c')}"  # C tests are registered as programs
            if len(found) != 1 or not test_of(function, read(os.path.relpath(found[0], SRC))):
                wrong.append(f"{name}:{function}")
            elif not re.search(rf"(?:^|\s){registered}(?:\s|$)", registered_tests(makefiles)):
                wrong.append(f"{name} is not run by make check")
        tap.equal(wrong, [], f"every test in {page} exists and is run")


def rows_of(text, heading):
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[c.strip() for c in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")][2:]


def test_rows_of_conformance():
    """Each row has a test, and a number stands either there or under "Not yet", never in both."""
    text = read("doc/conformance.md")
    proven = rows_of(text, "MS-MDE2 checklist")
    empty = [r[0] for r in proven if len(r) != 3 or "`" not in r[2]]
    tap.equal(empty, [], "every row of the checklist names a test")
    numbers = [int(r[0]) for r in proven]
    tap.equal(numbers, sorted(set(numbers)), "every number once, in order")
    later = [int(r[0]) for r in rows_of(text, "Not yet") if r[0].isdigit()]
    tap.equal(sorted(set(numbers) & set(later)), [], "nothing is proven and missing at once")
    tap.equal(sorted(numbers + later), list(range(1, 81)), "all 80 numbers are somewhere")


def test_rows_of_key_faults():
    """The forty faults in order; each has a reaction and a test."""
    rows = rows_of(read("doc/key-faults.md"), "The list")
    tap.equal([r[0] for r in rows], [str(i) for i in range(1, 41)], "key-faults.md has the forty faults in order")
    empty = [r[0] for r in rows if len(r) != 4 or not r[1] or not r[2] or "`" not in r[3]]
    tap.equal(empty, [], "every fault has a reaction and a test")


def test_reasons():
    """A reason token in conformance.md or operations.md is one that the sources can say."""
    sources = "".join(read(os.path.relpath(p, SRC)) for folder in ("base", "ca", "daemon/*", "ipc", "keystore", "ledger",
                                                                     "policy", "proto")
                      for p in glob.glob(os.path.join(SRC, folder, "*.[ch]")))
    for page in ("doc/conformance.md", "doc/operations.md"):
        told = set(re.findall(r"`((?:csr|key|lint|floor|clock|principal|credential|ledger|assertion|renew|recovery|approval|device)-[a-z0-9-]+)`",
                              read(page)))
        wrong = [t for t in sorted(told) if f'"{t}"' not in sources]
        tap.equal(wrong, [], f"{page}: every reason token exists")


def test_faults_of_operations():
    """The HRESULT table for support has every subcode and ErrorType that a reply can carry, with the probe's code."""
    text = read("doc/operations.md")
    table = re.search(r"#define MESSAGE_FORMAT.*?_Static_assert", read("proto/fault.c"), re.S).group(0)
    said = set(re.findall(r'"((?:[sa]:)?[A-Z]\w+)"', table)) | {"NotEligibleToRenew"}
    tap.ok(len(said) >= 12, "proto/fault.c has its words where this test looks", said)
    known = dict(re.findall(r'\{"(\w+)",\s*(0x[0-9A-Fa-f]{8})', read("probe/fault.c")))
    rows = {r[0].strip("`").split(":")[-1]: r[1].strip("`") for r in rows_of(text, "What a user sees")}
    for name in sorted(said):
        plain = name.split(":")[-1]
        tap.ok(plain in rows and int(rows[plain], 16) == int(known.get(plain, "0"), 16),
               f"operations.md has {name} with its HRESULT", f"{rows.get(plain)} {known.get(plain)}")


def test_links():
    """A file that a page names in `code` or in a link exists."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", read(page), flags=re.S)
        named = set(re.findall(r"`((?:base|ca|ctl|daemon|dist|doc|ipc|keystore|keytool|ledger|man|policy|probe|proto|"
                               r"scripts|tests)/[\w/.-]+\.\w+)`", text))
        named |= {p for p in re.findall(r"\]\(([\w/.-]+)\)", text)}
        wrong = [p for p in sorted(named) if not os.path.exists(os.path.join(SRC, p)) and
                 not os.path.exists(os.path.join(SRC, os.path.dirname(page), p))]
        tap.equal(wrong, [], f"{page}: every file exists")


def test_pages_are_distributed():
    rules = read("doc/Makefile.inc")
    missing = [p for p in PAGES if p.startswith("doc/") and f"%D%/{os.path.basename(p)}" not in rules]
    tap.equal(missing, [], "every page of doc/ is in its Makefile.inc")


tap.run(test_functions_of_the_flow, test_steps_are_in_order, test_messages, test_named_tests, test_rows_of_conformance,
        test_rows_of_key_faults, test_reasons, test_faults_of_operations, test_links, test_pages_are_distributed)
