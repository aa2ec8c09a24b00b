/* Taking samples in. */
#include "agent/core/sampling.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/core/budget.h"
#include "agent/core/symbolize.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define MAX_CGROUPS 65536
#define MAX_TABLES                                                                                 \
	8192 /* files with native code that are in use at a time; large hosts have some 2,000 */
#define RING_BYTES_MIN (2u << 20)
#define RING_BYTES_MAX (64u << 20)
#define RECORD_BYTES_TYPICAL 1024
#define NAME_AGAIN_NS (10 * NSEC_PER_SEC)
#define NAME_REFRESH_NS (600 * NSEC_PER_SEC) /* containers can be renamed */

/* Room for two and a half intervals of every CPU's samples. */
static uint64_t ring_bytes(const struct sampling_config *config)
{
	uint64_t want = config->rate_hz * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) *
			RECORD_BYTES_TYPICAL * 5 / 2 * config->drain_interval_ns / NSEC_PER_SEC;
	uint64_t bytes = RING_BYTES_MIN;

	while (bytes < want && bytes < RING_BYTES_MAX)
		bytes *= 2;
	return bytes;
}

static void on_name(const struct owner_names *names, void *userdata)
{
	struct owners_entry *e = userdata;

	e->name_pending = false;
	owners_set_names(e, names);
}

static void ask_name(struct sampling *s, struct owners_entry *e, uint64_t now)
{
	if (e->ref.kind != OWNER_CONTAINER || e->name_pending || e->name_due_ns > now)
		return;
	/* Unnamed, it is soon asked for again, then less often: the file may not be written yet. */
	e->name_due_ns = now + MIN(NAME_AGAIN_NS << MIN(e->names_asked, 8u), NAME_REFRESH_NS);
	if (*e->names.name)
		e->name_due_ns = now + NAME_REFRESH_NS;
	e->names_asked++;
	e->name_pending = true;
	if (names_look_up(s->names, e->ref.container_id, e->tgid, e->start_boot_ns, on_name, e) <
	    0) {
		e->name_pending = false;
		log_debug("cannot ask for the name of container %s", e->ref.container_id);
	}
}

void sampling_refresh_names(struct sampling *s, uint64_t now)
{
	for (uint32_t i = 0; i < owners_count(s->owners); i++) {
		if (owners_is_active(s->owners, i))
			ask_name(s, owners_get(s->owners, i), now);
	}
}

static void forget_cgroup(uint64_t cgroup, void *userdata)
{
	struct sampling *s = userdata;
	int r = sampler_forget_cgroup(s->sampler, cgroup);

	if (r < 0)
		log_debug("cannot forget a cgroup: %s", err_str(r));
}

void sampling_filter_changed(struct sampling *s)
{
	owners_each_cgroup(s->owners, forget_cgroup, s);
}

void sampling_end_window(struct sampling *s)
{
	size_t nr;
	const uint64_t *words = window_words(s->window, &nr);

	objects_touch(s->objects, words, nr);
	objects_end_window(s->objects);
	owners_end_window(s->owners, forget_cgroup, s);
}

/* The path of a cgroup has come. Is it to be sampled? While that is not known, its records bring the path again. */
static bool learn_cgroup(struct sampling *s, const struct sampler_sample *sample, uint32_t owner)
{
	const struct record_sample *head = sample->head;
	struct owners_entry *e = owners_get(s->owners, owner);
	enum filter_answer answer;

	ask_name(s, e, head->record.time_boot_ns);
	answer = filter_ask(s->filter, sample->cgroup_path, &e->ref, e->names.name,
			    !e->name_pending);
	if (answer == FILTER_UNDECIDED)
		return false;
	sampler_set_cgroup(s->sampler, head->cgroup,
			   answer == FILTER_SAMPLED ? CGROUP_STATE_SAMPLED : CGROUP_STATE_LEFT_OUT);
	if (answer == FILTER_SAMPLED && s->on_cgroup)
		s->on_cgroup(owner, head->cgroup, sample->cgroup_path, s->userdata);
	return answer == FILTER_SAMPLED;
}

