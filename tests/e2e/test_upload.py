#!/usr/bin/env python3
"""Uploads as they should be: what arrives is what was stored, in the form and at the pace that was asked for."""
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upload_rig import all_arrived, direct, fail, new_receiver, new_rig, pair, run, wait, FAST


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_one_series_a_request_over_one_connection():
    rig, receiver = pair()
    rig.send(windows=4, owners=5, stacks=20)
    counts, got = all_arrived(rig, receiver)
    assert got["connections"] == 1, got["connections"]
    assert counts["uploaded"] == 20 and counts["merged"] == 0, counts
    assert sorted(got["series"]) == [f"__name__=process_cpu,container=svc-{i},namespace=shop,node=n1,service_name=svc-{i}"
                                     for i in range(5)]
    # inlined frames and frames without a name, as the leaf too, are there as lines
    assert got["inlined"] and got["self"]["libfoo.so!0x1234"] > 0, got["self"]


def test_rows_of_equal_labels_are_one_request():
    rig, receiver = pair(args=["--relabel", "action=labeldrop,regex=container",
                               "--relabel", "target_label=service_name,replacement=all",
                               "--relabel", "action=labelmap,regex=__meta_label_(pod),replacement=__kept_$1",
                               "--label", "team=x"])
    rig.send(windows=2, owners=6)
    counts, got = all_arrived(rig, receiver)
    assert counts["uploaded"] == 2 and counts["merged"] == 10, counts
    assert list(got["series"]) == ["__name__=process_cpu,namespace=shop,node=n1,service_name=all,team=x"], got["series"]


def test_rules_and_fractions_leave_out_and_count():
    rig, receiver = pair(args=["--relabel", "source_labels=container,regex=svc-[01],action=drop"])
    rig.send(owners=5)
    counts, got = rig.settled(), receiver.stats()
    assert counts["refused_relabel"] == 2 and got["accepted"] == 3, (counts, got)
    rig, receiver = pair(",fraction=0")
    rig.send(windows=3, owners=2)
    assert rig.settled()["refused_fraction"] == 6
    assert receiver.stats()["requests"] == 0


def test_what_has_no_samples_or_no_time_stays():
    rig, receiver = pair()
    rig.send(flags="e", owners=2)
    rig.send(flags="d", owners=2)
    rig.send(age_ms=2 * 3600 * 1000, owners=2)
    wait("the empty ones", lambda: rig.counts()["refused_empty"] == 2)
    wait("the old ones", lambda: rig.counts()["evicted_age"] == 2)
    assert rig.settled()["queued"] == 4 # the doubtful clock's were never queued
    assert receiver.stats()["requests"] == 0


def test_series_are_bounded():
    rig, receiver = pair(args=["--max-series", "3"])
    rig.send(windows=2, owners=10)
    counts, got = all_arrived(rig, receiver)
    assert len(got["series"]) == 4, got["series"]
    assert "__name__=process_cpu,node=n1,service_name=other" in got["series"], got["series"]
    assert counts["merged"] == 2 * 6, counts


def test_large_profiles_are_split():
    rig, receiver = pair()
    rig.send(stacks=24000, name=8) # more samples than one may have
    rig.send(stacks=8000, name=1000) # more bytes
    counts, got = all_arrived(rig, receiver)
    assert got["accepted"] >= 2 + 4 and counts["uploaded"] == 2, (got["accepted"], counts)
    assert got["max_samples"] < 16000 and got["max_raw"] <= 1992294


def test_two_back_ends_have_a_cursor_each():
    here, there = new_receiver(), new_receiver()
    there.ask("down")
    rig = new_rig([f"type=pyroscope,name={name},url=http://{r.address},{FAST}" for name, r in (("here", here), ("there", there))])
    rig.send(windows=3, owners=3)
    assert rig.settled(backend="here")["uploaded"] == 9
    assert rig.counts("there")["waiting"] == 9
    there.ask("up")
    assert rig.settled(backend="there")["uploaded"] == 9
    assert here.stats()["samples"] == there.stats()["samples"] == rig.samples
    # one that is not configured any more is forgotten, and one that is new begins now
    rig.stop()
    rig.backends = [rig.backends[0]]
    rig.start()
    rig.send()
    try:
        rig.counts("there")
        fail("the back end that is gone is still in the store")
    except TypeError:
        pass


def test_over_budget_rows_are_merged_before_anything_is_lost():
    receiver = new_receiver()
    rig = new_rig([f"type=pyroscope,url=http://{receiver.address},{FAST.replace('=1000,', '=6,', 1)},max-age=60"])
    for _ in range(25): # five times what the budget lets through, and within the age of the oldest
        rig.send(owners=30)
        time.sleep(0.2)
    counts, got = all_arrived(rig, receiver)
    assert counts["merged"] > counts["uploaded"] > 0, counts
    assert len(got["series"]) == 30 and min(s["samples"] for s in got["series"].values()) == rig.samples // 30, got["series"]


def test_metrics_say_the_same():
    receiver, port = new_receiver(), free_port()
    rig = new_rig([f"type=pyroscope,name={name},url=http://{receiver.address},{FAST}" for name in ("one", 'two "2"')],
                  ["--metrics-listen", f"127.0.0.1:{port}", "--relabel", "source_labels=container,regex=svc-0,action=drop"])
    rig.send(windows=3, owners=4)
    for name in ("one", 'two "2"'):
        counts = rig.settled(backend=name)
        assert counts["refused_relabel"] == 3 and counts["uploaded"] == 9, counts
    text = direct.open(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(families) == len(set(families)), "a family twice"
    for line in ('queued_rows_total{backend="one"} 12', 'rows_total{backend="one",outcome="uploaded"} 9',
                 'rows_total{backend="two \\"2\\"",outcome="refused_relabel"} 3', 'waiting_rows{backend="one"} 0',
                 'answers_total{backend="one",answer="stored"} 9', 'failing{backend="one"} 0', "series 3"):
        assert f"\nfleetprof_upload_{line}\n" in text, (line, [l for l in text.split("\n") if l.startswith("fleetprof_upload")])


if __name__ == "__main__":
    run([test_one_series_a_request_over_one_connection, test_rows_of_equal_labels_are_one_request,
         test_rules_and_fractions_leave_out_and_count, test_what_has_no_samples_or_no_time_stays, test_series_are_bounded,
         test_large_profiles_are_split, test_two_back_ends_have_a_cursor_each,
         test_over_budget_rows_are_merged_before_anything_is_lost, test_metrics_say_the_same])
