/* The doctor: the real programs loaded and run, and what one interrupt costs. */
#include "agent/base/clock.h"
#include "agent/core/doctor_internal.h"
#include "agent/core/interrupt_cost.h"
#include "agent/core/sampler.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TRIAL_RATE 199
#define TRIAL_NS (400 * NSEC_PER_MSEC) /* 80 samples of this process */
#define COST_RATE 10000
#define RATE_DEFAULT 19

static void on_sample(const struct sampler_sample *sample, void *userdata)
{
	size_t *named = userdata;

	*named += sample->head->nr_words_user > 0;
}

static int try_sampler(struct sampler **sampler, struct loop *loop, size_t *ret_stacks,
		       struct sampler_counts *ret, struct err *err)
{
	const struct sampler_config config = { .rate_hz = TRIAL_RATE,
					       .ring_bytes = 1u << 20,
					       .drain_interval_ns = NSEC_PER_SEC,
					       .max_files = 64,
					       .max_cgroups = 64,
					       .max_tables = 64,
					       .table_bytes = 1u << 20,
					       .rule_cache_bytes = 32u << 10 };
	const struct sampler_filter filter = { .kind = SAMPLER_FILTER_TGIDS,
					       .nr = 1,
					       .ids = { (uint64_t)getpid() } };
	uint64_t end;
	int r = sampler_new(sampler, loop, &config, on_sample, ret_stacks, err);

	if (!r)
		r = sampler_set_filter(*sampler, &filter, err);
	if (!r)
		r = sampler_start(*sampler, err);
	if (r)
		return r;
	end = clock_cpu_ns() + TRIAL_NS;
	while (clock_cpu_ns() < end)
		;
	r = sampler_stop(*sampler);
	if (r >= 0)
		r = sampler_read_counts(*sampler, ret);
	return r < 0 ? err_errno(err, r, "cannot end the trial") : 0;
}

/* A CPU that was idle is none of these: that no tick came is known then. */
static void say_ticks(struct doctor *d, const struct sampler_counts *counts)
{
	if (counts->nr_silent)
		doctor_add(d, DOCTOR_WARN, "ticks",
			   "what runs there is not sampled: look for a host that does not run this "
			   "virtual CPU (steal in /proc/stat), or a program that is in bpf(2) all "
			   "the time",
			   "CPU %u brought no tick%s, and was not idle", counts->silent_cpu,
			   counts->nr_silent > 1 ? ", and others neither" : "");
	else
		doctor_add(d, DOCTOR_OK, "ticks", NULL,
			   "%" PRIu64 " of %" PRIu64 " came; %" PRIu64
			   " of the rest while a CPU slept, %" PRIu64 " by a late timer",
			   counts->runs, counts->expected, counts->asleep, counts->late);
}

static void say_result(struct doctor *d, const struct sampler_counts *counts, size_t stacks)
{
	uint64_t timed = counts->bpf[COUNTER_SELF_TIMED_RUNS];

	if (!counts->runs)
		doctor_add(d, DOCTOR_FAIL, "programs",
			   "another user of perf events may hold them all: look for one (perf, "
			   "another profiler)",
			   "loaded and attached, but never run: %" PRIu64 " runs were expected",
			   counts->expected);
	else if (!stacks)
		doctor_add(d, DOCTOR_FAIL, "programs",
			   "this is an error of fleetprof: please report it with this text",
			   "run %" PRIu64 " times, but no sample of a process that was busy came",
			   counts->runs);
	else
		doctor_add(d, DOCTOR_OK, "programs", NULL,
			   "loaded, attached and run: %zu samples of this process with its stack, "
			   "%" PRIu64 " ns for one run",
			   stacks, timed ? counts->bpf[COUNTER_SELF_TIMED_NS] / timed : 0);
}

void doctor_sampling(struct doctor *d)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	_cleanup_(sampler_freep) struct sampler *sampler = NULL;
	struct sampler_counts counts = { 0 };
	struct err err = ERR_NULL;
	size_t stacks = 0;
	int r = loop_new(&loop);

	if (!r)
		r = try_sampler(&sampler, loop, &stacks, &counts, &err);
	if (r)
		doctor_add(
			d, DOCTOR_FAIL, "programs",
			d->seccomp_filter && (r == -EPERM || r == -EACCES || r == -ENOSYS)
				? "a seccomp filter is active here: allow bpf and perf_event_open "
				  "(--security-opt seccomp=unconfined, seccompProfile: {type: "
				  "Unconfined}), besides what the lines above say"
				: "what the lines above say comes first",
			"%s", err.text[0] ? err.text : err_str(r));
	else
		say_result(d, &counts, stacks);
	if (!r && counts.runs)
		say_ticks(d, &counts);
}

void doctor_interrupts(struct doctor *d)
{
	double rate = d->config ? (double)d->config->rate : RATE_DEFAULT, ns, share;
	uint64_t trial = COST_RATE;
	int64_t max;
	int r;

	/* The kernel throttles what is above. */
	if (doctor_read_number(d, "proc/sys/kernel/perf_event_max_sample_rate", &max) && max > 0)
		trial = MIN(trial, MAX((uint64_t)max / 2, 100ul));
	r = interrupt_cost_measure(trial, &ns);
	if (r < 0) {
		doctor_add(d, DOCTOR_WARN, "interrupt cost", NULL,
			   "not measured: a perf event of this process alone: %s", err_str(r));
		return;
	}
	if (r == INTERRUPT_COST_E_UNKNOWN) {
		doctor_add(d, DOCTOR_OK, "interrupt cost", NULL,
			   "not measured: this host is too busy just now");
		return;
	}
	share = ns * rate / NSEC_PER_SEC * 100;
	doctor_add(d, share < 1 ? DOCTOR_OK : DOCTOR_WARN, "interrupt cost",
		   share < 1 ? NULL : "a lower rate (rate: in the settings) costs less",
		   "%.1f µs each (measured at %" PRIu64 " Hz): %.3f %% of each CPU at %.0f Hz, our "
		   "own program not counted",
		   ns / 1000, trial, share, rate);
}
