/*
 * What of the host is sampled: cgroups and containers that are asked for, or left out.
 *
 * A cgroup is judged once, when its path is known, and the kernel side told; so cgroups and containers may come and
 * go. Pure.
 */
#ifndef FLEETPROF_CORE_FILTER_H
#define FLEETPROF_CORE_FILTER_H

#include "agent/core/config.h"
#include "agent/core/owner.h"

/*
 * Points into a configuration, which must outlive it. Without lists of what to sample everything is, but what is left
 * out; what is in both is left out. A cgroup stands for all below it; a container's name, id, or beginning of an id (8
 * digits at least) for the container.
 */
struct filter {
	const struct config_strings *cgroups, *containers; /* to be sampled */
	const struct config_strings *exclude_cgroups, *exclude_containers;
};

struct filter filter_of_config(const struct config *config);

enum filter_answer {
	FILTER_SAMPLED,
	FILTER_LEFT_OUT,
	FILTER_UNDECIDED, /* it hangs on the container's name, which is being asked for */
};

/*
 * path: of the cgroup; ref, name: of its owner; name_known: "" is final. f may be NULL: everything is sampled.
 */
enum filter_answer filter_ask(const struct filter *f, const char *path, const struct owner_ref *ref,
			      const char *name, bool name_known);

#endif
