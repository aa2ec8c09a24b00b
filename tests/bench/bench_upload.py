"""What uploads cost: the exporter's CPU and memory, bytes on the wire, with a receiver that takes everything."""
import os
import sys

from common import Skip

TITLE = "Uploads to Pyroscope's interface"
WINDOWS, OWNERS, STACKS = 20, 50, 200


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(bench):
    os.environ.update(FLEETPROF_BUILD=bench.build, FLEETPROF_SOURCE=bench.tree)
    sys.path.insert(0, f"{bench.tree}/tests/e2e")
    import upload_rig
    try:
        rig, receiver = upload_rig.pair()
    except SystemExit as e:
        raise Skip("the receiver cannot be built here (tests/receiver/build.sh)") from e
    try:
        measure(bench, rig, receiver)
    finally:
        rig.close()
        receiver.close()


def measure(bench, rig, receiver):
    rig.send(windows=2, owners=OWNERS, stacks=STACKS)
    rig.settled()
    receiver.ask("down")
    start, empty = cpu_s(rig.pid), rig.rss_kib()
    rig.send(windows=WINDOWS, owners=OWNERS, stacks=STACKS, age_ms=1000)
    stored, full = cpu_s(rig.pid), rig.rss_kib()
    receiver.ask("reset")
    receiver.ask("up")
    rig.settled(120)
    sent, got = cpu_s(rig.pid), receiver.stats()
    rows = WINDOWS * OWNERS
    bench.row("the exporter's CPU to store a profile", f"{1e3 * (stored - start) / rows:.2f} ms", f"{STACKS} stacks each")
    bench.row("… and to upload it, acknowledgement on disk", f"{1e3 * (sent - stored) / rows:.2f} ms", "one request each, one connection")
    bench.row("bytes on the wire per profile", f"{got['bytes'] / got['accepted']:.0f} B",
              f"{got['bytes'] / got['samples']:.1f} B per sample")
    bench.row("the exporter's private memory, nothing waiting", f"{empty} KiB")
    bench.row(f"… back end away, {rows} profiles waiting", f"{full} KiB", "SQLite's page cache is up to 4 MiB of it")
    bench.row("… after they were sent", f"{rig.rss_kib()} KiB")
    before = cpu_s(rig.pid)
    rig.send(stacks=19000, age_ms=1000)
    rig.settled(60)
    bench.row("CPU to store and upload one profile of 15,200 stacks", f"{1e3 * (cpu_s(rig.pid) - before):.0f} ms")
