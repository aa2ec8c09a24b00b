"""The exporter's HTTP server: its API, and who may not ask it. Arguments: the build folder, a folder with "store" in it."""
import gzip
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from exporter import TOKEN, WATCH, Exporter
from prometheus import families

BUILD, FOLDER = sys.argv[1:3]
NOW = int(time.time() * 1000)
DAY, HOUR = (f"from={NOW - ms}&to={NOW + 60_000}" for ms in (90000_000, 3600_000)) # DAY holds all of it, whatever the minute


def check(condition, what):
    if not condition:
        raise SystemExit(f"failed: {what}")


def equal(got, expected, what):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


class Client:
    def __init__(self, exporter, port=None):
        self.exporter = exporter
        self.port = port or exporter.port

    def request(self, path, method="GET", token=TOKEN, **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            headers.setdefault("Authorization", "Bearer " + token)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return answer.status, answer.headers, body

    def json(self, path):
        status, headers, body = self.request("/api/v1/" + path)
        equal(status, 200, path)
        equal(headers["Content-Type"], "application/json", path)
        equal(headers["Cache-Control"], "no-store", path)
        return json.loads(body)

    def status(self, path, **how):
        return self.request(path, **how)[0]


def raw(exporter, data, timeout=20):
    """What the server says to these bytes until it closes, or b"" after the timeout."""
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=timeout) as s:
        s.sendall(data)
        out = b""
        try:
            while part := s.recv(65536):
                out += part
        except (TimeoutError, ConnectionResetError):
            pass
        return out


def test_who_may_ask(exporter, client):
    api = "/api/v1/status"
    equal(client.status(api), 200, "with the token")
    for token in (None, "", TOKEN[:-1], TOKEN + "0", TOKEN.upper()[::-1]):
        status, headers, _ = client.request(api, token=token)
        equal((status, headers["WWW-Authenticate"]), (401, "Bearer"), f"token {token}")
    equal(client.status(api, token=None, Authorization="Basic " + TOKEN), 401, "another scheme")
    for host in ("evil.example", f"evil.example:{exporter.port}", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "", "localhost:",
                 "localhost:99999999", "127.0.0.1@evil.example"):
        for path in (api, "/", "/metrics", "/healthz"):
            equal(client.status(path, Host=host), 403, f"Host {host!r} for {path}")
    for host in (f"localhost:{exporter.port}", "127.0.0.1", "[::1]:8080", "LocalHost:1"):
        equal(client.status(api, Host=host), 200, f"Host {host}")
    own = f"http://127.0.0.1:{exporter.port}"
    equal(client.status(api, Origin=own), 200, "our own origin")
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{exporter.port}", "http://127.0.0.1:1", own + ".evil.example"):
        status, headers, _ = client.request(api, Origin=origin)
        equal(status, 403, f"Origin {origin}")
        check("Access-Control-Allow-Origin" not in headers, "no CORS")
    equal(client.status(api, Sec_Fetch_Site="cross-site"), 403, "asked by another site")
    equal(client.status(api, Sec_Fetch_Site="same-origin"), 200, "asked by our page")
    equal(client.request(api, method="OPTIONS", Origin="http://evil.example")[0], 403, "a preflight")


def test_methods_and_paths(client):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"):
        status, headers, _ = client.request("/api/v1/status", method=method)
        equal((status, headers["Allow"]), (405, "GET, HEAD"), method)
    status, headers, body = client.request("/api/v1/status", method="HEAD")
    equal((status, body), (200, b""), "HEAD")
    for path in ("/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//", "/api/v1/../../etc/passwd", "/api/v1/", "/api/v1/status/",
                 "/api/v1/%73tatus", "/api/v1/status%00", "/index.html", "/.git/config", "/api/v1/status;x", "/" + "a" * 4000):
        equal(client.status(path), 404, path[:40])
    for query in ("", "from=1", f"{DAY}&x=1", f"{DAY}&from=2", "from=2&to=1", "from=1&to=2&owner=-1", "from=1&to=99999999999999999999",
                  "from=%31&to=2", "from=1&to=2&", "from=1&to=2&&", f"{DAY}&points=0", f"{DAY}&points=1000000", "from=1e3&to=2000",
                  f"{DAY}&" + "a" * 600, f"{DAY}&format=exe", " from=1&to=2".replace(" ", "+")):
        equal(client.status("/api/v1/series?" + query), 400, query[:40])
    equal(client.status(f"/api/v1/flame?{DAY}&base_from=1"), 400, "half of a base")


