/*
 * The aggregation window: (owner, process, thread comm, stack) → samples and value.
 *
 * Pure: records go in as words, rows come out. Every table has a maximum; a sample that does not fit is
 * refused with WINDOW_E_FULL, and the caller counts it.
 */
#ifndef FLEETPROF_CORE_WINDOW_H
#define FLEETPROF_CORE_WINDOW_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct window;

struct window_limits {
	size_t max_rows; /* different (owner, process, thread comm, stack) */
	size_t max_words; /* words of all different stacks together */
};

struct window_sample {
	uint32_t owner;
	uint32_t tgid;
	uint64_t start_boot_ns; /* with tgid: the process */
	const char *leader_comm; /* the process's name; the latest wins */
	const char *thread_comm;
	const uint64_t *words; /* frame words without RECMAP, leaf first */
	size_t nr_words;
	uint16_t end_reason; /* enum end_reason */
	uint64_t value;
};

/* One row as it comes out. Pointers are the window's and live as long as it. */
struct window_row {
	uint32_t owner, process; /* process: index for window_process() */
	const char *thread_comm;
	const uint64_t *words;
	size_t nr_words;
	uint16_t end_reason;
	uint64_t count, value;
};

struct window_process {
	uint32_t tgid;
	uint64_t start_boot_ns;
	const char *comm;
};

int window_new(struct window **ret, const struct window_limits *limits);
struct window *window_free(struct window *w);
DEFINE_CLEANUP(struct window *, window_free)

enum { WINDOW_E_FULL = 1 };
/* 0, WINDOW_E_FULL or -ENOMEM; on failure nothing was added. */
int window_add(struct window *w, const struct window_sample *sample);

size_t window_rows(const struct window *w);
void window_row(const struct window *w, size_t index, struct window_row *ret);
size_t window_processes(const struct window *w);
void window_process(const struct window *w, size_t index, struct window_process *ret);

/* Words of the different stacks, one after the other, for passes over every frame. */
const uint64_t *window_words(const struct window *w, size_t *ret_nr);

#endif
