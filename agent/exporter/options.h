/* The exporter's command line, which the agent makes from its settings. */
#ifndef FLEETPROF_EXPORTER_OPTIONS_H
#define FLEETPROF_EXPORTER_OPTIONS_H

#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/exporter/store.h"

#include <stdbool.h>

struct options {
	struct store_config store;
	uint32_t uid, gid; /* to become; 0: stay */
	enum log_level log_level;
	bool help;
};

/* 0 or -EINVAL with err set. Strings point into argv. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);

extern const char options_help[];

#endif
