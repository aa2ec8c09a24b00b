/* Gzip in steps: however the bytes come, one member comes out that holds them. */
#include "proto/gzip_stream.h"
#include "tests/test.h"

#include <errno.h>
#include <libdeflate.h>

#define MAX_BYTES (4u << 20)

static void fill(unsigned char *data, size_t len)
{
	uint64_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		data[i] = (unsigned char)(i % 3 ? i >> 5 : x >> 56);
	}
}

/* libdeflate takes a single member, and says where it ends. */
static void check(const struct buf *packed, const void *data, size_t len)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned char *plain = malloc(len + 1);
	size_t used, nr;

	CHECK(d && plain);
	CHECK_INT(libdeflate_gzip_decompress_ex(d, packed->data, packed->len, plain, len + 1, &used,
						&nr),
		  LIBDEFLATE_SUCCESS);
	CHECK_INT(used, packed->len);
	CHECK_INT(nr, len);
	CHECK(!memcmp(plain, data, len));
	free(plain);
	libdeflate_free_decompressor(d);
}

static void test_any_steps(void)
{
	static unsigned char data[1u << 20];
	const size_t steps[] = { 1u << 20, 65536, 999, 1 };

	fill(data, sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t len = steps[i] == 1 ? 5000 : sizeof(data);
		_cleanup_(gzip_stream_freep) struct gzip_stream *s = NULL;
		_cleanup_(buf_deinitp) struct buf out;

		buf_init(&out, MAX_BYTES);
		CHECK_INT(gzip_stream_new(&s), 0);
		for (size_t at = 0; at < len; at += steps[i])
			CHECK_INT(gzip_stream_add(s, data + at, MIN(steps[i], len - at), &out), 0);
		CHECK_INT(gzip_stream_finish(s, &out), 0);
		CHECK(out.len < len);
		check(&out, data, len);
	}
}

static void test_nothing(void)
{
	_cleanup_(gzip_stream_freep) struct gzip_stream *s = NULL;
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, MAX_BYTES);
	CHECK_INT(gzip_stream_new(&s), 0);
	CHECK_INT(gzip_stream_add(s, NULL, 0, &out), 0);
	CHECK_INT(gzip_stream_finish(s, &out), 0);
	check(&out, "", 0);
}

static void test_full(void)
{
	static unsigned char data[1u << 20];
	_cleanup_(gzip_stream_freep) struct gzip_stream *s = NULL;
	_cleanup_(buf_deinitp) struct buf out;

	fill(data, sizeof(data));
	buf_init(&out, 1000);
	CHECK_INT(gzip_stream_new(&s), 0);
	CHECK_INT(gzip_stream_add(s, data, sizeof(data), &out), -ENOSPC);
	CHECK(out.len <= 1000);
}

int main(void)
{
	RUN(test_any_steps);
	RUN(test_nothing);
	RUN(test_full);
	return 0;
}
