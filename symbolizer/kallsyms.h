/* The kernel's symbols, from the text of /proc/kallsyms. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_KALLSYMS_H
#define FLEETPROF_SYMBOLIZER_KALLSYMS_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

/* What is known of one address that was asked for. */
struct kallsyms_found {
	uint64_t address;
	size_t index; /* in the question */
	uint64_t symbol; /* address of the nearest symbol not above it; 0: there is none */
	const char *name; /* its name; NULL: none */
	const char *module; /* "[module]", "[bpf]"; NULL: the kernel's own */
};

struct kallsyms_answer {
	struct kallsyms_found *found; /* one per address, ascending */
	size_t nr;
	uint64_t stext; /* address of _stext, where the kernel's text begins; 0: not shown */
	void *names; /* private: the strings' memory */
};
#define KALLSYMS_ANSWER_NULL ((struct kallsyms_answer) { .found = NULL })

/* Reads the text behind fd once, from its beginning. Returns 0, -EFBIG, -ENOMEM or what reading says. */
int kallsyms_find(int fd, const uint64_t *addresses, size_t nr, struct kallsyms_answer *ret);
void kallsyms_answer_deinit(struct kallsyms_answer *answer);
DEFINE_CLEANUP_EMBEDDED(struct kallsyms_answer, kallsyms_answer_deinit)

#endif
