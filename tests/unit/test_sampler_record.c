/* The wall between the ring and the core: a whole record passes as it is, every malformed one is refused. */
#include "agent/core/sampler_record.h"
#include "tests/fixtures/record_maker.h"
#include "tests/test.h"

#include <errno.h>

static struct record_maker m;
static char path[SAMPLER_PATH_MAX];

static int check(struct sampler_sample *ret)
{
	memset(path, 0xff, sizeof(path));
	return sampler_check_record(m.data, m.size, path, ret);
}

static void accepted(void)
{
	struct sampler_sample sample;

	CHECK_INT(check(&sample), 0);
}

/* Refused, and the output is left alone. */
static void refused(void)
{
	struct sampler_sample sample = { .cgroup_path = "untouched" };

	CHECK_INT(check(&sample), -EBADMSG);
	CHECK_STR(sample.cgroup_path, "untouched");
	CHECK(!sample.head);
}

#define CGROUP_PATH "pod1\0kubepods" /* and the NUL at its end */

/* A record with one of everything. */
static void make(void)
{
	record_begin(&m);
	record_add_path(&m, CGROUP_PATH, sizeof(CGROUP_PATH));
	record_add_map(&m, "libc.so.6");
	record_add_map(&m, "server");
	record_add_word(&m, FRAME_MAKE_KERNEL(0xffffffff81000000ULL), 1);
	record_add_word(&m, FRAME_MAKE_RECMAP(1, 0x1234), 0);
	record_add_word(&m, FRAME_MAKE_FILE(FRAME_FILE_ID_MAX, 0xffffffff), 0);
	record_add_word(&m, FRAME_MAKE_ANON(0x7fff00000000ULL), 0);
	record_add_word(&m, FRAME_MAKE_SPECIAL(FRAME_SPECIAL_VDSO, 0x10), 0);
	record_add_word(&m, FRAME_MAKE_MARK(FRAME_MARK_END, END_NO_MAP), 0);
}

static void test_a_whole_record(void)
{
	struct sampler_sample s;

	make();
	CHECK_INT(check(&s), 0);
	CHECK(s.head == (void *)m.data);
	CHECK_STR(s.cgroup_path, "/kubepods/pod1"); /* root first */
	CHECK_STR(s.maps[0].name, "libc.so.6");
	CHECK_STR(s.maps[1].name, "server");
	CHECK_INT(FRAME_KIND(s.kernel_words[0]), FRAME_KERNEL);
	CHECK_INT(FRAME_RECMAP_INDEX(s.user_words[0]), 1);
	CHECK_INT(FRAME_FILE_ID(s.user_words[1]), FRAME_FILE_ID_MAX);
	CHECK_INT(FRAME_KIND(s.user_words[4]), FRAME_MARK);
	CHECK((unsigned char *)&s.user_words[5] == m.data + m.size);
}

static void test_the_least_and_the_most(void)
{
	struct sampler_sample s;

	record_begin(&m);
	CHECK_INT(check(&s), 0);
	CHECK(!s.cgroup_path);
	for (int i = 0; i < RECORD_MAX_MAPS; i++)
		record_add_map(&m, "x");
	for (int i = 0; i < RECORD_MAX_WORDS; i++)
		record_add_word(&m, FRAME_MAKE_RECMAP(i % RECORD_MAX_MAPS, i), i < 127);
	accepted();
	record_add_word(&m, FRAME_MAKE_ANON(1), 0);
	refused();
}

static void test_sizes(void)
{
	struct sampler_sample s;
	size_t whole;

	make();
	whole = m.size;
	for (size_t size = 0; size <= whole + 64;
	     size++) { /* what was received, and what the record says */
		if (size != whole)
			CHECK_INT(sampler_check_record(m.data, size, path, &s), -EBADMSG);
		if (size == whole || size > UINT16_MAX)
			continue;
		record_head(&m)->record.size = (__u16)size;
		CHECK_INT(sampler_check_record(m.data, size, path, &s), -EBADMSG);
		CHECK_INT(sampler_check_record(m.data, whole, path, &s), -EBADMSG);
		record_head(&m)->record.size = (__u16)whole;
	}
	accepted();
}

/* Each count that is one off, or as large as it gets. */
static void test_counts(void)
{
	struct record_sample *h = record_head(&m);
	static const int by[] = { -1, 1, 2, 127, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(by); i++) {
		make();
		h->nr_maps = (__u8)(h->nr_maps + by[i]);
		refused();
		make();
		h->nr_ext = (__u8)(h->nr_ext + by[i]);
		refused();
		make();
		h->nr_words_user = (__u16)(h->nr_words_user + by[i]);
		refused();
		make();
		h->nr_words_kernel = (__u16)(h->nr_words_kernel + by[i]);
		refused();
	}
	make();
	h->nr_words_user = h->nr_words_kernel = UINT16_MAX;
	refused();
	/* more mappings than a record may have, all there */
	record_begin(&m);
	for (int i = 0; i <= RECORD_MAX_MAPS; i++)
		record_add_map(&m, "x");
	refused();
}

