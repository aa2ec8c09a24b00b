/*
 * bench_walks RATE SECONDS CGROUPS [PID…]: what a sample costs in the kernel, beside other ways to walk the same stacks.
 *
 * Runs while somebody's sampler runs, with that one's files and tables: the sampler's program and the baselines, on every
 * CPU, each run timed, for the processes of some cgroups (their ids, with commas between). The events have different
 * periods, so that the programs take turns: none runs always behind another that warmed the caches for it. With PIDs, the
 * layouts of row_layouts.bpf.h run too, on the stacks of these processes.
 *
 * First the sampler runs at 997 Hz for some seconds, uncounted: its cache of rules then has what hours at a low rate
 * would have brought; the CPU's caches have lost it again.
 *
 * Prints "PROGRAM CGROUP RUNS NS MEDIAN MAX FRAMES MISSES" for each program and cgroup.
 */
#include <linux/types.h>

#include "bpf/record.h"
#include "tests/bench/walks.h"

#include "bpf/walks.skel.h"

#include "tests/bench/row_layouts.h"

#include <bpf/bpf.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_INTERVAL_NS 50000000
#define RING_BYTES (2u << 20)
#define WARM_UP_HZ 997
#define WARM_UP_SECONDS 4
#define CPUS_MAX 64

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The program of the sampler that was started last. */
static int sampler_program(void)
{
	uint32_t id = 0;
	int found = -1;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, "sample")) {
			close(found);
			found = fd;
		} else {
			close(fd);
		}
	}
	return found;
}

/* Uses the sampler's own files, cgroups and tables; its rule cache in size only. */
static void share_maps(struct walks_bpf *walks, int program)
{
	uint32_t ids[64];
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = 64 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &size))
		die("sampler");
	for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++) {
		struct bpf_map_info map_info = { 0 };
		int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map *map;

		size = sizeof(map_info);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &map_info, &size))
			die("map");
		map = bpf_object__find_map_by_name(walks->obj, map_info.name);
		if (map == walks->maps.files || map == walks->maps.cgroups ||
		    map == walks->maps.tables || map == walks->maps.slabs) {
			if (bpf_map__reuse_fd(map, fd))
				die(map_info.name);
		} else if (map == walks->maps.near_rules) {
			bpf_map__set_max_entries(map, map_info.max_entries);
			walks->rodata->near_blocks = map_info.max_entries;
		} else if (map == walks->maps.rules) {
			bpf_map__set_max_entries(map, map_info.max_entries);
			walks->rodata->rule_chunks = map_info.max_entries;
		}
		close(fd);
	}
}

/* Runs the program on every CPU; returns how many events there are. */
static size_t attach(struct bpf_program *program, double rate, struct bpf_link *ret_links[CPUS_MAX])
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = (uint64_t)(1e9 / rate),
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int cpu = 0;

	for (; cpu < cpus && cpu < CPUS_MAX; cpu++) {
		int fd =
			(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		ret_links[cpu] = fd < 0 ? NULL : bpf_program__attach_perf_event(program, fd);
		if (!ret_links[cpu])
			die("perf event");
	}
	return (size_t)cpu;
}

static int ignore(void *userdata, void *data, size_t size)
{
	return 0;
}

static void drain(struct walks_bpf *walks, double seconds)
{
	struct ring_buffer *rings =
		ring_buffer__new(bpf_map__fd(walks->maps.ring), ignore, NULL, NULL);
	const struct timespec pause = { .tv_nsec = DRAIN_INTERVAL_NS };

	if (!rings || ring_buffer__add(rings, bpf_map__fd(walks->maps.base_ring), ignore, NULL))
		die("ring");
	for (double t = 0; t < seconds; t += DRAIN_INTERVAL_NS / 1e9) {
		nanosleep(&pause, NULL);
		ring_buffer__consume(rings);
	}
	ring_buffer__free(rings);
}

static uint64_t median(const struct walk_times *times)
{
	uint64_t sum = 0;
	unsigned int bin = 0;

	while (bin < WALKS_BINS - 1 && 2 * (sum + times->bins[bin]) < times->runs)
		sum += times->bins[bin++];
	return bin * WALKS_BIN_NS + WALKS_BIN_NS / 2;
}

