#!/usr/bin/env python3
"""The agent's names on its page: as --demangle has them, with the lines of inlined functions from further debug files."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import TREE, check, metric, running
from stripped import named, need

need("g++", "dwz")
FULL, SHORT, NONE = "shop::checkout(shop::Basket&)", "shop::checkout", "_ZN4shop8checkoutERNS_6BasketE"


def line_of(mark):
    with open(f"{TREE}/tests/fixtures/inlined.cc") as source:
        return next(number for number, line in enumerate(source, 1) if line.rstrip().endswith(f"// LINE-{mark}"))


def build(folder, name, *flags):
    subprocess.run(["g++", "-O2", "-g", "-fno-omit-frame-pointer", "-Wl,--build-id=sha1", *flags, "-o", name, "inlined.cc"],
                   cwd=folder, check=True)


def has_line(agent, name, mark):
    return any(file.endswith("inlined.cc") and line == line_of(mark) for file, line in named(agent, name))


def check_names(program, name, inlined, *options):
    """The function goes by this name and by no other, and so does one that is inlined in it, each with its line."""
    process = subprocess.Popen([program, "1000000000"], stdout=subprocess.DEVNULL)
    what = os.path.basename(program)
    state = tempfile.mkdtemp(prefix="fleetprof-e2e.") # the page shows the last minute: not another agent's
    try:
        with running(state, *options) as agent:
            agent.wait_for(lambda: has_line(agent, name, "CHECKOUT"), f"{what}: {name} is not there with its line", 40)
            agent.wait_for(lambda: has_line(agent, inlined, "FILL"), f"{what}: {inlined} is not there with its line", 40)
            agent.wait_for(lambda: metric(agent, 'fleetprof_debug_supplements_total{what="found"}') >= 1,
                           f"{what}: no further debug file is counted")
            for other in {FULL, SHORT, NONE} - {name}:
                check(not named(agent, other), f"{what}: {other} beside {name}")
    finally:
        process.kill()
        process.wait()
    shutil.rmtree(state)


def main():
    folder = tempfile.mkdtemp(prefix="fleetprof-e2e.")
    shutil.copy(f"{TREE}/tests/fixtures/inlined.cc", folder)
    build(folder, "split", "-gsplit-dwarf")
    check_names(f"{folder}/split", FULL, "fill<shop::Basket>")
    check_names(f"{folder}/split", NONE, "fill<shop::Basket>", "--demangle", "none")
    for name in ("one", "two"):
        build(folder, name)
    subprocess.run(["dwz", "-m", "shared", "-M", f"{folder}/shared", "one", "two"], cwd=folder, check=True)
    check_names(f"{folder}/one", SHORT, "fill", "--demangle", "short")
    shutil.rmtree(folder)


main()
