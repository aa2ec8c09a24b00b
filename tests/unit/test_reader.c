/* The bounded cursor over foreign bytes. */
#include "symbolizer/reader.h"
#include "tests/test.h"

static void test_reads_what_is_there(void)
{
	static const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
					 0x11, 0x12, 'a',  'b',  0,    'c' };
	struct reader r = reader_of(bytes, sizeof(bytes)), part;

	CHECK_INT(reader_u8(&r), 0x01);
	CHECK_INT(reader_u16(&r), 0x0302);
	CHECK_INT(reader_u32(&r), 0x07060504);
	CHECK_INT(reader_u64(&r), 0x0f0e0d0c0b0a0908);
	CHECK_INT(reader_uint(&r, 3), 0x121110);
	CHECK_STR(reader_cstr(&r), "ab");
	CHECK(!r.failed && reader_left(&r) == 1);
	CHECK(!reader_cstr(&r) && r.failed && !reader_left(&r)); /* no NUL behind the c */

	r = reader_from(bytes, sizeof(bytes), 18);
	part = reader_part(&r, 2);
	CHECK(!part.failed && reader_left(&part) == 2 && reader_left(&r) == 2);
	CHECK(!reader_cstr(&part) && part.failed && !r.failed);
}

static void test_never_leaves_the_bytes(void)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct reader r = reader_of(bytes, sizeof(bytes));

	CHECK(!reader_u32(&r) && r.failed && !reader_left(&r));
	CHECK(!reader_u8(&r) && !reader_u16(&r) && !reader_u64(&r) && !reader_uleb(&r));
	CHECK(!reader_bytes(&r, 1) && reader_bytes(&r, 0) == bytes + 3);
	r = reader_of(bytes, sizeof(bytes));
	CHECK(!reader_bytes(&r, UINT64_MAX) && r.failed);
	r = reader_from(bytes, sizeof(bytes), 4);
	CHECK(r.failed && !reader_left(&r) && !reader_u8(&r));
	r = reader_from(bytes, sizeof(bytes), 3);
	CHECK(!r.failed && !reader_left(&r));
	r = reader_of(bytes, sizeof(bytes));
	CHECK(!reader_uint(&r, 9) && r.failed);
	r = reader_of(NULL, 0);
	CHECK(!reader_cstr(&r) && r.failed);
}

static int64_t sleb(const char *bytes, size_t size)
{
	struct reader r = reader_of(bytes, size);
	int64_t value = reader_sleb(&r);

	CHECK(!r.failed && !reader_left(&r));
	return value;
}

static uint64_t uleb(const char *bytes, size_t size)
{
	struct reader r = reader_of(bytes, size);
	uint64_t value = reader_uleb(&r);

	CHECK(!r.failed && !reader_left(&r));
	return value;
}

/* The examples of DWARF 5, tables 7.7 and 7.8, and what is longer than 64 bits. */
static void test_leb128(void)
{
	struct reader r = reader_of("\x80\x80\x80", 3);

	CHECK_INT(uleb("\x02", 1), 2);
	CHECK_INT(uleb("\x80\x01", 2), 128);
	CHECK_INT(uleb("\xb9\x64", 2), 12857);
	CHECK(uleb("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10) == UINT64_MAX);
	CHECK(uleb("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 12) == UINT64_MAX);
	CHECK_INT(sleb("\x7e", 1), -2);
	CHECK_INT(sleb("\xff\x00", 2), 127);
	CHECK_INT(sleb("\x81\x7f", 2), -127);
	CHECK_INT(sleb("\x80\x7f", 2), -128);
	CHECK(sleb("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10) == INT64_MIN);
	CHECK(!reader_uleb(&r) && r.failed); /* never ends */
	r = reader_of("\x80\x80\x01\x05", 4);
	reader_skip_leb(&r);
	CHECK_INT(reader_u8(&r), 5);
}

int main(void)
{
	RUN(test_reads_what_is_there);
	RUN(test_never_leaves_the_bytes);
	RUN(test_leb128);
	return 0;
}
