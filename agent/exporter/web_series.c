/* CPU over time: of the owners of a range, each with a small line, and of one of them (or all) in detail. */
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"
#include "agent/exporter/web_query_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define OWNERS_MAX                                                                                 \
	20000 /* of one answer; those of a week on a busy build host. The rest are added up as owner 0 */
#define SPARK_MAX 240 /* buckets of an owner's small line */
#define OWNERS_PER_STEP 64

/* Sums of points. The kernel's own usage is compared with the samples of those points that have one. */
struct sums {
	uint64_t samples, cpu_ns, usage_ns, usage_of_ns, nr_throttled, throttled_ns;
};

struct row {
	int64_t owner;
	struct sums sums;
	uint64_t *spark; /* ns by bucket */
};

struct buckets {
	uint64_t from_ns, step_ns;
	size_t nr;
};

static void add_point(struct sums *s, const struct store_point *p)
{
	s->samples += p->samples;
	s->cpu_ns += p->value_ns;
	if (p->usage_ns != WINWIRE_UNKNOWN) {
		s->usage_ns += p->usage_ns;
		s->usage_of_ns += p->value_ns;
	}
	s->nr_throttled += p->nr_throttled != WINWIRE_UNKNOWN ? p->nr_throttled : 0;
	s->throttled_ns += p->throttled_ns != WINWIRE_UNKNOWN ? p->throttled_ns : 0;
}

/* Buckets of whole seconds that begin on multiples of their length, at most `points` and one. */
static struct buckets buckets_of(const struct web_span *span, uint32_t points)
{
	uint64_t step = (span->to_ns - span->from_ns) / points / NSEC_PER_SEC + 1;
	struct buckets b = { .step_ns = step * NSEC_PER_SEC };

	b.from_ns = span->from_ns / b.step_ns * b.step_ns;
	b.nr = (size_t)((span->to_ns - b.from_ns + b.step_ns - 1) / b.step_ns);
	return b;
}

/* Spreads a value evenly over the buckets that [start, end) touches; what lies outside of them is left out. */
static void spread(const struct buckets *b, uint64_t *to, uint64_t start, uint64_t end,
		   uint64_t value)
{
	uint64_t length = end - start, at = MAX(start, b->from_ns), done;
	size_t i = (size_t)((at - b->from_ns) / b->step_ns);

	if (!length || !value)
		return;
	done = (uint64_t)((__uint128_t)value * (at - start) / length);
	for (; i < b->nr && at < end; i++) {
		uint64_t until = MIN(b->from_ns + (i + 1) * b->step_ns, end);
		uint64_t sum = (uint64_t)((__uint128_t)value * (until - start) / length);

		to[i] += sum - done;
		done = sum;
		at = until;
	}
}

/* A window's histogram, where buckets are finer than the window: its shape, with the sum that the value has. */
static void spread_seconds(const struct buckets *b, uint64_t *to, const struct store_point *p,
			   uint32_t *seconds)
{
	uint64_t end = p->start_ns + p->duration_ns, samples = 0;
	int nr = winwire_parse_seconds(p->seconds, p->seconds_len, seconds, WINWIRE_MAX_SECONDS);

	for (int i = 0; i < nr; i++)
		samples += seconds[i];
	if (!samples || b->step_ns >= p->duration_ns) {
		spread(b, to, p->start_ns, end, p->value_ns);
		return;
	}
	for (int i = 0; i < nr; i++) {
		uint64_t at = p->start_ns + (uint64_t)i * NSEC_PER_SEC;
		__uint128_t ns = (__uint128_t)p->value_ns * seconds[i] / samples;

		/* a last second that the window did not have whole */
		spread(b, to, MIN(at, end - 1), MAX(MIN(at + NSEC_PER_SEC, end), at + 1),
		       (uint64_t)ns);
	}
}

static void write_numbers(struct buf *out, const char *name, const uint64_t *values, size_t nr)
{
	buf_addf(out, "\"%s\":[", name);
	for (size_t i = 0; i < nr; i++)
		buf_addf(out, i ? ",%" PRIu64 : "%" PRIu64, values[i]);
	buf_addc(out, ']');
}

