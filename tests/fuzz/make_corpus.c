/* Writes the binary seeds of some fuzzers anew: make_corpus FOLDER, see make_corpus.sh. */
#include "agent/base/cleanup.h"
#include "agent/base/sys.h"
#include "proto/openwire.h"
#include "proto/symwire.h"
#include "symbolizer/codec.h"
#include "tests/fixtures/record_maker.h"
#include "tests/fixtures/unwind_maker.h"
#include "tests/test.h"

#include <fcntl.h>

static const char *folder;

static void save(const char *name, const void *data, size_t size)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(closep) int fd = -1;

	CHECK(asprintf(&path, "%s/%s", folder, name) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_INT(sys_write_all(fd, data, size), 0);
}

static void make_records(void)
{
	static struct record_maker m;

	record_begin(&m);
	save("fuzz_sampler_record/empty-stack", m.data, m.size);
	record_add_path(&m, "pod1\0kubepods", 14);
	record_add_map(&m, "libc.so.6");
	record_add_map(&m, "server");
	record_add_word(&m, FRAME_MAKE_KERNEL(0xffffffff81000000ULL), 1);
	record_add_word(&m, FRAME_MAKE_RECMAP(1, 0x1234), 0);
	record_add_word(&m, FRAME_MAKE_FILE(3, 0x5678), 0);
	record_add_word(&m, FRAME_MAKE_ANON(0x7fff00000000ULL), 0);
	record_add_word(&m, FRAME_MAKE_SPECIAL(FRAME_SPECIAL_VDSO, 0x10), 0);
	record_add_word(&m, FRAME_MAKE_MARK(FRAME_MARK_END, END_NO_MAP), 0);
	save("fuzz_sampler_record/new-maps-and-cgroup", m.data, m.size);
	record_begin(&m);
	for (int i = 0; i < 200; i++)
		record_add_word(&m, FRAME_MAKE_FILE(i, i * 64), i < 20);
	save("fuzz_sampler_record/deep", m.data, m.size);
}

static void make_wire(void)
{
	struct openwire_request open = { .tgid = 42, .start = 0x1000, .end = 0x2000 };
	struct openwire_answer answer = { .result = -2 };
	struct {
		struct symwire_request request;
		uint64_t addresses[3];
	} symbols = { .request = { .nr = 3, .key = 7 }, .addresses = { 1, 2, 3 } };

	open.header = wire_header(OPENWIRE_MAPPING, 1, sizeof(open) - sizeof(open.header));
	save("fuzz_wire/mapping", &open, sizeof(open));
	open.header.type = OPENWIRE_IN_ROOT;
	strcpy(open.path, "/usr/bin/server");
	save("fuzz_wire/in-root", &open, sizeof(open));
	open.header.type = OPENWIRE_PROC;
	strcpy(open.path, "mountinfo");
	save("fuzz_wire/proc", &open, sizeof(open));
	answer.header = wire_header(OPENWIRE_PROC, 1, sizeof(answer) - sizeof(answer.header));
	save("fuzz_wire/answer", &answer, sizeof(answer));
	symbols.request.header =
		wire_header(SYMWIRE_FRAMES, 2, sizeof(symbols) - sizeof(symbols.request.header));
	save("fuzz_wire/frames", &symbols, sizeof(symbols));
}

/* What goes into a file (agent/core/symdisk.c): how, see fuzz_symbol_cache.c; two offsets; the answers. */
static void make_symbol_cache(const struct buf *answers)
{
	const uint32_t head[] = { 2, 0 };
	const uint64_t offsets[] = { 0x1000, 0x2000 };
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	buf_addc(&b, 2);
	buf_add(&b, head, sizeof(head));
	buf_add(&b, offsets, sizeof(offsets));
	buf_add(&b, answers->data, answers->len);
	save("fuzz_symbol_cache/forged", b.data, b.len);
	save("fuzz_symbol_cache/damaged", "\1\50\0\1\220\1\200", 7);
	save("fuzz_symbol_cache/file", "\0FRPNAME1", 9);
}

static void make_answers(void)
{
	struct symbolizer_frame frames[] = {
		{ .name = "inner",
		  .system_name = "_Z5innerv",
		  .file = "/src/a.cc",
		  .line = 3,
		  .inlined = true },
		{ .name = "outer", .system_name = "outer", .file = "/src/a.cc", .line = 12 },
	};
	struct symbolizer_answer answers[] = {
		{ .nr_frames = 2, .vaddr = 0x1000, .source = SYMBOLIZER_DWARF },
		{ .first_frame = 2, .vaddr = 0x2000 },
	};
	struct symbolizer_want wants[] = {
		{ .kind = SYMBOLIZER_SUPPLEMENT_ALT,
		  .path = "../.dwz/app",
		  .directory = "",
		  .id_len = 4,
		  .id = "\1\2\3" },
		{ .kind = SYMBOLIZER_SUPPLEMENT_SPLIT,
		  .path = "a.dwo",
		  .directory = "/src",
		  .dwo_id = 7 },
	};
	const struct symbolizer_result result = { .answers = answers,
						  .nr_answers = 2,
						  .frames = frames,
						  .nr_frames = 2,
						  .wants = wants,
						  .nr_wants = 2 };
	const struct symclient_container containers[] = {
		{ .id = "abc",
		  .name = "shop",
		  .image = "shop:1",
		  .pod = "p-1",
		  .namespace = "prod",
		  .container = "app" },
		{ .id = "def", .name = "db" },
	};
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_frames(&result, &b), 0);
	save("fuzz_codec/frames", b.data, b.len);
	make_symbol_cache(&b);
	buf_reset(&b);
	CHECK_INT(codec_encode_containers(containers, 2, &b), 0);
	save("fuzz_codec/containers", b.data, b.len);
}

static void make_unwind_image(void)
{
	static const struct unwind_put_row rows[] = {
		{ 0, 0 }, { 1, 1 }, { 255, 0 }, { 256, 1 }, { 40000, 0 }
	};
	static uint32_t image[1024];

	save("fuzz_unwind_image/one-row", image, unwind_put_image(image, 0, rows, 1));
	save("fuzz_unwind_image/rows", image, unwind_put_image(image, 7, rows, ARRAY_SIZE(rows)));
}

int main(int argc, char **argv)
{
	CHECK_INT(argc, 2);
	folder = argv[1];
	make_records();
	make_wire();
	make_answers();
	make_unwind_image();
	return 0;
}
