#!/usr/bin/env python3
"""SIGKILL of the exporter, and of its core, while windows are handed over as fast as they are acknowledged: what was
acknowledged is in the store, once. And a control: an exporter that acknowledges early is found out."""
import collections
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import BUILD, Store, check

FEEDER = f"{BUILD}/tests/e2e_feeder"
ROUNDS, PER_ROUND = 60, 1000
WINDOW = "1000 1000 3 20 24 -" # age, duration, owners, stacks, bytes of names


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def feed(exporter, store, first, seconds, kill_core):
    """Hands windows over from number first on, for so long, and kills. Returns the numbers that were acknowledged."""
    feeder = subprocess.Popen([FEEDER, exporter, "--store", store], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, bufsize=1)
    said, pid, number = set(), 0, first

    def hear(line):
        nonlocal pid
        words = line.split()
        if words[:1] == ["exporter"]:
            pid = int(words[1])
        if words[:1] == ["stored"]:
            said.add(int(words[1]))

    def put():
        nonlocal number
        feeder.stdin.write(f"put {number} {WINDOW}\n")
        number += 1

    while not pid:
        hear(feeder.stdout.readline())
    put()
    put()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([feeder.stdout], [], [], max(0, until - time.monotonic()))[0]:
            line = feeder.stdout.readline()
            hear(line)
            if line.startswith("stored"):
                put()
    os.kill(feeder.pid if kill_core else pid, signal.SIGKILL)
    if not kill_core:
        feeder.kill()
    for line in feeder.stdout.read().splitlines(): # what it said before
        hear(line)
    feeder.wait()
    feeder.stdin.close()
    feeder.stdout.close()
    while lives(pid): # it holds the store's lock until it has ended
        time.sleep(0.002)
    return said


def kill_many(exporter, seed, rounds):
    """(acknowledged, lost, twice)"""
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="fleetprof-e2e.")
    store = f"{folder}/store"
    said = set()
    for i in range(rounds):
        said |= feed(exporter, store, 1 + i * PER_ROUND, rng.uniform(0, 0.25), rng.random() < 0.4)
    kept = collections.Counter(header["number"] for _, header in Store(f"{store}/fleetprof.db").windows())
    shutil.rmtree(folder)
    return len(said), len(said - set(kept)), sum(n - 1 for n in kept.values())


def main():
    seed = int(os.environ.get("FLEETPROF_SEED", time.time()))
    print(f"FLEETPROF_SEED={seed}")
    said, lost, twice = kill_many(f"{BUILD}/fleetprof-exporter", seed, ROUNDS)
    print(f"{ROUNDS} kills, {said} windows acknowledged: {lost} lost, {twice} twice")
    check(said >= ROUNDS // 3, "too few windows to say anything")
    check(not lost and not twice, "windows are lost or doubled")
    said, lost, _ = kill_many(f"{BUILD}/tests/e2e_early_exporter", seed, 5)
    print(f"control: {said} windows acknowledged early: {lost} lost")
    check(lost > 0, "the control lost nothing: this test would not notice")


main()