static void write_sums(struct buf *out, const struct sums *s)
{
	buf_addf(out,
		 "\"samples\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"usage_ns\":%" PRIu64
		 ",\"usage_of_ns\":%" PRIu64 ",\"nr_throttled\":%" PRIu64
		 ",\"throttled_ns\":%" PRIu64,
		 s->samples, s->cpu_ns, s->usage_ns, s->usage_of_ns, s->nr_throttled,
		 s->throttled_ns);
}

/* -- the owners of a range -- */

struct owners {
	struct buckets buckets;
	struct hashmap *row_of; /* owner → uint32_t */
	struct row *rows;
	size_t nr_rows, next;
	uint32_t seconds[WINWIRE_MAX_SECONDS];
};

static void owners_end(struct web_query *q)
{
	struct owners *o = q->data;

	if (!o)
		return;
	hashmap_free(o->row_of);
	for (size_t i = 0; i < o->nr_rows; i++)
		free(o->rows[i].spark);
	free(o->rows);
	free(o);
	q->data = NULL;
}

static int owners_begin(struct web_query *q)
{
	struct owners *o = q->data = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->buckets = buckets_of(&q->params.span, MIN(q->params.points, (uint32_t)SPARK_MAX));
	return hashmap_new(&o->row_of, sizeof(int64_t), sizeof(uint32_t), OWNERS_MAX);
}

