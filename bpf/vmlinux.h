/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own types, as far as the programs touch them: hand-written, and every access relocated (CO-RE), so
 * that neither the order nor the place of a member matters, only its name and type.
 *
 * A type that changed its members' names between kernels has flavours: struct foo___suffix stands for struct foo,
 * and the program asks which members exist.
 */
#ifndef FLEETPROF_VMLINUX_H
#define FLEETPROF_VMLINUX_H

#include <linux/types.h>
#include <linux/bpf.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* The registers of a perf event's context are user-space ABI (bpf_user_pt_regs_t): their places do not move. */
struct pt_regs {
#if defined(__TARGET_ARCH_x86)
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
#elif defined(__TARGET_ARCH_arm64)
	u64 regs[31];
	u64 sp, pc, pstate;
#endif
};

struct bpf_perf_event_data {
	struct pt_regs regs;
	u64 sample_period;
	u64 addr;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	void *parent;
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	void *parent;
	unsigned long pivot[9];
	void *slot[10];
};

enum maple_type { maple_leaf_64 = 1, maple_range_64 = 2, maple_arange_64 = 3 };

struct file_system_type {
	int fs_flags;
};

struct super_block {
	u32 s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	long long i_size;
	u32 i_generation;
};
struct inode___ctime { /* ≤ 6.5 */
	struct timespec64 i_ctime;
};
struct inode___underscore { /* 6.6 … 6.10 */
	struct timespec64 __i_ctime;
};
struct inode___split { /* since 6.11 */
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
	struct inode *d_inode;
};

struct vfsmount {
	int mnt_flags;
};

struct mount { /* fs/mount.h */
	struct vfsmount mnt;
	int mnt_id;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct fs_struct {
	struct path root;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};
struct vm_area_struct___locked { /* since 6.4, with CONFIG_PER_VMA_LOCK */
	unsigned int vm_lock_seq;
};

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	void *vdso;
#if defined(__TARGET_ARCH_x86)
	u64 ctx_id;
#elif defined(__TARGET_ARCH_arm64)
	atomic64_t id;
#endif
} mm_context_t;

struct xol_area {
	unsigned long vaddr;
};

struct uprobes_state {
	struct xol_area *xol_area;
};

struct mm_struct {
	struct maple_tree mm_mt;
	mm_context_t context;
	struct uprobes_state uprobes_state;
};

struct seqcount {
	unsigned int sequence;
};
struct mm_struct___counter { /* 6.4 … 6.13 */
	int mm_lock_seq;
};
struct mm_struct___seqcount { /* since 6.14 */
	struct seqcount mm_lock_seq;
};

struct kernfs_node {
	const char *name;
	u64 id;
};
struct kernfs_node___parent { /* ≤ 6.14 */
	struct kernfs_node *parent;
};
struct kernfs_node___underscore { /* since 6.15 */
	struct kernfs_node *__parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

enum cgroup_subsys_id {
	cpu_cgrp_id,
	memory_cgrp_id,
	devices_cgrp_id,
	freezer_cgrp_id,
	pids_cgrp_id,
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

struct return_instance {
	unsigned long orig_ret_vaddr;
	bool chained; /* the next one is of the same return address */
	struct return_instance *next;
};

struct uprobe_task {
	struct return_instance *return_instances;
	unsigned long vaddr, xol_vaddr;
};

struct thread_struct {
	unsigned long fsbase;
};

struct task_struct {
	unsigned int flags;
	int pid, tgid;
	struct mm_struct *mm;
	struct task_struct *real_parent, *group_leader;
	unsigned long nvcsw, nivcsw;
	u64 start_boottime;
	char comm[16];
	struct fs_struct *fs;
	struct css_set *cgroups;
	struct uprobe_task *utask;
	unsigned int in_execve : 1;
	struct thread_struct thread;
};

struct hrtimer {
	s64 _softexpires;
};

struct hw_perf_event {
	struct hrtimer hrtimer;
	u64 interrupts;
};

struct perf_event {
	struct hw_perf_event hw;
};

struct bpf_perf_event_data_kern {
	struct perf_event *event;
};

#pragma clang attribute pop

#endif
