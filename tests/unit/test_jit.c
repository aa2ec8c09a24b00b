/* Names of generated code: perf maps in every runtime's dialect, jitdump with moves and lines. */
#include "agent/base/sys.h"
#include "symbolizer/jit.h"
#include "tests/test.h"

static void frames_of(const void *data, size_t size, const uint64_t *addresses, size_t nr,
		      struct symbolizer_result *ret)
{
	_cleanup_(closep) int fd = -1;

	CHECK(!sys_memfd("jit", &fd));
	CHECK(!sys_write_all(fd, data, size));
	CHECK(!symbolizer_jit_frames(fd, -1, SYMBOLIZER_DEMANGLE_FULL, addresses, nr, ret));
	CHECK_INT(ret->nr_answers, nr);
}

static void dump_frames(struct buf *dump, const uint64_t *addresses, size_t nr,
			struct symbolizer_result *ret)
{
	frames_of(dump->data, dump->len, addresses, nr, ret);
	buf_deinit(dump);
}

static const char *name_of(const struct symbolizer_result *r, size_t i)
{
	return r->answers[i].nr_frames ? r->frames[r->answers[i].first_frame].name : NULL;
}

static void test_dialects(void)
{
	static const char map[] =
		"1000 10 plain\n"
		"0x2000 0x20 with prefix\n"
		"3000 1F Lcom/shop/Cart;::add(I)V\n"
		"4000 10 TRACE_1::file.lua:12\n"
		"7100 2b julia_mandel_83\n"
		"7200 1a instance void [System.Private.CoreLib] System.String::.ctor(char[])[PreJIT]\n"
		"7300 100 wasm[0]::function[12]\n"
		"7400 20 _ZN4shop4Cart3addEij\n"
		"8000\t10  \tjulia_f_12 tabbed\n"
		"5000 10 void [Shop] Cart::Add(int32)[Tier1]\r\n"
		"nonsense\n\n6000\n6000 10\n6000 10 \nzz 10 name\n10000000000000000 10 too_large\n"
		"7000 10 unfinished";
	static const uint64_t addresses[] = { 0xfff,  0x1000, 0x100f, 0x1010, 0x2000, 0x301e,
					      0x301f, 0x4001, 0x5001, 0x6000, 0x7000, 0x7100,
					      0x7210, 0x7300, 0x741f, 0x8000 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;

	frames_of(map, sizeof(map) - 1, addresses, ARRAY_SIZE(addresses), &r);
	CHECK(!name_of(&r, 0));
	CHECK_STR(name_of(&r, 1), "plain");
	CHECK_STR(name_of(&r, 2), "plain");
	CHECK(!name_of(&r, 3));
	CHECK_STR(name_of(&r, 4), "with prefix");
	CHECK_STR(name_of(&r, 5), "Lcom/shop/Cart;::add(I)V");
	CHECK(!name_of(&r, 6));
	CHECK_STR(name_of(&r, 7), "TRACE_1::file.lua:12");
	CHECK_STR(name_of(&r, 8), "void [Shop] Cart::Add(int32)[Tier1]");
	CHECK(!name_of(&r, 9) && !name_of(&r, 10));
	CHECK_STR(name_of(&r, 11), "julia_mandel_83");
	CHECK_STR(name_of(&r, 12),
		  "instance void [System.Private.CoreLib] System.String::.ctor(char[])[PreJIT]");
	CHECK_STR(name_of(&r, 13), "wasm[0]::function[12]");
	CHECK_STR(name_of(&r, 14), "shop::Cart::add(int, unsigned int)");
	CHECK_STR(name_of(&r, 15), "julia_f_12 tabbed");
	CHECK(r.answers[1].source == SYMBOLIZER_PERF_MAP && r.answers[0].source == SYMBOLIZER_NONE);
}

static void test_the_latest_name_counts(void)
{
	static const char map[] = "1000 100 old\n1080 10 new\n1000 10 newest\n";
	static const uint64_t addresses[] = { 0x1000, 0x1010, 0x1080, 0x1090 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;

	frames_of(map, sizeof(map) - 1, addresses, ARRAY_SIZE(addresses), &r);
	CHECK_STR(name_of(&r, 0), "newest");
	CHECK_STR(name_of(&r, 1), "old");
	CHECK_STR(name_of(&r, 2), "new");
	CHECK_STR(name_of(&r, 3), "old");
}

static void check_split(const char *raw, const char *name, const char *file, uint32_t line,
			uint32_t column)
{
	struct symbolizer_frame f = { .file = "" };
	char text[256];

	snprintf(text, sizeof(text), "%s", raw);
	f.name = text;
	perfmap_split_name(text, &f);
	CHECK_STR(f.name, name);
	CHECK_STR(f.file, file);
	CHECK_INT(f.line, line);
	CHECK_INT(f.column, column);
}

static void test_names_of_v8(void)
{
	check_split("JS:*hot /srv/app.js:3:14", "hot", "/srv/app.js", 3, 14);
	check_split("LazyCompile:~get size /srv/a b.js:10:2", "get size", "/srv/a b.js", 10, 2);
	check_split("JS:^x file:///srv/app.mjs:7:1", "x", "file:///srv/app.mjs", 7, 1);
	check_split("JS:* /srv/app.js:3:14", "(anonymous)", "/srv/app.js", 3, 14);
	check_split("Function:+f node:internal/timers:5:9", "f", "node:internal/timers", 5, 9);
	check_split("Script:~ /srv/app.js:1", "(anonymous)", "/srv/app.js", 1, 0);
	check_split("Builtin:ArrayPush", "Builtin:ArrayPush", "", 0, 0);
	check_split("JS:*nothing", "JS:*nothing", "", 0, 0);
	check_split("JS:", "JS:", "", 0, 0);
	check_split("RegExp:a b:3:4", "RegExp:a b:3:4", "", 0, 0);
}

static void test_names_of_python(void)
{
	check_split("py::Cart.add.<locals>.<lambda>:/srv/app.py", "Cart.add.<locals>.<lambda>",
		    "/srv/app.py", 0, 0);
	check_split("py::_find_and_load:<frozen importlib._bootstrap>", "_find_and_load",
		    "<frozen importlib._bootstrap>", 0, 0);
	check_split("py::nothing", "py::nothing", "", 0, 0);
	check_split("py::nothing:", "py::nothing:", "", 0, 0);
	check_split("py::", "py::", "", 0, 0);
}

static void put(struct buf *d, const void *data, size_t size)
{
	CHECK(!buf_add(d, data, size));
}

static void put_u64(struct buf *d, uint64_t v)
{
	put(d, &v, 8);
}

static void put_u32(struct buf *d, uint32_t v)
{
	put(d, &v, 4);
}

static void put_record(struct buf *d, uint32_t type, size_t size)
{
	put_u32(d, type);
	put_u32(d, (uint32_t)(16 + size));
	put_u64(d, 0);
}

static void put_load_of(struct buf *d, uint32_t pid, uint64_t address, uint64_t size,
			uint64_t index, const char *name)
{
	put_record(d, 0, 40 + strlen(name) + 1 + 4);
	put_u64(d, pid);
	put_u64(d, address);
	put_u64(d, address);
	put_u64(d, size);
	put_u64(d, index);
	put(d, name, strlen(name) + 1);
	put_u32(d, 0x90909090);
}

static void put_load(struct buf *d, uint64_t address, uint64_t size, uint64_t index,
		     const char *name)
{
	put_load_of(d, 42, address, size, index, name);
}

static void put_line(struct buf *d, uint64_t address, uint32_t line, const void *file, size_t size)
{
	put_u64(d, address);
	put_u32(d, line);
	put_u32(d, 0);
	put(d, file, size);
}

/* Debug information of nr lines, which follow, and take size bytes. */
static void put_lines(struct buf *d, uint64_t address, uint64_t nr, size_t size)
{
	put_record(d, 2, 16 + size);
	put_u64(d, address);
	put_u64(d, nr);
}

static void put_header(struct buf *d)
{
	buf_init(d, 1u << 16);
	put_u32(d, 0x4a695444);
	put_u32(d, 1);
	put_u32(d, 40);
	put_u32(d, 62);
	put_u32(d, 0);
	put_u32(d, 42);
	put_u64(d, 0);
	put_u64(d, 0);
}

static void check_place(const struct symbolizer_result *r, size_t i, const char *file,
			uint32_t line)
{
	const struct symbolizer_frame *f = &r->frames[r->answers[i].first_frame];

	CHECK(r->answers[i].nr_frames);
	CHECK_STR(f->file, file);
	CHECK_INT(f->line, line);
}

static void test_jitdump(void)
{
	static const uint64_t addresses[] = { 0x1000, 0x1008, 0x1050, 0x2000, 0x3000, 0x3004 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct buf d;

	put_header(&d);
	put_lines(&d, 0x1000, 2, 2 * 16 + 5 + 2 + 1);
	put_line(&d, 0x1000, 10, "a.jl", 5);
	put_line(&d, 0x1008, 11, "\xff", 2);
	put(&d, "", 1); /* padding */
	put_load(&d, 0x1000, 0x40, 1, "first");
	put_load(&d, 0x2000, 0x10, 2, "moved");
	put_record(&d, 1, 48); /* move of code 2 */
	put_u64(&d, 42);
	put_u64(&d, 0x3000);
	put_u64(&d, 0x2000);
	put_u64(&d, 0x3000);
	put_u64(&d, 0x10);
	put_u64(&d, 2);
	put_record(&d, 99, 8); /* of a later version */
	put_u64(&d, 0);
	put_record(&d, 0, 4000); /* being written */
	dump_frames(&d, addresses, ARRAY_SIZE(addresses), &r);
	CHECK_STR(name_of(&r, 0), "first");
	check_place(&r, 0, "a.jl", 10);
	check_place(&r, 1, "a.jl", 11);
	CHECK(!name_of(&r, 2));
	CHECK_STR(name_of(&r, 3), "moved");
	CHECK_STR(name_of(&r, 4), "moved");
	CHECK_STR(name_of(&r, 5), "moved");
	CHECK(r.answers[0].source == SYMBOLIZER_JITDUMP);
}

/* A forked child goes on writing into its parent's file, of memory of its own. */
static void test_records_of_others(void)
{
	static const uint64_t addresses[] = { 0x1000, 0x2000 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct buf d;

	put_header(&d);
	put_load(&d, 0x1000, 0x10, 1, "ours");
	put_load_of(&d, 43, 0x1000, 0x10, 1, "theirs");
	put_load_of(&d, 43, 0x2000, 0x10, 2, "theirs");
	dump_frames(&d, addresses, ARRAY_SIZE(addresses), &r);
	CHECK_STR(name_of(&r, 0), "ours");
	CHECK(!name_of(&r, 1));
}

/* Erlang's lines begin before their code and end behind it; some writers do not sort them. */
static void test_lines_anywhere(void)
{
	static const uint64_t addresses[] = { 0x1000, 0x100f, 0x101f };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct buf d;

	put_header(&d);
	put_lines(&d, 0x1000, 4, 4 * 16 + 4 * 6);
	put_line(&d, 0xff0, 3, "a.erl", 6);
	put_line(&d, 0x1018, 5, "a.erl", 6);
	put_line(&d, 0x1008, 4, "b.erl", 6);
	put_line(&d, 0x1020, 0, "", 1);
	put(&d, "\0\0\0\0", 5);
	put_load(&d, 0x1000, 0x20, 1, "f");
	dump_frames(&d, addresses, ARRAY_SIZE(addresses), &r);
	check_place(&r, 0, "a.erl", 3);
	check_place(&r, 1, "b.erl", 4);
	check_place(&r, 2, "a.erl", 5);
}

/* V8 adds the size of an ELF header to its lines' addresses, and spoils the names of the scripts' files. */
static void test_lines_of_v8(void)
{
	static const char spoilt[] = "nI\2\0\0\0\0\0\0app.js";
	static const uint64_t addresses[] = { 0x1000, 0x1010, 0x2000 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct buf d;

	put_header(&d);
	put_lines(&d, 0x1000, 2, 2 * (16 + sizeof(spoilt)) + 6);
	put_line(&d, 0x1040, 3, spoilt, sizeof(spoilt));
	put_line(&d, 0x1050, 4, spoilt, sizeof(spoilt));
	put(&d, "\0\0\0\0\0", 6);
	put_load(&d, 0x1000, 0x20, 1, "JS:*f /srv/big/app.js:2:10");
	put_lines(&d, 0x2000, 2, 2 * (16 + sizeof(spoilt)));
	put_line(&d, 0x2040, 3, spoilt, sizeof(spoilt));
	put_line(&d, 0x2050, 4, spoilt, sizeof(spoilt));
	put_load(&d, 0x2000, 0x20, 2, "JS:*g /srv/other.js:9:10"); /* of another length */
	dump_frames(&d, addresses, ARRAY_SIZE(addresses), &r);
	CHECK_STR(name_of(&r, 0), "f");
	check_place(&r, 0, "/srv/big/app.js", 3);
	check_place(&r, 1, "/srv/big/app.js", 4);
	CHECK_INT(r.frames[0].start_line, 2);
	check_place(&r, 2, "/srv/other.js", 9);
}

/* What the jitdump does not know, the perf map may. */
static void test_both_files(void)
{
	static const char map[] = "1000 10 map's\n2000 10 map's\n2000 8 map's newer\n";
	static const uint64_t addresses[] = { 0x1000, 0x2000, 0x200f };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	_cleanup_(closep) int map_fd = -1, dump_fd = -1;
	struct buf d;

	put_header(&d);
	put_load(&d, 0x1000, 0x10, 1, "dump's");
	CHECK(!sys_memfd("map", &map_fd) && !sys_memfd("dump", &dump_fd));
	CHECK(!sys_write_all(map_fd, map, sizeof(map) - 1));
	CHECK(!sys_write_all(dump_fd, d.data, d.len));
	buf_deinit(&d);
	CHECK(!symbolizer_jit_frames(dump_fd, map_fd, SYMBOLIZER_DEMANGLE_FULL, addresses,
				     ARRAY_SIZE(addresses), &r));
	CHECK_STR(name_of(&r, 0), "dump's");
	CHECK_STR(name_of(&r, 1), "map's newer");
	CHECK_STR(name_of(&r, 2), "map's");
	CHECK(r.answers[0].source == SYMBOLIZER_JITDUMP);
	CHECK(r.answers[1].source == SYMBOLIZER_PERF_MAP);
}

static void test_nothing(void)
{
	static const uint64_t addresses[] = { 1, 2 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;

	frames_of("", 0, addresses, 2, &r);
	CHECK(!name_of(&r, 0) && !name_of(&r, 1));
}

int main(void)
{
	RUN(test_dialects);
	RUN(test_the_latest_name_counts);
	RUN(test_names_of_v8);
	RUN(test_names_of_python);
	RUN(test_jitdump);
	RUN(test_records_of_others);
	RUN(test_lines_anywhere);
	RUN(test_lines_of_v8);
	RUN(test_both_files);
	RUN(test_nothing);
	return 0;
}
