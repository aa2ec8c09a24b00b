"""What the tests of uploads share: an exporter fed by a stand-in for the core, and a receiver that checks everything."""
import concurrent.futures
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

BUILD = os.environ.get("FLEETPROF_BUILD", os.path.join(os.getcwd(), "build"))
SOURCE = os.environ.get("FLEETPROF_SOURCE", os.getcwd())
FAST = "requests-per-second=1000,bytes-per-second=100000000,catchup=1000,catchup-delay=0,retry-max=1"
LANES = 4
OUTCOMES_LOST = ("evicted_age", "evicted_bytes", "refused_invalid", "refused_too_large", "refused_unknown",
                 "refused_relabel", "refused_fraction", "refused_empty", "refused_unreadable")
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fail(text):
    raise AssertionError(text)


def wait(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            fail(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def receiver_path():
    run = subprocess.run([f"{SOURCE}/tests/receiver/build.sh", BUILD], capture_output=True, text=True)
    if run.returncode:
        print(run.stdout.strip() or run.stderr.strip())
        sys.exit(77 if run.returncode == 77 else 1)
    return run.stdout.strip()


class Receiver:
    def __init__(self, *args):
        self.process = subprocess.Popen([receiver_path(), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[1]
        self.port = int(self.address.rsplit(":", 1)[1])
        self.control = self.process.stdout.readline().split()[1]

    def ask(self, path, **query):
        url = f"http://{self.control}/{path}?{urllib.parse.urlencode(query)}"
        return direct.open(url, timeout=20).read()

    def fault(self, mode="", **query):
        self.ask("fault", mode=mode, **query)

    def stats(self):
        return json.loads(self.ask("stats"))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()


class Rig:
    """An exporter with a store of its own. send() puts windows in; sums tell what was sent."""

    def __init__(self, backends, args=(), directory=None):
        self.directory = directory or tempfile.mkdtemp(prefix="fleetprof-upload.")
        os.chmod(self.directory, 0o755) # for an exporter that is another user
        self.store = f"{self.directory}/store"
        self.backends, self.args = list(backends), list(args)
        self.number = self.samples = self.value = self.rows = 0
        self.answered, self.pid, self.lines = 0, 0, []
        self.start()

    def start(self):
        command = [f"{BUILD}/tests/e2e_feeder", f"{BUILD}/fleetprof-exporter", "--store", self.store, "--node", "n1",
                   "--store-max-share", "0", "--store-min-free", "0", *self.args]
        for backend in self.backends:
            command += ["--upload", backend]
        self.log = open(f"{self.directory}/log", "a")
        self.feeder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.reader = threading.Thread(target=self.read, args=(self.feeder,))
        self.reader.start()
        wait("the exporter's start", lambda: self.pid)

    def read(self, feeder):
        for line in feeder.stdout:
            word = line.split()
            self.lines.append(line.strip())
            if word[0] == "exporter":
                self.pid = int(word[1])
            elif word[0] == "sent":
                self.samples += int(word[2])
                self.value += int(word[3])
            elif word[0] in ("stored", "refused"):
                self.answered += 1

    def send(self, windows=1, owners=1, stacks=10, name=8, flags="-", age_ms=0, duration_ms=1000):
        """Windows one behind the other, the last one age_ms old at its end; waits until each is on disk."""
        for i in range(windows):
            self.number += 1
            begin = age_ms + (windows - i) * duration_ms
            self.feeder.stdin.write(f"put {self.number} {begin} {duration_ms} {owners} {stacks} {name} {flags}\n")
            self.feeder.stdin.flush()
            wait("a window on disk", lambda: self.answered >= self.number)
        self.rows += windows * owners if "d" not in flags else 0

    def kill(self):
        pid, self.pid = self.pid, 0
        os.kill(pid, signal.SIGKILL)
        wait("a new exporter", lambda: self.pid)

    def counts(self, backend="pyroscope"):
        """A back end's counters out of the database, and the equation."""
        with sqlite3.connect(f"file:{self.store}/fleetprof.db?mode=ro", uri=True, timeout=10) as db:
            db.execute("BEGIN")
            target = db.execute("SELECT id FROM targets WHERE name = ?", (backend,)).fetchone()[0]
            c = dict(db.execute("SELECT name, value FROM counters WHERE target = ?", (target,)))
            c["waiting"] = db.execute("SELECT count(*) FROM outbox WHERE target = ?", (target,)).fetchone()[0]
        db.close()
        for name in ("queued", "uploaded", "merged", *OUTCOMES_LOST):
            c.setdefault(name, 0)
        right = c["uploaded"] + c["merged"] + c["waiting"] + sum(c[o] for o in OUTCOMES_LOST)
        if c["queued"] != right:
            fail(f"the equation of {backend} does not balance: queued {c['queued']} != {right}: {c}")
        return c

    def settled(self, seconds=30, backend="pyroscope"):
        wait("the outbox to be empty", lambda: self.counts(backend)["waiting"] == 0, seconds)
        return self.counts(backend)

    def rss_kib(self):
        with open(f"/proc/{self.pid}/smaps_rollup") as f:
            return sum(int(l.split()[1]) for l in f if l.startswith(("Private_Dirty:", "Private_Clean:")))

    def stop(self):
        self.feeder.stdin.close()
        self.feeder.wait(20)
        self.reader.join()
        self.log.close()
        self.pid = 0

    def logged(self):
        with open(f"{self.directory}/log") as f:
            return f.read()

    def close(self):
        if self.feeder.poll() is None:
            self.stop()
        shutil.rmtree(self.directory)


def all_arrived(rig, receiver, duplicates=0):
    """Nothing lost, nothing invented: what was sent is what came, sample for sample."""
    counts, got = rig.settled(), receiver.stats()
    lost = {o: counts[o] for o in OUTCOMES_LOST if counts[o]}
    if lost:
        fail(f"lost: {lost}")
    if got["violations"]:
        fail("violations: " + "; ".join(got["violations"]))
    if counts["queued"] != rig.rows:
        fail(f"{counts['queued']} rows queued of {rig.rows}")
    if got["duplicates"] > duplicates:
        fail(f"{got['duplicates']} requests twice, at most {duplicates} expected")
    if got["duplicates"] == 0 and (got["samples"], got["value"]) != (rig.samples, rig.value):
        fail(f"sent {rig.samples} samples, {rig.value} ns; {got['samples']}, {got['value']} came")
    return counts, got


def run_one(test):
    """In a process of its own; what it says comes at its end, in one piece."""
    begin = time.monotonic()
    try:
        test()
    except BaseException as e: # pylint: disable=broad-except
        said = f"FAILED: {test.__name__}: {type(e).__name__}: {e}\n"
        for rig in rigs:
            try:
                said += rig.logged()[-3000:]
            except OSError:
                pass
        return False, said
    finally:
        while rigs:
            rigs.pop().close()
        while receivers:
            receivers.pop().close()
    return True, f"  {test.__name__} {time.monotonic() - begin:.1f} s"


def run(tests):
    """Side by side: each has its own exporter and receiver, and mostly waits."""
    receiver_path() # built once
    with concurrent.futures.ProcessPoolExecutor(LANES, multiprocessing.get_context("fork")) as pool:
        ends = [pool.submit(run_one, test) for test in tests]
        for end in concurrent.futures.as_completed(ends):
            good, said = end.result()
            print(said, flush=True)
            if not good:
                raise SystemExit(1)


rigs, receivers = [], []


def new_receiver(*args):
    receivers.append(Receiver(*args))
    return receivers[-1]


def new_rig(*args, **named):
    rigs.append(Rig(*args, **named))
    return rigs[-1]


def pair(more="", args=(), receiver_args=()):
    """A receiver, and an exporter that uploads to it in a hurry."""
    receiver = new_receiver(*receiver_args)
    rig = new_rig([f"type=pyroscope,url=http://{receiver.address},{FAST}{more}"], args)
    return rig, receiver
