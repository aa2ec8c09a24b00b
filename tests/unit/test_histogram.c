/* Samples per second and owner: nothing falls out at either end of the window. */
#include "agent/core/histogram.h"
#include "tests/test.h"

static void test_histogram(void)
{
	_cleanup_(histogram_freep) struct histogram *h = NULL;
	const uint32_t *seconds;
	size_t nr;

	CHECK_INT(histogram_new(&h, 3, 10), 0);
	CHECK(!histogram_seconds(h, 1, &nr));
	CHECK_INT(nr, 0);
	CHECK_INT(histogram_add(h, 1, 0, 1), 0);
	CHECK_INT(histogram_add(h, 1, 4, 2), 0);
	CHECK_INT(histogram_add(h, 1, 4, 3), 0);
	CHECK_INT(histogram_add(h, 1, -1, 7), 0); /* taken before the window was opened */
	seconds = histogram_seconds(h, 1, &nr);
	CHECK_INT(nr, 5);
	CHECK_INT(seconds[0], 8);
	CHECK_INT(seconds[3], 0);
	CHECK_INT(seconds[4], 5);
	CHECK_INT(histogram_add(h, 2, 10, 1), 0); /* … and after its last second */
	CHECK_INT(histogram_add(h, 2, INT64_MAX, 1), 0);
	seconds = histogram_seconds(h, 2, &nr);
	CHECK_INT(nr, 10);
	CHECK_INT(seconds[9], 2);
	CHECK(!histogram_seconds(h, 0, &nr));
}

int main(void)
{
	RUN(test_histogram);
	return 0;
}
