/* Symbolizer answers as bytes: what goes in comes out, and whatever else comes in is refused. */
#include "proto/symwire.h"
#include "symbolizer/codec.h"
#include "tests/test.h"

#include <errno.h>

static struct symbolizer_frame frames[] = {
	{ .name = "inner",
	  .system_name = "_Z5innerv",
	  .file = "/src/a.cc",
	  .line = 3,
	  .column = 7,
	  .inlined = true },
	{ .name = "outer",
	  .system_name = "outer",
	  .file = "/src/a.cc",
	  .line = 12,
	  .start_line = 10 },
	{ .name = "naïve;<b>", .system_name = "n", .file = "" },
};
static struct symbolizer_answer answers[] = {
	{ .first_frame = 0, .nr_frames = 2, .vaddr = 0x1000, .source = SYMBOLIZER_DWARF },
	{ .first_frame = 2, .nr_frames = 0, .vaddr = 0x2000, .source = SYMBOLIZER_NONE },
	{ .first_frame = 2,
	  .nr_frames = 1,
	  .vaddr = 0x3000,
	  .source = SYMBOLIZER_KALLSYMS,
	  .less = SYMBOLIZER_LESS_LINES },
};

static struct symbolizer_want wants[] = {
	{ .kind = SYMBOLIZER_SUPPLEMENT_ALT,
	  .path = "../.dwz/app",
	  .directory = "",
	  .id_len = 3,
	  .id = { 1, 0, 0xff } },
	{ .kind = SYMBOLIZER_SUPPLEMENT_SPLIT,
	  .path = "obj/a.dwo",
	  .directory = "/src",
	  .dwo_id = 0x123456789abcdef },
};

static void encode(struct buf *b)
{
	struct symbolizer_result result = { .answers = answers,
					    .nr_answers = ARRAY_SIZE(answers),
					    .frames = frames,
					    .nr_frames = ARRAY_SIZE(frames),
					    .wants = wants,
					    .nr_wants = ARRAY_SIZE(wants) };

	buf_init(b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_frames(&result, b), 0);
}

static void test_frames_there_and_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	struct symbolizer_result r;

	encode(&b);
	CHECK_INT(codec_decode_frames(b.data, b.len, ARRAY_SIZE(answers), &r), 0);
	CHECK_INT(r.nr_answers, ARRAY_SIZE(answers));
	CHECK_INT(r.nr_frames, ARRAY_SIZE(frames));
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		CHECK_INT(r.answers[i].first_frame, answers[i].first_frame);
		CHECK_INT(r.answers[i].nr_frames, answers[i].nr_frames);
		CHECK_INT(r.answers[i].vaddr, answers[i].vaddr);
		CHECK_INT(r.answers[i].source, answers[i].source);
		CHECK_INT(r.answers[i].less, answers[i].less);
	}
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		CHECK_STR(r.frames[i].name, frames[i].name);
		CHECK_STR(r.frames[i].system_name, frames[i].system_name);
		CHECK_STR(r.frames[i].file, frames[i].file);
		CHECK_INT(r.frames[i].line, frames[i].line);
		CHECK_INT(r.frames[i].column, frames[i].column);
		CHECK_INT(r.frames[i].start_line, frames[i].start_line);
		CHECK_INT(r.frames[i].inlined, frames[i].inlined);
	}
	CHECK_INT(r.nr_wants, ARRAY_SIZE(wants));
	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		CHECK_INT(r.wants[i].kind, wants[i].kind);
		CHECK_STR(r.wants[i].path, wants[i].path);
		CHECK_STR(r.wants[i].directory, wants[i].directory);
		CHECK_INT(r.wants[i].id_len, wants[i].id_len);
		CHECK(!memcmp(r.wants[i].id, wants[i].id, sizeof(wants[i].id)));
		CHECK_INT(r.wants[i].dwo_id, wants[i].dwo_id);
	}
	codec_result_deinit(&r);
	CHECK(!r.answers && !r.frames && !r.wants);
}

