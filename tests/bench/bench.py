"""
The numbers of ./dev bench: ratios within one run, on this machine. Arguments: the build folder, the tree, and the names
of themes (default: all).

A theme is a module bench_*.py in this folder with a title and a run(bench), entered below in one line. It measures
through bench.py's common.Bench: it reports with bench.row(), works in bench.folder, and cleans up what it started.
A theme that cannot run here raises common.Skip with the reason. What a run measured also replaces the tables in
README.md, between <!-- bench:NAME --> and <!-- /bench -->.
"""
import importlib
import os
import re
import sys
import tempfile

import common

THEMES = {
    "kernel": "bench_kernel",
    "cpu": "bench_cpu",
    "memory": "bench_memory",
    "start": "bench_start",
    "size": "bench_size",
    "agent": "bench_agent",
    "upload": "bench_upload",
    "unwind": "bench_unwind",
    "complete": "bench_complete",
    "symbols": "bench_symbols",
    "hostile": "bench_hostile",
    "unwind-build": "bench_unwind_build",
    "unwind-oracle": "bench_unwind_oracle",
    "page": "bench_page",
}


def run(bench, name):
    module = importlib.import_module(THEMES[name])
    print(f"{module.TITLE} [{name}]", flush=True)
    bench.rows, bench.header = [], ("", "", "")
    with tempfile.TemporaryDirectory(prefix=f"fleetprof-bench-{name}-") as folder:
        bench.folder = folder
        try:
            module.run(bench)
        except common.Skip as skip:
            print(f"  not measured: {skip}")
            return
    update_readme(bench, name)


def update_readme(bench, name):
    """Puts the rows where README.md keeps a place for this theme."""
    path = f"{bench.tree}/README.md"
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as readme:
        old = readme.read()
    rows = [bench.header, ["---"] * len(bench.header), *bench.rows]
    table = "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
    new = re.sub(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench -->)",
                 lambda place: f"{place[1]}{bench.machine}\n\n{table}{place[2]}", old, flags=re.S)
    if new != old:
        with open(path, "w", encoding="utf-8") as readme:
            readme.write(new)


def main():
    names = sys.argv[3:] or list(THEMES)
    for name in names:
        if name not in THEMES:
            raise SystemExit(f"there is no theme {name}; there are: {' '.join(THEMES)}")
    if os.geteuid():
        raise SystemExit("the bench needs root")
    bench = common.Bench(*map(os.path.abspath, sys.argv[1:3]))
    print(bench.machine)
    for name in names:
        run(bench, name)


main()
