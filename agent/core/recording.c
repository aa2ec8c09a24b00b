/* One recording: prepare and run. */
#include "agent/core/recording.h"
#include "agent/core/interrupt_cost.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/progress.h"
#include "agent/core/select.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#define MAX_FILES 65536
#define WINDOW_ROWS_MAX (2u << 20)
#define WINDOW_WORDS_MAX (64u << 20) /* 512 MB of different stacks: a week of a busy host */
#define DRAIN_INTERVAL_NS (200 * NSEC_PER_MSEC)

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
		filter.ids[filter.nr++] = (uint64_t)keeper_command_parent(r->sampling.keeper);
	} else if (o->cgroup) {
		rc = select_cgroup(o->cgroup, &filter, err);
	} else if (o->container) {
		rc = select_container(o->container, r->sampling.names, r->sampling.loop, &filter,
				      err);
	}
	return rc ? rc : sampler_set_filter(r->sampling.sampler, &filter, err);
}

int recording_prepare(struct recording *r, struct err *err)
{
	uint32_t rate_hz = interrupt_cost_affordable(r->options->rate_hz);
	struct sampling_config config = { .rate_hz = rate_hz,
					  .drain_interval_ns = DRAIN_INTERVAL_NS,
					  .max_files = MAX_FILES,
					  .late_maps = true };
	struct window_limits limits = { .max_rows = WINDOW_ROWS_MAX,
					.max_words = WINDOW_WORDS_MAX };
	int rc = window_new(&r->window, &limits);

	if (rc)
		return err_errno(err, rc, "cannot prepare the recording");
	r->rate_hz = rate_hz;
	r->sampling.window = r->window;
	rc = sampling_prepare(&r->sampling, &config, err);
	return rc ? rc : set_filter(r, err);
}

/* Ends the sampling; what follows is symbolizing, which a second signal cuts short. */
static void stop(struct recording *r)
{
	loop_stop(r->sampling.loop, 0);
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
	if (--r->targets_left == 0) {
		r->targets_gone = r->options->duration_ns > 0;
		stop(r);
	}
	return 0;
}

static int on_command_exit(struct loop_source *source, uint32_t events, void *userdata)
{
	struct recording *r = userdata;

	loop_source_free(source);
	if (keeper_command_status(r->sampling.keeper, &r->command_status, &r->command_error) < 0) {
		log_error("the process that ran the command was killed");
		r->command_status = SIGKILL; /* as a wait status */
	}
	r->command_running = false;
	stop(r);
	return 0;
}

static int on_progress(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct recording *r = userdata;

	progress_recording(clock_boot_ns() - r->start_boot_ns, r->options->duration_ns,
			   r->sampling.loss.in_profile + r->sampling.loss.refused);
	return 0;
}

static int watch_targets(struct recording *r, struct err *err)
{
	struct loop_source *source;

	for (size_t i = 0; i < r->options->nr_pids; i++) {
		/* The descriptor lives as long as the recording: a handful, and the process is short-lived. */
		int fd = (int)syscall(SYS_pidfd_open, r->options->pids[i], 0);
		int rc = fd < 0 ? err_last()
				: loop_add_fd(r->sampling.loop, &source, fd, EPOLLIN,
					      on_target_exit, r);

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
	int rc = loop_add_signal(r->sampling.loop, &source, SIGINT, on_signal, r);

	if (!rc)
		rc = loop_add_signal(r->sampling.loop, &source, SIGTERM, on_signal, r);
	if (!rc)
		rc = loop_add_signal(r->sampling.loop, &source, SIGHUP, on_signal, r);
	if (!rc && progress_wanted())
		rc = loop_add_timer(r->sampling.loop, &source, now + PROGRESS_INTERVAL_NS,
				    PROGRESS_INTERVAL_NS, on_progress, r);
	if (!rc && r->options->command)
		rc = loop_add_fd(r->sampling.loop, &source, keeper_command_fd(r->sampling.keeper),
				 EPOLLIN, on_command_exit, r);
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
		rc = loop_add_timer(r->sampling.loop, &source,
				    r->start_boot_ns + r->options->duration_ns, 0, on_end, r);
	return rc ? err_errno(err, rc, "cannot set a timer") : 0;
}

int recording_run(struct recording *r, struct err *err)
{
	int rc = watch(r, err);

	if (!rc)
		rc = sampler_start(r->sampling.sampler, err);
	if (!rc)
		rc = start_clock(r, err);
	if (rc)
		return rc;
	if (r->options->command) {
		rc = keeper_run_command(r->sampling.keeper);
		if (rc < 0)
			return err_errno(err, rc, "cannot start the command");
		r->command_running = true;
	}
	rc = loop_run(r->sampling.loop);
	progress_clear();
	r->interrupted_at_stop = r->interrupted;
	r->stop_boot_ns = clock_boot_ns();
	if (rc < 0)
		return err_errno(err, rc, "the recording ended with an error");
	if (r->command_error)
		return err_errno(err, r->command_error, "cannot run %s", r->options->command[0]);
	rc = sampler_stop(r->sampling.sampler);
	if (r->command_running)
		keeper_stop_command(r->sampling.keeper);
	if (rc >= 0)
		rc = sampler_read_counts(r->sampling.sampler, &r->sampling.loss.sampler);
	return rc < 0 ? err_errno(err, rc, "cannot read what the sampler counted") : 0;
}

void recording_deinit(struct recording *r)
{
	sampling_deinit(&r->sampling); /* its last answers touch the window */
	window_free(r->window);
}
