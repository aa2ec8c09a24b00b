"""How long it takes until the first sample can be taken, and what the first profile of a busy host costs; and storms."""
import re
import subprocess
import time

from agents import RunningAgent
from hosts import BusyHost

TITLE = "Start"
RUNS = 5
MANY, MANY_PAUSE_MS = 10000, 20000 # processes that hardly run: it is their number that counts


def bench_sampling(bench):
    times = []
    for _ in range(RUNS):
        start = time.time()
        output = bench.record("-o", f"{bench.folder}/start.folded", "--", "date", "+started %s.%N")
        times.append(float(re.search(r"started ([\d.]+)", output)[1]) - start)
    bench.row(f"start of the program to sampling, median of {RUNS}", f"{1000 * sorted(times)[RUNS // 2]:.0f} ms")


def first_profile(bench, processes, pause_ms):
    """CPU of all of the agent's processes until the first window is on disk: its tables, names, and the window."""
    with BusyHost(bench, processes, pause_ms) as host:
        with RunningAgent(bench, "--window", "10s", "--log-level", "debug") as agent:
            until = time.monotonic() + 60
            while "is answered: stored" not in agent.text() and time.monotonic() < until:
                time.sleep(0.02)
            cpu = agent.cpu_s()
        left_out = f", without {', '.join(host.missing)}" if host.missing else ""
    bench.row(f"first profile of {processes} processes: CPU", f"{cpu:.2f} s", f"window of 10 s{left_out}")


def bench_storm(bench):
    """200 processes a second that live 5 ms."""
    programs = []
    for name, flags in (("brief", "-O1 -g -fno-omit-frame-pointer"), ("storm", "-O2")):
        programs.append(f"{bench.folder}/{name}")
        subprocess.run(["gcc", *flags.split(), "-o", programs[-1], f"{bench.tree}/tests/fixtures/{name}.c"], check=True)
    folded = f"{bench.folder}/storm.folded"
    bench.record("-F", "997", "-o", folded, "--", programs[1], "5", "200", "5", programs[0])
    counts = {"all": 0, "owned": 0, "named": 0, "work": 0}
    with open(folded, encoding="utf-8") as file:
        for line in file:
            stack, count = line.rsplit(" ", 1)
            counts["all"] += int(count)
            counts["owned"] += int(count) * bool(re.match(r"[^;]+;(brief|storm|fleetprof-run)(;|$)", stack))
            work = re.search(r";brief;.*(brief_work|brief!0x)", stack)
            counts["work"] += int(count) * bool(work)
            counts["named"] += int(count) * (bool(work) and "brief_work" in stack)
    bench.row("storm of 200 processes a second that live 5 ms: with process and owner",
              f"{100 * counts['owned'] / max(counts['all'], 1):.1f} %", f"{counts['all']} samples")
    bench.row("… with names", f"{100 * counts['named'] / max(counts['work'], 1):.1f} %", "of the program's own code")


def run(bench):
    bench_sampling(bench)
    bench_storm(bench)
    first_profile(bench, 300, 100)
    first_profile(bench, MANY, MANY_PAUSE_MS)
