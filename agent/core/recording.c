/* One recording: prepare and run. */
#include "agent/core/recording.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/core/progress.h"
#include "agent/core/select.h"
#include "agent/core/symbolize.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MAX_FILES 65536
#define MAX_CGROUPS 65536
#define WINDOW_ROWS_MAX (2u << 20)
#define WINDOW_WORDS_MAX (64u << 20) /* 512 MB of different stacks: a week of a busy host */
#define RING_BYTES_MIN (2u << 20)
#define RING_BYTES_MAX (64u << 20)
#define RECORD_BYTES_TYPICAL 1024

/* Room for half a second of every CPU's samples, since the ring is drained five times a second. */
static uint64_t ring_bytes(uint32_t rate_hz)
{
	uint64_t want = (uint64_t)rate_hz * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) *
			RECORD_BYTES_TYPICAL / 2;
	uint64_t bytes = RING_BYTES_MIN;

	while (bytes < want && bytes < RING_BYTES_MAX)
		bytes *= 2;
	return bytes;
}

static void on_name(const char *name, const char *image, void *userdata)
{
	struct owners_entry *e = userdata;

	owners_set_name(e, name, image);
}

static void ask_name(struct recording *r, uint32_t owner)
{
	struct owners_entry *e = owners_get(r->owners, owner);

	if (e->name_asked || e->ref.kind != OWNER_CONTAINER)
		return;
	e->name_asked = true;
	if (names_look_up(r->names, e->ref.container_id, e->tgid, e->start_boot_ns, on_name, e) < 0)
		log_debug("cannot ask for the name of container %s", e->ref.container_id);
}

static void on_sample(const struct sampler_sample *sample, void *userdata)
{
	const struct record_sample *head = sample->head;
	struct recording *r = userdata;
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

	row.owner = owners_find(r->owners, head->cgroup, sample->cgroup_path,
				head->record.flags & RECORD_KTHREAD, head->tgid,
				head->start_boot_ns, &learned);
	if (learned) {
		sampler_set_cgroup(r->sampler, head->cgroup);
		ask_name(r, row.owner);
	}
	row.nr_words = objects_translate(r->objects, sample, row.owner + 1, words);
	if (window_add(r->window, &row))
		r->loss.refused++;
	else
		r->loss.in_profile++;
}

static int set_filter(struct recording *r, struct err *err)
{
	const struct record_options *o = r->options;
	struct sampler_filter filter = { .kind = SAMPLER_FILTER_ALL };
	int rc = 0;

	if (o->nr_pids) {
		filter.kind = SAMPLER_FILTER_TGIDS;
		for (size_t i = 0; i < o->nr_pids; i++)
			filter.ids[filter.nr++] = (uint64_t)o->pids[i];
	} else if (o->command) {
		filter.kind = SAMPLER_FILTER_DESCENDANTS;
		filter.ids[filter.nr++] = (uint64_t)keeper_command_parent(r->keeper);
	} else if (o->cgroup) {
		rc = select_cgroup(o->cgroup, &filter, err);
	} else if (o->container) {
		rc = select_container(o->container, r->names, r->loop, &filter, err);
	}
	return rc ? rc : sampler_set_filter(r->sampler, &filter, err);
}

static int start_helpers(struct recording *r, struct err *err)
{
	int rc = openclient_new(&r->opener, r->loop, keeper_spawn_opener, r->keeper, err);

	if (!rc)
		rc = symclient_new(&r->symbolizer, r->loop, keeper_spawn_symbolizer, r->keeper,
				   err);
	if (!rc)
		rc = names_new(&r->names, r->opener, r->symbolizer);
	if (!rc)
		rc = objects_new(&r->objects, r->sampler, r->opener, r->symbolizer, MAX_FILES);
	return rc;
}

static int drop_privileges(struct err *err)
{
	static const cap_value_t keep[] = { CAP_BPF, CAP_PERFMON, CAP_SYSLOG };

	return privilege_drop(keep, ARRAY_SIZE(keep), 0, err);
}

int recording_prepare(struct recording *r, struct err *err)
{
	struct sampler_config config = { .rate_hz = r->options->rate_hz,
					 .ring_bytes = ring_bytes(r->options->rate_hz),
					 .max_files = MAX_FILES,
					 .max_cgroups = MAX_CGROUPS };
	struct window_limits limits = { .max_rows = WINDOW_ROWS_MAX,
					.max_words = WINDOW_WORDS_MAX };
	int rc;

	prctl(PR_SET_NAME, "fleetprof");
	rc = loop_new(&r->loop);
	if (!rc)
		rc = window_new(&r->window, &limits);
	if (!rc)
		rc = owners_new(&r->owners);
	if (rc)
		return err_errno(err, rc, "cannot prepare the recording");
	rc = sampler_new(&r->sampler, r->loop, &config, on_sample, r, err);
	if (!rc)
		rc = start_helpers(r, err);
	/* Opened with privileges, so that it shows addresses; a kernel may still refuse them. */
	r->kallsyms_fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (symbolize_copy_vdso(&r->vdso_fd) < 0)
		log_debug("this process has no vDSO to copy");
	if (!rc)
		rc = drop_privileges(err);
	return rc ? rc : set_filter(r, err);
}

