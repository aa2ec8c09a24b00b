/* memory.limit divided: the parts never exceed the whole, and each is enough to work with. */
#include "agent/core/budget.h"
#include "agent/base/cleanup.h"
#include "tests/test.h"

#include <errno.h>

#define MIB (1ull << 20)
#define CACHE_MIN (41ull << 10) /* of a CPU: 2,048 rules, and 512 close together */

static uint64_t total(const struct budget *b)
{
	return b->unwind_tables + b->unwind_cache + b->symbolizer_children + b->ring +
	       b->kernel_tables + b->windows + b->symbols + b->exporter + b->programs;
}

static void check_parts(uint64_t limit, unsigned int nr_cpus)
{
	struct budget b;

	CHECK_INT(budget_divide(limit, nr_cpus, &b, NULL), 0);
	CHECK(total(&b) <= limit);
	CHECK(total(&b) > limit - 16); /* nothing is left lying about either */
	CHECK(b.ring >= MIB && !(b.ring & (b.ring - 1)));
	CHECK(b.unwind_tables >= 8 * MIB);
	CHECK(b.unwind_cache >= nr_cpus * CACHE_MIN && b.unwind_cache % (nr_cpus * CACHE_MIN) == 0);
	CHECK(b.nr_children >= 1 && b.nr_children <= BUDGET_CHILDREN_MAX);
	CHECK(b.symbolizer_child >= 20 * MIB);
	CHECK_INT(b.symbolizer_child * b.nr_children, b.symbolizer_children);
	CHECK(b.windows >= MIB && b.symbols >= MIB && b.exporter >= MIB);
	CHECK(b.kernel_tables >= MIB + nr_cpus * 65536ull);
}

static void test_every_size(void)
{
	for (unsigned int cpus = 1; cpus <= 64; cpus++)
		check_parts(64 * MIB, cpus);
	for (unsigned int cpus = 1; cpus <= BUDGET_CPUS_MAX; cpus = cpus * 3 / 2 + 1)
		check_parts(budget_default_limit(cpus), cpus);
	for (uint64_t limit = 64 * MIB; limit <= BUDGET_LIMIT_MAX; limit += limit / 7 + 12345)
		check_parts(limit, 4);
}

static void test_thirds(void)
{
	struct budget b;

	CHECK_INT(budget_default_limit(16), 132 * MIB);
	CHECK_INT(budget_divide(192 * MIB, 4, &b, NULL), 0);
	CHECK_INT(b.unwind_tables + b.unwind_cache, 64 * MIB);
	CHECK_INT(b.symbolizer_children, 64 * MIB);
	CHECK_INT(b.nr_children, 2);
}

static void test_refused(void)
{
	struct budget b = { .ring = 7 };
	struct err e = ERR_NULL;

	CHECK_INT(budget_divide(64 * MIB - 1, 2, &b, &e), -ERANGE);
	CHECK(strstr(e.text, "at least 64.0 MiB"));
	CHECK_INT(budget_divide(64 * MIB, 1024, &b, &e), -ERANGE);
	CHECK(strstr(e.text, "1024 CPUs"));
	CHECK_INT(budget_divide(BUDGET_LIMIT_MAX + 1, 2, &b, &e), -ERANGE);
	CHECK_INT(budget_divide(UINT64_MAX, 2, &b, &e), -ERANGE);
	CHECK_INT(budget_divide(64 * MIB, 0, &b, &e), -ERANGE);
	CHECK_INT(b.ring, 7);
}

int main(void)
{
	RUN(test_every_size);
	RUN(test_thirds);
	RUN(test_refused);
	return 0;
}
