/* SPDX-License-Identifier: GPL-2.0 */
/* What sampling costs without us: a program that does nothing, and one that asks the kernel for both stacks. */
#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

#define DEPTH 127

struct stacks {
	__u64 kernel[DEPTH], user[DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stacks);
} scratch SEC(".maps");

SEC("perf_event")
int base_empty(void *ctx)
{
	return 0;
}

SEC("perf_event")
int base_get_stack(void *ctx)
{
	__u32 zero = 0;
	struct stacks *s = bpf_map_lookup_elem(&scratch, &zero);

	if (!s || !(bpf_get_current_pid_tgid() >> 32)) /* idle is left, as we do */
		return 0;
	bpf_get_stack(ctx, s->kernel, sizeof(s->kernel), 0);
	bpf_get_stack(ctx, s->user, sizeof(s->user), BPF_F_USER_STACK);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
