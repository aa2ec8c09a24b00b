/* The command line of `fleetprof record`. */
#include "agent/core/record_options.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/core/config.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define RATE_MAX 100000u /* the kernel's own ceiling is asked later */
#define DURATION_MAX_S (7 * 24 * 3600.0)

const char *record_options_help(void)
{
	return "usage: fleetprof record [OPTION…] [-- COMMAND [ARGUMENT…]]\n"
	       "\n"
	       "Samples the stacks of the whole host, or of what is selected, and writes a flame graph.\n"
	       "\n"
	       "  -F, --rate HZ          samples per second and CPU (default 99)\n"
	       "  -d, --duration SECONDS how long (default 10, or until COMMAND ends; 0: until Ctrl-C)\n"
	       "  -o, --output FILE      .html (flame graph), .svg (a still one), .pb.gz (pprof), .folded\n"
	       "                         or .speedscope.json; may be repeated\n"
	       "                         (default fleetprof-DATE-TIME.html)\n"
	       "      --demangle HOW     names of C++, Rust and D: full (default), short (without parameters\n"
	       "                         and template arguments), or none (as the linker has them)\n"
	       "  -v, --verbose          say more on the way\n"
	       "  -h, --help             this text\n"
	       "\n"
	       "What to sample (default: every process of every container, and the kernel):\n"
	       "  -p, --pid PID[,PID…]   these processes; may be repeated\n"
	       "      --container NAME   the container with this name, id, or beginning of an id\n"
	       "      --cgroup PATH      this cgroup and all below it\n"
	       "      -- COMMAND         runs COMMAND and samples it and its children\n"
	       "\n"
	       "Debug files are looked for on this host and in the containers; servers (debuginfod) are asked by\n"
	       "the agent only, if its setting debuginfod.urls names some: fleetprof agent --help.\n"
	       "\n"
	       "Ctrl-C ends the recording early and still writes the files; once more, and what has no name\n"
	       "yet stays an address. Exit status: 0; that of COMMAND; 1 on an error, 2 on a wrong option, 3 when\n"
	       "every process of --pid ended before the time was up (the files are there).\n";
}

static int parse_rate(struct record_options *o, const char *arg, struct err *err)
{
	uint64_t v;

	if (sys_parse_u64(arg, 10, 1, RATE_MAX, &v) < 0)
		return err_set(err, -EINVAL, "--rate %s: not a whole number from 1 to %u", arg,
			       RATE_MAX);
	o->rate_hz = (uint32_t)v;
	return 0;
}

static int parse_duration(struct record_options *o, const char *arg, struct err *err)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end || !isfinite(v) || v < 0 || v > DURATION_MAX_S)
		return err_set(err, -EINVAL,
			       "--duration %s: not a number of seconds from 0 to %.0f", arg,
			       DURATION_MAX_S);
	o->duration_ns = (uint64_t)(v * (double)NSEC_PER_SEC);
	if (v > 0 && !o->duration_ns)
		o->duration_ns = 1;
	return 0;
}

static int parse_demangle(struct record_options *o, const char *arg, struct err *err)
{
	for (size_t i = 0; config_demangle[i]; i++) {
		if (!strcmp(arg, config_demangle[i])) {
			o->demangle = config_demangle[i];
			return 0;
		}
	}
	return err_set(err, -EINVAL, "--demangle %s: choose full, short or none", arg);
}

