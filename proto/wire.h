/*
 * What every message between our own processes begins with.
 *
 * Both ends are of one build: the header carries a number made of the version, and a message of another build is
 * refused. Integers are in host order; a message never leaves the host.
 */
#ifndef FLEETPROF_PROTO_WIRE_H
#define FLEETPROF_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAGIC 0x46505731u /* "FPW1" */

struct wire_header {
	uint32_t magic, build;
	uint16_t type;
	uint16_t status; /* of an answer */
	uint32_t size; /* bytes of the payload, in the message or in the memfd that comes with it */
	uint64_t id; /* of the request; its answer carries the same */
};
_Static_assert(sizeof(struct wire_header) == 24, "wire_header is 24 bytes");

uint32_t wire_build(void);

struct wire_header wire_header(uint16_t type, uint64_t id, size_t size);

/* Is this n-byte message one of ours, of this build, with its payload whole (inline) or elsewhere (memfd)? */
bool wire_check(const struct wire_header *header, size_t n, bool payload_elsewhere);

#endif
