/* When the next request may go. */
#include "agent/exporter/upload_pace.h"
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"

#include <string.h>

#define MILLI 1000
#define BURST_S 2 /* seconds of the budget that may be saved up */
#define RATE_MIN 16u
#define RATE_STEP 16u
#define PAUSE_FIRST_NS (500 * NSEC_PER_MSEC)
#define MEAN_FIRST_BYTES 8192
#define PASSED_MAX_NS                                                                              \
	(3600 * NSEC_PER_SEC) /* keeps the sums small; the buckets are full long before */

void uploadpace_init(struct uploadpace *p, const struct uploadpace_config *config, uint64_t now_ns)
{
	*p = (struct uploadpace) { .config = *config,
				   .at_ns = now_ns,
				   .mrequests = (int64_t)config->requests_per_s * MILLI * BURST_S,
				   .mbytes = (int64_t)config->bytes_per_s * MILLI * BURST_S,
				   .rate = UPLOADPACE_FULL,
				   .random = config->seed,
				   .mean_bytes = MEAN_FIRST_BYTES };
}

uint64_t uploadpace_random(struct uploadpace *p, uint64_t max)
{
	p->random = hash_bytes(&p->random, sizeof(p->random), p->config.seed);
	return max ? p->random % max : 0;
}

/* What flows in within a time, in thousandths, at most two seconds' worth of the full budget more than a debt needs. */
static int64_t inflow(const struct uploadpace *p, uint32_t per_s, uint64_t ns)
{
	uint64_t ms =
		ns / NSEC_PER_MSEC; /* thousandths of a second bring thousandths of a unit each */

	return (int64_t)(ms * per_s / UPLOADPACE_FULL * p->rate +
			 ms * per_s % UPLOADPACE_FULL * p->rate / UPLOADPACE_FULL);
}

static void fill(struct uploadpace *p, uint64_t now_ns)
{
	uint64_t passed = now_ns > p->at_ns ? now_ns - p->at_ns : 0;
	int64_t requests_max = (int64_t)p->config.requests_per_s * MILLI * BURST_S;
	int64_t bytes_max = (int64_t)p->config.bytes_per_s * MILLI * BURST_S;

	passed -= passed % NSEC_PER_MSEC;
	p->at_ns += passed;
	passed = MIN(passed, PASSED_MAX_NS);
	p->mrequests += inflow(p, p->config.requests_per_s, passed);
	p->mbytes += inflow(p, p->config.bytes_per_s, passed);
	p->mrequests = MIN(p->mrequests, requests_max);
	p->mbytes = MIN(p->mbytes, bytes_max);
}

/* How long until a bucket has so much more. */
static uint64_t time_for(const struct uploadpace *p, int64_t missing, uint32_t per_s)
{
	return missing <= 0 ? 0
			    : ((uint64_t)missing * UPLOADPACE_FULL / ((uint64_t)per_s * p->rate) +
			       1) * NSEC_PER_MSEC;
}

uint64_t uploadpace_ready(struct uploadpace *p, uint64_t now_ns)
{
	uint64_t wait, wait_bytes;

	fill(p, now_ns);
	if (now_ns < p->not_before_ns)
		return p->not_before_ns;
	wait = time_for(p, MILLI - p->mrequests, p->config.requests_per_s);
	wait_bytes = time_for(p, 1 - p->mbytes, p->config.bytes_per_s);
	wait = MAX(wait, wait_bytes);
	return wait ? now_ns + wait : 0;
}

void uploadpace_sent(struct uploadpace *p, uint64_t bytes)
{
	p->mrequests -= MILLI;
	p->mbytes -= (int64_t)bytes * MILLI;
	p->mean_bytes = (p->mean_bytes * 15 + bytes) / 16;
}

void uploadpace_succeeded(struct uploadpace *p)
{
	p->pause_ns = 0;
	p->not_before_ns = 0;
	p->rate = MIN(p->rate + RATE_STEP, UPLOADPACE_FULL);
}

void uploadpace_failed(struct uploadpace *p, uint64_t now_ns, uint64_t at_least_ns)
{
	uint64_t max = p->config.retry_max_ns;

	p->pause_ns = p->pause_ns ? p->pause_ns * 2 : PAUSE_FIRST_NS;
	p->pause_ns = MIN(p->pause_ns, max);
	/* between half of it and all of it; what was asked for is the least, never the most */
	p->not_before_ns =
		now_ns + at_least_ns + p->pause_ns / 2 + uploadpace_random(p, p->pause_ns / 2 + 1);
}

void uploadpace_slow_down(struct uploadpace *p)
{
	p->rate = MAX(p->rate / 2, RATE_MIN);
}

uint64_t uploadpace_old_ready(const struct uploadpace *p, uint64_t now_ns)
{
	return now_ns >= p->next_old_ns ? 0 : p->next_old_ns;
}

void uploadpace_hold_old(struct uploadpace *p, uint64_t until_ns)
{
	p->next_old_ns = MAX(p->next_old_ns, until_ns);
}

void uploadpace_old_begun(struct uploadpace *p, uint64_t now_ns, uint64_t duration_ns)
{
	/* one part of the catch-up rate is for the windows that come meanwhile */
	p->next_old_ns = now_ns + duration_ns / (p->config.catchup - 1);
}

uint64_t uploadpace_drain_ns(const struct uploadpace *p, uint64_t rows, uint64_t windows,
			     uint64_t duration_ns)
{
	uint64_t by_windows = windows * duration_ns / (p->config.catchup - 1);
	uint64_t by_requests = time_for(p, (int64_t)rows * MILLI, p->config.requests_per_s);
	uint64_t by_bytes =
		time_for(p, (int64_t)(rows * p->mean_bytes) * MILLI, p->config.bytes_per_s);
	uint64_t most = MAX(by_windows, by_requests);

	return MAX(most, by_bytes);
}

uint64_t uploadpace_offset(const char *node, uint64_t duration_ns)
{
	return duration_ns ? hash_bytes(node, strlen(node), 0x6f6666) % duration_ns : 0;
}

bool uploadpace_is_wanted(const char *node, uint64_t start_ns, uint32_t fraction_ppm)
{
	uint64_t h = hash_bytes(&start_ns, sizeof(start_ns), hash_bytes(node, strlen(node), 1));

	return h % 1000000 < fraction_ppm;
}
