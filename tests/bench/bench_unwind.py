"""
The stack walk: what a sample costs, warm, cold, on deep stacks and large programs, beside the kernel's own walk and the
layouts of rows that are in use elsewhere.

bpf_get_stack goes by frame pointers. So a program is built twice, with and without them, and both run at the same time:
the sampler walks either by tables, bpf_get_stack the one that it can walk.
"""
import collections
import contextlib
import glob
import os
import shutil
import subprocess
import time

import big_code
import bench_unwind_build
from common import CPUS, Cgroup, output_of

TITLE = "Stack walk by unwind tables: cost"
LEAD_S = 14 # from the sampler's start to the first counted run: the tables, other layouts' rows, warming up
PROGRAMS = ("empty", "get_stack", "record", "rows4", "rows8", "rows4_record", "rows8_record", "sample")
Times = collections.namedtuple("Times", "runs ns median longest frames searched")


def start(command, cgroup):
    def join():
        os.setsid()
        with open(f"{cgroup.path}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=join)


@contextlib.contextmanager
def running(*commands):
    """Each command on every CPU, in a cgroup of its own; yields the cgroups' ids and all pids."""
    with contextlib.ExitStack() as stack:
        cgroups = [stack.enter_context(Cgroup()) for _ in commands]
        processes = [start(command, cgroup) for command, cgroup in zip(commands, cgroups) for _ in range(CPUS)]
        try:
            time.sleep(2)
            yield [os.stat(cgroup.path).st_ino for cgroup in cgroups], [process.pid for process in processes]
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()


def walks(bench, commands, rate, seconds, rows):
    """{(program, number of command): Times} of all ways to walk, in one run."""
    with running(*commands) as (cgroups, pids):
        sampler = subprocess.Popen([bench.fleetprof, "record", "-F", "19", "-d", str(seconds + LEAD_S), "-o",
                                    f"{bench.folder}/walks.folded"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(3)
        ids = ",".join(map(str, cgroups))
        said = output_of([f"{bench.build}/tests/bench/bench_walks", str(rate), str(seconds), ids,
                          *(map(str, pids) if rows else [])])
        sampler.wait()
    times = {}
    for line in said.splitlines():
        words = line.split()
        if len(words) == 8 and words[0] in PROGRAMS:
            runs, ns, median, longest, frames, searched = map(int, words[2:])
            if runs:
                times[words[0], int(words[1])] = Times(runs, ns / runs, median, longest, frames / runs, searched / runs)
    if ("sample", 0) not in times:
        raise SystemExit(f"nothing was sampled:\n{said}")
    return times


LAYOUTS = (("rows4", "4-byte rows in halved arrays"), ("rows8", "8-byte rows in halved arrays"))


def row(bench, what, times, remarks=()):
    bench.row(what, f"{times.ns:.0f} ns", "; ".join([
        f"{times.frames:.1f} frames, {times.ns / max(times.frames, 1):.0f} ns each", f"median {times.median} ns", *remarks]))


def beside(times, other, of):
    return f"{times.ns / other.ns:.2f} x {of} (medians {times.median / other.median:.2f})"


def report(bench, what, times, built_twice):
    """Command 0 has no frame pointers; of what is built twice, command 1 has."""
    ours = times["sample", 0]
    remarks = [f"{100 - 100 * ours.searched / max(ours.frames, 1):.1f} % of rules from the cache"]
    if built_twice:
        remarks += [beside(ours, times["get_stack", 1], "bpf_get_stack"), beside(ours, times["record", 1], "with a record")]
    row(bench, f"{what}: fleetprof, no frame pointers", ours, remarks)
    if built_twice:
        row(bench, f"{what}: fleetprof, frame pointers, by tables all the same", times["sample", 1],
            [beside(times["sample", 1], times["get_stack", 1], "bpf_get_stack")])
        row(bench, f"{what}: bpf_get_stack, frame pointers", times["get_stack", 1])
        row(bench, f"{what}: bpf_get_stack and a record, frame pointers", times["record", 1])
    for name, layout in LAYOUTS:
        for program, does in ((name, "only walked"), (f"{name}_record", "walked, and a record")):
            if (program, 0) in times:
                row(bench, f"{what}: {layout}, {does}", times[program, 0],
                    [f"fleetprof, all told: {beside(ours, times[program, 0], 'that')}"])


def build_twice(bench, name, source, optimize):
    programs = []
    for flags in ("-fomit-frame-pointer", "-fno-omit-frame-pointer"):
        programs.append(f"{bench.folder}/{name}{flags}")
        output_of(["gcc", "-g", optimize, flags, "-o", programs[-1], source])
    return programs


def measure_fixture(bench, what, name, depth, rate, seconds, rows=False):
    programs = build_twice(bench, name, f"{bench.tree}/tests/fixtures/{name}.c", "-O1")
    times = walks(bench, [[program, str(depth)] for program in programs], rate, seconds, rows)
    report(bench, f"{what}, {rate} Hz", times, True)
    return times


def measure_big_code(bench):
    source = f"{bench.folder}/big.c"
    big_code.write(source)
    programs = build_twice(bench, "big", source, "-O1")
    for rate, seconds in ((19, 30), (997, 5)):
        times = walks(bench, [[program] for program in programs], rate, seconds, True)
        report(bench, f"5 MB of code, 44 calls deep, beside 64 MB of data, {rate} Hz", times, True)


def functions(bench, suffix, head, function):
    """A file of functions that a compiler is busy with for longer than all is measured."""
    path = f"{bench.folder}/large.{suffix}"
    with open(path, "w") as file:
        file.write(head)
        for i in range(30000):
            file.write(function % {"i": i, "factor": i + 3, "mask": i + 1})
    return path


def c_functions(bench):
    return functions(bench, "c", "", "int f%(i)d(int *p, int n) { int s = %(i)d; for (int i = 0; i < n; i++) { s += p[i] * %(factor)d; "
                     "if (s & %(mask)d) s ^= p[(i * 7) %% n]; } return s; }\n")


def measure_clang(bench):
    if not shutil.which("clang"):
        print("  clang: not measured: it is not installed")
        return
    command = ["clang", "-O2", "-c", "-o", "/dev/null", c_functions(bench)]
    for rate, seconds in ((19, 30), (997, 5)):
        report(bench, f"clang -O2, {rate} Hz", walks(bench, [command], rate, seconds, True), False)


def measure_same(bench, program, command):
    """A program that has both frame pointers and call frames: all walk the very same stacks."""
    for rate, seconds in ((19, 30), (997, 5)):
        times = walks(bench, [command], rate, seconds, False)
        what, ours = f"{program}, {rate} Hz", times["sample", 0]
        row(bench, f"{what}: fleetprof", ours, [beside(ours, times["get_stack", 0], "bpf_get_stack"),
                                                beside(ours, times["record", 0], "with a record")])
        row(bench, f"{what}: bpf_get_stack", times["get_stack", 0])
        row(bench, f"{what}: bpf_get_stack and a record", times["record", 0])


def measure_zig(bench):
    """Zig's binary is clang, too, built with frame pointers; Debian's is not."""
    found = glob.glob(f"{bench.tree}/build/venv/lib/python3*/site-packages/ziglang/zig")
    if not found:
        print("  clang with frame pointers: not measured: Zig is not installed")
        return
    measure_same(bench, "clang -O2 with frame pointers (Zig's)",
                 [found[0], "clang", "-O2", "-c", "-o", "/dev/null", c_functions(bench)])


def measure_go(bench):
    """Go's code keeps frame pointers and has tables of its own."""
    if not shutil.which("go"):
        print("  Go's compiler: not measured: it is not installed")
        return
    source = functions(bench, "go", "package large\n",
                       "func f%(i)d(p []int, n int) int { s := %(i)d; for i := 0; i < n; i++ { s += p[i] * %(factor)d; "
                       "if s & %(mask)d != 0 { s ^= p[(i * 7) %% n] } }; return s }\n")
    compiler = output_of(["go", "tool", "-n", "compile"]).strip()
    measure_same(bench, "Go's compiler", [compiler, "-c=1", "-p", "large", "-o", "/dev/null", source])


def measure_table(bench):
    """The build of the largest library's table; over all files: ./dev bench unwind-build."""
    large = [path for path in bench_unwind_build.elf_files() if os.path.getsize(path) > 100e6]
    if not large:
        print("  a table of a large library: not measured: no library of over 100 MB is installed")
        return
    built = {path: bench_unwind_build.measure(bench, "--no-libdw", path) for path in large}
    path = max(built, key=lambda path: built[path][1]) # some programs have frame pointers and no rows
    _, rows, size, ns, _, heap = built[path]
    name = f"{os.path.basename(path)}, {os.path.getsize(path) / 1e6:.0f} MB"
    bench.row(f"{name}: build", f"{ns / rows:.0f} ns/row", f"{ns / 1e6:.0f} ms for {rows} rows")
    bench.row(f"{name}: table", f"{size / rows:.2f} B/row", f"{size / 1e6:.1f} MB")
    bench.row(f"{name}: largest heap while building", f"{heap / 1e6:.1f} MB")


def run(bench):
    measure_fixture(bench, "32 calls deep, warm", "deep", 32, 997, 5, True)
    measure_fixture(bench, "32 calls deep, beside 64 MB of data", "cold", 32, 19, 30, True)
    times = measure_fixture(bench, "512 frames", "deep", 510, 997, 5)
    bench.row("512 frames: longest run", f"{times['sample', 0].longest / 1000:.0f} us")
    measure_big_code(bench)
    measure_clang(bench)
    measure_zig(bench)
    measure_go(bench)
    measure_table(bench)
    for line in output_of([f"{bench.build}/tests/bench/bench_load"]).splitlines():
        what, value = line.rsplit(" ", 1)
        bench.row(what, value)
