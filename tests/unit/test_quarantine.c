/* Files and owners that kill too many children are left alone: that file, that owner, that hour. */
#include "symbolizer/quarantine.h"
#include "tests/test.h"

#define HOUR QUARANTINE_OWNER_NS

static void test_a_file(void)
{
	_cleanup_(quarantine_freep) struct quarantine *q = NULL;

	CHECK_INT(quarantine_new(&q), 0);
	CHECK(!quarantine_has(q, 1, 0, 0));
	quarantine_add(q, 1, 0, 0);
	CHECK(!quarantine_has(q, 1, 0, 0)); /* once may be chance */
	quarantine_add(q, 1, 0, 100 * HOUR);
	CHECK(quarantine_has(q, 1, 0, 0));
	CHECK(quarantine_has(q, 1, 5, 1000 * HOUR)); /* for good, whoever asks */
	CHECK(!quarantine_has(q, 2, 0, 0)); /* and no other file */
}

static void test_an_owner(void)
{
	_cleanup_(quarantine_freep) struct quarantine *q = NULL;
	uint64_t now = 50 * HOUR;

	CHECK_INT(quarantine_new(&q), 0);
	for (uint64_t i = 0; i < QUARANTINE_OWNER_KILLS; i++)
		quarantine_add(q, 100 + i, 7, now + i);
	CHECK(!quarantine_has(q, 1, 7, now));
	quarantine_add(q, 200, 7, now + 60);
	CHECK(quarantine_has(q, 1, 7, now + 61)); /* any file of it */
	CHECK(!quarantine_has(q, 1, 8, now + 61)); /* of it alone */
	CHECK(!quarantine_has(q, 1, 0, now + 61));
	CHECK(quarantine_has(q, 1, 7, now + HOUR));
	CHECK(!quarantine_has(q, 1, 7, now + HOUR + 1)); /* for an hour */
	CHECK(!quarantine_has(q, 200, 7, now + HOUR + 1));
	quarantine_add(q, 300, 7, now + 3 * HOUR);
	CHECK(!quarantine_has(q, 1, 7, now + 3 * HOUR)); /* which begins anew */
}

/* Keys without end: bounded, and a file that kills goes on being noticed. */
static void test_the_bound(void)
{
	_cleanup_(quarantine_freep) struct quarantine *q = NULL;

	CHECK_INT(quarantine_new(&q), 0);
	for (uint64_t key = 1; key < 20000; key++)
		quarantine_add(q, key, key, 1);
	quarantine_add(q, 1 << 20, 1 << 20, 1);
	quarantine_add(q, 1 << 20, 1 << 20, 1);
	CHECK(quarantine_has(q, 1 << 20, 0, 1));
}

int main(void)
{
	RUN(test_a_file);
	RUN(test_an_owner);
	RUN(test_the_bound);
	return 0;
}
