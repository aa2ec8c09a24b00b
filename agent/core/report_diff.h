/* What changed from one profile to another. */
#ifndef FLEETPROF_CORE_REPORT_DIFF_H
#define FLEETPROF_CORE_REPORT_DIFF_H

#include "agent/core/stacks.h"
#include "agent/core/table.h"
#include "agent/core/top.h"

/*
 * Functions by the points of percent that they gained or lost, each profile's own whole being 100 %. By self, or by total;
 * TOP_BY_NAME: by name, of self. Left out: what changed by less than min_percent points. 0, -ENOMEM or -ENOSPC.
 */
int report_diff(struct table *t, const struct stacks *before, const struct stacks *after,
		size_t limit, double min_percent, enum top_order order);

#endif