static const struct {
	const char *name;
	double rate; /* of the one asked for */
} programs[WALK_NR] = {
	[WALK_EMPTY] = { "walk_empty", 0.987 },
	[WALK_GET_STACK] = { "walk_get_stack", 0.993 },
	[WALK_RECORD] = { "walk_record", 1.007 },
	[WALK_ROWS4] = { "walk_rows4", 0.979 },
	[WALK_ROWS8] = { "walk_rows8", 1.013 },
	[WALK_ROWS4_RECORD] = { "walk_rows4_record", 0.971 },
	[WALK_ROWS8_RECORD] = { "walk_rows8_record", 1.021 },
	[WALK_SAMPLE] = { "walk_sample", 1 },
};

static bool is_used(int program, bool rows)
{
	return rows || program < WALK_ROWS4 || program > WALK_ROWS8_RECORD;
}

static void report(const struct walks_bpf *walks, int program, unsigned int nr_cgroups)
{
	for (unsigned int i = 0; i < nr_cgroups; i++) {
		const struct walk_times *t = &walks->bss->times[program * WALKS_CGROUPS + i];

		printf("%s %u %llu %llu %" PRIu64 " %llu %llu %llu\n",
		       programs[program].name + strlen("walk_"), i, t->runs, t->ns, median(t),
		       t->max_ns, t->frames, t->misses);
	}
}

static void warm_up(struct walks_bpf *walks)
{
	struct bpf_link *links[CPUS_MAX];
	size_t nr = attach(walks->progs.walk_sample, WARM_UP_HZ, links);

	drain(walks, WARM_UP_SECONDS);
	while (nr)
		bpf_link__destroy(links[--nr]);
	memset(walks->bss->times, 0, sizeof(walks->bss->times));
}

static struct walks_bpf *load(const char *rate, char *ids, bool rows, unsigned int *ret_nr_cgroups)
{
	struct walks_bpf *walks = walks_bpf__open();
	int program = sampler_program();

	if (!walks || program < 0)
		die("a sampler must run");
	*ret_nr_cgroups = 0;
	for (char *id = strtok(ids, ","); id && *ret_nr_cgroups < WALKS_CGROUPS;
	     id = strtok(NULL, ","))
		walks->rodata->walk_cgroups[(*ret_nr_cgroups)++] = strtoull(id, NULL, 10);
	share_maps(walks, program);
	bpf_map__set_max_entries(walks->maps.ring, RING_BYTES);
	walks->rodata->ring_bytes = RING_BYTES;
	bpf_program__set_autoload(walks->progs.sample, false);
	bpf_program__set_autoload(walks->progs.look_up, false);
	for (int i = 0; i < WALK_NR; i++)
		bpf_program__set_autoload(
			bpf_object__find_program_by_name(walks->obj, programs[i].name),
			is_used(i, rows));
	if (walks_bpf__load(walks))
		die("load");
	walks->bss->period_ns = (uint64_t)(1e9 / atof(rate));
	return walks;
}

int main(int argc, char **argv)
{
	struct bpf_link *links[CPUS_MAX];
	unsigned int nr_cgroups;
	struct walks_bpf *walks;
	bool rows = argc > 4;

	if (argc < 4 || atof(argv[1]) <= 0) {
		fprintf(stderr,
			"usage: bench_walks RATE SECONDS CGROUPS [PID...], beside a sampler\n");
		return 2;
	}
	walks = load(argv[1], argv[3], rows, &nr_cgroups);
	for (int i = 4; i < argc; i++)
		row_layouts_fill(walks, (unsigned int)atoi(argv[i]));
	warm_up(walks);
	for (int i = 0; i < WALK_NR; i++) {
		if (is_used(i, rows))
			attach(bpf_object__find_program_by_name(walks->obj, programs[i].name),
			       atof(argv[1]) * programs[i].rate, links);
	}
	drain(walks, atof(argv[2]));
	for (int i = 0; i < WALK_NR; i++) {
		if (is_used(i, rows))
			report(walks, i, nr_cgroups);
	}
	return 0;
}
