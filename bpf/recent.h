/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Look-ups in `files` and `cgroups`, by way of what this CPU found there last.
 *
 * User space changes a map first and its generation then, so that an entry with the generation of now says what the map
 * says. What is not in a map is not remembered.
 */
#ifndef FLEETPROF_RECENT_H
#define FLEETPROF_RECENT_H

/* Written by user space. */
__u32 files_generation = 0;
__u32 cgroups_generation = 0;

/* A full barrier: what is looked up after it is no older. */
static __always_inline u32 generation_before_look_up(u32 *generation)
{
	return __sync_fetch_and_add(generation, 0);
}

static __always_inline u32 recent_place(u64 number)
{
	return number * 0x9e3779b97f4a7c15ULL >> (64 - RECENT_BITS);
}

static __always_inline bool file_keys_equal(const struct file_key *a, const struct file_key *b)
{
	return a->ino == b->ino && a->ctime_ns == b->ctime_ns && a->dev == b->dev &&
	       a->gen == b->gen;
}

/*
 * True: user space knows the file revision s->asked_key, and s->asked_value is what. A global function, as the next, so that
 * the verifier reads it once.
 */
__noinline int find_file(struct scratch *s)
{
	const struct file_value *value;
	struct recent_file *recent;
	struct file_key key;
	u32 generation;

	if (!s)
		return false;
	key = s->asked_key; /* 6.1 takes a key from the stack, and not from this memory */
	recent = &s->recent_files[recent_place(key.ino)];
	if (!file_keys_equal(&recent->key, &key) ||
	    recent->generation != *(volatile u32 *)&files_generation) {
		generation = generation_before_look_up(&files_generation);
		value = bpf_map_lookup_elem(&files, &key);
		if (!value)
			return false;
		recent->key = key;
		recent->value = *value;
		recent->generation = generation;
	}
	s->asked_value = recent->value;
	return true;
}

/* The cgroup's enum cgroup_state; 0: user space does not know it. */
__noinline int find_cgroup(struct scratch *s, u64 key)
{
	struct recent_cgroup *recent;
	const u8 *state;
	u32 generation;

	if (!s)
		return 0;
	recent = &s->recent_cgroups[recent_place(key)];
	if (recent->key != key || recent->generation != *(volatile u32 *)&cgroups_generation) {
		generation = generation_before_look_up(&cgroups_generation);
		state = bpf_map_lookup_elem(&cgroups, &key);
		if (!state)
			return 0;
		recent->key = key;
		recent->state = *state;
		recent->generation = generation;
	}
	return recent->state;
}

#endif