static int find_row(struct owners *o, int64_t owner, struct row **ret)
{
	void *slot;
	bool is_new;
	int r = hashmap_put(o->row_of, &owner, &slot, &is_new);

	if (r == HASHMAP_E_FULL) { /* the first row that came takes the rest, as nobody's */
		*ret = &o->rows[0];
		(*ret)->owner = 0;
		return 0;
	}
	if (r < 0)
		return r;
	if (is_new) {
		struct row *rows = reallocarray(o->rows, o->nr_rows + 1, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		o->rows = rows;
		rows[o->nr_rows] =
			(struct row) { .owner = owner,
				       .spark = calloc(o->buckets.nr, sizeof(uint64_t)) };
		if (!rows[o->nr_rows].spark)
			return -ENOMEM;
		*(uint32_t *)slot = (uint32_t)o->nr_rows++;
	}
	*ret = &o->rows[*(uint32_t *)slot];
	return 0;
}

static int owners_on_point(const struct store_point *p, void *userdata)
{
	struct web_query *q = userdata;
	struct owners *o = q->data;
	struct row *row;
	int r;

	if (!web_span_has(&q->params.span, p->start_ns, p->start_ns + p->duration_ns))
		return 0;
	r = find_row(o, p->owner, &row);
	if (r < 0)
		return r;
	add_point(&row->sums, p);
	spread_seconds(&o->buckets, row->spark, p, o->seconds);
	return 0;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->sums.cpu_ns != y->sums.cpu_ns)
		return x->sums.cpu_ns < y->sums.cpu_ns ? 1 : -1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

static int owners_finish(struct web_query *q)
{
	struct owners *o = q->data;
	struct buf *out = &q->out;
	int r = 0;

	if (!out->len) {
		if (o->nr_rows)
			qsort(o->rows, o->nr_rows, sizeof(*o->rows), compare_rows);
		buf_addc(out, '{');
		r = web_write_coverage(q, out);
		buf_addf(out,
			 ",\"bucket_ms\":%" PRIu64 ",\"buckets_from_ms\":%" PRIu64 ",\"owners\":[",
			 web_ms(o->buckets.step_ns), web_ms(o->buckets.from_ns));
	}
	for (size_t i = 0; i < OWNERS_PER_STEP && o->next < o->nr_rows && r == 0; i++, o->next++) {
		struct row *row = &o->rows[o->next];

		buf_adds(out, o->next ? ",{" : "{");
		r = web_write_owner(q, row->owner, out);
		buf_addc(out, ',');
		write_sums(out, &row->sums);
		buf_addc(out, ',');
		write_numbers(out, "spark", row->spark, o->buckets.nr);
		buf_addc(out, '}');
	}
	if (r < 0)
		return r;
	if (o->next < o->nr_rows)
		return 1;
	buf_adds(out, "]}");
	return out->error;
}

const struct web_query_ops web_owners_ops = {
	.begin = owners_begin,
	.end = owners_end,
	.on_point = owners_on_point,
	.finish = owners_finish,
};

/* -- one owner, or all, in detail -- */

struct series {
	struct buckets buckets;
	uint64_t *cpu, *usage, *usage_of, *nr_throttled, *throttled, *covered, *lost;
	uint64_t *values; /* the memory of all of them */
	uint32_t seconds[WINWIRE_MAX_SECONDS];
};

static void series_end(struct web_query *q)
{
	struct series *s = q->data;

	if (!s)
		return;
	free(s->values);
	free(s);
	q->data = NULL;
}

static int series_begin(struct web_query *q)
{
	struct series *s = q->data = calloc(1, sizeof(*s));
	uint64_t **const columns[] = { &s->cpu,       &s->usage,   &s->usage_of, &s->nr_throttled,
				       &s->throttled, &s->covered, &s->lost };

	if (!s)
		return -ENOMEM;
	s->buckets = buckets_of(&q->params.span, q->params.points);
	s->values = calloc(s->buckets.nr * ARRAY_SIZE(columns), sizeof(*s->values));
	if (!s->values)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		*columns[i] = s->values + i * s->buckets.nr;
	return 0;
}

static int series_on_point(const struct store_point *p, void *userdata)
{
	struct web_query *q = userdata;
	struct series *s = q->data;
	const struct buckets *b = &s->buckets;
	uint64_t end = p->start_ns + p->duration_ns;

	spread_seconds(b, s->cpu, p, s->seconds);
	if (p->usage_ns != WINWIRE_UNKNOWN) {
		spread(b, s->usage, p->start_ns, end, p->usage_ns);
		spread(b, s->usage_of, p->start_ns, end, p->value_ns);
	}
	if (p->nr_throttled != WINWIRE_UNKNOWN)
		spread(b, s->nr_throttled, p->start_ns, end, p->nr_throttled);
	if (p->throttled_ns != WINWIRE_UNKNOWN)
		spread(b, s->throttled, p->start_ns, end, p->throttled_ns);
	return 0;
}

static int series_on_window(struct web_query *q, const struct winwire_header *h, uint64_t end_ns)
{
	struct series *s = q->data;

	spread(&s->buckets, s->covered, h->start_wall_ns, end_ns, h->duration_ns);
	spread(&s->buckets, s->lost, h->start_wall_ns, end_ns, web_losses(h));
	return 0;
}

static int series_finish(struct web_query *q)
{
	struct series *s = q->data;
	struct buf *out = &q->out;
	size_t nr = s->buckets.nr;
	int r;

	buf_addc(out, '{');
	r = web_write_coverage(q, out);
	if (r < 0)
		return r;
	buf_addf(out, ",\"bucket_ms\":%" PRIu64 ",\"buckets_from_ms\":%" PRIu64 ",",
		 web_ms(s->buckets.step_ns), web_ms(s->buckets.from_ns));
	write_numbers(out, "cpu_ns", s->cpu, nr);
	buf_addc(out, ',');
	write_numbers(out, "usage_ns", s->usage, nr);
	buf_addc(out, ',');
	write_numbers(out, "usage_of_ns", s->usage_of, nr);
	buf_addc(out, ',');
	write_numbers(out, "nr_throttled", s->nr_throttled, nr);
	buf_addc(out, ',');
	write_numbers(out, "throttled_ns", s->throttled, nr);
	buf_addc(out, ',');
	write_numbers(out, "covered_ns", s->covered, nr);
	buf_addc(out, ',');
	write_numbers(out, "lost_samples", s->lost, nr);
	buf_addc(out, '}');
	return out->error;
}

const struct web_query_ops web_series_ops = {
	.begin = series_begin,
	.end = series_end,
	.on_point = series_on_point,
	.on_window = series_on_window,
	.finish = series_finish,
};
