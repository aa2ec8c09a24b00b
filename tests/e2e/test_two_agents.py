#!/usr/bin/env python3
"""Two agents on one host, each with a state directory of its own: the later one, its metrics and the doctor say so."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import BUILD, check, metric, running, skip

WARNING = "another agent runs on this host, process "


def doctor():
    said = subprocess.run([f"{BUILD}/fleetprof", "doctor", "--json"], capture_output=True, text=True).stdout
    return next(finding for finding in json.loads(said)["findings"] if finding["name"] == "agents")


def main():
    if "none runs" not in doctor()["what"]:
        skip("an agent runs on this host already")
    with contextlib.ExitStack() as rest:
        one, two = (rest.enter_context(tempfile.TemporaryDirectory(prefix="fleetprof-e2e.")) for _ in range(2))
        with running(one) as first:
            check(WARNING not in first.log(), "it tells of an agent that is not there")
            found = doctor()
            check(found["state"] == "ok" and str(first.process.pid) in found["what"], f"the doctor says {found}")
            second = rest.enter_context(running(two))
            check(f"{WARNING}{first.process.pid}:" in second.log(), "the other agent is not told of")
            second.wait_for(lambda: metric(second, "fleetprof_other_agents") == 1, "the other agent is not in the metrics")
            found = doctor()
            check(found["state"] == "warn" and found["advice"], f"the doctor says {found}")
        second.wait_for(lambda: metric(second, "fleetprof_other_agents") == 0, "an agent that has ended is in the metrics")


main()
