/*
 * Mangled names as people read them: functions of this very program, called what other compilers would call them; names
 * of real libraries; and names that stand for more than there is memory.
 */
#include "symbolizer/demangle.h"
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

/* Names of D that are left on the way keep their memory, a bounded number of them: see symbolizer/demangle.c. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

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
	check(rust_legacy, SYMBOLIZER_DEMANGLE_FULL, "shop::cart::add", true);
	check(rust_v0, SYMBOLIZER_DEMANGLE_FULL, "shop::cart::add", true);
	check(plain, SYMBOLIZER_DEMANGLE_FULL, "plain_c_name", true);
	check(broken, SYMBOLIZER_DEMANGLE_FULL, "_ZN99999999999999shop", true);
}

static void test_short(void)
{
	check(cxx, SYMBOLIZER_DEMANGLE_SHORT, "shop::Cart::add", true);
	check(rust_legacy, SYMBOLIZER_DEMANGLE_SHORT, "shop::cart::add", true);
	check(cxx_template, SYMBOLIZER_DEMANGLE_SHORT, "std::swap", true);
	check(plain, SYMBOLIZER_DEMANGLE_SHORT, "plain_c_name", true);
}

static void test_none(void)
{
	check(cxx, SYMBOLIZER_DEMANGLE_NONE, "_ZN4shop4Cart3addEij", true);
	check(plain, SYMBOLIZER_DEMANGLE_NONE, "plain_c_name", true);
}

/* Of libstdc++, libLLVM, Rust's and D's standard libraries, and what operators and lambdas look like. */
static void test_real_names(void)
{
	static const struct {
		const char *mangled, *full, *cut;
	} names[] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)",
		  "std::vector::push_back" },
		{ "_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc",
		  "std::basic_ostream<char, std::char_traits<char> >& std::operator<< <std::char_traits<char> >(std::basic_ostream<char, std::char_traits<char> >&, char const*)",
		  "std::operator<<" },
		{ "_ZNK3FooIiEltIdEEbRKT_",
		  "bool Foo<int>::operator< <double>(double const&) const", "Foo::operator<" },
		{ "_ZNK3FooIiEclIdEEvT_", "void Foo<int>::operator()<double>(double) const",
		  "Foo::operator()" },
		{ "_ZN3FooptEv", "Foo::operator->()", "Foo::operator->" },
		{ "_ZN12_GLOBAL__N_13BarIcE3bazEv", "(anonymous namespace)::Bar<char>::baz()",
		  "(anonymous namespace)::Bar::baz" },
		{ "_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$..$u7b$$u7b$closure$u7d$$u7d$$GT$17h0123456789abcdefE",
		  "core::ptr::drop_in_place<std::rt::lang_start<()>::{{closure}}>",
		  "core::ptr::drop_in_place" },
		{ "_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
		  "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop",
		  "<alloc::vec::Vec as core::ops::drop::Drop>::drop" },
		{ "_RNvMs_Cs4fqI2P2rA04_5helloINtB4_3VechE4push", "<hello::Vec<u8>>::push",
		  "<hello::Vec>::push" },
		{ "_D3std5stdio__T7writelnTAyaZQnFNfQjZv",
		  "std.stdio.writeln!(immutable(char)[]).writeln(immutable(char)[])",
		  "std.stdio.writeln.writeln" },
		{ "_Dmain", "D main", "D main" },
		/* Not of any of the languages, or of one that libiberty does not know. */
		{ "main", NULL, NULL },
		{ "__libc_start_main", NULL, NULL },
		{ "$s4main3fooyyF", NULL, NULL },
		{ "main.(*T).Run", NULL, NULL },
		{ "__cart_MOD_add", NULL, NULL },
		{ "_", NULL, NULL },
		{ "", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(freep) char *full = demangle(names[i].mangled, SYMBOLIZER_DEMANGLE_FULL);
		_cleanup_(freep) char *cut = demangle(names[i].mangled, SYMBOLIZER_DEMANGLE_SHORT);

		if (!names[i].full) {
			CHECK(!full && !cut);
			continue;
		}
		CHECK(full && cut);
		CHECK_STR(full, names[i].full);
		CHECK_STR(cut, names[i].cut);
		CHECK(!demangle(names[i].mangled, SYMBOLIZER_DEMANGLE_NONE));
	}
}

