# SPDX-License-Identifier: Apache-2.0
"""Serial numbers (goal R2, attacks A40): 16 octets, one prefix per ledger, and none again when an older ledger is put back."""
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import ledgerdb  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

EACH = 12
LAB = None


def issue():
    client = LAB.client()
    return [x509.load_der_x509_certificate(LAB.issue(client).certificate()).serial_number for _ in range(EACH)]


def an_older_ledger_repeats_no_serial():
    before = issue()
    LAB.stop()
    copy = os.path.join(LAB.dir, "older.db")
    for path in glob.glob(LAB.ledger + "*"):
        shutil.copy2(path, copy + path[len(LAB.ledger):])
    LAB.start()
    lost = issue()
    LAB.stop()
    for path in glob.glob(LAB.ledger + "*"):
        os.unlink(path)
    for path in glob.glob(copy + "*"):
        shutil.copy2(path, LAB.ledger + path[len(copy):])
    LAB.start()
    after = issue()
    serials = before + lost + after
    tap.equal(len(set(serials)), 3 * EACH, "no number of what the older ledger does not know comes again")
    tap.ok(all(n.bit_length() <= 127 and n >> 120 >= 1 for n in serials), "all have 16 octets, the first 01 to 7f", serials)
    tap.equal(len({n >> 120 for n in serials}), 1, "and the prefix of their ledger")
    tap.equal(ledgerdb.problems(LAB.ledger), [], "the ledger is whole")


def main():
    global LAB
    with MdmLab() as LAB:
        tap.run(an_older_ledger_repeats_no_serial)


if __name__ == "__main__":
    main()
