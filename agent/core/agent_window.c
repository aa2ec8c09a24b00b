/* The agent's windows: opened, closed, handed over. */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/agent_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#define FORGET_KERNEL_EVERY 10 /* windows; modules and BPF programs come and go */
#define SECONDS_MAX 602 /* of the longest window, 10 minutes, and a sliver: see timeline_open() */
#define LOOK_AGAIN_NS (100 * NSEC_PER_MSEC) /* while names are waited for */
#define NAMING_NS (30 * NSEC_PER_SEC) /* and then the rest leaves as addresses */

static int read_boot_id(uint8_t out[16])
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	size_t digits = 0;
	int r;

	buf_init(&text, 64);
	r = sys_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text);
	if (r < 0)
		return r;
	for (const char *p = text.data; *p && digits < 32; p++) {
		unsigned int nibble;

		if (sscanf(p, "%1x", &nibble) != 1 || *p == '-')
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | nibble);
		digits++;
	}
	return digits == 32 ? 0 : -EBADMSG;
}

static bool is_synchronized(void)
{
	struct timex timex = { .modes = 0 };
	int r = adjtimex(&timex);

	return r >= 0 && r != TIME_ERROR && !(timex.status & STA_UNSYNC);
}

static void doubt(struct agent *a)
{
	bool doubtful = timeline_is_doubtful(clock_wall_ns(), agent_state_last_seen(a->state),
					     is_synchronized());

	if (doubtful && !a->doubtful)
		log_warn("the wall clock stands before times that were seen already: windows are "
			 "kept, but not uploaded, until it is set");
	a->doubtful = doubtful;
}

int agent_window_init(struct agent *a, struct err *err)
{
	struct winwire_header *h = &a->run;
	struct utsname uts;
	int r = read_boot_id(h->boot_id);

	if (r < 0)
		return err_errno(err, r, "cannot read /proc/sys/kernel/random/boot_id");
	h->agent_start_ns = clock_boot_ns();
	snprintf(h->version, sizeof(h->version), "%s", FLEETPROF_VERSION);
	snprintf(h->host, sizeof(h->host), "%s", a->config->node);
	if (!uname(&uts))
		snprintf(h->kernel, sizeof(h->kernel), "%.30s %.64s", uts.sysname, uts.release);
	doubt(a);
	a->stacks = calloc(1, sizeof(*a->stacks));
	r = a->stacks ? usage_new(&a->usage, OWNERS_SLOTS) : -ENOMEM;
	return r < 0 ? err_errno(err, r, "cannot prepare the windows") : 0;
}

void agent_window_deinit(struct agent *a)
{
	closed_free(a->closed);
	window_free(a->window);
	histogram_free(a->histogram);
	usage_free(a->usage);
	symcache_free(a->symcache);
	symdisk_free(a->symdisk);
	free(a->stacks);
}

uint64_t agent_window_length(const struct agent *a)
{
	return a->watched ? MIN(a->config->watch_window_ns, a->config->window_ns)
			  : a->config->window_ns;
}

void agent_window_set_length(struct agent *a)
{
	timeline_set_length(&a->timeline, clock_boot_ns(), clock_wall_ns(), agent_window_length(a));
}

int agent_window_open(struct agent *a, bool jumped)
{
	int r = window_new(&a->window, &a->limits);

	if (!r)
		r = histogram_new(&a->histogram, OWNERS_SLOTS, SECONDS_MAX);
	if (r < 0)
		return r;
	timeline_open(&a->timeline, clock_boot_ns(), clock_wall_ns(), agent_window_length(a),
		      jumped);
	a->sampling.window = a->window;
	return 0;
}

/* What was counted since the last cut, in every place. */
static int cut(struct agent *a, struct loss *ret)
{
	struct loss now;
	struct err err = ERR_NULL;
	int r = sampler_cut(a->sampling.sampler, &now.sampler);

	if (r < 0)
		return r;
	now.in_profile = a->sampling.loss.in_profile;
	now.refused = a->sampling.loss.refused;
	now.left_out = a->sampling.loss.left_out;
	loss_between(&a->loss_at_open, &now, ret);
	a->loss_at_open = now;
	a->counts.loss = now;
	if (!loss_balances(ret, &err)) {
		a->counts.unbalanced++;
		log_error("the loss equation of window %" PRIu64
			  " does not balance (please report this): %s",
			  a->number + 1, err.text);
	}
	return 0;
}

static void fill_header(struct agent *a, const struct loss *loss, enum timeline_step step,
			struct winwire_header *h)
{
	uint64_t boot = clock_boot_ns(), wall = clock_wall_ns();
	struct profile_meta meta = { .nr_losses = 0 };

