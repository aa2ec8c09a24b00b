/* Error texts: what a person reads, and what passes through. */
#include "agent/base/err.h"
#include "tests/test.h"

#include <errno.h>

static void test_passes_the_error_through(void)
{
	struct err e = ERR_NULL;

	CHECK_INT(err_set(&e, -EINVAL, "bad %s on CPU %d", "value", 3), -EINVAL);
	CHECK_STR(e.text, "bad value on CPU 3");
	CHECK_INT(err_errno(&e, -EACCES, "cannot open %s", "x"), -EACCES);
	CHECK_STR(e.text, "cannot open x: Permission denied");
	CHECK_INT(err_set(NULL, -EIO, "unread"), -EIO);
	CHECK_INT(err_errno(NULL, -EIO, "unread"), -EIO);
}

static void test_long_texts_are_cut(void)
{
	static char big[4 * ERR_TEXT_MAX];
	struct err e = ERR_NULL;

	memset(big, 'x', sizeof(big) - 1);
	CHECK_INT(err_set(&e, -EINVAL, "%s", big), -EINVAL);
	CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
	CHECK_INT(err_errno(&e, -EINVAL, "%s", big), -EINVAL);
	CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
	CHECK_INT(err_errno(&e, -EINVAL, "%.*s", ERR_TEXT_MAX - 4, big), -EINVAL);
	CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
	CHECK_INT(e.text[ERR_TEXT_MAX - 4], ':');
}

static void test_errno_is_never_zero(void)
{
	errno = ENOENT;
	CHECK_INT(err_last(), -ENOENT);
	errno = 0;
	CHECK_INT(err_last(), -ENOTRECOVERABLE);
	CHECK_STR(err_str(-ENOENT), "No such file or directory");
	CHECK_STR(err_str(-99999), "unknown error");
}

int main(void)
{
	RUN(test_passes_the_error_through);
	RUN(test_long_texts_are_cut);
	RUN(test_errno_is_never_zero);
	return 0;
}
