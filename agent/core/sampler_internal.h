/* What the files of the sampler share. */
#ifndef FLEETPROF_CORE_SAMPLER_INTERNAL_H
#define FLEETPROF_CORE_SAMPLER_INTERNAL_H

#include "agent/core/sampler.h"
#include "agent/core/sampler_record.h"

struct sampler {
	struct loop *loop;
	struct sampler_bpf *bpf;
	struct sampler_cpus *cpus;
	struct sampler_tables *tables;
	struct ring_buffer *ring;
	struct loop_source *on_ring, *on_drain_timer;
	sampler_fn fn;
	void *userdata;
	uint64_t period_ns, drain_interval_ns;
	uint64_t received, malformed;
	uint64_t drain_until_ns;
	uint64_t hand_out; /* stop when so many records were received; UINT64_MAX: do not */
	uint64_t followed_ns; /* when the CPUs were last looked at */
	bool paused;
	size_t nr_possible_cpus;
	uint64_t *idle_ns; /* [nr_possible_cpus] each CPU's idle time that is in the next */
	uint64_t *
		idle_ticks; /* [nr_possible_cpus] periods of it, of the rate at the time, while events were open */
	char cgroup_path[SAMPLER_PATH_MAX];
};

/* -- sampler_load.c: the programs, into the kernel and tried there -- */

/* Is the rate one that the kernel allows? 0, or -ERANGE with err set. */
int sampler_check_rate(uint32_t rate_hz, struct err *err);

/* Opens, sizes, loads: sets sampler->bpf. 0, or -errno with err set: it says what this kernel lacks. */
int sampler_load(struct sampler *sampler, const struct sampler_config *config, struct err *err);

/* Entries of `slabs`: one more than there may be slabs, since the last is not one. */
uint32_t sampler_outer_entries(const struct sampler_config *config);

enum { SAMPLER_LOOK_UP_NONE = 0, SAMPLER_LOOK_UP_FILE = 1, SAMPLER_LOOK_UP_NO_FILE = 2 };

/* Asks the kernel side which of our own mappings holds address. Returns SAMPLER_LOOK_UP_… or -errno. */
int sampler_look_up(struct sampler *sampler, uint64_t address, struct rec_map *ret);

/* Ranges, offsets and inode numbers of our own executable mappings; never devices, which overlays rename. And our id. */
int sampler_self_test(struct sampler *sampler, struct err *err);

#endif
