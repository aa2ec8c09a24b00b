/* A symbolized profile in memory: hash-consed tables that refer to each other by index. */
#include "proto/profile.h"
#include "agent/base/hashmap.h"
#include "agent/base/intern.h"
#include "agent/base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

struct table {
	void *data;
	size_t entry_size, nr, size;
};

/* What makes an entry equal to another. No padding: hashmaps compare bytes. */
struct mapping_key {
	uint32_t file, build_id, flags;
};

struct location_key {
	uint64_t address;
	uint32_t mapping, kind, function, by_lines;
};

struct owner_key {
	uint32_t name, id, runtime, image, cgroup_path;
};

struct process_key {
	uint64_t start_boot_ns;
	uint32_t tgid, comm;
};

struct sample_key {
	uint32_t owner, process, thread_comm, complete, stack;
};

/* A stack as a key is as long as it likes, so stacks have a hash table of their own. */
struct stack {
	uint32_t first, nr;
	uint64_t hash;
};

struct profile {
	struct profile_meta meta;
	struct intern *strings;
	struct table mappings, functions, lines, locations, owners, processes, samples;
	struct table stacks, stack_locations;
	struct hashmap *mapping_of, *function_of, *location_of, *owner_of, *process_of, *sample_of;
	uint32_t *stack_slots; /* stack + 1, or 0; a power of two of them */
	size_t nr_stack_slots;
	uint64_t seed;
	uint64_t dropped_samples, dropped_value_ns;
};

/* A table's next place, zeroed; counted only by the caller, once the entry is known to stay. */
static int table_reserve(struct table *t, size_t nr)
{
	size_t size = t->size ? t->size : 64;
	void *data;

	if (nr > PROFILE_MAX_ENTRIES - t->nr)
		return -ENOSPC;
	if (t->nr + nr <= t->size)
		return 0;
	while (size < t->nr + nr)
		size *= 2;
	data = reallocarray(t->data, size, t->entry_size);
	if (!data)
		return -ENOMEM;
	t->data = data;
	t->size = size;
	return 0;
}

static void table_append(struct table *t, const void *entries, size_t nr)
{
	if (nr)
		memcpy((char *)t->data + t->nr * t->entry_size, entries, nr * t->entry_size);
	t->nr += nr;
}

/*
 * The index of the entry with this key, the entry being appended if there is none. Room in the table is made
 * first, so that a failure leaves nothing behind.
 */
static int cons(struct table *t, struct hashmap *map, const void *key, const void *entry,
		uint32_t *ret, bool *ret_new)
{
	bool is_new;
	void *value;
	int r;

	value = hashmap_get(map, key);
	if (value) {
		*ret = *(uint32_t *)value;
		*ret_new = false;
		return 0;
	}
	r = table_reserve(t, 1);
	if (r < 0)
		return r;
	r = hashmap_put(map, key, &value, &is_new);
	if (r)
		return r < 0 ? r : -ENOSPC;
	*ret = *(uint32_t *)value = (uint32_t)t->nr;
	*ret_new = true;
	table_append(t, entry, 1);
	return 0;
}

static int new_map(struct hashmap **ret, size_t key_size)
{
	return hashmap_new(ret, key_size, sizeof(uint32_t), PROFILE_MAX_ENTRIES);
}

