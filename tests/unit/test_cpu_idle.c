/* /proc/stat: idle and waiting, of each CPU that is there. */
#include "agent/core/cpu_idle.h"
#include "tests/test.h"

#include <unistd.h>

static void test_parse(void)
{
	uint64_t ns[4] = { 1, 2, 3, 4 }, tick = 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);

	cpu_idle_parse(
		"cpu  1 2 3 400 50 6 7 8 0 0\ncpu0 1 2 3 100 10 6 7 8 0 0\ncpu2 1 2 3 300 0 6\n"
		"cpu9 1 2 3 5 6 7\nintr 5 cpu1 1 2 3 4 5\ncpu1 1 2 3 4 5\n",
		ns, 4);
	CHECK_INT(ns[0], 110 * tick);
	CHECK_INT(ns[1], 2);
	CHECK_INT(ns[2], 300 * tick);
	CHECK_INT(ns[3], 4);
	cpu_idle_parse("", ns, 4);
	cpu_idle_parse("cpu", ns, 4);
	cpu_idle_parse("cpu0 1", ns, 4);
	CHECK_INT(ns[0], 110 * tick);
}

static void test_this_host(void)
{
	uint64_t ns[1] = { UINT64_MAX };

	CHECK_INT(cpu_idle_read(ns, 1), 0);
	CHECK(ns[0] != UINT64_MAX);
}

int main(void)
{
	RUN(test_parse);
	RUN(test_this_host);
	return 0;
}
