/* Messages to the opener and to the symbolizer's supervisor: what passes is within its bounds. */
#include "agent/base/cleanup.h"
#include "proto/openwire.h"
#include "proto/symwire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_open(const void *message, size_t size)
{
	static const char *const names[] = OPENWIRE_PROC_NAMES;
	const struct openwire_request *r = message;
	bool listed = false;

	if (!openwire_check_request(r, size))
		return;
	/* Below a folder that is passed, no process is asked. */
	assert(openwire_has_folder(r) ? !r->tgid : r->tgid > 0 && r->tgid <= INT32_MAX);
	assert(strlen(r->path) < OPENWIRE_PATH_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		listed = listed || !strcmp(r->path, names[i]);
	assert(r->header.type != OPENWIRE_PROC || listed);
	assert(r->header.type != OPENWIRE_MAPPING || r->start < r->end);
}

/* The build's number cannot be guessed: the rest is tried with the right one, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *copy = calloc(1, MAX(size, sizeof(struct openwire_request)));
	struct wire_header *header = (void *)copy;

	assert(copy);
	memcpy(copy, data, size);
	for (int pass = 0; pass < 2; pass++) {
		check_open(copy, size);
		if (symwire_check_request((void *)copy, size)) {
			const struct symwire_request *r = (void *)copy;

			assert(r->nr <= SYMWIRE_ADDRESSES_MAX);
			assert(symwire_nr_fds(r) >= 1 && symwire_nr_fds(r) <= SYMWIRE_FDS_MAX);
			assert(size == sizeof(*r) + r->nr * sizeof(uint64_t));
		}
		if (openwire_check_answer((void *)copy, size))
			assert(((struct openwire_answer *)copy)->result <= 0);
		if (size < sizeof(*header))
			return 0;
		header->magic = WIRE_MAGIC;
		header->build = wire_build();
		header->size = (uint32_t)(size - sizeof(*header));
	}
	return 0;
}
