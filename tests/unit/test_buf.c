/* The bounded buffer. */
#include "agent/base/buf.h"
#include "tests/test.h"

#include <errno.h>

static void test_grows_to_its_maximum_and_no_further(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		CHECK_INT(buf_adds(&b, "0123456789"), 0);
	CHECK_INT(b.len, 1000);
	CHECK_INT(buf_addc(&b, 'x'), -ENOSPC);
	CHECK_INT(b.len, 1000);
	CHECK_INT(buf_adds(&b, ""), -ENOSPC); /* the error is sticky */
	buf_reset(&b);
	CHECK_INT(buf_adds(&b, "again"), 0);
	CHECK_STR(buf_str(&b), "again");
}

static void test_formats_and_hands_over(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(freep) char *s = NULL;

	buf_init(&b, 100);
	CHECK_STR(buf_str(&b), "");
	CHECK_INT(buf_addf(&b, "%d-%s", 42, "x"), 0);
	s = buf_take(&b);
	CHECK_STR(s, "42-x");
	CHECK_INT(b.len, 0);
}

int main(void)
{
	RUN(test_grows_to_its_maximum_and_no_further);
	RUN(test_formats_and_hands_over);
	return 0;
}
