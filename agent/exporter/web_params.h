/*
 * What a request of the page's API asks for: its query string, checked.
 *
 * Foreign bytes (fuzzed: tests/fuzz/fuzz_web_params.c). Every value is a number or one of a few words, so nothing is
 * ever percent-decoded: what is not plainly right is refused.
 */
#ifndef FLEETPROF_EXPORTER_WEB_PARAMS_H
#define FLEETPROF_EXPORTER_WEB_PARAMS_H

#include "agent/base/err.h"

#include <stdint.h>

#define WEB_QUERY_MAX 512 /* bytes of a query string */
#define WEB_POINTS_MAX 2000 /* buckets of a time series: more than a screen has columns of */
#define WEB_NODES_MAX 1000000 /* of a flame graph */
#define WEB_TIME_MAX_MS 9000000000000ull /* the year 2255: as nanoseconds within 63 bits */

enum web_param {
	WEB_PARAM_FROM = 1u << 0,
	WEB_PARAM_TO = 1u << 1,
	WEB_PARAM_OWNER = 1u << 2,
	WEB_PARAM_BASE_FROM = 1u << 3,
	WEB_PARAM_BASE_TO = 1u << 4,
	WEB_PARAM_BASE_OWNER = 1u << 5,
	WEB_PARAM_POINTS = 1u << 6,
	WEB_PARAM_NODES = 1u << 7,
	WEB_PARAM_FORMAT = 1u << 8,
};
#define WEB_PARAM_RANGE (WEB_PARAM_FROM | WEB_PARAM_TO)
#define WEB_PARAM_BASE (WEB_PARAM_BASE_FROM | WEB_PARAM_BASE_TO | WEB_PARAM_BASE_OWNER)

enum web_format { WEB_FORMAT_PPROF, WEB_FORMAT_FOLDED };

struct web_span {
	uint64_t from_ns, to_ns; /* UTC; from < to */
	int64_t owner; /* the store's id; 0: all */
};

struct web_params {
	unsigned int given; /* enum web_param */
	struct web_span span, base;
	uint32_t points, nodes;
	enum web_format format;
};

/*
 * query: without "?", "" for none. may, must: which parameters (enum web_param) this request knows and needs.
 * 0 or -EINVAL with err set (to be shown to the client).
 */
int web_params_parse(struct web_params *ret, const char *query, unsigned int may, unsigned int must,
		     struct err *err);

#endif
