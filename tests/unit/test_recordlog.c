/* Checksummed records in a file: what is found again, and what is not, after all that can happen to a file. */
#include "agent/core/recordlog.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_KEYS 7

static int dir_fd;

static struct recordlog_key key_of(uint8_t n)
{
	return (struct recordlog_key) { .kind = 1, .bytes = { n } };
}

static struct recordlog *open_log(uint64_t build, struct recordlog_found *found)
{
	struct recordlog_config config = { .dir_fd = dir_fd,
					   .name = "log",
					   .build = build,
					   .max_bytes = 1 << 20,
					   .max_keys = 64 };
	struct recordlog *log;

	CHECK_INT(recordlog_open(&log, &config, found), 0);
	return log;
}

static void start(void)
{
	struct recordlog_found found;
	struct recordlog_config config = { .dir_fd = dir_fd,
					   .name = "log",
					   .build = 1,
					   .max_bytes = 1 << 20,
					   .max_keys = 64,
					   .fresh = true };
	struct recordlog *log;

	CHECK_INT(recordlog_open(&log, &config, &found), 0);
	CHECK(!found.dropped && !found.cut);
	recordlog_free(log);
}

/* The n-th record is n bytes that follow from n and its key. */
static size_t make(uint8_t key, unsigned int n, uint8_t *out)
{
	size_t size = 8 + (n * 37) % 300;

	memcpy(out, &n, sizeof(n));
	for (size_t i = sizeof(n); i < size; i++)
		out[i] = (uint8_t)(key * 31 + n * 7 + i);
	return size;
}

static void append(struct recordlog *log, uint8_t key, unsigned int n)
{
	struct recordlog_key k = key_of(key);
	uint8_t data[512];

	CHECK_INT(recordlog_append(log, &k, data, make(key, n, data), false), 0);
}

struct reading {
	uint8_t key;
	unsigned int last, nr;
};

/* Every record that is read is one that was written, whole, and older than the one before it. */
static int on_record(void *data, size_t size, void *userdata)
{
	struct reading *reading = userdata;
	uint8_t expected[512];
	unsigned int n;

	CHECK(size >= sizeof(n));
	memcpy(&n, data, sizeof(n));
	CHECK(n < reading->last);
	CHECK_INT(make(reading->key, n, expected), size);
	CHECK(!memcmp(data, expected, size));
	free(data);
	reading->last = n;
	reading->nr++;
	return 0;
}

static unsigned int count(struct recordlog *log, uint8_t key)
{
	struct reading reading = { .key = key, .last = UINT32_MAX };
	struct recordlog_key k = key_of(key);
	int r = recordlog_read(log, &k, on_record, &reading);

	CHECK(r == 0 || r == -ENOENT || r == -EBADMSG);
	return reading.nr;
}

static unsigned int count_all(struct recordlog *log)
{
	unsigned int nr = 0;

	for (uint8_t key = 0; key < NR_KEYS; key++)
		nr += count(log, key);
	return nr;
}

static size_t read_file(uint8_t *out, size_t max)
{
	int fd = openat(dir_fd, "log", O_RDONLY);
	ssize_t n = read(fd, out, max);

	CHECK(fd >= 0 && n > 0);
	close(fd);
	return (size_t)n;
}