static int parse_pids(struct record_options *o, const char *arg, struct err *err)
{
	_cleanup_(freep) char *list = strdup(arg);
	char *save = NULL;

	if (!list)
		return -ENOMEM;
	for (char *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		uint64_t v;

		if (sys_parse_u64(one, 10, 1, INT32_MAX, &v) < 0)
			return err_set(err, -EINVAL, "--pid %s: \"%s\" is not a process id", arg,
				       one);
		if (o->nr_pids == RECORD_PIDS_MAX)
			return err_set(err, -EINVAL, "--pid: more than %d processes (use --cgroup)",
				       RECORD_PIDS_MAX);
		o->pids[o->nr_pids++] = (pid_t)v;
	}
	return o->nr_pids ? 0 : err_set(err, -EINVAL, "--pid %s: no process id in it", arg);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

static int add_output(struct record_options *o, const char *path, struct err *err)
{
	struct record_output *output = &o->outputs[o->nr_outputs];

	if (o->nr_outputs == RECORD_OUTPUTS_MAX)
		return err_set(err, -EINVAL, "--output: more than %d files", RECORD_OUTPUTS_MAX);
	if (ends_with(path, ".html"))
		output->format = RECORD_HTML;
	else if (ends_with(path, ".svg"))
		output->format = RECORD_SVG;
	else if (ends_with(path, ".pb.gz"))
		output->format = RECORD_PPROF;
	else if (ends_with(path, ".folded"))
		output->format = RECORD_FOLDED;
	else if (ends_with(path, ".speedscope.json"))
		output->format = RECORD_SPEEDSCOPE;
	else
		return err_set(
			err, -EINVAL,
			"--output %s: the name must end in .html, .svg, .pb.gz, .folded or .speedscope.json",
			path);
	for (size_t i = 0; i < o->nr_outputs; i++) {
		if (!strcmp(o->outputs[i].path, path))
			return err_set(err, -EINVAL, "--output %s: named twice", path);
	}
	output->path = path;
	o->nr_outputs++;
	return 0;
}

static int default_output(struct record_options *o, struct err *err)
{
	time_t now = (time_t)(clock_wall_ns() / NSEC_PER_SEC);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(o->default_output, sizeof(o->default_output), "fleetprof-%Y%m%d-%H%M%S.html", &tm);
	return add_output(o, o->default_output, err);
}

static const struct option long_options[] = {
	{ "rate", required_argument, NULL, 'F' },
	{ "duration", required_argument, NULL, 'd' },
	{ "output", required_argument, NULL, 'o' },
	{ "pid", required_argument, NULL, 'p' },
	{ "container", required_argument, NULL, 'C' },
	{ "cgroup", required_argument, NULL, 'G' },
	{ "demangle", required_argument, NULL, 'D' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_one(struct record_options *o, int c, char **argv, struct err *err)
{
	switch (c) {
	case 'F':
		return parse_rate(o, optarg, err);
	case 'd':
		return parse_duration(o, optarg, err);
	case 'o':
		return add_output(o, optarg, err);
	case 'p':
		return parse_pids(o, optarg, err);
	case 'C':
		o->container = optarg;
		return 0;
	case 'G':
		o->cgroup = optarg;
		return 0;
	case 'D':
		return parse_demangle(o, optarg, err);
	case 'v':
		o->verbose = true;
		return 0;
	case 'h':
		return RECORD_OPTIONS_E_HELP;
	case ':':
		return err_set(err, -EINVAL, "%s needs a value (see fleetprof record --help)",
			       argv[optind - 1]);
	}
	if (optopt)
		return err_set(err, -EINVAL, "unknown option -%c (see fleetprof record --help)",
			       optopt);
	return err_set(err, -EINVAL, "unknown option %s (see fleetprof record --help)",
		       argv[optind - 1]);
}

static int check(struct record_options *o, bool has_duration, struct err *err)
{
	int selections = !!o->nr_pids + !!o->container + !!o->cgroup + !!o->command;

	if (selections > 1)
		return err_set(
			err, -EINVAL,
			"choose one of --pid, --container, --cgroup and -- COMMAND, not several");
	if ((o->container && !*o->container) || (o->cgroup && !*o->cgroup))
		return err_set(err, -EINVAL,
			       "--container and --cgroup need a name that is not empty");
	if (!has_duration)
		o->duration_ns = o->command ? 0 : RECORD_DURATION_DEFAULT_NS;
	return o->nr_outputs ? 0 : default_output(o, err);
}

int record_options_parse(struct record_options *ret, int argc, char **argv, struct err *err)
{
	bool has_duration = false;
	int c, r;

	*ret = (struct record_options) { .rate_hz = RECORD_RATE_DEFAULT,
					 .demangle = config_demangle[0] };
	optind = 0; /* GNU: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:F:d:o:p:vh", long_options, NULL)) != -1) {
		has_duration |= c == 'd';
		r = parse_one(ret, c, argv, err);
		if (r)
			return r;
	}
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--"))
			return err_set(err, -EINVAL,
				       "%s: not an option (a command to run comes behind --)",
				       argv[optind]);
		ret->command = argv + optind;
	} else if (argc > 1 && !strcmp(argv[argc - 1], "--")) {
		return err_set(err, -EINVAL, "-- needs a command behind it");
	}
	return check(ret, has_duration, err);
}
