#!/usr/bin/env python3
"""SIGKILL of any of the agent's processes, 50 times at random points: no acknowledged window is lost, none is there twice.
And a control: with an exporter that acknowledges before it stores, the same test finds lost windows."""
import collections
import concurrent.futures
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import BUILD, Agent, check, spin

OPTIONS = ("--window", "1s", "--watch-window", "1s", "--log-level", "debug", "--rate", "97")
ACKNOWLEDGED = re.compile(r'window (\d+) of run (\d+) is answered: stored')


def acknowledged(log):
    return {(int(run), int(number)) for number, run in ACKNOWLEDGED.findall(log)}


def run_once(agent, rng, counts, budget):
    """One life of the agent, with kills until the core or the keeper was one of them, or the exporter three times."""
    begin = len(agent.log())
    agent.start(wait=False)
    exporters = 0
    until = time.monotonic() + 30
    while "ready: " not in agent.log()[begin:]: # a kill may also hit the start
        if agent.process.poll() is not None or time.monotonic() > until:
            agent.fail("it does not start")
        time.sleep(0.02)
    while sum(counts.values()) < budget:
        time.sleep(rng.uniform(0, 0.8))
        role = rng.choice(("exporter",) * 4 + ("opener", "symbolizer") * 2 + ("core", "keeper"))
        pids = agent.processes().get(role)
        if not pids:
            continue
        try:
            os.kill(rng.choice(pids), signal.SIGKILL)
        except ProcessLookupError: # it ended by itself: children of the symbolizer do
            continue
        counts[role] += 1
        exporters += role == "exporter"
        if role in ("core", "keeper") or exporters == 3:
            break
    time.sleep(rng.uniform(0, 0.3))
    agent.kill()


def kill_many(programs, seed, budget):
    """Kills; returns (acknowledged windows, those of them that are lost, windows that are there twice, kills)."""
    rng = random.Random(seed)
    agent = Agent(*OPTIONS, programs=programs)
    counts = collections.Counter()
    while sum(counts.values()) < budget:
        run_once(agent, rng, counts, budget)
    # the last run opens the store as the others left it, and ends as it should
    agent.start()
    before = len(acknowledged(agent.log()))
    agent.wait_for(lambda: len(acknowledged(agent.log())) > before, "no window is acknowledged", 60)
    check(agent.stop() == 0, "the last run ends with an error")
    said = acknowledged(agent.log())
    kept = collections.Counter((header["agent_start"], header["number"]) for _, header in agent.store().windows())
    agent.remove()
    return len(said), len(said - set(kept)), sum(n - 1 for n in kept.values()), counts


def kill_in_lanes(programs, seed, budget, lanes=3):
    """The same by agents side by side, each with a part of the kills: most of the time they wait."""
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        parts = list(pool.map(lambda lane: kill_many(programs, seed + 1000 * lane, -(-budget // lanes)), range(lanes)))
    return tuple(sum(part[i] for part in parts) for i in range(3)) + (sum((part[3] for part in parts), collections.Counter()),)


def early_programs():
    """The programs, with the exporter that acknowledges early in the place of the real one."""
    folder = tempfile.mkdtemp(prefix="fleetprof-e2e.")
    os.chmod(folder, 0o755)
    for name in ("fleetprof", "fleetprof-opener", "fleetprof-symbolizer"):
        shutil.copy(f"{BUILD}/{name}", folder)
    shutil.copy(f"{BUILD}/tests/e2e_early_exporter", f"{folder}/fleetprof-exporter")
    return folder


def main():
    seed = int(os.environ.get("FLEETPROF_SEED", time.time()))
    print(f"FLEETPROF_SEED={seed}")
    load = spin(600)
    early = early_programs()
    try:
        said, lost, twice, counts = kill_in_lanes(BUILD, seed, 50)
        print(f"{said} windows acknowledged, {sum(counts.values())} kills ({dict(counts)}): {lost} lost, {twice} twice")
        check(said >= 3, "too few windows to say anything")
        check(not lost and not twice, "windows are lost or doubled")
        for more in range(1, 6):
            said, lost, twice, counts = kill_in_lanes(early, seed + more, 9)
            print(f"control: {said} windows acknowledged early, {sum(counts.values())} kills: {lost} lost")
            if lost:
                break
        check(lost > 0, "the control lost nothing: this test would not notice")
    finally:
        for process in load:
            process.kill()
            process.wait()
        shutil.rmtree(early)


main()
