/* The kernel side as the core sees it. */
#include "agent/core/sampler_internal.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/cpu_idle.h"
#include "agent/core/sampler_counters.h"
#include "agent/core/sampler_cpus.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/sampler.skel.h"

#define DRAIN_MAX_NS (10 * NSEC_PER_MSEC) /* the ring may be filled faster than it is emptied */
#define DRAIN_CLOCK_EVERY 16
#define HOTPLUG_INTERVAL_NS (2 * NSEC_PER_SEC)
#define CUT_TRIES 1000

static int on_record(void *ctx, void *data, size_t size)
{
	struct sampler *sampler = ctx;
	struct sampler_sample sample;

	if (sampler_check_record(data, size, sampler->cgroup_path, &sample) < 0) {
		sampler->malformed++;
	} else {
		sampler->received++;
		sampler->fn(&sample, sampler->userdata);
	}
	if (sampler->received + sampler->malformed == sampler->hand_out)
		return -ECANCELED;
	if (sampler->received % DRAIN_CLOCK_EVERY == 0 && clock_boot_ns() > sampler->drain_until_ns)
		return -EAGAIN;
	return 0;
}

static int on_ring_event(struct loop_source *source, uint32_t events, void *userdata)
{
	int r = sampler_drain(userdata);

	return r < 0 ? r : 0; /* what is left makes the next round of the loop */
}

static int on_drain_time(struct loop_source *source, uint64_t missed, void *userdata)
{
	int r = sampler_tick(userdata);

	return r < 0 ? r : 0;
}

static int open_ring(struct sampler *s, struct err *err)
{
	s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.ring), on_record, s, NULL);
	if (!s->ring)
		return err_errno(err, err_last(), "cannot map the ring buffer");
	return loop_add_fd(s->loop, &s->on_ring, ring_buffer__epoll_fd(s->ring), EPOLLIN,
			   on_ring_event, s);
}

