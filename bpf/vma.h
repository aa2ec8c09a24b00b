/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which mapping holds an address? Asked of the kernel's own VMA tree, without locks.
 *
 * The tree (lib/maple_tree.c) is read by RCU rules: a node that was replaced points to itself as its parent, and a
 * VMA may be reused for another address space or range while it is read. So: copy the node, see that it is alive,
 * read the VMA in one go, see that it belongs to this address space and holds the address, then read its
 * identity again. What does not agree is tried once more, and then reported as a race, never guessed.
 */
#ifndef FLEETPROF_VMA_H
#define FLEETPROF_VMA_H

#define MAPLE_NODE_MASK 255UL
#define MAPLE_DEPTH_MAX                                                                            \
	8 /* 16-way leaves and 10-way inner nodes: far above any real address space */
#define VM_EXEC 0x4UL
#define PAGE_SHIFT 12 /* the arm64 build reads the page size from user space's rodata */

#define SB_KERNMOUNT (1UL << 22)
#define TMPFS_MAGIC 0x01021994
#define S_IFMT 0170000
#define S_IFREG 0100000
#define CTIME_QUERIED (1U << 31) /* since 6.13 a mere stat sets it: I_CTIME_QUERIED */

enum vma_result {
	VMA_FOUND = 0,
	VMA_NONE,
	VMA_RACE,
};

/*
 * The index of the slot that covers addr: the first whose pivot is not below it; a zero pivot ends the node.
 * Without branches, since each of them would double what the verifier has to follow.
 */
static __always_inline u64 maple_slot(const u64 *pivots, u64 nr, u64 addr)
{
	u64 index = 0, going = 1;

#pragma unroll
	for (u64 i = 0; i < nr; i++) {
		u64 pivot = pivots[i] & (~0ULL >> 1); /* the last one is ULONG_MAX */
		u64 there = (addr - pivot - 1) >> 63; /* pivot >= addr */
		u64 negative = -pivots[i], used;

		asm volatile(
			""
			: "+r"(negative)); /* or the compiler finds the comparison with 0, and branches */
		used = (pivots[i] | negative) >> 63;
		going &= used & (there ^ 1);
		asm volatile("" : "+r"(going));
		index += going;
	}
	return index;
}

struct descent {
	struct scratch *s;
	u64 entry, addr;
	bool arrived;
};

/* One level of the tree; ends at a leaf's entry, or at a node that was replaced meanwhile. */
static long maple_level(u32 depth, struct descent *d)
{
	struct scratch *s = d->s;
	u64 type = (d->entry >> 3) & 0xf, node = d->entry & ~MAPLE_NODE_MASK, slot;

	if (bpf_probe_read_kernel(s->node, sizeof(s->node), (void *)node) ||
	    (s->node[0] & ~MAPLE_NODE_MASK) == node)
		return 1;
	if (type == bpf_core_enum_value(enum maple_type, maple_arange_64)) {
		slot = bpf_core_field_offset(struct maple_arange_64, slot) / 8;
		slot += maple_slot(&s->node[1], 9, d->addr);
	} else {
		slot = bpf_core_field_offset(struct maple_range_64, slot) / 8;
		slot += maple_slot(&s->node[1], 15, d->addr);
	}
	d->entry = s->node[slot & (MAPLE_NODE_WORDS - 1)];
	d->arrived = type == bpf_core_enum_value(enum maple_type, maple_leaf_64);
	return d->arrived;
}

/* One descent: the entry that covers addr, 0 if none; *dead if a node was replaced meanwhile. */
static __always_inline u64 maple_walk(struct scratch *s, u64 root, u64 addr, bool *dead)
{
	struct descent d = { .s = s, .entry = root, .addr = addr };

	*dead = false;
	if ((root & 3) != 2 || root < 4096)
		return root; /* a tree of one entry, or empty */
	bpf_loop(MAPLE_DEPTH_MAX, maple_level, &d, 0);
	*dead = !d.arrived;
	return d.entry;
}

/*
 * A member of the kernel's struct at ptr, of which the first bytes were read into block at once: a read costs some 20 ns
 * whether it is of 8 bytes or of 128. Where this kernel has the member further back, it is read by itself; which of the
 * two is known when the program is loaded.
 */
