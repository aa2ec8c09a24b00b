/* The aggregation window: equal samples become one row, and the bounds hold. */
#include "agent/core/window.h"
#include "tests/test.h"

static const struct window_limits roomy = { .max_rows = 1000, .max_words = 10000 };

static struct window_sample sample(uint32_t tgid, const char *comm, const uint64_t *words,
				   size_t nr)
{
	return (struct window_sample) { .tgid = tgid,
					.start_boot_ns = 7,
					.leader_comm = comm,
					.thread_comm = comm,
					.words = words,
					.nr_words = nr,
					.end_reason = 1,
					.value = 10 };
}

static void test_equal_samples_are_one_row(void)
{
	_cleanup_(window_freep) struct window *w = NULL;
	const uint64_t a[] = { 1, 2, 3 }, b[] = { 1, 2 };
	struct window_sample s = sample(1, "one", a, 3);
	struct window_row row;
	size_t nr;

	CHECK_INT(window_new(&w, &roomy), 0);
	CHECK_INT(window_add(w, &s), 0);
	CHECK_INT(window_add(w, &s), 0);
	s.words = b; /* a prefix is another stack */
	s.nr_words = 2;
	CHECK_INT(window_add(w, &s), 0);
	s.owner = 4; /* another owner: another row, same stack */
	CHECK_INT(window_add(w, &s), 0);
	CHECK_INT(window_rows(w), 3);
	window_row(w, 0, &row);
	CHECK_INT(row.count, 2);
	CHECK_INT(row.value, 20);
	CHECK_INT(row.nr_words, 3);
	CHECK_INT(row.words[2], 3);
	window_words(w, &nr);
	CHECK_INT(nr, 5);
}

static void test_a_process_keeps_its_latest_name(void)
{
	_cleanup_(window_freep) struct window *w = NULL;
	const uint64_t words[] = { 1 };
	struct window_sample s = sample(1, "sh", words, 1);
	struct window_process process;

	CHECK_INT(window_new(&w, &roomy), 0);
	CHECK_INT(window_add(w, &s), 0);
	s.leader_comm = "redis";
	CHECK_INT(window_add(w, &s), 0);
	s.start_boot_ns = 8; /* the pid again, another process */
	CHECK_INT(window_add(w, &s), 0);
	CHECK_INT(window_processes(w), 2);
	window_process(w, 0, &process);
	CHECK_STR(process.comm, "redis");
	CHECK_INT(process.tgid, 1);
}

static void test_full_is_an_outcome(void)
{
	_cleanup_(window_freep) struct window *w = NULL;
	const struct window_limits small = { .max_rows = 2, .max_words = 6 };
	const uint64_t words[] = { 1, 2, 3, 4, 5 };
	struct window_sample s = sample(1, "x", words, 5);

	CHECK_INT(window_new(&w, &small), 0);
	CHECK_INT(window_add(w, &s), 0);
	s.nr_words = 4; /* 5 + 4 words are too many */
	CHECK_INT(window_add(w, &s), WINDOW_E_FULL);
	s.nr_words = 1;
	CHECK_INT(window_add(w, &s), 0);
	s.owner = 1;
	CHECK_INT(window_add(w, &s), WINDOW_E_FULL);
	s.owner = 0;
	CHECK_INT(window_add(w, &s), 0); /* known rows still count */
	CHECK_INT(window_rows(w), 2);
}

int main(void)
{
	RUN(test_equal_samples_are_one_row);
	RUN(test_a_process_keeps_its_latest_name);
	RUN(test_full_is_an_outcome);
	return 0;
}