/* More than an answer has room for, and paths that no message has room for, are left to the next question. */
static void test_many_wants(void)
{
	static struct symbolizer_want many[SYMWIRE_WANTS_MAX + 10];
	struct symbolizer_result result = { .wants = many, .nr_wants = ARRAY_SIZE(many) }, r;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	static char path[SYMWIRE_WANT_PATH_MAX + 1];

	memset(path, 'x', SYMWIRE_WANT_PATH_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct symbolizer_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT,
						     .path = i ? "a.dwo" : path,
						     .directory = "",
						     .dwo_id = i };
	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_frames(&result, &b), 0);
	CHECK_INT(codec_decode_frames(b.data, b.len, 0, &r), 0);
	CHECK_INT(r.nr_wants, SYMWIRE_WANTS_MAX);
	CHECK_INT(r.wants[0].dwo_id, 1);
	codec_result_deinit(&r);
}

static void test_nothing_asked_nothing_answered(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	struct symbolizer_result none = SYMBOLIZER_RESULT_NULL, r;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_frames(&none, &b), 0);
	CHECK_INT(codec_decode_frames(b.data, b.len, 0, &r), 0);
	CHECK_INT(r.nr_answers, 0);
	codec_result_deinit(&r);
	CHECK_INT(codec_decode_frames(b.data, b.len, 1, &r), -EBADMSG);
}

/* As decode, of a copy that ends where the allocation ends, so that ASan sees a byte too far. */
static int decode_copy(const void *data, size_t size, size_t expected)
{
	_cleanup_(freep) void *copy = malloc(size ? size : 1);
	struct symbolizer_result r;
	int rc;

	CHECK(copy);
	memcpy(copy, data, size);
	rc = codec_decode_frames(copy, size, expected, &r);
	if (!rc)
		codec_result_deinit(&r);
	return rc;
}

static void test_sizes_and_counts(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	encode(&b);
	for (size_t size = 0; size < b.len; size++)
		CHECK_INT(decode_copy(b.data, size, ARRAY_SIZE(answers)), -EBADMSG);
	for (size_t expected = 0; expected < 6; expected++)
		CHECK_INT(decode_copy(b.data, b.len, expected), expected == 3 ? 0 : -EBADMSG);
	buf_addc(&b, '\0'); /* a byte behind it all */
	CHECK_INT(decode_copy(b.data, b.len, ARRAY_SIZE(answers)), -EBADMSG);
}

struct parts {
	struct symwire_frames *head;
	struct symwire_answer *answers;
	struct symwire_want *wants;
	struct symwire_frame *frames;
	char *strings;
};

static struct parts parts_of(struct buf *b)
{
	struct parts p = { .head = (void *)b->data };

	p.answers = (void *)(p.head + 1);
	p.wants = (void *)(p.answers + p.head->nr_answers);
	p.frames = (void *)(p.wants + p.head->nr_wants);
	p.strings = (char *)(p.frames + p.head->nr_frames);
	return p;
}

