#!/bin/sh
# A process, a function, a file and a cgroup with hostile names: every output stays what it is.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need python3

evil_file=$(printf 'e;vil\033[2J<img src=x>')
gcc -O1 -fno-omit-frame-pointer -o "$work/evil" "$tree/tests/fixtures/evil.c"
python3 - "$work/evil" "$work/$evil_file" <<'END'
import os, sys
name = b"evil_function_to_be_overwritten"
evil = b"</script>;\x1b]0;t\x07\xff\xe2\x80\xae`'\"\\ 9\n"
data = open(sys.argv[1], "rb").read()
assert data.count(name) == 1 and len(evil) <= len(name)
open(sys.argv[2], "wb").write(data.replace(name, evil + b"_" * (len(name) - len(evil))))
os.chmod(sys.argv[2], 0o755)
END
in_background "$work/$evil_file"
evil=$child
v2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
cgroup=
if [ -n "$v2" ]; then
	cgroup=$v2/$(printf "fp-test-$$"';\033[2J<script>')
	mkdir "$cgroup" && echo "$evil" >"$cgroup/cgroup.procs"
fi
cleanup() {
	[ -z "$cgroup" ] || { kill -9 "$evil"; wait_for rmdir "$cgroup"; } 2>/dev/null
}

record -F 499 -d 2 -p "$evil" -o "$work/e.folded" -o "$work/e.html" -o "$work/e.svg" -o "$work/e.pb.gz"
python3 - "$work" <<'END'
import re, sys, unicodedata, xml.etree.ElementTree
work = sys.argv[1]

def text(name):
    return open(f"{work}/{name}", "rb").read().decode("utf-8", "strict")

def no_controls(name, s):
    bad = {c for c in s if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")}
    assert not bad, (name, bad)

log = text("record.log")
no_controls("the terminal", log)
folded = text("e.folded")
no_controls("folded", folded)
lines = folded.splitlines()
total = 0
for line in lines:
    stack, count = line.rsplit(" ", 1)
    total += int(count)
    assert len(stack.split(";")) >= 3, line
assert any(r"</script>\x3b" in line for line in lines), lines[:3]
assert total > 50, total
html = text("e.html")
assert len(re.findall("<script", html, re.I)) == 2 and len(re.findall("</script", html, re.I)) == 2, "scripts"
assert "<img" not in html
svg = text("e.svg")
no_controls("svg", svg)
elements = {e.tag.rpartition("}")[2] for e in xml.etree.ElementTree.fromstring(svg).iter()}
assert elements == {"svg", "style", "g", "title", "rect", "text"}, elements
assert "&lt;/script&gt;" in svg
END
if command -v go >/dev/null 2>&1; then
	go tool pprof -symbolize=none -top "$work/e.pb.gz" >"$work/top" 2>&1 || fail "pprof: $(cat "$work/top")"
	grep -q '</script>' "$work/top" || fail "the function is missing: $(cat "$work/top")"
fi
