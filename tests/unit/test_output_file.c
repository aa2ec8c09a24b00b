/* Output files: whole or not at all, in place of an old one, and nothing left behind. */
#include "agent/core/output_file.h"
#include "agent/base/sys.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[] = "/tmp/fleetprof-test-XXXXXX";

static int memfd_of(const char *text)
{
	int fd;

	CHECK_INT(sys_memfd("test", &fd), 0);
	CHECK_INT(sys_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void check_contents(const char *path, const char *text)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1000);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &b), 0);
	CHECK_STR(buf_str(&b), text);
}

static size_t count_files(void)
{
	_cleanup_(closedirp) DIR *d = opendir(dir);
	size_t n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

static void test_writes_and_replaces(void)
{
	_cleanup_(closep) int one = memfd_of("one"), two = memfd_of("two");
	struct err e = ERR_NULL;
	char path[64];

	snprintf(path, sizeof(path), "%s/out.html", dir);
	CHECK_INT(output_file_check(path, &e), 0);
	CHECK_INT(count_files(), 0);
	CHECK_INT(output_file_write(path, one), 0);
	check_contents(path, "one");
	CHECK_INT(output_file_write(path, two), 0);
	check_contents(path, "two");
	CHECK_INT(count_files(), 1);
	unlink(path);
}

static void test_refuses(void)
{
	struct err e = ERR_NULL;
	char path[64];

	CHECK_INT(output_file_check("/nonexistent/dir/x.html", &e), -ENOENT);
	CHECK(strstr(e.text, "/nonexistent/dir/x.html"));
	snprintf(path, sizeof(path), "%s/sub", dir);
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK_INT(output_file_check(path, &e), -EEXIST);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/", dir);
	CHECK_INT(output_file_check(path, &e), -EISDIR);
	CHECK_INT(output_file_check("/proc/x.html", &e) < 0, 1);
}

static void test_goes_elsewhere(void)
{
	_cleanup_(closep) int fd = memfd_of("kept");
	char path[4096], wanted[64];

	CHECK_INT(output_file_write_or_elsewhere("/nonexistent/x.folded", fd, path), -ENOENT);
	check_contents(path, "kept");
	unlink(path);
	snprintf(wanted, sizeof(wanted), "%s/there", dir);
	CHECK_INT(output_file_write_or_elsewhere(wanted, fd, path), 0);
	CHECK_STR(path, "");
	check_contents(wanted, "kept");
	unlink(wanted);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	RUN(test_writes_and_replaces);
	RUN(test_refuses);
	RUN(test_goes_elsewhere);
	CHECK_INT(rmdir(dir), 0);
	return 0;
}
