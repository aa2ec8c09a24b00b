/* `fleetprof agent`: settings, state directory, keeper. */
#include "agent/core/agent.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "agent/core/agent_run.h"
#include "agent/core/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>

#define EXIT_USAGE 2
#define EXPORTER_ACCOUNT "fleetprof"

/* Strings that the keeper's configuration points at. */
struct programs {
	char *opener, *symbolizer, *exporter;
	char store[PATH_MAX], user[32], children[16], child_memory[32], uids[2][16], cache[32];
	const char *exporter_last_args[7];
	const char *opener_args[KEEPER_HELPER_ARGS_MAX + 1];
	const char *symbolizer_args[KEEPER_HELPER_ARGS_MAX + 1];
};

static void programs_deinit(struct programs *p)
{
	free(p->opener);
	free(p->symbolizer);
	free(p->exporter);
}
DEFINE_CLEANUP_EMBEDDED(struct programs, programs_deinit)

static int find_programs(struct programs *p, struct err *err)
{
	if (sys_helper_path("fleetprof-opener", &p->opener) < 0 ||
	    sys_helper_path("fleetprof-symbolizer", &p->symbolizer) < 0 ||
	    sys_helper_path("fleetprof-exporter", &p->exporter) < 0)
		return err_set(err, -ENOENT,
			       "fleetprof-opener, fleetprof-symbolizer and fleetprof-exporter are "
			       "not beside fleetprof (install all of the programs together)");
	return 0;
}

/* As configured; else the account made for it; else whoever owns the store; else nobody's number. */
static void choose_user(struct programs *p, const struct config_user *user,
			const struct agent_state *state)
{
	const struct passwd *account = getpwnam(EXPORTER_ACCOUNT);
	uint32_t uid, gid = 0;

	if (user->set) {
		uid = user->uid;
		gid = user->gid;
	} else if (account) {
		uid = account->pw_uid;
		gid = account->pw_gid;
	} else {
		uid = agent_state_store_uid(state, &gid);
		if (!uid || !gid)
			uid = gid = privilege_spare_uid();
	}
	snprintf(p->user, sizeof(p->user), "%u:%u", uid, gid);
}

static void add_user(const char **args, const struct config_user *user, char text[16])
{
	if (!user->set)
		return;
	while (*args)
		args++;
	snprintf(text, 16, "%u", user->uid);
	args[0] = "--user";
	args[1] = text;
}

/* What the helpers may take of the memory limit, and who they become. */
static int set_helper_args(struct programs *p, const struct config *config, struct err *err)
{
	struct budget budget;
	int r = budget_divide(config->memory.limit, (unsigned int)sysconf(_SC_NPROCESSORS_CONF),
			      &budget, err);

	if (r < 0)
		return r;
	snprintf(p->children, sizeof(p->children), "%u", budget.nr_children);
	snprintf(p->child_memory, sizeof(p->child_memory), "%" PRIu64, budget.symbolizer_child);
	/* Half for the database's pages; the rest is for a window that is taken, uploads and the page. */
	snprintf(p->cache, sizeof(p->cache), "%" PRIu64, budget.exporter / 2);
	p->symbolizer_args[0] = "--children";
	p->symbolizer_args[1] = p->children;
	p->symbolizer_args[2] = "--child-memory";
	p->symbolizer_args[3] = p->child_memory;
	p->symbolizer_args[4] = "--demangle";
	p->symbolizer_args[5] = config_demangle[config->demangle];
	add_user(p->symbolizer_args, &config->user.symbolizer, p->uids[0]);
	add_user(p->opener_args, &config->user.opener, p->uids[1]);
	return 0;
}

static int start_keeper(struct programs *p, const struct config *config, struct agent_state *state,
			struct keeper **ret, struct err *err)
{
	struct keeper_config keeper = { .exporter_last_args = p->exporter_last_args,
					.opener_args = p->opener_args,
					.symbolizer_args = p->symbolizer_args };
	size_t nr = 0;
	int r = find_programs(p, err);

	if (!r)
		r = set_helper_args(p, config, err);
	if (r < 0)
		return r;
	keeper.opener = p->opener;
	keeper.symbolizer = p->symbolizer;
	keeper.exporter = p->exporter;
	snprintf(p->store, sizeof(p->store), "%s/store", config->state_dir);
	p->exporter_last_args[nr++] = "--store";
	p->exporter_last_args[nr++] = p->store;
	p->exporter_last_args[nr++] = "--store-cache";
	p->exporter_last_args[nr++] = p->cache;
	if (privilege_has(CAP_SETUID) && privilege_has(CAP_SETGID)) {
		choose_user(p, &config->user.exporter, state);
		p->exporter_last_args[nr++] = "--user";
		p->exporter_last_args[nr++] = p->user;
	}
	return keeper_start(ret, &keeper, err);
}

static int run(struct config *config, int argc, char **argv, struct notify *notify, struct err *err)
{
	_cleanup_(agent_state_freep) struct agent_state *state = NULL;
	_cleanup_(programs_deinitp) struct programs programs = { .opener = NULL };
	struct keeper *keeper = NULL;
	int r = agent_state_open(&state, config->state_dir, err);

	if (!r)
		r = start_keeper(&programs, config, state, &keeper, err);
	if (!r)
		return agent_run(config, argc, argv, state, keeper, notify, err);
	config_free(config);
	return r;
}

int agent_main(int argc, char **argv)
{
	_cleanup_(notify_deinitp) struct notify notify = NOTIFY_NULL;
	struct config *config = NULL;
	struct err err = ERR_NULL;
	int r = config_load(&config, argc, argv, environ, &err);

	if (r == CONFIG_E_DONE)
		return 0;
	if (r < 0) {
		log_error("%s", err.text[0] ? err.text : err_str(r));
		return EXIT_USAGE;
	}
	log_init("fleetprof", (enum log_level)config->log.level,
		 (enum log_format)config->log.format);
	sampling_raise_file_limit();
	notify_init(&notify);
	r = run(config, argc, argv, &notify, &err);
	if (r < 0)
		log_error("%s", err.text[0] ? err.text : err_str(r));
	return r < 0 ? 1 : 0;
}
