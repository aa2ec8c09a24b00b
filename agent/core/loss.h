/*
 * The loss equation: every expected sample is in the profile, or is named as lost.
 *
 *   expected + early = runs + asleep + late + missed   expected comes from outside BPF; early: two clocks that drift apart
 *   runs     = idle + filtered + unsupported + sampled + Σ lost(reason)
 *   sampled  = records + hot
 *   records  = in the profile + left out + refused + malformed
 */
#ifndef FLEETPROF_CORE_LOSS_H
#define FLEETPROF_CORE_LOSS_H

#include "proto/profile.h"
#include "agent/core/sampler.h"

struct loss {
	struct sampler_counts sampler;
	uint64_t in_profile; /* samples that the window took */
	uint64_t refused; /* … and that it had no room for */
	uint64_t
		left_out; /* first samples of cgroups that the filter leaves out: it takes their path to know */
};

/* Fills meta's loss lines. */
void loss_describe(const struct loss *loss, struct profile_meta *meta);

/* Σ lost(reason) of the kernel side. */
uint64_t loss_in_kernel(const struct sampler_counts *counts);

/* Does it balance? If not, err says where. missed is allowed to be anything but negative. */
bool loss_balances(const struct loss *loss, struct err *err);

/* What was added from one reading to a later one. The longest run is no sum: it stays that of `to`. */
void loss_between(const struct loss *from, const struct loss *to, struct loss *ret);

#endif
