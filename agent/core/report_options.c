/* The command line of `fleetprof report`. */
#include "agent/core/report_options.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>

#define LIMIT_DEFAULT 30
#define TREE_MIN_DEFAULT 0.5

const char *report_options_help(void)
{
	return "usage: fleetprof report [OPTION…] FILE…\n"
	       "       fleetprof report --diff [OPTION…] BEFORE AFTER\n"
	       "\n"
	       "Shows profiles in the terminal: pprof (.pb.gz, of fleetprof or of anything else) or folded\n"
	       "stacks (.folded). Several files are added up; - is standard input.\n"
	       "\n"
	       "      --top              the functions that take most (default)\n"
	       "      --tree             who calls whom, from the root; linear chains are not indented\n"
	       "      --diff             what changed from the first file to the second, in points of\n"
	       "                         each one's own whole\n"
	       "\n"
	       "      --owner NAME       this container or unit only (of folded stacks: the first frame)\n"
	       "      --type NAME        what is counted, where a file has several (cpu, samples, …)\n"
	       "      --sort WHAT        self (default), total or name\n"
	       "      --limit N          lines at most (default 30, of a tree all; 0: all)\n"
	       "      --min PERCENT      leave out what is below (default 0, of a tree 0.5)\n"
	       "  -h, --help             this text\n";
}

enum { TOP = 256, TREE, DIFF, OWNER, TYPE, SORT, LIMIT, MIN_PERCENT };

static const struct option long_options[] = {
	{ "top", no_argument, NULL, TOP },
	{ "tree", no_argument, NULL, TREE },
	{ "diff", no_argument, NULL, DIFF },
	{ "owner", required_argument, NULL, OWNER },
	{ "type", required_argument, NULL, TYPE },
	{ "sort", required_argument, NULL, SORT },
	{ "limit", required_argument, NULL, LIMIT },
	{ "min", required_argument, NULL, MIN_PERCENT },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_sort(struct report_options *o, const char *arg, struct err *err)
{
	static const char *const orders[] = {
		[TOP_BY_SELF] = "self", [TOP_BY_TOTAL] = "total", [TOP_BY_NAME] = "name"
	};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!strcmp(arg, orders[i])) {
			o->order = (enum top_order)i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "--sort %s: not self, total or name", arg);
}

static int parse_limit(struct report_options *o, const char *arg, struct err *err)
{
	uint64_t v;

	if (sys_parse_u64(arg, 10, 0, UINT32_MAX, &v) < 0)
		return err_set(err, -EINVAL, "--limit %s: not a whole number", arg);
	o->limit = v ? (size_t)v : SIZE_MAX;
	return 0;
}

static int parse_min(struct report_options *o, const char *arg, struct err *err)
{
	char *end;
	double v = strtod(arg, &end);

	if (*end == '%')
		end++;
	if (end == arg || *end || !isfinite(v) || v < 0 || v > 100)
		return err_set(err, -EINVAL, "--min %s: not a percentage from 0 to 100", arg);
	o->min_percent = v;
	return 0;
}

static int parse_one(struct report_options *o, int c, char **argv, struct err *err)
{
	switch (c) {
	case TOP:
	case TREE:
	case DIFF:
		o->view = (enum report_view)(c - TOP);
		return 0;
	case OWNER:
		o->owner = optarg;
		return 0;
	case TYPE:
		o->type = optarg;
		return 0;
	case SORT:
		return parse_sort(o, optarg, err);
	case LIMIT:
		return parse_limit(o, optarg, err);
	case MIN_PERCENT:
		return parse_min(o, optarg, err);
	case 'h':
		return REPORT_OPTIONS_E_HELP;
	case ':':
		return err_set(err, -EINVAL, "%s needs a value (see fleetprof report --help)",
			       argv[optind - 1]);
	}
	return err_set(err, -EINVAL, "unknown option %s (see fleetprof report --help)",
		       argv[optind - 1]);
}

static int check(const struct report_options *o, struct err *err)
{
	if (o->view == REPORT_DIFF && o->nr_files != 2)
		return err_set(err, -EINVAL,
			       "--diff takes two files, before and after; here are %zu",
			       o->nr_files);
	if (!o->nr_files)
		return err_set(err, -EINVAL,
			       "which file? (fleetprof report FILE; fleetprof record "
			       "-o FILE.pb.gz makes one)");
	if (o->nr_files > REPORT_FILES_MAX)
		return err_set(err, -EINVAL, "more than %d files", REPORT_FILES_MAX);
	return 0;
}

int report_options_parse(struct report_options *ret, int argc, char **argv, struct err *err)
{
	int c, r;

	*ret = (struct report_options) { .limit = 0, .min_percent = -1 };
	optind = 0; /* GNU: start anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		r = parse_one(ret, c, argv, err);
		if (r)
			return r;
	}
	if (!ret->limit)
		ret->limit = ret->view == REPORT_TREE ? SIZE_MAX : LIMIT_DEFAULT;
	if (ret->min_percent < 0)
		ret->min_percent = ret->view == REPORT_TREE ? TREE_MIN_DEFAULT : 0;
	ret->files = argv + optind;
	ret->nr_files = (size_t)(argc - optind);
	return check(ret, err);
}
