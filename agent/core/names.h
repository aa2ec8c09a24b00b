/*
 * Container names, from the runtimes' own files: found by the container's mounts, opened by the opener, parsed in the
 * sandbox. No runtime socket is touched.
 */
#ifndef FLEETPROF_CORE_NAMES_H
#define FLEETPROF_CORE_NAMES_H

#include "agent/core/owner.h"
#include "agent/opener/client.h"
#include "symbolizer/client.h"

struct names;

int names_new(struct names **ret, struct openclient *opener, struct symclient *symbolizer);
struct names *names_free(
	struct names *n); /* forgets look-ups under way: their callbacks are not called */
DEFINE_CLEANUP(struct names *, names_free)

/* All are "" if nothing could be found; valid during the call. */
typedef void (*names_fn)(const struct owner_names *names, void *userdata);

/*
 * Asks for the name of the container with this id, of which tgid is a process (0: none is known). The callback comes
 * once, from the loop or at once; -errno: it never comes.
 */
int names_look_up(struct names *n, const char *container_id, uint32_t tgid, uint64_t start_boot_ns,
		  names_fn fn, void *userdata);

/* Look-ups that have not been answered. */
size_t names_pending(const struct names *n);

/*
 * Where the runtimes keep what they know of a container, most likely place first, from the mountinfo of one of its
 * processes (may be ""). Pure. Fills at most max paths of at most NAMES_PATH_MAX bytes; returns how many.
 */
#define NAMES_PATH_MAX 1024
#define NAMES_PATHS_MAX 8
size_t names_paths(const char *mountinfo, const char *container_id, char (*paths)[NAMES_PATH_MAX],
		   size_t max);

#endif
