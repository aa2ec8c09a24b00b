/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sampler as it is, and other ways to walk the same stacks; each run of a program is timed, for chosen cgroups. What
 * counts a run is done behind its end, so that it warms no cache for it.
 */
#include "bpf/sampler.bpf.c"

#include "tests/bench/walks.h"
#include "tests/bench/baseline.bpf.h"
#include "tests/bench/row_layouts.bpf.h"

const volatile __u64 walk_cgroups[WALKS_CGROUPS] = {};

struct walk_times times[WALK_NR * WALKS_CGROUPS] = {};

static __always_inline void add_run(u32 program, u64 start, u64 frames, u64 misses)
{
	u64 ns = bpf_ktime_get_ns() - start, bin = ns / WALKS_BIN_NS;
	u64 cgroup = bpf_get_current_cgroup_id();
	u32 i = 0;

	if (bin >= WALKS_BINS)
		bin = WALKS_BINS - 1;
	asm volatile("" : "+r"(bin));
	while (i < WALKS_CGROUPS && walk_cgroups[i] != cgroup)
		i++;
	if (i < WALKS_CGROUPS && (u32)bpf_get_current_pid_tgid()) {
		struct walk_times *t = &times[program * WALKS_CGROUPS + i];

		__sync_fetch_and_add(&t->runs, 1);
		__sync_fetch_and_add(&t->ns, ns);
		__sync_fetch_and_add(&t->frames, frames);
		__sync_fetch_and_add(&t->misses, misses);
		__sync_fetch_and_add(&t->bins[bin & (WALKS_BINS - 1)], 1);
		if (ns > t->max_ns)
			t->max_ns = ns;
	}
}

SEC("perf_event")
int walk_empty(struct bpf_perf_event_data *ctx)
{
	add_run(WALK_EMPTY, bpf_ktime_get_ns(), 0, 0);
	return 0;
}

SEC("perf_event")
int walk_get_stack(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_GET_STACK, start, base_get_stack(ctx), 0);
	return 0;
}

SEC("perf_event")
int walk_record(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_RECORD, start, base_record(ctx), 0);
	return 0;
}

SEC("perf_event")
int walk_rows4(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_ROWS4, start, rows4_walk(ctx), 0);
	return 0;
}

SEC("perf_event")
int walk_rows4_record(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_ROWS4_RECORD, start, rows_record(ctx, rows4_walk(ctx)), 0);
	return 0;
}

SEC("perf_event")
int walk_rows8(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_ROWS8, start, rows8_walk(ctx), 0);
	return 0;
}

SEC("perf_event")
int walk_rows8_record(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();

	add_run(WALK_ROWS8_RECORD, start, rows_record(ctx, rows8_walk(ctx)), 0);
	return 0;
}

SEC("perf_event")
int walk_sample(struct bpf_perf_event_data *ctx)
{
	u64 start = bpf_ktime_get_ns();
	struct scratch *s;

	run_sample(ctx);
	s = scratch_of_cpu();
	if (s)
		add_run(WALK_SAMPLE, start, s->head.nr_words_user, s->walk.rule_misses);
	return 0;
}
