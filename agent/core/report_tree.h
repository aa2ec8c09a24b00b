/* Who calls whom, as an indented tree. */
#ifndef FLEETPROF_CORE_REPORT_TREE_H
#define FLEETPROF_CORE_REPORT_TREE_H

#include "agent/core/stacks.h"
#include "agent/core/table.h"
#include "agent/core/top.h"

/*
 * From the roots, callers above what they call; largest first (or by name). A function that has one child only has it below
 * itself without indentation. Children below min_percent of the whole are added up in one line, if together they are not. limit: lines. 0, -ENOMEM or
 * -ENOSPC.
 */
int report_tree(struct table *t, const struct stacks *s, size_t limit, double min_percent,
		enum top_order order);

#endif
