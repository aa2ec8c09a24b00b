/* The command line of `fleetprof record`. */
#ifndef FLEETPROF_CORE_RECORD_OPTIONS_H
#define FLEETPROF_CORE_RECORD_OPTIONS_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum record_format { RECORD_HTML, RECORD_SVG, RECORD_PPROF, RECORD_FOLDED, RECORD_SPEEDSCOPE };

struct record_output {
	const char *path;
	enum record_format format;
};

#define RECORD_PIDS_MAX 64
#define RECORD_OUTPUTS_MAX 8
#define RECORD_RATE_DEFAULT 99
#define RECORD_DURATION_DEFAULT_NS 10000000000ULL

struct record_options {
	uint32_t rate_hz;
	uint64_t duration_ns; /* 0: until interrupted, or until the command ends */
	pid_t pids[RECORD_PIDS_MAX];
	size_t nr_pids;
	const char *container, *cgroup; /* NULL: not asked for */
	const char *demangle; /* one of config_demangle[] */
	char **command; /* NULL-terminated, or NULL */
	struct record_output outputs[RECORD_OUTPUTS_MAX];
	size_t nr_outputs;
	bool verbose;
	char default_output[64]; /* storage of the default output's name */
};

enum { RECORD_OPTIONS_E_HELP = 1 };

/*
 * argv[0] is "record". Returns 0, RECORD_OPTIONS_E_HELP (--help was asked for) or -EINVAL with err set.
 * Strings point into argv.
 */
int record_options_parse(struct record_options *ret, int argc, char **argv, struct err *err);

/* The help text. */
const char *record_options_help(void);

#endif
