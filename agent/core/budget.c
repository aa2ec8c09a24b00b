/* The one place that divides memory.limit. */
#include "agent/core/budget.h"
#include "agent/base/cleanup.h"

#include <errno.h>

#define MIB (1ull << 20)
#define PROGRAMS (8 * MIB) /* PSS of four idle processes, with room */
#define SCRATCH_PER_CPU (64ull << 10) /* the kernel side's working memory */
/* One element of a per-CPU array, the most that it may have, and a small one. */
#define CACHE_PER_CPU_MIN (41ull << 10)
#define CHILD_MIN (32 * MIB) /* rather one child that can read a large file than two that cannot */
#define SHARED_MIN (6 * MIB) /* below: a ring under 1 MiB loses samples */

uint64_t budget_default_limit(unsigned int nr_cpus)
{
	return 128 * MIB + nr_cpus * MIB / 4;
}

static uint64_t limit_min(unsigned int nr_cpus)
{
	return MAX(BUDGET_LIMIT_MIN, 3 * (PROGRAMS + SHARED_MIN + nr_cpus * SCRATCH_PER_CPU));
}

static uint64_t power_of_two_below(uint64_t v)
{
	uint64_t power = 1;

	while (power * 2 <= v)
		power *= 2;
	return power;
}

static void divide_tables(uint64_t third, unsigned int nr_cpus, struct budget *b)
{
	uint64_t entry = CACHE_PER_CPU_MIN * nr_cpus;

	/* An eighth, in whole entries of each CPU. */
	b->unwind_cache = MAX(third / 8 / entry, 1ull) * entry;
	b->unwind_tables = third - b->unwind_cache;
}

static void divide_children(uint64_t third, struct budget *b)
{
	uint64_t nr = third / CHILD_MIN;

	b->nr_children = (unsigned int)MIN(MAX(nr, 1ull), (uint64_t)BUDGET_CHILDREN_MAX);
	b->symbolizer_child = third / b->nr_children;
	b->symbolizer_children = b->symbolizer_child * b->nr_children;
}

static void divide_rest(uint64_t rest, unsigned int nr_cpus, struct budget *b)
{
	uint64_t scratch = nr_cpus * SCRATCH_PER_CPU;
	uint64_t shared = rest - PROGRAMS - scratch;

	b->programs = PROGRAMS;
	b->ring = power_of_two_below(shared / 6);
	b->kernel_tables = scratch + shared / 6;
	b->symbols = shared / 6;
	b->exporter = shared / 4;
	/* A quarter, and what rounding the ring left over. */
	b->windows = rest - b->programs - b->ring - b->kernel_tables - b->symbols - b->exporter;
}

int budget_divide(uint64_t memory_limit, unsigned int nr_cpus, struct budget *ret, struct err *err)
{
	uint64_t min = limit_min(nr_cpus), third = memory_limit / 3;
	struct budget b = { 0 };

	if (!nr_cpus || nr_cpus > BUDGET_CPUS_MAX)
		return err_set(err, -ERANGE, "%u CPUs: not a number from 1 to %u", nr_cpus,
			       BUDGET_CPUS_MAX);
	if (memory_limit < min || memory_limit > BUDGET_LIMIT_MAX)
		return err_set(err, -ERANGE,
			       "a memory limit of %.1f MiB: with %u CPUs it takes at least %.1f "
			       "MiB, and at most 1 TiB",
			       (double)memory_limit / MIB, nr_cpus, (double)min / MIB);
	divide_tables(third, nr_cpus, &b);
	divide_children(third, &b);
	divide_rest(memory_limit - 2 * third, nr_cpus, &b);
	*ret = b;
	return 0;
}
