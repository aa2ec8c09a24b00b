/* What the exporter tells of itself: Prometheus' text format 0.0.4, and the page's status. */
#include "agent/base/clock.h"
#include "agent/base/text.h"
#include "agent/exporter/web_internal.h"

#include <inttypes.h>
#include <string.h>

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "counter", help);
	buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "gauge", help);
	buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static void write_store(const struct store_stats *s, struct buf *out)
{
	gauge(out, "fleetprof_store_bytes", "Size of the store's files.", s->bytes);
	gauge(out, "fleetprof_store_limit_bytes", "What they may be at present.", s->limit);
	gauge(out, "fleetprof_store_windows", "Windows in it, a roll-up counting as one.",
	      s->windows);
	gauge(out, "fleetprof_store_rows", "Profiles in it: one owner of one window.", s->rows);
	family(out, "fleetprof_store_oldest_timestamp_seconds", "gauge",
	       "Start of the oldest window; 0: there is none.");
	buf_addf(out, "fleetprof_store_oldest_timestamp_seconds %.3f\n", seconds(s->oldest_ns));
	family(out, "fleetprof_store_newest_timestamp_seconds", "gauge",
	       "End of the newest window.");
	buf_addf(out, "fleetprof_store_newest_timestamp_seconds %.3f\n", seconds(s->newest_ns));
	counter(out, "fleetprof_store_windows_stored_total",
		"Windows committed, since the database was begun.", s->stored);
	counter(out, "fleetprof_store_windows_repeated_total",
		"Windows that came again and changed nothing.", s->repeated);
	counter(out, "fleetprof_store_windows_refused_total", "Windows that could not be kept.",
		s->refused);
	family(out, "fleetprof_store_windows_evicted_total", "counter",
	       "Windows that gave way, by what asked for it.");
	buf_addf(out,
		 "fleetprof_store_windows_evicted_total{reason=\"age\"} %" PRIu64 "\n"
		 "fleetprof_store_windows_evicted_total{reason=\"bytes\"} %" PRIu64 "\n",
		 s->evicted_age, s->evicted_bytes);
	counter(out, "fleetprof_store_windows_rolled_up_total", "Windows merged into longer ones.",
		s->rolled_up);
	counter(out, "fleetprof_store_rows_unreadable_total", "Profiles that could not be merged.",
		s->unreadable);
}

static void write_requests(const struct web_counts *c, struct buf *out)
{
	family(out, "fleetprof_web_requests_total", "counter", "Requests answered, by status.");
	for (size_t i = 0; i < ARRAY_SIZE(c->requests); i++) {
		if (c->requests[i])
			buf_addf(out, "fleetprof_web_requests_total{code=\"%zu\"} %" PRIu64 "\n", i,
				 c->requests[i]);
	}
}

static void write_web(const struct web *web, struct buf *out)
{
	const struct web_counts *c = &web->counts;

	write_requests(c, out);
	counter(out, "fleetprof_web_connections_total", "Connections accepted.", c->connections);
	counter(out, "fleetprof_web_connections_cut_total",
		"Connections closed at a deadline or for want of room.", c->cut);
	gauge(out, "fleetprof_web_connections", "Connections open.", web->nr_clients);
	counter(out, "fleetprof_web_queries_total", "Questions to the store.", c->queries);
	counter(out, "fleetprof_web_queries_cancelled_total", "Of them, whose client went away.",
		c->cancelled);
	gauge(out, "fleetprof_web_queries", "Questions under way.", web->nr_queries);
	gauge(out, "fleetprof_web_watched", "1: somebody watches, and windows are of 10 s.",
	      web->watched);
	family(out, "fleetprof_web_step_seconds_max", "gauge",
	       "The longest that a question held the exporter's loop.");
	buf_addf(out, "fleetprof_web_step_seconds_max %.6f\n", seconds(c->step_max_ns));
}

int web_write_metrics(struct web *web, struct buf *out)
{
	struct store_stats stats;
	int r = store_stats(web->config.store, &stats);

	if (r < 0)
		return r;
	family(out, "fleetprof_exporter_info", "gauge", "The exporter's build.");
	buf_adds(out, "fleetprof_exporter_info{version=\"" FLEETPROF_VERSION "\"} 1\n");
	write_store(&stats, out);
	write_web(web, out);
	if (web->config.write_metrics)
		web->config.write_metrics(out, web->config.userdata);
	return out->error;
}

int web_write_status(struct web *web, struct buf *out)
{
	struct store_stats s;
	int r = store_stats(web->config.store, &s);

	if (r < 0)
		return r;
	buf_addf(out,
		 "{\"version\":\"" FLEETPROF_VERSION "\",\"now_ms\":%" PRIu64
		 ",\"store\":{\"bytes\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"windows\":%" PRIu64
		 ",\"rows\":%" PRIu64 ",\"oldest_ms\":%" PRIu64 ",\"newest_ms\":%" PRIu64
		 ",\"evicted_age\":%" PRIu64 ",\"evicted_bytes\":%" PRIu64 ",\"refused\":%" PRIu64
		 "}",
		 (uint64_t)(clock_wall_ns() / NSEC_PER_MSEC), s.bytes, s.limit, s.windows, s.rows,
		 (uint64_t)(s.oldest_ns / NSEC_PER_MSEC), (uint64_t)(s.newest_ns / NSEC_PER_MSEC),
		 s.evicted_age, s.evicted_bytes, s.refused);
	buf_adds(out, ",\"upload\":[");
	if (web->config.write_uploads)
		web->config.write_uploads(out, web->config.userdata);
	buf_adds(out, "]}");
	return out->error;
}
