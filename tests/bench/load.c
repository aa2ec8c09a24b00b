/* bench_load: how long the kernel side takes to load, and how many instructions the verifier follows for it. */
#include "agent/core/sampler.h"
#include "agent/base/clock.h"

#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIMES 5

static void ignore(const struct sampler_sample *sample, void *userdata)
{
}

static uint64_t verified(void)
{
	uint64_t sum = 0;
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    (!strcmp(info.name, "sample") || !strcmp(info.name, "look_up")))
			sum = sum > info.verified_insns ? sum : info.verified_insns;
		close(fd);
	}
	return sum;
}

int main(void)
{
	struct sampler_config config = { .rate_hz = 19,
					 .ring_bytes = 2 << 20,
					 .drain_interval_ns = NSEC_PER_SEC,
					 .max_files = 4096,
					 .max_cgroups = 1024,
					 .max_tables = 8192,
					 .table_bytes = 40 << 20,
					 .rule_cache_bytes = 128 << 10 };
	uint64_t best = UINT64_MAX, insns = 0;

	for (int i = 0; i < TIMES; i++) {
		_cleanup_(loop_freep) struct loop *loop = NULL;
		uint64_t start = clock_boot_ns();
		struct err err = ERR_NULL;
		struct sampler *sampler;

		if (loop_new(&loop) || sampler_new(&sampler, loop, &config, ignore, NULL, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		best = MIN(best, clock_boot_ns() - start);
		insns = verified();
		sampler_free(sampler);
	}
	printf("the kernel side's load and self-test, best of %d (ms) %.0f\n", TIMES,
	       (double)best / 1e6);
	printf("instructions verified for the sampler %" PRIu64 "\n", insns);
	return 0;
}
