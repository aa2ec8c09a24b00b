"""Arguments: NAME FUNCTION … of containers that run. See test_agent.sh."""
import os
import signal
import stat
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import Agent, check, check_window

NAMES = sys.argv[1::2]
LENGTH = 2
SECOND = 10**9
CAPABILITIES = {"core": 1 << 34 | 1 << 38 | 1 << 39, "exporter": 0, "symbolizer": 0} # SYSLOG PERFMON BPF


def status(pid):
    with open(f"/proc/{pid}/status") as text:
        return dict(line.split(":\t", 1) for line in text.read().splitlines() if ":\t" in line)


def check_privileges(agent):
    for role, capabilities in CAPABILITIES.items():
        for pid in agent.processes()[role]:
            try:
                have = status(pid)
            except OSError: # children of the symbolizer come and go
                continue
            check(int(have["CapPrm"], 16) == capabilities, f"{role} has capabilities {have['CapPrm']}")
            check((have["Uid"].split()[0] == "0") == (role == "core"), f"{role} is of user {have['Uid']}")
            check(have["NoNewPrivs"] == "1" or role == "exporter", f"{role} may gain privileges")
    store = os.stat(f"{agent.folder}/state/store")
    check(store.st_uid != 0 and stat.S_IMODE(store.st_mode) == 0o700, "the store is open to others")


def check_second(agent):
    second = Agent(folder=agent.folder)
    second.log_path = f"{agent.folder}/second"
    open(second.log_path, "w").close()
    second.start(wait=False)
    check(second.process.wait(20) == 1, "a second agent runs in the same directory")
    check(f"process {agent.process.pid}" in second.log(), f"it does not say which one runs: {second.log()}")


def check_timeline(windows):
    for (_, a), (_, b) in zip(windows, windows[1:]):
        check(b["number"] == a["number"] + 1, f"window {b['number']} follows {a['number']}")
        gap = b["start_boot"] - a["start_boot"] - a["duration"]
        check(0 <= gap < SECOND / 4, f"{gap} ns between windows {a['number']} and {b['number']}")
        check(b["start_wall"] % (LENGTH * SECOND) < SECOND, f"a window begins at {b['start_wall']}")
        check(b["flags"] == 0, f"flags {b['flags']}")


def check_owners(points):
    """{name: (samples, value, usage)} of the named containers over the points"""
    found = {}
    for identity, samples, value, usage, _, _ in points:
        for name in NAMES:
            if name.encode() + b"\0" in identity:
                old = found.get(name, (0, 0, 0))
                found[name] = (old[0] + samples, old[1] + value, old[2] + (usage or 0))
    return found


def main():
    agent = Agent("--window", f"{LENGTH}s", "--watch-window", "1s", "--rate", "97").start()
    time.sleep(4 * LENGTH)
    check_privileges(agent)
    check_second(agent)
    for role in ("symbolizer", "opener", "exporter"): # each is started again, and nothing is lost by it
        os.kill(agent.processes()[role][0], signal.SIGKILL)
    time.sleep(3 * LENGTH)
    check(agent.stop() == 0, "it ends with an error")
    check(not os.path.exists(f"{agent.folder}/state/url"), "the page's address stays behind")
    store = agent.store()
    windows = store.windows()
    check(len(windows) >= 5, f"{len(windows)} windows")
    check_timeline(windows)
    points = [p for window, header in windows for p in check_window(store, window, header)]
    found = check_owners(points)
    for name in NAMES:
        samples, value, usage = found.get(name, (0, 0, 0))
        print(f"{name}: {samples} samples, {value / 1e9:.2f} s by samples, {usage / 1e9:.2f} s by the kernel")
        check(samples > 100, f"{name} has {samples} samples: {found}")
        slack = max(0.3, 5 / samples ** 0.5) # of chance, and of ticks that a virtual machine's host leaves out
        check((1 - slack) * usage < value < (1.2 + slack) * usage, f"{name}: {value} ns by samples, {usage} by the kernel")
    agent.remove()


main()