def test_page(client):
    status, headers, body = client.request("/", token=None, Accept_Encoding="gzip, br")
    equal(status, 200, "the page")
    equal(headers["Content-Encoding"], "gzip", "packed")
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "connect-src 'self'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"):
        check(part in policy, f"{part} in the policy: {policy}")
    check("unsafe" not in policy, "nothing unsafe")
    for name, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY")):
        equal(headers[name], value, name)
    check(TOKEN.encode() not in body, "the page holds no secret")
    equal(client.request("/", token=None)[2], body, "the same without gzip")
    status, _, empty = client.request("/", token=None, If_None_Match=headers["ETag"])
    equal((status, empty), (304, b""), "known by its ETag")


def test_answers(client):
    status = client.json("status")
    equal(status["store"]["windows"], 198, "windows")
    equal([u["name"] for u in status["upload"]], ["back\\end"], "its back end")
    owners = client.json(f"owners?{DAY}&points=48")
    equal(len(owners["owners"]), 50, "owners")
    equal(owners["windows"], 198, "windows of a day")
    check(owners["lost"] == sum(n for name, n in owners["losses"] if name != "runs"), "losses are added up")
    heavy = owners["owners"][0]
    check(all(a["cpu_ns"] >= b["cpu_ns"] for a, b in zip(owners["owners"], owners["owners"][1:])), "sorted by CPU")
    check(abs(sum(heavy["spark"]) - heavy["cpu_ns"]) <= heavy["cpu_ns"] / 1e6, "the small line adds up")
    check(any("</script>" in o["name"] for o in owners["owners"]), "an evil name is told as it is")
    series = client.json(f"series?{DAY}&points=300")
    check(abs(sum(series["cpu_ns"]) / sum(o["cpu_ns"] for o in owners["owners"]) - 1) < 1e-6, "the series adds up")
    check(sum(series["usage_of_ns"]) < sum(series["cpu_ns"]), "the kernel has no cgroup")
    minutes = client.json(f"series?from={NOW - 300000}&to={NOW}&owner={heavy['id']}&points=300")
    equal(minutes["bucket_ms"], 2000, "fine buckets")
    check(len(set(minutes["cpu_ns"])) > 20, "seconds within a window")
    empty = client.json("series?from=1000&to=2000")
    equal((empty["windows"], empty["start_ms"]), (0, 0), "before the store's begin")
    check(empty["oldest_ms"] > NOW - 86400_000 - 120_000, "it says how far back it reaches")


def test_flame(client):
    owners = client.json(f"owners?{HOUR}")["owners"]
    big = next(o for o in owners if o["name"] == "monolith")
    all_of = client.json(f"flame?{HOUR}&owner={big['id']}&nodes=1000000")
    nodes = all_of["flame"]["nodes"]
    check(len(nodes["parent"]) > 100000, f"{len(nodes['parent'])} nodes")
    equal(sum(nodes["ns"]), big["cpu_ns"], "every nanosecond is in a node")
    equal(sum(nodes["count"]), big["samples"], "every sample")
    folded = client.json(f"flame?{HOUR}&owner={big['id']}&nodes=3000")
    nodes = folded["flame"]["nodes"]
    check(1000 < len(nodes["parent"]) <= 3000, f"folded to {len(nodes['parent'])}")
    equal(sum(nodes["ns"]), big["cpu_ns"], "folded, and nothing lost")
    check(all(p < i for i, p in enumerate(nodes["parent"]) if i), "parents stand before children")
    strings = folded["flame"]["strings"]
    check("[other]" in strings and len(strings) < len(all_of["flame"]["strings"]), "what nobody names is gone")
    other = next(o for o in owners if o["name"] != "monolith")
    diff = client.json(f"flame?{HOUR}&owner={big['id']}&base_from={NOW - 7200000}&base_to={NOW - 3600000}&base_owner={other['id']}")
    nodes = diff["flame"]["nodes"]
    equal(sum(nodes["ns"]), big["cpu_ns"], "the diff's right side")
    before = client.json(f"flame?from={NOW - 7200000}&to={NOW - 3600000}&owner={other['id']}")["flame"]["nodes"]
    equal(sum(nodes["base_ns"]), sum(before["ns"]), "the diff's left side")


