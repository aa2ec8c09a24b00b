"""A strict reader of Prometheus' text format 0.0.4, with the conventions for names that `promtool check metrics` knows."""
import re


def check(condition, what):
    if not condition:
        raise SystemExit(f"metrics: {what}")


METRIC = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? '
                    r'(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]?Inf|NaN)$')


def families(body):
    """{family: (type, [(sample, labels, value)])}"""
    found, name = {}, None
    check(body.endswith("\n"), "the last line ends")
    for line in body.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            check(name not in found and words, f"one help for {name}")
            found[name] = [None, []]
        elif line.startswith("# TYPE "):
            check(line.split()[2] == name and found[name][0] is None, f"TYPE behind HELP: {line}")
            found[name][0] = line.split()[3]
            check(found[name][0] in ("counter", "gauge", "summary", "histogram"), line)
        else:
            match = METRIC.match(line)
            check(match, f"not a sample: {line}")
            kind = found[name][0]
            check(match[1] in ((name,) if kind in ("counter", "gauge") else (name, name + "_sum", name + "_count", name + "_bucket")),
                  f"{match[1]} stands under {name}")
            check(kind != "counter" or name.endswith("_total"), f"a counter's name: {name}")
            check(not re.search(r"_(ms|ns|kb|mb|milliseconds)(_|$)", name), f"a base unit: {name}")
            found[name][1].append((match[1], match[2], float(match[3])))
    keys = [(s, l) for _, samples in found.values() for s, l, _ in samples]
    check(len(keys) == len(set(keys)), f"no sample stands twice: {[key for key in keys if keys.count(key) > 1][:3]}")
    return found
