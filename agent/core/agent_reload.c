/* What the agent changes while it runs: settings that are read again, and the kill switch. */
#include "agent/base/log.h"
#include "agent/core/agent_run.h"
#include "agent/core/interrupt_cost.h"

#include <errno.h>

int agent_set_exporter_args(struct agent *a)
{
	_cleanup_(config_argv_freep) char **argv = NULL;
	int r = config_exporter_argv(a->config, "fleetprof-exporter", &argv);

	return r ?: keeper_set_exporter_args(a->sampling.keeper, (const char *const *)argv + 1);
}

void agent_set_debuginfod(struct agent *a)
{
	objects_set_remotedebug(a->sampling.objects,
				a->config->debuginfod.urls.nr ? a->remotedebug : NULL);
}

/* The new settings are the agent's from here on. */
static int apply(struct agent *a, unsigned int groups)
{
	int r = 0;

	if (groups & CONFIG_LOG)
		log_init("fleetprof", (enum log_level)a->config->log.level,
			 (enum log_format)a->config->log.format);
	if (groups & CONFIG_SAMPLING) {
		agent_window_set_length(a);
		r = agent_set_tick(a);
	}
	a->filter = filter_of_config(a->config);
	if (groups & CONFIG_FILTER)
		sampling_filter_changed(&a->sampling);
	agent_set_debuginfod(a);
	if (!r && (groups & CONFIG_EXPORTER))
		r = agent_set_exporter_args(a);
	if (!r && (groups & CONFIG_EXPORTER))
		r = exporterclient_restart(a->exporter);
	return r;
}

static int refuse(struct agent *a, const struct err *err, int r)
{
	a->counts.bad_reloads++;
	log_error("the settings stay as they were: %s", err->text[0] ? err->text : err_str(r));
	return 0;
}

/* Where the new rate is a high one, what it costs is measured, in some 0.4 s: the rings hold what is sampled meanwhile. */
static int set_rate(struct agent *a, uint32_t wanted, struct err *err)
{
	uint32_t rate_hz =
		wanted == a->config->rate ? a->rate_hz : interrupt_cost_affordable(wanted);
	int r = sampler_set_rate(a->sampling.sampler, rate_hz, err);

	if (!r)
		a->rate_hz = rate_hz;
	return r;
}

static int reload(struct agent *a)
{
	_cleanup_(buf_deinitp) struct buf restart = BUF_NULL;
	struct config *config = NULL, *old;
	struct err err = ERR_NULL;
	unsigned int groups;
	int r = config_load(&config, a->argc, a->argv, environ, &err);

	if (r)
		return refuse(a, &err, r);
	/* The one part that the kernel may refuse goes first: all or nothing. */
	r = set_rate(a, (uint32_t)config->rate, &err);
	if (r < 0) {
		config_free(config);
		return refuse(a, &err, r);
	}
	buf_init(&restart, 1024);
	groups = config_diff(a->config, config, &restart);
	old = a->config;
	a->config = config;
	r = apply(a, groups);
	config_free(old);
	if (r < 0)
		return r;
	a->counts.reloads++;
	log_info("settings read again%s", groups ? "" : ": nothing changed");
	if (restart.len)
		log_warn("these take a restart of the agent: %s", buf_str(&restart));
	return 0;
}

int agent_reload(struct agent *a)
{
	int r;

	notify_reloading(a->notify);
	r = reload(a);
	notify_ready(a->notify);
	return r;
}

int agent_look_at_kill_switch(struct agent *a)
{
	bool off = *a->config->kill_switch && !access(a->config->kill_switch, F_OK);
	struct err err = ERR_NULL;
	int r;

	if (off == a->off)
		return 0;
	a->off = off;
	if (off)
		log_warn("%s is there: nothing is sampled until it is removed",
			 a->config->kill_switch);
	else
		log_info("sampling again: the kill switch is gone");
	r = off ? sampler_pause(a->sampling.sampler) : sampler_resume(a->sampling.sampler, &err);
	if (r < 0 && err.text[0])
		log_error("%s", err.text);
	return r < 0 ? r : 0;
}