int profile_new(struct profile **ret)
{
	_cleanup_(profile_freep) struct profile *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->mappings.entry_size = sizeof(struct profile_mapping);
	p->functions.entry_size = sizeof(struct profile_function);
	p->lines.entry_size = sizeof(struct profile_line);
	p->locations.entry_size = sizeof(struct profile_location);
	p->owners.entry_size = sizeof(struct profile_owner);
	p->processes.entry_size = sizeof(struct profile_process);
	p->samples.entry_size = sizeof(struct profile_sample);
	p->stacks.entry_size = sizeof(struct stack);
	p->stack_locations.entry_size = sizeof(uint32_t);
	if (getrandom(&p->seed, sizeof(p->seed), GRND_NONBLOCK) != sizeof(p->seed))
		p->seed = (uint64_t)(uintptr_t)p;
	r = intern_new(&p->strings, PROFILE_MAX_STRING_BYTES);
	if (!r)
		r = new_map(&p->mapping_of, sizeof(struct mapping_key));
	if (!r)
		r = new_map(&p->function_of, sizeof(struct profile_function));
	if (!r)
		r = new_map(&p->location_of, sizeof(struct location_key));
	if (!r)
		r = new_map(&p->owner_of, sizeof(struct owner_key));
	if (!r)
		r = new_map(&p->process_of, sizeof(struct process_key));
	if (!r)
		r = new_map(&p->sample_of, sizeof(struct sample_key));
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

struct profile *profile_free(struct profile *p)
{
	if (!p)
		return NULL;
	intern_free(p->strings);
	hashmap_free(p->mapping_of);
	hashmap_free(p->function_of);
	hashmap_free(p->location_of);
	hashmap_free(p->owner_of);
	hashmap_free(p->process_of);
	hashmap_free(p->sample_of);
	free(p->mappings.data);
	free(p->functions.data);
	free(p->lines.data);
	free(p->locations.data);
	free(p->owners.data);
	free(p->processes.data);
	free(p->samples.data);
	free(p->stacks.data);
	free(p->stack_locations.data);
	free(p->stack_slots);
	free(p);
	return NULL;
}

void profile_view(const struct profile *p, struct profile_view *ret)
{
	*ret = (struct profile_view) {
		.meta = &p->meta,
		.mappings = p->mappings.data,
		.functions = p->functions.data,
		.lines = p->lines.data,
		.locations = p->locations.data,
		.owners = p->owners.data,
		.processes = p->processes.data,
		.samples = p->samples.data,
		.stack_locations = p->stack_locations.data,
		.nr_mappings = p->mappings.nr,
		.nr_functions = p->functions.nr,
		.nr_lines = p->lines.nr,
		.nr_locations = p->locations.nr,
		.nr_owners = p->owners.nr,
		.nr_processes = p->processes.nr,
		.nr_samples = p->samples.nr,
		.nr_stack_locations = p->stack_locations.nr,
		.nr_strings = intern_count(p->strings),
		.dropped_samples = p->dropped_samples,
		.dropped_value_ns = p->dropped_value_ns,
	};
}

const char *profile_string(const struct profile *p, uint32_t string)
{
	assert(string < intern_count(p->strings));
	return intern_get(p->strings, string, NULL);
}

struct profile_meta *profile_meta(struct profile *p)
{
	return &p->meta;
}

/* Path → its last part; names that are no paths ("[vdso]", "//anon") stay whole enough. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *profile_frame_name(const struct profile *p, uint32_t location, uint32_t line, char *tmp)
{
	const struct profile_location *l = (struct profile_location *)p->locations.data + location;
	const struct profile_mapping *mappings = p->mappings.data;
	const char *file = "";

	assert(location < p->locations.nr);
	if (l->nr_lines) {
		const struct profile_line *lines = p->lines.data;
		const struct profile_function *f = p->functions.data;
		const char *name;

		assert(line < l->nr_lines);
		f += lines[l->first_line + line].function;
		name = profile_string(p, f->name ? f->name : f->system_name);
		if (name[0])
			return name;
	}
	if (l->mapping != UINT32_MAX)
		file = base_name(profile_string(p, mappings[l->mapping].file));
	if (!file[0] && !l->address)
		return "[unknown]";
	snprintf(tmp, PROFILE_MAX_NAME, "%s!0x%" PRIx64, file[0] ? file : "[unknown]", l->address);
	return tmp;
}

int profile_add_string(struct profile *p, const char *s, uint32_t *ret)
{
	size_t len = strlen(s);
	char tmp[PROFILE_MAX_STRING + 1];
	int r;

	if (len > PROFILE_MAX_STRING || !text_is_valid(s, len)) {
		len = text_repair(s, len, tmp, sizeof(tmp));
		s = tmp;
	}
	r = intern_add(p->strings, s, len, ret);
	return r > 0 ? -ENOSPC : r;
}

int profile_add_mapping(struct profile *p, const struct profile_mapping *m, uint32_t *ret)
{
	struct mapping_key key = {
		.file = m->file,
		.build_id = m->build_id,
		.flags = (uint32_t)(m->has_functions | m->has_filenames << 1 |
				    m->has_line_numbers << 2 | m->has_inline_frames << 3),
	};
	bool is_new;

	return cons(&p->mappings, p->mapping_of, &key, m, ret, &is_new);
}

int profile_add_function(struct profile *p, const struct profile_function *f, uint32_t *ret)
{
	bool is_new;

	return cons(&p->functions, p->function_of, f, f, ret, &is_new);
}

int profile_add_location(struct profile *p, const struct profile_location *l,
			 const struct profile_line *lines, uint32_t *ret)
{
	struct profile_location entry = *l;
	struct location_key key = {
		.address = l->address,
		.mapping = l->mapping,
		.kind = l->kind,
		.function = l->nr_lines ? lines[0].function : UINT32_MAX,
	};
	bool is_new;
	int r;

	if (!l->address && l->nr_lines) { /* known by its lines alone */
		key.address = hash_bytes(lines, l->nr_lines * sizeof(*lines), p->seed);
		key.by_lines = 1;
	}

	assert(l->mapping == UINT32_MAX || l->mapping < p->mappings.nr);
	for (uint32_t i = 0; i < l->nr_lines; i++)
		assert(lines[i].function < p->functions.nr);
	entry.first_line = (uint32_t)p->lines.nr;
	r = table_reserve(&p->lines, l->nr_lines);
	if (!r)
		r = cons(&p->locations, p->location_of, &key, &entry, ret, &is_new);
	if (r < 0)
		return r;
	if (is_new)
		table_append(&p->lines, lines, l->nr_lines);
	return 0;
}

