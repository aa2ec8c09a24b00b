"""The stack walk: what a sample and a frame cost, warm, cold, on deep stacks, beside the kernel's own walk."""
import contextlib
import os
import re
import shutil
import subprocess
import time

from common import CPUS, Skip, output_of

TITLE = "Stack walk by unwind tables: cost"


def start(command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


@contextlib.contextmanager
def busy(bench, name, flags, arguments):
    """A program of tests/fixtures on every CPU."""
    program = f"{bench.folder}/{name}"
    output_of(["gcc", "-g", *flags, "-o", program, f"{bench.tree}/tests/fixtures/{name}.c"])
    processes = [start([program, *arguments]) for _ in range(CPUS)]
    time.sleep(0.5)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def compiling(bench):
    """clang -O2 on every CPU, again and again."""
    if not shutil.which("clang"):
        raise Skip("clang is not installed")
    source = f"{bench.folder}/large.c"
    with open(source, "w") as file:
        for i in range(1500):
            file.write(f"int f{i}(int *p, int n) {{ int s = {i}; for (int i = 0; i < n; i++) {{ s += p[i] * {i + 3}; "
                       f"if (s & {i + 1}) s ^= p[(i * 7) % n]; }} return s; }}\n")
    loop = f"while :; do clang -O2 -c -o /dev/null {source}; done"
    shells = [start(["sh", "-c", loop]) for _ in range(CPUS)]
    time.sleep(2)
    try:
        yield
    finally:
        for shell in shells:
            os.killpg(shell.pid, 9)
            shell.wait()


def measure(bench, what, rate, seconds):
    """All programs run at the same time, on the same stacks."""
    baseline = subprocess.Popen([f"{bench.build}/tests/bench/bench_baseline", str(rate), str(seconds + 4)],
                                stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    said = bench.record("-F", str(rate), "-d", str(seconds), "-o", f"{bench.folder}/unwind.folded")
    ns, runs = {}, {}
    for line in baseline.communicate()[0].splitlines():
        name, count, total = line.split()
        if int(count):
            ns[name], runs[name] = int(total) / int(count), int(count)
    frames, searched = map(int, re.search(r"user frames: (\d+), of them (\d+) searched", said).groups())
    longest = int(re.search(r"ns per run \(most (\d+)\)", said)[1])
    mine, walk = ns["sample"], ns["base_get_stack"]
    depth = frames / runs["sample"]
    bench.row(f"{what}, {rate} Hz: fleetprof", f"{mine:.0f} ns", f"{mine / walk:.2f} x bpf_get_stack ({walk:.0f} ns)")
    bench.row(f"{what}, {rate} Hz: user frames", f"{depth:.1f}", f"{mine / max(depth, 1):.0f} ns each, all told; "
              f"{100 - 100 * searched / max(frames, 1):.1f} % of the rules cached")
    return longest


def run(bench):
    without = ["-O1", "-fomit-frame-pointer"]
    with busy(bench, "deep", without, ["32"]):
        measure(bench, "32 calls deep, warm", 997, 5)
    with busy(bench, "deep", without, ["510"]):
        longest = measure(bench, "512 frames", 997, 5)
        bench.row("512 frames: longest run", f"{longest / 1000:.0f} us")
    with busy(bench, "cold", without, ["32"]):
        measure(bench, "32 calls deep, beside 64 MB of data", 19, 30)
    with compiling(bench):
        measure(bench, "clang -O2", 19, 20)
        measure(bench, "clang -O2", 997, 5)
    for line in output_of([f"{bench.build}/tests/bench/bench_load"]).splitlines():
        what, value = line.rsplit(" ", 1)
        bench.row(what, value)