static void test_header(void)
{
	struct record_sample *h = record_head(&m);

	make();
	h->record.type = RECORD_SELFTEST;
	refused();
	make();
	h->record.type = 0;
	refused();
	make();
	h->record.version++;
	refused();
	make();
	h->end_reason = END_NR;
	refused();
	make();
	h->end_reason = UINT16_MAX;
	refused();
	make();
	memset(h->comm, 'x', sizeof(h->comm));
	refused();
	make();
	memset(h->leader_comm, 'x', sizeof(h->leader_comm));
	refused();
}

static struct record_ext *first_ext(void)
{
	return (struct record_ext *)(m.data + sizeof(struct record_sample));
}

static void test_extensions(void)
{
	static const __u16 sizes[] = { 0, 1, 4, 7, 9, 12, 20, 31, 25, 40, 0xfff8, 0xffff };
	static const __u32 lens[] = { 1 << 10, 25, 0x7fffffff, 0xffffffff, 0xfffffff8 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		make();
		CHECK(first_ext()->size != sizes[i]);
		first_ext()->size = sizes[i];
		refused();
	}
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		make();
		first_ext()->len = lens[i];
		refused();
	}
	make();
	first_ext()->len = sizeof(CGROUP_PATH) - 1; /* its last component is not terminated */
	refused();
	make();
	first_ext()->type = 99; /* one that this build does not know is passed over */
	accepted();
	make();
	first_ext()->len = 0;
	accepted();
}

static void test_paths(void)
{
	struct sampler_sample s;
	char text[RECORD_CGROUP_BYTES + 16];

	record_begin(&m);
	record_add_path(&m, "", 0); /* the root itself */
	CHECK_INT(check(&s), 0);
	CHECK_STR(s.cgroup_path, "/");

	memset(text, 'x', sizeof(text));
	text[RECORD_CGROUP_BYTES - 1] = '\0';
	record_begin(&m);
	record_add_path(&m, text, RECORD_CGROUP_BYTES);
	CHECK_INT(check(&s), 0);
	CHECK_INT(strlen(s.cgroup_path), RECORD_CGROUP_BYTES);

	text[RECORD_CGROUP_BYTES - 1] = 'x';
	text[RECORD_CGROUP_BYTES + 7] = '\0';
	record_begin(&m);
	record_add_path(&m, text, RECORD_CGROUP_BYTES + 8); /* longer than any is */
	refused();

	memset(text, '\0',
	       RECORD_CGROUP_BYTES); /* nothing but empty components: as many as bytes */
	record_begin(&m);
	record_add_path(&m, text, RECORD_CGROUP_BYTES);
	CHECK_INT(check(&s), 0);
	CHECK(strlen(s.cgroup_path) < SAMPLER_PATH_MAX);

	record_begin(&m);
	record_add_path(&m, "a", 2);
	record_add_path(&m, "b", 2); /* twice: one of them, whole */
	CHECK_INT(check(&s), 0);
	CHECK_STR(s.cgroup_path, "/b");
}

static void test_maps(void)
{
	struct rec_map *map = (struct rec_map *)(m.data + sizeof(struct record_sample) + 24);

	make();
	CHECK_STR(map->name, "libc.so.6");
	map->end = map->start;
	refused();
	make();
	map->start = UINT64_MAX;
	refused();
	make();
	memset(map->name, 'x', sizeof(map->name));
	refused();
	make();
	map->start = 0;
	map->end = UINT64_MAX;
	map->pgoff_bytes =
		UINT64_MAX; /* a wrong answer, yet a harmless one: arithmetic on it wraps */
	accepted();
}

static void test_words(void)
{
	static const __u64 bad[] = {
		0, /* never a frame */
		1, /* … with a payload */
		FRAME_MAKE_RECMAP(2, 0), /* one behind the last */
		FRAME_MAKE_RECMAP(255, 0),
		6ULL << 60,
		7ULL << 60,
		(__u64)FRAME_INTERP << 60, /* nobody writes these yet */
		(__u64)FRAME_LABEL << 60,
		10ULL << 60,
		14ULL << 60,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (int kernel = 0; kernel < 2; kernel++) {
			record_begin(&m);
			record_add_map(&m, "a");
			record_add_map(&m, "b");
			record_add_word(&m, FRAME_MAKE_RECMAP(1, 0), kernel);
			record_add_word(&m, bad[i], kernel);
			refused();
		}
	}
}

/* Each byte set to each of some values: refused or whole, and never out of bounds (ASan watches). */
static void test_any_byte(void)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x07, 0x08, 0x20, 0x7f, 0x80, 0xff };
	size_t nr_refused = 0;

	make();
	for (size_t at = 0; at < m.size; at++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			struct sampler_sample s;

			make();
			m.data[at] = values[v];
			if (check(&s) < 0) {
				nr_refused++;
				continue;
			}
			CHECK((unsigned char *)(s.user_words + s.head->nr_words_user) ==
			      m.data + m.size);
			CHECK(!s.cgroup_path || strlen(s.cgroup_path) < SAMPLER_PATH_MAX);
		}
	}
	CHECK(nr_refused > 100);
}

int main(void)
{
	RUN(test_a_whole_record);
	RUN(test_the_least_and_the_most);
	RUN(test_sizes);
	RUN(test_counts);
	RUN(test_header);
	RUN(test_extensions);
	RUN(test_paths);
	RUN(test_maps);
	RUN(test_words);
	RUN(test_any_byte);
	return 0;
}
