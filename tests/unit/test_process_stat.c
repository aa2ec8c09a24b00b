/* A process's own cost, with names that try to look like the rest of the line. */
#include "agent/core/process_stat.h"
#include "tests/test.h"

#include <errno.h>
#include <unistd.h>

static void test_parse(void)
{
	uint64_t ticks = 0;

	CHECK_INT(process_stat_parse(
			  "7 (a b) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 700 800 20 0 1 0 99", &ticks),
		  0);
	CHECK_INT(ticks, 1610);
	CHECK_INT(process_stat_parse("7 () R 1 2 3 () S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0", &ticks),
		  0);
	CHECK_INT(ticks, 26);
	CHECK_INT(process_stat_parse("", &ticks), -EBADMSG);
	CHECK_INT(process_stat_parse("7 (x", &ticks), -EBADMSG);
	CHECK_INT(process_stat_parse("7 (x) S 1 2 3", &ticks), -EBADMSG);
}

static void test_ourselves(void)
{
	struct process_stat stat;

	CHECK(process_stat_read(getpid(), &stat));
	CHECK(stat.rss_bytes > 100000);
	CHECK(process_stat_own_pss() > 10000);
	CHECK(!process_stat_read(0, &stat));
	CHECK(!process_stat_read(-1, &stat));
}

int main(void)
{
	RUN(test_parse);
	RUN(test_ourselves);
	return 0;
}
