/* Folded stacks: every line is stack, blank, count; sorted; nothing in a name can make another line. */
#include "agent/base/clock.h"
#include "proto/folded.h"
#include "agent/base/text.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>

#define OUT_MAX (256u << 20)

static void test_known(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(buf_deinitp) struct buf all, one;

	buf_init(&all, OUT_MAX);
	buf_init(&one, OUT_MAX);
	CHECK_INT(folded_write(p, PROFILE_ALL_OWNERS, &all), 0);
	CHECK_STR(buf_str(&all),
		  "ssh.service;sshd;[truncated: no table] 5\n"
		  "web;app;main;libc.so.6!0x1234;entry_SYSCALL_64 15\n"
		  "web;app;main;main.(*T[go.shape.int]).Run;main.(*T[go.shape.int]).Run 20\n"
		  "web;app;main;work(void);ns::hot(int) 60\n");
	CHECK_INT(folded_write(p, KNOWN_SSH, &one), 0);
	CHECK_STR(buf_str(&one), "ssh.service;sshd;[truncated: no table] 5\n");
}

static void add_stack(struct profile *p, uint32_t process, uint64_t count, const char **names,
		      size_t nr)
{
	uint32_t stack[8];

	for (size_t i = 0; i < nr; i++)
		stack[nr - 1 - i] = known_mark(p, PROFILE_FRAME_USER, names[i]);
	known_sample(p, 0, process, "t", count, true, stack, nr);
}

/* Of two processes with equal names one line comes; "a.b" and "a b" sort as their bytes say. */
static void test_order_and_merging(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(buf_deinitp) struct buf out;
	const char *names[][3] = {
		{ "a", "x" }, { "a.b", "y" }, { "a", "x", "z" }, { "a b", "y" },
		{ "a" },      { "a", "x" },   { "\xc3\xa9" },    { "a", "x b" }
	};

	CHECK_INT(profile_new(&p), 0);
	known_owner(p, "o", "", "");
	known_process(p, 1, "one");
	known_process(p, 2, "two");
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t nr = 0;

		while (nr < 3 && names[i][nr])
			nr++;
		add_stack(p, i % 2, i + 1, names[i], nr);
	}
	buf_init(&out, OUT_MAX);
	CHECK_INT(folded_write(p, PROFILE_ALL_OWNERS, &out), 0);
	CHECK_STR(buf_str(&out), "o;a 5\n"
				 "o;a b;y 4\n"
				 "o;a.b;y 2\n"
				 "o;a;x 7\n"
				 "o;a;x b 8\n"
				 "o;a;x;z 3\n"
				 "o;\xc3\xa9 7\n");
}

/* Takes the text apart as the tools do: at line ends, the last blank, and semicolons. */
static void check_lines(const char *text, uint64_t count)
{
	uint64_t sum = 0;

	CHECK(text_is_valid(text, strlen(text)));
	while (*text) {
		const char *end = strchr(text, '\n'), *blank;
		size_t fields = 1;

		CHECK(end);
		blank = memrchr(text, ' ', (size_t)(end - text));
		CHECK(blank && strspn(blank + 1, "0123456789") == (size_t)(end - blank - 1));
		sum += strtoull(blank + 1, NULL, 10);
		for (const char *c = text; c < blank; c++) {
			CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
			CHECK(*c != ';' || c[1] != ';'); /* no empty frame */
			fields += *c == ';';
		}
		CHECK_INT(fields, 4); /* owner, comm, caller, leaf */
		text = end + 1;
	}
	CHECK_INT(sum, count);
}

static void test_evil_names(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(folded_write(p, PROFILE_ALL_OWNERS, &out), 0);
	check_lines(buf_str(&out), ARRAY_SIZE(evil_names));
}

static void test_empty_and_full(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL, *known = known_profile();
	_cleanup_(buf_deinitp) struct buf out, small;

	CHECK_INT(profile_new(&p), 0);
	buf_init(&out, OUT_MAX);
	CHECK_INT(folded_write(p, PROFILE_ALL_OWNERS, &out), 0);
	CHECK_STR(buf_str(&out), "");
	buf_init(&small, 10);
	CHECK_INT(folded_write(known, PROFILE_ALL_OWNERS, &small), -ENOSPC);
}

/* However small the steps, the file is the same: equal lines of different runs are one. */
static void test_steps(void)
{
	_cleanup_(profile_freep) struct profile *big = known_big_profile(3000, 20),
						*known = known_profile();
	const struct profile *profiles[] = { big, known };

	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		_cleanup_(folded_freep) struct folded *f = NULL;
		_cleanup_(buf_deinitp) struct buf at_once, out;
		size_t step = i ? 1 : 70, steps = 0;
		int r;

		buf_init(&at_once, OUT_MAX);
		buf_init(&out, OUT_MAX);
		CHECK_INT(folded_write(profiles[i], PROFILE_ALL_OWNERS, &at_once), 0);
		CHECK_INT(folded_new(&f, profiles[i], PROFILE_ALL_OWNERS), 0);
		while ((r = folded_step(f, step, &out)) > 0)
			steps++;
		CHECK_INT(r, 0);
		CHECK(steps > 4);
		CHECK_STR(buf_str(&out), buf_str(&at_once));
	}
}

static void test_big(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(50000, 32);
	uint64_t start = clock_cpu_ns(), took;
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(folded_write(p, PROFILE_ALL_OWNERS, &out), 0);
	took = clock_cpu_ns() - start;
	fprintf(stderr, "    50,000 samples, 32 deep: %.1f ms, %zu bytes\n", (double)took / 1e6,
		out.len);
	CHECK(took < 5 * NSEC_PER_SEC); /* with sanitizers too */
	for (const char *line = buf_str(&out), *next; *line; line = next) {
		size_t len;

		next = strchr(line, '\n') + 1;
		len = strcspn(next, "\n");
		CHECK(!*next || memcmp(line, next, MIN((size_t)(next - line - 1), len)) <= 0);
	}
}

int main(void)
{
	RUN(test_known);
	RUN(test_order_and_merging);
	RUN(test_evil_names);
	RUN(test_empty_and_full);
	RUN(test_steps);
	RUN(test_big);
	return 0;
}
