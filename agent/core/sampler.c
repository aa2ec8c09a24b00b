/* The kernel side as the core sees it. */
#include "agent/core/sampler.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/cpu_idle.h"
#include "agent/core/sampler_counters.h"
#include "agent/core/sampler_cpus.h"
#include "agent/core/sampler_record.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "bpf/sampler.skel.h"
#include "bpf/unwind_table.h"

#define DRAIN_MAX_NS (10 * NSEC_PER_MSEC) /* the ring may be filled faster than it is emptied */
#define DRAIN_CLOCK_EVERY 16
#define HOTPLUG_INTERVAL_NS (2 * NSEC_PER_SEC)
#define CUT_TRIES 1000
#define SLABS_MAX 65535u /* a place has 16 bits for the slab */
#define RULE_CHUNK_BYTES 32768u /* struct rule_chunk of bpf/tables.h */
#define RULE_CHUNKS_MAX 4u /* 8,192 rules: more only miss the CPU's own caches */

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
	uint64_t *idle_at_start; /* [nr_possible_cpus], ns */
	char cgroup_path[SAMPLER_PATH_MAX];
};

static char libbpf_says[512];

/* The line that says what a person wants to know: the verifier's last word, or that of a failed load. */
static bool tells(const char *line)
{
	static const char *const dull[] = { "processed ",        "libbpf: ",    "--",
					    "verification time", "stack depth", "from " };

	for (size_t i = 0; i < ARRAY_SIZE(dull); i++) {
		if (!strncmp(line, dull[i], strlen(dull[i])))
			return false;
	}
	return *line && !isdigit((unsigned char)*line) && *line != ';';
}

/* libbpf's warnings go to the debug log; the last word of the verifier helps a person when loading fails. */
static int on_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_(freep) char *text = NULL;
	char *save = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (level == LIBBPF_WARN && tells(line))
			snprintf(libbpf_says, sizeof(libbpf_says), "%.500s", line);
		log_debug("%s", line);
	}
	return 0;
}

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

static bool kernel_is_confidential(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 256);
	return !sys_read_file(AT_FDCWD, "/sys/kernel/security/lockdown", &b) &&
	       strstr(buf_str(&b), "[confidentiality]");
}

