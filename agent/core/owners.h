/*
 * The owners of samples: cgroup key → owner, at most OWNERS_MAX of them at a time, the rest `other`.
 *
 * A container's cgroups in several hierarchies, and a unit's many sessions, are one owner. Where windows end, owners
 * and cgroups that had no sample for some windows give their places back; an owner's index is not given to another
 * before two windows have ended without it.
 */
#ifndef FLEETPROF_CORE_OWNERS_H
#define FLEETPROF_CORE_OWNERS_H

#include "agent/base/cleanup.h"
#include "agent/core/owner.h"

#include <stdbool.h>
#include <stddef.h>

#define OWNERS_MAX 1024
#define OWNERS_SLOTS (OWNERS_MAX + 2) /* indexes are below: `other` and `kernel` have theirs */
#define OWNERS_IDLE_WINDOWS 30 /* without a sample: forgotten */
#define OWNERS_IDLE_WINDOWS_MIN 3 /* … when three quarters of the table are taken */

struct owners;

/* As struct owner_names. */
struct owners_names {
	char name[OWNER_NAME_MAX], image[OWNER_NAME_MAX];
	char pod[OWNER_NAME_MAX], namespace[OWNER_NAME_MAX],
		container[OWNER_NAME_MAX]; /* Kubernetes' */
};

struct owners_entry {
	bool used; /* false: the place is free */
	struct owner_ref ref;
	struct owners_names names;
	char cgroup_path[1200]; /* as first seen */
	uint32_t tgid; /* a process of it, as first seen in the newest window that has it */
	uint64_t start_boot_ns;
	/* for whoever asks for names */
	bool name_pending; /* the entry must stay where it is */
	unsigned int names_asked;
	uint64_t name_due_ns; /* when to ask again */
	/* private to owners.c */
	uint64_t window; /* the newest with a sample */
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

/* Indexes that were ever given out are below. */
size_t owners_count(const struct owners *o);
struct owners_entry *owners_get(struct owners *o, uint32_t index);

/* Cgroups that became part of `other` since the bound was reached. */
uint64_t owners_overflowed(const struct owners *o);

/* Had this owner a sample in the window that has not ended yet? */
bool owners_is_active(const struct owners *o, uint32_t index);

/* Every cgroup that is known. */
void owners_each_cgroup(const struct owners *o, void (*fn)(uint64_t cgroup, void *userdata),
			void *userdata);

/*
 * A window ends. What was idle for long is forgotten; forget is called for each cgroup that became unknown by that:
 * its next record must carry its path again.
 */
void owners_end_window(struct owners *o, void (*forget)(uint64_t cgroup, void *userdata),
		       void *userdata);

/*
 * What some file or API told of a container; what is "" stays as it was. What lies below a user's or a service's
 * part of the tree is called after it: it may claim any name, but not pass for another's.
 */
void owners_set_names(struct owners_entry *entry, const struct owner_names *names);

/* What to show: the container's name if it is known, else the reference's. */
const char *owners_name(const struct owners_entry *entry);

#endif