int profile_add_owner(struct profile *p, const struct profile_owner *o, uint32_t *ret)
{
	struct profile_owner entry = *o;
	struct owner_key key = { .name = o->name,
				 .id = o->id,
				 .runtime = o->runtime,
				 .image = o->image,
				 .cgroup_path = o->cgroup_path };
	bool is_new;

	entry.samples = entry.value_ns = 0; /* counted here, by its samples */
	return cons(&p->owners, p->owner_of, &key, &entry, ret, &is_new);
}

int profile_add_process(struct profile *p, const struct profile_process *process, uint32_t *ret)
{
	struct process_key key = { .start_boot_ns = process->start_boot_ns,
				   .tgid = process->tgid,
				   .comm = process->comm };
	bool is_new;

	return cons(&p->processes, p->process_of, &key, process, ret, &is_new);
}

/* The slot that holds this stack, or the free slot where it would go. */
static size_t find_stack(const struct profile *p, const uint32_t *locations, size_t nr,
			 uint64_t hash)
{
	const uint32_t *all = p->stack_locations.data;
	const struct stack *stacks = p->stacks.data;
	size_t slot = hash & (p->nr_stack_slots - 1);

	for (; p->stack_slots[slot]; slot = (slot + 1) & (p->nr_stack_slots - 1)) {
		const struct stack *s = &stacks[p->stack_slots[slot] - 1];

		if (s->hash == hash && s->nr == nr &&
		    (!nr || !memcmp(all + s->first, locations, nr * sizeof(*locations))))
			break;
	}
	return slot;
}

static int grow_stack_slots(struct profile *p)
{
	size_t nr = p->nr_stack_slots ? p->nr_stack_slots * 2 : 256;
	const struct stack *stacks = p->stacks.data;
	uint32_t *slots = calloc(nr, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < p->stacks.nr; i++) {
		size_t slot = stacks[i].hash & (nr - 1);

		while (slots[slot])
			slot = (slot + 1) & (nr - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	free(p->stack_slots);
	p->stack_slots = slots;
	p->nr_stack_slots = nr;
	return 0;
}

static int add_stack(struct profile *p, const uint32_t *locations, size_t nr, uint32_t *ret)
{
	uint64_t hash = hash_bytes(locations, nr * sizeof(*locations), p->seed);
	struct stack stack = { .nr = (uint32_t)nr, .hash = hash };
	size_t slot;
	int r;

	if (p->stacks.nr * 2 >= p->nr_stack_slots) {
		r = grow_stack_slots(p);
		if (r < 0)
			return r;
	}
	slot = find_stack(p, locations, nr, hash);
	if (p->stack_slots[slot]) {
		*ret = p->stack_slots[slot] - 1;
		return 0;
	}
	r = table_reserve(&p->stacks, 1);
	if (!r)
		r = table_reserve(&p->stack_locations, nr);
	if (r < 0)
		return r;
	stack.first = (uint32_t)p->stack_locations.nr;
	table_append(&p->stack_locations, locations, nr);
	*ret = (uint32_t)p->stacks.nr;
	table_append(&p->stacks, &stack, 1);
	p->stack_slots[slot] = *ret + 1;
	return 0;
}

static int find_or_add_sample(struct profile *p, const struct profile_sample *s,
			      const uint32_t *locations, size_t nr, uint32_t *ret)
{
	struct sample_key key = { .owner = s->owner,
				  .process = s->process,
				  .thread_comm = s->thread_comm,
				  .complete = s->complete };
	struct profile_sample entry = *s;
	const struct stack *stack;
	bool is_new;
	int r;

	r = add_stack(p, locations, nr, &key.stack);
	if (r < 0)
		return r;
	stack = (struct stack *)p->stacks.data + key.stack;
	entry.first_location = stack->first;
	entry.nr_locations = stack->nr;
	entry.count = entry.value_ns = 0;
	return cons(&p->samples, p->sample_of, &key, &entry, ret, &is_new);
}

int profile_add_sample(struct profile *p, const struct profile_sample *s, const uint32_t *locations,
		       size_t nr)
{
	struct profile_sample *sample;
	struct profile_owner *owner;
	uint32_t index;
	int r;

	assert(s->owner < p->owners.nr && s->process < p->processes.nr);
	assert(s->thread_comm < intern_count(p->strings));
	for (size_t i = 0; i < nr; i++)
		assert(locations[i] < p->locations.nr);
	r = find_or_add_sample(p, s, locations, nr, &index);
	if (r == -ENOSPC) {
		p->dropped_samples += s->count;
		p->dropped_value_ns += s->value_ns;
	}
	if (r < 0)
		return r;
	sample = (struct profile_sample *)p->samples.data + index;
	owner = (struct profile_owner *)p->owners.data + s->owner;
	sample->count += s->count;
	sample->value_ns += s->value_ns;
	owner->samples += s->count;
	owner->value_ns += s->value_ns;
	return 0;
}