/* Names of the source's, in DWARF. */
static void test_plain_names(void)
{
	static const char *const names[][2] = {
		{ "fill<shop::Basket>", "fill" },
		{ "operator< <int>", "operator<" },
		{ "operator<<", "operator<<" },
		{ "main.f[chan<- int]", "main.f[chan<- int]" },
		{ "a<b", "a<b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(freep) char *cut = demangle_plain(names[i][0], SYMBOLIZER_DEMANGLE_SHORT);

		CHECK_STR(cut, names[i][1]);
		CHECK(!demangle_plain(names[i][0], SYMBOLIZER_DEMANGLE_FULL));
	}
	CHECK(!demangle_plain("main", SYMBOLIZER_DEMANGLE_SHORT));
}

/* A substitution of C++ or a back reference of Rust: nothing for 0, then from 0 on in that base. */
static void add_number(struct buf *b, unsigned int n, const char *digits)
{
	unsigned int base = (unsigned int)strlen(digits);

	if (n > base)
		CHECK(!buf_add(b, &digits[(n - 1) / base], 1));
	if (n)
		CHECK(!buf_add(b, &digits[(n - 1) % base], 1));
	CHECK(!buf_addc(b, '_'));
}

/* Each pointer to a function takes the last one twice. */
static void add_doubling_cxx(struct buf *b, unsigned int levels)
{
	CHECK(!buf_adds(b, "_Z1fPFviiE"));
	for (unsigned int i = 0; i < levels; i++) {
		CHECK(!buf_adds(b, "PFv"));
		for (unsigned int j = 0; j < 2; j++) {
			CHECK(!buf_adds(b, "S"));
			add_number(b, 2 * i + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		}
		CHECK(!buf_adds(b, "E"));
	}
}

/* Each tuple holds the last one twice. */
static void add_doubling_rust(struct buf *b, unsigned int levels)
{
	static const char base62[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned int last;

	CHECK(!buf_adds(b, "_RINvC1a1f"));
	last = (unsigned int)b->len - 2;
	CHECK(!buf_adds(b, "TllE"));
	for (unsigned int i = 0; i < levels; i++) {
		unsigned int next = (unsigned int)b->len - 2;

		CHECK(!buf_adds(b, "TB"));
		add_number(b, last, base62);
		CHECK(!buf_adds(b, "B"));
		add_number(b, last, base62);
		CHECK(!buf_adds(b, "E"));
		last = next;
	}
	CHECK(!buf_adds(b, "E"));
}

static void add_back_reference_of_d(struct buf *b, size_t to)
{
	size_t n = b->len - to;
	char digits[8];
	size_t i = sizeof(digits);

	for (char first = 'a'; n || first == 'a'; n /= 26, first = 'A')
		digits[--i] = (char)(first + (char)(n % 26));
	CHECK(!buf_adds(b, "Q"));
	CHECK(!buf_add(b, digits + i, sizeof(digits) - i));
}

/* Each associative array is of the last one, by the last one. */
static void add_doubling_d(struct buf *b, unsigned int levels)
{
	size_t last;

	CHECK(!buf_adds(b, "_D1aFi"));
	last = b->len;
	CHECK(!buf_adds(b, "Ai"));
	for (unsigned int i = 0; i < levels; i++) {
		size_t next = b->len;

		CHECK(!buf_adds(b, "H"));
		add_back_reference_of_d(b, last);
		add_back_reference_of_d(b, last);
		last = next;
	}
	CHECK(!buf_adds(b, "Zi"));
}

static void check_doubling(void (*add)(struct buf *b, unsigned int levels), unsigned int levels,
			   bool named)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(freep) char *text = NULL;

	buf_init(&b, 1u << 16);
	add(&b, levels);
	text = demangle(buf_str(&b), SYMBOLIZER_DEMANGLE_FULL);
	if (named != !!text)
		fprintf(stderr, "%s: %zu\n", buf_str(&b), text ? strlen(text) : 0);
	CHECK(named == !!text);
}

/* A few levels are a name; with more it has none, whatever the time and the memory would be that it asks for. */
static void test_doubling_names(void)
{
	check_doubling(add_doubling_cxx, 5, true);
	check_doubling(add_doubling_rust, 5, true);
	check_doubling(add_doubling_d, 5, true);
	for (unsigned int levels = 20; levels < 100; levels += 3) {
		check_doubling(add_doubling_cxx, levels, false);
		check_doubling(add_doubling_rust, levels, false);
		check_doubling(add_doubling_d, levels, false);
	}
	/* That was too much of D. */
	CHECK(!demangle("_D3std5stdio4openFZv", SYMBOLIZER_DEMANGLE_FULL));
	CHECK(demangle("_ZN4shop4Cart3addEij", SYMBOLIZER_DEMANGLE_FULL));
}

/* What recurses without an end in the demangler has one. */
static void test_deep_names(void)
{
	static const char *const heads[] = { "_Z1f", "_ZN", "_RINvC1a1f", "_D1aF", "_ZZ", "_RX" };
	static const char parts[] = "PFITNRAJSDQ";
	char name[4096];

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		for (const char *part = parts; *part; part++) {
			memset(name, *part, sizeof(name) - 1);
			memcpy(name, heads[i], strlen(heads[i]));
			name[sizeof(name) - 2] = '\0';
			free(demangle(name, SYMBOLIZER_DEMANGLE_FULL));
			free(demangle(name, SYMBOLIZER_DEMANGLE_SHORT));
		}
	}
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
	RUN(test_real_names);
	RUN(test_plain_names);
	RUN(test_deep_names);
	RUN(test_doubling_names);
	self = symbolizer_file_free(self);
	return 0;
}
