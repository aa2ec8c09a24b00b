#!/usr/bin/env python3
"""The agent's page as it is installed: real windows, real names, the token, metrics, and an exporter that is killed."""
import http.client
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from agent import Agent, TREE, address, ask, check, get
from prometheus import families


def busy_ns(agent):
    """What the busy function has, by its name."""
    flame = ask(agent, "flame")["flame"]
    names = [flame["strings"][i] for i in flame["frames"]["name"]]
    return sum(flame["nodes"]["ns"][i] for i, frame in enumerate(flame["nodes"]["frame"]) if names[frame] == "page_loop")


def check_series(agent):
    """It is of the same time as the owners: no window may come between the two questions."""
    for _ in range(20):
        before, series, owners = ask(agent, "owners"), ask(agent, "series", points=60), ask(agent, "owners")
        whole = sum(o["cpu_ns"] for o in owners["owners"])
        if whole == sum(o["cpu_ns"] for o in before["owners"]):
            break
    check(abs(sum(series["cpu_ns"]) / whole - 1) < 0.5, "the series is of the same time")


def check_profile(agent):
    owners = ask(agent, "owners")
    check(owners["rate_hz"] == 97 and owners["cpus"] == os.cpu_count(), f"the rate, and {owners['cpus']} CPUs")
    check({"expected", "runs", "sampled"} <= {name for name, _ in owners["losses"]}, "the loss equation's terms")
    agent.wait_for(lambda: busy_ns(agent) > 0.5e9, "the busy function is not there by its name")
    check_series(agent)
    check(ask(agent, "series", points=100)["bucket_ms"] == 1000, "a bucket for each second")


def value_of(found, name, **labels):
    """The sum of a family's samples with these labels."""
    return sum(value for _, text, value in found[name][1] if all(f'{k}="{v}"' in text for k, v in labels.items()))


def check_unwinding(agent, found):
    """Why a stack is not complete is in the profile, and counted by owner."""
    check(value_of(found, "fleetprof_unwind_tables", state="placed") >= 3, "the program's, libc's and the vDSO's table")
    check(value_of(found, "fleetprof_unwind_table_bytes") > 1000, "and their bytes")
    check(value_of(found, "fleetprof_user_frames_total") > value_of(found, "fleetprof_user_frames_searched_total") > 0,
          f"frames: {found['fleetprof_user_frames_total'][1]} {found['fleetprof_user_frames_searched_total'][1]}")
    deep = value_of(found, "fleetprof_stacks_ended_total", reason="too deep")
    check(deep > 0 and value_of(found, "fleetprof_owner_stacks_truncated_total", reason="too deep") == deep, "deep stacks, by owner")
    truncated = value_of(found, "fleetprof_owner_stacks_total", what="truncated")
    check(truncated == value_of(found, "fleetprof_owner_stacks_truncated_total"), "the reasons are those of all truncated stacks")
    check("[truncated: too deep]" in ask(agent, "flame")["flame"]["strings"], "the end of a deep stack in the flame graph")


def check_health(agent):
    def metrics():
        found = families(get(agent, "/metrics")[1].decode())
        counted = "fleetprof_user_frames_total" in found and value_of(found, "fleetprof_user_frames_total") > 0
        return counted and found # every 10 s, the first time before any window has ended

    found = agent.wait_for(metrics, "the core tells no metrics of windows that have ended")
    for name in ("fleetprof_samples_total", "fleetprof_windows_total", "fleetprof_process_cpu_seconds_total", "fleetprof_store_bytes"):
        check(found[name][1], f"{name} is missing in /metrics")
    check_unwinding(agent, found)
    check(get(agent, "/healthz")[0] == 200 and get(agent, "/readyz") == (200, b"ok\n"), "it is alive, and ready")
    check(get(agent, "/api/v1/status", token="0" * 32)[0] == 401, "another token")


def check_killed(agent):
    """The page comes back under the same token, wherever it listens then."""
    before = address(agent)
    pid = agent.processes()["exporter"][0]
    os.kill(pid, signal.SIGKILL)

    def back():
        try:
            return pid not in agent.processes().get("exporter", [pid]) and get(agent, "/api/v1/status")[0] == 200
        except (OSError, ValueError, http.client.HTTPException):
            return False
    agent.wait_for(back, "the page does not come back")
    check(address(agent)[1] == before[1], "the token stays")


def main():
    agent = Agent("--window", "2s", "--watch-window", "1s", "--rate", "97")
    program = f"{agent.folder}/spin"
    subprocess.run(["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-DLOOP=page_loop", "-o", program, f"{TREE}/tests/fixtures/spin.c"],
                   check=True)
    deep = f"{agent.folder}/deep"
    subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-o", deep, f"{TREE}/tests/fixtures/torture/too_deep.c"], check=True)
    loads = [subprocess.Popen([program]), subprocess.Popen([deep, "1000"])]
    try:
        agent.start()
        agent.wait_for(lambda: get(agent, "/readyz")[0] == 200, "no window comes")
        agent.wait_for(lambda: len(agent.store().windows()) >= 3, "windows do not go on")
        check_profile(agent)
        check_health(agent)
        check_killed(agent)
        check(agent.stop() == 0, "it ends with an error")
    finally:
        for load in loads:
            load.kill()
            load.wait()
    agent.remove()


main()