	*h = a->run;
	h->number = ++a->number;
	h->start_boot_ns = a->timeline.start_boot_ns;
	h->duration_ns = boot - h->start_boot_ns;
	h->start_wall_ns = timeline_start_wall(&a->timeline, step, boot, wall);
	h->period_ns = sampler_period_ns(a->sampling.sampler);
	h->rate_hz = a->rate_hz;
	h->nr_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	h->flags = (a->timeline.jumped ? WINWIRE_CLOCK_JUMP : 0) |
		   (a->doubtful ? WINWIRE_CLOCK_DOUBTFUL : 0);
	loss_describe(loss, &meta);
	_Static_assert(ARRAY_SIZE(meta.losses) <= WINWIRE_MAX_LOSSES, "every line has a place");
	for (; h->nr_losses < meta.nr_losses; h->nr_losses++) {
		struct winwire_loss *line = &h->losses[h->nr_losses];

		snprintf(line->name, sizeof(line->name), "%s", meta.losses[h->nr_losses].name);
		line->count = meta.losses[h->nr_losses].count;
	}
}

static void take_usage(struct agent *a, struct usage_numbers *out)
{
	for (uint32_t i = 0; i < owners_count(a->sampling.owners); i++)
		out[i] = usage_take(a->usage, i);
}

/* Owners that gave their places back leave nothing to those who get them. */
static void forget_owners(struct agent *a)
{
	for (uint32_t i = 0; i < owners_count(a->sampling.owners); i++) {
		if (owners_get(a->sampling.owners, i)->used)
			continue;
		usage_forget(a->usage, i);
		stack_counts_forget(a->stacks, i);
	}
}

static int start_closing(struct agent *a, struct closed_input *input)
{
	int r = closed_new(&a->closed, input);

	if (r < 0) {
		a->counts.unfinished++;
		log_error("window %" PRIu64 " is lost: %s", a->number, err_str(r));
	}
	return r == -ENOMEM ? 0 : r;
}

int agent_window_close(struct agent *a, enum timeline_step step)
{
	_cleanup_(freep) struct closed_input *input = calloc(1, sizeof(*input));
	uint64_t now = clock_boot_ns();
	struct loss loss;
	int r;

	if (!input)
		return -ENOMEM;
	r = agent_window_continue(a, UINT64_MAX); /* two are alive at the most */
	if (!r)
		r = cut(a, &loss);
	if (r < 0)
		return r;
	a->counts.closed++;
	a->counts.jumps += step == TIMELINE_JUMPED;
	sampling_refresh_names(&a->sampling, now);
	if (a->number % FORGET_KERNEL_EVERY == 0)
		symcache_forget_kernel(a->symcache);
	input->sampling = &a->sampling;
	input->symcache = a->symcache;
	input->symdisk = a->symdisk;
	input->stacks = a->stacks;
	fill_header(a, &loss, step, &input->header);
	take_usage(a, input->usage);
	sampling_end_window(&a->sampling);
	forget_owners(a);
	input->window = TAKE_PTR(a->window);
	input->histogram = TAKE_PTR(a->histogram);
	input->deadline_boot_ns = now + MIN(NAMING_NS, agent_window_length(a) / 4 * 3);
	a->sampling.window = NULL;
	r = start_closing(a, input);
	if (step == TIMELINE_JUMPED)
		doubt(a);
	agent_state_touch(a->state);
	return r;
}

static int hand_over(struct agent *a)
{
	int r = exporterclient_send(a->exporter, closed_header(a->closed),
				    closed_take_body(a->closed));

	if (r == EXPORTERCLIENT_E_LOST)
		log_warn("window %" PRIu64 " is lost: %d others wait for the exporter",
			 closed_header(a->closed)->number, EXPORTERCLIENT_UNACKNOWLEDGED);
	return r < 0 ? r : 0;
}

int agent_window_continue(struct agent *a, uint64_t now)
{
	int r;

	if (!a->closed)
		return 0;
	do
		r = closed_step(a->closed, now);
	while (r == CLOSED_E_BUSY && now == UINT64_MAX);
	if (r == CLOSED_E_BUSY)
		return loop_source_set_timer(a->step, 1, 0);
	if (r == CLOSED_E_WAITS)
		return loop_source_set_timer(a->step, now + LOOK_AGAIN_NS, 0);
	if (!r)
		r = hand_over(a);
	if (r < 0) {
		a->counts.unfinished++;
		log_error("window %" PRIu64 " is lost: %s", closed_header(a->closed)->number,
			  err_str(r));
	}
	a->closed = closed_free(a->closed);
	return 0;
}
