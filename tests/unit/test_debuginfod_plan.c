/* Which debuginfod server is asked, and when it is left alone. */
#include "agent/exporter/debuginfod_plan.h"
#include "tests/test.h"

#include <errno.h>

#define START (1000 * NSEC_PER_SEC)

static struct debuginfod_id id_of(uint32_t n)
{
	uint8_t bytes[8] = { 1 };
	struct debuginfod_id id;

	memcpy(&bytes[1], &n, sizeof(n));
	CHECK_INT(debuginfod_id_set(&id, bytes, sizeof(bytes)), 0);
	return id;
}

static struct debuginfod_plan *new_plan(size_t nr)
{
	static struct debuginfod_plan plan;

	plan = (struct debuginfod_plan) { .nr_servers = nr, .seed = 42 };
	return &plan;
}

static void test_servers_are_asked_in_order_until_nobody_has_it(void)
{
	const struct debuginfod_id a = id_of(1), b = id_of(2);
	struct debuginfod_plan *p = new_plan(2);

	CHECK_INT(debuginfodplan_next(p, &a, START), 0);
	debuginfodplan_missing(p, 0, &a, START);
	CHECK_INT(debuginfodplan_next(p, &a, START), 1);
	CHECK_INT(debuginfodplan_next(p, &b, START), 0);
	debuginfodplan_missing(p, 1, &a, START);
	CHECK_INT(debuginfodplan_next(p, &a, START), -ENOENT);
	CHECK_INT(debuginfodplan_next(p, &a, START + DEBUGINFODPLAN_MISS_NS), 0);
	CHECK_INT(debuginfodplan_next(new_plan(0), &a, START), -ENOENT);
}

static void test_a_server_that_fails_is_left_alone_for_longer_and_longer(void)
{
	const struct debuginfod_id a = id_of(1);
	struct debuginfod_plan *p = new_plan(1);
	uint64_t pause = 0;

	for (int i = 0; i < 40; i++) {
		debuginfodplan_failed(p, 0, 0, START);
		CHECK_INT(debuginfodplan_next(p, &a, START), -EAGAIN);
		if (i < 4)
			CHECK(p->servers[0].until_ns - START > pause);
		pause = p->servers[0].until_ns - START;
		CHECK(pause >= DEBUGINFODPLAN_PAUSE_NS && pause <= DEBUGINFODPLAN_PAUSE_MAX_NS);
		CHECK_INT(debuginfodplan_next(p, &a, START + pause), 0);
	}
	debuginfodplan_answered(p, 0);
	CHECK_INT(debuginfodplan_next(p, &a, START), 0);
	debuginfodplan_failed(p, 0, 600 * NSEC_PER_SEC, START); /* as it asks */
	CHECK_INT(p->servers[0].until_ns, START + 600 * NSEC_PER_SEC);
	debuginfodplan_failed(p, 0, UINT64_MAX, START);
	CHECK_INT(p->servers[0].until_ns, START + DEBUGINFODPLAN_PAUSE_MAX_NS);
}

static void test_one_that_fails_does_not_keep_the_next_from_being_asked(void)
{
	const struct debuginfod_id a = id_of(1);
	struct debuginfod_plan *p = new_plan(2);

	debuginfodplan_failed(p, 0, 0, START);
	CHECK_INT(debuginfodplan_next(p, &a, START), 1);
	debuginfodplan_missing(p, 1, &a, START);
	CHECK_INT(debuginfodplan_next(p, &a, START), -EAGAIN); /* the first may have it, later */
}

static void test_the_oldest_misses_give_way(void)
{
	struct debuginfod_plan *p = new_plan(1);
	struct debuginfod_id id;

	for (uint32_t i = 0; i < DEBUGINFODPLAN_MISSES_MAX + 3; i++) {
		id = id_of(i);
		debuginfodplan_missing(p, 0, &id, START);
	}
	CHECK_INT(p->forgotten, 3);
	id = id_of(2);
	CHECK_INT(debuginfodplan_next(p, &id, START), 0);
	id = id_of(3);
	CHECK_INT(debuginfodplan_next(p, &id, START), -ENOENT);
	debuginfodplan_missing(p, 0, &id, START); /* again: no further place */
	CHECK_INT(p->forgotten, 3);
}

int main(void)
{
	RUN(test_servers_are_asked_in_order_until_nobody_has_it);
	RUN(test_a_server_that_fails_is_left_alone_for_longer_and_longer);
	RUN(test_one_that_fails_does_not_keep_the_next_from_being_asked);
	RUN(test_the_oldest_misses_give_way);
	return 0;
}
