/* What one interrupt costs. */
#include "agent/core/interrupt_cost.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/log.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define SPIN_ROUNDS 21 /* the fastest counts: others are disturbed */
#define SPIN_NS (10 * NSEC_PER_MSEC)
#define PLAUSIBLE_NS 300 /* no interrupt is faster */
#define TRIAL_HZ 5000
#define SAMPLE_NS 6000 /* our own program's part, with a deep stack */
#define UNKNOWN_NS 30000 /* taken for it where it cannot be measured: a slow virtual machine's */

/* An event of this thread alone that interrupts it and does nothing else; -1 where it may not be had. */
static int open_clock(uint64_t rate)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = NSEC_PER_SEC / rate,
		.exclude_kernel = 1, /* so that anybody may */
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* A fixed amount of work that the compiler cannot see through. */
static uint64_t spin(uint64_t iterations)
{
	volatile uint64_t x = 1;
	uint64_t begin = clock_mono_ns();

	for (uint64_t i = 0; i < iterations; i++)
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	return clock_mono_ns() - begin;
}

static uint64_t work_for(uint64_t ns)
{
	uint64_t iterations = 1u << 16, took = 0;

	while ((took = spin(iterations)) < ns / 8)
		iterations *= 2;
	return iterations * ns / MAX(took, 1ull);
}

/*
 * The fastest of some rounds with and without the event, in turn: the difference is the interrupts' part. Negative:
 * less than what can be seen.
 */
static double interrupt_ns(int fd, uint64_t rate)
{
	uint64_t work = work_for(SPIN_NS), without = UINT64_MAX, with = UINT64_MAX;

	for (int i = 0; i < SPIN_ROUNDS; i++) {
		ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
		without = MIN(without, spin(work));
		ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
		with = MIN(with, spin(work));
	}
	return ((double)with - (double)without) * NSEC_PER_SEC / ((double)with * (double)rate);
}

int interrupt_cost_measure(uint64_t trial_hz, double *ret_ns)
{
	_cleanup_(closep) int fd = open_clock(trial_hz);
	double ns;

	if (fd < 0)
		return err_last();
	ns = interrupt_ns(fd, trial_hz);
	if (ns < PLAUSIBLE_NS)
		return INTERRUPT_COST_E_UNKNOWN;
	*ret_ns = ns;
	return 0;
}

uint32_t interrupt_cost_limit(uint32_t rate_hz, double cost_ns)
{
	double limit = (double)NSEC_PER_SEC / 2 / (cost_ns + SAMPLE_NS);

	if (rate_hz <= INTERRUPT_COST_SAFE_HZ || rate_hz <= limit)
		return rate_hz;
	return (uint32_t)MAX(limit, (double)INTERRUPT_COST_SAFE_HZ);
}

uint32_t interrupt_cost_affordable(uint32_t rate_hz)
{
	double ns = UNKNOWN_NS;
	uint32_t limit;

	if (rate_hz <= INTERRUPT_COST_SAFE_HZ)
		return rate_hz;
	interrupt_cost_measure(TRIAL_HZ, &ns); /* or else the cautious number stays */
	limit = interrupt_cost_limit(rate_hz, ns);
	if (limit < rate_hz)
		log_warn("%u Hz would take %.0f %% of each CPU here, at %.0f µs an interrupt: "
			 "sampling at %u Hz instead",
			 rate_hz, ns * rate_hz / NSEC_PER_SEC * 100, ns / 1000, limit);
	return limit;
}