static int explain_load(struct err *err, int r)
{
	if (r == -EPERM || (r == -EACCES && !*libbpf_says)) { /* -EACCES is the verifier's too */
		if (kernel_is_confidential())
			return err_set(
				err, r,
				"the kernel is locked down (confidentiality): it lets nobody read other "
				"processes by BPF; boot without lockdown=confidentiality");
		return err_set(
			err, r,
			"the kernel refuses BPF: needs CAP_BPF and CAP_PERFMON (try sudo; in a container, add "
			"them and allow bpf and perf_event_open in its seccomp profile)");
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return err_set(
			err, -EOPNOTSUPP,
			"this kernel has no type information (/sys/kernel/btf/vmlinux): needs "
			"CONFIG_DEBUG_INFO_BTF, as distribution kernels have it");
	return err_errno(
		err, r,
		"this kernel cannot run the sampler: it needs what Linux 6.1 has (maple trees, bpf_loop, ring "
		"buffer dynptrs); it says: %s",
		libbpf_says);
}

static uint64_t read_rate_limit(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	uint64_t limit;

	buf_init(&b, 64);
	if (sys_read_file(AT_FDCWD, "/proc/sys/kernel/perf_event_max_sample_rate", &b))
		return UINT64_MAX;
	b.data[strcspn(b.data, "\n")] = '\0';
	return sys_parse_u64(b.data, 10, 1, UINT64_MAX, &limit) ? UINT64_MAX : limit;
}

static int check_rate(uint32_t rate_hz, struct err *err)
{
	uint64_t limit = read_rate_limit();

	if (!rate_hz || rate_hz > limit)
		return err_set(err, -ERANGE,
			       "a rate of %u Hz is above what the kernel allows, %" PRIu64
			       " Hz (sysctl kernel.perf_event_max_sample_rate)",
			       rate_hz, limit);
	return 0;
}

/* A slab more than the bytes say: the last entry of the outer map is not a slab's. */
static uint32_t outer_entries(const struct sampler_config *config)
{
	uint64_t slabs = config->table_bytes / UNWIND_SLAB_BYTES;

	return (uint32_t)MIN(MAX(slabs, 1u), (uint64_t)SLABS_MAX) + 1;
}

static uint32_t rule_chunks(const struct sampler_config *config)
{
	uint32_t chunks = 1;

	while (chunks < RULE_CHUNKS_MAX &&
	       2ULL * chunks * RULE_CHUNK_BYTES <= config->rule_cache_bytes)
		chunks *= 2;
	return chunks;
}

static int size_maps(struct sampler *s, const struct sampler_config *config)
{
	const struct {
		struct bpf_map *map;
		uint32_t entries;
	} sizes[] = {
		{ s->bpf->maps.ring, (uint32_t)config->ring_bytes },
		{ s->bpf->maps.files, config->max_files },
		{ s->bpf->maps.cgroups, config->max_cgroups },
		{ s->bpf->maps.slabs, outer_entries(config) },
		{ s->bpf->maps.tables, config->max_tables },
		{ s->bpf->maps.rules, rule_chunks(config) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);

		if (r)
			return r;
	}
	return 0;
}

static int load(struct sampler *s, const struct sampler_config *config, struct err *err)
{
	int r;

	libbpf_set_print(on_libbpf_print);
	s->bpf = sampler_bpf__open();
	if (!s->bpf)
		return err_errno(err, err_last(), "cannot open the BPF object");
	s->bpf->rodata->ring_bytes = config->ring_bytes;
	if (getrandom((void *)&s->bpf->rodata->hash_seed, 8, GRND_NONBLOCK) != 8)
		s->bpf->rodata->hash_seed = clock_boot_ns();
	s->bpf->rodata->rule_chunks = rule_chunks(config);
	r = size_maps(s, config);
	if (!r)
		r = sampler_bpf__load(s->bpf);
	if (r)
		return explain_load(err, r);
	s->bpf->bss->period_ns = s->period_ns;
	return 0;
}

enum { LOOK_UP_NONE = 0, LOOK_UP_FILE = 1, LOOK_UP_NO_FILE = 2 };

/* Asks the kernel side which of our own mappings holds address. Returns LOOK_UP_… or -errno. */
static int look_up(struct sampler *s, uint64_t address, struct rec_map *ret)
{
	uint64_t args[12] = { address }; /* as many as a raw tracepoint may have */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	int r = bpf_prog_test_run_opts(bpf_program__fd(s->bpf->progs.look_up), &opts);

	if (r < 0)
		return r;
	*ret = s->bpf->bss->looked_up.map;
	return (int)s->bpf->bss->looked_up.found;
}

/* Compares one line of our own maps with what the kernel side sees there. */
static int compare_mapping(struct sampler *s, const char *line, struct err *err)
{
	uint64_t start, end, offset, ino;
	unsigned int major, minor;
	struct rec_map map;
	char perms[8];
	int r;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64, &start, &end,
		   perms, &offset, &major, &minor, &ino) != 7)
		return err_set(err, -EBADMSG,
			       "self-test: cannot read a line of /proc/self/maps: %.200s", line);
	if (perms[2] != 'x' || !ino)
		return 0;
	r = look_up(s, start + (end - start) / 2, &map);
	if (r < 0)
		return err_errno(err, r, "self-test: cannot run the look-up program");
	if (r != LOOK_UP_FILE || map.start != start || map.end != end ||
	    map.pgoff_bytes != offset || map.ino != ino)
		return err_set(
			err, -ENOTRECOVERABLE,
			"self-test: this kernel's memory maps are not what the sampler expects (please report the "
			"kernel's version): maps say %.120s, the program found %d: %" PRIx64
			"-%" PRIx64 " offset %" PRIx64 " inode %" PRIu64,
			line, r, (uint64_t)map.start, (uint64_t)map.end, (uint64_t)map.pgoff_bytes,
			(uint64_t)map.ino);
	return 1;
}

