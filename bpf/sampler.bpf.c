/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sampler: a perf event fires on a CPU, and one record says who ran there and where.
 *
 * Programs: `sample`, on a perf event of every CPU; `look_up`, run by user space on itself, for the self-test at start
 * and to learn the identity of a descriptor's file.
 */
#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/record.h"
#include "bpf/unwind_slot.h"
#include "bpf/scratch.h"
#include "bpf/asleep.h"
#if defined(__TARGET_ARCH_x86)
#include "bpf/regs_x86.h"
#else
#include "bpf/regs_arm64.h"
#endif
#include "bpf/vma.h"
#include "bpf/space.h"
#include "bpf/cgroup.h"
#include "bpf/tables.h"
#include "bpf/recent.h"
#include "bpf/address.h"
#include "bpf/uprobes.h"
#include "bpf/unwind.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */
#define PF_USER_WORKER 0x00004000 /* since 6.4 */
#define PF_KTHREAD 0x00200000
#define ANCESTORS_MAX 32 /* generations between a selected process and its youngest descendant */
#define SELF_TIME_EVERY 16
#define WAKE_INTERVAL_NS 200000 /* a CPU wakes the core for new mappings at most so often */

enum filter_kind { FILTER_ALL = 0, FILTER_TGIDS, FILTER_DESCENDANTS, FILTER_CGROUPS };

const volatile __u64 hash_seed = 0;
const volatile __u64 ring_bytes = 0;

/* Written by user space while no event runs. */
__u64 period_ns = 0;
__u32 filter_kind = FILTER_ALL;
__u32 epoch = 0;

static __always_inline bool is_descendant(struct task_struct *task)
{
	for (u32 i = 0; i < ANCESTORS_MAX; i++) {
		u64 tgid;

		task = BPF_CORE_READ(task, real_parent, group_leader);
		tgid = (u32)BPF_CORE_READ(task, tgid);
		if (tgid <= 1)
			return false;
		if (bpf_map_lookup_elem(&filter, &tgid))
			return true;
	}
	return false;
}

static __always_inline bool is_selected(struct task_struct *task, struct task_struct *leader,
					u64 tgid, struct kernfs_node *kn, u64 cgroup)
{
	switch (filter_kind) {
	case FILTER_ALL:
		return true;
	case FILTER_TGIDS:
		return bpf_map_lookup_elem(&filter, &tgid);
	case FILTER_DESCENDANTS:
		return is_descendant(leader);
	case FILTER_CGROUPS:
		return cgroup_is_selected(kn, cgroup);
	}
	return false;
}

/* Whose files a program may name as its own; a thread that is between two roots may show one of neither. */
static __always_inline void root_of(struct record_sample *head, struct task_struct *task)
{
	struct fs_struct *fs = task->fs;
	u64 mnt = (u64)fs->root.mnt;
	struct mount *mount;

	mount = (void *)(mnt - bpf_core_field_offset(struct mount, mnt));
	if (mnt && !bpf_core_read(&head->root_mount, sizeof(head->root_mount), &mount->mnt_id))
		head->root_ino = fs->root.dentry->d_inode->i_ino;
}

static __always_inline void begin(struct scratch *s, struct task_struct *task,
				  struct task_struct *leader)
{
	struct record_sample *head = &s->head;

	__builtin_memset(head, 0, sizeof(*head));
	head->record.type = RECORD_SAMPLE;
	head->record.version = RECORD_VERSION;
	head->record.cpu = bpf_get_smp_processor_id();
	head->record.time_boot_ns = bpf_ktime_get_boot_ns();
	head->hash = hash_seed;
	head->value = period_ns;
	head->start_boot_ns = leader->start_boottime;
	head->tgid = task->tgid;
	head->tid = task->pid;
	head->epoch = epoch;
	head->profile_type = PROFILE_CPU;
	head->end_reason = END_NONE;
	bpf_core_read(head->comm, sizeof(head->comm), &task->comm);
	bpf_core_read(head->leader_comm, sizeof(head->leader_comm), &leader->comm);
	head->comm[RECORD_COMM_LEN - 1] = '\0';
	head->leader_comm[RECORD_COMM_LEN - 1] = '\0';
	root_of(head, task);
	s->nr_words = 0;
	s->mm = (u64)task->mm;
}

static long convert_kernel_word(u32 index, struct unwind_context *u)
{
	struct scratch *s = u->s;
	u64 address = s->words[index & WORDS_MASK];

	s->nr_words = index;
	push_word(s, FRAME_MAKE_KERNEL(index ? address - 1 : address));
	return 0;
}

static __always_inline void kernel_stack(struct bpf_perf_event_data *ctx, struct scratch *s)
{
	struct unwind_context u = { .s = s };
	long size;

	s->head.record.flags |= RECORD_IN_KERNEL;
	size = bpf_get_stack(ctx, s->words, RECORD_MAX_KERNEL_FRAMES * 8, 0);
	if (size <= 0)
		return;
	if (size >= RECORD_MAX_KERNEL_FRAMES * 8)
		s->head.record.flags |= RECORD_KERNEL_CUT;
	bpf_loop((u32)size / 8, convert_kernel_word, &u, 0);
}

