#!/usr/bin/env python3
"""Names are kept over a restart: the second run of the agent asks the symbolizer for nothing of a file that the first one
asked for, and its names are the same; whatever happens to the cache's files meanwhile, names are right and it starts."""
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import Agent, ask, check, get, skip

# Some hundred addresses, each with many samples.
PROGRAM = """
static volatile unsigned long sink;
static inline __attribute__((always_inline)) void inlined_work(void) { for (int i = 0; i < 20000; i++) sink += i; }
#define WORK(n) static __attribute__((noinline)) void kept_work##n(void) { inlined_work(); }
#define TEN(f, n) f(n##0) f(n##1) f(n##2) f(n##3) f(n##4) f(n##5) f(n##6) f(n##7) f(n##8) f(n##9)
#define CALL(n) kept_work##n();
TEN(WORK, 1) TEN(WORK, 2) TEN(WORK, 3) TEN(WORK, 4)
int main(void) { for (;;) { TEN(CALL, 1) TEN(CALL, 2) TEN(CALL, 3) TEN(CALL, 4) } }
"""


def metrics(agent):
    """The core tells them behind each window, and every ten seconds."""
    lines = get(agent, "/metrics")[1].decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}


def check_names(agent, what):
    """The program's stacks have its functions' names, the inlined one's, too."""
    flame = ask(agent, "flame")["flame"]
    names = [flame["strings"][i] for i in flame["frames"]["name"]]
    check({"main", "kept_work10", "kept_work49", "inlined_work"} <= set(names), f"{what}: other names: {sorted(set(names))}")
    ns = [(names[frame], value) for frame, value in zip(flame["nodes"]["frame"], flame["nodes"]["ns"])]
    own, whole = sum(value for name, value in ns if name == "inlined_work"), sum(value for _, value in ns)
    check(own >= 0.9 * whole, f"{what}: inlined_work has {own} of {whole} ns: {sorted(set(names))}")


def run(agent, seconds):
    """One life of the agent; its last metrics."""
    said = agent.log().count("ready: ")
    agent.start(wait=False)
    agent.wait_for(lambda: agent.log().count("ready: ") > said, "it is not ready")
    time.sleep(seconds)
    agent.wait_for(lambda: metrics(agent).get('fleetprof_windows_total{what="closed"}', 0) >= 5, "the core tells no metrics")
    m = metrics(agent)
    check_names(agent, f"run {said + 1}")
    check(agent.stop() == 0, "it ends with an error")
    return m


def own_cgroup(pid):
    """The program alone is sampled: its cgroup's path, in the hierarchy that names owners."""
    for root in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup"):
        folder = f"{root}/fleetprof-e2e-{os.getpid()}"
        try:
            os.mkdir(folder)
            with open(f"{folder}/cgroup.procs", "w") as file:
                file.write(str(pid))
            return folder
        except OSError:
            continue
    skip("no cgroup can be made")


def remove_cgroup(folder):
    """Its process has ended, but may be a member for a moment."""
    until = time.monotonic() + 20
    while True:
        try:
            return os.rmdir(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def main():
    if not shutil.which("gcc"):
        skip("gcc is not installed")
    agent = Agent("--window", "1s", "--watch-window", "1s", "--rate", "297", "--filter-cgroups", f"/fleetprof-e2e-{os.getpid()}")
    cgroup = process = None
    try:
        kind = subprocess.run(["stat", "-f", "-c", "%T", agent.folder], capture_output=True, text=True).stdout.strip()
        if kind not in ("ext2/ext3", "xfs", "btrfs", "f2fs"):
            skip(f"{agent.folder} is on {kind}, whose files' names are not kept")
        path = f"{agent.folder}/keeper"
        subprocess.run(["gcc", "-x", "c", "-O1", "-g", "-static", "-o", path, "-"], input=PROGRAM, text=True, check=True)
        time.sleep(0.3)  # it was not written just now
        process = subprocess.Popen([path])
        cgroup = own_cgroup(process.pid)
        names = f"{agent.folder}/state/names"

        first = run(agent, 8)
        asked = first["fleetprof_symbolizer_addresses_total"]
        check(asked > 60, f"the first run asks for {asked} addresses")
        check(first["fleetprof_files_hashed_total"] == 1, f"not one file is hashed: {first['fleetprof_files_hashed_total']}")
        check(first['fleetprof_symbol_cache_addresses_total{what="written"}'] > 0, "no name is kept")
        print(f"first run: {asked:.0f} addresses asked for, {first['fleetprof_symbol_cache_bytes']:.0f} bytes")

        second = run(agent, 8)
        again = second["fleetprof_symbolizer_addresses_total"]
        read = second['fleetprof_symbol_cache_addresses_total{what="read"}']
        print(f"second run: {again:.0f} addresses asked for, {read:.0f} addresses read")
        check(read > 0, "no name is read from disk")
        check(again <= asked / 3, f"the second run asks for {again} addresses")  # rare ones that no sample had before
        check(second["fleetprof_files_recalled_total"] == 1, "the file is hashed again")
        for what in ("corrupt", "error", "refused"):
            check(second[f'fleetprof_symbol_cache_failures_total{{what="{what}"}}'] == 0, f"{what} is counted")

        # Damage of every kind: the agent starts, counts it, and gives the right names.
        with open(names, "rb") as file:
            whole = file.read()
        random.seed(7)
        damaged = bytearray(whole)
        for _ in range(max(4, len(whole) // 64)):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        for what, data in (("bits are turned over", bytes(damaged)), ("the end is missing", whole[:len(whole) * 2 // 3]),
                           ("another version", whole[:8] + b"\2" + whole[9:])):
            with open(names, "wb") as file:
                file.write(data)
            said = agent.log().count("ready: ")
            agent.start(wait=False)
            agent.wait_for(lambda: agent.log().count("ready: ") > said, f"{what}: it is not ready")
            time.sleep(3)
            check_names(agent, what)
            check(agent.stop() == 0, f"{what}: it ends with an error")
        check(agent.log().count("started anew") + agent.log().count("damaged") >= 2, "the damage is not said")
        os.unlink(names)
        os.mkdir(names)
        m = run(agent, 8)
        check(m['fleetprof_symbol_cache_failures_total{what="error"}'] == 1, "a folder in its place is not counted")
        check(m["fleetprof_symbolizer_addresses_total"] > 0, "nothing is asked for without a cache")
        check(process.poll() is None, "the program has ended")
        check("does not balance" not in agent.log(), "a loss equation does not balance")
    finally:
        if process:
            process.kill()
            process.wait()
        if cgroup:
            remove_cgroup(cgroup)
        agent.remove()


main()
