"""The agent over time: memory while processes and containers come and go, bytes per sample, wake-ups of an idle host."""
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import time

from agents import Mixed, RunningAgent
from common import CPUS, Cgroup

TITLE = "The agent over time"
CHURN_WINDOWS = 120 # of a second: as many windows as two hours have minutes
CONTAINERS, PROCESSES = 50, 1000
IDLE_SECONDS = 25
IDLE_WINDOW = 60 # seconds; windows end on the wall clock's minutes, and are named and stored in the seconds behind that


def pss(agent):
    total = 0
    for pid in agent.pids():
        try:
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M)[1])
        except (OSError, TypeError):
            pass # it ended
    return total


def open_files(agent):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in agent.pids() if os.path.exists(f"/proc/{pid}/fd"))


class Churn:
    """Containers that live for some seconds, and programs in them that are files of their own and live for less."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = f"{bench.folder}/churn"
        os.mkdir(self.folder)
        self.program = f"{self.folder}/brief"
        subprocess.run(["gcc", "-O1", "-g", "-o", self.program, f"{bench.tree}/tests/fixtures/brief.c"], check=True)
        root = Cgroup()
        self.root = root.path
        root.__exit__()
        os.mkdir(self.root)
        self.serial, self.running = 0, []

    def step(self):
        """A container with its processes; the one of some steps ago goes."""
        self.serial += 1
        cgroup = f"{self.root}/docker-{self.serial:064x}.scope"
        os.mkdir(cgroup)
        program = f"{self.folder}/p{self.serial}"
        shutil.copy(self.program, program)
        shell = f"echo $$ > {cgroup}/cgroup.procs; for i in $(seq {PROCESSES // CONTAINERS}); do {program}; done"
        self.running.append((subprocess.Popen(["sh", "-c", shell]), cgroup, program))
        if len(self.running) > 4:
            self.drop()

    def drop(self):
        process, cgroup, program = self.running.pop(0)
        process.kill()
        process.wait()
        os.unlink(program)
        for _ in range(100):
            try:
                return os.rmdir(cgroup)
            except OSError:
                time.sleep(0.05)

    def end(self):
        while self.running:
            self.drop()
        os.rmdir(self.root)


def slope(points):
    """Least squares: change of y per x."""
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy = sum(x * x for x, _ in points), sum(x * y for x, y in points)
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def bench_churn(bench):
    churn = Churn(bench)
    every = CHURN_WINDOWS / CONTAINERS
    memory = []
    with RunningAgent(bench, "--rate", "199", "--window", "1s", "--watch-window", "1s") as agent:
        begin = time.monotonic()
        for i in range(CONTAINERS):
            churn.step()
            time.sleep(max(0, begin + (i + 1) * every - time.monotonic()))
            memory.append(((time.monotonic() - begin), pss(agent)))
        churn.end()
        files = open_files(agent)
    late = memory[len(memory) // 2:]
    grown = slope(late) * CHURN_WINDOWS / 1024
    bench.row(f"churn of {CONTAINERS} containers, {PROCESSES} processes, {CHURN_WINDOWS} windows: PSS at the end",
              f"{memory[-1][1] / 1024:.1f} MB", f"{files} descriptors of all processes")
    bench.row("churn: growth of PSS, second half, per as many windows", f"{grown:+.2f} MB", "least squares")


def bytes_per_sample(agent):
    db = sqlite3.connect(f"file:{agent.folder}/state/store/fleetprof.db?mode=ro", uri=True)
    return db.execute("SELECT sum(length(d.data)), sum(p.samples) FROM points p JOIN windows w ON w.id = p.window "
                      "JOIN profiles d ON d.id = p.profile WHERE w.level = 0 AND w.end_ns - w.start_ns > 55000000000").fetchone()


def wait_for_window(agent):
    """Until a whole window of a minute is stored."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        size, samples = bytes_per_sample(agent)
        if size:
            return size, samples
        time.sleep(1)
    raise SystemExit("no window was stored")


class Compiling:
    def __init__(self, bench):
        shell = f"while :; do for f in {bench.tree}/agent/core/*.c; do " \
                f"gcc -O2 -D_GNU_SOURCE -DFLEETPROF_VERSION='\"0\"' -I{bench.tree} -I{bench.build} -c -o /dev/null $f 2>/dev/null; done; done"
        self.command = ["sh", "-c", shell]

    def __enter__(self):
        self.processes = [subprocess.Popen(self.command, start_new_session=True) for _ in range(CPUS)]

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, 9)
            process.wait()


def bench_bytes(bench, what, load):
    with load, RunningAgent(bench, "--rate", "19", "--window", "60s") as agent:
        size, samples = wait_for_window(agent)
        bench.row(f"bytes per sample in the store, 19 Hz, window of 60 s: {what}", f"{size / samples:.1f} B",
                  f"{samples} samples")


def switches(agent):
    total = 0
    for pid in agent.pids():
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(path) as status:
                total += sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status.read()))
    return total


def sleep_until(second):
    """Of a window, the coming one if it is past."""
    time.sleep((second - time.time()) % IDLE_WINDOW)


def idle_row(bench, agent, what):
    before, cpu = switches(agent), agent.cpu_s()
    time.sleep(IDLE_SECONDS)
    bench.row(f"wake-ups of all processes, {what}", f"{(switches(agent) - before) / IDLE_SECONDS:.2f} /s",
              f"{IDLE_SECONDS} s, on this host as it is; CPU {100 * (agent.cpu_s() - cpu) / IDLE_SECONDS:.2f} % of a core")


def bench_idle(bench):
    with RunningAgent(bench, "--rate", "19", "--window", f"{IDLE_WINDOW}s") as agent:
        time.sleep(10)
        sleep_until(IDLE_WINDOW / 2 - IDLE_SECONDS / 2)
        idle_row(bench, agent, "between windows")
        sleep_until(IDLE_WINDOW - IDLE_SECONDS / 2)
        idle_row(bench, agent, "with a window's end")


def run(bench):
    bench_idle(bench)
    bench_churn(bench)
    bench_bytes(bench, "steady service", Mixed())
    bench_bytes(bench, "compile job", Compiling(bench))
