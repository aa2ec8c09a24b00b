/* What uploads tell of themselves: Prometheus' text format 0.0.4, and the page's status. */
#include "agent/exporter/upload_internal.h"
#include "agent/base/clock.h"
#include "agent/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

/* One back end's numbers, and its name as it may stand in quotes. */
struct told {
	struct upload_counts counts;
	struct store_backlog backlog;
	char name[2 * LABELS_NAME_MAX];
};

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP fleetprof_upload_%s %s\n# TYPE fleetprof_upload_%s %s\n", name, help,
		 name, type);
}

/* The format escapes a backslash, a quote and a newline; the settings let no control character into a name. */
static void escape(const char *name, char *out, size_t size)
{
	size_t len = 0;

	for (; *name && len + 2 < size; name++) {
		if (*name == '\\' || *name == '"')
			out[len++] = '\\';
		out[len++] = *name;
	}
	out[len] = '\0';
}

static int collect(struct upload *u, struct told *told)
{
	int r = 0;

	for (size_t i = 0; i < u->nr_backends && r == 0; i++) {
		escape(upload_name(u, i), told[i].name, sizeof(told[i].name));
		r = upload_counts(u, i, &told[i].counts);
		r = r ?: store_backlog(u->store, i, &told[i].backlog);
	}
	return r;
}

/* A number of each back end, found at an offset in struct told. */
static void each(struct buf *out, const struct told *told, size_t nr, const char *name,
		 const char *type, const char *help, size_t offset)
{
	family(out, name, type, help);
	for (size_t i = 0; i < nr; i++)
		buf_addf(out, "fleetprof_upload_%s{backend=\"%s\"} %" PRIu64 "\n", name,
			 told[i].name, *(const uint64_t *)((const char *)&told[i] + offset));
}

static void write_outcomes(struct buf *out, const struct told *told, size_t nr)
{
	family(out, "rows_total", "counter",
	       "Profiles that left the queue, by outcome: queued = waiting and all of these.");
	for (size_t i = 0; i < nr; i++) {
		for (size_t o = 0; o < STORE_NR_OUTCOMES; o++)
			buf_addf(out,
				 "fleetprof_upload_rows_total{backend=\"%s\",outcome=\"%s\"} "
				 "%" PRIu64 "\n",
				 told[i].name, store_outcome_name((enum store_outcome)o),
				 told[i].counts.outbox.outcomes[o]);
	}
	family(out, "answers_total", "counter", "Requests that ended, by what the answer meant.");
	for (size_t i = 0; i < nr; i++) {
		for (size_t a = 0; a < UPLOADANSWER_NR; a++)
			buf_addf(out,
				 "fleetprof_upload_answers_total{backend=\"%s\",answer=\"%s\"} "
				 "%" PRIu64 "\n",
				 told[i].name, uploadanswer_name((enum uploadanswer_class)a),
				 told[i].counts.answers[a]);
	}
}

static void write_age(struct buf *out, const struct told *told, size_t nr)
{
	uint64_t now = clock_wall_ns();

	family(out, "queue_age_seconds", "gauge", "Age of the oldest profile that waits.");
	for (size_t i = 0; i < nr; i++) {
		uint64_t oldest = told[i].backlog.oldest_ns;

		buf_addf(out, "fleetprof_upload_queue_age_seconds{backend=\"%s\"} %.3f\n",
			 told[i].name,
			 oldest && oldest < now ? (double)(now - oldest) / NSEC_PER_SEC : 0);
	}
	family(out, "failing", "gauge", "1: the last request failed.");
	for (size_t i = 0; i < nr; i++)
		buf_addf(out, "fleetprof_upload_failing{backend=\"%s\"} %d\n", told[i].name,
			 told[i].counts.failing);
}

static void write_series(struct upload *u, struct buf *out)
{
	struct uploadseries_counts c;

	uploadseries_counts(u->series, &c);
	family(out, "series", "gauge", "Different label sets in use.");
	buf_addf(out, "fleetprof_upload_series %" PRIu64 "\n", c.series);
	family(out, "series_other_total", "counter",
	       "Owners that found no place among them and went to service_name=other.");
	buf_addf(out, "fleetprof_upload_series_other_total %" PRIu64 "\n", c.other);
	family(out, "labels_cut_total", "counter", "Labels above the most that a series may have.");
	buf_addf(out, "fleetprof_upload_labels_cut_total %" PRIu64 "\n", c.labels_cut);
	family(out, "rules_failed_total", "counter",
	       "Owners for which the rules failed, or a match was given up.");
	buf_addf(out, "fleetprof_upload_rules_failed_total %" PRIu64 "\n",
		 c.rules_failed + (u->options->relabel ? relabel_gave_up(u->options->relabel) : 0));
}

int upload_write_metrics(struct upload *u, struct buf *out)
{
	_cleanup_(freep) struct told *told = calloc(u->nr_backends + 1, sizeof(*told));
	size_t nr = u->nr_backends;
	int r = told ? collect(u, told) : -ENOMEM;

	if (r < 0 || !nr)
		return r;
	each(out, told, nr, "queued_rows_total", "counter",
	     "Profiles queued: one owner of one window.",
	     offsetof(struct told, counts.outbox.queued));
	each(out, told, nr, "waiting_rows", "gauge", "Of them, still in the queue.",
	     offsetof(struct told, counts.outbox.waiting));
	write_outcomes(out, told, nr);
	write_age(out, told, nr);
	each(out, told, nr, "requests_total", "counter", "Requests sent.",
	     offsetof(struct told, counts.requests));
	each(out, told, nr, "bytes_total", "counter", "Bytes of their bodies.",
	     offsetof(struct told, counts.bytes));
	each(out, told, nr, "parts_total", "counter", "Requests with a part of a profile.",
	     offsetof(struct told, counts.parts));
	each(out, told, nr, "samples_total", "counter", "Samples acknowledged.",
	     offsetof(struct told, counts.samples));
	each(out, told, nr, "samples_too_large_total", "counter",
	     "Stacks left out, since one alone was above the limits.",
	     offsetof(struct told, counts.samples_too_large));
	write_series(u, out);
	return out->error;
}

int upload_write_status(struct upload *u, struct buf *out)
{
	_cleanup_(freep) struct told *told = calloc(u->nr_backends + 1, sizeof(*told));
	int r = told ? collect(u, told) : -ENOMEM;

	for (size_t i = 0; i < u->nr_backends && r == 0; i++) {
		const struct store_outbox_counts *c = &told[i].counts.outbox;
		uint64_t refused = 0;

		for (size_t o = STORE_REFUSED_INVALID; o < STORE_NR_OUTCOMES; o++)
			refused += c->outcomes[o];
		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		text_for_json_in_script(out, upload_name(u, i));
		buf_addf(out,
			 ",\"failing\":%s,\"queued\":%" PRIu64 ",\"waiting\":%" PRIu64
			 ",\"uploaded\":%" PRIu64 ",\"merged\":%" PRIu64 ",\"evicted\":%" PRIu64
			 ",\"refused\":%" PRIu64 ",\"oldest_ms\":%" PRIu64 "}",
			 told[i].counts.failing ? "true" : "false", c->queued, c->waiting,
			 c->outcomes[STORE_UPLOADED], c->outcomes[STORE_MERGED],
			 c->outcomes[STORE_EVICTED_AGE] + c->outcomes[STORE_EVICTED_BYTES], refused,
			 (uint64_t)(told[i].backlog.oldest_ns / NSEC_PER_MSEC));
	}
	return r ?: out->error;
}
