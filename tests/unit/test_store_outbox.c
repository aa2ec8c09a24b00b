/* The outbox: each row leaves each back end's queue once, under one outcome, and the equation holds at every step. */
#include "agent/base/clock.h"
#include "agent/exporter/store_outbox.h"
#include "proto/compact.h"
#include "tests/test.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#define START_NS (1700000000ull * NSEC_PER_SEC)
#define WINDOW_NS (60 * NSEC_PER_SEC)
#define ROWS_MAX 4096

static char dir[64];
static const char *const both[] = { "a", "b" };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static struct store *open_store(uint64_t max_bytes)
{
	struct store_config config = { .dir = dir,
				       .max_bytes = max_bytes,
				       .max_age_ns = 30 * 86400 * NSEC_PER_SEC };
	struct err err = ERR_NULL;
	struct store *s = NULL;

	if (store_open(&s, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return s;
}

static struct store *fresh_store(size_t nr_targets)
{
	struct store *s;

	if (dir[0])
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	strcpy(dir, "/tmp/fp-outbox-XXXXXX");
	CHECK(mkdtemp(dir));
	s = open_store(1 << 30);
	CHECK_INT(store_targets(s, both, nr_targets), 0);
	return s;
}

/* Window `number` with nr owners of `size` bytes each; what is in them is not looked at here. */
static void put(struct store *s, uint64_t number, size_t nr, size_t size, uint32_t flags)
{
	static struct winwire_header h;
	_cleanup_(buf_deinitp) struct buf body = BUF_NULL;
	_cleanup_(freep) uint8_t *profile = calloc(1, size);

	h = (struct winwire_header) { .agent_start_ns = 5,
				      .number = number,
				      .start_wall_ns = START_NS + number * WINDOW_NS,
				      .duration_ns = WINDOW_NS,
				      .period_ns = 1000,
				      .flags = flags };
	buf_init(&body, WINWIRE_BODY_MAX);
	winwire_put_body(&body, nr);
	for (size_t i = 0; i < nr; i++) {
		char name[32];
		struct winwire_owner o = { .name = name,
					   .id = "",
					   .runtime = "",
					   .image = "",
					   .cgroup_path = "",
					   .samples = 1,
					   .profile = profile,
					   .profile_len = size };

		snprintf(name, sizeof(name), "owner-%zu", i);
		winwire_put_owner(&body, &o);
	}
	CHECK_INT(store_put(s, &h, body.data, body.len), 0);
}

static struct store_outbox_counts counts_of(struct store *s, size_t target)
{
	struct store_outbox_counts c;
	uint64_t right;

	CHECK_INT(store_outbox_counts(s, target, &c), 0);
	right = c.waiting;
	for (size_t i = 0; i < STORE_NR_OUTCOMES; i++)
		right += c.outcomes[i];
	CHECK_INT(c.queued, right);
	return c;
}

static struct store_row rows[ROWS_MAX];

static int waiting(struct store *s, size_t target, int64_t before, uint64_t span)
{
	return store_waiting(s, target, before, span, rows, ROWS_MAX);
}

static void test_newest_first_each_back_end_for_itself(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(2);
	struct store_backlog backlog;
	int64_t newest;

	for (uint64_t i = 1; i <= 5; i++)
		put(s, i, 3, 10, 0);
	CHECK_INT(waiting(s, 0, INT64_MAX, 0), 3);
	CHECK_INT(rows[0].start_ns, START_NS + 5 * WINDOW_NS);
	CHECK_INT(rows[0].end_ns, START_NS + 6 * WINDOW_NS);
	CHECK_INT(rows[0].period_ns, 1000);
	newest = rows[0].window;
	CHECK_INT(store_settle(s, 0, rows, 3, STORE_UPLOADED), 0);
	CHECK_INT(counts_of(s, 0).outcomes[STORE_UPLOADED], 1);
	CHECK_INT(counts_of(s, 0).outcomes[STORE_MERGED], 2);
	CHECK_INT(counts_of(s, 1).waiting, 15);
	CHECK_INT(waiting(s, 0, INT64_MAX, 0), 3);
	CHECK_INT(rows[0].start_ns, START_NS + 4 * WINDOW_NS);
	CHECK_INT(waiting(s, 1, newest, WINDOW_NS), 6); /* two windows, older than the newest */
	CHECK_INT(store_backlog(s, 0, &backlog), 0);
	CHECK_INT(backlog.rows, 12);
	CHECK_INT(backlog.windows, 4);
	CHECK_INT(backlog.oldest_ns, START_NS + WINDOW_NS);
}

static void test_a_row_leaves_once(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(1);

	put(s, 1, 2, 10, 0);
	CHECK_INT(waiting(s, 0, INT64_MAX, 0), 2);
	CHECK_INT(store_settle(s, 0, rows, 1, STORE_REFUSED_INVALID), 0);
	CHECK_INT(store_settle(s, 0, rows, 2, STORE_UPLOADED), 0);
	CHECK_INT(store_settle(s, 0, rows, 2, STORE_UPLOADED), 0);
	CHECK_INT(counts_of(s, 0).outcomes[STORE_UPLOADED], 1);
	CHECK_INT(counts_of(s, 0).outcomes[STORE_MERGED], 0);
	CHECK_INT(counts_of(s, 0).outcomes[STORE_REFUSED_INVALID], 1);
}

static void test_the_cursor_survives(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(2);

	put(s, 1, 2, 10, 0);
	CHECK_INT(waiting(s, 0, INT64_MAX, 0), 2);
	CHECK_INT(store_progress(s, 0, &rows[1], 4711), 0);
	CHECK_INT(store_settle(s, 0, rows, 1, STORE_UPLOADED), 0);
	s = store_free(s);
	s = open_store(1 << 30);
	CHECK_INT(store_targets(s, both, 1), 0); /* b is not configured any more */
	CHECK_INT(waiting(s, 0, INT64_MAX, 0), 1);
	CHECK_INT(rows[0].done, 4711);
	s = store_free(s);
	s = open_store(1 << 30);
	CHECK_INT(store_targets(s, both, 2), 0); /* and back: it begins anew */
	CHECK_INT(counts_of(s, 1).queued, 0);
	put(s, 2, 1, 10, 0);
	CHECK_INT(counts_of(s, 1).queued, 1);
}

static void test_what_is_too_old_goes(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(2);

	for (uint64_t i = 1; i <= 20; i++)
		put(s, i, 2, 10, 0);
	CHECK(store_expire(s, 0, START_NS + 11 * WINDOW_NS) > 0);
	while (store_expire(s, 0, START_NS + 11 * WINDOW_NS) > 0)
		;
	CHECK_INT(counts_of(s, 0).outcomes[STORE_EVICTED_AGE], 20);
	CHECK_INT(counts_of(s, 0).waiting, 20);
	CHECK_INT(counts_of(s, 1).waiting, 40);
}

static void test_doubtful_clocks_are_not_queued(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(1);

	put(s, 1, 3, 10, WINWIRE_CLOCK_DOUBTFUL);
	CHECK_INT(counts_of(s, 0).queued, 0);
}

static void test_eviction_is_counted_where_it_was_waited_for(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(2);
	struct store_outbox_counts a, b;

	s = store_free(s);
	s = open_store(2 << 20);
	CHECK_INT(store_targets(s, both, 2), 0);
	for (uint64_t i = 1; i <= 40; i++) {
		put(s, i, 2, 90000, 0);
		CHECK(waiting(s, 0, INT64_MAX, 0) == 2);
		CHECK_INT(store_settle(s, 0, rows, 2, STORE_UPLOADED), 0);
	}
	a = counts_of(s, 0);
	b = counts_of(s, 1);
	CHECK_INT(a.outcomes[STORE_UPLOADED], 40);
	CHECK_INT(a.outcomes[STORE_EVICTED_BYTES], 0);
	CHECK(b.outcomes[STORE_EVICTED_BYTES] > 40);
	CHECK_INT(b.outcomes[STORE_EVICTED_BYTES] + b.waiting, 80);
}

static void maintain(struct store *s)
{
	int r;

	while ((r = store_maintain(s)) > 0)
		;
	CHECK_INT(r, 0);
}

static void test_roll_ups_wait_for_the_outbox(void)
{
	_cleanup_(store_freep) struct store *s = fresh_store(1);
	struct store_stats stats;

	for (uint64_t i = 1; i <= 90; i++)
		put(s, i, 1, 10, 0);
	maintain(s);
	CHECK_INT(store_stats(s, &stats), 0);
	CHECK_INT(stats.rolled_up, 0);
	CHECK_INT(counts_of(s, 0).waiting, 90);
	while (store_expire(s, 0, UINT64_MAX) > 0)
		;
	maintain(s);
	CHECK_INT(store_stats(s, &stats), 0);
	CHECK(stats.rolled_up > 0);
}

int main(void)
{
	RUN(test_newest_first_each_back_end_for_itself);
	RUN(test_a_row_leaves_once);
	RUN(test_the_cursor_survives);
	RUN(test_what_is_too_old_goes);
	RUN(test_doubtful_clocks_are_not_queued);
	RUN(test_eviction_is_counted_where_it_was_waited_for);
	RUN(test_roll_ups_wait_for_the_outbox);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
