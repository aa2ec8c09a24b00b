/* The terminal's summary: the right numbers, lines that fit, and no name that reaches the terminal raw. */
#include "agent/core/output.h"
#include "agent/base/text.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>
#include <locale.h>
#include <wchar.h>

#define OUT_MAX (16u << 20)

static char *summary(const struct profile *p, size_t top, unsigned int width, bool colour)
{
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, OUT_MAX);
	CHECK_INT(output_summary(p, top, width, colour, &out), 0);
	return buf_take(&out);
}

static void test_known(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(freep) char *text = summary(p, 5, 80, false);

	CHECK_STR(text, "100 samples, 1.00 s of CPU time in 1.0 s on 2 CPUs at 100 Hz\n"
			"95.00 % of them have a complete stack, down to its root\n"
			"\n"
			"   SELF    TOTAL  FUNCTION (k: kernel)\n"
			" 60.00%   60.00%   ns::hot(int)\n"
			" 20.00%   20.00%   main.(*T[go.shape.int]).Run\n" /* once, not twice */
			" 15.00%   15.00% k entry_SYSCALL_64\n"
			"  5.00%    5.00%   [truncated: no table]\n"
			"  0.00%   95.00%   main\n"
			"\n"
			"    CPU    CORES      SAMPLES  RUNTIME     OWNER\n"
			" 95.00%     0.95           95  docker      web\n"
			"  5.00%     0.05            5  systemd     ssh.service\n"
			"\n"
			"         COUNT  SAMPLES AND LOSSES\n"
			"           203  expected\n"
			"             3  missed\n"
			"           100  idle\n"
			"             0  lost: ring full\n"
			"           100  in profile\n");
}

static void test_more_owners_than_shown(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(freep) char *text = summary(p, 1, 80, false);

	CHECK(strstr(text, "  5.00%  of 1 more\n"));
	CHECK(!strstr(text, "ssh.service"));
}

static void test_big_numbers(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(freep) char *text = NULL;
	uint32_t stack[] = { 0 };

	known_sample(p, KNOWN_WEB, 0, "app", 1234567, true, stack, 1);
	text = summary(p, 5, 80, false);
	CHECK(!strncmp(text, "1,234,667 samples, 12346.67 s", 29));
}

static void test_colour_only_when_asked(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(freep) char *plain = summary(p, 5, 80, false), *colour = summary(p, 5, 80, true);

	CHECK(!strchr(plain, '\033'));
	CHECK(strstr(colour, "\033[33mentry_SYSCALL_64\033[0m\n"));
	CHECK(strstr(colour, "\033[31m             3  missed\033[0m\n"));
}

static size_t columns(const char *line, size_t len)
{
	size_t sum = 0, n;

	for (size_t i = 0; i < len; i += n) {
		uint32_t cp = text_decode(line + i, len - i, &n);
		int width = wcwidth((wchar_t)cp);

		CHECK(cp >= 0x20 && cp != 0x7f && width > 0);
		sum += (size_t)width;
	}
	return sum;
}

static void test_evil_names(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		SKIP("no C.UTF-8 locale on this machine");
	for (unsigned int width = 60; width <= 200; width += 53) {
		_cleanup_(freep) char *text = summary(p, 1000, width, false);

		for (const char *line = text, *end; *line; line = end + 1) {
			end = strchr(line, '\n');
			CHECK(end);
			CHECK(columns(line, (size_t)(end - line)) <= width);
		}
	}
}

static void test_empty(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(freep) char *text = NULL;
	struct buf small;

	CHECK_INT(profile_new(&p), 0);
	text = summary(p, 5, 80, false);
	CHECK(!strncmp(text, "No samples", 10));
	CHECK(!strstr(text, "FUNCTION"));
	buf_init(&small, 4);
	CHECK_INT(output_summary(p, 5, 80, false, &small), -ENOSPC);
	buf_deinit(&small);
}

int main(void)
{
	RUN(test_known);
	RUN(test_more_owners_than_shown);
	RUN(test_big_numbers);
	RUN(test_colour_only_when_asked);
	RUN(test_empty);
	RUN(test_evil_names);
	return 0;
}
