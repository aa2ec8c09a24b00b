/* Reports: the right numbers from pprof and folded stacks, in every view; lines that fit; sentences for what is wrong. */
#include "agent/base/text.h"
#include "agent/core/report_diff.h"
#include "agent/core/report_options.h"
#include "agent/core/report_read.h"
#include "agent/core/report_tree.h"
#include "proto/pprof.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>

#define OUT_MAX (16u << 20)

static int read_text(struct report_profile *p, const char *name, const char *text, const char *type,
		     const char *owner, struct err *err)
{
	struct report_wanted wanted = { .type = type, .owner = owner };

	return report_read(p, name, text, strlen(text), &wanted, err);
}

static void read_known(struct report_profile *ret, struct profile *p, const char *type,
		       const char *owner)
{
	struct report_wanted wanted = { .type = type, .owner = owner };
	_cleanup_(buf_deinitp) struct buf packed;
	struct err e = ERR_NULL;

	buf_init(&packed, OUT_MAX);
	CHECK_INT(pprof_write(p, PROFILE_ALL_OWNERS, &packed), 0);
	CHECK_INT(report_profile_init(ret), 0);
	CHECK_INT(report_read(ret, "x.pb.gz", packed.data, packed.len, &wanted, &e), 0);
}

static char *top(const struct stacks *s, size_t limit, double min, enum top_order order,
		 size_t width)
{
	_cleanup_(freep) struct top_entry *entries = NULL;
	_cleanup_(buf_deinitp) struct buf out;
	struct table t = { .out = &out, .width = width };

	buf_init(&out, OUT_MAX);
	CHECK_INT(top_count(s, &entries), 0);
	top_sort(s, entries, stacks_nr_functions(s), order);
	top_print(&t, s, entries, stacks_nr_functions(s), limit, min, order);
	return buf_take(&out);
}

static char *tree(const struct stacks *s, size_t limit, double min, size_t width)
{
	_cleanup_(buf_deinitp) struct buf out;
	struct table t = { .out = &out, .width = width };

	buf_init(&out, OUT_MAX);
	CHECK_INT(report_tree(&t, s, limit, min, TOP_BY_SELF), 0);
	return buf_take(&out);
}

static char *diff(const struct stacks *a, const struct stacks *b, enum top_order order)
{
	_cleanup_(buf_deinitp) struct buf out;
	struct table t = { .out = &out, .width = 80 };

	buf_init(&out, OUT_MAX);
	CHECK_INT(report_diff(&t, a, b, 100, 0, order), 0);
	return buf_take(&out);
}

static void test_top(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(report_profile_deinitp) struct report_profile r;
	_cleanup_(freep) char *self = NULL, *total = NULL;

	read_known(&r, p, NULL, NULL);
	CHECK_STR(r.type, "cpu");
	CHECK_STR(r.unit, "nanoseconds");
	CHECK_INT(stacks_total(r.stacks), 1000000000);
	CHECK(r.has_owners);
	self = top(r.stacks, 5, 0, TOP_BY_SELF, 80);
	CHECK_STR(self, "\n"
			"   SELF    TOTAL  FUNCTION (k: kernel)\n"
			" 60.00%   60.00%   ns::hot(int)\n"
			" 20.00%   20.00%   main.(*T[go.shape.int]).Run\n"
			" 15.00%   15.00% k entry_SYSCALL_64\n"
			"  5.00%    5.00%   [truncated: no table]\n"
			"  0.00%   95.00%   main\n");
	total = top(r.stacks, 30, 15.01, TOP_BY_TOTAL, 80);
	CHECK_STR(total, "\n"
			 "   SELF    TOTAL  FUNCTION (k: kernel)\n"
			 "  0.00%   95.00%   main\n"
			 " 60.00%   60.00%   ns::hot(int)\n"
			 "  0.00%   60.00%   work(void)\n"
			 " 20.00%   20.00%   main.(*T[go.shape.int]).Run\n");
}

static void test_type_and_owner(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(report_profile_deinitp) struct report_profile samples, ssh;

	read_known(&samples, p, "samples", NULL);
	CHECK_STR(samples.unit, "count");
	CHECK_INT(stacks_total(samples.stacks), 100);
	read_known(&ssh, p, NULL, "ssh.service");
	CHECK_INT(stacks_total(ssh.stacks), 50000000);
}

