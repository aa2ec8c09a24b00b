"""Memory of a recording of this machine as it is, and of the agent on a busy host."""
import collections
import glob
import os
import re
import subprocess
import time

from agents import RunningAgent
from hosts import BusyHost

TITLE = "Memory"
WINDOWS = 8 # of ten seconds: tables, symbols and the store are there after the first ones


def maps_of(process):
    """BPF maps that the process holds: id → bytes."""
    maps = {}
    for info in glob.glob(f"{process}/fdinfo/*"):
        try:
            with open(info) as text:
                text = text.read()
        except OSError: # closed meanwhile
            continue
        if "map_id" in text:
            maps[re.search(r"map_id:\s+(\d+)", text)[1]] = int(re.search(r"memlock:\s+(\d+)", text)[1])
    return maps


def pss_kb(process):
    try:
        with open(f"{process}/smaps_rollup") as rollup:
            return int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M)[1])
    except (OSError, TypeError): # it ended
        return 0


def measure(processes):
    """KB by program, BPF maps."""
    pss, maps = collections.Counter(), {}
    for process in processes:
        try:
            with open(f"{process}/comm") as comm:
                name = comm.read().strip()
        except OSError:
            continue
        pss[name] += pss_kb(process)
        maps.update(maps_of(process))
    return pss, maps


def bench_recording(bench):
    recording = subprocess.Popen([bench.fleetprof, "record", "-F", "99", "-d", "6", "-o", f"{bench.folder}/memory.folded"],
                                 stdout=subprocess.DEVNULL)
    time.sleep(4)
    pss, maps = measure(bench.processes())
    recording.wait()
    bench.row("record at 99 Hz, this host: all processes' PSS", f"{sum(pss.values()) / 1024:.1f} MB")
    bench.row("record at 99 Hz, this host: BPF maps", f"{sum(maps.values()) / 1048576:.1f} MB", f"{len(maps)} maps")


def bench_agent(bench):
    """The most and the last of what stands at the windows' ends."""
    with BusyHost(bench) as host, RunningAgent(bench, "--window", "10s") as agent:
        most = 0
        for _ in range(2 * WINDOWS):
            time.sleep(5)
            pss, maps = measure(f"/proc/{pid}" for pid in agent.pids())
            most = max(most, sum(pss.values()))
        cpu = agent.cpu_s()
        left_out = f"; without {', '.join(host.missing)}" if host.missing else ""
    total = sum(pss.values()) / 1024 + sum(maps.values()) / 1048576
    budget = 48 + 0.25 * os.cpu_count()
    bench.row("agent, 300 processes with node, java, postgres, clang: all", f"{total:.1f} MB",
              f"of {budget:.1f} MB{left_out}")
    for name, kb in pss.most_common():
        bench.row(f"… {name}: PSS", f"{kb / 1024:.1f} MB")
    bench.row("… BPF maps", f"{sum(maps.values()) / 1048576:.1f} MB", f"{len(maps)} maps")
    bench.row("… the most PSS seen", f"{most / 1024:.1f} MB", f"{cpu:.1f} s of CPU in {10 * WINDOWS} s")


def run(bench):
    bench_recording(bench)
    bench_agent(bench)
