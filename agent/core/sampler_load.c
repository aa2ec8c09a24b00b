/* The sampler's programs: loaded, and tried on ourselves. */
#include "agent/core/sampler_internal.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "bpf/sampler.skel.h"
#include "bpf/unwind_table.h"

#define SLABS_MAX 65535u /* a place has 16 bits for the slab */
#define RULE_CHUNKS_MAX 4u /* 8,192 rules: more only miss the CPU's own caches */
#define NEAR_BLOCKS_MAX 16u /* one for each address space that a CPU remembers */

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

int sampler_check_rate(uint32_t rate_hz, struct err *err)
{
	uint64_t limit = read_rate_limit();

	if (!rate_hz || rate_hz > limit)
		return err_set(err, -ERANGE,
			       "a rate of %u Hz is above what the kernel allows, %" PRIu64
			       " Hz (sysctl kernel.perf_event_max_sample_rate)",
			       rate_hz, limit);
	return 0;
}

uint32_t sampler_outer_entries(const struct sampler_config *config)
{
	uint64_t slabs = config->table_bytes / UNWIND_SLAB_BYTES;

	return (uint32_t)MIN(MAX(slabs, 1u), (uint64_t)SLABS_MAX) + 1;
}

/* The largest power of two, 1 at least and max at most, of the map's elements that so many bytes have room for. */
static uint32_t elements_in(uint64_t bytes, const struct bpf_map *map, uint32_t max)
{
	uint64_t size = bpf_map__value_size(map);
	uint32_t nr = 1;

	while (nr < max && 2 * nr * size <= bytes)
		nr *= 2;
	return nr;
}

/* Divides a CPU's cache of rules: at most a half is near, and at least a chunk is not. */
static void divide_rules(struct sampler *s, uint64_t bytes)
{
	const struct bpf_map *chunks = s->bpf->maps.rules, *near = s->bpf->maps.near_rules;
	uint64_t chunk_bytes = bpf_map__value_size(chunks), near_bytes;
	uint32_t nr_near =
		elements_in(MIN(bytes / 2, bytes - MIN(bytes, chunk_bytes)), near, NEAR_BLOCKS_MAX);

	near_bytes = (uint64_t)nr_near * bpf_map__value_size(near);
	s->bpf->rodata->near_blocks = nr_near;
	s->bpf->rodata->rule_chunks =
		elements_in(bytes - MIN(bytes, near_bytes), chunks, RULE_CHUNKS_MAX);
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
		{ s->bpf->maps.slabs, sampler_outer_entries(config) },
		{ s->bpf->maps.tables, config->max_tables },
		{ s->bpf->maps.rules, s->bpf->rodata->rule_chunks },
		{ s->bpf->maps.near_rules, s->bpf->rodata->near_blocks },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);

		if (r)
			return r;
	}
	return 0;
}

int sampler_load(struct sampler *s, const struct sampler_config *config, struct err *err)
{
	int r;

	libbpf_set_print(on_libbpf_print);
	s->bpf = sampler_bpf__open();
	if (!s->bpf)
		return err_errno(err, err_last(), "cannot open the BPF object");
	s->bpf->rodata->ring_bytes = config->ring_bytes;
	if (getrandom((void *)&s->bpf->rodata->hash_seed, 8, GRND_NONBLOCK) != 8)
		s->bpf->rodata->hash_seed = clock_boot_ns();
	divide_rules(s, config->rule_cache_bytes);
	r = size_maps(s, config);
	if (!r)
		r = sampler_bpf__load(s->bpf);
	if (r)
		return explain_load(err, r);
	s->bpf->bss->period_ns = s->period_ns;
	return 0;
}

int sampler_look_up(struct sampler *s, uint64_t address, struct rec_map *ret)
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
	r = sampler_look_up(s, start + (end - start) / 2, &map);
	if (r < 0)
		return err_errno(err, r, "self-test: cannot run the look-up program");
	if (r != SAMPLER_LOOK_UP_FILE || map.start != start || map.end != end ||
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

int sampler_self_test(struct sampler *s, struct err *err)
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