/* Each field set to what it must not be. */
static void test_fields(void)
{
	struct {
		size_t offset;
		uint32_t value;
	} cases[32];
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	size_t nr = 0;
	struct parts p;

	encode(&b);
	p = parts_of(&b);
#define BAD(field, v)                                                                              \
	cases[nr].offset = (size_t)((char *)&(field)-b.data), cases[nr].value = (v), nr++
	BAD(p.head->nr_answers, 2);
	BAD(p.head->nr_answers, 0xffffffff);
	BAD(p.head->nr_frames, 4);
	BAD(p.head->nr_frames, 0xffffffff);
	BAD(p.head->nr_wants, 1);
	BAD(p.head->nr_wants, 0xffffffff);
	BAD(p.wants[0].kind, SYMBOLIZER_SUPPLEMENT_DEBUG);
	BAD(p.wants[0].kind, 3);
	BAD(p.wants[0].id_len, 0);
	BAD(p.wants[0].id_len, SYMWIRE_WANT_ID_MAX + 1);
	BAD(p.wants[0].path, p.head->strings_size);
	BAD(p.wants[0].directory, 0xffffffff);
	BAD(p.wants[1].path, p.wants[0].directory); /* empty */
	BAD(p.wants[1].id_len, 1);
	BAD(p.head->strings_size, 0);
	BAD(p.head->strings_size, 0xffffffff);
	BAD(p.answers[0].first_frame, 4);
	BAD(p.answers[0].first_frame, 0xffffffff);
	BAD(p.answers[0].nr_frames, 4);
	BAD(p.answers[0].nr_frames, 0xffffffff);
	BAD(p.answers[2].nr_frames, 2); /* one beyond the last, from the third on */
	BAD(p.answers[1].source, SYMBOLIZER_JITDUMP + 1);
	BAD(p.answers[1].source, 0xffffffff);
	BAD(p.frames[0].name, p.head->strings_size);
	BAD(p.frames[0].name, 0xffffffff);
	BAD(p.frames[1].system_name, p.head->strings_size);
	BAD(p.frames[2].file, p.head->strings_size);
	BAD(p.frames[2].name, 0); /* a name is never empty */
	BAD(p.frames[0].inlined, 2);
#undef BAD
	CHECK_INT(p.strings[0], '\0'); /* so that offset 0 is the empty string */
	for (size_t i = 0; i < nr; i++) {
		uint32_t old;

		memcpy(&old, b.data + cases[i].offset, 4);
		CHECK(old != cases[i].value);
		memcpy(b.data + cases[i].offset, &cases[i].value, 4);
		CHECK_INT(decode_copy(b.data, b.len, ARRAY_SIZE(answers)), -EBADMSG);
		memcpy(b.data + cases[i].offset, &old, 4);
	}
	CHECK_INT(decode_copy(b.data, b.len, ARRAY_SIZE(answers)), 0);
	b.data[b.len - 1] = 'x'; /* the last string does not end */
	CHECK_INT(decode_copy(b.data, b.len, ARRAY_SIZE(answers)), -EBADMSG);
}

static const struct symclient_container containers[] = {
	{ .id = "abc",
	  .name = "shop",
	  .image = "shop:1",
	  .pod = "p-1",
	  .namespace = "prod",
	  .container = "app" },
	{ .id = "def", .name = "db" }, /* NULL is "" */
};

static void test_containers_there_and_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(freep) struct symclient_container *list = NULL;
	size_t nr;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_containers(containers, 2, &b), 0);
	CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), 0);
	CHECK_INT(nr, 2);
	CHECK_STR(list[0].id, "abc");
	CHECK_STR(list[0].name, "shop");
	CHECK_STR(list[0].image, "shop:1");
	CHECK_STR(list[0].pod, "p-1");
	CHECK_STR(list[0].namespace, "prod");
	CHECK_STR(list[0].container, "app");
	CHECK_STR(list[1].name, "db");
	CHECK_STR(list[1].container, "");
}

static void test_malformed_containers(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	struct symclient_container *list = NULL;
	struct symwire_containers *head;
	uint32_t *offsets;
	size_t nr;

	buf_init(&b, SYMWIRE_ANSWER_MAX);
	CHECK_INT(codec_encode_containers(NULL, 0, &b), 0);
	CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), 0);
	CHECK_INT(nr, 0);
	free(list);
	buf_reset(&b);
	CHECK_INT(codec_encode_containers(containers, 2, &b), 0);
	for (size_t size = 0; size < b.len; size++)
		CHECK_INT(codec_decode_containers(b.data, size, &list, &nr), -EBADMSG);
	head = (void *)b.data;
	offsets = (void *)(head + 1);
	for (size_t i = 0; i < 2 * SYMWIRE_CONTAINER_STRINGS; i++) {
		uint32_t old = offsets[i];

		offsets[i] = head->strings_size;
		CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), -EBADMSG);
		offsets[i] = old;
	}
	head->nr = SYMWIRE_CONTAINERS_MAX + 1;
	CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), -EBADMSG);
	head->nr = 0xffffffff;
	CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), -EBADMSG);
	head->nr = 2;
	b.data[b.len - 1] = 'x';
	CHECK_INT(codec_decode_containers(b.data, b.len, &list, &nr), -EBADMSG);
}

int main(void)
{
	RUN(test_frames_there_and_back);
	RUN(test_many_wants);
	RUN(test_nothing_asked_nothing_answered);
	RUN(test_sizes_and_counts);
	RUN(test_fields);
	RUN(test_containers_there_and_back);
	RUN(test_malformed_containers);
	return 0;
}
