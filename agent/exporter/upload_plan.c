/* What goes to a back end next. */
#include "agent/exporter/upload_internal.h"
#include "agent/base/clock.h"

#include <errno.h>
#include <string.h>

#define MERGE_SPAN_NS (600 * NSEC_PER_SEC) /* as the store's first roll-up */
#define DROP_BATCH 512

static struct upload_suspect *find_suspect(struct upload_backend *b, const struct store_row *row)
{
	for (size_t i = 0; i < b->nr_suspects; i++) {
		if (b->suspects[i].window == row->window && b->suspects[i].owner == row->owner)
			return &b->suspects[i];
	}
	return NULL;
}

uint32_t upload_suspect_add(struct upload_backend *b, const struct store_row *row)
{
	struct upload_suspect *s = find_suspect(b, row);

	if (s) {
		s->tries += s->successes != b->successes;
		s->successes = b->successes;
		return s->tries;
	}
	if (b->nr_suspects == UPLOAD_SUSPECTS_MAX) /* the oldest begins anew if it fails again */
		memmove(b->suspects, b->suspects + 1, sizeof(*s) * --b->nr_suspects);
	b->suspects[b->nr_suspects++] = (struct upload_suspect) { .window = row->window,
								  .owner = row->owner,
								  .successes = b->successes };
	return 0;
}

void upload_suspect_remove(struct upload_backend *b, const struct store_row *row)
{
	struct upload_suspect *s = find_suspect(b, row);

	if (s)
		*s = b->suspects[--b->nr_suspects];
}

/* One that failed is tried again when something else went well. */
static bool must_wait(const struct upload_backend *b, const struct upload_suspect *s)
{
	return s && s->successes == b->successes;
}

uint64_t upload_too_old_ns(const struct upload_backend *b)
{
	uint64_t now = clock_wall_ns();

	return now - MIN(now, b->config->max_age_ns);
}

static int by_series(const void *a, const void *b)
{
	const struct store_row *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->window != y->window)
		return x->window > y->window ? -1 : 1; /* newest first */
	return (x->owner > y->owner) - (x->owner < y->owner);
}

/* Whether at this pace something would grow too old: then rows are merged over ten minutes rather than lost. */
static int must_merge(struct upload_backend *b, uint64_t wall_ns, bool *ret)
{
	struct store_backlog backlog;
	uint64_t age, drain;
	int r = store_backlog(b->upload->store, b->target, &backlog);

	if (r < 0)
		return r;
	age = wall_ns > backlog.oldest_ns ? wall_ns - backlog.oldest_ns : 0;
	drain = uploadpace_drain_ns(&b->pace, backlog.rows, backlog.windows - (backlog.windows > 0),
				    b->window_ns);
	*ret = backlog.rows && age + drain > b->config->max_age_ns / 4 * 3;
	return 0;
}

static int series_of(struct upload *u, int64_t owner, uint64_t now_ns, uint32_t *ret)
{
	_cleanup_(store_owner_deinitp) struct store_owner o = { .identity = NULL };
	int r = uploadseries_find(u->series, owner, now_ns, ret);

	if (r != UPLOADSERIES_E_UNKNOWN)
		return r;
	r = store_owner(u->store, owner, &o);
	if (r)
		return r < 0 ? r : UPLOADSERIES_E_DROP; /* cannot be: the row names it */
	r = uploadseries_add(u->series, &o, now_ns);
	return r ?: uploadseries_find(u->series, owner, now_ns, ret);
}

/* Rows on their way out of the queue, since no rule or fraction wants them: a batch is a transaction. */
struct sieve {
	struct store_row out[DROP_BATCH];
	size_t nr_out;
	enum store_outcome outcome;
};

static int flush(struct upload_backend *b, struct sieve *sieve)
{
	int r;

	if (!sieve->nr_out)
		return 0;
	r = store_settle(b->upload->store, b->target, sieve->out, sieve->nr_out, sieve->outcome);
	b->nr_transactions++;
	sieve->nr_out = 0;
	return r;
}

static int drop(struct upload_backend *b, struct sieve *sieve, const struct store_row *row,
		enum store_outcome outcome)
{
	int r = 0;

	if (sieve->nr_out == DROP_BATCH || (sieve->nr_out && sieve->outcome != outcome))
		r = flush(b, sieve);
	sieve->outcome = outcome;
	sieve->out[sieve->nr_out++] = *row;
	return r;
}

