/* The running agent: prepare, run, end. */
#include "agent/core/agent_run.h"
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"
#include "agent/base/log.h"
#include "agent/core/budget.h"
#include "agent/core/interrupt_cost.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define METRICS_NS (10 * NSEC_PER_SEC)
#define TICK_QUIET_NS                                                                              \
	(2 * NSEC_PER_SEC) /* while nobody watches: the fewer, the deeper an idle machine sleeps */
#define MAX_FILES 16384
#define OTHER_FILES 256
#define ROW_BYTES                                                                                  \
	160 /* a row, a stack, a process, and their places in three tables that are at most ¾ full */
#define ENDING_NS                                                                                  \
	(15 * NSEC_PER_SEC) /* for the last window: to be named, handed over, and on disk */
#define ENDING_NAMES_NS (5 * NSEC_PER_SEC)

static void say_status(struct agent *a)
{
	notify_status(a->notify, "%s%" PRIu64 " windows closed, %" PRIu64 " of them incomplete",
		      a->off ? "detached by the kill switch; " : "", a->counts.closed,
		      a->counts.unfinished + a->counts.unbalanced);
}

/* Windows end on a tick. */
static uint64_t tick_ns(const struct agent *a)
{
	return a->watched || agent_window_length(a) % TICK_QUIET_NS ? NSEC_PER_SEC : TICK_QUIET_NS;
}

int agent_set_tick(struct agent *a)
{
	uint64_t every = tick_ns(a);

	if (!a->tick) /* before the start, or after the end */
		return 0;
	return loop_source_set_timer(a->tick,
				     timeline_next(clock_boot_ns(), clock_wall_ns(), every), every);
}

static int on_tick(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct agent *a = userdata;
	enum timeline_step step;
	uint64_t now;
	int r = sampler_tick(a->sampling.sampler);

	if (r < 0)
		return r;
	r = agent_look_at_kill_switch(a);
	if (r < 0)
		return r;
	remotedebug_proceed(a->remotedebug); /* what the exporter's socket had no room for */
	now = clock_boot_ns(); /* after the drain: what was drained is older */
	if (now >= a->metrics_due_ns && agent_metrics_send(a) < 0)
		log_debug("the metrics are not sent this time");
	if (now >= a->metrics_due_ns)
		a->metrics_due_ns = now + METRICS_NS - TICK_QUIET_NS / 2; /* ticks are not exact */
	notify_alive(a->notify, now);
	step = timeline_look(&a->timeline, now, clock_wall_ns());
	if (step == TIMELINE_GOES_ON)
		return agent_window_continue(a, now);
	r = agent_window_close(a, step);
	if (!r)
		r = agent_window_open(a, step == TIMELINE_JUMPED);
	a->metrics_due_ns = now; /* with the next tick: the window is being named until then */
	say_status(a);
	/* The wall clock may have been slewed: stay on its seconds. The length of windows may be another. */
	return r ?: agent_set_tick(a);
}

static int on_step(struct loop_source *source, uint64_t missed, void *userdata)
{
	return agent_window_continue(userdata, clock_boot_ns());
}

static int on_end_signal(struct loop_source *source, int signo, void *userdata)
{
	struct agent *a = userdata;

	/* A service manager signals every process, and the keeper passes its signal on: that is once. */
	if (!a->signals || clock_boot_ns() - a->signalled_ns > NSEC_PER_SEC)
		a->signals++;
	a->signalled_ns = clock_boot_ns();
	loop_stop(a->sampling.loop, 0);
	return 0;
}

static void on_taken(uint32_t owner, const struct record_sample *head, void *userdata)
{
	struct agent *a = userdata;
	int64_t ns = (int64_t)(head->record.time_boot_ns - a->timeline.start_boot_ns);

	if (histogram_add(a->histogram, owner, ns / (int64_t)NSEC_PER_SEC, 1) < 0)
		log_debug("no memory for a histogram");
}

static void on_cgroup(uint32_t owner, uint64_t cgroup, const char *path, void *userdata)
{
	struct agent *a = userdata;
	struct owner_ref ref;

	switch (owners_get(a->sampling.owners, owner)->ref.kind) {
	case OWNER_CONTAINER:
	case OWNER_UNIT:
	case OWNER_CGROUP:
		owner_from_cgroup_path(path, &ref);
		usage_see(a->usage, owner, (uint32_t)(cgroup >> 56), path, ref.own_len,
			  ref.kind == OWNER_CGROUP);
		break;
	default: /* the root's time is everybody's */
		break;
	}
}

static void on_watch(bool watched, void *userdata)
{
	struct agent *a = userdata;

	if (a->watched == watched)
		return;
	a->watched = watched;
	agent_window_set_length(a);
	if (agent_set_tick(a) < 0)
		log_warn("the timer of the page's windows cannot be set");
}

