/* fleetprof: the program that users call. */
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/agent.h"
#include "agent/core/doctor.h"
#include "agent/core/record.h"
#include "agent/core/report.h"

#include <locale.h>
#include <signal.h>
#include <string.h>

struct verb {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help;
};

static const struct verb verbs[] = {
	{ "agent", agent_main,
	  "the daemon: sample all the time, keep each container's history, show it on a local page" },
	{ "record", record_main,
	  "sample the host, a container, a process or a command; write a flame graph" },
	{ "doctor", doctor_main, "say what this host can do, what it cannot, and what to change" },
	{ "report", report_main,
	  "show profiles in the terminal: functions, a tree, or what changed" },
};

static void print_help(FILE *f)
{
	fprintf(f, "usage: fleetprof VERB [OPTION…]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fprintf(f, "\nfleetprof VERB --help says more; fleetprof --version names the version.\n");
}

int main(int argc, char **argv)
{
	sys_open_standard_fds();
	setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of names on a terminal */
	signal(SIGPIPE, SIG_IGN);
	log_init("fleetprof", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("fleetprof " FLEETPROF_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].main(argc - 1, argv + 1);
	}
	log_error("unknown verb: %s (see fleetprof --help)", argv[1]);
	return 2;
}
