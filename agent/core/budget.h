/*
 * The one place that divides memory.limit.
 *
 * The limit is for everything: the maps of the kernel side (locked memory), every process' own memory, and what the
 * symbolizer's children may take at their worst. A third goes to the unwind tables, a third to the symbolizer's children,
 * and the rest is divided here, too, with a floor for each part below which it does not work. Whoever sizes a table
 * takes its bytes from here.
 *
 * Pure: no input or output.
 */
#ifndef FLEETPROF_CORE_BUDGET_H
#define FLEETPROF_CORE_BUDGET_H

#include "agent/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BUDGET_LIMIT_MIN (64ull << 20)
#define BUDGET_LIMIT_MAX (1ull << 40)
#define BUDGET_CPUS_MAX 8192u
#define BUDGET_CHILDREN_MAX 4u

/* Bytes, unless said otherwise. The parts add up to no more than the limit. */
struct budget {
	uint64_t unwind_tables; /* slabs of rows and their directories */
	uint64_t unwind_cache; /* frame word → rule, per-CPU, all CPUs together */
	uint64_t symbolizer_children; /* all children together */
	uint64_t symbolizer_child; /* the most that one may take */
	unsigned int nr_children; /* that may live at a time */
	uint64_t ring; /* a power of two */
	uint64_t kernel_tables; /* files, cgroups, scratch */
	uint64_t windows; /* two at most are alive: all of both */
	uint64_t symbols; /* the core's cache of names, and the table of those on disk */
	uint64_t exporter; /* half of it the store's page cache; uploads, local page */
	uint64_t programs; /* code, stacks and heaps of four processes: set aside, not handed out */
};

/* 128 MiB and 0.25 MiB per CPU. */
uint64_t budget_default_limit(unsigned int nr_cpus);

/*
 * nr_cpus: possible CPUs, at least 1. Returns 0, or -ERANGE with err set if the limit is below 64 MiB, above 1 TiB or
 * too small for so many CPUs.
 */
int budget_divide(uint64_t memory_limit, unsigned int nr_cpus, struct budget *ret, struct err *err);

#endif
