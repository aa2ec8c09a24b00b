/*
 * The kernel side as the core sees it: load, attach, filter, read records, count.
 *
 * Life: sampler_new (opens, probes, loads, self-tests) → sampler_set_filter → sampler_start
 * (perf events on every online CPU, hot-plug followed) → sampler_drain, by the loop → sampler_stop →
 * sampler_free. Nothing stays behind when the process dies: programs and maps hang on descriptors only.
 *
 * Kernel: perf_event_open(2), kernel/trace/bpf_trace.c, lib/maple_tree.c, include/linux/mm_types.h.
 */
#ifndef FLEETPROF_CORE_SAMPLER_H
#define FLEETPROF_CORE_SAMPLER_H

#include "agent/base/err.h"
#include "agent/base/loop.h"
#include "agent/core/sampler_cpus.h"
#include "agent/core/sampler_tables.h"

#include <linux/types.h>

#include "bpf/record.h"

struct sampler;

struct sampler_config {
	uint32_t rate_hz; /* samples per second and CPU */
	uint64_t ring_bytes; /* ring buffer for all CPUs, a power of two */
	uint64_t
		drain_interval_ns; /* between looks at the ring; a record may ask for one at once */
	uint32_t max_files; /* entries of `files` */
	uint32_t max_cgroups; /* entries of `cgroups` */
	sampler_open_fn
		open_event; /* asked when our own rights do not open a perf event; NULL: nobody */
	void *open_userdata;
	uint32_t max_tables; /* files that may have an unwind table */
	uint64_t table_bytes; /* for all unwind tables */
	uint64_t rule_cache_bytes; /* of each CPU */
};

/* Which tasks are sampled; the rest is counted as filtered. All lists are copied. */
enum sampler_filter_kind {
	SAMPLER_FILTER_ALL,
	SAMPLER_FILTER_TGIDS, /* these thread groups */
	SAMPLER_FILTER_DESCENDANTS, /* every descendant of these thread groups, themselves left out */
	SAMPLER_FILTER_CGROUPS, /* these cgroups (keys as in record_sample.cgroup) and all below them */
};
#define SAMPLER_FILTER_MAX 64
struct sampler_filter {
	enum sampler_filter_kind kind;
	size_t nr;
	uint64_t ids[SAMPLER_FILTER_MAX];
};

/* A record's parts, checked: sizes, counts, kinds and indexes are right, strings are terminated. */
struct sampler_sample {
	const struct record_sample *head;
	const struct rec_map *maps; /* head->nr_maps */
	const __u64 *kernel_words; /* head->nr_words_kernel, leaf first */
	const __u64 *user_words; /* head->nr_words_user, leaf first */
	const char *cgroup_path; /* "/a/b" root first, or NULL when the record carries none */
};

/* Called for each record by sampler_drain(); everything is valid during the call. */
typedef void (*sampler_fn)(const struct sampler_sample *sample, void *userdata);

/* All CPUs added up, since sampler_start(). */
struct sampler_counts {
	/*
	 * expected: Σ time enabled / period, by perf itself, from outside BPF. On each CPU it is above the runs by the
	 * ticks that did not come while it slept, by those of a late timer and by what was missed, or below by what came early: the timer goes
	 * by CLOCK_MONOTONIC, which NTP makes faster or slower, that time by the scheduler's clock, which it does
	 * not. Up to early_max that is no error. While events run, a sample may be in one and not yet in the other.
	 */
	uint64_t expected, runs, asleep, late, missed, early, early_max;
	unsigned int nr_silent,
		silent_cpu; /* CPUs of which no tick came at all; the first of them */
	uint64_t bpf[COUNTER_NR];
	uint64_t malformed; /* records that the wall refused; a bug, never seen */
	uint64_t received; /* records handed out */
};

int sampler_new(struct sampler **ret, struct loop *loop, const struct sampler_config *config,
		sampler_fn fn, void *userdata, struct err *err);
struct sampler *sampler_free(struct sampler *sampler);
DEFINE_CLEANUP(struct sampler *, sampler_free)

int sampler_set_filter(struct sampler *sampler, const struct sampler_filter *filter,
		       struct err *err);
int sampler_start(struct sampler *sampler, struct err *err);
int sampler_stop(struct sampler *sampler); /* detaches; then drains what is in the ring */

/*
 * Another rate, from now on: each sample's value is the period at its time. -ERANGE with err set: above what the kernel
 * allows, nothing changed. May sleep for one period, over which the CPUs' first samples are spread.
 */
int sampler_set_rate(struct sampler *sampler, uint32_t rate_hz, struct err *err);

/* Detaches from every CPU, and attaches again; what was counted stays. Both are harmless if it is so already. */
int sampler_pause(struct sampler *sampler);
int sampler_resume(struct sampler *sampler, struct err *err);

/* What is to be done from time to time: follow CPUs that come and go, and sampler_drain(). */
int sampler_tick(struct sampler *sampler);

/*
 * Hands out what is in the ring; also done by the loop, on a timer and when a new mapping wakes it. Returns 0, or
 * SAMPLER_E_MORE when it stopped for others' turn after some milliseconds: while events run, the ring may never be empty.
 */
enum { SAMPLER_E_MORE = 1 };
int sampler_drain(struct sampler *sampler);

/*
 * Announces a file revision's id: from now on its frames come as FRAME_FILE words. table_slot: of its unwind table
 * (bpf/unwind_slot.h), which comes when it comes.
 */
int sampler_set_file(struct sampler *sampler, const struct rec_map *identity, uint32_t file_id,
		     uint32_t table_slot);

/* The kernel side's room for unwind tables; the sampler's. */
struct sampler_tables *sampler_tables(struct sampler *sampler);

/* Takes the number back: frames of that file come as descriptions again. For an id that is given up. */
int sampler_forget_file(struct sampler *sampler, const struct rec_map *identity);

/* Says that the path of this cgroup is known; records stop carrying it, or do not come any more. */
int sampler_set_cgroup(struct sampler *sampler, uint64_t cgroup, enum cgroup_state state);

/* Records of this cgroup carry its path again. */
int sampler_forget_cgroup(struct sampler *sampler, uint64_t cgroup);

/* At an instant at which no run is half way; records that were counted may still be in the ring. */
int sampler_read_counts(struct sampler *sampler, struct sampler_counts *ret);

/*
 * As sampler_read_counts(), and hands out exactly the records that are in these counts: what comes later belongs to
 * what comes later. This is how a window ends while sampling goes on.
 */
int sampler_cut(struct sampler *sampler, struct sampler_counts *ret);

/*
 * The identity of the file behind fd, as our own walk sees it: maps one page of it executable and lets the
 * self-test program read that mapping. This is how a descriptor is bound to a record's mapping.
 */
int sampler_identify(struct sampler *sampler, int fd, struct rec_map *ret);

/* Bytes of kernel memory that the maps take, by their own fdinfo ("memlock"). */
int sampler_map_bytes(struct sampler *sampler, uint64_t *ret);

uint64_t sampler_period_ns(const struct sampler *sampler);

#endif
