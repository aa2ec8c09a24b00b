/* When requests may go: budgets that hold over time, back-off that spreads, old windows at their own pace. */
#include "agent/base/clock.h"
#include "agent/exporter/upload_pace.h"
#include "tests/test.h"

#define START_NS (1000 * NSEC_PER_SEC)

static struct uploadpace make(uint32_t requests, uint32_t bytes)
{
	const struct uploadpace_config c = { .requests_per_s = requests,
					     .bytes_per_s = bytes,
					     .catchup = 2,
					     .retry_max_ns = 60 * NSEC_PER_SEC,
					     .seed = 7 };
	struct uploadpace p;

	uploadpace_init(&p, &c, START_NS);
	return p;
}

/* Sends as often as it may for a time; returns how often. */
static unsigned int send_for(struct uploadpace *p, uint64_t *now, uint64_t seconds, uint64_t bytes)
{
	uint64_t end = *now + seconds * NSEC_PER_SEC, at;
	unsigned int n = 0;

	while (*now < end) {
		at = uploadpace_ready(p, *now);
		if (at) {
			CHECK(at > *now);
			*now = at;
			continue;
		}
		uploadpace_sent(p, bytes);
		n++;
	}
	return n;
}

static void test_requests_keep_to_the_budget(void)
{
	struct uploadpace p = make(2, 1 << 30);
	uint64_t now = START_NS;
	unsigned int n = send_for(&p, &now, 60, 10);

	CHECK(n >= 120 && n <= 126); /* with what was saved up */
}

static void test_bytes_keep_to_the_budget(void)
{
	struct uploadpace p = make(1000, 32768);
	uint64_t now = START_NS;
	unsigned int n = send_for(&p, &now, 60, 400000); /* each is twelve seconds' worth */

	CHECK(n >= 5 && n <= 7);
	/* and nothing is saved up beyond two seconds' worth */
	now += 3600 * NSEC_PER_SEC;
	CHECK_INT(send_for(&p, &now, 10, 400000), 1);
}

static void test_slower_by_halves_faster_by_steps(void)
{
	struct uploadpace p = make(100, 1 << 30);
	uint64_t now = START_NS;

	send_for(&p, &now, 10, 1);
	for (int i = 0; i < 2; i++)
		uploadpace_slow_down(&p);
	CHECK_INT(p.rate, UPLOADPACE_FULL / 4);
	CHECK_INT(send_for(&p, &now, 10, 1), 250);
	uploadpace_succeeded(&p);
	CHECK(p.rate > UPLOADPACE_FULL / 4 && p.rate < UPLOADPACE_FULL / 3);
	for (int i = 0; i < 100; i++)
		uploadpace_slow_down(&p);
	CHECK(p.rate > 0);
	for (int i = 0; i < 100; i++)
		uploadpace_succeeded(&p);
	CHECK_INT(p.rate, UPLOADPACE_FULL);
}

static void test_back_off_doubles_spreads_and_ends(void)
{
	struct uploadpace p = make(100, 1 << 30);
	uint64_t pause, least = 0, most = 0;

	for (int i = 0; i < 20; i++) {
		uploadpace_failed(&p, START_NS, 0);
		pause = p.not_before_ns - START_NS;
		CHECK(pause <= 60 * NSEC_PER_SEC);
		CHECK(i < 7 || pause >= 30 * NSEC_PER_SEC);
		if (i >= 7) {
			least = least ? (pause < least ? pause : least) : pause;
			most = pause > most ? pause : most;
		}
	}
	CHECK(most - least > 5 * NSEC_PER_SEC); /* nodes do not come back as one */
	CHECK_INT(uploadpace_ready(&p, START_NS), p.not_before_ns);
	uploadpace_succeeded(&p);
	CHECK_INT(uploadpace_ready(&p, START_NS), 0);
	uploadpace_failed(&p, START_NS, 100 * NSEC_PER_SEC); /* what was asked for is the least */
	CHECK(p.not_before_ns >= START_NS + 100 * NSEC_PER_SEC);
	CHECK(p.not_before_ns < START_NS + 101 * NSEC_PER_SEC);
}

static void test_old_windows_have_their_own_pace(void)
{
	struct uploadpace p = make(100, 1 << 30);

	uploadpace_hold_old(&p, START_NS + 5);
	CHECK_INT(uploadpace_old_ready(&p, START_NS), START_NS + 5);
	CHECK_INT(uploadpace_old_ready(&p, START_NS + 5), 0);
	/* twice real time: one old window beside each new one */
	uploadpace_old_begun(&p, START_NS, 60 * NSEC_PER_SEC);
	CHECK_INT(uploadpace_old_ready(&p, START_NS + 1), START_NS + 60 * NSEC_PER_SEC);
}

static void test_draining_is_as_slow_as_the_slowest(void)
{
	struct uploadpace p = make(2, 1 << 30);

	CHECK(uploadpace_drain_ns(&p, 200, 1, NSEC_PER_SEC) >= 100 * NSEC_PER_SEC);
	CHECK(uploadpace_drain_ns(&p, 200, 1, NSEC_PER_SEC) < 101 * NSEC_PER_SEC);
	CHECK_INT(uploadpace_drain_ns(&p, 2, 30, 60 * NSEC_PER_SEC), 1800 * NSEC_PER_SEC);
	p = make(1000, 1024);
	CHECK(uploadpace_drain_ns(&p, 100, 1, NSEC_PER_SEC) >= 800 * NSEC_PER_SEC);
}

static void test_nodes_are_spread(void)
{
	unsigned int buckets[10] = { 0 }, wanted = 0;
	char node[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(node, sizeof(node), "node-%d", i);
		buckets[uploadpace_offset(node, 10 * NSEC_PER_SEC) / NSEC_PER_SEC]++;
		wanted += uploadpace_is_wanted(node, 42, 250000);
	}
	for (int i = 0; i < 10; i++)
		CHECK(buckets[i] > 850 && buckets[i] < 1150);
	CHECK(wanted > 2300 && wanted < 2700);
	CHECK_INT(uploadpace_offset("a", NSEC_PER_SEC), uploadpace_offset("a", NSEC_PER_SEC));
	CHECK(uploadpace_is_wanted("a", 1, 1000000));
	CHECK(!uploadpace_is_wanted("a", 1, 0));
}

int main(void)
{
	RUN(test_requests_keep_to_the_budget);
	RUN(test_bytes_keep_to_the_budget);
	RUN(test_slower_by_halves_faster_by_steps);
	RUN(test_back_off_doubles_spreads_and_ends);
	RUN(test_old_windows_have_their_own_pace);
	RUN(test_draining_is_as_slow_as_the_slowest);
	RUN(test_nodes_are_spread);
	return 0;
}
