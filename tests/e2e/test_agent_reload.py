#!/usr/bin/env python3
"""The settings are read again 200 times under load, half of the times they are invalid: every window's loss equation
holds, no window is missing, and what is invalid changes nothing. At last a rate is asked for that takes a fast machine.
"""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import Agent, check, check_window, spin

RATES = (97, 199, 49)
INVALID = ("rate: many\n", "rtae: 19\n", "rate: [1\n", "window: 7\n", "rate: 19\nrate: 20\n", "\tx", "rate: 0\n", "labels: 7\n")
FILTERS = ("", "filter: {exclude_cgroups: [/no/such]}\n", "filter: {cgroups: [/]}\n")


def settings(i):
    if i % 2:
        return INVALID[i // 2 % len(INVALID)]
    text = f"rate: {RATES[i // 2 % len(RATES)]}\n" + FILTERS[i // 2 % len(FILTERS)]
    if i % 50 == 0: # the exporter is started anew
        text += f"labels: {{round: r{i}}}\n"
    return text


def main():
    load = spin(600, 2)
    agent = Agent("--window", "2s", "--watch-window", "1s", "--config", "/dev/null")
    path = f"{agent.folder}/settings.yaml"
    agent.options = agent.options[:-1] + (path,)

    def write(text):
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    try:
        write("rate: 97\n")
        agent.start()
        core = agent.processes()["core"]
        for i in range(200):
            said = agent.log().count("settings")
            write(settings(i))
            agent.signal(signal.SIGHUP)
            agent.wait_for(lambda: agent.log().count("settings") > said, f"no answer to reload {i}")
        write("rate: 10000\n")
        agent.signal(signal.SIGHUP)
        agent.wait_for(lambda: agent.log().count("settings read again") == 101, "no answer to the last reload")
        check(agent.processes()["core"] == core, "the core is another one")
        time.sleep(2)
        if agent.stop():
            agent.fail("it ends with an error")
        log = agent.log()
        check(log.count("settings read again") == 101, f"{log.count('settings read again')} reloads applied")
        check(log.count("settings stay as they were") == 100, "not every invalid file was refused")
        check("does not balance" not in log, "a loss equation does not balance")
        lowered = re.search(r"10000 Hz would take .*: sampling at (\d+) Hz instead", log)
        fastest = int(lowered[1]) if lowered else 10000
        check(2000 <= fastest <= 10000, f"lowered to {fastest} Hz")
        store = agent.store()
        windows = store.windows()
        check([h["number"] for _, h in windows] == list(range(1, len(windows) + 1)), "a window is missing")
        for window, header in windows:
            points = check_window(store, window, header)
            samples, value = sum(p[1] for p in points), sum(p[2] for p in points)
            # every sample has the period of its time
            check(samples * (10**9 // fastest) <= value <= samples * 10**9 // min(RATES) + samples,
                  f"{value} ns for {samples} samples")
        check(windows[-1][1]["rate"] == fastest, f"{windows[-1][1]['rate']} Hz in the last window")
        print(f"{len(windows)} windows, {sum(h['losses']['in profile'] for _, h in windows)} samples")
    finally:
        for process in load:
            process.kill()
            process.wait()
        agent.remove()


main()
