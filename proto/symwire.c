/* The symbolizer's messages. */
#include "proto/symwire.h"

bool symwire_check_request(const struct symwire_request *request, size_t n)
{
	return n >= sizeof(*request) && wire_check(&request->header, n, false) &&
	       request->header.type >= SYMWIRE_IDENTITY &&
	       request->header.type < SYMWIRE_TYPE_END && request->nr <= SYMWIRE_ADDRESSES_MAX &&
	       n == sizeof(*request) + request->nr * sizeof(uint64_t) && request->has_debug <= 1 &&
	       request->has_alt <= 1 && request->has_package <= 1 &&
	       request->nr_splits <= SYMWIRE_SPLITS_MAX;
}

size_t symwire_nr_fds(const struct symwire_request *request)
{
	return 1u + request->has_debug + request->has_alt + request->has_package +
	       request->nr_splits;
}
