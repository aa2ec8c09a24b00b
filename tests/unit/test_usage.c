/* The kernel's own count of CPU time: the texts of both versions of cgroups, and what is unknown. */
#include "agent/base/clock.h"
#include "agent/core/usage.h"
#include "tests/test.h"

static struct usage_numbers parse(const char *text)
{
	struct usage_numbers n = { USAGE_UNKNOWN, USAGE_UNKNOWN, USAGE_UNKNOWN };

	usage_parse_stat(text, &n);
	return n;
}

static void test_texts(void)
{
	struct usage_numbers n;

	n = parse("usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\nnr_periods 7\n"
		  "nr_throttled 3\nthrottled_usec 21\nnr_bursts 0\nburst_usec 0\n");
	CHECK_INT(n.usage_ns, 5000000);
	CHECK_INT(n.nr_throttled, 3);
	CHECK_INT(n.throttled_ns, 21000);
	n = parse("nr_periods 9\nnr_throttled 4\nthrottled_time 123456\n"); /* v1 */
	CHECK(n.usage_ns == USAGE_UNKNOWN);
	CHECK_INT(n.nr_throttled, 4);
	CHECK_INT(n.throttled_ns, 123456);
	n = parse("usage_usec 1\nuser_usec 1\nsystem_usec 0\n"); /* without the controller */
	CHECK_INT(n.usage_ns, 1000);
	CHECK(n.nr_throttled == USAGE_UNKNOWN && n.throttled_ns == USAGE_UNKNOWN);
	n = parse("");
	CHECK(n.usage_ns == USAGE_UNKNOWN);
	n = parse("usage_usec\nusage_usec x\n\n\nnr_throttled");
	CHECK(n.usage_ns == USAGE_UNKNOWN && n.nr_throttled == USAGE_UNKNOWN);
}

static void test_unknown(void)
{
	_cleanup_(usage_freep) struct usage *u = NULL;
	char path[32];

	CHECK_INT(usage_new(&u, 4), 0);
	CHECK(usage_take(u, 0).usage_ns == USAGE_UNKNOWN); /* an owner without a cgroup */
	usage_see(u, 1, 0, "/no/such/cgroup/fleetprof", 25, false);
	CHECK(usage_take(u, 1).usage_ns == USAGE_UNKNOWN);
	CHECK(usage_take(u, 1).usage_ns == USAGE_UNKNOWN); /* it was forgotten, and stays unknown */
	for (int i = 0; i <= USAGE_CGROUPS_PER_OWNER; i++) {
		snprintf(path, sizeof(path), "/no/such/%d", i);
		usage_see(u, 2, 0, path, strlen(path), false);
		usage_see(u, 2, 0, path, strlen(path), false);
	}
	CHECK_INT(usage_refused(u), 2); /* the last one, said twice */
	usage_forget(u, 2);
	usage_forget(u, 2);
}

int main(void)
{
	RUN(test_texts);
	RUN(test_unknown);
	return 0;
}
