# SPDX-License-Identifier: Apache-2.0
"""Test Anything Protocol for the Python tests: each check is one line of the report, a failed one says why."""
import sys
import traceback

_count = 0
_failed = 0
_at_end = []


def at_end(function):
    """Run one more function when all others have, so that what it finds still counts."""
    _at_end.append(function)


def ok(condition, name, detail=""):
    """Report one check; returns the condition."""
    global _count, _failed
    _count += 1
    name = str(name).replace("#", "").replace("\n", " ")
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    if not condition:
        _failed += 1
        for line in str(detail).splitlines()[:40]:
            print(f"#   {line}", flush=True)
    return bool(condition)


def equal(got, want, name):
    return ok(got == want, name, f"got:  {got!r}\nwant: {want!r}")


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def diag(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def run(*functions):
    """Run test functions one after another; an exception fails the test it came from, not the rest. Exits."""
    for f in (*functions, *_at_end):
        try:
            f()
        except Exception:  # pylint: disable=broad-except
            ok(False, f.__name__, traceback.format_exc())
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)
