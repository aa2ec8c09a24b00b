"""The numbers of ./dev bench: ratios within one run, on this machine. Arguments: the build folder, the tree."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

BUILD, TREE = map(os.path.abspath, sys.argv[1:3])
FLEETPROF = f"{BUILD}/fleetprof"
PROGRAMS = ("fleetprof", "fleetprof-opener", "fleetprof-symbolizer", "fleetprof-exporter")
CPUS = os.cpu_count()


def row(what, value, remark=""):
    print(f"  {what:<58} {value:>16}  {remark}")


class Cgroup:
    """A cgroup v2 of its own: cpu.stat counts all that ran in it, whoever waited for it."""

    def __init__(self):
        with open("/proc/mounts") as mounts:
            root = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
        self.path = tempfile.mkdtemp(prefix="fleetprof-bench-", dir=root)

    def run(self, command):
        """Runs the command in it; returns its output and the CPU seconds of all of its processes."""
        def join():
            with open(f"{self.path}/cgroup.procs", "w") as procs:
                procs.write(str(os.getpid()))
        before = self.cpu_s()
        done = subprocess.run(command, preexec_fn=join, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{command[0]} failed: {done.stdout[-2000:]}")
        return done.stdout, self.cpu_s() - before

    def cpu_s(self):
        with open(f"{self.path}/cpu.stat") as stat:
            return int(re.search(r"usage_usec (\d+)", stat.read())[1]) / 1e6

    def remove(self):
        for _ in range(50):
            try:
                return os.rmdir(self.path)
            except OSError:
                time.sleep(0.1)


class Load:
    """A process per CPU that is busy at the bottom of 32 calls."""

    def __init__(self, folder, flags):
        program = f"{folder}/deep"
        subprocess.run(["gcc", "-O1", "-g", *flags, "-o", program, f"{TREE}/tests/fixtures/deep.c"], check=True)
        self.processes = [subprocess.Popen([program, "32"]) for _ in range(CPUS)]

    def __enter__(self):
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def samples_of(output):
    return int(re.search(r"([\d,]+)\s+in profile", output)[1].replace(",", ""))


def bench_kernel(folder, rate, seconds):
    """ns per run of the sampler beside the baselines, at the same time on the same stacks."""
    baseline = subprocess.Popen([f"{BUILD}/tests/bench/bench_baseline", str(rate), str(seconds + 4)],
                                stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    recorded = subprocess.run([FLEETPROF, "record", "-F", str(rate), "-d", str(seconds), "-o", f"{folder}/k.folded"],
                              capture_output=True, text=True, check=True).stdout
    ns = {}
    for line in baseline.communicate()[0].splitlines():
        name, runs, total = line.split()
        if int(runs):
            ns[name] = int(total) / int(runs)
    mine = ns["sample"]
    row(f"kernel side, {rate} Hz: empty program", f"{ns['base_empty']:.0f} ns")
    row(f"kernel side, {rate} Hz: bpf_get_stack, kernel and user", f"{ns['base_get_stack']:.0f} ns")
    row(f"kernel side, {rate} Hz: fleetprof", f"{mine:.0f} ns", f"{mine / ns['base_get_stack']:.2f} x bpf_get_stack")
    return recorded


def bench_cpu(folder, rate, seconds):
    """CPU time of all processes per sample, symbols and files included, beside perf record -g."""
    cgroup = Cgroup()
    output, cpu = cgroup.run([FLEETPROF, "record", "-F", str(rate), "-d", str(seconds), "-o", f"{folder}/c.pb.gz"])
    samples = samples_of(output)
    row(f"all processes' CPU, {rate} Hz, {seconds} s: fleetprof", f"{1e6 * cpu / samples:.1f} us/sample",
        f"{cpu:.2f} s for {samples} samples, named")
    perf = shutil.which("perf")
    if perf:
        output, cpu = cgroup.run([perf, "record", "-a", "-g", "-e", "cpu-clock", "-F", str(rate), "-o", f"{folder}/perf.data",
                                  "--", "sleep", str(seconds)])
        found = re.search(r"\((\d+) samples\)", output)
        samples = int(found[1])
        row(f"all processes' CPU, {rate} Hz, {seconds} s: perf record -g", f"{1e6 * cpu / samples:.1f} us/sample",
            f"{cpu:.2f} s for {samples} samples, not named")
    else:
        print("  perf is not installed: nothing to compare with")
    cgroup.remove()


def ours():
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(exe).startswith(BUILD) and os.path.basename(os.readlink(exe)) in PROGRAMS:
                yield os.path.dirname(exe)
        except OSError:
            pass


def bench_memory(folder):
    recording = subprocess.Popen([FLEETPROF, "record", "-F", "99", "-d", "6", "-o", f"{folder}/m.folded"],
                                 stdout=subprocess.DEVNULL)
    time.sleep(4)
    pss, maps, count = 0, {}, 0
    for process in ours():
        count += 1
        with open(f"{process}/smaps_rollup") as rollup:
            pss += int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M)[1])
        for info in glob.glob(f"{process}/fdinfo/*"):
            with open(info) as text:
                text = text.read()
            if "map_id" in text:
                maps[re.search(r"map_id:\s+(\d+)", text)[1]] = int(re.search(r"memlock:\s+(\d+)", text)[1])
    recording.wait()
    row("memory while recording at 99 Hz: all processes' PSS", f"{pss / 1024:.1f} MB", f"{count} processes")
    row("memory while recording at 99 Hz: BPF maps", f"{sum(maps.values()) / 1048576:.1f} MB", f"{len(maps)} maps")


def bench_start(folder):
    times = []
    for _ in range(5):
        start = time.time()
        done = subprocess.run([FLEETPROF, "record", "-o", f"{folder}/s.folded", "--", "date", "+started %s.%N"],
                              capture_output=True, text=True, check=True)
        times.append(float(re.search(r"started ([\d.]+)", done.stdout)[1]) - start)
    row("start of the program to sampling, median of 5", f"{1000 * sorted(times)[2]:.0f} ms")


def bench_size(folder):
    for program in PROGRAMS:
        path = f"{BUILD}/{program}"
        if os.path.exists(path):
            subprocess.run(["strip", "-o", f"{folder}/{program}", path], check=True)
            row(f"size of {program}, stripped", f"{os.path.getsize(f'{folder}/{program}') / 1024:.0f} KB")


def main():
    if os.geteuid():
        raise SystemExit("the bench needs root")
    uname = os.uname()
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    print(f"{model[1] if model else uname.machine}, {CPUS} CPUs, {uname.sysname} {uname.release}")
    with tempfile.TemporaryDirectory() as folder:
        for flags, what in ((["-fno-omit-frame-pointer"], "frame pointers"), (["-fomit-frame-pointer"], "no frame pointers")):
            print(f"Every CPU busy, 32 calls deep, {what}:")
            with Load(folder, flags):
                bench_kernel(folder, 997, 5)
                if "-fno-omit-frame-pointer" in flags:
                    bench_kernel(folder, 99, 5)
                    bench_cpu(folder, 997, 10)
                    bench_cpu(folder, 99, 10)
        print("The programs:")
        bench_memory(folder)
        bench_start(folder)
        bench_size(folder)


main()
