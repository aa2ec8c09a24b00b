/* What a program prints: all of it, its status, and a bound. */
#include "agent/base/capture.h"
#include "tests/test.h"

#include <errno.h>

static int run(const char *script, size_t max, char **ret, int *ret_status)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)script, NULL };
	struct buf out;
	int r;

	buf_init(&out, max);
	r = capture_output(argv, &out, ret_status);
	*ret = buf_take(&out);
	return r;
}

int main(void)
{
	char *const none[] = { "/nonexistent/program", NULL };
	_cleanup_(freep) char *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
	int status = -1;

	CHECK_INT(run("cat; echo said; echo not this >&2; exit 3", 100, &a, &status), 0);
	CHECK_STR(a, "said\n");
	CHECK_INT(status, 3);
	CHECK_INT(run("kill -9 $$", 100, &b, &status), 0);
	CHECK_INT(status, 128 + 9);
	CHECK_INT(run("echo 12345", 6, &c, &status), 0);
	CHECK_INT(run("while :; do echo 12345; done", 100, &d, &status), -ENOSPC);
	buf_init(&out, 100);
	CHECK_INT(capture_output(none, &out, &status), 0);
	CHECK_INT(status, 127);
	return 0;
}
