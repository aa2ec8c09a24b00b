"""A running agent, and its store, as the end-to-end tests see them."""
import atexit
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from varint import Reader

BUILD = os.environ.get("FLEETPROF_BUILD", os.path.abspath("build"))
TREE = os.environ.get("FLEETPROF_SOURCE", os.getcwd())
ROLES = {"fleetprof-keep": "keeper", "fleetprof": "core", "fleetprof-opener": "opener", "fleetprof-symbolizer": "symbolizer",
         "fleetprof-exporter": "exporter"}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def fail(why):
    print(f"FAILED: {why}", file=sys.stderr)
    sys.exit(1)


def check(condition, why):
    if not condition:
        fail(why)


if os.geteuid():
    skip("needs root")


class Agent:
    """fleetprof agent with a state directory of its own, that other users can reach. programs: a folder of other builds."""

    def __init__(self, *options, folder=None, programs=BUILD):
        self.folder = folder or tempfile.mkdtemp(prefix="fleetprof-e2e.")
        os.chmod(self.folder, 0o755)
        self.programs = programs
        self.options = options
        self.process = None
        self.log_path = f"{self.folder}/log"
        open(self.log_path, "a").close()
        atexit.register(self.end) # a test that fails leaves none behind

    def end(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def start(self, wait=True):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [f"{self.programs}/fleetprof", "agent", "--state-dir", f"{self.folder}/state", "--log-format", "logfmt",
                 "--kill-switch", f"{self.folder}/off", "--web-listen", "127.0.0.1:0", *self.options],
                stdout=log, stderr=log, start_new_session=True, env={k: v for k, v in os.environ.items() if not k.startswith("FLEETPROF_")})
        if wait:
            self.wait_for(lambda: self.log().count("ready: ") > 0, "it is not ready")
        return self

    def wait_for(self, condition, why, seconds=60):
        """What the condition gives when it gives anything."""
        until = time.monotonic() + seconds
        while not (found := condition()):
            if self.process.poll() is not None:
                self.fail(f"{why}: it ended with {self.process.returncode}")
            if time.monotonic() > until:
                self.fail(why)
            time.sleep(0.05)
        return found

    def fail(self, why):
        sys.stderr.write("".join(f"  agent: {line}\n" for line in self.log().splitlines()[-30:]))
        self.kill()
        fail(why)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def processes(self):
        """Role → pids, the keeper's own child first; the symbolizer's and the opener's are under their parents' roles."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    text = stat.read()
                with open(f"/proc/{entry}/comm") as comm:
                    name = comm.read().strip()
            except OSError:
                continue
            _, parent, _, session = text[text.rindex(")") + 2:].split()[:4]
            session = int(session)
            if session == self.process.pid:
                role = "keeper" if int(entry) == self.process.pid else \
                    next((ROLES[n] for n in sorted(ROLES, key=len, reverse=True) if n[:15] == name), name)
                pids = found.setdefault(role, [])
                pids.insert(0 if int(parent) == self.process.pid else len(pids), int(entry))
        return found

    def signal(self, signo):
        os.kill(self.process.pid, signo)

    def stop(self, seconds=60):
        """Ends it as a service manager would; the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.fail("it does not end")

    def kill(self):
        for pids in self.processes().values():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        while self.processes():
            time.sleep(0.01)

    def store(self):
        return Store(f"{self.folder}/state/store/fleetprof.db")

    def remove(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(state, *options):
    """An agent that ends well, or is killed with the test."""
    with open(f"{state}/log", "w"): # what an agent before has said
        pass
    agent = Agent("--window", "2s", "--watch-window", "1s", "--rate", "97", *options, folder=state)
    try:
        yield agent.start()
        status = agent.stop()
        if status:
            agent.fail(f"it ends with {status}")
    finally:
        if agent.process.poll() is None:
            agent.kill()


def address(agent):
    """(http://ADDRESS, token) as the agent keeps it for its user."""
    with open(f"{agent.folder}/state/url") as file:
        url, token = file.read().strip().split("/#")
    return url, token


def get(agent, path, token=None):
    url, right = address(agent)
    request = urllib.request.Request(url + path, headers={"Authorization": "Bearer " + (token or right)})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ask(agent, what, **parameters):
    now = int(time.time() * 1000)
    query = "&".join(f"{k}={v}" for k, v in {"from": now - 60_000, "to": now + 5_000, **parameters}.items())
    status, body = get(agent, f"/api/v1/{what}?{query}")
    check(status == 200, f"{what}: {status} {body[:200]}")
    return json.loads(body)


def parse_header(data):
    """proto/winwire.h: winwire_put_header()"""
    r = Reader(data)
    header = {"boot_id": r.raw(16)}
    for name in ("agent_start", "number", "start_boot", "duration", "start_wall", "period", "rate", "cpus", "flags"):
        header[name] = r.number()
    for name in ("host", "kernel", "version"):
        header[name] = r.text()
    header["losses"] = {r.text(): r.number() for _ in range(r.number())}
    return header


def parse_seconds(data):
    r, seconds = Reader(data), []
    while r.at < len(data):
        seconds.append(r.number())
    return seconds


class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)

    def windows(self):
        """[(id, header)], oldest first; not rolled-up ones."""
        return [(i, parse_header(header)) for i, header in
                self.db.execute("SELECT id, header FROM windows WHERE level = 0 ORDER BY id")]

    def points(self, window):
        """[(owner's identity as bytes, samples, value, usage, throttled, seconds)]"""
        return [(identity, samples, value, usage, throttled, parse_seconds(seconds)) for
                identity, samples, value, usage, throttled, seconds in
                self.db.execute("SELECT o.identity, p.samples, p.value_ns, p.usage_ns, p.nr_throttled, p.seconds FROM points p "
                                "JOIN owners o ON o.id = p.owner WHERE p.window = ?", (window,))]


def check_balance(header):
    """The loss equation as it stands in a window; the terms are independent counters."""
    x = header["losses"]
    lost = sum(n for name, n in x.items() if name.startswith("lost: ") and name not in
               ("lost: malformed record", "lost: profile full"))
    check(x["expected"] + x["early"] == x["runs"] + x["asleep"] + x["late"] + x["missed"], f"expected: {x}")
    check(x["runs"] == x["idle"] + x["filtered"] + x["unsupported"] + x["sampled"] + lost, f"runs: {x}")
    check(x["sampled"] == x["in profile"] + x["filtered by path"] + x["lost: profile full"] + x["lost: malformed record"],
          f"sampled: {x}")


def check_window(store, window, header):
    """Sums: what is in the profiles is what the equation says, and the histogram has every sample. Returns the points."""
    check_balance(header)
    points = store.points(window)
    samples = sum(p[1] for p in points)
    check(samples == header["losses"]["in profile"], f"window {header['number']}: {samples} samples, {header['losses']}")
    for identity, samples, value, _, _, seconds in points:
        check(sum(seconds) == samples, f"{identity}: {sum(seconds)} samples in the histogram, {samples} in all")
        check(len(seconds) <= header["duration"] / 1e9 + 2, f"{len(seconds)} seconds in {header['duration']} ns")
    return points


def spin(seconds=60, nr=1):
    """Processes that use their CPU."""
    return [subprocess.Popen([sys.executable, "-c", f"import time\nt=time.time()+{seconds}\nwhile time.time()<t: pass"])
            for _ in range(nr)]


def metric(agent, name):
    """The value of a line of /metrics, 0 if it is not there."""
    for line in get(agent, "/metrics")[1].decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return 0
