/* `fleetprof record`. */
#include "agent/core/record.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "agent/core/output_file.h"
#include "agent/core/recording.h"

#include <errno.h>
#include <sys/wait.h>

#define EXIT_USAGE 2
#define EXIT_TARGETS_GONE 3
/* As shells have it. */
#define EXIT_NOT_RUN 126
#define EXIT_NOT_FOUND 127

static int check_pids(const struct record_options *o, struct err *err)
{
	for (size_t i = 0; i < o->nr_pids; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/%d", o->pids[i]);
		if (access(path, F_OK) < 0)
			return err_set(err, -ESRCH,
				       "there is no process %d (it may have ended; see ps)",
				       o->pids[i]);
	}
	return 0;
}

/* Those without which nothing works are refused early; those that only cost names are told. */
static int check_capabilities(struct err *err)
{
	static const struct {
		cap_value_t capability;
		const char *name, *cost;
	} needs[] = {
		{ CAP_BPF, "CAP_BPF", NULL },
		{ CAP_PERFMON, "CAP_PERFMON", NULL },
		{ CAP_SYSLOG, "CAP_SYSLOG", "kernel functions have no names" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "programs and libraries have no names" },
		{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
		  "programs that not everybody may read have no names" },
		{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
		  "libraries and deleted programs may have no names" },
		{ CAP_SETUID, "CAP_SETUID", "the symbolizer keeps this user" },
		{ CAP_SETGID, "CAP_SETGID", "the symbolizer keeps this user" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if (privilege_has(needs[i].capability))
			continue;
		if (!needs[i].cost)
			return err_set(
				err, -EPERM,
				"needs %s (try sudo; in a container add BPF, PERFMON, SYSLOG, SYS_PTRACE, "
				"DAC_READ_SEARCH, CHECKPOINT_RESTORE, SETUID, SETGID and SETPCAP)",
				needs[i].name);
		log_warn("without %s %s", needs[i].name, needs[i].cost);
	}
	return 0;
}

static int check_outputs(const struct record_options *o, struct err *err)
{
	for (size_t i = 0; i < o->nr_outputs; i++) {
		int r = output_file_check(o->outputs[i].path, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int split_off_keeper(struct recording *r, char *opener, char *symbolizer, struct err *err)
{
	const char *const args[] = { "--demangle", r->options->demangle, NULL };
	struct keeper_config config = { .opener = opener,
					.symbolizer = symbolizer,
					.symbolizer_args = args,
					.nr_outputs = r->options->nr_outputs,
					.command = r->options->command };

	for (size_t i = 0; i < config.nr_outputs; i++)
		config.outputs[i] = r->options->outputs[i].path;
	return keeper_start(&r->sampling.keeper, &config, err);
}

/* ret_status: what to exit with; with an error only if that has one of its own. */
static int record(const struct record_options *options, int *ret_status, struct err *err)
{
	_cleanup_(recording_deinitp) struct recording recording = { .options = options,
								    .sampling = SAMPLING_NULL };
	_cleanup_(freep) char *opener = NULL, *symbolizer = NULL;
	int r;

	if (sys_helper_path("fleetprof-opener", &opener) < 0 ||
	    sys_helper_path("fleetprof-symbolizer", &symbolizer) < 0)
		return err_set(err, -ENOENT,
			       "fleetprof-opener and fleetprof-symbolizer are not beside fleetprof "
			       "(install all of the programs together)");
	r = split_off_keeper(&recording, opener, symbolizer, err);
	if (!r)
		r = recording_prepare(&recording, err);
	if (!r)
		r = recording_run(&recording, err);
	if (!r)
		r = recording_finish(&recording, err);
	if (!r && options->command)
		*ret_status = WIFEXITED(recording.command_status)
				      ? WEXITSTATUS(recording.command_status)
				      : 128 + WTERMSIG(recording.command_status);
	if (recording.command_error)
		*ret_status = recording.command_error == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
	if (!r && recording.targets_gone) {
		log_error("what --pid names ended after %.1f s, and the recording with it",
			  (double)(recording.stop_boot_ns - recording.start_boot_ns) / 1e9);
		*ret_status = EXIT_TARGETS_GONE;
	}
	return r;
}

int record_main(int argc, char **argv)
{
	struct record_options options;
	struct err err = ERR_NULL;
	int status = 0;
	int r = record_options_parse(&options, argc, argv, &err);

	if (r == RECORD_OPTIONS_E_HELP) {
		fputs(record_options_help(), stdout);
		return 0;
	}
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.verbose)
		log_init("fleetprof", LOG_LEVEL_DEBUG, LOG_FORMAT_HUMAN);
	sampling_raise_file_limit();
	r = check_capabilities(&err);
	if (!r)
		r = check_pids(&options, &err);
	if (!r)
		r = check_outputs(&options, &err);
	if (!r)
		r = record(&options, &status, &err);
	if (r < 0) {
		log_error("%s", err.text[0] ? err.text : err_str(r));
		return status ?: 1;
	}
	return status;
}
