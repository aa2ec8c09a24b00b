/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which cgroup, and its path, taken from kernfs: a cgroup that is gone a moment later keeps its name, and our own
 * cgroup namespace does not matter.
 */
#ifndef FLEETPROF_CGROUP_H
#define FLEETPROF_CGROUP_H

#define CGROUP_ROOT_ID 1
#define CGROUP_KEY(hierarchy, id) (((u64)(hierarchy) << 56) | ((id) & ((1ULL << 56) - 1)))

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *kn)
{
	struct kernfs_node___underscore *later = (void *)kn;
	struct kernfs_node___parent *earlier = (void *)kn;

	if (bpf_core_field_exists(later->__parent))
		return BPF_CORE_READ(later, __parent);
	return BPF_CORE_READ(earlier, parent);
}

/* The cgroup of task in one v1 hierarchy, if it is not that hierarchy's root. */
static __always_inline bool cgroup_of_subsystem(struct css_set *set, u64 subsystem, u64 *ret_key,
						struct kernfs_node **ret_node)
{
	struct cgroup_subsys_state *css = NULL;
	struct cgroup *cgroup;
	struct kernfs_node *kn;
	u64 id;

	bpf_core_read(&css, sizeof(css), &set->subsys[subsystem]);
	if (!css)
		return false;
	cgroup = BPF_CORE_READ(css, cgroup);
	kn = BPF_CORE_READ(cgroup, kn);
	id = BPF_CORE_READ(kn, id);
	if (!id || id == CGROUP_ROOT_ID)
		return false;
	*ret_key = CGROUP_KEY(BPF_CORE_READ(cgroup, root, hierarchy_id), id);
	*ret_node = kn;
	return true;
}

#define TRY_SUBSYSTEM(name)                                                                        \
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, name) &&                             \
	    cgroup_of_subsystem(set, bpf_core_enum_value(enum cgroup_subsys_id, name), &key,       \
				ret_node))                                                         \
		return key;

/*
 * The key of task's cgroup: the v2 one, and where that is the root, the first of these v1 hierarchies in which it is
 * not. Ids are per hierarchy, so the hierarchy's number (0 for v2) is part of the key.
 */
static __always_inline u64 cgroup_of_task(struct task_struct *task, struct kernfs_node **ret_node)
{
	struct css_set *set = task->cgroups;
	/* Plain numbers, as the other hierarchies' are: of pointers of two kinds the verifier would follow each to the end. */
	struct kernfs_node *kn = BPF_CORE_READ(set->dfl_cgrp, kn);
	u64 id = BPF_CORE_READ(kn, id), key;

	*ret_node = kn;
	if (id != CGROUP_ROOT_ID)
		return CGROUP_KEY(0, id);
	TRY_SUBSYSTEM(pids_cgrp_id)
	TRY_SUBSYSTEM(cpu_cgrp_id)
	TRY_SUBSYSTEM(freezer_cgrp_id)
	TRY_SUBSYSTEM(devices_cgrp_id)
	TRY_SUBSYSTEM(memory_cgrp_id)
	return CGROUP_KEY(0, id);
}

struct cgroup_walk {
	struct kernfs_node *kn;
	struct scratch *s;
	u64 key; /* hierarchy in the top bits */
	u32 len;
	bool done, cut;
};

/* Adds one component, leaf first; stops at the root, which has no parent. */
static long cgroup_add_component(u32 index, struct cgroup_walk *w)
{
	struct scratch *s = w->s;
	struct kernfs_node *kn = w->kn, *parent = kernfs_parent(kn);
	u32 at = w->len;
	long n;

	if (!parent) {
		w->done = true;
		return 1;
	}
	if (at >= RECORD_CGROUP_BYTES - RECORD_CGROUP_NAME)
		return 1;
	n = bpf_probe_read_kernel_str(&s->cgroup.text[at & (RECORD_CGROUP_BYTES - 1)],
				      RECORD_CGROUP_NAME, BPF_CORE_READ(kn, name));
	if (n <= 0)
		return 1;
	w->cut |= n == RECORD_CGROUP_NAME;
	w->len = at + (u32)n;
	w->kn = parent;
	return 0;
}

/* Fills s->cgroup; false if the path, or a name in it, is longer than what a record can carry. */
static __always_inline bool cgroup_path(struct scratch *s, struct kernfs_node *kn)
{
	struct cgroup_walk w = { .kn = kn, .s = s };

	bpf_loop(RECORD_CGROUP_LEVELS, cgroup_add_component, &w, 0);
	s->cgroup.head.type = EXT_CGROUP_PATH;
	s->cgroup.head.len = w.len;
	s->cgroup.head.size = (sizeof(struct record_ext) + w.len + 7) & ~7U;
	return w.done && !w.cut;
}

static long cgroup_match_ancestor(u32 index, struct cgroup_walk *w)
{
	struct kernfs_node *kn = w->kn;
	u64 key = CGROUP_KEY(w->key >> 56, BPF_CORE_READ(kn, id));

	if (bpf_map_lookup_elem(&filter, &key)) {
		w->done = true;
		return 1;
	}
	w->kn = kernfs_parent(kn);
	return !w->kn;
}

/* Is this cgroup, or one above it, in the filter? */
static __always_inline bool cgroup_is_selected(struct kernfs_node *kn, u64 key)
{
	struct cgroup_walk w = { .kn = kn, .key = key };

	bpf_loop(4 * RECORD_CGROUP_LEVELS, cgroup_match_ancestor, &w, 0);
	return w.done;
}

#endif
