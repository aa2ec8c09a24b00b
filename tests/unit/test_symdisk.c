/* Names on disk: what comes back after a restart, what is evicted, and that damage never makes a wrong name. */
#include "agent/core/symdisk.h"
#include "agent/base/log.h"
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1u << 20)

static int dir_fd;

static struct symdisk *open_disk(uint64_t max_bytes, uint64_t build)
{
	struct symdisk_config config = {
		.dir_fd = dir_fd, .build = build, .max_bytes = max_bytes, .max_memory = 64 << 10
	};
	struct symdisk *d;

	CHECK_INT(symdisk_open(&d, &config), 0);
	return d;
}

static void clean(void)
{
	unlinkat(dir_fd, "names", 0);
	unlinkat(dir_fd, "names.old", 0);
}

static struct symdisk_key key_of(uint8_t program, uint8_t debug)
{
	return (struct symdisk_key) { .program = { 1, program }, .debug = { debug } };
}

/* The name of an address follows from its file and itself: a wrong one is seen. */
static void name_of(uint8_t file, uint64_t offset, char out[32])
{
	snprintf(out, 32, "f%u_%llx", file, (unsigned long long)offset);
}

/* Two addresses each time, the second in an inlined function; the third lacks something. */
static void put(struct symdisk *d, uint8_t file, uint64_t offset)
{
	struct symdisk_key key = key_of(file, 0);
	char names[3][32];
	struct symbolizer_frame frames[] = {
		{ .name = names[0], .system_name = "s", .file = "a.c", .line = 7 },
		{ .name = names[1], .system_name = "", .file = "", .inlined = true },
		{ .name = "outer", .system_name = "outer", .file = "b.c", .line = 9, .column = 3 },
		{ .name = names[2], .system_name = "", .file = "" },
	};
	struct symbolizer_answer answers[] = {
		{ .first_frame = 0, .nr_frames = 1, .vaddr = offset, .source = SYMBOLIZER_DWARF },
		{ .first_frame = 1, .nr_frames = 2, .source = SYMBOLIZER_DWARF },
		{ .first_frame = 3, .nr_frames = 1, .less = SYMBOLIZER_LESS_INLINES },
	};
	struct symbolizer_result result = {
		.answers = answers, .nr_answers = 3, .frames = frames, .nr_frames = 4
	};
	uint64_t offsets[] = { offset, offset + 1, offset + 2 };

	for (int i = 0; i < 3; i++)
		name_of(file, offsets[i], names[i]);
	symdisk_put(d, &key, offsets, &result);
}

struct got {
	uint8_t file;
	unsigned int nr;
	uint64_t last;
};

static void on_answer(uint64_t offset, const struct symbolizer_answer *answer,
		      const struct symbolizer_frame *frames, void *userdata)
{
	struct got *got = userdata;
	char name[32];

	name_of(got->file, offset, name);
	CHECK_STR(frames[0].name, name);
	CHECK_INT(answer->less, 0);
	CHECK_INT(answer->first_frame, 0);
	if (answer->nr_frames == 2) {
		CHECK(frames[0].inlined);
		CHECK_STR(frames[1].name, "outer");
		CHECK_INT(frames[1].line, 9);
		CHECK_INT(frames[1].column, 3);
	} else {
		CHECK_INT(answer->vaddr, offset);
		CHECK_INT(frames[0].line, 7);
	}
	got->nr++;
	got->last = offset;
}

static unsigned int get(struct symdisk *d, uint8_t file)
{
	struct got got = { .file = file };
	struct symdisk_key key = key_of(file, 0);

	symdisk_get(d, &key, on_answer, &got);
	return got.nr;
}

static void test_restart(void)
{
	struct symdisk_key with_debug = key_of(1, 9);
	struct symdisk_counts counts;
	struct got got = { .file = 1 };
	struct symdisk *d;

	clean();
	d = open_disk(64 * MIB, 1);
	CHECK_INT(get(d, 1), 0);
	put(d, 1, 100);
	put(d, 1, 200);
	put(d, 2, 100);
	CHECK_INT(get(d, 1), 4);
	symdisk_free(d);
	d = open_disk(64 * MIB, 1);
	CHECK_INT(get(d, 1), 4);
	CHECK_INT(get(d, 2), 2);
	CHECK_INT(get(d, 3), 0);
	symdisk_get(d, &with_debug, on_answer,
		    &got); /* the same program with a debug file is another */
	CHECK_INT(got.nr, 0);
	symdisk_counts(d, &counts);
	CHECK_INT(counts.hits, 2);
	CHECK_INT(counts.misses, 2);
	CHECK_INT(counts.read, 6);
	CHECK_INT(counts.corrupt + counts.errors + counts.refused + counts.evicted, 0);
	symdisk_free(d);
	d = open_disk(64 * MIB, 2); /* another build's answers may be better */
	CHECK_INT(get(d, 1), 0);
	symdisk_free(d);
}