static void test_tree(void)
{
	static const char text[] = "a;b;c;d 50\n"
				   "a;b;c;e 30\n"
				   "a;b 10\n"
				   "x;read_[k] 9\n"
				   "y 1\n";
	_cleanup_(report_profile_deinitp) struct report_profile r;
	_cleanup_(freep) char *all = NULL, *some = NULL, *three = NULL;
	struct err e = ERR_NULL;

	CHECK_INT(report_profile_init(&r), 0);
	CHECK_INT(read_text(&r, "x.folded", text, NULL, NULL, &e), 0);
	all = tree(r.stacks, SIZE_MAX, 0, 80);
	CHECK_STR(all, "\n"
		       "  TOTAL     SELF  FUNCTION (k: kernel)\n"
		       " 90.00%    0.00%  ├   a\n"
		       " 90.00%   10.00%  │   b\n"
		       " 80.00%    0.00%  │   c\n"
		       " 50.00%   50.00%  │ ├   d\n"
		       " 30.00%   30.00%  │ └   e\n"
		       "  9.00%    0.00%  ├   x\n"
		       "  9.00%    9.00%  │ k read\n"
		       "  1.00%    1.00%  └   y\n");
	some = tree(r.stacks, SIZE_MAX, 11, 80);
	CHECK(strstr(some, "  a\n") && !strstr(some, "  x\n") && !strstr(some, "more"));
	three = tree(r.stacks, SIZE_MAX, 9.5, 80);
	CHECK_STR(strchr(three, '9'), "90.00%    0.00%  ├   a\n"
				      " 90.00%   10.00%  │   b\n"
				      " 80.00%    0.00%  │   c\n"
				      " 50.00%   50.00%  │ ├   d\n"
				      " 30.00%   30.00%  │ └   e\n"
				      " 10.00%           └ [2 more below 9.5%]\n");
}

static void test_diff(void)
{
	_cleanup_(report_profile_deinitp) struct report_profile a, b;
	_cleanup_(freep) char *self = NULL, *total = NULL, *same = NULL;
	struct err e = ERR_NULL;

	CHECK_INT(report_profile_init(&a), 0);
	CHECK_INT(report_profile_init(&b), 0);
	CHECK_INT(read_text(&a, "a.folded", "m;f 50\nm;g 40\nm;h 10\n", NULL, NULL, &e), 0);
	CHECK_INT(read_text(&b, "b.folded", "m;f 120\nm;g 40\nm;i_[k] 40\n", NULL, NULL, &e), 0);
	self = diff(a.stacks, b.stacks, TOP_BY_SELF);
	CHECK_STR(self, "\n"
			" BEFORE    AFTER   POINTS  RELATIVE    FUNCTION, SELF (k: kernel)\n"
			" 40.00%   20.00%   -20.00      -50%    g\n"
			"  0.00%   20.00%   +20.00       new  k i\n"
			" 50.00%   60.00%   +10.00      +20%    f\n"
			" 10.00%    0.00%   -10.00      gone    h\n");
	total = diff(a.stacks, b.stacks, TOP_BY_TOTAL);
	CHECK(strstr(total, "FUNCTION, TOTAL") && !strstr(total, "  m\n"));
	same = diff(a.stacks, a.stacks, TOP_BY_SELF);
	CHECK(strstr(same, "nothing changed"));
}

static void test_folded(void)
{
	_cleanup_(report_profile_deinitp) struct report_profile r;
	struct err e = ERR_NULL;

	CHECK_INT(report_profile_init(&r), 0);
	/* Spaces in names, carriage returns, comments, an escaped separator, no newline at the end. */
	CHECK_INT(read_text(&r, "-", "# made by hand\n\na b;operator new(int) 3\r\nx\\x3by 4", NULL,
			    NULL, &e),
		  0);
	CHECK_INT(stacks_total(r.stacks), 7);
	CHECK_STR(stacks_function(r.stacks, 0), "operator new(int)");
	CHECK_STR(stacks_function(r.stacks, 2), "x;y");
	/* Added up with another. */
	CHECK_INT(read_text(&r, "b.folded", "a b 9223372036854775807\n", NULL, NULL, &e), 0);
	CHECK_INT(stacks_total(r.stacks), INT64_MAX);
}

static void refused(const char *name, const char *text, size_t len, const char *type,
		    const char *what)
{
	_cleanup_(report_profile_deinitp) struct report_profile r;
	struct report_wanted wanted = { .type = type };
	struct err e = ERR_NULL;

	CHECK_INT(report_profile_init(&r), 0);
	if (report_read(&r, name, text, len, &wanted, &e) >= 0 || !strstr(e.text, what) ||
	    strncmp(e.text, name, strlen(name))) {
		fprintf(stderr, "\"%s\", expected \"%s\"\n", e.text, what);
		exit(1);
	}
}

static void test_refused(void)
{
	refused("a.folded", "a;b 1\nc\n", 8, NULL, "line 2 is not");
	refused("a.folded", "a;b x\n", 6, NULL, "line 1 is not");
	refused("a.folded", "a;b -1\n", 7, NULL, "line 1 is not");
	refused("a.folded", "a;b 99999999999999999999\n", 25, NULL, "line 1 is not");
	refused("a.folded", "\xff 1\n", 4, NULL, "line 1 is not");
	refused("a.folded", "a 1\n", 4, "cpu", "type samples only");
	refused("a", "", 0, NULL, "empty");
	refused("a.html", "<!DOCTYPE html><p>", 18, NULL, ".pb.gz or .folded");
	refused("perf.data", "PERFILE2\0\0", 10, NULL, "perf script");
	refused("ls",
		"\x7f"
		"ELF\2",
		5, NULL, "a program");
	refused("a.gz", "\x1f\x8bxxxxxxxxxxxxxxxxxxxxx", 20, NULL, "damaged");
	refused("a.pb", "\xff\xff\xff\xff", 4, NULL, "not a pprof");
}

