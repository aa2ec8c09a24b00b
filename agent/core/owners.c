/* The owners of a recording or window. */
#include "agent/core/owners.h"
#include "agent/base/hashmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CGROUPS_MAX 65536 /* different cgroups in one recording; the rest is other */

enum { OWNER_INDEX_OTHER = 0, OWNER_INDEX_KERNEL = 1 };

/* What makes two cgroups one owner. */
struct owner_key {
	uint32_t kind, pad;
	char text[OWNER_NAME_MAX + OWNER_ID_MAX + 24 + 64 + 4];
};

struct owners {
	struct hashmap *by_cgroup; /* uint64_t → uint32_t */
	struct hashmap *by_key; /* struct owner_key → uint32_t */
	struct owners_entry *entries;
	size_t nr;
	uint64_t overflowed;
};

static void add_fixed(struct owners *o, enum owner_kind kind, const char *name)
{
	struct owners_entry *e = &o->entries[o->nr++];

	e->ref.kind = kind;
	snprintf(e->ref.name, sizeof(e->ref.name), "%s", name);
	snprintf(e->ref.runtime, sizeof(e->ref.runtime), "%s", name);
	e->name_asked = true;
}

int owners_new(struct owners **ret)
{
	_cleanup_(owners_freep) struct owners *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->entries = calloc(OWNERS_MAX + 2, sizeof(*o->entries));
	if (!o->entries)
		return -ENOMEM;
	r = hashmap_new(&o->by_cgroup, sizeof(uint64_t), sizeof(uint32_t), CGROUPS_MAX);
	if (!r)
		r = hashmap_new(&o->by_key, sizeof(struct owner_key), sizeof(uint32_t), OWNERS_MAX);
	if (r)
		return r;
	add_fixed(o, OWNER_OTHER, "other");
	add_fixed(o, OWNER_KERNEL, "kernel");
	*ret = TAKE_PTR(o);
	return 0;
}

struct owners *owners_free(struct owners *o)
{
	if (!o)
		return NULL;
	hashmap_free(o->by_cgroup);
	hashmap_free(o->by_key);
	free(o->entries);
	free(o);
	return NULL;
}

static uint32_t find_or_add(struct owners *o, const char *path, uint32_t tgid,
			    uint64_t start_boot_ns)
{
	struct owner_key key = { .kind = 0 };
	struct owners_entry *e;
	struct owner_ref ref;
	void *index;
	bool is_new;

	owner_from_cgroup_path(path, &ref);
	key.kind = ref.kind;
	snprintf(key.text, sizeof(key.text), "%s|%s|%s|%s", ref.runtime, ref.container_id,
		 ref.within, ref.kind == OWNER_CONTAINER ? "" : ref.name);
	if (hashmap_put(o->by_key, &key, &index, &is_new)) {
		o->overflowed++;
		return OWNER_INDEX_OTHER;
	}
	if (!is_new)
		return *(uint32_t *)index;
	*(uint32_t *)index = (uint32_t)o->nr;
	e = &o->entries[o->nr++];
	e->ref = ref;
	e->tgid = tgid;
	e->start_boot_ns = start_boot_ns;
	snprintf(e->cgroup_path, sizeof(e->cgroup_path), "%s", path);
	if (*ref.within)
		snprintf(e->ref.name, sizeof(e->ref.name), "%s/%.180s", ref.within, ref.name);
	return *(uint32_t *)index;
}

uint32_t owners_find(struct owners *o, uint64_t cgroup, const char *path, bool kernel_thread,
		     uint32_t tgid, uint64_t start_boot_ns, bool *ret_learned)
{
	void *index;
	bool is_new;

	if (ret_learned)
		*ret_learned = false;
	if (hashmap_put(o->by_cgroup, &cgroup, &index, &is_new)) {
		/* No room to remember it: part of `other`, said once, since its path need not come again. */
		o->overflowed += path != NULL;
		if (ret_learned)
			*ret_learned = path != NULL;
		return kernel_thread ? OWNER_INDEX_KERNEL : OWNER_INDEX_OTHER;
	}
	if (is_new && !path) { /* the table's bound was reached when it was announced */
		hashmap_remove(o->by_cgroup, &cgroup);
		return kernel_thread ? OWNER_INDEX_KERNEL : OWNER_INDEX_OTHER;
	}
	if (is_new)
		*(uint32_t *)index = find_or_add(o, path, tgid, start_boot_ns);
	if (ret_learned)
		*ret_learned = path != NULL;
	return kernel_thread ? OWNER_INDEX_KERNEL : *(uint32_t *)index;
}

size_t owners_count(const struct owners *o)
{
	return o->nr;
}

struct owners_entry *owners_get(struct owners *o, uint32_t index)
{
	return &o->entries[index];
}

uint64_t owners_overflowed(const struct owners *o)
{
	return o->overflowed;
}

void owners_set_name(struct owners_entry *entry, const char *name, const char *image)
{
	const char *within = entry->ref.within;

	snprintf(entry->name, sizeof(entry->name), "%s%s%.180s", *name ? within : "",
		 *name && *within ? "/" : "", name);
	snprintf(entry->image, sizeof(entry->image), "%s", image);
}

const char *owners_name(const struct owners_entry *entry)
{
	return entry->name[0] ? entry->name : entry->ref.name;
}
