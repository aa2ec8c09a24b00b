/* Foreign bytes as the query string of a request. */
#include "agent/exporter/web_params.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct web_params p = { .given = ~0u };
	_cleanup_(freep) char *query = strndup((const char *)data, size);
	struct err err = ERR_NULL;
	int r;

	if (!query)
		return 0;
	r = web_params_parse(&p, query, ~0u, WEB_PARAM_RANGE, &err);
	if (r < 0) {
		assert(r == -EINVAL && err.text[0] && p.given == ~0u);
		return 0;
	}
	assert((p.given & WEB_PARAM_RANGE) == WEB_PARAM_RANGE);
	assert(p.span.from_ns < p.span.to_ns && p.span.to_ns <= INT64_MAX);
	assert(p.points && p.points <= WEB_POINTS_MAX && p.nodes && p.nodes <= WEB_NODES_MAX);
	return 0;
}
