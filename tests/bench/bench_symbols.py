"""Symbols: CPU and memory of naming addresses with inlined calls, cold, beside the field's tools on the same file.

Files: a kernel's debug file (Debian's linux-image-…-dbg, or FLEETPROF_BENCH_VMLINUX), Debian's python3.11-dbg, and what
FLEETPROF_BENCH_FILES names, separated by colons. Addresses: those that a profiler saw (tests/fixtures/addresses, for the
very files that they were recorded on), and random ones. gimli's tool is `cargo install addr2line --features bin`.
"""
import glob
import os
import resource
import shutil
import subprocess

import symbols_agree
from common import Skip

TITLE = "Symbols: functions, lines and inlined calls of one file, cold"
LIMIT_S = 60 # CPU seconds after which a tool is given up


def tools(build):
    """name → command, to which the file is appended; addresses come on standard input."""
    found = {"fleetprof": [f"{build}/fleetprof-symbolizer", "-a", "-e"]}
    gimli = os.environ.get("FLEETPROF_BENCH_GIMLI") or os.path.expanduser("~/.cargo/bin/addr2line")
    if os.access(gimli, os.X_OK):
        found["gimli"] = [gimli, "-a", "-f", "-i", "-C", "-e"]
    for name in ("llvm-symbolizer-19", "llvm-symbolizer"):
        if shutil.which(name) and not any(n.startswith("llvm") for n in found):
            found[name] = [name, "-a", "-i", "--obj"]
    if shutil.which("eu-addr2line"):
        found["eu-addr2line"] = ["eu-addr2line", "-a", "-f", "-i", "-C", "-e"]
    if shutil.which("addr2line"):
        found["addr2line"] = ["addr2line", "-a", "-f", "-i", "-C", "-e"]
    return found


def measure(command, addresses):
    """(CPU seconds, peak MiB); CPU seconds None: given up."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          preexec_fn=limit) as process:
        try:
            process.stdin.write("".join(f"0x{a:x}\n" for a in addresses).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime if process.returncode >= 0 else None
    return cpu_s, usage.ru_maxrss / 1024


def best(command, addresses):
    """Of three runs, the first of which brings the file into the page cache; one, when it takes long."""
    runs = []
    for _ in range(3):
        runs.append(measure(command, addresses))
        if runs[0][0] is None or runs[0][0] > 10:
            break
    return min(runs, key=lambda run: run[0] if run[0] is not None else 0)


def rows(bench, what, path, addresses):
    reference = None
    for name, command in tools(bench.build).items():
        cpu_s, peak = best(command + [path], addresses)
        reference = reference or cpu_s
        if cpu_s is None:
            bench.row(f"{what}: {name}", f"> {LIMIT_S} s", f"given up, {peak:.0f} MiB")
        else:
            bench.row(f"{what}: {name}", f"{cpu_s:.3f} s", f"{peak:.0f} MiB, {cpu_s / reference:.1f} × ours")


def gsym(bench, what, path, addresses):
    """A converter: its price is the conversion."""
    tool = shutil.which("llvm-gsymutil-19") or shutil.which("llvm-gsymutil")
    if not tool:
        return
    out = f"{bench.folder}/gsym"
    convert, peak = measure([tool, "--convert", path, "--out-file", out, "--num-threads", "1"], [])
    if convert is None or not os.path.exists(out):
        bench.row(f"{what}: llvm-gsymutil", "-", "cannot convert the file")
        return
    with open(f"{bench.folder}/addresses", "w") as file:
        file.writelines(f"0x{a:x} {out}\n" for a in addresses)
    with open(f"{bench.folder}/addresses") as file:
        process = subprocess.Popen([tool, "--addresses-from-stdin"], stdin=file, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
    look, peak_look = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    bench.row(f"{what}: llvm-gsymutil", f"{look:.3f} s",
              f"{peak_look:.0f} MiB, after {convert:.1f} s and {peak:.0f} MiB to convert")


def files():
    found = [os.environ.get("FLEETPROF_BENCH_VMLINUX") or (sorted(glob.glob("/usr/lib/debug/boot/vmlinux-*")) or [None])[-1]]
    found += [shutil.which("python3.11d")] + os.environ.get("FLEETPROF_BENCH_FILES", "").split(":")
    return [os.path.realpath(f) for f in found if f and os.path.exists(f)]


def run(bench):
    if not files():
        raise Skip("no file with debug information: install linux-image-amd64-dbg or python3.11-dbg")
    for path in files():
        name = os.path.basename(path)
        recorded = f"{bench.tree}/tests/fixtures/addresses/{name}"
        if os.path.exists(recorded):
            with open(recorded) as file:
                addresses = [int(line, 16) for line in file]
            rows(bench, f"{name}, {len(addresses)} of a profile", path, addresses)
        addresses = symbols_agree.random_addresses(path, 10000)
        rows(bench, f"{name}, 1 address", path, addresses[:1])
        rows(bench, f"{name}, {len(addresses)} random", path, addresses)
        gsym(bench, f"{name}, {len(addresses)} random", path, addresses)
    warm(bench, files()[0])


def warm(bench, path):
    """The library's own price, when the units are there."""
    program = f"{bench.build}/tests/bench/bench_symbols_warm"
    recorded = f"{bench.tree}/tests/fixtures/addresses/{os.path.basename(path)}"
    if not os.path.exists(program) or not os.path.exists(recorded):
        return
    with open(recorded) as file:
        out = subprocess.run([program, path], stdin=file, capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        what, value = line.rsplit(":", 1)
        bench.row(f"{os.path.basename(path)}, warm: {what}", value.strip())