static void on_address(const char *address, void *userdata)
{
	struct agent *a = userdata;
	char url[256] = "";
	int r;

	if (!a->was_ready)
		log_info("ready: %u samples per second and CPU, windows of %.0f s, store "
			 "in %s/store",
			 a->rate_hz, (double)a->config->window_ns / 1e9, a->config->state_dir);
	if (!a->was_ready)
		notify_ready(a->notify);
	a->was_ready = true;
	if (*address)
		snprintf(url, sizeof(url), "http://%.120s/#%s", address, a->token);
	r = agent_state_set_url(a->state, url);
	if (r < 0)
		log_warn("cannot write %s/url: %s", a->config->state_dir, err_str(r));
	if (!*address)
		return;
	/* It holds the secret: for the person at the terminal, not for a journal that others read. */
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "the page: %s\n", url);
	else
		log_info("the page listens at %s; its address is in %s/url", address,
			 a->config->state_dir);
}

static void on_exporter_ready(void *userdata)
{
	remotedebug_proceed(((struct agent *)userdata)->remotedebug);
}

static void on_debug_file(uint64_t number, int error, int fd, void *userdata)
{
	remotedebug_answer(((struct agent *)userdata)->remotedebug, number, error, fd);
}

static int ask_debug(uint64_t number, const uint8_t *build_id, size_t len, void *userdata)
{
	struct agent *a = userdata;

	return a->exporter ? exporterclient_ask_debug(a->exporter, number, build_id, len)
			   : -ENOTCONN;
}

static void bad_debug(const uint8_t *build_id, size_t len, void *userdata)
{
	struct agent *a = userdata;

	if (a->exporter)
		exporterclient_bad_debug(a->exporter, build_id, len);
}

static void on_exporter_down(bool ready, bool restart, void *userdata)
{
	struct agent *a = userdata;

	remotedebug_down(a->remotedebug);
	/* One that has never run says itself what is wrong: a person is better served by an end than by retries. */
	if (!a->was_ready && !restart)
		loop_stop(a->sampling.loop, -ECANCELED);
}

static int make_token(struct agent *a)
{
	uint8_t bytes[AGENT_TOKEN_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_last();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(&a->token[2 * i], 3, "%02x", bytes[i]);
	return 0;
}

static int start_exporter(struct agent *a, struct err *err)
{
	struct exporterclient_config config = { .spawn = keeper_spawn_exporter,
						.spawn_userdata = a->sampling.keeper,
						.token = a->token,
						.on_address = on_address,
						.on_ready = on_exporter_ready,
						.on_down = on_exporter_down,
						.on_debug_file = on_debug_file,
						.on_watch = on_watch,
						.userdata = a };
	struct remotedebug_config remote = { .ask = ask_debug, .bad = bad_debug, .userdata = a };
	int r = make_token(a);

	if (!r)
		r = remotedebug_new(&a->remotedebug, &remote);
	if (!r)
		r = agent_set_exporter_args(a);
	if (r < 0)
		return err_errno(err, r, "cannot prepare the exporter");
	agent_set_debuginfod(a);
	return exporterclient_new(&a->exporter, a->sampling.loop, &config, err);
}

/* A descriptor and some hundred bytes each; the rest of the descriptors is for helpers and windows. */
static size_t max_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > MAX_FILES + OTHER_FILES)
		return MAX_FILES;
	return limit.rlim_cur > 2 * OTHER_FILES ? limit.rlim_cur - OTHER_FILES : OTHER_FILES;
}

/* What decides how answers look: this build of all of our programs, by its file, and how names are shown. */
static uint64_t number_of_build(uint64_t demangle)
{
	struct {
		char version[32];
		uint64_t size, mtime_s, mtime_ns, demangle;
	} build = { .demangle = demangle };
	struct stat st;

	snprintf(build.version, sizeof(build.version), "%s", FLEETPROF_VERSION);
	if (!stat("/proc/self/exe", &st)) {
		build.size = (uint64_t)st.st_size;
		build.mtime_s = (uint64_t)st.st_mtim.tv_sec;
		build.mtime_ns = (uint64_t)st.st_mtim.tv_nsec;
	}
	return hash_bytes(&build, sizeof(build), 0);
}

static int open_caches(struct agent *a, uint64_t budget)
{
	const struct symdisk_config disk = { .dir_fd = agent_state_dir_fd(a->state),
					     .build = number_of_build(a->config->demangle),
					     .max_bytes = a->config->symbol_cache_size,
					     .max_memory = budget / 8 };
	int r = symcache_new(&a->symcache, budget - disk.max_memory);

	return r ?: symdisk_open(&a->symdisk, &disk);
}

/* Divides the memory limit among the parts that take its share here. */
static int divide_memory(struct agent *a, struct sampling_config *sampling, struct err *err)
{
	struct budget budget;
	int r = budget_divide(a->config->memory.limit, (unsigned int)sysconf(_SC_NPROCESSORS_CONF),
			      &budget, err);

	if (r < 0)
		return r;
	sampling->ring_bytes = budget.ring;
	/* Half of a window's share for the words of its stacks, half for the rows and their tables. */
	a->limits.max_words = budget.windows / 2 / 2 / sizeof(uint64_t);
	a->limits.max_rows = budget.windows / 2 / 2 / ROW_BYTES;
	r = open_caches(a, budget.symbols);
	if (r < 0)
		return err_errno(err, r, "cannot prepare the caches of names");
	sampling->symdisk = a->symdisk;
	return 0;
}

