/* Debug files on disk: the budget, who goes first, what a crash leaves, and names that are none. */
#include "agent/exporter/debuginfod_cache.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/fleetprof-test-XXXXXX");
	CHECK(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK_INT(system(command), 0);
}

static struct debuginfod_cache *new_cache(uint64_t max_bytes)
{
	const struct debuginfod_cache_config config = { .dir = dir, .max_bytes = max_bytes };
	struct debuginfod_cache *c = NULL;
	struct err err = ERR_NULL;

	CHECK_INT(debuginfodcache_new(&c, &config, &err), 0);
	return c;
}

static struct debuginfod_id id_of(uint8_t n)
{
	const uint8_t bytes[20] = { n, 0, 0xff };
	struct debuginfod_id id;

	CHECK_INT(debuginfod_id_set(&id, bytes, sizeof(bytes)), 0);
	return id;
}

/* A descriptor, or the error. */
static int put(struct debuginfod_cache *c, uint8_t n, size_t size)
{
	const struct debuginfod_id id = id_of(n);
	_cleanup_(freep) char *data = calloc(1, size + 1);
	struct debuginfod_file *f;
	int r = debuginfodcache_begin(c, &id, n, &f);

	CHECK(data);
	memset(data, n, size);
	if (r < 0)
		return r;
	r = debuginfodcache_write(f, data, size);
	if (r < 0) {
		debuginfodcache_abort(f);
		return r;
	}
	CHECK_INT(debuginfodcache_written(f), size);
	return debuginfodcache_commit(f);
}

static void put_closed(struct debuginfod_cache *c, uint8_t n, size_t size)
{
	int fd = put(c, n, size);

	CHECK(fd >= 0);
	close(fd);
}

static bool has(struct debuginfod_cache *c, uint8_t n)
{
	const struct debuginfod_id id = id_of(n);
	int fd = debuginfodcache_open(c, &id);

	close_fd(fd);
	return fd >= 0;
}

static void touch(const char *name, const char *text)
{
	char path[256];
	_cleanup_(fclosep) FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CHECK(f && fputs(text, f) >= 0);
}

static bool exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

static struct debuginfod_cache_counts counts_of(const struct debuginfod_cache *c)
{
	struct debuginfod_cache_counts counts;

	debuginfodcache_counts(c, &counts);
	return counts;
}

static void test_a_file_comes_back_read_only(void)
{
	const struct debuginfod_id id = id_of(7);
	struct debuginfod_cache *c;
	char data[16];
	int fd;

	make_dir();
	c = new_cache(1000);
	CHECK_INT(debuginfodcache_open(c, &id), -ENOENT);
	fd = put(c, 7, 10);
	CHECK(fd >= 0);
	CHECK_INT(pread(fd, data, sizeof(data), 0), 10);
	CHECK_INT(data[9], 7);
	CHECK(write(fd, data, 1) < 0);
	close(fd);
	CHECK_INT(counts_of(c).bytes, 10);
	debuginfodcache_free(c);
	c = new_cache(1000); /* and again after a restart, but not where it came from */
	CHECK(has(c, 7));
	CHECK_INT(debuginfodcache_remove(c, &id), -ENOENT);
	CHECK(!has(c, 7));
	CHECK_INT(counts_of(c).files, 0);
	CHECK_INT(counts_of(c).bytes, 0);
	debuginfodcache_free(c);
	remove_dir();
}

static void test_a_bad_file_says_where_it_came_from(void)
{
	const struct debuginfod_id id = id_of(3);
	struct debuginfod_cache *c;

	make_dir();
	c = new_cache(1000);
	put_closed(c, 3, 10);
	CHECK_INT(debuginfodcache_remove(c, &id), 3);
	CHECK_INT(debuginfodcache_remove(c, &id), -ENOENT);
	debuginfodcache_free(c);
	remove_dir();
}

static void test_the_longest_unused_goes_first(void)
{
	struct debuginfod_cache *c;

	make_dir();
	c = new_cache(300);
	put_closed(c, 1, 100);
	put_closed(c, 2, 100);
	put_closed(c, 3, 100);
	CHECK(has(c, 1)); /* a use */
	put_closed(c, 4, 100);
	CHECK(!has(c, 2));
	CHECK(has(c, 1) && has(c, 3) && has(c, 4));
	CHECK_INT(counts_of(c).evicted, 1);
	CHECK_INT(counts_of(c).bytes, 300);
	debuginfodcache_free(c);
	c = new_cache(150); /* a smaller budget holds from the start; 4 was used last */
	CHECK(has(c, 4) && !has(c, 1) && !has(c, 3));
	debuginfodcache_free(c);
	remove_dir();
}

