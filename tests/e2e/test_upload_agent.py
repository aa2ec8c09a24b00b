#!/usr/bin/env python3
"""The whole way: this host, sampled by the agent, arrives at a back end that checks every request."""
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upload_rig import BUILD, SOURCE, OUTCOMES_LOST, new_receiver, run, wait


def rows(store, sql):
    with sqlite3.connect(f"file:{store}/fleetprof.db?mode=ro", uri=True, timeout=10) as db:
        result = db.execute(sql).fetchall()
    db.close()
    return result


def find_store(state):
    for folder, _, names in os.walk(state):
        if "fleetprof.db" in names:
            return folder
    return None


def compare(state, receiver):
    """What came is what the store says was uploaded, sample for sample; and the equation."""
    store = find_store(state)
    counts = dict(rows(store, "SELECT name, value FROM counters WHERE target = (SELECT min(id) FROM targets)"))
    waiting = rows(store, "SELECT count(*) FROM outbox")[0][0]
    lost = sum(counts.get(o, 0) for o in OUTCOMES_LOST)
    assert counts["queued"] == counts["uploaded"] + counts.get("merged", 0) + waiting + lost, (counts, waiting)
    sent = rows(store, "SELECT sum(samples), sum(value_ns) FROM points AS p WHERE NOT EXISTS"
                       " (SELECT 1 FROM outbox AS o WHERE o.window = p.window AND o.owner = p.owner)")[0]
    got = receiver.stats()
    assert not got["violations"], got["violations"]
    assert got["duplicates"] == 0 and lost == 0, (got["duplicates"], counts)
    assert (got["samples"], got["value"]) == sent, (got["samples"], got["value"], sent)
    assert any("spin" in name or "some_loop" in name for name in got["self"]), sorted(got["self"])[:50]
    assert any("node=here" in s and "team=x" in s for s in got["series"]), list(got["series"])


def test_this_host_arrives():
    receiver, work = new_receiver(), tempfile.mkdtemp(prefix="fleetprof-agent.")
    os.chmod(work, 0o755)
    subprocess.run(["gcc", "-O1", "-g", "-DLOOP=some_loop", "-o", f"{work}/spin", f"{SOURCE}/tests/fixtures/spin.c"], check=True)
    spin = subprocess.Popen([f"{work}/spin"])
    log = open(f"{work}/log", "w")
    agent = subprocess.Popen([f"{BUILD}/fleetprof", "agent", "--window", "10s", "--rate", "97", "--node", "here",
                              "--state-dir", f"{work}/state", "--labels", "team=x", "--web-enabled=false",
                              "--upload", f"http://{receiver.address}"], stdout=log, stderr=log)
    try:
        wait("a profile", lambda: agent.poll() is not None or receiver.stats()["accepted"] > 0, 45)
        assert agent.poll() is None, "the agent ended"
        time.sleep(1)
        agent.send_signal(signal.SIGTERM)
        agent.wait(20)
        wait("the exporter's end", lambda: not os.path.exists(f"{find_store(f'{work}/state')}/fleetprof.db-wal"))
        compare(f"{work}/state", receiver)
    except BaseException:
        log.flush()
        with open(f"{work}/log") as f:
            print("\n" + f.read()[-3000:])
        raise
    finally:
        for process in (spin, agent):
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(work)


if __name__ == "__main__":
    if os.geteuid():
        print("skipped: needs root")
        sys.exit(77)
    if not shutil.which("gcc"):
        print("skipped: gcc is not installed")
        sys.exit(77)
    run([test_this_host_arrives])