static int prepare(struct agent *a, struct err *err)
{
	uint32_t rate_hz = interrupt_cost_affordable((uint32_t)a->config->rate);
	struct sampling_config config = { .rate_hz = rate_hz,
					  .memory_limit = a->config->memory.limit,
					  .max_files = max_files() };
	int r = divide_memory(a, &config, err);

	if (r < 0)
		return r;

	other_agents_init(&a->others);
	a->rate_hz = rate_hz;
	a->sampling.on_taken = on_taken;
	a->sampling.on_cgroup = on_cgroup;
	a->sampling.userdata = a;
	a->filter = filter_of_config(a->config);
	a->sampling.filter = &a->filter;
	r = sampling_prepare(&a->sampling, &config, err);
	if (!r)
		r = agent_window_init(a, err);
	return r ?: start_exporter(a, err);
}

static int on_reload_signal(struct loop_source *source, int signo, void *userdata)
{
	struct agent *a = userdata;

	if (a->had_terminal && !isatty(STDERR_FILENO)) /* it was closed: that is what was meant */
		return on_end_signal(source, signo, userdata);
	return agent_reload(a);
}

static int watch_signals(struct agent *a)
{
	struct loop_source *source; /* each lives as long as the loop */
	int r = loop_add_signal(a->sampling.loop, &source, SIGINT, on_end_signal, a);

	if (!r)
		r = loop_add_signal(a->sampling.loop, &source, SIGHUP, on_reload_signal, a);
	return r ?: loop_add_signal(a->sampling.loop, &source, SIGTERM, on_end_signal, a);
}

static int start(struct agent *a, struct err *err)
{
	struct loop *loop = a->sampling.loop;
	int r = watch_signals(a);

	if (!r)
		r = loop_add_timer(loop, &a->tick, 0, 0, on_tick, a);
	if (!r)
		r = agent_set_tick(a);
	if (!r)
		r = loop_add_timer(loop, &a->step, 0, 0, on_step, a);
	if (!r)
		r = agent_window_open(a, false);
	if (r < 0)
		return err_errno(err, r, "cannot prepare the first window");
	r = sampler_start(a->sampling.sampler, err);
	return r < 0 ? r : agent_look_at_kill_switch(a);
}

static bool is_everything_kept(struct agent *a)
{
	struct exporterclient_counts counts;

	exporterclient_counts(a->exporter, &counts);
	return !a->closed && !counts.waiting;
}

/* The last window is handed over and acknowledged, unless another signal says that there is no time. */
static int end(struct agent *a)
{
	uint64_t start_ns = clock_boot_ns();
	int signals = a->signals;
	int r;

	notify_stopping(a->notify);
	a->tick = loop_source_free(a->tick);
	r = sampler_stop(a->sampling.sampler);
	if (r >= 0)
		r = agent_window_close(a, TIMELINE_CLOSES);
	while (r >= 0 && !is_everything_kept(a) && a->signals == signals) {
		uint64_t now = clock_boot_ns();

		if (now - start_ns > ENDING_NS) {
			log_error("the exporter does not answer: the last windows are lost");
			return -ETIMEDOUT;
		}
		r = agent_window_continue(a, now - start_ns > ENDING_NAMES_NS ? UINT64_MAX : now);
		if (r >= 0)
			r = loop_run_once(a->sampling.loop, 50);
	}
	return r;
}

static void deinit(struct agent *a)
{
	if (a->state)
		agent_state_set_url(a->state, "");
	a->exporter = exporterclient_free(a->exporter);
	sampling_deinit(
		&a->sampling); /* its last answers touch the windows, and what is asked remotely */
	remotedebug_free(a->remotedebug);
	agent_window_deinit(a);
	other_agents_deinit(&a->others);
	config_free(a->config);
}
DEFINE_CLEANUP_EMBEDDED(struct agent, deinit)

int agent_run(struct config *config, int argc, char **argv, struct agent_state *state,
	      struct keeper *keeper, struct notify *notify, struct err *err)
{
	_cleanup_(deinitp) struct agent a = { .config = config,
					      .argc = argc,
					      .argv = argv,
					      .had_terminal = isatty(STDERR_FILENO),
					      .state = state,
					      .notify = notify,
					      .sampling = SAMPLING_NULL };
	int r, ended;

	a.sampling.keeper = keeper;
	r = prepare(&a, err);
	if (!r)
		r = start(&a, err);
	if (r < 0)
		return r;
	r = loop_run(a.sampling.loop);
	if (r == -ECANCELED)
		return err_set(err, r, "the exporter does not start: it said why above");
	if (r < 0)
		err_errno(err, r, "the agent cannot go on");
	ended = end(&a); /* what was sampled until then is kept, also where something failed */
	return r < 0 ? r : ended;
}
