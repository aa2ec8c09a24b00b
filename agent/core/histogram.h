/* Samples of each second of a window, per owner. */
#ifndef FLEETPROF_CORE_HISTOGRAM_H
#define FLEETPROF_CORE_HISTOGRAM_H

#include "agent/base/cleanup.h"

#include <stdint.h>

struct histogram;

/* Owners are numbered below max_owners. Seconds from nr_seconds on are booked on the last one. */
int histogram_new(struct histogram **ret, size_t max_owners, size_t nr_seconds);
struct histogram *histogram_free(struct histogram *h);
DEFINE_CLEANUP(struct histogram *, histogram_free)

/* Samples before the window's start (negative) are booked on its first second. 0 or -ENOMEM: not booked. */
int histogram_add(struct histogram *h, size_t owner, int64_t second, uint32_t samples);

/* NULL if the owner has no samples; *ret_nr seconds, the last of which is not zero. */
const uint32_t *histogram_seconds(const struct histogram *h, size_t owner, size_t *ret_nr);

#endif
