/* The wall before the core's slabs: images that lie are refused, each for one lie. */
#include "agent/base/cleanup.h"
#include "tests/fixtures/unwind_maker.h"
#include "tests/test.h"

static const struct unwind_put_row rows[] = { { 0, 0 },   { 1, 1 },     { 255, 0 },
					      { 256, 1 }, { 40000, 0 }, { 65535, 1 } };
static uint32_t image[1024];
static size_t size;

static struct unwind_header *header(void)
{
	return (void *)image;
}

static struct unwind_group *group(uint32_t i)
{
	size_t bytes;

	return (struct unwind_group *)unwind_image_group(image, i, &bytes);
}

static uint16_t *words(uint32_t i)
{
	return (uint16_t *)((uint32_t *)(group(i) + 1) + UNWIND_PUT_SLOTS);
}

static void fresh(void)
{
	memset(image, 0, sizeof(image));
	size = unwind_put_image(image, 5, rows, ARRAY_SIZE(rows));
	CHECK(unwind_image_check(image, size));
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		fresh();                                                                           \
		change;                                                                            \
		CHECK(!unwind_image_check(image, size));                                           \
	} while (0)

static void test_whole(void)
{
	size_t bytes;

	fresh();
	CHECK(group(0) && !group(1) && group(2));
	CHECK_INT(group(0)->form, UNWIND_SPARSE);
	unwind_image_group(image, 2, &bytes);
	CHECK_INT(bytes, header()->directory - ((char *)group(2) - (char *)image));
}

static void test_headers(void)
{
	REFUSED(header()->magic++);
	REFUSED(header()->version++);
	REFUSED(header()->size++);
	REFUSED(header()->directory += 2);
	REFUSED(header()->directory -= 4);
	REFUSED(header()->directory = 0);
	REFUSED(header()->nr_groups++);
	REFUSED(header()->nr_groups--);
	REFUSED(header()->nr_groups = UNWIND_GROUPS_MAX + 1);
	REFUSED(header()->nr_groups = 0x40000003); /* times four it is three entries again */
	REFUSED(header()->first_group = 65534);
	REFUSED(header()->first_group = UINT32_MAX);
	REFUSED(size -= 4);
	REFUSED(size = 63);
}

/* Each group once, one behind the other: or a small image would fill all slabs. */
static void test_directories(void)
{
	uint32_t *directory;

	fresh();
	directory = image + header()->directory / 4;
	REFUSED(directory[1] = directory[0]);
	REFUSED(directory[2] = directory[0]);
	REFUSED(directory[2] = 0);
	REFUSED(directory[0] = 0);
	REFUSED(directory[2] = header()->directory / 4);
	REFUSED(directory[2] = UINT32_MAX);
}

static void test_groups(void)
{
	for (uint32_t i = 0; i <= 2; i += 2) {
		REFUSED(group(i)->form = 2);
		REFUSED(group(i)->nr_rows = 0);
		REFUSED(group(i)->nr_rows++);
		REFUSED(group(i)->nr_rows = UINT16_MAX);
		REFUSED(group(i)->nr_slots--);
		REFUSED(group(i)->nr_slots = 1);
		REFUSED(group(i)->nr_slots = 255);
	}
	REFUSED(words(0)[0] = 1);
	REFUSED(words(0)[3] = words(0)[2]);
	REFUSED(((uint8_t *)(words(0) + ARRAY_SIZE(rows)))[1] = 3);
	REFUSED(((uint32_t *)(group(0) + 1))[2] |= UNWIND_RULE_WIDE;
		((uint8_t *)(words(0) + ARRAY_SIZE(rows)))[1] = 2);
	REFUSED(words(2)[0] = 1);
	REFUSED(words(2)[1] = 2);
	REFUSED(words(2)[1] = UINT16_MAX);
	REFUSED(words(2)[UNWIND_INDEX_ENTRIES - 1]--);
	REFUSED(words(2)[UNWIND_INDEX_ENTRIES] = 1 << 8);
	REFUSED(words(2)[UNWIND_INDEX_ENTRIES + 2] = 1 << 8);
	REFUSED(words(2)[UNWIND_INDEX_ENTRIES + 2] |= 3);
}

int main(void)
{
	RUN(test_whole);
	RUN(test_headers);
	RUN(test_directories);
	RUN(test_groups);
	return 0;
}
