/* Whole files, numbers, CPU lists, sealed memory. */
#include "agent/base/sys.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static void check_number(const char *s, int base, int expected, uint64_t value)
{
	uint64_t v = 12345;

	CHECK_INT(sys_parse_u64(s, base, 1, 1000, &v), expected);
	CHECK_INT(v, expected ? 12345 : value); /* untouched on failure */
}

static void test_numbers(void)
{
	static const char *const nonsense[] = { "",   " 1",  "1 ",  "-1", "+1", "x",
						"1x", "1.0", "1e2", "\n", "0x", "0xg" };
	uint64_t v;

	check_number("1", 10, 0, 1);
	check_number("1000", 10, 0, 1000);
	check_number("0", 10, -ERANGE, 0);
	check_number("1001", 10, -ERANGE, 0);
	check_number("18446744073709551616", 10, -ERANGE, 0);
	check_number("99999999999999999999999999", 10, -ERANGE, 0);
	check_number("0010", 10, 0, 10);
	check_number("0010", 0, 0, 10); /* not octal */
	check_number("0x10", 0, 0, 16);
	check_number("0X1f", 0, 0, 31);
	check_number("0x10", 10, -EINVAL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		check_number(nonsense[i], 10, -EINVAL, 0);
		check_number(nonsense[i], 0, -EINVAL, 0);
	}
	CHECK_INT(sys_parse_u64("18446744073709551615", 10, 0, UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
}

struct cpus {
	uint64_t mask;
	int calls, answer;
};

static int on_cpu(unsigned int cpu, void *userdata)
{
	struct cpus *c = userdata;

	c->calls++;
	c->mask |= cpu < 64 ? 1ULL << cpu : 0;
	return c->answer;
}

static void check_list(const char *s, int expected, uint64_t mask)
{
	struct cpus c = { .mask = 0 };

	CHECK_INT(sys_parse_cpu_list(s, on_cpu, &c), expected);
	CHECK(expected || c.mask == mask);
}

static void test_cpu_lists(void)
{
	static const char *const nonsense[] = { "x",   "-",   "1-",  "1-x",          "3-1",
						"1;2", ",1",  "1 2", "1-2-3",        "-1",
						"0x1", "1,x", "+1",  "1-9999999999", "9999999999" };
	struct cpus c = { .answer = -ENOMEM };

	check_list("", 0, 0);
	check_list("\n", 0, 0);
	check_list("0\n", 0, 1);
	check_list("0-3,8", 0, 0x10f);
	check_list("1,3,5-6\n", 0, 0x6a);
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++)
		check_list(nonsense[i], -EINVAL, 0);
	CHECK_INT(sys_parse_cpu_list("4-2147483647", on_cpu, &c),
		  -ENOMEM); /* ends where the caller says */
	CHECK_INT(c.calls, 1);
}

static void test_files(void)
{
	char path[] = "/tmp/fleetprof-sys-XXXXXX";
	_cleanup_(closep) int fd = mkstemp(path);
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	static char data[200000];

	CHECK(fd >= 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	CHECK_INT(sys_write_all(fd, data, sizeof(data)), 0);
	buf_init(&b, sizeof(data)); /* exactly as much as there is */
	CHECK_INT(sys_read_file(AT_FDCWD, path, &b), 0);
	CHECK_INT(b.len, sizeof(data));
	CHECK(!memcmp(b.data, data, sizeof(data)));
	buf_deinit(&b);
	buf_init(&b, sizeof(data) - 1);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &b), -ENOSPC);
	buf_deinit(&b);
	buf_init(&b, 100);
	unlink(path);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &b), -ENOENT);
	CHECK_INT(sys_read_file(AT_FDCWD, "/", &b), -EISDIR);
	CHECK_INT(sys_read_file(AT_FDCWD, "/dev/null", &b), 0);
	CHECK_STR(buf_str(&b), "");
	CHECK_INT(sys_write_all(-1, "x", 1), -EBADF);
	CHECK_INT(sys_write_all(-1, "x", 0), 0);
}

static void test_sealed_memory(void)
{
	_cleanup_(closep) int fd = -1;

	CHECK_INT(sys_memfd("test", &fd), 0);
	CHECK_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_INT(sys_write_all(fd, "abc", 3), 0);
	CHECK_INT(sys_seal(fd), 0);
	CHECK_INT(sys_write_all(fd, "d", 1), -EPERM);
	CHECK_INT(ftruncate(fd, 0), -1);
	CHECK(mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_INT(sys_seal(fd), -EPERM); /* and sealed for good */
}

static void test_helper_path(void)
{
	_cleanup_(freep) char *path = NULL, *name = NULL;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(n > 0);
	self[n] = '\0';
	CHECK_INT(sys_helper_path(strrchr(self, '/') + 1, &path),
		  0); /* beside ourselves: ourselves */
	CHECK_STR(path, self);
	CHECK_INT(sys_helper_path("no-such-helper", &name), -ENOENT);
	CHECK(!name);
}

int main(void)
{
	RUN(test_numbers);
	RUN(test_cpu_lists);
	RUN(test_files);
	RUN(test_sealed_memory);
	RUN(test_helper_path);
	return 0;
}