static void test_wrong_type_and_owner(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(report_profile_deinitp) struct report_profile r;
	struct report_wanted wanted = { .type = "heap" };
	_cleanup_(buf_deinitp) struct buf packed;
	struct err e = ERR_NULL;

	buf_init(&packed, OUT_MAX);
	CHECK_INT(pprof_write(p, PROFILE_ALL_OWNERS, &packed), 0);
	CHECK_INT(report_profile_init(&r), 0);
	CHECK_INT(report_read(&r, "x", packed.data, packed.len, &wanted, &e), -EINVAL);
	CHECK_STR(e.text, "x: it has no type \"heap\" (it has: samples, cpu)");
	wanted = (struct report_wanted) { .owner = "nobody" };
	CHECK_INT(report_read(&r, "x", packed.data, packed.len, &wanted, &e), 0);
	CHECK(!r.owner_found);
	CHECK_STR(r.no_owner.text, "x: no owner \"nobody\" in it (it has: web, ssh.service)");
	/* What is added up counts the same. */
	CHECK_INT(read_text(&r, "y.folded", "a 1\n", NULL, NULL, &e), -EINVAL);
}

static void check_lines(const char *text, size_t width)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		_cleanup_(freep) char *one = strndup(line, strcspn(line, "\n"));
		_cleanup_(buf_deinitp) struct buf shown;

		buf_init(&shown, OUT_MAX);
		/* Nothing is left to escape, and it is no wider than it may be. */
		CHECK_INT(text_for_terminal(&shown, one, width), 0);
		CHECK_STR(buf_str(&shown), one);
	}
}

static void test_evil_names(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	_cleanup_(report_profile_deinitp) struct report_profile r, none;
	_cleanup_(freep) char *t = NULL, *u = NULL, *v = NULL;

	read_known(&r, p, NULL, NULL);
	t = top(r.stacks, SIZE_MAX, 0, TOP_BY_SELF, 70);
	check_lines(t, 70);
	u = tree(r.stacks, SIZE_MAX, 0, 70);
	check_lines(u, 70);
	CHECK_INT(report_profile_init(&none), 0);
	v = diff(none.stacks, r.stacks, TOP_BY_TOTAL);
	check_lines(v, 80);
}

static void test_deep(void)
{
	_cleanup_(report_profile_deinitp) struct report_profile r;
	_cleanup_(buf_deinitp) struct buf text;
	_cleanup_(freep) char *t = NULL;
	struct err e = ERR_NULL;

	buf_init(&text, OUT_MAX);
	for (int i = 0; i < 10000; i++)
		buf_addf(&text, "f%d;", i);
	buf_adds(&text, "leaf 1\n");
	CHECK_INT(report_profile_init(&r), 0);
	CHECK_INT(read_text(&r, "x.folded", buf_str(&text), NULL, NULL, &e), 0);
	CHECK_INT(stacks_cut(r.stacks), 1);
	t = tree(r.stacks, SIZE_MAX, 0, 80);
	CHECK(strstr(t, "leaf"));
}

#define PARSE(o, e, ...)                                                                           \
	({                                                                                         \
		static char *args[] = { "report", ##__VA_ARGS__, NULL };                           \
		report_options_parse(&(o), (int)ARRAY_SIZE(args) - 1, args, &(e));                 \
	})

static void test_options(void)
{
	struct report_options o;
	struct err e = ERR_NULL;

	CHECK_INT(PARSE(o, e, "a", "--limit", "0", "b", "--min=1.5%"), 0);
	CHECK_INT(o.nr_files, 2);
	CHECK_STR(o.files[1], "b");
	CHECK(o.limit == SIZE_MAX && o.min_percent == 1.5);
	CHECK_INT(PARSE(o, e, "--diff", "a", "b", "--sort", "total"), 0);
	CHECK(o.view == REPORT_DIFF && o.order == TOP_BY_TOTAL && o.limit == 30);
	CHECK_INT(PARSE(o, e, "--tree", "a"), 0);
	CHECK(o.min_percent == 0.5 && o.limit == SIZE_MAX);
	CHECK_INT(PARSE(o, e, "-h"), REPORT_OPTIONS_E_HELP);
	CHECK_INT(PARSE(o, e), -EINVAL);
	CHECK_INT(PARSE(o, e, "--diff", "a"), -EINVAL);
	CHECK(strstr(e.text, "two files"));
	CHECK_INT(PARSE(o, e, "--sort", "size", "a"), -EINVAL);
	CHECK_INT(PARSE(o, e, "--limit", "-1", "a"), -EINVAL);
	CHECK_INT(PARSE(o, e, "--min", "101", "a"), -EINVAL);
	CHECK_INT(PARSE(o, e, "--nope", "a"), -EINVAL);
	CHECK(strstr(e.text, "--nope"));
}

int main(void)
{
	RUN(test_top);
	RUN(test_type_and_owner);
	RUN(test_tree);
	RUN(test_diff);
	RUN(test_folded);
	RUN(test_refused);
	RUN(test_wrong_type_and_owner);
	RUN(test_evil_names);
	RUN(test_deep);
	RUN(test_options);
	return 0;
}
