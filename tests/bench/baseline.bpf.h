/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sampling costs without us: asking the kernel for the stacks, and also handing them to user space with the least
 * that a profile needs. Both return how many user frames there were; idle is left, and the kernel's stack is asked for
 * only where there is one, as we do.
 */
#ifndef FLEETPROF_BENCH_BASELINE_BPF_H
#define FLEETPROF_BENCH_BASELINE_BPF_H

#define BASE_DEPTH 127

struct base_stacks {
	u64 time_ns, id, cgroup;
	char comm[16];
	u64 user[BASE_DEPTH + 1], kernel[BASE_DEPTH + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct base_stacks);
} base_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} base_ring SEC(".maps");

static __always_inline struct base_stacks *base_of_cpu(void)
{
	u32 zero = 0;

	return (u32)bpf_get_current_pid_tgid() ? bpf_map_lookup_elem(&base_scratch, &zero) : NULL;
}

/* Bytes of the user's stack. */
static __always_inline u64 base_stacks(struct bpf_perf_event_data *ctx, struct base_stacks *s)
{
	long size;

	if (regs_pc(&ctx->regs) >> 63)
		bpf_get_stack(ctx, s->kernel, BASE_DEPTH * 8, 0);
	size = bpf_get_stack(ctx, s->user, BASE_DEPTH * 8, BPF_F_USER_STACK);
	return size > 0 ? size : 0;
}

static __always_inline u64 base_get_stack(struct bpf_perf_event_data *ctx)
{
	struct base_stacks *s = base_of_cpu();

	return s ? base_stacks(ctx, s) / 8 : 0;
}

/* Hands over who runs, and the stacks that were just taken. */
static __always_inline void base_emit(struct bpf_perf_event_data *ctx, struct base_stacks *s,
				      u64 nr_user)
{
	u64 size = __builtin_offsetof(struct base_stacks, user) +
		   (nr_user * 8 & (sizeof(s->user) - 1));

	s->time_ns = bpf_ktime_get_boot_ns();
	s->id = bpf_get_current_pid_tgid();
	s->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(s->comm, sizeof(s->comm));
	if (regs_pc(&ctx->regs) >> 63)
		size = sizeof(*s);
	bpf_ringbuf_output(&base_ring, s, size, BPF_RB_NO_WAKEUP);
}

static __always_inline u64 base_record(struct bpf_perf_event_data *ctx)
{
	struct base_stacks *s = base_of_cpu();
	u64 nr;

	if (!s)
		return 0;
	nr = base_stacks(ctx, s) / 8;
	base_emit(ctx, s, nr);
	return nr;
}

#endif