static void write_file(const uint8_t *data, size_t size)
{
	int fd = openat(dir_fd, "log", O_WRONLY | O_TRUNC | O_CREAT, 0600);

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void test_found_again(void)
{
	struct recordlog_found found;
	struct recordlog *log;
	struct recordlog_key k = key_of(3);

	start();
	log = open_log(1, &found);
	for (unsigned int n = 0; n < 100; n++)
		append(log, n % NR_KEYS, n);
	CHECK_INT(count_all(log), 100);
	CHECK_INT(recordlog_keys(log), NR_KEYS);
	recordlog_free(log);
	log = open_log(1, &found);
	CHECK(!found.dropped && !found.cut);
	CHECK_INT(count_all(log), 100);
	CHECK_INT(recordlog_count(log, &k), 14);
	CHECK_INT(recordlog_append(log, &k, "", 0, true), 0);
	CHECK_INT(recordlog_count(log, &k), 1);
	recordlog_forget(log, &k);
	CHECK_INT(recordlog_count(log, &k), 0);
	CHECK_INT(count(log, 3), 0);
	CHECK_INT(count(log, NR_KEYS), 0);
	recordlog_free(log);
}

static void test_bounds(void)
{
	struct recordlog_config config = { .dir_fd = dir_fd,
					   .name = "log",
					   .build = 1,
					   .max_bytes = 4096,
					   .max_keys = 5,
					   .fresh = true };
	struct recordlog_found found;
	struct recordlog *log;
	uint8_t data[400] = { 0 };
	int r = 0;

	CHECK_INT(recordlog_open(&log, &config, &found), 0);
	for (uint8_t i = 0; i < 6; i++) {
		struct recordlog_key k = key_of(i);

		CHECK_INT(recordlog_append(log, &k, data, 8, false), i < 5 ? 0 : RECORDLOG_E_FULL);
	}
	for (int i = 0; i < 20 && !r; i++) {
		struct recordlog_key k = key_of(0);

		r = recordlog_append(log, &k, data, sizeof(data), false);
	}
	CHECK_INT(r, RECORDLOG_E_FULL);
	CHECK(recordlog_bytes(log) <= 4096);
	recordlog_free(log);
	config.fresh = false;
	config.max_bytes = 1024; /* smaller than the file is: started anew */
	CHECK_INT(recordlog_open(&log, &config, &found), 0);
	CHECK(found.dropped);
	recordlog_free(log);
}

static void test_other_builds(void)
{
	struct recordlog_found found;
	struct recordlog *log;

	start();
	log = open_log(1, &found);
	append(log, 0, 1);
	recordlog_free(log);
	log = open_log(2, &found);
	CHECK(found.dropped);
	CHECK_INT(count_all(log), 0);
	recordlog_free(log);
}

/* Every byte turned over, one at a time: never a wrong record. */
static void test_flips(void)
{
	static uint8_t whole[8192];
	struct recordlog_found found;
	struct recordlog *log;
	size_t size;

	start();
	log = open_log(1, &found);
	for (unsigned int n = 0; n < 9; n++)
		append(log, n % 3, n);
	recordlog_free(log);
	size = read_file(whole, sizeof(whole));
	for (size_t at = 0; at < size; at++) {
		whole[at] ^= (uint8_t)(1 << at % 8);
		write_file(whole, size);
		whole[at] ^= (uint8_t)(1 << at % 8);
		log = open_log(1, &found);
		CHECK(count_all(log) <= 9);
		append(log, 4, 1000); /* and it goes on */
		CHECK_INT(count(log, 4), 1);
		recordlog_free(log);
	}
}

static void test_truncated(void)
{
	static uint8_t whole[8192];
	struct recordlog_found found;
	struct recordlog *log;
	unsigned int before = 0;
	size_t size;

	start();
	log = open_log(1, &found);
	for (unsigned int n = 0; n < 9; n++)
		append(log, n % 3, n);
	recordlog_free(log);
	size = read_file(whole, sizeof(whole));
	for (size_t length = 0; length <= size; length += 5) {
		write_file(whole, length);
		log = open_log(1, &found);
		CHECK(count_all(log) >= before); /* all that is whole is there */
		before = count_all(log);
		append(log, 5, 1000);
		recordlog_free(log);
		log = open_log(1, &found);
		CHECK(!found.cut && !found.dropped);
		CHECK_INT(count(log, 5), 1);
		recordlog_free(log);
	}
	CHECK(before >= 8);
}

/* A writer that is killed at any time leaves whole records. */
static void test_killed(void)
{
	for (unsigned int round = 0; round < 40; round++) {
		struct recordlog_found found;
		struct recordlog *log;
		pid_t pid;

		start();
		pid = fork();
		if (!pid) {
			log = open_log(1, &found);
			for (unsigned int n = 0; n < 4000; n++)
				append(log, n % NR_KEYS, n);
			pause();
		}
		usleep(300 + round * 211);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		log = open_log(1, &found);
		count_all(log);
		append(log, 0, 5000);
		CHECK(count(log, 0) >= 1);
		recordlog_free(log);
	}
}

static void test_no_plain_file(void)
{
	struct recordlog_config config = {
		.dir_fd = dir_fd, .name = "other", .build = 1, .max_bytes = 4096, .max_keys = 5
	};
	struct recordlog_found found;
	struct recordlog *log;

	CHECK_INT(mkdirat(dir_fd, "other", 0700), 0);
	CHECK_INT(recordlog_open(&log, &config, &found), -EISDIR);
	CHECK_INT(unlinkat(dir_fd, "other", AT_REMOVEDIR), 0);
	CHECK_INT(symlinkat("/etc/passwd", dir_fd, "other"), 0);
	CHECK_INT(recordlog_open(&log, &config, &found), -ELOOP);
	CHECK_INT(unlinkat(dir_fd, "other", 0), 0);
	CHECK_INT(mkfifoat(dir_fd, "other", 0600), 0);
	CHECK_INT(recordlog_open(&log, &config, &found), -EINVAL);
	CHECK_INT(unlinkat(dir_fd, "other", 0), 0);
	close(openat(dir_fd, "other", O_CREAT | O_WRONLY, 0600));
	CHECK_INT(fchmodat(dir_fd, "other", 0666, 0), 0); /* others may write there */
	CHECK_INT(recordlog_open(&log, &config, &found), -EPERM);
	CHECK_INT(unlinkat(dir_fd, "other", 0), 0);
}

int main(void)
{
	char dir[] = "/dev/shm/fleetprof-recordlog.XXXXXX";

	CHECK(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(dir_fd >= 0);
	RUN(test_found_again);
	RUN(test_bounds);
	RUN(test_other_builds);
	RUN(test_flips);
	RUN(test_truncated);
	RUN(test_killed);
	RUN(test_no_plain_file);
	unlinkat(dir_fd, "log", 0);
	rmdir(dir);
	return 0;
}