static void on_sample(const struct sampler_sample *sample, void *userdata)
{
	const struct record_sample *head = sample->head;
	struct sampling *s = userdata;
	uint64_t words[RECORD_MAX_WORDS];
	struct window_sample row = {
		.tgid = head->tgid,
		.start_boot_ns = head->start_boot_ns,
		.leader_comm = head->leader_comm,
		.thread_comm = head->comm,
		.words = words,
		.end_reason = head->end_reason,
		.value = head->value,
	};
	bool learned;

	row.owner = owners_find(s->owners, head->cgroup, sample->cgroup_path,
				head->record.flags & RECORD_KTHREAD, head->tgid,
				head->start_boot_ns, &learned);
	if (learned && !learn_cgroup(s, sample, row.owner)) {
		s->loss.left_out++;
		return;
	}
	row.nr_words = objects_translate(s->objects, sample, row.owner + 1, words);
	jitmaps_see(s->jitmaps, head->tgid, head->start_boot_ns, words, row.nr_words,
		    head->record.time_boot_ns);
	if (window_add(s->window, &row)) {
		s->loss.refused++;
		return;
	}
	s->loss.in_profile++;
	if (s->on_taken)
		s->on_taken(row.owner, head, s->userdata);
}

static int start_helpers(struct sampling *s, const struct sampling_config *config, struct err *err)
{
	int r = openclient_new(&s->opener, s->loop, keeper_spawn_opener, s->keeper, err);

	if (!r)
		r = symclient_new(&s->symbolizer, s->loop, keeper_spawn_symbolizer, s->keeper, err);
	if (!r)
		r = names_new(&s->names, s->opener, s->symbolizer);
	if (!r)
		r = vmlinux_new(&s->vmlinux, s->opener, s->symbolizer);
	if (!r)
		r = jitmaps_new(&s->jitmaps, s->opener, config->late_maps);
	if (!r)
		r = table_source_new(&s->tables, s->loop, sampler_tables(s->sampler),
				     s->symbolizer);
	if (!r)
		r = objects_new(&s->objects, s->sampler, s->opener, s->symbolizer, s->tables,
				config->symdisk, config->max_files);
	return r;
}

static void copy_vdso(struct sampling *s)
{
	struct symclient_file file = { .key = SYMBOLIZE_KEY_VDSO };

	if (symbolize_copy_vdso(&s->vdso_fd) < 0) {
		log_debug("this process has no vDSO to copy");
		return;
	}
	file.fd = s->vdso_fd;
	if (s->tables)
		table_source_add_vdso(s->tables, &file);
}

static int drop_privileges(struct err *err)
{
	static const cap_value_t keep[] = { CAP_BPF, CAP_PERFMON, CAP_SYSLOG };

	return privilege_drop(keep, ARRAY_SIZE(keep), 0, err);
}

static int divide_memory(const struct sampling_config *config, struct sampler_config *sampler,
			 struct err *err)
{
	unsigned int nr_cpus = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	uint64_t limit = config->memory_limit ?: budget_default_limit(nr_cpus);
	struct budget budget;
	int r = budget_divide(limit, nr_cpus, &budget, err);

	if (r)
		return r;
	sampler->table_bytes = budget.unwind_tables;
	sampler->rule_cache_bytes = budget.unwind_cache / nr_cpus;
	return 0;
}

int sampling_prepare(struct sampling *s, const struct sampling_config *config, struct err *err)
{
	struct sampler_config sampler = { .rate_hz = config->rate_hz,
					  .ring_bytes = config->ring_bytes ?: ring_bytes(config),
					  .drain_interval_ns = config->drain_interval_ns,
					  .max_files = (uint32_t)config->max_files,
					  .max_cgroups = MAX_CGROUPS,
					  .max_tables = MAX_TABLES,
					  .open_event = keeper_open_event,
					  .open_userdata = s->keeper };
	int r = divide_memory(config, &sampler, err);

	if (r)
		return r;
	prctl(PR_SET_NAME, "fleetprof");
	r = loop_new(&s->loop);
	if (!r)
		r = owners_new(&s->owners);
	if (r)
		return err_errno(err, r, "cannot prepare the sampling");
	r = sampler_new(&s->sampler, s->loop, &sampler, on_sample, s, err);
	if (!r)
		r = start_helpers(s, config, err);
	/* Opened with privileges, so that it shows addresses; a kernel may still refuse them. */
	s->kallsyms_fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	copy_vdso(s);
	return r ?: drop_privileges(err);
}

void sampling_deinit(struct sampling *s)
{
	names_free(s->names);
	/* These answer what is under way, which touches objects and windows: first. */
	openclient_free(s->opener);
	symclient_free(s->symbolizer);
	objects_free(s->objects);
	vmlinux_free(s->vmlinux);
	jitmaps_free(s->jitmaps);
	table_source_free(s->tables);
	owners_free(s->owners);
	sampler_free(s->sampler);
	loop_free(s->loop);
	close_fd(s->kallsyms_fd);
	close_fd(s->vdso_fd);
	keeper_free(s->keeper);
}

void sampling_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("cannot raise the limit of open files: %s", err_str(err_last()));
}
