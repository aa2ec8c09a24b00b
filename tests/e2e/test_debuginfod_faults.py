#!/usr/bin/env python3
"""debuginfod servers that fail or lie: nothing of theirs gets into a profile, nothing waits for them, and each is counted."""
import collections
import http.server
import os
import shutil
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import Agent, check, check_balance, metric
from stripped import Stripped, named, need

need("gcc", "objcopy", "readelf")
MAX_SIZE = 4 << 20
CHUNK = b"\x7fELF" + bytes(65532)


class Server:
    """Answers a build ID's request by the function that is there for it, else with 404."""

    def __init__(self):
        self.answers, self.asked, self.sent = {}, collections.Counter(), 0
        owner, self.ending = self, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                build_id = self.path.split("/")[2]
                owner.asked[build_id] += 1
                try:
                    owner.answers.get(build_id, Server.missing)(owner, self)
                except OSError: # the client has left
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()

    def missing(self, request):
        request.send_error(404)

    def error(self, request):
        request.send_error(500)

    def hang(self, request):
        self.ending.wait()
        request.close_connection = True

    def stall(self, request):
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        request.wfile.write(CHUNK)
        self.hang(request)

    def endless(self, request):
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        while not self.ending.is_set():
            request.wfile.write(CHUNK)
            self.sent += len(CHUNK)

    @staticmethod
    def redirect_to(url):
        def redirect(_, request):
            request.send_response(302)
            request.send_header("Location", url + request.path)
            request.send_header("Content-Length", "0")
            request.end_headers()
        return redirect

    @staticmethod
    def body_of(data, announced=None):
        def body(_, request):
            request.send_response(200)
            request.send_header("Content-Length", str(announced or len(data)))
            request.end_headers()
            request.wfile.write(data)
            request.close_connection = bool(announced)
        return body


def read(path):
    with open(path, "rb") as file:
        return file.read()


def set_up(folder, servers, elsewhere):
    """name → program; each has its fault. A server that fails is left alone for longer than this test takes."""
    programs = {name: Stripped(folder, f"{name}_loop") for name in
                ("wrong", "garbage", "endless", "missing", "redirected", "rescued", "hanging", "stalled", "cut", "stranger")}
    ids = {name: program.build_id for name, program in programs.items()}
    servers[0].answers = {ids["wrong"]: Server.body_of(read(programs["stranger"].debug)),
                          ids["garbage"]: Server.body_of(b"<html>maintenance</html>" * 1000),
                          ids["endless"]: Server.endless,
                          ids["redirected"]: Server.redirect_to(elsewhere.url),
                          ids["rescued"]: Server.error}
    servers[1].answers = {ids["rescued"]: Server.body_of(read(programs["rescued"].debug)), ids["hanging"]: Server.hang}
    servers[2].answers = {ids["stalled"]: Server.stall}
    servers[3].answers = {ids["cut"]: Server.body_of(read(programs["cut"].debug)[:5000], announced=100000)}
    elsewhere.answers = {ids["redirected"]: Server.body_of(read(programs["redirected"].debug))}
    del programs["stranger"] # is not run: only its debug file is there
    return programs


def memory_of(agent):
    """Of the exporter, in bytes."""
    with open(f"/proc/{agent.processes()['exporter'][0]}/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def requests(agent, result):
    return metric(agent, f'fleetprof_debuginfod_requests_total{{result="{result}"}}')


def start(agent, programs, names, **results):
    """Starts these programs and waits for how their requests end."""
    for name in names:
        programs[name].start()
    for result, least in results.items():
        agent.wait_for(lambda: requests(agent, result) >= least, f"{result}: not counted", seconds=40)


def check_faults(agent, programs, servers, elsewhere):
    ids = {name: program.build_id for name, program in programs.items()}
    start(agent, programs, ("wrong", "garbage", "endless", "missing", "redirected"), fetched=2, too_large=1, redirected=1, missing=1)
    agent.wait_for(lambda: metric(agent, "fleetprof_debuginfod_bad_total") == 2, "what is no debug file of the program is not counted")
    start(agent, programs, ("rescued",), failed=1, fetched=3)
    agent.wait_for(lambda: named(agent, "rescued_loop"), "the server behind one that fails is not asked")
    start(agent, programs, ("hanging", "stalled", "cut"), failed=3, too_slow=1)
    agent.wait_for(lambda: [metric(agent, f'fleetprof_remote_debug_files_total{{result="{what}"}}') for what in ("found", "bad")] == [3, 2],
                   "not one of three files that came is the right one")
    for name in list(programs) + ["stranger"]:
        check(name == "rescued" or not named(agent, f"{name}_loop"), f"{name}_loop has a name")
    check(not elsewhere.asked, "a redirect is followed")
    for name in ("missing", "wrong", "garbage", "redirected"):
        check(servers[0].asked[ids[name]] == 1, f"{name}: asked {servers[0].asked[ids[name]]} times")
    check(servers[0].sent < MAX_SIZE + (64 << 20), f"{servers[0].sent} bytes of an endless body are taken") # sockets' buffers
    agent.wait_for(lambda: os.listdir(f"{agent.folder}/state/store/debuginfod") == [ids["rescued"]], "what is kept")


def check_windows(agent):
    """They went on, one after the other, and their equation holds."""
    agent.wait_for(lambda: len(agent.store().windows()) >= 5, "windows do not go on")
    headers = [header for _, header in agent.store().windows()]
    for before, after in zip(headers, headers[1:]):
        gap = after["start_boot"] - before["start_boot"] - before["duration"]
        check(abs(gap) < 0.1e9 and after["duration"] < 4e9, f"a window of {after['duration']} ns, {gap} ns behind the one before")
    for header in headers:
        check_balance(header)


def main():
    folder = tempfile.mkdtemp(prefix="fleetprof-e2e.")
    servers, elsewhere = [Server() for _ in range(4)], Server()
    programs = set_up(folder, servers, elsewhere)
    agent = Agent("--window", "2s", "--watch-window", "1s", "--rate", "97", "--debuginfod-max-size", "4MiB", "--debuginfod-timeout", "2s",
                  *(option for server in servers for option in ("--debuginfod-urls", server.url)))
    try:
        agent.start()
        before, exporter = memory_of(agent), agent.processes()["exporter"]
        check_faults(agent, programs, servers, elsewhere)
        check(agent.processes()["exporter"] == exporter, "the exporter died")
        check(memory_of(agent) < before + (24 << 20), f"the exporter grew from {before} to {memory_of(agent)} bytes")
        check_windows(agent)
        check(agent.stop() == 0, "it ends with an error")
    finally:
        for program in programs.values():
            program.stop()
        for server in (*servers, elsewhere):
            server.close()
        agent.remove()
    shutil.rmtree(folder)


main()
