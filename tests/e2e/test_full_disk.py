#!/usr/bin/env python3
"""A disk that is full: windows are still taken, the oldest give way, everything is counted, and it recovers."""
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upload_rig import OUTCOMES_LOST, new_receiver, new_rig, rigs, run, FAST


class SmallDisk:
    def __init__(self, megabytes):
        self.directory = tempfile.mkdtemp(prefix="fleetprof-disk.")
        self.image, self.path = f"{self.directory}/image", f"{self.directory}/mount"
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        os.mkdir(self.path)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", self.image], check=True)
        mount = subprocess.run(["mount", "-o", "loop", self.image, self.path], capture_output=True, text=True)
        if mount.returncode:
            shutil.rmtree(self.directory)
            print("skipped: cannot mount a file as a disk: " + mount.stderr.strip())
            sys.exit(77)

    def fill(self, leave):
        with open(f"{self.path}/filler", "wb", buffering=0) as f:
            while (free := os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize) > leave:
                f.write(b"x" * min(1 << 20, free - leave))

    def close(self):
        subprocess.run(["umount", self.path], check=True)
        shutil.rmtree(self.directory)


def store_counts(rig):
    with sqlite3.connect(f"file:{rig.store}/fleetprof.db?mode=ro", uri=True, timeout=10) as db:
        db.execute("BEGIN")
        counts = dict(db.execute("SELECT name, value FROM counters WHERE target = 0"))
        counts["present"] = db.execute("SELECT sum(members) FROM windows").fetchone()[0] or 0
    db.close()
    return counts


def test_a_full_disk():
    disk = SmallDisk(24)
    try:
        receiver = new_receiver()
        receiver.ask("down")
        os.mkdir(f"{disk.path}/rig")
        rig = new_rig([f"type=pyroscope,url=http://{receiver.address},{FAST}"], directory=f"{disk.path}/rig")
        rig.send(windows=2, owners=4, stacks=500)
        disk.fill(1 << 20)
        rig.send(windows=60, owners=4, stacks=2000, name=20)
        counts, store = rig.counts(), store_counts(rig)
        assert not [l for l in rig.lines if l.startswith(("refused", "lost"))], "a window was not taken"
        assert store["stored"] == 62 and store["evicted_bytes"] > 0, store
        assert store["stored"] == store["present"] + store["evicted_bytes"], store
        assert counts["queued"] == rig.rows and counts["evicted_bytes"] == 4 * store["evicted_bytes"], (counts, store)
        os.unlink(f"{disk.path}/filler")
        receiver.ask("up")
        before = counts["evicted_bytes"]
        rig.send(windows=5, owners=4, stacks=500)
        counts = rig.settled()
        assert counts["evicted_bytes"] == before and counts["uploaded"] == rig.rows - before, counts
        assert not any(counts[o] for o in OUTCOMES_LOST if o != "evicted_bytes"), counts
        got = receiver.stats()
        assert got["accepted"] == counts["uploaded"] and not got["violations"] and not got["duplicates"], got
    finally:
        while rigs:
            rigs.pop().close()
        disk.close()


if __name__ == "__main__":
    if os.geteuid():
        print("skipped: needs root, to mount a small disk")
        sys.exit(77)
    if not shutil.which("mkfs.ext4"):
        print("skipped: mkfs.ext4 is not installed")
        sys.exit(77)
    run([test_a_full_disk])
