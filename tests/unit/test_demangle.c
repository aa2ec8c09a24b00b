/* Mangled names as people read them: functions of this very program, called what other compilers would call them. */
#include "symbolizer/symbolizer.h"
#include "tests/test.h"

#include <fcntl.h>

#define NAMED(function, name)                                                                      \
	void function(void) __asm__(name);                                                         \
	__attribute__((noinline, used)) void function(void)                                        \
	{                                                                                          \
		__asm__ volatile("" ::: "memory");                                                 \
	}

NAMED(cxx, "_ZN4shop4Cart3addEij")
NAMED(cxx_template, "_ZSt4swapIiEvRT_S1_")
NAMED(rust_legacy, "_ZN4shop4cart3add17h0123456789abcdefE")
NAMED(rust_v0, "_RNvNtCs1234_4shop4cart3add")
NAMED(plain, "plain_c_name")
NAMED(broken, "_ZN99999999999999shop")

static struct symbolizer_file *self;

static void check(void (*function)(void), enum symbolizer_demangle how, const char *expected,
		  bool whole)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	extern const char __executable_start[];
	uint64_t vaddr = (uint64_t)((const char *)(uintptr_t)function - __executable_start);
	const char *name;

	symbolizer_file_set_demangle(self, how);
	CHECK_INT(symbolizer_file_frames(self, SYMBOLIZER_VADDR, &vaddr, 1, &r), 0);
	CHECK(r.answers[0].nr_frames > 0);
	name = r.frames[r.answers[0].first_frame + r.answers[0].nr_frames - 1].name;
	if (whole)
		CHECK_STR(name, expected);
	else
		CHECK(!strncmp(name, expected, strlen(expected)));
}

static void test_full(void)
{
	check(cxx, SYMBOLIZER_DEMANGLE_FULL, "shop::Cart::add(int, unsigned int)", true);
	check(cxx_template, SYMBOLIZER_DEMANGLE_FULL, "void std::swap<int>(int&, int&)", true);
	check(rust_legacy, SYMBOLIZER_DEMANGLE_FULL, "shop::cart::add", false);
	check(rust_v0, SYMBOLIZER_DEMANGLE_FULL, "shop", false);
	check(plain, SYMBOLIZER_DEMANGLE_FULL, "plain_c_name", true);
	check(broken, SYMBOLIZER_DEMANGLE_FULL, "_ZN99999999999999shop", true);
}

static void test_short(void)
{
	check(cxx, SYMBOLIZER_DEMANGLE_SHORT, "shop::Cart::add", true);
	check(rust_legacy, SYMBOLIZER_DEMANGLE_SHORT, "shop::cart::add", false);
	check(plain, SYMBOLIZER_DEMANGLE_SHORT, "plain_c_name", true);
}

static void test_none(void)
{
	check(cxx, SYMBOLIZER_DEMANGLE_NONE, "_ZN4shop4Cart3addEij", true);
	check(plain, SYMBOLIZER_DEMANGLE_NONE, "plain_c_name", true);
}

int main(void)
{
	_cleanup_(closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_NULL;

	CHECK(fd >= 0);
	CHECK_INT(symbolizer_file_new(&self, fd, &err), 0);
	RUN(test_full);
	RUN(test_short);
	RUN(test_none);
	self = symbolizer_file_free(self);
	return 0;
}
