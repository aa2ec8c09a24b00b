/* Queries: the scan over windows that all kinds share. */
#include "agent/base/clock.h"
#include "agent/base/text.h"
#include "agent/exporter/web_query_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RESTARTS_MAX 2

const struct web_span *web_query_span(const struct web_query *q)
{
	return q->side ? &q->params.base : &q->params.span;
}

bool web_span_has(const struct web_span *span, uint64_t start_ns, uint64_t end_ns)
{
	uint64_t middle = start_ns + (end_ns - start_ns) / 2;

	return (middle >= span->from_ns && middle < span->to_ns) ||
	       (start_ns <= span->from_ns && end_ns >= span->to_ns);
}

static bool is_loss(const char *name)
{
	return !strncmp(name, "missed", 6) || !strncmp(name, "lost", 4) ||
	       !strncmp(name, "no room", 7);
}

uint64_t web_losses(const struct winwire_header *header)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < header->nr_losses; i++)
		sum += is_loss(header->losses[i].name) ? header->losses[i].count : 0;
	return sum;
}

static void cover(struct web_query *q, uint64_t end_ns)
{
	struct web_coverage *c = &q->coverage[q->side];
	struct winwire_header *h = &q->header, sum = c->header;

	if (!c->windows++)
		c->start_ns = h->start_wall_ns;
	c->end_ns = MAX(c->end_ns, end_ns);
	c->covered_ns += h->duration_ns;
	winwire_add_losses(&sum, h);
	c->header = *h; /* the newest's name, rate and so on; the losses of all */
	c->header.flags |= sum.flags;
	c->header.nr_losses = sum.nr_losses;
	memcpy(c->header.losses, sum.losses, sizeof(sum.losses));
}

static void begin_scan(struct web_query *q)
{
	const struct web_span *span = web_query_span(q);

	q->scan = (struct store_scan) { .from_ns = span->from_ns,
					.to_ns = span->to_ns,
					.owner = span->owner };
	q->scanned = false;
}

static int restart(struct web_query *q)
{
	q->restarts++;
	q->ops->end(q);
	memset(q->coverage, 0, sizeof(q->coverage));
	q->side = 0;
	q->gone = q->unreadable = 0;
	begin_scan(q);
	return q->ops->begin(q);
}

/* The next window, or the base's first, or the end of both. */
static int scan(struct web_query *q)
{
	const bool has_base = q->params.given & WEB_PARAM_BASE;
	uint64_t end_ns;
	int r;

	r = store_scan_next(q->store, &q->scan, &q->header, &end_ns, q->ops->on_point, q);
	if (r < 0)
		return r;
	if (r == STORE_E_CHANGED)
		return q->restarts < RESTARTS_MAX ? restart(q) : 0;
	if (!r) {
		q->scanned = q->side || !has_base;
		if (!q->scanned) {
			q->side = 1;
			begin_scan(q);
		}
		return 0;
	}
	if (web_span_has(web_query_span(q), q->header.start_wall_ns, end_ns))
		cover(q, end_ns);
	return q->ops->on_window ? q->ops->on_window(q, &q->header, end_ns) : 0;
}

static int step(struct web_query *q)
{
	int r = q->ops->work ? q->ops->work(q) : 0;

	if (r)
		return r;
	if (!q->scanned) {
		r = scan(q);
		return r < 0 ? r : 1;
	}
	r = q->ops->finish(q);
	return r < 0 ? r : r > 0;
}

int web_query_step(struct web_query *q, uint64_t until_ns)
{
	int r;

	do
		r = step(q);
	while (r > 0 && clock_mono_ns() < until_ns);
	if (r < 0 && !q->err.text[0])
		err_errno(&q->err, r, "cannot read the store");
	return r;
}

