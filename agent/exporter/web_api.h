/*
 * The page's API: what it answers to GET (and HEAD), all below http://ADDRESS of --web-listen.
 *
 *   /                    the page itself; needs no token, tells nothing
 *   /metrics             Prometheus' text format 0.0.4; no token   } also on --metrics-listen,
 *   /healthz, /readyz    200 "ok", or 503 and the reason; no token } where any Host is answered
 *   /api/v1/…            below; needs "Authorization: Bearer TOKEN"
 *
 * Times are milliseconds of UTC, from < to; owners are the store's ids, 0 for all. A parameter that a request does not
 * have, or has twice, is refused. Errors are {"error":"…"} with 400 (what is wrong with the question), 401 (no or another
 * token), 403 (Host or Origin is not ours), 404, 405, 413 (more than can be merged), 429 (too many questions under
 * way) and 500 (the store).
 *
 *   /api/v1/status                          {"version", "now_ms", "store": {…}, "upload": [{…}, …]}
 *   /api/v1/owners?from&to[&points]         COVERAGE, "bucket_ms", "buckets_from_ms",
 *                                           "owners": [{OWNER, SUMS, "spark": [ns by bucket]}, …] by CPU
 *   /api/v1/series?from&to[&owner][&points] COVERAGE, "bucket_ms", "buckets_from_ms", and by bucket: "cpu_ns", "usage_ns",
 *                                           "usage_of_ns", "nr_throttled", "throttled_ns", "covered_ns", "lost_samples"
 *   /api/v1/flame?from&to[&owner][&nodes][&base_from&base_to&base_owner]
 *                                           COVERAGE, "flame": proto/flamegraph.h, with at most `nodes` nodes
 *   /api/v1/profile?from&to[&owner]&format=pprof|folded     the file itself
 *
 * COVERAGE: "from_ms", "to_ms" as asked; "start_ms", "end_ms", "windows", "covered_ms": what the windows in it cover (gaps
 * left out; 0 where there is none); "oldest_ms", "newest_ms": how far the store reaches; "period_ns", "rate_hz", "cpus", "host",
 * "kernel"; "clock_jump", "clock_doubtful"; "losses": [[name, count], …] of the windows, "lost": the samples among them that
 * are in no profile; "gone", "unreadable": rows that went meanwhile, or were damaged.
 * OWNER: "id", "name", "container", "runtime", "image", "cgroup", "labels": [[key, value], …].
 * SUMS: "samples", "cpu_ns" (samples × period); "usage_ns", the kernel's own count (cpu.stat) of the windows that have one,
 * and "usage_of_ns", the cpu_ns of just these; "nr_throttled", "throttled_ns".
 *
 * Names are hostile: they are JSON strings that may stand in a <script> element, and the page shows them as text only.
 */
#ifndef FLEETPROF_EXPORTER_WEB_API_H
#define FLEETPROF_EXPORTER_WEB_API_H

#define WEB_API_PREFIX "/api/v1/"

#endif