static __always_inline void walk_user(struct scratch *s, struct counters *c,
				      struct task_struct *task, u64 mode)
{
	asm volatile("" : "+r"(mode)); /* a narrow load from the context is refused */
	if (!mode_is_64bit(mode)) {
		end_without_stack(s, END_UNSUPPORTED_ABI);
		return;
	}
	s->space_state.generation = *(volatile u32 *)&files_generation;
	if (!vma_state(task->mm, &s->space_state))
		s->space_state.id = 0;
	if (space_take(s))
		count(c, COUNTER_SPACES_RECALLED);
	unwind_user(s, c);
}

/* The new address space is there already, and the registers are still the old program's. */
static __always_inline bool is_executing(struct scratch *s, struct task_struct *task)
{
	return bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD(task, in_execve) &&
	       vma_find(s, s->mm, s->walk.pc) == VMA_NONE;
}

static __always_inline void user_stack(struct bpf_perf_event_data *ctx, struct scratch *s,
				       struct counters *c, struct task_struct *task)
{
	u32 flags = task->flags;
	u64 mode;

	if (flags & PF_KTHREAD) { /* also while it borrows a user's address space */
		s->head.record.flags |= RECORD_KTHREAD;
		return;
	}
	if (!s->mm) {
		s->head.end_reason = END_EXITING;
		return;
	}
	if (flags & (PF_IO_WORKER | PF_USER_WORKER)) {
		end_without_stack(s, END_USER_WORKER);
		return;
	}
	if (s->head.record.flags & RECORD_IN_KERNEL) {
		struct pt_regs *regs = &s->regs;

		if (bpf_probe_read_kernel(regs, sizeof(*regs), (void *)bpf_task_pt_regs(task))) {
			end_without_stack(s, END_READ_FAULT);
			return;
		}
		walk_set_regs(&s->walk, regs);
		if (is_executing(s, task)) {
			s->head.end_reason = END_EXECUTING;
			return;
		}
		mode = regs_mode(regs);
	} else {
		walk_set_regs(&s->walk, &ctx->regs);
		mode = regs_mode(&ctx->regs);
		/*
		 * Or the compiler loads behind the branches, through a pointer that may be the context: refused.
		 */
		asm volatile("" ::: "memory");
	}
	walk_user(s, c, task, mode);
}

/* When to wake the core: for a file to be opened while its process lives, and before the ring is full. */
static __always_inline u64 wake_flags(struct scratch *s)
{
	if (s->head.record.flags & (RECORD_NEW_MAPS | RECORD_NEW_CGROUP)) {
		u64 now = s->head.record.time_boot_ns;

		if (now - s->last_wake_ns >= WAKE_INTERVAL_NS) {
			s->last_wake_ns = now;
			return BPF_RB_FORCE_WAKEUP;
		}
	}
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_bytes / 2)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline u32 clamp(u64 size, u32 max)
{
	asm volatile("" : "+r"(size));
	return size > max ? max : size;
}

/* Writes head, extension, maps and words one behind the other into the ring. */
static __always_inline bool emit_in_parts(struct scratch *s, u32 ext_size, u32 maps_size,
					  u32 words_size)
{
	u32 at = sizeof(s->head);
	struct bpf_dynptr ptr;
	bool lost;

	lost = bpf_ringbuf_reserve_dynptr(&ring, s->head.record.size, 0, &ptr) < 0;
	if (!lost) {
		bpf_dynptr_write(&ptr, 0, &s->head, sizeof(s->head), 0);
		if (ext_size)
			bpf_dynptr_write(&ptr, at, &s->cgroup, ext_size, 0);
		at += ext_size;
		if (maps_size)
			bpf_dynptr_write(&ptr, at, s->maps, maps_size, 0);
		at += maps_size;
		if (words_size)
			bpf_dynptr_write(&ptr, at, s->words, words_size, 0);
	}
	if (lost)
		bpf_ringbuf_discard_dynptr(&ptr, 0);
	else
		bpf_ringbuf_submit_dynptr(&ptr, wake_flags(s));
	return !lost;
}

static __always_inline bool emit(struct scratch *s)
{
	u32 ext_size = clamp(s->head.nr_ext ? s->cgroup.head.size : 0, sizeof(s->cgroup));
	u32 maps_size = clamp(s->head.nr_maps * sizeof(struct rec_map), sizeof(s->maps));
	u32 words_size = clamp((u64)s->nr_words * 8, RECORD_MAX_WORDS * 8);
	u32 size = sizeof(s->head) + words_size;

	s->head.record.size = size + ext_size + maps_size;
	if (ext_size || maps_size)
		return emit_in_parts(s, ext_size, maps_size, words_size);
	return !bpf_ringbuf_output(&ring, &s->head, size, wake_flags(s));
}