/* Many small records of one file become one, and none is lost. */
static void test_merged(void)
{
	struct symdisk_counts counts;
	struct symdisk *d;

	clean();
	d = open_disk(64 * MIB, 1);
	for (unsigned int i = 0; i < 100; i++)
		put(d, 1, 1000 - 10 * i);
	put(d, 1, 1000); /* once more */
	CHECK(get(d, 1) >= 200);
	CHECK(get(d, 1) < 220);
	symdisk_free(d);
	d = open_disk(64 * MIB, 1);
	CHECK(get(d, 1) >= 200);
	symdisk_counts(d, &counts);
	CHECK_INT(counts.corrupt, 0);
	symdisk_free(d);
}

static uint64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) ? 0 : (uint64_t)st.st_size;
}

/* The bound holds, and a file that is in use stays. */
static void test_eviction(void)
{
	struct symdisk_counts counts;
	struct symdisk *d;

	clean();
	d = open_disk(MIB, 1);
	put(d, 1, 100);
	for (unsigned int i = 0; i < 6000; i++) {
		put(d, (uint8_t)(10 + i % 200), i * 10);
		if (i % 500 == 0)
			CHECK_INT(get(d, 1), 2);
		CHECK(size_of("names") + size_of("names.old") <= MIB);
	}
	CHECK_INT(get(d, 1), 2);
	put(d, 2, 100);
	symdisk_counts(d, &counts);
	CHECK(counts.evicted > 0);
	CHECK_INT(counts.corrupt + counts.errors, 0);
	CHECK(counts.bytes <= MIB);
	symdisk_free(d);
}

static void test_revisions(void)
{
	struct symdisk_revision a = { .ino = 1, .size = 2, .mtime_ns = 3, .ctime_ns = 4, .dev = 5 };
	struct symdisk_revision b = a;
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE] = { 1, 2, 3 }, got[SYMBOLIZER_DIGEST_SIZE];
	struct symdisk *d;

	clean();
	d = open_disk(64 * MIB, 1);
	symdisk_remember(d, &a, digest);
	symdisk_free(d);
	d = open_disk(64 * MIB, 1);
	CHECK(symdisk_recall(d, &a, got) && !memcmp(got, digest, sizeof(got)));
	b.ctime_ns++;
	CHECK(!symdisk_recall(d, &b, got));
	digest[0]++;
	symdisk_remember(d, &a, digest);
	CHECK(symdisk_recall(d, &a, got) && !memcmp(got, digest, sizeof(got)));
	symdisk_free(d);
}

static void test_off(void)
{
	struct symdisk *d;

	clean();
	d = open_disk(64 * MIB, 1);
	put(d, 1, 100);
	symdisk_free(d);
	d = open_disk(0, 1);
	put(d, 1, 100);
	CHECK_INT(get(d, 1), 0);
	CHECK_INT(size_of("names"), 0); /* what is off takes no room */
	symdisk_free(d);
}

/* Bits turned over all along the file: fewer names, never another one (on_answer() checks), and it goes on. */
static void test_flips(void)
{
	static uint8_t whole[65536];
	struct symdisk_counts counts;
	uint64_t corrupt = 0;
	struct symdisk *d;
	ssize_t size;
	int fd;

	clean();
	d = open_disk(MIB, 1);
	for (unsigned int i = 0; i < 12; i++)
		put(d, 1 + i % 3, 100 * i);
	symdisk_free(d);
	fd = openat(dir_fd, "names", O_RDWR);
	size = read(fd, whole, sizeof(whole));
	CHECK(size > 0 && (size_t)size < sizeof(whole));
	for (ssize_t at = 0; at < size; at += 3) {
		uint8_t flipped = whole[at] ^ (uint8_t)(1 << at % 8);

		CHECK(!ftruncate(fd, 0) && pwrite(fd, whole, (size_t)size, 0) == size);
		CHECK_INT(pwrite(fd, &flipped, 1, at), 1);
		d = open_disk(MIB, 1);
		for (uint8_t file = 1; file <= 3; file++)
			get(d, file);
		symdisk_counts(d, &counts);
		corrupt += counts.corrupt;
		put(d, 4, 100);
		CHECK_INT(get(d, 4), 2);
		symdisk_free(d);
		unlinkat(dir_fd, "names.old", 0);
	}
	CHECK(corrupt > (uint64_t)size / 3 * 9 / 10); /* but padding is noticed, too */
	close(fd);
}

static void test_directory_in_its_place(void)
{
	struct symdisk_counts counts;
	struct symdisk *d;

	clean();
	CHECK_INT(mkdirat(dir_fd, "names", 0700), 0);
	d = open_disk(64 * MIB, 1);
	put(d, 1, 100);
	CHECK_INT(get(d, 1), 0);
	symdisk_counts(d, &counts);
	CHECK_INT(counts.errors, 1);
	symdisk_free(d);
	unlinkat(dir_fd, "names", AT_REMOVEDIR);
}

int main(void)
{
	char dir[] = "/dev/shm/fleetprof-symdisk.XXXXXX";

	log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN); /* every damage is said */
	CHECK(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(dir_fd >= 0);
	RUN(test_restart);
	RUN(test_merged);
	RUN(test_eviction);
	RUN(test_revisions);
	RUN(test_off);
	RUN(test_flips);
	RUN(test_directory_in_its_place);
	clean();
	rmdir(dir);
	return 0;
}
