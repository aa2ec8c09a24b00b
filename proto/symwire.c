/* The symbolizer's messages. */
#include "proto/symwire.h"

bool symwire_check_request(const struct symwire_request *request, size_t n)
{
	return n >= sizeof(*request) && wire_check(&request->header, n, false) &&
	       request->header.type >= SYMWIRE_IDENTITY &&
	       request->header.type < SYMWIRE_TYPE_END && request->nr <= SYMWIRE_ADDRESSES_MAX &&
	       n == sizeof(*request) + request->nr * sizeof(uint64_t);
}
