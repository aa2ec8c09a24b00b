/*
 * What --container, --cgroup and --pid mean to the kernel side: a filter.
 */
#ifndef FLEETPROF_CORE_SELECT_H
#define FLEETPROF_CORE_SELECT_H

#include "agent/base/err.h"
#include "agent/core/names.h"
#include "agent/core/sampler.h"

/*
 * path: of a cgroup, as /proc/PID/cgroup shows it ("/system.slice/x.service") or below a cgroup mount. It is looked for
 * in every mounted hierarchy. Returns 0, or -ENOENT or -EINVAL with err set.
 */
int select_cgroup(const char *path, struct sampler_filter *ret, struct err *err);

/*
 * what: a container's name, id, or the beginning of its id. Looks through the cgroups that are there and asks for their
 * containers' names if no id fits. Returns 0, -ENOENT (with what there is), or -ENOTUNIQ (with the candidates) and err set.
 */
int select_container(const char *what, struct names *names, struct loop *loop,
		     struct sampler_filter *ret, struct err *err);

#endif