int sampler_new(struct sampler **ret, struct loop *loop, const struct sampler_config *config,
		sampler_fn fn, void *userdata, struct err *err)
{
	_cleanup_(sampler_freep) struct sampler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = sampler_check_rate(config->rate_hz, err);
	if (r < 0)
		return r;
	s->loop = loop;
	s->fn = fn;
	s->userdata = userdata;
	s->drain_interval_ns = config->drain_interval_ns;
	s->hand_out = UINT64_MAX;
	s->period_ns = NSEC_PER_SEC / config->rate_hz;
	r = libbpf_num_possible_cpus();
	if (r < 0)
		return err_errno(err, r, "cannot count the CPUs");
	s->nr_possible_cpus = (size_t)r;
	s->idle_ns = calloc(s->nr_possible_cpus, sizeof(*s->idle_ns));
	s->idle_ticks = calloc(s->nr_possible_cpus, sizeof(*s->idle_ticks));
	if (!s->idle_ns || !s->idle_ticks)
		return -ENOMEM;
	r = sampler_load(s, config, err);
	if (!r)
		r = sampler_self_test(s, err);
	if (!r)
		r = sampler_tables_new(&s->tables, loop, bpf_map__fd(s->bpf->maps.slabs),
				       bpf_map__fd(s->bpf->maps.tables),
				       sampler_outer_entries(config), config->max_tables);
	if (!r)
		r = open_ring(s, err);
	if (!r)
		r = sampler_cpus_new(&s->cpus, s->period_ns, bpf_program__fd(s->bpf->progs.sample),
				     config->open_event, config->open_userdata);
	if (r)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct sampler *sampler_free(struct sampler *s)
{
	if (!s)
		return NULL;
	loop_source_free(s->on_ring);
	loop_source_free(s->on_drain_timer);
	sampler_cpus_free(s->cpus);
	ring_buffer__free(s->ring);
	sampler_tables_free(s->tables);
	sampler_bpf__destroy(s->bpf);
	free(s->idle_ns);
	free(s->idle_ticks);
	free(s);
	return NULL;
}

int sampler_set_filter(struct sampler *s, const struct sampler_filter *filter, struct err *err)
{
	const uint8_t present = 1;

	if (filter->nr > SAMPLER_FILTER_MAX)
		return err_set(err, -E2BIG, "more than %d processes or cgroups to sample",
			       SAMPLER_FILTER_MAX);
	for (size_t i = 0; i < filter->nr; i++) {
		int r = bpf_map__update_elem(s->bpf->maps.filter, &filter->ids[i],
					     sizeof(filter->ids[i]), &present, sizeof(present),
					     BPF_ANY);

		if (r < 0)
			return err_errno(err, r, "cannot set the filter");
	}
	s->bpf->bss->filter_kind = filter->kind;
	return 0;
}

int sampler_start(struct sampler *s, struct err *err)
{
	uint64_t now = clock_boot_ns();
	int r = 0;

	if (s->drain_interval_ns)
		r = loop_add_timer(s->loop, &s->on_drain_timer, now + s->drain_interval_ns,
				   s->drain_interval_ns, on_drain_time, s);
	if (r < 0)
		return err_errno(err, r, "cannot set a timer");
	s->followed_ns = now;
	cpu_idle_read(s->idle_ns, s->nr_possible_cpus);
	return sampler_cpus_follow(s->cpus, err);
}

/* What passed since the last time, by the period of now; the rest of a period stays. */
static void account_idle(struct sampler *s)
{
	_cleanup_(freep) uint64_t *now = calloc(s->nr_possible_cpus, sizeof(*now));

	if (!now || cpu_idle_read(now, s->nr_possible_cpus) < 0)
		return;
	for (size_t i = 0; i < s->nr_possible_cpus; i++) {
		uint64_t ticks =
			now[i] > s->idle_ns[i] ? (now[i] - s->idle_ns[i]) / s->period_ns : 0;

		s->idle_ticks[i] += ticks;
		s->idle_ns[i] += ticks * s->period_ns;
	}
}

int sampler_set_rate(struct sampler *s, uint32_t rate_hz, struct err *err)
{
	uint64_t period_ns = NSEC_PER_SEC / rate_hz;
	int r = sampler_check_rate(rate_hz, err);

	if (r < 0 || period_ns == s->period_ns)
		return r;
	/* No event is there while the period changes: a sample has its own, always. */
	if (!s->paused)
		account_idle(s);
	sampler_cpus_set_period(s->cpus, period_ns);
	s->period_ns = s->bpf->bss->period_ns = period_ns;
	s->bpf->bss->epoch++;
	s->bpf->bss->attached++;
	return s->paused ? 0 : sampler_cpus_follow(s->cpus, err);
}

int sampler_pause(struct sampler *s)
{
	if (!s->paused)
		account_idle(s);
	s->paused = true;
	sampler_cpus_close(s->cpus);
	return sampler_drain(s);
}

int sampler_resume(struct sampler *s, struct err *err)
{
	if (s->paused)
		cpu_idle_read(s->idle_ns, s->nr_possible_cpus);
	s->paused = false;
	s->bpf->bss->attached++;
	return sampler_cpus_follow(s->cpus, err);
}

int sampler_tick(struct sampler *s)
{
	uint64_t now = clock_boot_ns();
	struct err err = ERR_NULL;

	if (!s->paused && now - s->followed_ns >= HOTPLUG_INTERVAL_NS) {
		s->followed_ns = now;
		if (sampler_cpus_follow(s->cpus, &err) < 0)
			log_warn("%s", err.text);
	}
	return sampler_drain(s);
}

int sampler_stop(struct sampler *s)
{
	int r = sampler_cpus_stop(s->cpus);

	s->on_drain_timer = loop_source_free(s->on_drain_timer);
	if (r < 0)
		return r;
	do
		r = sampler_drain(s);
	while (r == SAMPLER_E_MORE);
	return r;
}

/* What the kernel stopped on CPUs that sleep: else the first work after that would not be seen. */
static void restart_stopped(struct sampler *s)
{
	for (unsigned int word = 0; word < ASLEEP_CPU_WORDS; word++) {
		__u64 bits = __atomic_load_n(&s->bpf->bss->stopped[word], __ATOMIC_RELAXED);

		if (!bits)
			continue;
		bits = __atomic_exchange_n(&s->bpf->bss->stopped[word], 0, __ATOMIC_RELAXED);
		for (; bits; bits &= bits - 1) {
			unsigned int cpu = word * 64 + (unsigned int)__builtin_ctzll(bits);
			int r = sampler_cpus_restart(s->cpus, cpu);

			if (r < 0)
				log_debug("cannot start the event of CPU %u again: %s", cpu,
					  err_str(r));
		}
	}
}

int sampler_drain(struct sampler *s)
{
	int r;

	restart_stopped(s);
	s->drain_until_ns = clock_boot_ns() + DRAIN_MAX_NS;
	r = ring_buffer__consume(s->ring);
	if (r == -EAGAIN)
		return SAMPLER_E_MORE;
	return r < 0 && r != -ECANCELED ? r : 0;
}

/* As in bpf/scratch.h. */
struct file_key {
	uint64_t ino, ctime_ns;
	uint32_t dev, gen;
};

static struct file_key file_key(const struct rec_map *identity)
{
	return (struct file_key) { .ino = identity->ino,
				   .ctime_ns = identity->ctime_ns,
				   .dev = identity->dev,
				   .gen = identity->gen };
}

/* The programs remember what they found: a map was changed, and this generation is over. Returns r. */
static int changed(uint32_t *generation, int r)
{
	__atomic_add_fetch(generation, 1, __ATOMIC_SEQ_CST);
	return r;
}

int sampler_set_file(struct sampler *s, const struct rec_map *identity, uint32_t file_id,
		     uint32_t table_slot)
{
	struct file_key key = file_key(identity);
	struct {
		uint32_t id, slot;
	} value = { .id = file_id, .slot = table_slot };

	return changed(&s->bpf->bss->files_generation,
		       bpf_map__update_elem(s->bpf->maps.files, &key, sizeof(key), &value,
					    sizeof(value), BPF_ANY));
}

int sampler_set_cgroup(struct sampler *s, uint64_t cgroup, enum cgroup_state state)
{
	const uint8_t value = (uint8_t)state;

	return changed(&s->bpf->bss->cgroups_generation,
		       bpf_map__update_elem(s->bpf->maps.cgroups, &cgroup, sizeof(cgroup), &value,
					    sizeof(value), BPF_ANY));
}

int sampler_forget_file(struct sampler *s, const struct rec_map *identity)
{
	struct file_key key = file_key(identity);
	int r = changed(&s->bpf->bss->files_generation,
			bpf_map__delete_elem(s->bpf->maps.files, &key, sizeof(key), 0));

	return r == -ENOENT ? 0 : r;
}

int sampler_forget_cgroup(struct sampler *s, uint64_t cgroup)
{
	int r = changed(&s->bpf->bss->cgroups_generation,
			bpf_map__delete_elem(s->bpf->maps.cgroups, &cgroup, sizeof(cgroup), 0));

	return r == -ENOENT ? 0 : r;
}

/* A CPU that sleeps, and for how long already: each is asked. What cannot be asked stays missed. */
static void settle(struct sampler *s)
{
	int fd = bpf_program__fd(s->bpf->progs.settle);

	for (unsigned int cpu = 0; cpu < s->nr_possible_cpus; cpu++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

		if (sampler_cpus_has(s->cpus, cpu))
			bpf_prog_test_run_opts(fd, &opts);
	}
}

/*
 * A CPU that was idle and never seen so: some virtual machines' kernels keep the idle task of all CPUs but the first from
 * every perf event. The kernel's own account of idle time stands for what cannot be seen.
 */
static void add_hidden_idle(struct sampler *s, struct sampler_cpu_counts *cpus)
{
	if (!s->paused)
		account_idle(s);
	for (size_t i = 0; i < s->nr_possible_cpus; i++) {
		if (!cpus[i].idle)
			cpus[i].asleep = MAX(cpus[i].asleep, s->idle_ticks[i]);
	}
}

int sampler_read_counts(struct sampler *s, struct sampler_counts *ret)
{
	struct sampler_counts counts = { .malformed = s->malformed, .received = s->received };
	_cleanup_(freep) struct sampler_cpu_counts *cpus =
		calloc(s->nr_possible_cpus, sizeof(*cpus));
	int r;

	if (!cpus)
		return -ENOMEM;
	settle(s);
	r = sampler_counters_read(bpf_map__fd(s->bpf->maps.counters), s->nr_possible_cpus,
				  counts.bpf, cpus);
	if (r < 0)
		return r;
	add_hidden_idle(s, cpus);
	for (unsigned int cpu = 0; cpu < s->nr_possible_cpus; cpu++)
		sampler_counters_compare(&counts, cpu, sampler_cpus_expected(s->cpus, cpu),
					 &cpus[cpu]);
	counts.runs = counts.bpf[COUNTER_RUNS];
	*ret = counts;
	return 0;
}

int sampler_cut(struct sampler *s, struct sampler_counts *ret)
{
	int r = sampler_read_counts(s, ret);

	if (r < 0)
		return r;
	/* A record is counted behind its submission: all of these are in the ring, or on their way out of it. */
	s->hand_out = ret->bpf[COUNTER_RECORDS];
	for (unsigned int tries = 0;
	     r >= 0 && s->received + s->malformed < s->hand_out && tries < CUT_TRIES;) {
		r = sampler_drain(s);
		if (r == SAMPLER_E_MORE)
			continue;
		tries++;
		sched_yield(); /* a record that is being written stands before them */
	}
	s->hand_out = UINT64_MAX;
	ret->received = s->received;
	ret->malformed = s->malformed;
	return MIN(r, 0);
}

int sampler_identify(struct sampler *s, int fd, struct rec_map *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	int r;

	if (p == MAP_FAILED)
		return err_last();
	r = sampler_look_up(s, (uint64_t)(uintptr_t)p, ret);
	munmap(p, page);
	if (r < 0)
		return r;
	return r == SAMPLER_LOOK_UP_FILE ? 0 : -ENOENT;
}

int sampler_map_bytes(struct sampler *s, uint64_t *ret)
{
	struct bpf_map *map;

	*ret = 0;
	bpf_object__for_each_map(map, s->bpf->obj)
	{
		_cleanup_(buf_deinitp) struct buf info = BUF_NULL;
		uint64_t bytes;
		char path[64];
		char *line;

		buf_init(&info, 4096);
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
		if (sys_read_file(AT_FDCWD, path, &info) < 0)
			continue;
		line = strstr(info.data, "\nmemlock:");
		if (line && sscanf(line, "\nmemlock: %" SCNu64, &bytes) == 1)
			*ret += bytes;
	}
	return 0;
}

struct sampler_tables *sampler_tables(struct sampler *s)
{
	return s->tables;
}

uint64_t sampler_period_ns(const struct sampler *s)
{
	return s->period_ns;
}
