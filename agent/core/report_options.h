/* The command line of `fleetprof report`. */
#ifndef FLEETPROF_CORE_REPORT_OPTIONS_H
#define FLEETPROF_CORE_REPORT_OPTIONS_H

#include "agent/base/err.h"
#include "agent/core/top.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_FILES_MAX 1024

enum report_view { REPORT_TOP, REPORT_TREE, REPORT_DIFF };

struct report_options {
	enum report_view view;
	enum top_order order;
	const char *owner, *type; /* NULL: all, the file's default */
	size_t limit; /* lines; SIZE_MAX: all */
	double min_percent;
	char **files; /* within argv */
	size_t nr_files; /* of a diff: 2 */
};

enum { REPORT_OPTIONS_E_HELP = 1 };
/* argv[0] is "report"; its order changes. 0, REPORT_OPTIONS_E_HELP, or -EINVAL with err set. */
int report_options_parse(struct report_options *ret, int argc, char **argv, struct err *err);
const char *report_options_help(void);

#endif
