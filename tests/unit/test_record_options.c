/* The command line of `record`: what is taken, and what is refused with which words. */
#include "agent/core/record_options.h"
#include "tests/test.h"

#include <errno.h>

#define PARSE(o, e, ...)                                                                           \
	({                                                                                         \
		static char *args[] = { "record", ##__VA_ARGS__, NULL };                           \
		record_options_parse(&(o), (int)ARRAY_SIZE(args) - 1, args, &(e));                 \
	})

static void test_defaults(void)
{
	struct record_options o;
	struct err e = ERR_NULL;

	CHECK_INT(PARSE(o, e), 0);
	CHECK_INT(o.rate_hz, 99);
	CHECK_INT(o.duration_ns, 10000000000);
	CHECK_INT(o.nr_outputs, 1);
	CHECK_INT(o.outputs[0].format, RECORD_HTML);
	CHECK(!strncmp(o.outputs[0].path, "fleetprof-", 10));
}

static void test_everything(void)
{
	struct record_options o;
	struct err e = ERR_NULL;

	CHECK_INT(PARSE(o, e, "-F", "997", "-d", "1.5", "-o", "a.pb.gz", "-o", "b.folded", "-p",
			"1,22", "-p", "3"),
		  0);
	CHECK_INT(o.rate_hz, 997);
	CHECK_INT(o.duration_ns, 1500000000);
	CHECK_INT(o.nr_pids, 3);
	CHECK_INT(o.pids[1], 22);
	CHECK_INT(o.outputs[0].format, RECORD_PPROF);
	CHECK_INT(o.outputs[1].format, RECORD_FOLDED);
	CHECK_INT(PARSE(o, e, "-o", "x.speedscope.json"), 0);
	CHECK_INT(o.outputs[0].format, RECORD_SPEEDSCOPE);
	CHECK_INT(PARSE(o, e, "-o", "x.svg"), 0);
	CHECK_INT(o.outputs[0].format, RECORD_SVG);
	CHECK_INT(PARSE(o, e, "-o", "x.json"), -EINVAL);
	CHECK_STR(o.demangle, "full");
	CHECK_INT(PARSE(o, e, "--demangle", "short"), 0);
	CHECK_STR(o.demangle, "short");
	CHECK_INT(PARSE(o, e, "--demangle=pretty"), -EINVAL);
	CHECK(strstr(e.text, "full, short or none"));
	e = ERR_NULL;
	CHECK_INT(PARSE(o, e, "--help"), RECORD_OPTIONS_E_HELP);
	CHECK_INT(PARSE(o, e, "--", "sleep", "-x"), 0);
	CHECK_STR(o.command[1], "-x");
	CHECK_INT(o.duration_ns, 0);
}

static void test_refused(void)
{
	struct record_options o;
	struct err e = ERR_NULL;

	CHECK_INT(PARSE(o, e, "-F", "0"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-F", "99x"), -EINVAL);
	CHECK(strstr(e.text, "99x"));
	CHECK_INT(PARSE(o, e, "-F", "-5"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-d", "nan"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-d", "1e99"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-d"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-o", "profile.svgz"), -EINVAL);
	CHECK(strstr(e.text, ".pb.gz"));
	CHECK_INT(PARSE(o, e, "-o", "a.html", "-o", "a.html"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-p", "abc"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-p", ","), -EINVAL);
	CHECK_INT(PARSE(o, e, "--frobnicate"), -EINVAL);
	CHECK(strstr(e.text, "--frobnicate"));
	CHECK_INT(PARSE(o, e, "-z"), -EINVAL);
	CHECK(strstr(e.text, "-z"));
	CHECK_INT(PARSE(o, e, "stray"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-F", "9", "--"), -EINVAL);
	CHECK_INT(PARSE(o, e, "-p", "1", "--cgroup", "/x"), -EINVAL);
	CHECK_INT(PARSE(o, e, "--container", ""), -EINVAL);
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_everything);
	RUN(test_refused);
	return 0;
}
