/* The exporter's command line, which the agent makes from its settings. */
#ifndef FLEETPROF_EXPORTER_OPTIONS_H
#define FLEETPROF_EXPORTER_OPTIONS_H

#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/exporter/debuginfod.h"
#include "agent/exporter/relabel.h"
#include "agent/exporter/store.h"
#include "agent/exporter/upload_config.h"
#include "agent/exporter/web_guard.h"

#include <stdbool.h>

#define OPTIONS_MAX_LABELS 16

/* What leaves the host, under which names: the same for every back end. */
struct options_upload {
	struct upload_config backends[UPLOAD_MAX_BACKENDS];
	size_t nr_backends;
	const char *node; /* the label, and what spreads this node among others */
	struct labels labels; /* on every series; at most OPTIONS_MAX_LABELS */
	struct relabel *relabel; /* NULL: no rule */
	uint32_t max_series; /* further ones are sent as service_name=other */
};

/* Where the page and the metrics are. */
struct options_web {
	const char *listen, *metrics_listen; /* ADDRESS:PORT, checked; NULL: none */
	const char *hosts[WEB_HOSTS_MAX]; /* further names in Host */
	size_t nr_hosts;
};

struct options {
	struct store_config store;
	uint32_t uid, gid; /* to become; 0: stay */
	struct options_upload upload;
	struct options_web web;
	struct debuginfod_options debuginfod;
	enum log_level log_level;
	bool help, check;
};

/* 0, -EINVAL with err set, or -ENOMEM; deinit it in all cases. Some strings point into argv. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_deinit(struct options *o);
DEFINE_CLEANUP_EMBEDDED(struct options, options_deinit)

extern const char options_help[];

#endif