/* Keeps of rows what is to be sent now, in place. 1: some of the others only have to wait; 0; or -errno. */
static int choose(struct upload_backend *b, struct store_row *rows, size_t nr, uint64_t now_ns,
		  bool suspects_too)
{
	struct upload *u = b->upload;
	struct sieve sieve = { .nr_out = 0 };
	uint64_t too_old_ns = upload_too_old_ns(b);
	bool waits = false;
	int r = 0;

	b->nr_rows = b->next = 0;
	for (size_t i = 0; i < nr && r >= 0; i++) {
		struct store_row row = rows[i];

		if (row.start_ns < too_old_ns) { /* out of order: a clock that was set back */
			r = drop(b, &sieve, &row, STORE_EVICTED_AGE);
			continue;
		}
		if (!uploadpace_is_wanted(u->node, row.start_ns, b->config->fraction_ppm)) {
			r = drop(b, &sieve, &row, STORE_REFUSED_FRACTION);
			continue;
		}
		if (!suspects_too && must_wait(b, find_suspect(b, &row))) {
			waits = true;
			continue;
		}
		r = series_of(u, row.owner, now_ns, &row.series);
		if (r == UPLOADSERIES_E_DROP)
			r = drop(b, &sieve, &row, STORE_REFUSED_RELABEL);
		else if (r == 0)
			rows[b->nr_rows++] = row;
	}
	r = r < 0 ? r : flush(b, &sieve);
	qsort(rows, b->nr_rows, sizeof(*rows), by_series);
	return r < 0 ? r : waits;
}

/* One window, or ten minutes, older than window `before`. As store_waiting(). */
static int read_rows(struct upload_backend *b, int64_t before, struct store_row *rows)
{
	return store_waiting(b->upload->store, b->target, before, b->merging ? MERGE_SPAN_NS : 0,
			     rows, UPLOAD_ROWS_MAX);
}

/*
 * Fills rows with the newest window that has something to send. Over budget the newest ones would never let an older
 * one's turn come: there each plan goes on where the one before ended. As choose().
 */
static int find_rows(struct upload_backend *b, uint64_t now_ns, struct store_row *rows,
		     bool suspects_too)
{
	int64_t before = b->merging ? b->sweep_before : INT64_MAX;
	bool waits = false;
	int r = 0, nr;

	while (r >= 0 && b->nr_transactions < UPLOAD_TRANSACTIONS_MAX) {
		nr = read_rows(b, before, rows);
		if (nr == 0 && b->sweep_before != INT64_MAX && !suspects_too)
			before = b->sweep_before = INT64_MAX; /* the sweep begins anew */
		else if (nr <= 0)
			return nr < 0 ? nr : waits;
		if (nr == 0)
			continue;
		before = rows[nr - 1].window;
		r = choose(b, rows, (size_t)nr, now_ns, suspects_too);
		waits |= r > 0;
		if (b->nr_rows)
			b->sweep_before = b->merging ? before : INT64_MAX;
		if (r < 0 || b->nr_rows)
			return r;
	}
	return MIN(r, 0);
}

static uint64_t newest_start(const struct upload_backend *b)
{
	uint64_t start = 0;

	for (size_t i = 0; i < b->nr_rows; i++)
		start = MAX(start, b->rows[i].start_ns);
	return start;
}

/* Old windows have a pace of their own. 0: this plan may begin; else when. */
static uint64_t hold_old(struct upload_backend *b, uint64_t now_ns)
{
	uint64_t start = newest_start(b), at;

	if (start >= b->new_from_ns)
		return 0;
	at = uploadpace_old_ready(&b->pace, now_ns);
	if (!at)
		uploadpace_old_begun(&b->pace, now_ns, b->rows[0].end_ns - b->rows[0].start_ns);
	return at;
}

int upload_plan(struct upload_backend *b, uint64_t now_ns, uint64_t *ret_at)
{
	struct store_row *rows;
	int r;

	*ret_at = 0;
	if (!b->stale && b->next < b->nr_rows)
		return 1;
	b->stale = false;
	b->nr_rows = b->next = b->nr_transactions = 0;
	free(b->rows);
	b->rows = calloc(UPLOAD_ROWS_MAX, sizeof(*b->rows));
	if (!b->rows)
		return -ENOMEM;
	r = must_merge(b, clock_wall_ns(), &b->merging);
	if (r == 0)
		r = find_rows(b, now_ns, b->rows, false);
	if (r > 0 && !b->nr_rows) /* nothing else is left to tell whether it was them */
		r = find_rows(b, now_ns, b->rows, true);
	if (r < 0)
		return r;
	/* most plans are small, and some wait for long */
	rows = realloc(b->rows, MAX(b->nr_rows, 1u) * sizeof(*rows));
	b->rows = rows ?: b->rows;
	if (b->nr_rows)
		*ret_at = hold_old(b, now_ns);
	else if (b->nr_transactions >= UPLOAD_TRANSACTIONS_MAX)
		*ret_at = now_ns; /* there may be more behind what went */
	b->stale = *ret_at != 0;
	return b->nr_rows && !*ret_at;
}

static bool goes_alone(struct upload_backend *b, const struct store_row *row)
{
	return row->done || find_suspect(b, row);
}

size_t upload_plan_group(struct upload_backend *b)
{
	const struct store_row *rows = b->rows + b->next;
	size_t nr = 1, left = b->nr_rows - b->next;

	if (goes_alone(b, &rows[0]))
		return 1;
	while (nr < left && rows[nr].series == rows[0].series && !goes_alone(b, &rows[nr]))
		nr++;
	return nr;
}
