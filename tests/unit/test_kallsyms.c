/* Kernel addresses to functions, from texts like /proc/kallsyms. */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"
#include "tests/test.h"

#include <errno.h>

static int text_fd(const char *text)
{
	int fd;

	CHECK_INT(sys_memfd("kallsyms", &fd), 0);
	CHECK_INT(sys_write_all(fd, text, strlen(text)), 0);
	CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void check(int k, uint64_t address, const char *name, const char *module)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	const struct symbolizer_frame *frame;

	CHECK_INT(symbolizer_kernel_frames(k, NULL, &address, 1, &r), 0);
	CHECK_INT(r.nr_answers, 1);
	if (!name) {
		CHECK_INT(r.answers[0].source, SYMBOLIZER_NONE);
		CHECK_INT(r.answers[0].nr_frames, 0);
		return;
	}
	CHECK_INT(r.answers[0].source, SYMBOLIZER_KALLSYMS);
	CHECK_INT(r.answers[0].nr_frames, 1);
	frame = &r.frames[r.answers[0].first_frame];
	CHECK_STR(frame->name, name);
	CHECK_STR(frame->file, module);
	CHECK(!frame->line && !frame->inlined);
}

static void test_functions_modules_and_programs(void)
{
	_cleanup_(closep) int k = -1;

	k = text_fd("ffffffff81000000 T _stext\n"
		    "ffffffff81000100 t do_one\n"
		    "ffffffff81000180 d some_data\n" /* data is no function */
		    "ffffffff81000200 W weak_one\n"
		    "ffffffffc0000000 t nf_hook\t[nf_tables]\n"
		    "ffffffffc0000400 t nf_unhook\t[nf_tables]\n"
		    "ffffffffc0010000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n");
	check(k, 0xffffffff80ffffffULL, NULL, NULL);
	check(k, 0xffffffff81000000ULL, "_stext", "");
	check(k, 0xffffffff810000ffULL, "_stext", "");
	check(k, 0xffffffff81000100ULL, "do_one", "");
	check(k, 0xffffffff810001ffULL, "do_one", "");
	check(k, 0xffffffff81000200ULL, "weak_one", "");
	check(k, 0xffffffffc00003ffULL, "nf_hook", "[nf_tables]");
	check(k, 0xffffffffc0000400ULL, "nf_unhook", "[nf_tables]");
	check(k, 0xffffffffc0010010ULL, "bpf_prog_6deef7357e7b4530_sample", "[bpf]");
	check(k, 0, NULL, NULL);
}

static void test_many_at_once_in_any_order(void)
{
	static const uint64_t addresses[] = { 0xffffffff81000350, 0xffffffff81000000, 1,
					      0xffffffff81000350 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	_cleanup_(closep) int k = -1;

	/* the text itself need not be sorted */
	k = text_fd(
		"ffffffff81000300 T third\nffffffff81000000 T first\nffffffff81000200 T second\n");
	CHECK_INT(symbolizer_kernel_frames(k, NULL, addresses, ARRAY_SIZE(addresses), &r), 0);
	CHECK_INT(r.nr_answers, ARRAY_SIZE(addresses));
	CHECK_STR(r.frames[r.answers[0].first_frame].name, "third");
	CHECK_STR(r.frames[r.answers[1].first_frame].name, "first");
	CHECK_INT(r.answers[2].nr_frames, 0);
	CHECK_STR(r.frames[r.answers[3].first_frame].name, "third");
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		CHECK_INT(r.answers[i].vaddr, addresses[i]);
}

/* Without CAP_SYSLOG every address reads 0: no function may be invented from it. */
static void test_hidden_addresses(void)
{
	_cleanup_(closep) int k = -1;

	k = text_fd("0000000000000000 T _stext\n0000000000000000 t do_one\n");
	check(k, 0xffffffff81000000ULL, NULL, NULL);
	check(k, 0, NULL, NULL);
}

static void test_malformed(void)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"x",
		"ffffffff81000000",
		"ffffffff81000000 ",
		"ffffffff81000000 T",
		"ffffffff81000000 T ",
		"ffffffff81000000 T \n",
		"ffffffff81000000\tT\tx\n",
		" T x\n",
		"-1 T x\n",
		"zz T x\n",
		"ffffffff81000000 T  \t[]\n",
		"\n\n\n ffffffff81000000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(closep) int k = text_fd(texts[i]);
		_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r =
			SYMBOLIZER_RESULT_NULL;
		uint64_t address = 0xffffffff81000000ULL;

		CHECK_INT(symbolizer_kernel_frames(k, NULL, &address, 1, &r), 0);
		CHECK(!r.answers[0].nr_frames || r.frames[r.answers[0].first_frame].name[0]);
	}
}

static void test_lines_between_nonsense(void)
{
	_cleanup_(closep) int k = -1;

	k = text_fd("nonsense\nffffffff81000000 T first\n\n\xff\xfe\nffffffff81000200 T second");
	check(k, 0xffffffff81000010ULL, "first", "");
	check(k, 0xffffffff81000210ULL, "second", "");
}

static void test_what_cannot_be_read(void)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	uint64_t address = 1;

	CHECK_INT(symbolizer_kernel_frames(-1, NULL, &address, 1, &r), -EBADF);
}

/* Lines cross the chunks in which the text is read; what is unsorted comes from all over it. */
static void test_a_long_text(void)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	_cleanup_(closep) int k = -1;
	char name[64];

	buf_init(&text, 32u << 20);
	for (uint64_t i = 0; i < 60000; i++)
		buf_addf(&text, "%016lx T %s_%lu\n", 0xffffffff81000000UL + (i * 7919 % 60000) * 16,
			 i % 3 ? "function" : "a_function_with_a_longer_name", i * 7919 % 60000);
	buf_addf(&text, "ffffffff81000000 T alias\n");
	k = text_fd(buf_str(&text));
	for (uint64_t j = 0; j < 60000; j += 997) {
		uint64_t i = j * 7919 % 60000;

		snprintf(name, sizeof(name), "%s_%lu",
			 j % 3 ? "function" : "a_function_with_a_longer_name", i);
		check(k, 0xffffffff81000000UL + i * 16 + 15, name, "");
	}
}

int main(void)
{
	RUN(test_functions_modules_and_programs);
	RUN(test_many_at_once_in_any_order);
	RUN(test_hidden_addresses);
	RUN(test_malformed);
	RUN(test_lines_between_nonsense);
	RUN(test_what_cannot_be_read);
	RUN(test_a_long_text);
	return 0;
}