#define FROM_BLOCK(block, ptr, field)                                                              \
	({                                                                                         \
		__typeof__((ptr)->field) _value;                                                   \
		u64 _at = bpf_core_field_offset((ptr)->field);                                     \
		if (_at <= sizeof(block) - sizeof(_value))                                         \
			_value = *(__typeof__(_value) *)((char *)(block) + _at);                   \
		else                                                                               \
			bpf_core_read(&_value, sizeof(_value), &(ptr)->field);                     \
		_value;                                                                            \
	})

/*
 * Which address space mm is, and in which state: the running task's. False: nothing tells, since it is being changed, or since
 * this kernel does not count its changes.
 */
static __always_inline bool vma_state(struct mm_struct *mm, struct space_state *ret)
{
	struct mm_struct___seqcount *counted = (void *)mm;
	struct mm_struct___counter *plain = (void *)mm;

	if (bpf_core_field_exists(counted->mm_lock_seq.sequence)) {
		ret->sequence = counted->mm_lock_seq.sequence;
		ret->id = mm_id(mm);
		return !(ret->sequence & 1);
	}
	if (!bpf_core_field_exists(plain->mm_lock_seq))
		return false;
	ret->sequence = (u32)plain->mm_lock_seq;
	ret->id = mm_id(mm);
	return true;
}

/* When a VMA was last locked to be changed. A kernel that does not say it has no vma_state() either. */
static __always_inline u32 vma_sequence(struct scratch *s, struct vm_area_struct *vma)
{
	struct vm_area_struct___locked *locked = (void *)vma;

	if (!bpf_core_field_exists(locked->vm_lock_seq))
		return 0;
	return FROM_BLOCK(s->block, locked, vm_lock_seq);
}

/* Reads the VMA behind entry in one go and checks that it is what the walk promised. */
static __always_inline bool vma_read(struct scratch *s, u64 entry, u64 mm, u64 addr)
{
	struct vm_area_struct *vma = (void *)entry;
	struct vma *v = &s->vma;

	if (bpf_probe_read_kernel(s->block, sizeof(s->block), vma))
		return false;
	v->start = FROM_BLOCK(s->block, vma, vm_start);
	v->end = FROM_BLOCK(s->block, vma, vm_end);
	v->mm = (u64)FROM_BLOCK(s->block, vma, vm_mm);
	v->flags = FROM_BLOCK(s->block, vma, vm_flags);
	v->pgoff = FROM_BLOCK(s->block, vma, vm_pgoff);
	v->file = (u64)FROM_BLOCK(s->block, vma, vm_file);
	v->sequence = vma_sequence(s, vma);
	return v->mm == mm && addr >= v->start && addr < v->end;
}

/* Is the VMA still the same after everything behind it was read? */
static __always_inline bool vma_unchanged(struct scratch *s)
{
	struct vm_area_struct *vma = (void *)s->vma.entry;

	return !bpf_probe_read_kernel(s->block, sizeof(s->block), vma) &&
	       FROM_BLOCK(s->block, vma, vm_start) == s->vma.start &&
	       (u64)FROM_BLOCK(s->block, vma, vm_mm) == s->vma.mm &&
	       (u64)FROM_BLOCK(s->block, vma, vm_file) == s->vma.file;
}

/* Is the VMA that was seen the one of this address space from start to end, and was it not changed since? */
static __always_inline bool vma_stands(struct scratch *s, const struct seen *seen, u64 start,
				       u64 end)
{
	struct vm_area_struct *vma = (void *)seen->vma;

	return seen->vma && !bpf_probe_read_kernel(s->block, sizeof(s->block), vma) &&
	       FROM_BLOCK(s->block, vma, vm_start) == start &&
	       FROM_BLOCK(s->block, vma, vm_end) == end &&
	       (u64)FROM_BLOCK(s->block, vma, vm_mm) == s->mm &&
	       vma_sequence(s, vma) == seen->vma_sequence;
}

/*
 * Finds the mapping that holds addr into s->vma. This is the one door to the address space: another kernel's data
 * structure would stand behind it. A global function, so that the verifier reads it once.
 */
__noinline int vma_find(struct scratch *s, u64 mm, u64 addr)
{
	struct mm_struct *space = (void *)mm;
	bool dead;

	if (!s)
		return VMA_NONE;
	s->vma.entry = maple_walk(s, (u64)BPF_CORE_READ(space, mm_mt.ma_root), addr, &dead);
	if (dead)
		return VMA_RACE;
	if (!s->vma.entry)
		return VMA_NONE;
	return vma_read(s, s->vma.entry, mm, addr) ? VMA_FOUND : VMA_RACE;
}

