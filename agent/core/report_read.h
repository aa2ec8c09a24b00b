/*
 * Profiles of any origin as weighted stacks: pprof and folded stacks. Pure; what is read is foreign.
 */
#ifndef FLEETPROF_CORE_REPORT_READ_H
#define FLEETPROF_CORE_REPORT_READ_H

#include "agent/base/err.h"
#include "agent/core/stacks.h"

#include <stdbool.h>

#define REPORT_TYPE_MAX 64

/* One or several files added up. */
struct report_profile {
	struct stacks *stacks;
	char type[REPORT_TYPE_MAX], unit[REPORT_TYPE_MAX]; /* of the values; valid UTF-8 */
	int64_t duration_ns; /* the sum; 0: unknown */
	bool any; /* a file was added */
	bool has_owners;
	bool owner_found; /* the one that was asked for, in any file */
	struct err no_owner; /* else what to say, of the first file */
};

int report_profile_init(struct report_profile *p);
void report_profile_deinit(struct report_profile *p);
DEFINE_CLEANUP_EMBEDDED(struct report_profile, report_profile_deinit)

/* What of a file is wanted; NULL: its default type, every owner. */
struct report_wanted {
	const char *type, *owner;
};

/*
 * Adds a file. name: its name, for messages and for what ".folded" says. Returns 0, or a negative errno with err set to a
 * sentence that begins with the name.
 */
int report_read(struct report_profile *p, const char *name, const char *data, size_t len,
		const struct report_wanted *wanted, struct err *err);

/* Folded stacks: "root;…;leaf COUNT" a line. As report_read(); err says the line, without the name. */
int report_read_folded(struct report_profile *p, const char *data, size_t len,
		       const struct report_wanted *wanted, struct err *err);

#endif