/* Ends the sampling; what follows is symbolizing, which a second signal cuts short. */
static void stop(struct recording *r)
{
	loop_stop(r->loop, 0);
}

static int on_signal(struct loop_source *source, int signo, void *userdata)
{
	struct recording *r = userdata;

	r->interrupted++;
	stop(r);
	return 0;
}

static int on_end(struct loop_source *source, uint64_t missed, void *userdata)
{
	stop(userdata);
	return 0;
}

static int on_target_exit(struct loop_source *source, uint32_t events, void *userdata)
{
	struct recording *r = userdata;

	loop_source_free(source);
	if (--r->targets_left == 0)
		stop(r);
	return 0;
}

static int on_command_exit(struct loop_source *source, uint32_t events, void *userdata)
{
	struct recording *r = userdata;

	loop_source_free(source);
	if (keeper_command_status(r->keeper, &r->command_status) < 0)
		r->command_status = 0;
	r->command_running = false;
	stop(r);
	return 0;
}

static int on_progress(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct recording *r = userdata;

	progress_recording(clock_boot_ns() - r->start_boot_ns, r->options->duration_ns,
			   r->loss.in_profile + r->loss.refused);
	return 0;
}

static int watch_targets(struct recording *r, struct err *err)
{
	struct loop_source *source;

	for (size_t i = 0; i < r->options->nr_pids; i++) {
		/* The descriptor lives as long as the recording: a handful, and the process is short-lived. */
		int fd = (int)syscall(SYS_pidfd_open, r->options->pids[i], 0);
		int rc = fd < 0 ? err_last()
				: loop_add_fd(r->loop, &source, fd, EPOLLIN, on_target_exit, r);

		if (rc == -ESRCH)
			return err_set(err, rc, "process %d has ended", r->options->pids[i]);
		if (rc < 0)
			return err_errno(err, rc,
					 "cannot watch process %d (is it a thread of another?)",
					 r->options->pids[i]);
		r->targets_left++;
	}
	return 0;
}

static int watch(struct recording *r, struct err *err)
{
	struct loop_source *source;
	uint64_t now = clock_boot_ns();
	int rc = loop_add_signal(r->loop, &source, SIGINT, on_signal, r);

	if (!rc)
		rc = loop_add_signal(r->loop, &source, SIGTERM, on_signal, r);
	if (!rc)
		rc = loop_add_signal(r->loop, &source, SIGHUP, on_signal, r);
	if (!rc && progress_wanted())
		rc = loop_add_timer(r->loop, &source, now + PROGRESS_INTERVAL_NS,
				    PROGRESS_INTERVAL_NS, on_progress, r);
	if (!rc && r->options->command)
		rc = loop_add_fd(r->loop, &source, keeper_command_fd(r->keeper), EPOLLIN,
				 on_command_exit, r);
	if (rc)
		return err_errno(err, rc, "cannot watch signals and timers");
	return watch_targets(r, err);
}

static int start_clock(struct recording *r, struct err *err)
{
	struct loop_source *source;
	int rc = 0;

	r->start_boot_ns = clock_boot_ns();
	r->start_wall_ns = clock_wall_ns();
	if (r->options->duration_ns)
		rc = loop_add_timer(r->loop, &source, r->start_boot_ns + r->options->duration_ns, 0,
				    on_end, r);
	return rc ? err_errno(err, rc, "cannot set a timer") : 0;
}

int recording_run(struct recording *r, struct err *err)
{
	int rc = watch(r, err);

	if (!rc)
		rc = sampler_start(r->sampler, err);
	if (!rc)
		rc = start_clock(r, err);
	if (rc)
		return rc;
	if (r->options->command) {
		rc = keeper_run_command(r->keeper);
		if (rc < 0)
			return err_errno(err, rc, "cannot start the command");
		r->command_running = true;
	}
	rc = loop_run(r->loop);
	progress_clear();
	r->stop_boot_ns = clock_boot_ns();
	if (rc < 0)
		return err_errno(err, rc, "the recording ended with an error");
	rc = sampler_stop(r->sampler);
	if (r->command_running)
		keeper_stop_command(r->keeper);
	if (rc >= 0)
		rc = sampler_read_counts(r->sampler, &r->loss.sampler);
	return rc < 0 ? err_errno(err, rc, "cannot read what the sampler counted") : 0;
}

void recording_deinit(struct recording *r)
{
	names_free(r->names);
	/* These answer what is under way, which touches objects and windows: first. */
	openclient_free(r->opener);
	symclient_free(r->symbolizer);
	objects_free(r->objects);
	owners_free(r->owners);
	window_free(r->window);
	sampler_free(r->sampler);
	loop_free(r->loop);
	close_fd(r->kallsyms_fd);
	close_fd(r->vdso_fd);
	keeper_free(r->keeper);
}
