/*
 * bench_baseline RATE SECONDS: runs the baseline programs on every CPU, counts the run time of them and of every other
 * perf_event program (bpf_stats), and prints "NAME RUNS NS" of each that ran, those that ended meanwhile included.
 */
#include "bpf/baseline.skel.h"

#include <bpf/bpf.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROGRAMS_MAX 64

struct program {
	uint32_t id;
	char name[BPF_OBJ_NAME_LEN];
	uint64_t runs, ns, first_runs, first_ns;
};

static struct program programs[PROGRAMS_MAX];
static size_t nr_programs;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void attach(struct bpf_program *program, unsigned int rate)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = rate,
		.freq = 1,
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (int cpu = 0; cpu < cpus; cpu++) {
		int fd =
			(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0 || !bpf_program__attach_perf_event(program, fd))
			die("perf event");
	}
}

static void see(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	size_t i = 0;

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == BPF_PROG_TYPE_PERF_EVENT) {
		while (i < nr_programs && programs[i].id != id)
			i++;
		if (i == nr_programs && nr_programs < PROGRAMS_MAX) {
			programs[nr_programs++] = (struct program) { .id = id,
								     .first_runs = info.run_cnt,
								     .first_ns = info.run_time_ns };
			memcpy(programs[i].name, info.name, sizeof(info.name));
		}
		if (i < nr_programs) {
			programs[i].runs = info.run_cnt;
			programs[i].ns = info.run_time_ns;
		}
	}
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned int rate = argc > 1 ? (unsigned int)atoi(argv[1]) : 997;
	double seconds = argc > 2 ? atof(argv[2]) : 5;
	struct baseline_bpf *skeleton = baseline_bpf__open_and_load();
	const struct timespec pause = { .tv_nsec = 50000000 };

	if (!skeleton)
		die("baseline");
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		die("bpf_enable_stats");
	attach(skeleton->progs.base_empty, rate);
	attach(skeleton->progs.base_get_stack, rate);
	for (double t = 0; t < seconds; t += 0.05) {
		uint32_t id = 0;

		while (!bpf_prog_get_next_id(id, &id))
			see(id);
		nanosleep(&pause, NULL);
	}
	for (size_t i = 0; i < nr_programs; i++)
		printf("%s %" PRIu64 " %" PRIu64 "\n", programs[i].name,
		       programs[i].runs - programs[i].first_runs,
		       programs[i].ns - programs[i].first_ns);
	return 0;
}
