/* Interned strings: equal strings one id, ids without gaps, the arena's bound. */
#include "agent/base/intern.h"
#include "tests/test.h"

static void test_ids(void)
{
	_cleanup_(intern_freep) struct intern *t = NULL;
	uint32_t id, again;
	size_t len;

	CHECK_INT(intern_new(&t, 1000), 0);
	CHECK_INT(intern_count(t), 1);
	CHECK_STR(intern_get(t, 0, &len), "");
	CHECK_INT(len, 0);
	CHECK_INT(intern_add(t, "main", 4, &id), 0);
	CHECK_INT(id, 1);
	CHECK_INT(intern_add(t, "mainly", 6, &id), 0);
	CHECK_INT(id, 2);
	CHECK_INT(intern_add(t, "mainly", 4, &again), 0); /* length counts, not a NUL */
	CHECK_INT(again, 1);
	CHECK_INT(intern_add(t, "a\0b", 3, &id), 0);
	CHECK_INT(intern_add(t, "a\0c", 3, &again), 0);
	CHECK(id != again);
	CHECK(!memcmp(intern_get(t, id, &len), "a\0b", 4));
	CHECK_INT(len, 3);
	CHECK_INT(intern_add(t, "", 0, &id), 0);
	CHECK_INT(id, 0);
	CHECK_INT(intern_bytes(t), 1 + 5 + 7 + 4 + 4);
}

static void test_many_strings_stay_what_they_are(void)
{
	_cleanup_(intern_freep) struct intern *t = NULL;
	char text[32];
	uint32_t id;

	CHECK_INT(intern_new(&t, 1 << 20), 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= 20000; i++) {
			int len = snprintf(text, sizeof(text), "function_%u", i);

			CHECK_INT(intern_add(t, text, (size_t)len, &id), 0);
			CHECK_INT(id, i);
			CHECK_STR(intern_get(t, id, NULL), text);
		}
	}
	CHECK_INT(intern_count(t), 20001);
}

static void test_the_bound(void)
{
	_cleanup_(intern_freep) struct intern *t = NULL;
	uint32_t id = 77;

	CHECK_INT(intern_new(&t, 10), 0);
	CHECK_INT(intern_add(t, "12345678", 8, &id), 0); /* with both NULs exactly 10 */
	CHECK_INT(id, 1);
	CHECK_INT(intern_add(t, "x", 1, &id), INTERN_E_FULL);
	CHECK_INT(id, 1);
	CHECK_INT(intern_count(t), 2);
	CHECK_INT(intern_add(t, "12345678", 8, &id), 0); /* known ones still have their id */
	CHECK_INT(id, 1);
	CHECK_INT(intern_bytes(t), 10);
}

int main(void)
{
	RUN(test_ids);
	RUN(test_many_strings_stay_what_they_are);
	RUN(test_the_bound);
	return 0;
}
