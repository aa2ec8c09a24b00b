/* Headers of messages between our own processes. */
#include "proto/wire.h"

uint32_t wire_build(void)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = FLEETPROF_VERSION; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return h;
}

struct wire_header wire_header(uint16_t type, uint64_t id, size_t size)
{
	return (struct wire_header) { .magic = WIRE_MAGIC,
				      .build = wire_build(),
				      .type = type,
				      .size = (uint32_t)size,
				      .id = id };
}

bool wire_check(const struct wire_header *header, size_t n, bool payload_elsewhere)
{
	return n >= sizeof(*header) && header->magic == WIRE_MAGIC &&
	       header->build == wire_build() &&
	       (payload_elsewhere ? n == sizeof(*header) : n - sizeof(*header) == header->size);
}