static void test_a_file_in_use_stays(void)
{
	struct debuginfod_cache *c;
	int fd, copy;

	make_dir();
	c = new_cache(250);
	fd = put(c, 1, 100);
	put_closed(c, 2, 100);
	CHECK(fd >= 0);
	put_closed(c, 3, 100); /* 1 is older, and open */
	CHECK(has(c, 1) && !has(c, 2) && has(c, 3));
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(fd);
	CHECK_INT(put(c, 4, 200), -ENOSPC); /* the copy holds it, too */
	CHECK(has(c, 1) && !exists("0400ff0000000000000000000000000000000000.new"));
	CHECK(counts_of(c).bytes <= 250);
	close(copy);
	put_closed(c, 4, 200);
	CHECK(!has(c, 1));
	CHECK_INT(put(c, 5, 251), -ENOSPC); /* larger than everything */
	debuginfodcache_free(c);
	remove_dir();
}

static void test_room_is_made_before_the_bytes_come(void)
{
	const struct debuginfod_id id = id_of(9), other = id_of(8);
	struct debuginfod_file *f, *g;
	struct debuginfod_cache *c;

	make_dir();
	c = new_cache(100);
	CHECK_INT(debuginfodcache_begin(c, &id, 0, &f), 0);
	CHECK_INT(debuginfodcache_reserve(f, 80), 0);
	CHECK_INT(counts_of(c).bytes, 80);
	CHECK_INT(debuginfodcache_begin(c, &other, 0, &g), 0);
	CHECK_INT(debuginfodcache_reserve(g, 21), -ENOSPC);
	CHECK_INT(debuginfodcache_reserve(g, 20), 0);
	CHECK_INT(debuginfodcache_write(f, "x", 1), 0);
	debuginfodcache_abort(f);
	CHECK_INT(debuginfodcache_commit(g), -ENODATA); /* an empty file is none */
	CHECK_INT(counts_of(c).bytes, 0);
	debuginfodcache_free(c);
	remove_dir();
}

static void test_what_a_crash_leaves_is_removed(void)
{
	struct debuginfod_cache *c;

	make_dir();
	touch("0011223344556677.new", "half of it");
	touch("0011223344556677", ""); /* a file system that lost the content */
	touch("8899aabbccddeeff", "whole");
	c = new_cache(1000);
	CHECK(!exists("0011223344556677.new") && !exists("0011223344556677"));
	CHECK_INT(counts_of(c).leftovers, 2);
	CHECK_INT(counts_of(c).files, 1);
	CHECK_INT(counts_of(c).bytes, 5);
	debuginfodcache_free(c);
	remove_dir();
}

static void test_names_that_are_not_ours_are_let_alone(void)
{
	static const char *const names[] = { "00112233445566",    "001122334455667",
					     "00112233445566zz",  "00112233445566AA",
					     "0011223344556677 ", "readme" };
	char link[256], folder[256];
	struct debuginfod_cache *c;

	make_dir();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		touch(names[i], "x");
	snprintf(link, sizeof(link), "%s/aabbccddeeff0011", dir);
	CHECK_INT(symlink("/etc/passwd", link), 0);
	snprintf(folder, sizeof(folder), "%s/aabbccddeeff0022", dir);
	CHECK_INT(mkdir(folder, 0700), 0);
	c = new_cache(1); /* over budget, if they counted */
	CHECK_INT(counts_of(c).files, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK(exists(names[i]));
	debuginfodcache_free(c);
	remove_dir();
}

static void test_a_build_id_is_bounded(void)
{
	uint8_t bytes[WINWIRE_BUILD_ID_MAX + 1] = { 0x1f };
	char hex[2 * sizeof(bytes) + 1] = "", printed[DEBUGINFOD_ID_HEX];
	struct debuginfod_id id;

	CHECK_INT(debuginfod_id_set(&id, bytes, WINWIRE_BUILD_ID_MIN - 1), -EINVAL);
	CHECK_INT(debuginfod_id_set(&id, bytes, WINWIRE_BUILD_ID_MAX + 1), -EINVAL);
	CHECK_INT(debuginfod_id_set(&id, bytes, WINWIRE_BUILD_ID_MAX), 0);
	debuginfod_id_print(&id, printed);
	CHECK_INT(strlen(printed), 2 * WINWIRE_BUILD_ID_MAX);
	CHECK_INT(debuginfod_id_parse(printed, &id), 0);
	CHECK_INT(id.bytes[0], 0x1f);
	memset(hex, 'a', sizeof(hex) - 1);
	CHECK_INT(debuginfod_id_parse(hex, &id), -EINVAL);
	CHECK_INT(debuginfod_id_parse("", &id), -EINVAL);
	CHECK_INT(debuginfod_id_parse("../../../etc/pas", &id), -EINVAL);
}

int main(void)
{
	RUN(test_a_file_comes_back_read_only);
	RUN(test_a_bad_file_says_where_it_came_from);
	RUN(test_the_longest_unused_goes_first);
	RUN(test_a_file_in_use_stays);
	RUN(test_room_is_made_before_the_bytes_come);
	RUN(test_what_a_crash_leaves_is_removed);
	RUN(test_names_that_are_not_ours_are_let_alone);
	RUN(test_a_build_id_is_bounded);
	return 0;
}
