/* Recordings in which files have numbers, as in real life: without one a mapping is not remembered. */
#ifndef FLEETPROF_TESTS_BPF_NUMBERED_H
#define FLEETPROF_TESTS_BPF_NUMBERED_H

#include "tests/bpf/run.h"

#define FILES_MAX 512

static struct {
	char name[32];
} files[FILES_MAX];
static uint32_t nr_files;

/* Gives each file that a record describes a number. */
static inline void number_files(const struct sampler_sample *sample, struct run *run)
{
	for (int i = 0; i < sample->head->nr_maps; i++) {
		if (nr_files == FILES_MAX)
			return;
		memcpy(files[nr_files].name, sample->maps[i].name, sizeof(files[0].name));
		CHECK_INT(sampler_set_file(run->sampler, &sample->maps[i], ++nr_files,
					   UNWIND_SLOT_NONE),
			  0);
	}
}

/* The name of the file that the user word is in; "": none that has a number. */
static inline const char *file_of(uint64_t word)
{
	return FRAME_KIND(word) == FRAME_FILE ? files[FRAME_FILE_ID(word) - 1].name : "";
}

static inline void start_on_children(struct run *run)
{
	struct sampler_filter filter = { .kind = SAMPLER_FILTER_DESCENDANTS,
					 .nr = 1,
					 .ids = { (uint64_t)getpid() } };
	struct err err = ERR_NULL;

	nr_files = 0;
	CHECK_INT(sampler_set_filter(run->sampler, &filter, &err), 0);
	CHECK_INT(sampler_start(run->sampler, &err), 0);
}

/* Stops, tells, and checks that samples were judged and none was wrong. Returns how many recalled their address space. */
static inline uint64_t end_run(struct run *run)
{
	struct sampler_counts counts;

	stop_run(run, &counts);
	fprintf(stderr,
		"    %" PRIu64 " samples right, %" PRIu64 " wrong; %" PRIu64 " of %" PRIu64
		" address spaces recalled\n",
		run->right, run->wrong, counts.bpf[COUNTER_SPACES_RECALLED],
		counts.bpf[COUNTER_SAMPLED]);
	CHECK_INT(run->wrong, 0);
	CHECK(run->right > 200);
	close_run(run);
	return counts.bpf[COUNTER_SPACES_RECALLED];
}

#endif
