/* Which files and owners have killed too many children: two for a file, ten in an hour for an owner. */
#ifndef FLEETPROF_SYMBOLIZER_QUARANTINE_H
#define FLEETPROF_SYMBOLIZER_QUARANTINE_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

struct quarantine;

#define QUARANTINE_FILE_KILLS 2
#define QUARANTINE_OWNER_KILLS 10
#define QUARANTINE_OWNER_NS (3600 * 1000000000ULL)

int quarantine_new(struct quarantine **ret);
struct quarantine *quarantine_free(struct quarantine *q);
DEFINE_CLEANUP(struct quarantine *, quarantine_free)

/* A child died of this file. owner 0: nobody's. */
void quarantine_add(struct quarantine *q, uint64_t key, uint64_t owner, uint64_t now_ns);

/* Is the file, or its owner for now, to be left alone? */
bool quarantine_has(const struct quarantine *q, uint64_t key, uint64_t owner, uint64_t now_ns);

#endif