static __always_inline void take_sample(struct bpf_perf_event_data *ctx, struct scratch *s,
					struct counters *c, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct kernfs_node *kn;
	u64 cgroup = cgroup_of_task(task, &kn);
	int state = find_cgroup(s, cgroup);

	if (state == CGROUP_STATE_LEFT_OUT ||
	    !is_selected(task, leader, (u32)task->tgid, kn, cgroup)) {
		count(c, COUNTER_FILTERED);
		return;
	}
	begin(s, task, leader);
	s->head.cgroup = cgroup;
	if (regs_pc(&ctx->regs) >> 63)
		kernel_stack(ctx, s);
	s->head.nr_words_kernel = s->nr_words;
	user_stack(ctx, s, c, task);
	s->head.nr_words_user = s->nr_words - s->head.nr_words_kernel;
	if (s->head.nr_maps)
		s->head.record.flags |= RECORD_NEW_MAPS;
	if (!state) {
		if (!cgroup_path(s, kn))
			count(c, COUNTER_CGROUP_PATH_CUT);
		s->head.record.flags |= RECORD_NEW_CGROUP;
		s->head.nr_ext = 1;
	}
	if (!emit(s)) {
		count(c, COUNTER_LOST_RING_FULL);
		return;
	}
	count(c, COUNTER_SAMPLED);
	count(c, COUNTER_RECORDS);
}

static __always_inline void time_self(struct counters *c, u64 start)
{
	u64 ns = bpf_ktime_get_ns() - start;

	count(c, COUNTER_SELF_TIMED_RUNS);
	c->counter[COUNTER_SELF_TIMED_NS] += ns;
	if (ns > c->counter[COUNTER_SELF_TIMED_MAX_NS])
		c->counter[COUNTER_SELF_TIMED_MAX_NS] = ns;
}

static __always_inline void run_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = scratch_of_cpu();
	struct counters *c;
	u64 start = 0;
	u32 zero = 0;

	c = bpf_map_lookup_elem(&counters, &zero);
	if (!c)
		return; /* a per-CPU array has its element; the verifier cannot know */
	count(c, COUNTER_RUNS);
	if (!task->pid) {
		count(c, COUNTER_IDLE);
		if (s)
			tick_of_idle(ctx, &s->asleep, c, period_ns);
		return;
	}
	if (!s) {
		count(c, COUNTER_LOST_SCRATCH);
		return;
	}
	tick_of_task(ctx, &s->asleep, c, period_ns);
	if (s->busy) {
		count(c, COUNTER_LOST_NESTED);
		return;
	}
	s->busy = 1;
	read_ahead(s, __builtin_offsetof(struct scratch, recent_cgroups));
	if (c->counter[COUNTER_RUNS] % SELF_TIME_EVERY == 0)
		start = bpf_ktime_get_ns();
	take_sample(ctx, s, c, task);
	if (start)
		time_self(c, start);
	s->busy = 0;
}

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	run_sample(ctx);
	return 0;
}

/* Run by user space on each CPU before it reads the counters: a CPU may sleep for long. */
SEC("raw_tp")
int settle(struct bpf_raw_tracepoint_args *ctx)
{
	struct scratch *s = scratch_of_cpu();
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (s && c && !(u32)bpf_get_current_pid_tgid())
		asleep_until_now(&s->asleep, c, period_ns);
	return 0;
}

/* The answer of the last look_up; user space runs it on one thread only. */
struct {
	__u64 found; /* 1: map is valid; 2: a mapping without a file that has an identity; 0: none */
	__u64 races;
	__u64 tgid; /* of the running process, as the host counts */
	struct rec_map map;
} looked_up = {};

/* True: that was the answer; false: a race. */
static __always_inline bool look_up_once(struct scratch *s, u64 address)
{
	int result = vma_find(s, s->mm, address);
	bool file;

	if (result == VMA_NONE)
		return true;
	if (result == VMA_RACE)
		return false;
	file = vma_identity(s, &s->maps[0]);
	if (file)
		vma_name(s, &s->maps[0]);
	if (!vma_unchanged(s))
		return false;
	looked_up.map = s->maps[0];
	looked_up.map.start = s->vma.start;
	looked_up.map.end = s->vma.end;
	looked_up.map.pgoff_bytes = s->vma.pgoff << PAGE_SHIFT;
	looked_up.found = file ? 1 : 2;
	return true;
}

/* Argument 0: a user address of the running process. No loop: 6.1 takes none around a function that calls bpf_loop. */
SEC("raw_tp")
int look_up(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = scratch_of_cpu();
	u64 address = ctx->args[0];

	looked_up.found = 0;
	looked_up.races = 0;
	looked_up.tgid = bpf_get_current_pid_tgid() >> 32;
	if (!s)
		return 0;
	s->mm = (u64)BPF_CORE_READ(task, mm);
	if (look_up_once(s, address))
		return 0;
	looked_up.races++;
	if (!look_up_once(s, address))
		looked_up.races++;
	return 0;
}
