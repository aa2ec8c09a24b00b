/* From the symbolizer's answers to a profile's locations. */
#ifndef FLEETPROF_CORE_SYMBOLIZE_LOCATION_H
#define FLEETPROF_CORE_SYMBOLIZE_LOCATION_H

#include "proto/profile.h"
#include "symbolizer/symbolizer.h"

/* Adds the location, with a line for each of the nr frames, innermost first. As profile_add_location(). */
int symbolize_add_location(struct profile *p, struct profile_location location,
			   const struct symbolizer_frame *frames, size_t nr, uint32_t *ret);

#endif
