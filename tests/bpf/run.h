/* A recording through the core's own reader, as the tests of the kernel side make it, and the children that they sample. */
#ifndef FLEETPROF_TESTS_BPF_RUN_H
#define FLEETPROF_TESTS_BPF_RUN_H

#include "agent/base/clock.h"
#include "agent/core/loss.h"
#include "agent/core/sampler.h"
#include "tests/test.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RATE_HZ 997

/* A recording: the sampler, its loop, and what a test counts in it. */
struct run {
	struct loop *loop;
	struct sampler *sampler;
	sampler_fn fn;
	uint64_t samples, wrong, right;
	uint64_t tgid;
};

static inline void on_sample(const struct sampler_sample *sample, void *userdata)
{
	struct run *run = userdata;

	run->samples++;
	if (run->fn)
		run->fn(sample, run);
}

static inline void open_run(struct run *run)
{
	struct sampler_config config = { .rate_hz = RATE_HZ,
					 .drain_interval_ns = 200 * NSEC_PER_MSEC,
					 .ring_bytes = 8 << 20,
					 .max_files = 1024,
					 .max_tables = 1024,
					 .table_bytes = 1 << 20,
					 .rule_cache_bytes = 65536,

					 .max_cgroups = 1024 };
	struct err err = ERR_NULL;
	int r;

	CHECK_INT(loop_new(&run->loop), 0);
	r = sampler_new(&run->sampler, run->loop, &config, on_sample, run, &err);
	if (r)
		fprintf(stderr, "%s\n", err.text);
	CHECK_INT(r, 0);
}

static inline void close_run(struct run *run)
{
	run->sampler = sampler_free(run->sampler);
	run->loop = loop_free(run->loop);
}

static inline void start_on(struct run *run, pid_t pid)
{
	struct sampler_filter filter = { .kind = SAMPLER_FILTER_TGIDS,
					 .nr = 1,
					 .ids = { (uint64_t)pid } };
	struct err err = ERR_NULL;

	run->tgid = (uint64_t)pid;
	CHECK_INT(sampler_set_filter(run->sampler, &filter, &err), 0);
	CHECK_INT(sampler_start(run->sampler, &err), 0);
}

static inline void run_for(struct run *run, double seconds)
{
	uint64_t end = clock_boot_ns() + (uint64_t)(seconds * (double)NSEC_PER_SEC);

	do {
		CHECK(loop_run_once(run->loop, 50) >= 0);
	} while (clock_boot_ns() < end);
}

/* Until so many samples were judged, or for a minute: on a busy machine a program that never sleeps has few. */
static inline void run_until(struct run *run, uint64_t nr)
{
	uint64_t end = clock_boot_ns() + 60 * NSEC_PER_SEC;

	while (run->right + run->wrong < nr && clock_boot_ns() < end)
		CHECK(loop_run_once(run->loop, 50) >= 0);
}

/* Stops, and holds the loss equation against what was handed out. */
static inline void stop_run(struct run *run, struct sampler_counts *ret)
{
	struct loss loss;
	struct err err = ERR_NULL;

	CHECK_INT(sampler_stop(run->sampler), 0);
	CHECK_INT(sampler_read_counts(run->sampler, ret), 0);
	CHECK_INT(ret->received, run->samples);
	CHECK_INT(ret->malformed, 0);
	loss = (struct loss) { .sampler = *ret, .in_profile = run->samples };
	if (!loss_balances(&loss, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

/* Runs body in a child until it is killed. */
static inline pid_t child_of(void (*body)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	return pid;
}

/* It has used its CPU for a tenth of a second: whatever it does at first is done. */
static inline void wait_for_work(pid_t pid)
{
	uint64_t end = clock_boot_ns() + 60 * NSEC_PER_SEC;
	struct timespec used = { .tv_sec = 0 };
	clockid_t clock;

	CHECK_INT(clock_getcpuclockid(pid, &clock), 0);
	while (!used.tv_sec && used.tv_nsec < 100000000 && clock_boot_ns() < end) {
		usleep(10000);
		CHECK_INT(clock_gettime(clock, &used), 0);
	}
}

static inline void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

/* One recording of a child that does this; what its samples are judged by is the run's fn. */
static inline void run_on(struct run *run, void (*body)(void))
{
	struct sampler_counts counts;
	pid_t pid;

	open_run(run);
	pid = child_of(body);
	wait_for_work(pid);
	start_on(run, pid);
	run_until(run, 300);
	stop_run(run, &counts);
	end_child(pid);
	close_run(run);
	CHECK(run->right > 200);
}

/* A stack of this depth, built with frame pointers, as everything here. Never returns. */
static __attribute__((noinline, unused)) uint64_t descend(int depth)
{
	static volatile uint64_t sink;
	static volatile bool stay = true;
	uint64_t below = 0;

	if (depth)
		below = descend(depth - 1);
	else
		while (stay)
			sink = sink * 3 + 1;
	__asm__ volatile("" ::: "memory"); /* keeps the recursion from becoming a loop */
	return below + sink;
}

/* Two libraries, which swap_libraries() puts at the same address, one after the other, as a thread named in-0 or in-1. */
static char library[2][64];

static inline void swap_libraries(void)
{
	for (unsigned int i = 0;; i++) {
		void *handle = dlopen(library[i % 2], RTLD_NOW);
		void (*burn)(void) = (void (*)(void))(handle ? dlsym(handle, "burn") : NULL);

		if (!burn)
			_exit(1);
		prctl(PR_SET_NAME, i % 2 ? "in-1" : "in-0");
		burn();
		prctl(PR_SET_NAME, "between");
		dlclose(handle);
	}
}

#endif