def test_downloads(client):
    owner = client.json(f"owners?{HOUR}")["owners"][1]
    status, headers, body = client.request(f"/api/v1/profile?{HOUR}&owner={owner['id']}&format=folded")
    equal((status, headers["X-Content-Type-Options"]), (200, "nosniff"), "folded")
    lines = body.decode().splitlines()
    equal(sum(int(line.rsplit(" ", 1)[1]) for line in lines), owner["samples"], "folded samples")
    status, headers, body = client.request(f"/api/v1/profile?{HOUR}&owner={owner['id']}&format=pprof")
    equal((status, headers["Content-Type"]), (200, "application/octet-stream"), "pprof")
    check(len(gzip.decompress(body)) > 1000, "a gzip file of some size")
    if not shutil.which("go"):
        return
    with open(f"{FOLDER}/x.pb.gz", "wb") as out:
        out.write(body)
    environment = {"GOCACHE": f"{BUILD}/go-cache"} if not os.environ.get("HOME") else {}
    done = subprocess.run(["go", "tool", "pprof", "-symbolize=none", "-raw", f"{FOLDER}/x.pb.gz"], capture_output=True, text=True,
                          env={**os.environ, "PPROF_TMPDIR": FOLDER, "PPROF_BINARY_PATH": FOLDER, "GOTOOLCHAIN": "local", **environment})
    equal(done.returncode, 0, "go tool pprof reads it: " + done.stderr)
    check("cpu/nanoseconds" in done.stdout, "its sample types")


def test_metrics(exporter, client, metrics_port):
    exporter.send_metrics("# HELP fleetprof_runs_total Runs.\n# TYPE fleetprof_runs_total counter\nfleetprof_runs_total 7\n")
    until = time.monotonic() + 20
    while True: # the exporter reads what it is told when it gets to it
        status, headers, body = client.request("/metrics", token=None)
        if b"fleetprof_runs_total" in body or time.monotonic() > until:
            break
        time.sleep(0.05)
    equal((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "metrics")
    found = families(body.decode())
    equal(found["fleetprof_runs_total"][1], [("fleetprof_runs_total", None, 7.0)], "the agent's own")
    check(any("back\\\\end" in labels for _, labels, _ in found["fleetprof_upload_waiting_rows"][1]), "the back end's queue")
    equal(found["fleetprof_store_windows"][1][0][2], 198.0, "the store's")
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=body.decode(), capture_output=True, text=True)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")
    equal(client.status("/healthz", token=None), 200, "alive")
    equal(client.status("/readyz", token=None), 503, "not ready: no window came yet")
    other = Client(exporter, metrics_port)
    equal(other.status("/metrics", token=None, Host="10.1.2.3:9"), 200, "metrics under any Host, at their own door")
    for path in ("/", "/api/v1/status"):
        equal(other.status(path, Host="10.1.2.3:9"), 404, f"{path} is not behind that door")