/* Ranges, offsets and inode numbers of our own executable mappings; never devices, which overlays rename. And our id. */
static int self_test(struct sampler *s, struct err *err)
{
	_cleanup_(buf_deinitp) struct buf maps = BUF_NULL;
	int compared = 0, r;
	char *save = NULL;

	buf_init(&maps, 4u << 20);
	r = sys_read_file(AT_FDCWD, "/proc/self/maps", &maps);
	if (r < 0)
		return err_errno(err, r, "self-test: cannot read /proc/self/maps");
	for (char *line = strtok_r(maps.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		r = compare_mapping(s, line, err);
		if (r < 0)
			return r;
		compared += r;
	}
	if (!compared)
		return err_set(err, -ENOTRECOVERABLE,
			       "self-test: we have no executable mapping to compare");
	if (s->bpf->bss->looked_up.tgid != (uint64_t)getpid())
		return err_set(
			err, -EXDEV,
			"this is a PID namespace of its own: processes have other ids on the host, so their files "
			"cannot be found (start the container with --pid host, the pod with hostPID: true)");
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
	r = check_rate(config->rate_hz, err);
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
	s->idle_at_start = calloc(s->nr_possible_cpus, sizeof(*s->idle_at_start));
	if (!s->idle_at_start)
		return -ENOMEM;
	r = load(s, config, err);
	if (!r)
		r = self_test(s, err);
	if (!r)
		r = sampler_tables_new(&s->tables, loop, bpf_map__fd(s->bpf->maps.slabs),
				       bpf_map__fd(s->bpf->maps.tables), outer_entries(config),
				       config->max_tables);
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
	free(s->idle_at_start);
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
	cpu_idle_read(s->idle_at_start, s->nr_possible_cpus);
	return sampler_cpus_follow(s->cpus, err);
}

int sampler_set_rate(struct sampler *s, uint32_t rate_hz, struct err *err)
{
	uint64_t period_ns = NSEC_PER_SEC / rate_hz;
	int r = check_rate(rate_hz, err);

	if (r < 0 || period_ns == s->period_ns)
		return r;
	/* No event is there while the period changes: a sample has its own, always. */
	sampler_cpus_set_period(s->cpus, period_ns);
	s->period_ns = s->bpf->bss->period_ns = period_ns;
	s->bpf->bss->epoch++;
	s->bpf->bss->attached++;
	return s->paused ? 0 : sampler_cpus_follow(s->cpus, err);
}

int sampler_pause(struct sampler *s)
{
	s->paused = true;
	sampler_cpus_close(s->cpus);
	return sampler_drain(s);
}

int sampler_resume(struct sampler *s, struct err *err)
{
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
static void add_hidden_idle(const struct sampler *s, struct sampler_cpu_counts *cpus)
{
	_cleanup_(freep) uint64_t *idle = calloc(s->nr_possible_cpus, sizeof(*idle));

	if (!idle || cpu_idle_read(idle, s->nr_possible_cpus) < 0)
		return;
	for (size_t i = 0; i < s->nr_possible_cpus; i++) {
		if (!cpus[i].idle && idle[i] > s->idle_at_start[i])
			cpus[i].asleep =
				MAX(cpus[i].asleep, (idle[i] - s->idle_at_start[i]) / s->period_ns);
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
	r = look_up(s, (uint64_t)(uintptr_t)p, ret);
	munmap(p, page);
	if (r < 0)
		return r;
	return r == LOOK_UP_FILE ? 0 : -ENOENT;
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
