/*
 * Reading pprof (github.com/google/pprof proto/profile.proto), ours or anybody's: foreign bytes, checked here once.
 *
 * Every index and id is checked and resolved; afterwards locations, functions and mappings are plain indexes. Pure; fuzzed
 * by tests/fuzz/fuzz_pprof_read.c.
 */
#ifndef FLEETPROF_PROTO_PPROF_READ_H
#define FLEETPROF_PROTO_PPROF_READ_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPROF_READ_BYTES_MAX (512ull << 20) /* unpacked */
#define PPROF_READ_MEMORY_MAX (2ull << 30) /* while it is decoded */
#define PPROF_READ_TYPES_MAX 64

struct pprof_file;

/* Strings are "" where there is none, and not made valid UTF-8. They live as long as the file. */
struct pprof_value_type {
	const char *type, *unit; /* "cpu", "nanoseconds" */
};

struct pprof_info {
	struct pprof_value_type
		types[PPROF_READ_TYPES_MAX]; /* what each of a sample's values counts */
	size_t nr_types; /* at least 1 */
	size_t default_type; /* the one that the file wants shown, or the last */
	struct pprof_value_type period_type;
	int64_t period, time_ns, duration_ns; /* 0 where unknown */
	size_t nr_samples, nr_locations;
};

struct pprof_sample_view {
	const int64_t *values; /* nr_types */
	const uint64_t *locations; /* indexes, leaf first */
	size_t nr_locations;
	const char *container, *comm; /* its labels of these names */
};

struct pprof_location_view {
	uint64_t address;
	bool has_mapping;
	const char *mapping; /* its file's name */
	size_t nr_lines; /* innermost inlined function first */
};

/*
 * data: as in a file, gzip'd or not. Returns 0; -EINVAL with err set: what is wrong with it; -ENOSPC with err set: larger
 * than the bounds above; -ENOMEM.
 */
int pprof_read(struct pprof_file **ret, const void *data, size_t len, struct err *err);
struct pprof_file *pprof_file_free(struct pprof_file *file);
DEFINE_CLEANUP(struct pprof_file *, pprof_file_free)

const struct pprof_info *pprof_file_info(const struct pprof_file *file);
void pprof_file_sample(const struct pprof_file *file, size_t index, struct pprof_sample_view *ret);
void pprof_file_location(const struct pprof_file *file, size_t index,
			 struct pprof_location_view *ret);
/* The function of line `line` of a location: its name, or its system name; never NULL. */
const char *pprof_file_function(const struct pprof_file *file, size_t location, size_t line);

#endif
