/*
 * When the next request to one back end may go: budgets, back-off, catching up. Pure: time is an argument.
 *
 * - Requests and bytes each have a bucket that fills at the budget; a request may go when neither is in debt, and may
 *   bring it into debt: a profile is larger than a second's bytes.
 * - A back end that says "too many" (429) halves the rate at which the buckets fill; each success adds a little (additive
 *   increase, multiplicative decrease).
 * - Failures wait: twice as long each time, up to a maximum, each a random part of it, so that ten thousand nodes that
 *   lost the same back end do not come back as one.
 * - Old windows are sent at no more than `catchup` times real time, the new ones included.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_PACE_H
#define FLEETPROF_EXPORTER_UPLOAD_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uploadpace_config {
	uint32_t bytes_per_s, requests_per_s;
	uint32_t catchup; /* times real time; at least 2 */
	uint64_t retry_max_ns;
	uint64_t seed; /* of the jitter */
};

struct uploadpace {
	struct uploadpace_config config;
	uint64_t at_ns; /* the buckets are true of this time */
	int64_t mrequests, mbytes; /* thousandths */
	uint32_t rate; /* in UPLOADPACE_FULL: of the budget */
	uint64_t pause_ns, not_before_ns; /* back-off */
	uint64_t next_old_ns; /* a further old window may begin */
	uint64_t random;
	uint64_t mean_bytes; /* of a request, a running mean */
};

#define UPLOADPACE_FULL 1024u

void uploadpace_init(struct uploadpace *p, const struct uploadpace_config *config, uint64_t now_ns);

/* 0: now; else the time at which to ask again. */
uint64_t uploadpace_ready(struct uploadpace *p, uint64_t now_ns);

/* A request of so many bytes goes out. */
void uploadpace_sent(struct uploadpace *p, uint64_t bytes);

/* It succeeded. */
void uploadpace_succeeded(struct uploadpace *p);

/* It failed: wait, longer each time; at_least_ns: what the back end asked for (Retry-After), or 0. */
void uploadpace_failed(struct uploadpace *p, uint64_t now_ns, uint64_t at_least_ns);

/* It was told "too many". */
void uploadpace_slow_down(struct uploadpace *p);

/* 0: an old window may begin now; else when. */
uint64_t uploadpace_old_ready(const struct uploadpace *p, uint64_t now_ns);
/* None before that. */
void uploadpace_hold_old(struct uploadpace *p, uint64_t until_ns);
void uploadpace_old_begun(struct uploadpace *p, uint64_t now_ns, uint64_t duration_ns);

/* How long so many rows, one a request, of so many windows take at this pace. */
uint64_t uploadpace_drain_ns(const struct uploadpace *p, uint64_t rows, uint64_t windows,
			     uint64_t duration_ns);

/* A random number below max; 0 for 0. */
uint64_t uploadpace_random(struct uploadpace *p, uint64_t max);

/* Where within a window this node's turn is: always the same for a node, evenly spread over nodes. */
uint64_t uploadpace_offset(const char *node, uint64_t duration_ns);

/* Whether a window is among the fraction (in millionths) that is wanted: all owners of it, or none. */
bool uploadpace_is_wanted(const char *node, uint64_t start_ns, uint32_t fraction_ppm);

#endif
