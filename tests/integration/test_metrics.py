# SPDX-License-Identifier: Apache-2.0
"""pkienrollctl metrics: text that a strict reader takes, and numbers that are what happened."""
import http.client
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import openmetrics  # noqa: E402
import tap  # noqa: E402
from lab import send_signal  # noqa: E402
from mdmlab import MdmLab  # noqa: E402

KEY = {"key": "lab-ca", "instance": "0"}


def metrics(lab):
    r = lab.ctl("metrics", check=True)
    return openmetrics.parse(r.out)


def wait_for(check, timeout=20):
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.02)
    return check()


def value(lab, family, suffix="", **labels):
    return metrics(lab)[f"pkienrolld_{family}"].value(suffix, **labels)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def what_is_no_metrics_is_found():
    """The reader itself: each of these breaks one rule."""
    good = '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Text.\na_seconds{x="y\\"\\\\\\n"} 1.5\n# EOF\n'
    family = openmetrics.parse(good)["a_seconds"]
    tap.equal(family.value(x='y"\\\n'), 1.5, "a good text is read, with its escapes")
    for bad, name in ((good[:-6], "no EOF"), (good + "a 1\n", "text after EOF"), (good.replace("1.5", "nine"), "no number"),
                      (good.replace('\\"', '"'), "a quote that is not escaped"), (good.replace("gauge", "counter"), "a counter without _total"),
                      (good.replace("seconds seconds", "seconds bytes"), "another unit"),
                      (good.replace("# EOF", "a_seconds 1\n# TYPE b gauge\nb 1\na_seconds 2\n# EOF"), "a family in two places"),
                      (good.replace("# TYPE", "#TYPE"), "a comment of another kind"), (good.replace("\n# UNIT", "\n\n# UNIT"), "an empty line"),
                      (good.replace("# EOF", '# TYPE h histogram\nh_bucket{le="1.0"} 2\nh_bucket{le="+Inf"} 1\nh_count 1\nh_sum 1\n# EOF'),
                       "buckets that fall")):
        try:
            openmetrics.parse(bad)
            tap.ok(False, f"refused: {name}", bad)
        except openmetrics.Error:
            tap.ok(True, f"refused: {name}")


def numbers():
    with MdmLab({("keys", "lab-ca", "health-interval"): "0s"}) as lab:
        for _ in range(3):
            lab.issue()
        wait_for(lambda: value(lab, "key_signature_seconds", "_count", **KEY) == 3)
        m = metrics(lab)
        tap.equal(m["pkienrolld_key_signatures"].value("_total", **KEY), 3, "signatures are counted")
        tap.equal(m["pkienrolld_key_signature_seconds"].value("_count", **KEY), 3, "and their times")
        total = m["pkienrolld_key_signature_seconds"].value("_sum", **KEY)
        tap.ok(0 < total < 30 and m["pkienrolld_key_signature_ewma_seconds"].value(**KEY) > 0, "in seconds", total)
        tap.equal(m["pkienrolld_requests"].value("_total", result="issued"), 3, "certificates of the ledger")
        tap.equal(m["pkienrolld_key_queue"].value(key="lab-ca"), 0, "nobody waits")
        states = {s: m["pkienrolld_key_state"].value(state=s, **KEY) for s in
                  ("starting", "ready", "recovering", "locked", "failed", "paused", "gone")}
        tap.equal([s for s, v in states.items() if v], ["ready"], "the key is in one state")
        tap.equal(m["pkienrolld_state"].value(state="ready"), 1, "so is the daemon")
        good = m["pkienrolld_key_last_good_timestamp_seconds"].value(**KEY)
        tap.ok(abs(time.time() - good) < 300, "time of the last good signature", good)
        lab.ctl("key", "test", "lab-ca", check=True)
        tap.equal(value(lab, "key_health_checks", "_total", **KEY), 1, "a health check is counted apart")
        tap.equal(value(lab, "key_signatures", "_total", **KEY), 3, "and is no certificate")
        tokens, away = os.path.join(lab.dir, "tokens"), os.path.join(lab.dir, "tokens-away")
        os.rename(tokens, away)
        lab.issue()
        lab.wait_key("recovering")
        m = metrics(lab)
        tap.equal(m["pkienrolld_key_state"].value(state="recovering", **KEY), 1, "an outage is a state")
        failed = sum(v for s, labels, v in m["pkienrolld_key_failures"].samples if labels["class"] in ("session", "token"))
        tap.ok(failed >= 2, "with its class", m["pkienrolld_key_failures"].samples)
        os.rename(away, tokens)
        lab.wait_key("ready")
        tap.ok(wait_for(lambda: value(lab, "key_recoveries", "_total", **KEY) >= 1), "and so is its end")


def without_an_issuer():
    """What cannot be asked is missing, and said to be; the rest is there."""
    with MdmLab() as lab:
        pid = lab.roles("issuer")[0]["pid"]
        send_signal(pid, signal.SIGKILL)
        tap.ok(wait_for(lambda: value(lab, "role_restarts", "_total", role="issuer") == 1), "a restart is counted")
        tap.ok(wait_for(lambda: value(lab, "issuer_up") == 1), "the next issuer answers")
        tap.equal(value(lab, "ledger_up"), 1, "the ledger is read")


def over_http():
    with MdmLab() as lab:
        c = UnixConnection(lab.socket)
        c.request("GET", "/v1/metrics")
        r = c.getresponse()
        body = r.read().decode()
        tap.equal((r.status, r.getheader("Content-Type")),
                  (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"), "status and type")
        openmetrics.parse(body)
        c.request("GET", "/v1/metrics?x=1")
        r = c.getresponse()
        r.read()
        tap.equal((r.status, r.getheader("Content-Type")), (400, "application/json"), "an error is JSON, on the same connection")
        c.close()


tap.run(what_is_no_metrics_is_found, numbers, without_an_issuer, over_http)