int web_query_new(struct web_query **ret, struct store *store, enum web_query_kind kind,
		  const struct web_params *params)
{
	static const struct web_query_ops *const ops[] = {
		[WEB_QUERY_OWNERS] = &web_owners_ops,
		[WEB_QUERY_SERIES] = &web_series_ops,
		[WEB_QUERY_FLAME] = &web_profile_ops,
		[WEB_QUERY_PROFILE] = &web_profile_ops,
	};
	_cleanup_(web_query_freep) struct web_query *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->store = store;
	q->kind = kind;
	q->params = *params;
	q->ops = ops[kind];
	buf_init(&q->out, WEB_ANSWER_MAX);
	begin_scan(q);
	r = q->ops->begin(q);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

struct web_query *web_query_free(struct web_query *q)
{
	if (!q)
		return NULL;
	q->ops->end(q);
	buf_deinit(&q->out);
	free(q);
	return NULL;
}

struct buf *web_query_answer(struct web_query *q)
{
	return &q->out;
}

const char *web_query_error(const struct web_query *q)
{
	return q->err.text;
}

bool web_query_is_heavy(const struct web_query *q)
{
	return q->kind == WEB_QUERY_FLAME || q->kind == WEB_QUERY_PROFILE;
}

int web_write_coverage(struct web_query *q, struct buf *out)
{
	const struct web_coverage *c = &q->coverage[0];
	const struct winwire_header *h = &c->header;
	uint64_t oldest, newest;
	int r = store_reach(q->store, &oldest, &newest);

	if (r < 0)
		return r;
	buf_addf(out,
		 "\"from_ms\":%" PRIu64 ",\"to_ms\":%" PRIu64 ",\"start_ms\":%" PRIu64
		 ",\"end_ms\":%" PRIu64 ",\"covered_ms\":%" PRIu64 ",\"windows\":%" PRIu64
		 ",\"oldest_ms\":%" PRIu64 ",\"newest_ms\":%" PRIu64,
		 web_ms(q->params.span.from_ns), web_ms(q->params.span.to_ns), web_ms(c->start_ns),
		 web_ms(c->end_ns), web_ms(c->covered_ns), c->windows, web_ms(oldest),
		 web_ms(newest));
	buf_addf(out,
		 ",\"period_ns\":%" PRIu64 ",\"rate_hz\":%u,\"cpus\":%u,\"clock_jump\":%s"
		 ",\"clock_doubtful\":%s,\"gone\":%" PRIu64 ",\"unreadable\":%" PRIu64 ",\"host\":",
		 h->period_ns, h->rate_hz, h->nr_cpus,
		 h->flags & WINWIRE_CLOCK_JUMP ? "true" : "false",
		 h->flags & WINWIRE_CLOCK_DOUBTFUL ? "true" : "false", q->gone, q->unreadable);
	text_for_json_in_script(out, h->host);
	buf_adds(out, ",\"kernel\":");
	text_for_json_in_script(out, h->kernel);
	buf_adds(out, ",\"losses\":[");
	for (size_t i = 0; i < h->nr_losses; i++) {
		buf_adds(out, i ? ",[" : "[");
		text_for_json_in_script(out, h->losses[i].name);
		buf_addf(out, ",%" PRIu64 "]", h->losses[i].count);
	}
	buf_addf(out, "],\"lost\":%" PRIu64, web_losses(h));
	return out->error;
}

static void write_string(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, ",\"%s\":", key);
	text_for_json_in_script(out, value);
}

int web_write_owner(struct web_query *q, int64_t id, struct buf *out)
{
	_cleanup_(store_owner_deinitp) struct store_owner o = { .id = id };
	int r = store_owner(q->store, id, &o);

	if (r < 0)
		return r;
	buf_addf(out, "\"id\":%" PRId64, id);
	write_string(out, "name", o.name ?: "");
	write_string(out, "container", o.container_id ?: "");
	write_string(out, "runtime", o.runtime ?: "");
	write_string(out, "image", o.image ?: "");
	write_string(out, "cgroup", o.cgroup_path ?: "");
	buf_adds(out, ",\"labels\":[");
	for (size_t i = 0; i < o.nr_labels; i++) {
		buf_adds(out, i ? ",[" : "[");
		text_for_json_in_script(out, o.labels[i].key);
		buf_addc(out, ',');
		text_for_json_in_script(out, o.labels[i].value);
		buf_addc(out, ']');
	}
	buf_addc(out, ']');
	return out->error;
}
