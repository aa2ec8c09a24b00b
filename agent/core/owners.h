/*
 * The owners of a recording or window: cgroup key → owner, at most OWNERS_MAX of them, the rest `other`.
 *
 * A container's cgroups in several hierarchies, and a unit's many sessions, are one owner.
 */
#ifndef FLEETPROF_CORE_OWNERS_H
#define FLEETPROF_CORE_OWNERS_H

#include "agent/base/cleanup.h"
#include "agent/core/owner.h"

#include <stddef.h>

#define OWNERS_MAX 1024

struct owners;

struct owners_entry {
	struct owner_ref ref;
	char name[OWNER_NAME_MAX]; /* the container's own name; "" while it is not known */
	char image[OWNER_NAME_MAX]; /* "" if not known */
	char cgroup_path[1200]; /* as first seen */
	uint32_t tgid; /* a process of it, as first seen, to ask for its name by */
	uint64_t start_boot_ns;
	bool name_asked;
};

int owners_new(struct owners **ret);
struct owners *owners_free(struct owners *o);
DEFINE_CLEANUP(struct owners *, owners_free)

/*
 * The owner of a sample. path: its cgroup's path if the record carries it, else NULL: then the key was seen before
 * with one. tgid and start_boot_ns are kept for a new owner. Never fails: there is always `other`.
 * *ret_learned (may be NULL) says that the path of this key is known now.
 */
uint32_t owners_find(struct owners *o, uint64_t cgroup, const char *path, bool kernel_thread,
		     uint32_t tgid, uint64_t start_boot_ns, bool *ret_learned);

size_t owners_count(const struct owners *o);
struct owners_entry *owners_get(struct owners *o, uint32_t index);

/* Cgroups that became part of `other` since the bound was reached. */
uint64_t owners_overflowed(const struct owners *o);

/*
 * The container's own name and image, as some file or API told: "" if unknown. What lies below a user's or a service's
 * part of the tree is called after it: it may claim any name, but not pass for another's.
 */
void owners_set_name(struct owners_entry *entry, const char *name, const char *image);

/* What to show: the container's name if it is known, else the reference's. */
const char *owners_name(const struct owners_entry *entry);

#endif
