/* One perf event per online CPU. */
#include "agent/core/sampler_cpus.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#define CPUS_MAX 8192 /* CONFIG_NR_CPUS of the largest distribution kernels */

struct sampler_cpus {
	uint64_t period_ns;
	int program_fd;
	sampler_open_fn open;
	void *userdata;
	int *fds; /* [CPUS_MAX], -1: none */
	bool *seen;
	size_t nr;
	uint64_t *gone; /* [CPUS_MAX], samples that closed events should have brought */
};

int sampler_cpus_open(unsigned int cpu, uint64_t period_ns, void *userdata)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? err_last() : fd;
}

int sampler_cpus_new(struct sampler_cpus **ret, uint64_t period_ns, int program_fd,
		     sampler_open_fn open, void *userdata)
{
	_cleanup_(sampler_cpus_freep) struct sampler_cpus *cpus = calloc(1, sizeof(*cpus));

	if (!cpus)
		return -ENOMEM;
	cpus->period_ns = period_ns;
	cpus->program_fd = program_fd;
	cpus->open = open;
	cpus->userdata = userdata;
	cpus->fds = malloc(CPUS_MAX * sizeof(*cpus->fds));
	if (cpus->fds) /* before any of it is closed */
		memset(cpus->fds, 0xff, CPUS_MAX * sizeof(*cpus->fds));
	cpus->seen = calloc(CPUS_MAX, sizeof(*cpus->seen));
	cpus->gone = calloc(CPUS_MAX, sizeof(*cpus->gone));
	if (!cpus->fds || !cpus->seen || !cpus->gone)
		return -ENOMEM;
	*ret = TAKE_PTR(cpus);
	return 0;
}

struct sampler_cpus *sampler_cpus_free(struct sampler_cpus *cpus)
{
	if (!cpus)
		return NULL;
	for (size_t i = 0; cpus->fds && i < CPUS_MAX; i++)
		close_fd(cpus->fds[i]);
	free(cpus->fds);
	free(cpus->seen);
	free(cpus->gone);
	free(cpus);
	return NULL;
}

static int mark_online(unsigned int cpu, void *userdata)
{
	struct sampler_cpus *cpus = userdata;

	if (cpu >= CPUS_MAX)
		return -ERANGE;
	cpus->seen[cpu] = true;
	return 0;
}

static int open_event(const struct sampler_cpus *cpus, unsigned int cpu)
{
	_cleanup_(closep) int fd = sampler_cpus_open(cpu, cpus->period_ns, NULL);

	if ((fd == -EACCES || fd == -EPERM) && cpus->open)
		fd = cpus->open(cpu, cpus->period_ns, cpus->userdata);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, cpus->program_fd) < 0)
		return err_last();
	return TAKE_FD(fd);
}

