"""The agent's page on a day of 50 containers: what the exporter takes to answer, and the browser to draw."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

from common import Skip

TITLE = "The page: a day of 50 containers, one of them with a flame graph of 100,000 nodes"
FRAME_MS = 1000 / 60


def answers(bench, store):
    sys.path.insert(0, f"{bench.tree}/tests/golden")
    os.environ["FLEETPROF_SOURCE"] = bench.tree
    from exporter import TOKEN, Exporter

    now = int(time.time() * 1000)
    day, hour = (f"from={now - ms}&to={now}" for ms in (86400_000, 3600_000))
    with Exporter(bench.build, store, stderr=subprocess.DEVNULL) as exporter:
        def ask(path):
            request = urllib.request.Request(f"http://{exporter.address}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
            start = time.perf_counter()
            with urllib.request.urlopen(request, timeout=120) as answer:
                return time.perf_counter() - start, answer.read()
        for what, path in (("owners of a day", f"/api/v1/owners?{day}"), ("series of a day", f"/api/v1/series?{day}&points=300"),
                           ("flame graph of an hour, all owners", f"/api/v1/flame?{hour}"),
                           ("flame graph of a day, all owners", f"/api/v1/flame?{day}"),
                           ("pprof of a day, all owners", f"/api/v1/profile?{day}&format=pprof"),
                           ("folded stacks of a day, all owners", f"/api/v1/profile?{day}&format=folded")):
            seconds, body = min(ask(path) for _ in range(3))
            bench.row(what, f"{1000 * seconds:.0f} ms", f"{len(body) / 1024:.0f} KB")
        metrics = ask("/metrics")[1].decode()
        longest = float(re.search(r"^fleetprof_web_step_seconds_max (\S+)", metrics, re.M)[1])
        bench.row("longest that a question held the exporter's loop", f"{1000 * longest:.1f} ms")
        with open(f"/proc/{exporter.process.pid}/status") as status:
            peak = int(re.search(r"VmHWM:.*?(\d+)", status.read())[1])
        bench.row("the exporter's peak memory", f"{peak / 1024:.0f} MB")


def browser(bench, store):
    python, chromium = f"{bench.tree}/build/venv/bin/python3", shutil.which("chromium")
    if not os.path.exists(python) or not chromium:
        print("  the browser is not measured: no chromium, or no Playwright (./dev test installs them)")
        return
    done = subprocess.run([python, f"{bench.tree}/tests/golden/web_page.py", bench.build, os.path.dirname(store), "test_speed"],
                          capture_output=True, text=True, env={**os.environ, "CHROMIUM": chromium, "FLEETPROF_SOURCE": bench.tree})
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    speed = json.loads(re.search(r"^speed (\{.*\})$", done.stdout, re.M)[1])
    bench.row("a day opened: owners and chart are there", f"{speed['opened_s']:.2f} s")
    bench.row("a day opened: the flame graph of all is there", f"{speed['whole_s']:.2f} s")
    bench.row(f"one frame of {speed['nodes']:,} nodes", f"{speed['frame_ms']:.1f} ms", f"{speed['frame_ms'] / FRAME_MS:.2f} of a 60th of a second")
    bench.row("frames a second while everything is redrawn", f"{speed['frames_per_s']:.0f}", f"the slowest took {speed['slowest_ms']:.0f} ms")


def run(bench):
    maker = f"{bench.build}/tests/golden_make_store"
    if not os.path.exists(maker):
        raise Skip("the tests are not built")
    store = f"{bench.folder}/store"
    subprocess.run([maker, store, str(int(time.time()) // 60 * 60)], check=True)
    answers(bench, store)
    browser(bench, store)