static __always_inline u64 inode_ctime_ns(struct scratch *s, struct inode *inode)
{
	struct inode___split *split = (void *)inode;
	struct inode___underscore *underscore = (void *)inode;
	struct inode___ctime *plain = (void *)inode;

	if (bpf_core_field_exists(split->i_ctime_sec))
		return (u64)FROM_BLOCK(s->block, split, i_ctime_sec) * 1000000000ULL +
		       (FROM_BLOCK(s->block, split, i_ctime_nsec) & ~CTIME_QUERIED);
	if (bpf_core_field_exists(underscore->__i_ctime))
		return (u64)BPF_CORE_READ(underscore, __i_ctime.tv_sec) * 1000000000ULL +
		       ((u64)BPF_CORE_READ(underscore, __i_ctime.tv_nsec) & ~CTIME_QUERIED);
	return (u64)BPF_CORE_READ(plain, i_ctime.tv_sec) * 1000000000ULL +
	       (u64)BPF_CORE_READ(plain, i_ctime.tv_nsec);
}

/*
 * The identity of the file behind s->vma into map, without its name. False: no file that has one, that is anonymous
 * memory, a memfd, /dev/zero, a device.
 */
static __always_inline bool vma_identity(struct scratch *s, struct rec_map *map)
{
	struct file *file = (void *)s->vma.file;
	struct super_block *sb;
	struct inode *inode;
	u32 nlink, mode;

	if (!file)
		return false;
	inode = BPF_CORE_READ(file, f_inode);
	if (bpf_probe_read_kernel(s->block, sizeof(s->block), inode))
		return false;
	sb = FROM_BLOCK(s->block, inode, i_sb);
	mode = FROM_BLOCK(s->block, inode, i_mode);
	nlink = FROM_BLOCK(s->block, inode, i_nlink);
	map->start = s->vma.start;
	map->end = s->vma.end;
	map->pgoff_bytes = s->vma.pgoff << PAGE_SHIFT;
	map->ino = FROM_BLOCK(s->block, inode, i_ino);
	map->gen = FROM_BLOCK(s->block, inode, i_generation);
	map->size = (u64)FROM_BLOCK(s->block, inode, i_size);
	map->ctime_ns = inode_ctime_ns(s, inode);
	map->flags = nlink ? 0 : REC_MAP_DELETED;
	if (bpf_probe_read_kernel(s->block, sizeof(s->block), sb))
		return false;
	map->dev = FROM_BLOCK(s->block, sb, s_dev);
	map->s_magic = (u32)FROM_BLOCK(s->block, sb, s_magic);
	return (mode & S_IFMT) == S_IFREG && !(FROM_BLOCK(s->block, sb, s_flags) & SB_KERNMOUNT) &&
	       (nlink || map->s_magic != TMPFS_MAGIC);
}

/* File offset of an address - the address, in s->vma. */
static __always_inline u64 vma_bias(const struct scratch *s)
{
	return (s->vma.pgoff << PAGE_SHIFT) - s->vma.start;
}

/*
 * Is s->within, which has no file, a file's text that was copied to huge pages? Then both neighbours are that file's; it
 * belongs to the one that is executable as it was, or else the two agree where it lies. True: s->vma is the one below, and
 * *bias is the place in the file.
 */
static __always_inline bool vma_huge_text(struct scratch *s, u64 *bias)
{
	u64 file, flags;

	if (s->within.file || vma_find(s, s->mm, s->within.end) || !s->vma.file)
		return false;
	file = s->vma.file;
	flags = s->vma.flags;
	*bias = vma_bias(s);
	if (vma_find(s, s->mm, s->within.start - 1) || s->vma.file != file)
		return false;
	if ((s->vma.flags & VM_EXEC) || (!(flags & VM_EXEC) && vma_bias(s) == *bias)) {
		*bias = vma_bias(s);
		return true;
	}
	return flags & VM_EXEC;
}

static __always_inline void vma_name(const struct scratch *s, struct rec_map *map)
{
	struct file *file = (void *)s->vma.file;
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);

	if (bpf_probe_read_kernel_str(map->name, sizeof(map->name), name) < 0)
		map->name[0] = '\0';
}

#endif