def test_limits(exporter, client):
    head = f"GET / HTTP/1.1\r\nHost: localhost\r\n".encode()
    status = raw(exporter, head + b"X: " + b"a" * 100_000 + b"\r\n\r\n").split(b" ")[1:2]
    check(status in ([b"431"], [b"413"], []), f"a head of 100 KB: {status}")
    status = raw(exporter, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n").split(b" ")[1:2]
    check(status in ([b"414"], [b"431"], [b"413"], []), f"a path of 100 KB: {status}")
    check(not raw(exporter, b"\x16\x03\x01\x02\x00" + bytes(512), 3).startswith(b"HTTP/1.1 200"), "TLS on a plain port")
    check(raw(exporter, b"GET / HTTP/1.1\r\n\r\n").split(b" ")[1] in (b"400", b"403"), "no Host")
    status = raw(exporter, head + b"Content-Length: 99999999999999999999\r\n\r\n").split(b" ")[1:2]
    check(status in ([b"400"], [b"413"], []), f"a length beyond numbers: {status}")
    two = raw(exporter, (head + b"\r\n") + head + b"Connection: close\r\n\r\n")
    equal(two.count(b"HTTP/1.1 200"), 2, "two requests on one connection")
    equal(client.status("/healthz", token=None), 200, "still alive")


def test_slow_and_many(exporter, client):
    """Hundreds of connections that say nothing, or a byte at a time: others are served, and they are cut off."""
    idle = [socket.create_connection(("127.0.0.1", exporter.port)) for _ in range(300)]
    for s in idle:
        s.sendall(b"GET / HTTP/1.1\r\nHost: loc")
    start = time.monotonic()
    for _ in range(20):
        equal(client.status("/api/v1/status"), 200, "beside them")
    print(f"20 requests beside 300 slow connections: {time.monotonic() - start:.2f} s")
    alive = idle[:]
    deadline = time.monotonic() + 40
    while alive and time.monotonic() < deadline:
        for s in alive[:]:
            try:
                s.sendall(b"a")
            except OSError:
                alive.remove(s)
        time.sleep(1)
    equal(len(alive), 0, "slow connections that were not cut off")
    for s in idle:
        s.close()
    equal(client.status("/api/v1/status"), 200, "behind them")


def test_questions_have_turns(exporter, client):
    """While many ask for profiles at once, health and metrics are answered; too many questions are refused, and say so."""
    head = (f"GET /api/v1/flame?from={NOW - 1500_000}&to={NOW - 1200_000} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n").encode()
    asking = [socket.create_connection(("127.0.0.1", exporter.port), timeout=60) for _ in range(24)]
    for s in asking:
        s.sendall(head)
    asking.pop().close() # one goes away
    for path in ("/healthz", "/metrics"):
        equal(client.status(path, token=None), 200, f"{path} meanwhile")
    codes = []
    for s in asking:
        with s, s.makefile("rb") as answer:
            codes.append(int(answer.readline().split()[1]))
            answer.read()
    check(set(codes) == {200, 429} and codes.count(200) >= 12, f"answers, and beyond the limit it says so: {codes}")


def test_watching(exporter, client):
    equal(exporter.receive(), (WATCH, 1), "the agent is told that somebody watches")


def test_port_in_use(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open(f"{folder}/log", "w+") as log:
            with Exporter(BUILD, f"{folder}/other", "--web-listen", f"127.0.0.1:{port}", stderr=log) as exporter:
                equal(exporter.address, "", "no page, but an exporter")
            log.seek(0)
            check("another program does" in log.read(), "and it is said why")


def test_no_token_no_page(folder):
    with Exporter(BUILD, f"{folder}/none", token="") as exporter:
        equal(exporter.address, "", "no page is told of")


with socket.create_server(("127.0.0.1", 0)) as free:
    METRICS_PORT = free.getsockname()[1]
with Exporter(BUILD, f"{FOLDER}/store", "--metrics-listen", f"127.0.0.1:{METRICS_PORT}",
              "--upload", "type=pyroscope,url=http://127.0.0.1:1,name=back\\end") as running:
    asking = Client(running)
    test_page(asking)
    test_who_may_ask(running, asking)
    test_watching(running, asking)
    test_methods_and_paths(asking)
    test_answers(asking)
    test_flame(asking)
    test_downloads(asking)
    test_metrics(running, asking, METRICS_PORT)
    test_limits(running, asking)
    test_questions_have_turns(running, asking)
    test_slow_and_many(running, asking)
    equal(running.stop(), 0, "it ends with its agent")
test_port_in_use(FOLDER)
test_no_token_no_page(FOLDER)
