#!/usr/bin/env python3
"""Back ends that fail, in every way: nothing is lost that need not be, nothing sent twice, and the books balance."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upload_rig import all_arrived, fail, new_receiver, new_rig, pair, run, wait, FAST


def test_an_outage_is_a_cursor_that_waits():
    rig, receiver = pair()
    rig.send(windows=2, owners=100, age_ms=60000)
    rig.settled()
    receiver.ask("down")
    rig.send(windows=2, owners=100, age_ms=30000)
    before = rig.rss_kib()
    rig.send(windows=20, owners=100)
    during = rig.rss_kib()
    assert rig.counts()["waiting"] >= 2000
    receiver.ask("up")
    counts, got = all_arrived(rig, receiver)
    # SQLite's page cache may fill up to its 4 MiB; the rows themselves would be far more
    assert during < before + 6144 and rig.rss_kib() < before + 8192, (before, during, rig.rss_kib())
    old = got["times"][200:]
    assert old == sorted(old, reverse=True), "not the newest first"
    log = rig.logged()
    assert log.count("upload failed") == 1 and log.count("uploads work") == 1, log


def each_fault_passes(more, *faults):
    rig, receiver = pair(more)
    for fault in faults:
        receiver.fault(**fault)
        rig.send(windows=2, owners=3)
        if not fault.get("n"):
            wait(f"a failure by {fault}", lambda: "upload failed" in rig.logged())
            time.sleep(0.3)
            assert rig.counts()["waiting"] == 6, (fault, rig.counts())
            receiver.fault()
        rig.settled()
    all_arrived(rig, receiver)
    return rig, receiver


def test_errors_pass():
    each_fault_passes("", {"mode": "status", "status": 503, "n": 2}, {"mode": "status", "status": 503, "code": "unavailable", "n": 1},
                      {"mode": "status", "status": 504, "code": "deadline_exceeded", "n": 1},
                      {"mode": "status", "status": 502, "n": 1})


def test_an_outage_of_unknowns_costs_nothing():
    """500 "unknown" is what a bad profile gets, for ever: but not if everything gets it."""
    each_fault_passes("", {"mode": "status", "status": 500, "code": "unknown"}, {"mode": "status", "status": 500, "n": 4})


def test_too_many_requests():
    rig, receiver = each_fault_passes("", {"mode": "status", "status": 429, "code": "resource_exhausted", "n": 2})
    begin = time.monotonic()
    receiver.fault("status", status=429, code="resource_exhausted", retry_after=2, n=1)
    rig.send()
    all_arrived(rig, receiver)
    assert time.monotonic() - begin >= 2, "Retry-After was not kept"


def test_half_replies_and_cut_connections_pass():
    each_fault_passes("", {"mode": "half", "n": 2}, {"mode": "cut", "n": 2}, {"mode": "huge", "n": 1}, {"mode": "slow", "n": 2})


def test_a_hanging_back_end():
    each_fault_passes(",timeout=1", {"mode": "hang", "n": 1})


def test_whatever_else_answers_there_is_no_back_end():
    trap = new_receiver()
    each_fault_passes("", {"mode": "html"}, {"mode": "redirect", "where": f"http://{trap.address}/push.v1.PusherService/Push"},
                      {"mode": "status", "status": 404})
    assert trap.stats()["requests"] == 0, "a redirect was followed"


def test_one_bad_profile_does_not_hold_the_others():
    for poison in ({"status": 500, "code": "unknown"}, {"status": 0}):
        rig, receiver = pair()
        receiver.fault("poison", **poison)
        rig.send(owners=4, flags="p")
        for _ in range(30): # what the others' success tells of it takes a few windows
            rig.send(owners=4)
            time.sleep(0.4)
            if rig.counts()["refused_unknown"]:
                break
        counts = rig.settled()
        assert counts["refused_unknown"] == 1 and counts["uploaded"] == rig.rows - 1, counts
        assert receiver.stats()["accepted"] == rig.rows - 1 and receiver.stats()["duplicates"] == 0
    rig, receiver = pair(args=["--relabel", "action=labelkeep,regex=service_name|namespace",
                               "--relabel", "target_label=service_name,replacement=one"])
    receiver.fault("poison", status=400, code="invalid_argument")
    rig.send(owners=4, flags="p") # merged with three that are good: those must not go with it
    counts = rig.settled()
    assert counts["refused_invalid"] == 1 and counts["uploaded"] == 3, counts
    assert "refused for good" in rig.logged()


def test_a_smaller_limit_is_found():
    rig, receiver = pair()
    receiver.fault("limit", bytes=20000)
    rig.send(stacks=6000, name=100)
    all_arrived(rig, receiver)
    assert "profiles are split" in rig.logged()


def test_killed_at_any_point():
    """At most the request under way is sent again."""
    rig, receiver = pair()
    kills = 3
    for i in range(kills):
        rig.send(windows=2, owners=20, stacks=30)
        time.sleep(random.uniform(0, 0.15))
        rig.kill()
    all_arrived(rig, receiver, duplicates=kills)
    receiver.fault("ackloss", n=1)
    rig.send()
    counts = rig.settled()
    assert counts["uploaded"] == counts["queued"], counts


def test_killed_within_the_parts_of_one_row():
    rig, receiver = pair(",max-samples=500")
    rig.send(stacks=20000)
    wait("some parts", lambda: receiver.stats()["accepted"] >= 5)
    rig.kill()
    _, got = all_arrived(rig, receiver, duplicates=1)
    assert got["duplicates"] == 1 or got["samples"] == rig.samples


def test_the_store_gives_way_and_counts():
    rig, receiver = pair(args=["--store-max-bytes", "2000000"])
    receiver.ask("down")
    rig.send(windows=30, owners=10, stacks=800)
    counts = rig.counts()
    assert counts["evicted_bytes"] > 0 and counts["waiting"] > 0, counts
    receiver.ask("up")
    counts = rig.settled()
    assert counts["uploaded"] + counts["evicted_bytes"] == counts["queued"] == rig.rows, counts


def test_a_damaged_store_begins_anew():
    rig, receiver = pair()
    rig.send(windows=3, owners=20, stacks=300)
    rig.settled()
    receiver.ask("down")
    rig.send(windows=2, owners=20, stacks=300)
    database = f"{rig.store}/fleetprof.db"
    pid, rig.pid = rig.pid, 0
    os.kill(pid, signal.SIGKILL) # what is not in its cache is read from the disk
    os.truncate(f"{database}-wal", 0)
    with open(database, "r+b") as f: # all but the header
        f.seek(4096)
        f.write(b"\xa5" * (os.path.getsize(database) - 4096))
    receiver.ask("up")
    wait("a new exporter", lambda: rig.pid)
    for _ in range(40):
        rig.send(owners=3)
        if os.path.exists(f"{database}.corrupt"):
            break
    assert os.path.exists(f"{database}.corrupt"), "the damage was not noticed"
    receiver.ask("reset")
    rig.send(windows=2, owners=3)
    counts = rig.settled()
    assert counts["queued"] == counts["uploaded"] >= 6, counts
    got = receiver.stats()
    assert not got["violations"] and got["accepted"] >= 6 and len(got["series"]) == 3, got


def certificates(directory):
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)

    for ca in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name, alt in (("server", "IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.example"), ("client", "DNS:client")):
        with open(f"{directory}/{name}.ext", "w") as f:
            f.write(f"subjectAltName={alt}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def test_tls_and_secrets():
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        certificates(d)
        with open(f"{d}/token", "w") as f:
            f.write("old-and-wrong\n")
        receiver = new_receiver("-cert", f"{d}/server.pem", "-key", f"{d}/server.key", "-client-ca", f"{d}/ca.pem",
                                "-token", "s3cret-token", "-tenant", "team-a")
        base = (f"type=pyroscope,url=https://{receiver.address},{FAST},tenant=team-a,token-file={d}/token,"
                f"cert-file={d}/client.pem,key-file={d}/client.key")
        rig = new_rig([f"{base},ca-file={d}/ca.pem"])
        rig.send(windows=2, owners=2)
        wait("the refusal", lambda: "unauthenticated" in rig.logged())
        assert rig.counts()["waiting"] == 4
        with open(f"{d}/token", "w") as f: # rotated: no restart, nothing lost
            f.write("s3cret-token\n")
        all_arrived(rig, receiver)
        assert receiver.stats()["auth"] == ["Bearer old-and-wrong", "Bearer s3cret-token"]
        with open(f"/proc/{rig.pid}/cmdline") as f:
            assert "s3cret" not in f.read()
        assert "s3cret" not in rig.logged()
        rig.stop()
        rig.backends = [f"{base},ca-file={d}/stranger.pem"] # the server is another's
        rig.start()
        rig.send()
        wait("the refusal of the certificate", lambda: "peer certificate" in rig.logged())
        assert rig.counts()["waiting"] == 1
        wrong = new_receiver("-cert", f"{d}/elsewhere.pem", "-key", f"{d}/elsewhere.key")
        other = new_rig([f"type=pyroscope,url=https://{wrong.address},{FAST},ca-file={d}/ca.pem"])
        other.send()
        wait("the refusal of the name", lambda: "upload failed" in other.logged())
        assert other.counts()["waiting"] == 1 and wrong.stats()["requests"] == 0
        plain = new_rig([f"type=pyroscope,url=https://{new_receiver().address},{FAST}"]) # no TLS there at all
        plain.send()
        wait("the failing handshake", lambda: "upload failed" in plain.logged())


def test_a_user_of_its_own_with_secrets_that_only_root_reads():
    import tempfile
    if os.geteuid():
        return # only root can give itself up
    with tempfile.TemporaryDirectory() as d: # 0700
        with open(f"{d}/token", "w") as f:
            f.write("s3cret-token\n")
        os.chmod(f"{d}/token", 0o600)
        receiver = new_receiver("-token", "s3cret-token")
        rig = new_rig([f"type=pyroscope,url=http://{receiver.address},{FAST},token-file={d}/token"], ["--user", "61234:61235"])
        rig.send(owners=2)
        all_arrived(rig, receiver)
        with open(f"/proc/{rig.pid}/status") as f:
            status = dict(line.split(":\t", 1) for line in f.read().splitlines())
        assert status["Uid"].split() == ["61234"] * 4 and status["Gid"].split() == ["61235"] * 4, status
        assert all(int(status[s], 16) == 0 for s in ("CapEff", "CapPrm", "CapInh", "CapAmb")), status
        assert (status["NoNewPrivs"], status["Seccomp"], status["Groups"].split()) == ("1", "2", []), status
        with open(f"{d}/token", "w") as f:
            f.write("changed, but not for this user\n")
        rig.send(owners=2)
        all_arrived(rig, receiver)
        assert "stays in use" in rig.logged() and "is not encrypted" in rig.logged()


if __name__ == "__main__":
    run([test_an_outage_is_a_cursor_that_waits, test_errors_pass, test_an_outage_of_unknowns_costs_nothing,
         test_too_many_requests, test_half_replies_and_cut_connections_pass, test_a_hanging_back_end,
         test_whatever_else_answers_there_is_no_back_end, test_one_bad_profile_does_not_hold_the_others,
         test_a_smaller_limit_is_found, test_killed_at_any_point, test_killed_within_the_parts_of_one_row,
         test_the_store_gives_way_and_counts, test_a_damaged_store_begins_anew, test_tls_and_secrets,
         test_a_user_of_its_own_with_secrets_that_only_root_reads])
