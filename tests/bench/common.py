"""What the themes of ./dev bench share."""
import glob
import os
import re
import subprocess
import tempfile
import time

PROGRAMS = ("fleetprof", "fleetprof-opener", "fleetprof-symbolizer", "fleetprof-exporter")
CPUS = os.cpu_count()


class Skip(Exception):
    """A theme cannot run here; the text says why."""


class Bench:
    """One run: where things are, and where the numbers go."""

    def __init__(self, build, tree):
        self.build, self.tree = build, tree
        self.fleetprof = f"{build}/fleetprof"
        self.folder = None  # a temporary one, for the theme that runs
        self.rows = []
        self.header = ("", "", "")
        self.machine = machine()

    def row(self, what, value, remark=""):
        print(f"  {what:<64} {value:>14}  {remark}", flush=True)
        self.rows.append((what, value, remark))

    def cells(self, what, *cells):
        """As row(), for a table with as many columns as the header has that the theme set."""
        print(f"  {what:<48} " + " | ".join(cells), flush=True)
        self.rows.append((what, *cells, *[""] * (len(self.header) - 1 - len(cells))))

    def load(self, *flags):
        """Every CPU busy at the bottom of 32 calls, compiled with these flags; to be used by `with`."""
        return Load(self, flags)

    def record(self, *arguments):
        """Runs `fleetprof record` to its end; returns what it printed."""
        return output_of([self.fleetprof, "record", *arguments])

    def processes(self):
        """The /proc folders of all processes that run a program of this build."""
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                target = os.readlink(exe)
            except OSError:
                continue
            if os.path.dirname(target) == self.build and os.path.basename(target) in PROGRAMS:
                yield os.path.dirname(exe)


class Cgroup:
    """A cgroup v2 of its own: cpu.stat counts all that ran in it, whoever waited for it. To be used by `with`."""

    def __init__(self):
        with open("/proc/mounts") as mounts:
            roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
        if not roots:
            raise Skip("no cgroup v2 is mounted")
        self.path = tempfile.mkdtemp(prefix="fleetprof-bench-", dir=roots[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(50):
            try:
                return os.rmdir(self.path)
            except OSError:
                time.sleep(0.1)

    def run(self, command):
        """Runs the command in it; returns its output and the CPU seconds of all of its processes."""
        def join():
            with open(f"{self.path}/cgroup.procs", "w") as procs:
                procs.write(str(os.getpid()))
        before = self.cpu_s()
        output = output_of(command, preexec_fn=join)
        return output, self.cpu_s() - before

    def cpu_s(self):
        with open(f"{self.path}/cpu.stat") as stat:
            return int(re.search(r"usage_usec (\d+)", stat.read())[1]) / 1e6


class Load:
    def __init__(self, bench, flags):
        program = f"{bench.folder}/deep"
        subprocess.run(["gcc", "-O1", "-g", *flags, "-o", program, f"{bench.tree}/tests/fixtures/deep.c"], check=True)
        self.command = [program, "32"]

    def __enter__(self):
        self.processes = [subprocess.Popen(self.command) for _ in range(CPUS)]
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def output_of(command, **how):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
    return done.stdout


def samples_of(output):
    """How many samples a recording put into its profile, by its own account."""
    return int(re.search(r"([\d,]+)\s+in profile", output)[1].replace(",", ""))


def machine():
    uname = os.uname()
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    return f"{model[1] if model else uname.machine}, {CPUS} CPUs, {uname.sysname} {uname.release}"
