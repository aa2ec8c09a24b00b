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
	struct hashmap *by_cgroup; /* uint64_t → struct cgroup */
	struct hashmap *by_key; /* struct owner_key → uint32_t */
	struct owners_entry *entries;
	size_t nr; /* entries that were ever used */
	uint64_t window; /* number of the one that has not ended; from 1 */
	uint64_t overflowed;
};

struct cgroup {
	uint32_t owner, pad;
	uint64_t window; /* the newest with a sample */
};

static void add_fixed(struct owners *o, enum owner_kind kind, const char *name)
{
	struct owners_entry *e = &o->entries[o->nr++];

	e->used = true;
	e->ref.kind = kind;
	snprintf(e->ref.name, sizeof(e->ref.name), "%s", name);
	snprintf(e->ref.runtime, sizeof(e->ref.runtime), "%s", name);
}

int owners_new(struct owners **ret)
{
	_cleanup_(owners_freep) struct owners *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->window = 1;
	o->entries = calloc(OWNERS_SLOTS, sizeof(*o->entries));
	if (!o->entries)
		return -ENOMEM;
	r = hashmap_new(&o->by_cgroup, sizeof(uint64_t), sizeof(struct cgroup), CGROUPS_MAX);
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

static struct owner_key key_of(const struct owner_ref *ref)
{
	struct owner_key key = { .kind = ref->kind };

	snprintf(key.text, sizeof(key.text), "%s|%s|%s|%s", ref->runtime, ref->container_id,
		 ref->within, ref->kind == OWNER_CONTAINER ? "" : ref->name);
	return key;
}

/* There is one: by_key is full before the entries are. */
static uint32_t free_entry(struct owners *o)
{
	for (uint32_t i = 0; i < o->nr; i++) {
		if (!o->entries[i].used && !o->entries[i].name_pending)
			return i;
	}
	return (uint32_t)o->nr++;
}

static uint32_t find_or_add(struct owners *o, const char *path)
{
	struct owner_key key;
	struct owners_entry *e;
	struct owner_ref ref;
	void *index;
	bool is_new;

	owner_from_cgroup_path(path, &ref);
	key = key_of(&ref);
	if (hashmap_put(o->by_key, &key, &index, &is_new)) {
		o->overflowed++;
		return OWNER_INDEX_OTHER;
	}
	if (!is_new)
		return *(uint32_t *)index;
	*(uint32_t *)index = free_entry(o);
	e = &o->entries[*(uint32_t *)index];
	*e = (struct owners_entry) { .used = true, .ref = ref };
	snprintf(e->cgroup_path, sizeof(e->cgroup_path), "%s", path);
	if (*ref.within)
		snprintf(e->ref.name, sizeof(e->ref.name), "%s/%.180s", ref.within, ref.name);
	return *(uint32_t *)index;
}

static uint32_t touch(struct owners *o, uint32_t index, uint32_t tgid, uint64_t start_boot_ns)
{
	struct owners_entry *e = &o->entries[index];

	if (e->window != o->window) {
		e->window = o->window;
		e->tgid = tgid;
		e->start_boot_ns = start_boot_ns;
	}
	return index;
}

uint32_t owners_find(struct owners *o, uint64_t cgroup, const char *path, bool kernel_thread,
		     uint32_t tgid, uint64_t start_boot_ns, bool *ret_learned)
{
	struct cgroup *known;
	void *value;
	bool is_new;

	if (ret_learned)
		*ret_learned = false;
	if (hashmap_put(o->by_cgroup, &cgroup, &value, &is_new)) {
		/* No room to remember it: part of `other`, said once, since its path need not come again. */
		o->overflowed += path != NULL;
		if (ret_learned)
			*ret_learned = path != NULL;
		return touch(o, kernel_thread ? OWNER_INDEX_KERNEL : OWNER_INDEX_OTHER, tgid,
			     start_boot_ns);
	}
	if (is_new && !path) { /* the table's bound was reached when it was announced */
		hashmap_remove(o->by_cgroup, &cgroup);
		return touch(o, kernel_thread ? OWNER_INDEX_KERNEL : OWNER_INDEX_OTHER, tgid,
			     start_boot_ns);
	}
	known = value;
	if (is_new)
		known->owner = find_or_add(o, path);
	known->window = o->window;
	if (ret_learned)
		*ret_learned = path != NULL;
	if (kernel_thread) { /* its cgroup's owner stays as long as the cgroup, but is not asked by it */
		o->entries[known->owner].window = o->window;
		return touch(o, OWNER_INDEX_KERNEL, tgid, start_boot_ns);
	}
	return touch(o, known->owner, tgid, start_boot_ns);
}

bool owners_is_active(const struct owners *o, uint32_t index)
{
	return o->entries[index].used && o->entries[index].window == o->window;
}

/* Idle owners: true if there is a place more now. Their cgroups are idle for at least as long. */
static bool forget_owners(struct owners *o, uint64_t idle)
{
	bool forgotten = false;

	for (uint32_t i = OWNER_INDEX_KERNEL + 1; i < o->nr; i++) {
		struct owners_entry *e = &o->entries[i];
		struct owner_key key;

		if (!e->used || e->name_pending || o->window - e->window < idle)
			continue;
		key = key_of(&e->ref);
		hashmap_remove(o->by_key, &key);
		e->used = false;
		forgotten = true;
	}
	return forgotten;
}

#define FORGET_AT_ONCE 256

/* Cgroups that are idle, whose owner is gone, or that may find a place of their own now. */
static void forget_cgroups(struct owners *o, uint64_t idle, bool others,
			   void (*forget)(uint64_t cgroup, void *userdata), void *userdata)
{
	uint64_t gone[FORGET_AT_ONCE];
	size_t it, nr;

	do {
		const void *key;
		void *value;

		it = nr = 0;
		while (nr < FORGET_AT_ONCE && hashmap_next(o->by_cgroup, &it, &key, &value)) {
			const struct cgroup *c = value;

			if (o->window - c->window >= idle || !o->entries[c->owner].used ||
			    (others && c->owner == OWNER_INDEX_OTHER))
				gone[nr++] = *(const uint64_t *)key;
		}
		for (size_t i = 0; i < nr; i++) {
			hashmap_remove(o->by_cgroup, &gone[i]);
			forget(gone[i], userdata);
		}
	} while (nr == FORGET_AT_ONCE);
}

void owners_each_cgroup(const struct owners *o, void (*fn)(uint64_t cgroup, void *userdata),
			void *userdata)
{
	const void *key;

	for (size_t it = 0; hashmap_next(o->by_cgroup, &it, &key, NULL);)
		fn(*(const uint64_t *)key, userdata);
}

void owners_end_window(struct owners *o, void (*forget)(uint64_t cgroup, void *userdata),
		       void *userdata)
{
	bool crowded = hashmap_count(o->by_key) > OWNERS_MAX / 4 * 3 ||
		       hashmap_count(o->by_cgroup) > CGROUPS_MAX / 4 * 3;
	uint64_t idle = crowded ? OWNERS_IDLE_WINDOWS_MIN : OWNERS_IDLE_WINDOWS;
	bool others = forget_owners(o, idle);

	forget_cgroups(o, idle, others, forget, userdata);
	o->window++;
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

static void set_text(char *out, const char *prefix, const char *text)
{
	if (*text)
		snprintf(out, OWNER_NAME_MAX, "%s%s%.180s", prefix, *prefix ? "/" : "", text);
}

void owners_set_names(struct owners_entry *entry, const struct owner_names *names)
{
	const char *within = entry->ref.within;

	set_text(entry->names.name, within, names->name);
	set_text(entry->names.image, "", names->image);
	if (*within) /* a claim of its own: no pod of the node */
		return;
	set_text(entry->names.pod, "", names->pod);
	set_text(entry->names.namespace, "", names->namespace);
	set_text(entry->names.container, "", names->container);
}

const char *owners_name(const struct owners_entry *entry)
{
	return entry->names.name[0] ? entry->names.name : entry->ref.name;
}
