/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ticks that did not come: while the CPU slept, when no sample is missing, or because the timer was late.
 *
 * Two things keep a tick from an idle CPU. A virtual machine's host may wake it late, and the timer that finds itself
 * late leaves out the periods that have passed. And the kernel counts an event's interrupts from one scheduler tick
 * to the next, and stops the event above perf_event_max_sample_rate / HZ of them (__perf_event_account_interrupt():
 * 400 at HZ=250): a CPU that sleeps has no scheduler tick (nohz), so that even a slow event is stopped in the end, and
 * comes back with the first scheduler tick after the CPU's first work. Hence a stopped event asks the core to
 * start it again.
 *
 * A timer that is late on a CPU that does not sleep had interrupts off before it, or in a virtual machine no CPU to
 * run on: the host gave it to others.
 *
 * The proof that a CPU slept from one of our runs to the next: both found its idle task, and that has not been switched
 * away from in between.
 */
#ifndef FLEETPROF_ASLEEP_H
#define FLEETPROF_ASLEEP_H

#define STOPPED_BY_KERNEL (~0ULL) /* MAX_INTERRUPTS, kernel/events/core.c */
#define RESTART_INTERVAL_NS 20000000 /* the core is woken at most so often to start events again */

__u64 attached =
	0; /* how often the events were opened anew; written by user space while no event runs */
__u64 stopped
	[ASLEEP_CPU_WORDS] = {}; /* a bit per CPU, cleared by user space, which starts its event again */
__u64 last_restart_ns = 0; /* a hint: two CPUs that wake the core at once do no harm */

/* Of this CPU's event at this run. */
struct tick {
	u64 due_ns; /* by the timer; the run may be late */
	u64 interrupts;
};

/* How often this CPU's idle task, which is the current one, made room for another; never 0. */
static __always_inline u64 idle_switches(void)
{
	struct task_struct *idle = bpf_get_current_task_btf();

	return BPF_CORE_READ(idle, nvcsw) + BPF_CORE_READ(idle, nivcsw) + 1;
}

static __always_inline bool read_tick(struct bpf_perf_event_data *ctx, struct tick *ret)
{
	struct perf_event *event = NULL;
	u64 at = bpf_core_field_offset(struct bpf_perf_event_data_kern, event);

	if (!bpf_core_field_exists(event->hw.hrtimer._softexpires) ||
	    !bpf_core_field_exists(event->hw.interrupts))
		return false;
	if (bpf_probe_read_kernel(&event, sizeof(event), (void *)ctx + at) || !event)
		return false;
	ret->due_ns = BPF_CORE_READ(event, hw.hrtimer._softexpires);
	ret->interrupts = BPF_CORE_READ(event, hw.interrupts);
	return true;
}

/* The core hears of it by an empty piece of the ring, which it skips. */
static __always_inline void ask_for_restart(u64 now)
{
	u32 cpu = bpf_get_smp_processor_id();
	void *empty;

	__sync_fetch_and_or(&stopped[(cpu / 64) & (ASLEEP_CPU_WORDS - 1)], 1ULL << (cpu & 63));
	if (now - last_restart_ns < RESTART_INTERVAL_NS)
		return;
	last_restart_ns = now;
	empty = bpf_ringbuf_reserve(&ring, sizeof(u64), 0);
	if (empty)
		bpf_ringbuf_discard(empty, BPF_RB_FORCE_WAKEUP);
}

/* hrtimer_forward(): the next one comes a whole number of periods later, the first that is not over. */
static __always_inline u64 ticks_left_out(const struct tick *tick, u64 now, u64 period)
{
	return now > tick->due_ns ? (now - tick->due_ns) / period : 0;
}

/* A run that found the idle task. */
static __always_inline void tick_of_idle(struct bpf_perf_event_data *ctx, struct asleep *a,
					 struct counters *c, u64 period)
{
	u64 now = bpf_ktime_get_ns(), switches = idle_switches(), left_out, ticks;
	struct tick tick;

	if (!period || !read_tick(ctx, &tick))
		return;
	left_out = ticks_left_out(&tick, now, period);
	tick.due_ns += left_out * period;
	if (a->attached != attached || a->switches != switches) {
		c->counter[COUNTER_LATE] += left_out;
	} else if (tick.due_ns > a->until_ns) {
		ticks = (tick.due_ns - a->until_ns + period / 2) / period;
		if (ticks > 1)
			c->counter[COUNTER_ASLEEP] += ticks - 1; /* one is this run */
	}
	a->attached = attached;
	a->switches = switches;
	a->until_ns = tick.due_ns;
	a->last_ns = now;
	a->is_stopped = tick.interrupts == STOPPED_BY_KERNEL;
	if (a->is_stopped) {
		count(c, COUNTER_STOPPED);
		ask_for_restart(now);
	}
}

/* A run that found a task. The event is looked at only if the last run is longer ago than a period. */
static __always_inline void tick_of_task(struct bpf_perf_event_data *ctx, struct asleep *a,
					 struct counters *c, u64 period)
{
	u64 now = bpf_ktime_get_ns(), last = a->last_ns;
	struct tick tick;

	a->last_ns = now;
	if (period && now - last > period + period / 4 && read_tick(ctx, &tick))
		c->counter[COUNTER_LATE] += ticks_left_out(&tick, now, period);
}

/* Between two runs, when somebody wants to know what is counted by now. */
static __always_inline void asleep_until_now(struct asleep *a, struct counters *c, u64 period)
{
	u64 now = bpf_ktime_get_ns(), ticks;

	if (!period || a->attached != attached || !a->switches || a->switches != idle_switches() ||
	    now <= a->until_ns)
		return;
	ticks = (now - a->until_ns) / period;
	if (ticks && !a->is_stopped)
		ticks--; /* the timer is due, and brings one run for all of them */
	c->counter[COUNTER_ASLEEP] += ticks;
	a->until_ns += ticks * period;
}

#endif
