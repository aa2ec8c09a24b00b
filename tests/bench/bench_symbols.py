"""Symbols: CPU and memory of naming addresses with inlined calls, cold, beside the field's tools on the same file.

Address sets: those that a profiler saw (tests/fixtures/addresses, for the very files that they were recorded on, by build
ID), one address, and 10,000 random ones. Files: those of the sets; a kernel's debug file (Debian's linux-image-…-dbg, or
FLEETPROF_BENCH_VMLINUX); Debian's python3.11-dbg; a Go program, built here; and what FLEETPROF_BENCH_FILES names,
separated by colons. gimli's tool is `cargo install addr2line --features bin`, or FLEETPROF_BENCH_GIMLI; where it was
built with debug information it is the Rust program as well.
"""
import glob
import os
import shutil
import subprocess

import symbols_agree
import symbols_sets
from common import Skip

TITLE = "Symbols: functions, lines and inlined calls of one file, cold"
LIMIT_S = 60 # CPU seconds after which a tool is given up
RANDOM = 10000
TOOLS = ("fleetprof", "gimli", "llvm-symbolizer", "eu-addr2line", "addr2line", "llvm-gsymutil")
GO = """package main

import "net/http"

func main() { http.ListenAndServe("", nil) }
"""


def newest(name):
    """The newest of Debian's versions of an LLVM tool."""
    for version in range(25, 13, -1):
        if shutil.which(f"{name}-{version}"):
            return f"{name}-{version}"
    return name if shutil.which(name) else None


def gimli():
    path = os.environ.get("FLEETPROF_BENCH_GIMLI") or os.path.expanduser("~/.cargo/bin/addr2line")
    return path if os.access(path, os.X_OK) else None


def commands(build):
    """tool → command, to which the file is appended; addresses come on standard input."""
    found = {"fleetprof": [f"{build}/fleetprof-symbolizer", "-a", "-e"]}
    if gimli():
        found["gimli"] = [gimli(), "-a", "-f", "-i", "-C", "-e"]
    if newest("llvm-symbolizer"):
        found["llvm-symbolizer"] = [newest("llvm-symbolizer"), "-a", "-i", "--obj"]
    for name in ("eu-addr2line", "addr2line"):
        if shutil.which(name):
            found[name] = [name, "-a", "-f", "-i", "-C", "-e"]
    return found


class Cost:
    """CPU seconds and peak MiB of one run; cpu_s None: it was given up."""

    def __init__(self, bench, command, standard_input):
        with open(standard_input) as file:
            out = subprocess.run([f"{bench.build}/tests/bench/bench_measure", str(LIMIT_S), *command], stdin=file,
                                 stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        self.cpu_s = int(out[0]) / 1e6 if int(out[2]) >= 0 else None
        self.peak_mib = int(out[1]) / 1024

    def __str__(self):
        return f"{seconds(self.cpu_s)}, {self.peak_mib:.0f} MiB"


def seconds(cpu_s):
    if cpu_s is None:
        return f"> {LIMIT_S} s"
    return f"{cpu_s * 1000:.1f} ms" if cpu_s < 0.0995 else f"{cpu_s:.2f} s"


def best(bench, command, standard_input):
    """Of several runs, the first of which brings the file into the page cache; one, when it takes long."""
    runs = []
    while len(runs) < 7 and not (runs and (runs[0].cpu_s or LIMIT_S) * len(runs) > 2):
        runs.append(Cost(bench, command, standard_input))
    return min(runs, key=lambda run: run.cpu_s if run.cpu_s is not None else LIMIT_S)


def gsym(bench, path, addresses):
    """A converter: its price is the conversion, and then the look-up. Without names of a file without DWARF."""
    tool, out, asked = newest("llvm-gsymutil"), f"{bench.folder}/gsym", f"{bench.folder}/gsym-addresses"
    if not tool:
        return None
    convert = Cost(bench, [tool, "--convert", path, "--out-file", out, "--num-threads", "1"], "/dev/null")
    if convert.cpu_s is None or not os.path.exists(out):
        return "cannot convert"
    with open(asked, "w") as file:
        file.writelines(f"0x{a:x} {out}\n" for a in addresses)
    look = best(bench, [tool, "--addresses-from-stdin"], asked)
    os.unlink(out)
    return f"{look} after {convert}"


def row(bench, what, path, addresses):
    """One line of the table: every tool on this file and these addresses."""
    asked = f"{bench.folder}/addresses"
    with open(asked, "w") as file:
        file.writelines(f"0x{a:x}\n" for a in addresses)
    costs = {tool: best(bench, command + [path], asked) for tool, command in commands(bench.build).items()}
    ours, reference = costs["fleetprof"], costs.get("gimli")
    ratio = f"{ours.cpu_s / reference.cpu_s:.2f} ×" if reference and reference.cpu_s and ours.cpu_s else ""
    cells = [str(costs[tool]) if tool in costs else "" for tool in TOOLS[:-1]]
    bench.cells(what, *cells[:2], ratio, *cells[2:], gsym(bench, path, addresses) or "")


def go_program(bench):
    go = shutil.which("go")
    if not go:
        return None
    source, out = f"{bench.folder}/main.go", f"{bench.folder}/go-program"
    with open(source, "w") as file:
        file.write(GO)
    done = subprocess.run([go, "build", "-o", out, source], capture_output=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
    return out if not done.returncode else None


def has_lines(path):
    return ".debug_line" in subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout


def files(bench, sets):
    """Every file once, those of the sets first."""
    found = [s.find() for s in sets]
    found += [os.environ.get("FLEETPROF_BENCH_VMLINUX"), *sorted(glob.glob("/usr/lib/debug/boot/vmlinux-*"))[-1:]]
    found += [shutil.which("python3.11d"), go_program(bench)]
    found += [gimli()] if gimli() and has_lines(gimli()) else []
    found += os.environ.get("FLEETPROF_BENCH_FILES", "").split(":")
    return list(dict.fromkeys(os.path.realpath(f) for f in found if f and os.path.exists(f)))


def run(bench):
    sets = symbols_sets.all_sets(bench.tree)
    paths = files(bench, sets)
    if not paths:
        raise Skip("no file with debug information: install linux-image-amd64-dbg or python3.11-dbg")
    bench.header = ("file, addresses", "fleetprof", "gimli", "of gimli's CPU", *TOOLS[2:])
    for s in sets:
        if s.find():
            row(bench, f"{s.name}: {len(s.addresses)} of a profile", s.find(), s.addresses)
        else:
            print(f"  {s.name}: not measured, its file is not here ({s.package}, build ID {s.build_id})")
    for path in paths:
        addresses = symbols_agree.random_addresses(path, RANDOM)
        name = os.path.basename(path)
        row(bench, f"{name}: 1", path, addresses[len(addresses) // 2:][:1])
        row(bench, f"{name}: {len(addresses)} random", path, addresses)
    for path in paths:
        warm(bench, path)


def warm(bench, path):
    """The library's own price, when what is asked for was asked for before."""
    addresses = symbols_agree.random_addresses(path, 2 * RANDOM)
    out = subprocess.run([f"{bench.build}/tests/bench/bench_symbols_warm", path], text=True, capture_output=True,
                         input="".join(f"0x{a:x}\n" for a in addresses), check=True).stdout
    for line in out.splitlines():
        what, value = line.rsplit(":", 1)
        bench.cells(f"{os.path.basename(path)}, warm: {what}", f"{value.strip()} ns each")
