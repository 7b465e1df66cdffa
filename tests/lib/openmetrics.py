# SPDX-License-Identifier: Apache-2.0
"""A strict reader of OpenMetrics 1.0 text, written from the specification: every rule that is broken is an error, so
that what passes here is read by any scraper."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\Z")
LE = re.compile(r"(?:\d+\.\d+|\d(?:\.\d+)?e[+-]\d+|\+Inf)\Z")
SUFFIXES = {"counter": ["_total", "_created"], "gauge": [""], "info": ["_info"],
            "histogram": ["_bucket", "_count", "_sum", "_created"], "summary": ["", "_count", "_sum", "_created"]}


class Error(Exception):
    pass


def need(condition, line, why):
    if not condition:
        raise Error(f"{why}: {line!r}")


def unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), text)


def read_labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        m = re.compile(LABEL).match(text, at)
        need(m, line, "a label that is none")
        need(m.group(1) not in labels, line, "a label twice")
        need(not m.group(1).startswith("__"), line, "a reserved label")
        labels[m.group(1)] = unescape(m.group(2))
        at = m.end()
        if at < len(text):
            need(text[at] == "," and at + 1 < len(text), line, "no comma between labels")
            at += 1
    return labels


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help = name, None, None, None
        self.samples = []  # (suffix, labels, value)

    def value(self, suffix="", **labels):
        """The one sample with these labels among its own; an error when there is not exactly one."""
        found = [v for s, own, v in self.samples if s == suffix and labels.items() <= own.items()]
        if len(found) != 1:
            raise Error(f"{self.name}{suffix} {labels}: {len(found)} samples")
        return found[0]

    def check(self):
        need(self.type in SUFFIXES, self.name, "no type, or an unknown one")
        need(not self.unit or self.name.endswith("_" + self.unit), self.name, "the unit is not the end of the name")
        seen = set()
        for suffix, labels, value in self.samples:
            key = (suffix, tuple(sorted(labels.items())))
            need(key not in seen, f"{self.name}{suffix} {labels}", "a sample twice")
            seen.add(key)
            if self.type in ("counter", "histogram"):
                need(value >= 0, f"{self.name}{suffix}", "a counter below zero")
            if self.type == "info":
                need(value == 1, self.name, "an info that is not 1")
            need(("le" in labels) == (suffix == "_bucket"), f"{self.name}{suffix}", "le belongs to buckets alone")
        if self.type == "histogram":
            self.check_histogram()

    def check_histogram(self):
        groups = {}
        for suffix, labels, value in self.samples:
            rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            groups.setdefault(rest, {}).setdefault(suffix, []).append((labels.get("le"), value))
        for rest, g in groups.items():
            buckets = g.get("_bucket", [])
            need(buckets and buckets[-1][0] == "+Inf", rest, "the last bucket is not +Inf")
            need(all(LE.match(le) for le, _ in buckets), rest, "a bound in another form")
            bounds = [float(le) for le, _ in buckets]
            need(bounds == sorted(set(bounds)), rest, "bounds do not rise")
            counts = [v for _, v in buckets]
            need(counts == sorted(counts), rest, "buckets are not cumulative")
            need(len(g.get("_count", [])) == 1 and g["_count"][0][1] == counts[-1], rest, "count is not the last bucket")
            need(len(g.get("_sum", [])) == 1, rest, "no sum")


def read_meta(line, families, current):
    m = re.match(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)\Z", line)
    need(m, line, "a comment that is none of TYPE, UNIT, HELP")
    what, name, text = m.groups()
    if current is None or current.name != name:
        need(name not in families, line, "a family twice, or in two places")
        current = families[name] = Family(name)
    need(not current.samples, line, "metadata after samples")
    need(getattr(current, what.lower()) is None, line, "metadata twice")
    if what == "HELP":
        need(not re.search(r'\\(?![\\n"])', text), line, "an escape that is none")
    setattr(current, what.lower(), text)
    return current


def read_sample(line, current):
    m = re.match(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z", line)
    need(m, line, "a sample that is none")
    name, labels, value = m.groups()
    need(current is not None and name.startswith(current.name), line, "a sample outside of its family")
    suffix = name[len(current.name):]
    need(suffix in SUFFIXES.get(current.type, []), line, f"not a name of a {current.type}")
    need(NUMBER.match(value), line, "a value that is no number")
    current.samples.append((suffix, read_labels(labels or "", line), float(value)))


def parse(text):
    """{name: Family} of a whole exposition, or Error."""
    need(text.endswith("# EOF\n"), text[-40:], "no # EOF at the end")
    families, current = {}, None
    for line in text[:-len("# EOF\n")].splitlines():
        need(line and line == line.strip() and "\t" not in line, line, "an empty line or white space")
        if line.startswith("#"):
            current = read_meta(line, families, current)
        else:
            read_sample(line, current)
    for f in families.values():
        f.check()
    return families