static int explain(struct err *err, int r, unsigned int cpu)
{
	_cleanup_(buf_deinitp) struct buf paranoid = BUF_NULL;

	buf_init(&paranoid, 64);
	if (r == -EACCES &&
	    !sys_read_file(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", &paranoid) &&
	    atoi(buf_str(&paranoid)) > 2)
		return err_set(
			err, r,
			"this kernel gives perf events to CAP_SYS_ADMIN only while kernel.perf_event_paranoid is "
			"above 2: sysctl kernel.perf_event_paranoid=2 (or start fleetprof with full root rights)");
	if (r == -EACCES || r == -EPERM)
		return err_errno(
			err, r,
			"cannot open a perf event on CPU %u (needs CAP_PERFMON, try sudo; in a container, "
			"its seccomp profile must allow perf_event_open)",
			cpu);
	return err_errno(err, r, "cannot open a perf event on CPU %u", cpu);
}

/* Not by its count, which leaves out the time for which the kernel stopped the event (bpf/asleep.h). */
static uint64_t samples_of(const struct sampler_cpus *cpus, int fd)
{
	struct {
		uint64_t count, enabled_ns;
	} read_format = { 0 };

	if (read(fd, &read_format, sizeof(read_format)) != sizeof(read_format))
		return 0;
	return read_format.enabled_ns / cpus->period_ns;
}

static void close_event(struct sampler_cpus *cpus, unsigned int cpu)
{
	cpus->gone[cpu] += samples_of(cpus, cpus->fds[cpu]);
	cpus->fds[cpu] = close_fd(cpus->fds[cpu]);
	cpus->nr--;
	log_debug("the perf event of CPU %u is closed", cpu);
}

/* The new events start one after the other within one period. */
static int enable(struct sampler_cpus *cpus, const unsigned int *opened, size_t nr)
{
	uint64_t gap = cpus->period_ns / nr;
	struct timespec ts = { .tv_sec = (time_t)(gap / NSEC_PER_SEC),
			       .tv_nsec = (long)(gap % NSEC_PER_SEC) };

	for (size_t i = 0; i < nr; i++) {
		if (ioctl(cpus->fds[opened[i]], PERF_EVENT_IOC_ENABLE, 0) < 0)
			return err_last();
		if (i + 1 < nr)
			nanosleep(&ts, NULL);
	}
	return 0;
}

int sampler_cpus_follow(struct sampler_cpus *cpus, struct err *err)
{
	_cleanup_(buf_deinitp) struct buf list = BUF_NULL;
	_cleanup_(freep) unsigned int *opened = calloc(CPUS_MAX, sizeof(*opened));
	size_t nr = 0;
	int r;

	if (!opened)
		return -ENOMEM;
	buf_init(&list, 65536);
	memset(cpus->seen, 0, CPUS_MAX * sizeof(*cpus->seen));
	r = sys_read_file(AT_FDCWD, "/sys/devices/system/cpu/online", &list);
	if (!r)
		r = sys_parse_cpu_list(buf_str(&list), mark_online, cpus);
	if (r < 0)
		return err_errno(err, r, "cannot read /sys/devices/system/cpu/online");
	for (unsigned int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!cpus->seen[cpu] && cpus->fds[cpu] >= 0)
			close_event(cpus, cpu);
		if (!cpus->seen[cpu] || cpus->fds[cpu] >= 0)
			continue;
		r = open_event(cpus, cpu);
		if (r == -ENODEV) /* went offline since the list was read */
			continue;
		if (r < 0)
			return explain(err, r, cpu);
		cpus->fds[cpu] = r;
		cpus->nr++;
		opened[nr++] = cpu;
		log_debug("the perf event of CPU %u is open", cpu);
	}
	r = nr ? enable(cpus, opened, nr) : 0;
	return r < 0 ? err_errno(err, r, "cannot enable the perf events") : 0;
}

void sampler_cpus_close(struct sampler_cpus *cpus)
{
	sampler_cpus_stop(cpus); /* first all of them: their counts are read one after the other */
	for (unsigned int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (cpus->fds[cpu] >= 0)
			close_event(cpus, cpu);
	}
}

void sampler_cpus_set_period(struct sampler_cpus *cpus, uint64_t period_ns)
{
	sampler_cpus_close(cpus);
	cpus->period_ns = period_ns;
}

int sampler_cpus_stop(struct sampler_cpus *cpus)
{
	int r = 0;

	for (unsigned int cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (cpus->fds[cpu] >= 0 && ioctl(cpus->fds[cpu], PERF_EVENT_IOC_DISABLE, 0) < 0)
			r = err_last();
	}
	return r;
}

uint64_t sampler_cpus_expected(const struct sampler_cpus *cpus, unsigned int cpu)
{
	if (cpu >= CPUS_MAX)
		return 0;
	return cpus->gone[cpu] + (cpus->fds[cpu] >= 0 ? samples_of(cpus, cpus->fds[cpu]) : 0);
}

bool sampler_cpus_has(const struct sampler_cpus *cpus, unsigned int cpu)
{
	return cpu < CPUS_MAX && cpus->fds[cpu] >= 0;
}

int sampler_cpus_restart(struct sampler_cpus *cpus, unsigned int cpu)
{
	if (!sampler_cpus_has(cpus, cpu))
		return 0; /* gone since */
	/* The only call that starts again what the kernel stopped, at once and with a whole period before it. */
	return ioctl(cpus->fds[cpu], PERF_EVENT_IOC_PERIOD, &cpus->period_ns) < 0 ? err_last() : 0;
}
