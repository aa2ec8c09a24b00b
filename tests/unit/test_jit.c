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
	CHECK(!symbolizer_jit_frames(fd, addresses, nr, ret));
	CHECK_INT(ret->nr_answers, nr);
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
		"5000 10 void [Shop] Cart::Add(int32)[Tier1]\r\n"
		"nonsense\n\n6000\n6000 10\n6000 10 \nzz 10 name\n10000000000000000 10 too_large\n"
		"7000 10 unfinished";
	static const uint64_t addresses[] = { 0xfff,  0x1000, 0x100f, 0x1010, 0x2000, 0x301e,
					      0x301f, 0x4001, 0x5001, 0x6000, 0x7000 };
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

struct dump {
	struct buf bytes;
};

static void put(struct dump *d, const void *data, size_t size)
{
	CHECK(!buf_add(&d->bytes, data, size));
}

static void put_u64(struct dump *d, uint64_t v)
{
	put(d, &v, 8);
}

static void put_u32(struct dump *d, uint32_t v)
{
	put(d, &v, 4);
}

static void put_record(struct dump *d, uint32_t type, size_t size)
{
	put_u32(d, type);
	put_u32(d, (uint32_t)(16 + size));
	put_u64(d, 0);
}

static void put_load(struct dump *d, uint64_t address, uint64_t size, uint64_t index,
		     const char *name)
{
	put_record(d, 0, 40 + strlen(name) + 1 + 4);
	put_u64(d, 42);
	put_u64(d, address);
	put_u64(d, address);
	put_u64(d, size);
	put_u64(d, index);
	put(d, name, strlen(name) + 1);
	put_u32(d, 0x90909090);
}

static void put_header(struct dump *d)
{
	put_u32(d, 0x4a695444);
	put_u32(d, 1);
	put_u32(d, 40);
	put_u32(d, 62);
	put_u32(d, 0);
	put_u32(d, 42);
	put_u64(d, 0);
	put_u64(d, 0);
}

static void test_jitdump(void)
{
	static const uint64_t addresses[] = { 0x1000, 0x1008, 0x1050, 0x2000, 0x3000, 0x3004 };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct dump d;
	const struct symbolizer_frame *f;

	buf_init(&d.bytes, 1u << 16);
	put_header(&d);
	put_record(&d, 2, 16 + 2 * 16 + 5 + 2);
	put_u64(&d, 0x1000);
	put_u64(&d, 2);
	put_u64(&d, 0x1000);
	put_u32(&d, 10);
	put_u32(&d, 0);
	put(&d, "a.jl", 5);
	put_u64(&d, 0x1008);
	put_u32(&d, 11);
	put_u32(&d, 0);
	put(&d, "\xff", 2);
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
	frames_of(d.bytes.data, d.bytes.len, addresses, ARRAY_SIZE(addresses), &r);
	CHECK_STR(name_of(&r, 0), "first");
	f = &r.frames[r.answers[0].first_frame];
	CHECK_STR(f->file, "a.jl");
	CHECK_INT(f->line, 10);
	f = &r.frames[r.answers[1].first_frame];
	CHECK_STR(f->file, "a.jl");
	CHECK_INT(f->line, 11);
	CHECK(!name_of(&r, 2));
	CHECK_STR(name_of(&r, 3), "moved");
	CHECK_STR(name_of(&r, 4), "moved");
	CHECK_STR(name_of(&r, 5), "moved");
	CHECK(r.answers[0].source == SYMBOLIZER_JITDUMP);
	buf_deinit(&d.bytes);
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
	RUN(test_jitdump);
	RUN(test_nothing);
	return 0;
}
