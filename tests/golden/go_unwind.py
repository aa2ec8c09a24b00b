"""Compares the unwind rows of a stripped Go program with the .debug_frame of the whole one, as readelf reads it: from each
address on the caller must be found by the same rule. Arguments: fleetprof-symbolizer, the whole program, the stripped one."""
import bisect
import re
import subprocess
import sys

OURS, WHOLE, STRIPPED = sys.argv[1:4]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def bias():
    """Address - offset in the file, of the executable segment."""
    for line in run("readelf", "-lW", WHOLE).splitlines():
        m = re.match(r"\s+LOAD\s+0x([0-9a-f]+) 0x([0-9a-f]+) .* R E ", line)
        if m:
            return int(m[2], 16) - int(m[1], 16)
    raise SystemExit("no executable segment")


def main():
    table = run(OURS, "--unwind", STRIPPED)
    if "Go's tables" not in table.splitlines()[0]:
        raise SystemExit(f"not from Go's tables: {table.splitlines()[0]}")
    rows = [line.split(None, 1) for line in table.splitlines() if not line.startswith("#")]
    first = bias()
    starts = [int(offset, 16) + first for offset, _ in rows]
    compared = same = other = 0
    for line in run("readelf", "-wF", WHOLE).splitlines():
        m = re.match(r"([0-9a-f]{16}) rsp\+(\d+)\s+c-8", line)
        if not m:
            continue
        i = bisect.bisect_right(starts, int(m[1], 16)) - 1
        rule = rows[i][1] if i >= 0 else ""
        if not rule.startswith("cfa=") or "any stack" in rule: # the first frame of a stack, or a function that sets its stack pointer
            other += 1
            continue
        compared += 1
        same += rule.startswith(f"cfa=rsp+{m[2]} ")
    print(f"{compared} rules compared, {same} equal, {other} of functions that have no caller or set their stack pointer")
    if compared < 5000 or same != compared or other > compared / 20:
        raise SystemExit("they differ")


main()
